/* once.h - the protocol of what is done once, without who asks; its law stands in once.c. */
#ifndef CREW_SYNC_ONCE_H
#define CREW_SYNC_ONCE_H

#include "lock.h"

struct once_shm {
    struct lock_shm lock; /* held while the function runs */
    _Alignas(CACHE_LINE) _Atomic uint32_t done;
    uint32_t magic;
};

int once_init(struct once_shm *once);

static inline bool once_is_done(const struct once_shm *once)
{
    return load_acquire(&once->done) != 0;
}

int once_run(struct once_shm *once, uint32_t me, int (*function)(void *context), void *context,
             crew_time deadline);

#endif
