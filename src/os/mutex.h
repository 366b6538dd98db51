/* mutex.h - mutual exclusion between the threads of one process, over its own memory.
 *
 *   word   0: free. 1: held. 2: held, and somebody may sleep. Locking is acquire, unlocking release.
 *
 * With nobody to wait for it is one operation, in the caller's own code and on the caller's own line;
 * glibc's is on pages of its own, which after a rest cost more than the task that is handed over. In a
 * child of fork() a mutex that another thread held stays held, as with glibc's. */
#ifndef CREW_MUTEX_H
#define CREW_MUTEX_H

#include "atomic.h"
#include "os.h"

struct mutex {
    _Atomic uint32_t word; /* all zero: free */
};

void mutex_lock_slowly(struct mutex *mutex);

static inline void mutex_lock(struct mutex *mutex)
{
    uint32_t word = 0;

    if (!atomic_compare_exchange_strong_explicit(&mutex->word, &word, 1, memory_order_acquire,
                                                 memory_order_relaxed))
        mutex_lock_slowly(mutex);
}

static inline void mutex_unlock(struct mutex *mutex)
{
    if (atomic_exchange_explicit(&mutex->word, 0, memory_order_release) == 2)
        os_futex_wake(&mutex->word, 1);
}

#endif
