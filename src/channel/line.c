/* line.c - messages through a ring (ring.c), and the end at its other side (end.c).
 *
 *     send       looks whether the other end is over; claims a slot, writes note and message,
 *                publishes. No slot: looks at all that tells of the end, and sleeps on 'space'
 *     receive    looks whether the other end is over; holds the oldest message, copies it, drops
 *                it. None: it was over before, that was all; else looks at all that tells of the
 *                end, and sleeps on 'items'
 *
 * The look at the end comes first: what its users sent they had published before they closed or
 * died. So an end that was over, and an empty ring after that, mean that nothing comes any more.
 *
 *   items   changes when a message may be there, or its end; space when a slot is free, or there
 *           will be
 *   space   none. A sleeper sets the bit, looks again, and sleeps on what it has seen. Who makes a
 *           change sets the bit off, counts, and wakes all.
 *   note    of a slot: written by who fills it; read by who holds it.
 *   repair  a lock: one repairs the ring at a time.
 *
 * Order  [P] [D] of the ring, 'over' of the end, then items or space, against items or space, then
 *        ring and end: all in the one total order (seq_cst). So the sleeper sees the change, or its
 *        bit is seen.
 *
 * The thread dies ...                 others see           what helps
 *   filling a slot                    FILLING(dead)        the repair frees it: nothing was sent
 *   after [P], before the wake-up     a message, asleep    all are woken on each death, and look
 *                                     again
 *   holding a message                 LENT, TAKEN(dead)    the repair puts it back: it is the next
 *                                     again
 *   after [D], before the wake-up     a free slot, asleep  as above
 *   closing: over, not stirred yet    over, asleep         the same
 *   repairing                         a lock of the dead   the next gets it, and repairs all */
#include "line.h"
#include "copy.h"

#include <errno.h>
#include <string.h>

#define WAITERS (UINT32_C(1) << 31)
#define LOOKS_LEAST 16

/* -- set-up -------------------------------------------------------------------------------- */

static size_t notes_size(uint32_t slots)
{
    return (slots * sizeof(uint64_t) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

size_t line_size(uint32_t slots, size_t room)
{
    size_t ring = (ring_size(slots, room) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;

    return sizeof(struct line_shm) + notes_size(slots) + ring;
}

void line_init(struct line_shm *line, uint32_t slots, size_t room)
{
    memset(line, 0, sizeof *line + notes_size(slots));
    lock_init(&line->repair, NULL, "pipe");
    lock_init(&line->gives, NULL, "pipe");
    lock_init(&line->takes, NULL, "pipe");
    ring_init(&line->ring, slots, room, true, (char *)line + sizeof *line + notes_size(slots));
}

void line_fini(struct line_shm *line, uint32_t me)
{
    ring_fini(&line->ring, me);
}

/* -- sleeping and waking ------------------------------------------------------------------- */

static void changed(_Atomic uint32_t *word)
{
    uint32_t seen = load_total(word);

    while (seen & WAITERS) {
        if (!swap_if(word, &seen, (seen + 1) & ~WAITERS))
            continue;
        party_wake(word, INT32_MAX);
        return;
    }
}

void line_stir(struct line_shm *line)
{
    changed(&line->items);
    changed(&line->space);
}

/* True if the bit was set in what was seen before the last look: sleep is safe. Else sets it: look
 * again. */
static bool may_sleep(_Atomic uint32_t *word, uint32_t seen)
{
    if (seen & WAITERS)
        return true;
    swap_if(word, &seen, seen | WAITERS);
    return false;
}

/* Who is out of luck looks less the next time; who never looks, never does. */
static void lucky(const struct line *line, uint32_t looks, bool found)
{
    uint32_t next = found ? looks * 2 : looks / 2;

    next = next > LINE_LOOKS ? LINE_LOOKS : next < LOOKS_LEAST ? LOOKS_LEAST : next;
    if (next != looks && looks != 0)
        store_relaxed(line->looks, next);
}

static bool spin(const struct line *line, bool (*there)(const struct ring_shm *))
{
    uint32_t most = load_relaxed(line->looks);
    bool found = false;

    for (uint32_t i = 0; i < most && !found; i++) {
        os_relax();
        found = there(&line->shm->ring);
    }
    lucky(line, most, found);
    return found;
}

/* -- the other end ------------------------------------------------------------------------- */

static int told(int over)
{
    return over == END_OPEN ? 0 : over == END_CLOSED ? CREW_ECLOSED : CREW_EPEERDIED;
}

int line_over(const struct line *line, uint32_t deaths)
{
    int over = end_seen(line->other);

    if (__builtin_expect(over == END_OPEN && load_relaxed(line->deaths) != deaths, 0)) {
        over = end_look(line->other);
        store_relaxed(line->deaths, deaths);
    }
    return told(over);
}

/* The same, of all that tells. */
static int look_closely(const struct line *line)
{
    if (line->is_abandoned && end_is_unused(line->other) && line->is_abandoned(line->context))
        end_abandon(line->other);
    return told(end_look(line->other));
}

/* -- repair -------------------------------------------------------------------------------- */

static int repair(struct line_shm *line, uint32_t me)
{
    int r = lock_acquire(&line->repair, me, CREW_FOREVER);

    if (r == CREW_EOWNERDEAD)
        r = lock_consistent(&line->repair, me);
    if (r < 0)
        return r;
    if (!ring_is_checked(&line->ring))
        ring_repair(&line->ring, me);
    return lock_release(&line->repair, me);
}

static inline int check(struct line_shm *line, uint32_t me)
{
    return __builtin_expect(ring_is_checked(&line->ring), 1) ? 0 : repair(line, me);
}

/* -- sending ------------------------------------------------------------------------------- */

/* The slot is ours. */
static int fill(struct line_shm *line, uint32_t me, const struct ring_place *place,
                const void *bytes, size_t size, void *block, int (*give)(void *, uint64_t *),
                void *context)
{
    _Atomic uint64_t *note = &line->note[place->index];
    uint64_t now = 0;

    if (__builtin_expect(give != NULL, 0)) {
        int r = give(context, &now);

        if (r < 0) {
            ring_abandon(&line->ring, me, place);
            line_stir(line); /* who waited for this slot, in either way */
            return r;
        }
    }
    if (load_relaxed(note) != now)
        store_relaxed(note, now);
    if (block)
        ring_publish_block(&line->ring, me, place, block, size);
    else
        ring_publish(&line->ring, place, bytes, size);
    changed(&line->items);
    return 0;
}

static int send_once(const struct line *line, uint32_t me, const void *bytes, size_t size,
                     void *block, int (*give)(void *, uint64_t *), void *context, uint32_t deaths)
{
    struct ring_place place = { 0 };
    int r = check(line->shm, me);

    if (r == 0)
        r = line_over(line, deaths);
    if (r == 0)
        r = ring_claim(&line->shm->ring, me, &place);
    return r < 0 ? r : fill(line->shm, me, &place, bytes, size, block, give, context);
}

int line_send(const struct line *line, uint32_t me, const void *bytes, size_t size,
              int (*give)(void *context, uint64_t *note), void *context, crew_time deadline)
{
    _Atomic uint32_t *space = &line->shm->space;
    bool spun = deadline == CREW_NOW;
    void *block = NULL;
    int late = 0, r = 0;

    if (size > line->shm->ring.room) {
        r = ring_block(&line->shm->ring, me, size, &block);
        if (r < 0)
            return r;
        copy_to_others(block, bytes, size);
    }
    for (;;) {
        uint32_t deaths = party_deaths(), seen = load_total(space);

        r = send_once(line, me, bytes, size, block, give, context, deaths);
        if (r != -EAGAIN)
            break;
        if (!spun) {
            spun = true;
            if (spin(line, ring_has_room))
                continue;
        }
        r = look_closely(line);
        if (r < 0)
            break;
        r = deadline == CREW_NOW ? -EAGAIN : late;
        if (r < 0)
            break;
        if (may_sleep(space, seen))
            late = party_sleep(me, space, seen, WAITS_FOR_OTHER, deaths, deadline);
    }
    if (r < 0 && block)
        ring_keep(&line->shm->ring, me, block, size);
    return r;
}

/* -- receiving ----------------------------------------------------------------------------- */

/* 0: it is held. */
static int spin_for_message(const struct line *line, uint32_t me, struct line_message *m)
{
    struct ring_shm *ring = &line->shm->ring;
    uint32_t most = load_relaxed(line->looks);

    for (uint32_t i = 0; i < most && ring_is_checked(ring); i++) {
        os_relax();
        if (ring_hold(ring, me, SIZE_MAX, &m->place, &m->size) == 0) {
            lucky(line, most, true);
            return 0;
        }
    }
    lucky(line, most, false);
    return -EAGAIN;
}

int line_hold(const struct line *line, uint32_t me, struct line_message *m, crew_time deadline)
{
    struct line_shm *shm = line->shm;
    bool spun = deadline == CREW_NOW;
    int late = 0;

    for (;;) {
        uint32_t deaths = party_deaths(), seen = load_total(&shm->items);
        int over = line_over(line, deaths);
        int r = check(shm, me);

        if (r < 0)
            return r;
        r = ring_hold(&shm->ring, me, SIZE_MAX, &m->place, &m->size);
        if (r < 0 && over == 0 && !spun) {
            spun = true;
            r = spin_for_message(line, me, m);
        }
        if (r == 0) {
            m->note = load_relaxed(&shm->note[m->place.index]);
            return 0;
        }
        if (over != 0 && ring_count(&shm->ring) == 0)
            return over; /* else another holds one, which may come back */
        if (over == 0 && look_closely(line) != 0)
            continue; /* and look for messages once more */
        if (deadline == CREW_NOW)
            return -EAGAIN;
        if (late < 0)
            return late;
        if (may_sleep(&shm->items, seen))
            late = party_sleep(me, &shm->items, seen, WAITS_FOR_OTHER, deaths, deadline);
    }
}

int line_await(const struct line *line, uint32_t me, crew_time deadline)
{
    bool spun = deadline == CREW_NOW;
    int late = 0;

    for (;;) {
        uint32_t deaths = party_deaths();
        struct os_word word;

        if (line_is_ready(line, me, &word))
            return 0;
        if (!spun) {
            spun = true;
            if (spin(line, ring_has_message))
                continue;
        }
        if (deadline == CREW_NOW)
            return -EAGAIN;
        if (late < 0)
            return late;
        late = party_sleep(me, word.word, word.expected, WAITS_FOR_OTHER, deaths, deadline);
    }
}

void line_put_back(struct line_shm *line, const struct line_message *m)
{
    ring_put_back(&line->ring, &m->place);
    changed(&line->items);
}

static void *block_of(struct line_shm *line, const struct line_message *m)
{
    return handover_block(load_relaxed(&ring_block_of(&line->ring, &m->place)->block));
}

static void drop(struct line_shm *line, uint32_t me, const struct line_message *m)
{
    ring_drop(&line->ring, me, &m->place);
    changed(&line->space);
    changed(&line->items); /* who waits for the end of what others hold */
}

int line_fetch(struct line_shm *line, uint32_t me, const struct line_message *m, void *buf)
{
    void *block = block_of(line, m);

    if (!block) {
        ring_copy_out(buf, ring_bytes(&line->ring, &m->place), m->size);
        drop(line, me, m);
        return 0;
    }
    memcpy(buf, block, m->size);
    block = party_disown(me, &ring_block_of(&line->ring, &m->place)->block);
    drop(line, me, m);
    ring_keep(&line->ring, me, block, m->size);
    return 0;
}

int line_fetch_block(struct line_shm *line, uint32_t me, const struct line_message *m, void **block)
{
    if (block_of(line, m)) {
        *block = party_disown(me, &ring_block_of(&line->ring, &m->place)->block);
    } else {
        int r = handover_alloc(me, m->size > 0 ? m->size : 1, block);

        if (r < 0)
            return r;
        ring_copy_out(*block, ring_bytes(&line->ring, &m->place), m->size);
    }
    drop(line, me, m);
    return 0;
}

/* -- asking -------------------------------------------------------------------------------- */

bool line_is_ready(const struct line *line, uint32_t me, struct os_word *word)
{
    struct line_shm *shm = line->shm;

    for (;;) {
        uint32_t seen = load_total(&shm->items);

        if (check(shm, me) < 0 || line_over(line, party_deaths()) != 0 ||
            ring_has_message(&shm->ring) || look_closely(line) != 0)
            return true;
        if (!may_sleep(&shm->items, seen))
            continue;
        *word = (struct os_word){ &shm->items, seen };
        return false;
    }
}

const char *line_check(const struct line_shm *line)
{
    const char *wrong = ring_check(&line->ring);

    if (!wrong)
        wrong = lock_check(&line->repair);
    if (!wrong)
        wrong = lock_check(&line->gives);
    return wrong ? wrong : lock_check(&line->takes);
}
