/* S03.c - a process dies holding the only permit: another acquires it. */
#include "fault.h"

static crew_semaphore *semaphore;

static int hold(crew_task *task)
{
    (void)task;
    must(crew_semaphore_acquire(semaphore, 1, CREW_FOREVER));
    stay();
}

FAULT("S03", "Semaphore: SIGKILL the holder; another acquires")
{
    crew_process *holder;
    int r;

    must(crew_semaphore_open(&semaphore, 1, NULL));
    holder = begin(hold);
    until(there() == 1);
    slay(holder);
    r = crew_semaphore_acquire(semaphore, 1, in_time());
    went_on();
    if (r == 0)
        must(crew_semaphore_release(semaphore, 1));
    end_all();
    crew_semaphore_close(semaphore);
    told(r, "acquired");
}
