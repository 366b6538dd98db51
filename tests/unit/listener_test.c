/* listener_test.c - connections between strangers: who is let in, and who is not.
 *
 * Description: if one of these failed, a stranger could come in, or keep others out. */
#include "strangers.h"

#include <fcntl.h>

/* Accepts until nothing is left to do; nobody may come in. */
static void nobody_comes_in(crew_listener *l)
{
    crew_connection *c;

    ck_assert_error(crew_listener_accept(l, &c, CREW_NOW), -EAGAIN);
}

static struct crew_listener_stats stats_of(const crew_listener *l)
{
    struct crew_listener_stats s;

    crew_listener_stats(l, &s);
    return s;
}

START_TEST(what_is_no_address_is_refused)
{
    static const char *const wrong[] = {
        "",
        "unix",
        "unix:",
        "tcp:",
        "tcp:x",
        "tcp:65536",
        "tcp:-1",
        "tcp: 1",
        "tcp:1 ",
        "tcp::1",
        "tcp:1.2.3:1",
        "tcp:1.2.3.4:",
        "tcp:fd00::20:7000",
        "tcp:[fd00::20]",
        "tcp:[]:1",
        "tcp:example.org:1",
        "udp:1",
        "/tmp/door",
        "unix:/tmp/",
        "unix:.",
        "unix:..",
        "unix:/tmp/..",
    };
    crew_listener *l;
    crew_connection *c;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int r = crew_listener_open(&l, wrong[i], &(struct crew_listener_options){ WITH_KEY });

        ck_assert_msg(r == -EINVAL || (r == -ENOTSUP && !tcp_is_there()), "'%s' is %d", wrong[i],
                      r);
        r = crew_connect(&c, wrong[i], &(struct crew_connect_options){ WITH_KEY }, CREW_NOW);
        ck_assert_msg(r == -EINVAL || (r == -ENOTSUP && !tcp_is_there()), "'%s' is %d", wrong[i],
                      r);
    }
    ck_assert_error(crew_listener_open(&l, NULL, NULL), -EINVAL);
    ck_assert_error(
        crew_listener_open(&l, "unix:x", &(struct crew_listener_options){ .reserved = { 1 } }),
        -EINVAL);
    ck_assert_error(
        crew_listener_open(&l, "unix:x", &(struct crew_listener_options){ .patience = -1 }),
        -EINVAL);
    ck_assert_error(crew_connect(&c, "unix:x",
                                 &(struct crew_connect_options){ .reserved = { 0, 1 } }, CREW_NOW),
                    -EINVAL);
}
END_TEST

START_TEST(a_folder_that_others_may_enter_is_refused)
{
    crew_listener *l;
    crew_connection *c;

    make_folder();
    ck_assert_ok(crew_listener_open(&l, door, NULL));
    for (unsigned bit = 1; bit < 0100; bit <<= 1) {
        crew_listener *other;
        char address[128];

        snprintf(address, sizeof address, "unix:%s/other", test_folder);
        ck_assert_int_eq(chmod(test_folder, 0700 | bit), 0);
        ck_assert_error(crew_listener_open(&other, address, NULL), -EACCES);
        ck_assert_error(crew_connect(&c, door, NULL, CREW_FOREVER), -EACCES);
    }
    ck_assert_int_eq(chmod(test_folder, 0700), 0);
    ck_assert_error(crew_listener_open(&l, "unix:/tmp/door", NULL), -EACCES);
    ck_assert_error(crew_listener_open(&l, "unix:/nobody/is/here", NULL), -ENOENT);
    crew_listener_close(l);
    drop_folder();
}
END_TEST

START_TEST(a_name_that_is_too_long_is_refused)
{
    char address[8192];
    crew_listener *l;
    crew_connection *c;

    make_folder();
    snprintf(address, sizeof address, "unix:%s/%081d", test_folder, 0);
    ck_assert_error(crew_listener_open(&l, address, NULL), -ENAMETOOLONG);
    ck_assert_error(crew_connect(&c, address, NULL, CREW_NOW), -ENAMETOOLONG);
    snprintf(address, sizeof address, "unix:%s/%05000d/door", test_folder, 0);
    ck_assert_error(crew_listener_open(&l, address, NULL), -ENAMETOOLONG);
    snprintf(address, sizeof address, "unix:%s/%080d", test_folder, 0);
    ck_assert_ok(crew_listener_open(&l, address, NULL));
    crew_listener_close(l);
    drop_folder();
}
END_TEST

START_TEST(a_long_way_to_the_folder_is_none)
{
    char deep[256], address[300];
    struct pair p;

    make_folder();
    snprintf(deep, sizeof deep, "%s/%0150d", test_folder, 0);
    ck_assert_int_eq(mkdir(deep, 0700), 0);
    snprintf(address, sizeof address, "unix:%s/door", deep);
    ck_assert_ok(crew_listener_open(&p.listener, address, NULL));
    ck_assert_str_eq(crew_listener_address(p.listener), address);
    connect_pair(&p, 0);
    crew_connection_close(p.ours);
    crew_connection_close(p.theirs);
    crew_listener_close(p.listener);
    ck_assert_int_eq(rmdir(deep), 0);
    drop_folder();
}
END_TEST

START_TEST(a_name_belongs_to_one_listener)
{
    crew_listener *l, *other;
    struct stat s;
    char path[96];

    make_folder();
    snprintf(path, sizeof path, "%s/door", test_folder);
    ck_assert_ok(crew_listener_open(&l, door, NULL));
    ck_assert_int_eq(stat(path, &s), 0);
    ck_assert_int_eq(s.st_mode & 0777, 0600);
    ck_assert_error(crew_listener_open(&other, door, NULL), -EADDRINUSE);
    ck_assert_int_eq(stat(path, &s), 0);
    crew_listener_close(l);
    ck_assert_int_lt(stat(path, &s), 0);
    ck_assert_ok(crew_listener_open(&l, door, NULL));
    crew_listener_close(l);
    drop_folder();
}
END_TEST

START_TEST(what_is_no_listener_of_ours_is_left_alone)
{
    crew_listener *l;
    char path[96];
    int fd;

    make_folder();
    snprintf(path, sizeof path, "%s/door", test_folder);
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_error(crew_listener_open(&l, door, NULL), -EADDRINUSE);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(symlink("/tmp/elsewhere", path), 0);
    ck_assert_error(crew_listener_open(&l, door, NULL), -EADDRINUSE);
    ck_assert_int_eq(unlink(path), 0);
    drop_folder();
}
END_TEST

START_TEST(a_name_that_the_dead_left_is_taken)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    crew_connection *c;
    struct pair p;

    make_folder();
    snprintf(at.sun_path, sizeof at.sun_path, "%s/door", test_folder);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    close(fd); /* as when it is killed */
    ck_assert_error(crew_connect(&c, door, NULL, CREW_FOREVER), -ECONNREFUSED);
    ck_assert_ok(crew_listener_open(&p.listener, door, NULL));
    connect_pair(&p, 0);
    close_pair(&p);
}
END_TEST

START_TEST(nobody_there_is_told)
{
    crew_connection *c;

    make_folder();
    ck_assert_error(crew_connect(&c, door, NULL, CREW_FOREVER), -ENOENT);
    if (tcp_is_there())
        ck_assert_error(
            crew_connect(&c, "tcp:1", &(struct crew_connect_options){ WITH_KEY }, CREW_FOREVER),
            -ECONNREFUSED);
    drop_folder();
}
END_TEST

START_TEST(a_deadline_ends_the_wait_for_others)
{
    crew_listener *l;
    crew_connection *c;

    make_folder();
    ck_assert_ok(crew_listener_open(&l, door, NULL));
    ck_assert_error(crew_listener_accept(l, &c, CREW_NOW), -EAGAIN);
    ck_assert_error(crew_listener_accept(l, &c, crew_in_ms(5)), -ETIMEDOUT);
    ck_assert_error(crew_connect(&c, door, NULL, crew_in_ms(5)), -ETIMEDOUT); /* nobody accepts */
    ck_assert_error(crew_connect(&c, door, NULL, CREW_NOW), -EAGAIN);
    crew_listener_close(l);
    drop_folder();
}
END_TEST

START_TEST(keys_are_wanted_over_tcp_and_nowhere_else)
{
    crew_listener *l;
    crew_connection *c;

    make_folder();
    ck_assert_error(crew_listener_open(&l, "tcp:0", NULL), -EINVAL);
    ck_assert_error(crew_listener_open(
                        &l, "tcp:0", &(struct crew_listener_options){ .key = key, .key_size = 15 }),
                    -EINVAL);
    ck_assert_error(crew_connect(&c, "tcp:1",
                                 &(struct crew_connect_options){ .key = key, .key_size = 15 },
                                 CREW_NOW),
                    -EINVAL);
    ck_assert_error(
        crew_connect(&c, "tcp:1", &(struct crew_connect_options){ .key_size = 16 }, CREW_NOW),
        -EINVAL);
    ck_assert_error(crew_listener_open(&l, door, &(struct crew_listener_options){ WITH_KEY }),
                    -EINVAL);
    ck_assert_error(crew_connect(&c, door, &(struct crew_connect_options){ WITH_KEY }, CREW_NOW),
                    -EINVAL);
    if (tcp_is_there()) {
        ck_assert_ok(crew_listener_open(
            &l, "tcp:0", &(struct crew_listener_options){ .key = key, .key_size = 16 }));
        crew_listener_close(l);
    }
    drop_folder();
}
END_TEST

START_TEST(who_has_another_key_is_not_let_in)
{
    struct crew_connect_options wrong = { .key = "sixteen bytes of another", .key_size = 24 };
    struct keeper k;
    struct pair p;
    crew_connection *c;

    if (!tcp_is_there())
        return;
    ck_assert_ok(crew_listener_open(&p.listener, "tcp:localhost:0",
                                    &(struct crew_listener_options){ WITH_KEY }));
    start_keeper(&k, p.listener);
    ck_assert_error(crew_connect(&c, crew_listener_address(p.listener), &wrong, CREW_FOREVER),
                    CREW_EAUTH);
    stop_keeper(&k);
    ck_assert_uint_eq(stats_of(p.listener).refused, 1);
    ck_assert_uint_eq(atomic_load(&k.came), 0);
    connect_pair(&p, 0);
    close_pair(&p);
}
END_TEST

START_TEST(a_greeting_that_was_heard_can_not_be_repeated)
{
    struct proof_secret *secret;
    struct wire_greeting g, again;
    crew_listener *l;
    struct keeper k;
    int fd;

    if (!tcp_is_there())
        return;
    ck_assert_ok(crew_listener_open(&l, "tcp:0", &(struct crew_listener_options){ WITH_KEY }));
    ck_assert_ok(proof_secret(&secret, key, sizeof key));
    wire_greet(&g, WIRE_CONNECTS, secret, 100);
    again = g;
    start_keeper(&k, l);
    fd = dial(crew_listener_address(l));
    ck_assert_int_eq(say_and_hear(fd, &g), 0);
    ck_assert_int_eq(say_and_hear(fd, &g), 1); /* so the test knows how it is done */
    close(fd);

    fd = dial(crew_listener_address(l));
    ck_assert_int_eq(say_and_hear(fd, &again), 0);
    say(fd, g.out + WIRE_HELLO, PROOF_SIZE); /* what was right last time */
    hears_the_end(fd);
    stop_keeper(&k);
    ck_assert_uint_eq(stats_of(l).refused, 1);
    ck_assert_uint_eq(stats_of(l).accepted, 1);
    close(fd);
    proof_drop(secret);
    crew_listener_close(l);
}
END_TEST

/* Says these bytes to a listener that is kept, and is sent away. */
static void is_sent_away(crew_listener *l, const void *bytes, size_t size)
{
    uint64_t before = stats_of(l).refused;
    int fd = dial(crew_listener_address(l));

    say(fd, bytes, size);
    hears_the_end(fd);
    ck_assert_uint_eq(stats_of(l).refused, before + 1);
    close(fd);
}

START_TEST(who_says_that_it_listens_is_not_let_in)
{
    struct proof_secret *secret;
    struct wire_greeting g;
    crew_listener *l;
    struct keeper k;

    if (!tcp_is_there())
        return;
    ck_assert_ok(crew_listener_open(&l, "tcp:0", &(struct crew_listener_options){ WITH_KEY }));
    ck_assert_ok(proof_secret(&secret, key, sizeof key));
    wire_greet(&g, WIRE_LISTENS, secret, 100);
    start_keeper(&k, l);
    is_sent_away(l, g.hello[WIRE_LISTENS], WIRE_HELLO);
    stop_keeper(&k);
    proof_drop(secret);
    crew_listener_close(l);
}
END_TEST

/* Listens, knows no key, and sends back what it hears, with the roles turned where they show. */
static void *reflect(void *context)
{
    int door_fd = *(int *)context, fd = accept4(door_fd, NULL, NULL, SOCK_CLOEXEC);
    uint8_t bytes[WIRE_HELLO];

    ck_assert_int_eq(recv(fd, bytes, WIRE_HELLO, MSG_WAITALL), WIRE_HELLO);
    bytes[5] = 'L';
    say(fd, bytes, WIRE_HELLO);
    ck_assert_int_eq(recv(fd, bytes, PROOF_SIZE, MSG_WAITALL), PROOF_SIZE);
    say(fd, bytes, PROOF_SIZE);
    close(fd);
    return NULL;
}

START_TEST(ones_own_proof_sent_back_proves_nothing)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof at;
    crew_connection *c;
    char address[32];
    pthread_t t;

    if (tcp_is_there()) {
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
        ck_assert_int_eq(listen(fd, 1), 0);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&at, &size), 0);
        snprintf(address, sizeof address, "tcp:%u", ntohs(at.sin_port));
        ck_assert_int_eq(pthread_create(&t, NULL, reflect, &fd), 0);
        ck_assert_error(
            crew_connect(&c, address, &(struct crew_connect_options){ WITH_KEY }, CREW_FOREVER),
            CREW_EAUTH);
        ck_assert_int_eq(pthread_join(t, NULL), 0);
    }
    close(fd);
}
END_TEST

START_TEST(rubbish_is_sent_away)
{
    static const char *const said[] = {
        "GET / HTTP/1.0\r\nHost: here\r\nAccept: everything and anything\r\n\r\n",
        "................................................",
        "crew............................................................................",
    };
    struct wire_greeting g;
    crew_listener *l;
    struct keeper k;

    make_folder();
    for (unsigned tcp = 0; tcp <= tcp_is_there(); tcp++) {
        ck_assert_ok(
            tcp ? crew_listener_open(&l, "tcp:0", &(struct crew_listener_options){ WITH_KEY })
                : crew_listener_open(&l, door, NULL));
        start_keeper(&k, l);
        for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
            is_sent_away(l, said[i], strlen(said[i]));
        for (unsigned i = 0; i < 8; i++) { /* one byte of the preamble is wrong */
            wire_greet(&g, WIRE_CONNECTS, NULL, 100);
            g.out[6] = (uint8_t)tcp;
            g.out[i] ^= 1;
            is_sent_away(l, g.out, WIRE_HELLO);
        }
        wire_greet(&g, WIRE_CONNECTS, NULL, 0); /* takes no messages */
        g.out[6] = (uint8_t)tcp;
        is_sent_away(l, g.out, WIRE_HELLO);
        stop_keeper(&k);
        crew_listener_close(l);
    }
    drop_folder();
}
END_TEST

START_TEST(who_leaves_early_is_forgotten)
{
    crew_listener *l;
    int fd;

    make_folder();
    ck_assert_ok(crew_listener_open(&l, door, NULL));
    fd = dial(door);
    nobody_comes_in(l);
    say(fd, "crew", 4);
    nobody_comes_in(l);
    ck_assert_uint_eq(stats_of(l).newcomers, 1);
    close(fd);
    nobody_comes_in(l);
    ck_assert_uint_eq(stats_of(l).newcomers, 0);
    ck_assert_uint_eq(stats_of(l).refused, 1);
    crew_listener_close(l);
    drop_folder();
}
END_TEST

START_TEST(who_is_slow_keeps_nobody_waiting)
{
    enum { SLOW = 100 };
    struct pair p;
    int fd[SLOW];

    make_folder();
    ck_assert_ok(crew_listener_open(&p.listener, door, NULL));
    for (unsigned i = 0; i < SLOW; i++) {
        fd[i] = dial(door);
        say(fd[i], "crew", i % 5);
        if (i % 16 == 0)
            nobody_comes_in(p.listener);
    }
    connect_pair(&p, 0);
    ck_assert_uint_eq(stats_of(p.listener).late, 0);
    ck_assert_uint_eq(stats_of(p.listener).newcomers, SLOW);
    for (unsigned i = 0; i < SLOW; i++)
        close(fd[i]);
    close_pair(&p);
}
END_TEST

START_TEST(who_is_not_through_in_time_is_sent_away)
{
    crew_connection *c;
    crew_listener *l;
    int fd;

    make_folder();
    ck_assert_ok(
        crew_listener_open(&l, door, &(struct crew_listener_options){ .patience = 1000000 }));
    fd = dial(door);
    while (stats_of(l).late == 0)
        ck_assert_int_lt(crew_listener_accept(l, &c, crew_in_ms(20)), 0);
    hears_the_end(fd);
    close(fd);
    ck_assert_uint_eq(stats_of(l).newcomers, 0);
    crew_listener_close(l);
    drop_folder();
}
END_TEST

START_TEST(the_longest_there_makes_room)
{
    crew_listener *l;
    struct pair p;
    int fd[3];

    make_folder();
    ck_assert_ok(crew_listener_open(&l, door, &(struct crew_listener_options){ .newcomers = 2 }));
    for (unsigned i = 0; i < 3; i++) {
        fd[i] = dial(door);
        nobody_comes_in(l);
    }
    ck_assert_uint_eq(stats_of(l).late, 1);
    hears_the_end(fd[0]);
    p.listener = l;
    connect_pair(&p, 0);
    ck_assert_uint_eq(stats_of(l).late, 2);
    hears_the_end(fd[1]);
    ck_assert_uint_eq(stats_of(l).newcomers, 1);
    for (unsigned i = 0; i < 3; i++)
        close(fd[i]);
    close_pair(&p);
}
END_TEST

START_TEST(a_descriptor_tells_of_who_comes)
{
    struct caller caller = { .address = door };
    crew_connection *c;
    crew_listener *l;
    struct pollfd p;
    pthread_t t;
    int r;

    make_folder();
    ck_assert_ok(crew_listener_open(&l, door, NULL));
    p = (struct pollfd){ .fd = crew_listener_descriptor(l), .events = POLLIN };
    ck_assert_int_ge(p.fd, 0);
    ck_assert_int_eq(p.fd, crew_listener_descriptor(l));
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    ck_assert_int_eq(pthread_create(&t, NULL, call, &caller), 0);
    do {
        ck_assert_int_eq(poll(&p, 1, -1), 1);
        r = crew_listener_accept(l, &c, CREW_NOW);
    } while (r == -EAGAIN);
    ck_assert_ok(r);
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    ck_assert_ok(caller.result);
    ck_assert_int_eq(poll(&p, 1, 0), 0);
    crew_connection_close(c);
    crew_connection_close(caller.connection);
    crew_listener_close(l);
    crew_listener_close(NULL);
    drop_folder();
}
END_TEST

static void *accept_in_thread(void *context)
{
    crew_connection *c;

    ck_assert_ok(crew_listener_accept(context, &c, CREW_FOREVER));
    return c;
}

START_TEST(threads_take_turns)
{
    enum { MANY = 8 };
    struct caller caller[MANY];
    pthread_t callers[MANY], t[MANY];
    crew_listener *l;

    make_folder();
    ck_assert_ok(crew_listener_open(&l, door, NULL));
    for (unsigned i = 0; i < MANY; i++) {
        caller[i] = (struct caller){ .address = door };
        ck_assert_int_eq(pthread_create(&t[i], NULL, accept_in_thread, l), 0);
        ck_assert_int_eq(pthread_create(&callers[i], NULL, call, &caller[i]), 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        void *c;

        ck_assert_int_eq(pthread_join(t[i], &c), 0);
        ck_assert_int_eq(pthread_join(callers[i], NULL), 0);
        ck_assert_ok(caller[i].result);
        crew_connection_close(c);
        crew_connection_close(caller[i].connection);
    }
    ck_assert_uint_eq(stats_of(l).accepted, MANY);
    crew_listener_close(l);
    drop_folder();
}
END_TEST

UNIT_TESTS("listener", what_is_no_address_is_refused, a_folder_that_others_may_enter_is_refused,
           a_name_that_is_too_long_is_refused, a_long_way_to_the_folder_is_none,
           a_name_belongs_to_one_listener, what_is_no_listener_of_ours_is_left_alone,
           a_name_that_the_dead_left_is_taken, nobody_there_is_told,
           a_deadline_ends_the_wait_for_others, keys_are_wanted_over_tcp_and_nowhere_else,
           who_has_another_key_is_not_let_in, a_greeting_that_was_heard_can_not_be_repeated,
           who_says_that_it_listens_is_not_let_in, ones_own_proof_sent_back_proves_nothing,
           rubbish_is_sent_away, who_leaves_early_is_forgotten, who_is_slow_keeps_nobody_waiting,
           who_is_not_through_in_time_is_sent_away, the_longest_there_makes_room,
           a_descriptor_tells_of_who_comes, threads_take_turns)
