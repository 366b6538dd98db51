/* pool.c - opening, keeping at strength, and closing a pool; submitting to it. */
#include "pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WORKERS JOB_WORKERS
#define MOST_BACKLOG 65536
#define MOST_RETRIES 14
#define GRACE_MS 2000 /* from the end of a pool to SIGKILL */

HOT void pool_check(const crew_pool *pool, const char *call)
{
    if (!pool || pool->magic != POOL_MAGIC)
        os_misuse(call, "not an open pool");
}

HOT bool pool_is_foreign(const crew_pool *pool)
{
    return pool->pid != os_pid();
}

/* -- workers ------------------------------------------------------------------------------- */

/* The supervisor, when a worker is dead for certain: its tasks first, then its results go to the
 * opener, before the arena is swept of what was the worker's. */
static void repair(struct member *member)
{
    struct worker *w = member->owner;
    crew_pool *pool = w->pool;
    struct board_shm *board = &pool->shm->board;
    bool ending = load_relaxed(&pool->terminating);
    struct slot_damage damage = { 0 };

    slot_repair(board, w->number, pool->retries, ending ? SLOT_CANCELLED : SLOT_DIED, &member->end,
                member->pid, &damage);
    for (uint32_t i = 0; i <= board->mask; i++) {
        struct slot_shm *slot = &board->slot[i];

        if (slot_state(slot) == SLOT_DONE && slot_owner(slot) == w->number && slot->result_block)
            alloc_transfer(life_arena_now(), slot->result_block, member->id, pool->id);
    }
    damage.requeued += job_repair(&pool->shm->job, w->number, &member->end, member->pid);
    atomic_fetch_add(&pool->retried, damage.requeued);
    if (load_acquire(&pool->shm->closing) == 0 && !ending)
        atomic_fetch_add(&pool->died, 1);
    if (load_relaxed(&pool->shm->worker[w->number].begun))
        store_relaxed(&pool->newborn_deaths, 0);
    else
        atomic_fetch_add(&pool->newborn_deaths, 1);
}

/* The supervisor, when all is repaired: everybody looks again. */
static void wake(struct member *member)
{
    struct worker *w = member->owner;
    crew_pool *pool = w->pool;

    atomic_fetch_sub(&pool->alive, 1);
    atomic_fetch_add(&pool->vacant, 1);
    gate_repair(&pool->shm->gate, w->number);
    atomic_fetch_add(&pool->shm->bell.event, 1);
    party_wake(&pool->shm->bell.event, INT32_MAX);
}

static void flush(void)
{
    fflush(stdout); /* what tasks printed, before the worker sleeps */
}

static void *thread_main(void *context)
{
    struct worker *w = context;

    worker_loop(w->pool->shm, w->number, NULL);
    return NULL;
}

static int start_worker(struct worker *w)
{
    crew_pool *pool = w->pool;
    int r;

    store_relaxed(&pool->shm->worker[w->number].begun, 0);
    atomic_fetch_add(&pool->alive, 1); /* before it can die */
    if (pool->kind == CREW_THREADS) {
        uint64_t signals[16];

        os_signals_block(signals, sizeof signals); /* they are for the user's threads */
        r = -pthread_create(&w->thread, NULL, thread_main, w);
        os_signals_restore(signals);
    } else {
        r = (int)member_start(&w->member, pool->name, repair, wake, w);
        if (r == 0) {
            worker_loop(pool->shm, w->number, flush);
            fflush(NULL);
            os_exit(0);
        }
        r = r < 0 ? r : 0;
    }
    if (r < 0) {
        atomic_fetch_sub(&pool->alive, 1);
        return r;
    }
    w->state = WORKER_RUNS;
    atomic_fetch_add(&pool->started, 1);
    return 0;
}

int pool_refill_now(crew_pool *pool)
{
    int r = 0;

    if (pool->kind != CREW_PROCESSES)
        return 0;
    if (load_relaxed(&pool->newborn_deaths) > NEWBORN_DEATHS * pool->started_now)
        pool->broken = CREW_ENOWORKER;
    for (unsigned i = 0; i < pool->started_now && r == 0 && !pool->broken; i++) {
        struct worker *w = &pool->worker[i];

        if (w->state == WORKER_RUNS) {
            if (load_acquire(&w->member.ended) == 0)
                continue;
            member_close(&w->member);
            w->state = WORKER_NONE;
        }
        r = start_worker(w);
        if (r == 0)
            atomic_fetch_sub(&pool->vacant, 1);
    }
    return (r < 0 || pool->broken) && load_acquire(&pool->alive) == 0 ? CREW_ENOWORKER : 0;
}

/* Waits for all workers to be gone, and forgets them. Who is not within the grace (stopped, or caught
 * in an exit of its own) is killed. */
static void reap_workers(crew_pool *pool)
{
    crew_time grace = crew_in_ms(GRACE_MS);

    for (unsigned i = 0; i < pool->started_now; i++) {
        struct worker *w = &pool->worker[i];

        if (w->state == WORKER_NONE)
            continue;
        if (pool->kind == CREW_THREADS) {
            pthread_join(w->thread, NULL);
        } else {
            if (member_join(&w->member, grace) < 0) {
                os_pidfd_signal(w->member.pidfd, 9);
                member_join(&w->member, CREW_FOREVER);
            }
            member_close(&w->member);
        }
        w->state = WORKER_NONE;
    }
}

static void kill_workers(crew_pool *pool)
{
    for (unsigned i = 0; i < pool->started_now; i++)
        if (pool->worker[i].state == WORKER_RUNS)
            os_pidfd_signal(pool->worker[i].member.pidfd, 9);
}

static void dismiss(crew_pool *pool, uint32_t how)
{
    store_total(&pool->shm->closing, how);
    gate_ring(&pool->shm->gate, GATE_ALL);
    reap_workers(pool);
}

/* -- open and close ------------------------------------------------------------------------ */

static void free_pool(crew_pool *pool)
{
    if (pool->shm) {
        life_free(pool->shm);
        life_release();
    }
    pool->magic = 0;
    pool_let_go(pool);
}

HOT void pool_let_go(crew_pool *pool)
{
    if (atomic_fetch_sub(&pool->holders, 1) == 1)
        free(pool->memory);
}

static size_t round_line(size_t n)
{
    return (n + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

/* Lays the shared part out in one block: the struct, the workers, the slots, the job's table. */
static int make_shared(crew_pool *pool)
{
    size_t head = round_line(sizeof *pool->shm + pool->workers * sizeof pool->shm->worker[0]);
    size_t board = round_line(board_size(pool->slots));
    void *block;
    int r = life_alloc(head + board + job_size(pool->workers), &block);

    if (r < 0)
        return r;
    life_hold();
    pool->shm = block;
    pool->id = life_me();
    store_relaxed(&pool->shm->closing, 0);
    store_relaxed(&pool->shm->bell.event, 0);
    store_relaxed(&pool->shm->bell.wanted, 0);
    gate_init(&pool->shm->gate, pool->workers, crew_cpu_count());
    board_init(&pool->shm->board, pool->slots, (char *)block + head);
    job_init(&pool->shm->job, pool->workers, (char *)block + head + board, &pool->shm->gate);
    return 0;
}

/* A pool as it is planned, with what belongs to it. The slot that is used first, its future and the struct
 * are near each other. NULL: no memory. */
static crew_pool *make_private(const crew_pool *plan)
{
    const size_t page = 4096, words = round_line(plan->slots * sizeof *plan->free_slot);
    const size_t futures = words + round_line(plan->slots * sizeof(crew_future *));
    char *memory = calloc(1, page + sizeof *plan + futures + plan->workers * sizeof *plan->worker);
    crew_pool *pool = (crew_pool *)(((uintptr_t)memory + page - 1) / page * page);

    if (!memory)
        return NULL;
    *pool = *plan;
    pool->memory = memory;
    pool->free_slot = (uint32_t *)(pool + 1);
    pool->future = (crew_future **)((char *)(pool + 1) + words);
    pool->worker = (struct worker *)((char *)(pool + 1) + futures);
    store_relaxed(&pool->holders, 1);
    for (uint32_t i = pool->slots; i > 0; i--)
        pool->free_slot[pool->free_count++] = i - 1;
    for (unsigned i = 0; i < pool->workers; i++) {
        pool->worker[i].pool = pool;
        pool->worker[i].number = i;
    }
    return pool;
}

static int start_workers(crew_pool *pool)
{
    int r = 0;

    for (unsigned i = 0; i < pool->started_now && r == 0; i++)
        r = start_worker(&pool->worker[i]);
    if (r < 0) {
        store_relaxed(&pool->terminating, true);
        if (pool->kind == CREW_PROCESSES)
            kill_workers(pool);
        dismiss(pool, 2);
    }
    return r;
}

/* What is asked for, with nothing done for it. */
static int plan(crew_pool *pool, const struct crew_pool_options *options)
{
    unsigned backlog = options->backlog;

    snprintf(pool->name, sizeof pool->name, "%s", options->name ? options->name : "crew");
    pool->kind = options->kind == CREW_KIND_DEFAULT ? CREW_PROCESSES : options->kind;
    pool->retries = options->retries;
    pool->pid = os_pid();
    pool->workers = options->workers ? options->workers : crew_cpu_count();
    if (pool->workers > MOST_WORKERS && options->workers == 0)
        pool->workers = MOST_WORKERS;
    if (pool->kind == CREW_SEQUENTIAL)
        pool->workers = 1;
    if (pool->kind < CREW_SEQUENTIAL || pool->kind > CREW_PROCESSES ||
        pool->workers > MOST_WORKERS || backlog > MOST_BACKLOG || options->retries > MOST_RETRIES)
        return -EINVAL;
    for (unsigned i = 0; i < 4; i++)
        if (options->reserved[i] != 0)
            return -EINVAL;
    pool->caller_works = options->caller_works;
    pool->sequential = pool->kind == CREW_SEQUENTIAL || (pool->caller_works && pool->workers == 1);
    if (pool->sequential)
        return 0;
    pool->started_now = pool->workers - pool->caller_works;
    if (backlog == 0)
        backlog = pool->workers * 64 < 256 ? 256 : pool->workers * 64;
    for (pool->slots = 1; pool->slots < backlog; pool->slots *= 2)
        ;
    return pool->kind == CREW_PROCESSES ? life_may_start() : 0;
}

int crew_pool_open(crew_pool **pool, const struct crew_pool_options *options)
{
    static const struct crew_pool_options defaults;
    crew_pool planned = { 0 }, *p;
    int r = plan(&planned, options ? options : &defaults);

    if (r < 0)
        return r;
    p = make_private(&planned);
    if (!p)
        return -ENOMEM;
    if (!p->sequential) {
        r = make_shared(p);
        if (r == 0)
            r = start_workers(p);
    }
    if (r < 0) {
        free_pool(p);
        return r;
    }
    p->magic = POOL_MAGIC;
    *pool = p;
    return 0;
}

/* Collects whatever has ended. True if no task is left. */
static bool all_ended(crew_pool *pool, void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < pool->slots && pool->free_count < pool->slots; i++)
        future_harvest(pool, i);
    return pool->free_count == pool->slots;
}

int crew_pool_close(crew_pool *pool, crew_time deadline)
{
    int r;

    if (!pool)
        return 0;
    pool_check(pool, "crew_pool_close");
    if (pool_is_foreign(pool))
        return CREW_EMISUSE;
    if (!pool->sequential) {
        r = pool_wait(pool, BELL_ANY, all_ended, NULL, deadline);
        if (r == CREW_ENOWORKER) {
            crew_pool_terminate(pool);
            return r;
        }
        if (r < 0)
            return r == -EAGAIN ? -EAGAIN : -ETIMEDOUT;
        dismiss(pool, 1);
    }
    free_pool(pool);
    return 0;
}

void crew_pool_terminate(crew_pool *pool)
{
    if (!pool)
        return;
    pool_check(pool, "crew_pool_terminate");
    if (pool_is_foreign(pool))
        return;
    if (!pool->sequential) {
        store_relaxed(&pool->terminating, true);
        store_total(&pool->shm->closing, 2); /* threads begin nothing more */
        for (uint32_t i = 0; i < pool->slots; i++)
            slot_cancel(&pool->shm->board.slot[i]);
        store_total(&pool->shm->job.cancel, 1);
        if (pool->kind == CREW_PROCESSES)
            kill_workers(pool);
        dismiss(pool, 2);
        mutex_lock(&pool->lock);
        for (uint32_t i = 0; i < pool->slots; i++) /* what a dying worker put back */
            slot_cancel(&pool->shm->board.slot[i]);
        all_ended(pool, NULL);
        mutex_unlock(&pool->lock);
    }
    free_pool(pool);
}

void crew_pool_stats(crew_pool *pool, struct crew_pool_stats *stats)
{
    pool_check(pool, "crew_pool_stats");
    memset(stats, 0, sizeof *stats);
    stats->kind = pool->kind;
    stats->workers = pool->workers;
    stats->alive = load_relaxed(&pool->alive) + (pool->sequential || pool->caller_works);
    stats->started = load_relaxed(&pool->started);
    stats->died = load_relaxed(&pool->died);
    stats->retried = load_relaxed(&pool->retried);
}

/* -- submit -------------------------------------------------------------------------------- */

/* crew_task_result() of a task that runs in the caller. */
static int keep_in_future(struct task_run *run, const void *data, size_t size)
{
    crew_future *f = run->context;
    void *block = NULL;

    if (size > UINT32_MAX)
        return -ENOMEM;
    if (!f)
        return 0;
    if (size > SLOT_RESULT) {
        block = malloc(size);
        if (!block)
            return -ENOMEM;
    }
    free(f->own_block);
    f->own_block = block;
    f->size = (uint32_t)size;
    if (size > 0)
        memcpy(block ? block : f->small, data, size);
    return 0;
}

static int submit_here(crew_future **future, crew_function *function, const void *argument,
                             size_t size)
{
    struct task_run run = { .task = { .argument_size = size, .attempt = 1 },
                            .result = keep_in_future };
    crew_future *f = NULL;
    void *copy;
    int code;
    int r = task_align(&argument, size, &copy);

    if (r == 0 && future)
        r = future_open(NULL, &f);
    if (r < 0) {
        free(copy);
        return r;
    }
    run.task.argument = size ? argument : NULL;
    run.context = f;
    code = function(&run.task);
    free(copy);
    if (future)
        *future = f;
    if (f && code != 0) {
        f->failure = (struct crew_failure){ .error = CREW_ETASK, .code = code, .attempts = 1,
                                            .pid = os_pid() };
        memcpy(f->failure.message, run.message, sizeof f->failure.message);
    }
    return 0;
}

static bool has_free_slot(crew_pool *pool, void *unused)
{
    if (pool->free_count > 0)
        return true;
    all_ended(pool, unused);
    return pool->free_count > 0;
}

/* Fills a slot that the caller has claimed, and publishes it. With the lock held. */
HOT static int put_task(crew_pool *pool, uint32_t index, crew_future *f, crew_function *function,
                    const void *argument, size_t size)
{
    struct slot_shm *slot = &pool->shm->board.slot[index];
    void *block = NULL;
    bool woken;

    if (size > SLOT_ARGUMENT) {
        int r = life_alloc(size, &block);

        if (r < 0)
            return r;
    }
    if (!slot_claim(slot, 0)) {
        life_free(block);
        return -EIO; /* somebody overwrote the arena */
    }
    slot->function = function;
    slot->argument_size = (uint32_t)size;
    slot->argument_block = block;
    if (size > 0)
        memcpy(slot_argument(slot, size), argument, size);
    if (f)
        f->slot = index;
    pool->future[index] = f;
    slot_publish(&pool->shm->board, index);
    woken = gate_ring(&pool->shm->gate, 1);
    if (f)
        f->cold = woken;
    return 0;
}

HOT int crew_pool_submit(crew_pool *pool, crew_future **future, crew_function *function,
                     const void *argument, size_t size, crew_time deadline)
{
    crew_future *f = NULL;
    int r;

    pool_check(pool, "crew_pool_submit");
    if (pool_is_foreign(pool))
        return CREW_EMISUSE;
    if (!function || size > UINT32_MAX)
        return -EINVAL;
    if (worker_is_here(pool))
        return submit_here(future, function, argument, size);
    os_fetch_to_write(&pool->shm->gate.event); /* a rest has driven their page out: it comes meanwhile */
    os_fetch_to_write(&pool->shm->board.tail);
    __builtin_prefetch(&pool->shm->board.requeued);
    mutex_lock(&pool->lock);
    for (r = pool_refill(pool); r == 0 && pool->free_count == 0;) {
        mutex_unlock(&pool->lock);
        r = pool_wait(pool, BELL_ANY, has_free_slot, NULL, deadline);
        mutex_lock(&pool->lock);
    }
    if (r == 0 && future)
        r = future_open(pool, &f);
    if (r == 0) {
        uint32_t index = pool->free_slot[--pool->free_count];

        r = put_task(pool, index, f, function, argument, size);
        if (r < 0)
            pool->free_slot[pool->free_count++] = index;
        store_relaxed(&pool->in_use, pool->slots - pool->free_count);
    }
    if (r < 0 && f)
        future_free(f);
    mutex_unlock(&pool->lock);
    if (r < 0)
        return r;
    if (future)
        *future = f;
    return 0;
}
