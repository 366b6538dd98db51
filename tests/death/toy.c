/* toy.c - see toy.h. */
#include "toy.h"
#include "os/os.h"

#include <errno.h>
#include <string.h>

enum toy_bug toy_bug;

static void lock(struct toy *t, uint32_t me)
{
    uint32_t seen = 0;

    if (toy_bug == TOY_NAMES_ITSELF_LATE) {
        while (!atomic_compare_exchange_strong(&t->lock, &seen, 99)) {
            os_futex_wait(&t->lock, seen, CREW_FOREVER);
            seen = 0;
        }
        atomic_store(&t->lock, me);
        return;
    }
    if (toy_bug == TOY_CHECKS_THEN_ACTS) {
        while ((seen = atomic_load(&t->lock)) != 0)
            os_futex_wait(&t->lock, seen, CREW_FOREVER);
        atomic_store(&t->lock, me);
        return;
    }
    while (!atomic_compare_exchange_weak(&t->lock, &seen, me)) {
        if (seen != 0)
            os_futex_wait(&t->lock, seen, CREW_FOREVER);
        seen = 0;
    }
}

static void unlock(struct toy *t)
{
    atomic_store(&t->lock, 0);
    os_futex_wake(&t->lock, 1);
}

static void finish(struct toy *t)
{
    atomic_store(&t->tail, atomic_load(&t->next_tail));
    atomic_store(&t->sum, atomic_load(&t->next_sum));
    atomic_store(&t->intent, 0);
}

int toy_put(struct toy *t, uint32_t me, const uint64_t *message)
{
    uint32_t tail;
    uint64_t sum;

    lock(t, me);
    tail = atomic_load(&t->tail);
    if (tail - atomic_load(&t->head) == TOY_SLOTS) {
        unlock(t);
        return -EAGAIN;
    }
    if (toy_bug == TOY_PUBLISHES_FIRST)
        atomic_store(&t->tail, tail + 1);
    memcpy(t->slot[tail % TOY_SLOTS], message, sizeof t->slot[0]);
    sum = atomic_load(&t->sum);
    for (int i = 0; i < TOY_WORDS; i++)
        sum += message[i];
    atomic_store(&t->next_tail, tail + 1);
    atomic_store(&t->next_sum, sum);
    atomic_store(&t->intent, 1);
    finish(t);
    if (atomic_load(&t->waiters) != 0 && toy_bug != TOY_NEVER_WAKES)
        os_futex_wake(&t->tail, 1);
    unlock(t);
    return 0;
}

int toy_get(struct toy *t, uint32_t me, uint64_t *message, int64_t deadline)
{
    for (;;) {
        uint32_t head, tail;

        lock(t, me);
        head = atomic_load(&t->head);
        tail = atomic_load(&t->tail);
        if (head != tail) {
            memcpy(message, t->slot[head % TOY_SLOTS], sizeof t->slot[0]);
            atomic_store(&t->head, head + 1);
            unlock(t);
            return 0;
        }
        atomic_fetch_or(&t->waiters, 1u << me);
        unlock(t);
        if (os_futex_wait(&t->tail, tail, deadline) < 0)
            return -ETIMEDOUT;
    }
}

void toy_repair(struct toy *t, unsigned dead)
{
    uint32_t holder = atomic_load(&t->lock);

    for (uint32_t i = 0; i < 3; i++)
        if (dead & (1u << i))
            atomic_fetch_and(&t->waiters, ~(1u << (i + 1)));
    if (holder != 0 && holder <= 3 && (dead & (1u << (holder - 1)))) {
        if (atomic_load(&t->intent) != 0) {
            if (toy_bug == TOY_REPAIR_ADDS) {
                atomic_fetch_add(&t->tail, atomic_load(&t->next_tail) - atomic_load(&t->tail));
                atomic_fetch_add(&t->sum, 1);
                atomic_store(&t->sum, atomic_load(&t->next_sum));
                atomic_fetch_add(&t->next_sum, 1);
            }
            if (toy_bug == TOY_REPAIR_FORGETS)
                atomic_store(&t->intent, 0);
            finish(t);
        }
        atomic_store(&t->lock, 0);
    }
    if (toy_bug != TOY_REPAIR_WAKES_NONE) {
        os_futex_wake(&t->lock, 99);
        os_futex_wake(&t->tail, 99);
    }
}
