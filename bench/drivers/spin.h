/* bench/drivers/spin.h - the body of every measured task, the same machine code in every driver.
 *
 * It is compiled once (spin.c), called as a function by crew, by the sequential loop and by each
 * peer, and inlined nowhere. One iteration is a chain of three shifts and three exclusive-ors. */
#ifndef BENCH_SPIN_H
#define BENCH_SPIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

uint64_t bench_spin(uint64_t iterations);

#ifdef __cplusplus
}
#endif

#endif
