/* Q05.c - a process dies in the middle of putting 8 MB: what another puts behind it arrives. */
#include "half.h"

static crew_queue *queue;

static int put(crew_task *task)
{
    (void)task;
    return crew_queue_put(queue, half(), BIG, CREW_FOREVER);
}

FAULT("Q05", "Queue: SIGKILL a producer in the middle of writing 8 MB; another producer puts, its "
             "item arrives?")
{
    crew_process *producer;
    int item = 7, got = 0, r;

    must(crew_queue_open(&queue, NULL));
    producer = begin(put);
    until(there() == 1);
    must(crew_queue_put(queue, &item, sizeof item, CREW_NOW));
    slay(producer);
    r = crew_queue_get(queue, &got, sizeof got, NULL, in_time());
    went_on();
    end_all();
    crew_queue_close(queue);
    if (r == 0 && got != item)
        end("corrupt", "got %d", got);
    told(r, "the other producer's message, put while the first one was in the middle, arrived");
}
