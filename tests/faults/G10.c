/* G10.c - one of three parties joins, and dies before it arrives, while the two others wait:
 * both are told. */
#include "fault.h"

static crew_barrier *barrier;
static _Atomic uint32_t *living; /* how many have come */

static int never_come(crew_task *task)
{
    (void)task;
    must(crew_barrier_join(barrier));
    stay();
}

static int wait_for_all(crew_task *task)
{
    unsigned me = atomic_fetch_add(living, 1);

    (void)task;
    arrive();
    answer(me, crew_barrier_wait(barrier, NULL, CREW_FOREVER));
    return 0;
}

FAULT("G10", "barrier of 3: SIGKILL a party before it arrives; two wait")
{
    crew_process *victim, *one, *other;
    void *block;

    must(crew_memory_alloc(&block, sizeof *living));
    living = memset(block, 0, sizeof *living);
    must(crew_barrier_open(&barrier, 3, NULL));
    victim = begin(never_come);
    until(there() == 1);
    one = begin(wait_for_all);
    other = begin(wait_for_all);
    until(there() == 3 && asleep(one) && asleep(other));
    slay(victim);
    bury(one);
    bury(other);
    end_all();
    crew_barrier_close(barrier);
    crew_memory_free((void *)living);
    if (answer_of(0) != answer_of(1))
        end("corrupt", "one is told %s, another one %s", code_of(answer_of(0)),
            code_of(answer_of(1)));
    told(answer_of(0), "released with 2 live parties of 3");
}
