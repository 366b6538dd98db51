/* bench/drivers/filter.c - crew's moving average, in memory, on a pool of 2 processes.
 *
 *     filter [caller]     serves commands (driver.h); COUNT outputs, VALUE samples in the window
 *
 *     mean     on the pool; long outputs are written past the caches
 *     alone    the same, sequentially: one call of the kernel in this process
 *
 * Samples and averages lie in the arena, and every page was touched before: what needs more of them
 * than there are gets them first, so the first command of each size is not to be counted. */
#include "driver.h"

#include <crew.h>
#include <filter_kernel.h>

enum {
    WORKERS = 2,
    CHUNK = 1 << 17,   /* outputs in a task; a span of one sums its first window anew */
    PART = 512,        /* as many are a page: two that write into one disturb each other */
    CACHED = 1 << 19,  /* so many outputs stay in a cache                             */
    LONGEST = 1 << 14, /* window                                                      */
    SCRATCH = 1 << 17, /* bytes, which is enough for that                             */
};

struct job {
    const double *in;
    double *out;
    uint64_t window;
    bool stream;
};

static crew_pool *pool;
static double *in, *out;
static uint64_t room;

static void must(int r, const char *what)
{
    if (r < 0)
        driver_fail(what, crew_strerror(r));
}

static void mean_of(const struct job *job, uint64_t first, uint64_t count)
{
    static _Alignas(64) char scratch[SCRATCH];
    struct filter_span span = { .first = first,
                                .count = count,
                                .window = job->window,
                                .stream = job->stream,
                                .scratch = scratch };

    filter_mean_f64(&span, job->in + first, job->out + first);
}

static int mean_range(crew_task *t)
{
    mean_of(t->argument, t->begin, t->end - t->begin);
    return 0;
}

static int touch_range(crew_task *t)
{
    const struct job *job = t->argument;
    volatile const double *x = job->in;
    volatile double *y = job->out;

    for (uint64_t i = t->begin; i < t->end; i += 512)
        y[i] = x[i];
    return 0;
}

static struct job job_of(uint64_t count, uint64_t window)
{
    if (window < 1 || window > LONGEST || filter_scratch(window) > SCRATCH)
        driver_fail("the window", "too long");
    if (count > room) {
        crew_memory_free(in);
        crew_memory_free(out);
        room = count;
        must(crew_memory_alloc((void **)&in, (room + LONGEST) * sizeof *in), "crew_memory_alloc");
        must(crew_memory_alloc((void **)&out, room * sizeof *out), "crew_memory_alloc");
        filter_generate(1, 0, room + LONGEST, in);
        memset(out, 0, room * sizeof *out);
        /* A worker that never gets a part has not touched it: so each gets all, twice over. */
        for (int i = 0; i < 2 * WORKERS; i++)
            must(crew_pool_for(pool, touch_range, room, &(struct job){ .in = in, .out = out },
                               sizeof(struct job), NULL, CREW_FOREVER),
                 "crew_pool_for");
    }
    return (struct job){ .in = in, .out = out, .window = window, .stream = count > CACHED };
}

static void mean(uint64_t count, uint64_t window)
{
    struct job job = job_of(count, window);
    struct crew_job_options options = { .chunk = (count / WORKERS / PART + 1) * PART };

    if (options.chunk > CHUNK)
        options.chunk = CHUNK;
    must(crew_pool_for(pool, mean_range, count, &job, sizeof job, &options, CREW_FOREVER),
         "crew_pool_for");
}

static void alone(uint64_t count, uint64_t window)
{
    struct job job = job_of(count, window);

    mean_of(&job, 0, count);
}

int main(int argc, char **argv)
{
    static const struct driver_command commands[] = {
        { "mean", mean, NULL, NULL, NULL },
        { "alone", alone, NULL, NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL },
    };
    struct crew_pool_options options = { .kind = CREW_PROCESSES, .workers = WORKERS };
    int status;

    if (argc > 1 && strcmp(argv[1], "caller") == 0)
        options.caller_works = true;
    must(crew_pool_open(&pool, &options), "crew_pool_open");
    status = driver_serve(commands);
    must(crew_pool_close(pool, CREW_FOREVER), "crew_pool_close");
    crew_memory_free(in);
    crew_memory_free(out);
    return status;
}
