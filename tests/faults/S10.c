/* S10.c - a process dies between the two halves of a change of guarded numbers: the next owner
 * is told, and finds them as they were before, in between, or after, never anything else. */
#include "fault.h"

static crew_lock *lock;
static crew_value *value, *twice;

static int change(crew_task *task)
{
    (void)task;
    must(crew_lock_acquire(lock, CREW_FOREVER));
    crew_value_store(value, 7);
    arrive();
    for (;;)
        pause();
    crew_value_store(twice, 14);
    return 0;
}

FAULT("S10", "Value(lock=True): SIGKILL a process inside `with v.get_lock()`; another reads")
{
    crew_process *holder;
    int64_t first, second;
    int r;

    must(crew_lock_open(&lock, NULL));
    must(crew_value_open(&value, 5));
    must(crew_value_open(&twice, 10));
    holder = begin(change);
    until(there() == 1);
    slay(holder);
    r = crew_lock_acquire(lock, in_time());
    went_on();
    first = crew_value_load(value);
    second = crew_value_load(twice);
    if (r == CREW_EOWNERDEAD) {
        crew_value_store(twice, 2 * first); /* mended */
        must(crew_lock_consistent(lock));
        must(crew_lock_release(lock));
    }
    end_all();
    crew_lock_close(lock);
    crew_value_close(value);
    crew_value_close(twice);
    if (first != 7 || second != 10)
        end("corrupt", "%d and %d", (int)first, (int)second);
    told(r, "read, and not told that the owner died");
}
