/* barrier_test.c - barriers between processes, some of which die. */
#include "members.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { PARTIES = 4 };

struct shared {
    crew_barrier barrier;
    uint32_t rounds;
    _Atomic uint32_t count, acted, runner_dies;
    _Atomic uint32_t released, broken, other; /* how often somebody was told so */
};

static int count_action(void *context)
{
    struct shared *s = *(struct shared **)context;

    if (atomic_exchange(&s->runner_dies, 0) != 0)
        raise(SIGKILL);
    atomic_fetch_add(&s->acted, 1);
    return 0;
}

static struct shared *the_shared; /* at the same address in all processes */

static struct shared *make_shared(uint32_t parties, bool shrinks)
{
    struct crew_barrier_options options = { .action = count_action,
                                            .context = &the_shared,
                                            .shrinks = shrinks };
    void *block;
    struct shared *s;

    ck_assert_ok(crew_memory_alloc(&block, sizeof *s));
    the_shared = s = memset(block, 0, sizeof *s);
    ck_assert_ok(crew_barrier_init(&s->barrier, parties, &options));
    return s;
}

static void drop_shared(struct shared *s)
{
    crew_barrier_fini(&s->barrier);
    crew_memory_free(s);
}

static void await(struct shared *s, uint32_t waiting)
{
    while (crew_barrier_waiting(&s->barrier) != waiting)
        usleep(100);
}

/* Its exit status: 0 released, 1 broken, 2 anything else. */
static int wait_once(crew_task *task)
{
    struct shared *s = shared_of(task);
    int r = crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER);

    atomic_fetch_add(r == 0 ? &s->released : r == CREW_EBROKEN ? &s->broken : &s->other, 1);
    return r == 0 ? 0 : r == CREW_EBROKEN ? 1 : 2;
}

static int join_and_sleep(crew_task *task)
{
    struct shared *s = shared_of(task);

    if (crew_barrier_join(&s->barrier) != 0)
        return 1;
    atomic_fetch_add(&s->count, 1);
    for (;;)
        pause();
}

static int do_nothing(crew_task *task)
{
    while (task)
        pause();
    return 0;
}

static void kill_and_join(crew_process *p)
{
    ck_assert_ok(crew_process_kill(p));
    ck_assert_int_eq(join(p).signal, SIGKILL);
}

static int count_rounds(crew_task *task)
{
    struct shared *s = shared_of(task);

    for (uint32_t round = 0; round < s->rounds; round++) {
        uint32_t index = PARTIES, count;

        atomic_fetch_add(&s->count, 1);
        if (crew_barrier_wait(&s->barrier, &index, CREW_FOREVER) != 0 || index >= PARTIES)
            return 1;
        count = atomic_load(&s->count);
        if (count < (round + 1) * PARTIES || count > (round + 2) * PARTIES - 1)
            return 2;
        if (atomic_load(&s->acted) < round + 1 || atomic_load(&s->acted) > round + 2)
            return 3;
    }
    return 0;
}

START_TEST(nobody_goes_on_before_all_have_arrived)
{
    struct shared *s = make_shared(PARTIES, false);
    crew_process *p[PARTIES];

    s->rounds = 300;
    for (unsigned i = 0; i < PARTIES; i++)
        p[i] = start(count_rounds, s);
    for (unsigned i = 0; i < PARTIES; i++)
        ck_assert_int_eq(join(p[i]).status, 0);
    ck_assert_uint_eq(atomic_load(&s->acted), s->rounds);
    drop_shared(s);
}
END_TEST

START_TEST(who_dies_waiting_breaks_it_for_all)
{
    struct shared *s = make_shared(3, false);
    crew_process *dead = start(wait_once, s), *live;

    await(s, 1);
    kill_and_join(dead);
    live = start(wait_once, s);
    ck_assert_int_eq(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER), CREW_EBROKEN);
    ck_assert_int_eq(join(live).status, 1);
    ck_assert(crew_barrier_broken(&s->barrier));
    ck_assert_int_eq(crew_barrier_wait(&s->barrier, NULL, CREW_NOW), CREW_EBROKEN);
    drop_shared(s);
}
END_TEST

START_TEST(who_dies_before_it_arrives_breaks_it_for_all)
{
    struct shared *s = make_shared(3, false);
    crew_process *dead = start(join_and_sleep, s), *live = start(wait_once, s);

    await(s, 1);
    while (atomic_load(&s->count) == 0)
        usleep(100);
    ck_assert_ok(crew_process_kill(dead));
    ck_assert_int_eq(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER), CREW_EBROKEN);
    ck_assert_int_eq(join(live).status, 1);
    join(dead);
    drop_shared(s);
}
END_TEST

START_TEST(who_dies_before_it_has_done_anything_breaks_it_if_it_was_expected)
{
    struct shared *s = make_shared(3, false);
    crew_process *live = start(wait_once, s), *dead = start(do_nothing, s);

    await(s, 1);
    ck_assert_ok(crew_barrier_expect(&s->barrier, crew_process_pid(dead)));
    ck_assert_ok(crew_process_kill(dead));
    ck_assert_int_eq(join(live).status, 1);
    join(dead);
    ck_assert_ok(crew_barrier_reset(&s->barrier));
    live = start(wait_once, s);
    await(s, 1);
    dead = start(do_nothing, s);
    ck_assert_ok(crew_process_kill(dead)); /* before anybody says that it is expected */
    while (crew_process_alive(dead))
        usleep(100);
    ck_assert_ok(crew_barrier_expect(&s->barrier, crew_process_pid(dead)));
    ck_assert_int_eq(join(live).status, 1);
    join(dead);
    drop_shared(s);
}
END_TEST

START_TEST(who_is_expected_gets_its_place)
{
    struct shared *s = make_shared(2, false);
    crew_process *p = start(do_nothing, s), *q;

    ck_assert_ok(crew_barrier_expect(&s->barrier, crew_process_pid(p)));
    ck_assert_ok(crew_barrier_expect(&s->barrier, crew_process_pid(p))); /* one place is enough */
    ck_assert_int_eq(crew_barrier_expect(&s->barrier, 1), -ESRCH);
    ck_assert_ok(crew_barrier_join(&s->barrier));
    ck_assert_int_eq(crew_barrier_expect(&s->barrier, getppid()), -ESRCH);
    q = start(wait_once, s);
    ck_assert_int_eq(join(q).status, 2); /* there is no place for it */
    kill_and_join(p);
    ck_assert_int_eq(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER), CREW_EBROKEN);
    ck_assert_ok(crew_barrier_reset(&s->barrier));
    p = start(wait_once, s);
    await(s, 1);
    ck_assert_ok(crew_barrier_expect(&s->barrier, crew_process_pid(p))); /* it has come by itself */
    ck_assert_ok(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER));
    ck_assert_int_eq(join(p).status, 0);
    drop_shared(s);
}
END_TEST

START_TEST(it_goes_on_with_those_that_live_if_it_shrinks)
{
    struct shared *s = make_shared(4, true);
    crew_process *waiting = start(wait_once, s), *absent = start(join_and_sleep, s), *live;

    await(s, 1);
    while (atomic_load(&s->count) == 0)
        usleep(100);
    live = start(wait_once, s);
    await(s, 2);
    ck_assert_ok(crew_barrier_join(&s->barrier));
    kill_and_join(waiting);
    kill_and_join(absent);
    ck_assert_ok(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER));
    ck_assert_int_eq(join(live).status, 0);
    ck_assert_uint_eq(crew_barrier_parties(&s->barrier), 2);
    ck_assert_ok(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER)); /* the other has ended, too */
    ck_assert_uint_eq(crew_barrier_parties(&s->barrier), 1);
    ck_assert_ok(crew_barrier_reset(&s->barrier));
    ck_assert_uint_eq(crew_barrier_parties(&s->barrier), 4);
    ck_assert_int_eq(crew_barrier_wait(&s->barrier, NULL, CREW_NOW), -EAGAIN);
    drop_shared(s);
}
END_TEST

START_TEST(who_dies_at_the_action_breaks_it)
{
    struct shared *s = make_shared(3, false);
    crew_process *p[3];
    unsigned broken = 0;

    atomic_store(&s->runner_dies, 1);
    for (unsigned i = 0; i < 3; i++)
        p[i] = start(wait_once, s);
    for (unsigned i = 0; i < 3; i++)
        broken += join(p[i]).status == 1;
    ck_assert_uint_eq(broken, 2);
    ck_assert_uint_eq(atomic_load(&s->acted), 0);
    drop_shared(s);
}
END_TEST

START_TEST(another_runs_the_action_if_it_shrinks)
{
    struct shared *s = make_shared(3, true);
    crew_process *p[3];
    unsigned released = 0;

    atomic_store(&s->runner_dies, 1);
    for (unsigned i = 0; i < 3; i++)
        p[i] = start(wait_once, s);
    for (unsigned i = 0; i < 3; i++)
        released += join(p[i]).status == 0;
    ck_assert_uint_eq(released, 2);
    ck_assert_uint_eq(atomic_load(&s->acted), 1);
    drop_shared(s);
}
END_TEST

START_TEST(all_of_a_round_are_told_the_same_whoever_dies)
{
    struct shared *s = make_shared(3, false);

    for (unsigned round = 0; round < 60; round++) {
        crew_process *p[3];
        int told = -1;

        atomic_store(&s->runner_dies, round % 7 == 3);
        for (unsigned i = 0; i < 3; i++) {
            p[i] = start(wait_once, s);
            ck_assert_ok(crew_barrier_expect(&s->barrier, crew_process_pid(p[i])));
        }
        for (volatile unsigned n = 0; n < round * 500; n++)
            ; /* another moment each time */
        ck_assert_ok(crew_process_kill(p[round % 3]));
        for (unsigned i = 0; i < 3; i++) {
            struct crew_exit e = join(p[i]);

            if (e.signal == SIGKILL)
                continue;
            ck_assert_int_le(e.status, 1);
            ck_assert(told == -1 || told == e.status);
            told = e.status;
        }
        ck_assert_int_ne(told, -1);
        ck_assert_ok(crew_barrier_reset(&s->barrier));
    }
    drop_shared(s);
}
END_TEST

UNIT_TESTS("barrier", nobody_goes_on_before_all_have_arrived, who_dies_waiting_breaks_it_for_all,
           who_dies_before_it_arrives_breaks_it_for_all,
           who_dies_before_it_has_done_anything_breaks_it_if_it_was_expected,
           who_is_expected_gets_its_place, it_goes_on_with_those_that_live_if_it_shrinks,
           who_dies_at_the_action_breaks_it, another_runs_the_action_if_it_shrinks,
           all_of_a_round_are_told_the_same_whoever_dies)
