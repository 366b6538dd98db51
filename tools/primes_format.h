/* primes_format.h - arrays of primes as text or bytes, many at a time.
 *
 * Output goes to a buffer that the caller knows to be long enough: FORMAT_MOST bytes a prime, and
 * FORMAT_SLACK behind the last, which may be overwritten with anything. */
#ifndef TOOLS_PRIMES_FORMAT_H
#define TOOLS_PRIMES_FORMAT_H

#include <stddef.h>
#include <stdint.h>

enum primes_format {
    PRIMES_TEXT, /* "2\n3\n5\n"                                                          */
    PRIMES_LIST, /* ", 2, 3, 5": each with a separator before it                         */
    PRIMES_U64,  /* 8 bytes each, the lowest first                                       */
    PRIMES_NONE, /* nothing: only counted                                                */
    PRIMES_PACKED, /* distances, mostly a byte each: see primes_pack()                   */
};

enum { FORMAT_MOST = 22, PACKED_MOST = 3, FORMAT_SLACK = 32 };

/* Once, before any other call. */
void primes_format_prepare(void);

/* Puts 'count' primes behind 'out', in increasing order. The end of what was put. */
char *primes_format(enum primes_format format, char *out, const uint64_t *primes, size_t count);

/* Odd primes as half the distance to the one before, '*last', which moves on; an odd number not above
 * the first stands before it. A byte each, or three if that is 255 or more. */
char *primes_pack(char *out, const uint64_t *primes, size_t count, uint64_t *last);

/* Up to 'most' of them back, from *at, which moves on, to 'end'. How many. */
size_t primes_unpack(const char **at, const char *end, uint64_t *primes, size_t most, uint64_t *last);

#endif
