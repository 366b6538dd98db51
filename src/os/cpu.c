/* cpu.c - how many CPUs this process may really use.
 *
 * The affinity mask, then the cgroup quota: v2 (cpu.max) and v1 (cpu.cfs_quota_us), at every level
 * from the process's own group up to the root of the mount, for a limit may stand at any of them.
 * Where /proc or /sys are missing, the mask alone counts. */
#include "atomic.h"
#include "os.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUOTA_NS INT64_C(1000000000) /* a changed quota counts after a second */

static unsigned affinity_count(void)
{
    for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        size_t size = CPU_ALLOC_SIZE(cpus);
        int count = 0;
        int r;

        if (!set)
            break;
        r = sched_getaffinity(0, size, set);
        if (r == 0)
            count = CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (count > 0)
            return (unsigned)count;
        if (r < 0 && errno != EINVAL) /* EINVAL: the machine has more CPUs than the mask */
            break;
    }
    return 1;
}

/* Reads up to two numbers of a small file; "max" and -1 mean no limit. Returns how many numbers. */
static int read_numbers(const char *folder, const char *file, long long out[2])
{
    char path[4400];
    char line[128];
    char *at = line;
    FILE *f;
    int n;

    if (snprintf(path, sizeof path, "%s/%s", folder, file) >= (int)sizeof path)
        return 0;
    f = fopen(path, "re");
    if (!f)
        return 0;
    if (!fgets(line, sizeof line, f))
        line[0] = '\0';
    fclose(f);
    for (n = 0; n < 2; n++) {
        char *end;

        out[n] = strtoll(at, &end, 10);
        if (end == at)
            break;
        at = end;
    }
    return n;
}

/* The quota of one group in CPUs, rounded up, or 'none'. */
static unsigned group_quota(const char *folder, bool v2, unsigned none)
{
    long long v[2] = { -1, 0 };
    long long quota, period;

    if (v2) {
        if (read_numbers(folder, "cpu.max", v) != 2)
            return none;
        quota = v[0];
        period = v[1];
    } else {
        if (read_numbers(folder, "cpu.cfs_quota_us", v) < 1)
            return none;
        quota = v[0];
        if (read_numbers(folder, "cpu.cfs_period_us", v) < 1)
            return none;
        period = v[0];
    }
    if (quota <= 0 || period <= 0)
        return none;
    quota = quota / period + (quota % period != 0);
    return quota < none ? (unsigned)quota : none;
}

/* The least quota on the way from 'mount' + 'group' up to 'mount'. */
static unsigned walk_up(const char *mount, const char *group, bool v2, unsigned none)
{
    char path[4200];
    size_t floor = strlen(mount);
    unsigned least = none;

    if (snprintf(path, sizeof path, "%s%s", mount, group) >= (int)sizeof path)
        return none;
    for (;;) {
        unsigned quota = group_quota(path, v2, none);
        char *slash;

        if (quota < least)
            least = quota;
        slash = strrchr(path, '/');
        if (strlen(path) <= floor || !slash || (size_t)(slash - path) < floor)
            return least;
        *slash = '\0';
    }
}

static bool names_cpu(const char *controllers)
{
    for (const char *p = controllers; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
        if (strncmp(p, "cpu", 3) == 0 && (p[3] == ',' || p[3] == '\0'))
            return true;
    return false;
}

static unsigned quota_count(unsigned none)
{
    FILE *f = fopen("/proc/self/cgroup", "re");
    unsigned least = none;
    char line[4200];

    if (!f)
        return none;
    while (fgets(line, sizeof line, f)) { /* hierarchy:controllers:group */
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        unsigned quota = none;

        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        group[strcspn(group, "\n")] = '\0';
        if (*controllers == '\0') {
            unsigned hybrid = walk_up("/sys/fs/cgroup/unified", group, true, none);

            quota = walk_up("/sys/fs/cgroup", group, true, none);
            quota = hybrid < quota ? hybrid : quota;
        } else if (names_cpu(controllers)) {
            unsigned joint = walk_up("/sys/fs/cgroup/cpu,cpuacct", group, false, none);

            quota = walk_up("/sys/fs/cgroup/cpu", group, false, none);
            quota = joint < quota ? joint : quota;
        }
        if (quota < least)
            least = quota;
    }
    fclose(f);
    return least;
}

/* The quota is asked for often and changed seldom, and reading it opens a dozen files. */
static unsigned recent_quota(unsigned none)
{
    static _Atomic int64_t read_at;
    static _Atomic unsigned quota;
    crew_time now = crew_time_now();
    unsigned q;

    if (load_acquire(&read_at) != 0 && now - load_acquire(&read_at) < QUOTA_NS) {
        q = load_relaxed(&quota);
        return q < none ? q : none;
    }
    q = quota_count(UINT_MAX);
    store_relaxed(&quota, q);
    store_release(&read_at, now);
    return q < none ? q : none;
}

unsigned crew_cpu_count(void)
{
    const char *wish = secure_getenv("CREW_WORKERS");
    unsigned cpus;

    if (wish && *wish >= '1' && *wish <= '9') {
        char *end;
        unsigned long n = strtoul(wish, &end, 10);

        if (*end == '\0' && n <= 1000000)
            return (unsigned)n;
    }
    cpus = affinity_count();
    return recent_quota(cpus);
}
