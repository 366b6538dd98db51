/* pipe_test.c - messages between the processes of a crew, and what is left of them when some die.
 *
 * Description: if one of these failed, a message could be lost, come in part or twice, or a process
 * wait for ever for one that is dead. */
#include "members.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    crew_connection *ours, *theirs; /* the root's end, and the others' */
    _Atomic uint32_t there, sent, stop;
    uint32_t number;
};

static struct shared *open_shared(const struct crew_pipe_options *options)
{
    struct shared *s;

    ck_assert_ok(crew_memory_alloc((void **)&s, sizeof *s));
    memset(s, 0, sizeof *s);
    ck_assert_ok(crew_pipe_open(&s->ours, &s->theirs, options));
    return s;
}

static void close_shared(struct shared *s)
{
    crew_connection_close(s->ours);
    crew_connection_close(s->theirs);
    crew_memory_free(s);
}

static void await_there(struct shared *s)
{
    while (atomic_load(&s->there) == 0)
        usleep(100);
    atomic_store(&s->there, 0);
}

static _Noreturn void wait_for_death(struct shared *s)
{
    atomic_store(&s->there, 1);
    for (;;)
        pause();
}

static void kill_and_join(crew_process *p)
{
    ck_assert_ok(crew_process_kill(p));
    ck_assert_int_eq(join(p).signal, SIGKILL);
}

#define ck_assert_recv(c, text)                                                               \
    do {                                                                                      \
        char buf_[64];                                                                        \
        size_t size_;                                                                         \
        ck_assert_ok(crew_connection_recv_into(c, buf_, sizeof buf_, &size_, CREW_FOREVER));  \
        ck_assert_uint_eq(size_, strlen(text));                                               \
        ck_assert(memcmp(buf_, text, size_) == 0);                                            \
    } while (0)

static int recv_now(crew_connection *c)
{
    char buf[64];

    return crew_connection_recv_into(c, buf, sizeof buf, NULL, CREW_NOW);
}

static int recv_ever(crew_connection *c)
{
    char buf[64];

    return crew_connection_recv_into(c, buf, sizeof buf, NULL, CREW_FOREVER);
}

/* -- messages ---------------------------------------------------------------------------------- */

static const size_t sizes[] = { 0,   1,   7,   8,    9,     63,      64, 100, 112,
                                113, 120, 121, 4000, 65536, 1000000, 3,  0 };

static unsigned char *made(size_t size, unsigned seed)
{
    unsigned char *bytes = malloc(size + 1);

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)((i * 31 + (i >> 8) * 7 + seed) & 0xff);
    return bytes;
}

static int answer_all(crew_task *t)
{
    struct shared *s = shared_of(t);

    for (;;) {
        void *message;
        size_t size;
        int r = crew_connection_recv(s->theirs, &message, &size, CREW_FOREVER);

        if (r == CREW_ECLOSED)
            return 0;
        if (r < 0)
            return 1;
        if (crew_connection_send(s->theirs, message, size, CREW_FOREVER) != 0)
            return 2;
        crew_memory_free(message);
    }
}

START_TEST(messages_have_any_size)
{
    struct shared *s = open_shared(NULL);
    crew_process *p = start(answer_all, s);

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *bytes = made(sizes[i], (unsigned)i), *buf = malloc(sizes[i] + 1);
        size_t size;

        ck_assert_ok(crew_connection_send(s->ours, bytes, sizes[i], CREW_FOREVER));
        ck_assert_ok(crew_connection_recv_into(s->ours, buf, sizes[i], &size, CREW_FOREVER));
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert(memcmp(buf, bytes, size) == 0);
        free(bytes);
        free(buf);
    }
    crew_connection_close(s->ours);
    s->ours = NULL;
    ck_assert_int_eq(join(p).status, 0);
    close_shared(s);
}
END_TEST

static void *echo_in_thread(void *context)
{
    crew_connection *c = context;
    uint64_t value;

    for (unsigned i = 0; i < 20000; i++) {
        ck_assert_ok(crew_connection_recv_into(c, &value, sizeof value, NULL, CREW_FOREVER));
        value = ~value;
        ck_assert_ok(crew_connection_send(c, &value, sizeof value, CREW_FOREVER));
    }
    return NULL;
}

START_TEST(threads_talk_through_it_as_well)
{
    struct shared *s = open_shared(NULL);
    pthread_t t;

    ck_assert_int_eq(pthread_create(&t, NULL, echo_in_thread, s->theirs), 0);
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t value = 0;

        ck_assert_ok(crew_connection_send(s->ours, &i, sizeof i, CREW_FOREVER));
        ck_assert_ok(crew_connection_recv_into(s->ours, &value, sizeof value, NULL, CREW_FOREVER));
        ck_assert(value == ~i);
    }
    pthread_join(t, NULL);
    close_shared(s);
}
END_TEST

enum { WRITERS = 3, EACH = 300 };

static int send_marked(crew_task *t)
{
    struct shared *s = shared_of(t);
    unsigned me = atomic_fetch_add(&s->there, 1);
    unsigned char bytes[5000];

    for (unsigned i = 0; i < EACH; i++) {
        size_t size = i % 3 ? 40 : sizeof bytes;

        memset(bytes, (int)(me * 64 + i % 64), size);
        if (crew_connection_send(s->theirs, bytes, size, CREW_FOREVER) != 0)
            return 1;
    }
    crew_connection_close(s->theirs);
    return 0;
}

START_TEST(many_writers_never_mix_their_messages)
{
    struct shared *s = open_shared(&(struct crew_pipe_options){ .capacity = 8 });
    unsigned next[WRITERS] = { 0 };
    crew_process *p[WRITERS];

    ck_assert_ok(
        crew_connection_bind(s->theirs, 0)); /* or it could be over before all have begun */
    for (unsigned i = 0; i < WRITERS; i++) {
        p[i] = start(send_marked, s);
        ck_assert_ok(crew_connection_bind(s->theirs, crew_process_pid(p[i])));
    }
    crew_connection_close(s->theirs);
    for (unsigned i = 0; i < WRITERS * EACH; i++) {
        unsigned char m[5000];
        size_t size;

        ck_assert_ok(crew_connection_recv_into(s->ours, m, sizeof m, &size, CREW_FOREVER));
        ck_assert(memcmp(m, m + 1, size - 1) == 0); /* all the same */
        unsigned who = m[0] / 64, which = next[who]++;
        ck_assert_uint_lt(who, WRITERS);
        ck_assert_uint_eq(m[0] % 64, which % 64);
        ck_assert_uint_eq(size, which % 3 ? 40 : sizeof m);
    }
    ck_assert_int_eq(recv_ever(s->ours), CREW_ECLOSED); /* all four have closed */
    s->theirs = NULL;
    for (unsigned i = 0; i < WRITERS; i++)
        ck_assert_int_eq(join(p[i]).status, 0);
    close_shared(s);
}
END_TEST

START_TEST(a_message_that_does_not_fit_stays)
{
    struct shared *s = open_shared(NULL);
    size_t size = 0;
    char buf[2000];

    for (size_t length = 5; length <= sizeof buf; length += 1995) {
        memset(buf, 'x', length);
        ck_assert_ok(crew_connection_send(s->theirs, buf, length, CREW_NOW));
        ck_assert_int_eq(crew_connection_recv_into(s->ours, buf, length - 1, &size, CREW_NOW),
                         -EMSGSIZE);
        ck_assert_uint_eq(size, length);
        ck_assert_ok(crew_connection_recv_into(s->ours, buf, length, &size, CREW_NOW));
        ck_assert_uint_eq(size, length);
    }
    close_shared(s);
}
END_TEST

START_TEST(a_deadline_ends_each_wait)
{
    struct shared *s = open_shared(&(struct crew_pipe_options){ .capacity = 4 });
    unsigned sent = 0;
    int r;

    ck_assert_int_eq(recv_now(s->ours), -EAGAIN);
    ck_assert_int_eq(crew_connection_poll(s->ours, CREW_NOW), -EAGAIN);
    ck_assert_int_eq(crew_connection_poll(s->ours, crew_in_ms(5)), -ETIMEDOUT);
    while ((r = crew_connection_send(s->theirs, "x", 1, CREW_NOW)) == 0)
        sent++;
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_uint_ge(sent, 4);
    ck_assert_int_eq(crew_connection_send(s->theirs, "y", 1, crew_in_ms(5)), -ETIMEDOUT);
    ck_assert_ok(crew_connection_poll(s->ours, CREW_NOW));
    for (unsigned i = 0; i < sent; i++)
        ck_assert_recv(s->ours, "x");
    ck_assert_int_eq(recv_now(s->ours), -EAGAIN);
    ck_assert_ok(crew_connection_send(s->theirs, "z", 1, CREW_NOW));
    ck_assert_recv(s->ours, "z");
    close_shared(s);
}
END_TEST

START_TEST(what_can_not_be_is_told)
{
    struct shared *s = open_shared(&(struct crew_pipe_options){ .one_way = true });
    crew_connection *a, *b;

    ck_assert_int_eq(crew_pipe_open(&a, &b, &(struct crew_pipe_options){ .reserved = { 1 } }),
                     -EINVAL);
    ck_assert_int_eq(crew_pipe_open(&a, &b, &(struct crew_pipe_options){ .users = 4097 }), -EINVAL);
    ck_assert_int_eq(crew_pipe_open(&a, &b, &(struct crew_pipe_options){ .capacity = 65537 }),
                     -EINVAL);
    ck_assert_int_eq(crew_connection_send(s->ours, "x", 1, CREW_NOW), -EPERM);
    ck_assert_int_eq(recv_now(s->theirs), -EPERM);
    ck_assert_int_eq(crew_connection_poll(s->theirs, CREW_NOW), -EPERM);
    ck_assert_int_eq(crew_connection_descriptor(s->theirs), -EPERM);
    ck_assert_ok(crew_connection_send(s->theirs, "x", 1, CREW_NOW));
    ck_assert_recv(s->ours, "x");
    ck_assert_int_eq(crew_connection_bind(s->ours, 1), -ESRCH);
    close_shared(s);
}
END_TEST

/* -- ends -------------------------------------------------------------------------------------- */

START_TEST(who_closes_is_said_to_have_closed)
{
    struct shared *s = open_shared(NULL);

    ck_assert_ok(crew_connection_send(s->theirs, "one", 3, CREW_NOW));
    ck_assert_ok(crew_connection_send(s->theirs, "two", 3, CREW_NOW));
    crew_connection_close(s->theirs);
    s->theirs = NULL;
    ck_assert_recv(s->ours, "one");
    ck_assert_recv(s->ours, "two");
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_ok(crew_connection_poll(s->ours, CREW_FOREVER));
        ck_assert_int_eq(recv_ever(s->ours), CREW_ECLOSED);
        ck_assert_int_eq(crew_connection_send(s->ours, "x", 1, CREW_FOREVER), CREW_ECLOSED);
    }
    close_shared(s);
}
END_TEST

static int send_two_and_wait(crew_task *t)
{
    struct shared *s = shared_of(t);

    if (crew_connection_send(s->theirs, "one", 3, CREW_FOREVER) != 0 ||
        crew_connection_send(s->theirs, "two", 3, CREW_FOREVER) != 0)
        return 1;
    wait_for_death(s);
}

static int hold_a_copy(crew_task *t)
{
    struct shared *s = shared_of(t);

    while (atomic_load(&s->stop) == 0)
        usleep(1000);
    return 0;
}

START_TEST(a_death_is_told_though_copies_live_on)
{
    struct shared *s = open_shared(NULL);
    crew_process *copy = start(hold_a_copy, s), *p = start(send_two_and_wait, s);

    await_there(s);
    kill_and_join(p);
    ck_assert_recv(s->ours, "one");
    ck_assert_recv(s->ours, "two");
    for (unsigned i = 0; i < 2; i++) {
        ck_assert_ok(crew_connection_poll(s->ours, CREW_FOREVER));
        ck_assert_int_eq(recv_ever(s->ours), CREW_EPEERDIED);
        ck_assert_int_eq(crew_connection_send(s->ours, "x", 1, CREW_FOREVER), CREW_EPEERDIED);
    }
    ck_assert_int_eq(crew_connection_send(s->theirs, "x", 1, CREW_FOREVER),
                     CREW_EPEERDIED); /* over for all */
    atomic_store(&s->stop, 1);
    ck_assert_int_eq(join(copy).status, 0);
    close_shared(s);
}
END_TEST

static void *kill_soon(void *context)
{
    usleep(2000);
    crew_process_kill(context);
    return NULL;
}

START_TEST(who_waits_is_told_of_the_death)
{
    for (unsigned sending = 0; sending < 2; sending++) {
        struct shared *s = open_shared(&(struct crew_pipe_options){ .capacity = 4 });
        crew_process *p = start(send_two_and_wait, s);
        pthread_t t;
        int r;

        await_there(s);
        ck_assert_int_eq(pthread_create(&t, NULL, kill_soon, p), 0);
        if (sending) {
            while ((r = crew_connection_send(s->ours, "x", 1, CREW_FOREVER)) == 0)
                ;
        } else {
            ck_assert_recv(s->ours, "one");
            ck_assert_recv(s->ours, "two");
            r = recv_ever(s->ours);
        }
        ck_assert_int_eq(r, CREW_EPEERDIED);
        pthread_join(t, NULL);
        ck_assert_int_eq(join(p).signal, SIGKILL);
        close_shared(s);
    }
}
END_TEST

static int do_nothing(crew_task *t)
{
    wait_for_death(shared_of(t));
}

START_TEST(who_was_named_need_not_have_begun)
{
    struct shared *s = open_shared(NULL);
    crew_process *p = start(do_nothing, s);

    ck_assert_ok(crew_connection_bind(s->theirs, crew_process_pid(p)));
    await_there(s);
    ck_assert_int_eq(recv_now(s->ours), -EAGAIN);
    kill_and_join(p);
    ck_assert_int_eq(recv_ever(s->ours), CREW_EPEERDIED);
    close_shared(s);
}
END_TEST

static int end_at_once(crew_task *t)
{
    (void)t;
    return 0;
}

START_TEST(who_was_named_may_be_dead_already)
{
    struct shared *s = open_shared(NULL);
    crew_process *p = start(end_at_once, s);

    ck_assert_ok(crew_process_join(p, NULL, CREW_FOREVER));
    ck_assert_ok(crew_connection_bind(s->theirs, crew_process_pid(p)));
    ck_assert_int_eq(recv_ever(s->ours), CREW_EPEERDIED);
    ck_assert_int_eq(join(p).status, 0);
    close_shared(s);
}
END_TEST

START_TEST(an_end_that_nobody_has_is_over)
{
    struct shared *s = open_shared(NULL);
    crew_process *p = start(do_nothing, s);

    crew_connection_close(s->theirs);
    s->theirs = NULL;
    await_there(s);
    ck_assert_int_eq(recv_now(s->ours), -EAGAIN); /* it has a copy */
    kill_and_join(p);
    ck_assert_int_eq(recv_ever(s->ours), CREW_EPEERDIED);
    ck_assert_int_eq(crew_connection_send(s->ours, "x", 1, CREW_FOREVER), CREW_EPEERDIED);
    close_shared(s);
}
END_TEST

START_TEST(an_end_that_was_closed_unused_is_closed)
{
    struct shared *s = open_shared(NULL);

    crew_connection_close(s->theirs);
    s->theirs = NULL;
    ck_assert_int_eq(recv_ever(s->ours), CREW_ECLOSED);
    close_shared(s);
}
END_TEST

START_TEST(only_so_many_use_an_end)
{
    struct shared *s = open_shared(&(struct crew_pipe_options){ .users = 1 });
    crew_process *p = start(do_nothing, s);

    ck_assert_ok(crew_connection_bind(s->theirs, crew_process_pid(p)));
    ck_assert_ok(crew_connection_bind(s->theirs, crew_process_pid(p)));
    await_there(s);
    ck_assert_int_eq(crew_connection_send(s->theirs, "x", 1, CREW_NOW), -EAGAIN);
    kill_and_join(p);
    ck_assert_ok(crew_connection_send(s->theirs, "x", 1, CREW_NOW)); /* in the place of the dead */
    ck_assert_recv(s->ours, "x");
    crew_connection_close(s->theirs);
    s->theirs = NULL;
    ck_assert_int_eq(recv_ever(s->ours), CREW_EPEERDIED); /* one of its users has died */
    close_shared(s);
}
END_TEST

START_TEST(who_is_no_member_is_told)
{
    struct shared *s = open_shared(NULL);
    int status;
    pid_t pid;

    ck_assert_ok(crew_connection_send(s->theirs, "x", 1, CREW_NOW));
    pid = fork();
    if (pid == 0)
        _exit(crew_connection_send(s->ours, "x", 1, CREW_NOW) != CREW_EMISUSE ||
              recv_now(s->ours) != CREW_EMISUSE ||
              crew_connection_poll(s->ours, CREW_NOW) != CREW_EMISUSE ||
              crew_connection_bind(s->ours, 0) != CREW_EMISUSE);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_recv(s->ours, "x");
    close_shared(s);
}
END_TEST

/* What was accepted is there, in order; and at most one message more, of which nobody was told. */
static int send_numbers_until_killed(crew_task *t)
{
    struct shared *s = shared_of(t);
    struct itimerval in = { .it_value.tv_usec = 30 + (s->number * 61) % 2000 };
    uint32_t message[300] = { 0 };

    signal(SIGALRM, SIG_DFL);
    setitimer(ITIMER_REAL, &in, NULL);
    for (uint32_t i = 0;; i++) {
        size_t count = i % 7 ? 5 : 300;

        for (size_t k = 0; k < count; k++)
            message[k] = i;
        if (crew_connection_send(s->theirs, message, count * sizeof *message, CREW_FOREVER) != 0)
            return 1;
        atomic_store(&s->sent, i + 1);
    }
}

START_TEST(whoever_is_killed_whatever_was_accepted_arrives)
{
    struct crew_memory_stats before;

    ck_assert_ok(crew_init(NULL));
    before = watch_memory();
    for (uint32_t turn = 0; turn < 100; turn++) {
        struct shared *s = open_shared(&(struct crew_pipe_options){ .capacity = 16 });
        uint32_t received = 0;
        crew_process *p;
        int named;

        s->number = turn;
        p = start(send_numbers_until_killed, s);
        named = crew_connection_bind(s->theirs, crew_process_pid(p));
        ck_assert(named == 0 || named == CREW_EPEERDIED); /* it may be dead by now */
        for (;;) {
            uint32_t message[300];
            size_t size;
            int r =
                crew_connection_recv_into(s->ours, message, sizeof message, &size, CREW_FOREVER);

            if (r == CREW_EPEERDIED)
                break;
            ck_assert_ok(r);
            ck_assert_uint_eq(size, (received % 7 ? 5 : 300) * sizeof *message);
            ck_assert_uint_eq(message[0], received);
            ck_assert(memcmp(message, message + 1, size - sizeof *message) == 0);
            received++;
        }
        ck_assert_int_eq(join(p).signal, SIGALRM);
        ck_assert_uint_ge(received, atomic_load(&s->sent));
        ck_assert_uint_le(received, atomic_load(&s->sent) + 1);
        close_shared(s);
    }
    ck_assert_uint_eq(watch_memory().blocks, before.blocks);
    ck_assert_uint_eq(watch_memory().used, before.used);
}
END_TEST

/* -- descriptors ------------------------------------------------------------------------------- */

static int send_a_pipe(crew_task *t)
{
    struct shared *s = shared_of(t);
    int ends[2];

    if (pipe(ends) != 0 || crew_connection_send(s->theirs, "none", 4, CREW_FOREVER) != 0 ||
        crew_connection_send_descriptors(s->theirs, "two", 3, ends, 2, CREW_FOREVER) != 0 ||
        crew_connection_send_descriptors(s->theirs, NULL, 0, ends, 1, CREW_FOREVER) != 0 ||
        crew_connection_send(s->theirs, "last", 4, CREW_FOREVER) != 0)
        return 1;
    return 0;
}

START_TEST(descriptors_come_with_their_message)
{
    struct shared *s = open_shared(NULL);
    crew_process *p = start(send_a_pipe, s);
    unsigned count = 9;
    int got[3], last[1];
    char buf[8];
    size_t size;

    ck_assert_int_eq(join(p).status, 0);
    ck_assert_ok(crew_connection_recv_descriptors(s->ours, buf, sizeof buf, &size, got, 3, &count,
                                                  CREW_NOW));
    ck_assert_uint_eq(size, 4);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(
        crew_connection_recv_descriptors(s->ours, buf, sizeof buf, &size, got, 1, &count, CREW_NOW),
        -EMSGSIZE);
    ck_assert_uint_eq(count, 2);
    ck_assert_ok(crew_connection_recv_descriptors(s->ours, buf, sizeof buf, &size, got, 3, &count,
                                                  CREW_NOW));
    ck_assert_uint_eq(size, 3);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(fcntl(got[1], F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(write(got[1], "hello", 5), 5);
    ck_assert_ok(crew_connection_recv_descriptors(s->ours, buf, sizeof buf, &size, last, 1, &count,
                                                  CREW_NOW));
    ck_assert_uint_eq(size, 0);
    ck_assert_uint_eq(count, 1);
    ck_assert_int_eq(read(last[0], buf, sizeof buf), 5);
    ck_assert_recv(s->ours, "last");
    close(got[0]);
    close(got[1]);
    close(last[0]);
    close_shared(s);
}
END_TEST

/* A descriptor is still open somewhere if the other end of its pipe does not see the end. */
START_TEST(descriptors_that_nobody_wants_are_closed)
{
    struct shared *s = open_shared(NULL);
    unsigned count;
    int ends[2], got[1];
    char byte;

    ck_assert_int_eq(pipe(ends), 0);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_ok(crew_connection_send_descriptors(s->theirs, "x", 1, &ends[1], 1, CREW_NOW));
    ck_assert_recv(s->ours, "x");
    ck_assert_ok(
        crew_connection_recv_descriptors(s->ours, &byte, 1, NULL, got, 1, &count, CREW_NOW));
    ck_assert_uint_eq(count, 1);
    close(got[0]);
    close(ends[1]);
    close_shared(s); /* with one that nobody fetched */
    ck_assert_int_eq(read(ends[0], &byte, 1), 0);
    close(ends[0]);
}
END_TEST

START_TEST(what_can_not_be_sent_along_is_told)
{
    struct shared *s = open_shared(&(struct crew_pipe_options){ .capacity = 4 });
    int fds[CREW_DESCRIPTORS_MOST + 1] = { 0 }, got[CREW_DESCRIPTORS_MOST];
    unsigned count, sent = 0;
    int r;

    ck_assert_int_eq(crew_connection_send_descriptors(s->theirs, "x", 1, fds,
                                                      CREW_DESCRIPTORS_MOST + 1, CREW_NOW),
                     -EINVAL);
    fds[0] = -1;
    ck_assert_int_eq(crew_connection_send_descriptors(s->theirs, "x", 1, fds, 1, CREW_NOW), -EBADF);
    fds[0] = 0;
    while ((r = crew_connection_send_descriptors(s->theirs, "y", 1, fds, CREW_DESCRIPTORS_MOST,
                                                 CREW_NOW)) == 0)
        sent++;
    ck_assert_int_eq(r, -EAGAIN);
    ck_assert_int_eq(crew_connection_send_descriptors(s->theirs, "y", 1, fds, 1, crew_in_ms(5)),
                     -ETIMEDOUT);
    for (unsigned i = 0; i < sent; i++) {
        char byte;

        ck_assert_ok(crew_connection_recv_descriptors(s->ours, &byte, 1, NULL, got,
                                                      CREW_DESCRIPTORS_MOST, &count, CREW_NOW));
        ck_assert_uint_eq(count, CREW_DESCRIPTORS_MOST);
        for (unsigned k = 0; k < count; k++)
            close(got[k]);
    }
    ck_assert_int_eq(recv_now(s->ours), -EAGAIN);
    close_shared(s);
}
END_TEST

/* -- waiting elsewhere ------------------------------------------------------------------------- */

static bool is_readable(crew_connection *c, int timeout)
{
    struct pollfd p = { .fd = crew_connection_descriptor(c), .events = POLLIN };

    ck_assert_int_ge(p.fd, 0);
    return poll(&p, 1, timeout) == 1;
}

START_TEST(a_descriptor_is_readable_while_there_is_something)
{
    struct shared *s = open_shared(NULL);
    crew_process *p;

    ck_assert(!is_readable(s->ours, 0));
    ck_assert_int_eq(crew_connection_descriptor(s->ours), crew_connection_descriptor(s->ours));
    p = start(send_two_and_wait, s);
    await_there(s);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(is_readable(s->ours, -1));
        ck_assert(is_readable(s->ours, -1));
        ck_assert_ok(recv_now(s->ours));
    }
    ck_assert_int_eq(recv_now(s->ours), -EAGAIN);
    ck_assert(!is_readable(s->ours, 0));
    ck_assert_ok(crew_process_kill(p));
    do
        ck_assert(is_readable(s->ours, -1));
    while (recv_now(s->ours) == -EAGAIN);
    ck_assert(is_readable(s->ours, 0)); /* of the end, for ever */
    ck_assert_int_eq(recv_now(s->ours), CREW_EPEERDIED);
    join(p);
    close_shared(s);
}
END_TEST

START_TEST(it_is_waited_for_beside_others)
{
    struct shared *s = open_shared(NULL);
    crew_process *p = start(send_two_and_wait, s);
    struct crew_wait list[] = { crew_wait_connection(s->ours), crew_wait_process(p) };

    ck_assert_ok(crew_wait_any(list, 2, CREW_FOREVER));
    ck_assert(list[0].ready);
    ck_assert(!list[1].ready);
    ck_assert_recv(s->ours, "one");
    ck_assert_recv(s->ours, "two");
    ck_assert_int_eq(crew_wait_any(list, 1, CREW_NOW), -EAGAIN);
    ck_assert_ok(crew_process_kill(p));
    ck_assert_ok(crew_wait_any(list, 1, CREW_FOREVER));
    ck_assert_int_eq(recv_now(s->ours), CREW_EPEERDIED);
    join(p);
    close_shared(s);
}
END_TEST

static int use_it(crew_task *t)
{
    struct shared *s = shared_of(t);

    if (crew_connection_send(s->theirs, "one", 3, CREW_FOREVER) != 0 || recv_ever(s->theirs) != 0)
        return 1;
    crew_connection_close(s->ours);
    crew_connection_close(s->theirs);
    return 0;
}

START_TEST(nothing_is_left_behind)
{
    struct crew_memory_stats memory;
    struct holdings before;
    crew_process *p;
    struct shared *first = open_shared(NULL);

    p = start(do_nothing, first); /* so that the supervisor runs */
    kill_and_join(p);
    close_shared(first);
    memory = watch_memory();
    before = watch_holdings();
    for (unsigned early = 0; early < 2; early++) {
        struct shared *s = open_shared(NULL);
        char *bytes = calloc(1, 100000);

        p = start(use_it, s);
        ck_assert_recv(s->ours, "one");
        ck_assert_ok(crew_connection_send(s->ours, "two", 3, CREW_FOREVER));
        ck_assert_int_ge(crew_connection_descriptor(s->ours), 0);
        if (!early)
            ck_assert_int_eq(join(p).status, 0);
        else /* unread, and in a block */
            ck_assert_int_le(crew_connection_send(s->ours, bytes, 100000, CREW_FOREVER), 0);
        crew_connection_close(s->ours);
        crew_connection_close(s->theirs);
        if (early)
            ck_assert_int_eq(join(p).status, 0);
        crew_memory_free(s);
        free(bytes);
    }
    ck_assert_held(before);
    ck_assert_uint_eq(watch_memory().blocks, memory.blocks);
    ck_assert_uint_eq(watch_memory().used, memory.used);
}
END_TEST

UNIT_TESTS("pipe", messages_have_any_size, threads_talk_through_it_as_well,
           many_writers_never_mix_their_messages, a_message_that_does_not_fit_stays,
           a_deadline_ends_each_wait, what_can_not_be_is_told, who_closes_is_said_to_have_closed,
           a_death_is_told_though_copies_live_on, who_waits_is_told_of_the_death,
           who_was_named_need_not_have_begun,
           who_was_named_may_be_dead_already, an_end_that_nobody_has_is_over,
           an_end_that_was_closed_unused_is_closed, only_so_many_use_an_end,
           who_is_no_member_is_told, whoever_is_killed_whatever_was_accepted_arrives,
           descriptors_come_with_their_message, descriptors_that_nobody_wants_are_closed,
           what_can_not_be_sent_along_is_told, a_descriptor_is_readable_while_there_is_something,
           it_is_waited_for_beside_others, nothing_is_left_behind)
