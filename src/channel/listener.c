/* listener.c - crew/listener.h: who listens, and the newcomers.
 *
 * A newcomer has connected and not yet proved who it is. It has a small place of fixed size in a
 * table and until a certain moment; its bytes are looked at when accept() is called, whenever some
 * are there, in any order of newcomers. So one that is slow, or says nothing, keeps nobody else
 * waiting. When the table is full, who has been in it longest goes.
 *
 * The table is a process's own: a forked child forgets its copy, and goes on with the socket alone.
 * */
#include "address.h"
#include "stream.h"
#include "turn.h"

#include <crew/listener.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTENER_MAGIC UINT32_C(0x6c73746e)
#define LIMIT ((size_t)64 << 20)
#define PATIENCE ((crew_time)5000000000)
#define NEWCOMERS 128
#define QUEUE 128  /* that the kernel keeps until they are newcomers */
#define EVENTS 16  /* looked at in one round                         */
#define ROUNDS 16  /* of accept() that must not wait                 */

struct newcomer {
    int fd;           /* -1: the place is free */
    crew_time since;
    struct wire_greeting greeting;
};

struct crew_listener {
    uint32_t magic;
    pid_t opener; /* takes the name away when it closes */
    struct address address;
    struct os_name name; /* as it was made              */
    char *text;          /* the address, for who asks   */
    struct proof_secret *secret;
    size_t limit;
    crew_time patience;

    _Atomic uint32_t turn; /* whose it is to accept; guards these */
    pid_t process;         /* whose table it is           */
    int fd, poll;
    unsigned places;
    struct newcomer *newcomer;
    _Atomic uint64_t accepted, refused, late; /* read by whoever asks */
    _Atomic unsigned newcomers;
};

static void check(const crew_listener *l, const char *call)
{
    if (!l || l->magic != LISTENER_MAGIC)
        os_misuse(call, "not an open listener");
}

static void count(_Atomic uint64_t *number)
{
    store_relaxed(number, load_relaxed(number) + 1);
}

/* -- opening and closing --------------------------------------------------------------------- */

/* True if the name is of a listener of ours that nobody is at any more. */
static bool is_left_over(const struct address *a)
{
    struct os_name name;
    int fd;

    if (os_name_look(a->folder, a->name, &name) < 0 || !name.is_socket || name.user != os_user())
        return false;
    fd = os_connect_in(a->folder, a->name, CREW_NOW);
    if (fd >= 0)
        os_close(fd);
    return fd == -ECONNREFUSED;
}

static int listen_in_folder(crew_listener *l)
{
    const struct address *a = &l->address;
    int fd;

    os_folder_lock(a->folder);
    fd = os_listen_in(a->folder, a->name, QUEUE);
    if (fd == -EADDRINUSE && is_left_over(a)) {
        os_name_remove(a->folder, a->name);
        fd = os_listen_in(a->folder, a->name, QUEUE);
    }
    if (fd >= 0)
        os_name_look(a->folder, a->name, &l->name);
    os_folder_unlock(a->folder);
    return fd;
}

static void take_name_away(crew_listener *l)
{
    const struct address *a = &l->address;
    struct os_name now;

    if (!a->local || l->opener != os_pid())
        return;
    os_folder_lock(a->folder);
    if (os_name_look(a->folder, a->name, &now) == 0 && now.device == l->name.device &&
        now.number == l->name.number)
        os_name_remove(a->folder, a->name);
    os_folder_unlock(a->folder);
}

static int watch(crew_listener *l)
{
    int r;

    l->poll = os_poll_create();
    if (l->poll < 0)
        return l->poll;
    r = os_poll_add(l->poll, l->fd, l);
    if (r < 0) {
        os_close(l->poll);
        l->poll = -1;
    }
    return r;
}

/* All that can fail, but what was counted in 'l' is given back by the caller. */
static int begin(crew_listener *l, const char *address, const struct crew_listener_options *options)
{
    const struct address *a = &l->address;
    int r = address_open(&l->address, address);

    if (r == 0)
        r = address_secret(a, options->key, options->key_size, &l->secret);
    if (r < 0)
        return r;
    l->newcomer = calloc(l->places, sizeof *l->newcomer);
    if (!l->newcomer)
        return -ENOMEM;
    for (unsigned i = 0; i < l->places; i++)
        l->newcomer[i].fd = -1;
    l->fd = a->local ? listen_in_folder(l) : os_listen_tcp(a->host, &l->address.port, QUEUE);
    if (l->fd < 0)
        return l->fd;
    if (a->local)
        r = asprintf(&l->text, "%s", address);
    else
        r = asprintf(&l->text, strchr(a->host, ':') ? "tcp:[%s]:%u" : "tcp:%s:%u", a->host,
                     a->port);
    if (r < 0) {
        l->text = NULL;
        return -ENOMEM;
    }
    return watch(l);
}

static void send_away(crew_listener *l, struct newcomer *n)
{
    os_poll_remove(l->poll, n->fd);
    os_close(n->fd);
    n->fd = -1;
    l->newcomers--;
}

static void give_back(crew_listener *l)
{
    for (unsigned i = 0; l->newcomer && i < l->places; i++)
        if (l->newcomer[i].fd >= 0)
            os_close(l->newcomer[i].fd);
    if (l->poll >= 0)
        os_close(l->poll);
    if (l->fd >= 0) {
        take_name_away(l);
        os_close(l->fd);
    }
    address_close(&l->address);
    proof_drop(l->secret);
    free(l->newcomer);
    free(l->text);
    free(l);
}

int crew_listener_open(crew_listener **listener, const char *address,
                       const struct crew_listener_options *options)
{
    static const struct crew_listener_options none;
    crew_listener *l;
    int r;

    options = options ? options : &none;
    for (unsigned i = 0; i < 4; i++)
        if (options->reserved[i] != 0)
            return -EINVAL;
    if (options->patience < 0)
        return -EINVAL;
    l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    l->magic = LISTENER_MAGIC;
    l->opener = l->process = os_pid();
    l->fd = l->poll = -1;
    l->limit = options->limit ? options->limit : LIMIT;
    l->patience = options->patience ? options->patience : PATIENCE;
    l->places = options->newcomers ? options->newcomers : NEWCOMERS;
    r = begin(l, address, options);
    if (r < 0)
        give_back(l);
    else
        *listener = l;
    return r;
}

const char *crew_listener_address(const crew_listener *listener)
{
    check(listener, "crew_listener_address");
    return listener->text;
}

void crew_listener_close(crew_listener *listener)
{
    if (!listener)
        return;
    check(listener, "crew_listener_close");
    listener->magic = 0;
    give_back(listener);
}

/* -- newcomers --------------------------------------------------------------------------------- */

static crew_time gone(const crew_listener *l, const struct newcomer *n)
{
    return n->since > CREW_FOREVER - l->patience ? CREW_FOREVER : n->since + l->patience;
}

/* Who has been at it longest; NULL: nobody. */
static struct newcomer *oldest(crew_listener *l)
{
    struct newcomer *first = NULL;

    for (unsigned i = 0; i < l->places; i++) {
        struct newcomer *n = &l->newcomer[i];

        if (n->fd >= 0 && (!first || n->since < first->since))
            first = n;
    }
    return first;
}

static bool make_room(crew_listener *l)
{
    struct newcomer *n = oldest(l);

    if (!n)
        return false;
    send_away(l, n);
    count(&l->late);
    return true;
}

static struct newcomer *free_place(crew_listener *l)
{
    if (load_relaxed(&l->newcomers) == l->places)
        make_room(l);
    for (unsigned i = 0; i < l->places; i++)
        if (l->newcomer[i].fd < 0)
            return &l->newcomer[i];
    return NULL;
}

/* Takes the next that has connected. 0: also if it is not let in; -EAGAIN: there is none. */
static int take_newcomer(crew_listener *l)
{
    struct newcomer *n;
    int fd = os_accept(l->fd);

    if ((fd == -EMFILE || fd == -ENFILE) && make_room(l))
        fd = os_accept(l->fd);
    if (fd < 0)
        return fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM || fd == -ENOBUFS || fd == -EAGAIN
                   ? fd
                   : 0;
    if (!address_trusts(&l->address, fd)) {
        count(&l->refused);
        os_close(fd);
        return 0;
    }
    n = free_place(l);
    if (os_poll_add(l->poll, fd, n) < 0) {
        os_close(fd);
        return -ENOMEM;
    }
    n->fd = fd;
    n->since = crew_time_now();
    l->newcomers++;
    wire_greet(&n->greeting, WIRE_LISTENS, l->secret, l->limit);
    return 0;
}

/* Sends what is to be said, which always finds room: there is nothing before it. */
static bool answer(struct newcomer *n)
{
    struct wire_greeting *g = &n->greeting;

    while (g->out_sent < g->out_size) {
        const struct os_bytes rest = { g->out + g->out_sent, g->out_size - g->out_sent };
        ssize_t r = os_socket_send(n->fd, &rest, 1, NULL, 0);

        if (r < 0)
            return false;
        g->out_sent += (size_t)r;
    }
    return true;
}

/* Looks at what a newcomer says. 0: it has more to say, or is gone; 1: it is one of us. */
static int hear(crew_listener *l, struct newcomer *n)
{
    for (;;) {
        size_t size;
        void *at = wire_greeting_room(&n->greeting, &size);
        ssize_t r = os_socket_recv(n->fd, at, size, NULL, 0, NULL);
        int over;

        if (r == -EAGAIN)
            return 0;
        over = r > 0 ? wire_greeting_got(&n->greeting, (size_t)r) : CREW_EAUTH;
        if (over < 0 || !answer(n)) {
            count(&l->refused);
            send_away(l, n);
            return 0;
        }
        if (over)
            return 1;
    }
}

/* Makes a connection of a newcomer. */
static int let_in(crew_listener *l, struct newcomer *n, crew_connection **connection)
{
    int r = stream_open(connection, n->fd, l->address.local, &n->greeting, l->limit);

    if (r < 0) {
        send_away(l, n);
        return r;
    }
    os_poll_remove(l->poll, n->fd);
    n->fd = -1;
    l->newcomers--;
    count(&l->accepted);
    return 0;
}

static void send_late_away(crew_listener *l)
{
    crew_time now = crew_time_now();
    struct newcomer *n;

    while ((n = oldest(l)) && gone(l, n) <= now) {
        send_away(l, n);
        count(&l->late);
    }
}

/* A child's table is empty, and its set of descriptors one of its own. */
static int settle_in(crew_listener *l)
{
    if (l->process == os_pid())
        return 0;
    for (unsigned i = 0; i < l->places; i++) {
        if (l->newcomer[i].fd >= 0)
            os_close(l->newcomer[i].fd);
        l->newcomer[i].fd = -1;
    }
    store_relaxed(&l->accepted, 0);
    store_relaxed(&l->refused, 0);
    store_relaxed(&l->late, 0);
    store_relaxed(&l->newcomers, 0);
    if (l->poll >= 0)
        os_close(l->poll);
    l->process = os_pid();
    return watch(l);
}

/* One round: takes who has connected, hears who says something. 1: 'connection' is there; 0: look
 * again. */
static int go_round(crew_listener *l, crew_connection **connection, crew_time deadline)
{
    struct newcomer *first = oldest(l);
    crew_time until = first && gone(l, first) < deadline ? gone(l, first) : deadline;
    void *ready[EVENTS];
    int count = os_poll_wait_until(l->poll, ready, EVENTS, until);
    bool more = false;
    int r;

    if (count < 0)
        return count;
    for (int i = 0; i < count; i++) {
        struct newcomer *n = ready[i];

        if (ready[i] == l) {
            more = true;
        } else if (hear(l, n)) {
            r = let_in(l, n, connection);
            return r < 0 ? r : 1;
        }
    }
    /* The last thing to do, so that no more are taken than must be: another process may be quicker.
     * */
    r = more ? take_newcomer(l) : 0;
    if (r < 0 && r != -EAGAIN)
        return r;
    if (count < EVENTS)
        send_late_away(l);
    return count == 0 && deadline == CREW_NOW ? -EAGAIN : 0;
}

static int accept_one(crew_listener *l, crew_connection **connection, crew_time deadline)
{
    int r = l->poll < 0 || l->process != os_pid() ? settle_in(l) : 0;

    for (unsigned round = 1; r == 0; round++) {
        r = go_round(l, connection, deadline);
        if (r != 0)
            break;
        if (deadline == CREW_NOW ? round == ROUNDS : crew_time_now() >= deadline)
            r = connection_late(deadline);
    }
    return r < 0 ? r : 0;
}

int crew_listener_accept(crew_listener *listener, crew_connection **connection, crew_time deadline)
{
    int r;

    check(listener, "crew_listener_accept");
    r = turn_take(&listener->turn, deadline);
    if (r < 0)
        return r;
    r = accept_one(listener, connection, deadline);
    turn_pass(&listener->turn);
    return r;
}

int crew_listener_descriptor(crew_listener *listener)
{
    int r;

    check(listener, "crew_listener_descriptor");
    turn_take(&listener->turn, CREW_FOREVER);
    r = settle_in(listener);
    if (r == 0)
        r = listener->poll;
    turn_pass(&listener->turn);
    return r;
}

void crew_listener_stats(const crew_listener *listener, struct crew_listener_stats *stats)
{
    check(listener, "crew_listener_stats");
    *stats = (struct crew_listener_stats){
        .accepted = load_relaxed(&listener->accepted),
        .refused = load_relaxed(&listener->refused),
        .late = load_relaxed(&listener->late),
        .newcomers = load_relaxed(&listener->newcomers),
    };
}
