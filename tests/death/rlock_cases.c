/* rlock_cases.c - Description: if one of these failed, an rlock could be free before its owner is through
 * with it, or stay held by who inherited it from the dead.
 *
 * src/sync/rlock.c, src/sync/lock.c and src/life/roster.c. The lock guards two counters that are equal
 * whenever it is free; its owner acquires it again for the second one. */
#include "cases.h"

#include <sync/rlock.h>

#include <errno.h>
#include <string.h>

#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))
#define GONE PROCESS(7)

struct notes {
    uint32_t party[DEATH_PROCESSES], root, gone;
    uint32_t a, b;   /* guarded                                    */
    uint32_t inside; /* who is there; left as it is by the dead    */
    uint32_t two;    /* were there at once                         */
    uint32_t half;   /* changed, and nobody was told               */
};

struct arena_of_rlock {
    struct roster_shm roster;
    struct lock_shm lock;
    struct notes notes;
};

static struct arena handle = { .fd = -1 };

static struct arena_of_rlock *here(void)
{
    return (struct arena_of_rlock *)(void *)death_arena;
}

static void free_lock(void)
{
    struct arena_of_rlock *a = here();

    roster_use(&handle, &a->roster);
    memset(&a->lock, 0x5a, sizeof a->lock);
    if (lock_init(&a->lock, NULL, "rlock") != 0 || roster_sit(ROOT, 1, "root") < 0 ||
        roster_sit(GONE, 99, "gone") < 0)
        death_misuse("the roster");
    a->notes.root = party_claim(ROOT);
    a->notes.gone = party_claim(GONE);
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (roster_sit(PROCESS(p), (int)(100 + p), "process") < 0)
            death_misuse("the roster");
        a->notes.party[p] = party_claim(PROCESS(p));
    }
}

/* Somebody died who had it three times. */
static void inherited_lock(void)
{
    free_lock();
    for (unsigned i = 0; i < 3; i++)
        if (rlock_acquire(&here()->lock, here()->notes.gone, CREW_NOW) != 0)
            death_misuse("the lock");
    here()->notes.a++;
    roster_died(GONE);
}

static int change(unsigned p)
{
    struct lock_shm *lock = &here()->lock;
    struct notes *n = &here()->notes;
    uint32_t me = n->party[p];
    int r = rlock_acquire(lock, me, CREW_FOREVER);

    if (r == CREW_EOWNERDEAD) {
        n->b = n->a;
        r = lock_consistent(lock, me);
    } else if (r == 0) {
        n->two |= n->inside != 0;
        n->half |= n->a != n->b;
    }
    if (r < 0)
        return r;
    n->inside = p + 1;
    n->a++;
    r = rlock_acquire(lock, me, CREW_NOW);
    if (r < 0)
        return r;
    n->b++;
    r = rlock_release(lock, me);
    n->two |= n->inside != p + 1;
    n->inside = 0;
    return r < 0 ? r : rlock_release(lock, me);
}

static int change_0(void) { return change(0); }
static int change_1(void) { return change(1); }
static int change_2(void) { return change(2); }

static void recover(unsigned dead)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (dead & 1u << p)
            roster_died(PROCESS(p));
}

static const char *check(const struct death_end *ends)
{
    struct lock_shm *lock = &here()->lock;
    struct notes *n = &here()->notes;
    bool died = n->a != n->b || n->inside != 0;
    int r;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (ends[p].how == DEATH_BLOCKED)
            return "hang: somebody waits for ever";
        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0)
            return "broken: a call failed";
    }
    if (n->two)
        return "twice: two hold the lock";
    if (n->half)
        return "lost: half changed, and nobody was told";
    r = rlock_acquire(lock, n->root, CREW_NOW);
    if (r == -EAGAIN)
        return "hang: the lock stays with the dead";
    if (r == 0 && died)
        return "lost: half changed, and nobody was told";
    if (r == CREW_EOWNERDEAD)
        r = lock_consistent(lock, n->root);
    if (r < 0 || rlock_acquire(lock, n->root, CREW_NOW) != 0)
        return "the lock can't be had, twice";
    if (rlock_release(lock, n->root) != 0 || lock_holder(lock) != n->root)
        return "twice: it is free before its owner has released it as often";
    if (rlock_release(lock, n->root) != 0 || lock_holder(lock) != 0)
        return "hang: it is not free after as many releases";
    return rlock_release(lock, n->root) == -EPERM ? lock_check(lock) : "a free lock was given back";
}

#define RLOCK_CASE(what, before, ...)                                                            \
    { .name = "rlock: " what, .size = sizeof(struct arena_of_rlock), .setup = before,            \
      .recover = recover, .check = check, .events = 2, .operation = { __VA_ARGS__ } }

static const struct death_case list[] = {
    RLOCK_CASE("acquire twice, release twice", free_lock, change_0),
    RLOCK_CASE("inherit what was had three times", inherited_lock, change_0),
    RLOCK_CASE("two change", free_lock, change_0, change_1),
    RLOCK_CASE("two change what was inherited", inherited_lock, change_0, change_1),
    RLOCK_CASE("three change", free_lock, change_0, change_1, change_2),
};

const struct death_cases rlock_cases = { list, sizeof list / sizeof list[0] };
