/* slot.h - the board of a pool: submitted tasks, each in its slot. The law stands in slot.c. */
#ifndef CREW_SLOT_H
#define CREW_SLOT_H

#include <crew/task.h>
#include <os/atomic.h>
#include <os/os.h>

#define SLOT_NEAR 16 /* bytes that travel in the slot's first cache line */
#define SLOT_ARGUMENT 96
#define SLOT_RESULT 112
#define SLOT_MESSAGE 160
#define SLOT_NONE UINT32_MAX

enum slot_state { SLOT_FREE = 0, SLOT_FILLING, SLOT_READY, SLOT_TAKEN, SLOT_DONE };

enum slot_outcome { SLOT_RESULT_IS_THERE = 0, SLOT_FAILED, SLOT_DIED, SLOT_CANCELLED };

struct slot_shm {
    _Alignas(CACHE_LINE) _Atomic uint64_t ctl; /* state:4 tries:4 owner:16 generation:40 */
    crew_function *function;
    uint32_t argument_size;
    uint32_t result_size;
    int32_t code;
    uint32_t outcome;
    _Alignas(16) unsigned char near_argument[SLOT_NEAR];
    unsigned char near_result[SLOT_NEAR];
    pid_t pid; /* who ran it last; with the end */
    _Alignas(16) unsigned char argument[SLOT_ARGUMENT];
    void *argument_block; /* in the arena, the submitter's; NULL: none */
    void *result_block;   /* in the arena, the worker's; NULL: none    */
    union {
        unsigned char result[SLOT_RESULT];
        char message[SLOT_MESSAGE];
        struct os_end death;
    };
};

struct board_shm {
    _Alignas(CACHE_LINE) _Atomic uint64_t tail;  /* published so far:44, the last one's slot:20;
                                                    written by the submitter                     */
    _Alignas(CACHE_LINE) _Atomic uint64_t head;  /* no ready task before; a hint, helped forward    */
    _Alignas(CACHE_LINE) _Atomic uint32_t requeued; /* tasks put back by repairs; counts             */
    uint32_t mask;               /* slots - 1; slots is a power of two; never changes               */
    _Atomic uint32_t *ring;      /* slot numbers in the order of publishing                          */
    struct slot_shm *slot;
};

/* What a dead worker did to the slots; for the caller's own books. */
struct slot_damage {
    uint32_t requeued, ended;
};

size_t board_size(uint32_t slots);
void board_init(struct board_shm *board, uint32_t slots, void *memory);

static inline enum slot_state slot_state(const struct slot_shm *slot)
{
    return (enum slot_state)(load_acquire(&slot->ctl) & 15);
}

static inline uint32_t slot_tries(const struct slot_shm *slot)
{
    return (uint32_t)(load_acquire(&slot->ctl) >> 4 & 15);
}

static inline uint32_t slot_owner(const struct slot_shm *slot)
{
    return (uint32_t)(load_acquire(&slot->ctl) >> 8 & 0xFFFF);
}

/* Where the bytes of an argument, or a result, of this size are. */
static inline void *slot_argument(struct slot_shm *slot, size_t size)
{
    return slot->argument_block ? slot->argument_block
           : size <= SLOT_NEAR  ? slot->near_argument
                                : slot->argument;
}

static inline void *slot_result(struct slot_shm *slot, size_t size)
{
    return slot->result_block  ? slot->result_block
           : size <= SLOT_NEAR ? slot->near_result
                               : slot->result;
}

#define TAIL_SHIFT 20 /* of the count in 'tail'; below it the slot of the last */

static inline uint64_t tail_count(uint64_t tail)
{
    return tail >> TAIL_SHIFT;
}

/* True if more is published than taken, perhaps. */
static inline bool board_has_more(const struct board_shm *board)
{
    return tail_count(load_relaxed(&board->tail)) > load_relaxed(&board->head);
}

/* [S] takes a free slot to fill it. False: it is not free. */
bool slot_claim(struct slot_shm *slot, uint32_t submitter);
/* [R] publishes a filled slot. */
void slot_publish(struct board_shm *board, uint32_t index);
/* Gives up a slot that is being filled. */
void slot_abandon(struct slot_shm *slot);
/* [T] takes the oldest ready task; SLOT_NONE: there is none. '*seen' is the taker's memory of
 * board->requeued. */
uint32_t slot_take(struct board_shm *board, uint32_t worker, uint32_t *seen);
/* [F] publishes the end of a task that 'worker' took. */
void slot_finish(struct slot_shm *slot, uint32_t worker, enum slot_outcome outcome);
/* [E] frees a done slot after its result has been read. */
void slot_collect(struct slot_shm *slot);
/* [X] takes back a task that nobody has begun: READY to DONE, cancelled. */
bool slot_cancel(struct slot_shm *slot);

/* Repairs after the certain death of a worker: its running task goes back to READY if it was begun
 * at most 'retries' times, else to DONE. May be called again. */
void slot_repair(struct board_shm *board, uint32_t dead, uint32_t retries, enum slot_outcome outcome,
                 const struct os_end *end, pid_t pid, struct slot_damage *damage);
/* The same for a submitter that was filling. */
void slot_repair_submitter(struct board_shm *board, uint32_t dead);

/* NULL, or the first invariant that is broken. */
const char *board_check(const struct board_shm *board);

#endif
