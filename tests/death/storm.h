/* storm.h - a process that kills others at random: what the storms have in common. */
#ifndef STORM_H
#define STORM_H

#include <crew.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct counters { /* shared with the killer */
    _Atomic long kills;
    _Atomic int stop;
    _Atomic int hold, held; /* the killer rests; and knows it */
};

/* Each storm has one of each. */
extern struct counters *counters;
extern uint64_t dice;

static inline uint64_t roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return dice;
}

/* The children of 'parent', but for this process. */
static inline int children(pid_t parent, pid_t *list, int most)
{
    char path[64], text[4096];
    FILE *f;
    int n = 0;
    char *p = text;

    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)parent, (int)parent);
    f = fopen(path, "re");
    if (!f)
        return -errno;
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    while (n < most) {
        char *end;
        long pid = strtol(p, &end, 10);

        if (end == p)
            break;
        p = end;
        if (pid != getpid())
            list[n++] = (pid_t)pid;
    }
    return n;
}

/* What the kernel says of a process: R, S, Z, ...; 'parent' is set. '?': nothing. */
static inline char state_of(pid_t pid, int *parent)
{
    char path[64], text[256];
    FILE *f;
    const char *p;
    char state = '?';

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return '?';
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    p = strrchr(text, ')');
    return p && sscanf(p + 1, " %c %d", &state, parent) == 2 ? state : '?';
}

/* Not for one that is dead and not collected. */
static inline bool is_child_of(pid_t pid, pid_t parent)
{
    int ppid = 0;
    char state = state_of(pid, &ppid);

    return ppid == (int)parent && state != 'Z' && state != '?';
}

/* By its pidfd, opened before it is looked at: never another process that got its number. */
static inline bool kill_child(pid_t pid, pid_t parent)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    bool killed;

    if (fd < 0)
        return false;
    killed = is_child_of(pid, parent) && syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0;
    close(fd);
    return killed;
}

static inline _Noreturn void killer(pid_t parent, long rate)
{
    int64_t pause = 1000000000 / (rate > 0 ? rate : 1);
    int64_t next = crew_time_now();

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (!atomic_load(&counters->stop) && getppid() == parent) {
        pid_t list[64];
        struct timespec at;
        int n;

        atomic_store(&counters->held, atomic_load(&counters->hold));
        n = atomic_load(&counters->held) ? 0 : children(parent, list, 64);
        if (n > 0 && kill_child(list[roll() % (uint64_t)n], parent))
            atomic_fetch_add(&counters->kills, 1);
        next += pause / 2 + (int64_t)(roll() % (uint64_t)pause);
        if (next < crew_time_now())
            next = crew_time_now() - pause; /* behind: no rest, but no debt either */
        at = (struct timespec){ next / 1000000000, next % 1000000000 };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
    }
    _exit(0);
}

/* Makes the counters. False: no memory. */
static inline bool storm_counters(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    counters = p == MAP_FAILED ? NULL : p;
    return counters != NULL;
}

/* Starts the killer of this process's children. */
static inline pid_t storm_begin(long rate)
{
    pid_t pid = fork();

    if (pid == 0)
        killer(getppid(), rate);
    return pid;
}

static inline void storm_end(pid_t pid)
{
    atomic_store(&counters->stop, 1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* -- what is left ------------------------------------------------------------------------- */

static inline int count_entries(const char *folder)
{
    DIR *d = opendir(folder);
    int n = 0;

    if (!d)
        return -1;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static inline size_t used(void)
{
    struct crew_memory_stats stats;

    return crew_memory_stats(&stats) < 0 ? 0 : stats.used;
}

static inline long setting(const char *name, long otherwise)
{
    const char *value = getenv(name);

    return value && *value ? strtol(value, NULL, 10) : otherwise;
}

#endif
