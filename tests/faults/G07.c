/* G07.c - a permit is released, and who is woken by that dies before it runs: the other one that
 * waits gets it. */
#include "fault.h"

static crew_semaphore *semaphore;

static int wait_for_it(void)
{
    arrive();
    answer(0, crew_semaphore_acquire(semaphore, 1, CREW_FOREVER));
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

FAULT("G07", "semaphore: release wakes a waiter that dies before it runs; another waits")
{
    crew_process *victim, *living;

    must(crew_semaphore_open(&semaphore, 0, &(struct crew_semaphore_options){ .unowned = true }));
    victim = begin(die);
    until(there() == 1 && asleep(victim));
    living = begin(live);
    until(there() == 2 && asleep(living));
    certainly();
    must(crew_semaphore_release(semaphore, 1));
    slay(victim);
    as_ever();
    bury(living);
    end_all();
    crew_semaphore_close(semaphore);
    told(answer_of(0), how_certain());
}
