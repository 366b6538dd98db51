/* toy.h - a small protocol on which the engines of death.h are tested: they must find nothing wrong
 * with it, and every bug that is planted in it. */
#ifndef DEATH_TOY_H
#define DEATH_TOY_H

#include <stdatomic.h>
#include <stdint.h>

#define TOY_SLOTS 8
#define TOY_WORDS 5

/* A ring of messages with one lock. 'lock' is 0, or the holder.
 *
 * put: take the lock; write the message; write what tail and sum will be; 'intent' = 1 [I]; tail and
 * sum; 'intent' = 0; wake a getter; give the lock back.
 * repair: if the dead one holds the lock: from [I] on do the rest, before it nothing. Both are
 * repeatable, as the new values stand there until 'intent' is 0 again. All getters are woken. */
struct toy {
    _Atomic uint32_t lock;
    _Atomic uint32_t intent;
    _Atomic uint32_t tail, next_tail;
    _Atomic uint32_t head;
    _Atomic uint64_t sum, next_sum; /* of all words put, ever */
    _Atomic uint32_t waiters;
    uint64_t slot[TOY_SLOTS][TOY_WORDS];
};

enum toy_bug {
    TOY_RIGHT,
    TOY_PUBLISHES_FIRST,   /* tail before the message is whole            */
    TOY_NAMES_ITSELF_LATE, /* "taken" and "by whom" are two stores        */
    TOY_REPAIR_ADDS,       /* a repair that is not repeatable             */
    TOY_REPAIR_FORGETS,    /* clears its intent before it has done it     */
    TOY_NEVER_WAKES,       /* a getter that sleeps is not told            */
    TOY_CHECKS_THEN_ACTS,  /* the lock is looked at, then taken           */
    TOY_REPAIR_WAKES_NONE, /* who died with the wake-up strands the rest  */
    TOY_BUGS
};
extern enum toy_bug toy_bug;

int toy_put(struct toy *t, uint32_t me, const uint64_t *message);
int toy_get(struct toy *t, uint32_t me, uint64_t *message, int64_t deadline);
void toy_repair(struct toy *t, unsigned dead);

#endif
