/* M08.c - a process dies asleep in get(), which is known to all before anything is put: the
 * message goes to who gets next. There is no server in between that could have it. */
#include "fault.h"

static crew_queue *queue;

static int get(crew_task *task)
{
    int item;

    (void)task;
    arrive();
    must(crew_queue_get(queue, &item, sizeof item, NULL, CREW_FOREVER));
    return 0;
}

FAULT("M08", "Manager().Queue(): SIGKILL a consumer asleep in get(); then one put: does the live "
             "consumer get it?")
{
    crew_process *victim;
    int item = 1, got = 0, r;

    must(crew_queue_open(&queue, NULL));
    victim = begin(get);
    until(there() == 1 && asleep(victim));
    slay(victim);
    bury(victim);
    must(crew_queue_put(queue, &item, sizeof item, CREW_NOW));
    r = crew_queue_get(queue, &got, sizeof got, NULL, in_time());
    went_on();
    end_all();
    crew_queue_close(queue);
    if (r == 0 && got != item)
        end("corrupt", "got %d", got);
    told(r, "the live consumer got it");
}
