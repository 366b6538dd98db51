/* lock.c - a word that says who holds it.
 *
 *     waiters:1 hurt:1 owner:30
 *
 *   FREE          0
 *   HELD(p)       owner p
 *   HURT(p)       the same, and hurt: p got it from the dead, and has not said that all is whole again
 *   BROKEN        hurt, and no owner (all bits of it set): for ever
 *   waiters       somebody sleeps, or is about to; with HELD and HURT
 *
 *           acquire [A]                    release [R]
 *     FREE ------------> HELD(p) ---------------------------> FREE
 *       ^                 | ^  |  p dies; q acquires [T]
 *       |                 | |  +----------------------> HURT(q) --- release [B] ---> BROKEN
 *       |     consistent  | |                             |  |
 *       +-------<---------+ +-----------------------------+  +--- q dies; r acquires [T] --> HURT(r)
 *
 * Every arrow is one compare-and-swap of the word, or one swap by its owner. Nobody but its owner takes a
 * word from HELD while the owner lives; anybody does once it is dead. There is nothing to repair.
 *
 * A waiter is awake for a moment, sets the bit, and sleeps while the word is what it was and nobody died
 * (roster.h); awakened, it is awake for a moment again. Who releases a word with the bit set wakes one;
 * who has slept takes the word with the bit set, for there may be others.
 *
 * Order  [R] [B] [C] release -> [A] [T] acquire   what the lock guards; depth and the numbers are the
 *                                                 owner's in between
 *
 * The thread dies ...              others see           what helps
 *   before [A]                     FREE                 nothing was taken
 *   holding it                     HELD(dead)           all waiters are woken; the next takes it [T]
 *   mending                        HURT(dead)           the same
 *   after [R], before the wake-up  FREE, others asleep  all waiters are woken on each death
 *   asleep, or woken and not yet   the same             the same: a wake-up that went to the dead is
 *   through with it                                     made good
 *   after [B], before the wake-up  BROKEN               the same
 *   between word and numbers       a number too low     counts are hints
 */
#include "lock.h"

#include "deadlock.h"

#include <errno.h>
#include <string.h>

#define WAITERS LOCK_WAITERS
#define HURT (UINT32_C(1) << 30)
#define OWNER PARTY_NAME
#define BROKEN (HURT | OWNER)

enum {
    AWAKE = 5000, /* ns before falling asleep, and after each wake-up */
    PAUSE = 64,   /* steps (os_relax) between two looks, at most      */
};

static void count(_Atomic uint64_t *number)
{
    store_relaxed(number, load_relaxed(number) + 1);
}

int lock_init(struct lock_shm *lock, const struct crew_lock_options *options, const char *name)
{
    static const struct crew_lock_options none;

    options = options ? options : &none;
    for (unsigned i = 0; i < 4; i++)
        if (options->reserved[i] != 0)
            return -EINVAL;
    memset(lock, 0, sizeof *lock);
    name = options->name ? options->name : name;
    for (unsigned i = 0; i + 1 < sizeof lock->name && name[i]; i++)
        lock->name[i] = name[i];
    lock->repair = options->repair;
    lock->context = options->context;
    lock->timed = options->timed;
    lock->magic = LOCK_MAGIC;
    store_release(&lock->word, 0);
    return 0;
}

uint32_t lock_holder(const struct lock_shm *lock)
{
    uint32_t word = load_acquire(&lock->word);

    return (word & ~WAITERS) == BROKEN ? 0 : word & OWNER;
}

/* -- acquire ------------------------------------------------------------------------------- */

/* What the owner notes. 'begin': when it began to sleep, 0 if it did not. */
static void got(struct lock_shm *lock, uint32_t me, bool contended, crew_time begin)
{
    crew_time now = lock->timed || begin ? crew_time_now() : 0, slept = now - begin;

    count(&lock->acquired);
    lock->since = now;
    if (contended)
        count(&lock->contended);
    if (begin == 0)
        return;
    store_relaxed(&lock->waited, load_relaxed(&lock->waited) + slept);
    if (slept > load_relaxed(&lock->longest)) {
        store_relaxed(&lock->longest, slept);
        store_relaxed(&lock->longest_by, me);
    }
}

/* It is ours, from the dead. */
static int inherit(struct lock_shm *lock, uint32_t me, uint32_t dead)
{
    store_relaxed(&lock->dead, dead);
    count(&lock->died);
    lock->depth = 1; /* the repair may acquire an rlock again */
    if (!lock->repair || lock->repair(lock->context) != 0)
        return CREW_EOWNERDEAD;
    return lock_consistent(lock, me);
}

/* Awake for a moment: most locks are held for less than it takes to fall asleep. Each look takes the line
 * from the owner's cache, which costs the owner about as much as twenty uncontended rounds. So as long as
 * the same hold goes on the word is only read, for it can't last long; when others got on between two
 * looks, the looks are rarer and rarer, and each of them tries its luck without reading first. 'bit' as
 * below. */
static bool spin(struct lock_shm *lock, uint32_t me, uint32_t bit)
{
    uint64_t seen = load_relaxed(&lock->acquired);
    crew_time end = crew_time_now() + AWAKE;
    unsigned pause = 1;

    do {
        uint32_t word = 0;
        uint64_t now;

        for (unsigned i = 0; i < pause; i++)
            os_relax();
        if (pause == 1)
            word = load_relaxed(&lock->word);
        if (word == 0 && swap_if(&lock->word, &word, me | bit)) /* [A] */
            return true;
        now = load_relaxed(&lock->acquired);
        if (now != seen && pause < PAUSE)
            pause *= 2;
        seen = now;
    } while (crew_time_now() < end);
    return false;
}

int lock_acquire_slowly(struct lock_shm *lock, uint32_t me, crew_time deadline)
{
    uint32_t bit = 0; /* WAITERS once we have slept: there may be others */
    bool contended = false, awake = true;
    crew_time begin = 0;

    for (;;) {
        uint32_t deaths = party_deaths();
        uint32_t word = load_total(&lock->word), owner = word & OWNER;
        int r;

        if ((word & ~WAITERS) == BROKEN)
            return -ENOTRECOVERABLE;
        if (word == 0) {
            if (!swap_if(&lock->word, &word, me | bit)) /* [A] */
                continue;
            got(lock, me, contended, begin);
            return 0;
        }
        if (owner == me)
            return -EDEADLK;
        contended = true;
        if (party_is_dead(owner)) {
            if (!swap_if(&lock->word, &word, me | (word & WAITERS) | bit | HURT)) /* [T] */
                continue;
            got(lock, me, contended, begin);
            return inherit(lock, me, owner);
        }
        if (deadline == CREW_NOW)
            return -EAGAIN;
        if (awake) {
            awake = false;
            if (!spin(lock, me, bit))
                continue;
            got(lock, me, contended, begin);
            return 0;
        }
        if (!(word & WAITERS) && !swap_if(&lock->word, &word, word | WAITERS))
            continue;
        if (begin == 0)
            begin = crew_time_now();
        r = party_sleep_for(me, &lock->word, word | WAITERS, &lock->word, WAITS_FOR_LOCK, deaths,
                            deadline);
        if (r < 0)
            return deadlock_at(me, &lock->word, WAITS_FOR_LOCK);
        bit = WAITERS;
        awake = true;
    }
}

/* -- release ------------------------------------------------------------------------------- */

int lock_consistent(struct lock_shm *lock, uint32_t me)
{
    uint32_t word = load_relaxed(&lock->word);

    do {
        if ((word & OWNER) != me)
            return -EPERM;
        if (!(word & HURT))
            return -EINVAL;
    } while (!swap_if(&lock->word, &word, word & ~HURT)); /* [C] */
    return 0;
}

static void note_held(struct lock_shm *lock)
{
    crew_time held = crew_time_now() - lock->since;

    store_relaxed(&lock->held, load_relaxed(&lock->held) + held);
    if (held > load_relaxed(&lock->longest_held))
        store_relaxed(&lock->longest_held, held);
}

int lock_release_slowly(struct lock_shm *lock, uint32_t me)
{
    uint32_t word = load_relaxed(&lock->word);

    if (__builtin_expect((word & OWNER) != me, 0))
        return -EPERM;
    if (__builtin_expect(lock->timed, 0))
        note_held(lock);
    if (__builtin_expect((word & HURT) != 0, 0)) {
        atomic_exchange(&lock->word, BROKEN); /* [B] */
        party_wake(&lock->word, INT32_MAX);
        return 0;
    }
    if (__builtin_expect((atomic_exchange(&lock->word, 0) & WAITERS) != 0, 0)) /* [R] */
        party_wake(&lock->word, 1);
    return 0;
}

/* The heir counts the death before it says that all is whole; until then the word tells. */
bool lock_owner_died(const struct lock_shm *lock, uint64_t died)
{
    uint32_t word = load_total(&lock->word);

    return (word & HURT) || ((word & OWNER) != 0 && party_is_dead(word & OWNER)) ||
           load_relaxed(&lock->died) != died;
}

/* -- checking ------------------------------------------------------------------------------ */

const char *lock_check(const struct lock_shm *lock)
{
    uint32_t word = load_acquire(&lock->word);

    if (lock->magic != LOCK_MAGIC)
        return "this is no lock";
    if (word == WAITERS)
        return "somebody waits for a lock that is free";
    if ((word & OWNER) == 0 && word != 0)
        return "hurt by nobody";
    if (load_relaxed(&lock->contended) > load_relaxed(&lock->acquired) + 1)
        return "contended more often than acquired";
    return NULL;
}
