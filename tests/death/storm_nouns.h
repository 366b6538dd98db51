/* storm_nouns.h - what storm_nouns.c does with each noun: its shared things, one random
 * operation of a process that may be killed at any moment, and what must hold when nobody is
 * there any more. */
#ifndef STORM_NOUNS_H
#define STORM_NOUNS_H

#include "storm.h"

#define WORKERS 6
#define NOUNS 16
#define MESSAGE 160

struct noun {
    const char *name;
    /* The root, alone: makes the things; 0 or an error. Ends them. */
    int (*open)(void);
    void (*close)(void);
    /* A worker: one operation. It may wait without end, if finish() lets it go on. */
    void (*work)(unsigned me);
    /* The root, while they work, now and then; NULL: nothing. */
    void (*tend)(void);
    /* The root, when nothing happens any more: whether a worker that noted 'what' by storm_waits()
     * rightly waits. 'asleep': and has slept for long, so what it waits for may be taken to find
     * out. NULL: none may wait for ever. */
    bool (*may_wait)(uint64_t what, bool asleep);
    /* The root, once, after storm_over() became true: whoever waits must go on. It is not done
     * again, nobody dies after it, and no other wake-up comes: who was stranded is found. NULL:
     * nothing to do. */
    void (*finish)(void);
    /* The root, alone again: what is wrong, or NULL. Makes ready for the next round. */
    const char *(*check)(void);
    /* The root: worker i is about to be started; was, as process 'pid'; has ended, or not begun. */
    void (*before)(unsigned i);
    void (*after)(unsigned i, pid_t pid);
    void (*ended)(unsigned i);
};

extern const struct noun storm_lock, storm_rlock, storm_event, storm_value, storm_latch, storm_once,
    storm_semaphore, storm_condition, storm_barrier, storm_queue, storm_rwlock, storm_pipe;

/* In the arena. */
struct storm_shm {
    _Atomic uint32_t over;           /* the round is: no new operation       */
    _Atomic uint32_t doing[WORKERS]; /* noun + 1 that a worker is at; 0: none */
    _Atomic uint64_t waits[WORKERS]; /* for what, for ever; 0: it does not   */
    _Atomic uint64_t operations[NOUNS];
    _Atomic uint64_t complaints;
    char first[MESSAGE]; /* the first one */
    uint64_t died;       /* so far; written by the root                       */
};
extern struct storm_shm *storm;

/* Says that something is wrong. */
CREW_FORMAT(1, 2) void storm_complain(const char *format, ...);

static inline bool storm_over(void)
{
    return atomic_load(&storm->over) != 0;
}

/* A zeroed block of the arena. */
int storm_block(void *block, size_t size);

static inline void storm_work_a_little(void)
{
    for (volatile unsigned n = (unsigned)(roll() % 200); n > 0; n--)
        ;
}

/* Worker 'me' is about to wait for 'what', which is not 0, until 'deadline'; is back. */
static inline crew_time storm_waits(unsigned me, uint64_t what, crew_time deadline)
{
    atomic_store(&storm->waits[me], deadline == CREW_FOREVER ? what : 0);
    return deadline;
}

static inline void storm_back(unsigned me)
{
    atomic_store(&storm->waits[me], 0);
}

/* Mostly for ever. */
static inline crew_time storm_deadline(void)
{
    switch (roll() % 8) {
    case 0:
        return CREW_NOW;
    case 1:
        return crew_in_ms(1);
    default:
        return CREW_FOREVER;
    }
}

/* Whether 'r' is how a wait until 'deadline' may end without what it waited for. */
static inline bool storm_in_vain(int r, crew_time deadline)
{
    return deadline == CREW_NOW ? r == -EAGAIN : deadline != CREW_FOREVER && r == -ETIMEDOUT;
}

#endif
