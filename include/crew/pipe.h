/* crew/pipe.h - two connections for the processes of one crew, as Python's multiprocessing.Pipe.
 *
 * What is sent into one comes out of the other (crew/connection.h). Messages lie in the arena: no
 * system call is made unless somebody sleeps, and what was sent is there whatever becomes of its
 * sender.
 *
 * Use
 *
 *     crew_connection *ours, *theirs;
 *     int r = crew_pipe_open(&ours, &theirs, NULL);        // before the process starts
 *     if (r == 0) {
 *         ... crew_process_start(&p, work, &theirs, sizeof theirs, NULL);
 *         ... crew_connection_bind(theirs, crew_process_pid(p));
 *         crew_connection_close(theirs);                   // it is the other process's to use
 *         r = crew_connection_send(ours, "hello", 5, CREW_FOREVER);
 *     }
 *     ... and when all was said
 *     crew_connection_close(ours);
 *
 * Who is at the other end. The first operation of a process on an end makes it a user of the end,
 * for all to see; crew_connection_bind() does so for a process that has not begun yet. It is over
 *
 *   1. when all its users have closed it: who is at the other one receives what was sent, then
 *      CREW_ECLOSED;
 *   2. when all have closed it or died, and one at least has died: the same, then CREW_EPEERDIED.
 *      Copies of the end in processes that never used it don't count: they keep nobody waiting;
 *   3. when nobody ever used it, and no process has a copy any more, for all have closed it or ended:
 *      CREW_EPEERDIED. For this one the root should close an end that it will not use.
 *
 * An end that is over stays so: who comes later gets the same answer from it. So where several
 * processes shall use one end, the root is a user of it until all have been named:
 *
 *     crew_connection_bind(theirs, 0);
 *     for (...) start each, and crew_connection_bind(theirs, its pid);
 *     crew_connection_close(theirs);
 *
 * Sharing. Any number of threads and processes may use one end; each message goes to one of those
 * that receive, whole. A fork after open() needs nothing: each process has a copy of both handles,
 * and closes its own. A pipe takes two descriptors in each process.
 *
 * When a process dies: see above. Inside send(), the message is there or not; inside recv(), it was
 * received, or is still the first. */
#ifndef CREW_PIPE_H
#define CREW_PIPE_H

#include <crew/connection.h>

#ifdef __cplusplus
extern "C" {
#endif

struct crew_pipe_options {
    bool one_way;         /* the first end receives, the second one sends       */
    unsigned capacity;    /* messages on the way, in each direction; 0: 64      */
    unsigned users;       /* processes that use one end at a time; 0: 32        */
    uint64_t reserved[4]; /* must be 0 */
};

/* Opens a pipe.
 *
 * a, b      set to its ends
 *
 * 0         both are the caller's, until crew_connection_close()
 * -EINVAL   a reserved field; more than 4096 users; more than 65536 messages
 * -EMFILE   no descriptors left
 * -ENOMEM   no memory; and as crew_init()
 *
 * Owns: the pipe's memory returns when the process that opened it has closed both ends, and all
 * processes have ended that were started meanwhile.   Fork: see above.   Signals: not
 * async-signal-safe. */
CREW_API CREW_CHECKED int crew_pipe_open(crew_connection **a, crew_connection **b,
                                         const struct crew_pipe_options *options);

#ifdef __cplusplus
}
#endif

#endif
