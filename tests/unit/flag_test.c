/* flag_test.c - events, latches, values and what is done once, between threads and processes. */
#include "members.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

struct shared {
    crew_event event;
    crew_latch latch;
    crew_value value;
    crew_once once;
    uint64_t runs;
    _Atomic uint32_t there;
};

static struct shared *make_shared(void)
{
    void *block;
    struct shared *s;

    ck_assert_ok(crew_memory_alloc(&block, sizeof *s));
    s = memset(block, 0, sizeof *s);
    ck_assert_ok(crew_event_init(&s->event));
    ck_assert_ok(crew_latch_init(&s->latch, 3));
    ck_assert_ok(crew_value_init(&s->value, 40));
    ck_assert_ok(crew_once_init(&s->once));
    return s;
}

static void drop_shared(struct shared *s)
{
    crew_event_fini(&s->event);
    crew_latch_fini(&s->latch);
    crew_value_fini(&s->value);
    crew_once_fini(&s->once);
    crew_memory_free(s);
}

static int wait_for_all(crew_task *task)
{
    struct shared *s = shared_of(task);
    int64_t now = 0;

    if (crew_event_wait(&s->event, CREW_FOREVER) != 0)
        return 1;
    if (crew_value_wait(&s->value, 40, &now, CREW_FOREVER) != 0 || now != 42)
        return 2;
    if (crew_latch_count_down(&s->latch, 1) != 0)
        return 3;
    return crew_latch_wait(&s->latch, CREW_FOREVER) == 0 ? 0 : 4;
}

START_TEST(processes_wait_for_an_event_a_value_and_a_latch)
{
    struct shared *s = make_shared();
    crew_process *p[2] = { start(wait_for_all, s), start(wait_for_all, s) };

    crew_event_set(&s->event);
    ck_assert_int_eq(crew_value_add(&s->value, 2), 40);
    ck_assert_ok(crew_latch_count_down(&s->latch, 1));
    ck_assert_ok(crew_latch_wait(&s->latch, CREW_FOREVER));
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(join(p[i]).status, 0);
    ck_assert_uint_eq(crew_latch_count(&s->latch), 0);
    drop_shared(s);
}
END_TEST

START_TEST(what_has_not_happened_is_waited_for_until_the_deadline)
{
    struct shared *s = make_shared();

    ck_assert_int_eq(crew_event_wait(&s->event, CREW_NOW), -EAGAIN);
    ck_assert_int_eq(crew_event_wait(&s->event, crew_in_ms(5)), -ETIMEDOUT);
    ck_assert_int_eq(crew_latch_wait(&s->latch, CREW_NOW), -EAGAIN);
    ck_assert_int_eq(crew_latch_wait(&s->latch, crew_in_ms(5)), -ETIMEDOUT);
    ck_assert_int_eq(crew_value_wait(&s->value, 40, NULL, CREW_NOW), -EAGAIN);
    ck_assert_int_eq(crew_value_wait(&s->value, 40, NULL, crew_in_ms(5)), -ETIMEDOUT);
    ck_assert_ok(crew_value_wait(&s->value, 39, NULL, CREW_NOW));
    crew_event_set(&s->event);
    ck_assert(crew_event_is_set(&s->event));
    ck_assert_ok(crew_event_wait(&s->event, CREW_NOW));
    crew_event_clear(&s->event);
    ck_assert_int_eq(crew_event_wait(&s->event, CREW_NOW), -EAGAIN);
    drop_shared(s);
}
END_TEST

START_TEST(what_can_not_be_is_told)
{
    struct shared *s = make_shared();
    crew_event event;
    crew_latch latch;
    crew_value value;
    crew_once once;

    ck_assert_int_eq(crew_event_init(&event), -EINVAL);
    ck_assert_int_eq(crew_latch_init(&latch, 1), -EINVAL);
    ck_assert_int_eq(crew_latch_init(&s->latch, CREW_LATCH_MOST + 1), -EINVAL);
    ck_assert_int_eq(crew_value_init(&value, 1), -EINVAL);
    ck_assert_int_eq(crew_once_init(&once), -EINVAL);
    ck_assert_int_eq(crew_latch_count_down(&s->latch, 4), -EINVAL);
    ck_assert_uint_eq(crew_latch_count(&s->latch), 3);
    drop_shared(s);
}
END_TEST

START_TEST(a_value_is_integer_or_double)
{
    crew_value *value;
    int64_t seen = 5;
    double number = 2.5;

    ck_assert_ok(crew_value_open(&value, INT64_MIN));
    ck_assert(crew_value_load(value) == INT64_MIN);
    ck_assert(!crew_value_compare_exchange(value, &seen, 6));
    ck_assert(seen == INT64_MIN);
    ck_assert(crew_value_compare_exchange(value, &seen, 6));
    ck_assert_int_eq(crew_value_exchange(value, 7), 6);
    ck_assert_int_eq(crew_value_add(value, -8), 7);
    ck_assert_int_eq(crew_value_load(value), -1);
    crew_value_store_double(value, 1.25);
    ck_assert_double_eq(crew_value_add_double(value, 0.5), 1.25);
    ck_assert(!crew_value_compare_exchange_double(value, &number, 3));
    ck_assert_double_eq(number, 1.75);
    ck_assert(crew_value_compare_exchange_double(value, &number, 3));
    ck_assert_double_eq(crew_value_load_double(value), 3);
    crew_value_close(value);
}
END_TEST

static int add_many(crew_task *task)
{
    for (int i = 0; i < 50000; i++)
        crew_value_add(&((struct shared *)shared_of(task))->value, 1);
    return 0;
}

START_TEST(processes_add_at_once_and_nothing_is_lost)
{
    struct shared *s = make_shared();
    crew_process *p[3];

    for (unsigned i = 0; i < 3; i++)
        p[i] = start(add_many, s);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(join(p[i]).status, 0);
    ck_assert_int_eq(crew_value_load(&s->value), 40 + 3 * 50000);
    drop_shared(s);
}
END_TEST

static int prepare(void *context)
{
    struct shared *s = context;

    s->runs++;
    return 0;
}

static int run_once(crew_task *task)
{
    struct shared *s = shared_of(task);

    return crew_once_run(&s->once, prepare, s, CREW_FOREVER) != 0 || s->runs != 1;
}

START_TEST(once_is_once_among_processes)
{
    struct shared *s = make_shared();
    crew_process *p[3];

    ck_assert(!crew_once_done(&s->once));
    for (unsigned i = 0; i < 3; i++)
        p[i] = start(run_once, s);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(join(p[i]).status, 0);
    ck_assert(crew_once_done(&s->once));
    ck_assert_uint_eq(s->runs, 1);
    drop_shared(s);
}
END_TEST

static int fail_always(void *context)
{
    (void)context;
    return -EIO;
}

START_TEST(what_failed_counts_as_not_done)
{
    struct shared *s = make_shared();

    ck_assert_int_eq(crew_once_run(&s->once, fail_always, s, CREW_FOREVER), -EIO);
    ck_assert(!crew_once_done(&s->once));
    ck_assert_int_eq(crew_once_run(&s->once, NULL, s, CREW_FOREVER), -EINVAL);
    ck_assert_ok(crew_once_run(&s->once, prepare, s, CREW_FOREVER));
    ck_assert_ok(crew_once_run(&s->once, fail_always, s, CREW_FOREVER));
    drop_shared(s);
}
END_TEST

static int die_at_it(void *context)
{
    struct shared *s = context;

    atomic_store(&s->there, 1);
    while (atomic_load(&s->there) != 0)
        pause();
    return 0;
}

static int run_and_die(crew_task *task)
{
    return crew_once_run(&((struct shared *)shared_of(task))->once, die_at_it, shared_of(task), CREW_FOREVER);
}

START_TEST(who_dies_at_it_leaves_it_to_the_next)
{
    struct shared *s = make_shared();
    crew_process *p = start(run_and_die, s);

    while (atomic_load(&s->there) == 0)
        usleep(100);
    ck_assert_int_eq(crew_once_run(&s->once, prepare, s, CREW_NOW), -EAGAIN);
    ck_assert_ok(crew_process_kill(p));
    ck_assert_ok(crew_once_run(&s->once, prepare, s, CREW_FOREVER));
    ck_assert_uint_eq(s->runs, 1);
    join(p);
    drop_shared(s);
}
END_TEST

START_TEST(handles_are_opened_and_closed)
{
    crew_event *event;
    crew_latch *latch;
    crew_once *once;

    ck_assert_ok(crew_event_open(&event));
    ck_assert_ok(crew_latch_open(&latch, 0));
    ck_assert_ok(crew_once_open(&once));
    ck_assert_ok(crew_latch_wait(latch, CREW_NOW));
    crew_event_close(event);
    crew_latch_close(latch);
    crew_once_close(once);
    crew_event_close(NULL);
    crew_latch_close(NULL);
    crew_once_close(NULL);
    crew_value_close(NULL);
}
END_TEST

UNIT_TESTS("flag", processes_wait_for_an_event_a_value_and_a_latch,
           what_has_not_happened_is_waited_for_until_the_deadline, what_can_not_be_is_told,
           a_value_is_integer_or_double, processes_add_at_once_and_nothing_is_lost,
           once_is_once_among_processes, what_failed_counts_as_not_done,
           who_dies_at_it_leaves_it_to_the_next, handles_are_opened_and_closed)
