/* S04.c - a process dies holding the lock of a condition, and another one waits for the
 * condition: it is told, and has the lock. */
#include "fault.h"

static crew_lock *lock;
static crew_condition *condition;

static int hold(crew_task *task)
{
    (void)task;
    must(crew_lock_acquire(lock, CREW_FOREVER));
    stay();
}

static int wait_for_it(crew_task *task)
{
    int r;

    (void)task;
    must(crew_lock_acquire(lock, CREW_FOREVER));
    arrive();
    r = crew_condition_wait(condition, CREW_FOREVER);
    answer(0, r);
    if (r == CREW_EOWNERDEAD)
        must(crew_lock_consistent(lock));
    must(crew_lock_release(lock));
    return 0;
}

FAULT("S04", "Condition: SIGKILL the holder; another acquires")
{
    crew_process *holder, *living;

    must(crew_lock_open(&lock, NULL));
    must(crew_condition_open(&condition, lock, NULL));
    living = begin(wait_for_it);
    until(there() == 1 && asleep(living));
    holder = begin(hold);
    until(there() == 2);
    slay(holder);
    bury(living);
    end_all();
    crew_condition_close(condition);
    crew_lock_close(lock);
    told(answer_of(0), "acquired, and not told that the owner died");
}
