/* stream_test.c - what is said over a connection between strangers.
 *
 * Description: if one of these failed, a message between programs could arrive in part, twice,
 * changed or not at all, and nobody would be told. */
#include "strangers.h"
#include "watch.h"

#include <fcntl.h>

#define MIB ((size_t)1 << 20)

/* Bytes that differ by place and by seed. */
static unsigned char *made(size_t size, unsigned seed)
{
    unsigned char *bytes = malloc(size + 1);

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)((i * 31 + (i >> 8) * 7 + seed) & 0xff);
    return bytes;
}

struct errand {
    crew_connection *c;
    unsigned seed;
    unsigned count;
};

static const size_t sizes[] = { 0, 1, 2, 63, 65535, 65536, 65537, 131072, 300000, 5 * MIB, 0, 7 };

static void *send_all(void *context)
{
    const struct errand *e = context;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *bytes = made(sizes[i], e->seed + (unsigned)i);

        ck_assert_ok(crew_connection_send(e->c, bytes, sizes[i], CREW_FOREVER));
        free(bytes);
    }
    return NULL;
}

static void recv_all(crew_connection *c, unsigned seed)
{
    unsigned char *buf = malloc(5 * MIB);

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *bytes = made(sizes[i], seed + (unsigned)i);
        void *message = buf;
        size_t size = 1;

        if (i % 2 == 0)
            ck_assert_ok(crew_connection_recv(c, &message, &size, CREW_FOREVER));
        else
            ck_assert_ok(crew_connection_recv_into(c, buf, 5 * MIB, &size, CREW_FOREVER));
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert(memcmp(message, bytes, size) == 0);
        if (i % 2 == 0)
            crew_memory_free(message);
        free(bytes);
    }
    free(buf);
}

static void any_size(bool tcp)
{
    struct pair p = open_pair(tcp);
    struct errand there = { p.theirs, 1, 0 }, back = { p.ours, 2, 0 };
    pthread_t t[2];

    ck_assert_int_eq(pthread_create(&t[0], NULL, send_all, &there), 0);
    ck_assert_int_eq(pthread_create(&t[1], NULL, send_all, &back), 0);
    recv_all(p.ours, 1);
    recv_all(p.theirs, 2);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    close_pair(&p);
    ck_assert_uint_eq(watch_memory().blocks, 0);
}

START_TEST(messages_have_any_size_over_a_path)
{
    any_size(false);
}
END_TEST

START_TEST(messages_have_any_size_over_tcp)
{
    if (tcp_is_there())
        any_size(true);
}
END_TEST

static void *send_marked(void *context)
{
    const struct errand *e = context;
    size_t size = 100000;
    unsigned char *bytes = malloc(size);

    for (unsigned i = 0; i < e->count; i++) {
        memset(bytes, (int)(e->seed * e->count + i), size);
        ck_assert_ok(crew_connection_send(e->c, bytes, size, CREW_FOREVER));
    }
    free(bytes);
    return NULL;
}

START_TEST(many_writers_never_mix_their_messages)
{
    enum { WRITERS = 3, EACH = 20 };
    struct pair p = open_pair(false);
    struct errand e[WRITERS];
    unsigned next[WRITERS] = { 0 };
    pthread_t t[WRITERS];

    for (unsigned i = 0; i < WRITERS; i++) {
        e[i] = (struct errand){ p.theirs, i, EACH };
        ck_assert_int_eq(pthread_create(&t[i], NULL, send_marked, &e[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS * EACH; i++) {
        unsigned char *m;
        void *message;
        size_t size;

        ck_assert_ok(crew_connection_recv(p.ours, &message, &size, CREW_FOREVER));
        m = message;
        ck_assert_uint_eq(size, 100000);
        ck_assert(memcmp(m, m + 1, size - 1) == 0); /* all the same */
        ck_assert_uint_eq(m[0] % EACH, next[m[0] / EACH]++);
        crew_memory_free(message);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(t[i], NULL);
    close_pair(&p);
}
END_TEST

START_TEST(a_deadline_ends_the_wait_for_a_message)
{
    struct pair p = open_pair(false);
    char buf[8];

    ck_assert_error(crew_connection_recv_into(p.ours, buf, sizeof buf, NULL, CREW_NOW), -EAGAIN);
    ck_assert_error(crew_connection_recv_into(p.ours, buf, sizeof buf, NULL, crew_in_ms(5)),
                    -ETIMEDOUT);
    ck_assert_error(crew_connection_poll(p.ours, CREW_NOW), -EAGAIN);
    ck_assert_error(crew_connection_poll(p.ours, crew_in_ms(5)), -ETIMEDOUT);
    ck_assert_ok(crew_connection_send(p.theirs, "x", 1, CREW_NOW));
    ck_assert_ok(crew_connection_poll(p.ours, CREW_NOW));
    ck_assert_ok(crew_connection_poll(p.ours, CREW_NOW));
    ck_assert_ok(crew_connection_recv_into(p.ours, buf, sizeof buf, NULL, CREW_NOW));
    ck_assert_error(crew_connection_poll(p.ours, CREW_NOW), -EAGAIN);
    close_pair(&p);
}
END_TEST

/* Sends numbered messages until there is no room; how many were accepted. */
static unsigned fill(crew_connection *c, unsigned char *bytes, size_t size)
{
    unsigned sent = 0;
    int r;

    while ((r = crew_connection_send(c, bytes, size, sent % 2 ? CREW_NOW : crew_in_ms(5))) == 0)
        memset(bytes, (int)++sent, size);
    ck_assert_error(r, sent % 2 ? -EAGAIN : -ETIMEDOUT);
    return sent;
}

/* What was not accepted is never there; and the connection goes on. */
static void what_is_late_never_comes(bool tcp, size_t size)
{
    struct pair p = open_pair(tcp);
    unsigned char *bytes = calloc(1, size), *buf = malloc(size);

    ck_assert_ok(crew_init(NULL));
    for (unsigned turn = 0; turn < 3; turn++) {
        unsigned sent;
        int r;

        memset(bytes, 0, size);
        sent = fill(p.theirs, bytes, size);
        for (unsigned i = 0; i < sent; i++) {
            size_t got;

            ck_assert_ok(crew_connection_recv_into(p.ours, buf, size, &got, CREW_FOREVER));
            ck_assert_uint_eq(got, size);
            ck_assert_uint_eq(buf[0], i & 0xff);
            ck_assert_uint_eq(buf[size - 1], i & 0xff);
        }
        r = crew_connection_recv_into(p.ours, buf, size, NULL, CREW_NOW);
        ck_assert_error(r, -EAGAIN);
        do { /* both sides go on until what was left over is through */
            r = crew_connection_send(p.theirs, "end", 3, CREW_NOW);
            if (r < 0)
                ck_assert_error(crew_connection_poll(p.ours, CREW_NOW), -EAGAIN);
        } while (r == -EAGAIN);
        ck_assert_ok(r);
        ck_assert_ok(crew_connection_recv_into(p.ours, buf, size, NULL, CREW_FOREVER));
        ck_assert(memcmp(buf, "end", 3) == 0);
    }
    free(bytes);
    free(buf);
    close_pair(&p);
    ck_assert_uint_eq(watch_memory().blocks, 0);
}

START_TEST(what_is_late_never_comes_over_a_path)
{
    what_is_late_never_comes(false, 3000);
    what_is_late_never_comes(false, 100000);
    what_is_late_never_comes(false, 5 * MIB);
}
END_TEST

START_TEST(what_is_late_never_comes_over_tcp)
{
    if (!tcp_is_there())
        return;
    what_is_late_never_comes(true, 100000);
    what_is_late_never_comes(true, 20 * MIB);
}
END_TEST

static void orderly_end(bool tcp)
{
    struct pair p = open_pair(tcp);
    char buf[8];

    ck_assert_ok(crew_connection_send(p.theirs, "one", 3, CREW_FOREVER));
    ck_assert_ok(crew_connection_send(p.theirs, "two", 3, CREW_FOREVER));
    ck_assert_ok(crew_connection_send(p.ours, "unread", 6, CREW_FOREVER));
    crew_connection_close(p.theirs);
    p.theirs = NULL;
    ck_assert_ok(crew_connection_recv_into(p.ours, buf, sizeof buf, NULL, CREW_FOREVER));
    ck_assert_ok(crew_connection_recv_into(p.ours, buf, sizeof buf, NULL, CREW_FOREVER));
    ck_assert(memcmp(buf, "two", 3) == 0);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_ok(crew_connection_poll(p.ours, CREW_FOREVER));
        ck_assert_error(crew_connection_recv_into(p.ours, buf, sizeof buf, NULL, CREW_FOREVER),
                        CREW_ECLOSED);
    }
    ck_assert_error(crew_connection_send(p.ours, "x", 1, CREW_FOREVER), CREW_ECLOSED);
    close_pair(&p);
}

START_TEST(who_closes_is_said_to_have_closed)
{
    orderly_end(false);
    if (tcp_is_there())
        orderly_end(true);
}
END_TEST

START_TEST(a_message_that_does_not_fit_stays)
{
    struct pair p = open_pair(false);
    size_t size = 0;
    char buf[8];

    ck_assert_ok(crew_connection_send(p.theirs, "12345", 5, CREW_FOREVER));
    ck_assert_error(crew_connection_recv_into(p.ours, buf, 4, &size, CREW_FOREVER), -EMSGSIZE);
    ck_assert_uint_eq(size, 5);
    ck_assert_ok(crew_connection_recv_into(p.ours, buf, 5, &size, CREW_NOW));
    close_pair(&p);
}
END_TEST

START_TEST(nobody_sends_more_than_the_other_takes)
{
    struct pair p = { 0 };
    char buf[200] = "";
    size_t size;

    make_folder();
    ck_assert_ok(
        crew_listener_open(&p.listener, door, &(struct crew_listener_options){ .limit = 100 }));
    connect_pair(&p, 120);
    ck_assert_error(crew_connection_send(p.theirs, buf, 101, CREW_FOREVER), -EMSGSIZE);
    ck_assert_ok(crew_connection_send(p.theirs, buf, 100, CREW_FOREVER));
    ck_assert_error(crew_connection_send(p.ours, buf, 121, CREW_FOREVER), -EMSGSIZE);
    ck_assert_ok(crew_connection_send(p.ours, buf, 120, CREW_FOREVER));
    ck_assert_ok(crew_connection_recv_into(p.theirs, buf, sizeof buf, &size, CREW_FOREVER));
    ck_assert_uint_eq(size, 120);
    close_pair(&p);
}
END_TEST

/* -- descriptors ------------------------------------------------------------------------------- */

START_TEST(descriptors_come_with_their_message)
{
    struct pair p = open_pair(false);
    unsigned count = 9;
    int ends[2], got[3];
    size_t size;
    char buf[8];

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_ok(crew_connection_send(p.theirs, "none", 4, CREW_FOREVER));
    ck_assert_ok(crew_connection_send_descriptors(p.theirs, "two", 3, ends, 2, CREW_FOREVER));
    ck_assert_ok(crew_connection_send_descriptors(p.theirs, NULL, 0, ends, 1, CREW_FOREVER));
    close(ends[1]);
    ck_assert_ok(crew_connection_recv_descriptors(p.ours, buf, sizeof buf, &size, got, 3, &count,
                                                  CREW_FOREVER));
    ck_assert_uint_eq(size, 4);
    ck_assert_uint_eq(count, 0);
    ck_assert_error(crew_connection_recv_descriptors(p.ours, buf, sizeof buf, &size, got, 1, &count,
                                                     CREW_FOREVER), -EMSGSIZE);
    ck_assert_uint_eq(count, 2);
    ck_assert_ok(crew_connection_recv_descriptors(p.ours, buf, sizeof buf, &size, got, 3, &count,
                                                  CREW_FOREVER));
    ck_assert_uint_eq(size, 3);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(fcntl(got[1], F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(write(got[1], "hello", 5), 5);
    ck_assert_int_eq(read(ends[0], buf, sizeof buf), 5);
    close(got[0]);
    close(got[1]);
    close(ends[0]);
    close_pair(&p); /* with one that nobody fetched */
}
END_TEST

/* A descriptor is still open somewhere if the other end of its pipe does not see the end. */
START_TEST(descriptors_that_nobody_wants_are_closed)
{
    struct pair p = open_pair(false);
    void *message;
    size_t size;
    int ends[2];
    char byte;

    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_ok(crew_connection_send_descriptors(p.theirs, "x", 1, &ends[1], 1, CREW_FOREVER));
    ck_assert_ok(crew_connection_send_descriptors(p.theirs, "y", 1, &ends[1], 1, CREW_FOREVER));
    close(ends[1]);
    ck_assert_ok(crew_connection_recv(p.ours, &message, &size, CREW_FOREVER));
    crew_memory_free(message);
    ck_assert_error(
        crew_connection_recv_descriptors(p.ours, &byte, 0, &size, NULL, 0, NULL, CREW_FOREVER),
        -EMSGSIZE);
    close_pair(&p);
    ck_assert_int_eq(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}
END_TEST

START_TEST(what_can_not_be_sent_along_is_told)
{
    struct pair p = open_pair(false);
    int fds[CREW_DESCRIPTORS_MOST + 1], got[CREW_DESCRIPTORS_MOST];
    unsigned count;
    char byte;

    for (unsigned i = 0; i <= CREW_DESCRIPTORS_MOST; i++)
        fds[i] = 0;
    ck_assert_error(crew_connection_send_descriptors(p.theirs, "x", 1, fds,
                                                     CREW_DESCRIPTORS_MOST + 1, CREW_FOREVER),
                    -EINVAL);
    fds[0] = -1;
    ck_assert_error(crew_connection_send_descriptors(p.theirs, "x", 1, fds, 1, CREW_FOREVER),
                    -EBADF);
    fds[0] = 0;
    ck_assert_ok(crew_connection_send_descriptors(p.theirs, "y", 1, fds, CREW_DESCRIPTORS_MOST,
                                                  CREW_FOREVER));
    ck_assert_ok(crew_connection_recv_descriptors(p.ours, &byte, 1, NULL, got,
                                                  CREW_DESCRIPTORS_MOST, &count, CREW_FOREVER));
    ck_assert_int_eq(byte, 'y');
    ck_assert_uint_eq(count, CREW_DESCRIPTORS_MOST);
    for (unsigned i = 0; i < count; i++)
        close(got[i]);
    close_pair(&p);
    if (tcp_is_there()) {
        p = open_pair(true);
        ck_assert_error(crew_connection_send_descriptors(p.theirs, "x", 1, fds, 1, CREW_FOREVER),
                        -ENOTSUP);
        close_pair(&p);
    }
}
END_TEST

/* -- waiting elsewhere ------------------------------------------------------------------------- */

static bool is_readable(crew_connection *c)
{
    struct pollfd p = { .fd = crew_connection_descriptor(c), .events = POLLIN };

    ck_assert_int_ge(p.fd, 0);
    return poll(&p, 1, 0) == 1;
}

START_TEST(a_descriptor_is_readable_while_there_is_something)
{
    struct pair p = open_pair(false);
    char buf[8];

    ck_assert(!is_readable(p.ours));
    ck_assert_ok(crew_connection_send(p.theirs, "123", 3, CREW_FOREVER));
    ck_assert(is_readable(p.ours));
    ck_assert_ok(crew_connection_poll(p.ours, CREW_NOW)); /* now it is out of the socket */
    ck_assert(is_readable(p.ours));
    ck_assert_error(crew_connection_recv_into(p.ours, buf, 1, NULL, CREW_NOW), -EMSGSIZE);
    ck_assert(is_readable(p.ours));
    ck_assert_ok(crew_connection_send(p.theirs, "4", 1, CREW_FOREVER));
    ck_assert_ok(crew_connection_recv_into(p.ours, buf, sizeof buf, NULL, CREW_NOW));
    ck_assert(is_readable(p.ours));
    ck_assert_ok(crew_connection_recv_into(p.ours, buf, sizeof buf, NULL, CREW_NOW));
    ck_assert(!is_readable(p.ours));
    crew_connection_close(p.theirs);
    p.theirs = NULL;
    ck_assert(is_readable(p.ours));
    ck_assert_error(crew_connection_recv_into(p.ours, buf, sizeof buf, NULL, CREW_NOW),
                    CREW_ECLOSED);
    ck_assert(is_readable(p.ours));
    close_pair(&p);
}
END_TEST

START_TEST(it_is_waited_for_beside_others)
{
    struct pair p = open_pair(false);
    struct crew_wait list[2];
    crew_event *event;
    char buf[8];

    ck_assert_ok(crew_event_open(&event));
    list[0] = crew_wait_event(event);
    list[1] = crew_wait_connection(p.ours);
    ck_assert_error(crew_wait_any(list, 2, CREW_NOW), -EAGAIN);
    ck_assert_ok(crew_connection_send(p.theirs, "x", 1, CREW_FOREVER));
    ck_assert_ok(crew_wait_any(list, 2, CREW_FOREVER));
    ck_assert(!list[0].ready);
    ck_assert(list[1].ready);
    ck_assert_ok(crew_connection_recv_into(p.ours, buf, sizeof buf, NULL, CREW_NOW));
    ck_assert_error(crew_wait_any(list, 2, CREW_NOW), -EAGAIN);
    crew_event_close(event);
    close_pair(&p);
}
END_TEST

START_TEST(nothing_is_left_behind)
{
    struct holdings before;
    struct pair p;
    int fd = 0;
    char buf[8];

    ck_assert_ok(crew_init(NULL));
    before = watch_holdings();
    for (unsigned tcp = 0; tcp <= tcp_is_there(); tcp++) {
        p = open_pair(tcp);
        ck_assert_int_ge(crew_connection_descriptor(p.ours), 0);
        ck_assert_int_ge(crew_listener_descriptor(p.listener), 0);
        ck_assert_ok(crew_connection_send(p.theirs, "x", 1, CREW_FOREVER));
        ck_assert_ok(crew_connection_recv_into(p.ours, buf, sizeof buf, NULL, CREW_FOREVER));
        ck_assert_ok(crew_connection_send(p.theirs, "y", 1, CREW_FOREVER));
        if (!tcp)
            ck_assert_ok(crew_connection_send_descriptors(p.theirs, "z", 1, &fd, 1, CREW_FOREVER));
        ck_assert_ok(crew_connection_poll(p.ours, CREW_FOREVER));
        close_pair(&p);
    }
    crew_connection_close(NULL);
    ck_assert_held(before);
    ck_assert_uint_eq(watch_memory().blocks, 0);
}
END_TEST

/* -- what a broken peer says ------------------------------------------------------------------- */

struct stranger {
    struct keeper keeper;
    crew_listener *listener;
    crew_connection *c; /* our side  */
    int fd;             /* its side  */
    struct proof_secret *key, *theirs, *ours;
    struct wire_writer writer;
};

/* A stranger that was let in. */
static void come_in(struct stranger *s, bool tcp)
{
    struct wire_greeting g;
    int r;

    memset(s, 0, sizeof *s);
    if (tcp) {
        ck_assert_ok(
            crew_listener_open(&s->listener, "tcp:0", &(struct crew_listener_options){ WITH_KEY }));
        ck_assert_ok(proof_secret(&s->key, key, sizeof key));
    } else {
        make_folder();
        ck_assert_ok(crew_listener_open(&s->listener, door, NULL));
    }
    start_keeper(&s->keeper, s->listener);
    s->fd = dial(crew_listener_address(s->listener));
    wire_greet(&g, WIRE_CONNECTS, s->key, 1000);
    while ((r = say_and_hear(s->fd, &g)) == 0)
        ;
    ck_assert_int_eq(r, 1);
    while (atomic_load(&s->keeper.came) == 0)
        usleep(100);
    s->c = s->keeper.who[0];
    ck_assert_ok(wire_secrets(&g, &s->theirs, &s->ours));
    s->writer.secret = s->ours;
}

static void go_away(struct stranger *s, bool tcp)
{
    stop_keeper(&s->keeper);
    crew_listener_close(s->listener);
    proof_drop(s->key);
    proof_drop(s->theirs);
    proof_drop(s->ours);
    if (!tcp)
        drop_folder();
}

static void say_chunk(struct stranger *s, enum wire_kind kind, const void *body, size_t size,
                      uint64_t left)
{
    uint8_t head[WIRE_HEAD], seal[PROOF_SIZE];
    size_t seal_size = wire_chunk(&s->writer, head, seal, kind, 0, body, size, left);

    say(s->fd, head, sizeof head);
    if (size > 0)
        say(s->fd, body, size);
    say(s->fd, seal, seal_size);
}

/* Whole messages come before what is wrong. */
static void hears_and_then(struct stranger *s, int wrong)
{
    char buf[8];

    ck_assert_ok(crew_connection_recv_into(s->c, buf, sizeof buf, NULL, CREW_FOREVER));
    for (unsigned i = 0; i < 2; i++)
        ck_assert_error(crew_connection_recv_into(s->c, buf, sizeof buf, NULL, CREW_FOREVER),
                        wrong);
    ck_assert_ok(crew_connection_poll(s->c, CREW_FOREVER));
}

START_TEST(who_leaves_without_a_word_has_died)
{
    static const struct {
        enum wire_kind kind;
        size_t size, left;
    } last[] = { { 0, 0, 0 }, { WIRE_MORE, 2, 4 }, { WIRE_LAST, 4, 4 } };

    for (unsigned tcp = 0; tcp <= tcp_is_there(); tcp++) {
        for (unsigned cut = 0; cut < sizeof last / sizeof last[0]; cut++) {
            struct stranger s;
            uint8_t head[WIRE_HEAD], seal[PROOF_SIZE];

            come_in(&s, tcp);
            say_chunk(&s, WIRE_LAST, "whole", 5, 5);
            if (last[cut].kind == WIRE_MORE)
                say_chunk(&s, WIRE_MORE, "ha", 2, 4);
            if (last[cut].kind == WIRE_LAST) { /* half of a chunk */
                wire_chunk(&s.writer, head, seal, WIRE_LAST, 0, "half", 4, 4);
                say(s.fd, head, sizeof head);
                say(s.fd, "ha", 2);
            }
            close(s.fd);
            hears_and_then(&s, CREW_EPEERDIED);
            ck_assert_int_lt(crew_connection_send(s.c, "x", 1, CREW_FOREVER), 1);
            go_away(&s, tcp);
        }
    }
}
END_TEST

START_TEST(what_makes_no_sense_ends_the_connection)
{
    static const struct {
        unsigned kind;
        uint64_t size, left;
    } wrong[] = {
        { 0, 0, 0 }, { 5, 0, 0 }, { 255, 1, 1 },                    /* no such kind            */
        { WIRE_LAST, UINT32_MAX, UINT32_MAX },                      /* 4 GB                    */
        { WIRE_LAST, 65537, 65537 }, { WIRE_MORE, 65537, 100000 },  /* longer than a chunk is  */
        { WIRE_MORE, 1, (64u << 20) + 1 }, { WIRE_MORE, 1, UINT64_MAX }, /* than a message     */
        { WIRE_MORE, 0, 1 }, { WIRE_MORE, 1, 1 }, { WIRE_MORE, 0, 0 },  /* nothing, and more   */
        { WIRE_LAST, 1, 2 }, { WIRE_LAST, 2, 1 },                   /* the last, and not whole */
        { WIRE_ABORT, 0, 0 },                                       /* of nothing              */
        { WIRE_BYE, 1, 0 }, { WIRE_BYE, 0, 1 },
    };

    for (unsigned tcp = 0; tcp <= tcp_is_there(); tcp++) {
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
            uint8_t head[WIRE_HEAD], seal[PROOF_SIZE];
            struct stranger s;

            come_in(&s, tcp);
            say_chunk(&s, WIRE_LAST, "whole", 5, 5);
            wire_chunk(&s.writer, head, seal, wrong[i].kind, 0, NULL, 0, wrong[i].left);
            for (unsigned b = 0; b < 4; b++)
                head[4 + b] = (uint8_t)(wrong[i].size >> 8 * b);
            say(s.fd, head, sizeof head);
            hears_and_then(&s, -EPROTO);
            close(s.fd);
            go_away(&s, tcp);
        }
    }
}
END_TEST

START_TEST(what_does_not_go_on_as_it_began_ends_the_connection)
{
    static const struct {
        enum wire_kind kind;
        size_t size, left;
    } wrong[] = {
        { WIRE_MORE, 1, 3 }, { WIRE_LAST, 1, 1 },  { WIRE_LAST, 3, 3 },
        { WIRE_BYE, 0, 0 },  { WIRE_ABORT, 1, 0 },
    };

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct stranger s;

        come_in(&s, false);
        say_chunk(&s, WIRE_LAST, "whole", 5, 5);
        say_chunk(&s, WIRE_MORE, "ab", 2, 4);
        say_chunk(&s, wrong[i].kind, "cde", wrong[i].size, wrong[i].left);
        hears_and_then(&s, -EPROTO);
        close(s.fd);
        go_away(&s, false);
    }
}
END_TEST

START_TEST(descriptors_that_were_not_announced_end_the_connection)
{
    struct stranger s;
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .head = { .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS,
                            .cmsg_len = CMSG_LEN(sizeof(int)) } };
    uint8_t head[WIRE_HEAD], seal[PROOF_SIZE];
    struct iovec v = { head, sizeof head };
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };

    memcpy(CMSG_DATA(&control.head), &(int){ 0 }, sizeof(int));
    for (unsigned said = 0; said < 3; said += 2) {
        come_in(&s, false);
        say_chunk(&s, WIRE_LAST, "whole", 5, 5);
        wire_chunk(&s.writer, head, seal, WIRE_LAST, said, NULL, 0, 0);
        ck_assert_int_eq(sendmsg(s.fd, &m, 0), sizeof head);
        hears_and_then(&s, -EPROTO);
        close(s.fd);
        go_away(&s, false);
    }
}
END_TEST

START_TEST(what_was_changed_on_the_way_ends_the_connection)
{
    enum { PLACES = WIRE_HEAD + 4 + PROOF_SIZE };

    if (!tcp_is_there())
        return;
    for (unsigned place = 4; place < PLACES; place += 5) {
        uint8_t bytes[PLACES];
        struct stranger s;
        char buf[8];
        int r;

        come_in(&s, true);
        say_chunk(&s, WIRE_LAST, "whole", 5, 5);
        wire_chunk(&s.writer, bytes, bytes + WIRE_HEAD + 4, WIRE_LAST, 0, "said", 4, 4);
        memcpy(bytes + WIRE_HEAD, "said", 4);
        bytes[place] ^= 1;
        say(s.fd, bytes, sizeof bytes);
        ck_assert_ok(crew_connection_recv_into(s.c, buf, sizeof buf, NULL, CREW_FOREVER));
        r = crew_connection_recv_into(s.c, buf, sizeof buf, NULL, CREW_FOREVER);
        ck_assert_int_eq(r, place < WIRE_HEAD ? -EPROTO : CREW_EAUTH);
        close(s.fd);
        go_away(&s, true);
    }
}
END_TEST

START_TEST(what_is_said_twice_ends_the_connection)
{
    uint8_t head[WIRE_HEAD], seal[PROOF_SIZE];
    struct stranger s;

    if (!tcp_is_there())
        return;
    come_in(&s, true);
    wire_chunk(&s.writer, head, seal, WIRE_LAST, 0, NULL, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        say(s.fd, head, sizeof head);
        say(s.fd, seal, sizeof seal);
    }
    hears_and_then(&s, CREW_EAUTH);
    close(s.fd);
    go_away(&s, true);
}
END_TEST

UNIT_TESTS("stream", messages_have_any_size_over_a_path, messages_have_any_size_over_tcp,
           many_writers_never_mix_their_messages, a_deadline_ends_the_wait_for_a_message,
           what_is_late_never_comes_over_a_path, what_is_late_never_comes_over_tcp,
           who_closes_is_said_to_have_closed, a_message_that_does_not_fit_stays,
           nobody_sends_more_than_the_other_takes, descriptors_come_with_their_message,
           descriptors_that_nobody_wants_are_closed, what_can_not_be_sent_along_is_told,
           a_descriptor_is_readable_while_there_is_something, it_is_waited_for_beside_others, nothing_is_left_behind,
           who_leaves_without_a_word_has_died, what_makes_no_sense_ends_the_connection,
           what_does_not_go_on_as_it_began_ends_the_connection,
           descriptors_that_were_not_announced_end_the_connection,
           what_was_changed_on_the_way_ends_the_connection, what_is_said_twice_ends_the_connection)
