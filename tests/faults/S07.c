/* S07.c - a process dies that waits for an event: set() returns, and who else waits goes on. */
#include "fault.h"

static crew_event *event;

static int wait_for_it(crew_task *task)
{
    (void)task;
    arrive();
    answer(0, crew_event_wait(event, CREW_FOREVER));
    return 0;
}

FAULT("S07", "Event: SIGKILL a waiter; then set()")
{
    crew_process *victim, *living;

    must(crew_event_open(&event));
    victim = begin(wait_for_it);
    until(there() == 1 && asleep(victim));
    living = begin(wait_for_it);
    until(there() == 2 && asleep(living));
    slay(victim);
    crew_event_set(event);
    bury(living);
    end_all();
    crew_event_close(event);
    told(answer_of(0), "set returned, the live waiter went on");
}
