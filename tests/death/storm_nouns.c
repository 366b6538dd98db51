/* storm_nouns.c - Description: if this failed, a program could hang, or lose or get twice what it
 * was given, because a process that it shares locks, queues and the like with died at a moment
 * nobody thought of.
 *
 *     storm_nouns [NOUN...]    for CREW_SOAK_SECONDS (12): processes that use all nouns, or these,
 *                              at random, killed at random, CREW_SOAK_RATE (2,500) a second or as
 *                              many as the kernel starts again
 *
 * A round: WORKERS processes work, with one noun or some of them; a process of its own kills
 * them, the root starts new ones. Then the killer rests, and no new operation begins: whoever
 * waits must wait for what is not there. Then each noun is told once that the round is over, and
 * everybody must come to an end. So a wake-up that was given to the dead, or was still to come
 * from them, shows. Every death, and every end, wakes all: so a
 * short round finds more than a long one, and who is through waits for the others before it
 * ends. Then the root, alone, looks at what is left. Now and then everything is closed, and must
 * be gone: processes, descriptors, bytes of the arena. */
#define _GNU_SOURCE
#include "storm_nouns.h"

#include <assert.h>
#include <stdarg.h>

#define PATIENCE 20000      /* ms that the end of a round may take before it counts as a hang */
#define LONG_AGO 1500000000 /* ns after which who was woken, and can run, did */
#define ROUNDS 16           /* until all is closed, and opened anew */

static const struct noun *const nouns[] = {
    &storm_lock, &storm_rlock,     &storm_rwlock,    &storm_event,   &storm_value, &storm_latch,
    &storm_once, &storm_semaphore, &storm_condition, &storm_barrier, &storm_queue, &storm_pipe,
};
enum { ALL = sizeof nouns / sizeof *nouns };
static_assert(ALL <= NOUNS, "there is a number for each");

struct counters *counters;
uint64_t dice = 88172645463325252u;
struct storm_shm *storm;

static crew_process *process[WORKERS];
static unsigned active[NOUNS], actives; /* those of this round */
static long hang, leaked, rounds, died;
static char first[MESSAGE];

#define THROUGH UINT32_MAX /* doing nothing any more, and waiting for the others */

/* All are through: who ended before that would wake those that are stranded. */
static crew_event *home;

/* -- the workers -------------------------------------------------------------------------- */

void storm_complain(const char *format, ...)
{
    va_list list;

    if (atomic_fetch_add(&storm->complaints, 1) > 0)
        return;
    va_start(list, format);
    vsnprintf(storm->first, sizeof storm->first, format, list);
    va_end(list);
}

int storm_block(void *block, size_t size)
{
    void *b;
    int r = crew_memory_alloc(&b, size);

    if (r == 0)
        memcpy(block, &(void *){ memset(b, 0, size) }, sizeof b);
    return r;
}

static int work(crew_task *task)
{
    unsigned me = *(const unsigned *)task->argument;

    dice ^= (uint64_t)crew_time_now() << 20 ^ (uint64_t)getpid();
    while (!storm_over() && actives > 0) {
        unsigned which = active[roll() % actives];

        atomic_store(&storm->doing[me], which + 1);
        nouns[which]->work(me);
        atomic_fetch_add(&storm->operations[which], 1);
    }
    atomic_store(&storm->doing[me], THROUGH);
    return crew_event_wait(home, CREW_FOREVER);
}

/* -- the root ----------------------------------------------------------------------------- */

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

static void begin(unsigned i)
{
    int r;

    atomic_store(&storm->doing[i], 0);
    atomic_store(&storm->waits[i], 0);
    for (unsigned k = 0; k < actives; k++)
        if (nouns[active[k]]->before)
            nouns[active[k]]->before(i);
    r = crew_process_start(&process[i], work, &i, sizeof i, NULL);
    if (r < 0) {
        process[i] = NULL;
        complain(&hang, "start: %s", crew_strerror(r));
        return;
    }
    for (unsigned k = 0; k < actives; k++)
        if (nouns[active[k]]->after)
            nouns[active[k]]->after(i, crew_process_pid(process[i]));
}

/* Takes note of a process that has ended. */
static void end(unsigned i)
{
    struct crew_exit e;
    int r = crew_process_join(process[i], &e, CREW_NOW);

    if (r == -EAGAIN)
        return;
    if (r < 0 || (e.signal != SIGKILL && e.status != 0))
        storm_complain("a worker ended with status %d, signal %d", e.status, e.signal);
    if (e.signal == SIGKILL) {
        died++;
        storm->died++;
    }
    crew_process_close(process[i]);
    process[i] = NULL;
    for (unsigned k = 0; k < actives; k++)
        if (nouns[active[k]]->ended)
            nouns[active[k]]->ended(i);
}

/* Waits until one has ended, or 'deadline'. */
static void await_one(crew_time deadline)
{
    struct crew_wait list[WORKERS];
    unsigned who[WORKERS], n = 0;

    for (unsigned i = 0; i < WORKERS; i++)
        if (process[i]) {
            who[n] = i;
            list[n++] = crew_wait_process(process[i]);
        }
    if (n > 0 && crew_wait_any(list, n, deadline) == 0)
        for (unsigned k = 0; k < n; k++)
            if (list[k].ready)
                end(who[k]);
}

/* Whether there is one that is not through; or one at all. */
static bool anyone(bool at_all)
{
    for (unsigned i = 0; i < WORKERS; i++)
        if (process[i] && (at_all || atomic_load(&storm->doing[i]) != THROUGH))
            return true;
    return false;
}

/* One noun, some, or all. */
static void choose(unsigned count, const unsigned *among)
{
    actives = 0;
    if (roll() % 2)
        active[actives++] = among[roll() % count];
    for (unsigned i = 0; actives == 0 || (i < count && actives > 1); i++)
        if (roll() % 2)
            active[actives++] = among[i % count];
}

/* Whether each worker is through, or rightly waits; 'long_ago': since nothing happens any more. */
static bool calm(bool long_ago)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        uint32_t at = atomic_load(&storm->doing[i]);
        uint64_t what = atomic_load(&storm->waits[i]);
        int parent;
        bool asleep;

        if (!process[i] || at == THROUGH)
            continue;
        if (at == 0 || at > ALL || what == 0 || !nouns[at - 1]->may_wait)
            return false;
        asleep = long_ago && state_of(crew_process_pid(process[i]), &parent) == 'S';
        if (!nouns[at - 1]->may_wait(what, asleep))
            return false;
    }
    return true;
}

/* Waits until they are: two looks in a row, for they look at one after the other. */
static void calm_down(void)
{
    crew_time begin = crew_time_now(), patience = crew_in_ms(PATIENCE);
    bool long_ago = false;

    while (!(calm(long_ago) && calm(long_ago)) && crew_time_now() < patience) {
        await_one(crew_in_ms(1));
        long_ago = crew_time_now() > begin + LONG_AGO;
    }
}

/* Says who does not come to an end. */
static void tell_hang(const char *when)
{
    for (unsigned i = 0; i < WORKERS; i++) {
        uint32_t at = atomic_load(&storm->doing[i]);

        if (process[i] && at != THROUGH)
            complain(&hang, "a worker waits for ever%s (%s, for %llu)", when,
                     at > 0 && at <= ALL ? nouns[at - 1]->name : "nothing",
                     (unsigned long long)atomic_load(&storm->waits[i]));
    }
}

static void one_round(unsigned count, const unsigned *among)
{
    long until;
    crew_time end_of_load = crew_in_ms(1000), patience;

    choose(count, among);
    atomic_store(&storm->over, 0);
    for (unsigned i = 0; i < WORKERS; i++)
        begin(i);
    until = atomic_load(&counters->kills) + 8 + (long)(roll() % 32);
    atomic_store(&counters->hold, 0);
    while (atomic_load(&counters->kills) < until && crew_time_now() < end_of_load) {
        await_one(crew_in_ms(1));
        for (unsigned i = 0; i < WORKERS; i++)
            if (!process[i])
                begin(i);
        for (unsigned k = 0; k < actives; k++)
            if (nouns[active[k]]->tend)
                nouns[active[k]]->tend();
    }
    atomic_store(&counters->hold, 1);
    while (!atomic_load(&counters->held))
        await_one(crew_in_ms(1));

    atomic_store(&storm->over, 1);
    calm_down();
    if (!calm(false) && !calm(true))
        tell_hang(" for what is there");
    for (unsigned k = 0; k < actives; k++)
        if (nouns[active[k]]->finish)
            nouns[active[k]]->finish();
    for (patience = crew_in_ms(PATIENCE); anyone(false) && crew_time_now() < patience;)
        await_one(crew_in_ms(1));
    tell_hang("");
    crew_event_set(home);
    while (hang == 0 && anyone(true))
        await_one(crew_in_ms(1));
    crew_event_clear(home);
    for (unsigned k = 0; hang == 0 && k < actives; k++) {
        const char *wrong = nouns[active[k]]->check();

        if (wrong)
            storm_complain("%s", wrong);
    }
    rounds++;
}

/* Opens all, some rounds, closes all; then nothing is left. */
static void one_age(unsigned count, const unsigned *among, crew_time until)
{
    size_t before = used();
    int descriptors = count_entries("/proc/self/fd");

    for (unsigned i = 0; i < count; i++) {
        int r = nouns[among[i]]->open();

        if (r < 0) {
            complain(&hang, "%s: open: %s", nouns[among[i]]->name, crew_strerror(r));
            return;
        }
    }
    for (unsigned n = 0; n < ROUNDS && hang == 0 && crew_time_now() < until; n++)
        one_round(count, among);
    if (hang > 0)
        return;
    for (unsigned i = 0; i < count; i++)
        nouns[among[i]]->close();
    if (used() != before)
        complain(&leaked, "%d bytes of the arena are left", (int)(used() - before));
    if (count_entries("/proc/self/fd") != descriptors)
        complain(&leaked, "%d descriptors are left", count_entries("/proc/self/fd") - descriptors);
}

static unsigned pick(int argc, char **argv, unsigned *among)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ALL; i++) {
        bool wanted = argc < 2;

        for (int a = 1; a < argc; a++)
            wanted |= strcmp(argv[a], nouns[i]->name) == 0;
        if (wanted)
            among[count++] = i;
    }
    return count;
}

int main(int argc, char **argv)
{
    const long seconds = setting("CREW_SOAK_SECONDS", 12);
    unsigned among[NOUNS], count = pick(argc, argv, among);
    int descriptors, threads, bad, left = children(getpid(), (pid_t[64]){ 0 }, 64);
    crew_time begun;
    pid_t pid;
    double took;
    void *p;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (left < 0) {
        printf("1..0 # SKIP no /proc/PID/task/TID/children: %s\n", strerror(-left));
        return 0;
    }
    if (count == 0 || !storm_counters())
        return 2;
    descriptors = count_entries("/proc/self/fd");
    if (crew_event_open(&home) < 0 || storm_block(&p, sizeof *storm) < 0)
        return 1;
    storm = p;
    begin(0); /* and with it the supervisor */
    atomic_store(&storm->over, 1);
    crew_event_set(home);
    while (anyone(true))
        await_one(CREW_FOREVER);
    crew_event_clear(home);
    atomic_store(&counters->hold, 1);
    pid = storm_begin(setting("CREW_SOAK_RATE", 2500));
    if (pid < 0)
        return 1;
    begun = crew_time_now();
    while (hang == 0 && crew_time_now() < begun + seconds * 1000000000)
        one_age(count, among, begun + seconds * 1000000000);
    took = (double)(crew_time_now() - begun) * 1e-9;
    storm_end(pid);

    bad = hang || leaked || storm->complaints > 0 || died == 0;
    printf("%sok 1 - storm over nouns: %ld kills in %.1f s (%.0f/s), %ld processes died in %ld "
           "rounds: %ld hang, %lu wrong, %ld leaks\n",
           bad ? "not " : "", counters->kills, took, (double)counters->kills / took, died, rounds,
           hang, (unsigned long)storm->complaints, leaked);
    for (unsigned i = 0; i < count; i++)
        printf("# %lu operations on a %s\n", (unsigned long)storm->operations[among[i]],
               nouns[among[i]]->name);
    if (storm->first[0] || first[0])
        printf("# first: %s\n", storm->first[0] ? storm->first : first);
    if (hang > 0) {
        printf("1..1\n");
        fflush(stdout);
        _exit(1); /* with those that wait */
    }
    left = 0;
    while (waitpid(-1, NULL, WNOHANG) >= 0)
        left++;
    crew_event_close(home);
    crew_memory_free(storm);
    bad = crew_fini();
    descriptors = count_entries("/proc/self/fd") - descriptors;
    threads = count_entries("/proc/self/task") - 3;
    printf("%sok 2 - storm over nouns: nothing is left: %d processes, %d descriptors, %d threads "
           "more than before\n",
           left || bad || descriptors || threads ? "not " : "", left, descriptors, threads);
    printf("1..2\n");
    return 0;
}
