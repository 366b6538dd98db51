/* Q06.c - a process dies right after its ten thousandth put(): all are there, in order. */
#include "fault.h"

#define ITEMS 10000

static crew_queue *queue;

static int put(crew_task *task)
{
    (void)task;
    for (int i = 0; i < ITEMS; i++)
        must(crew_queue_put(queue, &i, sizeof i, CREW_NOW));
    atomic_store(&fault->died, crew_time_now());
    raise(SIGKILL);
    return 0;
}

FAULT("Q06",
      "Queue: SIGKILL a producer right after its 10000th put() returned: do all 10000 arrive?")
{
    crew_process *producer;
    int arrived = 0, wrong = 0, item, r;

    must(crew_queue_open(&queue, &(struct crew_queue_options){ .capacity = ITEMS }));
    producer = begin(put);
    bury(producer);
    while ((r = crew_queue_get(queue, &item, sizeof item, NULL, CREW_NOW)) == 0)
        wrong += item != arrived++;
    went_on();
    end_all();
    crew_queue_close(queue);
    if (r != -EAGAIN || wrong > 0)
        end("corrupt", "%s, %d of %d in the wrong order", code_of(r), wrong, arrived);
    end_well(arrived == ITEMS ? "ok" : "lost", "%d of %d arrived, in order", arrived, ITEMS);
}
