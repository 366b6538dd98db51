/* rwlock_threads_test.c - Description: threads that read and write at once: one would see what is half written,
 * or would not see what was written before. */
#include "unit.h"

#include <crew.h>

#include <pthread.h>

enum { ROUNDS = 3000 };

struct guarded {
    crew_rwlock *lock;
    uint64_t one, other;
};

static void *read_often(void *context)
{
    struct guarded *g = context;

    for (unsigned i = 0; i < ROUNDS; i++) {
        ck_assert_ok(crew_rwlock_acquire_read(g->lock, CREW_FOREVER));
        ck_assert_uint_eq(g->one, g->other);
        ck_assert_ok(crew_rwlock_release(g->lock));
    }
    return NULL;
}

static void *write_often(void *context)
{
    struct guarded *g = context;

    for (unsigned i = 0; i < ROUNDS; i++) {
        ck_assert_ok(crew_rwlock_acquire_write(g->lock, CREW_FOREVER));
        g->one++;
        g->other++;
        if (i % 4 == 0)
            ck_assert_ok(crew_rwlock_downgrade(g->lock));
        ck_assert_uint_eq(g->one, g->other);
        ck_assert_ok(crew_rwlock_release(g->lock));
    }
    return NULL;
}

START_TEST(threads_read_and_write_and_nothing_is_half_seen)
{
    struct guarded g = { 0 };
    pthread_t t[4];

    ck_assert_ok(crew_rwlock_open(&g.lock, NULL));
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, i < 2 ? read_often : write_often, &g), 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    ck_assert_uint_eq(g.one, UINT64_C(2) * ROUNDS);
    crew_rwlock_close(g.lock);
}
END_TEST

static void *end_reading(void *context)
{
    ck_assert_ok(crew_rwlock_acquire_read(context, CREW_FOREVER));
    return NULL; /* the thread ends */
}

static void *end_writing(void *context)
{
    ck_assert_ok(crew_rwlock_acquire_write(context, CREW_FOREVER));
    return NULL;
}

START_TEST(a_thread_that_ends_counts_as_dead)
{
    crew_rwlock *lock;
    pthread_t t;

    ck_assert_ok(crew_rwlock_open(&lock, NULL));
    ck_assert_int_eq(pthread_create(&t, NULL, end_reading, lock), 0);
    pthread_join(t, NULL);
    ck_assert_int_eq(pthread_create(&t, NULL, end_writing, lock),
                     0); /* the same party, another name */
    pthread_join(t, NULL);
    ck_assert_int_eq(crew_rwlock_acquire_read(lock, CREW_FOREVER), CREW_EOWNERDEAD);
    ck_assert_ok(crew_rwlock_consistent(lock));
    ck_assert_ok(crew_rwlock_release(lock));
    crew_rwlock_close(lock);
}
END_TEST

enum { MANY = 400 };

struct crowd {
    crew_rwlock *lock;
    pthread_barrier_t all_read;
};

static void *read_in_the_crowd(void *context)
{
    struct crowd *crowd = context;

    ck_assert_ok(crew_rwlock_acquire_read(crowd->lock, CREW_FOREVER));
    pthread_barrier_wait(&crowd->all_read);
    ck_assert_ok(crew_rwlock_release(crowd->lock));
    return NULL;
}

START_TEST(hundreds_read_at_once)
{
    struct crowd crowd;
    struct crew_rwlock_stats stats;
    pthread_t t[MANY];

    ck_assert_ok(crew_rwlock_open(&crowd.lock, NULL));
    ck_assert_int_eq(pthread_barrier_init(&crowd.all_read, NULL, MANY + 1), 0);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, read_in_the_crowd, &crowd), 0);
    pthread_barrier_wait(&crowd.all_read); /* all of them are there */
    ck_assert_ok(crew_rwlock_acquire_write(crowd.lock, CREW_FOREVER));
    ck_assert_ok(crew_rwlock_release(crowd.lock));
    for (unsigned i = 0; i < MANY; i++)
        pthread_join(t[i], NULL);
    crew_rwlock_stats(crowd.lock, &stats);
    ck_assert_uint_eq(stats.reading, 0);
    pthread_barrier_destroy(&crowd.all_read);
    crew_rwlock_close(crowd.lock);
}
END_TEST

UNIT_TESTS("rwlock_threads", threads_read_and_write_and_nothing_is_half_seen,
           a_thread_that_ends_counts_as_dead, hundreds_read_at_once)
