/* oracle.c - a sieve of Eratosthenes over one segment, while the primes up to the root are few;
 * above, Miller-Rabin on every odd number. */
#include "oracle.h"

#include <stdlib.h>
#include <string.h>

static uint64_t times(uint64_t a, uint64_t b, uint64_t m)
{
    return (uint64_t)((unsigned __int128)a * b % m);
}

static uint64_t power(uint64_t base, uint64_t exponent, uint64_t m)
{
    uint64_t r = 1;

    for (base %= m; exponent > 0; exponent >>= 1, base = times(base, base, m)) {
        if (exponent & 1)
            r = times(r, base, m);
    }
    return r;
}

/* The first twelve primes as bases decide every number below 3.3e24. */
bool oracle_is_prime(uint64_t n)
{
    static const uint64_t bases[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
    uint64_t d = n - 1;
    unsigned twos = 0;

    if (n < 2)
        return false;
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        if (n % bases[i] == 0)
            return n == bases[i];
    }
    for (; d % 2 == 0; d /= 2)
        twos++;
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        uint64_t x = power(bases[i], d, n);
        unsigned k = 0;

        if (x == 1)
            continue;
        for (; x != n - 1 && k < twos; k++)
            x = times(x, x, n);
        if (k == twos)
            return false;
    }
    return true;
}

/* composite[i] stands for low + i. */
static void cross_out(unsigned char *composite, uint64_t low, uint64_t size, uint64_t prime)
{
    uint64_t first = (low + prime - 1) / prime * prime;

    if (first < prime * prime)
        first = prime * prime;
    for (uint64_t i = first - low; i < size; i += prime)
        composite[i] = 1;
}

static bool sieve(unsigned char *composite, uint64_t low, uint64_t size)
{
    uint64_t high = low + (size - 1), root = 1;

    while ((root + 1) * (root + 1) <= high)
        root++;
    unsigned char *small = calloc(root + 1, 1);
    if (!small)
        return false;
    for (uint64_t p = 2; p <= root; p++) {
        if (small[p])
            continue;
        for (uint64_t i = p * p; i <= root; i += p)
            small[i] = 1;
        cross_out(composite, low, size, p);
    }
    free(small);
    for (uint64_t n = low; n < 2 && n <= high; n++)
        composite[n - low] = 1;
    return true;
}

uint64_t *oracle_primes(uint64_t low, uint64_t high, size_t *count)
{
    const uint64_t sieve_up_to = UINT64_C(1) << 46;
    uint64_t size = high - low + 1, *primes;
    unsigned char *composite = calloc(size, 1);
    size_t n = 0;

    if (!composite)
        return NULL;
    if (high < sieve_up_to) {
        if (!sieve(composite, low, size)) {
            free(composite);
            return NULL;
        }
    } else {
        for (uint64_t i = 0; i < size; i++)
            composite[i] = (low + i) % 2 == 0 || !oracle_is_prime(low + i);
    }
    for (uint64_t i = 0; i < size; i++)
        n += !composite[i];
    primes = malloc((n + 1) * sizeof *primes);
    *count = n;
    n = 0;
    for (uint64_t i = 0; i < size && primes; i++) {
        if (!composite[i])
            primes[n++] = low + i;
    }
    free(composite);
    return primes;
}
