/* G17.c - a process dies holding two of three permits: all three can be had again. */
#include "fault.h"

static crew_semaphore *semaphore;

static int hold(crew_task *task)
{
    (void)task;
    must(crew_semaphore_acquire(semaphore, 2, CREW_FOREVER));
    stay();
}

FAULT("G17", "semaphore: SIGKILL the holder of some permits; they come back")
{
    crew_process *holder;
    int r;

    must(crew_semaphore_open(&semaphore, 3, NULL));
    holder = begin(hold);
    until(there() == 1);
    slay(holder);
    r = crew_semaphore_acquire(semaphore, 3, in_time());
    went_on();
    if (r == 0)
        must(crew_semaphore_release(semaphore, 3));
    end_all();
    crew_semaphore_close(semaphore);
    told(r, "two of three permits came back");
}
