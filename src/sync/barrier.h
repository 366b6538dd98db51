/* barrier.h - the protocol of a barrier, without who asks; the law is in barrier.c. */
#ifndef CREW_SYNC_BARRIER_H
#define CREW_SYNC_BARRIER_H

#include "lock.h"
#include "patience.h"

#include <crew/barrier.h>

#define BARRIER_MAGIC UINT32_C(0x62617272)

enum { BARRIER_INSIDE = 16 }; /* places in the barrier itself */

struct barrier_shm {
    /* acting:1 releases:20 leader:11 sleepers:1 broken:1 round:30 */
    _Alignas(CACHE_LINE) _Atomic uint64_t word;
    uint32_t magic;
    uint32_t parties;             /* this and what follows never changes                 */
    _Atomic uint64_t *places;     /* one for each party                                  */
    uint32_t *who;                /* whose each is: of who holds 'changing'              */
    int (*action)(void *context);
    void *context;
    uint32_t shrinks;
    struct patience_shm patience;
    struct lock_shm changing;     /* held by who takes a place, keeps one or resets      */
    _Alignas(CACHE_LINE) _Atomic uint64_t inside[BARRIER_INSIDE];
    uint32_t who_inside[BARRIER_INSIDE];
};

#define BARRIER_PLACE (sizeof(uint64_t) + sizeof(uint32_t)) /* bytes for each that is not inside */

/* What a party knows of its round. */
struct barrier_turn {
    uint64_t begun; /* the word when it arrived */
    uint32_t place;
};

/* 'places' has room for all parties; NULL: the barrier itself has. 'looks' at most before a party
 * falls asleep. */
void barrier_init(struct barrier_shm *barrier, uint32_t parties, void *places, uint32_t looks,
                  const struct crew_barrier_options *options);

/* As the public calls, for the party 'me' of the process 'process'. */
int barrier_wait(struct barrier_shm *barrier, uint32_t me, uint32_t process, uint32_t *index,
                 crew_time deadline);
/* The two halves of wait(). Arrives; 'if_last': only if nobody else is missing, else -EAGAIN. Then
 * waits, and answers how the round has ended. */
int barrier_arrive(struct barrier_shm *barrier, uint32_t me, uint32_t process, bool if_last,
                   struct barrier_turn *turn);
int barrier_stay(struct barrier_shm *barrier, uint32_t me, const struct barrier_turn *turn,
                 uint32_t *index, crew_time deadline);
int barrier_join(struct barrier_shm *barrier, uint32_t me, uint32_t process);
int barrier_leave(struct barrier_shm *barrier, uint32_t me);
int barrier_expect(struct barrier_shm *barrier, uint32_t me, uint32_t process);
void barrier_abort(struct barrier_shm *barrier);
int barrier_reset(struct barrier_shm *barrier, uint32_t me);

uint32_t barrier_parties(const struct barrier_shm *barrier);
uint32_t barrier_waiting(const struct barrier_shm *barrier);
bool barrier_is_broken(const struct barrier_shm *barrier);

/* NULL, or the first invariant that is broken. */
const char *barrier_check(const struct barrier_shm *barrier);

#endif
