/* G08.c - a process dies holding the only permit, and another one sleeps for it: it gets it. */
#include "fault.h"

static crew_semaphore *semaphore;

static int hold(crew_task *task)
{
    (void)task;
    must(crew_semaphore_acquire(semaphore, 1, CREW_FOREVER));
    stay();
}

static int wait_for_it(crew_task *task)
{
    (void)task;
    arrive();
    answer(0, crew_semaphore_acquire(semaphore, 1, CREW_FOREVER));
    return 0;
}

FAULT("G08", "semaphore: SIGKILL the holder of the only permit; another sleeps for it")
{
    crew_process *holder, *living;

    must(crew_semaphore_open(&semaphore, 1, NULL));
    holder = begin(hold);
    until(there() == 1);
    living = begin(wait_for_it);
    until(there() == 2 && asleep(living));
    slay(holder);
    bury(living);
    end_all();
    crew_semaphore_close(semaphore);
    told(answer_of(0), "the permit of the dead came back");
}
