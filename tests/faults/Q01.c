/* Q01.c - a process dies asleep in get(): the next message goes to the other one that waits. */
#include "fault.h"

static crew_queue *queue;

static int get(crew_task *task)
{
    int item = 0, r;

    (void)task;
    arrive();
    r = crew_queue_get(queue, &item, sizeof item, NULL, CREW_FOREVER);
    answer(0, r == 0 && item != 1 ? -EBADMSG : r);
    return 0;
}

FAULT("Q01", "Queue: SIGKILL a consumer asleep in get(); another consumer, then put")
{
    crew_process *victim, *living;
    int item = 1;

    must(crew_queue_open(&queue, NULL));
    victim = begin(get);
    until(there() == 1 && asleep(victim));
    living = begin(get);
    until(there() == 2 && asleep(living));
    slay(victim);
    must(crew_queue_put(queue, &item, sizeof item, CREW_NOW));
    bury(living);
    end_all();
    crew_queue_close(queue);
    told(answer_of(0), "the live consumer, asleep too, got it");
}
