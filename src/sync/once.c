/* once.c - a function that runs once: a word that says that it has, and a lock for who runs it.
 *
 *   done  0, or 1 for ever: set [S] by the owner of 'lock' when the function has returned
 *   lock  as in lock.c; HURT means nothing here: the function mends what it left half done
 *
 * Order  [S] release -> the look at 'done' acquire    what the function wrote
 *
 * The thread dies ...              others see          what helps
 *   before or in the function      not done, HELD      all waiters are woken; the next one runs it again
 *   after it, before [S]           the same            the same: so it must bear to be run again
 *   after [S], before the release  done                who waits gets the lock from the dead, and sees it
 */
#include "once.h"

#include <string.h>

int once_init(struct once_shm *once)
{
    memset(once, 0, sizeof *once);
    return lock_init(&once->lock, NULL, "once");
}

int once_run(struct once_shm *once, uint32_t me, int (*function)(void *context), void *context,
             crew_time deadline)
{
    int r = lock_acquire(&once->lock, me, deadline);

    if (r == CREW_EOWNERDEAD) /* it is the function's to mend */
        r = lock_consistent(&once->lock, me);
    if (r < 0)
        return r;
    if (load_relaxed(&once->done) == 0) {
        r = function(context);
        if (r >= 0)
            store_release(&once->done, 1); /* [S] */
    }
    lock_release(&once->lock, me);
    return r < 0 ? r : 0;
}
