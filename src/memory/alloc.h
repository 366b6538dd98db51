/* alloc.h - blocks of an arena; the law stands in alloc.c.
 *
 * 'owner' names a process for good: a seat and its generation (life/seat.h); 0 is nobody. */
#ifndef CREW_ALLOC_H
#define CREW_ALLOC_H

#include "arena.h"

#include <crew/memory.h>

#define OWNER_NOBODY UINT32_C(0)
#define OWNER_CREW UINT32_MAX /* the block was given away: it belongs to the crew */

#define ALLOC_CLASSES 30

/* What a process remembers to find free blocks fast. Its own, never shared; hints, all of it. Calls
 * that share one cache exclude each other. */
struct alloc_cache {
    uint32_t owner;
    uint32_t rotor[ALLOC_CLASSES];  /* where the search for a page of the class goes on  */
    uint32_t page[ALLOC_CLASSES];   /* page + 1 to look into first; 0: none              */
    uint16_t cursor[ALLOC_CLASSES]; /* block to look at first                            */
};

void alloc_cache_init(struct alloc_cache *cache, uint32_t owner);

/* Gets a block of at least 'size' bytes for cache->owner. -ENOMEM. */
int alloc_block(struct arena *arena, struct alloc_cache *cache, size_t size, void **block);

/* Frees a block, on behalf of 'me'; -EINVAL: not a block in use. */
int alloc_free(struct arena *arena, uint32_t me, void *block);

/* Hands a block of 'from' (any owner if OWNER_NOBODY) on to 'to'. -EINVAL: not a block of 'from'. */
int alloc_transfer(struct arena *arena, void *block, uint32_t from, uint32_t to);

/* Frees what 'dead' owned and finishes what it was about. It must be dead for certain. May be
 * called again, also after it was itself cut short. */
void alloc_sweep(struct arena *arena, uint32_t dead);

/* Checks every invariant; NULL, or the name of the first that is broken. Counts, too. */
const char *alloc_check(const struct arena *arena, struct crew_memory_stats *stats);

#endif
