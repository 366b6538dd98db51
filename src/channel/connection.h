/* connection.h - what the kinds of connections have in common: over a pipe (pipe.c), over a socket
 * (stream.c). A connection is a handle of the process, malloc()ed; a forked child has a copy. */
#ifndef CREW_CHANNEL_CONNECTION_H
#define CREW_CHANNEL_CONNECTION_H

#include <crew/connection.h>
#include <os/os.h>

#include <errno.h>

#define CONNECTION_MAGIC UINT32_C(0x636f6e6e)

/* What goes out. */
struct sending {
    const void *bytes;
    size_t size;
    const int *fds; /* the caller's */
    unsigned count;
};

/* What a receiver wants, and what it got. */
struct receiving {
    void *buf;       /* wanted: there ...                    */
    size_t capacity;
    bool block;      /* ... or a block of the arena          */
    int *fds;        /* NULL: descriptors are closed         */
    unsigned most;
    void *message;   /* got: the block                       */
    size_t size;     /* also when it did not fit (-EMSGSIZE) */
    unsigned count;
};

struct connection_kind {
    int (*bind)(crew_connection *c, pid_t pid);
    int (*send)(crew_connection *c, const struct sending *s, crew_time deadline);
    int (*recv)(crew_connection *c, struct receiving *r, crew_time deadline);
    int (*poll)(crew_connection *c, crew_time deadline);
    int (*descriptor)(crew_connection *c);
    struct crew_wait (*wait)(crew_connection *c);
    void (*close)(crew_connection *c); /* frees it */
};

struct crew_connection {
    uint32_t magic;
    const struct connection_kind *kind;
};

static inline int connection_late(crew_time deadline)
{
    return deadline == CREW_NOW ? -EAGAIN : -ETIMEDOUT;
}

#endif
