/* stream.c - messages through a socket, by one process at a time.
 *
 * Each side of it has a lock: a message goes out whole before the next one does, and comes in by
 * one thread at a time. What came of a message stays when a deadline ends the wait, and the next
 * call goes on with it. What was sent of one does not: the rest of the chunk that was cut short is
 * kept, and goes out before anything else, followed by ABORT. So the peer never sees a part of a
 * message as a whole, and the connection goes on.
 *
 * No more is read from the socket than the chunk that has begun: so the socket is readable as long
 * as something is there, but for a message that has been read and not been fetched, which rings a
 * bell.
 *
 * The process dies ...             the peer sees
 *   between messages, or in one    the socket's end without BYE: CREW_EPEERDIED, behind all whole
 *                                  messages, once no other process holds a copy of the socket
 *   in close(), after BYE          an orderly end: all of it was sent */
#include "stream.h"

#include "turn.h"

#include <crew/memory.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define FAREWELL_MS 1000 /* for a peer to make room for BYE */
#define REST_MOST (WIRE_HEAD + WIRE_CHUNK + PROOF_SIZE + WIRE_HEAD + PROOF_SIZE)

_Static_assert(WIRE_DESCRIPTORS <= OS_DESCRIPTORS_MOST, "they travel in one packet");

struct stream {
    struct crew_connection connection;
    int fd;
    bool local;
    _Atomic pid_t user;       /* who uses it; others hold a copy                     */
    struct proof_secret *theirs, *ours;
    uint64_t peer_limit;

    _Atomic uint32_t sends; /* whose turn it is; guards these                        */
    struct wire_writer writer;
    uint8_t *rest;            /* of a message that is aborted; NULL: never was any   */
    size_t rest_at, rest_size;

    _Atomic uint32_t recvs; /* the same                                              */
    struct wire_reader reader;
    bool whole;               /* a message lies in the reader                        */
    int fds[WIRE_DESCRIPTORS]; /* what came with it                                  */
    unsigned count;
    int poll, bell;           /* for who waits elsewhere; -1: nobody asked           */
    bool rung;

    _Atomic int over; /* what came after the last message: 0: more may; else what recv() answers */
    _Atomic int dead; /* what send() answers; 0: it works                                        */
};

static struct stream *of(crew_connection *c)
{
    return (struct stream *)(void *)c;
}

static bool is_foreign(const struct stream *s)
{
    return load_relaxed(&s->user) != os_pid();
}

/* Waits for the socket. 0: look again. */
static int await(const struct stream *s, enum os_ready what, crew_time deadline)
{
    int r = deadline == CREW_NOW ? -EAGAIN : os_await(s->fd, what, deadline);

    return r == -ETIMEDOUT ? connection_late(deadline) : r;
}

/* What a failure of the socket means: the other side is gone, or it is this side's trouble. */
static int peer_or_ours(int r)
{
    switch (r) {
    case -ENOMEM:
    case -ENOBUFS:
    case -EBADF:
    case -ETOOMANYREFS:
        return r;
    default:
        return CREW_EPEERDIED;
    }
}

/* -- sending ------------------------------------------------------------------------------- */

/* Sends the parts, and descriptors with their first byte. '*sent': how many bytes went out, also on
 * failure. */
static int push(struct stream *s, const struct os_bytes *parts, unsigned count, const int *fds,
                unsigned n, crew_time deadline, size_t *sent)
{
    size_t size = 0;

    *sent = 0;
    for (unsigned i = 0; i < count; i++)
        size += parts[i].size;
    while (*sent < size) {
        struct os_bytes left[OS_PARTS_MOST];
        unsigned some = 0;
        size_t skip = *sent;
        ssize_t r;

        for (unsigned i = 0; i < count; i++) {
            size_t gone = skip < parts[i].size ? skip : parts[i].size;

            skip -= gone;
            if (gone < parts[i].size)
                left[some++] =
                    (struct os_bytes){ (const char *)parts[i].at + gone, parts[i].size - gone };
        }
        r = os_socket_send(s->fd, left, some, fds, *sent == 0 ? n : 0);
        if (r >= 0) {
            *sent += (size_t)r;
            continue;
        }
        r = r == -EAGAIN ? await(s, OS_WRITABLE, deadline) : peer_or_ours((int)r);
        if (r < 0)
            return (int)r;
    }
    return 0;
}

/* What is left of the last message that was cut short. */
static int push_rest(struct stream *s, crew_time deadline)
{
    size_t sent;
    int r;

    if (s->rest_at == s->rest_size)
        return 0;
    r = push(s, &(struct os_bytes){ s->rest + s->rest_at, s->rest_size - s->rest_at }, 1, NULL, 0,
             deadline, &sent);
    s->rest_at += sent;
    return r;
}

/* Keeps what was not sent of a chunk, and ABORT behind it. */
static void keep_rest(struct stream *s, const struct os_bytes *parts, size_t sent)
{
    uint8_t head[WIRE_HEAD], seal[PROOF_SIZE];
    size_t seal_size = wire_chunk(&s->writer, head, seal, WIRE_ABORT, 0, NULL, 0, 0);
    const struct os_bytes all[] = {
        parts[0], parts[1], parts[2], { head, sizeof head }, { seal, seal_size }
    };

    s->rest_at = s->rest_size = 0;
    for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++) {
        size_t gone = sent < all[i].size ? sent : all[i].size;

        sent -= gone;
        if (gone < all[i].size)
            memcpy(s->rest + s->rest_size, (const char *)all[i].at + gone, all[i].size - gone);
        s->rest_size += all[i].size - gone;
    }
}

static int push_message(struct stream *s, const struct sending *m, crew_time deadline)
{
    const char *bytes = m->size > 0 ? m->bytes : "";
    size_t at = 0;

    do {
        size_t left = m->size - at, size = left < WIRE_CHUNK ? left : WIRE_CHUNK, sent;
        uint8_t head[WIRE_HEAD], seal[PROOF_SIZE];
        unsigned n = at == 0 ? m->count : 0;
        uint64_t number = s->writer.number;
        size_t seal_size = wire_chunk(&s->writer, head, seal, size == left ? WIRE_LAST : WIRE_MORE,
                                      n, bytes + at, size, left);
        const struct os_bytes parts[] = {
            { head, sizeof head }, { bytes + at, size }, { seal, seal_size }
        };
        int r = push(s, parts, 3, m->fds, n, deadline, &sent);

        if (r < 0) {
            if (sent == 0) {
                s->writer.number = number;
                if (at == 0)
                    return r;
                keep_rest(s, (const struct os_bytes[3]){ { NULL, 0 } }, 0);
            } else {
                keep_rest(s, parts, sent);
            }
            return r;
        }
        at += size;
    } while (at < m->size);
    return 0;
}

/* What nothing can be sent for, 0 if it can. */
static int closed_for_sending(const struct stream *s)
{
    int over = load_acquire(&s->over);

    return over == CREW_ECLOSED ? over : load_acquire(&s->dead);
}

static int stream_send(crew_connection *c, const struct sending *m, crew_time deadline)
{
    struct stream *s = of(c);
    int r;

    if (is_foreign(s))
        return -EBUSY;
    if (m->count > 0 && !s->local)
        return -ENOTSUP;
    if (m->size > s->peer_limit)
        return -EMSGSIZE;
    r = turn_take(&s->sends, deadline);
    if (r < 0)
        return r;
    r = closed_for_sending(s);
    if (r == 0 && !s->rest) {
        s->rest = malloc(REST_MOST);
        r = s->rest ? 0 : -ENOMEM;
    }
    if (r == 0)
        r = push_rest(s, deadline);
    if (r == 0)
        r = push_message(s, m, deadline);
    if (r == CREW_EPEERDIED) {
        store_release(&s->dead, r);
        r = closed_for_sending(s);
    }
    turn_pass(&s->sends);
    return r;
}

/* -- receiving ----------------------------------------------------------------------------- */

static void drop_descriptors(struct stream *s)
{
    for (unsigned i = 0; i < s->count; i++)
        os_close(s->fds[i]);
    s->count = 0;
}

static void end(struct stream *s, int why)
{
    drop_descriptors(s);
    store_release(&s->over, why);
}

/* Takes what the socket has, and what it means. 0: look again. */
static int pull_some(struct stream *s, crew_time deadline)
{
    bool head = wire_awaits_head(&s->reader);
    void *at;
    size_t size;
    ssize_t n;
    int r = wire_room(&s->reader, &at, &size);

    if (r < 0)
        return r;
    n = os_socket_recv(s->fd, at, size, s->local && head ? s->fds : NULL, WIRE_DESCRIPTORS,
                       &s->count);
    if (n == -EAGAIN)
        return await(s, OS_READABLE, deadline);
    if (n == -ENOMEM || n == -ENOBUFS)
        return (int)n;
    if (n <= 0) {
        end(s, n == -EMSGSIZE ? -EPROTO : CREW_EPEERDIED);
        return 0;
    }
    r = wire_got(&s->reader, (size_t)n, s->count);
    if (r == WIRE_WHOLE)
        s->whole = true;
    else if (r == WIRE_ABORTED)
        drop_descriptors(s);
    else if (r == WIRE_OVER)
        end(s, CREW_ECLOSED);
    else if (r < 0)
        end(s, r);
    return 0;
}

/* 0: a message is there. */
static int pull(struct stream *s, crew_time deadline)
{
    while (!s->whole) {
        int r = load_relaxed(&s->over);

        if (r == 0)
            r = pull_some(s, deadline);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The bell rings while something is there that the socket does not tell. */
static void settle(struct stream *s)
{
    bool there = s->whole || load_relaxed(&s->over) != 0;

    if (s->bell < 0 || there == s->rung)
        return;
    if (there)
        os_bell_ring(s->bell);
    else
        os_bell_drain(s->bell);
    s->rung = there;
}

/* Hands the message over. */
static int fetch(struct stream *s, struct receiving *m)
{
    size_t size = s->reader.filled;
    bool kept = false;

    m->size = size;
    m->count = s->count;
    if ((!m->block && size > m->capacity) || (m->fds && s->count > m->most))
        return -EMSGSIZE;
    if (m->block && s->reader.block) {
        m->message = s->reader.block;
        kept = true;
    } else {
        if (m->block) {
            int r = crew_memory_alloc(&m->message, size);

            if (r < 0)
                return r;
        }
        if (size > 0)
            memcpy(m->block ? m->message : m->buf, wire_message(&s->reader), size);
    }
    if (m->fds) {
        memcpy(m->fds, s->fds, s->count * sizeof s->fds[0]);
        s->count = 0;
    }
    drop_descriptors(s);
    wire_next(&s->reader, kept);
    s->whole = false;
    return 0;
}

static int stream_recv(crew_connection *c, struct receiving *m, crew_time deadline)
{
    struct stream *s = of(c);
    int r;

    if (is_foreign(s))
        return -EBUSY;
    r = turn_take(&s->recvs, deadline);
    if (r < 0)
        return r;
    r = pull(s, deadline);
    if (r == 0)
        r = fetch(s, m);
    settle(s);
    turn_pass(&s->recvs);
    return r;
}

static int stream_poll(crew_connection *c, crew_time deadline)
{
    struct stream *s = of(c);
    int r;

    if (is_foreign(s))
        return -EBUSY;
    r = turn_take(&s->recvs, deadline);
    if (r < 0)
        return r;
    r = pull(s, deadline);
    if (r < 0 && load_relaxed(&s->over) != 0)
        r = 0;
    settle(s);
    turn_pass(&s->recvs);
    return r;
}

/* -- all else ------------------------------------------------------------------------------- */

static int open_poll(struct stream *s)
{
    int poll = os_poll_create();
    int bell = poll < 0 ? poll : os_bell_create();
    int r = bell;

    if (r >= 0)
        r = os_poll_add(poll, s->fd, s);
    if (r >= 0)
        r = os_poll_add(poll, bell, s);
    if (r >= 0) {
        s->poll = poll;
        s->bell = bell;
        settle(s);
        return 0;
    }
    if (bell >= 0)
        os_close(bell);
    if (poll >= 0)
        os_close(poll);
    return r;
}

static int stream_descriptor(crew_connection *c)
{
    struct stream *s = of(c);
    int r;

    if (is_foreign(s))
        return -EBUSY;
    turn_take(&s->recvs, CREW_FOREVER);
    r = s->poll >= 0 ? 0 : open_poll(s);
    if (r == 0)
        r = s->poll;
    turn_pass(&s->recvs);
    return r;
}

static struct crew_wait stream_wait(crew_connection *c)
{
    return crew_wait_descriptor(stream_descriptor(c), POLLIN);
}

/* A message that is half through can't be handed on: a part of it is in this process. */
static int stream_bind(crew_connection *c, pid_t pid)
{
    struct stream *s = of(c);
    bool busy;

    turn_take(&s->recvs, CREW_FOREVER);
    busy = s->whole || s->reader.inside || s->reader.got > 0 || !wire_awaits_head(&s->reader);
    turn_pass(&s->recvs);
    turn_take(&s->sends, CREW_FOREVER);
    busy = busy || s->rest_at < s->rest_size;
    turn_pass(&s->sends);
    if (pid == 0)
        pid = os_pid();
    if (busy && load_relaxed(&s->user) != pid)
        return -EBUSY;
    store_relaxed(&s->user, pid);
    return 0;
}

static void say_bye(struct stream *s)
{
    crew_time deadline = crew_in_ms(FAREWELL_MS);
    uint8_t head[WIRE_HEAD], seal[PROOF_SIZE], unread[4096];
    size_t sent, seal_size;
    unsigned n = 0;

    if (closed_for_sending(s) != 0 || load_relaxed(&s->over) != 0 || push_rest(s, deadline) < 0)
        return;
    seal_size = wire_chunk(&s->writer, head, seal, WIRE_BYE, 0, NULL, 0, 0);
    push(s, (const struct os_bytes[]){ { head, sizeof head }, { seal, seal_size } }, 2, NULL, 0,
         deadline, &sent);
    os_socket_end(s->fd);
    /* what is unread when a socket is closed makes TCP throw away what the peer has not read yet */
    while (!s->local && os_socket_recv(s->fd, unread, sizeof unread, NULL, 0, &n) > 0)
        ;
}

static void stream_close(crew_connection *c)
{
    struct stream *s = of(c);

    if (!is_foreign(s))
        say_bye(s);
    drop_descriptors(s);
    if (s->poll >= 0) {
        os_close(s->poll);
        os_close(s->bell);
    }
    os_close(s->fd);
    wire_reader_fini(&s->reader);
    proof_drop(s->theirs);
    proof_drop(s->ours);
    free(s->rest);
    free(s);
}

static const struct connection_kind stream_kind = {
    .bind = stream_bind,
    .send = stream_send,
    .recv = stream_recv,
    .poll = stream_poll,
    .descriptor = stream_descriptor,
    .wait = stream_wait,
    .close = stream_close,
};

int stream_open(crew_connection **connection, int fd, bool local,
                const struct wire_greeting *greeting, uint64_t limit)
{
    struct stream *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return -ENOMEM;
    r = wire_secrets(greeting, &s->theirs, &s->ours);
    if (r < 0) {
        free(s);
        return r;
    }
    s->connection = (struct crew_connection){ CONNECTION_MAGIC, &stream_kind };
    s->fd = fd;
    s->local = local;
    s->user = os_pid();
    s->peer_limit = wire_peer_limit(greeting);
    s->poll = s->bell = -1;
    s->writer.secret = s->ours;
    wire_reader_init(&s->reader, s->theirs, limit, crew_memory_alloc, crew_memory_free);
    *connection = &s->connection;
    return 0;
}
