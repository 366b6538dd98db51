/* Description: a process is started where it must not be, ends unseen, or leaves something behind. */
#include "watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

static crew_process *start(crew_function *function, const void *argument, size_t size)
{
    crew_process *process = NULL;

    ck_assert_ok(crew_process_start(&process, function, argument, size, NULL));
    ck_assert_ptr_nonnull(process);
    return process;
}

/* Waits for its end and closes it. */
static struct crew_exit end_of(crew_process *process)
{
    struct crew_exit e;

    ck_assert_ok(crew_process_join(process, &e, CREW_FOREVER));
    ck_assert_ok(crew_process_close(process));
    return e;
}

static struct crew_exit run(crew_function *function, const void *argument, size_t size)
{
    return end_of(start(function, argument, size));
}

static int return_argument(crew_task *t)
{
    return *(const int *)t->argument;
}

static int sleep_for_ever(crew_task *t)
{
    (void)t;
    while (pause() < 0)
        ;
    return 0;
}

static int die(crew_task *t)
{
    signal(SIGINT, SIG_DFL);
    raise(*(const int *)t->argument);
    return 0;
}

START_TEST(a_return_value_is_the_exit_status)
{
    for (int code = 0; code <= 255; code += 51) {
        struct crew_exit e = run(return_argument, &code, sizeof code);

        ck_assert_int_eq(e.status, code);
        ck_assert_int_eq(e.code, code);
        ck_assert_int_eq(e.signal, 0);
        ck_assert(!e.unknown && !e.core_dumped);
        ck_assert_uint_gt(e.peak_memory, 0);
        ck_assert_str_eq(e.message, "");
    }
}
END_TEST

START_TEST(a_value_that_is_no_exit_status_is_1_and_kept_as_code)
{
    const int codes[] = { -1, 256, -5001, 1000000, INT32_MIN };

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct crew_exit e = run(return_argument, &codes[i], sizeof codes[i]);

        ck_assert_int_eq(e.status, 1);
        ck_assert_int_eq(e.code, codes[i]);
    }
}
END_TEST

static int fail_with_words(crew_task *t)
{
    return crew_task_fail(t, 7, "no %s on %d", "room", 42);
}

START_TEST(a_message_travels_to_join)
{
    struct crew_exit e = run(fail_with_words, NULL, 0);

    ck_assert_int_eq(e.status, 7);
    ck_assert_str_eq(e.message, "no room on 42");
}
END_TEST

START_TEST(a_signal_that_ended_it_is_told)
{
    const int signals[] = { SIGKILL, SIGTERM, SIGABRT, SIGSEGV, SIGINT, SIGUSR1 };
    const struct rlimit no_core = { 0, 0 };

    setrlimit(RLIMIT_CORE, &no_core);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct crew_exit e = run(die, &signals[i], sizeof signals[i]);

        ck_assert_int_eq(e.signal, signals[i]);
        ck_assert_int_eq(e.status, -1);
        ck_assert_int_eq(e.code, 0);
    }
}
END_TEST

static int call_exit(crew_task *t)
{
    (void)t;
    _exit(9);
}

START_TEST(a_process_that_exits_by_itself_tells_its_status)
{
    struct crew_exit e = run(call_exit, NULL, 0);

    ck_assert_int_eq(e.status, 9);
    ck_assert_int_eq(e.code, 0);
    ck_assert_int_eq(e.signal, 0);
}
END_TEST

START_TEST(join_keeps_its_deadline)
{
    crew_process *p = start(sleep_for_ever, NULL, 0);
    struct crew_exit e = { .pid = -7 };

    ck_assert_error(crew_process_join(p, &e, CREW_NOW), -EAGAIN);
    ck_assert_error(crew_process_join(p, &e, 1), -ETIMEDOUT);
    ck_assert_error(crew_process_join(p, &e, crew_in_ms(20)), -ETIMEDOUT);
    ck_assert_int_eq(e.pid, -7); /* untouched */
    ck_assert_ok(crew_process_kill(p));
    ck_assert_int_eq(end_of(p).signal, SIGKILL);
}
END_TEST

START_TEST(join_may_be_called_again)
{
    int code = 3;
    crew_process *p = start(return_argument, &code, sizeof code);
    struct crew_exit e;

    ck_assert_ok(crew_process_join(p, NULL, CREW_FOREVER));
    for (int i = 0; i < 3; i++) {
        ck_assert_ok(crew_process_join(p, &e, CREW_NOW));
        ck_assert_int_eq(e.status, 3);
        ck_assert_int_eq(e.pid, crew_process_pid(p));
    }
    ck_assert_ok(crew_process_close(p));
}
END_TEST

START_TEST(it_is_alive_until_its_end_is_seen)
{
    crew_process *p = start(sleep_for_ever, NULL, 0);

    ck_assert(crew_process_alive(p));
    ck_assert_ok(crew_process_terminate(p));
    ck_assert_ok(crew_process_join(p, NULL, CREW_FOREVER));
    ck_assert(!crew_process_alive(p));
    ck_assert_ok(crew_process_close(p));
}
END_TEST

START_TEST(terminate_asks_with_sigterm)
{
    crew_process *p = start(sleep_for_ever, NULL, 0);

    ck_assert_ok(crew_process_terminate(p));
    ck_assert_int_eq(end_of(p).signal, SIGTERM);
}
END_TEST

START_TEST(signals_to_an_ended_process_go_nowhere)
{
    int code = 0;
    crew_process *p = start(return_argument, &code, sizeof code);

    ck_assert_ok(crew_process_join(p, NULL, CREW_FOREVER));
    ck_assert_ok(crew_process_terminate(p));
    ck_assert_ok(crew_process_kill(p));
    ck_assert_int_eq(end_of(p).status, 0);
}
END_TEST

START_TEST(its_sentinel_is_readable_once_it_has_ended)
{
    crew_process *p = start(sleep_for_ever, NULL, 0);
    struct pollfd sentinel = { .fd = crew_process_sentinel(p), .events = POLLIN };

    ck_assert_int_eq(poll(&sentinel, 1, 0), 0);
    ck_assert_ok(crew_process_kill(p));
    ck_assert_int_eq(poll(&sentinel, 1, -1), 1);
    ck_assert(sentinel.revents & POLLIN);
    ck_assert_int_eq(end_of(p).signal, SIGKILL);
}
END_TEST

static int thread_name_is(crew_task *t)
{
    char name[32] = "";
    FILE *f = fopen("/proc/self/comm", "re");

    if (!f || !fgets(name, sizeof name, f))
        return 2;
    fclose(f);
    name[strcspn(name, "\n")] = '\0';
    return strcmp(name, t->argument) != 0;
}

START_TEST(its_name_is_the_kernels_too)
{
    crew_process *p;
    char name[] = "reader";

    ck_assert_ok(crew_process_start(&p, thread_name_is, "reader", 7,
                                    &(struct crew_process_options){ .name = name }));
    name[0] = 'X'; /* it was copied */
    ck_assert_str_eq(crew_process_name(p), "reader");
    ck_assert_int_eq(end_of(p).status, 0);
}
END_TEST

START_TEST(without_a_name_it_is_called_crew_process)
{
    crew_process *p = start(thread_name_is, "crew-process", 13);

    ck_assert_str_eq(crew_process_name(p), "crew-process");
    ck_assert_int_eq(end_of(p).status, 0);
}
END_TEST

START_TEST(a_long_name_is_cut_for_the_kernel)
{
    crew_process *p;

    ck_assert_ok(crew_process_start(&p, thread_name_is, "a name of more ", 16,
                                    &(struct crew_process_options){ .name = "a name of more than 15" }));
    ck_assert_int_eq(strncmp(crew_process_name(p), "a name of more ", 15), 0);
    ck_assert_int_eq(end_of(p).status, 0);
}
END_TEST

START_TEST(a_process_that_runs_cant_be_closed)
{
    crew_process *p = start(sleep_for_ever, NULL, 0);

    ck_assert_error(crew_process_close(p), -EBUSY);
    ck_assert(crew_process_alive(p));
    ck_assert_error(crew_fini(), -EBUSY);
    ck_assert_ok(crew_process_kill(p));
    ck_assert_int_eq(end_of(p).signal, SIGKILL);
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(closing_nothing_is_allowed)
{
    ck_assert_ok(crew_process_close(NULL));
}
END_TEST

START_TEST(a_process_without_a_function_is_refused)
{
    crew_process *p = (crew_process *)&p;
    struct crew_process_options options = { .reserved = { 0, 0, 1, 0 } };

    ck_assert_error(crew_process_start(&p, NULL, NULL, 0, NULL), -EINVAL);
    ck_assert_error(crew_process_start(&p, sleep_for_ever, NULL, 0, &options), -EINVAL);
    ck_assert_ptr_eq(p, &p); /* untouched */
}
END_TEST

static void *wait_for_lock(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

START_TEST(start_refuses_while_another_thread_runs)
{
    struct holdings before = watch_holdings();
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    crew_process *p;
    pthread_t thread;

    pthread_mutex_lock(&lock);
    pthread_create(&thread, NULL, wait_for_lock, &lock);
    ck_assert_error(crew_process_start(&p, sleep_for_ever, NULL, 0, NULL), CREW_ETHREADS);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    ck_assert_held(before);
}
END_TEST

static int start_one_more(crew_task *t)
{
    crew_process *p;
    int r = crew_process_start(&p, sleep_for_ever, NULL, 0, NULL);

    (void)t;
    return r == CREW_ENESTED && crew_fini() == CREW_ENESTED ? 0 : 1;
}

START_TEST(only_the_root_may_start)
{
    ck_assert_int_eq(run(start_one_more, NULL, 0).status, 0);
}
END_TEST

START_TEST(an_end_that_nobody_may_collect_is_unknown)
{
    struct crew_exit e;
    int code = 3;

    signal(SIGCHLD, SIG_IGN);
    e = run(return_argument, &code, sizeof code);
    ck_assert(e.unknown);
    ck_assert_int_eq(e.status, -1);
    ck_assert_int_eq(e.signal, 0);
    ck_assert_int_eq(e.code, 3); /* it said so itself */
}
END_TEST

START_TEST(somebody_elses_wait_for_any_child_does_no_harm)
{
    for (int i = 0; i < 50; i++) {
        int code = 5;
        crew_process *p = start(return_argument, &code, sizeof code);
        struct crew_exit e;

        while (waitpid(-1, NULL, 0) > 0)
            ;
        ck_assert_ok(crew_process_join(p, &e, CREW_FOREVER));
        ck_assert(e.unknown ? e.status == -1 : e.status == 5);
        ck_assert_int_eq(e.code, 5);
        ck_assert_ok(crew_process_close(p));
    }
    ck_assert_uint_eq(watch_children(getpid(), NULL, 0), 0);
}
END_TEST

static int print_line(crew_task *t)
{
    (void)t;
    printf("child\n");
    return 0;
}

START_TEST(what_is_printed_appears_exactly_once)
{
    char path[] = "/tmp/crew-unit-XXXXXX";
    char text[256] = "";
    int fd = mkstemp(path);
    int out = dup(STDOUT_FILENO);
    ssize_t n;

    ck_assert_int_ge(fd, 0);
    unlink(path);
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    setvbuf(stdout, NULL, _IOFBF, 4096);
    printf("before\n");
    for (int i = 0; i < 2; i++)
        run(print_line, NULL, 0);
    printf("after\n");
    fflush(stdout);
    dup2(out, STDOUT_FILENO);
    close(out);
    n = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    ck_assert_int_gt(n, 0);
    ck_assert_str_eq(text, "before\nchild\nchild\nafter\n");
}
END_TEST

static void handler(int signal)
{
    (void)signal;
}

static int signals_are_reset(crew_task *t)
{
    struct sigaction now;
    sigset_t mask;

    (void)t;
    sigaction(SIGINT, NULL, &now);
    if (now.sa_handler != SIG_IGN)
        return 1;
    sigaction(SIGUSR1, NULL, &now);
    if (now.sa_handler != SIG_DFL)
        return 2;
    sigaction(SIGUSR2, NULL, &now);
    if (now.sa_handler != SIG_IGN)
        return 3;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    if (!sigismember(&mask, SIGHUP) || sigismember(&mask, SIGTERM) || sigismember(&mask, SIGINT))
        return 4;
    return 0;
}

START_TEST(handlers_are_reset_and_sigint_is_ignored_in_the_child)
{
    struct sigaction now;
    sigset_t hup;

    signal(SIGUSR1, handler);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGINT, handler);
    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    sigprocmask(SIG_BLOCK, &hup, NULL);
    ck_assert_int_eq(run(signals_are_reset, NULL, 0).status, 0);
    sigaction(SIGINT, NULL, &now);
    ck_assert_ptr_eq((void *)now.sa_handler, (void *)handler); /* the root's stay */
    sigprocmask(SIG_SETMASK, NULL, &hup);
    ck_assert(sigismember(&hup, SIGHUP) && !sigismember(&hup, SIGTERM));
}
END_TEST

static int argument_is_hello(crew_task *t)
{
    return t->argument_size == 6 && strcmp(t->argument, "hello") == 0 && t->attempt == 1 ? 0 : 1;
}

START_TEST(its_argument_may_change_after_start)
{
    char word[] = "hello";
    crew_process *p = start(argument_is_hello, word, sizeof word);

    memset(word, 'x', sizeof word);
    ck_assert_int_eq(end_of(p).status, 0);
}
END_TEST

static int argument_is_none(crew_task *t)
{
    return t->argument == NULL && t->argument_size == 0 ? 0 : 1;
}

START_TEST(an_argument_of_no_bytes_is_none)
{
    ck_assert_int_eq(run(argument_is_none, "x", 0).status, 0);
    ck_assert_int_eq(run(argument_is_none, NULL, 0).status, 0);
}
END_TEST

static int write_to_block(crew_task *t)
{
    int *block = *(int *const *)t->argument;

    *block += 1;
    return 0;
}

START_TEST(a_pointer_into_the_arena_means_the_same_in_the_child)
{
    int *block;

    ck_assert_ok(crew_memory_alloc((void **)&block, sizeof *block));
    *block = 41;
    ck_assert_int_eq(run(write_to_block, &block, sizeof block).status, 0);
    ck_assert_int_eq(*block, 42);
}
END_TEST

START_TEST(many_processes_run_at_once)
{
    struct holdings before = watch_holdings();
    crew_process *p[60];

    for (int i = 0; i < 60; i++)
        p[i] = start(return_argument, &i, sizeof i);
    for (int i = 59; i >= 0; i--)
        ck_assert_int_eq(end_of(p[i]).status, i);
    ck_assert_ok(crew_fini());
    ck_assert_held(before);
}
END_TEST

START_TEST(hundreds_one_after_the_other_leave_nothing)
{
    struct holdings before;
    struct crew_memory_stats memory;
    int code = 0;

    run(return_argument, &code, sizeof code); /* the arena and the supervisor are there from here on */
    before = watch_holdings();
    memory = watch_memory();
    for (int i = 0; i < 300; i++)
        ck_assert_int_eq(run(return_argument, &code, sizeof code).status, 0);
    ck_assert_held(before);
    ck_assert_uint_eq(watch_memory().used, memory.used);
    ck_assert_uint_eq(watch_memory().bought, memory.bought);
}
END_TEST

START_TEST(fini_after_processes_gives_everything_back)
{
    struct holdings before = watch_holdings();
    int code = 0;

    for (int i = 0; i < 20; i++) {
        run(return_argument, &code, sizeof code);
        ck_assert_ok(crew_fini());
        ck_assert_held(before);
    }
}
END_TEST

START_TEST(without_descriptors_start_fails_and_leaves_nothing)
{
    int code = 0;

    for (int init = 0; init < 2; init++) {
        struct rlimit limit;
        struct rlimit old;
        bool started = false;

        getrlimit(RLIMIT_NOFILE, &old);
        if (init)
            ck_assert_ok(crew_init(NULL));
        for (unsigned spare = 0; spare < 10 && !started; spare++) {
            struct holdings before = watch_holdings();
            crew_process *p;
            int r;

            limit = old;
            /* descriptors are given lowest first, so this many more can be had */
            limit.rlim_cur = watch_entries("/proc/self/fd") - 1 + spare;
            setrlimit(RLIMIT_NOFILE, &limit);
            r = crew_process_start(&p, return_argument, &code, sizeof code, NULL);
            setrlimit(RLIMIT_NOFILE, &old);
            started = r == 0;
            if (started) {
                end_of(p);
            } else {
                ck_assert_error(r, -EMFILE);
                ck_assert_uint_eq(watch_children(getpid(), NULL, 0), 0);
                ck_assert_ok(crew_fini());
                if (init)
                    ck_assert_ok(crew_init(NULL));
                ck_assert_uint_eq(watch_holdings().descriptors, before.descriptors);
            }
        }
        ck_assert(started);
        ck_assert_ok(crew_fini());
    }
}
END_TEST

START_TEST(at_the_limit_of_processes_start_fails_and_leaves_nothing)
{
    const struct rlimit limit = { 3, 3 };
    struct holdings before;
    crew_process *p[8];
    int n = 0;
    int r;

    if (getuid() == 0 && (setgid(54321) < 0 || setuid(54321) < 0))
        return; /* the limit binds nobody else */
    ck_assert_ok(crew_init(NULL));
    before = watch_holdings();
    ck_assert_int_eq(setrlimit(RLIMIT_NPROC, &limit), 0);
    while (n < 8 && (r = crew_process_start(&p[n], sleep_for_ever, NULL, 0, NULL)) == 0)
        n++;
    ck_assert_int_lt(n, 3);
    ck_assert_error(r, -EAGAIN);
    ck_assert_uint_eq(watch_children(getpid(), NULL, 0), n);
    while (n > 0) {
        ck_assert_ok(crew_process_kill(p[--n]));
        ck_assert_int_eq(end_of(p[n]).signal, SIGKILL);
    }
    ck_assert_uint_eq(watch_memory().blocks, 0);
    ck_assert_ok(crew_fini());
    before.mappings = 0;
    before.descriptors -= 2; /* the arena, and the bell of the crew */
    ck_assert_held(before);
}
END_TEST

static int leave_by_signal_handler(crew_task *t)
{
    (void)t;
    kill(getpid(), SIGSTOP);
    return 4;
}

START_TEST(a_stopped_process_has_not_ended)
{
    crew_process *p = start(leave_by_signal_handler, NULL, 0);
    siginfo_t info;

    ck_assert_int_eq(waitid(P_PID, (id_t)crew_process_pid(p), &info, WSTOPPED | WNOWAIT), 0);
    ck_assert(crew_process_alive(p));
    ck_assert_error(crew_process_join(p, NULL, CREW_NOW), -EAGAIN);
    kill(crew_process_pid(p), SIGCONT);
    ck_assert_int_eq(end_of(p).status, 4);
}
END_TEST

static void *join_thread(void *process)
{
    struct crew_exit e;

    return crew_process_join(process, &e, CREW_FOREVER) == 0 && e.signal == SIGKILL ? process : NULL;
}

START_TEST(its_end_wakes_all_who_wait)
{
    crew_process *p = start(sleep_for_ever, NULL, 0);
    pthread_t thread[4];

    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, join_thread, p), 0);
    ck_assert_ok(crew_process_kill(p));
    for (int i = 0; i < 4; i++) {
        void *seen;

        pthread_join(thread[i], &seen);
        ck_assert_ptr_eq(seen, p);
    }
    ck_assert_ok(crew_process_close(p));
}
END_TEST

START_TEST(a_plain_fork_is_no_member_and_ends_as_it_likes)
{
    void *block;
    pid_t pid;
    int status;

    ck_assert_ok(crew_memory_alloc(&block, 100));
    ck_assert_ok(crew_process_kill(start(sleep_for_ever, NULL, 0)));
    memcpy(block, "as before", 10);
    pid = fork();
    if (pid == 0) {
        /* the parent's block can be read, but is none of a crew of its own */
        bool kept = memcmp(block, "as before", 10) == 0 && !crew_memory_contains(block, 10);
        struct crew_memory_stats stats;
        void *own;

        _exit(kept && crew_memory_stats(&stats) == CREW_ECLOSED &&
              crew_memory_alloc(&own, 10) == 0 && own != block && crew_fini() == 0
                  ? 0
                  : 1);
    }
    waitpid(pid, &status, 0);
    ck_assert_int_eq(status, 0);
    ck_assert_mem_eq(block, "as before", 10);
}
END_TEST

static int starts_well(crew_task *t)
{
    return (uintptr_t)t->argument % 16 == 0 ? 0 : 1;
}

START_TEST(its_argument_is_aligned_to_16_bytes)
{
    _Alignas(16) char bytes[17] = { 0 };

    ck_assert_int_eq(run(starts_well, bytes + 1, 16).status, 0);
}
END_TEST

START_TEST(its_whole_name_is_copied)
{
    const char *name = "a name of more than fifteen bytes";
    crew_process *p;
    int code = 0;

    ck_assert_ok(crew_process_start(&p, return_argument, &code, sizeof code,
                                    &(struct crew_process_options){ .name = name }));
    ck_assert_str_eq(crew_process_name(p), name);
    end_of(p);
}
END_TEST

UNIT_TESTS("process", a_return_value_is_the_exit_status,
           a_value_that_is_no_exit_status_is_1_and_kept_as_code, a_message_travels_to_join,
           a_signal_that_ended_it_is_told, a_process_that_exits_by_itself_tells_its_status,
           join_keeps_its_deadline, join_may_be_called_again, it_is_alive_until_its_end_is_seen,
           terminate_asks_with_sigterm, signals_to_an_ended_process_go_nowhere,
           its_sentinel_is_readable_once_it_has_ended, its_name_is_the_kernels_too,
           without_a_name_it_is_called_crew_process, a_long_name_is_cut_for_the_kernel,
           a_process_that_runs_cant_be_closed, closing_nothing_is_allowed,
           a_process_without_a_function_is_refused, start_refuses_while_another_thread_runs,
           only_the_root_may_start, an_end_that_nobody_may_collect_is_unknown,
           somebody_elses_wait_for_any_child_does_no_harm, what_is_printed_appears_exactly_once,
           handlers_are_reset_and_sigint_is_ignored_in_the_child, its_argument_may_change_after_start,
           an_argument_of_no_bytes_is_none, a_pointer_into_the_arena_means_the_same_in_the_child,
           many_processes_run_at_once, hundreds_one_after_the_other_leave_nothing,
           fini_after_processes_gives_everything_back,
           without_descriptors_start_fails_and_leaves_nothing,
           at_the_limit_of_processes_start_fails_and_leaves_nothing, a_stopped_process_has_not_ended,
           its_end_wakes_all_who_wait, a_plain_fork_is_no_member_and_ends_as_it_likes,
           its_argument_is_aligned_to_16_bytes, its_whole_name_is_copied)
