/* map.c - map, for and reduce: the opener's side of a job. */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEAVES 1024 /* of a reduce, unless its caller says how large one is */

/* -- in the caller ------------------------------------------------------------------------- */

static void note_first(struct crew_failure *failure, struct task_run *run, int code)
{
    if (failure->error == 0) {
        *failure = (struct crew_failure){ .error = CREW_ETASK, .code = code, .begin = run->task.begin,
                                          .end = run->task.end, .attempts = 1, .pid = os_pid() };
        memcpy(failure->message, run->message, sizeof failure->message);
    }
    run->message[0] = '\0';
}

static int run_here(const struct job_plan *plan, crew_time deadline, struct crew_failure *failure)
{
    struct task_run run = { .task = { .argument = plan->argument_size ? plan->argument : NULL,
                                      .argument_size = plan->argument_size, .attempt = 1 } };
    crew_task *t = &run.task;
    /* Nobody waits for a share of it: without a deadline to look at, a for is one call. */
    uint64_t step = plan->adapt ? (deadline == CREW_FOREVER ? plan->count : 1) : plan->unit;
    bool timed = deadline != CREW_FOREVER;

    for (uint64_t i = 0; i < plan->count;) {
        int code;

        if (timed && crew_time_now() >= deadline)
            return deadline == CREW_NOW ? -EAGAIN : -ETIMEDOUT;
        t->begin = i;
        t->end = plan->count - i > step ? i + step : plan->count;
        if (plan->kind == JOB_MAP)
            t->input = plan->input ? plan->input + i * plan->input_size : NULL;
        if (plan->kind == JOB_MAP || plan->kind == JOB_LEAF)
            t->output = plan->output ? plan->output + i / plan->unit * plan->output_size : NULL;
        if (plan->kind == JOB_LEAF && t->output && plan->output_size > 0)
            memset(t->output, 0, plan->output_size);
        code = plan->function(t);
        if (code != 0)
            note_first(failure, &run, code);
        i = t->end;
        if (timed && plan->adapt && step < UINT64_C(1) << 20)
            step *= 2;
    }
    return failure->error;
}

/* -- in workers ---------------------------------------------------------------------------- */

static bool job_is_over(crew_pool *pool, void *unused)
{
    (void)unused;
    return job_is_finished(&pool->shm->job);
}

static bool job_is_left(crew_pool *pool, void *unused)
{
    (void)unused;
    return job_is_empty(&pool->shm->job, pool->workers);
}

/* True if there is a CPU for the caller as well as for the workers. */
static bool awake(const crew_pool *pool)
{
    return pool->caller_works || pool->shm->gate.spinners >= pool->started_now;
}

static void spin_for(struct job_shm *job, unsigned steps)
{
    uint32_t epoch = load_relaxed(&job->active);

    while (steps-- > 0 && load_acquire(&job->finished) != epoch)
        os_relax();
}

/* Closes the job, and waits until nobody is inside: who still is has nothing more to do there. Also done
 * before the next one, when they have long gone, instead of after the last unit, when they are just going. */
static void clear_out(crew_pool *pool)
{
    unsigned steps = awake(pool) ? pool->shm->gate.spin : 0;

    job_close(&pool->shm->job);
    while (steps-- > 0 && !job_is_left(pool, NULL))
        os_relax();
    while (!job_is_left(pool, NULL) &&
           pool_wait(pool, BELL_ANY, job_is_left, NULL, CREW_FOREVER) == CREW_ENOWORKER)
        os_relax(); /* the last worker is dead, its repair under way */
}

/* Ends the job before its end: nobody begins a task any more; workers at one are killed. */
static void cut_short(crew_pool *pool)
{
    struct job_shm *job = &pool->shm->job;

    store_total(&job->cancel, 1);
    gate_ring(&pool->shm->gate, GATE_ALL);
    mutex_lock(&pool->lock);
    for (unsigned i = 0; i < pool->started_now && pool->kind == CREW_PROCESSES; i++)
        if (pool->worker[i].state == WORKER_RUNS && job_doom(job, i))
            os_pidfd_signal(pool->worker[i].member.pidfd, 9);
    mutex_unlock(&pool->lock);
}

/* Runs units [from, from + units) of the plan. */
static int run_epoch(crew_pool *pool, uint64_t units, crew_time deadline)
{
    struct job_shm *job = &pool->shm->job;
    int r;

    job_open(job, units, pool->workers);
    gate_ring(&pool->shm->gate, units < pool->started_now ? (int)units : GATE_ALL);
    if (pool->caller_works) {
        struct worker_mark mark;

        worker_enter(&mark, pool->shm);
        job_work(job, pool->workers - 1, pool->pid, deadline);
        worker_leave(&mark);
    }
    if (awake(pool) && !pool->caller_works)
        spin_for(job, pool->shm->gate.spin);
    r = job_is_finished(job) ? 0 : pool_wait(pool, BELL_ANY, job_is_over, NULL, deadline);
    if (r < 0) {
        cut_short(pool);
        clear_out(pool);
    }
    return r;
}

static int run_in_workers(crew_pool *pool, const struct job_plan *plan, crew_time deadline,
                          struct crew_failure *failure)
{
    struct job_shm *job = &pool->shm->job;
    uint64_t units = plan->count / plan->unit + (plan->count % plan->unit != 0);
    uint64_t most = job_capacity(job);
    int r = 0;

    if (load_acquire(&pool->vacant) > 0) {
        mutex_lock(&pool->lock);
        r = pool_refill(pool);
        mutex_unlock(&pool->lock);
    }
    if (r < 0)
        return r;
    clear_out(pool);
    job_clear_failures(job, pool->workers);
    job->retries = pool->retries;
    job->plan = *plan;
    for (uint64_t from = 0; from < units && r == 0; from += most) {
        uint64_t part = units - from < most ? units - from : most;

        if (from > 0)
            clear_out(pool);
        job->first = from * plan->unit;
        r = run_epoch(pool, part, deadline);
        if (units - from <= most)
            break;
    }
    if (r < 0)
        return r;
    if (!job_failure(job, pool->workers, failure))
        return 0;
    failure_describe(failure);
    return failure->error;
}

/* -- memory that workers can see ------------------------------------------------------------- */

/* A copy of the caller's bytes, if tasks can't use them where they are. */
struct stage {
    void *block; /* in the arena; NULL: none */
    void *copy;  /* malloc(); NULL: none     */
};

static bool must_stage(const crew_pool *pool, const void *bytes, size_t size)
{
    return pool->kind == CREW_PROCESSES && !worker_is_here(pool) && bytes && size > 0 &&
           !crew_memory_contains(bytes, size);
}

static int stage(const crew_pool *pool, const void **bytes, size_t size, struct stage *stage)
{
    int r;

    stage->block = NULL;
    if (!*bytes || !must_stage(pool, *bytes, size))
        return 0;
    r = life_alloc(size, &stage->block);
    if (r < 0)
        return r;
    memcpy(stage->block, *bytes, size);
    *bytes = stage->block;
    return 0;
}

static void unstage(struct stage *stage)
{
    if (stage->block)
        life_free(stage->block);
    free(stage->copy);
}

/* The same for an argument, which is aligned, too. */
static int stage_argument(crew_pool *pool, const void **argument, size_t size, struct stage *s)
{
    const void *original = *argument;
    int r;

    if (pool->kind != CREW_PROCESSES || worker_is_here(pool))
        return task_align(argument, size, &s->copy);
    if (size == 0 || (task_is_aligned(original) && !must_stage(pool, original, size)))
        return 0;
    r = life_alloc(size, &s->block);
    if (r < 0)
        return r;
    memcpy(s->block, original, size);
    *argument = s->block;
    return 0;
}

/* A small one travels with the job. */
static bool send_along(crew_pool *pool, struct job_plan *plan)
{
    if (worker_is_here(pool) || plan->argument_size == 0 || plan->argument_size > JOB_ARGUMENT)
        return false;
    memcpy(pool->shm->job.small, plan->argument, plan->argument_size);
    plan->argument = pool->shm->job.small;
    return true;
}

static int check_options(const struct crew_job_options *options)
{
    for (unsigned i = 0; options && i < 4; i++)
        if (options->reserved[i] != 0)
            return -EINVAL;
    return 0;
}

/* One job at a time in a pool; in the caller itself, any number. */
static void lock_job(crew_pool *pool)
{
    if (!worker_is_here(pool))
        mutex_lock(&pool->job_lock);
}

static void unlock_job(crew_pool *pool)
{
    if (!worker_is_here(pool))
        mutex_unlock(&pool->job_lock);
}

/* Runs a plan, its argument staged. Between lock_job() and unlock_job(). */
static int run_plan(crew_pool *pool, struct job_plan *plan, const struct crew_job_options *options,
                    crew_time deadline)
{
    struct crew_failure failure = { 0 };
    struct stage argument = { 0 };
    bool here = worker_is_here(pool);
    int r = 0;

    if (!here)
        job_expect(&pool->shm->job, pool->workers);
    if (!send_along(pool, plan))
        r = stage_argument(pool, &plan->argument, plan->argument_size, &argument);
    if (r < 0)
        return r;
    if (plan->count > 0)
        r = here ? run_here(plan, deadline, &failure)
                 : run_in_workers(pool, plan, deadline, &failure);
    unstage(&argument);
    if ((r == CREW_ETASK || r == CREW_EWORKER) && options && options->failure)
        *options->failure = failure;
    return r;
}

int crew_pool_map(crew_pool *pool, crew_function *function, const void *input, size_t input_size,
                  void *output, size_t output_size, uint64_t count,
                  const struct crew_job_options *options, crew_time deadline)
{
    struct job_plan plan = { .kind = JOB_MAP, .function = function, .input_size = input_size,
                         .output_size = output_size, .count = count, .unit = 1 };
    struct stage in = { 0 }, out = { 0 };
    const void *from = input;
    const void *to = output;
    size_t in_bytes, out_bytes;
    int r = check_options(options);

    pool_check(pool, "crew_pool_map");
    if (pool_is_foreign(pool))
        return CREW_EMISUSE;
    if (r < 0 || !function || (input && input == output && input_size != output_size) ||
        __builtin_mul_overflow(input_size, count, &in_bytes) ||
        __builtin_mul_overflow(output_size, count, &out_bytes))
        return -EINVAL;
    lock_job(pool);
    r = stage(pool, &to, out_bytes, &out);
    if (r == 0 && input == output && out.block)
        from = to;
    else if (r == 0)
        r = stage(pool, &from, in_bytes, &in);
    if (r == 0) {
        plan.input = from;
        plan.output = (char *)(uintptr_t)to;
        r = run_plan(pool, &plan, options, deadline);
        if (out.block)
            memcpy(output, out.block, out_bytes);
    }
    unstage(&in);
    unstage(&out);
    unlock_job(pool);
    return r;
}

int crew_pool_for(crew_pool *pool, crew_function *function, uint64_t count, const void *argument,
                  size_t size, const struct crew_job_options *options, crew_time deadline)
{
    struct job_plan plan = { .kind = JOB_RANGE, .function = function, .argument = argument,
                         .argument_size = size, .count = count };
    int r = check_options(options);

    pool_check(pool, "crew_pool_for");
    if (pool_is_foreign(pool))
        return CREW_EMISUSE;
    if (r < 0 || !function)
        return -EINVAL;
    plan.unit = options && options->chunk ? options->chunk : 1;
    plan.adapt = !options || options->chunk == 0;
    lock_job(pool);
    r = run_plan(pool, &plan, options, deadline);
    unlock_job(pool);
    return r;
}

/* -- reduce -------------------------------------------------------------------------------- */

struct join { /* argument of the one task that joins the partials */
    crew_function *combine;
    char *partials;
    size_t size;
    uint64_t count;
    char *result;
    const void *argument;
    size_t argument_size;
};

/* Joins in a copy, so that it can be run again when its worker dies; the result is written last. */
static int join_partials(crew_task *task)
{
    struct task_run *run = (struct task_run *)task;
    struct join j = *(const struct join *)task->argument;
    char *copy = malloc(j.size * j.count + 1);
    int code;

    if (!copy)
        return crew_task_fail(task, -ENOMEM, "no memory to join %llu partial results",
                              (unsigned long long)j.count);
    memcpy(copy, j.partials, j.size * j.count);
    task->argument = j.argument_size ? j.argument : NULL;
    task->argument_size = j.argument_size;
    code = job_combine(run, j.combine, copy, j.size, j.count);
    if (code == 0)
        memcpy(j.result, copy, j.size);
    free(copy);
    return code;
}

static int reduce(crew_pool *pool, struct job_plan *leaves, crew_function *combine, void *result,
                  const struct crew_job_options *options, crew_time deadline)
{
    uint64_t count = leaves->count / leaves->unit + (leaves->count % leaves->unit != 0);
    bool arena = pool->kind == CREW_PROCESSES && !worker_is_here(pool);
    struct join join = { .combine = combine, .size = leaves->output_size, .count = count };
    struct job_plan last = { .kind = JOB_RANGE, .function = join_partials, .argument = &join,
                         .argument_size = sizeof join, .count = 1, .unit = 1 };
    struct stage argument = { 0 };
    void *partials = NULL;
    size_t bytes;
    int r = 0;

    if (__builtin_mul_overflow(count, leaves->output_size, &bytes) ||
        __builtin_add_overflow(bytes, leaves->output_size, &bytes))
        return -EINVAL;
    if (arena)
        r = life_alloc(bytes, &partials);
    else if (!(partials = malloc(bytes ? bytes : 1)))
        r = -ENOMEM;
    if (r < 0)
        return r;
    /* both tasks see the argument, so it is staged once, and not in the job, which they share */
    r = stage_argument(pool, &leaves->argument, leaves->argument_size, &argument);
    leaves->output = partials;
    join.partials = partials;
    join.result = (char *)partials + count * leaves->output_size;
    join.argument = leaves->argument;
    join.argument_size = leaves->argument_size;
    if (r == 0)
        r = run_plan(pool, leaves, options, deadline);
    if (r == 0)
        r = run_plan(pool, &last, options, deadline);
    if (r == 0 && leaves->output_size > 0)
        memcpy(result, join.result, leaves->output_size);
    unstage(&argument);
    if (arena)
        life_free(partials);
    else
        free(partials);
    return r;
}

int crew_pool_reduce(crew_pool *pool, crew_function *function, crew_function *combine, uint64_t count,
                     const void *argument, size_t argument_size, void *result, size_t size,
                     const struct crew_job_options *options, crew_time deadline)
{
    struct job_plan plan = { .kind = JOB_LEAF, .function = function, .argument = argument,
                         .argument_size = argument_size, .count = count, .output_size = size };
    int r = check_options(options);

    pool_check(pool, "crew_pool_reduce");
    if (pool_is_foreign(pool))
        return CREW_EMISUSE;
    if (r < 0 || !function || !combine || (size > 0 && !result))
        return -EINVAL;
    if (count == 0) {
        if (size > 0)
            memset(result, 0, size);
        return 0;
    }
    plan.unit = options && options->chunk ? options->chunk : count / LEAVES + (count % LEAVES != 0);
    lock_job(pool);
    r = reduce(pool, &plan, combine, result, options, deadline);
    unlock_job(pool);
    return r;
}
