/* semaphore.h - the protocol of semaphores, without who asks; the law stands in semaphore.c. */
#ifndef CREW_SYNC_SEMAPHORE_H
#define CREW_SYNC_SEMAPHORE_H

#include "lock.h"

#include <crew/semaphore.h>

#define SEMAPHORE_MAGIC UINT32_C(0x73656d61)

struct permit_shm {
    _Atomic uint32_t owner;     /* by name; 0: free                                             */
    _Atomic uint32_t recovered; /* how often it came from the dead; the owner's, as the next is */
    _Atomic uint64_t acquired;
};

struct semaphore_shm {
    _Alignas(CACHE_LINE) _Atomic uint64_t word; /* unowned: acquired:32 waiters:1 many:1 count:30    */
    _Atomic uint32_t bell;       /* with owners: changes:30 many:1 waiters:1                         */
    uint32_t magic;
    uint32_t value;              /* these four never change                                          */
    uint32_t permits;            /* with owners: as many as 'value'; 0: unowned                      */
    uint32_t most;               /* unowned                                                          */
    char name[16];
    _Alignas(CACHE_LINE) _Atomic uint64_t wraps; /* of word.acquired, each 2^32; hints, all of this line */
    _Atomic uint64_t in_vain;    /* permits taken and given back at once                             */
    _Atomic uint64_t contended;
    _Atomic int64_t waited, longest;
    _Atomic uint32_t longest_by; /* by name                                                          */
    struct lock_shm several;     /* held by who takes more than one, while it does                   */
    struct permit_shm permit[];
};

enum { SEMAPHORE_SPIN = 100 }; /* looks, before falling asleep */

static inline size_t semaphore_size(uint32_t permits)
{
    return sizeof(struct semaphore_shm) + permits * sizeof(struct permit_shm);
}

/* Whether so many permits can be. */
int semaphore_valid(uint32_t value, const struct crew_semaphore_options *options);
/* In semaphore_size() bytes. */
void semaphore_init(struct semaphore_shm *s, uint32_t value, const struct crew_semaphore_options *options);

/* As the public calls, with owners, for the party 'me'. */
int semaphore_acquire_owned(struct semaphore_shm *s, uint32_t me, uint32_t count, crew_time deadline);
int semaphore_release_owned(struct semaphore_shm *s, uint32_t me, uint32_t count);

/* Unowned. The first is false where it would have to wait; the second waits. */
bool semaphore_take(struct semaphore_shm *s, uint32_t count);
int semaphore_await(struct semaphore_shm *s, uint32_t me, uint32_t count, crew_time deadline);
int semaphore_add(struct semaphore_shm *s, uint32_t count);

uint32_t semaphore_value(const struct semaphore_shm *s);
void semaphore_numbers(const struct semaphore_shm *s, struct crew_semaphore_stats *stats);

/* NULL, or the first invariant that is broken. */
const char *semaphore_check(const struct semaphore_shm *s);

#endif
