/* gate.c - the law is in gate.h. */
#include "gate.h"

#include <string.h>

#define SPIN_STEPS 2000 /* about what it costs to fall asleep and be woken: 25 to 50 us */

void gate_init(struct gate_shm *gate, unsigned workers, unsigned cpus)
{
    memset(gate, 0, sizeof *gate);
    gate->words = (uint16_t)((workers + 63) / 64);
    gate->spinners = (uint16_t)(cpus > GATE_WORKERS ? GATE_WORKERS : cpus - 1); /* one CPU is for who
                                                                                   gives the work */
    gate->spin = SPIN_STEPS;
}

/* The lowest of those who sleep, or GATE_WORKERS. */
static unsigned sleeper(struct gate_shm *gate)
{
    for (uint32_t i = 0; i < gate->words; i++) {
        uint64_t asleep = load_total(&gate->set[i].asleep);

        if (asleep != 0)
            return i * 64 + (unsigned)__builtin_ctzll(asleep);
    }
    return GATE_WORKERS;
}

static bool anybody_sleeps(struct gate_shm *gate)
{
    return sleeper(gate) < GATE_WORKERS;
}

static uint32_t name_of(unsigned worker)
{
    return UINT32_C(1) << worker % 32;
}

/* One of them, and of several always the same: who has slept least is the warmest. It may be dead, or
 * woken already and not there yet: then another. */
static void wake_one(struct gate_shm *gate, unsigned worker)
{
    if (!os_futex_wake_as(&gate->event, name_of(worker)))
        os_futex_wake(&gate->event, 1);
}

static unsigned searchers(struct gate_shm *gate)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < gate->words; i++)
        for (uint64_t set = load_total(&gate->set[i].searching); set != 0; set &= set - 1)
            n++; /* few, or one: a call of the compiler's own would cost more */
    return n;
}

static void add(_Atomic uint64_t *bits, unsigned worker)
{
    atomic_fetch_or(bits, UINT64_C(1) << worker % 64);
}

static void drop(_Atomic uint64_t *bits, unsigned worker)
{
    atomic_fetch_and(bits, ~(UINT64_C(1) << worker % 64));
}

HOT bool gate_ring(struct gate_shm *gate, int wake)
{
    unsigned worker;

    atomic_fetch_add(&gate->event, 1);
    if ((wake == 1 && searchers(gate) > 0) || (worker = sleeper(gate)) == GATE_WORKERS)
        return false;
    if (wake == 1)
        wake_one(gate, worker);
    else
        os_futex_wake(&gate->event, wake);
    return true;
}

void gate_pass_on(struct gate_shm *gate)
{
    if (anybody_sleeps(gate))
        os_futex_wake(&gate->event, 1);
}

HOT bool gate_wants_ring(struct gate_shm *gate)
{
    return anybody_sleeps(gate) && searchers(gate) == 0;
}

HOT void gate_wait(struct gate_shm *gate, unsigned worker, uint32_t seen, crew_time deadline,
               void (*idle)(void))
{
    _Atomic uint64_t *searching = &gate->set[worker / 64].searching;
    _Atomic uint64_t *asleep = &gate->set[worker / 64].asleep;

    add(searching, worker);
    if (searchers(gate) <= gate->spinners) {
        for (uint32_t i = gate->spin; i > 0 && load_relaxed(&gate->event) == seen; i--)
            os_relax();
    }
    drop(searching, worker);
    if (gate_event(gate) != seen)
        return;
    if (idle)
        idle();
    add(asleep, worker);
    if (gate_event(gate) == seen)
        os_futex_wait_as(&gate->event, seen, deadline, name_of(worker));
    drop(asleep, worker);
}

void gate_repair(struct gate_shm *gate, unsigned dead)
{
    drop(&gate->set[dead / 64].searching, dead);
    drop(&gate->set[dead / 64].asleep, dead);
    gate_ring(gate, GATE_ALL);
}
