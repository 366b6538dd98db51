/* arena.h - the memory that the processes of a crew share: layout, and buying pages.
 *
 * One sealed memfd without a name, mapped whole at one address in the root and, by fork, in every
 * process it starts. Its size is address space; a page is bought (fallocate) before it is handed
 * out, so a full machine is -ENOMEM here and never SIGBUS later.
 *
 *     header | page words, one for each page of 64 KiB | pages | room aside
 *
 * The words of the page table are bought as far as the pages that they describe. The room aside is not the
 * allocator's: it is for what has to be found before anything is allocated, and bought bit by bit. */
#ifndef CREW_ARENA_H
#define CREW_ARENA_H

#include <os/atomic.h>
#include <os/os.h>

#define ARENA_PAGE ((size_t)65536)
#define ARENA_MAGIC UINT64_C(0x6372657761726e61)
#define ARENA_HEADER ((size_t)4096)
#define ARENA_ASIDE (5 * ARENA_PAGE)

struct arena_shm {
    uint64_t magic;
    uint64_t size;              /* bytes of address space; never changes                       */
    uint64_t pages;             /* how many fit; never changes                                 */
    uint64_t first;             /* offset of page 0; never changes                             */
    uint64_t aside;             /* offset of ARENA_ASIDE bytes; 0: none; never changes         */
    _Atomic uint64_t bought;    /* pages [0, bought) may be touched; only grows, after fallocate */
    _Atomic uint64_t free_hint; /* no free page below, perhaps; may be wrong                   */
    _Alignas(CACHE_LINE) _Atomic uint64_t word[]; /* at ARENA_HEADER; the law is in alloc.c      */
};

struct arena {
    struct arena_shm *shm; /* NULL: none           */
    int fd;                /* -1: memory of a test: all of it is bought already */
};

/* Creates an arena of at most 'size' bytes (0: the default of crew_options), less where limits ask
 * for it. -ENOMEM, -EFBIG, CREW_EKERNEL. */
int arena_create(struct arena *arena, size_t size);

/* Makes an arena in 'size' bytes at 'memory', which the caller owns and has zeroed. */
int arena_init(struct arena *arena, void *memory, size_t size);

/* Gives it back. */
void arena_destroy(struct arena *arena);

/* Buys pages until 'count' of them are there. */
int arena_buy(struct arena *arena, uint64_t count);

/* Buys bytes of the room aside, from 'offset' in it. May be done again, by anybody. */
int arena_buy_aside(struct arena *arena, size_t offset, size_t size);

static inline void *arena_aside(const struct arena *arena)
{
    return (char *)arena->shm + arena->shm->aside;
}

static inline _Atomic uint64_t *arena_word(const struct arena *arena, uint64_t page)
{
    return (_Atomic uint64_t *)((char *)arena->shm + ARENA_HEADER) + page;
}

static inline void *arena_page(const struct arena *arena, uint64_t page)
{
    return (char *)arena->shm + arena->shm->first + page * ARENA_PAGE;
}

bool arena_contains(const struct arena *arena, const void *address, size_t size);

#endif
