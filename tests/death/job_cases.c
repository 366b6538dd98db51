/* job_cases.c - Description: if one of these failed, an index of a map or for could be skipped, run
 * twice, or waited for without end, because a worker died at the wrong moment.
 *
 * src/pool/job.c and gate.c. The task counts in the arena how often each index was begun and done.
 * Workers are numbered as the processes of a case; 3 is a new one that does what is left. */
#include "cases.h"

#include <pool/job.h>

#include <string.h>

#define WORKERS 4
#define MOST_INDICES 16
#define PID 4711
#define FAILS 2   /* this index reports a failure ... */
#define CODE 77   /* ... with this code, where 'failing' is set */

struct notes {
    uint64_t begun[MOST_INDICES], done[MOST_INDICES];
    uint64_t failing;
    _Atomic uint64_t early; /* a worker left although something was left to do */
};

struct arena {
    struct gate_shm gate;
    struct job_shm job;
    char memory[5120]; /* blocks and seats */
    struct notes notes;
};

static struct arena *arena(void)
{
    return (struct arena *)(void *)death_arena;
}

static int run(crew_task *task)
{
    struct notes *n = &arena()->notes;
    int code = 0;

    for (uint64_t i = task->begin; i < task->end; i++)
        n->begun[i]++;
    for (uint64_t i = task->begin; i < task->end; i++) {
        n->done[i]++;
        if (n->failing && i == FAILS)
            code = CODE;
    }
    return code;
}

/* -- what is there before ------------------------------------------------------------------------- */

/* 'cuts' is the number of workers that the blocks are cut for; 0: one block. */
static void open_job(enum job_kind kind, uint64_t units, uint64_t unit, unsigned cuts, uint32_t retries)
{
    struct job_shm *job = &arena()->job;

    job->plan.kind = kind;
    job->retries = retries;
    job->first = 0;
    job->plan.count = units * unit;
    job->plan.unit = unit;
    job->plan.adapt = false;
    job->plan.function = run;
    job_clear_failures(job, WORKERS);
    job_open(job, units, cuts);
}

static void make(void)
{
    struct arena *a = arena();

    if (job_size(WORKERS) > sizeof a->memory)
        __builtin_trap();
    memset(a->memory, 0x5a, sizeof a->memory); /* a block holds what was there before */
    gate_init(&a->gate, WORKERS, 1);
    a->gate.spin = 64; /* awake for a few steps: as much is tried in fewer schedules */
    job_init(&a->job, WORKERS, a->memory, &a->gate);
}

static void map_of_blocks(void)
{
    make();
    open_job(JOB_MAP, 6, 1, 1, 0);
}

static void map_of_one_block(void)
{
    make();
    open_job(JOB_MAP, 6, 1, 0, 0);
}

static void small_map(void)
{
    make();
    open_job(JOB_MAP, 4, 1, 0, 0);
}

static void small_map_with_a_retry(void)
{
    make();
    open_job(JOB_MAP, 4, 1, 0, 1);
}

/* Somebody else waits for units: the owner of a block splits it. */
static void map_and_hungry(void)
{
    map_of_one_block();
    arena()->job.hungry = 1 << 8;
}

static void range_and_hungry(void)
{
    make();
    open_job(JOB_RANGE, 5, 2, 0, 0);
    arena()->job.hungry = 1 << 8;
}

static void range_and_hungry_with_a_retry(void)
{
    make();
    open_job(JOB_RANGE, 5, 2, 0, 1);
    arena()->job.hungry = 1 << 8;
}

static void map_that_fails(void)
{
    map_and_hungry();
    arena()->notes.failing = 1;
}

static void map_that_fails_with_a_retry(void)
{
    make();
    open_job(JOB_MAP, 5, 1, 0, 1);
    arena()->notes.failing = 1;
}

/* -- what is done ----------------------------------------------------------------------------------- */

/* A word of job.c that has neither an owner nor a unit. */
static bool is_empty(uint64_t word)
{
    return word >> 53 == 0 && (word >> 22 & 0x3fffff) >= (word & 0x3fffff);
}

static int work(unsigned worker)
{
    struct job_shm *job = &arena()->job;
    uint32_t epoch = job_work(job, worker, PID, CREW_FOREVER);

    for (uint32_t b = 0; b < job->table && !atomic_load(&job->cancel); b++)
        if (!is_empty(atomic_load(&job->block[b].word)))
            atomic_store(&arena()->notes.early, 1);
    return epoch == 0 ? 0 : 1;
}
static int work_0(void)
{
    return work(0);
}
static int work_1(void)
{
    return work(1);
}
static int work_2(void)
{
    return work(2);
}

/* The caller loses patience: as run_epoch() in map.c, where workers are threads. */
static int cancel(void)
{
    struct arena *a = arena();

    atomic_store(&a->job.cancel, 1);
    gate_ring(&a->gate, GATE_ALL);
    job_close(&a->job);
    if (!job_is_empty(&a->job, WORKERS))
        gate_ring(&a->gate, GATE_ALL);
    return 0;
}

/* -- and then --------------------------------------------------------------------------------------- */

static void repair(unsigned dead)
{
    const struct os_end end = { .status = -1, .signal = 9 };

    for (unsigned w = 0; w < DEATH_PROCESSES; w++)
        if (dead >> w & 1) {
            job_repair(&arena()->job, w, &end, PID);
            gate_repair(&arena()->gate, w);
        }
}

static const char *check(const struct death_end *ends)
{
    struct arena *a = arena();
    struct crew_failure f;
    const char *wrong = job_check(&a->job);
    uint64_t cancelled = atomic_load(&a->job.cancel);
    unsigned deaths = 0, lost = 0;
    bool failed;

    if (wrong)
        return wrong;
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        deaths += ends[p].how == DEATH_KILLED;
        if (ends[p].how == DEATH_BLOCKED)
            return "hang: a worker sleeps though nothing is left to do";
    }
    if (a->notes.early)
        return "lost: a worker said that all is done before it was";
    work(3);
    if (!cancelled && !job_is_finished(&a->job))
        return "hang: the job is not finished, and nothing is free";
    job_close(&a->job);
    if (!job_is_empty(&a->job, WORKERS))
        return "hang: somebody dead is still inside";
    failed = job_failure(&a->job, WORKERS, &f);
    for (uint64_t i = 0; i < a->job.plan.count; i++) {
        if (a->notes.done[i] > 1 + (a->job.retries ? deaths : 0) ||
            a->notes.begun[i] > 1 + (a->job.retries ? deaths : 0))
            return "twice: an index was run again";
        if (cancelled || a->notes.done[i] > 0)
            continue;
        if (a->job.retries >= deaths && deaths > 0)
            return "lost: an index was not run again";
        if (!failed || f.begin > i)
            return "lost: an index was not run, and nobody was told";
        lost++;
    }
    if (lost > deaths * a->job.plan.unit)
        return "lost: more than one task for a death";
    if (failed && f.error == CREW_EWORKER) {
        if (deaths == 0 && ends[0].how != DEATH_RETURNED && ends[0].how != DEATH_BLOCKED)
            return "a death was reported that nobody died";
        if (f.pid != PID || f.signal != 9 || f.end <= f.begin || f.end - f.begin > a->job.plan.unit)
            return "a death was reported without its details";
    } else if (failed && (f.error != CREW_ETASK || f.code != CODE || f.begin != FAILS ||
                          !a->notes.failing)) {
        return "a failure was reported that no task told";
    }
    if (!failed && a->notes.failing && !cancelled)
        return "lost: a failure that was told";

    /* a round trip */
    memset(&a->notes, 0, sizeof a->notes);
    open_job(JOB_MAP, 5, 1, 1, 0);
    work(3);
    if (!job_is_finished(&a->job))
        return "hang: a new job does not finish";
    job_close(&a->job);
    for (uint64_t i = 0; i < 5; i++)
        if (a->notes.done[i] != 1)
            return "lost: an index of a new job";
    if (job_failure(&a->job, WORKERS, &f))
        return "a new job has an old failure";
    return job_check(&a->job);
}

#define JOB_CASE(what, before, ...)                                                          \
    { .name = "job: " what, .size = sizeof(struct arena), .setup = before,                   \
      .recover = repair, .check = check, .operation = { __VA_ARGS__ }

static const struct death_case list[] = {
    JOB_CASE("claim, advance, finish four blocks", map_of_blocks, work_0) },
    JOB_CASE("advance through one block", map_of_one_block, work_0) },
    JOB_CASE("advance, with a retry", small_map_with_a_retry, work_0) },
    JOB_CASE("split a map", map_and_hungry, work_0) },
    JOB_CASE("split ranges", range_and_hungry, work_0) },
    JOB_CASE("split ranges, with a retry", range_and_hungry_with_a_retry, work_0) },
    JOB_CASE("a task that fails", map_that_fails, work_0) },
    JOB_CASE("a task that fails, with a retry", map_that_fails_with_a_retry, work_0) },
    JOB_CASE("two share a map", map_of_one_block, work_0, work_1) },
    JOB_CASE("two share a small map, with a retry", small_map_with_a_retry, work_0, work_1) },
    JOB_CASE("two share ranges", range_and_hungry, work_0, work_1) },
    JOB_CASE("three share a small map", small_map, work_0, work_1, work_2), .events = 2 },
    JOB_CASE("two share a map that fails", map_that_fails, work_0, work_1) },
    JOB_CASE("two share a map that is cancelled", small_map, work_0, work_1, cancel), .immortal = 4,
      .events = 2 },
};

const struct death_cases job_cases = { list, sizeof list / sizeof list[0] };
