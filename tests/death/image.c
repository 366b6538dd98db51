/* image.c - see image.h. */
#define _GNU_SOURCE
#include "image.h"
#include "death.h"
#include "hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

_Static_assert(HOOKS_CHUNK == 64, "as key_of_chunk() has it");

#define CHUNKS (DEATH_ARENA / HOOKS_CHUNK)

void *__real_memcpy(void *to, const void *from, size_t size);
void *__real_memset(void *to, int byte, size_t size);

/* Level 0 is zeros. An image holds the chunks in which it differs from the level below. */
static struct level {
    char *bytes;
    unsigned char *has;        /* a flag a chunk                               */
    struct hooks_dirty *dirty; /* where the arena may differ from this level,  */
                               /* and is not the next level's to put right     */
    struct key key;            /* of the image                                 */
    struct key *chunk_key;     /* of a chunk that it has, where ...            */
    unsigned char *keyed;      /* ... this flag is set                         */
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
    l->chunk_key = map(CHUNKS * sizeof *l->chunk_key);
    l->keyed = map(CHUNKS);
}

/* The level whose bytes count for level 't' at chunk 'c'. */
static struct level *level_of(unsigned t, uint32_t c)
{
    while (t > 0 && !level[t].has[c])
        t--;
    return &level[t];
}

static const char *source(unsigned t, uint32_t c)
{
    return level_of(t, c)->bytes + (size_t)c * HOOKS_CHUNK;
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

static struct key chunk_key(uint32_t c, const char *bytes)
{
    return key_of_chunk((struct key){ c, ~(uint64_t)c }, bytes);
}

/* A sum, so that it does not matter when a chunk was changed, and one that was changed back to what
 * it was counts for nothing. */
struct key image_key(void)
{
    const struct hooks_dirty *d = level[top].dirty;
    struct key sum = level[top].key;

    for (uint32_t i = 0; i < d->count; i++) {
        uint32_t c = d->list[i];
        const char *is = death_arena + (size_t)c * HOOKS_CHUNK;
        struct level *l = level_of(top, c);
        struct key before, after;

        if (!l->keyed[c]) {
            l->chunk_key[c] = chunk_key(c, l->bytes + (size_t)c * HOOKS_CHUNK);
            l->keyed[c] = 1;
        }
        before = l->chunk_key[c];
        after = chunk_key(c, is);
        sum.a += after.a - before.a;
        sum.b += after.b - before.b;
    }
    return sum;
}

uint32_t image_changes(void)
{
    uint32_t n = 0;

    for (unsigned t = 1; t <= top; t++)
        n += level[t].dirty->count;
    return n;
}

uint32_t image_save(struct image_saved *to)
{
    uint32_t n = 0;

    for (unsigned t = 1; t <= top; t++) {
        const struct hooks_dirty *d = level[t].dirty;

        for (uint32_t i = 0; i < d->count; i++) {
            uint32_t c = d->list[i];
            const char *is = death_arena + (size_t)c * HOOKS_CHUNK;

            if (memcmp(source(1, c), is, HOOKS_CHUNK) == 0)
                continue;
            to[n].chunk = c;
            __real_memcpy(to[n++].bytes, is, HOOKS_CHUNK);
        }
    }
    return n;
}

void image_load(const struct image_saved *from, uint32_t count)
{
    image_restore();
    for (uint32_t i = 0; i < count; i++) {
        char *at = death_arena + (size_t)from[i].chunk * HOOKS_CHUNK;

        hooks_touch(at, HOOKS_CHUNK);
        __real_memcpy(at, from[i].bytes, HOOKS_CHUNK);
    }
}

void image_push(void)
{
    struct hooks_dirty *d = level[top].dirty;
    struct key key = image_key();

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
        level[top + 1].keyed[c] = 0;
    }
    top++;
    level[top].key = key;
    hooks.dirty = level[top].dirty;
}

void image_drop(void)
{
    struct hooks_dirty *d;

    image_restore();
    top--;
    d = level[top].dirty;
    for (uint32_t i = 0; i < d->count; i++)
        level[top + 1].has[d->list[i]] = 0;
    hooks.dirty = d;
}

void image_pop(void)
{
    image_drop();
    image_restore();
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
