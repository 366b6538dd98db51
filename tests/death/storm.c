/* storm.c - Description: if this failed, a program could lose work, do it twice or hang, because its
 * workers die at moments that nobody thought of.
 *
 *     storm      for CREW_SOAK_SECONDS (30): a pool under load, whose workers are killed at random,
 *                CREW_SOAK_RATE (2,000) a second or as many as the kernel starts again
 *
 * A process of its own sends SIGKILL to children of this one, also to those that are just being
 * started or about to end. Each task sets its bit in the arena; a bit that was set already is a task
 * that was run twice. What every call and future answers is held against the bits. At the end all
 * must be gone: descriptors, processes, zombies, threads, blocks of the arena. */
#define _GNU_SOURCE
#include "storm.h"

#include <stdarg.h>

#define WORKERS 4
#define BATCH 256
#define ELEMENTS 4096
#define BLOCK 1000 /* bytes of a result that does not fit into a slot */
#define PATIENCE 30000 /* ms that a call may take on a busy machine before it counts as a hang */

struct counters *counters;
uint64_t dice = 88172645463325252u;

static struct bits {
    _Atomic uint64_t word[ELEMENTS / 64];
    _Atomic long twice;
} *bits; /* in the arena */

static long tasks, calls, failed, lost, hang, broken, gave_up, died, retried;
static char first[160];

/* -- the load ---------------------------------------------------------------------------------------- */

static CREW_FORMAT(2, 3) void complain(long *what, const char *format, ...)
{
    va_list list;

    ++*what;
    if (first[0] != 0)
        return;
    va_start(list, format);
    vsnprintf(first, sizeof first, format, list);
    va_end(list);
}

static void set(uint64_t i)
{
    uint64_t bit = UINT64_C(1) << i % 64;

    if (atomic_fetch_or(&bits->word[i / 64], bit) & bit)
        atomic_fetch_add(&bits->twice, 1);
}

static bool is_set(uint64_t i)
{
    return atomic_load(&bits->word[i / 64]) >> i % 64 & 1;
}

static void clear(void)
{
    memset(bits->word, 0, sizeof bits->word);
}

static void work_a_little(uint64_t i)
{
    for (volatile unsigned k = 0; k < i % 64 * 50; k++)
        ;
}

/* Some answer with a block of the arena, some use one, some fail. */
static int task(crew_task *t)
{
    uint64_t i = *(const uint64_t *)t->argument;
    uint64_t result[BLOCK / 8];
    void *block;

    set(i);
    work_a_little(i);
    if (i % 5 == 0 && crew_memory_alloc(&block, i % 10 ? 100 : 100000) == 0) {
        memset(block, 1, 100);
        crew_memory_free(block);
    }
    if (i % 31 == 7)
        return crew_task_fail(t, (int)i + 1, "task %lu", (unsigned long)i);
    for (unsigned k = 0; k < BLOCK / 8; k++)
        result[k] = i * 3 + k;
    return crew_task_result(t, result, i % 3 == 0 ? sizeof result : 16);
}

/* The same without bits: a task that is run again after a death sets it again. */
static int task_again(crew_task *t)
{
    uint64_t i = *(const uint64_t *)t->argument;

    work_a_little(i);
    i *= 7;
    return crew_task_result(t, &i, sizeof i);
}

static int element(crew_task *t)
{
    set(t->begin);
    work_a_little(t->begin);
    *(uint64_t *)t->output = *(const uint64_t *)t->input + 1;
    return 0;
}

static int element_again(crew_task *t)
{
    *(uint64_t *)t->output = *(const uint64_t *)t->input + 1;
    return 0;
}

static int range(crew_task *t)
{
    for (uint64_t i = t->begin; i < t->end; i++) {
        set(i);
        work_a_little(i);
    }
    return 0;
}

static bool is_right(uint64_t i, const uint64_t *result, size_t size)
{
    if (size != (i % 3 == 0 ? sizeof(uint64_t) * (BLOCK / 8) : 16))
        return false;
    for (size_t k = 0; k < size / 8; k++)
        if (result[k] != i * 3 + k)
            return false;
    return true;
}

/* A batch of submitted tasks, each of which must end in exactly one way. */
static void submit(crew_pool *pool, bool again)
{
    crew_future *future[BATCH] = { NULL };

    clear();
    for (uint64_t i = 0; i < BATCH; i++) {
        int r = crew_pool_submit(pool, &future[i], again ? task_again : task, &i, sizeof i,
                                 crew_in_ms(PATIENCE));

        if (r == CREW_ENOWORKER)
            gave_up++;
        else if (r < 0)
            complain(&hang, "submit of task %d: %d", (int)i, r);
    }
    for (uint64_t i = 0; i < BATCH; i++) {
        uint64_t result[BLOCK / 8];
        struct crew_failure f;
        size_t size = 0;
        int r;

        if (!future[i])
            continue;
        r = crew_future_result(future[i], result, sizeof result, &size, crew_in_ms(PATIENCE));
        tasks++;
        crew_future_failure(future[i], &f);
        if (r == CREW_ENOWORKER)
            gave_up++;
        else if (r == CREW_EWORKER && (again || f.signal != SIGKILL || f.pid <= 0))
            complain(&broken, "task %d died of signal %d, begun %u times, in process %d%s", (int)i,
                     f.signal, f.attempts, (int)f.pid, again ? ", with retries left" : "");
        else if (r == CREW_EWORKER)
            failed++;
        else if (r == -ETIMEDOUT)
            complain(&hang, "task %d never ended (%d)", (int)i, r);
        else if (again && (r != 0 || result[0] != i * 7))
            complain(&lost, "task %d of those that are run again: %d", (int)i, r);
        else if (!again && !is_set(i))
            complain(&lost, "task %d answered %d, and was not run", (int)i, r);
        else if (!again && i % 31 == 7 && (r != CREW_ETASK || f.code != (int)i + 1))
            complain(&broken, "task %d should have failed: %d", (int)i, r);
        else if (!again && i % 31 != 7 && (r != 0 || !is_right(i, result, size)))
            complain(&broken, "task %d has a wrong result: %d", (int)i, r);
        crew_future_close(future[i]);
    }
    calls++;
}

/* All indices in one call. What a death cost was told, and is no more than one task a death. */
static void share_out(crew_pool *pool, uint64_t *in, uint64_t *out, int how)
{
    struct crew_failure f = { 0 };
    struct crew_job_options options = { .failure = &f };
    long before = atomic_load(&counters->kills), undone = 0;
    int r;

    clear();
    for (uint64_t i = 0; i < ELEMENTS; i++) {
        in[i] = i;
        out[i] = 0;
    }
    if (how == 2)
        options.chunk = 16;
    if (how == 2)
        r = crew_pool_for(pool, range, ELEMENTS, NULL, 0, &options, crew_in_ms(PATIENCE));
    else
        r = crew_pool_map(pool, how == 1 ? element_again : element, in, sizeof *in, out, sizeof *out,
                          ELEMENTS, &options, crew_in_ms(PATIENCE));
    calls++;
    tasks += how == 2 ? ELEMENTS / 16 : ELEMENTS;
    if (r == CREW_ENOWORKER) {
        gave_up++;
        return;
    }
    if (r == -ETIMEDOUT) {
        complain(&hang, "a call of kind %d never ended (%d)", how, r);
        return;
    }
    for (uint64_t i = 0; i < ELEMENTS; i++)
        undone += how == 2 ? !is_set(i) : out[i] != i + 1;
    if (r == 0 && undone > 0)
        complain(&lost, "a call of kind %d succeeded, and left out %ld", how, undone);
    if (r == CREW_EWORKER && how == 1)
        complain(&lost, "a call of kind %d failed: %d", how, r);
    else if (r != 0 && r != CREW_EWORKER)
        complain(&broken, "a call of kind %d answered %d", how, r);
    if (r == CREW_EWORKER) {
        long kills = atomic_load(&counters->kills) - before + 2 * WORKERS; /* some came before */

        failed++;
        if (undone > kills * (how == 2 ? 16 : 1))
            complain(&lost, "a call of kind %d left out %ld", how, undone);
        if (f.signal != SIGKILL)
            complain(&broken, "a call of kind %d: signal %d", how, f.signal);
    }
}

static void one_pool(int64_t until, unsigned retries, uint64_t *in, uint64_t *out)
{
    struct crew_pool_options options = { .workers = WORKERS, .retries = retries, .backlog = BATCH };
    struct crew_pool_stats stats;
    int64_t end = crew_time_now() + 300000000;
    crew_pool *pool;
    int r = crew_pool_open(&pool, &options);

    if (r < 0) {
        complain(&broken, "open: %d", r);
        return;
    }
    for (unsigned n = 0; crew_time_now() < until && crew_time_now() < end; n++) {
        submit(pool, retries > 0);
        share_out(pool, in, out, retries > 0 ? 1 : n % 2 ? 2 : 0);
    }
    crew_pool_stats(pool, &stats);
    died += (long)stats.died;
    retried += (long)stats.retried;
    r = crew_pool_close(pool, crew_in_ms(PATIENCE));
    if (r == CREW_ENOWORKER)
        gave_up++;
    else if (r < 0)
        complain(&hang, "close: %d", r);
}

int main(void)
{
    const long seconds = setting("CREW_SOAK_SECONDS", 30);
    int descriptors, bad;
    size_t before;
    uint64_t *in, *out;
    int64_t begun;
    pid_t pid, list[64];
    double took;
    void *p;
    int left, leak;

    setvbuf(stdout, NULL, _IOLBF, 0);
    left = children(getpid(), list, 64);
    if (left < 0) {
        printf("1..0 # SKIP no /proc/PID/task/TID/children: %s\n", strerror(-left));
        return 0;
    }
    if (!storm_counters())
        return 1;
    descriptors = count_entries("/proc/self/fd");
    if (crew_init(NULL) < 0 || crew_memory_alloc(&p, sizeof *bits) < 0)
        return 1;
    bits = memset(p, 0, sizeof *bits);
    if (crew_memory_alloc(&p, ELEMENTS * sizeof *in) < 0)
        return 1;
    in = p;
    if (crew_memory_alloc(&p, ELEMENTS * sizeof *out) < 0)
        return 1;
    out = p;
    before = used();
    pid = storm_begin(setting("CREW_SOAK_RATE", 2000));
    if (pid < 0)
        return 1;
    begun = crew_time_now();
    for (unsigned n = 0; crew_time_now() < begun + seconds * 1000000000 && hang == 0; n++)
        one_pool(begun + seconds * 1000000000, n % 3 == 2 ? 14 : 0, in, out);
    took = (double)(crew_time_now() - begun) * 1e-9;
    storm_end(pid);

    bad = lost || hang || broken || gave_up || atomic_load(&bits->twice) || counters->kills == 0;
    printf("%sok 1 - storm: %ld kills in %.1f s (%.0f/s), %ld workers seen dead, %ld tasks in %ld calls "
           "(%.0f/s), %ld cost their task, %ld run again: %ld hang, %ld lost, %ld twice, %ld broken, "
           "%ld gave up\n",
           bad ? "not " : "", counters->kills, took, (double)counters->kills / took, died, tasks, calls,
           (double)tasks / took, failed, retried, hang, lost, bits->twice, broken, gave_up);
    if (first[0])
        printf("# first: %s\n", first);
    left = 0;
    while (hang == 0 && waitpid(-1, NULL, WNOHANG) >= 0)
        left++;
    leak = (int)(used() - before);
    crew_memory_free(in);
    crew_memory_free(out);
    crew_memory_free(bits);
    bad = crew_fini();
    printf("%sok 2 - storm: nothing is left: %d processes, %d bytes of the arena, %d descriptors, %d "
           "threads more than before\n",
           left || leak || bad || count_entries("/proc/self/fd") != descriptors ||
                   count_entries("/proc/self/task") != 3
               ? "not " : "",
           left, leak, count_entries("/proc/self/fd") - descriptors,
           count_entries("/proc/self/task") - 3);
    printf("1..2\n");
    return 0;
}
