/* store_main.c - runs the cases of all protocols through every_store and together.
 *
 *     every_store [WORD]      only cases whose name has WORD in it
 *
 * CREW_DEATH_STATES     states of one case in every_store, about (300,000)
 * CREW_DEATH_SCHEDULES  schedules of one case in together, about (500,000)
 * CREW_DEATH_KILLS      real kills of one case, at most (1,000)
 * CREW_DEATH_KNOWN      0: nothing is recognised, all is run and checked (1)
 * CREW_DEATH_PROCESSES  that share the cases (one for each CPU); a case is the work of one of them */
#include "cases.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_CASES 256

static const struct death_case *list[MOST_CASES];
static unsigned count;
static long states;

static struct shared {
    atomic_uint next;
    struct death_report report[MOST_CASES];
} *shared;

static void collect(const char *word)
{
#define LIST(name) &name##_cases,
    static const struct death_cases *const all[] = { CASES(LIST) };
#undef LIST

    for (size_t f = 0; f < sizeof all / sizeof all[0]; f++)
        for (unsigned i = 0; i < all[f]->count && count < MOST_CASES; i++)
            if (!word || strstr(all[f]->list[i].name, word))
                list[count++] = &all[f]->list[i];
}

static void run(unsigned i)
{
    if (list[i]->operation[1])
        death_together(list[i], &shared->report[i]);
    else
        death_every_store(list[i], &shared->report[i]);
}

static void print(unsigned i)
{
    death_print(i + 1, list[i]->operation[1] ? "together" : "every store", list[i],
                &shared->report[i]);
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
        printf("not ok %u - %s: it did not end\n", printed + 1, list[printed]->name);
        i++;
    }
    return i;
}

int main(int argc, char **argv)
{
    unsigned processes = (unsigned)death_setting("CREW_DEATH_PROCESSES", sysconf(_SC_NPROCESSORS_ONLN));
    unsigned missing = 0;
    double start = death_clock();
    int failed;

    setvbuf(stdout, NULL, _IOLBF, 0);
    collect(argc > 1 ? argv[1] : NULL);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    if (processes > count)
        processes = count;
    if (processes <= 1) {
        death_open();
        for (unsigned i = 0; i < count; i++) {
            run(i);
            print(i);
        }
    } else {
        int done[2];

        if (pipe(done) < 0) {
            perror("pipe");
            return 1;
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
    }
    failed = death_summary();
    if (processes > 1)
        printf("# %u processes, %.2f s by the clock: %.0f states/s\n", processes, death_clock() - start,
               (double)states / (death_clock() - start));
    return failed || missing > 0;
}
