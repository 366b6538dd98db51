/* bench/drivers/crew.c - crew itself: a pool of 2 workers, processes unless asked otherwise.
 *
 *     crew [processes|threads] [caller]      serves commands (driver.h); caller: caller_works
 *     crew first                             the time of the first pool of this process
 *
 * The tasks of map have no argument of their own, so they find the iterations in a block of the
 * arena. A task or worker that fails ends the driver, and with it the measurement. */
#include "driver.h"
#include "spin.h"

#include <crew.h>

enum { WORKERS = 2, ELEMENTS = 1 << 20 };

static crew_pool *pool;
static uint64_t *shared_iterations;
static uint64_t elements_in[ELEMENTS], elements_out[ELEMENTS], elements_mapped;

static void must(int r, const char *what)
{
    if (r < 0)
        driver_fail(what, crew_strerror(r));
}

static int nothing(crew_task *t)
{
    (void)t;
    return 0;
}

static int echo(crew_task *t)
{
    *(uint64_t *)t->output = *(const uint64_t *)t->input;
    return 0;
}

static int spin_range(crew_task *t)
{
    uint64_t iterations = *(const uint64_t *)t->argument;

    for (uint64_t i = t->begin; i < t->end; i++)
        bench_spin(iterations);
    return 0;
}

static int spin_element(crew_task *t)
{
    (void)t;
    return bench_spin_here(*shared_iterations) == 0; /* never, which the compiler can't know */
}

static void run_for(uint64_t count, uint64_t iterations, uint64_t chunk)
{
    struct crew_job_options options = { .chunk = chunk };

    must(crew_pool_for(pool, spin_range, count, &iterations, sizeof iterations, &options,
                       CREW_FOREVER),
         "crew_pool_for");
}

static void run_map(crew_function *function, uint64_t count, uint64_t chunk)
{
    struct crew_job_options options = { .chunk = chunk };

    must(crew_pool_map(pool, function, NULL, 0, NULL, 0, count, &options, CREW_FOREVER),
         "crew_pool_map");
}

static void for_one(uint64_t count, uint64_t iterations)
{
    run_for(count, iterations, 1);
}

static void for_adaptive(uint64_t count, uint64_t iterations)
{
    run_for(count, iterations, 0);
}

static void map_one(uint64_t count, uint64_t iterations)
{
    *shared_iterations = iterations;
    run_map(spin_element, count, 1);
}

static void map_adaptive(uint64_t count, uint64_t iterations)
{
    *shared_iterations = iterations;
    run_map(spin_element, count, 0);
}

static void map_nothing(uint64_t count, uint64_t unused)
{
    (void)unused;
    run_map(nothing, count, 1);
}

/* As Python's map: values go in, results come back, both in the caller's ordinary memory, which
 * has been touched before. */
static void map_arrays(uint64_t count, uint64_t unused)
{
    struct crew_job_options options = { .chunk = 1 };

    (void)unused;
    if (count > ELEMENTS)
        driver_fail("map_arrays", "too many elements");
    if (!elements_in[1])
        for (uint64_t i = 0; i < ELEMENTS; i++)
            elements_in[i] = i + 1, elements_out[i] = 0;
    elements_mapped = count > elements_mapped ? count : elements_mapped;
    must(crew_pool_map(pool, echo, elements_in, sizeof elements_in[0], elements_out,
                       sizeof elements_out[0], count, &options, CREW_FOREVER),
         "crew_pool_map");
}

static void submit_and_wait(crew_pool *to)
{
    crew_future *future;

    must(crew_pool_submit(to, &future, nothing, NULL, 0, CREW_FOREVER), "crew_pool_submit");
    must(crew_future_result(future, NULL, 0, NULL, CREW_FOREVER), "crew_future_result");
    crew_future_close(future);
}

static void round_trip(void)
{
    submit_and_wait(pool);
}

static void cycle(void)
{
    struct crew_pool_options options = { .kind = CREW_PROCESSES, .workers = WORKERS };
    crew_pool *p;

    must(crew_pool_open(&p, &options), "crew_pool_open");
    submit_and_wait(p);
    must(crew_pool_close(p, CREW_FOREVER), "crew_pool_close");
}

int main(int argc, char **argv)
{
    static const struct driver_command commands[] = {
        { "for_one", for_one, NULL, NULL, NULL },
        { "for_adaptive", for_adaptive, NULL, NULL, NULL },
        { "map_one", map_one, NULL, NULL, NULL },
        { "map_adaptive", map_adaptive, NULL, NULL, NULL },
        { "map_nothing", map_nothing, NULL, NULL, NULL },
        { "map_arrays", map_arrays, NULL, NULL, NULL },
        { "round_trip", NULL, round_trip, NULL, NULL },
        { "cycle", NULL, cycle, NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL },
    };
    struct crew_pool_options options = { .kind = CREW_PROCESSES, .workers = WORKERS };
    int status;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "first") == 0) {
            uint64_t begun = driver_now();

            cycle();
            printf("%" PRIu64 "\n", driver_now() - begun);
            return 0;
        }
        if (strcmp(argv[i], "threads") == 0)
            options.kind = CREW_THREADS;
        else if (strcmp(argv[i], "caller") == 0)
            options.caller_works = true;
        else if (strcmp(argv[i], "processes") != 0)
            driver_fail("no such argument", argv[i]);
    }
    must(crew_memory_alloc((void **)&shared_iterations, sizeof *shared_iterations),
         "crew_memory_alloc");
    must(crew_pool_open(&pool, &options), "crew_pool_open");
    status = driver_serve(commands);
    if (memcmp(elements_in, elements_out, elements_mapped * sizeof elements_in[0]) != 0)
        driver_fail("crew_pool_map", "wrong results");
    must(crew_pool_close(pool, CREW_FOREVER), "crew_pool_close");
    crew_memory_free(shared_iterations);
    return status;
}
