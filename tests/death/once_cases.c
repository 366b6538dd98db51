/* once_cases.c - Description: if one of these failed, what is to be done once would be done twice at once, again
 * after it was done, or never; or somebody would go on before it is.
 *
 * src/sync/once.c, src/sync/lock.c and src/life/roster.c. */
#include "cases.h"

#include <sync/once.h>

#include <errno.h>
#include <string.h>

#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))

struct notes {
    uint32_t party[DEATH_PROCESSES], root;
    uint32_t begun, ended; /* what is done: twice as much, by one at a time         */
    uint32_t inside;       /* who does it, by name; left as it is by the dead       */
    uint32_t two, again;   /* at it at once; after it had been done                 */
    uint32_t early;        /* somebody went on before it was done                   */
};

struct arena_of_once {
    struct roster_shm roster;
    struct once_shm once;
    struct notes notes;
};

static struct arena handle = { .fd = -1 };

static struct arena_of_once *here(void)
{
    return (struct arena_of_once *)(void *)death_arena;
}

static void make(void)
{
    struct arena_of_once *a = here();

    roster_use(&handle, &a->roster);
    memset(&a->once, 0x5a, sizeof a->once);
    if (once_init(&a->once) != 0 || roster_sit(ROOT, 1, "root") < 0)
        death_misuse("the roster");
    a->notes.root = party_claim(ROOT);
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (roster_sit(PROCESS(p), (int)(100 + p), "process") < 0)
            death_misuse("the roster");
        a->notes.party[p] = party_claim(PROCESS(p));
    }
}

/* Mends what one that died in it left. */
static int prepare(void *context)
{
    struct notes *n = &here()->notes;
    uint32_t me = *(uint32_t *)context;

    n->two |= n->inside != 0 && !party_is_dead(n->inside);
    n->again |= once_is_done(&here()->once);
    n->inside = me;
    n->begun = 1;
    n->ended = 1;
    n->two |= n->inside != me;
    n->inside = 0;
    return 0;
}

static int fail(void *context)
{
    (void)context;
    here()->notes.begun = 1;
    return -EIO;
}

static int run(unsigned p, int (*function)(void *context))
{
    struct notes *n = &here()->notes;
    int r = once_run(&here()->once, n->party[p], function, &n->party[p], CREW_FOREVER);

    if (r == 0)
        n->early |= n->begun == 0 || n->ended == 0;
    return r;
}

static int run_0(void) { return run(0, prepare); }
static int run_1(void) { return run(1, prepare); }
static int run_2(void) { return run(2, prepare); }

static int fail_0(void)
{
    int r = run(0, fail);

    return r == -EIO ? 0 : r;
}

static void recover(unsigned dead)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (dead & 1u << p)
            roster_died(PROCESS(p));
}

static const char *check(const struct death_end *ends)
{
    struct once_shm *once = &here()->once;
    struct notes *n = &here()->notes;
    bool done = once_is_done(once);

    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (ends[p].how == DEATH_BLOCKED)
            return "hang: somebody waits for ever";
        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0)
            return "broken: a call failed";
        if (ends[p].how == DEATH_RETURNED && ends[p].result == 0 && ends[1].how == DEATH_ABSENT &&
            n->ended != 0 && !done)
            return "lost: it was done, and nobody knows";
    }
    if (n->two)
        return "twice: two are at it";
    if (n->again)
        return "twice: done again";
    if (n->early)
        return "broken: somebody went on before it was done";
    if (once_run(once, n->root, prepare, &n->root, CREW_NOW) != 0 || !once_is_done(once))
        return "hang: it can't be done any more";
    if (n->two || n->again || n->ended != 1)
        return "twice: done again";
    return lock_check(&once->lock);
}

#define ONCE_CASE(what, ...)                                                                     \
    { .name = "once: " what, .size = sizeof(struct arena_of_once), .setup = make,                \
      .recover = recover, .check = check, .events = 2, .operation = { __VA_ARGS__ } }

static const struct death_case list[] = {
    ONCE_CASE("run", run_0),
    ONCE_CASE("fail", fail_0),
    ONCE_CASE("two run", run_0, run_1),
    ONCE_CASE("one fails, one runs", fail_0, run_1),
    ONCE_CASE("three run", run_0, run_1, run_2),
};

const struct death_cases once_cases = { list, sizeof list / sizeof list[0] };
