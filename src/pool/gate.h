/* gate.h - where the workers of a pool wait for something to do.
 *
 *   event      counts whatever may mean work: a task, a job, a split, an end, a death. Written by
 *              anybody, by atomic add. A waiter looks for work, and sleeps only while 'event' is
 *              what it was before it looked.
 *   asleep     a bit for each worker that sleeps, or is about to. Set before the last look at
 *              'event', so who rings sees the bit, or the sleeper sees the event. The bit of a dead
 *              worker costs a needless system call until it is cleared.
 *   searching  a bit for each worker that is awake and looking. Who publishes one task wakes nobody
 *              while somebody searches: the searcher looks again after it has cleared its bit.
 *              A worker that finds a task and sees more wakes the next.
 *
 * For one task the lowest sleeper is woken, by name, so that of many workers with little to do the same
 * few stay warm. If nobody sleeps under that name (it is on its way, or dead) any other is woken.
 *
 * Order  ring: publish, event++, then read the bits.  sleeper: set or clear the bit, then read
 * event, then sleep. All four in the one total order (seq_cst), so they can't miss each other.
 *
 * The worker dies ...        others see           repair
 *   searching                  its bit              bit cleared; the gate is rung for all, since a
 *   asleep                     its bit              wake-up may have gone to the dead
 *   between ring and wake      event changed        the same */
#ifndef CREW_GATE_H
#define CREW_GATE_H

#include <os/atomic.h>
#include <os/os.h>

#define GATE_WORKERS 1024
#define GATE_WORDS (GATE_WORKERS / 64)
#define GATE_ALL INT32_MAX

struct gate_shm {
    _Alignas(CACHE_LINE) _Atomic uint32_t event;
    uint16_t words;    /* sets in use; never changes                                            */
    uint16_t spinners; /* how many may spin at once; never changes                              */
    uint32_t spin;     /* steps to spin before sleeping; never changes                          */
    /* The bits of 64 workers. The first three sets share the line of 'event': who rings has that
     * line anyway, and each line more costs a trip between cores. */
    struct {
        _Atomic uint64_t asleep, searching;
    } set[GATE_WORDS];
};

void gate_init(struct gate_shm *gate, unsigned workers, unsigned cpus);

static inline uint32_t gate_event(struct gate_shm *gate)
{
    return load_total(&gate->event);
}

/* Tells that there is something new for 'wake' workers: one, or GATE_ALL. True: it had to wake a
 * sleeper, who will take its time. */
bool gate_ring(struct gate_shm *gate, int wake);

/* Returns when 'event' is no longer 'seen', or at 'deadline'; spins first if few others do. 'idle' is
 * called before it sleeps; may be NULL. */
void gate_wait(struct gate_shm *gate, unsigned worker, uint32_t seen, crew_time deadline,
               void (*idle)(void));

/* Wakes another: who waits for some of the work only may have been woken for the rest of it. */
void gate_pass_on(struct gate_shm *gate);

/* What a dead worker left; then rings for all. */
void gate_repair(struct gate_shm *gate, unsigned dead);

/* True if somebody sleeps and nobody searches. */
bool gate_wants_ring(struct gate_shm *gate);

#endif
