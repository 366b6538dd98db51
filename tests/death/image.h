/* image.h - puts the arena back to what it was, by copying only what hooks.c saw change.
 *
 * Images are a stack. image_push() takes one of the arena as it is; image_restore() puts the arena
 * back to the top one; image_pop() puts it back to the one below, and drops the top. The lowest is
 * an arena of zeros. */
#ifndef DEATH_IMAGE_H
#define DEATH_IMAGE_H

#include <stddef.h>

#define IMAGE_LEVELS 8

/* Makes the window of the hooks the first 'size' bytes of the arena, all zero. */
void image_open(size_t size);
void image_push(void);
void image_restore(void);
void image_pop(void);

/* NULL, or why the arena is not the top image right after image_restore(): something wrote to it
 * behind the hooks. Slow. */
const char *image_verify(void);

#endif
