/* ordered.c - tasks out of order, results in order; see ordered.h. */
#include "ordered.h"

#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { IDLE_MS = 100, MOST_RETRIES = 14 };

/* -- memory ------------------------------------------------------------------------------- */

/* Memory of this process's own, with large pages, which are cheaper to touch. '*size': rounded to whole
 * ones. NULL: there is none. */
static void *own_pages(size_t *size)
{
    const size_t page = 2 << 20;
    void *block;

    if (*size > page / 2)
        *size = (*size + page - 1) / page * page;
    block = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return NULL;
    madvise(block, *size, MADV_HUGEPAGE);
    return block;
}

int ordered_own_memory(struct ordered_own *own, size_t size)
{
    if (own->size >= size)
        return 0;
    if (own->memory)
        munmap(own->memory, own->size);
    own->memory = own_pages(&size);
    own->size = own->memory ? size : 0;
    return own->memory ? 0 : -ENOMEM;
}

static int own_make(struct ordered *run)
{
    run->own = calloc(run->workers, sizeof *run->own);
    return run->own ? 0 : -ENOMEM;
}

static void own_free(struct ordered *run)
{
    for (unsigned i = 0; run->own && i < run->workers; i++)
        if (run->own[i].memory)
            munmap(run->own[i].memory, run->own[i].size);
    free(run->own);
    run->own = NULL;
}

/* -- slots -------------------------------------------------------------------------------- */

/* Processes need the arena. */
static void buffer_free(struct ordered_slot *slot)
{
    if (!slot->buffer)
        return;
    if (slot->buffer_kind == CREW_PROCESSES)
        crew_memory_free(slot->buffer);
    else
        munmap(slot->buffer, slot->capacity);
    slot->buffer = NULL;
    slot->capacity = 0;
}

int ordered_buffer(struct ordered_slot *slot, size_t size)
{
    enum crew_kind kind = slot->alone ? CREW_SEQUENTIAL : slot->buffer_kind;
    void *block;
    int r;

    if (slot->capacity >= size && slot->buffer_kind == kind)
        return 0;
    buffer_free(slot);
    slot->buffer_kind = kind;
    if (kind == CREW_PROCESSES) {
        r = crew_memory_alloc(&block, size);
        if (r < 0)
            return r;
    } else {
        block = own_pages(&size);
        if (!block)
            return -ENOMEM;
    }
    slot->buffer = block;
    slot->capacity = size;
    return 0;
}

static void slots_free(struct ordered *run)
{
    for (unsigned i = 0; i < run->window; i++) {
        crew_future_close(run->slots[i].future);
        buffer_free(&run->slots[i]);
    }
    free(run->slots);
    run->slots = NULL;
    run->window = 0;
}

static int slots_make(struct ordered *run, unsigned window, enum crew_kind kind)
{
    struct ordered_slot *slots = aligned_alloc(alignof(struct ordered_slot),
                                               window * sizeof *slots);

    if (!slots)
        return -ENOMEM;
    memset(slots, 0, window * sizeof *slots);
    for (unsigned i = 0; i < window; i++) {
        slots[i].buffer_kind = kind;
        slots[i].alone = kind == CREW_SEQUENTIAL;
    }
    slots_free(run);
    run->slots = slots;
    run->window = window;
    return 0;
}

/* -- opening and closing ------------------------------------------------------------------ */

static int open_pool(struct ordered *run, enum crew_kind kind)
{
    struct crew_pool_options options = {
        .name = run->name,
        .kind = kind,
        .workers = run->workers,
        .retries = MOST_RETRIES,
    };
    int r = crew_pool_open(&run->pool, &options);

    if (r < 0) {
        run->pool = NULL;
        return r;
    }
    r = slots_make(run, 2 * run->workers + 2, kind);
    if (r < 0) {
        crew_pool_terminate(run->pool);
        run->pool = NULL;
        return r;
    }
    run->used = kind;
    return 0;
}

int ordered_open(struct ordered *run, enum crew_kind kind, unsigned workers, const char *name)
{
    int r;

    *run = (struct ordered){
        .kind = kind,
        .used = CREW_SEQUENTIAL,
        .workers = kind == CREW_SEQUENTIAL ? 1 : workers,
        .name = name,
    };
    r = own_make(run);
    if (r < 0)
        return r;
    if (kind == CREW_THREADS || kind == CREW_PROCESSES)
        return open_pool(run, kind);
    return slots_make(run, 1, CREW_SEQUENTIAL);
}

void ordered_close(struct ordered *run)
{
    if (run->pool) {
        crew_pool_stats(run->pool, &run->stats);
        crew_pool_terminate(run->pool);
        run->pool = NULL;
    }
    slots_free(run);
    own_free(run);
}

/* -- on a pool ---------------------------------------------------------------------------- */

/* Addresses are the same in all workers: they are forks of this process. */
struct envelope {
    int (*work)(const void *argument, void *result, struct ordered_own *own);
    struct ordered_own *own;
    size_t result_size;
    alignas(8) unsigned char argument[ORDERED_ARGUMENT];
};

static int ordered_task(crew_task *task)
{
    const struct envelope *e = task->argument;
    alignas(16) unsigned char result[ORDERED_RESULT];
    int r = e->work(e->argument, result, &e->own[task->worker]);

    if (r < 0)
        return crew_task_fail(task, r, "%s", crew_strerror(r));
    return crew_task_result(task, result, e->result_size);
}

static int submit(struct ordered *run, const struct ordered_job *job, struct ordered_slot *slot)
{
    struct envelope e = {.work = job->work, .own = run->own, .result_size = job->result_size};

    memcpy(e.argument, slot->argument, job->argument_size);
    return crew_pool_submit(run->pool, &slot->future, ordered_task, &e,
                            offsetof(struct envelope, argument) + job->argument_size,
                            CREW_FOREVER);
}

static int collect(struct ordered *run, const struct ordered_job *job, struct ordered_slot *slot)
{
    int r;

    do {
        if (job->idle)
            job->idle(job->context);
        r = crew_future_result(slot->future, slot->result, sizeof slot->result, NULL,
                               job->idle ? crew_in_ms(IDLE_MS) : CREW_FOREVER);
    } while (r == -ETIMEDOUT);
    if (r < 0)
        crew_future_failure(slot->future, &run->failure);
    crew_future_close(slot->future);
    slot->future = NULL;
    return r;
}

/* A task that comes gets the buffer of one that went, so that there are no more buffers than tasks
 * were ever under way at once. */
static void pass_buffer_on(struct ordered *run, unsigned first, struct ordered_slot *slot)
{
    for (unsigned i = run->under_way + 1; i < run->window && !slot->buffer; i++) {
        struct ordered_slot *idle = &run->slots[(first + i) % run->window];

        slot->buffer = idle->buffer;
        slot->capacity = idle->capacity;
        idle->buffer = NULL;
        idle->capacity = 0;
    }
}

/* Gives the pool what it can hold. 'more': 'next' has not said that there is no more. */
static int fill(struct ordered *run, const struct ordered_job *job, unsigned first, bool *more)
{
    while (*more && run->under_way < run->window) {
        struct ordered_slot *slot = &run->slots[(first + run->under_way) % run->window];
        int r;

        pass_buffer_on(run, first, slot);
        r = job->next(job->context, slot);

        if (r == -ENOMEM && run->under_way > 0)
            break; /* no memory for all buffers: those that are there will do */
        run->starved = r == -ENOMEM;
        if (r < 0)
            return r;
        if (r == ORDERED_LATER)
            break;
        *more = r > 0;
        if (!*more)
            break;
        r = submit(run, job, slot);
        if (r < 0)
            return r;
        run->under_way++;
    }
    return 0;
}

/* Sends those that have ended their first round into the second, in order; waits for one if none is
 * in it. */
static int send_on(struct ordered *run, const struct ordered_job *job, unsigned first, unsigned *sent)
{
    while (*sent < run->under_way) {
        struct ordered_slot *slot = &run->slots[(first + *sent) % run->window];
        int r;

        if (*sent > 0 && !crew_future_done(slot->future))
            break;
        r = collect(run, job, slot);
        if (r == 0)
            r = job->between(job->context, slot);
        if (r == 0)
            r = submit(run, job, slot);
        if (r < 0)
            return r;
        ++*sent;
    }
    return 0;
}

static int run_on_pool(struct ordered *run, const struct ordered_job *job)
{
    unsigned first = 0, sent = 0;
    bool more = true;

    run->under_way = 0;
    for (;;) {
        int r = fill(run, job, first, &more);

        if (r < 0)
            return r;
        if (run->under_way == 0) {
            if (!more)
                return 0;
            continue;
        }
        if (job->between) {
            r = send_on(run, job, first, &sent);
            if (r < 0)
                return r;
        }

        struct ordered_slot *slot = &run->slots[first];

        r = collect(run, job, slot);
        if (r == 0)
            r = job->take(job->context, slot);
        if (r == ORDERED_AGAIN) {
            r = submit(run, job, slot);
        } else {
            first = (first + 1) % run->window;
            run->under_way--;
            sent -= sent > 0;
        }
        if (r < 0)
            return r;
    }
}

/* -- here, and auto ----------------------------------------------------------------------- */

/* What auto knows: how long the tasks took here, and how long their results to take. */
struct measured {
    crew_time work, take, first, last;
    unsigned tasks;
    double part, last_part;
};

/* A pool pays off if it saves more than it costs to open: about a millisecond. */
static const double pool_pays_off = 0.003, measure_first = 0.001;

/* What the first task here may have paid for pages and caches, and no other will again. */
static const double cold_start = 0.001;

/* True if a pool should go on with the rest. A task in a pool pays again for what the first one here
 * paid for; 'take' stays one process's job, and shares the CPUs with the workers. */
static bool pool_would_win(const struct ordered *run, const struct measured *m, double starts)
{
    double cpus = crew_cpu_count(), workers = run->workers < cpus ? run->workers : cpus;
    double work = (double)m->work / 1e9, take = (double)m->take / 1e9, left = 1 - m->part;
    double again = 0, here, there;

    if (m->tasks < 2 || m->part <= 0 || work + take < measure_first)
        return false;
    if (m->last_part > 0 && m->tasks == 2) {
        double first_part = m->part - m->last_part;

        again = (double)m->first / 1e9 - (double)m->last / 1e9 * first_part / m->last_part;
    } else {
        again = (double)m->first / 1e9 - (work - (double)m->first / 1e9) / (m->tasks - 1);
    }
    again = again > cold_start ? again - cold_start : 0;
    work = (work - again) / m->part * left;
    take = take / m->part * left;
    here = work + take;
    work += again * starts;
    there = work / workers > take ? work / workers : take;
    if (there < (work + take) / cpus)
        there = (work + take) / cpus;
    say_detail("measured: %.3g s left here, %.3g s with %u processes", here, there, run->workers);
    return here - there > pool_pays_off;
}

static int change_to_pool(struct ordered *run)
{
    int r = open_pool(run, CREW_PROCESSES);

    if (r < 0) {
        say_detail("sequential: a pool can't be opened: %s", crew_strerror(r));
        run->kind = CREW_SEQUENTIAL;
        return 0;
    }
    say_detail("processes, %u workers: the rest is long enough", run->workers);
    return 1;
}

/* 0 when all is done, 1 when a pool should go on, or an error. */
static int run_here(struct ordered *run, const struct ordered_job *job)
{
    struct ordered_slot *slot = &run->slots[0];
    struct measured m = {0};
    crew_time asked = 0;
    int r = 0;

    while (r == ORDERED_AGAIN || (r = job->next(job->context, slot)) > 0) {
        crew_time begin = crew_time_now(), middle, end;
        double starts = 0, part;

        r = job->work(slot->argument, slot->result, &run->own[0]);
        if (r == 0 && job->between) {
            r = job->between(job->context, slot);
            if (r == 0)
                r = job->work(slot->argument, slot->result, &run->own[0]);
        }
        if (r < 0)
            return r;
        middle = crew_time_now();
        r = job->take(job->context, slot);
        if (r < 0)
            return r;
        end = crew_time_now();
        if (job->idle)
            job->idle(job->context);
        if (run->kind != CREW_KIND_DEFAULT || run->workers < 2)
            continue;

        part = job->done(job->context, &starts);
        m.last_part = part - m.part;
        m.part = part;
        m.last = middle - begin;
        m.work += m.last;
        m.take += end - middle;
        if (m.tasks++ == 0)
            m.first = m.last;
        /* Asked again when twice as much was measured. */
        if (r == 0 && m.tasks > 1 && m.work + m.take >= 2 * asked && part < 1) {
            asked = m.work + m.take;
            if (pool_would_win(run, &m, starts)) {
                r = change_to_pool(run);
                if (r != 0)
                    return r;
            }
        }
    }
    if (r == 0 && run->kind == CREW_KIND_DEFAULT)
        say_detail("sequential: %s", run->workers < 2 ? "there is one worker only"
                                                      : "it is done before a pool would pay off");
    return r;
}

/* Auto need not fail where a pool has no memory: nothing is under way then. */
static int go_back(struct ordered *run, const struct ordered_job *job)
{
    int r;

    say_detail("sequential: no memory that a pool could share");
    crew_pool_terminate(run->pool);
    run->pool = NULL;
    run->kind = run->used = CREW_SEQUENTIAL;
    r = slots_make(run, 1, CREW_SEQUENTIAL);
    return r < 0 ? r : run_here(run, job);
}

int ordered_run(struct ordered *run, const struct ordered_job *job)
{
    int r = run->pool ? 1 : run_here(run, job);

    if (r > 0) {
        r = run_on_pool(run, job);
        if (run->starved && run->kind == CREW_KIND_DEFAULT)
            r = go_back(run, job);
    }
    if (run->pool)
        crew_pool_stats(run->pool, &run->stats);
    return r;
}

/* -- words -------------------------------------------------------------------------------- */

const char *ordered_kind_name(enum crew_kind kind)
{
    switch (kind) {
    case CREW_SEQUENTIAL:
        return "sequential";
    case CREW_THREADS:
        return "threads";
    case CREW_PROCESSES:
        return "processes";
    case CREW_KIND_DEFAULT:
        break;
    }
    return "auto";
}

const char *ordered_explain(const struct ordered *run, int error)
{
    static char text[320];
    const struct crew_failure *f = &run->failure;

    switch (error) {
    case CREW_ETASK:
        snprintf(text, sizeof text, "%s", f->message);
        break;
    case CREW_EWORKER:
        snprintf(text, sizeof text, "the worker (pid %d) died at a task %u times: %s", (int)f->pid,
                 f->attempts, f->message);
        break;
    default:
        snprintf(text, sizeof text, "%s", crew_strerror(error));
    }
    return text;
}
