/* ring.c - a ring of slots, each with one word that says what it is and whose.
 *
 *     state:4  lap:30  who:30        who is a party, or, of a FULL slot, the size of the message
 *
 *            claim [C]                 publish [P]               take [T]
 *   FREE(n) ----------> FILLING(n, p) ------------> FULL(n, size) ----------------------> FREE(n + 1)
 *                            |      \                 |     ^                                   ^
 *                            |       \        hold [H]|     | c dies                            |
 *                            |        \               +-> LENT(n, c) ---------- drop [D] -------+
 *                            |         +--> BLOCK(n) -- hold [H] --> TAKEN(n, c) --- drop [D] --+
 *                            |                 ^                        |                       |
 *                            |                 +------ c dies ----------+                       |
 *                            +---------------- abandon [A], or p dies --------------------------+
 *
 * Every arrow is one compare-and-swap, or one store by who is named there. The slots are used in turn, lap after
 * lap; a position is lap and slot. A slot is claimed in the order of positions, so messages are taken in
 * the order in which they were claimed, but that nobody waits for a writer that is slow: who looks
 * for the oldest passes over FILLING and TAKEN slots. When it has found a message behind such slots it looks at
 * them once more: what is still being filled now was not there when the one it found was.
 *
 *   tail, head   where to look first: for a FREE slot; for a message. Hints: whoever finds them behind goes on
 *                from there. All before 'head' has been FREE(n + 1) at some time.
 *   body         of a FULL message: written by p in FILLING; read by anybody in FULL, who believes it only if
 *                the word is the same afterwards [T]: so a reader that dies leaves the message there.
 *   blocks       of a BLOCK message: the slot's own block word and the size. Written by p in FILLING,
 *                by c in TAKEN. Who only looks at one reads its block while others may take it and use its memory
 *                again, and believes that, too, only if the word is the same afterwards. Where messages are lent
 *                (queue.c) the size of a FULL one stands here, too. Blocks change hands as handover.h says.
 *   spare        blocks for the next messages, each with a word that names who is at it: claimed and given
 *                back by that party alone, or by the repair when it is dead.
 *   checked      the deaths up to which the repair has looked at all slots. Who operates on the ring compares it
 *                with the count of deaths first, and repairs.
 *
 * Order  [P] release -> [T] [H] acquire   the message
 *        [T] [D] release -> [C] acquire   it was read before it is overwritten
 *        [P], then a look for sleepers, against their word, then a look for messages: in the one total order
 *        (queue.c); so [P] [T] [D] [A] are seq_cst
 *
 * The thread dies ...               others see          the repair
 *   before [C]                      FREE                nothing
 *   filling                         FILLING(dead)       to FREE(n + 1): the bytes are ignored; a block that is
 *                                                       there already becomes a spare, or is freed
 *   after [P], before 'tail'        FULL, BLOCK         nothing: the message is there
 *   reading a FULL message          FULL                nothing
 *   that was lent a FULL message    LENT(dead)          to FULL(n, size), marked
 *   after [T], before 'head'        FREE(n + 1)         nothing
 *   reading a BLOCK message         TAKEN(dead)         to BLOCK(n), marked: it is there again; if its block has
 *                                                       left the slot, to FREE(n + 1): it was taken
 *   (marked: who finds it in the way of the next lap, with room behind it, moves it to that lap [M], or the
 *   message of one that died would keep all others out)
 *   at a spare                      holder is dead      holder = 0; its block, if any, is a spare of unknown size
 *   the repairer                    as before           the next does it all again
 */
#include "ring.h"

#include <errno.h>
#include <string.h>

enum state { FREE = 0, FILLING, FULL, BLOCK, TAKEN, LENT, STATES };

#define FIELD ((UINT64_C(1) << 30) - 1)
#define LAP_SHIFT 4
#define FROM_THE_DEAD (UINT64_C(1) << 29) /* in who, of a message that the repair has put back */
#define WHO_SHIFT 34
#define AHEAD 256 /* bytes that are fetched before they are needed */

static uint64_t word_make(enum state state, uint64_t lap, uint64_t who)
{
    return (uint64_t)state | (lap & FIELD) << LAP_SHIFT | who << WHO_SHIFT;
}

static enum state word_state(uint64_t word)
{
    return (enum state)(word & 15);
}

static uint64_t word_who(uint64_t word)
{
    return word >> WHO_SHIFT;
}

/* Of a FULL slot. */
static size_t word_size(uint64_t word)
{
    return (size_t)(word_who(word) & ~FROM_THE_DEAD);
}

/* How many laps the word is behind 'lap'; negative: before it. */
static int32_t laps_behind(uint64_t word, uint64_t lap)
{
    return (int32_t)(((uint32_t)lap - (uint32_t)(word >> LAP_SHIFT & FIELD)) << 2) >> 2;
}

/* A position: lap:32 slot:32. */
static uint64_t position_next(const struct ring_shm *ring, uint64_t position)
{
    return (uint32_t)position + 1 >= ring->slots ? ((position >> 32) + 1) << 32 : position + 1;
}

static struct ring_slot *slot_at(const struct ring_shm *ring, uint32_t index)
{
    return (struct ring_slot *)(void *)(ring->slot + (size_t)index * ring->stride);
}

/* A hint is input: another may have written anything. */
static uint64_t hint(const struct ring_shm *ring, const _Atomic uint64_t *at)
{
    uint64_t position = load_relaxed(at);

    return (uint32_t)position < ring->slots ? position : position >> 32 << 32;
}

static void fetch_ahead(const struct ring_shm *ring, const struct ring_slot *slot)
{
    const char *at = (const char *)slot + AHEAD;

    if ((uintptr_t)slot % CACHE_LINE < ring->stride && /* the first of its line */
        at < ring->slot + (size_t)ring->slots * ring->stride)
        os_fetch_to_write(at);
}

/* -- bytes --------------------------------------------------------------------------------- */

void ring_copy_in(_Atomic uint64_t *to, const void *from, size_t size)
{
    const char *at = from;

    for (; size >= 8; size -= 8, at += 8) {
        uint64_t eight;

        memcpy(&eight, at, 8);
        store_relaxed(to++, eight);
    }
    if (size > 0) {
        uint64_t rest = 0;

        memcpy(&rest, at, size);
        store_relaxed(to, rest);
    }
}

void ring_copy_out(void *to, const _Atomic uint64_t *from, size_t size)
{
    char *at = to;

    for (; size >= 8; size -= 8, at += 8) {
        uint64_t eight = load_relaxed(from++);

        memcpy(at, &eight, 8);
    }
    if (size > 0) {
        uint64_t rest = load_relaxed(from);

        memcpy(at, &rest, size);
    }
}

/* -- set-up -------------------------------------------------------------------------------- */

static size_t stride_of(size_t room)
{
    return sizeof(struct ring_slot) + (room + 7) / 8 * 8;
}

static size_t slots_size(uint32_t slots, size_t room)
{
    return (slots * stride_of(room) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

size_t ring_size(uint32_t slots, size_t room)
{
    if (slots == 0 || slots > RING_MOST || room > RING_ROOM_MOST ||
        stride_of(room) > (SIZE_MAX / 4) / slots)
        return 0;
    return slots_size(slots, room) + slots * sizeof(struct ring_block);
}

void ring_init(struct ring_shm *ring, uint32_t slots, size_t room, bool lends, void *memory)
{
    memset(ring, 0, sizeof *ring);
    ring->slots = slots;
    ring->stride = (uint32_t)stride_of(room);
    ring->room = (uint32_t)((room + 7) / 8 * 8);
    ring->lends = lends;
    ring->slot = memory;
    ring->blocks = (struct ring_block *)(void *)(ring->slot + slots_size(slots, room));
    for (uint32_t i = 0; i < slots; i++) {
        store_relaxed(&slot_at(ring, i)->word, 0);
        store_relaxed(&ring->blocks[i].block, 0);
        store_relaxed(&ring->blocks[i].size, 0);
    }
    store_release(&ring->checked, party_deaths());
}

static void free_block(uint32_t me, _Atomic uint64_t *word)
{
    void *block = party_disown(me, word);

    if (block)
        handover_free(me, block);
}

void ring_fini(struct ring_shm *ring, uint32_t me)
{
    for (uint32_t i = 0; i < ring->slots; i++)
        free_block(me, &ring->blocks[i].block);
    for (unsigned i = 0; i < RING_SPARES; i++)
        free_block(me, &ring->spare[i].block);
}

/* -- blocks -------------------------------------------------------------------------------- */

static bool hold_spare(struct ring_spare *spare, uint32_t me)
{
    uint32_t nobody = 0;

    return load_relaxed(&spare->holder) == 0 && swap_if(&spare->holder, &nobody, me);
}

static void release_spare(struct ring_spare *spare)
{
    store_release(&spare->holder, 0);
}

int ring_block(struct ring_shm *ring, uint32_t me, size_t size, void **block)
{
    for (unsigned i = 0; i < RING_SPARES; i++) {
        struct ring_spare *spare = &ring->spare[i];
        bool fits;

        if (load_relaxed(&spare->size) < size || !hold_spare(spare, me))
            continue;
        fits = load_relaxed(&spare->size) >= size && load_relaxed(&spare->block) != 0;
        if (fits) {
            store_relaxed(&spare->size, 0); /* first: a block of the same word is another's size */
            *block = party_disown(me, &spare->block);
        }
        release_spare(spare);
        if (fits)
            return 0;
    }
    return handover_alloc(me, size, block);
}

void ring_keep(struct ring_shm *ring, uint32_t me, void *block, size_t size)
{
    for (unsigned i = 0; i < RING_SPARES; i++) {
        struct ring_spare *spare = &ring->spare[i];

        if (load_relaxed(&spare->size) >= size || !hold_spare(spare, me))
            continue;
        if (load_relaxed(&spare->size) < size) {
            store_relaxed(&spare->size, 0);
            free_block(me, &spare->block);
            party_adopt(me, block, &spare->block);
            store_relaxed(&spare->size, size);
            block = NULL;
        }
        release_spare(spare);
        if (!block)
            return;
    }
    handover_free(me, block);
}

/* -- in ------------------------------------------------------------------------------------ */

/* A message that came back from the dead after the others had gone once around it, at 'position' of the lap that
 * is being claimed: it may go on to that lap, or it would keep all others out though there is room behind. */
static bool may_move(const struct ring_shm *ring, uint64_t position, uint64_t word)
{
    uint32_t passed = 0;

    while ((word_state(word) == BLOCK || word_state(word) == FULL) && word_who(word) & FROM_THE_DEAD &&
           laps_behind(word, position >> 32) > 0) {
        if (++passed == ring->slots)
            return false;
        position = position_next(ring, position);
        word = load_acquire(&slot_at(ring, (uint32_t)position)->word);
    }
    return passed > 0 && word_state(word) == FREE && laps_behind(word, position >> 32) == 0;
}

static inline __attribute__((always_inline)) int claim(struct ring_shm *ring, uint32_t me,
                                                       struct ring_place *place)
{
    uint64_t position = hint(ring, &ring->tail);

    for (;;) {
        struct ring_slot *slot = slot_at(ring, (uint32_t)position);
        uint64_t word = load_acquire(&slot->word);
        int32_t behind = laps_behind(word, position >> 32);

        if (behind == 0 && word_state(word) == FREE) {
            if (!swap_if(&slot->word, &word, word_make(FILLING, position >> 32, me))) /* [C] */
                continue;
            store_relaxed(&ring->tail, position_next(ring, position));
            fetch_ahead(ring, slot);
            *place = (struct ring_place){ position, (uint32_t)position };
            return 0;
        }
        if (behind > 0) {
            if (!may_move(ring, position, word))
                return -EAGAIN;
            swap_if(&slot->word, &word, word_make(word_state(word), position >> 32, word_who(word))); /* [M] */
            continue;
        }
        position = position_next(ring, position);
    }
}

int ring_claim(struct ring_shm *ring, uint32_t me, struct ring_place *place)
{
    return claim(ring, me, place);
}

void ring_abandon(struct ring_shm *ring, uint32_t me, const struct ring_place *place)
{
    free_block(me, &ring->blocks[place->index].block);
    store_total(&slot_at(ring, place->index)->word, word_make(FREE, (place->position >> 32) + 1, 0)); /* [A] */
}

static inline __attribute__((always_inline)) void publish(struct ring_shm *ring, const struct ring_place *place,
                                                          const void *data, size_t size)
{
    struct ring_slot *slot = slot_at(ring, place->index);

    ring_copy_in(slot->body, data, size);
    if (ring->lends)
        store_relaxed(&ring->blocks[place->index].size, size);
    store_total(&slot->word, word_make(FULL, place->position >> 32, size)); /* [P] */
}

void ring_publish(struct ring_shm *ring, const struct ring_place *place, const void *data, size_t size)
{
    publish(ring, place, data, size);
}

int ring_put(struct ring_shm *ring, uint32_t me, const void *data, size_t size, const _Atomic uint32_t *shut)
{
    struct ring_place place;
    int r = claim(ring, me, &place);

    if (r < 0)
        return r;
    if (load_total(shut)) {
        ring_abandon(ring, me, &place);
        return CREW_ECLOSED;
    }
    publish(ring, &place, data, size);
    return 0;
}

void ring_publish_block(struct ring_shm *ring, uint32_t me, const struct ring_place *place, void *block,
                        size_t size)
{
    struct ring_block *where = &ring->blocks[place->index];

    store_relaxed(&where->size, size);
    party_adopt(me, block, &where->block);
    store_total(&slot_at(ring, place->index)->word, word_make(BLOCK, place->position >> 32, 0)); /* [P] */
}

/* -- out ----------------------------------------------------------------------------------- */

/* The first message from 'position' on; '*found' is its word, '*first': all before it are through. 0, -EAGAIN,
 * -EBUSY. */
static int look(struct ring_shm *ring, uint64_t position, struct ring_place *place, uint64_t *found, bool *first)
{
    bool gone = true;
    int none = -EAGAIN;

    for (uint32_t passed = 0; passed < ring->slots;) {
        uint64_t word = load_acquire(&slot_at(ring, (uint32_t)position)->word);
        int32_t behind = laps_behind(word, position >> 32);

        if (behind == 0 && (word_state(word) == FULL || word_state(word) == BLOCK)) {
            *place = (struct ring_place){ position, (uint32_t)position };
            *found = word;
            *first = gone;
            return 0;
        }
        if (behind > 0 || (behind == 0 && word_state(word) == FREE))
            return none;
        if (behind == 0)
            none = -EBUSY;
        gone = gone && behind < 0;
        passed += behind == 0;
        position = position_next(ring, position);
        if (gone)
            store_relaxed(&ring->head, position);
    }
    return none;
}

/* The oldest message, as above. What was passed over on the way may have been published since, and before what
 * was found was even begun: so it is looked for once more, until that finds nothing older. */
static int oldest(struct ring_shm *ring, struct ring_place *place, uint64_t *found, bool *first)
{
    uint64_t position = hint(ring, &ring->head);
    int r = look(ring, position, place, found, first);

    while (r == 0 && !*first) {
        uint64_t before = place->position;

        r = look(ring, position, place, found, first);
        if (r == 0 && place->position == before)
            break;
    }
    return r;
}

/* The oldest is where 'head' says: as it mostly is. */
static inline bool next(struct ring_shm *ring, struct ring_place *place, uint64_t *found)
{
    uint64_t position = hint(ring, &ring->head);

    *place = (struct ring_place){ position, (uint32_t)position };
    *found = load_acquire(&slot_at(ring, (uint32_t)position)->word);
    return laps_behind(*found, position >> 32) == 0 && (word_state(*found) == FULL || word_state(*found) == BLOCK);
}

static bool hold(struct ring_shm *ring, uint32_t me, const struct ring_place *place, uint64_t word)
{
    enum state held = word_state(word) == FULL ? LENT : TAKEN;

    return swap_if(&slot_at(ring, place->index)->word, &word, word_make(held, place->position >> 32, me)); /* [H] */
}

static void drop(struct ring_shm *ring, const struct ring_place *place)
{
    store_total(&slot_at(ring, place->index)->word, word_make(FREE, (place->position >> 32) + 1, 0)); /* [D] */
}

void ring_put_back(struct ring_shm *ring, const struct ring_place *place)
{
    struct ring_slot *slot = slot_at(ring, place->index);

    if (word_state(load_relaxed(&slot->word)) == LENT)
        store_total(&slot->word,
                    word_make(FULL, place->position >> 32, load_relaxed(&ring->blocks[place->index].size)));
    else
        store_total(&slot->word, word_make(BLOCK, place->position >> 32, 0));
}

/* How long the message is; to be believed only if its word is the same afterwards. */
static size_t size_of(const struct ring_shm *ring, const struct ring_place *place, uint64_t word)
{
    if (word_state(word) == BLOCK)
        return load_relaxed(&ring->blocks[place->index].size);
    return word_size(word) < ring->room ? word_size(word) : ring->room;
}

/* Seen before the message is touched, so that it never leaves its place for one who has no room for it. 0;
 * -EMSGSIZE; -EAGAIN: another was faster. */
static int fits(const struct ring_shm *ring, const struct ring_place *place, uint64_t word, size_t capacity,
                size_t *size)
{
    size_t bytes = size_of(ring, place, word);
    uint64_t same = word;

    if (bytes <= capacity)
        return 0;
    if (!swap_if(&slot_at(ring, place->index)->word, &same, word))
        return -EAGAIN;
    *size = bytes;
    return -EMSGSIZE;
}

/* A message in its slot. -EAGAIN: another was faster. */
static int take_full(struct ring_shm *ring, uint32_t me, const struct ring_want *want,
                     const struct ring_place *place, uint64_t word, bool first, size_t *size)
{
    struct ring_slot *slot = slot_at(ring, place->index);
    size_t bytes = size_of(ring, place, word);
    uint64_t next = want->peek ? word : word_make(FREE, (place->position >> 32) + 1, 0);
    void *block = NULL;
    int r;

    if (want->block) {
        r = handover_alloc(me, bytes, &block);
        if (r < 0)
            return r;
    }
    ring_copy_out(block ? block : want->buf, slot->body, bytes);
    if (!swap_if(&slot->word, &word, next)) { /* [T]: what was read before it was read before it changes */
        if (block)
            handover_free(me, block);
        return -EAGAIN;
    }
    if (!want->peek && first)
        store_relaxed(&ring->head, position_next(ring, place->position));
    fetch_ahead(ring, slot);
    if (block)
        *want->block = block;
    *size = bytes;
    return 0;
}

/* The block of a message, or NULL: what is written there is none. */
static void *block_in(const struct ring_shm *ring, const struct ring_place *place, size_t size)
{
    void *block = handover_block(load_relaxed(&ring->blocks[place->index].block));

    return block && arena_contains(roster_arena(), block, size) ? block : NULL;
}

/* What the caller holds is no message: another process has written what it should not. */
static int discard(struct ring_shm *ring, uint32_t me, const struct ring_place *place)
{
    free_block(me, &ring->blocks[place->index].block);
    drop(ring, place);
    return -EAGAIN;
}

/* Copies a message in a block that others may take meanwhile, and use again: then it was nothing. */
static int peek_block(struct ring_shm *ring, uint32_t me, const struct ring_want *want,
                      const struct ring_place *place, uint64_t word, size_t *size)
{
    size_t bytes = size_of(ring, place, word);
    const void *block = block_in(ring, place, bytes);
    uint64_t same = word;

    if (block && bytes <= want->capacity)
        ring_copy_out(want->buf, block, bytes);
    if (!swap_if(&slot_at(ring, place->index)->word, &same, word))
        return -EAGAIN;
    if (!block)
        return hold(ring, me, place, word) ? discard(ring, me, place) : -EAGAIN;
    *size = bytes;
    return 0;
}

/* A message in a block. */
static int take_block(struct ring_shm *ring, uint32_t me, const struct ring_want *want,
                      const struct ring_place *place, uint64_t word, size_t *size)
{
    struct ring_block *where = &ring->blocks[place->index];
    size_t bytes;
    void *block;

    if (!hold(ring, me, place, word))
        return -EAGAIN;
    bytes = load_relaxed(&where->size);
    block = block_in(ring, place, bytes);
    if (!block)
        return discard(ring, me, place);
    *size = bytes;
    if (want->block) {
        *want->block = party_disown(me, &where->block);
        drop(ring, place);
        return 0;
    }
    memcpy(want->buf, block, bytes);
    block = party_disown(me, &where->block);
    drop(ring, place);
    ring_keep(ring, me, block, bytes);
    return 0;
}

int ring_take(struct ring_shm *ring, uint32_t me, const struct ring_want *want, size_t *size)
{
    for (;;) {
        struct ring_place place;
        uint64_t word;
        bool first;
        int r = next(ring, &place, &word) ? (first = true, 0) : oldest(ring, &place, &word, &first);

        if (r < 0)
            return r;
        if (!want->block)
            r = fits(ring, &place, word, want->capacity, size);
        if (r == 0)
            r = word_state(word) == FULL ? take_full(ring, me, want, &place, word, first, size)
                : want->peek             ? peek_block(ring, me, want, &place, word, size)
                                         : take_block(ring, me, want, &place, word, size);
        if (r != -EAGAIN)
            return r;
    }
}

/* -- leases -------------------------------------------------------------------------------- */

int ring_hold(struct ring_shm *ring, uint32_t me, size_t capacity, struct ring_place *place, size_t *size)
{
    for (;;) {
        uint64_t word;
        bool first;
        int r = oldest(ring, place, &word, &first);

        if (r < 0)
            return r;
        r = fits(ring, place, word, capacity, size);
        if (r == -EMSGSIZE)
            return r;
        if (r == 0 && hold(ring, me, place, word)) {
            *size = size_of(ring, place, word);
            return 0;
        }
    }
}

const _Atomic uint64_t *ring_bytes(const struct ring_shm *ring, const struct ring_place *place)
{
    return slot_at(ring, place->index)->body;
}

struct ring_block *ring_block_of(struct ring_shm *ring, const struct ring_place *place)
{
    return &ring->blocks[place->index];
}

bool ring_is_held(const struct ring_shm *ring, uint32_t who, const struct ring_place *place)
{
    uint64_t word, lap = place->position >> 32;

    if (place->index >= ring->slots)
        return false;
    word = load_acquire(&slot_at(ring, place->index)->word);
    return word == word_make(TAKEN, lap, who) || word == word_make(LENT, lap, who);
}

void ring_drop(struct ring_shm *ring, uint32_t who, const struct ring_place *place)
{
    if (ring_is_held(ring, who, place))
        drop(ring, place);
}

/* -- asking -------------------------------------------------------------------------------- */

bool ring_has_message(const struct ring_shm *ring)
{
    struct ring_place place;
    uint64_t word;
    bool first;

    return oldest((struct ring_shm *)(uintptr_t)ring, &place, &word, &first) == 0;
}

bool ring_has_room(const struct ring_shm *ring)
{
    uint64_t position = hint(ring, &ring->tail);

    for (;;) {
        uint64_t word = load_total(&slot_at(ring, (uint32_t)position)->word);
        int32_t behind = laps_behind(word, position >> 32);

        if (behind == 0 && word_state(word) == FREE)
            return true;
        if (behind > 0)
            return may_move(ring, position, word);
        position = position_next(ring, position);
    }
}

static uint32_t count_once(const struct ring_shm *ring, uint64_t *sum)
{
    uint32_t count = 0;

    *sum = 0;
    for (uint32_t i = 0; i < ring->slots; i++) {
        uint64_t word = load_total(&slot_at(ring, i)->word);

        *sum = (*sum ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        count += word_state(word) >= FULL && word_state(word) < STATES;
    }
    return count;
}

uint32_t ring_count(const struct ring_shm *ring)
{
    uint64_t before, now;
    uint32_t count = count_once(ring, &before);

    for (unsigned tries = 0; tries < 100; tries++) {
        uint32_t again = count_once(ring, &now);

        if (now == before)
            break;
        before = now;
        count = again;
    }
    return count;
}

/* -- repair -------------------------------------------------------------------------------- */

static void repair_slot(struct ring_shm *ring, uint32_t me, uint32_t index)
{
    struct ring_slot *slot = slot_at(ring, index);
    struct ring_block *where = &ring->blocks[index];
    uint64_t word = load_acquire(&slot->word), lap = word >> LAP_SHIFT & FIELD;

    if ((word_state(word) != FILLING && word_state(word) != TAKEN && word_state(word) != LENT) ||
        !party_is_dead((uint32_t)word_who(word)))
        return;
    if (word_state(word) == LENT) {
        store_total(&slot->word, word_make(FULL, lap, load_relaxed(&where->size) | FROM_THE_DEAD));
    } else if (word_state(word) == TAKEN && load_relaxed(&where->block) != 0) {
        store_total(&slot->word, word_make(BLOCK, lap, FROM_THE_DEAD));
    } else {
        free_block(me, &where->block);
        store_total(&slot->word, word_make(FREE, lap + 1, 0));
    }
}

void ring_repair(struct ring_shm *ring, uint32_t me)
{
    uint32_t deaths = party_deaths();

    for (uint32_t i = 0; i < ring->slots; i++)
        repair_slot(ring, me, i);
    for (unsigned i = 0; i < RING_SPARES; i++) {
        struct ring_spare *spare = &ring->spare[i];
        uint32_t holder = load_acquire(&spare->holder);

        if (holder == 0 || !party_is_dead(holder))
            continue;
        store_relaxed(&spare->size, 0);
        free_block(me, &spare->block);
        swap_if(&spare->holder, &holder, 0);
    }
    store_total(&ring->checked, deaths);
}

const char *ring_check(const struct ring_shm *ring)
{
    for (uint32_t i = 0; i < ring->slots; i++) {
        uint64_t word = load_acquire(&slot_at(ring, i)->word);
        bool block = load_acquire(&ring->blocks[i].block) != 0;

        if (word_state(word) >= STATES)
            return "state of a slot";
        if (word_state(word) == FREE && word_who(word) != 0)
            return "a free slot has an owner";
        if (word_state(word) == FULL && word_size(word) > ring->room)
            return "a message is longer than its slot";
        if (word_state(word) == BLOCK && !block)
            return "a message without its block";
        if ((word_state(word) == FREE || word_state(word) == FULL) && block)
            return "a block without a message";
    }
    for (unsigned i = 0; i < RING_SPARES; i++)
        if (load_acquire(&ring->spare[i].holder) == 0 && load_acquire(&ring->spare[i].size) != 0 &&
            load_acquire(&ring->spare[i].block) == 0)
            return "a spare without its block";
    return NULL;
}
