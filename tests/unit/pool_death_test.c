/* Description: the death of a worker costs more than the task it was running, or is told wrongly. */
#define KIND CREW_PROCESSES
#define CALLER_WORKS false
#include "pool_tools.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>

static crew_pool *open_with_retries(unsigned workers, unsigned retries)
{
    const struct rlimit no_core = { 0, 0 };
    crew_pool *pool = NULL;

    setrlimit(RLIMIT_CORE, &no_core);
    ck_assert_ok(crew_pool_open(&pool, &(struct crew_pool_options){ .kind = CREW_PROCESSES,
                                                                    .workers = workers,
                                                                    .retries = retries }));
    return pool;
}

/* How a task is to end, for the indices it is about. */
struct order {
    uint64_t from, to; /* dies at these */
    unsigned until;    /* attempt at which it doesn't any more */
    int signal;        /* 0: exit(status) */
    int status;
    _Atomic unsigned char *mark;    /* of each index: how often its task was completed */
    _Atomic unsigned char *attempt; /* how often it was begun                          */
};

static void end_as_told(const struct order *o)
{
    if (o->signal)
        raise(o->signal);
    exit(o->status);
}

static int die_in_range(crew_task *t)
{
    struct order *o = *(struct order *const *)t->argument;

    for (uint64_t i = t->begin; i < t->end; i++) {
        atomic_fetch_add(&o->attempt[i], 1);
        if (i >= o->from && i < o->to && t->attempt < o->until)
            end_as_told(o);
        atomic_fetch_add(&o->mark[i], 1);
    }
    return 0;
}

static struct order *make_order(uint64_t count)
{
    struct order *o = shared(sizeof *o);

    o->mark = shared(count);
    o->attempt = shared(count);
    o->until = UINT32_MAX;
    o->signal = SIGKILL;
    return o;
}

static void free_order(struct order *o)
{
    crew_memory_free((void *)o->mark);
    crew_memory_free((void *)o->attempt);
    crew_memory_free(o);
}

START_TEST(a_death_costs_its_own_task_only)
{
    crew_pool *pool = open_with_retries(2, 0);
    struct crew_failure f = { 0 };
    struct order *o = make_order(1000);
    struct crew_pool_stats stats;

    o->from = 400;
    o->to = 401;
    ck_assert_error(crew_pool_for(pool, die_in_range, 1000, &o, sizeof o,
                                  &(struct crew_job_options){ .chunk = 1, .failure = &f },
                                  CREW_FOREVER),
                    CREW_EWORKER);
    ck_assert_int_eq(f.error, CREW_EWORKER);
    ck_assert_uint_eq(f.begin, 400);
    ck_assert_uint_eq(f.end, 401);
    ck_assert_uint_eq(f.attempts, 1);
    ck_assert_int_gt(f.pid, 0);
    ck_assert_int_eq(f.signal, SIGKILL);
    ck_assert_int_eq(f.status, -1);
    ck_assert_uint_gt(f.peak_memory, 0);
    ck_assert_ptr_nonnull(strstr(f.message, "KILL"));
    for (uint64_t i = 0; i < 1000; i++)
        ck_assert_uint_eq(o->mark[i], i != 400);
    mark_all(pool, 100, 0, false);
    crew_pool_stats(pool, &stats);
    ck_assert_uint_eq(stats.died, 1);
    ck_assert_uint_eq(stats.started, 3);
    ck_assert_uint_eq(stats.alive, 2);
    ck_assert_uint_eq(stats.retried, 0);
    free_order(o);
    close_pool(pool);
    end_crew();
}
END_TEST

static int die_on_element(crew_task *t)
{
    uint64_t x = *(const uint64_t *)t->input;

    if (x == 0)
        abort();
    *(uint64_t *)t->output = x * 2;
    return 0;
}

START_TEST(a_map_keeps_what_was_not_computed)
{
    for (int staged = 0; staged < 2; staged++) {
        crew_pool *pool = open_with_retries(2, 0);
        struct crew_failure f = { 0 };
        uint64_t *x = staged ? calloc(500, 8) : shared(500 * 8);
        uint64_t *y = staged ? calloc(500, 8) : shared(500 * 8);

        for (uint64_t i = 0; i < 500; i++) {
            x[i] = i % 123;
            y[i] = 7777;
        }
        ck_assert_error(crew_pool_map(pool, die_on_element, x, 8, y, 8, 500,
                                      &(struct crew_job_options){ .failure = &f }, CREW_FOREVER),
                        CREW_EWORKER);
        ck_assert_uint_eq(f.begin, 0);
        ck_assert_int_eq(f.signal, SIGABRT);
        for (uint64_t i = 0; i < 500; i++)
            ck_assert_uint_eq(y[i], x[i] ? x[i] * 2 : 7777);
        close_pool(pool);
        if (staged) {
            free(x);
            free(y);
        }
        end_crew();
    }
}
END_TEST

START_TEST(a_worker_that_exits_has_died)
{
    FOREACH(int, status, 0, 3, 255)
    {
        crew_pool *pool = open_with_retries(1, 0);
        struct crew_failure f = { 0 };
        struct order *o = make_order(20);

        o->from = 5;
        o->to = 6;
        o->signal = 0;
        o->status = *status;
        ck_assert_error(crew_pool_for(pool, die_in_range, 20, &o, sizeof o,
                                      &(struct crew_job_options){ .chunk = 1, .failure = &f },
                                      CREW_FOREVER),
                        CREW_EWORKER);
        ck_assert_uint_eq(f.begin, 5);
        ck_assert_int_eq(f.status, *status);
        ck_assert_int_eq(f.signal, 0);
        for (uint64_t i = 0; i < 20; i++)
            ck_assert_uint_eq(o->mark[i], i != 5);
        free_order(o);
        close_pool(pool);
        end_crew();
    }
}
END_TEST

START_TEST(a_task_whose_worker_died_is_run_again)
{
    FOREACH(unsigned, deaths, 1, 2, 5, 14)
    {
        crew_pool *pool = open_with_retries(2, *deaths);
        struct order *o = make_order(50);
        struct crew_pool_stats stats;

        o->from = 20;
        o->to = 21;
        o->until = *deaths + 1;
        ck_assert_ok(crew_pool_for(pool, die_in_range, 50, &o, sizeof o,
                                   &(struct crew_job_options){ .chunk = 1 }, CREW_FOREVER));
        for (uint64_t i = 0; i < 50; i++) {
            ck_assert_uint_eq(o->mark[i], 1);
            ck_assert_uint_eq(o->attempt[i], i == 20 ? *deaths + 1 : 1);
        }
        crew_pool_stats(pool, &stats);
        ck_assert_uint_eq(stats.retried, *deaths);
        ck_assert_uint_eq(stats.died, *deaths);
        free_order(o);
        close_pool(pool);
        end_crew();
    }
}
END_TEST

START_TEST(retries_have_an_end)
{
    crew_pool *pool = open_with_retries(2, 3);
    struct crew_failure f = { 0 };
    struct order *o = make_order(50);

    o->from = 20;
    o->to = 21;
    ck_assert_error(crew_pool_for(pool, die_in_range, 50, &o, sizeof o,
                                  &(struct crew_job_options){ .chunk = 1, .failure = &f },
                                  CREW_FOREVER),
                    CREW_EWORKER);
    ck_assert_uint_eq(f.begin, 20);
    ck_assert_uint_eq(f.attempts, 4);
    for (uint64_t i = 0; i < 50; i++) {
        ck_assert_uint_eq(o->mark[i], i != 20);
        ck_assert_uint_eq(o->attempt[i], i == 20 ? 4 : 1);
    }
    free_order(o);
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(an_adaptive_range_is_taken_apart_until_the_culprit_is_alone)
{
    crew_pool *pool = open_with_retries(2, 1);
    struct crew_failure f = { 0 };
    struct order *o = make_order(5000);

    o->from = 3333;
    o->to = 3334;
    ck_assert_error(crew_pool_for(pool, die_in_range, 5000, &o, sizeof o,
                                  &(struct crew_job_options){ .failure = &f }, CREW_FOREVER),
                    CREW_EWORKER);
    ck_assert_uint_eq(f.begin, 3333);
    ck_assert_uint_eq(f.end, 3334);
    ck_assert_uint_eq(f.attempts, 2);
    for (uint64_t i = 0; i < 5000; i++)
        ck_assert(i == 3333 ? o->mark[i] == 0 : o->mark[i] >= 1);
    free_order(o);
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(every_task_may_kill_its_worker)
{
    crew_pool *pool = open_with_retries(2, 0);
    struct crew_failure f = { 0 };
    struct order *o = make_order(60);

    o->to = 60;
    ck_assert_error(crew_pool_for(pool, die_in_range, 60, &o, sizeof o,
                                  &(struct crew_job_options){ .chunk = 1, .failure = &f },
                                  CREW_FOREVER),
                    CREW_EWORKER);
    ck_assert_uint_eq(f.begin, 0);
    for (uint64_t i = 0; i < 60; i++) {
        ck_assert_uint_eq(o->attempt[i], 1);
        ck_assert_uint_eq(o->mark[i], 0);
    }
    mark_all(pool, 100, 0, false);
    free_order(o);
    close_pool(pool);
    end_crew();
}
END_TEST

static int die_in_the_leaf(crew_task *t)
{
    uint64_t *sum = t->output;

    for (uint64_t i = t->begin; i < t->end; i++) {
        *sum += i;
        if (i == 550 && t->attempt == 1)
            raise(SIGKILL);
    }
    return 0;
}

static int add_counts(crew_task *t)
{
    *(uint64_t *)t->output += *(const uint64_t *)t->input;
    return 0;
}

START_TEST(a_leaf_that_is_run_again_begins_with_zeros)
{
    crew_pool *pool = open_with_retries(2, 1);
    uint64_t sum = 0;

    ck_assert_ok(crew_pool_reduce(pool, die_in_the_leaf, add_counts, 1000, NULL, 0, &sum, sizeof sum,
                                  &(struct crew_job_options){ .chunk = 100 }, CREW_FOREVER));
    ck_assert_uint_eq(sum, 999 * 1000 / 2);
    close_pool(pool);
    end_crew();
}
END_TEST

static int die_while_joining(crew_task *t)
{
    *(uint64_t *)t->output += *(const uint64_t *)t->input;
    if (t->attempt == 1 && *(uint64_t *)t->output > 100000)
        raise(SIGKILL);
    return 0;
}

static int count_up(crew_task *t)
{
    for (uint64_t i = t->begin; i < t->end; i++)
        *(uint64_t *)t->output += i;
    return 0;
}

START_TEST(joining_that_is_run_again_begins_anew)
{
    crew_pool *pool = open_with_retries(2, 1);
    uint64_t sum = 0;

    ck_assert_ok(crew_pool_reduce(pool, count_up, die_while_joining, 1000, NULL, 0, &sum, sizeof sum,
                                  &(struct crew_job_options){ .chunk = 10 }, CREW_FOREVER));
    ck_assert_uint_eq(sum, 999 * 1000 / 2);
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(a_reduce_that_loses_a_leaf_leaves_its_result_alone)
{
    crew_pool *pool = open_with_retries(2, 0);
    struct crew_failure f = { 0 };
    uint64_t sum = 5;

    ck_assert_error(crew_pool_reduce(pool, die_in_the_leaf, add_counts, 1000, NULL, 0, &sum, sizeof sum,
                                     &(struct crew_job_options){ .chunk = 100, .failure = &f },
                                     CREW_FOREVER),
                    CREW_EWORKER);
    ck_assert_uint_eq(f.begin, 500);
    ck_assert_uint_eq(f.end, 600);
    ck_assert_uint_eq(sum, 5);
    close_pool(pool);
    end_crew();
}
END_TEST

/* -- submitted tasks ---------------------------------------------------------------------- */

struct last_words {
    unsigned until; /* attempt at which it lives */
    int signal;
    int status;
};

static int die_or_tell_attempt(crew_task *t)
{
    const struct last_words *w = t->argument;
    char large[1000] = "lost";

    if (t->attempt < w->until) {
        if (crew_task_result(t, large, sizeof large) != 0)
            return 1;
        (void)crew_task_fail(t, 5, "never read");
        if (w->signal)
            raise(w->signal);
        exit(w->status);
    }
    return crew_task_result(t, &t->attempt, sizeof t->attempt);
}

START_TEST(the_death_of_a_submitted_tasks_worker_is_told)
{
    crew_pool *pool = open_with_retries(2, 0);
    const struct last_words words[] = {
        { UINT32_MAX, SIGKILL, -1 }, { UINT32_MAX, SIGSEGV, -1 }, { UINT32_MAX, 0, 3 },
        { UINT32_MAX, 0, 0 },
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct crew_failure failure;
        crew_future *f;
        char back[8] = "before";

        ck_assert_ok(crew_pool_submit(pool, &f, die_or_tell_attempt, &words[i], sizeof words[i],
                                      CREW_FOREVER));
        ck_assert_error(crew_future_result(f, back, sizeof back, NULL, CREW_FOREVER), CREW_EWORKER);
        ck_assert_str_eq(back, "before");
        crew_future_failure(f, &failure);
        ck_assert_int_eq(failure.error, CREW_EWORKER);
        ck_assert_int_eq(failure.signal, words[i].signal);
        ck_assert_int_eq(failure.status, words[i].status);
        ck_assert_int_gt(failure.pid, 0);
        ck_assert_uint_eq(failure.attempts, 1);
        ck_assert_uint_gt(failure.peak_memory, 0);
        ck_assert_str_ne(failure.message, "");
        ck_assert_str_ne(failure.message, "never read");
        crew_future_close(f);
    }
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(a_submitted_task_is_run_again_as_often_as_was_said)
{
    crew_pool *pool = open_with_retries(2, 3);

    for (unsigned until = 1; until <= 6; until++) {
        struct last_words words = { until, SIGKILL, 0 };
        struct crew_failure failure;
        unsigned attempt = 0;
        crew_future *f;

        ck_assert_ok(crew_pool_submit(pool, &f, die_or_tell_attempt, &words, sizeof words, CREW_FOREVER));
        if (until <= 4) {
            ck_assert_ok(crew_future_result(f, &attempt, sizeof attempt, NULL, CREW_FOREVER));
            ck_assert_uint_eq(attempt, until);
        } else {
            ck_assert_error(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER), CREW_EWORKER);
            crew_future_failure(f, &failure);
            ck_assert_uint_eq(failure.attempts, 4);
        }
        crew_future_close(f);
    }
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(the_tasks_around_a_death_have_their_results)
{
    crew_pool *pool = open_with_retries(3, 0);
    crew_future *f[400];

    for (int i = 0; i < 400; i++) {
        struct last_words words = { i % 10 == 3 ? UINT32_MAX : 0, SIGKILL, 0 };

        ck_assert_ok(crew_pool_submit(pool, &f[i], die_or_tell_attempt, &words, sizeof words,
                                      CREW_FOREVER));
    }
    for (int i = 0; i < 400; i++) {
        unsigned attempt = 0;
        int r = crew_future_result(f[i], &attempt, sizeof attempt, NULL, CREW_FOREVER);

        ck_assert_int_eq(r, i % 10 == 3 ? CREW_EWORKER : 0);
        ck_assert_uint_eq(attempt, i % 10 == 3 ? 0 : 1);
        crew_future_close(f[i]);
    }
    close_pool(pool);
    ck_assert_uint_eq(watch_memory().blocks, 0);
    end_crew();
}
END_TEST

START_TEST(a_result_survives_its_worker)
{
    crew_pool *pool = open_with_retries(1, 0);
    unsigned char *sent = bytes_to_send(50000);
    unsigned char *back = malloc(50000);
    struct last_words words = { UINT32_MAX, SIGKILL, 0 };
    crew_future *result;
    crew_future *death;

    for (int n = 0; n < 20; n++) {
        ck_assert_ok(crew_pool_submit(pool, &result, echo, sent, 50000, CREW_FOREVER));
        ck_assert_ok(crew_pool_submit(pool, &death, die_or_tell_attempt, &words, sizeof words,
                                      CREW_FOREVER));
        ck_assert_error(crew_future_result(death, NULL, 0, NULL, CREW_FOREVER), CREW_EWORKER);
        ck_assert_ok(crew_future_result(result, back, 50000, NULL, CREW_FOREVER));
        ck_assert_int_eq(memcmp(back, sent, 50000), 0);
        crew_future_close(result);
        crew_future_close(death);
    }
    close_pool(pool);
    ck_assert_uint_eq(watch_memory().blocks, 0);
    free(sent);
    free(back);
    end_crew();
}
END_TEST

static int allocate_and_die(crew_task *t)
{
    void *block;

    for (size_t size = 10; size < 1000000; size *= 3)
        if (crew_memory_alloc(&block, size) < 0)
            return 1;
    raise(SIGKILL);
    return t->begin != 0;
}

START_TEST(blocks_of_a_dead_worker_are_free_again)
{
    crew_pool *pool = open_with_retries(2, 0);
    struct crew_memory_stats before = watch_memory();

    for (int n = 0; n < 30; n++)
        ck_assert_error(crew_pool_for(pool, allocate_and_die, 2, NULL, 0,
                                      &(struct crew_job_options){ .chunk = 1 }, CREW_FOREVER),
                        CREW_EWORKER);
    mark_all(pool, 10, 0, false);
    ck_assert_uint_le(watch_memory().blocks, before.blocks);
    close_pool(pool);
    ck_assert_uint_eq(watch_memory().blocks, 0);
    ck_assert_uint_lt(watch_memory().bought, 30 * (size_t)1000000);
    end_crew();
}
END_TEST

/* -- deadlines and workers that hang --------------------------------------------------------- */

static int hang_at_5(crew_task *t)
{
    *(unsigned char *)t->output = 1;
    while (t->begin == 5)
        pause();
    return 0;
}

START_TEST(a_deadline_ends_workers_that_hang)
{
    crew_pool *pool = open_with_retries(2, 1);
    unsigned char ran[10] = { 0 };

    for (int n = 0; n < 3; n++) {
        ck_assert_error(crew_pool_map(pool, hang_at_5, NULL, 0, ran, 1, 10, NULL, crew_in_ms(20)),
                        -ETIMEDOUT);
        mark_all(pool, 1, 1, false);
        mark_all(pool, 1001, 0, false);
    }
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(terminate_ends_workers_that_hang)
{
    struct holdings before = watch_holdings();
    struct door door = make_door();
    crew_pool *pool = open_with_retries(2, 0);
    crew_future *f[3];

    for (int i = 0; i < 3; i++)
        ck_assert_ok(crew_pool_submit(pool, &f[i], wait_at_door, &door, sizeof door, CREW_FOREVER));
    await_arrivals(&door, 2);
    crew_pool_terminate(pool);
    for (int i = 0; i < 3; i++) {
        ck_assert_error(crew_future_result(f[i], NULL, 0, NULL, CREW_NOW), CREW_ECANCELLED);
        crew_future_close(f[i]);
    }
    remove_door(&door);
    end_crew();
    ck_assert_held(before);
}
END_TEST

/* -- workers that can't be replaced ---------------------------------------------------------- */

static void *sit_in_thread(void *door)
{
    crew_task t = { .argument = door };

    wait_at_door(&t);
    return NULL;
}

START_TEST(beside_a_thread_the_dead_are_not_replaced_and_the_rest_goes_on)
{
    crew_pool *pool = open_with_retries(2, 0);
    struct last_words words = { UINT32_MAX, SIGKILL, 0 };
    struct door door = make_door();
    struct crew_pool_stats stats;
    pthread_t thread;
    crew_future *f;

    ck_assert_int_eq(pthread_create(&thread, NULL, sit_in_thread, &door), 0);
    await_arrivals(&door, 1);
    ck_assert_ok(crew_pool_submit(pool, &f, die_or_tell_attempt, &words, sizeof words, CREW_FOREVER));
    ck_assert_error(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER), CREW_EWORKER);
    crew_future_close(f);
    mark_all(pool, 1001, 0, false);
    mark_all(pool, 1001, 1, false);
    crew_pool_stats(pool, &stats);
    ck_assert_uint_eq(stats.alive, 1);
    ck_assert_uint_eq(stats.started, 2);

    let_through(&door, 1);
    pthread_join(thread, NULL);
    mark_all(pool, 1001, 0, false);
    crew_pool_stats(pool, &stats);
    ck_assert_uint_eq(stats.alive, 2); /* now it can be */
    close_pool(pool);
    remove_door(&door);
    end_crew();
}
END_TEST

START_TEST(when_the_last_worker_is_gone_every_call_says_so)
{
    crew_pool *pool = open_with_retries(2, 0);
    struct last_words words = { UINT32_MAX, SIGKILL, 0 };
    struct door door = make_door();
    pthread_t thread;
    crew_future *f[3];
    uint64_t x = 1;

    ck_assert_int_eq(pthread_create(&thread, NULL, sit_in_thread, &door), 0);
    await_arrivals(&door, 1);
    for (int i = 0; i < 2; i++) {
        ck_assert_ok(crew_pool_submit(pool, &f[i], die_or_tell_attempt, &words, sizeof words,
                                      CREW_FOREVER));
        ck_assert_error(crew_future_result(f[i], NULL, 0, NULL, CREW_FOREVER), CREW_EWORKER);
        crew_future_close(f[i]);
    }
    /* the supervisor has buried both when it says so */
    do
        x = 1;
    while (crew_pool_map(pool, square, &x, 8, &x, 8, 1, NULL, CREW_FOREVER) != CREW_ENOWORKER);
    ck_assert_error(crew_pool_submit(pool, &f[0], echo, "x", 1, CREW_FOREVER), CREW_ENOWORKER);
    let_through(&door, 1);
    pthread_join(thread, NULL);
    mark_all(pool, 11, 0, false);
    close_pool(pool);
    remove_door(&door);
    end_crew();
}
END_TEST

START_TEST(a_job_whose_last_worker_dies_ends)
{
    crew_pool *pool = open_with_retries(2, 0);
    struct door door = make_door();
    struct order *o = make_order(100);
    pthread_t thread;

    o->to = 100;
    ck_assert_int_eq(pthread_create(&thread, NULL, sit_in_thread, &door), 0);
    await_arrivals(&door, 1);
    ck_assert_error(crew_pool_for(pool, die_in_range, 100, &o, sizeof o,
                                  &(struct crew_job_options){ .chunk = 1 }, CREW_FOREVER),
                    CREW_ENOWORKER);
    let_through(&door, 1);
    pthread_join(thread, NULL);
    for (uint64_t n = 1; n < 5; n++)
        mark_all(pool, n, 1, false); /* nothing of it is left */
    free_order(o);
    close_pool(pool);
    remove_door(&door);
    end_crew();
}
END_TEST

static bool born_to_die;

static void die_at_birth(void)
{
    if (born_to_die)
        _exit(1);
}

START_TEST(workers_that_die_at_birth_are_given_up)
{
    struct holdings before = watch_holdings();
    struct crew_pool_stats stats;
    crew_pool *pool;
    uint64_t x = 1;
    crew_future *f;

    pthread_atfork(NULL, NULL, die_at_birth);
    born_to_die = true;
    pool = open_with_retries(2, 0);
    ck_assert_error(crew_pool_map(pool, square, &x, 8, &x, 8, 1, NULL, CREW_FOREVER), CREW_ENOWORKER);
    ck_assert_error(crew_pool_submit(pool, &f, echo, "x", 1, CREW_FOREVER), CREW_ENOWORKER);
    crew_pool_stats(pool, &stats);
    ck_assert_uint_lt(stats.started, 1000);
    close_pool(pool);
    end_crew();
    ck_assert_held(before);
}
END_TEST

START_TEST(a_task_that_waits_for_workers_that_die_at_birth_is_told)
{
    struct last_words words = { UINT32_MAX, SIGKILL, 0 };
    crew_pool *pool = open_with_retries(1, 14);
    crew_future *f;

    pthread_atfork(NULL, NULL, die_at_birth);
    born_to_die = true;
    ck_assert_ok(crew_pool_submit(pool, &f, die_or_tell_attempt, &words, sizeof words, CREW_FOREVER));
    ck_assert_error(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER), CREW_ENOWORKER);
    crew_pool_terminate(pool);
    ck_assert_error(crew_future_result(f, NULL, 0, NULL, CREW_NOW), CREW_ECANCELLED);
    crew_future_close(f);
    end_crew();
}
END_TEST

/* -- limits and other processes -------------------------------------------------------------- */

START_TEST(without_descriptors_a_pool_is_refused_and_leaves_nothing)
{
    struct rlimit old;
    bool opened = false;

    getrlimit(RLIMIT_NOFILE, &old);
    for (unsigned spare = 0; spare < 20 && !opened; spare++) {
        struct holdings before = watch_holdings();
        struct rlimit limit = old;
        crew_pool *pool;
        int r;

        limit.rlim_cur = watch_entries("/proc/self/fd") - 1 + spare;
        setrlimit(RLIMIT_NOFILE, &limit);
        r = crew_pool_open(&pool, &(struct crew_pool_options){ .workers = 5 });
        setrlimit(RLIMIT_NOFILE, &old);
        opened = r == 0;
        if (opened)
            close_pool(pool);
        else
            ck_assert_error(r, -EMFILE);
        ck_assert_uint_eq(watch_children(getpid(), NULL, 0), 0);
        end_crew();
        ck_assert_held(before);
    }
    ck_assert(opened);
}
END_TEST

START_TEST(at_the_limit_of_processes_a_pool_is_refused_and_leaves_nothing)
{
    const struct rlimit limit = { 4, 4 };
    struct holdings before;
    crew_pool *pool;

    if (getuid() == 0 && (setgid(54322) < 0 || setuid(54322) < 0))
        return; /* the limit binds nobody else */
    before = watch_holdings();
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &limit), 0);
    ck_assert_error(crew_pool_open(&pool, &(struct crew_pool_options){ .workers = 8 }), -EAGAIN);
    end_crew();
    ck_assert_held(before);
}
END_TEST

START_TEST(a_plain_child_cannot_use_the_pool_and_harms_nothing)
{
    crew_pool *pool = open_with_retries(2, 0);
    crew_future *f;
    int status;
    pid_t pid;

    ck_assert_ok(crew_pool_submit(pool, &f, echo, "hello", 6, CREW_FOREVER));
    pid = fork();
    if (pid == 0) {
        uint64_t x = 1;
        bool right = crew_pool_map(pool, square, &x, 8, &x, 8, 1, NULL, CREW_FOREVER) == CREW_EMISUSE &&
                     crew_pool_for(pool, square, 1, NULL, 0, NULL, CREW_FOREVER) == CREW_EMISUSE &&
                     crew_pool_submit(pool, NULL, echo, NULL, 0, CREW_FOREVER) == CREW_EMISUSE &&
                     crew_pool_close(pool, CREW_FOREVER) == CREW_EMISUSE;

        crew_pool_terminate(pool);
        _exit(right ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    mark_all(pool, 100, 0, false);
    ck_assert_ok(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER));
    crew_future_close(f);
    close_pool(pool);
    end_crew();
}
END_TEST

static int open_in_task(crew_task *t)
{
    crew_pool *pool;

    (void)t;
    return crew_pool_open(&pool, NULL) == CREW_ENESTED ? 0 : 1;
}

START_TEST(a_worker_cannot_open_a_pool_of_processes)
{
    crew_pool *pool = open_with_retries(1, 0);

    ck_assert_ok(crew_pool_for(pool, open_in_task, 1, NULL, 0, NULL, CREW_FOREVER));
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(beside_a_thread_no_pool_of_processes_opens)
{
    struct door door = make_door();
    crew_pool *pool;
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, sit_in_thread, &door), 0);
    await_arrivals(&door, 1);
    ck_assert_error(crew_pool_open(&pool, NULL), CREW_ETHREADS);
    let_through(&door, 1);
    pthread_join(thread, NULL);
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(two_hundred_pools_with_deaths_leave_nothing)
{
    struct holdings first = watch_holdings();
    struct holdings before;
    struct crew_memory_stats memory = { 0 };

    for (int i = 0; i < 200; i++) {
        crew_pool *pool = open_with_retries(2, 0);
        struct last_words words = { UINT32_MAX, SIGKILL, 0 };
        crew_future *f;

        ck_assert_ok(crew_pool_submit(pool, &f, die_or_tell_attempt, &words, sizeof words, CREW_FOREVER));
        ck_assert_error(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER), CREW_EWORKER);
        crew_future_close(f);
        close_pool(pool);
        if (i == 5) {
            before = watch_holdings();
            memory = watch_memory();
        }
    }
    ck_assert_held(before);
    ck_assert_uint_eq(watch_memory().used, memory.used);
    ck_assert_uint_eq(watch_memory().bought, memory.bought);
    end_crew();
    ck_assert_held(first);
}
END_TEST

/* -- somebody kills at random ---------------------------------------------------------------- */

START_TEST(random_kills_lose_and_double_nothing)
{
    crew_pool *pool = open_with_retries(3, 14);
    _Atomic unsigned char *mark = shared(300);
    unsigned seed = 12345;
    pid_t killer;

    killer = fork();
    if (killer == 0) {
        pid_t victims[16];

        for (int n = 0; n < 150; n++) {
            unsigned count = watch_children(getppid(), victims, 16);

            count = count < 16 ? count : 16;
            seed = seed * 1103515245 + 12345;
            if (count > 0 && victims[(seed >> 16) % count] != getpid())
                kill(victims[(seed >> 16) % count], SIGKILL);
        }
        _exit(0);
    }
    for (int n = 0; waitpid(killer, NULL, WNOHANG) == 0; n++) {
        crew_future *f[300];
        uint64_t sum = 0;
        int r;

        for (uint64_t i = 0; i < 300; i++)
            ck_assert_ok(crew_pool_submit(pool, &f[i], echo, &i, sizeof i, CREW_FOREVER));
        r = crew_pool_reduce(pool, count_up, add_counts, 100000, NULL, 0, &sum, sizeof sum, NULL,
                             CREW_FOREVER);
        ck_assert(r == 0 || r == CREW_EWORKER);
        if (r == 0)
            ck_assert_uint_eq(sum, UINT64_C(99999) * 100000 / 2);
        memset((void *)mark, 0, 300);
        for (uint64_t i = 0; i < 300; i++) {
            uint64_t back = 300;

            r = crew_future_result(f[i], &back, sizeof back, NULL, CREW_FOREVER);
            ck_assert(r == 0 ? back == i : r == CREW_EWORKER);
            crew_future_close(f[i]);
        }
    }
    mark_all(pool, 5000, 0, false);
    close_pool(pool);
    crew_memory_free((void *)mark);
    ck_assert_uint_eq(watch_memory().blocks, 0);
    end_crew();
}
END_TEST

UNIT_TESTS("pool_death", a_death_costs_its_own_task_only, a_map_keeps_what_was_not_computed,
           a_worker_that_exits_has_died, a_task_whose_worker_died_is_run_again, retries_have_an_end,
           an_adaptive_range_is_taken_apart_until_the_culprit_is_alone,
           every_task_may_kill_its_worker, a_leaf_that_is_run_again_begins_with_zeros,
           joining_that_is_run_again_begins_anew, a_reduce_that_loses_a_leaf_leaves_its_result_alone,
           the_death_of_a_submitted_tasks_worker_is_told,
           a_submitted_task_is_run_again_as_often_as_was_said,
           the_tasks_around_a_death_have_their_results, a_result_survives_its_worker,
           blocks_of_a_dead_worker_are_free_again, a_deadline_ends_workers_that_hang,
           terminate_ends_workers_that_hang,
           beside_a_thread_the_dead_are_not_replaced_and_the_rest_goes_on,
           when_the_last_worker_is_gone_every_call_says_so, a_job_whose_last_worker_dies_ends,
           workers_that_die_at_birth_are_given_up,
           a_task_that_waits_for_workers_that_die_at_birth_is_told,
           without_descriptors_a_pool_is_refused_and_leaves_nothing,
           at_the_limit_of_processes_a_pool_is_refused_and_leaves_nothing,
           a_plain_child_cannot_use_the_pool_and_harms_nothing,
           a_worker_cannot_open_a_pool_of_processes, beside_a_thread_no_pool_of_processes_opens,
           two_hundred_pools_with_deaths_leave_nothing, random_kills_lose_and_double_nothing)
