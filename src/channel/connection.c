/* connection.c - crew/connection.h, for all kinds of connections. */
#include "connection.h"

static void check(const crew_connection *c, const char *call)
{
    if (__builtin_expect(!c || c->magic != CONNECTION_MAGIC, 0))
        os_misuse(call, "not an open connection");
}

int crew_connection_send(crew_connection *c, const void *bytes, size_t size, crew_time deadline)
{
    check(c, "crew_connection_send");
    return c->kind->send(c, &(struct sending){ .bytes = bytes, .size = size }, deadline);
}

int crew_connection_send_descriptors(crew_connection *c, const void *bytes, size_t size,
                                     const int *descriptors, unsigned count, crew_time deadline)
{
    check(c, "crew_connection_send_descriptors");
    if (count > CREW_DESCRIPTORS_MOST)
        return -EINVAL;
    return c->kind->send(
        c, &(struct sending){ .bytes = bytes, .size = size, .fds = descriptors, .count = count },
        deadline);
}

int crew_connection_recv(crew_connection *c, void **message, size_t *size, crew_time deadline)
{
    struct receiving got = { .block = true };
    int r;

    check(c, "crew_connection_recv");
    r = c->kind->recv(c, &got, deadline);
    if (r == 0) {
        *message = got.message;
        *size = got.size;
    }
    return r;
}

int crew_connection_recv_into(crew_connection *c, void *buf, size_t capacity, size_t *size,
                              crew_time deadline)
{
    struct receiving got = { .buf = buf, .capacity = capacity };
    int r;

    check(c, "crew_connection_recv_into");
    r = c->kind->recv(c, &got, deadline);
    if (size && (r == 0 || r == -EMSGSIZE))
        *size = got.size;
    return r;
}

int crew_connection_recv_descriptors(crew_connection *c, void *buf, size_t capacity, size_t *size,
                                     int *descriptors, unsigned most, unsigned *count,
                                     crew_time deadline)
{
    struct receiving got = { .buf = buf, .capacity = capacity, .fds = descriptors, .most = most };
    int none, r;

    check(c, "crew_connection_recv_descriptors");
    if (most == 0)
        got.fds = &none;
    r = c->kind->recv(c, &got, deadline);
    if (r < 0 && r != -EMSGSIZE)
        return r;
    if (size)
        *size = got.size;
    if (count)
        *count = got.count;
    return r;
}

int crew_connection_poll(crew_connection *c, crew_time deadline)
{
    check(c, "crew_connection_poll");
    return c->kind->poll(c, deadline);
}

int crew_connection_descriptor(crew_connection *c)
{
    check(c, "crew_connection_descriptor");
    return c->kind->descriptor(c);
}

struct crew_wait crew_wait_connection(crew_connection *c)
{
    check(c, "crew_wait_connection");
    return c->kind->wait(c);
}

int crew_connection_bind(crew_connection *c, pid_t pid)
{
    check(c, "crew_connection_bind");
    return c->kind->bind(c, pid);
}

void crew_connection_close(crew_connection *c)
{
    if (!c)
        return;
    check(c, "crew_connection_close");
    c->magic = 0;
    c->kind->close(c);
}
