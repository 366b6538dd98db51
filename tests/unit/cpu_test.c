/* Description: a pool starts more workers than the machine lets run at once. */
#include "unit.h"

#include <crew.h>

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned affinity(void)
{
    cpu_set_t set;

    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    return (unsigned)CPU_COUNT(&set);
}

START_TEST(there_is_at_least_one_cpu_and_no_more_than_may_be_used)
{
    unsetenv("CREW_WORKERS");
    ck_assert_uint_ge(crew_cpu_count(), 1);
    ck_assert_uint_le(crew_cpu_count(), affinity());
}
END_TEST

START_TEST(one_cpu_in_the_affinity_mask_is_one)
{
    cpu_set_t all;
    cpu_set_t one;
    int cpu = 0;

    unsetenv("CREW_WORKERS");
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_uint_eq(crew_cpu_count(), 1);
    ck_assert_int_eq(sched_setaffinity(0, sizeof all, &all), 0);
}
END_TEST

START_TEST(crew_workers_says_how_many)
{
    const unsigned wish[] = { 1, 2, 3, 17, 1000, 1001, 100000 };

    for (size_t i = 0; i < sizeof wish / sizeof *wish; i++) {
        char text[32];

        snprintf(text, sizeof text, "%u", wish[i]);
        setenv("CREW_WORKERS", text, 1);
        ck_assert_uint_eq(crew_cpu_count(), wish[i]);
    }
    unsetenv("CREW_WORKERS");
}
END_TEST

START_TEST(garbage_in_crew_workers_is_ignored)
{
    const char *const garbage[] = { "", "0", "-1", "-5", "abc", "3x", "x3", "3 4", "1e3", "0x10", "2.5",
                                    "99999999999999999999999", "18446744073709551617", "\xFF" };
    unsigned cpus;

    unsetenv("CREW_WORKERS");
    cpus = crew_cpu_count();
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        setenv("CREW_WORKERS", garbage[i], 1);
        ck_assert_msg(crew_cpu_count() == cpus, "\"%s\" is taken for %u", garbage[i], crew_cpu_count());
    }
    unsetenv("CREW_WORKERS");
}
END_TEST

START_TEST(a_pool_has_as_many_workers_as_crew_workers_says)
{
    struct crew_pool_stats stats;
    crew_pool *pool;

    setenv("CREW_WORKERS", "5", 1);
    ck_assert_ok(crew_pool_open(&pool, &(struct crew_pool_options){ .kind = CREW_THREADS }));
    crew_pool_stats(pool, &stats);
    ck_assert_uint_eq(stats.workers, 5);
    ck_assert_ok(crew_pool_close(pool, CREW_FOREVER));
    unsetenv("CREW_WORKERS");
}
END_TEST

/* -- quotas: in groups made for the test, where the machine lets it ------------------------------ */

static bool put(const char *folder, const char *file, const char *text)
{
    char path[512];
    FILE *f;
    bool done;

    snprintf(path, sizeof path, "%s/%s", folder, file);
    f = fopen(path, "we");
    if (!f)
        return false;
    done = fputs(text, f) >= 0;
    return fclose(f) == 0 && done;
}

/* Counts CPUs in a process that has joined the group; -1: it can't. */
static int count_in(const char *group)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        char text[32];

        snprintf(text, sizeof text, "%d", (int)getpid());
        _exit(put(group, "cgroup.procs", text) ? (int)crew_cpu_count() : 255);
    }
    waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) != 255 ? WEXITSTATUS(status) : -1;
}

/* Makes 'outer' and 'outer/inner'; false if this machine doesn't let it. */
static bool make_groups(const char *root, char outer[256], char inner[300])
{
    snprintf(outer, 256, "%s/crew-unit-%d", root, (int)getpid());
    snprintf(inner, 300, "%s/inner", outer);
    return mkdir(outer, 0755) == 0 && (mkdir(inner, 0755) == 0 || (rmdir(outer), false));
}

static void remove_groups(const char *outer, const char *inner)
{
    rmdir(inner);
    rmdir(outer);
}

static const char *v1_root(void)
{
    return access("/sys/fs/cgroup/cpu/cpu.cfs_period_us", F_OK) == 0 ? "/sys/fs/cgroup/cpu"
                                                                      : "/sys/fs/cgroup/cpu,cpuacct";
}

static const char *v2_root(void)
{
    return access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "/sys/fs/cgroup"
                                                                  : "/sys/fs/cgroup/unified";
}

/* Sets the quota of 'outer' to the CPU and a half's worth that 'tenths' says, counts from 'inner'. */
static int count_with_quota(const char *outer, const char *inner, bool v2, const char *quota)
{
    char text[64];

    snprintf(text, sizeof text, v2 ? "%s 100000" : "%s", quota);
    return put(outer, v2 ? "cpu.max" : "cpu.cfs_quota_us", text) ? count_in(inner) : -1;
}

static void check_quotas(const char *root, bool v2)
{
    char outer[256], inner[300];
    unsigned all = affinity();

    unsetenv("CREW_WORKERS");
    if (!make_groups(root, outer, inner)) {
        fprintf(stderr, "# skipped: no group can be made in %s\n", root);
        return;
    }
    if (count_with_quota(outer, inner, v2, "100000") < 0) {
        fprintf(stderr, "# skipped: %s has no quota of CPUs\n", root);
        remove_groups(outer, inner);
        return;
    }

    int tenth = count_with_quota(outer, inner, v2, "10000");
    int one = count_with_quota(outer, inner, v2, "100000");
    int more = count_with_quota(outer, inner, v2, "110000");
    int none = count_with_quota(outer, inner, v2, v2 ? "max" : "-1");

    remove_groups(outer, inner);
    ck_assert_int_eq(tenth, 1);
    ck_assert_int_eq(one, 1);
    ck_assert_int_eq(more, all < 2 ? 1 : 2);
    ck_assert_int_ge(none, more);
}

START_TEST(a_quota_of_cgroup_v1_counts_at_every_level)
{
    check_quotas(v1_root(), false);
}
END_TEST

START_TEST(a_quota_of_cgroup_v2_counts_at_every_level)
{
    check_quotas(v2_root(), true);
}
END_TEST

UNIT_TESTS("cpu", there_is_at_least_one_cpu_and_no_more_than_may_be_used,
           one_cpu_in_the_affinity_mask_is_one, crew_workers_says_how_many,
           garbage_in_crew_workers_is_ignored, a_pool_has_as_many_workers_as_crew_workers_says,
           a_quota_of_cgroup_v1_counts_at_every_level, a_quota_of_cgroup_v2_counts_at_every_level)
