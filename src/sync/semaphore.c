/* semaphore.c - permits: with owners a word for each, unowned a number.
 *
 * -- with owners ------------------------------------------------------------------------------
 *
 *   permit.owner  FREE 0, or HELD(p)
 *   bell          changes:30 many:1 waiters:1. Changes after each release. waiters: somebody sleeps, or is
 *                 about to; many: one of them wants more than one, so that to wake any one would not do
 *   several       a lock, held by who takes more than one, as long as it takes them: or two would take half
 *                 each, and give it back, again and again
 *
 *             acquire [A]               release [R], then the bell [B]
 *     FREE ----------------> HELD(p) ----------------------------------> FREE
 *                              |
 *                              +-- p dies; q acquires [T] --> HELD(q)
 *
 * [A] and [T] are one compare-and-swap that takes a permit and names who has it; [R] is a store by its owner.
 * So there is no count that could be wrong: free is what is FREE or a dead one's, and there is nothing to
 * repair. Several are taken one by one if so many are free; who does not get all gives back what it got, as
 * if it had held it for a moment. Nobody waits with permits that it has not got all of.
 *
 * A waiter reads the bell, looks at all permits, sets its bits, and sleeps while the bell is what it was and
 * nobody died (roster.h). If the bell did not change meanwhile, nothing was released behind its back; that is
 * also when CREW_NOW may say that there is none. Who releases rings, and wakes one, if one was released and
 * all sleepers want one; else it clears the bits and wakes all. If it finds nobody asleep it does that, too,
 * for one may have fallen asleep just then.
 *
 * Order  [R] release, [B] -> bits set in the bell, [A] acquire: all changes of the bell are read-modify-
 *        writes. So the waiter sees the permit, or the releaser the bit. What was written before a
 *        release is visible to who acquires.
 *
 * The thread dies ...               others see             what helps
 *   before [A]                      FREE                   nothing was taken
 *   holding some, or in the middle  HELD(dead)             all waiters are woken; whoever needs it takes
 *   of taking or releasing several                         it [T]
 *   after [R], before [B] or the    FREE, others asleep    all waiters are woken on each death, and look
 *   wake-up                                                again
 *   woken and not yet through       the same               the same
 *   asleep, or after its bits       the bits               a wake-up too many
 *   holding 'several'               as in lock.c           the next one has it: there is nothing to mend
 *
 * -- unowned ----------------------------------------------------------------------------------
 *
 *   word  acquired:32 waiters:1 many:1 count:30. One swap each to take [U] and to add [V]. many: one of the
 *         sleepers wants more than one, so that to wake any one would not do: whoever adds then clears both
 *         bits and wakes all. A sleeper waits on the lower half.
 *
 * Order  [V] release -> [U] acquire
 *
 * The thread dies ...               others see             what helps
 *   before [U], [V]                 the number             nothing was taken, or added
 *   after [U]                       so many fewer          nothing: it is as if it had used them (crew/semaphore.h)
 *   after [V], before the wake-up   more, others asleep    all waiters are woken on each death
 *   asleep, or after the bits       the bits               a wake-up too many
 *
 * All other numbers are hints. */
#include "semaphore.h"

#include "deadlock.h"

#include <errno.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lower half of a word lies first");

/* -- making -------------------------------------------------------------------------------- */

int semaphore_valid(uint32_t value, const struct crew_semaphore_options *options)
{
    for (unsigned i = 0; i < 4; i++)
        if (options->reserved[i] != 0)
            return -EINVAL;
    if (options->unowned)
        return value <= CREW_SEMAPHORE_MOST ? 0 : -EINVAL;
    return value > 0 && value <= CREW_SEMAPHORE_OWNED ? 0 : -EINVAL;
}

void semaphore_init(struct semaphore_shm *s, uint32_t value,
                    const struct crew_semaphore_options *options)
{
    uint32_t permits = options->unowned ? 0 : value;
    const char *name = options->name ? options->name : "semaphore";

    memset(s, 0, semaphore_size(permits));
    for (unsigned i = 0; i + 1 < sizeof s->name && name[i]; i++)
        s->name[i] = name[i];
    s->value = value;
    s->permits = permits;
    s->most = options->bounded ? value : CREW_SEMAPHORE_MOST;
    lock_init(&s->several, NULL, name);
    s->magic = SEMAPHORE_MAGIC;
    store_release(&s->word, options->unowned ? value : 0);
}

/* -- numbers ------------------------------------------------------------------------------- */

/* A call got what it did not get at once. 'begin': when it began to sleep, 0 if it did not. */
static void contended(struct semaphore_shm *s, uint32_t me, crew_time begin)
{
    crew_time slept = begin ? crew_time_now() - begin : 0;
    crew_time longest = load_relaxed(&s->longest);

    atomic_fetch_add(&s->contended, 1);
    if (begin == 0)
        return;
    atomic_fetch_add(&s->waited, slept);
    while (slept > longest)
        if (swap_if(&s->longest, &longest, slept)) {
            store_relaxed(&s->longest_by, me);
            return;
        }
}

/* -- with owners --------------------------------------------------------------------------- */

#define WAITERS UINT32_C(1)
#define MANY UINT32_C(2)
#define CHANGE UINT32_C(4)

/* Where 'me' begins to look: others begin elsewhere, and it will find again what it took. */
static uint32_t first_permit(const struct semaphore_shm *s, uint32_t me)
{
    return (uint32_t)((uint64_t)(me * UINT32_C(0x9E3779B9)) * s->permits >> 32);
}

static uint32_t next_permit(const struct semaphore_shm *s, uint32_t i)
{
    return i + 1 < s->permits ? i + 1 : 0;
}

static void mark(struct permit_shm *permit)
{
    store_relaxed(&permit->acquired, load_relaxed(&permit->acquired) + 1);
}

static uint32_t count_held(const struct semaphore_shm *s, uint32_t me)
{
    uint32_t held = 0;

    for (uint32_t i = 0; i < s->permits; i++)
        held += load_relaxed(&s->permit[i].owner) == me;
    return held;
}

static uint32_t count_free(const struct semaphore_shm *s)
{
    uint32_t unheld = 0;

    for (uint32_t i = 0; i < s->permits; i++) {
        uint32_t owner = load_acquire(&s->permit[i].owner);

        unheld += owner == 0 || party_is_dead(owner);
    }
    return unheld;
}

/* Takes the first that is free, without a look at who lives. */
static bool take_free(struct semaphore_shm *s, uint32_t me)
{
    uint32_t i = first_permit(s, me);

    for (uint32_t n = 0; n < s->permits; n++, i = next_permit(s, i)) {
        uint32_t owner = load_relaxed(&s->permit[i].owner);

        if (owner == 0 && swap_if(&s->permit[i].owner, &owner, me)) { /* [A] */
            mark(&s->permit[i]);
            return true;
        }
    }
    return false;
}

/* Takes up to 'count' that are free, or a dead one's. Returns how many. */
static uint32_t take(struct semaphore_shm *s, uint32_t me, uint32_t count)
{
    uint32_t taken = 0, i = first_permit(s, me);

    for (uint32_t n = 0; n < s->permits && taken < count; n++, i = next_permit(s, i)) {
        struct permit_shm *permit = &s->permit[i];
        uint32_t owner = load_acquire(&permit->owner);
        bool dead = owner != 0 && party_is_dead(owner);

        if ((owner != 0 && !dead) || !swap_if(&permit->owner, &owner, me)) /* [A] [T] */
            continue;
        if (dead)
            store_relaxed(&permit->recovered, load_relaxed(&permit->recovered) + 1);
        mark(permit);
        taken++;
    }
    return taken;
}

__attribute__((noinline)) static void wake(struct semaphore_shm *s, uint32_t bell, uint32_t given)
{
    if (given == 1 && !(bell & MANY) && os_futex_wake_as(&s->bell, UINT32_MAX))
        return;
    atomic_fetch_and(&s->bell, ~(WAITERS | MANY));
    party_wake(&s->bell, INT32_MAX);
}

/* Frees up to 'count' permits of 'me', and tells who waits. Returns how many. */
static uint32_t give(struct semaphore_shm *s, uint32_t me, uint32_t count)
{
    uint32_t given = 0, i = first_permit(s, me), bell;

    for (uint32_t n = 0; n < s->permits && given < count; n++, i = next_permit(s, i))
        if (load_relaxed(&s->permit[i].owner) == me) {
            store_release(&s->permit[i].owner, 0); /* [R] */
            given++;
        }
    if (given == 0)
        return 0;
    bell = atomic_fetch_add(&s->bell, CHANGE); /* [B] */
    if (__builtin_expect((bell & WAITERS) != 0, 0))
        wake(s, bell, given);
    return given;
}

/* All or none, of what is free now. 0; -EAGAIN: so many are not. */
static int take_all(struct semaphore_shm *s, uint32_t me, uint32_t count, crew_time deadline)
{
    uint32_t taken;
    int r;

    if (count == 1)
        return take(s, me, 1) == 1 ? 0 : -EAGAIN;
    if (count_free(s) < count)
        return -EAGAIN;
    r = lock_acquire(&s->several, me, deadline);
    if (r == CREW_EOWNERDEAD)
        r = lock_consistent(&s->several, me);
    if (r < 0)
        return r;
    taken = take(s, me, count);
    if (taken < count) {
        atomic_fetch_add(&s->in_vain, taken);
        give(s, me, taken);
        r = -EAGAIN;
    }
    lock_release(&s->several, me);
    return r;
}

/* Awake for a moment, until the bell changes. */
static void spin(const struct semaphore_shm *s, uint32_t bell)
{
    for (unsigned i = 0; i < SEMAPHORE_SPIN && load_relaxed(&s->bell) == bell; i++)
        os_relax();
}

/* Out of line: the way of who need not wait is short. */
__attribute__((noinline)) static int wait_for(struct semaphore_shm *s, uint32_t me, uint32_t count,
                                              crew_time deadline)
{
    uint32_t bits = count > 1 ? WAITERS | MANY : WAITERS;
    crew_time begin = 0;

    if (count_held(s, me) + count > s->permits)
        return -EDEADLK;
    for (bool again = false;; again = true) {
        uint32_t deaths = party_deaths();
        uint32_t bell = load_total(&s->bell);
        int r = take_all(s, me, count, deadline);

        if (r == 0 && (again || count == 1))
            contended(s, me, begin);
        if (r != -EAGAIN)
            return r;
        if (deadline == CREW_NOW) {
            if (load_total(&s->bell) / CHANGE == bell / CHANGE)
                return -EAGAIN;
        } else if (!again && !(bell & WAITERS)) {
            spin(s, bell);
        } else if ((bell & bits) == bits || swap_if(&s->bell, &bell, bell | bits)) {
            if (begin == 0)
                begin = crew_time_now();
            if (s->permits == 1) { /* of several any may come back: who holds one is not who is waited for */
                r = party_sleep_for(me, &s->bell, bell | bits, &s->permit[0].owner, WAITS_FOR_PERMIT, deaths,
                                    deadline);
                if (r < 0)
                    return deadlock_at(me, &s->permit[0].owner, WAITS_FOR_PERMIT);
                continue;
            }
            r = party_sleep(me, &s->bell, bell | bits, WAITS_FOR_OTHER, deaths, deadline);
            if (r < 0)
                return r;
        }
    }
}

int semaphore_acquire_owned(struct semaphore_shm *s, uint32_t me, uint32_t count,
                            crew_time deadline)
{
    if (count == 0 || count > s->permits)
        return -EINVAL;
    if (count == 1 && take_free(s, me))
        return 0;
    return wait_for(s, me, count, deadline);
}

int semaphore_release_owned(struct semaphore_shm *s, uint32_t me, uint32_t count)
{
    if (count == 0)
        return -EINVAL;
    if (count > 1 && count_held(s, me) < count)
        return -EPERM;
    return give(s, me, count) == count ? 0 : -EPERM;
}

/* -- unowned ------------------------------------------------------------------------------- */

#define SLEEPS (UINT64_C(1) << 31)
#define SLEEPS_FOR_MANY (UINT64_C(1) << 30)
#define COUNT ((UINT64_C(1) << 30) - 1)
#define ACQUIRED_SHIFT 32

/* A sleeper's futex. */
static _Atomic uint32_t *lower_half(struct semaphore_shm *s)
{
    return (_Atomic uint32_t *)(void *)&s->word;
}

/* [U], of a word that has enough. */
static bool take_from(struct semaphore_shm *s, uint64_t *word, uint32_t count)
{
    uint64_t next = *word - count + ((uint64_t)count << ACQUIRED_SHIFT);

    if (!swap_if(&s->word, word, next))
        return false;
    if (next >> ACQUIRED_SHIFT < *word >> ACQUIRED_SHIFT)
        atomic_fetch_add(&s->wraps, 1);
    return true;
}

bool semaphore_take(struct semaphore_shm *s, uint32_t count)
{
    uint64_t word = load_relaxed(&s->word);

    while ((word & COUNT) >= count)
        if (take_from(s, &word, count))
            return true;
    return false;
}

int semaphore_await(struct semaphore_shm *s, uint32_t me, uint32_t count, crew_time deadline)
{
    uint64_t bits = count > 1 ? SLEEPS | SLEEPS_FOR_MANY : SLEEPS;
    crew_time begin = 0;

    if (deadline != CREW_NOW)
        for (unsigned i = 0; i < SEMAPHORE_SPIN; i++) {
            uint64_t word = load_relaxed(&s->word);

            if ((word & COUNT) >= count || word & SLEEPS)
                break;
            os_relax();
        }
    for (;;) {
        uint32_t deaths = party_deaths();
        uint64_t word = load_total(&s->word);
        int r;

        if ((word & COUNT) >= count) {
            if (!take_from(s, &word, count))
                continue;
            contended(s, me, begin);
            return 0;
        }
        if (deadline == CREW_NOW)
            return -EAGAIN;
        if ((word & bits) != bits && !swap_if(&s->word, &word, word | bits))
            continue;
        if (begin == 0)
            begin = crew_time_now();
        r = party_sleep(me, lower_half(s), (uint32_t)(word | bits), WAITS_FOR_OTHER, deaths,
                        deadline);
        if (r < 0)
            return r;
    }
}

int semaphore_add(struct semaphore_shm *s, uint32_t count)
{
    uint64_t word = load_relaxed(&s->word), next;
    bool all;

    if (count == 0)
        return -EINVAL;
    do {
        if (count > s->most - (word & COUNT))
            return -EOVERFLOW;
        next = word + count;
        all = count > 1 || word & SLEEPS_FOR_MANY;
        if (all)
            next &= ~(SLEEPS | SLEEPS_FOR_MANY);
    } while (!swap_if(&s->word, &word, next)); /* [V] */
    if (!(word & SLEEPS))
        return 0;
    if (!all) {
        if (os_futex_wake_as(lower_half(s), UINT32_MAX))
            return 0;
        atomic_fetch_and(&s->word, ~SLEEPS);
    }
    party_wake(lower_half(s), INT32_MAX);
    return 0;
}

/* -- asking -------------------------------------------------------------------------------- */

uint32_t semaphore_value(const struct semaphore_shm *s)
{
    return s->permits == 0 ? (uint32_t)(load_acquire(&s->word) & COUNT) : count_free(s);
}

void semaphore_numbers(const struct semaphore_shm *s, struct crew_semaphore_stats *stats)
{
    *stats = (struct crew_semaphore_stats){
        .acquired = (load_relaxed(&s->wraps) << ACQUIRED_SHIFT) +
                    (load_relaxed(&s->word) >> ACQUIRED_SHIFT),
        .contended = load_relaxed(&s->contended),
        .waited = load_relaxed(&s->waited),
        .longest = load_relaxed(&s->longest),
    };
    for (uint32_t i = 0; i < s->permits; i++) {
        stats->acquired += load_relaxed(&s->permit[i].acquired);
        stats->recovered += load_relaxed(&s->permit[i].recovered);
    }
    stats->acquired -= load_relaxed(&s->in_vain);
}

const char *semaphore_check(const struct semaphore_shm *s)
{
    uint64_t word = load_acquire(&s->word);

    if (s->magic != SEMAPHORE_MAGIC)
        return "this is no semaphore";
    if (s->permits > CREW_SEMAPHORE_OWNED || (s->permits != 0 && s->permits != s->value))
        return "more or fewer permits than there were";
    if ((word & COUNT) > s->most)
        return "twice: more permits than were given";
    if ((word & (SLEEPS | SLEEPS_FOR_MANY)) == SLEEPS_FOR_MANY)
        return "many wait, and nobody does";
    if (s->permits != 0 && word != 0)
        return "a number of permits that have owners";
    for (uint32_t i = 0; i < s->permits; i++)
        if (load_acquire(&s->permit[i].owner) > PARTY_NAME)
            return "a permit's owner has no name";
    return lock_check(&s->several);
}
