/* watch.h - what a process holds of the system, so that a test can say "as it was before". */
#ifndef WATCH_H
#define WATCH_H

#include "unit.h"

#include <crew.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct holdings {
    unsigned descriptors;
    unsigned mappings; /* of crew's arenas */
    unsigned threads;
    unsigned children; /* zombies too */
};

static inline unsigned watch_entries(const char *folder)
{
    DIR *dir = opendir(folder);
    unsigned count = 0;

    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* How many processes are children of 'parent'; '*pids' is filled as far as 'most'. */
static inline unsigned watch_children(pid_t parent, pid_t *pids, unsigned most)
{
    DIR *dir = opendir("/proc");
    unsigned count = 0;

    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        char path[32];
        char line[512] = "";
        int ppid = 0;
        char *end;
        FILE *f;

        if (pid <= 0)
            continue;
        snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
        f = fopen(path, "re");
        if (!f)
            continue;
        if (fgets(line, sizeof line, f) && (end = strrchr(line, ')')))
            sscanf(end + 1, " %*c %d", &ppid);
        fclose(f);
        if (ppid != parent)
            continue;
        if (count < most)
            pids[count] = pid;
        count++;
    }
    closedir(dir);
    return count;
}

static inline unsigned watch_arenas(void)
{
    FILE *f = fopen("/proc/self/maps", "re");
    unsigned count = 0;
    char line[4200];

    if (!f)
        return 0;
    while (fgets(line, sizeof line, f))
        count += strstr(line, "memfd:crew") != NULL;
    fclose(f);
    return count;
}

static inline struct holdings watch_holdings(void)
{
    return (struct holdings){
        .descriptors = watch_entries("/proc/self/fd"),
        .mappings = watch_arenas(),
        .threads = watch_entries("/proc/self/task"),
        .children = watch_children(getpid(), NULL, 0),
    };
}

#define ck_assert_held(before)                                                                \
    do {                                                                                      \
        struct holdings now_ = watch_holdings();                                              \
        ck_assert_uint_eq(now_.descriptors, (before).descriptors);                            \
        ck_assert_uint_eq(now_.mappings, (before).mappings);                                  \
        ck_assert_uint_eq(now_.threads, (before).threads);                                    \
        ck_assert_uint_eq(now_.children, (before).children);                                  \
    } while (0)

/* Blocks of the arena in use, and their bytes. */
static inline struct crew_memory_stats watch_memory(void)
{
    struct crew_memory_stats stats;

    ck_assert_ok(crew_memory_stats(&stats));
    return stats;
}

#endif
