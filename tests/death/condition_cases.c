/* condition_cases.c - Description: if one of these failed, a notification could be lost on the
 * dead, reach more than it was meant for, or block who gives it; or who waits could sleep on after
 * what it waits for has come, or after nobody can say so any more.
 *
 * src/sync/condition.c, with lock.c and roster.c. The lock guards a number of things: who wants one
 * waits while there is none. And, without things: who waits says so, who notifies writes down who
 * waited. */
#include "cases.h"

#include <life/handover.h>
#include <memory/alloc.h>
#include <sync/condition.h>

#include <errno.h>
#include <string.h>

#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))
#define GONE PROCESS(7)
#define DEPTH 3 /* how often the lock is held, as an rlock may be */

enum wrong { DEPTH_LOST = 1, TOO_EARLY = 2 };

struct notes {
    uint32_t party[DEATH_PROCESSES], gone;
    uint32_t root, waiter, newcomer;   /* all three of the root's process                    */
    uint64_t condition;                /* a block of the crew's, as an offset                 */
    uint32_t waiters;                  /* that live and waited before                        */
    struct condition_turn turn[2];     /* of processes 0 and 1, if they waited before        */
    uint32_t things;                   /* guarded                                            */
    uint32_t entered;                  /* bits of who is about to wait; written with the lock */
    uint32_t first;                    /* of these, + 1                                      */
    uint32_t before;                   /* 'entered' when the notification was given          */
    uint32_t given;                    /* notifications                                      */
    uint32_t woken[DEATH_PROCESSES];   /* has returned from wait()                            */
    _Atomic uint32_t wrong;
};

struct arena_of_condition {
    char pages[9 * ARENA_PAGE]; /* for a block of more places */
    struct roster_shm roster;
    struct lock_shm lock;
    struct notes notes;
};

static struct arena arena;

static struct arena_of_condition *here(void)
{
    return (struct arena_of_condition *)(void *)death_arena;
}

static struct condition_shm *the_condition(void)
{
    return (struct condition_shm *)(void *)(death_arena + here()->notes.condition);
}

static void *get(uint32_t owner, size_t size)
{
    struct alloc_cache cache;
    void *block = NULL;

    alloc_cache_init(&cache, owner);
    return alloc_block(&arena, &cache, size, &block) < 0 ? NULL : block;
}

static void must(bool so)
{
    if (!so)
        death_misuse("what is there before");
}

/* -- what is there before ---------------------------------------------------------------------- */

static void make(const struct crew_lock_options *options)
{
    struct arena_of_condition *a = here();
    struct condition_shm *condition;

    arena_init(&arena, death_arena, sizeof a->pages);
    roster_use(&arena, &a->roster);
    memset(&a->lock, 0x5a, sizeof a->lock);
    lock_init(&a->lock, options, "lock");
    must(roster_sit(ROOT, 1, "root") == 0 && roster_sit(GONE, 99, "gone") == 0);
    a->notes.root = party_claim(ROOT);
    a->notes.waiter = party_claim(ROOT);
    a->notes.newcomer = party_claim(ROOT);
    a->notes.gone = party_claim(GONE);
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        must(roster_sit(PROCESS(p), (int)(100 + p), "process") == 0);
        a->notes.party[p] = party_claim(PROCESS(p));
    }
    condition = get(ROOT, sizeof(struct condition_shm));
    must(condition != NULL);
    memset(condition, 0x5a, sizeof(struct condition_shm));
    condition_init(condition, &a->lock, 1);
    a->notes.condition = (uint64_t)((char *)condition - death_arena);
}

static void nobody_waits(void)
{
    make(NULL);
}

static int mend(void *context)
{
    (void)context;
    return 0;
}

static void nobody_waits_and_mending(void)
{
    make(&(struct crew_lock_options){ .repair = mend });
}

static void tickets_wrap(void)
{
    make(NULL);
    store_relaxed(&the_condition()->tickets, UINT32_MAX);
}

static struct condition_turn enter(uint32_t party)
{
    struct condition_turn turn;

    must(lock_acquire(&here()->lock, party, CREW_NOW) == 0);
    must(condition_enter(the_condition(), party, &turn) == 0);
    must(lock_release(&here()->lock, party) == 0);
    return turn;
}

static void notify_one(void)
{
    must(lock_acquire(&here()->lock, here()->notes.root, CREW_NOW) == 0);
    must(condition_notify(the_condition(), here()->notes.root, 1) == 0);
    must(lock_release(&here()->lock, here()->notes.root) == 0);
}

/* One that is dead by now waits, and one that lives behind it. */
static void the_dead_wait_first(void)
{
    make(NULL);
    enter(here()->notes.gone);
    enter(here()->notes.waiter);
    here()->notes.waiters = 1;
    roster_died(GONE);
}

/* Every place is somebody's who is dead, and there is no more room. */
static void the_dead_wait_everywhere(void)
{
    make(NULL);
    for (unsigned n = 0; n < CONDITION_INSIDE; n++)
        enter(party_claim(GONE));
    roster_died(GONE);
}

static void all_places_are_taken(void)
{
    make(NULL);
    for (unsigned n = 0; n < CONDITION_INSIDE; n++)
        enter(party_claim(ROOT));
    here()->notes.waiters = CONDITION_INSIDE;
}

/* Process 0 and another wait, and one of three was notified: process 0, or who has died since. */
static void one_was_notified(bool and_died)
{
    struct notes *n = &here()->notes;

    make(NULL);
    if (and_died)
        enter(n->gone);
    n->turn[0] = enter(n->party[0]);
    enter(n->waiter);
    n->waiters = 1;
    n->entered = 1;
    notify_one();
    n->given = 1;
    roster_died(GONE);
}

static void two_wait(void)
{
    struct notes *n = &here()->notes;

    make(NULL);
    for (unsigned p = 0; p < 2; p++)
        n->turn[p] = enter(n->party[p]);
    n->first = 1;
    n->entered = 3;
}

static void it_was_notified(void)
{
    one_was_notified(false);
}

static void the_dead_were_notified(void)
{
    one_was_notified(true);
}

/* The same, and process 0 has not come yet. */
static void one_is_left_of_the_notified(void)
{
    make(NULL);
    enter(here()->notes.gone);
    enter(here()->notes.waiter);
    here()->notes.waiters = 1;
    notify_one();
    roster_died(GONE);
}

static void nobody_is_left_of_the_notified(void)
{
    tickets_wrap();
    enter(here()->notes.gone);
    notify_one();
    roster_died(GONE);
}

/* -- what they do ------------------------------------------------------------------------------ */

/* 0, or what ends the operation. */
static int mended(struct lock_shm *lock, uint32_t me, int r)
{
    return r == CREW_EOWNERDEAD ? lock_consistent(lock, me) : r;
}

static int add_room(uint32_t owner, uint32_t party)
{
    void *block = get(owner, sizeof(struct condition_more));

    if (!block)
        return -ENOMEM;
    condition_grow(the_condition(), party, block);
    return 0;
}

static int wait(unsigned p, crew_time deadline)
{
    struct arena_of_condition *h = here();
    uint32_t me = h->notes.party[p];
    int r;

    h->lock.depth = DEPTH + p;
    r = condition_wait(the_condition(), me, deadline);
    if (r == -ENOBUFS && (r = add_room(PROCESS(p), me)) == 0)
        r = condition_wait(the_condition(), me, deadline);
    if (r != -ENOTRECOVERABLE && h->lock.depth != DEPTH + p)
        atomic_fetch_or(&h->notes.wrong, DEPTH_LOST);
    return mended(&h->lock, me, r);
}

static int take(unsigned p)
{
    struct arena_of_condition *h = here();
    uint32_t me = h->notes.party[p];
    int r = mended(&h->lock, me, lock_acquire(&h->lock, me, CREW_FOREVER));

    while (r == 0 && h->notes.things == 0)
        r = wait(p, CREW_FOREVER);
    if (r < 0)
        return r;
    h->notes.things--;
    return lock_release(&h->lock, me);
}

static int put(unsigned p)
{
    struct arena_of_condition *h = here();
    uint32_t me = h->notes.party[p];
    int r = mended(&h->lock, me, lock_acquire(&h->lock, me, CREW_FOREVER));

    if (r < 0)
        return r;
    h->notes.things++;
    r = condition_notify(the_condition(), me, 1);
    return r < 0 ? r : lock_release(&h->lock, me);
}

static int take_1(void) { return take(1); }
static int take_2(void) { return take(2); }
static int put_0(void) { return put(0); }

/* Waits once, whatever comes of it. */
static int wait_once(unsigned p, crew_time deadline)
{
    struct arena_of_condition *h = here();
    uint32_t me = h->notes.party[p];
    int r = mended(&h->lock, me, lock_acquire(&h->lock, me, CREW_FOREVER));

    if (r < 0)
        return r;
    if (h->notes.entered == 0)
        h->notes.first = p + 1;
    h->notes.entered |= 1u << p;
    r = wait(p, deadline);
    if (r == -ENOTRECOVERABLE)
        return r;
    if (r == 0)
        h->notes.woken[p] = 1;
    if (r == 0 && h->notes.given == 0 && load_relaxed(&h->lock.died) == 0)
        atomic_fetch_or(&h->notes.wrong, TOO_EARLY);
    h->notes.entered &= ~(1u << p);
    return lock_release(&h->lock, me);
}

/* The rest of a wait that has begun. */
static int wait_on(unsigned p)
{
    struct arena_of_condition *h = here();
    uint32_t me = h->notes.party[p];
    int r =
        mended(&h->lock, me, condition_sleep(the_condition(), me, &h->notes.turn[p], CREW_FOREVER));

    if (r < 0)
        return r;
    h->notes.woken[p] = 1;
    h->notes.entered &= ~(1u << p);
    return lock_release(&h->lock, me);
}

static int wait_on_0(void) { return wait_on(0); }
static int wait_on_1(void) { return wait_on(1); }

static int notify(unsigned p, uint32_t count)
{
    struct arena_of_condition *h = here();
    uint32_t me = h->notes.party[p];
    int r = mended(&h->lock, me, lock_acquire(&h->lock, me, CREW_FOREVER));

    if (r < 0)
        return r;
    h->notes.before = h->notes.entered;
    h->notes.given += count;
    r = condition_notify(the_condition(), me, count);
    return r < 0 ? r : lock_release(&h->lock, me);
}

static int wait_once_1(void) { return wait_once(1, CREW_FOREVER); }
static int wait_once_2(void) { return wait_once(2, CREW_FOREVER); }
static int wait_a_while_0(void) { return wait_once(0, crew_in_ms(1)); }
static int wait_a_while_1(void) { return wait_once(1, crew_in_ms(1)); }
static int notify_one_0(void) { return notify(0, 1); }
static int notify_all_0(void) { return notify(0, UINT32_MAX); }
static int notify_one_2(void) { return notify(2, 1); }

static int may_not(void)
{
    struct arena_of_condition *h = here();
    uint32_t me = h->notes.party[0];
    int r = 0;

    if (condition_wait(the_condition(), me, CREW_FOREVER) != -EPERM ||
        condition_notify(the_condition(), me, 1) != -EPERM)
        return -EIO;
    r = mended(&h->lock, me, lock_acquire(&h->lock, me, CREW_FOREVER));
    if (r == 0 && condition_wait(the_condition(), me, CREW_NOW) != -EAGAIN)
        return -EIO;
    return r < 0 ? r : lock_release(&h->lock, me);
}

/* Gets it from the dead, and does not mend. */
static int leave_broken_0(void)
{
    struct arena_of_condition *h = here();
    uint32_t me = h->notes.party[0];
    int r = lock_acquire(&h->lock, me, CREW_FOREVER);

    if (r == CREW_EOWNERDEAD && condition_wait(the_condition(), me, CREW_FOREVER) != -EINVAL)
        return -EIO;
    return r == 0 || r == CREW_EOWNERDEAD ? lock_release(&h->lock, me) : r;
}

/* -- afterwards -------------------------------------------------------------------------------- */

static void recover(unsigned dead)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (!(dead & 1u << p))
            continue;
        roster_died(PROCESS(p));
        alloc_sweep(&arena, PROCESS(p));
    }
}

/* Of the places that the condition has inside. */
static uint32_t notifications(void)
{
    uint32_t count = 0;

    for (unsigned n = 0; n < CONDITION_INSIDE; n++)
        count += (load_acquire(&the_condition()->place[n]) >> 30 & 3) == 2;
    return count;
}

static uint32_t blocked(const struct death_end *ends)
{
    uint32_t count = 0;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        count += ends[p].how == DEATH_BLOCKED;
    return count;
}

/* What must hold whatever they did. The lock is the root's then, if it is not broken; '*died':
 * somebody has died with it. */
static const char *common(const struct death_end *ends, bool may_break, bool *died)
{
    struct arena_of_condition *h = here();
    const char *wrong = condition_check(the_condition());
    int r;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0 &&
            !(may_break && ends[p].result == -ENOTRECOVERABLE))
            return "broken: a call failed";
    if (wrong)
        return wrong;
    if (load_relaxed(&h->notes.wrong) & DEPTH_LOST)
        return "lost: how often the lock was held";
    if (load_relaxed(&h->notes.wrong) & TOO_EARLY)
        return "twice: somebody was notified and nobody had";
    r = lock_acquire(&h->lock, h->notes.root, CREW_NOW);
    *died = load_relaxed(&h->lock.died) != 0;
    if (may_break && r == -ENOTRECOVERABLE)
        return blocked(ends) == 0 ? NULL : "hang: nobody can notify any more, and somebody waits";
    if (mended(&h->lock, h->notes.root, r) != 0)
        return "hang: the lock can't be had";
    return condition_waiting(the_condition()) <= blocked(ends) + h->notes.waiters ?
               NULL :
               "somebody waits that is not there";
}

/* All that wait can be notified, and one that comes now as well. Gives the lock back. */
static const char *round_trip(void)
{
    struct arena_of_condition *h = here();
    struct condition_turn turn;
    const char *wrong;

    if (condition_notify(the_condition(), h->notes.root, UINT32_MAX) != 0 ||
        condition_waiting(the_condition()) != 0)
        return "lost: all were notified, and somebody waits";
    if (condition_enter(the_condition(), h->notes.newcomer, &turn) < 0) {
        if (add_room(ROOT, h->notes.root) < 0)
            return "there is no memory";
        if (condition_enter(the_condition(), h->notes.newcomer, &turn) < 0)
            return "leak: no place is free";
    }
    wrong = condition_check(the_condition());
    if (wrong)
        return wrong;
    if (condition_waiting(the_condition()) != 1)
        return "who waits is not seen to";
    if (condition_notify(the_condition(), h->notes.root, 1) != 0 ||
        condition_waiting(the_condition()) != 0)
        return "lost: a notification";
    if (lock_release(&h->lock, h->notes.root) != 0)
        return "the lock can't be given back";
    wrong = lock_check(&h->lock);
    return wrong ? wrong : roster_check();
}

static const char *check(const struct death_end *ends)
{
    bool died;
    const char *wrong = common(ends, false, &died);

    return wrong ? wrong : round_trip();
}

/* More room is the condition's, or nobody's. */
static const char *check_room(const struct death_end *ends)
{
    struct crew_memory_stats stats;
    const char *wrong = alloc_check(&arena, &stats);
    void *more;

    if (wrong)
        return wrong;
    if (stats.blocks != 1 + (load_acquire(&the_condition()->more) != 0))
        return "leak: a block is nobody's";
    wrong = check(ends);
    if (wrong)
        return wrong;
    more = party_disown(here()->notes.root, &the_condition()->more);
    return more && alloc_free(&arena, ROOT, more) == 0 ? NULL : "twice: a block was freed";
}

/* Who waits for a thing sleeps only while there is none. */
static const char *check_things(const struct death_end *ends)
{
    struct arena_of_condition *h = here();
    bool died;
    const char *wrong = common(ends, false, &died);

    if (wrong)
        return wrong;
    if (blocked(ends) > 0 && h->notes.things > 0)
        return "hang: there is what it waits for";
    if (condition_waiting(the_condition()) != blocked(ends))
        return "hang: somebody sleeps, and nobody knows of it";
    return round_trip();
}

/* Of those that waited when the notification was given, as many as it was for have returned,
 * whoever else has died; without a death no more, and the first one first. */
static const char *check_notified(const struct death_end *ends)
{
    struct arena_of_condition *h = here();
    uint32_t woken = 0, left = 0, killed = 0, first = h->notes.first - 1;
    bool died;
    const char *wrong = common(ends, false, &died);

    if (wrong)
        return wrong;
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        woken += h->notes.woken[p];
        killed += ends[p].how == DEATH_KILLED;
        left += ends[p].how == DEATH_BLOCKED && h->notes.before >> p & 1;
    }
    if (left > 0 && died)
        return "hang: who had the lock has died, and somebody waits on";
    if (left > 0 && woken < h->notes.given)
        return "lost: a notification";
    if (!died && woken > h->notes.given)
        return "twice: a notification";
    if (killed == 0 && woken > 0 && h->notes.before >> first & 1 && !h->notes.woken[first])
        return "who came later was notified first";
    return round_trip();
}

static const char *check_deadline(const struct death_end *ends)
{
    return blocked(ends) > 0 ? "hang: the deadline is over" : check(ends);
}

static const char *check_broken(const struct death_end *ends)
{
    bool died;
    const char *wrong = common(ends, true, &died);

    return wrong || lock_holder(&here()->lock) == 0 ? wrong : round_trip();
}

/* One that lives waited: once notify() has returned it is notified. */
static const char *check_passed_over(const struct death_end *ends)
{
    if (ends[0].how == DEATH_RETURNED && ends[0].result == 0 &&
        condition_waiting(the_condition()) != 0)
        return "lost: a notification went to the dead";
    if (ends[0].how == DEATH_RETURNED && notifications() != 1)
        return "twice: a notification";
    return check(ends);
}

/* It was got, or is still there, or all that wait are woken because who took it has died with the
 * lock. */
static const char *check_taken(const struct death_end *ends)
{
    struct arena_of_condition *h = here();
    bool died = lock_owner_died(&h->lock, 0);

    if (ends[0].how == DEATH_RETURNED && !h->notes.woken[0])
        return "lost: nobody takes what the dead left";
    if (ends[0].how == DEATH_RETURNED && notifications() != 0)
        return "twice: it was taken, and is still there";
    if (!h->notes.woken[0] && notifications() == 0 && !died)
        return "lost: nobody has it";
    return check(ends);
}

/* It is not for who came later. */
static const char *check_not_taken(const struct death_end *ends)
{
    if (here()->notes.woken[0])
        return "twice: a notification from before";
    return notifications() == 1 ? check(ends) : "lost: a notification that somebody waits for";
}

static const char *check_forgotten(const struct death_end *ends)
{
    if (here()->notes.woken[0])
        return "twice: a notification from before";
    return ends[0].how == DEATH_RETURNED && notifications() != 0 ? "leak: a notification for nobody"
                                                                 : check(ends);
}

#define CONDITION_CASE(what, before, after, ...)                                                  \
    { .name = "condition: " what, .size = sizeof(struct arena_of_condition), .setup = before,     \
      .recover = recover, .check = after, .operation = { __VA_ARGS__ } }
/* Of fewer switches and deaths, but all that there are. */
#define CONDITION_CASE_OF_TWO(what, before, after, ...)                                           \
    { .name = "condition: " what, .size = sizeof(struct arena_of_condition), .setup = before,     \
      .recover = recover, .check = after, .operation = { __VA_ARGS__ }, .events = 2 }

static const struct death_case list[] = {
    CONDITION_CASE("what may not be", nobody_waits, check, may_not),
    CONDITION_CASE("wait until a deadline", nobody_waits, check, wait_a_while_0),
    CONDITION_CASE("wait in a place of the dead", the_dead_wait_everywhere, check, wait_a_while_0),
    CONDITION_CASE("wait where there is no room", all_places_are_taken, check_room, wait_a_while_0),
    CONDITION_CASE("return when notified", it_was_notified, check_taken, wait_on_0),
    CONDITION_CASE("take what the dead left", the_dead_were_notified, check_taken, wait_on_0),
    CONDITION_CASE("wait after another", one_is_left_of_the_notified, check_not_taken,
                   wait_a_while_0),
    CONDITION_CASE("wait after the dead", nobody_is_left_of_the_notified, check_forgotten,
                   wait_a_while_0),
    CONDITION_CASE("notify nobody", nobody_waits, check, notify_one_0),
    CONDITION_CASE("notify past the dead", the_dead_wait_first, check_passed_over, notify_one_0),
    CONDITION_CASE("notify all", the_dead_wait_first, check_passed_over, notify_all_0),
    CONDITION_CASE("one takes, one puts", nobody_waits, check_things, put_0, take_1),
    CONDITION_CASE_OF_TWO("one takes, one puts and dies, mended", nobody_waits_and_mending,
                          check_things, put_0, take_1),
    CONDITION_CASE_OF_TWO("one waits for a while, one notifies", nobody_waits, check_deadline,
                          notify_one_0, wait_a_while_1),
    CONDITION_CASE("two take, one puts", nobody_waits, check_things, put_0, take_1, take_2),
    CONDITION_CASE("two have waited, one notifies one", two_wait, check_notified, wait_on_0,
                   wait_on_1, notify_one_2),
    CONDITION_CASE("two wait where tickets wrap, one notifies one", tickets_wrap, check_notified,
                   notify_one_0, wait_once_1, wait_once_2),
    CONDITION_CASE_OF_TWO("one waits, one takes, one leaves it broken", nobody_waits, check_broken,
                          leave_broken_0, take_1, take_2),
};

const struct death_cases condition_cases = { list, sizeof list / sizeof list[0] };
