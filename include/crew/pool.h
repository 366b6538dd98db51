/* crew/pool.h - a pool of workers that run tasks: sequentially, in threads, or in processes.
 *
 * The kind says where a task runs; everything else stays the same, the results to the bit.
 *
 * Use
 *
 *     static int square(crew_task *t)
 *     {
 *         const double *x = t->input;
 *         double *y = t->output;
 *         *y = *x * *x;
 *         return 0;
 *     }
 *     crew_pool *pool;
 *     int r = crew_pool_open(&pool, NULL);              // a process per CPU
 *     if (r == 0) {
 *         r = crew_pool_map(pool, square, x, sizeof *x, y, sizeof *y, n, NULL, CREW_FOREVER);
 *         crew_pool_close(pool, CREW_FOREVER);
 *     }
 *
 * Sharing. Only the process that opened a pool may use it; there, any thread may call anything at
 * once, except close() and terminate(), which must be the last. map, for and reduce of one pool
 * wait for each other; submitted tasks run beside them. A task may call the pool that runs it, if it
 * runs in the opener's process: what it asks for is then done at once, in the task itself, so that
 * it never waits for itself. In worker processes the handle is of no use (CREW_EMISUSE).
 *
 * When a worker dies, in whatever way, it costs the task that it was running: that task reports
 * CREW_EWORKER, with the worker's pid, signal and peak memory, or is run again as often as
 * options.retries says. What it had not begun runs elsewhere, what it had finished counts. A new
 * worker takes its place, forked from inside the next call on the pool (a waiting call counts).
 * A task that failed or died does not stop the others.
 *
 * Arrays. With processes, arrays that lie in the arena (crew/memory.h) are used in place; others
 * are copied in before and out after. Threads and the sequential kind always work in place. */
#ifndef CREW_POOL_H
#define CREW_POOL_H

#include <crew/base.h>
#include <crew/future.h>
#include <crew/task.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crew_pool crew_pool;

enum crew_kind {
    CREW_KIND_DEFAULT = 0, /* CREW_PROCESSES                                             */
    CREW_SEQUENTIAL,       /* in the caller, at once: the baseline, and for debugging    */
    CREW_THREADS,          /* threads of this process                                    */
    CREW_PROCESSES,        /* worker processes: a crash costs one task, never the program */
};

struct crew_pool_options {
    const char *name;     /* of the pool and of its workers; copied; NULL: "crew"             */
    enum crew_kind kind;
    unsigned workers;     /* 0: crew_cpu_count(); at most 1,000; always 1 if sequential       */
    unsigned backlog;     /* submitted tasks that the board holds; 0: 64 a worker, at least
                             256; at most 65,536                                              */
    unsigned retries;     /* how often a task is run again after its worker died; 0 to 14     */
    bool caller_works;    /* map, for and reduce: the calling thread is one of the workers.
                             Faster for short calls; a task that crashes takes the program
                             with it. Such a pool has one process or thread fewer.            */
    uint64_t reserved[4]; /* must be 0 */
};

struct crew_job_options {
    uint64_t chunk;               /* indices in one task; 0: adaptive (for: so that a call takes
                                     about 50 us; map and reduce: one element, one leaf)       */
    struct crew_failure *failure; /* filled when the call fails in a task; may be NULL         */
    uint64_t reserved[4];         /* must be 0 */
};

struct crew_pool_stats {
    enum crew_kind kind;
    unsigned workers;  /* asked for, or chosen                                                  */
    unsigned alive;    /* there at this moment                                                  */
    uint64_t started;  /* processes or threads since open, replacements too                     */
    uint64_t died;     /* workers that ended before the pool was closed                         */
    uint64_t retried;  /* tasks run again because their worker died                             */
};

/* Opens a pool and starts its workers.
 *
 * 0               open; the handle is the caller's, until close() or terminate()
 * -EINVAL         an option out of range, a reserved field not 0
 * -EAGAIN         processes or threads can't be started (limits); none of them is left
 * -ENOMEM -EMFILE the machine's limits
 * CREW_ETHREADS   processes: other threads run here
 * CREW_ENESTED    processes: not the root of the crew
 * else            as crew_init()
 *
 * Death: a root that dies inside leaves no worker.  Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_pool_open(crew_pool **pool, const struct crew_pool_options *options);

/* Runs function on each element: output[i] from input[i], for i from 0 to count-1, one element at
 * a time; returns when all are done. In the task: input, output, begin = i.
 *
 * input, input_size    array and the bytes of an element; NULL and 0: none
 * output, output_size  the same. May be the input array, if the sizes are equal; must not overlap it
 *                      otherwise
 * count                elements
 * options              NULL: defaults. chunk: elements claimed together
 *
 * 0               all done, and what the tasks wrote is visible
 * CREW_ETASK      a task failed; the others were run. options->failure: the failed one with the
 *                 lowest index (as for all that follow)
 * CREW_EWORKER    the worker died at an element; the others were run
 * CREW_ENOWORKER  workers can't be replaced; not all were run
 * -ETIMEDOUT      not done at 'deadline': what had not begun was withdrawn; workers still at a task
 *                 were killed (processes) or waited for (threads)
 * -ENOMEM         no memory to copy the arrays
 * -EINVAL         a reserved field, a size times count that wraps, one array with two sizes
 *
 * On failure the elements that were not computed hold what they held before.
 * Order: what the caller wrote before is visible to the tasks.
 * Death: see the head of this file.  Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_pool_map(crew_pool *pool, crew_function *function, const void *input,
                                        size_t input_size, void *output, size_t output_size,
                                        uint64_t count, const struct crew_job_options *options,
                                        crew_time deadline);

/* Runs function on ranges that together are 0 to count-1, each index once; in the task: begin, end,
 * argument. Returns as map does.
 *
 * argument, size  bytes that each task finds in task->argument; copied once
 * options         chunk: the largest range in indices, each range begins at a multiple of it;
 *                 0: adapted to the measured time of an index
 *
 * 0 or an error   as map; CREW_EWORKER names the range that the dead worker was in */
CREW_API CREW_CHECKED int crew_pool_for(crew_pool *pool, crew_function *function, uint64_t count,
                                        const void *argument, size_t size,
                                        const struct crew_job_options *options, crew_time deadline);

/* Reduces 0 to count-1 to one value, with the same bits for any kind and number of workers: the
 * range is cut into leaves by count and chunk alone, function turns a leaf (begin, end) into a
 * partial result, and combine joins neighbours, always in the same tree.
 *
 * function        in the task: begin, end, argument; output: 'size' zeroed bytes to fill
 * combine         in the task: output: the left partial, which it updates; input: the right one
 * result, size    the value: set to the joined partials; all zero bytes if count is 0
 * options         chunk: indices in a leaf; 0: count/1024 rounded up
 *
 * 0 or an error   as map; on failure the result is untouched */
CREW_API CREW_CHECKED int crew_pool_reduce(crew_pool *pool, crew_function *function,
                                           crew_function *combine, uint64_t count,
                                           const void *argument, size_t argument_size, void *result,
                                           size_t size, const struct crew_job_options *options,
                                           crew_time deadline);

/* Submits one task and returns. Its result: crew/future.h.
 *
 * argument, size  bytes, copied; small ones travel in the task's slot. Aligned to 16 in the task
 * future          set to the handle of its result; close it when done. NULL: nobody asks
 * deadline        how long to wait for a free place when 'backlog' tasks are on the board
 *
 * 0               accepted: it will end in exactly one result
 * -ETIMEDOUT      the board was full until 'deadline' (-EAGAIN with CREW_NOW)
 * -ENOMEM         no memory
 * CREW_ENOWORKER  no worker is left and none can be started */
CREW_API CREW_CHECKED int crew_pool_submit(crew_pool *pool, crew_future **future,
                                           crew_function *function, const void *argument,
                                           size_t size, crew_time deadline);

/* The numbers of this moment. Never waits. */
CREW_API void crew_pool_stats(crew_pool *pool, struct crew_pool_stats *stats);

/* Waits until all submitted tasks have ended, ends the workers and frees the pool. Futures stay
 * valid. NULL is allowed.
 *
 * 0               closed
 * -ETIMEDOUT      tasks still run at 'deadline' (-EAGAIN with CREW_NOW); the pool is still open
 * CREW_ENOWORKER  closed; but tasks were left that no worker could run: CREW_ECANCELLED */
CREW_API int crew_pool_close(crew_pool *pool, crew_time deadline);

/* Ends the pool at once: workers are killed (threads: waited for), tasks that had not ended answer
 * CREW_ECANCELLED. Futures stay valid. NULL is allowed. */
CREW_API void crew_pool_terminate(crew_pool *pool);

#ifdef __cplusplus
}
#endif

#endif
