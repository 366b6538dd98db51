/* crew/lock.h - mutual exclusion between threads and processes of a crew, which survives any of them.
 *
 * A lock stands in the arena: made there by open(), or inside a struct of yours that lies there, by
 * init(). Whoever dies holding it, in whatever way, hands it on: the next one gets it with
 * CREW_EOWNERDEAD, and with it the data that it guards, perhaps half changed. Mended, it says so
 * (crew_lock_consistent); released without that, the lock answers -ENOTRECOVERABLE to all for ever. A
 * repair function given at opening does both by itself. Any number of locks may be held.
 *
 * Use
 *
 *     crew_lock *lock;
 *     int r = crew_lock_open(&lock, NULL);                 // before the processes start
 *     if (r < 0)
 *         return r;
 *     r = crew_lock_acquire(lock, crew_in_ms(100));        // in any of them
 *     if (r == CREW_EOWNERDEAD) {
 *         mend(data);
 *         crew_lock_consistent(lock);
 *         r = 0;
 *     }
 *     if (r == 0) {
 *         data->count++;
 *         crew_lock_release(lock);
 *     }
 *
 * Sharing. All calls on one lock may run at once, from any thread of any process of the crew, except
 * init(), open(), fini() and close(), which come first and last. A fork after open() needs nothing.
 *
 * When a process dies: holding it, see above. Waiting for it: the others don't notice. Inside any of
 * these calls: it holds the lock or does not; nobody waits for ever. A thread that ends counts as
 * dead, too. */
#ifndef CREW_LOCK_H
#define CREW_LOCK_H

#include <crew/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Storage for a member of a struct; what is inside is crew's. */
typedef struct crew_lock {
    unsigned char inside[128];
} __attribute__((aligned(64))) crew_lock;

/* The same that its owner may acquire again; it is free after as many releases. */
typedef struct crew_rlock {
    unsigned char inside[128];
} __attribute__((aligned(64))) crew_rlock;

struct crew_lock_options {
    const char *name;            /* for reports, 15 bytes of it; copied; NULL: "lock"             */
    int (*repair)(void *context); /* mends what the lock guards, called with the lock held by who gets it
                                    from the dead. 0: mended, and nobody hears of it; else acquire
                                    answers CREW_EOWNERDEAD. It must survive its own death: then it is
                                    called again. The same address in all processes. NULL: none */
    void *context;               /* for it                                                        */
    bool timed;                  /* measure how long it is held: two looks at the clock each time */
    uint64_t reserved[4];        /* must be 0 */
};

/* Who holds a lock, or held it when it died. */
struct crew_owner {
    pid_t pid;
    char name[16];
};

struct crew_lock_stats {
    uint64_t acquired;       /* how often                                          */
    uint64_t contended;      /* of these, not at once                              */
    uint64_t died;           /* owners that died                                   */
    crew_time waited;        /* by all that slept for it, together                 */
    crew_time longest;       /* by one of them ...                                 */
    struct crew_owner by;    /* ... this one; pid 0: nobody, or long gone          */
    crew_time held;          /* together; 0 unless options.timed                   */
    crew_time longest_held;
};

/* Makes a lock in 'lock', which lies in the arena, or makes one of its own there.
 *
 * 0        it is free
 * -EINVAL  a reserved field; not in the arena
 * -ENOMEM  no memory; and as crew_init()
 *
 * Owns: the handle of open() is closed by close(), by any process, once. The lock outlives who opened
 * it.   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_lock_init(crew_lock *lock, const struct crew_lock_options *options);
CREW_API CREW_CHECKED int crew_lock_open(crew_lock **lock, const struct crew_lock_options *options);
CREW_API CREW_CHECKED int crew_rlock_init(crew_rlock *lock, const struct crew_lock_options *options);
CREW_API CREW_CHECKED int crew_rlock_open(crew_rlock **lock, const struct crew_lock_options *options);

/* Ends it. Nobody may hold it or wait for it. NULL is allowed. */
CREW_API void crew_lock_fini(crew_lock *lock);
CREW_API void crew_lock_close(crew_lock *lock);
CREW_API void crew_rlock_fini(crew_rlock *lock);
CREW_API void crew_rlock_close(crew_rlock *lock);

/* Gets the lock, waiting until 'deadline' for it.
 *
 * 0                 it is the calling thread's
 * CREW_EOWNERDEAD   so it is, but its last owner died holding it: the one failure that gives something.
 *                   Mend what it guards and call consistent(); then release it as ever
 * -ETIMEDOUT        held by another until 'deadline' (-EAGAIN with CREW_NOW)
 * CREW_EDEADLOCK    the same, and the wait would never end: crew/deadlock.h tells the cycle
 * -EDEADLK          the calling thread holds it already (lock, not rlock)
 * -ENOTRECOVERABLE  an owner died, and the next one released it without consistent()
 * -EAGAIN           too many threads of the crew use locks (2048)
 * CREW_EMISUSE      the calling process is no member of the crew
 *
 * Order: what the last owner wrote before release() is visible.
 * Death: see the head of this file.   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_lock_acquire(crew_lock *lock, crew_time deadline);
CREW_API CREW_CHECKED int crew_rlock_acquire(crew_rlock *lock, crew_time deadline);

/* Says that what the lock guards is whole again. 0; -EINVAL: there was no death to mend; -EPERM: held by
 * another, or by nobody. */
CREW_API int crew_lock_consistent(crew_lock *lock);
CREW_API int crew_rlock_consistent(crew_rlock *lock);

/* Gives it back. 0; -EPERM: held by another, or by nobody. */
CREW_API int crew_lock_release(crew_lock *lock);
CREW_API int crew_rlock_release(crew_rlock *lock);

/* Who holds it; after CREW_EOWNERDEAD, 'dead': who died. 0; -ESRCH: nobody, or nobody knows any more. */
CREW_API int crew_lock_owner(const crew_lock *lock, bool dead, struct crew_owner *owner);
CREW_API int crew_rlock_owner(const crew_rlock *lock, bool dead, struct crew_owner *owner);

/* The numbers of this moment, read while others go on. */
CREW_API void crew_lock_stats(const crew_lock *lock, struct crew_lock_stats *stats);
CREW_API void crew_rlock_stats(const crew_rlock *lock, struct crew_lock_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
