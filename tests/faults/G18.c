/* G18.c - a process dies holding a lock for writing: who wants to read is told, and has it to mend. */
#include "fault.h"

static crew_rwlock *lock;

static int write_for_ever(crew_task *task)
{
    (void)task;
    must(crew_rwlock_acquire_write(lock, CREW_FOREVER));
    stay();
}

FAULT("G18", "rwlock: SIGKILL a writer; another reads")
{
    crew_process *writer;
    int r;

    must(crew_rwlock_open(&lock, NULL));
    writer = begin(write_for_ever);
    until(there() == 1);
    slay(writer);
    r = crew_rwlock_acquire_read(lock, in_time());
    went_on();
    if (r == CREW_EOWNERDEAD) {
        must(crew_rwlock_consistent(lock));
        must(crew_rwlock_release(lock));
    }
    end_all();
    crew_rwlock_close(lock);
    told(r, "acquired, and not told that the owner died");
}
