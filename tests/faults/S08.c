/* S08.c - one of three parties dies before it comes to the barrier, or does anything with it:
 * the others are told. */
#include "fault.h"

static crew_barrier *barrier;

static int never_come(crew_task *task)
{
    (void)task;
    stay();
}

static int wait_for_all(crew_task *task)
{
    (void)task;
    arrive();
    answer(0, crew_barrier_wait(barrier, NULL, CREW_FOREVER));
    return 0;
}

FAULT("S08", "Barrier(3): one party dies before arriving; the others wait")
{
    crew_process *victim, *living;
    int r;

    must(crew_barrier_open(&barrier, 3, NULL));
    victim = begin(never_come);
    must(crew_barrier_expect(barrier, crew_process_pid(victim)));
    until(there() == 1);
    living = begin(wait_for_all);
    until(there() == 2 && asleep(living));
    slay(victim);
    r = crew_barrier_wait(barrier, NULL, in_time());
    went_on();
    bury(living);
    end_all();
    crew_barrier_close(barrier);
    if (r != answer_of(0))
        end("corrupt", "one is told %s, another one %s", code_of(r), code_of(answer_of(0)));
    told(r, "released with 2 live parties of 3");
}
