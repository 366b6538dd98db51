/* S02.c - a process dies holding a recursive lock twice: the next owner is told, and has it. */
#include "fault.h"

static crew_rlock *lock;

static int hold(crew_task *task)
{
    (void)task;
    must(crew_rlock_acquire(lock, CREW_FOREVER));
    must(crew_rlock_acquire(lock, CREW_FOREVER));
    stay();
}

FAULT("S02", "RLock: SIGKILL the holder; another acquires")
{
    crew_process *holder;
    int r;

    must(crew_rlock_open(&lock, NULL));
    holder = begin(hold);
    until(there() == 1);
    slay(holder);
    r = crew_rlock_acquire(lock, in_time());
    went_on();
    if (r == CREW_EOWNERDEAD) {
        must(crew_rlock_consistent(lock));
        must(crew_rlock_release(lock));
    }
    end_all();
    crew_rlock_close(lock);
    told(r, "acquired, and not told that the owner died");
}
