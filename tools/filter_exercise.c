/* filter_exercise.c - see filter_exercise.h.
 *
 * The pools work in the caller too (caller_works), for a task of a few microseconds is over before
 * somebody else has been woken for it. */
#include "filter_exercise.h"

#include "checksum.h"
#include "compare.h"
#include "filter_kernel.h"
#include "ordered.h"
#include "say.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_POOLS = 32, CHUNK = 1 << 16, PATIENCE_NS = 2000000, REST_MS = 5, HOT_CALLS = 31,
       ASLEEP_CALLS = 9, SHORTEST = 64, LONGEST = 1 << 22,
       STREAM_FROM = 1 << 20 };

static const size_t line = 64, page = 4096;

/* What auto asks of a pool, as in ordered.c: opening one costs about a millisecond. */
static const double pool_pays_off = 0.003;

struct call { /* the argument of a task */
    const double *in;
    double *out;
    char *scratch; /* 'step' bytes for each worker */
    size_t step;
    uint64_t window, base; /* averages from 'base' on */
    bool stream;           /* too many to stay in the caches    */
};

struct exercise {
    uint64_t samples, seed, window;
    struct call call;      /* on the arrays, in the arena */
    crew_pool *pools[MOST_POOLS];
    enum crew_kind kinds[MOST_POOLS];
    unsigned workers[MOST_POOLS], count;
    double seconds;        /* of one call                 */
};

/* -- averaging ---------------------------------------------------------------------------- */

static void average(const struct call *call, uint64_t begin, uint64_t end, unsigned worker)
{
    begin += call->base;
    end += call->base;

    struct filter_span span = {
        .first = begin, .count = end - begin, .window = call->window,
        .stream = call->stream, .scratch = call->scratch + worker * call->step,
    };

    filter_mean_f64(&span, call->in + begin, call->out + begin);
}

static int average_task(crew_task *task)
{
    average(task->argument, task->begin, task->end, task->worker);
    return 0;
}

static uint64_t outputs(const struct exercise *e, uint64_t samples)
{
    return samples - e->window + 1;
}

/* Two that write near each other take lines from each other, also ahead of themselves: a CPU that sees
 * memory written in order fetches what follows, to the end of the page. So parts end with a page, if they
 * have many, else with a line. */
static uint64_t part_of(uint64_t count, unsigned workers)
{
    uint64_t part = (count + workers - 1) / workers;
    uint64_t whole = (part * sizeof(double) >= 8 * page ? page : line) / sizeof(double);

    part = (part + whole - 1) / whole * whole;
    return part < CHUNK ? part : CHUNK;
}

static int average_on(struct exercise *e, crew_pool *pool, unsigned workers, uint64_t begin, uint64_t end)
{
    struct call call = e->call;
    uint64_t count = end - begin;
    struct crew_job_options options = {.chunk = part_of(count, workers)};

    call.base = begin;
    return crew_pool_for(pool, average_task, count, &call, sizeof call, &options, CREW_FOREVER);
}

/* The pool of this kind and size, opened at the first call. */
static int find_pool(struct exercise *e, enum crew_kind kind, unsigned workers, crew_pool **pool)
{
    struct crew_pool_options options = {
        .name = "crew filter", .kind = kind, .workers = workers, .caller_works = true,
    };
    int r;

    for (unsigned i = 0; i < e->count; i++) {
        if (e->kinds[i] == kind && e->workers[i] == workers) {
            *pool = e->pools[i];
            return 0;
        }
    }
    if (e->count == MOST_POOLS)
        return -EAGAIN;
    r = crew_pool_open(pool, &options);
    if (r < 0)
        return r;
    e->pools[e->count] = *pool;
    e->kinds[e->count] = kind;
    e->workers[e->count++] = workers;
    return 0;
}

/* Processes are started before threads: a program with threads can't be forked safely. */
static int start_processes(struct exercise *e, const struct common_options *common)
{
    crew_pool *pool;
    int r = 0;

    if (common->kind == CREW_THREADS || common->kind == CREW_SEQUENTIAL)
        return 0;
    for (unsigned w = 1; r == 0 && w < common->workers; w *= 2)
        r = find_pool(e, CREW_PROCESSES, w, &pool);
    return r == 0 ? find_pool(e, CREW_PROCESSES, common->workers, &pool) : r;
}

/* Begins here, and goes on in a pool when what is left takes longer than a pool costs. */
static int average_auto(struct exercise *e, unsigned workers, uint64_t samples)
{
    uint64_t all = outputs(e, samples), done = 0;
    crew_time begin = crew_time_now();
    crew_pool *pool;
    int r;

    while (done < all) {
        uint64_t end = all - done > CHUNK ? done + CHUNK : all;

        average(&e->call, done, end, 0);
        done = end;
        if (done == all || workers < 2)
            continue;

        double spent = (double)(crew_time_now() - begin) / 1e9;

        if (spent / (double)done * (double)(all - done) * (1 - 1.0 / workers) < pool_pays_off)
            continue;
        r = find_pool(e, CREW_PROCESSES, workers, &pool);
        return r < 0 ? r : average_on(e, pool, workers, done, all);
    }
    return 0;
}

static int average_all(struct exercise *e, enum crew_kind kind, unsigned workers, uint64_t samples)
{
    crew_pool *pool;
    int r;

    e->call.stream = samples > STREAM_FROM;
    if (kind == CREW_SEQUENTIAL) {
        average(&e->call, 0, outputs(e, samples), 0);
        return 0;
    }
    if (kind == CREW_KIND_DEFAULT)
        return average_auto(e, workers, samples);
    r = find_pool(e, kind, workers, &pool);
    return r < 0 ? r : average_on(e, pool, workers, 0, outputs(e, samples));
}

/* -- memory ------------------------------------------------------------------------------- */

static int make_arrays(struct exercise *e, uint64_t samples, unsigned workers)
{
    size_t bytes, scratch;
    void *in = NULL, *out = NULL, *room = NULL;
    int r;

    e->call.window = e->window;
    e->call.step = (filter_scratch(e->window) + 2 * page - 1) / page * page; /* and a page between two */
    if (__builtin_mul_overflow(samples, sizeof(double), &bytes) ||
        __builtin_mul_overflow(e->call.step, (size_t)workers, &scratch))
        return -ENOMEM;
    r = crew_memory_alloc(&in, bytes);
    e->call.in = in;
    if (r == 0)
        r = crew_memory_alloc(&out, bytes);
    e->call.out = out;
    if (r == 0)
        r = crew_memory_alloc(&room, scratch ? scratch : 1);
    e->call.scratch = room;
    if (r < 0)
        return r;
    filter_generate(e->seed, 0, samples, in);
    if (out)
        memset(out, 0, bytes);
    return 0;
}

static void drop_arrays(struct exercise *e)
{
    crew_memory_free((void *)(uintptr_t)e->call.in);
    crew_memory_free(e->call.out);
    crew_memory_free(e->call.scratch);
    e->call = (struct call){0};
}

static void close_pools(struct exercise *e)
{
    for (unsigned i = 0; i < e->count; i++)
        crew_pool_terminate(e->pools[i]);
    e->count = 0;
}

/* -- the table ---------------------------------------------------------------------------- */

/* Calls in a row, until enough time has passed for a mean: the workers are awake. */
static int run(void *context, enum crew_kind kind, unsigned workers, uint64_t result[COMPARE_RESULT])
{
    struct exercise *e = context;
    uint64_t calls = 0, n = outputs(e, e->samples);
    crew_time begin = 0, now;
    int r;

    do {
        r = average_all(e, kind, workers, e->samples);
        now = crew_time_now();
        if (calls++ == 0 && now > begin)
            begin = now; /* the first one wakes them, and does not count */
    } while (r == 0 && now - begin < PATIENCE_NS);
    if (r < 0)
        return say_error("%s: %s", ordered_kind_name(kind), crew_strerror(r));
    e->seconds = (double)(now - begin) / 1e9 / (double)(calls - 1);
    result[0] = n;
    result[1] = n * sizeof(double);
    result[2] = checksum(e->call.out, n * sizeof(double));
    return EXIT_DONE;
}

static double seconds(void *context)
{
    return ((struct exercise *)context)->seconds;
}

static void head(void *context, const uint64_t result[COMPARE_RESULT], char *text, size_t room)
{
    const struct exercise *e = context;

    snprintf(text, room,
             "moving average of %" PRIu64 " samples in memory, window %" PRIu64 ": %" PRIu64
             " averages, checksum %016" PRIx64 ";\nthe workers are there and awake, and the caller is one of them",
             e->samples, e->window, result[0], result[2]);
}

/* -- from which length on ----------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void rest(void)
{
    nanosleep(&(struct timespec){.tv_nsec = REST_MS * 1000000L}, NULL);
}

/* The median time of one call; each after a rest if 'asleep'. */
static double one_call(struct exercise *e, enum crew_kind kind, unsigned workers, uint64_t samples, bool asleep)
{
    double times[HOT_CALLS];
    unsigned count = asleep ? ASLEEP_CALLS : HOT_CALLS;

    for (unsigned i = 0; i < count; i++) {
        crew_time begin;

        if (asleep)
            rest();
        begin = crew_time_now();
        if (average_all(e, kind, workers, samples) < 0)
            return 1e9;
        times[i] = (double)(crew_time_now() - begin) / 1e9;
    }
    qsort(times, count, sizeof *times, by_size);
    return times[count / 2];
}

/* The shortest signal that 'workers' processes average faster than one does alone, and so for the next
 * longer ones, half as long again each. 0: none up to the longest tried. */
static uint64_t crossover(struct exercise *e, unsigned workers, bool asleep)
{
    uint64_t found = 0;
    unsigned wins = 0;

    for (uint64_t n = SHORTEST; n <= LONGEST && wins < 3; n += n / 2) {
        uint64_t samples = n + e->window - 1;
        double alone = one_call(e, CREW_SEQUENTIAL, 1, samples, asleep);
        double together = one_call(e, CREW_PROCESSES, workers, samples, asleep);

        if (together < alone) {
            found = wins++ == 0 ? samples : found;
        } else {
            wins = 0;
            found = 0;
        }
    }
    return wins > 0 ? found : 0;
}

struct crossovers {
    unsigned workers;
    uint64_t hot, asleep;
};

static void say_crossover(char *text, size_t room, const char *state, uint64_t length)
{
    if (length)
        snprintf(text, room, "from %" PRIu64 " samples on with workers %s", length, state);
    else
        snprintf(text, room, "at no length up to %d averages with workers %s", LONGEST, state);
}

static int find_crossovers(struct exercise *table, const struct common_options *common, struct crossovers *found)
{
    struct exercise e = {.seed = table->seed, .window = table->window};
    int r;

    *found = (struct crossovers){.workers = common->workers};
    if (common->workers < 2)
        return 0;
    r = make_arrays(&e, LONGEST + e.window - 1, common->workers);
    if (r == 0) {
        found->hot = crossover(&e, common->workers, false);
        found->asleep = crossover(&e, common->workers, true);
    }
    close_pools(&e);
    drop_arrays(&e);
    return r;
}

static struct crossovers crossovers;

static void members(void *context, const uint64_t result[COMPARE_RESULT], struct json *json)
{
    const struct exercise *e = context;
    char hash[17];

    snprintf(hash, sizeof hash, "%016" PRIx64, result[2]);
    json_unsigned(json, "samples", e->samples);
    json_unsigned(json, "window", e->window);
    json_unsigned(json, "averages", result[0]);
    json_string(json, "checksum", hash);
    json_unsigned(json, "crossover_workers", crossovers.workers);
    if (crossovers.hot)
        json_unsigned(json, "crossover_awake", crossovers.hot);
    else
        json_null(json, "crossover_awake");
    if (crossovers.asleep)
        json_unsigned(json, "crossover_asleep", crossovers.asleep);
    else
        json_null(json, "crossover_asleep");
}

int filter_exercise(uint64_t samples, uint64_t seed, uint64_t window, const struct common_options *common)
{
    struct exercise e = {.samples = samples, .seed = seed, .window = window};
    char foot[320] = "", awake[120], asleep[120];
    struct compare_job job = {
        .context = &e, .auto_row = true, .run = run, .seconds = seconds, .head = head, .members = members,
        .foot = foot,
    };
    int status, r = make_arrays(&e, samples, common->workers);

    if (r == 0)
        r = find_crossovers(&e, common, &crossovers);
    if (r == 0)
        r = start_processes(&e, common);
    if (r < 0) {
        status = say_error("%" PRIu64 " samples in memory, and %u workers: %s", samples, common->workers,
                           crew_strerror(r));
    } else {
        if (crossovers.workers > 1) {
            say_crossover(awake, sizeof awake, "awake", crossovers.hot);
            say_crossover(asleep, sizeof asleep, "asleep", crossovers.asleep);
            snprintf(foot, sizeof foot, "%u processes are faster than one %s, %s\n", crossovers.workers,
                     awake, asleep);
        }
        status = compare(&job, common);
    }
    close_pools(&e);
    drop_arrays(&e);
    return status;
}
