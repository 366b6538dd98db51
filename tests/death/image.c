/* image.c - see image.h. */
#define _GNU_SOURCE
#include "image.h"
#include "death.h"
#include "hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNKS (DEATH_ARENA / HOOKS_CHUNK)

void *__real_memcpy(void *to, const void *from, size_t size);
void *__real_memset(void *to, int byte, size_t size);

/* Level 0 is zeros. An image holds the chunks in which it differs from the level below. */
static struct level {
    char *bytes;
    unsigned char *has;        /* a flag a chunk                               */
    struct hooks_dirty *dirty; /* where the arena may differ from this level,  */
                               /* and is not the next level's to put right     */
} level[IMAGE_LEVELS];
static unsigned top;
static size_t size;

/* Shared, so that what a forked child marks is known here. */
static void *map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);

    if (p == MAP_FAILED) {
        perror("image: mmap");
        exit(1);
    }
    return p;
}

static void prepare(struct level *l)
{
    if (l->dirty)
        return;
    l->bytes = map(DEATH_ARENA);
    l->has = map(CHUNKS);
    l->dirty = map(sizeof *l->dirty);
    l->dirty->flag = map(CHUNKS);
    l->dirty->list = map(CHUNKS * sizeof *l->dirty->list);
}

/* What level 't' holds at chunk 'c'. */
static const char *source(unsigned t, uint32_t c)
{
    while (t > 0 && !level[t].has[c])
        t--;
    return level[t].bytes + (size_t)c * HOOKS_CHUNK;
}

static void forget(struct hooks_dirty *d)
{
    for (uint32_t i = 0; i < d->count; i++)
        d->flag[d->list[i]] = 0;
    d->count = 0;
}

void image_restore(void)
{
    struct hooks_dirty *d = level[top].dirty;

    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t c = d->list[i];

        __real_memcpy(death_arena + (size_t)c * HOOKS_CHUNK, source(top, c), HOOKS_CHUNK);
        d->flag[c] = 0;
    }
    d->count = 0;
}

void image_push(void)
{
    struct hooks_dirty *d = level[top].dirty;

    if (top + 1 >= IMAGE_LEVELS) {
        fprintf(stderr, "image: too many levels\n");
        exit(1);
    }
    prepare(&level[top + 1]);
    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t c = d->list[i];

        __real_memcpy(level[top + 1].bytes + (size_t)c * HOOKS_CHUNK,
                      death_arena + (size_t)c * HOOKS_CHUNK, HOOKS_CHUNK);
        level[top + 1].has[c] = 1;
    }
    top++;
    hooks.dirty = level[top].dirty;
}

void image_pop(void)
{
    struct hooks_dirty *d;

    image_restore();
    top--;
    d = level[top].dirty;
    for (uint32_t i = 0; i < d->count; i++)
        level[top + 1].has[d->list[i]] = 0;
    image_restore();
    hooks.dirty = d;
}

void image_open(size_t bytes)
{
    death_open();
    prepare(&level[0]);
    while (top > 0)
        image_pop();
    image_restore();
    forget(level[0].dirty);
    size = (bytes + HOOKS_CHUNK - 1) / HOOKS_CHUNK * HOOKS_CHUNK;
    if (size > DEATH_ARENA) {
        fprintf(stderr, "image: an arena of %zu bytes is too large\n", bytes);
        exit(1);
    }
    hooks.base = (uintptr_t)death_arena;
    hooks.size = size;
    hooks.dirty = level[0].dirty;
}

const char *image_verify(void)
{
    static char why[160];

    for (uint32_t c = 0; c < size / HOOKS_CHUNK; c++) {
        if (memcmp(death_arena + (size_t)c * HOOKS_CHUNK, source(top, c), HOOKS_CHUNK) == 0)
            continue;
        snprintf(why, sizeof why, "bytes %zu to %zu of the arena were written behind the hooks",
                 (size_t)c * HOOKS_CHUNK, (size_t)(c + 1) * HOOKS_CHUNK - 1);
        return why;
    }
    return NULL;
}
