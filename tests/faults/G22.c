/* G22.c - a lock is released, who is woken by that dies before it runs, and a third one was
 * faster and has the lock meanwhile: when it releases the lock the other one that waits gets it. */
#include "fault.h"

static crew_lock *lock;

static int wait_for_it(void)
{
    int r;

    arrive();
    r = crew_lock_acquire(lock, CREW_FOREVER);
    answer(0, r);
    if (r == 0)
        must(crew_lock_release(lock));
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

FAULT("G22", "lock: as G20, and another takes and releases the lock meanwhile")
{
    crew_process *victim, *living;

    must(crew_lock_open(&lock, NULL));
    must(crew_lock_acquire(lock, CREW_NOW));
    victim = begin(die);
    until(there() == 1 && asleep(victim));
    living = begin(live);
    until(there() == 2 && asleep(living));
    certainly();
    must(crew_lock_release(lock));
    must(crew_lock_acquire(lock, CREW_NOW));
    slay(victim);
    must(crew_lock_release(lock));
    as_ever();
    bury(living);
    end_all();
    crew_lock_close(lock);
    told(answer_of(0), how_certain());
}
