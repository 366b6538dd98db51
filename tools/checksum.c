/* checksum.c - four lanes of multiply and shift, joined at the end. */
#include "checksum.h"

#include <string.h>

static const uint64_t odd = 0x9e3779b97f4a7c15;

static inline uint64_t stir(uint64_t h, uint64_t w)
{
    h = (h ^ w) * odd;
    return h ^ h >> 32;
}

uint64_t checksum(const void *data, size_t size)
{
    const unsigned char *s = data;
    uint64_t lane[4] = {1, 2, 3, 4}, w[4];
    size_t left = size;

    for (; left >= 32; left -= 32, s += 32) {
        memcpy(w, s, 32);
        for (unsigned i = 0; i < 4; i++)
            lane[i] = stir(lane[i], w[i]);
    }
    memset(w, 0, sizeof w);
    memcpy(w, s, left);
    for (unsigned i = 0; i < 4; i++)
        lane[i] = stir(lane[i], w[i]);
    return stir(stir(stir(stir(size, lane[0]), lane[1]), lane[2]), lane[3]);
}

uint64_t checksum_join(uint64_t hash, uint64_t next, uint64_t size)
{
    return stir(stir(hash, next), size);
}
