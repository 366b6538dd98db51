/* slot.c - one task slot of a pool, and the order in which slots are taken.
 *
 *              submit [S]                       publish [R]
 *       FREE ---------------> FILLING(s) ----------------------> READY --- cancel [X] ---+
 *        ^ ^                      |                              |   ^                   |
 *        | +------- s dies -------+                     take [T] |   | w dies,           |
 *        |                                                       v   | tries left        |
 *        +---- collect [E] ---- DONE(w) <----- finish [F] ------ TAKEN(w)                |
 *                                ^ ^                             |                       |
 *                                | +-- w dies, no tries left ----+                       |
 *                                +-------------------------------------------------------+
 *
 * ctl      state:4 tries:4 owner:16 generation:40.  Every arrow is one compare-and-swap of the whole
 *          word with generation + 1: claim and claimant appear together, and a stale holder loses.
 *          owner is a worker's number (TAKEN, DONE) or the submitter's (FILLING); in READY, PUT_BACK
 *          or 0. tries counts the
 *          deaths at this task.
 * task     function, argument, argument_size, argument_block: written by s in FILLING, read in TAKEN.
 * end      result_size, code, pid, outcome, result, message, result_block: written by w in TAKEN (the
 *          death by the repairer, when w is dead), read by the collector in DONE.
 * tail     how many were published, and in the same word the slot of the last: a worker that keeps up
 *          needs no other line to find it.
 * ring     slot numbers, written by the submitter before 'tail'; an entry is overwritten when 'tail'
 *          has gone once around. A reader may find a newer number there: any READY slot is right.
 * head     a hint: everything before it has been taken, but for what repairs put back. Whoever finds
 *          the slot at 'head' not READY moves it on, so a taker that dies between [T] and moving it
 *          stops nobody.
 * requeued rises after a repair has put a task back to READY, which 'head' has passed. Each worker
 *          that sees it change looks through all slots for such a task (owner: PUT_BACK) before it
 *          goes by 'head' again.
 *
 * Order  [R] release -> [T] acquire   the task (all being read-modify-write, it survives a repair)
 *        [F] release -> [C] acquire   the end; [C] is the collector's load of DONE
 *        [E] release -> [S] acquire   the end was read before the slot is filled again
 *        tail release -> acquire      the ring entry, and READY: [R] comes before 'tail'
 *
 * The owner dies ...             others see    repair
 *   before [S]                   FREE          none: nothing was claimed
 *   filling the task             FILLING(s)    to FREE; the bytes are ignored. A submitter is the
 *                                              root today, so nobody is left to care
 *   between [R] and 'tail'       READY         nobody finds it by 'head': every READY slot is marked
 *                                              as put back
 *   after [R], before the bell   READY         only a wake-up is lost: the supervisor rings
 *   between [T] and 'head'       TAKEN(w)      as running; the next taker moves 'head'
 *   running the task             TAKEN(w)      to READY with tries + 1; at the limit to DONE, "died"
 *   result written, before [F]   TAKEN(w)      the same: a result exists only from [F] on. A result
 *                                              block is still w's, so the arena's sweep frees it
 *   after [F]                    DONE(w)       the result counts; its block goes to the root before
 *                                              the sweep (pool.c)
 *   the repairer itself          as before     nothing is half done: the next repair starts over
 *
 * Repair only when the exit is certain (its pidfd said so). */
#include "slot.h"

#include <string.h>

static uint64_t ctl_make(enum slot_state state, uint64_t tries, uint64_t owner, uint64_t before)
{
    return (uint64_t)state | tries << 4 | owner << 8 | ((before >> 24) + 1) << 24;
}

static enum slot_state ctl_state(uint64_t ctl)
{
    return (enum slot_state)(ctl & 15);
}

static uint64_t ctl_tries(uint64_t ctl)
{
    return ctl >> 4 & 15;
}

static uint32_t ctl_owner(uint64_t ctl)
{
    return (uint32_t)(ctl >> 8 & 0xFFFF);
}

#define PUT_BACK 1    /* owner of a READY slot that a repair has put there, so 'head' may miss it */

/* One arrow. */
static bool ctl_move(struct slot_shm *slot, uint64_t seen, enum slot_state to, uint64_t tries,
                     uint64_t owner)
{
    return swap_if(&slot->ctl, &seen, ctl_make(to, tries, owner, seen));
}

/* The ring, to a whole line. It stands first: its beginning and the first slot are near the pool's head. */
static size_t ring_size(uint32_t slots)
{
    return (slots * sizeof(uint32_t) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

size_t board_size(uint32_t slots)
{
    return ring_size(slots) + slots * sizeof(struct slot_shm);
}

void board_init(struct board_shm *board, uint32_t slots, void *memory)
{
    memset(board, 0, sizeof *board);
    board->mask = slots - 1;
    board->ring = memory;
    board->slot = (struct slot_shm *)((char *)memory + ring_size(slots));
    for (uint32_t i = 0; i < slots; i++) {
        store_relaxed(&board->slot[i].ctl, 0);
        store_relaxed(&board->ring[i], 0);
    }
}

HOT bool slot_claim(struct slot_shm *slot, uint32_t submitter)
{
    uint64_t seen = load_relaxed(&slot->ctl);

    return ctl_state(seen) == SLOT_FREE && ctl_move(slot, seen, SLOT_FILLING, 0, submitter);
}

HOT void slot_publish(struct board_shm *board, uint32_t index)
{
    struct slot_shm *slot = &board->slot[index];
    uint64_t count = tail_count(load_relaxed(&board->tail)); /* only the submitter writes it */

    store_relaxed(&board->ring[count & board->mask], index);
    ctl_move(slot, load_relaxed(&slot->ctl), SLOT_READY, 0, 0); /* [R] */
    store_release(&board->tail, (count + 1) << TAIL_SHIFT | index);
}

void slot_abandon(struct slot_shm *slot)
{
    ctl_move(slot, load_relaxed(&slot->ctl), SLOT_FREE, 0, 0);
}

static bool take(struct slot_shm *slot, uint32_t worker)
{
    uint64_t seen = load_acquire(&slot->ctl);

    if (ctl_state(seen) != SLOT_READY || !ctl_move(slot, seen, SLOT_TAKEN, ctl_tries(seen), worker))
        return false;
    slot->result_size = 0;
    slot->result_block = NULL;
    return true;
}

HOT uint32_t slot_take(struct board_shm *board, uint32_t worker, uint32_t *seen)
{
    uint32_t requeued = load_acquire(&board->requeued);

    if (requeued != *seen) {
        for (uint32_t i = 0; i <= board->mask; i++)
            if (slot_state(&board->slot[i]) == SLOT_READY &&
                slot_owner(&board->slot[i]) == PUT_BACK && take(&board->slot[i], worker))
                return i; /* *seen stays: there may be more */
        *seen = requeued;
    }
    for (;;) {
        uint64_t head = load_relaxed(&board->head);
        uint64_t tail = load_acquire(&board->tail);
        uint32_t index;
        bool mine;

        if (head >= tail_count(tail))
            return SLOT_NONE;
        if (head + 1 == tail_count(tail))
            index = (uint32_t)tail & board->mask;
        else
            index = load_relaxed(&board->ring[head & board->mask]) & board->mask;
        mine = take(&board->slot[index], worker);
        /* A slot that is READY but was snatched between load and swap is not READY any more. */
        swap_if(&board->head, &head, head + 1);
        if (mine)
            return index;
    }
}

HOT void slot_finish(struct slot_shm *slot, uint32_t worker, enum slot_outcome outcome)
{
    uint64_t seen = load_relaxed(&slot->ctl);

    slot->outcome = outcome;
    ctl_move(slot, seen, SLOT_DONE, ctl_tries(seen), worker); /* [F] */
}

HOT void slot_collect(struct slot_shm *slot)
{
    ctl_move(slot, load_relaxed(&slot->ctl), SLOT_FREE, 0, 0);
}

bool slot_cancel(struct slot_shm *slot)
{
    uint64_t seen = load_acquire(&slot->ctl);

    /* taken first, so that nobody begins it while its end is written; the canceller is the collector */
    if (ctl_state(seen) != SLOT_READY || !ctl_move(slot, seen, SLOT_TAKEN, ctl_tries(seen), 0xFFFF))
        return false;
    slot->result_size = 0;
    slot->result_block = NULL;
    slot_finish(slot, 0xFFFF, SLOT_CANCELLED);
    return true;
}

void slot_repair(struct board_shm *board, uint32_t dead, uint32_t retries, enum slot_outcome outcome,
                 const struct os_end *end, pid_t pid, struct slot_damage *damage)
{
    for (uint32_t i = 0; i <= board->mask; i++) {
        struct slot_shm *slot = &board->slot[i];
        uint64_t seen = load_acquire(&slot->ctl);

        if (ctl_state(seen) != SLOT_TAKEN || ctl_owner(seen) != dead)
            continue;
        if (outcome == SLOT_DIED && ctl_tries(seen) < retries) {
            if (ctl_move(slot, seen, SLOT_READY, ctl_tries(seen) + 1, PUT_BACK))
                damage->requeued++;
            continue;
        }
        slot->result_size = 0;
        slot->result_block = NULL;
        slot->code = 0;
        slot->outcome = outcome;
        slot->death = *end;
        slot->pid = pid;
        if (ctl_move(slot, seen, SLOT_DONE, ctl_tries(seen) + 1, dead))
            damage->ended++;
    }
    /* Rises also where nothing went back: a repair cut short before may have put something there. */
    atomic_fetch_add(&board->requeued, 1);
}

void slot_repair_submitter(struct board_shm *board, uint32_t dead)
{
    for (uint32_t i = 0; i <= board->mask; i++) {
        uint64_t seen = load_acquire(&board->slot[i].ctl);

        if (ctl_state(seen) == SLOT_FILLING && ctl_owner(seen) == dead)
            ctl_move(&board->slot[i], seen, SLOT_FREE, 0, 0);
        else if (ctl_state(seen) == SLOT_READY && ctl_owner(seen) != PUT_BACK)
            ctl_move(&board->slot[i], seen, SLOT_READY, ctl_tries(seen), PUT_BACK);
    }
    atomic_fetch_add(&board->requeued, 1);
}

const char *board_check(const struct board_shm *board)
{
    uint64_t head = load_acquire(&board->head);
    uint64_t tail = tail_count(load_acquire(&board->tail));

    if (head > tail)
        return "head beyond tail";
    for (uint64_t p = tail > board->mask ? tail - board->mask - 1 : 0; p < tail; p++)
        if (load_relaxed(&board->ring[p & board->mask]) > board->mask)
            return "slot number in the ring";
    for (uint32_t i = 0; i <= board->mask; i++) {
        uint64_t ctl = load_acquire(&board->slot[i].ctl);

        if (ctl_state(ctl) > SLOT_DONE)
            return "state of slot";
        if (ctl_state(ctl) == SLOT_DONE && board->slot[i].outcome > SLOT_CANCELLED)
            return "outcome of slot";
        if (ctl_state(ctl) != SLOT_FREE && !board->slot[i].argument_block &&
            ctl_state(ctl) != SLOT_FILLING && board->slot[i].argument_size > SLOT_ARGUMENT)
            return "argument of slot";
    }
    return NULL;
}
