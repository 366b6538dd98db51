/* bench/drivers/spin.c - the body of a task: arithmetic that touches no memory. */
#include "spin.h"

uint64_t bench_spin(uint64_t iterations)
{
    return bench_spin_here(iterations);
}
