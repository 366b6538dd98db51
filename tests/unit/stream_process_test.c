/* stream_process_test.c - connections between processes that end, in whatever way.
 *
 * Description: if one of these failed, a program could wait for ever for one that is gone, or take
 * a part of a message for a whole. */
#include "members.h"
#include "strangers.h"

#include <signal.h>
#include <sys/fsuid.h>
#include <sys/time.h>
#include <sys/wait.h>

enum { SIZE = 300000 };

/* A program that knows nothing of this crew. */
static pid_t elsewhere(void (*run)(void))
{
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        run();
        _exit(0);
    }
    return pid;
}

static int ended(pid_t pid)
{
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static crew_listener *open_door(void)
{
    crew_listener *l;

    make_folder();
    ck_assert_ok(crew_listener_open(&l, door, NULL));
    return l;
}

static crew_connection *connect_elsewhere(void)
{
    crew_connection *c;

    if (crew_connect(&c, door, NULL, CREW_FOREVER) != 0)
        _exit(1);
    return c;
}

static void say_two_things_and_wait(void)
{
    crew_connection *c = connect_elsewhere();

    if (crew_connection_send(c, "one", 3, CREW_FOREVER) != 0 ||
        crew_connection_send(c, "two", 3, CREW_FOREVER) != 0)
        _exit(1);
    for (;;)
        pause();
}

START_TEST(a_killed_peer_is_told_behind_what_it_said)
{
    crew_listener *l = open_door();
    pid_t pid = elsewhere(say_two_things_and_wait);
    crew_connection *c;
    char buf[8];

    ck_assert_ok(crew_listener_accept(l, &c, CREW_FOREVER));
    ck_assert_ok(crew_connection_recv_into(c, buf, sizeof buf, NULL, CREW_FOREVER));
    ck_assert_ok(crew_connection_poll(c, CREW_FOREVER));
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_ok(crew_connection_recv_into(c, buf, sizeof buf, NULL, CREW_FOREVER));
    ck_assert_error(crew_connection_recv_into(c, buf, sizeof buf, NULL, CREW_FOREVER),
                    CREW_EPEERDIED);
    ck_assert_error(crew_connection_send(c, "x", 1, CREW_FOREVER), CREW_EPEERDIED);
    ck_assert_int_eq(WTERMSIG(ended(pid)), SIGKILL);
    crew_connection_close(c);
    crew_listener_close(l);
    drop_folder();
}
END_TEST

static unsigned moment; /* us until the end of who sends */

static void say_long_things_until_killed(void)
{
    struct itimerval in = { .it_value.tv_usec = moment };
    crew_connection *c = connect_elsewhere();
    unsigned char *bytes = malloc(SIZE);

    signal(SIGALRM, SIG_DFL); /* ends it, wherever it is */
    setitimer(ITIMER_REAL, &in, NULL);
    for (unsigned i = 0;; i++) {
        memset(bytes, (int)i, SIZE);
        if (crew_connection_send(c, bytes, SIZE, CREW_FOREVER) != 0)
            _exit(1);
    }
}

START_TEST(a_part_of_a_message_is_never_taken_for_a_whole)
{
    crew_listener *l = open_door();

    for (unsigned turn = 0; turn < 40; turn++) {
        crew_connection *c;
        unsigned char *m;
        void *message;
        size_t size;
        pid_t pid;
        int r;

        moment = 20 + turn * 37;
        pid = elsewhere(say_long_things_until_killed);
        ck_assert_ok(crew_listener_accept(l, &c, CREW_FOREVER));
        for (unsigned i = 0; (r = crew_connection_recv(c, &message, &size, CREW_FOREVER)) == 0;
             i++) {
            ck_assert_uint_eq(size, SIZE);
            m = message;
            ck_assert(m[0] == (i & 0xff) && memcmp(m, m + 1, size - 1) == 0);
            crew_memory_free(message);
        }
        ck_assert_error(r, CREW_EPEERDIED);
        ck_assert_int_eq(WTERMSIG(ended(pid)), SIGALRM);
        crew_connection_close(c);
    }
    crew_listener_close(l);
    drop_folder();
}
END_TEST

static void connect_and_listen_to_nothing(void)
{
    connect_elsewhere();
    for (;;)
        pause();
}

static void *kill_it(void *context)
{
    kill(*(pid_t *)context, SIGKILL);
    return NULL;
}

START_TEST(who_waits_for_room_is_told_of_the_death)
{
    crew_listener *l = open_door();
    pid_t pid = elsewhere(connect_and_listen_to_nothing);
    unsigned char *bytes = calloc(1, SIZE);
    crew_connection *c;
    pthread_t t;
    int r;

    ck_assert_ok(crew_listener_accept(l, &c, CREW_FOREVER));
    while ((r = crew_connection_send(c, bytes, SIZE, CREW_NOW)) == 0)
        ;
    ck_assert_error(r, -EAGAIN);
    ck_assert_int_eq(pthread_create(&t, NULL, kill_it, &pid), 0);
    ck_assert_error(crew_connection_send(c, bytes, SIZE, CREW_FOREVER), CREW_EPEERDIED);
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    ended(pid);
    free(bytes);
    crew_connection_close(c);
    crew_listener_close(l);
    drop_folder();
}
END_TEST

static void ask(void)
{
    crew_connection *c = connect_elsewhere();
    char answer[16];
    size_t size;

    if (crew_connection_send(c, "ask", 3, CREW_FOREVER) != 0 ||
        crew_connection_recv_into(c, answer, sizeof answer, &size, CREW_FOREVER) != 0 ||
        size != 6 || memcmp(answer, "answer", 6) != 0)
        _exit(2);
    if (crew_connection_recv_into(c, answer, sizeof answer, &size, CREW_FOREVER) != CREW_ECLOSED)
        _exit(3);
    crew_connection_close(c);
}

static int answer_one(crew_task *t)
{
    crew_connection *c = shared_of(t);
    char buf[16];

    if (crew_connection_recv_into(c, buf, sizeof buf, NULL, CREW_FOREVER) != -EBUSY)
        return 1;
    if (crew_connection_bind(c, 0) != 0 ||
        crew_connection_recv_into(c, buf, sizeof buf, NULL, CREW_FOREVER) != 0 ||
        crew_connection_send(c, "answer", 6, CREW_FOREVER) != 0)
        return 2;
    crew_connection_close(c);
    return 0;
}

START_TEST(a_connection_is_handed_on_to_a_process)
{
    crew_listener *l = open_door();
    pid_t pid = elsewhere(ask);
    crew_connection *c;
    crew_process *p;
    char buf[8];

    ck_assert_ok(crew_listener_accept(l, &c, CREW_FOREVER));
    p = start(answer_one, c);
    ck_assert_ok(crew_connection_bind(c, crew_process_pid(p)));
    ck_assert_error(crew_connection_send(c, "x", 1, CREW_FOREVER), -EBUSY);
    ck_assert_error(crew_connection_recv_into(c, buf, sizeof buf, NULL, CREW_FOREVER), -EBUSY);
    ck_assert_error(crew_connection_poll(c, CREW_FOREVER), -EBUSY);
    ck_assert_error(crew_connection_descriptor(c), -EBUSY);
    crew_connection_close(c); /* it goes on */
    ck_assert_int_eq(join(p).status, 0);
    ck_assert_int_eq(ended(pid), 0);
    crew_listener_close(l);
    drop_folder();
}
END_TEST

START_TEST(what_is_half_heard_is_not_handed_on)
{
    crew_listener *l = open_door();
    pid_t pid = elsewhere(say_two_things_and_wait);
    crew_connection *c;

    ck_assert_ok(crew_listener_accept(l, &c, CREW_FOREVER));
    ck_assert_ok(crew_connection_poll(c, CREW_FOREVER));
    ck_assert_error(crew_connection_bind(c, pid), -EBUSY);
    ck_assert_ok(crew_connection_bind(c, 0));
    kill(pid, SIGKILL);
    ended(pid);
    crew_connection_close(c);
    crew_listener_close(l);
    drop_folder();
}
END_TEST

struct office {
    crew_listener *listener;
    _Atomic bool closed;
};

static int accept_here(crew_task *t)
{
    struct office *o = shared_of(t);
    crew_connection *c;
    char buf[8];

    while (!atomic_load(&o->closed)) {
        if (crew_listener_accept(o->listener, &c, crew_in_ms(2)) != 0)
            continue;
        if (crew_connection_recv_into(c, buf, sizeof buf, NULL, CREW_FOREVER) != 0 ||
            crew_connection_send(c, "answer", 6, CREW_FOREVER) != 0)
            return 2;
        crew_connection_close(c);
    }
    crew_listener_close(o->listener);
    return 0;
}

START_TEST(processes_accept_at_one_listener)
{
    enum { MANY = 8 };
    crew_listener *l = open_door();
    crew_connection *none;
    struct office *o;
    crew_process *p[2];
    pid_t who[MANY];
    int slow = dial(door);

    ck_assert_ok(crew_memory_alloc((void **)&o, sizeof *o));
    o->listener = l;
    atomic_store(&o->closed, false);
    ck_assert_error(crew_listener_accept(l, &none, CREW_NOW), -EAGAIN); /* one newcomer is here */
    for (unsigned i = 0; i < 2; i++)
        p[i] = start(accept_here, o);
    for (unsigned i = 0; i < MANY; i++)
        who[i] = elsewhere(ask);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_int_eq(ended(who[i]), 0);
    atomic_store(&o->closed, true);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(join(p[i]).status, 0);
    close(slow);
    crew_memory_free(o);
    crew_listener_close(l);
    drop_folder();
}
END_TEST

static void listen_and_die(void)
{
    crew_listener *l;

    if (crew_listener_open(&l, door, NULL) != 0)
        _exit(1);
    raise(SIGKILL);
}

START_TEST(a_dead_listener_leaves_its_place_to_the_next)
{
    struct pair p;

    make_folder();
    ck_assert_int_eq(WTERMSIG(ended(elsewhere(listen_and_die))), SIGKILL);
    ck_assert_ok(crew_listener_open(&p.listener, door, NULL));
    connect_pair(&p, 0);
    close_pair(&p);
}
END_TEST

/* Another user, who still reaches the folder: as if a door had been left open. False: only root can
 * do that. */
static bool be_another(void)
{
    if (geteuid() != 0 || setresuid((uid_t)-1, 65534, (uid_t)-1) != 0)
        return false;
    setfsuid(0);
    return true;
}

static void connect_as_another(void)
{
    if (!be_another())
        _exit(77);
    hears_the_end(dial(door)); /* before it says a word */
}

static void listen_as_another(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte;

    if (!be_another())
        _exit(77);
    snprintf(at.sun_path, sizeof at.sun_path, "%s/door", test_folder);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 1) != 0)
        _exit(1);
    fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    _exit(recv(fd, &byte, 1, 0) != 0); /* not a word was said to it */
}

START_TEST(another_user_is_not_let_in_nor_believed)
{
    crew_listener *l = open_door();
    struct crew_listener_stats stats;
    crew_connection *c;
    struct keeper k;
    char path[96];
    int r;

    start_keeper(&k, l);
    r = WEXITSTATUS(ended(elsewhere(connect_as_another)));
    stop_keeper(&k);
    ck_assert(r == 0 || r == 77);
    crew_listener_stats(l, &stats);
    ck_assert_uint_eq(stats.refused, r == 0);
    ck_assert_uint_eq(stats.accepted, 0);
    crew_listener_close(l);

    snprintf(path, sizeof path, "%s/door", test_folder);
    pid_t pid = elsewhere(listen_as_another);
    do
        r = crew_connect(&c, door, NULL, CREW_FOREVER);
    while ((r == -ENOENT || r == -ECONNREFUSED) && waitpid(pid, &r, WNOHANG) == 0);
    if (r == CREW_EAUTH) {
        ck_assert_int_eq(WEXITSTATUS(ended(pid)), 0);
        ck_assert_int_eq(unlink(path), 0);
    } else {
        ck_assert_int_eq(WEXITSTATUS(r), 77);
    }
    drop_folder();
}
END_TEST

UNIT_TESTS("stream_process", another_user_is_not_let_in_nor_believed,
           a_killed_peer_is_told_behind_what_it_said,
           a_part_of_a_message_is_never_taken_for_a_whole, who_waits_for_room_is_told_of_the_death,
           a_connection_is_handed_on_to_a_process, what_is_half_heard_is_not_handed_on,
           processes_accept_at_one_listener, a_dead_listener_leaves_its_place_to_the_next)
