/* lock.h - the lock that everything else in this room stands on; the law is in lock.c. */
#ifndef CREW_SYNC_LOCK_H
#define CREW_SYNC_LOCK_H

#include <crew/lock.h>
#include <life/roster.h>

#define LOCK_MAGIC UINT32_C(0x6c6f636b)

struct lock_shm {
    _Alignas(CACHE_LINE) _Atomic uint32_t word;
    uint32_t magic;
    uint32_t depth;            /* rlock: how often its owner has it; the owner's         */
    _Atomic uint32_t dead;     /* who died holding it last, by name; the owner's         */
    _Atomic uint64_t acquired; /* the owner's                                            */
    crew_time since;           /* the owner's: when it got it, if 'timed'                */
    int (*repair)(void *);     /* these three never change                               */
    void *context;
    uint32_t timed;
    _Atomic uint32_t longest_by; /* by name; the owner's                                 */
    _Alignas(CACHE_LINE) _Atomic uint64_t contended; /* the owner's, all of this line */
    _Atomic uint64_t died;
    _Atomic int64_t waited, longest, held, longest_held;
    char name[16];
};

enum { LOCK_SPIN = 100 }; /* looks at a word before falling asleep: semaphore, rwlock */

int lock_init(struct lock_shm *lock, const struct crew_lock_options *options, const char *name);

/* As the public calls, for the party 'me'. */
int lock_acquire_slowly(struct lock_shm *lock, uint32_t me, crew_time deadline);
int lock_release_slowly(struct lock_shm *lock, uint32_t me);
int lock_consistent(struct lock_shm *lock, uint32_t me);

#define LOCK_WAITERS (UINT32_C(1) << 31)

static inline int lock_acquire(struct lock_shm *lock, uint32_t me, crew_time deadline)
{
    uint32_t word = 0;

    if (__builtin_expect(lock->timed || !swap_if(&lock->word, &word, me), 0)) /* [A] */
        return lock_acquire_slowly(lock, me, deadline);
    store_relaxed(&lock->acquired, load_relaxed(&lock->acquired) + 1);
    return 0;
}

static inline int lock_release(struct lock_shm *lock, uint32_t me)
{
    if (__builtin_expect((load_relaxed(&lock->word) & ~LOCK_WAITERS) != me || lock->timed, 0))
        return lock_release_slowly(lock, me);
    if (__builtin_expect((atomic_exchange(&lock->word, 0) & LOCK_WAITERS) != 0, 0)) /* [R] */
        party_wake(&lock->word, 1);
    return 0;
}

/* Who holds it, by name; 0: nobody. */
uint32_t lock_holder(const struct lock_shm *lock);

/* For who does not hold it: whether an owner has died since 'died' of them had, and its heir has
 * the lock or can get it; or whether it is broken. */
bool lock_owner_died(const struct lock_shm *lock, uint64_t died);

/* NULL, or the first invariant that is broken. */
const char *lock_check(const struct lock_shm *lock);

#endif
