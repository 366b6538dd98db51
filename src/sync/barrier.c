/* barrier.c - parties that wait for each other, by name; one word says how each round ended.
 *
 *     word   acting:1 releases:20 leader:11 sleepers:1 broken:1 round:30. Who sleeps, sleeps on the
 *            lower half.
 *
 *                     +---------------- all there, no action [R] ---------------+
 *                     |                                                         v
 *               FILLING(r) -- all there [A] --> ACTING(r, leader) -- [R] --> FILLING(r + 1)
 *                     |                          |     ^    |                   ^
 *                     |                          |     +----+ the leader dies,  |
 *                     |                          |       shrinking: another [T] |
 *                     +----------> BROKEN(r) <---+                              |
 *                          [B]         +------------------------ reset [N] -----+
 *
 *     releases  counts [R]; leader is the place of who did [A] and [R]
 *     sleepers  somebody sleeps, or is about to; what ends a round clears it and wakes them
 *
 *     place  round:32 state:2 party:30, or process:32 state:2 nothing:30
 *
 *               join [J]                       arrive [W]
 *       FREE ------------> PARTY(p, absent) ------------> PARTY(p, r)     [W] and leave: p alone
 *       FREE -> EXPECTED(process) -> PARTY(p, absent)     expect [X], then [J] of its thread
 *       PARTY, EXPECTED of the dead -> GONE               [S], by whoever looks, if it shrinks
 *       PARTY, EXPECTED of the dead, GONE -> FREE         [F], in reset, while BROKEN
 *       PARTY(me, ..) -> FREE; GONE if it shrinks         leave
 *
 *     who    the process that each place is for. [J] [X] [F] are done by who holds the lock
 *            'changing': so no process gets two places because it comes while it is expected
 *
 * All are there when every place is PARTY(alive, r) or GONE. In round r such a place stays as it
 * is, so it does not matter that they are looked at one after the other. Who arrives looks; whoever
 * sleeps looks again after each death.
 *
 * How a round ended: who arrived in round r has seen 'releases' in the same look. When the word is
 * no longer FILLING(r) or ACTING(r): 'releases' as it was says broken, else released. This holds
 * however late somebody looks, as no later round can be released before it has arrived there;
 * breaks and resets don't count. For the same reason 'leader' is still that of its round.
 *
 * Order  [W] then a look at all places, by each: in the one total order (seq_cst). So of the last
 *        two that arrive at least one sees all.
 *        [W] release -> look -> [A] [R] -> the waiters' look acquire: what each wrote before, and
 *        what the action did
 *
 * The party dies ...              others see               what helps
 *   before [J], expected          EXPECTED(dead)           who looks, [B] or [S]: all that sleep do
 *   after [J], absent or waiting  PARTY(dead)              the same
 *   all there, before [A] or [R]  PARTY(dead)              the same
 *   running the action            ACTING, its place dead   [B], or [T] and the action once more
 *   another while that runs       ACTING                   none: the next round notices
 *   after [R] [B], before the     the next round, asleep   all look again
 *   wake-up
 *   resetting                     BROKEN, some FREE        reset it again
 *   holding 'changing'            HELD(dead)               the next one finds whole words; 'who' of
 *                                                          a place that is still FREE is nobody's
 */
#include "barrier.h"

#include <errno.h>
#include <string.h>

#define ACTING (UINT64_C(1) << 63)
#define RELEASE (UINT64_C(1) << 43)
#define RELEASES ((UINT64_C(1) << 63) - RELEASE)
#define LEADER_SHIFT 32
#define LEADER ((UINT64_C(1) << 43) - (UINT64_C(1) << LEADER_SHIFT))
#define SLEEPERS (UINT64_C(1) << 31)
#define BROKEN (UINT64_C(1) << 30)
#define ROUND (BROKEN - 1)

enum state { FREE, EXPECTED, PARTY, GONE };

#define ABSENT UINT32_MAX /* no round */

_Static_assert(CREW_BARRIER_MOST - 1 <= LEADER >> LEADER_SHIFT, "a leader fits its bits");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lower half of a word comes first");

static uint64_t make(enum state state, uint32_t party, uint32_t rest)
{
    return (uint64_t)rest << 32 | (uint64_t)state << 30 | party;
}

static enum state state_of(uint64_t place)
{
    return (enum state)(place >> 30 & 3);
}

static uint32_t party_of(uint64_t place)
{
    return place & PARTY_NAME;
}

/* The round of a PARTY, the process of one that is EXPECTED. */
static uint32_t rest_of(uint64_t place)
{
    return (uint32_t)(place >> 32);
}

static bool is_dead(uint64_t place)
{
    return state_of(place) == PARTY
               ? party_is_dead(party_of(place))
               : state_of(place) == EXPECTED && process_is_dead(rest_of(place));
}

static uint32_t leader_of(uint64_t word)
{
    return (uint32_t)((word & LEADER) >> LEADER_SHIFT);
}

static _Atomic uint32_t *lower_half(struct barrier_shm *b)
{
    return (_Atomic uint32_t *)(void *)&b->word;
}

void barrier_init(struct barrier_shm *b, uint32_t parties, void *places, uint32_t looks,
                  const struct crew_barrier_options *options)
{
    memset(b, 0, sizeof *b);
    b->parties = parties;
    b->places = places ? places : b->inside;
    b->who = places ? (uint32_t *)(void *)(b->places + parties) : b->who_inside;
    for (uint32_t n = 0; n < parties; n++) {
        store_relaxed(&b->places[n], 0);
        b->who[n] = 0;
    }
    b->action = options ? options->action : NULL;
    b->context = options ? options->context : NULL;
    b->shrinks = options && options->shrinks;
    patience_init(&b->patience, looks);
    lock_init(&b->changing, NULL, "barrier");
    b->magic = BARRIER_MAGIC;
    store_release(&b->word, 0);
}

/* -- how a round ends ------------------------------------------------------------------------ */

/* One step of the word from 'seen', and all that sleep are woken. False: it has changed; look
 * again. */
static bool step(struct barrier_shm *b, uint64_t seen, uint64_t next)
{
    if (!swap_if(&b->word, &seen, next & ~SLEEPERS))
        return false;
    if (seen & SLEEPERS)
        os_futex_wake(lower_half(b), INT32_MAX);
    return true;
}

static uint64_t broken(uint64_t word)
{
    return (word & ~ACTING) | BROKEN;
}

static uint64_t next_round(uint64_t word)
{
    return (word & (RELEASES | LEADER)) | ((word + 1) & ROUND);
}

static uint64_t released(uint64_t word, uint32_t leader)
{
    return (next_round(word) & ~(RELEASES | LEADER)) | ((word + RELEASE) & RELEASES) |
           (uint64_t)leader << LEADER_SHIFT;
}

static uint64_t acting(uint64_t word, uint32_t leader)
{
    return (word & ~LEADER) | ACTING | (uint64_t)leader << LEADER_SHIFT;
}

static bool is_over(uint64_t word, uint64_t begun)
{
    return (word & BROKEN) || ((word ^ begun) & ROUND);
}

/* Breaks the round that has begun so, unless it is over. */
static void break_round(struct barrier_shm *b, uint64_t begun)
{
    uint64_t word;

    do
        word = load_total(&b->word);
    while (!is_over(word, begun) && !step(b, word, broken(word))); /* [B] */
}

/* Runs the action as the leader at place 'mine'. Whoever breaks the round meanwhile has the last
 * word. */
static void act(struct barrier_shm *b, uint64_t begun, uint32_t mine)
{
    int r = b->action(b->context);
    uint64_t word;

    do
        word = load_total(&b->word);
    while (!is_over(word, begun) &&
           !step(b, word, r == 0 ? released(word, mine) : broken(word))); /* [R] [B] */
}

enum finding { MISSING, ALL_THERE, DIED };

/* What the places say about the round of 'word'. */
static enum finding look(struct barrier_shm *b, uint64_t word)
{
    enum finding finding = ALL_THERE;

    for (uint32_t n = 0; n < b->parties; n++) {
        uint64_t place = load_total(&b->places[n]);

        if (is_dead(place)) {
            if (!b->shrinks)
                return DIED;
            swap_if(&b->places[n], &place,
                    make(GONE, 0, 0)); /* [S]; who was faster has done the same */
        } else if (state_of(place) != GONE &&
                   (state_of(place) != PARTY || rest_of(place) != (word & ROUND))) {
            finding = MISSING;
        }
    }
    return finding;
}

/* Whether who runs the action has died at it. */
static bool leader_is_dead(const struct barrier_shm *b, uint64_t word)
{
    uint64_t place = leader_of(word) < b->parties ? load_total(&b->places[leader_of(word)]) : 0;

    return state_of(place) != PARTY || is_dead(place);
}

/* Does what is to be done about a round that is not over in 'word'. False: nothing but to wait. */
static bool go_on(struct barrier_shm *b, uint64_t word, uint64_t begun, uint32_t mine)
{
    enum finding finding = MISSING;

    if (!(word & ACTING))
        finding = look(b, word);
    else if (leader_is_dead(b, word))
        finding = b->shrinks ? ALL_THERE : DIED;
    switch (finding) {
    case MISSING:
        return false;
    case DIED:
        step(b, word, broken(word)); /* [B] */
        break;
    case ALL_THERE:
        if (!b->action)
            step(b, word, released(word, mine)); /* [R] */
        else if (swap_if(&b->word, &word, acting(word, mine))) /* [A] [T] */
            act(b, begun, mine);
        break;
    }
    return true;
}

/* -- places ---------------------------------------------------------------------------------- */

/* Who died with it has left whole words. */
static int begin_change(struct barrier_shm *b, uint32_t me)
{
    int r = lock_acquire(&b->changing, me, CREW_FOREVER);

    return r == CREW_EOWNERDEAD ? lock_consistent(&b->changing, me) : r;
}

/* The number of the first place with this word; -EBUSY: there is none. */
static int find(const struct barrier_shm *b, uint64_t word)
{
    for (uint32_t n = 0; n < b->parties; n++)
        if (load_acquire(&b->places[n]) == word)
            return (int)n;
    return -EBUSY;
}

static int find_party(const struct barrier_shm *b, uint32_t party)
{
    for (uint32_t n = 0; n < b->parties; n++) {
        uint64_t place = load_acquire(&b->places[n]);

        if (state_of(place) == PARTY && party_of(place) == party)
            return (int)n;
    }
    return -EBUSY;
}

/* The number of the place of 'me', which it has or takes now; -EBUSY. */
static int take_place(struct barrier_shm *b, uint32_t me, uint32_t process)
{
    int n = find_party(b, me), r;

    if (n >= 0)
        return n;
    r = begin_change(b, me);
    if (r < 0)
        return r;
    n = find(b, make(EXPECTED, 0, process));
    if (n < 0)
        n = find(b, 0);
    if (n >= 0) {
        b->who[n] = process;
        store_total(&b->places[n], make(PARTY, me, ABSENT)); /* [J] */
    }
    r = lock_release(&b->changing, me);
    return r < 0 ? r : n;
}

int barrier_join(struct barrier_shm *b, uint32_t me, uint32_t process)
{
    int r = take_place(b, me, process);

    return r < 0 ? r : 0;
}

/* Whether it has a place or had one, or one is kept for it. */
static bool has_come(const struct barrier_shm *b, uint32_t process)
{
    for (uint32_t n = 0; n < b->parties; n++)
        if (b->who[n] == process && load_acquire(&b->places[n]) != 0)
            return true;
    return false;
}

int barrier_expect(struct barrier_shm *b, uint32_t me, uint32_t process)
{
    int n = 0, r = begin_change(b, me);

    if (r < 0)
        return r;
    if (!has_come(b, process)) {
        n = find(b, 0);
        if (n >= 0) {
            b->who[n] = process;
            store_total(&b->places[n], make(EXPECTED, 0, process)); /* [X] */
        }
    }
    r = lock_release(&b->changing, me);
    if (n >= 0 && process_is_dead(process))
        party_wake_all(); /* its death was told before anybody could know what it means */
    return n < 0 ? n : r;
}

int barrier_leave(struct barrier_shm *b, uint32_t me)
{
    uint64_t word = load_total(&b->word);
    int n = find_party(b, me);

    if (n < 0)
        return -EPERM;
    if ((word & ACTING) && leader_of(word) == (uint32_t)n)
        return -EBUSY;
    store_total(&b->places[n], b->shrinks ? make(GONE, 0, 0) : 0);
    if (b->shrinks)
        party_wake_all(); /* all others may be there */
    return 0;
}

/* -- wait ------------------------------------------------------------------------------------ */

/* Whether all but the one at 'mine' have arrived; who asks has not, so this does not change. */
static bool others_are_there(const struct barrier_shm *b, uint64_t word, uint32_t mine)
{
    for (uint32_t n = 0; n < b->parties; n++) {
        uint64_t place = load_total(&b->places[n]);

        if (n != mine && state_of(place) != GONE && !is_dead(place) &&
            (state_of(place) != PARTY || rest_of(place) != (word & ROUND)))
            return false;
    }
    return true;
}

/* Awake for a moment: where each party has a CPU the others are about to come. */
static bool spin(struct barrier_shm *b, uint64_t begun)
{
    uint32_t looks = patience_looks(&b->patience, begun & ROUND);
    bool over = false;

    for (uint32_t i = 0; i < looks && !over; i++) {
        os_relax();
        over = is_over(load_relaxed(&b->word), begun);
    }
    patience_paid(&b->patience, looks, over);
    return over;
}

static void wait_for_end(struct barrier_shm *b, uint32_t me, const struct barrier_turn *turn,
                         crew_time deadline)
{
    uint64_t begun = turn->begun;
    bool awake = true;

    for (;;) {
        uint32_t deaths = party_deaths();
        uint64_t word = load_total(&b->word);

        if (is_over(word, begun))
            return;
        if (go_on(b, word, begun, turn->place))
            continue;
        if (awake && spin(b, begun))
            return;
        awake = false;
        if (!(word & SLEEPERS) && !swap_if(&b->word, &word, word | SLEEPERS))
            continue;
        if (party_sleep(me, lower_half(b), (uint32_t)(word | SLEEPERS), WAITS_FOR_OTHER, deaths,
                        deadline) < 0)
            break_round(b, begun);
    }
}

int barrier_arrive(struct barrier_shm *b, uint32_t me, uint32_t process, bool if_last,
                   struct barrier_turn *turn)
{
    uint64_t word = load_total(&b->word);
    int r = word & BROKEN ? CREW_EBROKEN : take_place(b, me, process);
    uint32_t mine = (uint32_t)r;

    if (r == -EBUSY && look(b, word) == DIED) {
        break_round(b, word);
        return CREW_EBROKEN;
    }
    if (r < 0)
        return r;
    word = load_total(&b->word);
    if (word & BROKEN)
        return CREW_EBROKEN;
    if ((word & ACTING) && leader_of(word) == mine)
        return -EDEADLK;
    if (if_last && !others_are_there(b, word, mine))
        return -EAGAIN;
    store_total(&b->places[mine], make(PARTY, me, word & ROUND)); /* [W] */
    *turn = (struct barrier_turn){ word, mine };
    return 0;
}

static uint32_t index_of(uint32_t mine, uint32_t leader)
{
    return mine == leader ? 0 : mine < leader ? mine + 1 : mine;
}

int barrier_stay(struct barrier_shm *b, uint32_t me, const struct barrier_turn *turn,
                 uint32_t *index, crew_time deadline)
{
    uint64_t word;

    wait_for_end(b, me, turn, deadline);
    word = load_total(&b->word);
    if (((word ^ turn->begun) & RELEASES) == 0)
        return CREW_EBROKEN;
    if (index)
        *index = index_of(turn->place, leader_of(word));
    return 0;
}

/* With CREW_NOW nobody is waited for, but perhaps one that runs the action already. */
int barrier_wait(struct barrier_shm *b, uint32_t me, uint32_t process, uint32_t *index,
                 crew_time deadline)
{
    bool now = deadline == CREW_NOW;
    struct barrier_turn turn;
    int r = barrier_arrive(b, me, process, now, &turn);

    return r < 0 ? r : barrier_stay(b, me, &turn, index, now ? CREW_FOREVER : deadline);
}

/* -- abort and reset ------------------------------------------------------------------------- */

void barrier_abort(struct barrier_shm *b)
{
    uint64_t word;

    do
        word = load_total(&b->word);
    while (!(word & BROKEN) && !step(b, word, broken(word))); /* [B] */
}

int barrier_reset(struct barrier_shm *b, uint32_t me)
{
    uint64_t word;
    int r = begin_change(b, me);

    if (r < 0)
        return r;
    barrier_abort(b);
    for (uint32_t n = 0; n < b->parties; n++) {
        uint64_t place = load_total(&b->places[n]);

        while ((state_of(place) == GONE || is_dead(place)) &&
               !swap_if(&b->places[n], &place, 0)) /* [F] */
            ;
    }
    word = load_total(&b->word);
    step(b, word, next_round(word)); /* [N]: nobody else moves on from BROKEN, and nobody sleeps */
    return lock_release(&b->changing, me);
}

/* -- asking ---------------------------------------------------------------------------------- */

uint32_t barrier_parties(const struct barrier_shm *b)
{
    uint32_t count = 0;

    for (uint32_t n = 0; n < b->parties; n++)
        count += state_of(load_acquire(&b->places[n])) != GONE;
    return count;
}

uint32_t barrier_waiting(const struct barrier_shm *b)
{
    uint64_t word = load_total(&b->word);
    uint32_t count = 0;

    for (uint32_t n = 0; n < b->parties && !(word & BROKEN); n++) {
        uint64_t place = load_acquire(&b->places[n]);

        count += state_of(place) == PARTY && rest_of(place) == (word & ROUND) && !is_dead(place);
    }
    return count;
}

bool barrier_is_broken(const struct barrier_shm *b)
{
    return (load_acquire(&b->word) & BROKEN) != 0;
}

const char *barrier_check(const struct barrier_shm *b)
{
    uint64_t word = load_total(&b->word);

    if (b->magic != BARRIER_MAGIC)
        return "this is no barrier";
    if ((word & ACTING) && (word & BROKEN))
        return "broken, and going on";
    if ((word & ACTING) && !b->action)
        return "somebody does what there is not";
    if ((word & BROKEN) && (word & SLEEPERS))
        return "somebody waits for a barrier that is broken";
    if (leader_of(word) >= b->parties)
        return "it was led from a place that there is not";
    for (uint32_t n = 0; n < b->parties; n++) {
        uint64_t place = load_total(&b->places[n]);

        if (state_of(place) == GONE && !b->shrinks)
            return "a party is gone, and nobody was told";
        for (uint32_t m = 0; m < n && state_of(place) == PARTY; m++)
            if (state_of(load_total(&b->places[m])) == PARTY &&
                party_of(load_total(&b->places[m])) == party_of(place))
                return "a party has two places";
    }
    return lock_check(&b->changing);
}
