/* crew/memory.h - blocks of memory that every process of a crew sees at one address.
 *
 * A pointer into the arena means the same in the root and in every worker: it may be passed as an
 * argument, put into a result, stored in another block. A block is there when alloc() returned 0:
 * its pages are bought, so touching it never ends in SIGBUS, and a full machine is -ENOMEM.
 *
 * Use
 *
 *     double *signal;
 *     int r = crew_memory_alloc((void **)&signal, n * sizeof *signal);
 *     if (r < 0)
 *         return r;
 *     ... crew_pool_map(pool, smooth, signal, sizeof *signal, ...);     // nothing is copied
 *     crew_memory_free(signal);
 *
 * Sharing
 *                     alloc   free (another block)   contains   give   stats
 *     any of them      yes           yes               yes       yes    yes     at once, from any
 *                                                                              thread and process
 *     free, give and use of ONE block must not overlap.
 *
 * When a process dies. A block belongs to the process that allocated it. When that process ends,
 * killed or not, its blocks are free again, except those that it gave away by crew_memory_give().
 * A process that dies inside alloc() or free() leaves the block either whole or free: nothing is
 * lost, nothing is handed out twice. */
#ifndef CREW_MEMORY_H
#define CREW_MEMORY_H

#include <crew/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Gets a block of 'size' bytes, aligned to 64 bytes (to 64 KiB from 32 KiB on). Its bytes are
 * whatever was there before.
 *
 * block           set to its address
 * size            bytes; 0 is taken as 1
 *
 * 0               the block is the caller's
 * -ENOMEM         the arena's limit is reached, or the machine is full
 * else            as crew_init()
 *
 * Owns: the caller's process, until free() or give().   Death: see above.
 * Fork: a block allocated before a fork belongs to the process that allocated it.
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_memory_alloc(void **block, size_t size);

/* Frees a block; NULL is allowed. Any process of the crew may free any block. What is not a block,
 * or is free already, is misuse: one line on standard error and abort().
 * Death: a process that dies here leaves the block free or still allocated, never between. */
CREW_API void crew_memory_free(void *block);

/* Gives a block to the crew: it now outlives the process that allocated it, until somebody frees
 * it or the crew ends.  Misuse as free().  Death: given or not given, never between. */
CREW_API void crew_memory_give(void *block);

/* True if all 'size' bytes from 'address' on lie inside the arena (not: in one block of it).
 * Signals: async-signal-safe. */
CREW_API bool crew_memory_contains(const void *address, size_t size);

struct crew_memory_stats {
    size_t limit;   /* bytes the arena may grow to                              */
    size_t bought;  /* bytes of memory it holds: in use, and free to use again  */
    size_t used;    /* bytes of blocks in use, rounded up as they are handed out */
    size_t blocks;  /* how many                                                  */
};

/* Counts by walking the arena; exact while nobody allocates or frees.
 * 0, or CREW_ECLOSED if there is no arena (then all is 0). */
CREW_API int crew_memory_stats(struct crew_memory_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
