/* condition.h - the protocol of a condition, without who asks; the law is in condition.c. */
#ifndef CREW_SYNC_CONDITION_H
#define CREW_SYNC_CONDITION_H

#include "lock.h"
#include "patience.h"

#define CONDITION_MAGIC UINT32_C(0x636f6e64)

enum { CONDITION_INSIDE = 27, CONDITION_MORE = 2032 }; /* places: together enough for all parties */

struct condition_more {
    _Atomic uint64_t place[CONDITION_MORE];
};

struct condition_shm {
    _Alignas(CACHE_LINE) struct lock_shm *lock; /* never changes                       */
    _Atomic uint64_t more; /* 0, or where the block of further places is (handover.h)  */
    uint32_t magic;
    _Atomic uint32_t tickets; /* handed out so far                                     */
    _Atomic uint32_t used;    /* places from here on are free                          */
    uint32_t spare;
    struct patience_shm patience;
    _Atomic uint64_t place[CONDITION_INSIDE];
};

/* What a party knows of its wait. */
struct condition_turn {
    uint32_t place, ticket;
    uint32_t depth; /* how often it had the rlock             */
    uint64_t died;  /* holders of the lock, before it began   */
};

/* 'looks' at most before somebody falls asleep. */
void condition_init(struct condition_shm *condition, struct lock_shm *lock, uint32_t looks);

/* As the public calls, for the party 'me'. wait(): also -ENOBUFS, when no place is free: the
 * caller, who holds the lock, may add some with grow(), a block of its own and all zero, and try
 * again. */
int condition_wait(struct condition_shm *condition, uint32_t me, crew_time deadline);
int condition_wait_for(struct condition_shm *condition, uint32_t me, bool (*predicate)(void *),
                       void *context, crew_time deadline);
int condition_notify(struct condition_shm *condition, uint32_t me, uint32_t count);
void condition_grow(struct condition_shm *condition, uint32_t me, struct condition_more *more);

/* The two halves of wait(). 'me' holds the lock, and waits from now on: 0, or -ENOBUFS. Then it has
 * given the lock back, and gets it again. */
int condition_enter(struct condition_shm *condition, uint32_t me, struct condition_turn *turn);
int condition_sleep(struct condition_shm *condition, uint32_t me, const struct condition_turn *turn,
                    crew_time deadline);

/* How many wait, live, and are not chosen. */
uint32_t condition_waiting(const struct condition_shm *condition);

/* NULL, or the first invariant that is broken; while nobody is inside. */
const char *condition_check(const struct condition_shm *condition);

#endif
