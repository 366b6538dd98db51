/* pipe_threads_test.c - pipes between the threads of one process, where ThreadSanitizer sees all of it.
 *
 * Description: if one of these failed, two could touch a message, or what it lies in, at once. */
#include "unit.h"

#include <crew.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

enum { TRIPS = 5000, WRITERS = 2, EACH = 500, LONG = 3000 };

struct way {
    crew_connection *c;
    unsigned who;
};

static void *echo(void *context)
{
    crew_connection *c = context;
    uint64_t value;

    for (unsigned i = 0; i < TRIPS; i++) {
        ck_assert_ok(crew_connection_recv_into(c, &value, sizeof value, NULL, CREW_FOREVER));
        ck_assert_ok(crew_connection_send(c, &value, sizeof value, CREW_FOREVER));
    }
    return NULL;
}

START_TEST(messages_go_there_and_back)
{
    crew_connection *a, *b;
    pthread_t t;

    ck_assert_ok(crew_pipe_open(&a, &b, NULL));
    ck_assert_int_eq(pthread_create(&t, NULL, echo, b), 0);
    for (uint64_t i = 0; i < TRIPS; i++) {
        uint64_t value = 0;

        ck_assert_ok(crew_connection_send(a, &i, sizeof i, CREW_FOREVER));
        ck_assert_ok(crew_connection_recv_into(a, &value, sizeof value, NULL, CREW_FOREVER));
        ck_assert(value == i);
    }
    pthread_join(t, NULL);
    crew_connection_close(a);
    crew_connection_close(b);
}
END_TEST

static void *send_many(void *context)
{
    const struct way *w = context;
    unsigned char bytes[LONG];

    for (unsigned i = 0; i < EACH; i++) {
        memset(bytes, (int)w->who, sizeof bytes);
        ck_assert_ok(crew_connection_send(w->c, bytes, i % 2 ? 50 : sizeof bytes, CREW_FOREVER));
    }
    return NULL;
}

static void *recv_half(void *context)
{
    const struct way *w = context;

    for (unsigned i = 0; i < EACH; i++) {
        unsigned char *m;
        void *message;
        size_t size;

        ck_assert_ok(crew_connection_recv(w->c, &message, &size, CREW_FOREVER));
        m = message;
        ck_assert(size == 50 || size == LONG);
        ck_assert(memcmp(m, m + 1, size - 1) == 0);
        crew_memory_free(message);
    }
    return NULL;
}

START_TEST(many_send_and_many_receive)
{
    struct way in[WRITERS], out[WRITERS];
    pthread_t t[2 * WRITERS];
    crew_connection *a, *b;

    ck_assert_ok(crew_pipe_open(&a, &b, &(struct crew_pipe_options){ .one_way = true, .capacity = 8 }));
    for (unsigned i = 0; i < WRITERS; i++) {
        in[i] = (struct way){ b, i };
        out[i] = (struct way){ a, i };
        ck_assert_int_eq(pthread_create(&t[2 * i], NULL, send_many, &in[i]), 0);
        ck_assert_int_eq(pthread_create(&t[2 * i + 1], NULL, recv_half, &out[i]), 0);
    }
    for (unsigned i = 0; i < 2 * WRITERS; i++)
        pthread_join(t[i], NULL);
    crew_connection_close(b);
    ck_assert_error(crew_connection_poll(a, CREW_NOW), 0);
    crew_connection_close(a);
}
END_TEST

static void *send_descriptors(void *context)
{
    const struct way *w = context;
    int fd = STDERR_FILENO;

    for (unsigned i = 0; i < EACH; i++)
        ck_assert_ok(crew_connection_send_descriptors(w->c, &i, sizeof i, &fd, i % 2, CREW_FOREVER));
    return NULL;
}

START_TEST(descriptors_keep_to_their_messages)
{
    crew_connection *a, *b;
    pthread_t t[WRITERS];
    struct way w;

    ck_assert_ok(crew_pipe_open(&a, &b, NULL));
    w.c = b;
    for (unsigned i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, send_descriptors, &w), 0);
    for (unsigned i = 0; i < WRITERS * EACH; i++) {
        unsigned value, count;
        int fd;

        ck_assert_ok(crew_connection_recv_descriptors(a, &value, sizeof value, NULL, &fd, 1, &count,
                                                      CREW_FOREVER));
        ck_assert_uint_eq(count, value % 2);
        if (count)
            close(fd);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(t[i], NULL);
    crew_connection_close(a);
    crew_connection_close(b);
}
END_TEST

START_TEST(an_event_loop_gets_them_all)
{
    crew_connection *a, *b;
    unsigned got = 0;
    struct way w;
    pthread_t t;

    ck_assert_ok(crew_pipe_open(&a, &b, NULL));
    w = (struct way){ b, 1 };
    ck_assert_int_eq(pthread_create(&t, NULL, send_many, &w), 0);
    while (got < EACH) {
        struct pollfd p = { .fd = crew_connection_descriptor(a), .events = POLLIN };
        unsigned char m[LONG];
        int r;

        ck_assert_int_eq(poll(&p, 1, -1), 1);
        r = crew_connection_recv_into(a, m, sizeof m, NULL, CREW_NOW); /* one at a time */
        if (r == 0)
            got++;
        else
            ck_assert_error(r, -EAGAIN);
    }
    pthread_join(t, NULL);
    crew_connection_close(a);
    crew_connection_close(b);
}
END_TEST

UNIT_TESTS("pipe_threads", messages_go_there_and_back, many_send_and_many_receive,
           descriptors_keep_to_their_messages, an_event_loop_gets_them_all)
