/* queue.c - rings (ring.c), one for each priority; who waits; and leases.
 *
 *   shut         0, then 1 for ever. Who puts claims a slot, then looks; who gets looks, then looks for slots. So
 *                who is told that nothing is left has passed no slot that is still to be published, and none that
 *                another has in hand, whose message may come back: he waits, and who frees a slot then wakes him.
 *   items        changes when a message, or a lease, may be had; space when a slot is free; done when all may be
 *   space        through. waiters:1 changes:31: a sleeper sets the bit, looks again, and sleeps on the word.
 *   done
 *
 *     wake       the change itself; then, if the bit is set: changes + 1, the bit stays; wakes as many as there
 *                is something new for. If nobody was asleep: clears the bit, changes + 1, and wakes all, for one may
 *                have fallen asleep just before.
 *     woken      looks again. Who finds a message that it leaves there wakes another.
 *
 *   lease.word   state:4 attempt:6 times:24 who:30. Every arrow is one compare-and-swap; times + 1 with each
 *                message.
 *
 *           claim [1]               [4]              task_done [6]
 *      FREE ---------> MOVING(c) ---------> HELD(c) ---------------> DONE(d) -- [7] --> FREE
 *                         |                  ^   |                     |
 *                         +- c dies -> FREE  |   | c dies              +-- d dies: finished by the repair
 *                            again [5'] take |   v
 *                                            +- BACK
 *
 *     get          [1]; [2] the slot: held by c (ring.c); [3] copies bytes and size, or the name of the block, so
 *                  that slot and lease both name it; [4]; [5] the slot forgets the block and is dropped
 *     task_done    [6]; [7] the block is disowned and freed
 *
 *   repair       a lock (sync/lock.c): one repairs at a time, so that its plain stores meet nobody's. First all
 *                leases, then all slots.
 *
 * Order  [P] of the ring, then 'items', against 'items', then the ring: all four in the one total order
 *        (seq_cst): the putter sees the bit, or the sleeper the message. The same with [T] [D] and 'space'.
 *        claim, then 'shut', against 'shut', then the slots: the same
 *        [4] release -> acquire of the lease word: what it holds
 *
 * The thread dies ...             others see             the repair
 *   before [P], after the claim   FILLING(dead)          as ring.c
 *   after it, before the wake     a message, asleep      nothing: all are woken on each death, and look
 *   woken, before it has looked   the same               the same
 *   between [1] and [4]           MOVING(dead)           the lease forgets the block, to FREE; the slot is put
 *                                                        back by the ring's repair
 *   between [4] and [5]           HELD(dead)             the slot, if the dead still hold it, forgets the block and
 *                                                        is dropped; the lease to BACK
 *   holding a lease               HELD(dead)             to BACK: it comes first, with attempt + 1
 *   between [6] and [7]           DONE(dead)             the block, if any, is freed; to FREE
 *   the repairer                  its lock, hurt         the next gets the lock and does it all again
 */
#include "queue.h"
#include "copy.h"

#include <errno.h>
#include <string.h>

enum lease { FREE = 0, MOVING, HELD, BACK, DONE, STATES };

#define WAITERS (UINT32_C(1) << 31)
#define ATTEMPT_SHIFT 4
#define TIMES_SHIFT 10
#define WHO_SHIFT 34
#define MOST_ATTEMPTS 63
#define TIMES ((UINT64_C(1) << 24) - 1)
#define SPIN_MOST 1000 /* looks before falling asleep: about what that costs */
#define SPIN_LEAST 16
#define SPIN_PAUSE 16

static uint64_t lease_make(enum lease state, uint64_t attempt, uint64_t times, uint64_t who)
{
    return (uint64_t)state | attempt << ATTEMPT_SHIFT | (times & TIMES) << TIMES_SHIFT | who << WHO_SHIFT;
}

static enum lease lease_state(uint64_t word)
{
    return (enum lease)(word & 15);
}

static uint64_t lease_attempt(uint64_t word)
{
    return word >> ATTEMPT_SHIFT & MOST_ATTEMPTS;
}

static uint64_t lease_times(uint64_t word)
{
    return word >> TIMES_SHIFT & TIMES;
}

static uint32_t lease_who(uint64_t word)
{
    return (uint32_t)(word >> WHO_SHIFT);
}

static struct lease_shm *lease_at(const struct queue_shm *queue, uint32_t index)
{
    return (struct lease_shm *)(void *)(queue->lease + (size_t)index * queue->lease_stride);
}

/* -- set-up -------------------------------------------------------------------------------- */

#define CAPACITY 1024
#define ROOM 56
#define ROOM_MOST 65536
#define LEASES_MOST 65536

static size_t lines(size_t size)
{
    return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static struct crew_queue_options filled(const struct crew_queue_options *options)
{
    struct crew_queue_options o = options ? *options : (struct crew_queue_options){ 0 };

    o.capacity = o.capacity ? o.capacity : CAPACITY;
    o.message_size = o.message_size ? o.message_size : ROOM;
    o.priorities = o.priorities ? o.priorities : 1;
    if (!o.leases)
        o.leases = o.capacity < LEASES_MOST ? o.capacity : LEASES_MOST;
    return o;
}

static size_t lease_stride(const struct crew_queue_options *o)
{
    return lines(sizeof(struct lease_shm) + (o->message_size + 7) / 8 * 8);
}

int queue_measure(const struct crew_queue_options *options, size_t *size)
{
    struct crew_queue_options o = filled(options);
    size_t ring;

    for (unsigned i = 0; i < 4; i++)
        if (o.reserved[i] != 0)
            return -EINVAL;
    if (o.capacity > RING_MOST || o.message_size > ROOM_MOST || o.priorities > CREW_QUEUE_PRIORITIES ||
        o.leases > LEASES_MOST)
        return -EINVAL;
    ring = ring_size((uint32_t)o.capacity, o.message_size);
    if (ring == 0)
        return -EINVAL;
    *size = o.priorities * (sizeof(struct ring_shm) + lines(ring)) +
            (o.lease ? o.leases * lease_stride(&o) : 0);
    return 0;
}

void queue_make(struct queue_shm *queue, uint32_t me, const struct crew_queue_options *options, void *memory)
{
    struct crew_queue_options o = filled(options);
    size_t ring = lines(ring_size((uint32_t)o.capacity, o.message_size));
    char *at = (char *)memory + o.priorities * sizeof(struct ring_shm);

    memset(queue, 0, sizeof *queue);
    lock_init(&queue->repair, NULL, "queue");
    queue->levels = o.priorities;
    queue->ring = memory;
    for (unsigned l = 0; l < o.priorities; l++, at += ring)
        ring_init(&queue->ring[l], (uint32_t)o.capacity, o.message_size, o.lease, at);
    if (o.lease) {
        queue->lease = at;
        queue->leases = (uint32_t)o.leases;
        queue->lease_stride = (uint32_t)lease_stride(&o);
        memset(at, 0, queue->leases * (size_t)queue->lease_stride);
    }
    party_adopt(me, memory, &queue->memory);
    queue->magic = QUEUE_MAGIC;
}

void queue_unmake(struct queue_shm *queue, uint32_t me)
{
    void *memory;

    queue->magic = 0;
    for (unsigned l = 0; l < queue->levels; l++)
        ring_fini(&queue->ring[l], me);
    for (uint32_t i = 0; i < queue->leases; i++) {
        void *block = party_disown(me, &lease_at(queue, i)->block);

        if (block)
            handover_free(me, block);
    }
    memory = party_disown(me, &queue->memory);
    if (memory)
        handover_free(me, memory);
}

/* -- sleeping and waking ------------------------------------------------------------------- */

static void wake(_Atomic uint32_t *word, int count)
{
    uint32_t seen = load_total(word), next;

    do {
        if (!(seen & WAITERS))
            return;
        next = WAITERS | ((seen + 1) & ~WAITERS);
    } while (!swap_if(word, &seen, next));
    /* To clear the bit is a change, too: another may set it again, and the word must not be what it was to one
     * who has looked in between and is about to sleep. */
    if (!party_wake(word, count) && swap_if(word, &next, (next + 1) & ~WAITERS))
        party_wake(word, INT32_MAX);
}

/* The bit is set in what was seen before the last look, so sleep is safe. Else sets it: look again. */
static bool may_sleep(_Atomic uint32_t *word, uint32_t *seen)
{
    return *seen & WAITERS || (swap_if(word, seen, *seen | WAITERS), false);
}

_Atomic uint32_t queue_patience = SPIN_MOST;

static bool has_room(const void *ring)
{
    return ring_has_room(ring);
}

static bool has_message(const void *context)
{
    const struct queue_shm *queue = context;

    for (unsigned l = 0; l < queue->levels; l++)
        if (ring_has_message(&queue->ring[l]))
            return true;
    return false;
}

/* Looks a little longer, and more and more rarely: each look takes the line from who is about to write it, and who
 * comes a little later finds more than one message. A process that is out of luck looks less the next time. */
static bool spin(bool (*there)(const void *), const void *context)
{
    uint32_t steps = load_relaxed(&queue_patience), pause = 1;

    for (uint32_t i = 0; i < steps; i += pause) {
        pause = pause < SPIN_PAUSE ? pause * 2 : pause;
        for (uint32_t n = 0; n < pause; n++)
            os_relax();
        if (there(context)) {
            store_relaxed(&queue_patience, steps * 2 < SPIN_MOST ? steps * 2 : SPIN_MOST);
            return true;
        }
    }
    if (steps > SPIN_LEAST)
        store_relaxed(&queue_patience, steps / 2);
    return false;
}

/* -- repair -------------------------------------------------------------------------------- */

static void repair_lease(struct queue_shm *queue, uint32_t me, struct lease_shm *lease)
{
    uint64_t word = load_acquire(&lease->word);
    struct ring_place place = { load_relaxed(&lease->position), (uint32_t)load_relaxed(&lease->position) };
    uint32_t level = load_relaxed(&lease->level), who = lease_who(word);
    void *block;

    if (lease_state(word) == FREE || lease_state(word) == BACK || !party_is_dead(who))
        return;
    switch (lease_state(word)) {
    case MOVING:
        store_relaxed(&lease->block, 0);
        store_release(&lease->word, lease_make(FREE, 0, lease_times(word) + 1, 0));
        break;
    case HELD:
        if (level < queue->levels && ring_is_held(&queue->ring[level], who, &place)) {
            store_relaxed(&ring_block_of(&queue->ring[level], &place)->block, 0);
            ring_drop(&queue->ring[level], who, &place);
        }
        atomic_fetch_add(&queue->returned, 1);
        store_release(&lease->word, lease_make(BACK, lease_attempt(word), lease_times(word), 0));
        break;
    default:
        block = party_disown(me, &lease->block);
        if (block)
            handover_free(me, block);
        store_release(&lease->word, lease_make(FREE, 0, lease_times(word) + 1, 0));
        break;
    }
}

static bool is_checked(const struct queue_shm *queue)
{
    for (unsigned l = 0; l < queue->levels; l++)
        if (!ring_is_checked(&queue->ring[l]))
            return false;
    return true;
}

static int repair(struct queue_shm *queue, uint32_t me)
{
    int r = lock_acquire(&queue->repair, me, CREW_FOREVER);

    if (r == CREW_EOWNERDEAD)
        r = lock_consistent(&queue->repair, me);
    if (r < 0)
        return r;
    if (!is_checked(queue)) {
        for (uint32_t i = 0; i < queue->leases; i++)
            repair_lease(queue, me, lease_at(queue, i));
        if (queue->leases > 0)
            store_total(&queue->back, 1);
        for (unsigned l = 0; l < queue->levels; l++)
            ring_repair(&queue->ring[l], me);
    }
    return lock_release(&queue->repair, me);
}

static inline int check(struct queue_shm *queue, uint32_t me)
{
    return __builtin_expect(ring_is_checked(&queue->ring[0]) && (queue->levels == 1 || is_checked(queue)), 1)
               ? 0
               : repair(queue, me);
}

/* -- putting ------------------------------------------------------------------------------- */

/* The message is long: a copy of it, in a block of the calling process's. */
static int prepare(struct ring_shm *ring, uint32_t me, const struct queue_message *message, void **block)
{
    int r;

    *block = message->block;
    if (message->block || message->size <= ring->room)
        return 0;
    r = ring_block(ring, me, message->size, block);
    if (r == 0)
        copy_to_others(*block, message->data, message->size);
    return r;
}

static int put_block(struct queue_shm *queue, struct ring_shm *ring, uint32_t me,
                     const struct queue_message *message, void *block)
{
    struct ring_place place;
    int r = ring_claim(ring, me, &place);

    if (r < 0)
        return r;
    if (load_total(&queue->shut)) {
        ring_abandon(ring, me, &place);
        return CREW_ECLOSED;
    }
    ring_publish_block(ring, me, &place, block, message->size);
    return 0;
}

static int put_once(struct queue_shm *queue, struct ring_shm *ring, uint32_t me,
                    const struct queue_message *message, void *block)
{
    int r = load_total(&queue->shut) ? CREW_ECLOSED
            : block                  ? put_block(queue, ring, me, message, block)
                                     : ring_put(ring, me, message->data, message->size, &queue->shut);

    if (__builtin_expect(r == CREW_ECLOSED, 0))
        wake(&queue->items, INT32_MAX); /* who waited for a slot that was claimed in vain */
    return r;
}

static int put_slowly(struct queue_shm *queue, uint32_t me, const struct queue_message *message, crew_time deadline)
{
    struct ring_shm *ring = &queue->ring[message->level];
    bool spun = deadline == CREW_NOW;
    void *block;
    int slept = 0;
    int r = prepare(ring, me, message, &block);

    if (r < 0)
        return r;
    for (;;) {
        uint32_t deaths = party_deaths(), seen = load_total(&queue->space);

        r = check(queue, me);
        if (r == 0)
            r = put_once(queue, ring, me, message, block);
        if (r != -EAGAIN)
            break;
        if (!spun && spin(has_room, ring))
            continue;
        if (deadline == CREW_NOW || slept < 0) {
            r = slept < 0 ? slept : r;
            break;
        }
        spun = true;
        if (may_sleep(&queue->space, &seen))
            slept = party_sleep(me, &queue->space, seen, WAITS_FOR_OTHER, deaths, deadline);
    }
    if (r < 0 && block && !message->block)
        ring_keep(ring, me, block, message->size);
    return r;
}

int queue_put(struct queue_shm *queue, uint32_t me, const struct queue_message *message, crew_time deadline)
{
    struct ring_shm *ring = &queue->ring[message->level];

    /* as it mostly is */
    if (__builtin_expect(!message->block && message->size <= ring->room && ring_is_checked(ring) &&
                             !load_total(&queue->shut) &&
                             ring_put(ring, me, message->data, message->size, &queue->shut) == 0,
                         1))
        return 0;
    return put_slowly(queue, me, message, deadline);
}

void queue_tell(struct queue_shm *queue, unsigned messages)
{
    wake(&queue->items, (int)messages);
}

/* -- getting ------------------------------------------------------------------------------- */

/* A slot has become free. Once all is shut, others may have waited to see whether its message comes back. */
static void taken(struct queue_shm *queue)
{
    wake(&queue->space, queue->levels == 1 ? 1 : INT32_MAX); /* the one may want another's slot */
    wake(&queue->done, INT32_MAX);
    if (load_total(&queue->shut))
        wake(&queue->items, INT32_MAX);
}

static int take_once(struct queue_shm *queue, uint32_t me, const struct ring_want *want, size_t *size)
{
    int none = -EAGAIN;

    for (unsigned l = queue->levels; l-- > 0;) {
        int r = ring_take(&queue->ring[l], me, want, size);

        if (r == 0 && !want->peek)
            taken(queue);
        if (r != -EAGAIN && r != -EBUSY)
            return r;
        if (r == -EBUSY)
            none = r;
    }
    return none;
}

static uint64_t ticket_of(uint32_t index, uint64_t word)
{
    return lease_times(word) << 32 | (index + 1);
}

/* Copies what a lease holds. */
static int copy_lease(struct lease_shm *lease, const struct ring_want *want, size_t *size)
{
    size_t bytes = load_relaxed(&lease->size);
    const void *block = handover_block(load_relaxed(&lease->block));

    *size = bytes;
    if (bytes > want->capacity)
        return -EMSGSIZE;
    if (block)
        memcpy(want->buf, block, bytes);
    else
        ring_copy_out(want->buf, lease->body, bytes);
    return 0;
}

/* One that has come back. */
static int take_back(struct queue_shm *queue, uint32_t me, const struct ring_want *want, size_t *size,
                     struct crew_lease *out)
{
    if (!load_total(&queue->back))
        return -EAGAIN;
    store_total(&queue->back, 0);
    for (uint32_t i = 0; i < queue->leases; i++) {
        struct lease_shm *lease = lease_at(queue, i);
        uint64_t word = load_acquire(&lease->word), attempt = lease_attempt(word), held;
        int r;

        if (lease_state(word) != BACK)
            continue;
        store_total(&queue->back, 1); /* there may be more */
        held = lease_make(HELD, attempt < MOST_ATTEMPTS ? attempt + 1 : attempt, lease_times(word), me);
        if (!swap_if(&lease->word, &word, held))
            continue;
        r = copy_lease(lease, want, size);
        if (r < 0) {
            store_total(&lease->word, lease_make(BACK, attempt, lease_times(word), 0));
            store_total(&queue->back, 1);
            return r;
        }
        *out = (struct crew_lease){ ticket_of(i, held), (unsigned)lease_attempt(held) };
        return 0;
    }
    return -EAGAIN;
}

static struct lease_shm *claim_lease(struct queue_shm *queue, uint32_t me, uint32_t *index, uint64_t *moving)
{
    uint32_t first = load_relaxed(&queue->rotor);

    for (uint32_t n = 0; n < queue->leases; n++) {
        uint32_t i = (first + n) % queue->leases;
        struct lease_shm *lease = lease_at(queue, i);
        uint64_t word = load_acquire(&lease->word);

        *moving = lease_make(MOVING, 0, lease_times(word), me);
        if (lease_state(word) != FREE || !swap_if(&lease->word, &word, *moving)) /* [1] */
            continue;
        store_relaxed(&queue->rotor, (i + 1) % queue->leases);
        *index = i;
        return lease;
    }
    return NULL;
}

static void give_up_lease(struct lease_shm *lease, uint64_t moving)
{
    store_relaxed(&lease->block, 0);
    store_release(&lease->word, lease_make(FREE, 0, lease_times(moving) + 1, 0));
}

static int lend_once(struct queue_shm *queue, uint32_t me, const struct ring_want *want, size_t *size,
                     struct crew_lease *out)
{
    struct ring_place place;
    struct lease_shm *lease;
    struct ring_shm *ring = NULL;
    uint32_t index, level = queue->levels;
    uint64_t moving, held;
    int none = -EAGAIN;
    int r = take_back(queue, me, want, size, out);

    if (r != -EAGAIN)
        return r;
    lease = claim_lease(queue, me, &index, &moving);
    if (!lease)
        return -EBUSY; /* there may be messages, which are for later */
    while (level-- > 0) {
        ring = &queue->ring[level];
        r = ring_hold(ring, me, want->capacity, &place, size); /* [2] */
        if (r != -EAGAIN && r != -EBUSY)
            break;
        none = r == -EBUSY ? r : none;
    }
    if (r < 0) {
        give_up_lease(lease, moving);
        return r == -EMSGSIZE ? r : none;
    }
    store_relaxed(&lease->position, place.position); /* [3] */
    store_relaxed(&lease->level, level);
    store_relaxed(&lease->size, *size);
    store_relaxed(&lease->block, load_relaxed(&ring_block_of(ring, &place)->block));
    if (load_relaxed(&lease->block) == 0)
        for (size_t i = 0; i < (*size + 7) / 8; i++)
            store_relaxed(&lease->body[i], load_relaxed(&ring_bytes(ring, &place)[i]));
    held = lease_make(HELD, 1, lease_times(moving), me);
    store_total(&lease->word, held);                        /* [4] */
    store_relaxed(&ring_block_of(ring, &place)->block, 0); /* [5] */
    ring_drop(ring, me, &place);
    taken(queue);
    *out = (struct crew_lease){ ticket_of(index, held), 1 };
    return copy_lease(lease, want, size);
}

static int get_slowly(struct queue_shm *queue, uint32_t me, const struct ring_want *want, size_t *size,
                      struct crew_lease *lease, crew_time deadline)
{
    bool spun = deadline == CREW_NOW, woken = false;
    int slept = 0;

    for (;;) {
        uint32_t deaths = party_deaths(), seen = load_total(&queue->items);
        bool shut = load_total(&queue->shut) != 0;
        int r = check(queue, me);

        if (r == 0)
            r = queue->leases > 0 && !want->peek ? lend_once(queue, me, want, size, lease)
                                                 : take_once(queue, me, want, size);
        if (r != -EAGAIN && r != -EBUSY) {
            if (woken && (r < 0 || want->peek)) /* it is there still, and the one wake-up was ours */
                wake(&queue->items, 1);
            return r;
        }
        if (r == -EAGAIN && shut)
            return CREW_ECLOSED;
        if (!spun && spin(has_message, queue))
            continue;
        if (deadline == CREW_NOW)
            return -EAGAIN;
        if (slept < 0)
            return slept;
        spun = true;
        if (may_sleep(&queue->items, &seen)) {
            slept = party_sleep(me, &queue->items, seen, WAITS_FOR_OTHER, deaths, deadline);
            woken = slept == 0;
        }
    }
}

int queue_get(struct queue_shm *queue, uint32_t me, const struct ring_want *want, size_t *size,
              struct crew_lease *lease, crew_time deadline)
{
    /* as it mostly is */
    if (__builtin_expect(queue->levels == 1 && queue->leases == 0 && ring_is_checked(queue->ring) &&
                             ring_take(queue->ring, me, want, size) == 0,
                         1)) {
        if (!want->peek)
            taken(queue);
        return 0;
    }
    return get_slowly(queue, me, want, size, lease, deadline);
}

int queue_task_done(struct queue_shm *queue, uint32_t me, uint64_t ticket)
{
    uint32_t index = (uint32_t)ticket - 1;
    struct lease_shm *lease;
    uint64_t word;
    void *block;

    if (index >= queue->leases)
        return -ESRCH;
    lease = lease_at(queue, index);
    word = load_acquire(&lease->word);
    do {
        if (lease_state(word) != HELD || lease_times(word) != ticket >> 32)
            return -ESRCH;
    } while (!swap_if(&lease->word, &word, lease_make(DONE, 0, lease_times(word), me))); /* [6] */
    block = party_disown(me, &lease->block); /* [7] */
    if (block)
        ring_keep(&queue->ring[0], me, block, load_relaxed(&lease->size));
    store_total(&lease->word, lease_make(FREE, 0, lease_times(word) + 1, 0));
    wake(&queue->items, 1); /* there is a lease for who has found none */
    wake(&queue->done, INT32_MAX);
    return 0;
}

/* -- all of it ----------------------------------------------------------------------------- */

static bool is_through(const struct queue_shm *queue)
{
    for (unsigned l = 0; l < queue->levels; l++)
        if (ring_count(&queue->ring[l]) > 0)
            return false;
    for (uint32_t i = 0; i < queue->leases; i++) {
        enum lease state = lease_state(load_total(&lease_at(queue, i)->word));

        if (state == HELD || state == BACK || state == MOVING)
            return false;
    }
    for (unsigned l = 0; l < queue->levels; l++) /* what was on its way back from a lease is there again */
        if (ring_count(&queue->ring[l]) > 0)
            return false;
    return true;
}

int queue_join(struct queue_shm *queue, uint32_t me, crew_time deadline)
{
    for (int slept = 0;;) {
        uint32_t deaths = party_deaths(), seen = load_total(&queue->done);
        int r = check(queue, me);

        if (r < 0)
            return r;
        if (is_through(queue))
            return 0;
        if (deadline == CREW_NOW)
            return -EAGAIN;
        if (slept < 0)
            return slept;
        if (may_sleep(&queue->done, &seen))
            slept = party_sleep(me, &queue->done, seen, WAITS_FOR_OTHER, deaths, deadline);
    }
}

void queue_shut(struct queue_shm *queue)
{
    store_total(&queue->shut, 1);
    wake(&queue->items, INT32_MAX);
    wake(&queue->space, INT32_MAX);
}

void queue_count(struct queue_shm *queue, struct crew_queue_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    for (unsigned l = 0; l < queue->levels; l++) {
        stats->messages += ring_count(&queue->ring[l]);
        stats->capacity += queue->ring[l].slots;
    }
    for (uint32_t i = 0; i < queue->leases; i++) {
        enum lease state = lease_state(load_total(&lease_at(queue, i)->word));

        stats->messages += state == BACK;
        stats->leased += state == HELD;
    }
    stats->returned = load_relaxed(&queue->returned);
    stats->closed = load_relaxed(&queue->shut) != 0;
}

static bool something_is_there(const struct queue_shm *queue)
{
    if (has_message(queue))
        return true;
    for (uint32_t i = 0; i < queue->leases; i++)
        if (lease_state(load_total(&lease_at(queue, i)->word)) == BACK)
            return true;
    return load_total(&queue->shut) != 0;
}

bool queue_ready(struct queue_shm *queue, uint32_t me, struct os_word *word)
{
    for (;;) {
        uint32_t seen = load_total(&queue->items);

        if (check(queue, me) < 0 || something_is_there(queue))
            return true;
        if (may_sleep(&queue->items, &seen)) {
            *word = (struct os_word){ &queue->items, seen };
            return false;
        }
    }
}

const char *queue_check(const struct queue_shm *queue)
{
    const char *wrong = lock_check(&queue->repair);

    if (queue->magic != QUEUE_MAGIC)
        return "this is no queue";
    for (unsigned l = 0; l < queue->levels && !wrong; l++)
        wrong = ring_check(&queue->ring[l]);
    for (uint32_t i = 0; i < queue->leases && !wrong; i++) {
        const struct lease_shm *lease = lease_at(queue, i);
        uint64_t word = load_acquire(&lease->word);

        if (lease_state(word) >= STATES)
            wrong = "state of a lease";
        else if (lease_state(word) == FREE && load_acquire(&lease->block) != 0)
            wrong = "a block without a lease";
        else if ((lease_state(word) == FREE || lease_state(word) == BACK) && lease_who(word) != 0)
            wrong = "a lease of nobody's has an owner";
    }
    return wrong;
}
