/* connect.c - crew_connect(): from an address to a connection. */
#include "address.h"
#include "stream.h"

#include <crew/listener.h>

#include <errno.h>

#define LIMIT ((size_t)64 << 20)

/* What a failure in the middle of the greeting means: whoever is there does not go on with us. */
static int unproved(ssize_t r)
{
    return r == -ENOMEM || r == -ENOBUFS ? (int)r : CREW_EAUTH;
}

static int await(int fd, enum os_ready what, crew_time deadline)
{
    return deadline == CREW_NOW ? -ETIMEDOUT : os_await(fd, what, deadline);
}

static int say(int fd, struct wire_greeting *g, crew_time deadline)
{
    while (g->out_sent < g->out_size) {
        const struct os_bytes rest = { g->out + g->out_sent, g->out_size - g->out_sent };
        ssize_t n = os_socket_send(fd, &rest, 1, NULL, 0);
        int r;

        if (n == -EAGAIN) {
            r = await(fd, OS_WRITABLE, deadline);
            if (r < 0)
                return r;
        } else if (n < 0) {
            return unproved(n);
        } else {
            g->out_sent += (size_t)n;
        }
    }
    return 0;
}

static int greet(int fd, struct wire_greeting *g, crew_time deadline)
{
    int over = 0;

    for (;;) {
        size_t size;
        void *at;
        ssize_t n;
        int r = say(fd, g, deadline);

        if (r < 0 || over)
            return r;
        at = wire_greeting_room(g, &size);
        n = os_socket_recv(fd, at, size, NULL, 0, NULL);
        if (n == -EAGAIN) {
            r = await(fd, OS_READABLE, deadline);
            if (r < 0)
                return r;
        } else if (n <= 0) {
            return unproved(n);
        } else {
            over = wire_greeting_got(g, (size_t)n);
            if (over < 0)
                return over;
        }
    }
}

static int connect_to(const struct address *a, const struct proof_secret *secret, size_t limit,
                      crew_connection **connection, crew_time deadline)
{
    struct wire_greeting greeting;
    int fd = a->local ? os_connect_in(a->folder, a->name, deadline)
                      : os_connect_tcp(a->host, a->port, deadline);
    int r;

    if (fd < 0)
        return fd;
    wire_greet(&greeting, WIRE_CONNECTS, secret, limit);
    r = address_trusts(a, fd) ? greet(fd, &greeting, deadline) : CREW_EAUTH;
    if (r == 0)
        r = stream_open(connection, fd, a->local, &greeting, limit);
    if (r < 0)
        os_close(fd);
    return r;
}

int crew_connect(crew_connection **connection, const char *address,
                 const struct crew_connect_options *options, crew_time deadline)
{
    static const struct crew_connect_options none;
    struct proof_secret *secret;
    struct address a;
    int r;

    options = options ? options : &none;
    for (unsigned i = 0; i < 4; i++)
        if (options->reserved[i] != 0)
            return -EINVAL;
    r = address_open(&a, address);
    if (r < 0)
        return r;
    r = address_secret(&a, options->key, options->key_size, &secret);
    if (r == 0) {
        r = connect_to(&a, secret, options->limit ? options->limit : LIMIT, connection, deadline);
        proof_drop(secret);
    }
    address_close(&a);
    return r == -ETIMEDOUT ? connection_late(deadline) : r;
}
