/* G05.c - a process dies that waits for a condition that goes with a recursive lock: all later
 * notify_all() return, and the one that waits again and again is woken each time. */
#include "fault.h"

#define TIMES 20

static crew_rlock *lock;
static crew_condition *condition;

static int wait_once(crew_task *task)
{
    (void)task;
    must(crew_rlock_acquire(lock, CREW_FOREVER));
    arrive();
    must(crew_condition_wait(condition, CREW_FOREVER));
    must(crew_rlock_release(lock));
    return 0;
}

static int wait_often(crew_task *task)
{
    (void)task;
    must(crew_rlock_acquire(lock, CREW_FOREVER));
    for (int i = 0; i < TIMES; i++) {
        arrive();
        must(crew_condition_wait(condition, CREW_FOREVER));
    }
    answer(0, 0);
    must(crew_rlock_release(lock));
    return 0;
}

FAULT("G05", "condition of an rlock: SIGKILL a waiter; then notify_all twenty times")
{
    crew_process *victim, *living;

    must(crew_rlock_open(&lock, NULL));
    must(crew_condition_open(&condition, NULL, &(struct crew_condition_options){ .rlock = lock }));
    victim = begin(wait_once);
    until(there() == 1 && asleep(victim));
    living = begin(wait_often);
    until(there() == 2);
    slay(victim);
    for (unsigned i = 0; i < TIMES; i++) {
        until(there() == i + 2);
        must(crew_rlock_acquire(lock, in_time())); /* so it waits by now */
        must(crew_condition_notify_all(condition));
        must(crew_rlock_release(lock));
    }
    bury(living);
    end_all();
    crew_condition_close(condition);
    crew_rlock_close(lock);
    told(answer_of(0), "20 of them returned, the live waiter was woken 20 times");
}
