/* storage.h - what all nouns of this room have in common: where they lie, and who asks. */
#ifndef CREW_SYNC_STORAGE_H
#define CREW_SYNC_STORAGE_H

#include <life/life.h>
#include <life/roster.h>

#include <errno.h>

/* 0 if a noun may lie at 'at'; -EINVAL: not in the arena; or an error of life_arena(). */
int storage_check(const void *at, size_t size);

/* A block for a noun, which outlives this process. */
int storage_alloc(size_t size, void **block);
void storage_free(void *block);

/* Ends the program if there is no noun of this kind at 'at'. */
static inline void storage_must_be(const void *at, uint32_t magic, uint32_t wanted, const char *call,
                                   const char *why)
{
    if (__builtin_expect(!at || magic != wanted, 0))
        os_misuse(call, why);
}

/* The calling thread's party. 0; CREW_EMISUSE: no member; -EAGAIN: none is free. */
static inline int storage_party(uint32_t *me)
{
    *me = party_me();
    if (__builtin_expect(*me != 0, 1))
        return 0;
    return life_me() == 0 ? CREW_EMISUSE : -EAGAIN;
}

#endif
