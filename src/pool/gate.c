/* gate.c - the law is in gate.h. */
#include "gate.h"

#include <string.h>

#define SPIN_STEPS 2000 /* about what it costs to fall asleep and be woken: 25 to 50 us */

void gate_init(struct gate_shm *gate, unsigned workers, unsigned cpus)
{
    memset(gate, 0, sizeof *gate);
    gate->words = (workers + 63) / 64;
    gate->spinners = cpus > 1 ? cpus - 1 : 0; /* one CPU is for who gives the work */
    gate->spin = SPIN_STEPS;
}

static bool any(_Atomic uint64_t *set, uint32_t words)
{
    for (uint32_t i = 0; i < words; i++)
        if (load_total(&set[i]) != 0)
            return true;
    return false;
}

static unsigned count(_Atomic uint64_t *set, uint32_t words)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < words; i++)
        n += (unsigned)__builtin_popcountll(load_relaxed(&set[i]));
    return n;
}

static void add(_Atomic uint64_t *set, unsigned worker)
{
    atomic_fetch_or(&set[worker / 64], UINT64_C(1) << worker % 64);
}

static void drop(_Atomic uint64_t *set, unsigned worker)
{
    atomic_fetch_and(&set[worker / 64], ~(UINT64_C(1) << worker % 64));
}

void gate_ring(struct gate_shm *gate, int wake)
{
    atomic_fetch_add(&gate->event, 1);
    if (wake == 1 && any(gate->searching, gate->words))
        return;
    if (any(gate->asleep, gate->words))
        os_futex_wake(&gate->event, wake);
}

bool gate_wants_ring(struct gate_shm *gate)
{
    return any(gate->asleep, gate->words) && !any(gate->searching, gate->words);
}

void gate_wait(struct gate_shm *gate, unsigned worker, uint32_t seen, crew_time deadline,
               void (*idle)(void))
{
    add(gate->searching, worker);
    if (count(gate->searching, gate->words) <= gate->spinners) {
        for (uint32_t i = gate->spin; i > 0 && load_relaxed(&gate->event) == seen; i--)
            os_relax();
    }
    drop(gate->searching, worker);
    if (gate_event(gate) != seen)
        return;
    if (idle)
        idle();
    add(gate->asleep, worker);
    if (gate_event(gate) == seen)
        os_futex_wait(&gate->event, seen, deadline);
    drop(gate->asleep, worker);
}

void gate_repair(struct gate_shm *gate, unsigned dead)
{
    drop(gate->searching, dead);
    drop(gate->asleep, dead);
    gate_ring(gate, GATE_ALL);
}
