/* G16.c - a message is put, and who is woken by that dies before it runs: the other one that
 * waits gets it. */
#include "fault.h"

static crew_queue *queue;

static int get(void)
{
    int item = 0, r;

    arrive();
    r = crew_queue_get(queue, &item, sizeof item, NULL, CREW_FOREVER);
    answer(0, r == 0 && item != 1 ? -EBADMSG : r);
    return 0;
}

static int die(crew_task *task)
{
    (void)task;
    pinned();
    return get();
}

static int live(crew_task *task)
{
    (void)task;
    return get();
}

FAULT("G16", "queue: a message wakes a receiver that dies before it runs; another waits")
{
    crew_process *victim, *living;
    int item = 1;

    must(crew_queue_open(&queue, NULL));
    victim = begin(die);
    until(there() == 1 && asleep(victim));
    living = begin(live);
    until(there() == 2 && asleep(living));
    certainly();
    must(crew_queue_put(queue, &item, sizeof item, CREW_NOW));
    slay(victim);
    as_ever();
    bury(living);
    end_all();
    crew_queue_close(queue);
    told(answer_of(0), how_certain());
}
