/* Description: the root of a crew is killed, and processes of it live on. */
#define KIND CREW_PROCESSES
#define CALLER_WORKS false
#include "pool_tools.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static int spin_for_ever(crew_task *t)
{
    for (volatile uint64_t n = 0;; n++)
        if (t->begin == UINT64_MAX && n == 0)
            return 1;
}

static int end_at_once(crew_task *t)
{
    return t->begin == UINT64_MAX;
}

/* Opens pools, keeps them busy, starts and ends processes, until somebody kills it. */
static void be_a_busy_root(void)
{
    for (;;) {
        crew_process *stays;
        crew_process *ends;
        crew_future *f[8];
        crew_pool *pool = open_pool(2);

        if (crew_process_start(&stays, spin_for_ever, NULL, 0, NULL) < 0)
            _exit(2);
        for (int i = 0; i < 8; i++)
            if (crew_pool_submit(pool, &f[i], i < 2 ? spin_for_ever : echo, "x", 1, CREW_FOREVER) < 0)
                _exit(3);
        for (int i = 0; i < 3; i++) {
            if (crew_process_start(&ends, end_at_once, NULL, 0, NULL) < 0)
                _exit(4);
            if (crew_process_join(ends, NULL, CREW_FOREVER) < 0 || crew_process_close(ends) < 0)
                _exit(5);
        }
        crew_pool_terminate(pool);
        for (int i = 0; i < 8; i++)
            crew_future_close(f[i]);
        if (crew_process_kill(stays) < 0 || crew_process_join(stays, NULL, CREW_FOREVER) < 0 ||
            crew_process_close(stays) < 0)
            _exit(6);
    }
}

/* Orphans of the root become children of this process. Returns when none is left: a process that
 * outlives its root keeps the test from ending. */
static unsigned collect_all(void)
{
    unsigned count = 0;

    while (waitpid(-1, NULL, 0) > 0)
        count++;
    ck_assert_int_eq(errno, ECHILD);
    return count;
}

START_TEST(nothing_outlives_a_root_that_is_killed_at_any_moment)
{
    unsigned seed = 4711;
    unsigned orphans = 0;

    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    for (int n = 0; n < 60; n++) {
        int begun[2];
        char c;
        pid_t root;
        crew_time until;

        ck_assert_int_eq(pipe2(begun, O_CLOEXEC), 0);
        root = fork();
        if (root == 0) {
            if (write(begun[1], "x", 1) == 1)
                be_a_busy_root();
            _exit(1);
        }
        ck_assert_int_eq(read(begun[0], &c, 1), 1);
        close(begun[0]);
        close(begun[1]);
        seed = seed * 1103515245 + 12345;
        until = crew_time_now() + (seed >> 8) % 4000000; /* a random moment of its life */
        while (crew_time_now() < until)
            ;
        ck_assert_int_eq(kill(root, SIGKILL), 0);
        orphans += collect_all() - 1;
    }
    ck_assert_uint_gt(orphans, 0); /* there were some to outlive it */
}
END_TEST

/* Who dies in fork(): the moment between the kernel's fork and the child's request to be killed. */
static pid_t victim;
static bool child_kills;

static void parent_after_fork(void)
{
    if (getpid() == victim && !child_kills)
        raise(SIGKILL);
}

static void child_after_fork(void)
{
    if (victim == 0 || getppid() != victim)
        return;
    if (child_kills)
        kill(victim, SIGKILL);
    while (getppid() == victim)
        ; /* until the root is gone */
}

static int tell(crew_task *t)
{
    int fd = *(const int *)t->argument;

    return write(fd, "!", 1) == 1 ? 0 : 1;
}

START_TEST(a_child_whose_root_dies_in_fork_runs_nothing)
{
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    for (int n = 0; n < 20; n++) {
        int told[2];
        char c;
        pid_t root;

        ck_assert_int_eq(pipe(told), 0);
        root = fork();
        if (root == 0) {
            crew_process *p;

            if (pthread_atfork(NULL, parent_after_fork, child_after_fork) != 0 || crew_init(NULL) < 0)
                _exit(1);
            victim = getpid();
            child_kills = n % 2;
            (void)!crew_process_start(&p, tell, &told[1], sizeof told[1], NULL);
            for (;;)
                pause();
        }
        close(told[1]);
        ck_assert_int_eq(read(told[0], &c, 1), 0); /* closed by the last of them, nothing said */
        close(told[0]);
        ck_assert_uint_eq(collect_all(), 2);
    }
}
END_TEST

START_TEST(a_root_that_just_returns_leaves_nothing)
{
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    for (int n = 0; n < 10; n++) {
        if (fork() == 0) {
            crew_process *p;
            crew_pool *pool = open_pool(2);

            if (crew_process_start(&p, spin_for_ever, NULL, 0, NULL) < 0 ||
                crew_pool_submit(pool, NULL, spin_for_ever, NULL, 0, CREW_FOREVER) < 0)
                _exit(1);
            _exit(0);
        }
        ck_assert_uint_eq(collect_all(), 4);
    }
}
END_TEST

UNIT_TESTS("root", nothing_outlives_a_root_that_is_killed_at_any_moment,
           a_child_whose_root_dies_in_fork_runs_nothing, a_root_that_just_returns_leaves_nothing)
