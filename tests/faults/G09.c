/* G09.c - one of three parties dies while it waits and another one does: that one is told, and
 * so is the third, which comes later. */
#include "fault.h"

static crew_barrier *barrier;

static int wait_for_all(crew_task *task)
{
    (void)task;
    arrive();
    answer(0, crew_barrier_wait(barrier, NULL, CREW_FOREVER));
    return 0;
}

FAULT("G09", "barrier of 3: SIGKILL one that waits; another waits, the third comes")
{
    crew_process *victim, *living;
    int r;

    must(crew_barrier_open(&barrier, 3, NULL));
    victim = begin(wait_for_all);
    until(there() == 1 && asleep(victim));
    living = begin(wait_for_all);
    until(there() == 2 && asleep(living));
    slay(victim);
    bury(victim);
    r = crew_barrier_wait(barrier, NULL, in_time());
    went_on();
    bury(living);
    end_all();
    crew_barrier_close(barrier);
    if (r != answer_of(0))
        end("corrupt", "one is told %s, another one %s", code_of(r), code_of(answer_of(0)));
    told(r, "released with 2 live parties of 3");
}
