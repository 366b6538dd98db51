/* handover.c - the law is in handover.h. */
#include "handover.h"

#include <memory/alloc.h>

#include <errno.h>

static int (*allocate)(uint32_t me, size_t size, void **block);
static void (*release)(uint32_t me, void *block);

void handover_use(int (*alloc)(uint32_t me, size_t size, void **block), void (*free)(uint32_t me, void *block))
{
    allocate = alloc;
    release = free;
}

int handover_alloc(uint32_t me, size_t size, void **block)
{
    return allocate ? allocate(me, size, block) : -ENOMEM;
}

void handover_free(uint32_t me, void *block)
{
    release(me, block);
}

static void begin(struct party_shm *party, uint64_t block, const _Atomic uint64_t *word)
{
    store_relaxed(&party->place, roster_offset((const void *)word));
    store_release(&party->moving, block); /* [1] */
}

static void end(struct party_shm *party)
{
    store_release(&party->moving, 0); /* [4] */
}

void *handover_block(uint64_t word)
{
    return word != 0 ? roster_at(word) : NULL;
}

void party_adopt(uint32_t me, void *block, _Atomic uint64_t *word)
{
    struct party_shm *party = party_record(me);
    uint64_t offset = roster_offset(block);

    begin(party, offset, word);
    store_release(word, offset);                                        /* [2] */
    alloc_transfer(roster_arena(), block, OWNER_NOBODY, OWNER_CREW); /* [3] */
    end(party);
}

void *party_disown(uint32_t me, _Atomic uint64_t *word)
{
    struct party_shm *party = party_record(me);
    uint64_t offset = load_relaxed(word);
    uint32_t process = (uint32_t)load_relaxed(&party->word);

    if (offset == 0)
        return NULL;
    begin(party, offset, word);
    store_release(word, 0);                                                   /* [2] */
    alloc_transfer(roster_arena(), roster_at(offset), OWNER_CREW, process); /* [3] */
    end(party);
    return roster_at(offset);
}

void handover_settle(struct party_shm *party, uint32_t process)
{
    uint64_t block = load_acquire(&party->moving);
    const _Atomic uint64_t *word;

    if (block == 0)
        return;
    word = roster_at(load_relaxed(&party->place));
    if (arena_contains(roster_arena(), (const void *)word, sizeof *word) && load_acquire(word) == block)
        alloc_transfer(roster_arena(), roster_at(block), process, OWNER_CREW);
    else
        alloc_transfer(roster_arena(), roster_at(block), OWNER_CREW, process);
    store_release(&party->moving, 0);
}
