/* ring.h - messages in shared memory, many writers, many readers; the law is in ring.c. */
#ifndef CREW_RING_H
#define CREW_RING_H

#include <life/handover.h>

#define RING_MOST (UINT32_C(1) << 24)          /* slots                                   */
#define RING_ROOM_MOST (((size_t)1 << 29) - 1) /* bytes of a message that lies in its slot */
#define RING_SPARES 4

struct ring_slot {
    _Atomic uint64_t word;
    _Atomic uint64_t body[];
};

/* Of a message that lies in a block. */
struct ring_block {
    _Atomic uint64_t block; /* handover.h                                      */
    _Atomic uint64_t size;  /* of the message; written before the slot is FULL */
};

/* A block that is free for the next message. */
struct ring_spare {
    _Atomic uint32_t holder; /* by name; 0: nobody                             */
    _Atomic uint64_t block;
    _Atomic uint64_t size;   /* bytes that fit; 0: unknown                     */
};

struct ring_shm {
    /* read by all, written hardly ever */
    _Alignas(CACHE_LINE) uint32_t slots, stride, room;
    uint32_t lends;                  /* messages may be held, as leases are made of them */
    _Atomic uint32_t checked;        /* deaths up to which all slots were looked through */
    char *slot;
    struct ring_block *blocks;
    _Alignas(CACHE_LINE) _Atomic uint64_t tail;
    _Alignas(CACHE_LINE) _Atomic uint64_t head;
    _Alignas(CACHE_LINE) struct ring_spare spare[RING_SPARES];
};

/* Bytes of memory that 'slots' messages of up to 'room' bytes need beside struct ring_shm; 0: too many. */
size_t ring_size(uint32_t slots, size_t room);

/* 'memory' is aligned to a cache line. */
void ring_init(struct ring_shm *ring, uint32_t slots, size_t room, bool lends, void *memory);

/* Frees all blocks, for process 'me'. Nobody uses it any more. */
void ring_fini(struct ring_shm *ring, uint32_t me);

/* A message on its way in. */
struct ring_place {
    uint64_t position;
    uint32_t index;
};

/* Takes a slot. 0; -EAGAIN: all are in use. Then either publishes or abandons it. */
int ring_claim(struct ring_shm *ring, uint32_t me, struct ring_place *place);
void ring_abandon(struct ring_shm *ring, uint32_t me, const struct ring_place *place);

/* The message is 'size' bytes, at most ring->room. */
void ring_publish(struct ring_shm *ring, const struct ring_place *place, const void *data, size_t size);

/* All of it, for a short message; unless '*shut' is set when the slot is claimed: CREW_ECLOSED. */
int ring_put(struct ring_shm *ring, uint32_t me, const void *data, size_t size, const _Atomic uint32_t *shut);

/* It lies in a block of the calling process's, which is given away. */
void ring_publish_block(struct ring_shm *ring, uint32_t me, const struct ring_place *place, void *block,
                        size_t size);

/* A block of at least 'size' bytes for a message; -ENOMEM. */
int ring_block(struct ring_shm *ring, uint32_t me, size_t size, void **block);

/* A block of the calling process's that held 'size' bytes is kept for the next message, or freed. */
void ring_keep(struct ring_shm *ring, uint32_t me, void *block, size_t size);

/* What a message is to be done with: copied to 'buf', or, if 'block' is not NULL, given as a block of the
 * calling process's. */
struct ring_want {
    void *buf;
    size_t capacity;
    void **block;
    bool peek; /* copied, and left where it is */
};

/* Takes the oldest message. 0; -EAGAIN: there is none; -EBUSY: the same, but somebody is about to publish
 * one, or has one in hand that comes back if he dies; -EMSGSIZE: longer than the capacity; -ENOMEM. '*size' is its size in the first case and in the
 * fourth. */
int ring_take(struct ring_shm *ring, uint32_t me, const struct ring_want *want, size_t *size);

/* Whether ring_take() would find one; and whether ring_claim() would find a slot. */
bool ring_has_message(const struct ring_shm *ring);
bool ring_has_room(const struct ring_shm *ring);

/* How many messages there are, at one instant if there is one at which nothing changes. */
uint32_t ring_count(const struct ring_shm *ring);

/* Makes good what the dead left. Nobody else may be at it: ring_is_checked() says whether it is to be done, and
 * the owner of the ring has a lock for it. */
void ring_repair(struct ring_shm *ring, uint32_t me);

static inline bool ring_is_checked(const struct ring_shm *ring)
{
    return load_relaxed(&ring->checked) == party_deaths();
}

/* NULL, or the first invariant that is broken. */
const char *ring_check(const struct ring_shm *ring);

/* -- for leases (queue.c) ----------------------------------------------------------------------- */

/* The oldest message stays where it is, TAKEN by 'me'. As ring_take(). */
int ring_hold(struct ring_shm *ring, uint32_t me, size_t capacity, struct ring_place *place, size_t *size);

/* Its bytes; or its block's word, if it lies in a block. */
const _Atomic uint64_t *ring_bytes(const struct ring_shm *ring, const struct ring_place *place);
struct ring_block *ring_block_of(struct ring_shm *ring, const struct ring_place *place);

/* The message is there again. */
void ring_put_back(struct ring_shm *ring, const struct ring_place *place);

/* The slot is free again; who held it may be dead. Nothing if it is not TAKEN by 'who' any more. */
void ring_drop(struct ring_shm *ring, uint32_t who, const struct ring_place *place);

/* True while the slot is TAKEN by 'who'. */
bool ring_is_held(const struct ring_shm *ring, uint32_t who, const struct ring_place *place);

/* Copies between memory that others may be changing and memory that they don't. */
void ring_copy_in(_Atomic uint64_t *to, const void *from, size_t size);
void ring_copy_out(void *to, const _Atomic uint64_t *from, size_t size);

#endif
