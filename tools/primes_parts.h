/* primes_parts.h - packed primes of a long task back into the lists of the chunks it is made of.
 *
 * Far up, a task pays for the primes to the root of its numbers before it finds its first, so it must
 * be long, and its list would be longer than memory should be. It answers with packed primes
 * instead, and whoever takes the answer writes them out. Parts end where chunks would have, so
 * that checksums come out the same. */
#ifndef TOOLS_PRIMES_PARTS_H
#define TOOLS_PRIMES_PARTS_H

#include "primes_kernel.h"

struct primes_parts {
    enum primes_format format; /* of the lists                       */
    uint64_t stop;             /* where the whole range ends         */
    void *context;
    int (*take)(void *context, const char *text, size_t size); /* each part, in order: 0 or error */

    bool open;                 /* a part has begun and is not taken  */
    uint64_t high;             /* its end                            */
    char *text;
    size_t used, capacity;
};

/* The next piece of a chunk with PRIMES_PACKED. 0, -ENOMEM, or what 'take' returned. */
int primes_parts_add(struct primes_parts *parts, const struct primes_chunk *chunk,
                     const struct primes_piece *piece);

void primes_parts_free(struct primes_parts *parts);

#endif
