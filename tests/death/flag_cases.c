/* flag_cases.c - Description: if one of these failed, who waits for an event, a latch or a value could
 * sleep for ever because somebody died at the wrong moment, or go on before it is time.
 *
 * src/sync/flag.c and src/life/roster.c. */
#include "cases.h"

#include <sync/flag.h>

#include <errno.h>
#include <string.h>

#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))

struct notes {
    uint32_t party[DEATH_PROCESSES], root;
    uint32_t before; /* written before the change that it announces */
    uint32_t early;  /* somebody went on without it                 */
};

struct arena_of_flags {
    struct roster_shm roster;
    struct event_shm event;
    struct latch_shm latch;
    struct value_shm value;
    struct notes notes;
};

static struct arena handle = { .fd = -1 };

static struct arena_of_flags *here(void)
{
    return (struct arena_of_flags *)(void *)death_arena;
}

static void make(void)
{
    struct arena_of_flags *a = here();

    roster_use(&handle, &a->roster);
    store_relaxed(&a->latch.word, 2);
    if (roster_sit(ROOT, 1, "root") < 0)
        death_misuse("the roster");
    a->notes.root = party_claim(ROOT);
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (roster_sit(PROCESS(p), (int)(100 + p), "process") < 0)
            death_misuse("the roster");
        a->notes.party[p] = party_claim(PROCESS(p));
    }
}

static void recover(unsigned dead)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (dead & 1u << p)
            roster_died(PROCESS(p));
}

/* -- what they do ------------------------------------------------------------------------- */

static int set_0(void)
{
    here()->notes.before = 1;
    event_set(&here()->event);
    return 0;
}

static int pulse_0(void)
{
    set_0();
    event_clear(&here()->event);
    return 0;
}

static int wait_for_event(unsigned p)
{
    int r = event_wait(&here()->event, here()->notes.party[p], CREW_FOREVER);

    if (here()->notes.before == 0)
        here()->notes.early = 1;
    return r;
}

static int wait_for_event_1(void) { return wait_for_event(1); }
static int wait_for_event_2(void) { return wait_for_event(2); }

static int count_down_0(void) { return latch_count_down(&here()->latch, 1); }
static int count_down_1(void) { return latch_count_down(&here()->latch, 1); }

static int wait_for_latch_2(void)
{
    int r = latch_wait(&here()->latch, here()->notes.party[2], CREW_FOREVER);

    if (r == 0 && latch_left(&here()->latch) != 0)
        here()->notes.early = 1;
    return r;
}

static int change_0(void)
{
    here()->notes.before = 1;
    atomic_fetch_add(&here()->value.value, 1);
    value_changed(&here()->value);
    return 0;
}

static int wait_for_value(unsigned p)
{
    int64_t now = 0;
    int r = value_wait(&here()->value, here()->notes.party[p], 0, &now, CREW_FOREVER);

    if (here()->notes.before == 0 || now == 0)
        here()->notes.early = 1;
    return r;
}

static int wait_for_value_1(void) { return wait_for_value(1); }
static int wait_for_value_2(void) { return wait_for_value(2); }

/* -- afterwards --------------------------------------------------------------------------- */

/* Who waits for what was never done waits for ever, and may. */
static const char *common(const struct death_end *ends, bool done)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (ends[p].how == DEATH_BLOCKED && done)
            return "hang: it has happened, and somebody sleeps on";
        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0)
            return "broken: a call failed";
    }
    if (here()->notes.early)
        return "broken: somebody went on too early";
    return roster_check();
}

static const char *check_event(const struct death_end *ends)
{
    struct event_shm *event = &here()->event;
    const char *wrong = common(ends, event_is_set(event));

    if (wrong)
        return wrong;
    event_set(event);
    if (event_wait(event, here()->notes.root, CREW_NOW) != 0)
        return "an event that is set is waited for";
    event_clear(event);
    return event_wait(event, here()->notes.root, CREW_NOW) == -EAGAIN ? NULL : "an event can't be cleared";
}

/* Set and cleared by who returned: whoever waited before that has gone on, or began too late to. */
static const char *check_pulse(const struct death_end *ends)
{
    struct death_end late[DEATH_PROCESSES];

    memcpy(late, ends, sizeof late);
    for (unsigned p = 1; p < DEATH_PROCESSES; p++)
        if (late[p].how == DEATH_BLOCKED && !event_is_set(&here()->event))
            late[p].how = DEATH_ABSENT;
    return check_event(late);
}

static const char *check_latch(const struct death_end *ends)
{
    struct latch_shm *latch = &here()->latch;
    const char *wrong = common(ends, latch_left(latch) == 0);
    uint32_t least = 2;

    for (unsigned p = 0; p < 2; p++)
        least -= ends[p].how != DEATH_ABSENT;
    if (wrong)
        return wrong;
    if (latch_left(latch) < least || latch_left(latch) > 2)
        return "twice: more was counted than happened";
    for (unsigned p = 0; p < 2; p++)
        if (ends[p].how == DEATH_RETURNED && latch_left(latch) == 2)
            return "lost: what was counted";
    if (latch_count_down(latch, 3) != -EINVAL)
        return "more is counted down than was left";
    if (latch_count_down(latch, latch_left(latch)) != 0)
        return "the rest can't be counted";
    return latch_wait(latch, here()->notes.root, CREW_NOW) == 0 ? NULL : "a latch that is open is waited for";
}

static const char *check_value(const struct death_end *ends)
{
    struct value_shm *value = &here()->value;
    const char *wrong = common(ends, load_acquire(&value->value) != 0);
    int64_t now = -1;

    if (wrong)
        return wrong;
    if (ends[0].how == DEATH_RETURNED && load_acquire(&value->value) != 1)
        return "lost: a change";
    atomic_store(&value->value, 7);
    value_changed(value);
    if (value_wait(value, here()->notes.root, 6, &now, CREW_NOW) != 0 || now != 7)
        return "a change is not seen";
    return value_wait(value, here()->notes.root, 7, &now, CREW_NOW) == -EAGAIN ? NULL : "nothing has changed";
}

#define FLAG_CASE(what, after, ...)                                                              \
    { .name = what, .size = sizeof(struct arena_of_flags), .setup = make, .recover = recover,    \
      .check = after, .operation = { __VA_ARGS__ } }

static const struct death_case list[] = {
    FLAG_CASE("event: set", check_event, set_0),
    FLAG_CASE("event: set and clear", check_event, pulse_0),
    FLAG_CASE("event: one sets, one waits", check_event, set_0, wait_for_event_1),
    FLAG_CASE("event: one sets, two wait", check_event, set_0, wait_for_event_1, wait_for_event_2),
    FLAG_CASE("event: one sets and clears, two wait", check_pulse, pulse_0, wait_for_event_1,
              wait_for_event_2),
    FLAG_CASE("latch: count down", check_latch, count_down_0),
    FLAG_CASE("latch: two count down, one waits", check_latch, count_down_0, count_down_1,
              wait_for_latch_2),
    FLAG_CASE("value: change", check_value, change_0),
    FLAG_CASE("value: one changes, one waits", check_value, change_0, wait_for_value_1),
    FLAG_CASE("value: one changes, two wait", check_value, change_0, wait_for_value_1, wait_for_value_2),
};

const struct death_cases flag_cases = { list, sizeof list / sizeof list[0] };
