/* future.c - collecting the ends of submitted tasks, and waiting for them.
 *
 * All of it happens in the opener of the pool. When the pool is closed, what its futures have not
 * collected yet is moved into them. */
#include "pool.h"

#include <life/waitable.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The end of the caller's patience for a spin; about what a sleep and a wake-up cost. */
#define SPIN_STEPS 2000

void failure_describe(struct crew_failure *f)
{
    if (f->error != CREW_EWORKER || f->message[0] != '\0')
        return;
    if (f->signal)
        snprintf(f->message, sizeof f->message, "signal %d (%s) ended the worker", f->signal,
                 sigabbrev_np(f->signal) ? sigabbrev_np(f->signal) : "unknown");
    else if (f->status >= 0)
        snprintf(f->message, sizeof f->message, "the worker exited with status %d", f->status);
    else
        snprintf(f->message, sizeof f->message, "the worker ended; somebody else collected its status");
}

/* Copies what a done slot says into its future. */
static void read_end(struct crew_pool *pool, struct slot_shm *slot, struct crew_future *f)
{
    struct crew_failure *failure = &f->failure;

    f->outcome = (enum slot_outcome)slot->outcome;
    if (f->outcome != SLOT_RESULT_IS_THERE || slot->result_block) {
        memset(failure, 0, sizeof *failure);
        failure->attempts = slot_tries(slot) + (slot->outcome != SLOT_DIED);
    }
    switch (f->outcome) {
    case SLOT_RESULT_IS_THERE:
        f->size = slot->result_size;
        if (!slot->result_block) {
            f->size = f->size < SLOT_RESULT ? f->size : SLOT_RESULT;
            memcpy(f->small, slot_result(slot, f->size), f->size);
        } else if (crew_memory_contains(slot->result_block, f->size) &&
                   /* the block is the worker's, or, if that has died since, ours already */
                   alloc_transfer(life_arena_now(), slot->result_block, OWNER_NOBODY, pool->id) == 0) {
            f->block = slot->result_block;
        } else { /* another process wrote it */
            failure->error = CREW_EWORKER;
            failure->pid = slot->pid;
            failure->status = -1;
            snprintf(failure->message, sizeof failure->message, "the worker left no valid result");
        }
        break;
    case SLOT_FAILED:
        failure->error = CREW_ETASK;
        failure->code = slot->code;
        failure->pid = slot->pid;
        memcpy(failure->message, slot->message, sizeof failure->message);
        failure->message[sizeof failure->message - 1] = '\0';
        break;
    case SLOT_DIED:
        failure->error = CREW_EWORKER;
        failure->pid = slot->pid;
        failure->status = slot->death.status;
        failure->signal = slot->death.signal;
        failure->peak_memory = slot->death.peak_memory;
        failure_describe(failure);
        break;
    default:
        failure->error = CREW_ECANCELLED;
        snprintf(failure->message, sizeof failure->message, "%s", crew_strerror(CREW_ECANCELLED));
        break;
    }
    store_release(&f->pool, NULL); /* pairs with wait_ended(): all of the future is final */
}

HOT int future_open(crew_pool *pool, crew_future **future)
{
    bool near = pool && !load_acquire(&pool->near_used);
    crew_future *f = near ? &pool->near : malloc(sizeof *f);

    if (!f)
        return -ENOMEM;
    f->home = near ? pool : NULL;
    if (near) {
        store_relaxed(&pool->near_used, true);
        atomic_fetch_add(&pool->holders, 1);
    }
    /* No more than is read before the end is known: each line costs a trip to memory after a rest. */
    f->magic = FUTURE_MAGIC;
    f->slot = SLOT_NONE;
    f->pid = os_pid();
    f->cold = false;
    f->size = 0;
    f->block = f->own_block = NULL;
    f->failure.error = 0;
    store_relaxed(&f->pool, pool);
    *future = f;
    return 0;
}

HOT void future_free(crew_future *f)
{
    crew_pool *home = f->home;

    f->magic = 0;
    if (!home) {
        free(f);
        return;
    }
    store_release(&home->near_used, false);
    pool_let_go(home);
}

HOT bool future_harvest(crew_pool *pool, uint32_t index)
{
    struct slot_shm *slot = &pool->shm->board.slot[index];
    struct crew_future *f = pool->future[index];

    if (slot_state(slot) != SLOT_DONE)
        return false;
    if (f)
        read_end(pool, slot, f);
    else if (slot->outcome == SLOT_RESULT_IS_THERE && slot->result_block)
        life_free(slot->result_block);
    if (slot->argument_block)
        life_free(slot->argument_block);
    slot->argument_block = NULL;
    pool->future[index] = NULL;
    slot_collect(slot); /* [E] */
    pool->free_slot[pool->free_count++] = index;
    store_relaxed(&pool->in_use, pool->slots - pool->free_count);
    if (pool->watched && pool->free_count == pool->slots) {
        pool->watched = false;
        if (pool->waiters == 0)
            store_relaxed(&pool->shm->bell.wanted, 0);
    }
    return true;
}

HOT int pool_wait(crew_pool *pool, uint32_t wanted, bool (*done)(crew_pool *, void *), void *context,
              crew_time deadline)
{
    struct bell_shm *bell = &pool->shm->bell;
    int r = 0;

    mutex_lock(&pool->lock);
    pool->waiters++;
    while (r == 0) {
        uint32_t seen;
        bool again;

        store_total(&bell->wanted, pool->waiters == 1 && !pool->watched ? wanted : BELL_ANY);
        seen = load_total(&bell->event);
        if (done(pool, context))
            break;
        r = pool_refill(pool);
        if (r == CREW_ENOWORKER && done(pool, context)) { /* the last death may have been its end */
            r = 0;
            break;
        }
        if (r == 0 && deadline == CREW_NOW)
            r = -EAGAIN;
        if (r < 0)
            break;
        mutex_unlock(&pool->lock);
        r = os_futex_wait(&bell->event, seen, deadline);
        mutex_lock(&pool->lock);
        again = r == -ETIMEDOUT && done(pool, context);
        if (again)
            r = 0;
    }
    pool->waiters--;
    if (pool->waiters == 0 && !pool->watched)
        store_relaxed(&bell->wanted, 0);
    mutex_unlock(&pool->lock);
    return r;
}

static bool future_is_ended(crew_pool *pool, void *context)
{
    struct crew_future *f = context;

    return load_acquire(&f->pool) == NULL || future_harvest(pool, f->slot);
}

static void check(const crew_future *future, const char *call)
{
    if (!future || future->magic != FUTURE_MAGIC)
        os_misuse(call, "not an open future");
}

/* Worth a short spin: then a hot worker's answer costs no system call. Not with as much to run as
 * there are CPUs: then the spin would take a worker's. */
static void spin_for(crew_pool *pool, struct crew_future *f)
{
    struct slot_shm *slot = &pool->shm->board.slot[f->slot];
    uint32_t busy = load_relaxed(&pool->in_use);

    busy = busy < pool->started_now ? busy : pool->started_now;
    if (busy > pool->shm->gate.spinners || f->cold)
        return;
    for (unsigned i = 0; i < SPIN_STEPS && slot_state(slot) != SLOT_DONE; i++)
        os_relax();
}

HOT static int wait_ended(crew_future *f, crew_time deadline)
{
    crew_pool *pool = load_acquire(&f->pool);
    bool ended;

    if (!pool)
        return 0;
    if (pool_is_foreign(pool))
        return CREW_EMISUSE;
    if (deadline != CREW_NOW)
        spin_for(pool, f);
    mutex_lock(&pool->lock);
    ended = future_is_ended(pool, f);
    mutex_unlock(&pool->lock);
    return ended ? 0 : pool_wait(pool, f->slot + 1, future_is_ended, f, deadline);
}

static void waitable_check(void *object)
{
    check(object, "crew_wait_future");
}

/* From here on, until no task is left, every end rings. */
static int is_ready(void *object, struct os_word *word)
{
    crew_future *f = object;
    crew_pool *pool = load_acquire(&f->pool);
    int r;

    if (!pool)
        return 1;
    if (pool_is_foreign(pool))
        return CREW_EMISUSE;
    mutex_lock(&pool->lock);
    pool->watched = true;
    store_total(&pool->shm->bell.wanted, BELL_ANY);
    *word = (struct os_word){ &pool->shm->bell.event, load_total(&pool->shm->bell.event) };
    r = future_is_ended(pool, f);
    if (r == 0) /* a wait of the opener's: dead workers are replaced. None can be: result() will say so */
        r = pool_refill(pool) == CREW_ENOWORKER;
    mutex_unlock(&pool->lock);
    return r;
}

struct crew_wait crew_wait_future(crew_future *future)
{
    static const struct crew_waitable kind = { .check = waitable_check, .ready = is_ready };

    return (struct crew_wait){ .kind = &kind, .object = future };
}

static const void *result_bytes(const crew_future *f)
{
    return f->block ? f->block : f->own_block ? f->own_block : f->small;
}

HOT int crew_future_result(crew_future *future, void *buf, size_t capacity, size_t *size,
                       crew_time deadline)
{
    int r;

    check(future, "crew_future_result");
    r = wait_ended(future, deadline);
    if (r < 0)
        return r;
    if (future->failure.error != 0)
        return future->failure.error;
    if (size)
        *size = future->size;
    if (!buf && capacity == 0)
        return 0;
    if (future->size > capacity)
        return -EMSGSIZE;
    if (!buf)
        return -EINVAL;
    if (future->size > 0)
        memcpy(buf, result_bytes(future), future->size);
    return 0;
}

bool crew_future_done(crew_future *future)
{
    check(future, "crew_future_done");
    return wait_ended(future, CREW_NOW) == 0;
}

void crew_future_failure(crew_future *future, struct crew_failure *failure)
{
    check(future, "crew_future_failure");
    if (wait_ended(future, CREW_NOW) == 0 && future->failure.error != 0)
        *failure = future->failure;
    else
        memset(failure, 0, sizeof *failure);
}

HOT void crew_future_close(crew_future *future)
{
    crew_pool *pool;

    if (!future)
        return;
    check(future, "crew_future_close");
    pool = load_acquire(&future->pool);
    if (pool && !pool_is_foreign(pool)) {
        mutex_lock(&pool->lock);
        if (load_acquire(&future->pool))
            pool->future[future->slot] = NULL; /* the end will be dropped */
        mutex_unlock(&pool->lock);
    }
    if (future->block && future->pid == os_pid()) /* not in a child's copy of the handle */
        life_free(future->block);
    if (future->own_block)
        free(future->own_block);
    future_free(future);
}
