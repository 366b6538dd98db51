/* crew/future.h - the result of a submitted task, as Python's concurrent.futures.Future.
 *
 * Use
 *
 *     crew_future *f;
 *     double y;
 *     int r = crew_pool_submit(pool, &f, cube, &x, sizeof x, CREW_FOREVER);
 *     if (r == 0) {
 *         r = crew_future_result(f, &y, sizeof y, NULL, CREW_FOREVER);
 *         crew_future_close(f);
 *     }
 *
 * Sharing. Any thread of the process that submitted; result() of one future from several threads
 * at once is allowed; close() must be the last. A future outlives its pool.
 *
 * When the worker dies, the task ends with CREW_EWORKER, or runs again if the pool's retries allow
 * it; the future tells it within the time that its death takes to be seen. */
#ifndef CREW_FUTURE_H
#define CREW_FUTURE_H

#include <crew/base.h>
#include <crew/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crew_future crew_future;

/* What went wrong with a task. */
struct crew_failure {
    int error;            /* CREW_ETASK, CREW_EWORKER, CREW_ECANCELLED; 0: nothing              */
    int code;             /* CREW_ETASK: what the function returned                              */
    uint64_t begin, end;  /* map, for, reduce: the indices it was about                          */
    unsigned attempts;    /* how often it was begun                                              */
    pid_t pid;            /* the worker's                                                        */
    int status;           /* CREW_EWORKER: its exit status, -1 if a signal ended it              */
    int signal;           /* CREW_EWORKER: the signal that ended it, else 0                      */
    uint64_t peak_memory; /* CREW_EWORKER: bytes resident at most; 0 if unknown                  */
    char message[160];    /* CREW_ETASK: what crew_task_fail() said; else one sentence on the end */
};

/* Waits for the task to end and copies its result.
 *
 * buf, capacity   destination and its bytes; NULL and 0 if only the end matters
 * size            set to the bytes of the result, also when it did not fit; may be NULL
 *
 * 0               copied (may be called again)
 * -ETIMEDOUT      it has not ended at 'deadline' (-EAGAIN with CREW_NOW)
 * -EMSGSIZE       longer than 'capacity'; it stays
 * CREW_ETASK CREW_EWORKER CREW_ECANCELLED   it has no result; crew_future_failure() says more
 * CREW_ENOWORKER  it waits, and no worker is left nor can be started
 *
 * Order: what the task did before it returned is visible after success.
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_future_result(crew_future *future, void *buf, size_t capacity,
                                             size_t *size, crew_time deadline);

/* True once the task has ended, in whatever way. Never waits. */
CREW_API bool crew_future_done(crew_future *future);

/* An entry for crew_wait_any() and crew_watch_open() (crew/wait.h): ready once result() would not wait. Only
 * in the process that submitted (CREW_EMISUSE from the wait). */
CREW_API struct crew_wait crew_wait_future(crew_future *future);

/* Details of a task that ended without result; all zero if it has one, or has not ended. */
CREW_API void crew_future_failure(crew_future *future, struct crew_failure *failure);

/* Frees the handle; NULL is allowed. A task that has not ended goes on, and its result is dropped. */
CREW_API void crew_future_close(crew_future *future);

#ifdef __cplusplus
}
#endif

#endif
