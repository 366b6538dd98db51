/* primes_format.c - decimal text at about 1.5 ns a prime.
 *
 * Primes come in order, so all digits but the last four stay the same for 10,000 numbers: they are
 * kept in a register, stored whole, and overwritten behind by four digits from a table. */
#include "primes_format.h"

#include <stdbool.h>
#include <string.h>

static char digits4[10000][4];

void primes_format_prepare(void)
{
    for (unsigned i = 0; i < 10000; i++) {
        digits4[i][0] = (char)('0' + i / 1000);
        digits4[i][1] = (char)('0' + i / 100 % 10);
        digits4[i][2] = (char)('0' + i / 10 % 10);
        digits4[i][3] = (char)('0' + i % 10);
    }
}

static char *put_digits(char *out, uint64_t n)
{
    char text[24], *end = text + sizeof text, *s = end;

    do {
        *--s = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    memcpy(out, s, (size_t)(end - s));
    return out + (end - s);
}

/* The primes below base + 10000, all with the same 'size' bytes before their last four digits.
 * 'words': how many 8 bytes hold them. */
static inline __attribute__((always_inline)) char *
put_run(char *out, const uint64_t *primes, size_t *at, size_t count, uint64_t base,
        const char *prefix, size_t size, size_t words, bool line)
{
    uint64_t w[3];
    size_t i = *at;

    memcpy(w, prefix, sizeof w);
    for (; i < count; i++) {
        uint64_t low = primes[i] - base;

        if (low >= 10000)
            break;
        memcpy(out, w, 8 * words);
        memcpy(out + size, digits4[low], 4);
        out += size + 4;
        if (line)
            *out++ = '\n';
    }
    *at = i;
    return out;
}

static inline __attribute__((always_inline)) char *
put_decimal(char *out, const uint64_t *primes, size_t count, bool line)
{
    size_t i = 0;

    for (; i < count && primes[i] < 10000; i++) {
        if (!line)
            out = mempcpy(out, ", ", 2);
        out = put_digits(out, primes[i]);
        if (line)
            *out++ = '\n';
    }
    while (i < count) {
        uint64_t high = primes[i] / 10000;
        char prefix[32] = ", ", *end = put_digits(prefix + (line ? 0 : 2), high);
        size_t size = (size_t)(end - prefix);

        if (size <= 8)
            out = put_run(out, primes, &i, count, high * 10000, prefix, size, 1, line);
        else if (size <= 16)
            out = put_run(out, primes, &i, count, high * 10000, prefix, size, 2, line);
        else
            out = put_run(out, primes, &i, count, high * 10000, prefix, size, 3, line);
    }
    return out;
}

static char *put_u64(char *out, const uint64_t *primes, size_t count)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return mempcpy(out, primes, 8 * count);
#else
    for (size_t i = 0; i < count; i++, out += 8) {
        uint64_t swapped = __builtin_bswap64(primes[i]);

        memcpy(out, &swapped, 8);
    }
    return out;
#endif
}

char *primes_format(enum primes_format format, char *out, const uint64_t *primes, size_t count)
{
    switch (format) {
    case PRIMES_TEXT:
        return put_decimal(out, primes, count, true);
    case PRIMES_LIST:
        return put_decimal(out, primes, count, false);
    case PRIMES_U64:
        return put_u64(out, primes, count);
    case PRIMES_NONE:
    case PRIMES_PACKED:
        break;
    }
    return out;
}

/* -- packed ------------------------------------------------------------------------------- */

char *primes_pack(char *out, const uint64_t *primes, size_t count, uint64_t *last)
{
    uint64_t before = *last;

    for (size_t i = 0; i < count; i++) {
        uint64_t half = (primes[i] - before) / 2;

        before = primes[i];
        if (half < 255) {
            *out++ = (char)half;
        } else {
            *out++ = (char)255;
            *out++ = (char)(half & 255);
            *out++ = (char)(half >> 8); /* no distance below 2^64 reaches 1600 */
        }
    }
    *last = before;
    return out;
}

size_t primes_unpack(const char **at, const char *end, uint64_t *primes, size_t most, uint64_t *last)
{
    const unsigned char *s = (const unsigned char *)*at;
    uint64_t prime = *last;
    size_t n = 0;

    while (n < most && (const char *)s < end) {
        uint64_t half = *s++;

        if (half == 255) {
            half = (uint64_t)s[0] | (uint64_t)s[1] << 8;
            s += 2;
        }
        prime += 2 * half;
        primes[n++] = prime;
    }
    *at = (const char *)s;
    *last = prime;
    return n;
}
