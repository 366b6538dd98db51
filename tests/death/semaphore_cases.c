/* semaphore_cases.c - Description: if one of these failed, permits could vanish with the dead, be held by more
 * than there are, or lie free while somebody waits for them for ever.
 *
 * src/sync/semaphore.c, src/sync/lock.c and src/life/roster.c. */
#include "cases.h"

#include <sync/semaphore.h>

#include <errno.h>
#include <string.h>

#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))
#define GONE PROCESS(7)

enum { MOST = 3 };

struct notes {
    uint32_t party[DEATH_PROCESSES], root, gone;
    uint32_t asked[DEATH_PROCESSES];  /* permits that it wants at once       */
    uint32_t taken[DEATH_PROCESSES];  /* unowned: that it got                */
    _Atomic uint32_t held;            /* that each knows to be its own: 8 bits */
    uint32_t added[DEATH_PROCESSES];  /* unowned: that add() took            */
    uint32_t adding[DEATH_PROCESSES]; /* the same, and what is on its way    */
    uint32_t too_many;                /* held at once                        */
};

struct arena_of_semaphore {
    struct roster_shm roster;
    struct notes notes;
    struct semaphore_shm semaphore; /* with MOST permits */
};

#define SIZE (sizeof(struct arena_of_semaphore) + MOST * sizeof(struct permit_shm))

static struct arena handle = { .fd = -1 };

static struct arena_of_semaphore *here(void)
{
    return (struct arena_of_semaphore *)(void *)death_arena;
}

/* -- what is there before ------------------------------------------------------------------------- */

static void make(uint32_t value, const struct crew_semaphore_options *options)
{
    struct arena_of_semaphore *a = here();

    roster_use(&handle, &a->roster);
    memset(&a->semaphore, 0x5a, semaphore_size(MOST));
    semaphore_init(&a->semaphore, value, options);
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

static void owned(uint32_t value)
{
    static const struct crew_semaphore_options options;

    make(value, &options);
}

static void one_permit(void) { owned(1); }
static void two_permits(void) { owned(2); }
static void three_permits(void) { owned(3); }

/* 'count' of them belong to the dead. */
static void left(uint32_t value, uint32_t count)
{
    owned(value);
    if (semaphore_acquire_owned(&here()->semaphore, here()->notes.gone, count, CREW_NOW) != 0)
        death_misuse("the semaphore");
    roster_died(GONE);
}

static void one_left(void) { left(1, 1); }
static void two_left(void) { left(3, 2); }

static void unowned(uint32_t value)
{
    make(value, &(struct crew_semaphore_options){ .unowned = true });
}

static void none_yet(void) { unowned(0); }
static void one_there(void) { unowned(1); }

/* -- what they do, with owners ------------------------------------------------------------- */

static int use(unsigned p, uint32_t count, crew_time deadline)
{
    struct arena_of_semaphore *h = here();
    struct notes *n = &h->notes;
    int r = semaphore_acquire_owned(&h->semaphore, n->party[p], count, deadline);
    uint32_t held, all = 0;

    if (r < 0)
        return r;
    held = atomic_fetch_add(&n->held, count << 8 * p) + (count << 8 * p);
    for (unsigned q = 0; q < DEATH_PROCESSES; q++)
        if (!party_is_dead(n->party[q]))
            all += held >> 8 * q & 0xff;
    if (all > h->semaphore.value)
        n->too_many = 1;
    atomic_fetch_sub(&n->held, count << 8 * p);
    return semaphore_release_owned(&h->semaphore, n->party[p], count);
}

static int use_0(void) { return use(0, 1, CREW_FOREVER); }
static int use_1(void) { return use(1, 1, CREW_FOREVER); }
static int use_2(void) { return use(2, 1, CREW_FOREVER); }
static int two_0(void) { return use(0, 2, CREW_FOREVER); }
static int two_1(void) { return use(1, 2, CREW_FOREVER); }
static int three_0(void) { return use(0, 3, CREW_FOREVER); }

static int twice_0(void)
{
    int r = use_0();

    return r < 0 ? r : use_0();
}

static int try_1(void)
{
    int r = use(1, 1, CREW_NOW);

    return r == -EAGAIN ? 0 : r;
}

/* -- what they do, unowned ----------------------------------------------------------------- */

static int add(unsigned p, uint32_t count)
{
    here()->notes.adding[p] += count;
    if (semaphore_add(&here()->semaphore, count) != 0)
        return -EOVERFLOW;
    here()->notes.added[p] += count;
    return 0;
}

static int add_0(void) { return add(0, 1); }
static int add_two_0(void) { return add(0, 2); }

static int add_twice_0(void)
{
    int r = add(0, 1);

    return r < 0 ? r : add(0, 1);
}

static int consume(unsigned p, uint32_t count)
{
    struct arena_of_semaphore *h = here();
    int r = 0;

    h->notes.asked[p] = count;
    if (!semaphore_take(&h->semaphore, count))
        r = semaphore_await(&h->semaphore, h->notes.party[p], count, CREW_FOREVER);
    if (r == 0)
        h->notes.taken[p] = count;
    return r;
}

static int consume_0(void) { return consume(0, 1); }
static int consume_1(void) { return consume(1, 1); }
static int consume_2(void) { return consume(2, 1); }
static int consume_two_1(void) { return consume(1, 2); }

/* Takes it, and adds it again. */
static int pass_on_1(void)
{
    int r = consume(1, 1);

    return r < 0 ? r : add(1, 1);
}

/* -- afterwards --------------------------------------------------------------------------- */

static void recover(unsigned dead)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (dead & 1u << p)
            roster_died(PROCESS(p));
}

static const char *check(const struct death_end *ends)
{
    struct arena_of_semaphore *h = here();
    struct semaphore_shm *s = &h->semaphore;
    const char *wrong;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (ends[p].how == DEATH_BLOCKED)
            return "hang: somebody waits for ever";
        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0)
            return "broken: a call failed";
    }
    if (h->notes.too_many)
        return "twice: more are held than there are";
    wrong = semaphore_check(s);
    if (wrong || (wrong = roster_check()) != NULL)
        return wrong;
    if (semaphore_value(s) != s->value)
        return "lost: a permit stays with who gave it back, or with the dead";
    if (semaphore_acquire_owned(s, h->notes.root, s->value, CREW_NOW) != 0)
        return "lost: not all permits can be had";
    if (semaphore_value(s) != 0)
        return "twice: a permit that is held is free";
    if (semaphore_acquire_owned(s, h->notes.root, 1, CREW_NOW) != -EDEADLK)
        return "twice: a permit was had that was not there";
    if (semaphore_release_owned(s, h->notes.root, s->value) != 0 || semaphore_value(s) != s->value)
        return "the permits can't be given back";
    if (semaphore_release_owned(s, h->notes.root, 1) != -EPERM)
        return "twice: a permit was given back that was not held";
    return semaphore_check(s);
}

static const char *check_unowned(const struct death_end *ends)
{
    struct arena_of_semaphore *h = here();
    struct semaphore_shm *s = &h->semaphore;
    uint32_t least = s->value, most = s->value, value = semaphore_value(s);
    const char *wrong;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        least += h->notes.added[p] - h->notes.taken[p];
        most += h->notes.adding[p] - h->notes.taken[p];
        if (ends[p].how == DEATH_BLOCKED && value >= h->notes.asked[p])
            return "hang: there is enough, and somebody sleeps on";
        if (ends[p].how == DEATH_KILLED)
            least -= h->notes.asked[p] - h->notes.taken[p]; /* taken, perhaps, and not yet noted */
        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0)
            return "broken: a call failed";
    }
    if (value > most && (int32_t)(value - most) > 0)
        return "twice: more than was added";
    if ((int32_t)(value - least) < 0)
        return "lost: what was added";
    wrong = semaphore_check(s);
    if (wrong || (wrong = roster_check()) != NULL)
        return wrong;
    if (semaphore_add(s, 2) != 0 || semaphore_await(s, h->notes.root, value + 2, CREW_NOW) != 0)
        return "what was added can't be had";
    if (semaphore_await(s, h->notes.root, 1, CREW_NOW) != -EAGAIN || semaphore_take(s, 1))
        return "twice: more than was added";
    return semaphore_add(s, CREW_SEMAPHORE_MOST + 1) == -EOVERFLOW ? NULL : "more than there can be";
}

#define SEMAPHORE_CASE(what, most, before, after, ...)                                           \
    { .name = "semaphore: " what, .size = SIZE, .setup = before, .recover = recover,          \
     .check = after, .events = most, .operation = { __VA_ARGS__ } }

static const struct death_case list[] = {
    SEMAPHORE_CASE("acquire and release", 0, one_permit, check, use_0),
    SEMAPHORE_CASE("acquire and release three", 0, three_permits, check, three_0),
    SEMAPHORE_CASE("acquire what the dead left", 0, one_left, check, use_0),
    SEMAPHORE_CASE("acquire three, two of which the dead left", 0, two_left, check, three_0),
    SEMAPHORE_CASE("add", 0, none_yet, check_unowned, add_0),
    SEMAPHORE_CASE("take", 0, one_there, check_unowned, consume_0),
    SEMAPHORE_CASE("two use one", 3, one_permit, check, use_0, use_1),
    SEMAPHORE_CASE("two use one that the dead left", 2, one_left, check, use_0, use_1),
    SEMAPHORE_CASE("one uses it twice, one tries", 2, one_permit, check, twice_0, try_1),
    SEMAPHORE_CASE("two want two of three", 3, three_permits, check, two_0, two_1),
    SEMAPHORE_CASE("one adds, one takes", 3, none_yet, check_unowned, add_0, consume_1),
    SEMAPHORE_CASE("one adds two, one takes two", 2, none_yet, check_unowned, add_two_0, consume_two_1),
    SEMAPHORE_CASE("three use one", 2, one_permit, check, use_0, use_1, use_2),
    SEMAPHORE_CASE("three use two", 2, two_permits, check, use_0, use_1, use_2),
    SEMAPHORE_CASE("two use one each, one wants both", 2, two_permits, check, two_0, use_1, use_2),
    SEMAPHORE_CASE("one adds twice, two take", 2, none_yet, check_unowned, add_twice_0, consume_1, consume_2),
    SEMAPHORE_CASE("one adds twice, one takes two, one takes one", 2, none_yet, check_unowned, add_twice_0,
                   consume_two_1, consume_2),
    SEMAPHORE_CASE("one adds, one takes and adds, one takes", 2, none_yet, check_unowned, add_0, pass_on_1,
                   consume_2),
};

const struct death_cases semaphore_cases = { list, sizeof list / sizeof list[0] };
