/* condition_threads_test.c - notifications between threads: in which order, and what is promised of
 * the lock. */
#include "unit.h"

#include <crew.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { MANY = 70 }; /* more than have room in a condition */

struct shared {
    crew_lock lock;
    crew_rlock rlock;
    crew_condition condition, with_rlock;
    uint32_t things, taken, wanted;
    _Atomic uint32_t returned;
    uint32_t order[MANY]; /* in which they returned */
};

struct member {
    struct shared *shared;
    uint32_t number;
    pthread_t thread;
};

static struct shared *make_shared(void)
{
    void *block;
    struct shared *s;

    ck_assert_ok(crew_memory_alloc(&block, sizeof *s));
    s = memset(block, 0, sizeof *s);
    ck_assert_ok(crew_lock_init(&s->lock, NULL));
    ck_assert_ok(crew_rlock_init(&s->rlock, NULL));
    ck_assert_ok(crew_condition_init(&s->condition, &s->lock, NULL));
    ck_assert_ok(crew_condition_init(&s->with_rlock, NULL,
                                     &(struct crew_condition_options){ .rlock = &s->rlock }));
    return s;
}

static void drop_shared(struct shared *s)
{
    crew_condition_fini(&s->condition);
    crew_condition_fini(&s->with_rlock);
    crew_lock_fini(&s->lock);
    crew_rlock_fini(&s->rlock);
    crew_memory_free(s);
}

static void await(const crew_condition *condition, uint32_t waiting)
{
    while (crew_condition_waiting(condition) != waiting)
        usleep(100);
}

static void acquire(struct shared *s)
{
    ck_assert_ok(crew_lock_acquire(&s->lock, CREW_FOREVER));
}

static void release(struct shared *s)
{
    ck_assert_ok(crew_lock_release(&s->lock));
}

static void *wait_in_thread(void *context)
{
    struct member *m = context;
    struct shared *s = m->shared;

    acquire(s);
    ck_assert_ok(crew_condition_wait(&s->condition, CREW_FOREVER));
    s->order[atomic_fetch_add(&s->returned, 1)] = m->number;
    release(s);
    return NULL;
}

/* Threads that wait, one after the other. */
static void start_waiting(struct shared *s, struct member *m, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        m[i] = (struct member){ .shared = s, .number = i };
        ck_assert_int_eq(pthread_create(&m[i].thread, NULL, wait_in_thread, &m[i]), 0);
        await(&s->condition, i + 1);
    }
}

START_TEST(who_waited_first_is_notified_first)
{
    struct shared *s = make_shared();
    struct member m[4];
    bool seen[4] = { false };

    start_waiting(s, m, 4);
    for (uint32_t i = 0; i < 2; i++) {
        acquire(s);
        ck_assert_ok(crew_condition_notify(&s->condition, 1));
        release(s);
        pthread_join(m[i].thread, NULL);
        ck_assert_uint_eq(s->order[i], i);
    }
    acquire(s);
    ck_assert_ok(crew_condition_notify(&s->condition, 5));
    release(s);
    for (uint32_t i = 2; i < 4; i++)
        pthread_join(m[i].thread, NULL);
    for (uint32_t i = 0; i < 4; i++)
        seen[s->order[i]] = true;
    ck_assert(seen[2] && seen[3]);
    drop_shared(s);
}
END_TEST

START_TEST(as_many_are_notified_as_was_asked)
{
    struct shared *s = make_shared();
    struct member m[5];

    start_waiting(s, m, 5);
    acquire(s);
    ck_assert_ok(crew_condition_notify(&s->condition, 0));
    ck_assert_uint_eq(crew_condition_waiting(&s->condition), 5);
    ck_assert_ok(crew_condition_notify(&s->condition, 3));
    ck_assert_uint_eq(crew_condition_waiting(&s->condition), 2);
    release(s);
    for (uint32_t i = 0; i < 3; i++)
        pthread_join(m[i].thread, NULL);
    ck_assert_uint_eq(crew_condition_waiting(&s->condition), 2);
    acquire(s);
    ck_assert_ok(crew_condition_notify_all(&s->condition));
    release(s);
    for (uint32_t i = 3; i < 5; i++)
        pthread_join(m[i].thread, NULL);
    drop_shared(s);
}
END_TEST

START_TEST(any_number_waits)
{
    struct shared *s = make_shared();
    struct member m[MANY];
    struct crew_memory_stats before, after;

    ck_assert_ok(crew_memory_stats(&before));
    for (unsigned round = 0; round < 2; round++) {
        atomic_store(&s->returned, 0);
        start_waiting(s, m, MANY);
        acquire(s);
        ck_assert_ok(crew_condition_notify_all(&s->condition));
        release(s);
        for (uint32_t i = 0; i < MANY; i++)
            pthread_join(m[i].thread, NULL);
        ck_assert_uint_eq(atomic_load(&s->returned), MANY);
    }
    crew_condition_fini(&s->condition);
    ck_assert_ok(crew_memory_stats(&after));
    ck_assert_uint_eq(before.blocks, after.blocks);
    ck_assert_ok(crew_condition_init(&s->condition, &s->lock, NULL));
    drop_shared(s);
}
END_TEST

static bool there_is_one(void *context)
{
    return ((struct shared *)context)->things > 0;
}

static void *take_in_thread(void *context)
{
    struct shared *s = context;

    for (;;) {
        acquire(s);
        ck_assert_ok(crew_condition_wait_for(&s->condition, there_is_one, s, CREW_FOREVER));
        s->things--;
        if (++s->taken >= s->wanted) {
            s->things++; /* for the others, to end */
            crew_condition_notify(&s->condition, 1);
            release(s);
            return NULL;
        }
        release(s);
    }
}

START_TEST(what_is_put_is_taken)
{
    struct shared *s = make_shared();
    pthread_t t[3];

    s->wanted = 5000;
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, take_in_thread, s), 0);
    for (unsigned i = 0; i < s->wanted; i++) {
        acquire(s);
        s->things++;
        ck_assert_ok(crew_condition_notify(&s->condition, 1));
        release(s);
    }
    for (unsigned i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    ck_assert_uint_ge(s->taken, s->wanted);
    drop_shared(s);
}
END_TEST

static void *notify_with_rlock(void *context)
{
    struct shared *s = context;

    await(&s->with_rlock, 1);
    ck_assert_ok(crew_rlock_acquire(&s->rlock, CREW_FOREVER)); /* so it was given back, all of it */
    s->things = 1;
    ck_assert_ok(crew_condition_notify(&s->with_rlock, 1));
    ck_assert_ok(crew_rlock_release(&s->rlock));
    return NULL;
}

START_TEST(an_rlock_is_given_back_whole_and_got_as_often)
{
    struct shared *s = make_shared();
    pthread_t t;

    ck_assert_int_eq(pthread_create(&t, NULL, notify_with_rlock, s), 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ok(crew_rlock_acquire(&s->rlock, CREW_FOREVER));
    ck_assert_ok(crew_condition_wait(&s->with_rlock, CREW_FOREVER));
    ck_assert_uint_eq(s->things, 1);
    ck_assert_int_eq(crew_condition_wait(&s->with_rlock, crew_in_ms(1)), -ETIMEDOUT);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ok(crew_rlock_release(&s->rlock));
    ck_assert_int_eq(crew_rlock_release(&s->rlock), -EPERM);
    pthread_join(t, NULL);
    drop_shared(s);
}
END_TEST

START_TEST(a_deadline_ends_the_wait_and_the_lock_is_held)
{
    struct shared *s = make_shared();

    acquire(s);
    ck_assert_int_eq(crew_condition_wait(&s->condition, CREW_NOW), -EAGAIN);
    ck_assert_int_eq(crew_condition_wait(&s->condition, crew_in_ms(5)), -ETIMEDOUT);
    ck_assert_int_eq(crew_condition_wait_for(&s->condition, there_is_one, s, CREW_NOW), -EAGAIN);
    ck_assert_int_eq(crew_condition_wait_for(&s->condition, there_is_one, s, crew_in_ms(5)),
                     -ETIMEDOUT);
    s->things = 1;
    ck_assert_ok(crew_condition_wait_for(&s->condition, there_is_one, s, CREW_NOW));
    ck_assert_uint_eq(crew_condition_waiting(&s->condition), 0);
    release(s);
    drop_shared(s);
}
END_TEST

static void *end_with_the_lock(void *context)
{
    acquire(context);
    return NULL; /* the thread ends */
}

START_TEST(a_thread_that_ends_with_the_lock_wakes_who_waits)
{
    struct shared *s = make_shared();
    pthread_t t;

    acquire(s);
    ck_assert_int_eq(pthread_create(&t, NULL, end_with_the_lock, s), 0);
    ck_assert_int_eq(crew_condition_wait(&s->condition, CREW_FOREVER), CREW_EOWNERDEAD);
    ck_assert_int_eq(crew_condition_wait(&s->condition, CREW_FOREVER), -EINVAL);
    ck_assert_ok(crew_condition_notify_all(&s->condition));
    ck_assert_ok(crew_lock_consistent(&s->lock));
    ck_assert_int_eq(crew_condition_wait(&s->condition, crew_in_ms(1)), -ETIMEDOUT);
    release(s);
    pthread_join(t, NULL);
    drop_shared(s);
}
END_TEST

START_TEST(what_can_not_be_is_told)
{
    struct shared *s = make_shared();
    crew_condition outside, *handle;
    crew_lock other;

    ck_assert_int_eq(crew_condition_init(&outside, &s->lock, NULL), -EINVAL);
    ck_assert_int_eq(crew_condition_init(&s->condition, NULL, NULL), -EINVAL);
    ck_assert_int_eq(crew_condition_init(&s->condition, &other, NULL), -EINVAL);
    ck_assert_int_eq(crew_condition_open(&handle, &s->lock,
                                         &(struct crew_condition_options){ .rlock = &s->rlock }),
                     -EINVAL);
    ck_assert_int_eq(crew_condition_open(&handle, &s->lock,
                                         &(struct crew_condition_options){ .reserved = { 1 } }),
                     -EINVAL);
    ck_assert_int_eq(crew_condition_wait(&s->condition, CREW_FOREVER), -EPERM);
    ck_assert_int_eq(crew_condition_wait_for(&s->condition, there_is_one, s, CREW_FOREVER), -EPERM);
    ck_assert_int_eq(crew_condition_wait_for(&s->condition, NULL, s, CREW_FOREVER), -EINVAL);
    ck_assert_int_eq(crew_condition_notify(&s->condition, 1), -EPERM);
    ck_assert_int_eq(crew_condition_notify_all(&s->condition), -EPERM);
    ck_assert_ok(crew_condition_open(&handle, &s->lock, NULL));
    acquire(s);
    ck_assert_ok(crew_condition_notify_all(handle));
    release(s);
    crew_condition_close(handle);
    crew_condition_close(NULL);
    crew_condition_fini(NULL);
    drop_shared(s);
}
END_TEST

UNIT_TESTS("condition of threads", who_waited_first_is_notified_first,
           as_many_are_notified_as_was_asked, any_number_waits, what_is_put_is_taken,
           an_rlock_is_given_back_whole_and_got_as_often,
           a_deadline_ends_the_wait_and_the_lock_is_held,
           a_thread_that_ends_with_the_lock_wakes_who_waits, what_can_not_be_is_told)
