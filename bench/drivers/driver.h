/* bench/drivers/driver.h - what the C and C++ drivers share: commands in, figures out.
 *
 * A driver is a process that lives through a whole comparison, so that it is warm. It reads one
 * command a line from standard input, "NAME COUNT VALUE CALLS", and answers with one line of
 * nanoseconds:
 *
 *     a loop      the time of CALLS calls, one after the other, of COUNT tasks each, a task of
 *                 VALUE iterations; an eighth of them untimed before
 *     a trip      the median of COUNT round trips, with pauses of VALUE us before each (then each
 *                 is timed by itself); without pauses they are timed by 16, so that reading the
 *                 clock does not count. CALLS is not used
 *
 * It is quiet while it waits, and ends when its input does. */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { DRIVER_BATCH = 16, DRIVER_SAMPLES = 65536 };

struct driver_command {
    const char *name;
    void (*loop)(uint64_t count, uint64_t iterations); /* a loop; else NULL                  */
    void (*trip)(void);                                /* a trip; else NULL                  */
    void (*begin)(void);                               /* before and after all trips of one  */
    void (*end)(void);                                 /* command; NULL: nothing             */
};

static inline uint64_t driver_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void driver_pause(uint64_t microseconds)
{
    struct timespec t;

    t.tv_sec = (time_t)(microseconds / 1000000);
    t.tv_nsec = (long)(microseconds % 1000000) * 1000;
    nanosleep(&t, NULL);
}

static inline void driver_fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static inline int driver_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static inline void driver_loop(const struct driver_command *c, uint64_t count, uint64_t iterations,
                               uint64_t calls)
{
    uint64_t begun;

    if (calls == 1)
        c->loop(count / 8 + 1, iterations);
    else
        for (uint64_t i = 0; i < calls / 8; i++)
            c->loop(count, iterations);
    begun = driver_now();
    for (uint64_t i = 0; i < calls; i++)
        c->loop(count, iterations);
    printf("%" PRIu64 "\n", driver_now() - begun);
}

static inline double driver_trip(const struct driver_command *c, uint64_t pause)
{
    unsigned batch = pause ? 1 : DRIVER_BATCH;
    uint64_t begun;

    if (pause)
        driver_pause(pause);
    begun = driver_now();
    for (unsigned i = 0; i < batch; i++)
        c->trip();
    return (double)(driver_now() - begun) / batch;
}

static inline void driver_trips(const struct driver_command *c, uint64_t count, uint64_t pause)
{
    static double sample[DRIVER_SAMPLES];
    uint64_t samples = pause ? count : count / DRIVER_BATCH;

    if (samples < 1)
        samples = 1;
    if (samples > DRIVER_SAMPLES)
        samples = DRIVER_SAMPLES;
    if (c->begin)
        c->begin();
    for (uint64_t i = 0; i < samples / 8 + 1; i++)
        driver_trip(c, pause);
    for (uint64_t i = 0; i < samples; i++)
        sample[i] = driver_trip(c, pause);
    if (c->end)
        c->end();
    qsort(sample, samples, sizeof sample[0], driver_compare);
    printf("%.1f\n", sample[samples / 2]);
}

/* Answers commands until the input ends; 'commands' ends with a NULL name. Returns main's value. */
static inline int driver_serve(const struct driver_command *commands)
{
    char line[128], name[64];
    uint64_t count, value, calls;

    while (fgets(line, sizeof line, stdin)) {
        const struct driver_command *c = commands;

        if (sscanf(line, "%63s %" SCNu64 " %" SCNu64 " %" SCNu64, name, &count, &value, &calls) !=
            4)
            driver_fail("not a command", line);
        while (c->name && strcmp(c->name, name) != 0)
            c++;
        if (!c->name)
            driver_fail("no such command", name);
        if (c->loop)
            driver_loop(c, count, value, calls);
        else
            driver_trips(c, count, value);
        fflush(stdout);
    }
    return 0;
}

#endif
