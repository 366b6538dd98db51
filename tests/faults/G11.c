/* G11.c - a process dies holding a lock for reading: who waits to write gets it. */
#include "fault.h"

static crew_rwlock *lock;

static int read_for_ever(crew_task *task)
{
    (void)task;
    must(crew_rwlock_acquire_read(lock, CREW_FOREVER));
    stay();
}

static int write_once(crew_task *task)
{
    int r;

    (void)task;
    arrive();
    r = crew_rwlock_acquire_write(lock, CREW_FOREVER);
    answer(0, r);
    if (r == 0)
        must(crew_rwlock_release(lock));
    return 0;
}

FAULT("G11", "rwlock: SIGKILL a reader; a writer waits")
{
    crew_process *reader, *writer;

    must(crew_rwlock_open(&lock, NULL));
    reader = begin(read_for_ever);
    until(there() == 1);
    writer = begin(write_once);
    until(there() == 2 && asleep(writer));
    slay(reader);
    bury(writer);
    end_all();
    crew_rwlock_close(lock);
    told(answer_of(0), "the writer got in");
}
