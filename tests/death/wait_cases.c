/* wait_cases.c - Description: if one of these failed, who waits in poll() for something of crew's could sleep
 * on although it is ready, because somebody died at the wrong moment.
 *
 * src/life/waitable.h: roster_hear() and party_wake(), over an event. The loop is the one of
 * src/channel/wait.c; os_fake.c stands for eventfd and epoll. */
#include "cases.h"

#include <sync/flag.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))

struct arena_of_wait {
    struct roster_shm roster;
    struct event_shm first, second, other; /* the last is of no interest, and rings all the same */
    struct death_bell bell;
};

static struct arena handle = { .fd = -1 };

static struct arena_of_wait *here(void)
{
    return (struct arena_of_wait *)(void *)death_arena;
}

static void make(void)
{
    struct arena_of_wait *a = here();
    struct os_word word;

    roster_use(&handle, &a->roster);
    event_ready(&a->other, &word);
    death_bell = &a->bell;
    roster_use_bell(0);
    if (roster_sit(ROOT, 1, "root") < 0 || party_claim(ROOT) == 0)
        death_misuse("the roster");
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (roster_sit(PROCESS(p), (int)(100 + p), "process") < 0 || party_claim(PROCESS(p)) == 0)
            death_misuse("the roster");
}

static void recover(unsigned dead)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (dead & 1u << p)
            roster_died(PROCESS(p));
}

static int set_first_0(void)
{
    event_set(&here()->first);
    return 0;
}

static int set_other_and_first_0(void)
{
    event_set(&here()->other);
    event_set(&here()->first);
    return 0;
}

static int listen_for_either(unsigned p)
{
    struct arena_of_wait *a = here();
    struct pollfd polled = { .fd = (int)p };

    for (;;) {
        struct os_word word;

        roster_hear((int)p);
        if (event_ready(&a->first, &word) || event_ready(&a->second, &word))
            return 0;
        os_poll_many(&polled, 1, CREW_FOREVER);
    }
}

static int listen_1(void) { return listen_for_either(1); }
static int listen_2(void) { return listen_for_either(2); }

static const char *check(const struct death_end *ends)
{
    bool ready = event_is_set(&here()->first) || event_is_set(&here()->second);

    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (ends[p].how == DEATH_BLOCKED && ready)
            return "hang: it is ready, and somebody sleeps on";
        if (p > 0 && ends[p].how == DEATH_RETURNED && !ready)
            return "broken: somebody went on too early";
    }
    event_set(&here()->first);
    if (listen_for_either(0) != 0)
        return "what is ready is waited for";
    return roster_check();
}

#define WAIT_CASE(what, ...)                                                                     \
    { .name = what, .size = sizeof(struct arena_of_wait), .setup = make, .recover = recover,     \
      .check = check, .operation = { __VA_ARGS__ } }

static const struct death_case list[] = {
    WAIT_CASE("wait: one sets, one listens", set_first_0, listen_1),
    WAIT_CASE("wait: one sets, two listen", set_first_0, listen_1, listen_2),
    WAIT_CASE("wait: one rings twice, one listens", set_other_and_first_0, listen_1),
    WAIT_CASE("wait: one rings twice, two listen", set_other_and_first_0, listen_1, listen_2),
};

const struct death_cases wait_cases = { list, sizeof list / sizeof list[0] };
