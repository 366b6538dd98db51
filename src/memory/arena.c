/* arena.c - see arena.h. 'bought' is the only word here that changes: it grows by compare-and-swap
 * after fallocate() has succeeded. A process that dies between the two leaves pages bought that
 * nobody counts; the next one buys them again, which does nothing. */
#include "arena.h"

#include <errno.h>
#include <string.h>

#define SMALLEST ((size_t)4 << 20)
#define LARGEST ((size_t)1 << 44)
#define DEFAULT_SIZE ((size_t)16 << 30)
#define BUY_LEAST 4 /* pages; more as the arena grows */

/* Where the arena is put if nothing is there: between heap and libraries on x86-64 and aarch64. The
 * sanitizers keep that for themselves. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define WISH ((uintptr_t)0)
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define WISH ((uintptr_t)0)
#endif
#endif
#ifndef WISH
#define WISH ((uintptr_t)0x500000000000)
#endif

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static void lay_out(struct arena_shm *shm, size_t whole, size_t aside)
{
    size_t size = whole - aside;
    uint64_t pages = (size - ARENA_HEADER) / (ARENA_PAGE + sizeof shm->word[0]);

    /* the rounding of 'first' may cost one page */
    while (round_up(ARENA_HEADER + pages * sizeof shm->word[0], ARENA_PAGE) + pages * ARENA_PAGE > size)
        pages--;
    shm->size = whole;
    shm->aside = aside ? size : 0;
    shm->pages = pages;
    shm->first = round_up(ARENA_HEADER + pages * sizeof shm->word[0], ARENA_PAGE);
    shm->magic = ARENA_MAGIC;
}

int arena_create(struct arena *arena, size_t size)
{
    size_t limit = os_file_limit();
    void *base = NULL;
    int r = os_kernel_check();
    int fd;

    if (r < 0)
        return r;
    if (size == 0) {
        size = os_memory_total() * 4;
        size = size < DEFAULT_SIZE ? DEFAULT_SIZE : size;
    }
    size = size > LARGEST ? LARGEST : size;
    size = round_up(size < SMALLEST ? SMALLEST : size, ARENA_PAGE);
    if (size > limit)
        size = limit / ARENA_PAGE * ARENA_PAGE;
    if (size < SMALLEST)
        return -EFBIG;

    /* halve until the address space (ulimit -v) has room for it */
    for (;; size = round_up(size / 2, ARENA_PAGE)) {
        fd = os_memory_create("crew", size);
        if (fd < 0)
            return fd;
        r = os_memory_map(fd, size, WISH, ARENA_PAGE, &base);
        if (r == 0)
            break;
        os_close(fd);
        if (r != -ENOMEM || size <= SMALLEST)
            return r;
    }
    r = os_memory_buy(fd, 0, ARENA_HEADER);
    if (r < 0) {
        os_memory_unmap(base, size);
        os_close(fd);
        return r;
    }
    arena->shm = base;
    arena->fd = fd;
    lay_out(arena->shm, size, ARENA_ASIDE);
    return 0;
}

int arena_init(struct arena *arena, void *memory, size_t size)
{
    if (size < 3 * ARENA_PAGE)
        return -EINVAL;
    arena->shm = memory;
    arena->fd = -1;
    lay_out(arena->shm, size, 0);
    return 0;
}

void arena_destroy(struct arena *arena)
{
    if (arena->shm && arena->fd >= 0) {
        os_memory_unmap(arena->shm, arena->shm->size);
        os_close(arena->fd);
    }
    arena->shm = NULL;
    arena->fd = -1;
}

int arena_buy(struct arena *arena, uint64_t count)
{
    struct arena_shm *shm = arena->shm;
    uint64_t bought = load_acquire(&shm->bought);
    uint64_t wish, step;
    int r = 0;

    if (count <= bought)
        return 0;
    if (count > shm->pages)
        return -ENOMEM;
    /* an eighth more each time, so that growth costs few calls; what is asked, if memory is short */
    step = bought / 8 < BUY_LEAST ? BUY_LEAST : bought / 8;
    wish = shm->pages - bought < step ? shm->pages : bought + step;
    wish = wish < count ? count : wish;
    for (; arena->fd >= 0; wish = count) {
        size_t table = ARENA_HEADER + (size_t)wish * sizeof shm->word[0];

        r = os_memory_buy(arena->fd, 0, table);
        if (r == 0)
            r = os_memory_buy(arena->fd, shm->first + bought * ARENA_PAGE,
                              (size_t)(wish - bought) * ARENA_PAGE);
        if (r == 0 || wish == count)
            break;
    }
    if (r < 0)
        return r;
    while (bought < wish && !swap_if(&shm->bought, &bought, wish))
        ;
    return 0;
}

int arena_buy_aside(struct arena *arena, size_t offset, size_t size)
{
    return arena->fd < 0 ? 0 : os_memory_buy(arena->fd, arena->shm->aside + offset, size);
}

bool arena_contains(const struct arena *arena, const void *address, size_t size)
{
    uintptr_t from = (uintptr_t)address - (uintptr_t)arena->shm;

    return arena->shm && (uintptr_t)address >= (uintptr_t)arena->shm && from <= arena->shm->size &&
           size <= arena->shm->size - from;
}
