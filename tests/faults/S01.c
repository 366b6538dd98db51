/* S01.c - a process dies holding a lock: the next owner is told, and has it. */
#include "fault.h"

static crew_lock *lock;

static int hold(crew_task *task)
{
    (void)task;
    must(crew_lock_acquire(lock, CREW_FOREVER));
    stay();
}

FAULT("S01", "Lock: SIGKILL the holder; another acquires")
{
    crew_process *holder;
    int r;

    must(crew_lock_open(&lock, NULL));
    holder = begin(hold);
    until(there() == 1);
    slay(holder);
    r = crew_lock_acquire(lock, in_time());
    went_on();
    if (r == CREW_EOWNERDEAD) {
        must(crew_lock_consistent(lock));
        must(crew_lock_release(lock));
    }
    end_all();
    crew_lock_close(lock);
    told(r, "acquired, and not told that the owner died");
}
