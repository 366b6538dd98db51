/* barrier_cases.c - Description: if one of these failed, parties could wait for the dead for ever,
 * be told different things about one round, or go on before all have arrived; or the action could
 * be left out, or run by two at once.
 *
 * src/sync/barrier.c, with lock.c and roster.c. Each process notes what it was told of each round,
 * and compares it with what the others have noted. */
#include "cases.h"

#include <sync/barrier.h>

#include <errno.h>
#include <string.h>

#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))
#define GONE PROCESS(7)
#define ROUNDS 2

enum told { NOTHING, RELEASED, BROKE };
enum wrong { DIFFERENT = 1, TOO_EARLY = 2, SAME_INDEX = 4, NO_ACTION = 8, TWO_ACT = 16 };

struct notes {
    uint32_t party[DEATH_PROCESSES], gone, root;
    uint32_t parties, processes;                     /* of the parties                         */
    struct barrier_turn turn;                        /* of the root, if it waits               */
    bool root_waits, has_action;
    bool mended;                                     /* the action does not fail any more      */
    _Atomic uint32_t arrived[ROUNDS];                /* bits of processes about to             */
    _Atomic uint32_t told[ROUNDS][DEATH_PROCESSES];  /* enum told                              */
    _Atomic uint32_t index[ROUNDS][DEATH_PROCESSES]; /* + 1                                    */
    _Atomic uint32_t acting;                         /* the party that is at it, or died at it */
    _Atomic uint32_t acted;                          /* how often it was run to its end        */
    _Atomic uint32_t wrong;
};

struct arena_of_barrier {
    struct roster_shm roster;
    struct barrier_shm barrier;
    struct notes notes;
};

static struct arena handle = { .fd = -1 };

static struct arena_of_barrier *here(void)
{
    return (struct arena_of_barrier *)(void *)death_arena;
}

static void must(bool so)
{
    if (!so)
        death_misuse("what is there before");
}

static void mark(enum wrong what)
{
    atomic_fetch_or(&here()->notes.wrong, (uint32_t)what);
}

/* -- what is there before ---------------------------------------------------------------------- */

/* The party whose place the word says it is that acts. */
static uint32_t leader(void)
{
    struct barrier_shm *b = &here()->barrier;

    return load_acquire(&b->places[load_acquire(&b->word) >> 32 & 0x7ff]) & PARTY_NAME;
}

static int act(void *context)
{
    struct notes *n = &here()->notes;
    uint32_t me = leader(), other = atomic_exchange(&n->acting, me);

    (void)context;
    if (other != 0 && other != me && !party_is_dead(other))
        mark(TWO_ACT);
    atomic_fetch_add(&n->acted, 1);
    store_release(&n->acting, 0);
    return 0;
}

static int fail(void *context)
{
    (void)context;
    return here()->notes.mended ? 0 : -EIO;
}

static void make(uint32_t parties, const struct crew_barrier_options *options)
{
    struct arena_of_barrier *a = here();

    roster_use(&handle, &a->roster);
    memset(&a->barrier, 0x5a, sizeof a->barrier);
    barrier_init(&a->barrier, parties, NULL, 1, options);
    must(roster_sit(ROOT, 1, "root") == 0 && roster_sit(GONE, 99, "gone") == 0);
    a->notes.root = party_claim(ROOT);
    a->notes.gone = party_claim(GONE);
    a->notes.parties = parties;
    a->notes.has_action = options && options->action == act;
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        must(roster_sit(PROCESS(p), (int)(100 + p), "process") == 0);
        a->notes.party[p] = party_claim(PROCESS(p));
    }
}

/* Processes 'from' to 'to' have joined. */
static void join(unsigned from, unsigned to)
{
    for (unsigned p = from; p < to; p++)
        must(barrier_join(&here()->barrier, here()->notes.party[p], PROCESS(p)) == 0);
    here()->notes.processes = to;
}

static void root_waits(void)
{
    must(barrier_arrive(&here()->barrier, here()->notes.root, ROOT, false, &here()->notes.turn) ==
         0);
    here()->notes.root_waits = true;
}

static const struct crew_barrier_options breaks_and_acts = { .action = act };
static const struct crew_barrier_options shrinks = { .shrinks = true };
static const struct crew_barrier_options shrinks_and_acts = { .action = act, .shrinks = true };
static const struct crew_barrier_options breaks_and_fails = { .action = fail };

static void nobody_yet(void)
{
    make(2, NULL);
}

static void two_come(void)
{
    make(2, NULL);
    here()->notes.processes = 2;
}

static void alone_and_acting(void)
{
    make(1, &breaks_and_acts);
    here()->notes.processes = 1; /* joins when it arrives */
}

static void one_is_there(void)
{
    make(2, NULL);
    join(0, 1);
    roster_died(GONE);
}

/* All bits of round and releases set: the next step wraps both. */
static void one_waits_where_all_wraps(void)
{
    make(2, NULL);
    join(0, 1);
    store_release(&here()->barrier.word,
                  ((UINT64_C(1) << 63) - (UINT64_C(1) << 43)) | ((UINT64_C(1) << 30) - 1));
    root_waits();
}

static void one_waits(void)
{
    make(2, NULL);
    join(0, 1);
    root_waits();
}

static void one_waits_and_acting(void)
{
    make(2, &shrinks_and_acts);
    join(0, 1);
    root_waits();
}

static void one_waits_and_it_fails(void)
{
    make(2, &breaks_and_fails);
    join(0, 1);
    root_waits();
}

static void one_has_died(void)
{
    make(3, NULL);
    must(barrier_join(&here()->barrier, here()->notes.gone, GONE) == 0);
    join(0, 1);
    root_waits();
    roster_died(GONE);
}

/* Process 0 is none of the parties. */
static void one_of_others_has_died(void)
{
    make(3, NULL);
    must(barrier_join(&here()->barrier, here()->notes.gone, GONE) == 0);
    join(1, 2);
    root_waits();
    roster_died(GONE);
}

static void one_has_died_and_it_shrinks(void)
{
    make(3, &shrinks);
    must(barrier_expect(&here()->barrier, here()->notes.root, GONE) == 0);
    join(0, 1);
    root_waits();
    roster_died(GONE);
}

static void two_and_breaking(void)
{
    make(2, NULL);
    join(0, 2);
}

static void two_and_shrinking(void)
{
    make(2, &shrinks_and_acts);
    join(0, 2);
}

static void two_are_expected(void)
{
    make(2, NULL);
    must(barrier_expect(&here()->barrier, here()->notes.root, PROCESS(0)) == 0);
    must(barrier_expect(&here()->barrier, here()->notes.root, PROCESS(1)) == 0);
    here()->notes.processes = 2;
}

static void three_and_breaking(void)
{
    make(3, &breaks_and_acts);
    join(0, 3);
}

static void three_and_shrinking(void)
{
    make(3, &shrinks_and_acts);
    join(0, 3);
}

/* -- what they do ------------------------------------------------------------------------------ */

static void compare(unsigned p, unsigned round, int r, uint32_t index)
{
    struct notes *n = &here()->notes;
    enum told told = r == 0 ? RELEASED : BROKE;

    if (r == 0) {
        for (unsigned q = 0; q < n->processes; q++)
            if (!(load_total(&n->arrived[round]) >> q & 1) && !party_is_dead(n->party[q]))
                mark(TOO_EARLY);
        if (n->has_action && load_total(&n->acted) <= round)
            mark(NO_ACTION);
        store_total(&n->index[round][p], index + 1);
    }
    store_total(&n->told[round][p], told);
    for (unsigned q = 0; q < DEATH_PROCESSES; q++) {
        uint32_t other = load_total(&n->told[round][q]);

        if (other != NOTHING && other != (uint32_t)told)
            mark(DIFFERENT);
        if (q != p && r == 0 && load_total(&n->index[round][q]) == index + 1)
            mark(SAME_INDEX);
    }
}

static int wait_for_others(unsigned p, unsigned rounds, crew_time deadline)
{
    struct arena_of_barrier *h = here();
    int r = 0;

    for (unsigned round = 0; round < rounds && (r == 0 || r == CREW_EBROKEN); round++) {
        uint32_t index = UINT32_MAX;

        atomic_fetch_or(&h->notes.arrived[round], 1u << p);
        r = barrier_wait(&h->barrier, h->notes.party[p], PROCESS(p), &index, deadline);
        if (r == 0 || r == CREW_EBROKEN)
            compare(p, round, r, index);
    }
    return r == CREW_EBROKEN ? 0 : r;
}

static int wait_0(void) { return wait_for_others(0, 1, CREW_FOREVER); }
static int wait_1(void) { return wait_for_others(1, 1, CREW_FOREVER); }
static int wait_2(void) { return wait_for_others(2, 1, CREW_FOREVER); }
static int wait_twice_0(void) { return wait_for_others(0, 2, CREW_FOREVER); }
static int wait_twice_1(void) { return wait_for_others(1, 2, CREW_FOREVER); }
static int wait_a_while_0(void) { return wait_for_others(0, 1, crew_in_ms(1)); }

static int ask_0(void)
{
    int r = barrier_wait(&here()->barrier, here()->notes.party[0], PROCESS(0), NULL, CREW_NOW);

    return r == -EAGAIN ? 0 : -EIO;
}

static int come_and_go_0(void)
{
    struct arena_of_barrier *h = here();
    uint32_t me = h->notes.party[0];
    int r = barrier_expect(&h->barrier, me, PROCESS(0));

    if (r == 0)
        r = barrier_join(&h->barrier, me, PROCESS(0));
    if (r == 0)
        r = barrier_leave(&h->barrier, me);
    return r == 0 && barrier_leave(&h->barrier, me) != -EPERM ? -EIO : r;
}

static int leave_0(void)
{
    atomic_fetch_or(&here()->notes.arrived[0], 1u); /* nobody waits for it */
    return barrier_leave(&here()->barrier, here()->notes.party[0]);
}

static int expect_0_2(void)
{
    return barrier_expect(&here()->barrier, here()->notes.party[2], PROCESS(0));
}

static int expect_the_dead_1(void)
{
    return barrier_expect(&here()->barrier, here()->notes.party[1], GONE);
}

static int abort_2(void)
{
    barrier_abort(&here()->barrier);
    return 0;
}

static int reset_0(void)
{
    return barrier_reset(&here()->barrier, here()->notes.party[0]);
}

static int reset_2(void)
{
    return barrier_reset(&here()->barrier, here()->notes.party[2]);
}

/* -- afterwards -------------------------------------------------------------------------------- */

static void recover(unsigned dead)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (dead & 1u << p)
            roster_died(PROCESS(p));
}

static unsigned count(const struct death_end *ends, enum death_how how)
{
    unsigned n = 0;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        n += ends[p].how == how;
    return n;
}

/* After a reset as many as at first come round together; the living have kept their places. */
static const char *round_trip(void)
{
    struct arena_of_barrier *h = here();
    struct barrier_turn turn[DEATH_PROCESSES + 1];
    uint32_t party[DEATH_PROCESSES + 1], indices = 0;
    const char *wrong = barrier_check(&h->barrier);
    unsigned n = 0;

    h->notes.mended = true;
    if (wrong)
        return wrong;
    if (barrier_reset(&h->barrier, h->notes.root) != 0)
        return "it can't be reset";
    if (barrier_is_broken(&h->barrier) || barrier_waiting(&h->barrier) != 0 ||
        barrier_parties(&h->barrier) != h->notes.parties)
        return "a reset barrier is not as new";
    for (unsigned i = 0; i < h->notes.parties; i++) {
        uint64_t place = load_acquire(&h->barrier.places[i]);

        party[n] = place & PARTY_NAME ? place & PARTY_NAME : party_claim(ROOT);
        n++;
        if (place != 0 && !(place & PARTY_NAME)) /* one that is expected, and lives */
            must(swap_if(&h->barrier.places[i], &place, 0));
    }
    for (unsigned i = 0; i < n; i++)
        if (barrier_arrive(&h->barrier, party[i], ROOT, i + 1 == n, &turn[i]) != 0)
            return "leak: the dead keep their places";
    for (unsigned i = 0; i < n; i++) {
        uint32_t index;

        if (barrier_stay(&h->barrier, party[i], &turn[i], &index, CREW_NOW) != 0)
            return "lost: all are there, and nobody goes on";
        indices |= 1u << index;
    }
    if (indices != (1u << n) - 1)
        return "twice: an index";
    wrong = barrier_check(&h->barrier);
    return wrong ? wrong : roster_check();
}

static const char *common(const struct death_end *ends)
{
    uint32_t wrong = load_total(&here()->notes.wrong);

    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0)
            return "broken: a call failed";
    if (wrong & DIFFERENT)
        return "broken: they were told different things of one round";
    if (wrong & TOO_EARLY)
        return "broken: somebody went on before all were there";
    if (wrong & SAME_INDEX)
        return "twice: an index";
    if (wrong & NO_ACTION)
        return "lost: the action was not run";
    if (wrong & TWO_ACT)
        return "twice: two are at the action";
    return NULL;
}

/* All rounds end for all that live, well if nobody has died. */
static const char *check(const struct death_end *ends)
{
    struct notes *n = &here()->notes;
    const char *wrong = common(ends);
    bool killed = count(ends, DEATH_KILLED) > 0;
    uint32_t rounds = 0;

    if (wrong)
        return wrong;
    if (count(ends, DEATH_BLOCKED) > 0)
        return "hang: somebody waits for the dead";
    for (unsigned round = 0; round < ROUNDS && !killed; round++) {
        uint32_t first = 0, there = 0;

        for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
            if (load_total(&n->told[round][p]) == BROKE)
                return "broken: without a death";
            there += load_total(&n->told[round][p]) == RELEASED;
            first += load_total(&n->index[round][p]) == 1;
        }
        if (there > 0 && !n->root_waits && first != 1)
            return "not one of them is the first";
        rounds += there > 0;
    }
    if (n->has_action && !killed && load_total(&n->acted) != rounds)
        return "twice: the action";
    return round_trip();
}

static const char *check_shrinks(const struct death_end *ends)
{
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned p = 0; p < DEATH_PROCESSES; p++)
            if (load_total(&here()->notes.told[round][p]) == BROKE)
                return "broken: it should have shrunk";
    return check(ends);
}

/* What the root is told, who waits there, and process 0 of the same round: 'with_one': if that
 * died. */
static const char *check_root(const struct death_end *ends, enum told with_all, enum told with_one)
{
    struct arena_of_barrier *h = here();
    struct notes *n = &h->notes;
    const char *wrong = common(ends);
    uint32_t told = load_total(&n->told[0][0]), index = 0;
    int r;

    if (wrong)
        return wrong;
    r = barrier_stay(&h->barrier, n->root, &n->turn, &index, CREW_FOREVER);
    if (told != NOTHING && told != (r == 0 ? RELEASED : BROKE))
        return "broken: they were told different things of one round";
    if (told == RELEASED && load_total(&n->index[0][0]) == index + 1)
        return "twice: an index";
    if (r == 0 && n->has_action && load_total(&n->acted) == 0)
        return "lost: the action was not run";
    if (told != NOTHING && told != (uint32_t)with_all)
        return with_all == BROKE ? "broken: it went on" : "broken: without a death";
    if (told == NOTHING && with_one == RELEASED && r != 0)
        return "broken: it should have shrunk";
    return round_trip();
}

static const char *check_last(const struct death_end *ends)
{
    return check_root(ends, RELEASED, BROKE);
}
static const char *check_goes_on(const struct death_end *ends)
{
    return check_root(ends, RELEASED, RELEASED);
}
static const char *check_breaks(const struct death_end *ends)
{
    return check_root(ends, BROKE, BROKE);
}

/* Its own deadline has broken it. */
static const char *check_deadline(const struct death_end *ends)
{
    const char *wrong = common(ends);

    if (wrong)
        return wrong;
    if (ends[0].how == DEATH_RETURNED && load_total(&here()->notes.told[0][0]) != BROKE)
        return "broken: it went on alone";
    return round_trip();
}

static const char *check_places(const struct death_end *ends)
{
    const char *wrong = common(ends);

    if (wrong)
        return wrong;
    if (barrier_waiting(&here()->barrier) != 0)
        return "somebody waits that never came";
    return round_trip();
}

/* Somebody aborts or resets: who waits on has come after that, and others are still to come. */
static const char *check_meddled(const struct death_end *ends)
{
    struct barrier_shm *b = &here()->barrier;
    const char *wrong = common(ends);
    unsigned blocked = count(ends, DEATH_BLOCKED);

    if (wrong)
        return wrong;
    if (blocked > 0 &&
        (barrier_is_broken(b) || barrier_waiting(b) != blocked || blocked == here()->notes.parties))
        return "hang: its round is over";
    if (blocked > 0 && (load_acquire(&b->word) & ((UINT64_C(1) << 30) - 1)) == 0)
        return "hang: it is the first round still, which all were in";
    for (unsigned p = 0; p < here()->notes.parties && blocked > 0; p++)
        if (ends[p].how == DEATH_KILLED && load_acquire(&b->places[p]) != 0)
            return "hang: somebody waits for the dead";
    return round_trip();
}

static const char *check_aborted(const struct death_end *ends)
{
    if (ends[2].how == DEATH_RETURNED && !barrier_is_broken(&here()->barrier))
        return "lost: what was aborted is whole";
    if (count(ends, DEATH_BLOCKED) > 0)
        return "hang: its round is over";
    return check_meddled(ends);
}

/* Nobody has two places. One that died before it had one is waited for, if it was not expected. */
static const char *check_comers(const struct death_end *ends)
{
    struct barrier_shm *b = &here()->barrier;
    const char *wrong = common(ends);

    if (count(ends, DEATH_KILLED) == 0)
        return check(ends);
    if (wrong)
        return wrong;
    if (count(ends, DEATH_BLOCKED) > 0 &&
        (load_acquire(&b->places[0]) != 0 && load_acquire(&b->places[1]) != 0))
        return "hang: somebody waits for the dead";
    return round_trip();
}

/* Process 0 waits on only if nothing was said of the dead. */
static const char *check_expected(const struct death_end *ends)
{
    const char *wrong = common(ends);

    if (wrong)
        return wrong;
    if (ends[0].how == DEATH_BLOCKED && load_acquire(&here()->barrier.places[1]) != 0)
        return "hang: somebody waits for the dead";
    if (load_total(&here()->notes.told[0][0]) == RELEASED)
        return "broken: it went on alone";
    return round_trip();
}

#define BARRIER_CASE(what, before, after, ...)                                                    \
    { .name = "barrier: " what, .size = sizeof(struct arena_of_barrier), .setup = before,         \
      .recover = recover, .check = after, .operation = { __VA_ARGS__ } }
/* Of fewer switches and deaths, but all that there are. */
#define BARRIER_CASE_OF_TWO(what, before, after, ...)                                             \
    { .name = "barrier: " what, .size = sizeof(struct arena_of_barrier), .setup = before,         \
      .recover = recover, .check = after, .operation = { __VA_ARGS__ }, .events = 2 }

static const struct death_case list[] = {
    BARRIER_CASE("come and go", nobody_yet, check_places, come_and_go_0),
    BARRIER_CASE("ask who is there", nobody_yet, check_places, ask_0),
    BARRIER_CASE("wait until a deadline", one_is_there, check_deadline, wait_a_while_0),
    BARRIER_CASE("wait alone, and act", alone_and_acting, check, wait_0),
    BARRIER_CASE("arrive last", one_waits, check_last, wait_0),
    BARRIER_CASE("arrive last where all wraps", one_waits_where_all_wraps, check_last, wait_0),
    BARRIER_CASE("arrive last, and act", one_waits_and_acting, check_goes_on, wait_0),
    BARRIER_CASE("arrive last, and fail", one_waits_and_it_fails, check_breaks, wait_0),
    BARRIER_CASE("arrive where one has died", one_has_died, check_breaks, wait_0),
    BARRIER_CASE("arrive where one has died, shrinking", one_has_died_and_it_shrinks, check_goes_on,
                 wait_0),
    BARRIER_CASE("leave, shrinking", one_waits_and_acting, check_goes_on, leave_0),
    BARRIER_CASE("reset", one_of_others_has_died, check_breaks, reset_0),
    BARRIER_CASE("two wait twice", two_and_breaking, check, wait_twice_0, wait_twice_1),
    BARRIER_CASE("two wait twice and act, shrinking", two_and_shrinking, check_shrinks,
                 wait_twice_0, wait_twice_1),
    BARRIER_CASE_OF_TWO("two wait that are expected", two_are_expected, check, wait_0, wait_1),
    BARRIER_CASE_OF_TWO("two come, one is expected meanwhile", two_come, check_comers, wait_0,
                        wait_1, expect_0_2),
    BARRIER_CASE_OF_TWO("one waits, one that is dead is expected", one_is_there, check_expected,
                        wait_0, expect_the_dead_1),
    BARRIER_CASE("three wait and act", three_and_breaking, check, wait_0, wait_1, wait_2),
    BARRIER_CASE("three wait and act, shrinking", three_and_shrinking, check_shrinks, wait_0,
                 wait_1, wait_2),
    BARRIER_CASE_OF_TWO("one leaves, two wait, shrinking", three_and_shrinking, check_shrinks,
                        leave_0, wait_1, wait_2),
    BARRIER_CASE("two wait, one aborts", two_and_breaking, check_aborted, wait_0, wait_1, abort_2),
    BARRIER_CASE("two wait, one resets", two_and_breaking, check_meddled, wait_0, wait_1, reset_2),
};

const struct death_cases barrier_cases = { list, sizeof list / sizeof list[0] };
