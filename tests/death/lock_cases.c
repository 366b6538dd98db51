/* lock_cases.c - Description: if one of these failed, a lock could stay held by the dead, be held by two,
 * strand who waits for it, or hand on what it guards half changed without a word.
 *
 * src/sync/lock.c and src/life/roster.c. The lock guards two counters that are equal whenever it is
 * free; who gets it checks that, or was told of a death and mends them. */
#include "cases.h"

#include <sync/lock.h>

#include <errno.h>
#include <string.h>

#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))
#define GONE PROCESS(7)

struct notes {
    uint32_t party[DEATH_PROCESSES], root, gone;
    uint64_t a, b;    /* guarded                                          */
    uint32_t inside;  /* who is there; left as it is by the dead          */
    uint32_t told;    /* deaths that somebody was told of                 */
    uint32_t wrong;   /* what must never be seen                          */
};

enum wrong { TWO_INSIDE = 1, HALF_CHANGED = 2, NO_DEATH = 4 };

struct arena_of_lock {
    struct roster_shm roster;
    struct lock_shm lock;
    struct notes notes;
};

static struct arena handle = { .fd = -1 };

static struct arena_of_lock *here(void)
{
    return (struct arena_of_lock *)(void *)death_arena;
}

/* -- what is there before ------------------------------------------------------------------------- */

static void free_lock(void)
{
    struct arena_of_lock *a = here();

    roster_use(&handle, &a->roster);
    memset(&a->lock, 0x5a, sizeof a->lock);
    lock_init(&a->lock, NULL, "lock");
    if (roster_sit(ROOT, 1, "root") < 0 || roster_sit(GONE, 99, "gone") < 0)
        death_misuse("the roster");
    a->notes.root = party_claim(ROOT);
    a->notes.gone = party_claim(GONE);
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (roster_sit(PROCESS(p), (int)(100 + p), "process") < 0)
            death_misuse("the roster");
        a->notes.party[p] = party_claim(PROCESS(p));
    }
}

/* Somebody died with it, half way. */
static void inherited_lock(void)
{
    free_lock();
    if (lock_acquire(&here()->lock, here()->notes.gone, CREW_NOW) != 0)
        death_misuse("the lock");
    here()->notes.a++;
    roster_died(GONE);
}

/* -- what they do ------------------------------------------------------------------------- */

static int change(unsigned p, bool mends)
{
    struct arena_of_lock *h = here();
    struct notes *n = &h->notes;
    uint32_t me = n->party[p];
    int r = lock_acquire(&h->lock, me, CREW_FOREVER);

    if (r == CREW_EOWNERDEAD) {
        n->told++;
        n->inside = p + 1;
        if (!mends)
            return lock_release(&h->lock, me);
        n->b = n->a;
        r = lock_consistent(&h->lock, me);
    } else if (r == 0) {
        if (n->inside != 0)
            n->wrong |= TWO_INSIDE;
        if (n->a != n->b)
            n->wrong |= HALF_CHANGED;
        n->inside = p + 1;
    }
    if (r < 0)
        return r;
    n->a++;
    n->b++;
    if (n->inside != p + 1)
        n->wrong |= TWO_INSIDE;
    n->inside = 0;
    return lock_release(&h->lock, me);
}

static int change_0(void) { return change(0, true); }
static int change_1(void) { return change(1, true); }
static int change_2(void) { return change(2, true); }
static int leave_broken_0(void) { return change(0, false); }

static int twice_0(void)
{
    int r = change(0, true);

    return r < 0 ? r : change(0, true);
}

/* Asks, and does not wait. */
static int try_1(void)
{
    struct arena_of_lock *h = here();
    int r = lock_acquire(&h->lock, h->notes.party[1], CREW_NOW);

    if (r == CREW_EOWNERDEAD) {
        h->notes.b = h->notes.a;
        h->notes.inside = 0;
        lock_consistent(&h->lock, h->notes.party[1]);
        r = 0;
    }
    return r == 0 ? lock_release(&h->lock, h->notes.party[1]) : r == -EAGAIN ? 0 : r;
}

/* -- afterwards --------------------------------------------------------------------------- */

static void recover(unsigned dead)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (dead & 1u << p)
            roster_died(PROCESS(p));
}

static const char *common(const struct death_end *ends, bool may_break)
{
    struct arena_of_lock *h = here();
    const char *wrong;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (ends[p].how == DEATH_BLOCKED)
            return "hang: somebody waits for ever";
        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0 &&
            !(may_break && ends[p].result == -ENOTRECOVERABLE))
            return "broken: a call failed";
    }
    if (h->notes.wrong & TWO_INSIDE)
        return "twice: two hold the lock";
    if (h->notes.wrong & HALF_CHANGED)
        return "lost: half changed, and nobody was told";
    wrong = lock_check(&h->lock);
    return wrong ? wrong : roster_check();
}

static const char *check(const struct death_end *ends)
{
    struct arena_of_lock *h = here();
    const char *wrong = common(ends, false);
    bool died = h->notes.a != h->notes.b || h->notes.inside != 0;
    int r;

    if (wrong)
        return wrong;
    r = lock_acquire(&h->lock, h->notes.root, CREW_NOW);
    if (r == -EAGAIN)
        return "hang: the lock stays with the dead";
    if (r == 0 && died)
        return "lost: half changed, and nobody was told";
    if (r == CREW_EOWNERDEAD) {
        if (lock_consistent(&h->lock, h->notes.root) != 0)
            return "what was mended stays hurt";
        r = 0;
    }
    if (r < 0)
        return "the lock can't be had";
    if (lock_acquire(&h->lock, h->notes.root, CREW_NOW) != -EDEADLK)
        return "twice: its owner got it again";
    if (lock_release(&h->lock, h->notes.root) != 0 || lock_holder(&h->lock) != 0)
        return "the lock can't be given back";
    if (lock_release(&h->lock, h->notes.root) != -EPERM)
        return "a free lock was given back";
    return lock_check(&h->lock);
}

/* Left broken by process 0, unless that died: then it is still to be mended. */
static const char *check_broken(const struct death_end *ends)
{
    struct arena_of_lock *h = here();
    const char *wrong = common(ends, true);
    int r;

    if (wrong)
        return wrong;
    r = lock_acquire(&h->lock, h->notes.root, CREW_NOW);
    if (r == -EAGAIN)
        return "hang: the lock stays with the dead";
    if (ends[0].how == DEATH_RETURNED && h->notes.told == 1 && ends[1].how == DEATH_ABSENT &&
        r != -ENOTRECOVERABLE)
        return "lost: nobody knows that it is broken";
    return NULL;
}

#define LOCK_CASE(what, before, after, ...)                                                      \
    { .name = "lock: " what, .size = sizeof(struct arena_of_lock), .setup = before,              \
      .recover = recover, .check = after, .operation = { __VA_ARGS__ } }

static const struct death_case list[] = {
    LOCK_CASE("acquire, change, release", free_lock, check, change_0),
    LOCK_CASE("twice", free_lock, check, twice_0),
    LOCK_CASE("inherit and mend", inherited_lock, check, change_0),
    LOCK_CASE("inherit and leave broken", inherited_lock, check_broken, leave_broken_0),
    LOCK_CASE("two change", free_lock, check, change_0, change_1),
    LOCK_CASE("two change what was inherited", inherited_lock, check, change_0, change_1),
    LOCK_CASE("one changes twice, one tries", free_lock, check, twice_0, try_1),
    LOCK_CASE("one leaves it broken, one waits", inherited_lock, check_broken, leave_broken_0, change_1),
    LOCK_CASE("three change", free_lock, check, change_0, change_1, change_2),
    LOCK_CASE("three change what was inherited", inherited_lock, check, change_0, change_1, change_2),
};

const struct death_cases lock_cases = { list, sizeof list / sizeof list[0] };
