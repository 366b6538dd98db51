/* Q08.c - a process dies that has taken a message from a queue for two: two fit, and a third one
 * waits. */
#include "fault.h"

static crew_queue *queue;

static int take(crew_task *task)
{
    int item;

    (void)task;
    must(crew_queue_get(queue, &item, sizeof item, NULL, CREW_FOREVER));
    stay();
}

FAULT("Q08", "Queue(maxsize=2): SIGKILL a consumer after get(); do two puts still fit, and does a "
             "third wait rightly?")
{
    crew_process *consumer;
    int item = 1, r, third;

    must(crew_queue_open(&queue, &(struct crew_queue_options){ .capacity = 2 }));
    must(crew_queue_put(queue, &item, sizeof item, CREW_NOW));
    consumer = begin(take);
    until(there() == 1);
    slay(consumer);
    r = crew_queue_put(queue, &item, sizeof item, in_time());
    if (r == 0)
        r = crew_queue_put(queue, &item, sizeof item, in_time());
    went_on();
    third = crew_queue_put(queue, &item, sizeof item, crew_in_ms(10));
    end_all();
    crew_queue_close(queue);
    if (r == 0 && third != -ETIMEDOUT)
        end("corrupt", "a third one: %s", code_of(third));
    told(r, "two puts; the third one waited for its 10 ms");
}
