/* wait_test.c - Description: if one of these failed, who waits for the first of several things would miss
 * it, wait for ever, or hear of one that is not ready. */
#include "members.h"
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 200 }; /* more than the kernel waits for at once */

struct shared {
    crew_event event, second, start;
    crew_event many[MANY];
};

static struct shared *make_shared(void)
{
    void *block;
    struct shared *s;

    ck_assert_ok(crew_memory_alloc(&block, sizeof *s));
    s = memset(block, 0, sizeof *s);
    ck_assert_ok(crew_event_init(&s->event));
    ck_assert_ok(crew_event_init(&s->second));
    ck_assert_ok(crew_event_init(&s->start));
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_ok(crew_event_init(&s->many[i]));
    return s;
}

static int set_when_started(crew_task *task)
{
    struct shared *s = shared_of(task);

    if (crew_event_wait(&s->start, CREW_FOREVER) != 0)
        return 1;
    crew_event_set(&s->second);
    return 0;
}

static int set_last(crew_task *task)
{
    struct shared *s = shared_of(task);

    if (crew_event_wait(&s->start, CREW_FOREVER) != 0)
        return 1;
    crew_event_set(&s->many[MANY - 1]);
    return 0;
}

static int echo(crew_task *task)
{
    return crew_task_result(task, task->argument, task->argument_size);
}

static int wait_for_start(crew_task *task)
{
    return crew_event_wait(&((struct shared *)shared_of(task))->start, CREW_FOREVER);
}

/* -- one wait ------------------------------------------------------------------------------ */

START_TEST(what_is_ready_is_told_at_once)
{
    struct shared *s = make_shared();
    struct crew_wait list[] = { crew_wait_event(&s->event), crew_wait_event(&s->second) };

    ck_assert_error(crew_wait_any(list, 2, CREW_NOW), -EAGAIN);
    ck_assert_error(crew_wait_any(list, 2, crew_in_ms(1)), -ETIMEDOUT);
    crew_event_set(&s->second);
    ck_assert_ok(crew_wait_any(list, 2, CREW_FOREVER));
    ck_assert(!list[0].ready && list[1].ready);
    crew_event_set(&s->event);
    ck_assert_ok(crew_wait_any(list, 2, CREW_NOW));
    ck_assert(list[0].ready && list[1].ready);
    crew_event_clear(&s->event);
    ck_assert_ok(crew_wait_any(list, 2, CREW_NOW));
    ck_assert(!list[0].ready && list[1].ready);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    struct crew_wait none = crew_wait_descriptor(-1, POLLIN), closed = crew_wait_descriptor(900, POLLIN);
    crew_watch *watch;

    ck_assert_error(crew_wait_any(NULL, 1, CREW_NOW), -EINVAL);
    ck_assert_error(crew_wait_any(&none, 0, CREW_NOW), -EINVAL);
    ck_assert_error(crew_wait_any(&none, 1, CREW_NOW), -EINVAL);
    ck_assert_error(crew_wait_any(&closed, 1, CREW_FOREVER), -EINVAL);
    ck_assert_error(crew_watch_open(&watch, NULL, 1), -EINVAL);
    ck_assert_error(crew_watch_open(&watch, &none, 1), -EINVAL);
    ck_assert_error(crew_watch_open(&watch, &closed, 1), -EINVAL);
}
END_TEST

START_TEST(another_process_makes_one_of_them_ready)
{
    struct shared *s = make_shared();
    crew_process *p = start(set_when_started, s);
    struct crew_wait list[] = { crew_wait_event(&s->event), crew_wait_event(&s->second) };

    crew_event_set(&s->start);
    ck_assert_ok(crew_wait_any(list, 2, CREW_FOREVER));
    ck_assert(!list[0].ready && list[1].ready);
    ck_assert_int_eq(join(p).status, 0);
}
END_TEST

START_TEST(a_descriptor_and_an_event_are_waited_for_together)
{
    struct shared *s = make_shared();
    int pair[2];
    struct crew_wait list[2];
    crew_process *p;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    list[0] = crew_wait_event(&s->second);
    list[1] = crew_wait_descriptor(pair[0], POLLIN);
    ck_assert_error(crew_wait_any(list, 2, CREW_NOW), -EAGAIN);
    ck_assert_error(crew_wait_any(list, 2, crew_in_ms(1)), -ETIMEDOUT);
    ck_assert_int_eq(write(pair[1], "x", 1), 1);
    ck_assert_ok(crew_wait_any(list, 2, CREW_FOREVER));
    ck_assert(!list[0].ready && list[1].ready && list[1].revents == POLLIN);
    ck_assert_int_eq(read(pair[0], pair, 1), 1);
    p = start(set_when_started, s);
    crew_event_set(&s->start);
    ck_assert_ok(crew_wait_any(list, 2, CREW_FOREVER));
    ck_assert(list[0].ready && !list[1].ready);
    ck_assert_int_eq(join(p).status, 0);
}
END_TEST

START_TEST(more_than_the_kernel_waits_for_at_once)
{
    struct shared *s = make_shared();
    static struct crew_wait list[MANY];
    crew_process *p = start(set_last, s);

    for (unsigned i = 0; i < MANY; i++)
        list[i] = crew_wait_event(&s->many[i]);
    ck_assert_error(crew_wait_any(list, MANY, CREW_NOW), -EAGAIN);
    crew_event_set(&s->start);
    ck_assert_ok(crew_wait_any(list, MANY, CREW_FOREVER));
    ck_assert(list[MANY - 1].ready && !list[0].ready);
    ck_assert_int_eq(join(p).status, 0);
}
END_TEST

/* -- futures and processes ----------------------------------------------------------------- */

static void futures_of(enum crew_kind kind)
{
    struct crew_pool_options options = { .kind = kind, .workers = 2 };
    int value[2] = { 7, 8 }, back = 0;
    crew_future *f[2];
    struct crew_wait list[2];
    crew_pool *pool;

    ck_assert_ok(crew_pool_open(&pool, &options));
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_ok(crew_pool_submit(pool, &f[i], echo, &value[i], sizeof value[i], CREW_FOREVER));
        list[i] = crew_wait_future(f[i]);
    }
    ck_assert_ok(crew_wait_any(&list[1], 1, CREW_FOREVER));
    ck_assert_ok(crew_future_result(f[1], &back, sizeof back, NULL, CREW_NOW));
    ck_assert_int_eq(back, 8);
    ck_assert_ok(crew_wait_any(list, 2, CREW_FOREVER));
    ck_assert(list[1].ready);
    ck_assert_ok(crew_future_result(f[0], &back, sizeof back, NULL, CREW_FOREVER));
    ck_assert_ok(crew_pool_close(pool, CREW_FOREVER));
    ck_assert_ok(crew_wait_any(list, 2, CREW_NOW));
    ck_assert(list[0].ready && list[1].ready);
    crew_future_close(f[0]);
    crew_future_close(f[1]);
}

START_TEST(futures_of_every_kind_are_waited_for)
{
    futures_of(CREW_SEQUENTIAL);
    futures_of(CREW_THREADS);
    futures_of(CREW_PROCESSES);
}
END_TEST

static int die(crew_task *task)
{
    (void)task;
    raise(SIGKILL);
    return 0;
}

START_TEST(a_task_whose_worker_dies_is_ready_and_the_pool_goes_on)
{
    struct crew_pool_options options = { .workers = 1 };
    int value = 9, back = 0;
    crew_future *f[2];
    struct crew_wait list[2];
    crew_pool *pool;

    ck_assert_ok(crew_pool_open(&pool, &options));
    ck_assert_ok(crew_pool_submit(pool, &f[0], die, NULL, 0, CREW_FOREVER));
    ck_assert_ok(crew_pool_submit(pool, &f[1], echo, &value, sizeof value, CREW_FOREVER));
    list[0] = crew_wait_future(f[0]);
    list[1] = crew_wait_future(f[1]);
    ck_assert_ok(crew_wait_any(list, 1, CREW_FOREVER));
    ck_assert_error(crew_future_result(f[0], NULL, 0, NULL, CREW_NOW), CREW_EWORKER);
    ck_assert_ok(crew_wait_any(&list[1], 1, CREW_FOREVER)); /* the wait itself replaces the worker */
    ck_assert_ok(crew_future_result(f[1], &back, sizeof back, NULL, CREW_NOW));
    ck_assert_int_eq(back, 9);
    crew_future_close(f[0]);
    crew_future_close(f[1]);
    ck_assert_ok(crew_pool_close(pool, CREW_FOREVER));
}
END_TEST

START_TEST(a_process_that_ends_or_is_killed_is_ready)
{
    struct shared *s = make_shared();
    crew_process *first = start(wait_for_start, s), *second = start(wait_for_start, s);
    struct crew_wait list[] = { crew_wait_process(first), crew_wait_process(second),
                                crew_wait_event(&s->event) };

    ck_assert_error(crew_wait_any(list, 3, CREW_NOW), -EAGAIN);
    ck_assert_ok(crew_process_kill(second));
    ck_assert_ok(crew_wait_any(list, 3, CREW_FOREVER));
    ck_assert(!list[0].ready && list[1].ready && !list[2].ready);
    crew_event_set(&s->start);
    ck_assert_ok(crew_wait_any(list, 1, CREW_FOREVER));
    ck_assert(list[0].ready);
    ck_assert_int_eq(join(first).status, 0);
    ck_assert_ok(crew_process_join(second, NULL, CREW_NOW));
    ck_assert_ok(crew_process_close(second));
}
END_TEST

/* -- in an event loop ---------------------------------------------------------------------- */

static int loop_turn(int loop)
{
    struct epoll_event event;

    return epoll_wait(loop, &event, 1, -1);
}

START_TEST(a_watch_tells_an_event_loop)
{
    struct shared *s = make_shared();
    struct epoll_event event = { .events = EPOLLIN };
    struct crew_wait list[2];
    int pair[2], loop = epoll_create1(EPOLL_CLOEXEC);
    crew_process *p = start(set_when_started, s);
    crew_watch *watch;
    char byte;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    list[0] = crew_wait_event(&s->second);
    list[1] = crew_wait_descriptor(pair[0], POLLIN);
    ck_assert_ok(crew_watch_open(&watch, list, 2));
    ck_assert_int_eq(epoll_ctl(loop, EPOLL_CTL_ADD, crew_watch_descriptor(watch), &event), 0);
    while (crew_watch_check(watch, list) == 0)
        ;
    crew_event_set(&s->start);
    while (crew_watch_check(watch, list) == -EAGAIN)
        ck_assert_int_eq(loop_turn(loop), 1);
    ck_assert(list[0].ready && !list[1].ready);
    ck_assert_int_eq(join(p).status, 0);

    crew_event_clear(&s->second);
    while (crew_watch_check(watch, list) == 0)
        ;
    ck_assert_int_eq(write(pair[1], "x", 1), 1);
    while (crew_watch_check(watch, list) == -EAGAIN)
        ck_assert_int_eq(loop_turn(loop), 1);
    ck_assert(!list[0].ready && list[1].ready);
    ck_assert_int_eq(read(pair[0], &byte, 1), 1);
    crew_watch_close(watch);
    close(loop);
}
END_TEST

START_TEST(a_watch_hears_of_futures_one_by_one)
{
    struct crew_pool_options options = { .workers = 2 };
    crew_future *f[8];
    struct crew_wait list[8];
    bool seen[8] = { false };
    unsigned left = 8;
    crew_watch *watch;
    crew_pool *pool;

    ck_assert_ok(crew_pool_open(&pool, &options));
    for (unsigned i = 0; i < 8; i++) {
        ck_assert_ok(crew_pool_submit(pool, &f[i], echo, &i, sizeof i, CREW_FOREVER));
        list[i] = crew_wait_future(f[i]);
    }
    ck_assert_ok(crew_watch_open(&watch, list, 8));
    while (left > 0) {
        struct pollfd polled = { .fd = crew_watch_descriptor(watch), .events = POLLIN };
        int r = crew_watch_check(watch, list);

        for (unsigned i = 0; i < 8; i++) {
            left -= list[i].ready && !seen[i];
            seen[i] |= list[i].ready;
        }
        if (r == -EAGAIN)
            ck_assert_int_eq(poll(&polled, 1, -1), 1);
    }
    crew_watch_close(watch);
    for (unsigned i = 0; i < 8; i++)
        crew_future_close(f[i]);
    ck_assert_ok(crew_pool_close(pool, CREW_FOREVER));
}
END_TEST

START_TEST(nothing_is_left_behind)
{
    struct shared *s = make_shared();
    struct crew_wait list[] = { crew_wait_event(&s->event), crew_wait_descriptor(STDERR_FILENO, POLLPRI) };
    struct holdings before = watch_holdings();
    crew_watch *watch;

    for (unsigned i = 0; i < 100; i++) {
        ck_assert_error(crew_wait_any(list, 2, crew_in_ms(0)), -EAGAIN);
        ck_assert_ok(crew_watch_open(&watch, list, 1));
        ck_assert_error(crew_watch_check(watch, NULL), -EAGAIN);
        crew_watch_close(watch);
    }
    ck_assert_held(before);
}
END_TEST

UNIT_TESTS("wait", what_is_ready_is_told_at_once, nonsense_is_refused,
           another_process_makes_one_of_them_ready, a_descriptor_and_an_event_are_waited_for_together,
           more_than_the_kernel_waits_for_at_once, futures_of_every_kind_are_waited_for,
           a_task_whose_worker_dies_is_ready_and_the_pool_goes_on,
           a_process_that_ends_or_is_killed_is_ready, a_watch_tells_an_event_loop,
           a_watch_hears_of_futures_one_by_one, nothing_is_left_behind)
