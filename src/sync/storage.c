/* storage.c - see storage.h. A noun's block is given to the crew before anybody hears of it: a process
 * that dies in between leaves a block that the sweep frees, or one that nobody knows (given, and not
 * told): that one stays until crew_fini(). */
#include "storage.h"

int storage_check(const void *at, size_t size)
{
    struct arena *arena;
    int r = life_arena(&arena);

    if (r < 0)
        return r;
    return arena_contains(arena, at, size) ? 0 : -EINVAL;
}

int storage_alloc(size_t size, void **block)
{
    int r = life_alloc(size, block);

    if (r == 0)
        crew_memory_give(*block);
    return r;
}

void storage_free(void *block)
{
    life_free(block);
}
