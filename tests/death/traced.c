/* traced.c - Description: if this failed, a worker that dies at some instruction could hang its pool,
 * lose a task, do one twice, or leave something behind.
 *
 *     traced [WORD]      only scenes whose name has WORD in it
 *
 * The whole library as it is shipped: a root with its supervisor, and a worker that runs up to a
 * place in a task, then exactly k instructions, then gets SIGKILL; for each k until the scene is
 * over, or each n-th, if that takes longer than CREW_DEATH_SECONDS (8) a scene. And once more, at
 * full speed, before and after each of its system calls. Three processes: the
 * tracer (this one), the root, which plays the scene again for each k and checks what it is told
 * and what is left, and the victim, a child of the root.
 *
 * Exit status 77, with the reason: processes can't be traced here. */
#define _GNU_SOURCE
#include "death.h"

#include <crew.h>

#include <dirent.h>
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define ELEMENTS 64
#define CHOSEN 5      /* the element that the victim is stopped in */
#define QUICK 3
#define PATIENCE 20.0 /* seconds until a round that does not end is a hang */
#define MOST_STEPS 400000

static struct stage { /* shared by the three */
    _Atomic uint32_t round; /* the tracer: play this one                                         */
    _Atomic uint32_t played; /* the root: the scene is over                                      */
    _Atomic uint32_t killed; /* the tracer: so is the victim                                     */
    _Atomic uint32_t done;  /* the root: all was looked at, and 'verdict' says how it is         */
    _Atomic int victim;     /* the task: my pid; I wait for 'go'                                 */
    _Atomic int go;         /* the tracer: it is stopped                                         */
    _Atomic int begun, ended; /* the victim: the instructions between these two are killed at    */
    char verdict[160];      /* empty: all is well                                                */
    _Atomic uint32_t ran[ELEMENTS];
} *stage;

/* -- in the victim ------------------------------------------------------------------------------- */

static void wait_for_the_tracer(void)
{
    atomic_store(&stage->victim, getpid());
    while (!atomic_load(&stage->go))
        ;
    atomic_store(&stage->begun, 1);
}

static void on_the_way(void)
{
    if (atomic_load(&stage->victim) == getpid() && atomic_load(&stage->begun))
        atomic_store(&stage->ended, 1);
}

static int slow_task(crew_task *t)
{
    uint64_t result[40] = { 1 };

    wait_for_the_tracer();
    return crew_task_result(t, result, sizeof result); /* in a block of the arena */
}

static int quick_task(crew_task *t)
{
    uint64_t n = *(const uint64_t *)t->argument;

    on_the_way();
    atomic_fetch_add(&stage->ran[n], 1);
    return crew_task_result(t, &n, sizeof n);
}

static int memory_task(crew_task *t)
{
    void *small, *large, *given;

    wait_for_the_tracer();
    if (crew_memory_alloc(&small, 1000) < 0 || crew_memory_alloc(&large, 300000) < 0 ||
        crew_memory_alloc(&given, 500) < 0)
        return crew_task_fail(t, 1, "no memory");
    crew_memory_free(large);
    crew_memory_free(small);
    crew_memory_free(given);
    on_the_way();
    return 0;
}

static int element(crew_task *t)
{
    if (t->begin == CHOSEN && t->attempt == 1)
        wait_for_the_tracer();
    else
        on_the_way();
    atomic_fetch_add(&stage->ran[t->begin], 1);
    return 0;
}

static int newborn(crew_task *t)
{
    (void)t;
    atomic_store(&stage->ended, 1);
    return 3;
}

/* -- in the root ----------------------------------------------------------------------------------- */

static void wrong(const char *what, int code)
{
    if (stage->verdict[0] == 0)
        snprintf(stage->verdict, sizeof stage->verdict, "%s (%d)", what, code);
}

static bool names_the_victim(const struct crew_failure *f)
{
    return f->pid == atomic_load(&stage->victim) && f->signal == SIGKILL && f->status == -1;
}

static crew_pool *pool;

/* One worker: it finishes a task, says so, takes the next. */
static void play_submit(void)
{
    crew_future *slow = NULL, *quick[QUICK] = { NULL };
    struct crew_failure f;
    unsigned died = 0;
    int r;

    if (crew_pool_submit(pool, &slow, slow_task, NULL, 0, CREW_FOREVER) < 0)
        wrong("broken: submit", 0);
    for (uint64_t i = 0; i < QUICK; i++)
        if (crew_pool_submit(pool, &quick[i], quick_task, &i, sizeof i, CREW_FOREVER) < 0)
            wrong("broken: submit", 1);
    r = crew_future_result(slow, NULL, 0, NULL, CREW_FOREVER);
    crew_future_failure(slow, &f);
    if (r == CREW_EWORKER && names_the_victim(&f))
        died++;
    else if (r != 0)
        wrong("lost: the task of the victim ended otherwise", r);
    for (uint64_t i = 0; i < QUICK; i++) {
        uint64_t n = 99;

        r = crew_future_result(quick[i], &n, sizeof n, NULL, CREW_FOREVER);
        crew_future_failure(quick[i], &f);
        if (r == CREW_EWORKER && names_the_victim(&f))
            died++;
        else if (r != 0 || n != i)
            wrong("lost: a task that was not begun", r);
        if (atomic_load(&stage->ran[i]) > 1 || (r == 0 && atomic_load(&stage->ran[i]) != 1))
            wrong("twice: a task was run again", (int)i);
        crew_future_close(quick[i]);
    }
    if (died > 1)
        wrong("lost: a death cost more than one task", (int)died);
    crew_future_close(slow);
}

static void play_memory(void)
{
    crew_future *f = NULL;
    int r = crew_pool_submit(pool, &f, memory_task, NULL, 0, CREW_FOREVER);

    if (r == 0)
        r = crew_future_result(f, NULL, 0, NULL, CREW_FOREVER);
    if (r != 0 && r != CREW_EWORKER)
        wrong("broken: a task with blocks", r);
    crew_future_close(f);
}

static void map(bool again)
{
    struct crew_failure f = { 0 };
    const struct crew_job_options options = { .failure = &f };
    unsigned missing = 0;
    int r = crew_pool_map(pool, element, NULL, 0, NULL, 0, ELEMENTS, &options, CREW_FOREVER);

    if (r != 0 && (again || r != CREW_EWORKER || !names_the_victim(&f)))
        wrong("lost: the map failed", r);
    for (unsigned i = 0; i < ELEMENTS; i++) {
        if (atomic_load(&stage->ran[i]) > 1 + (unsigned)again)
            wrong("twice: an element was run again", (int)i);
        missing += atomic_load(&stage->ran[i]) == 0;
    }
    if (missing > (r == CREW_EWORKER))
        wrong("lost: elements were left out", (int)missing);
}

static void play_map(void)
{
    map(false);
}

static void play_map_again(void)
{
    map(true);
}

/* A process from its first instruction on. */
static void play_birth(void)
{
    struct crew_exit e = { 0 };
    crew_process *p;
    int r = crew_process_start(&p, newborn, NULL, 0, NULL);

    if (r < 0) {
        wrong("broken: start", r);
        return;
    }
    crew_process_join(p, &e, CREW_FOREVER);
    if (e.pid != crew_process_pid(p) || e.unknown ||
        !((e.signal == SIGKILL && e.status == -1) || (e.signal == 0 && e.status == 3)))
        wrong("broken: a process ended otherwise", e.signal);
    crew_process_close(p);
}

static const struct scene {
    const char *name;
    void (*play)(void);
    unsigned workers, retries; /* 0 workers: no pool                     */
    bool birth;                /* the victim is the child that is forked */
} scenes[] = {
    { "pool: finish a task, take the next", play_submit, 1, 0, false },
    { "pool: a map, two workers", play_map, 2, 0, false },
    { "pool: a map, two workers, a retry", play_map_again, 2, 1, false },
    { "memory: alloc and free in a task", play_memory, 1, 0, false },
    { "process: from fork to its function", play_birth, 0, 0, true },
};

static int count_descriptors(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static size_t used(void)
{
    struct crew_memory_stats stats;

    return crew_memory_stats(&stats) < 0 ? 0 : stats.used;
}

static void wait_until(_Atomic uint32_t *word, uint32_t not)
{
    while (atomic_load(word) == not)
        syscall(SYS_futex, word, FUTEX_WAIT, not, NULL, NULL, 0);
}

static _Noreturn void root(const struct scene *scene)
{
    const struct crew_pool_options options = { .workers = scene->workers, .retries = scene->retries };
    int descriptors = 0;
    size_t bytes = 0;

    if (crew_init(NULL) < 0 || (scene->workers && crew_pool_open(&pool, &options) < 0))
        _exit(1);
    for (uint32_t n = 0;; n++) {
        wait_until(&stage->round, n);
        for (unsigned i = 0; i < ELEMENTS; i++)
            atomic_store(&stage->ran[i], 0);
        atomic_store(&stage->go, 0);
        atomic_store(&stage->begun, 0);
        atomic_store(&stage->ended, 0);
        atomic_store(&stage->victim, 0);
        stage->verdict[0] = 0;
        scene->play();
        atomic_store(&stage->played, n + 1);
        wait_until(&stage->killed, n);
        /* one normal round trip: nobody is stopped in it */
        if (scene->workers) {
            crew_future *f = NULL;
            uint64_t zero = 0, answer = 1;
            int r;

            atomic_store(&stage->victim, 0);
            r = crew_pool_submit(pool, &f, quick_task, &zero, sizeof zero, CREW_FOREVER);
            if (r == 0)
                r = crew_future_result(f, &answer, sizeof answer, NULL, CREW_FOREVER);
            if (r != 0 || answer != 0)
                wrong("broken: no round trip", r);
            crew_future_close(f);
        }
        if (n == 1) {
            descriptors = count_descriptors();
            bytes = used();
        } else if (n > 1 && count_descriptors() != descriptors) {
            wrong("leak: descriptors", count_descriptors() - descriptors);
        } else if (n > 1 && used() != bytes) {
            wrong("leak: bytes of the arena", (int)(used() - bytes));
        }
        atomic_store(&stage->done, n + 1);
    }
}

/* -- the tracer -------------------------------------------------------------------------------------- */

static pid_t root_pid;
static pid_t born;    /* the child that the root has just forked                              */
static pid_t stopped; /* a child that has stopped before it was asked for: at its first instruction */

static void tick(int sig)
{
    (void)sig;
}

/* A wait for what may never come is looked up from now and then. */
static void start_ticking(void)
{
    const struct sigaction action = { .sa_handler = tick }; /* interrupts waitpid() */
    const struct itimerval each = { { 0, 5000 }, { 0, 5000 } };

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &each, NULL);
}

/* Takes what the kernel has to tell, of the root too. True: 'pid' has stopped or is gone. With pid
 * 0 it does not wait. */
static bool tell(pid_t pid, int *status)
{
    int s;
    pid_t who;

    if (pid && pid == stopped) {
        stopped = 0;
        *status = SIGSTOP << 8 | 0x7f;
        return true;
    }
    who = waitpid(-1, &s, __WALL | (pid ? 0 : WNOHANG));
    if (who <= 0) {
        if (pid == 0)
            sched_yield();
        return false;
    }
    if (who == pid) {
        *status = s;
        return true;
    }
    if (who == root_pid && WIFSTOPPED(s)) {
        unsigned long child = 0;
        int sig = WSTOPSIG(s);

        if (s >> 8 == (SIGTRAP | PTRACE_EVENT_FORK << 8)) {
            ptrace(PTRACE_GETEVENTMSG, root_pid, NULL, &child);
            born = (pid_t)child;
        }
        ptrace(PTRACE_CONT, root_pid, NULL, (void *)(long)(s >> 16 ? 0 : sig));
    } else if (WIFSTOPPED(s)) {
        stopped = who;
    }
    return false;
}

static bool played(uint32_t round)
{
    return atomic_load(&stage->played) >= round;
}

static bool over(uint32_t round)
{
    return atomic_load(&stage->done) >= round;
}

static bool late(double since)
{
    return death_clock() - since > PATIENCE;
}

/* The victim, stopped where its scene begins; 0: it did not come. */
static pid_t catch_victim(const struct scene *scene, uint32_t round)
{
    double since = death_clock();
    int status;
    pid_t pid;

    while (!late(since) && !played(round) &&
           (scene->birth ? born == 0 : atomic_load(&stage->victim) == 0))
        tell(0, &status);
    pid = scene->birth ? born : atomic_load(&stage->victim);
    if (pid == 0 || played(round))
        return 0;
    if (!scene->birth && (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0 ||
                          ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) < 0))
        return 0;
    while (!tell(pid, &status))
        if (late(since))
            return 0;
    if (!WIFSTOPPED(status))
        return 0;
    atomic_store(&stage->go, 1);
    return pid;
}

enum step { STEPPED, GONE, SLEEPS, HANGS };

/* 'how': PTRACE_SINGLESTEP, an instruction; PTRACE_SYSCALL, to the next system call or out of it. */
static enum step step(pid_t pid, uint32_t round, enum __ptrace_request how)
{
    double since = death_clock();
    int status;

    if (ptrace(how, pid, NULL, NULL) < 0)
        return GONE;
    while (!tell(pid, &status)) {
        if (played(round))
            return SLEEPS; /* nothing is left to wake it for */
        if (late(since))
            return HANGS;
    }
    return WIFSTOPPED(status) ? STEPPED : GONE;
}

/* Plays one round, and kills after 'k' steps. Returns how many there were. */
static long play(const struct scene *scene, uint32_t round, enum __ptrace_request how, long k,
                 struct death_report *r)
{
    double since = death_clock();
    enum step s = STEPPED;
    long done = 0;
    int status;
    pid_t pid;

    born = stopped = 0;
    atomic_store(&stage->round, round);
    syscall(SYS_futex, &stage->round, FUTEX_WAKE, 1, NULL, NULL, 0);
    pid = catch_victim(scene, round);
    if (pid) {
        while (s == STEPPED && !scene->birth && !atomic_load(&stage->begun))
            s = step(pid, round, PTRACE_SINGLESTEP);
        while (s == STEPPED && done < k && !atomic_load(&stage->ended)) {
            s = step(pid, round, how);
            done += s == STEPPED;
        }
        kill(pid, SIGKILL);
        r->kills++;
        while (!tell(pid, &status) || WIFSTOPPED(status))
            if (late(since))
                break;
    } else if (!played(round)) {
        snprintf(stage->verdict, sizeof stage->verdict, "hang: no victim came");
    }
    atomic_store(&stage->killed, round);
    syscall(SYS_futex, &stage->killed, FUTEX_WAKE, 1, NULL, NULL, 0);
    while (!over(round) && !late(since))
        tell(0, &status);
    r->states++;
    return done;
}

static long killed_at;
static const char *killed_by;

static void where(char *buf, size_t size)
{
    snprintf(buf, size, "killed after %ld %s", killed_at, killed_by);
}

/* A round that never ends is the last: the root can't go on. */
static void judge(uint32_t round, struct death_report *r)
{
    const char *verdict = stage->verdict[0] ? stage->verdict : NULL;

    death_note(r, over(round) || verdict ? verdict : "hang: the root never comes back", where);
    if (!over(round) && r->hang == 0)
        r->hang++;
}

static void play_all(const struct scene *scene, struct death_report *r)
{
    double budget = (double)death_setting("CREW_DEATH_SECONDS", 8);
    double begun, each;
    uint32_t round = 0;
    long steps = 0;
    int status;

    memset(r, 0, sizeof *r);
    memset(stage, 0, sizeof *stage);
    root_pid = fork();
    if (root_pid == 0)
        root(scene);
    if (scene->birth && ptrace(PTRACE_SEIZE, root_pid, NULL,
                               (void *)PTRACE_O_TRACEFORK) < 0) { /* not its threads */
        death_note(r, "the root can't be traced", where);
        return;
    }
    begun = death_clock();
    /* to the end twice, to learn how long it is and what it costs */
    killed_by = "instructions";
    for (killed_at = MOST_STEPS; round < 2 && r->hang == 0;) {
        long n = play(scene, ++round, PTRACE_SINGLESTEP, killed_at, r);

        steps = n > steps ? n : steps;
        judge(round, r);
    }
    r->instructions = steps;
    each = (death_clock() - begun) / 4; /* half the steps */
    for (r->run_stride = 1; each * (double)steps / (double)r->run_stride > budget; r->run_stride++)
        ;
    for (killed_at = 0; killed_at <= steps && r->hang == 0; killed_at += r->run_stride) {
        play(scene, ++round, PTRACE_SINGLESTEP, killed_at, r);
        judge(round, r);
    }
    killed_by = "stops at system calls";
    for (killed_at = 1, steps = 1; killed_at <= steps && r->hang == 0; killed_at++) {
        long n = play(scene, ++round, PTRACE_SYSCALL, killed_at, r);

        if (n == killed_at)
            steps = n + 1; /* there may be one more */
        r->calls = n / 2;
        judge(round, r);
    }
    r->kill_seconds = death_clock() - begun;
    kill(root_pid, SIGKILL);
    begun = death_clock();
    while (!late(begun) && !(tell(root_pid, &status) && !WIFSTOPPED(status)))
        ;
}

/* -- the death of the root ------------------------------------------------------------------------------ */

static int idle_task(crew_task *t)
{
    (void)t;
    return 0;
}

/* A program from its first call of crew to its last. */
static _Noreturn void whole_program(void)
{
    const struct crew_pool_options options = { .workers = 2 };
    crew_pool *p;
    crew_future *f;

    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    if (crew_pool_open(&p, &options) < 0 ||
        crew_pool_submit(p, &f, idle_task, NULL, 0, CREW_FOREVER) < 0 ||
        crew_pool_map(p, idle_task, NULL, 0, NULL, 0, 100, NULL, CREW_FOREVER) < 0 ||
        crew_future_result(f, NULL, 0, NULL, CREW_FOREVER) < 0)
        _exit(1);
    crew_future_close(f);
    crew_pool_close(p, CREW_FOREVER);
    _exit(crew_fini() < 0);
}

/* Its orphans become ours. True: they are all gone; they have until PATIENCE is over. */
static bool nobody_is_left(void)
{
    double since = death_clock();

    while (!late(since)) {
        if (waitpid(-1, NULL, __WALL | WNOHANG) < 0 && errno == ECHILD)
            return true;
        sched_yield();
    }
    return false;
}

static void kill_root(struct death_report *r)
{
    double begun = death_clock();
    bool ended = false;

    memset(r, 0, sizeof *r);
    killed_by = "stops at system calls of the root";
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (killed_at = 1; !ended && r->broken == 0; killed_at++) {
        pid_t pid = fork();
        int status = 0;

        if (pid == 0)
            whole_program();
        while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
            ;
        for (long n = 0; n < killed_at && !ended; n++) {
            int sig = n > 0 && WSTOPSIG(status) != SIGTRAP ? WSTOPSIG(status) : 0;

            ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)sig);
            while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
                ;
            ended = !WIFSTOPPED(status);
        }
        if (!ended)
            kill(pid, SIGKILL);
        else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            death_note(r, "broken: the root did not end well", where);
        r->kills += !ended;
        r->states++;
        if (!nobody_is_left())
            death_note(r, "leak: a worker outlives its root", where);
    }
    r->calls = killed_at / 2;
    r->kill_seconds = death_clock() - begun;
}

int main(int argc, char **argv)
{
    const char *why = death_no_instructions();
    unsigned number = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (why) {
        printf("%s\n", why);
        return 77;
    }
    start_ticking();
    stage = mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stage == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        const struct death_case named = { .name = scenes[i].name };
        struct death_report r;

        if (argc > 1 && !strstr(scenes[i].name, argv[1]))
            continue;
        play_all(&scenes[i], &r);
        death_print(++number, "traced", &named, &r);
    }
    if (argc < 2 || strstr("root", argv[1])) {
        const struct death_case named = { .name = "root: from its first call to its last" };
        struct death_report r;

        kill_root(&r);
        death_print(++number, "traced", &named, &r);
    }
    return death_summary();
}
