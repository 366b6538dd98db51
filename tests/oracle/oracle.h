/* oracle.h - primes found by nothing that crew uses: a sieve as in a textbook, and Miller-Rabin. */
#ifndef TESTS_ORACLE_H
#define TESTS_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True if n is prime; exact for all 64 bits. */
bool oracle_is_prime(uint64_t n);

/* All primes of [low, high] into a new array, which the caller frees; NULL without memory.
 * high - low below 2^32. */
uint64_t *oracle_primes(uint64_t low, uint64_t high, size_t *count);

#endif
