/* semaphore_threads_test.c - Description: permits among threads: two would be at what is for one, or what was
 * written before a release would not be seen after an acquire. */
#include "unit.h"

#include <crew.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

enum { ROUNDS = 5000, RING = 8 };

struct guarded {
    crew_semaphore *semaphore;
    uint32_t count;
    uint64_t sum, other;
};

static void *change(void *context)
{
    struct guarded *g = context;

    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_ok(crew_semaphore_acquire(g->semaphore, g->count, CREW_FOREVER));
        g->sum++;
        g->other++;
        ck_assert_uint_eq(g->sum, g->other);
        ck_assert_ok(crew_semaphore_release(g->semaphore, g->count));
    }
    return NULL;
}

static void change_in_threads(uint32_t value, const struct crew_semaphore_options *options)
{
    struct guarded g = { .count = value };
    pthread_t t[3];

    ck_assert_ok(crew_semaphore_open(&g.semaphore, value, options));
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, change, &g), 0);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    ck_assert_uint_eq(g.sum, 3 * ROUNDS);
    ck_assert_uint_eq(crew_semaphore_value(g.semaphore), value);
    crew_semaphore_close(g.semaphore);
}

START_TEST(all_permits_are_as_good_as_a_lock)
{
    change_in_threads(1, NULL);
    change_in_threads(3, NULL);
    change_in_threads(1, &(struct crew_semaphore_options){ .unowned = true });
    change_in_threads(3, &(struct crew_semaphore_options){ .unowned = true, .bounded = true });
}
END_TEST

/* A ring with one writer and one reader: a permit for each place, and one for each thing in it. */
struct ring {
    crew_semaphore *places, *things;
    int thing[RING];
};

static void *put_all(void *context)
{
    struct ring *ring = context;

    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_ok(crew_semaphore_acquire(ring->places, 1, CREW_FOREVER));
        ring->thing[i % RING] = i;
        ck_assert_ok(crew_semaphore_release(ring->things, 1));
    }
    return NULL;
}

START_TEST(what_was_written_before_is_seen_after)
{
    struct ring ring = { 0 };
    pthread_t t;

    ck_assert_ok(crew_semaphore_open(&ring.places, RING,
                                     &(struct crew_semaphore_options){ .unowned = true }));
    ck_assert_ok(
        crew_semaphore_open(&ring.things, 0, &(struct crew_semaphore_options){ .unowned = true }));
    ck_assert_int_eq(pthread_create(&t, NULL, put_all, &ring), 0);
    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_ok(crew_semaphore_acquire(ring.things, 1, CREW_FOREVER));
        ck_assert_int_eq(ring.thing[i % RING], i);
        ck_assert_ok(crew_semaphore_release(ring.places, 1));
    }
    pthread_join(t, NULL);
    crew_semaphore_close(ring.places);
    crew_semaphore_close(ring.things);
}
END_TEST

static void *keep(void *context)
{
    ck_assert_ok(crew_semaphore_acquire(context, 2, CREW_FOREVER));
    return NULL; /* the thread ends */
}

START_TEST(a_thread_that_ends_gives_its_permits_back)
{
    crew_semaphore *semaphore;
    struct crew_semaphore_stats stats;
    pthread_t t;

    ck_assert_ok(crew_semaphore_open(&semaphore, 2, NULL));
    ck_assert_int_eq(pthread_create(&t, NULL, keep, semaphore), 0);
    pthread_join(t, NULL);
    ck_assert_uint_eq(crew_semaphore_value(semaphore), 2);
    ck_assert_ok(crew_semaphore_acquire(semaphore, 1, CREW_FOREVER));
    crew_semaphore_stats(semaphore, &stats);
    ck_assert_uint_eq(stats.recovered, 1);
    crew_semaphore_close(semaphore);
}
END_TEST

static void *try_to_release(void *context)
{
    ck_assert_int_eq(crew_semaphore_release(context, 1), -EPERM);
    return NULL;
}

START_TEST(who_has_none_gives_none_back)
{
    crew_semaphore *semaphore;
    pthread_t t;

    ck_assert_ok(crew_semaphore_open(&semaphore, 2, NULL));
    ck_assert_ok(crew_semaphore_acquire(semaphore, 1, CREW_NOW));
    ck_assert_int_eq(pthread_create(&t, NULL, try_to_release, semaphore), 0);
    pthread_join(t, NULL);
    ck_assert_uint_eq(crew_semaphore_value(semaphore), 1);
    crew_semaphore_close(semaphore);
}
END_TEST

UNIT_TESTS("semaphore_threads", all_permits_are_as_good_as_a_lock,
           what_was_written_before_is_seen_after, a_thread_that_ends_gives_its_permits_back,
           who_has_none_gives_none_back)
