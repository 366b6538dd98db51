/* image.h - puts the arena back to what it was, by copying only what hooks.c saw change.
 *
 * Images are a stack. image_push() takes one of the arena as it is; image_restore() puts the arena
 * back to the top one; image_pop() puts it back to the one below, and drops the top. The lowest is
 * an arena of zeros. */
#ifndef DEATH_IMAGE_H
#define DEATH_IMAGE_H

#include "hooks.h"
#include "known.h"

#include <stddef.h>
#include <stdint.h>

#define IMAGE_LEVELS 12

/* Makes the window of the hooks the first 'size' bytes of the arena, all zero. */
void image_open(size_t size);
void image_push(void);
void image_restore(void);
void image_pop(void);

/* Puts the arena back to the top image and drops that, but goes on from there. */
void image_drop(void);

/* The key of the arena as it is, wherever it was changed. */
struct key image_key(void);

/* Where the arena as it is differs from the first image that was pushed; image_load() makes it so
 * again, when that image is the top one. */
struct image_saved {
    uint32_t chunk;
    unsigned char bytes[HOOKS_CHUNK];
};
uint32_t image_changes(void); /* how many are needed, at most */
uint32_t image_save(struct image_saved *to);
void image_load(const struct image_saved *from, uint32_t count);

/* NULL, or why the arena is not the top image right after image_restore(): something wrote to it
 * behind the hooks. Slow. */
const char *image_verify(void);

#endif
