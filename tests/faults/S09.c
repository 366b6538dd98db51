/* S09.c - one of three parties dies while it waits, then the two others arrive: both are told. */
#include "fault.h"

static crew_barrier *barrier;

static int wait_for_all(crew_task *task)
{
    (void)task;
    arrive();
    answer(0, crew_barrier_wait(barrier, NULL, CREW_FOREVER));
    return 0;
}

FAULT("S09", "Barrier(3): one party dies while it waits; two others arrive")
{
    crew_process *victim, *living;
    int r;

    must(crew_barrier_open(&barrier, 3, NULL));
    victim = begin(wait_for_all);
    until(there() == 1 && asleep(victim));
    slay(victim);
    bury(victim);
    living = begin(wait_for_all);
    until(there() == 2);
    r = crew_barrier_wait(barrier, NULL, in_time());
    went_on();
    bury(living);
    end_all();
    crew_barrier_close(barrier);
    if (r != answer_of(0))
        end("corrupt", "one is told %s, another one %s", code_of(r), code_of(answer_of(0)));
    told(r, "released with 2 live parties of 3");
}
