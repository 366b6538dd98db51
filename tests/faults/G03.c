/* G03.c - a process dies holding ten thousand locks: each is handed on. */
#include "fault.h"

#define LOCKS 10000

static crew_lock *locks;

static int hold(crew_task *task)
{
    (void)task;
    for (unsigned i = 0; i < LOCKS; i++)
        must(crew_lock_acquire(&locks[i], CREW_NOW));
    stay();
}

FAULT("G03", "robust mutexes: SIGKILL the holder of many; each is acquired again")
{
    crew_process *holder;
    unsigned told_so = 0, never = 0;

    must(crew_memory_alloc((void **)&locks, LOCKS * sizeof *locks));
    for (unsigned i = 0; i < LOCKS; i++)
        must(crew_lock_init(&locks[i], NULL));
    holder = begin(hold);
    until(there() == 1);
    slay(holder);
    for (unsigned i = 0; i < LOCKS; i++) {
        int r = crew_lock_acquire(&locks[i], never == 0 ? in_time() : CREW_NOW);

        if (i == 0)
            went_on();
        told_so += r == CREW_EOWNERDEAD;
        never += r == -ETIMEDOUT || r == -EAGAIN;
    }
    for (unsigned i = 0; i < LOCKS; i++)
        crew_lock_fini(&locks[i]);
    end_all();
    crew_memory_free(locks);
    if (never > 0)
        end("hang", "held %d locks: %u never came back", LOCKS, never);
    end_well(told_so == LOCKS ? "ok" : "lost", "held %d locks: %u handed on with CREW_EOWNERDEAD",
             LOCKS, told_so);
}
