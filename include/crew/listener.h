/* crew/listener.h - connections between processes that know nothing of each other, as Python's
 * multiprocessing.connection.Listener and Client.
 *
 * An address is one of
 *
 *     "unix:/run/user/1000/render/door"   a name in a folder that belongs to the caller's user and
 *                                         lets in nobody else (mode 0700). Both sides run as that
 *                                         user, and the kernel says so: no other can come, not even
 *                                         root. No key is needed
 *     "tcp:7000"                          a port of this machine, for this machine alone
 *                                         (127.0.0.1); 0: any
 *     "tcp:192.168.1.20:7000"             a port at an address of this machine, for all that reach
 *     "tcp:[fd00::20]:7000"               it; in numbers, or "localhost"
 *
 * Over TCP both sides know a key of at least 16 bytes, and prove it to each other; it never
 * travels. What is said afterwards can't be changed, left out or repeated by anybody on the way,
 * but it can be read: nothing is encrypted. Without libsodium at the build, TCP answers -ENOTSUP.
 *
 * Messages are bytes. Nothing that comes is ever run, and no length that a peer claims is believed
 * beyond the limit.
 *
 * Use
 *
 *     crew_listener *listener;
 *     crew_connection *c;
 *     int r = crew_listener_open(&listener, "unix:/run/user/1000/render/door", NULL);
 *     while (r == 0) {
 *         r = crew_listener_accept(listener, &c, CREW_FOREVER);
 *         if (r == 0) {
 *             r = crew_connection_send(c, "welcome", 7, CREW_FOREVER);
 *             crew_connection_close(c);
 *         }
 *     }
 *
 * and elsewhere
 *
 *     r = crew_connect(&c, "unix:/run/user/1000/render/door", NULL, crew_in_ms(1000));
 *
 * Sharing. accept() may be called by many threads, which take turns, and by processes that were
 * started after open(); close() comes last in each. A newcomer is taken by one of these processes,
 * and let in by its accept() alone: who shares a listener, and will not accept for long, should be
 * a process of its own.
 *
 * When a process dies. A listener that was not closed leaves its name in the folder; the next one
 * that is opened there takes its place. Of connections: see crew/connection.h. */
#ifndef CREW_LISTENER_H
#define CREW_LISTENER_H

#include <crew/connection.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crew_listener crew_listener;

struct crew_listener_options {
    const void *key;      /* TCP: what both sides know; copied. "unix:": must be NULL */
    size_t key_size;      /* bytes of it, at least 16                                 */
    size_t limit;         /* bytes of a message that is received, at most; 0: 64 MiB  */
    crew_time patience;   /* ns that a newcomer has for proving who it is; 0: 5 s     */
    unsigned newcomers;   /* that may be at it at a time: when one more comes, the one that has been
                             at it longest is sent away; 0: 128                       */
    uint64_t reserved[4]; /* must be 0 */
};

struct crew_connect_options {
    const void *key;      /* as above */
    size_t key_size;
    size_t limit;
    uint64_t reserved[4]; /* must be 0 */
};

struct crew_listener_stats {
    uint64_t accepted;
    uint64_t refused;   /* said something wrong, or left before they were through */
    uint64_t late;      /* were not through in time, or had to make room          */
    unsigned newcomers; /* at it now                                              */
};

/* Listens at 'address'.
 *
 * 0               others can connect from now on
 * -EINVAL         not an address; a key that is too short, or missing, or for "unix:"; a reserved
 *                 field
 * -EACCES         the folder belongs to another user, or others may enter it
 * -ENAMETOOLONG   the name in the folder is too long (80 bytes are not)
 * -EADDRINUSE     somebody listens there, or the name is taken by something else
 * -ENOTSUP        TCP, and crew was built without libsodium
 * else            what the system says: -ENOENT, -EMFILE, -EADDRNOTAVAIL ...
 *
 * Owns: the handle is the caller's, until close().   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_listener_open(crew_listener **listener, const char *address,
                                             const struct crew_listener_options *options);

/* Where it listens, with the port that was found; valid until close(). */
CREW_API const char *crew_listener_address(const crew_listener *listener);

/* Waits until 'deadline' for somebody who has proved who it is. Whoever can't, or doesn't in time,
 * is sent away, and keeps nobody else waiting. Proofs go on only inside this call.
 *
 * 0            'connection' is the caller's, until crew_connection_close()
 * -ETIMEDOUT   nobody came (-EAGAIN with CREW_NOW)
 * -EMFILE      no descriptor is left; also -ENFILE, -ENOMEM
 *
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_listener_accept(crew_listener *listener,
                                               crew_connection **connection, crew_time deadline);

/* A descriptor that is readable while accept() has something to do, for poll() and epoll. Call
 * accept() with CREW_NOW then. It is the listener's. Each process asks for its own. */
CREW_API CREW_CHECKED int crew_listener_descriptor(crew_listener *listener);

/* The numbers of this process. */
CREW_API void crew_listener_stats(const crew_listener *listener, struct crew_listener_stats *stats);

/* Frees the handle. The process that opened it takes the name away, too. Connections live on. NULL
 * is allowed. */
CREW_API void crew_listener_close(crew_listener *listener);

/* Connects to the listener at 'address', and proves to each other who both are.
 *
 * 0               'connection' is the caller's, until crew_connection_close()
 * -EINVAL, -EACCES, -ENAMETOOLONG, -ENOTSUP    as crew_listener_open()
 * -ECONNREFUSED   nobody listens there; also -ENOENT, and what else the system says
 * CREW_EAUTH      the other side could not prove who it is, or did not believe that this one is:
 *                 the keys differ, or it is no listener of crew's
 * -ETIMEDOUT      not through until 'deadline' (-EAGAIN with CREW_NOW): its accept() is not called,
 *                 say
 *
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_connect(crew_connection **connection, const char *address,
                                       const struct crew_connect_options *options,
                                       crew_time deadline);

#ifdef __cplusplus
}
#endif

#endif
