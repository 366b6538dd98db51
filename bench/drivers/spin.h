/* bench/drivers/spin.h - the body of every measured task: one call of a function for each, never
 * inlined into the loop around it.
 *
 * bench_spin() is compiled once (spin.c) and called by the sequential loop, by each peer, and by crew
 * where a task is a range. Where crew calls a task for each element, that task is the body: it
 * has bench_spin_here() in it, the same code. One iteration is a chain of three shifts and three
 * exclusive-ors. */
#ifndef BENCH_SPIN_H
#define BENCH_SPIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

uint64_t bench_spin(uint64_t iterations);

static inline uint64_t bench_spin_here(uint64_t iterations)
{
    uint64_t x = 88172645463325252u;

    for (uint64_t i = 0; i < iterations; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

#ifdef __cplusplus
}
#endif

#endif
