/* barrier_threads_test.c - barriers between threads: rounds, indices, the action, and all ways to
 * break one. */
#include "unit.h"

#include <crew.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { PARTIES = 4, MANY = 40 }; /* more than have a place in a barrier */

struct shared {
    crew_barrier barrier;
    uint32_t parties, rounds;
    uint32_t written[MANY]; /* each by one party, before it arrives                */
    uint32_t sum, acted;    /* by the action, read by all                          */
    _Atomic uint32_t first; /* how often somebody's index was 0                    */
    bool fails;
    int nested; /* what wait() answers inside the action               */
};

struct member {
    struct shared *shared;
    uint32_t number;
    pthread_t thread;
    int result;
};

static int add_up(void *context)
{
    struct shared *s = context;

    s->sum = 0;
    for (uint32_t i = 0; i < s->parties; i++)
        s->sum += s->written[i];
    s->acted++;
    s->nested = crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER);
    return s->fails ? -EIO : 0;
}

static struct shared *make_shared(uint32_t parties, bool acts)
{
    struct crew_barrier_options options = { 0 };
    void *block;
    struct shared *s;

    ck_assert_ok(crew_memory_alloc(&block, sizeof *s));
    s = memset(block, 0, sizeof *s);
    s->parties = parties;
    options.action = acts ? add_up : NULL;
    options.context = s;
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

static void *wait_once(void *context)
{
    struct member *m = context;

    m->result = crew_barrier_wait(&m->shared->barrier, NULL, CREW_FOREVER);
    return NULL;
}

static void start(struct member *m, struct shared *s, void *(*function)(void *))
{
    m->shared = s;
    ck_assert_int_eq(pthread_create(&m->thread, NULL, function, m), 0);
}

static int result(struct member *m)
{
    ck_assert_int_eq(pthread_join(m->thread, NULL), 0);
    return m->result;
}

static void *go_round(void *context)
{
    struct member *m = context;
    struct shared *s = m->shared;

    for (uint32_t round = 0; round < s->rounds; round++) {
        uint32_t index = MANY;

        s->written[m->number] = round;
        ck_assert_ok(crew_barrier_wait(&s->barrier, &index, CREW_FOREVER));
        ck_assert_uint_lt(index, s->parties);
        if (index == 0)
            atomic_fetch_add(&s->first, 1);
        ck_assert_uint_eq(s->sum, round * s->parties);
        ck_assert_uint_eq(s->acted, 2 * round + 1);
        ck_assert_ok(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER)); /* all have read */
    }
    ck_assert_ok(crew_barrier_leave(&s->barrier));
    return NULL;
}

static void all_go_round(uint32_t parties, uint32_t rounds)
{
    struct shared *s = make_shared(parties, true);
    struct member m[MANY];

    s->rounds = rounds;
    for (uint32_t i = 0; i < parties; i++) {
        m[i].number = i;
        start(&m[i], s, go_round);
    }
    for (uint32_t i = 0; i < parties; i++)
        ck_assert_int_eq(pthread_join(m[i].thread, NULL), 0);
    ck_assert_uint_eq(s->acted, 2 * rounds);
    ck_assert_uint_eq(atomic_load(&s->first), rounds);
    ck_assert_int_eq(s->nested, -EDEADLK);
    drop_shared(s);
}

START_TEST(all_see_what_each_wrote_and_one_has_acted)
{
    all_go_round(PARTIES, 300);
}
END_TEST

START_TEST(two_meet_often)
{
    all_go_round(2, 2000);
}
END_TEST

START_TEST(there_may_be_many)
{
    struct crew_memory_stats before, after;
    crew_barrier *barrier;

    all_go_round(MANY, 5);
    ck_assert_ok(crew_memory_stats(&before));
    ck_assert_ok(crew_barrier_open(&barrier, CREW_BARRIER_MOST, NULL));
    ck_assert_uint_eq(crew_barrier_parties(barrier), CREW_BARRIER_MOST);
    ck_assert_int_eq(crew_barrier_wait(barrier, NULL, CREW_NOW), -EAGAIN);
    crew_barrier_close(barrier);
    ck_assert_ok(crew_memory_stats(&after));
    ck_assert_uint_eq(before.blocks, after.blocks);
}
END_TEST

START_TEST(a_deadline_breaks_it_for_all)
{
    struct shared *s = make_shared(3, false);
    struct member m;

    start(&m, s, wait_once);
    await(s, 1);
    ck_assert_int_eq(crew_barrier_wait(&s->barrier, NULL, CREW_NOW), -EAGAIN);
    ck_assert(!crew_barrier_broken(&s->barrier));
    ck_assert_int_eq(crew_barrier_wait(&s->barrier, NULL, crew_in_ms(5)), CREW_EBROKEN);
    ck_assert_int_eq(result(&m), CREW_EBROKEN);
    ck_assert(crew_barrier_broken(&s->barrier));
    ck_assert_int_eq(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER), CREW_EBROKEN);
    drop_shared(s);
}
END_TEST

START_TEST(who_asks_and_is_the_last_goes_on)
{
    struct shared *s = make_shared(2, false);
    struct member m;

    start(&m, s, wait_once);
    await(s, 1);
    ck_assert_ok(crew_barrier_wait(&s->barrier, NULL, CREW_NOW));
    ck_assert_ok(result(&m));
    drop_shared(s);
}
END_TEST

START_TEST(abort_breaks_it_until_a_reset)
{
    struct shared *s = make_shared(2, false);
    struct member m;

    start(&m, s, wait_once);
    await(s, 1);
    crew_barrier_abort(&s->barrier);
    ck_assert_int_eq(result(&m), CREW_EBROKEN);
    crew_barrier_abort(&s->barrier);
    ck_assert_ok(crew_barrier_reset(&s->barrier));
    ck_assert(!crew_barrier_broken(&s->barrier));
    start(&m, s, wait_once);
    await(s, 1);
    ck_assert_ok(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER));
    ck_assert_ok(result(&m));
    drop_shared(s);
}
END_TEST

START_TEST(a_reset_sends_away_who_waits)
{
    struct shared *s = make_shared(2, false);
    struct member m;

    start(&m, s, wait_once);
    await(s, 1);
    ck_assert_ok(crew_barrier_reset(&s->barrier));
    ck_assert_int_eq(result(&m), CREW_EBROKEN);
    ck_assert(!crew_barrier_broken(&s->barrier));
    drop_shared(s);
}
END_TEST

START_TEST(an_action_that_fails_breaks_it)
{
    struct shared *s = make_shared(1, true);

    s->fails = true;
    ck_assert_int_eq(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER), CREW_EBROKEN);
    s->fails = false;
    ck_assert_ok(crew_barrier_reset(&s->barrier));
    ck_assert_ok(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER));
    ck_assert_uint_eq(s->acted, 2);
    drop_shared(s);
}
END_TEST

static void *join_and_end(void *context)
{
    struct member *m = context;

    m->result = crew_barrier_join(&m->shared->barrier);
    return NULL;
}

static void *join_and_leave(void *context)
{
    struct member *m = context;

    m->result = crew_barrier_join(&m->shared->barrier);
    if (m->result == 0)
        m->result = crew_barrier_leave(&m->shared->barrier);
    return NULL;
}

START_TEST(a_thread_that_ends_breaks_it_unless_it_leaves)
{
    struct shared *s = make_shared(2, false);
    struct member m;

    ck_assert_int_eq(crew_barrier_leave(&s->barrier), -EPERM);
    ck_assert_ok(crew_barrier_join(&s->barrier));
    ck_assert_ok(crew_barrier_join(&s->barrier));
    start(&m, s, join_and_leave);
    ck_assert_ok(result(&m));
    start(&m, s, wait_once);
    ck_assert_ok(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER)); /* it had the other's place */
    ck_assert_ok(result(&m));
    ck_assert_int_eq(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER), CREW_EBROKEN);
    ck_assert_ok(crew_barrier_reset(&s->barrier));
    start(&m, s, join_and_end);
    ck_assert_ok(result(&m));
    start(&m, s, join_and_end);
    ck_assert_int_eq(result(&m), -EBUSY);
    drop_shared(s);
}
END_TEST

START_TEST(who_finds_the_places_taken_is_told_why)
{
    struct shared *s = make_shared(1, false);
    struct member m;

    ck_assert_ok(crew_barrier_join(&s->barrier));
    start(&m, s, wait_once);
    ck_assert_int_eq(result(&m), -EBUSY);
    ck_assert_ok(crew_barrier_leave(&s->barrier));
    start(&m, s, join_and_end);
    ck_assert_ok(result(&m));
    ck_assert_int_eq(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER), CREW_EBROKEN);
    drop_shared(s);
}
END_TEST

static void *leave_when_two_wait(void *context)
{
    struct member *m = context;

    m->result = crew_barrier_join(&m->shared->barrier);
    await(m->shared, 2);
    if (m->result == 0)
        m->result = crew_barrier_leave(&m->shared->barrier);
    return NULL;
}

START_TEST(who_leaves_is_not_waited_for_if_it_shrinks)
{
    crew_barrier *barrier;
    struct shared *s = make_shared(3, false);
    struct member m[2];

    crew_barrier_fini(&s->barrier);
    ck_assert_ok(
        crew_barrier_init(&s->barrier, 3, &(struct crew_barrier_options){ .shrinks = true }));
    start(&m[0], s, leave_when_two_wait);
    start(&m[1], s, wait_once);
    ck_assert_ok(crew_barrier_wait(&s->barrier, NULL, CREW_FOREVER));
    ck_assert_ok(result(&m[0]));
    ck_assert_ok(result(&m[1]));
    ck_assert_uint_eq(crew_barrier_parties(&s->barrier), 2);
    drop_shared(s);
    ck_assert_ok(crew_barrier_open(&barrier, 1, NULL));
    crew_barrier_close(barrier);
    crew_barrier_close(NULL);
    crew_barrier_fini(NULL);
}
END_TEST

START_TEST(what_can_not_be_is_told)
{
    struct shared *s = make_shared(1, false);
    crew_barrier outside, *handle;

    ck_assert_int_eq(crew_barrier_init(&outside, 1, NULL), -EINVAL);
    ck_assert_int_eq(crew_barrier_open(&handle, 0, NULL), -EINVAL);
    ck_assert_int_eq(crew_barrier_open(&handle, CREW_BARRIER_MOST + 1, NULL), -EINVAL);
    ck_assert_int_eq(
        crew_barrier_open(&handle, 1, &(struct crew_barrier_options){ .reserved = { 1 } }),
        -EINVAL);
    drop_shared(s);
}
END_TEST

UNIT_TESTS("barrier of threads", all_see_what_each_wrote_and_one_has_acted, two_meet_often,
           there_may_be_many, a_deadline_breaks_it_for_all, who_asks_and_is_the_last_goes_on,
           abort_breaks_it_until_a_reset, a_reset_sends_away_who_waits,
           an_action_that_fails_breaks_it, a_thread_that_ends_breaks_it_unless_it_leaves,
           who_finds_the_places_taken_is_told_why, who_leaves_is_not_waited_for_if_it_shrinks,
           what_can_not_be_is_told)
