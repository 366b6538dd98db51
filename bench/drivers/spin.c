/* bench/drivers/spin.c - the body of a task: arithmetic that touches no memory. */
#include "spin.h"

uint64_t bench_spin(uint64_t iterations)
{
    uint64_t x = 88172645463325252u;

    for (uint64_t i = 0; i < iterations; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}
