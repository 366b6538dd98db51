/* bench/drivers/openmp.c - the peer libgomp: a parallel loop of 2 threads, the caller one of them. */
#include "driver.h"
#include "spin.h"

static void dynamic_one(uint64_t count, uint64_t iterations)
{
#pragma omp parallel for schedule(dynamic, 1) num_threads(2)
    for (uint64_t i = 0; i < count; i++)
        bench_spin(iterations);
}

static void guided(uint64_t count, uint64_t iterations)
{
#pragma omp parallel for schedule(guided) num_threads(2)
    for (uint64_t i = 0; i < count; i++)
        bench_spin(iterations);
}

int main(void)
{
    static const struct driver_command commands[] = {
        { "dynamic", dynamic_one, NULL, NULL, NULL },
        { "guided", guided, NULL, NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL },
    };

    return driver_serve(commands);
}
