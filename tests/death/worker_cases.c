/* worker_cases.c - Description: if one of these failed, a pool could sleep for ever with work to do,
 * because a wake-up went to a worker that died, or came at the wrong moment.
 *
 * src/pool/worker.c on top of slot.c, job.c and gate.c: two workers in their loop, of which one may
 * die, and the root, which gives them work, waits for the ends and sends them home. The root's steps
 * are those of pool.c, map.c and future.c without their private books, the supervisor's those of
 * repair() and wake() in pool.c. */
#include "cases.h"

#include <life/roster.h>
#include <pool/pool.h>

#include <errno.h>
#include <string.h>

#define WORKERS 3 /* 0 may die, 1 lives, 2 does what is left */
#define SLOTS 4
#define TASKS 2
#define UNITS 3
#define ROOT 2 /* its place among the processes of a case */
#define PID 4711

struct notes {
    uint64_t begun[SLOTS], ended[SLOTS];
    uint64_t mapped[UNITS];
    uint64_t accepted;
    uint64_t retries;
    uint64_t wrong;
};

struct shared {
    _Alignas(CACHE_LINE) char pool[sizeof(struct pool_shm) + WORKERS * sizeof(struct worker_shm)];
    _Alignas(CACHE_LINE) uint32_t ring[CACHE_LINE / sizeof(uint32_t)]; /* a board: ring and slots */
    struct slot_shm slots[SLOTS];
    _Alignas(CACHE_LINE) char job[8192];
    struct notes notes;
    struct roster_shm roster; /* nobody sits there, and nobody listens */
};

static struct arena handle = { .fd = -1 };

static struct shared *shared(void)
{
    return (struct shared *)(void *)death_arena;
}

static struct pool_shm *the_pool(void)
{
    return (struct pool_shm *)(void *)shared()->pool;
}

/* Results are small: no task here asks for a block. */
int life_alloc(size_t size, void **block)
{
    (void)size;
    (void)block;
    return -ENOMEM;
}

void life_free(void *block)
{
    (void)block;
    death_misuse(__func__);
}

static int run_task(crew_task *task)
{
    const uint64_t *n = task->argument;

    shared()->notes.begun[*n]++;
    return 0;
}

static int run_unit(crew_task *task)
{
    shared()->notes.mapped[task->begin]++;
    return 0;
}

/* -- what is there before ------------------------------------------------------------------------- */

static void no_work(void)
{
    struct shared *a = shared();

    if (job_size(WORKERS) > sizeof a->job)
        __builtin_trap();
    roster_use(&handle, &a->roster);
    memset(a->slots, 0x5a, sizeof a->slots); /* a block holds what was there before */
    memset(a->job, 0x5a, sizeof a->job);
    gate_init(&the_pool()->gate, WORKERS, 1);
    the_pool()->gate.spin = 64; /* awake for a few steps: as much is tried in fewer schedules */
    board_init(&the_pool()->board, SLOTS, a->ring);
    job_init(&the_pool()->job, WORKERS, a->job, &the_pool()->gate);
}

static void no_work_and_a_retry(void)
{
    no_work();
    shared()->notes.retries = 1;
}

/* -- what is done ----------------------------------------------------------------------------------- */

static int worker_0(void)
{
    worker_loop(the_pool(), 0, NULL);
    return 0;
}
static int worker_1(void)
{
    worker_loop(the_pool(), 1, NULL);
    return 0;
}

/* put_task() */
static void submit(uint32_t i)
{
    struct shared *a = shared();
    uint64_t number = i;

    if (!slot_claim(&a->slots[i], 0)) {
        a->notes.wrong = 1;
        return;
    }
    a->slots[i].function = run_task;
    a->slots[i].argument_size = sizeof number;
    a->slots[i].argument_block = NULL;
    memcpy(slot_argument(&a->slots[i], sizeof number), &number, sizeof number);
    slot_publish(&the_pool()->board, i);
    gate_ring(&the_pool()->gate, 1);
    a->notes.accepted |= UINT64_C(1) << i;
}

static bool harvest(uint32_t i)
{
    struct shared *a = shared();

    if (slot_state(&a->slots[i]) != SLOT_DONE)
        return false;
    a->notes.ended[i]++;
    slot_collect(&a->slots[i]);
    return true;
}

static bool all_ended(void)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < TASKS; i++)
        n += shared()->notes.ended[i] > 0 || harvest(i);
    return n == TASKS;
}

static bool first_ended(void)
{
    return shared()->notes.ended[0] > 0 || harvest(0);
}

static bool job_over(void)
{
    return job_is_finished(&the_pool()->job);
}

static bool job_left(void)
{
    return job_is_empty(&the_pool()->job, WORKERS);
}

/* pool_wait() */
static void wait_for(bool (*done)(void), uint32_t wanted)
{
    struct bell_shm *bell = &the_pool()->bell;

    for (;;) {
        uint32_t seen;

        store_total(&bell->wanted, wanted);
        seen = load_total(&bell->event);
        if (done())
            break;
        os_futex_wait(&bell->event, seen, CREW_FOREVER);
    }
    store_relaxed(&bell->wanted, 0);
}

/* dismiss() */
static void send_home(void)
{
    struct pool_shm *pool = the_pool();

    store_total(&pool->closing, 1);
    gate_ring(&pool->gate, GATE_ALL);
}

static int submit_and_wait(void)
{
    submit(0);
    submit(1);
    wait_for(all_ended, BELL_ANY);
    send_home();
    return 0;
}

static int one_after_another(void)
{
    submit(0);
    wait_for(first_ended, 1);
    submit(1);
    wait_for(all_ended, BELL_ANY);
    send_home();
    return 0;
}

enum patience { WAITS, GIVES_UP, KILLS };

/* run_epoch(), and cut_short() of threads (GIVES_UP) and of processes */
static void map(enum patience patience)
{
    struct pool_shm *pool = the_pool();
    struct job_shm *job = &pool->job;

    job_clear_failures(job, WORKERS);
    job->plan.kind = JOB_MAP;
    job->retries = (uint32_t)shared()->notes.retries;
    job->first = 0;
    job->plan.count = UNITS;
    job->plan.unit = 1;
    job->plan.function = run_unit;
    job_open(job, UNITS, 0);
    gate_ring(&pool->gate, GATE_ALL);
    if (patience == WAITS) {
        wait_for(job_over, BELL_ANY);
    } else {
        store_total(&job->cancel, 1);
        gate_ring(&pool->gate, GATE_ALL);
        if (patience == KILLS && job_doom(job, 0))
            death_kill(0);
    }
    job_close(job);
    if (!job_left()) {
        gate_ring(&pool->gate, GATE_ALL);
        wait_for(job_left, BELL_ANY);
    }
}

static int map_and_wait(void)
{
    map(WAITS);
    send_home();
    return 0;
}

static int map_without_patience(void)
{
    map(GIVES_UP);
    send_home();
    return 0;
}

/* What comes after it finds nothing of it. */
static int kill_in_map_and_submit(void)
{
    map(KILLS);
    submit(0);
    wait_for(first_ended, BELL_ANY);
    map(WAITS);
    submit(1);
    wait_for(all_ended, BELL_ANY);
    send_home();
    return 0;
}

static int map_and_submit(void)
{
    submit(0);
    map(WAITS);
    submit(1);
    wait_for(all_ended, BELL_ANY);
    send_home();
    return 0;
}

/* -- and then --------------------------------------------------------------------------------------- */

static void repair(unsigned dead)
{
    const struct os_end end = { .status = -1, .signal = 9 };
    struct pool_shm *pool = the_pool();
    struct slot_damage damage = { 0, 0 };

    for (uint32_t w = 0; w < ROOT; w++) {
        if (!(dead >> w & 1))
            continue;
        slot_repair(&pool->board, w, (uint32_t)shared()->notes.retries, SLOT_DIED, &end, PID, &damage);
        job_repair(&pool->job, w, &end, PID);
        gate_repair(&pool->gate, w);
        atomic_fetch_add(&pool->bell.event, 1);
        os_futex_wake(&pool->bell.event, INT32_MAX);
    }
}

static const char *check_all(const struct death_end *ends, bool tasks, bool units)
{
    struct shared *a = shared();
    struct crew_failure f;
    unsigned deaths = 0;
    const char *wrong;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (ends[p].how == DEATH_BLOCKED)
            return p == ROOT ? "hang: the root waits for ever" : "hang: a worker sleeps for ever";
        deaths += ends[p].how == DEATH_KILLED;
    }
    wrong = board_check(&the_pool()->board);
    if (!wrong)
        wrong = job_check(&the_pool()->job);
    if (wrong || a->notes.wrong)
        return wrong ? wrong : "broken: the case";
    for (unsigned i = 0; tasks && i < TASKS; i++) {
        if (a->notes.ended[i] != 1)
            return a->notes.ended[i] ? "twice: an end" : "lost: a task without an end";
        if (a->notes.begun[i] > 1 + (a->notes.retries ? deaths : 0))
            return "twice: a task was begun again";
        if (a->notes.begun[i] == 0 && deaths == 0)
            return "lost: a task was not run";
    }
    for (unsigned i = 0; units && i < UNITS; i++) {
        if (a->notes.mapped[i] > 1 + (a->notes.retries ? deaths : 0))
            return "twice: a unit was run again";
        if (a->notes.mapped[i] == 0 && (deaths == 0 || a->notes.retries))
            return "lost: a unit was not run";
        if (a->notes.mapped[i] == 0 && !job_failure(&the_pool()->job, WORKERS, &f))
            return "lost: a unit was not run, and nobody was told";
    }
    return NULL;
}

static const char *check_tasks(const struct death_end *ends)
{
    return check_all(ends, true, false);
}
static const char *check_units(const struct death_end *ends)
{
    return check_all(ends, false, true);
}
static const char *check_both(const struct death_end *ends)
{
    return check_all(ends, true, true);
}
static const char *check_return(const struct death_end *ends)
{
    return check_all(ends, false, false);
}

#define WORKER_CASE(what, before, after, root)                                               \
    { .name = "worker: " what, .size = sizeof(struct shared), .setup = before,                \
      .recover = repair, .check = after, .operation = { worker_0, worker_1, root },          \
      .immortal = 1 << 1 | 1 << ROOT }

static const struct death_case list[] = {
    WORKER_CASE("two tasks", no_work, check_tasks, submit_and_wait),
    WORKER_CASE("two tasks, with a retry", no_work_and_a_retry, check_tasks, submit_and_wait),
    WORKER_CASE("one task after another", no_work, check_tasks, one_after_another),
    WORKER_CASE("a map", no_work, check_units, map_and_wait),
    WORKER_CASE("a map, with a retry", no_work_and_a_retry, check_units, map_and_wait),
    WORKER_CASE("a map between two tasks", no_work, check_both, map_and_submit),
    WORKER_CASE("a map that is given up", no_work, check_return, map_without_patience),
    WORKER_CASE("a map whose worker is killed, and more", no_work, check_tasks,
                kill_in_map_and_submit),
};

const struct death_cases worker_cases = { list, sizeof list / sizeof list[0] };
