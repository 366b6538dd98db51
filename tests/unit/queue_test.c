/* queue_test.c - Description: if one of these failed, a message could be lost, changed, delivered twice or out
 * of order, or somebody could wait at a queue for ever. */
#include "members.h"
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PRODUCERS = 3, CONSUMERS = 2, EACH = 20000, LONGEST = 100000 };

struct shared {
    crew_queue queue;
    crew_latch ready;
    _Atomic uint32_t seen[PRODUCERS * EACH];
    _Atomic uint32_t producers; /* how many have begun */
};

static struct shared *make_shared(const struct crew_queue_options *options)
{
    void *block;
    struct shared *s;

    ck_assert_ok(crew_memory_alloc(&block, sizeof *s));
    s = memset(block, 0, sizeof *s);
    ck_assert_ok(crew_queue_init(&s->queue, options));
    ck_assert_ok(crew_latch_init(&s->ready, 1));
    return s;
}

static crew_queue *make_queue(const struct crew_queue_options *options)
{
    crew_queue *queue;

    ck_assert_ok(crew_queue_open(&queue, options));
    return queue;
}

static int get_int(crew_queue *queue, crew_time deadline)
{
    int value = -1;
    size_t size = 0;

    ck_assert_ok(crew_queue_get(queue, &value, sizeof value, &size, deadline));
    ck_assert_uint_eq(size, sizeof value);
    return value;
}

static void put_int(crew_queue *queue, int value)
{
    ck_assert_ok(crew_queue_put(queue, &value, sizeof value, CREW_FOREVER));
}

/* -- by itself ----------------------------------------------------------------------------- */

START_TEST(messages_come_out_as_they_went_in)
{
    crew_queue *queue = make_queue(&(struct crew_queue_options){ .capacity = 3 });
    int value;

    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 3; i++)
            put_int(queue, 10 * round + i);
        ck_assert_error(crew_queue_put(queue, &round, sizeof round, CREW_NOW), -EAGAIN);
        ck_assert_error(crew_queue_put(queue, &round, sizeof round, crew_in_ms(1)), -ETIMEDOUT);
        ck_assert_uint_eq(crew_queue_size(queue), 3);
        ck_assert_ok(crew_queue_peek(queue, &value, sizeof value, NULL));
        ck_assert_int_eq(value, 10 * round);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(get_int(queue, CREW_NOW), 10 * round + i);
        ck_assert_error(crew_queue_get(queue, &value, sizeof value, NULL, CREW_NOW), -EAGAIN);
        ck_assert_error(crew_queue_get(queue, &value, sizeof value, NULL, crew_in_ms(1)), -ETIMEDOUT);
        ck_assert_error(crew_queue_peek(queue, &value, sizeof value, NULL), -EAGAIN);
        ck_assert_uint_eq(crew_queue_size(queue), 0);
    }
    crew_queue_close(queue);
}
END_TEST

START_TEST(a_message_may_be_of_any_size)
{
    static const size_t sizes[] = { 0, 1, 7, 8, 9, 55, 56, 57, 64, 4096, 65536, 65537, LONGEST };
    static unsigned char out[LONGEST], in[LONGEST];
    crew_queue *queue = make_queue(NULL);
    size_t size;

    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t b = 0; b < sizes[i]; b++)
            out[b] = (unsigned char)(b * 7 + i);
        ck_assert_ok(crew_queue_put(queue, out, sizes[i], CREW_NOW));
        if (sizes[i] > 0) {
            ck_assert_error(crew_queue_get(queue, in, sizes[i] - 1, &size, CREW_NOW), -EMSGSIZE);
            ck_assert_uint_eq(size, sizes[i]);
        }
        ck_assert_ok(crew_queue_get(queue, in, sizeof in, &size, CREW_NOW));
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert_int_eq(memcmp(in, out, sizes[i]), 0);
    }
    crew_queue_close(queue);
}
END_TEST

START_TEST(a_block_is_handed_over_without_a_copy)
{
    crew_queue *queue = make_queue(NULL);
    struct crew_memory_stats before = watch_memory();
    void *block, *got;
    size_t size = 0;

    ck_assert_ok(crew_memory_alloc(&block, 5000));
    memset(block, 42, 5000);
    ck_assert_ok(crew_queue_put_block(queue, block, 5000, CREW_NOW));
    ck_assert_ok(crew_queue_get_block(queue, &got, &size, CREW_NOW));
    ck_assert_ptr_eq(got, block);
    ck_assert_uint_eq(size, 5000);
    crew_memory_free(got);
    put_int(queue, 7);
    ck_assert_ok(crew_queue_get_block(queue, &got, &size, CREW_NOW));
    ck_assert_uint_eq(size, sizeof(int));
    ck_assert_int_eq(*(int *)got, 7);
    crew_memory_free(got);
    ck_assert_uint_eq(watch_memory().blocks, before.blocks);
    ck_assert_error(crew_queue_put_block(queue, &size, sizeof size, CREW_NOW), -EINVAL);
    crew_queue_close(queue);
}
END_TEST

START_TEST(the_greatest_priority_is_first)
{
    crew_queue *queue = make_queue(&(struct crew_queue_options){ .priorities = 3 });

    for (int i = 0; i < 9; i++)
        ck_assert_ok(crew_queue_put_priority(queue, &i, sizeof i, (unsigned)i % 3, CREW_NOW));
    ck_assert_error(crew_queue_put_priority(queue, "", 0, 3, CREW_NOW), -EINVAL);
    for (int p = 2; p >= 0; p--)
        for (int i = p; i < 9; i += 3)
            ck_assert_int_eq(get_int(queue, CREW_NOW), i);
    crew_queue_close(queue);
}
END_TEST

START_TEST(many_go_in_and_out_at_once)
{
    crew_queue *queue = make_queue(&(struct crew_queue_options){ .capacity = 8 });
    int out[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }, in[10] = { 0 };
    size_t sizes[10], put = 0, got = 0;

    ck_assert_error(crew_queue_put_many(queue, out, sizeof out[0], 10, &put, CREW_NOW), -EAGAIN);
    ck_assert_uint_eq(put, 8);
    ck_assert_ok(crew_queue_get_many(queue, in, sizeof in[0], sizes, 3, &got, CREW_NOW));
    ck_assert_uint_eq(got, 3);
    ck_assert_ok(crew_queue_put_many(queue, out + 8, sizeof out[0], 2, &put, CREW_NOW));
    ck_assert_ok(crew_queue_get_many(queue, in + 3, sizeof in[0], sizes, 7, &got, CREW_NOW));
    ck_assert_uint_eq(got, 7);
    ck_assert_int_eq(memcmp(in, out, sizeof in), 0);
    ck_assert_error(crew_queue_get_many(queue, in, sizeof in[0], sizes, 7, &got, CREW_NOW), -EAGAIN);
    ck_assert_uint_eq(got, 0);
    crew_queue_close(queue);
}
END_TEST

START_TEST(a_queue_that_is_shut_is_emptied_first)
{
    crew_queue *queue = make_queue(NULL);
    struct crew_queue_stats stats;
    int value;

    put_int(queue, 1);
    crew_queue_shut(queue);
    ck_assert_error(crew_queue_put(queue, "", 0, CREW_FOREVER), CREW_ECLOSED);
    crew_queue_stats(queue, &stats);
    ck_assert(stats.closed && stats.messages == 1 && stats.capacity == 1024);
    ck_assert_int_eq(get_int(queue, CREW_FOREVER), 1);
    ck_assert_error(crew_queue_get(queue, &value, sizeof value, NULL, CREW_FOREVER), CREW_ECLOSED);
    ck_assert_ok(crew_queue_join(queue, CREW_FOREVER));
    crew_queue_close(queue);
}
END_TEST

START_TEST(nonsense_is_refused_and_nothing_is_left)
{
    struct crew_memory_stats before;
    crew_queue *queue;

    ck_assert_ok(crew_init(NULL));
    before = watch_memory();
    ck_assert_error(crew_queue_open(&queue, &(struct crew_queue_options){ .reserved[3] = 1 }), -EINVAL);
    ck_assert_error(crew_queue_open(&queue, &(struct crew_queue_options){ .capacity = SIZE_MAX }), -EINVAL);
    ck_assert_error(crew_queue_open(&queue, &(struct crew_queue_options){ .message_size = 65537 }), -EINVAL);
    ck_assert_error(crew_queue_open(&queue, &(struct crew_queue_options){ .priorities = 17 }), -EINVAL);
    ck_assert_error(crew_queue_open(&queue, &(struct crew_queue_options){ .lease = true, .leases = 65537 }),
                    -EINVAL);
    queue = make_queue(NULL);
    ck_assert_error(crew_queue_put(queue, "", SIZE_MAX, CREW_NOW), -ENOMEM);
    ck_assert_ok(crew_queue_put(queue, before.limit ? "x" : "", 1, CREW_NOW));
    crew_queue_close(queue);
    crew_queue_close(NULL);
    crew_queue_fini(NULL);
    ck_assert_uint_eq(watch_memory().blocks, before.blocks);
}
END_TEST

/* -- leases -------------------------------------------------------------------------------- */

START_TEST(a_lease_is_done_once)
{
    crew_queue *queue = make_queue(&(struct crew_queue_options){ .lease = true, .leases = 1 });
    struct crew_lease lease, other;
    struct crew_queue_stats stats;
    int value;

    put_int(queue, 1);
    put_int(queue, 2);
    ck_assert_error(crew_queue_get(queue, &value, sizeof value, NULL, CREW_NOW), -EINVAL);
    ck_assert_ok(crew_queue_get_lease(queue, &value, sizeof value, NULL, &lease, CREW_NOW));
    ck_assert(value == 1 && lease.attempt == 1);
    ck_assert_error(crew_queue_get_lease(queue, &value, sizeof value, NULL, &other, CREW_NOW), -EAGAIN);
    crew_queue_shut(queue); /* nothing more is put, but this is not the end: a message is left */
    ck_assert_error(crew_queue_get_lease(queue, &value, sizeof value, NULL, &other, CREW_NOW), -EAGAIN);
    crew_queue_stats(queue, &stats);
    ck_assert(stats.messages == 1 && stats.leased == 1);
    ck_assert_error(crew_queue_join(queue, CREW_NOW), -EAGAIN);
    ck_assert_ok(crew_queue_task_done(queue, &lease));
    ck_assert_error(crew_queue_task_done(queue, &lease), -ESRCH);
    ck_assert_ok(crew_queue_get_lease(queue, &value, sizeof value, NULL, &lease, CREW_NOW));
    ck_assert_int_eq(value, 2);
    ck_assert_ok(crew_queue_task_done(queue, &lease));
    ck_assert_ok(crew_queue_join(queue, CREW_NOW));
    crew_queue_close(queue);
}
END_TEST

static int get_and_die(crew_task *task)
{
    struct shared *s = shared_of(task);
    char text[100];
    struct crew_lease lease;

    if (crew_queue_get_lease(&s->queue, text, sizeof text, NULL, &lease, CREW_FOREVER) == 0)
        raise(SIGKILL);
    return 1;
}

START_TEST(what_a_dead_getter_had_comes_back_and_says_so)
{
    struct shared *s = make_shared(&(struct crew_queue_options){ .lease = true });
    char text[100] = "";
    struct crew_lease lease;
    struct crew_queue_stats stats;
    size_t size;

    ck_assert_ok(crew_queue_put(&s->queue, "one", 4, CREW_NOW));
    ck_assert_ok(crew_queue_put(&s->queue, "two", 4, CREW_NOW));
    for (int deaths = 0; deaths < 3; deaths++)
        ck_assert_int_eq(join(start(get_and_die, s)).signal, SIGKILL);
    ck_assert_ok(crew_queue_get_lease(&s->queue, text, sizeof text, &size, &lease, CREW_FOREVER));
    ck_assert_str_eq(text, "one");
    ck_assert_uint_eq(lease.attempt, 4);
    ck_assert_ok(crew_queue_task_done(&s->queue, &lease));
    ck_assert_ok(crew_queue_get_lease(&s->queue, text, sizeof text, &size, &lease, CREW_FOREVER));
    ck_assert_str_eq(text, "two");
    ck_assert_ok(crew_queue_task_done(&s->queue, &lease));
    crew_queue_stats(&s->queue, &stats);
    ck_assert_uint_eq(stats.returned, 3);
    ck_assert_ok(crew_queue_join(&s->queue, CREW_NOW));
}
END_TEST

/* -- between processes and threads --------------------------------------------------------- */

static int produce(crew_task *task)
{
    struct shared *s = shared_of(task);
    unsigned char message[300] = { 0 };
    uint32_t who = atomic_fetch_add(&s->producers, 1);

    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t value = who * EACH + i;

        memcpy(message, &value, sizeof value);
        if (crew_queue_put(&s->queue, message, value % 50 ? 4 + value % 60 : 300, CREW_FOREVER) != 0)
            return 1;
    }
    return 0;
}

static int consume(crew_task *task)
{
    struct shared *s = shared_of(task);
    unsigned char message[300];
    uint32_t last[PRODUCERS] = { 0 }, value;
    size_t size;
    int r;

    while ((r = crew_queue_get(&s->queue, message, sizeof message, &size, CREW_FOREVER)) == 0) {
        memcpy(&value, message, sizeof value);
        if (value >= PRODUCERS * EACH || size != (value % 50 ? 4 + value % 60 : 300))
            return 2;
        if (value % EACH + 1 <= last[value / EACH]) /* of each producer in order */
            return 3;
        last[value / EACH] = value % EACH + 1;
        atomic_fetch_add(&s->seen[value], 1);
    }
    return r == CREW_ECLOSED ? 0 : 4;
}

START_TEST(processes_put_and_get_each_message_once_and_in_order)
{
    struct shared *s = make_shared(&(struct crew_queue_options){ .capacity = 64 });
    crew_process *in[PRODUCERS], *out[CONSUMERS];

    for (unsigned i = 0; i < CONSUMERS; i++)
        out[i] = start(consume, s);
    for (unsigned i = 0; i < PRODUCERS; i++)
        in[i] = start(produce, s);
    for (unsigned i = 0; i < PRODUCERS; i++)
        ck_assert_int_eq(join(in[i]).status, 0);
    crew_queue_shut(&s->queue);
    for (unsigned i = 0; i < CONSUMERS; i++)
        ck_assert_int_eq(join(out[i]).status, 0);
    for (unsigned i = 0; i < PRODUCERS * EACH; i++)
        ck_assert_uint_eq(s->seen[i], 1);
    crew_queue_fini(&s->queue);
}
END_TEST

static int get_one(crew_task *task)
{
    struct shared *s = shared_of(task);
    int value = 0;

    crew_latch_count_down(&s->ready, 1);
    return crew_queue_get(&s->queue, &value, sizeof value, NULL, CREW_FOREVER) == 0 ? value : 100;
}

START_TEST(who_waits_gets_the_message_though_another_who_waits_dies)
{
    struct shared *s = make_shared(NULL);

    for (int round = 0; round < 20; round++) {
        crew_process *dies = start(get_one, s), *lives = start(get_one, s);

        ck_assert_ok(crew_process_kill(dies));
        ck_assert_int_eq(join(dies).signal, SIGKILL);
        put_int(&s->queue, 7);
        ck_assert_int_eq(join(lives).status, 7);
        ck_assert_uint_eq(crew_queue_size(&s->queue), 0);
    }
}
END_TEST

START_TEST(a_queue_is_waited_for_beside_others)
{
    crew_queue *first = make_queue(NULL), *second = make_queue(NULL);
    struct crew_wait list[] = { crew_wait_queue(first), crew_wait_queue(second) };

    ck_assert_error(crew_wait_any(list, 2, CREW_NOW), -EAGAIN);
    put_int(second, 1);
    ck_assert_ok(crew_wait_any(list, 2, CREW_FOREVER));
    ck_assert(!list[0].ready && list[1].ready);
    ck_assert_int_eq(get_int(second, CREW_NOW), 1);
    crew_queue_shut(first);
    ck_assert_ok(crew_wait_any(list, 2, CREW_FOREVER));
    ck_assert(list[0].ready && !list[1].ready);
    crew_queue_close(first);
    crew_queue_close(second);
}
END_TEST

static int put_later(crew_task *task)
{
    struct shared *s = shared_of(task);

    return crew_latch_wait(&s->ready, CREW_FOREVER) == 0
               ? crew_queue_put(&s->queue, "hello", 6, CREW_FOREVER) != 0
               : 1;
}

START_TEST(an_event_loop_hears_of_a_message)
{
    struct shared *s = make_shared(NULL);
    crew_process *p = start(put_later, s);
    struct crew_wait what = crew_wait_queue(&s->queue);
    struct pollfd polled = { .events = POLLIN };
    char text[10] = "";
    crew_watch *watch;

    ck_assert_ok(crew_watch_open(&watch, &what, 1));
    polled.fd = crew_watch_descriptor(watch);
    ck_assert_error(crew_watch_check(watch, NULL), -EAGAIN);
    ck_assert_ok(crew_latch_count_down(&s->ready, 1));
    while (crew_watch_check(watch, NULL) == -EAGAIN)
        ck_assert_int_eq(poll(&polled, 1, -1), 1);
    ck_assert_ok(crew_queue_get(&s->queue, text, sizeof text, NULL, CREW_NOW));
    ck_assert_str_eq(text, "hello");
    crew_watch_close(watch);
    ck_assert_int_eq(join(p).status, 0);
}
END_TEST

UNIT_TESTS("queue", messages_come_out_as_they_went_in, a_message_may_be_of_any_size,
           a_block_is_handed_over_without_a_copy, the_greatest_priority_is_first, many_go_in_and_out_at_once,
           a_queue_that_is_shut_is_emptied_first, nonsense_is_refused_and_nothing_is_left, a_lease_is_done_once,
           what_a_dead_getter_had_comes_back_and_says_so,
           processes_put_and_get_each_message_once_and_in_order,
           who_waits_gets_the_message_though_another_who_waits_dies, a_queue_is_waited_for_beside_others,
           an_event_loop_hears_of_a_message)
