/* bench/drivers/tbb.cpp - the peer oneTBB: parallel_for on 2 threads, the caller one of them. */
#include "driver.h"
#include "spin.h"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>

using range = tbb::blocked_range<uint64_t>;

template <class partitioner> static void loop(uint64_t count, uint64_t iterations)
{
    tbb::parallel_for(
        range(0, count, 1),
        [iterations](const range &r) {
            for (uint64_t i = r.begin(); i != r.end(); ++i)
                bench_spin(iterations);
        },
        partitioner());
}

static void nothing(uint64_t count, uint64_t)
{
    tbb::parallel_for(
        range(0, count, 1),
        [](const range &r) {
            for (uint64_t i = r.begin(); i != r.end(); ++i)
                __asm__ volatile("");
        },
        tbb::simple_partitioner());
}

int main()
{
    static const struct driver_command commands[] = {
        { "simple", loop<tbb::simple_partitioner>, nullptr, nullptr, nullptr },
        { "auto", loop<tbb::auto_partitioner>, nullptr, nullptr, nullptr },
        { "nothing", nothing, nullptr, nullptr, nullptr },
        { nullptr, nullptr, nullptr, nullptr, nullptr },
    };
    tbb::global_control two(tbb::global_control::max_allowed_parallelism, 2);

    return driver_serve(commands);
}
