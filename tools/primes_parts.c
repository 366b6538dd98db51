/* primes_parts.c - unpacks, formats and hands on; see primes_parts.h. */
#include "primes_parts.h"

#include <errno.h>
#include <stdlib.h>

enum { BLOCK = 1024 };

static int begin(struct primes_parts *parts, uint64_t low)
{
    size_t room;

    parts->high = primes_cut_list(low, parts->stop, 0);
    parts->used = 0;
    parts->open = true;
    room = primes_room(parts->format, low, parts->high);
    if (room <= parts->capacity)
        return 0;
    free(parts->text);
    parts->text = malloc(room);
    parts->capacity = parts->text ? room : 0;
    return parts->text ? 0 : -ENOMEM;
}

static int finish(struct primes_parts *parts)
{
    parts->open = false;
    return parts->take(parts->context, parts->text, parts->used);
}

/* Primes of this part alone. One that is longer than expected is taken in two. */
static int put(struct primes_parts *parts, const uint64_t *primes, size_t count)
{
    int r = 0;

    if (parts->capacity - parts->used < count * FORMAT_MOST + FORMAT_SLACK) {
        r = parts->take(parts->context, parts->text, parts->used);
        parts->used = 0;
    }
    if (r == 0)
        parts->used = (size_t)(primes_format(parts->format, parts->text + parts->used, primes,
                                             count) - parts->text);
    return r;
}

static int put_block(struct primes_parts *parts, const uint64_t *primes, size_t count)
{
    int r = 0;

    while (count > 0 && r == 0) {
        size_t n = 0;

        while (n < count && primes[n] <= parts->high)
            n++;
        r = put(parts, primes, n);
        primes += n;
        count -= n;
        if (r == 0 && count > 0) {
            uint64_t next = parts->high + 1;

            r = finish(parts);
            if (r == 0)
                r = begin(parts, next);
        }
    }
    return r;
}

int primes_parts_add(struct primes_parts *parts, const struct primes_chunk *chunk,
                     const struct primes_piece *piece)
{
    const char *at = chunk->buffer, *end = at + piece->bytes;
    uint64_t primes[BLOCK], last = chunk->low | 1;
    int r = parts->open ? 0 : begin(parts, chunk->low);

    while (r == 0 && at < end) {
        size_t n = primes_unpack(&at, end, primes, BLOCK, &last);

        r = put_block(parts, primes, n);
    }
    /* The last part of a task ends with it, and even one without a prime counts. */
    while (r == 0 && !piece->next) {
        uint64_t high = parts->high;

        r = finish(parts);
        if (high >= chunk->high)
            break;
        if (r == 0)
            r = begin(parts, high + 1);
    }
    return r;
}

void primes_parts_free(struct primes_parts *parts)
{
    free(parts->text);
    *parts = (struct primes_parts){0};
}
