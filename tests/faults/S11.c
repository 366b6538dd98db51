/* S11.c - a process dies that waits for a lock: it is as if it had never come. */
#include "fault.h"

static crew_lock *lock;

static int wait_for_it(crew_task *task)
{
    (void)task;
    arrive();
    must(crew_lock_acquire(lock, CREW_FOREVER));
    return 0;
}

FAULT("S11", "Lock: SIGKILL a process that waits for it; the holder releases, another acquires")
{
    crew_process *victim;
    int r;

    must(crew_lock_open(&lock, NULL));
    must(crew_lock_acquire(lock, CREW_NOW));
    victim = begin(wait_for_it);
    until(there() == 1 && asleep(victim));
    slay(victim);
    bury(victim);
    must(crew_lock_release(lock));
    r = crew_lock_acquire(lock, in_time());
    went_on();
    if (r == 0)
        must(crew_lock_release(lock));
    end_all();
    crew_lock_close(lock);
    told(r, "acquired");
}
