/* queue.h - the queue without who asks; the law is in queue.c. */
#ifndef CREW_QUEUE_INSIDE_H
#define CREW_QUEUE_INSIDE_H

#include "ring.h"

#include <crew/queue.h>
#include <sync/lock.h>

#define QUEUE_MAGIC UINT32_C(0x71756575)

struct lease_shm {
    _Alignas(CACHE_LINE) _Atomic uint64_t word;
    _Atomic uint64_t position;      /* where the message came from: lap and slot ... */
    _Atomic uint32_t level;         /* ... of this ring                              */
    _Atomic uint64_t block;
    _Atomic uint64_t size;
    _Atomic uint64_t body[];
};

struct queue_shm {
    _Alignas(CACHE_LINE) uint32_t magic;
    uint32_t levels, leases, lease_stride;
    struct ring_shm *ring; /* one for each level, the greatest priority last */
    char *lease;
    _Atomic uint32_t shut;
    _Atomic uint32_t items, space, done; /* waiters:1 changes:31 each */
    _Alignas(CACHE_LINE) _Atomic uint32_t back; /* 1: a lease has come back, perhaps */
    _Atomic uint32_t rotor;
    _Atomic uint64_t returned;
    _Atomic uint64_t memory; /* handover.h: all that is not in here */
    struct lock_shm repair;  /* who repairs */
};

/* How often this process looks before it falls asleep; it learns from its luck. 0: never: on one CPU. */
extern _Atomic uint32_t queue_patience;

/* Bytes of memory beside struct queue_shm; -EINVAL. */
int queue_measure(const struct crew_queue_options *options, size_t *size);

/* 'memory' is a block of the calling process's. */
void queue_make(struct queue_shm *queue, uint32_t me, const struct crew_queue_options *options, void *memory);
void queue_unmake(struct queue_shm *queue, uint32_t me);

/* A message: bytes; or a block. */
struct queue_message {
    const void *data;
    size_t size;
    void *block; /* not NULL: the message, the calling process's */
    unsigned level;
};

/* As the public calls, for the party 'me'. queue_put() wakes nobody: queue_tell() does, of so many messages. */
int queue_put(struct queue_shm *queue, uint32_t me, const struct queue_message *message, crew_time deadline);
void queue_tell(struct queue_shm *queue, unsigned messages);
int queue_get(struct queue_shm *queue, uint32_t me, const struct ring_want *want, size_t *size,
              struct crew_lease *lease, crew_time deadline);
int queue_task_done(struct queue_shm *queue, uint32_t me, uint64_t ticket);
int queue_join(struct queue_shm *queue, uint32_t me, crew_time deadline);
void queue_shut(struct queue_shm *queue);
void queue_count(struct queue_shm *queue, struct crew_queue_stats *stats);
bool queue_ready(struct queue_shm *queue, uint32_t me, struct os_word *word);

/* NULL, or the first invariant that is broken. */
const char *queue_check(const struct queue_shm *queue);

#endif
