/* Q11.c - two processes put and get without a pause, and one after the other is killed at a random
 * moment, for 2 s: the other one always goes on, no message is lost, none is taken twice.
 *
 * Each message has a number. Who put it says so in one bit map, who got it in another: with a
 * lease, so what somebody got and did not acknowledge before it died comes back, and says that
 * it is not new. */
#include "fault.h"

#define LOAD_MS 2000
#define NUMBERS (UINT64_C(1) << 24)
#define WORKERS 2
#define STOCK 50 /* messages there from the beginning, so that nobody waits for the dead */

static struct traffic {
    _Atomic uint64_t next;          /* number */
    _Atomic uint64_t done[WORKERS]; /* what each has done: it goes on as long as this rises */
    _Atomic uint64_t twice;
    _Atomic uint64_t put[NUMBERS / 64], got[NUMBERS / 64];
} * traffic;

static crew_queue *queue;
static unsigned who; /* the process that is being started */

static bool set(_Atomic uint64_t *map, uint64_t number)
{
    uint64_t bit = UINT64_C(1) << number % 64;

    return (atomic_fetch_or(&map[number / 64], bit) & bit) != 0;
}

/* Puts the next number. */
static int put(crew_time deadline)
{
    uint64_t number = atomic_fetch_add(&traffic->next, 1);
    int r =
        number < NUMBERS ? crew_queue_put(queue, &number, sizeof number, deadline) : CREW_ECLOSED;

    if (r == 0)
        set(traffic->put, number);
    return r;
}

static int take(crew_time deadline)
{
    struct crew_lease lease;
    uint64_t number;
    int r = crew_queue_get_lease(queue, &number, sizeof number, NULL, &lease, deadline);

    if (r < 0)
        return r;
    if (number >= NUMBERS || (set(traffic->got, number) && lease.attempt == 1))
        atomic_fetch_add(&traffic->twice, 1);
    return crew_queue_task_done(queue, &lease);
}

static int put_and_take(crew_task *task)
{
    unsigned me = who;
    int r = 0;

    (void)task;
    while (r == 0) {
        r = put(in_time());
        if (r == 0)
            r = take(in_time());
        if (r == 0 && crew_queue_size(queue) > 2 * STOCK) /* the dead had put, and not taken */
            r = take(CREW_NOW);
        if (r == -EAGAIN)
            r = 0;
        atomic_fetch_add(&traffic->done[me], 1);
    }
    if (r == CREW_ECLOSED)
        return 0;
    must(r);
    return 0;
}

static void begin_at(unsigned i)
{
    who = i;
    must(crew_process_start(&fault_here.process[i], put_and_take, NULL, 0, NULL));
}

/* Kills one, and waits until another one goes on. How long it took, in ns. */
static crew_time kill_one(unsigned i)
{
    unsigned other = (i + 1) % WORKERS;
    uint64_t done = atomic_load(&traffic->done[other]);
    crew_time begin = crew_time_now(), took;

    must(crew_process_kill(fault_here.process[i]));
    until(atomic_load(&traffic->done[other]) > done + 1);
    took = crew_time_now() - begin;
    bury(fault_here.process[i]);
    must(crew_process_close(fault_here.process[i]));
    begin_at(i);
    return took;
}

FAULT("Q11",
      "Queue under load (2 procs get+put), one SIGKILLed at a random time: does traffic go on?")
{
    unsigned kills = 0, lost = 0, extra = 0;
    crew_time end_of_load = crew_in_ms(LOAD_MS), longest = 0;
    uint64_t dice = (uint64_t)crew_time_now();
    uint64_t numbers;
    void *block;
    int r;

    must(crew_memory_alloc(&block, sizeof *traffic));
    traffic = memset(block, 0, sizeof *traffic);
    must(crew_queue_open(&queue, &(struct crew_queue_options){ .lease = true }));
    for (unsigned i = 0; i < STOCK; i++)
        must(put(CREW_NOW));
    fault_here.processes = WORKERS;
    for (unsigned i = 0; i < WORKERS; i++)
        begin_at(i);
    for (; crew_time_now() < end_of_load && atomic_load(&traffic->next) < NUMBERS; kills++) {
        crew_time took;

        dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407;
        usleep((unsigned)(dice >> 54)); /* up to 1 ms */
        took = kill_one(dice >> 53 & 1);
        longest = took > longest ? took : longest;
    }
    crew_queue_shut(queue);
    for (unsigned i = 0; i < WORKERS; i++)
        bury(fault_here.process[i]);
    while ((r = take(CREW_NOW)) == 0)
        ;
    numbers = atomic_load(&traffic->next);
    for (uint64_t i = 0; i < numbers / 64; i++) {
        uint64_t put = atomic_load(&traffic->put[i]), got = atomic_load(&traffic->got[i]);

        lost += (unsigned)__builtin_popcountll(put & ~got);
        extra += (unsigned)__builtin_popcountll(got & ~put); /* their sender died behind put() */
    }
    atomic_store(&fault->died, 1);
    atomic_store(&fault->on, longest + 1);
    end_all();
    crew_queue_close(queue);
    if (r != CREW_ECLOSED)
        end("error", "the end of the queue: %s", code_of(r));
    if (atomic_load(&traffic->twice) > 0 || extra > kills)
        end("dup", "%u kills, %u messages twice, %u from nowhere", kills,
            (unsigned)atomic_load(&traffic->twice), extra);
    crew_memory_free(traffic);
    end_well(lost == 0 ? "ok" : "lost",
             "0 of %u kills left the queue dead; %u of %llu messages lost, none twice", kills, lost,
             (unsigned long long)numbers);
}
