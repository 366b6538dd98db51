/* queue_threads_test.c - Description: if one of these failed, threads that share a queue would lose a message, get
 * one twice, or race. Also under ThreadSanitizer, so no process is started here. */
#include "unit.h"

#include <crew.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum { PRODUCERS = 3, CONSUMERS = 2, EACH = 5000, LONGEST = 300 };

static crew_queue *queue;
static _Atomic uint32_t seen[PRODUCERS * EACH], producers;

static size_t size_of(uint32_t value)
{
    return value % 50 ? 4 + value % 60 : LONGEST;
}

static void *produce(void *unused)
{
    unsigned char message[LONGEST] = { 0 };
    uint32_t who = atomic_fetch_add(&producers, 1);

    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t value = who * EACH + i;

        memcpy(message, &value, sizeof value);
        if (crew_queue_put(queue, message, size_of(value), CREW_FOREVER) != 0)
            return &queue;
    }
    return unused;
}

static void *consume(void *unused)
{
    unsigned char message[LONGEST];
    struct crew_lease lease;
    uint32_t value;
    size_t size;
    int r;

    while ((r = crew_queue_get_lease(queue, message, sizeof message, &size, &lease, CREW_FOREVER)) == 0) {
        memcpy(&value, message, sizeof value);
        if (value >= PRODUCERS * EACH || size != size_of(value))
            return &queue;
        atomic_fetch_add(&seen[value], 1);
        if (lease.ticket != 0 && crew_queue_task_done(queue, &lease) != 0)
            return &queue;
    }
    return r == CREW_ECLOSED ? unused : &queue;
}

static void all_at_once(bool lease)
{
    struct crew_queue_options options = { .capacity = 16, .lease = lease };
    pthread_t in[PRODUCERS], out[CONSUMERS];
    void *wrong;

    memset((void *)seen, 0, sizeof seen);
    producers = 0;
    ck_assert_ok(crew_queue_open(&queue, &options));
    for (unsigned i = 0; i < CONSUMERS; i++)
        ck_assert_int_eq(pthread_create(&out[i], NULL, consume, NULL), 0);
    for (unsigned i = 0; i < PRODUCERS; i++)
        ck_assert_int_eq(pthread_create(&in[i], NULL, produce, NULL), 0);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        ck_assert_int_eq(pthread_join(in[i], &wrong), 0);
        ck_assert_ptr_null(wrong);
    }
    ck_assert_ok(crew_queue_join(queue, CREW_FOREVER));
    crew_queue_shut(queue);
    for (unsigned i = 0; i < CONSUMERS; i++) {
        ck_assert_int_eq(pthread_join(out[i], &wrong), 0);
        ck_assert_ptr_null(wrong);
    }
    for (unsigned i = 0; i < PRODUCERS * EACH; i++)
        ck_assert_uint_eq(seen[i], 1);
    crew_queue_close(queue);
}

START_TEST(threads_put_and_get_each_message_once)
{
    all_at_once(false);
}
END_TEST

START_TEST(threads_put_and_get_each_message_once_with_leases)
{
    all_at_once(true);
}
END_TEST

UNIT_TESTS("queue_threads", threads_put_and_get_each_message_once,
           threads_put_and_get_each_message_once_with_leases)
