/* pool_workers.h - what a pool promises of the kinds that have workers of their own; after
 * pool_kinds.h. */
#ifndef POOL_WORKERS_H
#define POOL_WORKERS_H

#include "pool_kinds.h"

#include <pthread.h>

START_TEST(a_pool_with_workers_keeps_the_crew)
{
    crew_pool *pool = open_pool(2);

    ck_assert_error(crew_fini(), -EBUSY);
    mark_all(pool, 100, 0, false);
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(too_many_workers_are_refused)
{
    crew_pool *pool;

    ck_assert_error(crew_pool_open(&pool, &(struct crew_pool_options){ .kind = KIND, .workers = 1001 }),
                    -EINVAL);
    ck_assert_error(crew_pool_open(&pool, &(struct crew_pool_options){ .kind = KIND,
                                                                       .workers = UINT32_MAX }),
                    -EINVAL);
}
END_TEST

START_TEST(a_future_that_waits_keeps_its_deadline)
{
    struct door door = make_door();
    crew_pool *pool = open_pool(2);
    struct crew_failure failure = { .error = 5 };
    crew_future *f;

    ck_assert_ok(crew_pool_submit(pool, &f, wait_at_door, &door, sizeof door, CREW_FOREVER));
    await_arrivals(&door, 1);
    ck_assert(!crew_future_done(f));
    crew_future_failure(f, &failure);
    ck_assert_int_eq(failure.error, 0);
    ck_assert_error(crew_future_result(f, NULL, 0, NULL, CREW_NOW), -EAGAIN);
    ck_assert_error(crew_future_result(f, NULL, 0, NULL, 1), -ETIMEDOUT);
    ck_assert_error(crew_future_result(f, NULL, 0, NULL, crew_in_ms(5)), -ETIMEDOUT);
    let_through(&door, 1);
    ck_assert_ok(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER));
    crew_future_close(f);
    close_pool(pool);
    remove_door(&door);
    end_crew();
}
END_TEST

START_TEST(a_full_board_keeps_the_deadline_of_submit)
{
    struct door door = make_door();
    crew_future *f[5];
    crew_pool *pool;

    ck_assert_ok(crew_pool_open(&pool, &(struct crew_pool_options){ .kind = KIND, .workers = 1,
                                                                    .backlog = 4 }));
    for (int i = 0; i < 4; i++)
        ck_assert_ok(crew_pool_submit(pool, &f[i], wait_at_door, &door, sizeof door, CREW_NOW));
    ck_assert_error(crew_pool_submit(pool, &f[4], echo, "x", 1, CREW_NOW), -EAGAIN);
    ck_assert_error(crew_pool_submit(pool, &f[4], echo, "x", 1, crew_in_ms(5)), -ETIMEDOUT);
    let_through(&door, 1);
    ck_assert_ok(crew_pool_submit(pool, &f[4], echo, "x", 1, CREW_FOREVER));
    let_through(&door, 3);
    for (int i = 0; i < 5; i++) {
        ck_assert_ok(crew_future_result(f[i], NULL, 0, NULL, CREW_FOREVER));
        crew_future_close(f[i]);
    }
    close_pool(pool);
    remove_door(&door);
    end_crew();
}
END_TEST

START_TEST(close_that_cannot_wait_leaves_the_pool_open)
{
    struct door door = make_door();
    crew_pool *pool = open_pool(2);
    crew_future *f;

    ck_assert_ok(crew_pool_submit(pool, &f, wait_at_door, &door, sizeof door, CREW_FOREVER));
    ck_assert_error(crew_pool_close(pool, CREW_NOW), -EAGAIN);
    ck_assert_error(crew_pool_close(pool, crew_in_ms(5)), -ETIMEDOUT);
    mark_all(pool, KIND == CREW_THREADS ? 1 : 0, 1, false); /* it is still of use */
    let_through(&door, 1);
    ck_assert_ok(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER));
    crew_future_close(f);
    close_pool(pool);
    remove_door(&door);
    end_crew();
}
END_TEST

START_TEST(close_waits_for_what_was_submitted)
{
    struct door door = make_door();
    crew_pool *pool = open_pool(2);
    crew_future *f[20];

    for (int i = 0; i < 20; i++)
        ck_assert_ok(crew_pool_submit(pool, &f[i], wait_at_door, &door, sizeof door, CREW_FOREVER));
    let_through(&door, 20);
    close_pool(pool);
    for (int i = 0; i < 20; i++) {
        ck_assert_ok(crew_future_result(f[i], NULL, 0, NULL, CREW_NOW));
        crew_future_close(f[i]);
    }
    remove_door(&door);
    end_crew();
}
END_TEST

/* A thread that opens the door for all. */
static void *open_door(void *door)
{
    let_through(door, 20);
    return NULL;
}

START_TEST(terminate_cancels_what_has_not_begun)
{
    struct door door = make_door();
    struct crew_failure failure;
    crew_future *f[20];
    crew_pool *pool;
    pthread_t thread;

    ck_assert_ok(crew_pool_open(&pool, &(struct crew_pool_options){ .kind = KIND, .workers = 1 }));
    for (int i = 0; i < 20; i++)
        ck_assert_ok(crew_pool_submit(pool, &f[i], wait_at_door, &door, sizeof door, CREW_FOREVER));
    await_arrivals(&door, 1);
    if (KIND == CREW_THREADS) /* they are waited for */
        ck_assert_int_eq(pthread_create(&thread, NULL, open_door, &door), 0);
    crew_pool_terminate(pool);
    if (KIND == CREW_THREADS)
        pthread_join(thread, NULL);
    for (int i = 1; i < 20; i++) {
        int r;

        ck_assert(crew_future_done(f[i]));
        r = crew_future_result(f[i], NULL, 0, NULL, CREW_NOW);
        crew_future_failure(f[i], &failure);
        ck_assert_int_eq(failure.error, r);
        /* the door may open before the pool ends: then a thread finishes what it begins */
        if (KIND != CREW_THREADS || r != 0)
            ck_assert_int_eq(r, CREW_ECANCELLED);
        crew_future_close(f[i]);
    }
    ck_assert(crew_future_done(f[0])); /* begun: as the kind has it */
    crew_future_close(f[0]);
    remove_door(&door);
    end_crew();
}
END_TEST

struct asker {
    crew_future *future;
    int value;
    bool right;
};

static void *ask(void *context)
{
    struct asker *a = context;
    int back = -1;

    a->right = crew_future_result(a->future, &back, sizeof back, NULL, CREW_FOREVER) == 0 &&
               back == a->value;
    return NULL;
}

static int echo_behind_door(crew_task *t)
{
    struct {
        struct door door;
        int value;
    } in;
    crew_task wait = *t;

    memcpy(&in, t->argument, sizeof in);
    wait.argument = &in.door;
    return wait_at_door(&wait) ? 1 : crew_task_result(t, &in.value, sizeof in.value);
}

START_TEST(threads_may_ask_one_future_at_once)
{
    struct {
        struct door door;
        int value;
    } in = { make_door(), 77 };
    crew_pool *pool = open_pool(2);
    struct asker asker[4];
    pthread_t thread[4];
    crew_future *f;

    ck_assert_ok(crew_pool_submit(pool, &f, echo_behind_door, &in, sizeof in, CREW_FOREVER));
    await_arrivals(&in.door, 1);
    for (int i = 0; i < 4; i++) {
        asker[i] = (struct asker){ .future = f, .value = 77 };
        ck_assert_int_eq(pthread_create(&thread[i], NULL, ask, &asker[i]), 0);
    }
    let_through(&in.door, 1);
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        ck_assert(asker[i].right);
    }
    crew_future_close(f);
    close_pool(pool);
    remove_door(&in.door);
    end_crew();
}
END_TEST

struct client {
    crew_pool *pool;
    int number;
    unsigned wrong;
};

static void *be_a_client(void *context)
{
    struct client *c = context;
    uint64_t x[40];
    uint64_t y[40];

    for (int n = 0; n < 60; n++) {
        int sent = c->number * 1000 + n;
        int back = -1;
        crew_future *f;

        if (crew_pool_submit(c->pool, &f, echo, &sent, sizeof sent, CREW_FOREVER) < 0) {
            c->wrong++;
            continue;
        }
        fill_up(x, 40);
        memset(y, 0, sizeof y);
        c->wrong += crew_pool_map(c->pool, square, x, 8, y, 8, 40, NULL, CREW_FOREVER) != 0;
        for (uint64_t i = 0; i < 40; i++)
            c->wrong += y[i] != x[i] * x[i] + 1;
        c->wrong += crew_future_result(f, &back, sizeof back, NULL, CREW_FOREVER) != 0 || back != sent;
        crew_future_close(f);
    }
    return NULL;
}

START_TEST(threads_use_one_pool_at_once)
{
    crew_pool *pool = open_pool(2);
    struct client client[4];
    pthread_t thread[4];

    for (int i = 0; i < 4; i++) {
        client[i] = (struct client){ .pool = pool, .number = i };
        ck_assert_int_eq(pthread_create(&thread[i], NULL, be_a_client, &client[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        ck_assert_uint_eq(client[i].wrong, 0);
    }
    close_pool(pool);
    end_crew();
}
END_TEST

struct beside {
    crew_pool *pool;
    struct door *door;
    int result;
};

static void *run_for(void *context)
{
    struct beside *b = context;

    b->result = crew_pool_for(b->pool, wait_at_door, 1, b->door, sizeof *b->door, NULL, CREW_FOREVER);
    return NULL;
}

START_TEST(a_submitted_task_runs_beside_a_job)
{
    struct door door = make_door();
    /* with a working caller, one more, for two others are needed */
    crew_pool *pool = open_pool(CALLER_WORKS ? 3 : 2);
    struct beside b = { .pool = pool, .door = &door };
    pthread_t thread;
    crew_future *f;
    int r;

    ck_assert_int_eq(pthread_create(&thread, NULL, run_for, &b), 0);
    await_arrivals(&door, 1);
    ck_assert_ok(crew_pool_submit(pool, &f, echo, "x", 1, CREW_FOREVER));
    /* it ends while the job waits: far sooner than this */
    r = crew_future_result(f, NULL, 0, NULL, crew_in_ms(5000));
    let_through(&door, 1);
    pthread_join(thread, NULL);
    ck_assert_ok(b.result);
    ck_assert_ok(r);
    crew_future_close(f);
    close_pool(pool);
    remove_door(&door);
    end_crew();
}
END_TEST

#define WORKER_TESTS                                                                          \
    a_pool_with_workers_keeps_the_crew, too_many_workers_are_refused,                         \
        a_future_that_waits_keeps_its_deadline, a_full_board_keeps_the_deadline_of_submit,    \
        close_that_cannot_wait_leaves_the_pool_open, close_waits_for_what_was_submitted,      \
        terminate_cancels_what_has_not_begun, threads_may_ask_one_future_at_once,             \
        threads_use_one_pool_at_once, a_submitted_task_runs_beside_a_job

#endif
