/* rlock.c - a lock that its owner may acquire again: a lock of lock.c, and how often its owner has it.
 *
 * The law is that of lock.c. 'depth' is the owner's: nobody else reads or writes it while it lives. Who gets
 * the lock from nobody or from the dead begins at 1, whatever the dead had counted to.
 *
 * The owner dies ...                  others see        what helps
 *   before it wrote 'depth'           HELD(dead)        as in lock.c: the next one has it, and begins at 1
 *   between a change and its return   HELD(dead)        the same: 'depth' means nothing to others
 *   having counted down to 0, before  HELD(dead)        the same; it is told of a death that has hurt nothing
 *   the release */
#include "rlock.h"

#include <errno.h>

int rlock_acquire(struct lock_shm *lock, uint32_t me, crew_time deadline)
{
    int r;

    if (lock_holder(lock) == me) {
        if (lock->depth == UINT32_MAX)
            return -EAGAIN;
        lock->depth++;
        return 0;
    }
    r = lock_acquire(lock, me, deadline);
    if (r == 0 || r == CREW_EOWNERDEAD)
        lock->depth = 1;
    return r;
}

int rlock_release(struct lock_shm *lock, uint32_t me)
{
    if (lock_holder(lock) != me)
        return -EPERM;
    return --lock->depth > 0 ? 0 : lock_release(lock, me);
}
