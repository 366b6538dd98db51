/* strangers.h - a listener and who connects to it, for tests: a folder of our own, pairs of
 * connected connections, and a stranger that speaks bytes. */
#ifndef UNIT_STRANGERS_H
#define UNIT_STRANGERS_H

#include "unit.h"

#include <channel/wire.h>
#include <crew.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char key[] = "sixteen bytes, or more of them";

#define WITH_KEY .key = key, .key_size = sizeof key

/* A folder that is ours, with an address in it. */
static char test_folder[64], door[96];

static inline void make_folder(void)
{
    snprintf(test_folder, sizeof test_folder, "/tmp/crew-test.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(test_folder));
    snprintf(door, sizeof door, "unix:%s/door", test_folder);
}

static inline void drop_folder(void)
{
    ck_assert_int_eq(rmdir(test_folder), 0); /* so nothing is left in it */
}

/* -ENOTSUP where crew was built without libsodium. */
static inline bool tcp_is_there(void)
{
    crew_listener *l;
    int r = crew_listener_open(&l, "tcp:0", &(struct crew_listener_options){ WITH_KEY });

    if (r == 0)
        crew_listener_close(l);
    else
        ck_assert_error(r, -ENOTSUP);
    return r == 0;
}

struct caller {
    const char *address;
    struct crew_connect_options options;
    crew_connection *connection;
    int result;
};

static void *call(void *context)
{
    struct caller *c = context;

    c->result = crew_connect(&c->connection, c->address, &c->options, CREW_FOREVER);
    return NULL;
}

struct pair {
    crew_listener *listener;
    crew_connection *theirs, *ours; /* who connected, who listens */
};

static inline void connect_pair(struct pair *p, size_t limit)
{
    bool tcp = strncmp(crew_listener_address(p->listener), "tcp", 3) == 0;
    struct caller caller = { .address = crew_listener_address(p->listener),
                             .options.limit = limit };
    pthread_t t;

    if (tcp) {
        caller.options.key = key;
        caller.options.key_size = sizeof key;
    }
    ck_assert_int_eq(pthread_create(&t, NULL, call, &caller), 0);
    ck_assert_ok(crew_listener_accept(p->listener, &p->ours, CREW_FOREVER));
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    ck_assert_ok(caller.result);
    p->theirs = caller.connection;
}

static inline struct pair open_pair(bool tcp)
{
    struct pair p;

    if (tcp) {
        ck_assert_ok(
            crew_listener_open(&p.listener, "tcp:0", &(struct crew_listener_options){ WITH_KEY }));
    } else {
        make_folder();
        ck_assert_ok(crew_listener_open(&p.listener, door, NULL));
    }
    connect_pair(&p, 0);
    return p;
}

static inline void close_pair(struct pair *p)
{
    bool tcp = strncmp(crew_listener_address(p->listener), "tcp", 3) == 0;

    crew_connection_close(p->theirs);
    crew_connection_close(p->ours);
    crew_listener_close(p->listener);
    if (!tcp)
        drop_folder();
}

/* Accepts in a thread, until it is told to stop. Who came in stays open until then. */
struct keeper {
    crew_listener *listener;
    pthread_t thread;
    _Atomic bool stop;
    _Atomic unsigned came;
    crew_connection *who[8];
};

static void *keep(void *context)
{
    struct keeper *k = context;
    crew_connection *c;

    while (!atomic_load(&k->stop)) {
        if (crew_listener_accept(k->listener, &c, crew_in_ms(2)) != 0)
            continue;
        k->who[atomic_load(&k->came)] = c;
        atomic_fetch_add(&k->came, 1);
    }
    return NULL;
}

static inline void start_keeper(struct keeper *k, crew_listener *listener)
{
    *k = (struct keeper){ .listener = listener };
    ck_assert_int_eq(pthread_create(&k->thread, NULL, keep, k), 0);
}

static inline void stop_keeper(struct keeper *k)
{
    atomic_store(&k->stop, true);
    ck_assert_int_eq(pthread_join(k->thread, NULL), 0);
    for (unsigned i = 0; i < atomic_load(&k->came); i++)
        crew_connection_close(k->who[i]);
}

/* -- a stranger that speaks bytes ------------------------------------------------------------- */

static inline int dial(const char *address)
{
    struct sockaddr_un path = { .sun_family = AF_UNIX };
    struct sockaddr_in port = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    bool tcp = strncmp(address, "tcp", 3) == 0;
    int fd = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (tcp)
        port.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    else
        snprintf(path.sun_path, sizeof path.sun_path, "%s", address + 5);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(tcp ? connect(fd, (struct sockaddr *)&port, sizeof port)
                         : connect(fd, (struct sockaddr *)&path, sizeof path), 0);
    return fd;
}

static inline void say(int fd, const void *bytes, size_t size)
{
    ck_assert_int_eq(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* The other side has closed. */
static inline void hears_the_end(int fd)
{
    char byte;

    ck_assert_int_le(recv(fd, &byte, 1, 0), 0);
}

/* Says what a greeting has to say, and hears what comes next. As wire_greeting_got(). */
static inline int say_and_hear(int fd, struct wire_greeting *g)
{
    size_t size;
    void *at;
    ssize_t n;

    say(fd, g->out + g->out_sent, g->out_size - g->out_sent);
    g->out_sent = g->out_size;
    at = wire_greeting_room(g, &size);
    n = recv(fd, at, size, MSG_WAITALL);
    return n == (ssize_t)size ? wire_greeting_got(g, size) : CREW_EAUTH;
}

#endif
