/* death.c - what the engines of death.h share: the arena, the report, the places. */
#define _GNU_SOURCE
#include "death.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

char *death_arena;
struct death_kernel death_kernel;
int64_t death_time;

static struct {
    unsigned cases, failed;
    long states, fast, kills;
    double seconds, kill_seconds;
    long hang, lost, twice, broken;
} sum;

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

void death_open(void)
{
    void *at;

    if (death_arena)
        return;
    at = mmap(NULL, DEATH_ARENA, PROT_READ | PROT_WRITE,
              MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) {
        perror("death: mmap");
        exit(1);
    }
    death_arena = at;
    setvbuf(stdout, NULL, _IOLBF, 0);
}

bool death_wait(const struct death_word *words, unsigned count, int64_t deadline, uint32_t names)
{
    return death_kernel.wait(words, count, deadline, names);
}

bool death_wake(const volatile uint32_t *word, int count, uint32_t names)
{
    return death_kernel.wake(word, count, names);
}

void death_kill(unsigned p)
{
    if (death_kernel.kill)
        death_kernel.kill(p);
}

_Noreturn void death_exit(void)
{
    if (death_kernel.exit)
        death_kernel.exit();
    death_misuse("a process ends by itself");
}

_Noreturn void death_misuse(const char *what)
{
    if (death_kernel.misuse)
        death_kernel.misuse(what);
    fprintf(stderr, "death: misuse: %s\n", what);
    abort();
}

double death_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double death_cpu(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

long death_setting(const char *name, long otherwise)
{
    const char *value = getenv(name);
    char *end;
    long n;

    if (!value || !*value)
        return otherwise;
    n = strtol(value, &end, 10);
    return *end == 0 && n >= 0 ? n : otherwise;
}

void death_note(struct death_report *r, const char *verdict, void (*where)(char *, size_t))
{
    if (!verdict)
        return;
    if (r->hang + r->lost + r->twice + r->broken == 0) {
        int n = snprintf(r->first, sizeof r->first, "%s; ", verdict);

        if (n > 0 && (size_t)n < sizeof r->first)
            where(r->first + n, sizeof r->first - (size_t)n);
    }
    if (strncmp(verdict, "hang", 4) == 0)
        r->hang++;
    else if (strncmp(verdict, "lost", 4) == 0)
        r->lost++;
    else if (strncmp(verdict, "twice", 5) == 0)
        r->twice++;
    else
        r->broken++;
}

/* addr2line, which answers until this process ends: to read the program takes it longest. */
static FILE *ask, *answer;

static void start_addr2line(void)
{
    char program[32];
    int to[2], from[2];
    pid_t pid;

    snprintf(program, sizeof program, "/proc/%d/exe", (int)getpid());
    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
        return;
    pid = fork();
    if (pid == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        close(STDERR_FILENO);
        execlp("addr2line", "addr2line", "-s", "-f", "-e", program, NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    signal(SIGPIPE, SIG_IGN); /* it is missing */
    ask = fdopen(to[1], "w");
    answer = fdopen(from[0], "r");
}

void death_place(const void *code, char *buf, size_t size)
{
    uintptr_t at = (uintptr_t)code - 1; /* code is where the call returns to */
    char function[80] = "", line[160] = "";

    if (__ehdr_start.e_type == ET_DYN)
        at -= (uintptr_t)&__ehdr_start;
    if (!ask)
        start_addr2line();
    if (ask && answer && fprintf(ask, "0x%lx\n", (unsigned long)at) > 0 && fflush(ask) == 0 &&
        (!fgets(function, sizeof function, answer) || !fgets(line, sizeof line, answer)))
        line[0] = 0;
    function[strcspn(function, "\n")] = 0;
    line[strcspn(line, " \n")] = 0;
    if (line[0] && line[0] != '?')
        snprintf(buf, size, "%s %s", line, function);
    else
        snprintf(buf, size, "code at 0x%lx", (unsigned long)at);
}

void death_print(unsigned number, const char *engine, const struct death_case *c,
                 const struct death_report *r)
{
    long wrong = r->hang + r->lost + r->twice + r->broken;
    long fast = r->instructions ? r->instructions : r->states - r->kills;

    printf("%sok %u - %s: %s: ", wrong ? "not " : "", number, engine, c->name);
    if (r->calls && !r->instructions) {
        printf("killed before and after %ld system calls", r->calls);
    } else if (r->instructions) {
        printf("each of %ld instructions", r->instructions);
        if (r->stride == 1)
            printf(", killed at each");
        else if (r->stride)
            printf(", killed at one in %ld", r->stride);
        if (r->run_stride == 1)
            printf(", run to each");
        else
            printf(", run to one in %ld", r->run_stride);
        if (r->calls)
            printf(", before and after %ld system calls", r->calls);
    } else if (r->deaths) {
        printf("killed at each of %ld stores", r->stores);
        if (r->closed)
            printf(", and any number of times more at each of %ld of the repair", r->repair);
        else if (r->deaths > 1)
            printf(", and up to %u times more at each of %ld of the repair", r->deaths - 1, r->repair);
    } else {
        if (r->share < 1)
            printf("%.2g of the schedules", r->share);
        else
            printf("every schedule");
        if (r->switches)
            printf(" of %u switches in %ld accesses", r->switches, r->stores);
        else
            printf(" of %u events in %ld accesses", c->events ? c->events : 3, r->stores);
    }
    if (r->ways > 0)
        printf(", %.3g sequences", r->ways);
    printf(": %ld states", r->states);
    if (r->distinct)
        printf(", %ld distinct", r->distinct);
    if (r->seconds > 0)
        printf(" (%.0f/s)", (double)fast / r->seconds);
    if (r->kills)
        printf(", %ld by SIGKILL (%.0f/s)", r->kills, (double)r->kills / r->kill_seconds);
    printf(": %ld hang, %ld lost, %ld twice, %ld broken\n", r->hang, r->lost, r->twice, r->broken);
    if (wrong)
        printf("# first: %s\n", r->first);
    if (wrong && r->number[0])
        printf("# again: CREW_DEATH_REPLAY=%s %s '%s'\n", r->number, program_invocation_short_name, c->name);
    sum.cases++;
    sum.failed += wrong != 0;
    sum.states += r->states;
    sum.fast += fast;
    sum.kills += r->kills;
    sum.seconds += r->seconds;
    sum.kill_seconds += r->kill_seconds;
    sum.hang += r->hang;
    sum.lost += r->lost;
    sum.twice += r->twice;
    sum.broken += r->broken;
}

int death_summary(void)
{
    printf("1..%u\n", sum.cases);
    printf("# %u cases, %u failed: %ld states in %.2f s (%.0f/s), %ld real kills in %.2f s (%.0f/s): "
           "%ld hang, %ld lost, %ld twice, %ld broken\n",
           sum.cases, sum.failed, sum.states, sum.seconds,
           sum.seconds > 0 ? (double)sum.fast / sum.seconds : 0, sum.kills,
           sum.kill_seconds, sum.kill_seconds > 0 ? (double)sum.kills / sum.kill_seconds : 0, sum.hang,
           sum.lost, sum.twice, sum.broken);
    return sum.failed != 0 || sum.cases == 0;
}
