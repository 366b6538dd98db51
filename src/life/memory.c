/* memory.c - crew/memory.h for the process that calls: who it is comes from life.c. */
#include "life.h"

#include <errno.h>
#include <string.h>

int crew_memory_alloc(void **block, size_t size)
{
    return life_alloc(size, block);
}

void crew_memory_free(void *block)
{
    struct arena *arena = life_arena_now();

    if (!block)
        return;
    if (!arena || alloc_free(arena, life_me(), block) < 0)
        os_misuse("crew_memory_free", "not a block in use");
}

void crew_memory_give(void *block)
{
    struct arena *arena = life_arena_now();

    if (!arena || alloc_transfer(arena, block, OWNER_NOBODY, OWNER_CREW) < 0)
        os_misuse("crew_memory_give", "not a block in use");
}

bool crew_memory_contains(const void *address, size_t size)
{
    struct arena *arena = life_arena_now();

    return arena && arena_contains(arena, address, size);
}

int crew_memory_stats(struct crew_memory_stats *stats)
{
    struct arena *arena = life_arena_now();

    memset(stats, 0, sizeof *stats);
    if (!arena)
        return CREW_ECLOSED;
    alloc_check(arena, stats);
    return 0;
}
