/* end_cases.c - Description: if one of these failed, a process could wait for ever for a peer that
 * is dead, or be told that one is gone that is still there.
 *
 * src/channel/end.c and src/life/roster.c. */
#include "cases.h"

#include <channel/end.h>

#include <errno.h>
#include <string.h>

#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))
#define GONE PROCESS(7)

enum { PLACES = 4 };

struct notes {
    uint32_t told[DEATH_PROCESSES + 1]; /* that the end is over, and how; last: the check */
    uint32_t uses[DEATH_PROCESSES];     /* it is a user, and has not begun to close       */
    uint32_t root;                      /* so does the root                               */
    uint32_t dead;                      /* users have died before                         */
};

struct arena_of_end {
    struct roster_shm roster;
    _Alignas(CACHE_LINE) unsigned char end[2 * CACHE_LINE];
    struct notes notes;
};

static struct arena handle = { .fd = -1 };

static struct arena_of_end *here(void)
{
    return (struct arena_of_end *)(void *)death_arena;
}

static struct end_shm *end_here(void)
{
    return (struct end_shm *)(void *)here()->end;
}

/* -- what is there before -------------------------------------------------------------------- */

static void unused_end(void)
{
    struct arena_of_end *a = here();

    roster_use(&handle, &a->roster);
    memset(a->end, 0x5a, sizeof a->end);
    end_init(end_here(), PLACES);
    if (roster_sit(ROOT, 1, "root") < 0 || roster_sit(GONE, 99, "gone") < 0)
        death_misuse("the roster");
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (roster_sit(PROCESS(p), (int)(100 + p), "process") < 0)
            death_misuse("the roster");
}

/* The first process uses it. */
static void used_end(void)
{
    unused_end();
    if (end_bind(end_here(), PROCESS(0)) != END_OPEN)
        death_misuse("the end");
    here()->notes.uses[0] = 1;
}

/* Two that have died have a place. */
static void places_of_the_dead(void)
{
    for (unsigned i = 1; i < 3; i++)
        if (roster_sit(PROCESS(7 + i), (int)(200 + i), "gone") < 0 ||
            end_bind(end_here(), PROCESS(7 + i)) != END_OPEN)
            death_misuse("the end");
    for (unsigned i = 1; i < 3; i++)
        roster_died(PROCESS(7 + i));
    here()->notes.dead = 1;
}

/* So do some that have died, and there is no free place. */
static void full_end(void)
{
    used_end();
    places_of_the_dead();
    if (end_bind(end_here(), GONE) != END_OPEN)
        death_misuse("the end");
    roster_died(GONE);
}

/* Of two places one is of the dead, and one of the root. */
static void full_end_of_the_root(void)
{
    unused_end();
    end_init(end_here(), 2);
    if (end_bind(end_here(), ROOT) != END_OPEN || end_bind(end_here(), GONE) != END_OPEN)
        death_misuse("the end");
    here()->notes.root = here()->notes.dead = 1;
    roster_died(GONE);
}

/* -- what they do ------------------------------------------------------------------------- */

static void told(unsigned p, int over)
{
    if (over == END_CLOSED || over == END_DIED)
        here()->notes.told[p] = (uint32_t)over;
}

static int bind(unsigned p)
{
    int r = end_bind(end_here(), PROCESS(p));

    told(p, r);
    if (r == END_OPEN)
        here()->notes.uses[p] = 1;
    return r;
}

static int leave(unsigned p)
{
    if (here()->notes.uses[p]) {
        here()->notes.uses[p] = 0;
        end_leave(end_here(), PROCESS(p));
    }
    told(p, end_look(end_here()));
    return 0;
}

static int bind_and_leave(unsigned p)
{
    int r = bind(p);

    return r == END_OPEN ? leave(p) : r;
}

static int bind_0(void) { return bind(0); }
/* The root names the first process. */
static int name_1(void)
{
    int r = end_bind(end_here(), PROCESS(0));

    told(1, r);
    return r;
}

static int leave_0(void) { return leave(0); }
static int bind_1(void) { return bind(1); }
static int bind_and_leave_0(void) { return bind_and_leave(0); }
static int bind_and_leave_1(void) { return bind_and_leave(1); }

static int look_2(void)
{
    told(2, end_look(end_here()));
    return 0;
}

static int look_1(void)
{
    told(1, end_look(end_here()));
    return 0;
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
    struct notes *n = &here()->notes;
    bool lives = n->root != 0, died = false;
    const char *wrong;
    int over;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (ends[p].how == DEATH_BLOCKED)
            return "hang: nothing here waits";
        if (ends[p].how == DEATH_RETURNED && ends[p].result == -EAGAIN)
            return "lost: a place";
        if (ends[p].how == DEATH_KILLED)
            died |= n->uses[p] != 0;
        else
            lives |= n->uses[p] != 0;
    }
    over = end_look(end_here());
    told(DEATH_PROCESSES, over);
    if (lives && over != END_OPEN)
        return "lost: over, and somebody uses it";
    if (died && !lives && over == END_OPEN)
        return "hang: nobody lives that could use it, and it is not over";
    if ((died || n->dead) && over == END_CLOSED)
        return "lost: a death that nobody is told of";
    for (unsigned p = 0; p <= DEATH_PROCESSES; p++) {
        if (n->told[p] == 0)
            continue;
        if (over == END_OPEN)
            return "lost: somebody was told that it is over, and it is not";
        if ((int)n->told[p] != over)
            return "broken: not all were told the same";
    }
    wrong = end_check(end_here());
    if (wrong)
        return wrong;
    /* one normal round: a process uses it and closes it */
    if (over != END_OPEN)
        return end_bind(end_here(), ROOT) == over ? NULL : "an end that is over was bound";
    if (n->root == 0 && end_bind(end_here(), ROOT) == -EAGAIN)
        return "lost: a place";
    if (end_look(end_here()) != END_OPEN)
        return "over, and the root uses it";
    end_leave(end_here(), ROOT);
    over = end_look(end_here());
    if (lives == (n->root != 0) && over == END_OPEN)
        return "hang: the last has closed it";
    if (n->dead && over == END_CLOSED)
        return "lost: a death that nobody is told of";
    return end_check(end_here());
}

#define CASE_OF(what, before, lives, ...)                                                        \
    { .name = "end: " what, .size = sizeof(struct arena_of_end), .setup = before,                \
      .recover = recover, .check = check, .immortal = lives, .operation = { __VA_ARGS__ } }
#define END_CASE(what, before, ...) CASE_OF(what, before, 0, __VA_ARGS__)
#define NAMED_CASE(what, ...) CASE_OF(what, unused_end, 2, __VA_ARGS__) /* the root names */

static const struct death_case list[] = {
    END_CASE("use and close", unused_end, bind_and_leave_0),
    END_CASE("close", used_end, leave_0),
    END_CASE("close, where one has died", full_end, leave_0),
    END_CASE("use and close, in the place of the dead", full_end_of_the_root, bind_and_leave_0),
    END_CASE("the last closes, one begins", used_end, leave_0, bind_1),
    END_CASE("one has died, the last closes, one begins", full_end, leave_0, bind_1),
    END_CASE("both use and close", unused_end, bind_and_leave_0, bind_and_leave_1),
    NAMED_CASE("one uses and closes, the root names it", bind_and_leave_0, name_1),
    NAMED_CASE("one uses, the root names it, one looks", bind_0, name_1, look_2),
    END_CASE("one uses, one looks", unused_end, bind_0, look_1),
    END_CASE("the last closes, one begins, one looks", used_end, leave_0, bind_1, look_2),
    END_CASE("the same, and one has died", full_end, leave_0, bind_and_leave_1, look_2),
};

const struct death_cases end_cases = { list, sizeof list / sizeof list[0] };
