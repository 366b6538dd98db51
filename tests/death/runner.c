/* runner.c - see runner.h. */
#include "replay.h"
#include "runner.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_CASES 512

static struct work {
    const struct death_case *of;
    const struct death_engine *by;
} list[MOST_CASES];
static unsigned count;
static long states;

static struct shared {
    atomic_uint next;
    struct death_report report[MOST_CASES];
} *shared;

static void collect(const struct death_cases *cases, const struct death_engine *e, const char *word)
{
    for (unsigned i = 0; i < cases->count && count < MOST_CASES; i++) {
        const struct death_case *c = &cases->list[i];

        if ((c->operation[1] ? e->together : e->alone) && (!word || strstr(c->name, word)))
            list[count++] = (struct work){ c, e };
    }
}

static void run(unsigned i)
{
    list[i].by->run(list[i].of, &shared->report[i]);
}

static void print(unsigned i)
{
    death_print(i + 1, list[i].by->name, list[i].of, &shared->report[i]);
    states += shared->report[i].states;
}

/* The last cases are the longest, so they come first. */
static _Noreturn void run_some(int done)
{
    unsigned n;

    death_open();
    while ((n = atomic_fetch_add(&shared->next, 1)) < count) {
        unsigned i = count - 1 - n;

        run(i);
        if (write(done, &i, sizeof i) != sizeof i)
            _exit(2);
    }
    _exit(0);
}

/* In this order, each as soon as it can be. Returns how many are missing. */
static unsigned print_all(int done)
{
    bool ready[MOST_CASES] = { false };
    unsigned i, printed = 0;

    while (read(done, &i, sizeof i) == sizeof i) {
        ready[i] = true;
        for (; printed < count && ready[printed]; printed++)
            print(printed);
    }
    i = 0;
    for (; printed < count; printed++) {
        if (ready[printed]) {
            print(printed);
            continue;
        }
        printf("not ok %u - %s: it did not end\n", printed + 1, list[printed].of->name);
        i++;
    }
    return i;
}

/* Returns how many are missing. */
static unsigned share(unsigned processes)
{
    unsigned missing;
    int done[2];

    if (pipe(done) < 0) {
        perror("pipe");
        exit(1);
    }
    for (unsigned p = 0; p < processes; p++) {
        pid_t pid = fork();

        if (pid == 0)
            run_some(done[1]);
        if (pid < 0)
            perror("fork"); /* the others do it */
    }
    close(done[1]);
    missing = print_all(done[0]);
    while (wait(NULL) > 0)
        ;
    return missing;
}

/* The case with this name, or the only one that has it in its name. */
static void choose_one(const char *word)
{
    for (unsigned i = 0; i < count; i++)
        if (word && strcmp(list[i].of->name, word) == 0) {
            list[0] = list[i];
            count = 1;
        }
    if (count == 1)
        return;
    fprintf(stderr, "CREW_DEATH_REPLAY: of which case? %u have \"%s\" in their name\n", count, word ? word : "");
    exit(2);
}

int death_run(int argc, char **argv, const struct death_cases *const *cases, unsigned case_lists,
              const struct death_engine *engines, unsigned engine_count)
{
    unsigned processes = (unsigned)death_setting("CREW_DEATH_PROCESSES", sysconf(_SC_NPROCESSORS_ONLN));
    unsigned missing = 0;
    double start = death_clock();
    int failed;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (unsigned l = 0; l < case_lists; l++)
        for (unsigned e = 0; e < engine_count; e++)
            collect(cases[l], &engines[e], argc > 1 ? argv[1] : NULL);
    if (!replay_set(getenv("CREW_DEATH_REPLAY"), true)) {
        fprintf(stderr, "CREW_DEATH_REPLAY: not a number\n");
        return 2;
    }
    if (replay_now)
        choose_one(argc > 1 ? argv[1] : NULL);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    if (processes > count)
        processes = count;
    if (processes > 1) {
        missing = share(processes);
    } else {
        death_open();
        for (unsigned i = 0; i < count; i++) {
            run(i);
            print(i);
        }
    }
    failed = death_summary();
    if (processes > 1)
        printf("# %u processes, %.2f s by the clock: %.0f states/s\n", processes, death_clock() - start,
               (double)states / (death_clock() - start));
    return failed || missing > 0;
}
