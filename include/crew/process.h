/* crew/process.h - a process that runs one function, as Python's multiprocessing.Process.
 *
 * The child starts by fork: it has a copy of this process's memory and sees the arena at the same
 * address. It ends when its function returns, and never outlives the root: when the root dies, at
 * whatever instruction, the kernel ends the child.
 *
 * Use
 *
 *     static int greet(crew_task *t)
 *     {
 *         printf("hello %s\n", (const char *)t->argument);
 *         return 0;                                     // the exit status
 *     }
 *     crew_process *p;
 *     struct crew_exit e;
 *     if (crew_process_start(&p, greet, "world", 6, NULL) == 0) {
 *         crew_process_join(p, &e, CREW_FOREVER);
 *         crew_process_close(p);
 *     }
 *
 * Sharing. All calls on one process may run at once from any thread of the root, except close(),
 * which must be the last. Other processes can't use the handle (CREW_EMISUSE).
 *
 * In the child: signal handlers are reset to the default and SIGINT is ignored (Ctrl-C is the
 * root's to decide); standard streams are flushed by the root before the fork and by the child
 * before it ends; atexit() functions of the root don't run there.
 *
 * When it dies. Its death wakes every waiter; exit status, signal and peak memory are kept in
 * struct crew_exit; its blocks of the arena are freed (see crew/memory.h).
 *
 * Threads. fork() copies one thread and the locks of all, so start() refuses with CREW_ETHREADS
 * when other threads run in the root (crew's own supervisor does not count). The thread that
 * starts a process should be the one that lives longest, normally main's: Linux ends a child
 * with the thread that forked it. */
#ifndef CREW_PROCESS_H
#define CREW_PROCESS_H

#include <crew/base.h>
#include <crew/task.h>
#include <crew/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crew_process crew_process;

struct crew_process_options {
    const char *name;     /* copied, first 15 bytes also as the kernel's thread name;
                             NULL: "crew-process"                                      */
    uint64_t reserved[4]; /* must be 0 */
};

/* How a process ended. */
struct crew_exit {
    pid_t pid;
    int status;           /* exit status 0 to 255; -1 if a signal ended it or nobody knows        */
    int signal;           /* the signal that ended it, else 0                                     */
    bool core_dumped;
    bool unknown;         /* somebody else collected it (SIGCHLD ignored, or waitpid(-1))         */
    uint64_t peak_memory; /* bytes resident at most; 0 if unknown                                 */
    int code;             /* what the function returned; 0 if it didn't                           */
    char message[160];    /* what crew_task_fail() said, else ""                                  */
};

/* Starts a process that runs function(task) and ends with its value as exit status (0 to 255; any
 * other value: 1, and crew_exit.code has the value).
 *
 * argument, size  bytes that the function finds in task->argument; copied by the fork, so they
 *                 may change or go as soon as start() returned
 *
 * 0               it runs; the handle is the caller's, until close()
 * -EINVAL         a reserved field is not 0, or function is NULL
 * -EAGAIN         the limit of processes (ulimit -u, pids.max) or of crew's seats (4,094)
 * -EMFILE         no descriptor left for its pidfd (the child is ended again)
 * CREW_ETHREADS   other threads run here
 * CREW_ENESTED    not the root
 * else            as crew_init()
 *
 * Death: a root that dies inside leaves no child.  Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_process_start(crew_process **process, crew_function *function,
                                             const void *argument, size_t size,
                                             const struct crew_process_options *options);

/* Waits until 'process' has ended and all that it left behind is repaired.
 *
 * exit            set to how it ended; may be NULL
 *
 * 0               it has ended;  again at once for each later call
 * -ETIMEDOUT      it still runs at 'deadline' (-EAGAIN with CREW_NOW) */
CREW_API int crew_process_join(crew_process *process, struct crew_exit *exit, crew_time deadline);

/* True until its end has been seen.  Never waits. */
CREW_API bool crew_process_alive(const crew_process *process);

/* Asks it to end (SIGTERM), or ends it (SIGKILL); by its pidfd, so never another process that got
 * its number. 0, also when it has ended already. */
CREW_API int crew_process_terminate(crew_process *process);
CREW_API int crew_process_kill(crew_process *process);

/* A descriptor that becomes readable when the process ends, for poll and epoll. It is the
 * handle's: closed by crew_process_close(). */
CREW_API int crew_process_sentinel(const crew_process *process);

CREW_API pid_t crew_process_pid(const crew_process *process);
CREW_API const char *crew_process_name(const crew_process *process);

/* An entry for crew_wait_any() and crew_watch_open() (crew/wait.h): ready once it has ended, and all is
 * repaired. Root only (CREW_EMISUSE from the wait). */
CREW_API struct crew_wait crew_wait_process(crew_process *process);

/* Frees the handle; NULL is allowed.
 *
 * 0               freed
 * -EBUSY          it still runs: join, terminate or kill it first; the handle stays valid */
CREW_API int crew_process_close(crew_process *process);

#ifdef __cplusplus
}
#endif

#endif
