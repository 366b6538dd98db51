/* handover.h - a block of the arena changes hands between a thread and a word that belongs to the crew.
 *
 * Whose a block is stands in the allocator; where it is, in a word of some structure (a slot of a queue, say).
 * That is two words, and a death between them would lose the block, or leave a word that names one
 * that is free. So the thread says first what it is about, in its own party:
 *
 *   moving   the block; place  the word. Written by the thread, 'place' first; 'moving' is cleared at the end; by
 *            the root when the thread is dead.
 *
 *     adopt    [1] moving = block   [2] word = block   [3] the block: thread's -> crew's   [4] moving = 0
 *     disown   [1] moving = block   [2] word = 0       [3] the block: crew's -> thread's   [4] moving = 0
 *
 * [2] is what decides. The word is the thread's alone while it does this: its structure says so, by name, and
 * nobody takes it from the dead before the root has announced the death (roster.h).
 *
 * Order  the word's own structure publishes it, behind [4].
 *
 * The thread dies ...     the word      the block            the root, before it announces the death
 *   before [1]            as it was     as it was            nothing
 *   between [1] and [2]   as it was     as it was            the same as below: it is so already
 *   between [2] and [4]   changed       either's             word names the block: it is the crew's; else it
 *                                                            is the dead's, and swept with all that was
 *   the root itself       as before     as before, or done   each step may be done again; moving = 0 is the last
 */
#ifndef CREW_HANDOVER_H
#define CREW_HANDOVER_H

#include "roster.h"

/* A block of the calling process's becomes the crew's, and *word its offset; *word was another, or 0. */
void party_adopt(uint32_t me, void *block, _Atomic uint64_t *word);

/* The block that *word names becomes the calling process's, and *word 0. NULL: it named none. */
void *party_disown(uint32_t me, _Atomic uint64_t *word);

/* Memory for what is handed over: the process's own blocks, as life_alloc() and life_free() make them, or what a
 * test puts in their place. */
int handover_alloc(uint32_t me, size_t size, void **block);
void handover_free(uint32_t me, void *block);
void handover_use(int (*alloc)(uint32_t me, size_t size, void **block), void (*free)(uint32_t me, void *block));

/* The block that a word names, wherever it is read; NULL: none. */
void *handover_block(uint64_t word);

/* The root: 'process', whose party this was, is dead for certain. */
void handover_settle(struct party_shm *party, uint32_t process);

#endif
