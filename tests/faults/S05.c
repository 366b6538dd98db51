/* S05.c - a process dies that waits for a condition: notify_all() returns, and who else waits
 * goes on. */
#include "fault.h"

static crew_lock *lock;
static crew_condition *condition;

static int wait_for_it(crew_task *task)
{
    (void)task;
    must(crew_lock_acquire(lock, CREW_FOREVER));
    arrive();
    answer(0, crew_condition_wait(condition, CREW_FOREVER));
    must(crew_lock_release(lock));
    return 0;
}

FAULT("S05", "Condition: SIGKILL one waiter; then notify_all with another waiter there")
{
    crew_process *victim, *living;

    must(crew_lock_open(&lock, NULL));
    must(crew_condition_open(&condition, lock, NULL));
    victim = begin(wait_for_it);
    until(there() == 1 && asleep(victim));
    living = begin(wait_for_it);
    until(there() == 2 && asleep(living));
    slay(victim);
    must(crew_lock_acquire(lock, in_time()));
    must(crew_condition_notify_all(condition));
    must(crew_lock_release(lock));
    bury(living);
    end_all();
    crew_condition_close(condition);
    crew_lock_close(lock);
    told(answer_of(0), "notify_all returned, the live waiter went on");
}
