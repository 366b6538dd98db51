/* S06.c - the only process dies that waits for a condition: notify() returns, and who waits
 * later is not notified by that. */
#include "fault.h"

static crew_lock *lock;
static crew_condition *condition;

static int wait_for_it(crew_task *task)
{
    (void)task;
    must(crew_lock_acquire(lock, CREW_FOREVER));
    arrive();
    must(crew_condition_wait(condition, CREW_FOREVER));
    must(crew_lock_release(lock));
    return 0;
}

FAULT("S06", "Condition: SIGKILL the only waiter; then notify")
{
    crew_process *victim;
    int r, later;

    must(crew_lock_open(&lock, NULL));
    must(crew_condition_open(&condition, lock, NULL));
    victim = begin(wait_for_it);
    until(there() == 1 && asleep(victim));
    slay(victim);
    must(crew_lock_acquire(lock, in_time()));
    r = crew_condition_notify(condition, 1);
    went_on();
    bury(victim);
    later = crew_condition_wait(condition, crew_in_ms(10));
    must(crew_lock_release(lock));
    end_all();
    crew_condition_close(condition);
    crew_lock_close(lock);
    if (r == 0 && later != -ETIMEDOUT)
        end("dup", "who waits later: %s", code_of(later));
    told(r, "notify returned");
}
