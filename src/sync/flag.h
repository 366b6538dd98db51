/* flag.h - the protocols of event, latch and value, without who asks; their law stands in flag.c. */
#ifndef CREW_SYNC_FLAG_H
#define CREW_SYNC_FLAG_H

#include <life/roster.h>

struct event_shm {
    _Alignas(CACHE_LINE) _Atomic uint32_t word; /* waiters:1 set:1 times:30 */
    uint32_t magic;
};

struct latch_shm {
    _Alignas(CACHE_LINE) _Atomic uint32_t word; /* waiters:1 left:31 */
    uint32_t magic;
};

struct value_shm {
    _Alignas(CACHE_LINE) _Atomic int64_t value;
    _Atomic uint32_t word; /* waiters:1 changes:31 */
    uint32_t magic;
};

static inline bool event_is_set(const struct event_shm *event)
{
    return (load_acquire(&event->word) & UINT32_C(1) << 30) != 0;
}

static inline uint32_t latch_left(const struct latch_shm *latch)
{
    return load_acquire(&latch->word) & INT32_MAX;
}

void event_set(struct event_shm *event);
void event_clear(struct event_shm *event);
int event_wait(struct event_shm *event, uint32_t me, crew_time deadline);

/* As crew_waitable.ready (life/waitable.h). */
bool event_ready(struct event_shm *event, struct os_word *word);

int latch_count_down(struct latch_shm *latch, uint32_t count);
int latch_wait(struct latch_shm *latch, uint32_t me, crew_time deadline);

/* After a change: tells who waits. */
void value_changed(struct value_shm *value);
int value_wait(struct value_shm *value, uint32_t me, int64_t seen, int64_t *now, crew_time deadline);

#endif
