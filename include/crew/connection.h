/* crew/connection.h - one end of a conversation in whole messages, as Python's Connection.
 *
 * Connections are made by crew_pipe_open() (crew/pipe.h), two ends for the processes of one crew,
 * and by crew_listener_accept() and crew_connect() (crew/listener.h), between processes that know
 * nothing of each other. What is said here holds for all of them. A message has any size, also 0;
 * it arrives whole, once, in order, or not at all.
 *
 * Use
 *
 *     int answer_squares(crew_connection *c)
 *     {
 *         int x;
 *         size_t size;
 *         for (;;) {
 *             int r = crew_connection_recv_into(c, &x, sizeof x, &size, CREW_FOREVER);
 *             if (r == CREW_ECLOSED)
 *                 return 0;                        // the other side is through
 *             if (r == 0) {
 *                 x = x * x;
 *                 r = crew_connection_send(c, &x, sizeof x, CREW_FOREVER);
 *             }
 *             if (r < 0)
 *                 return r;
 *         }
 *     }
 *
 * Sharing. All calls on one connection may run at once from any thread, except close(), which comes
 * last. Over a pipe also from any process of the crew that was started after the pipe was opened.
 * Over a socket by one process at a time; see crew_connection_bind().
 *
 * When a process dies. Its messages that were sent are received, and behind them CREW_EPEERDIED; a
 * message that it was sending is not there, also not in part. When it dies inside recv(), it has
 * taken the message or left it.
 *
 *                      it closed its end   it ended without that, killed or not
 *     over a pipe      CREW_ECLOSED        CREW_EPEERDIED, also when another holds a copy
 *     over a socket    CREW_ECLOSED        CREW_EPEERDIED, once no other holds a copy
 *     machine gone                         CREW_EPEERDIED within about a minute (TCP) */
#ifndef CREW_CONNECTION_H
#define CREW_CONNECTION_H

#include <crew/base.h>
#include <crew/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crew_connection crew_connection;

#define CREW_DESCRIPTORS_MOST 64 /* sent along with one message */

/* Sends 'size' bytes as one message, waiting until 'deadline' for room.
 *
 * 0               over a pipe: it is there, and is received whatever becomes of this process. Over
 *                 a socket: the kernel has it
 * -ETIMEDOUT      no room until 'deadline' (-EAGAIN with CREW_NOW); nothing of it is ever received
 * -EMSGSIZE       longer than the other side takes
 * CREW_ECLOSED    the other side closed
 * CREW_EPEERDIED  the other side is gone without closing
 * -EPERM          this end only receives
 * -EBUSY          over a socket: another process uses it
 * -ENOMEM         no memory for it
 * CREW_EMISUSE    over a pipe: the calling process is no member of the crew
 *
 * Owns: the bytes stay the caller's.   Death: sent, or nothing of it.
 * Order: what was written before is visible to who receives it.
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_connection_send(crew_connection *c, const void *bytes, size_t size,
                                               crew_time deadline);

/* The same, and up to CREW_DESCRIPTORS_MOST descriptors with it: whoever receives the message gets
 * descriptors of its own for the same files.
 *
 * -EINVAL  more than that
 * -EBADF   one of them is none
 * -ENOTSUP over TCP
 * -ENOBUFS over a pipe: some 200 messages with descriptors are on the way, and not received
 * -ETOOMANYREFS   so many are on the way as this user may have open
 *
 * Owns: the caller's descriptors stay open, and the caller's. */
CREW_API CREW_CHECKED int crew_connection_send_descriptors(crew_connection *c, const void *bytes,
                                                           size_t size, const int *descriptors,
                                                           unsigned count, crew_time deadline);

/* Receives the next message into a block of the arena, waiting until 'deadline' for it.
 *
 * message         set to the block; to be freed by crew_memory_free()
 * size            set to the size of the message
 *
 * 0               received
 * -ETIMEDOUT      none came until 'deadline' (-EAGAIN with CREW_NOW)
 * CREW_ECLOSED    the other side closed, and all was received; again for each later call
 * CREW_EPEERDIED  the other side is gone without closing, and all that was whole was received;
 *                 again for each later call
 * -EPERM          this end only sends
 * -EBUSY          over a socket: another process uses it
 * -EPROTO         over a socket: the other side says what makes no sense; nothing more will come
 * CREW_EAUTH      over TCP: somebody changed what it said; nothing more will come
 * -ENOMEM         no memory; the message stays
 * CREW_EMISUSE    over a pipe: the calling process is no member of the crew
 *
 * Descriptors that came with it are closed.   Owns: the block is the caller's process's.
 * Order, Death: as send().   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_connection_recv(crew_connection *c, void **message, size_t *size,
                                               crew_time deadline);

/* Copies the next message into 'buf'. As crew_connection_recv(), and
 *
 * -EMSGSIZE       longer than 'capacity'; it stays the next, and 'size' is set
 *
 * 'size' may be NULL. */
CREW_API CREW_CHECKED int crew_connection_recv_into(crew_connection *c, void *buf, size_t capacity,
                                                    size_t *size, crew_time deadline);

/* The same, and the descriptors that came with it.
 *
 * descriptors     set to them; they are closed by exec
 * most            how many there is room for
 * count           set to how many came, also when there was no room
 *
 * -EMSGSIZE       longer than 'capacity', or more than 'most'; it stays the next
 * -EMFILE         over a pipe: this process can have no more; they are lost, and the message with
 *                 them. Over a socket that ends the connection: -EPROTO
 *
 * Owns: the descriptors are the caller's. */
CREW_API CREW_CHECKED int crew_connection_recv_descriptors(crew_connection *c, void *buf,
                                                           size_t capacity, size_t *size,
                                                           int *descriptors, unsigned most,
                                                           unsigned *count, crew_time deadline);

/* Waits until recv() has something to say: a message, or that none will come.
 *
 * 0            recv() need not wait, unless another takes the message first
 * -ETIMEDOUT   not until 'deadline' (-EAGAIN with CREW_NOW)
 * else         as recv() */
CREW_API CREW_CHECKED int crew_connection_poll(crew_connection *c, crew_time deadline);

/* A descriptor that is readable while recv() has something to say, for poll() and epoll; nothing
 * else may be done with it. It may be readable for a moment when there is nothing: call recv() with
 * CREW_NOW. It is the connection's: closed by close(). Each process asks for its own. -EMFILE,
 * -EPERM, -EBUSY. */
CREW_API CREW_CHECKED int crew_connection_descriptor(crew_connection *c);

/* For crew_wait_any() and crew_watch: ready while recv() has something to say. Over a socket the
 * wait needs a descriptor: without one left, it answers -EINVAL.   Signals: not async-signal-safe.
 * */
CREW_API struct crew_wait crew_wait_connection(crew_connection *c);

/* Names a process as a user of this end; 'pid' 0: the calling one.
 *
 * Over a pipe any number of processes may use an end, and each operation names its own process. The
 * end has died when all that were named have died or closed it, and one at least has died. Whoever
 * starts a process can name it, and so be told of its death even if it dies before it does
 * anything:
 *
 *     crew_process_start(&p, work, ...);
 *     crew_connection_bind(theirs, crew_process_pid(p));
 *
 * Over a socket one process uses a connection; others get -EBUSY. To hand it on to a process that
 * was started meanwhile, name that one here and close the handle; and there, name the calling one.
 *
 * 0            named
 * -EPERM       over a pipe: another process is named, and only the root may do that
 * -ESRCH       over a pipe: no such process is in the crew, nor was, as far as anybody knows
 * CREW_ECLOSED, CREW_EPEERDIED   over a pipe: this end is over
 * -EAGAIN      over a pipe: so many use it already as the options of crew_pipe_open() allow
 * -EBUSY       over a socket: a message is half sent or half received here, or not fetched
 * CREW_EMISUSE over a pipe: the calling process is no member of the crew */
CREW_API CREW_CHECKED int crew_connection_bind(crew_connection *c, pid_t pid);

/* Frees this process's handle, and if it used the connection, tells the other side that nothing
 * more comes; what was sent before is received first. A copy that this process never used is only
 * forgotten. Over a socket, a peer that makes no room is waited for, for a second at most. NULL is
 * allowed. */
CREW_API void crew_connection_close(crew_connection *c);

#ifdef __cplusplus
}
#endif

#endif
