/* patience.h - how long who waits stays awake before it falls asleep: as long as it has paid
 * lately.
 *
 * To be woken takes some 10 us, so as long again is well spent where the others are on a CPU and
 * about to come. Where they are not, each look in vain halves the next, and now and then it is
 * tried in full.
 *
 *   looks   at the word, before falling asleep. Written by anybody, relied upon by nobody: a hint
 *   most    never changes; 0: no CPU to spare */
#ifndef CREW_SYNC_PATIENCE_H
#define CREW_SYNC_PATIENCE_H

#include <os/atomic.h>
#include <os/os.h>

enum { PATIENCE_LEAST = 16, PATIENCE_MOST = 500, PATIENCE_TRIES = 64 };

struct patience_shm {
    _Atomic uint32_t looks;
    uint32_t most;
};

static inline void patience_init(struct patience_shm *patience, uint32_t most)
{
    patience->most = most;
    store_relaxed(&patience->looks, most);
}

/* 'turn' counts, so that one of some is tried in full. */
static inline uint32_t patience_looks(const struct patience_shm *patience, uint32_t turn)
{
    return turn % PATIENCE_TRIES == 0 ? patience->most : load_relaxed(&patience->looks);
}

static inline void patience_paid(struct patience_shm *patience, uint32_t looks, bool paid)
{
    uint32_t most = patience->most, least = most < PATIENCE_LEAST ? most : PATIENCE_LEAST;
    uint32_t next = paid ? looks * 2 : looks / 2;

    next = next < least ? least : next > most ? most : next;
    if (next != load_relaxed(&patience->looks))
        store_relaxed(&patience->looks, next);
}

#endif
