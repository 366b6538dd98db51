/* G21.c - a recursive lock is released, and who is woken by that dies before it runs: the other
 * one that waits gets it. */
#include "fault.h"

static crew_rlock *lock;

static int wait_for_it(void)
{
    int r;

    arrive();
    r = crew_rlock_acquire(lock, CREW_FOREVER);
    answer(0, r);
    if (r == 0)
        must(crew_rlock_release(lock));
    return 0;
}

static int die(crew_task *task)
{
    (void)task;
    pinned();
    return wait_for_it();
}

static int live(crew_task *task)
{
    (void)task;
    return wait_for_it();
}

FAULT("G21", "rlock: release wakes a waiter that dies before it runs; another waits")
{
    crew_process *victim, *living;

    must(crew_rlock_open(&lock, NULL));
    must(crew_rlock_acquire(lock, CREW_NOW));
    victim = begin(die);
    until(there() == 1 && asleep(victim));
    living = begin(live);
    until(there() == 2 && asleep(living));
    certainly();
    must(crew_rlock_release(lock));
    slay(victim);
    as_ever();
    bury(living);
    end_all();
    crew_rlock_close(lock);
    told(answer_of(0), how_certain());
}
