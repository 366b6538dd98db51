/* pool.h - a pool inside: what its workers share, and what its opener keeps for itself.
 *
 * Shared, in one block of the arena, the opener's, whose death ends all:
 *
 *     closing   how the pool ends; written by the opener, read at each turn of a worker
 *     gate      where workers wait for work                     gate.h
 *     board     submitted tasks                                 slot.h
 *     job       one map, for or reduce at a time                job.h
 *     bell      where the opener waits for ends                 below
 *     worker    whether each has looked for work: written by the worker, cleared by the opener before
 *               it starts one in its place; a hint, from which workers that die at birth are told
 *
 * The opener is the only submitter and the only collector; its threads exclude each other by 'lock'
 * (board, futures, workers) and 'job_lock' (one job at a time; taken before 'lock'). */
#ifndef CREW_POOL_INSIDE_H
#define CREW_POOL_INSIDE_H

#include "job.h"
#include "slot.h"

#include <crew/pool.h>
#include <life/life.h>
#include <os/mutex.h>
#include <life/roster.h>
#include <process/task.h>

#include <pthread.h>

#define POOL_MAGIC UINT32_C(0x504f4f4c)
#define FUTURE_MAGIC UINT32_C(0x46555455)
#define NEWBORN_DEATHS 64 /* so many in a row that died before their first look for work: give up */

/* Where the opener's threads wait for ends.
 *
 *   event     counts ends that somebody may wait for. A waiter looks, and sleeps only while it is
 *             what it was before it looked.
 *   wanted    0: nobody waits; n + 1: only for slot n; UINT32_MAX: for whatever. Written by the
 *             opener. Who finishes publishes first, then reads it: both seq_cst, so either the
 *             finisher sees the wish or the waiter sees the end.
 * A worker that dies between the two rings nobody: the supervisor rings at every death. */
struct bell_shm {
    _Alignas(CACHE_LINE) _Atomic uint32_t event;
    _Atomic uint32_t wanted;
};

#define BELL_ANY UINT32_MAX

struct worker_shm {
    _Alignas(CACHE_LINE) _Atomic uint32_t begun; /* it has looked for work; a hint */
};

struct pool_shm {
    _Atomic uint32_t closing; /* 1: workers end when they find nothing; 2: at once (threads) */
    struct gate_shm gate;
    struct board_shm board;
    struct job_shm job;
    struct bell_shm bell;
    struct worker_shm worker[];
};

enum worker_state { WORKER_NONE = 0, WORKER_RUNS };

struct worker {
    enum worker_state state;
    struct member member; /* processes */
    pthread_t thread;     /* threads   */
    struct crew_pool *pool;
    unsigned number;
};

struct crew_future {
    uint32_t magic;
    _Atomic(struct crew_pool *) pool; /* NULL: it has ended, and all below is final */
    uint32_t slot;
    pid_t pid;              /* of who submitted */
    struct crew_pool *home; /* in whose memory it stands; NULL: in its own */
    bool cold; /* a worker had to be woken for it: no use to spin, for the kernel may want this CPU for it */
    enum slot_outcome outcome;
    uint32_t size;
    void *block;            /* the result, if it is larger than 'small'; in the arena */
    void *own_block;        /* the same of a task that ran in the caller; malloc()       */
    unsigned char small[SLOT_RESULT];
    struct crew_failure failure;
};

/* All of it is one block of memory that begins with a page, the arrays behind the struct: after a rest a
 * page that is touched costs more than all that is done there. */
struct crew_pool {
    uint32_t magic;
    char name[16];
    enum crew_kind kind;  /* as asked                                                        */
    bool sequential;      /* runs everything in the caller                                   */
    unsigned workers;     /* with the caller, if it works                                    */
    unsigned started_now; /* processes or threads that belong here: workers, or one fewer    */
    bool caller_works;
    uint32_t retries;
    pid_t pid;            /* the opener's: nobody else may use the handle                    */
    uint32_t id;          /* the opener's, in the crew                                       */

    struct mutex lock;
    struct mutex job_lock;
    struct pool_shm *shm;
    uint32_t slots;
    uint32_t *free_slot;  /* a stack of slots that are free                                  */
    uint32_t free_count;
    _Atomic uint32_t in_use;  /* slots - free_count, for who doesn't hold the lock           */
    crew_future **future; /* of a slot in use; NULL: nobody asks                             */
    uint32_t waiters;     /* threads at the bell; guarded by 'lock'                          */
    bool watched;         /* crew_wait_any() or a watch asks for futures: every end rings; guarded  */
    int broken;           /* CREW_ENOWORKER once workers die before they begin               */

    struct crew_future near;       /* for who has one task under way: it needs no memory of its own */
    _Atomic bool near_used;        /* set with the lock held */
    _Atomic uint32_t holders;      /* of the memory: the handle, and 'near' while it is used */
    void *memory;                  /* as calloc() gave it */

    struct worker *worker;
    _Atomic uint32_t vacant;      /* workers that have died and have not been replaced       */
    _Atomic uint32_t alive;
    _Atomic uint32_t newborn_deaths;
    _Atomic bool terminating;
    _Atomic uint64_t started, died, retried;
};

/* worker.c */
/* Says that this thread runs tasks of a pool; the marks of a thread nest as its calls do. */
struct worker_mark {
    const struct pool_shm *shm;
    const struct worker_mark *outer;
};
void worker_enter(struct worker_mark *mark, const struct pool_shm *shm);
void worker_leave(const struct worker_mark *mark);
/* True if the caller is inside a task of this pool, or the pool runs all in its caller: what it asks
 * for is then done at once, in itself. To wait for the others might be to wait for itself. */
bool worker_is_here(const crew_pool *pool);
void worker_loop(struct pool_shm *shm, unsigned number, void (*idle)(void));
void run_submitted(struct slot_shm *slot, struct task_run *run, unsigned worker);

/* pool.c */
void pool_check(const crew_pool *pool, const char *call);
bool pool_is_foreign(const crew_pool *pool);
/* Puts new workers in the place of dead ones. With the lock held. CREW_ENOWORKER: none is left and
 * none can be started. */
int pool_refill_now(crew_pool *pool);

static inline int pool_refill(crew_pool *pool)
{
    return __builtin_expect(load_acquire(&pool->vacant) > 0, 0) ? pool_refill_now(pool) : 0;
}

/* One holder less of the pool's memory. */
void pool_let_go(crew_pool *pool);

/* future.c */
/* Of a pool: with the lock held. */
int future_open(crew_pool *pool, crew_future **future);
/* Gives back its memory. */
void future_free(crew_future *future);
/* Puts the end of a worker into words. */
void failure_describe(struct crew_failure *failure);
/* Takes what slot 'index' has ended with, if it has, and frees it. With the lock held. */
bool future_harvest(crew_pool *pool, uint32_t index);
/* Waits at the bell for 'done(pool, context)' to be true. */
int pool_wait(crew_pool *pool, uint32_t wanted, bool (*done)(crew_pool *, void *), void *context,
              crew_time deadline);

#endif
