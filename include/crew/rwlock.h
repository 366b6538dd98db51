/* crew/rwlock.h - many read at once, or one writes: between threads and processes of a crew.
 *
 * Made for what is read often and by many: a reader that meets no writer touches a line of memory that is
 * its own, and disturbs no other reader. That is why it takes almost 10 KiB.
 *
 * Whoever dies reading is gone, and no writer waits for it. Whoever dies writing hands the lock on, as with
 * crew_lock: the next one, also if it asked to read, gets it for writing, with CREW_EOWNERDEAD, and with
 * it the data, perhaps half changed. Mended, it says so (consistent()); released without that, the lock
 * answers -ENOTRECOVERABLE to all for ever. A repair function given at opening does both by itself.
 *
 * In turns: readers that come while a writer has the lock or waits for it wait until it is through, and then
 * all of them come before the next writer. So nobody is starved: a reader waits for one writer at most,
 * a writer for those that read and for other writers. These get it in no order. So one that reads must not
 * wait for another to begin to read: a writer may stand between them.
 *
 * Use
 *
 *     crew_rwlock *lock;
 *     int r = crew_rwlock_open(&lock, NULL);                   // before the processes start
 *     if (r == 0)
 *         r = crew_rwlock_acquire_read(lock, crew_in_ms(100)); // in any of them
 *     if (r == CREW_EOWNERDEAD) {                              // a writer died, and it is ours to write
 *         mend(data);
 *         crew_rwlock_consistent(lock);
 *         r = crew_rwlock_downgrade(lock);
 *     }
 *     if (r == 0) {
 *         printf("%d\n", (int)data->count);
 *         crew_rwlock_release(lock);
 *     }
 *
 * Sharing. All calls on one lock may run at once, from any thread of any process of the crew, except
 * init(), open(), fini() and close(), which come first and last. A fork after open() needs nothing: the
 * child holds nothing.
 *
 * When a process dies: holding it, see above. Waiting for it: the others don't notice. Inside any of these
 * calls: it holds the lock or does not; nobody waits for ever. A thread that ends counts as dead, too. */
#ifndef CREW_RWLOCK_H
#define CREW_RWLOCK_H

#include <crew/base.h>
#include <crew/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Storage for a member of a struct; what is inside is crew's. */
typedef struct crew_rwlock {
    unsigned char inside[9728];
} __attribute__((aligned(64))) crew_rwlock;

struct crew_rwlock_stats {
    uint64_t reads;          /* acquired for reading; a little too low where more than 128 threads
                                of the crew use locks                                              */
    uint64_t writes;         /* acquired for writing                                               */
    uint32_t reading;        /* threads that read at this moment, or are about to                  */
    uint64_t contended;      /* how often one had to wait for a writer, or for readers             */
    uint64_t died;           /* writers that died                                                  */
    crew_time waited;        /* by all that slept for it, together                                 */
    crew_time longest;       /* by one of them ...                                                 */
    struct crew_owner by;    /* ... this one; pid 0: nobody, or long gone                          */
    crew_time held;          /* for writing, and waiting for readers to go; 0 unless options.timed */
    crew_time longest_held;
};

/* Makes a lock in 'lock', which lies in the arena, or makes one of its own there. The options are those
 * of crew_lock; a repair function is called with the lock held for writing.
 *
 * 0        it is free
 * -EINVAL  a reserved field; not in the arena
 * -ENOMEM  no memory; and as crew_init()
 *
 * Owns: the handle of open() is closed by close(), by any process, once. The lock outlives who opened
 * it.   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_rwlock_init(crew_rwlock *lock, const struct crew_lock_options *options);
CREW_API CREW_CHECKED int crew_rwlock_open(crew_rwlock **lock, const struct crew_lock_options *options);

/* Ends it. Nobody may hold it or wait for it. NULL is allowed. */
CREW_API void crew_rwlock_fini(crew_rwlock *lock);
CREW_API void crew_rwlock_close(crew_rwlock *lock);

/* Gets the lock for reading, or for writing, waiting until 'deadline' for it.
 *
 * 0                 it is the calling thread's
 * CREW_EOWNERDEAD   the last writer died writing, and now it is the calling thread's, for writing: the one
 *                   failure that gives something. Mend what it guards and call consistent(); then release
 *                   it as ever, or downgrade() it
 * -ETIMEDOUT        not to be had until 'deadline' (-EAGAIN with CREW_NOW: not now, or another call was
 *                   just about to see whether it could have it)
 * CREW_EDEADLOCK    the same, and the wait would never end: crew/deadlock.h tells the cycle
 * -EDEADLK          the calling thread holds it already, for reading or for writing
 * -ENOTRECOVERABLE  a writer died, and the next one released it without consistent()
 * -EAGAIN           too many threads of the crew use locks (2048)
 * CREW_EMISUSE      the calling process is no member of the crew
 *
 * Order: what the last writer wrote before release() is visible; a writer comes after the readers.
 * Death: see the head of this file.   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_rwlock_acquire_read(crew_rwlock *lock, crew_time deadline);
CREW_API CREW_CHECKED int crew_rwlock_acquire_write(crew_rwlock *lock, crew_time deadline);

/* From writing to reading, with no writer in between. 0; -EPERM: the calling thread does not write;
 * -EINVAL: what it got from the dead is not said to be whole; it still writes. */
CREW_API int crew_rwlock_downgrade(crew_rwlock *lock);

/* Says that what the lock guards is whole again. 0; -EINVAL: there was no death to mend; -EPERM: the
 * calling thread does not write. */
CREW_API int crew_rwlock_consistent(crew_rwlock *lock);

/* Gives it back, whether read or written. 0; -EPERM: the calling thread does not hold it. */
CREW_API int crew_rwlock_release(crew_rwlock *lock);

/* Who writes, or waits for the readers to go; after CREW_EOWNERDEAD, 'dead': who died. 0; -ESRCH: nobody, or
 * nobody knows any more. */
CREW_API int crew_rwlock_owner(const crew_rwlock *lock, bool dead, struct crew_owner *owner);

/* The numbers of this moment, read while others go on. */
CREW_API void crew_rwlock_stats(const crew_rwlock *lock, struct crew_rwlock_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
