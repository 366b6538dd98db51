/* G06.c - one is notified, and dies before it runs: the notification goes to the other one that
 * waits. */
#include "fault.h"

static crew_lock *lock;
static crew_condition *condition;

static int wait_for_it(void)
{
    must(crew_lock_acquire(lock, CREW_FOREVER));
    arrive();
    answer(0, crew_condition_wait(condition, CREW_FOREVER));
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

FAULT("G06", "condition: notify wakes a waiter that dies before it runs; another waits")
{
    crew_process *victim, *living;

    must(crew_lock_open(&lock, NULL));
    must(crew_condition_open(&condition, lock, NULL));
    victim = begin(die);
    until(there() == 1 && asleep(victim));
    living = begin(live);
    until(there() == 2 && asleep(living));
    must(crew_lock_acquire(lock, in_time()));
    certainly();
    must(crew_condition_notify(condition, 1));
    must(crew_lock_release(lock));
    slay(victim);
    as_ever();
    bury(living);
    end_all();
    crew_condition_close(condition);
    crew_lock_close(lock);
    told(answer_of(0), how_certain());
}
