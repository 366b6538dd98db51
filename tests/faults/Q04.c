/* Q04.c - a process dies in the middle of putting 8 MB: who gets with a deadline has its answer
 * then. */
#include "half.h"

static crew_queue *queue;

static int put(crew_task *task)
{
    (void)task;
    return crew_queue_put(queue, half(), BIG, CREW_FOREVER);
}

FAULT("Q04", "Queue: as Q03; does get(timeout=1) keep its time limit?")
{
    crew_process *producer;
    crew_time deadline;
    size_t size = 0;
    void *block;
    int r;

    must(crew_queue_open(&queue, NULL));
    producer = begin(put);
    until(there() == 1);
    slay(producer);
    deadline = crew_in_ms(1000);
    r = crew_queue_get_block(queue, &block, &size, deadline);
    went_on();
    atomic_store(&fault->died, deadline); /* the time is how late it is */
    end_all();
    crew_queue_close(queue);
    if (r != -ETIMEDOUT || atomic_load(&fault->on) < deadline)
        end("error", "%s, %.1f ms before the deadline", code_of(r),
            (double)(deadline - atomic_load(&fault->on)) / 1e6);
    end_well("ok", "returned %.2f ms after its deadline of 1 s",
             (double)(atomic_load(&fault->on) - deadline) / 1e6);
}
