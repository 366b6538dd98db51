/* every_instruction.c - a process dies after exactly k machine instructions, for each k.
 *
 * See death.h. The library is the one that is shipped. The operation runs in a traced child, one
 * instruction at a time, three times over:
 *
 *   snapshots    one child; when an instruction has changed the arena, the repair and the check run
 *                on it, and it is put back for the child to go on
 *   twins        one child; after each instruction it is made to fork, its twin gets SIGKILL, and
 *                the repair and the check run on what that leaves (x86-64 only)
 *   real kills   a child for each k: k steps, SIGKILL, then the repair and the check
 *
 * Where twins or kills would take longer than CREW_DEATH_SECONDS (2) a case, they are made at each
 * n-th k, and always at the two around a system call: killed before it, and after.
 *
 * Which pages are in use is asked of the kernel, as nothing here sees the stores. */
#define _GNU_SOURCE
#include "death.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define PAGES (DEATH_ARENA / PAGE)
#define MOST_STEPS 2000000
#define TWIN_SECONDS 0.0005 /* what one costs, about */
#define MOST_CALLS 64 /* system calls in one operation whose places are kept */

static const struct death_case *the_case;
static struct death_report *report;
static struct control { /* shared with the child */
    _Atomic int began, ended;
    int result;
} *control;
static char *image[2];      /* after setup(); as the child has it */
static unsigned char *resident;
static unsigned char known[PAGES]; /* pages of the arena that are, or were, in use */
static size_t pages;
static long at_step; /* for the report */
static bool by_kill;

/* -- the arena -------------------------------------------------------------------------------- */

static void find_pages(void)
{
    if (mincore(death_arena, pages * PAGE, resident) < 0) {
        perror("mincore");
        exit(1);
    }
    for (size_t p = 0; p < pages; p++)
        known[p] |= resident[p] & 1;
}

/* Copies what is not equal. True: something was not. */
static bool copy_pages(char *to, const char *from)
{
    bool any = false;

    for (size_t p = 0; p < pages; p++) {
        if (!known[p] || memcmp(to + p * PAGE, from + p * PAGE, PAGE) == 0)
            continue;
        memcpy(to + p * PAGE, from + p * PAGE, PAGE);
        any = true;
    }
    return any;
}

static void put_back(const char *from)
{
    find_pages();
    copy_pages(death_arena, from);
}

/* -- the child --------------------------------------------------------------------------------- */

/* Stops a traced process where it is. */
static inline __attribute__((always_inline)) void stop_here(void)
{
#if defined(__x86_64__)
    __asm__ volatile("int3" ::: "memory");
#else
    raise(SIGSTOP);
#endif
}

static _Noreturn void child(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    stop_here();
    atomic_store(&control->began, 1);
    control->result = the_case->operation[0]();
    atomic_store(&control->ended, 1);
    _exit(0);
}

/* Starts the child, and lets it run to the first instruction of its operation. */
static pid_t start(void)
{
    int status;
    pid_t pid;

    atomic_store(&control->began, 0);
    atomic_store(&control->ended, 0);
    pid = fork();
    if (pid == 0)
        child();
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
        perror("every_instruction: the child does not stop");
        exit(1);
    }
    return pid;
}

/* One instruction. False: it has ended. */
static bool step(pid_t pid)
{
    int status;

    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    if (WIFSTOPPED(status) && WSTOPSIG(status) != SIGTRAP) {
        printf("# %s: signal %d in the operation\n", the_case->name, WSTOPSIG(status));
        return false;
    }
    return WIFSTOPPED(status);
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, __WALL);
}

/* The next instruction is a system call. */
static bool at_system_call(pid_t pid)
{
#if defined(__x86_64__)
    struct user_regs_struct regs;

    if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) < 0)
        return false;
    return (ptrace(PTRACE_PEEKTEXT, pid, (void *)regs.rip, NULL) & 0xffff) == 0x050f;
#else
    (void)pid;
    return false;
#endif
}

const char *death_no_instructions(void)
{
    static char why[128];
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(errno);
        raise(SIGSTOP);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return "fork failed";
    if (!WIFSTOPPED(status)) {
        snprintf(why, sizeof why, "ptrace is forbidden here: %s", strerror(WEXITSTATUS(status)));
        return why;
    }
    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) < 0) {
        snprintf(why, sizeof why, "no single steps here: %s", strerror(errno));
        end(pid);
        return why;
    }
    waitpid(pid, NULL, 0);
    end(pid);
    return NULL;
}

#if defined(__x86_64__)
/* A system call for a child that is told to make one; then it stops. */
__asm__(".text\n.globl death_system_call\n.hidden death_system_call\n"
        "death_system_call:\n    syscall\n    int3\n");
void death_system_call(void);

/* Makes the stopped child fork, and gives its twin SIGKILL. False: that does not work here. */
static bool kill_twin(pid_t pid)
{
    struct user_regs_struct was, regs;
    unsigned long twin = 0;
    int status;

    if (ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)PTRACE_O_TRACECLONE) < 0 ||
        ptrace(PTRACE_GETREGS, pid, NULL, &was) < 0)
        return false;
    regs = was;
    regs.rax = SYS_clone; /* a fork, but no SIGCHLD will tell of its end */
    regs.rdi = regs.rsi = regs.rdx = regs.r10 = regs.r8 = 0;
    regs.orig_rax = (unsigned long long)-1;
    regs.rsp = (was.rsp - 256) & ~(unsigned long long)15; /* below the red zone */
    regs.rip = (unsigned long long)(uintptr_t)death_system_call;
    if (ptrace(PTRACE_SETREGS, pid, NULL, &regs) < 0 || ptrace(PTRACE_CONT, pid, NULL, NULL) < 0 ||
        waitpid(pid, &status, 0) != pid || status >> 8 != (SIGTRAP | PTRACE_EVENT_CLONE << 8) ||
        ptrace(PTRACE_GETEVENTMSG, pid, NULL, &twin) < 0)
        return false;
    end((pid_t)twin);
    if (ptrace(PTRACE_CONT, pid, NULL, NULL) < 0 || waitpid(pid, &status, 0) != pid ||
        !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
        return false;
    return ptrace(PTRACE_SETREGS, pid, NULL, &was) == 0;
}
#else
static bool kill_twin(pid_t pid)
{
    (void)pid;
    return false;
}
#endif

/* -- one state ----------------------------------------------------------------------------------- */

static void where(char *buf, size_t size)
{
    snprintf(buf, size, "%s after %ld of %ld instructions%s", by_kill ? "killed" : "stopped", at_step,
             report->instructions, atomic_load(&control->ended) ? ", when it had returned" : "");
}

static void examine(void)
{
    struct death_end ends[DEATH_PROCESSES] = { { .how = DEATH_KILLED } };

    if (atomic_load(&control->ended))
        ends[0] = (struct death_end){ DEATH_RETURNED, control->result };
    the_case->recover(1);
    report->states++;
    death_note(report, the_case->check(ends), where);
}

/* -- both passes ----------------------------------------------------------------------------------- */

static long calls[MOST_CALLS];
static unsigned call_count;

static void snapshots(void)
{
    pid_t pid = start();
    long distinct = 0;

    by_kill = false;
    call_count = 0;
    copy_pages(image[1], image[0]);
    for (at_step = 0; at_step < MOST_STEPS; at_step++) {
        if (call_count < MOST_CALLS && at_system_call(pid))
            calls[call_count++] = at_step;
        if (!step(pid))
            break;
        find_pages();
        if (copy_pages(image[1], death_arena) || at_step == 0 || atomic_load(&control->ended)) {
            distinct++;
            examine();
            put_back(image[1]);
        }
        if (atomic_load(&control->ended))
            break;
    }
    report->instructions = at_step + 1;
    report->stores = distinct;
    end(pid);
    put_back(image[0]);
}

static bool near_a_call(long k)
{
    for (unsigned i = 0; i < call_count; i++)
        if (k == calls[i] || k == calls[i] + 1)
            return true;
    return false;
}

static void twins(long stride)
{
    pid_t pid = start();

    by_kill = true;
    copy_pages(image[1], image[0]);
    for (at_step = 0; at_step < report->instructions; at_step++) {
        if (at_step % stride == 0 || near_a_call(at_step)) {
            if (!kill_twin(pid))
                break;
            report->kills++;
            find_pages();
            copy_pages(image[1], death_arena);
            examine();
            put_back(image[1]);
        }
        if (!step(pid))
            break;
    }
    end(pid);
    put_back(image[0]);
}

static void real_kills(long stride)
{
    by_kill = true;
    for (long k = 0; k <= report->instructions; k++) {
        pid_t pid;

        if (k % stride != 0 && k != report->instructions && !near_a_call(k))
            continue;
        pid = start();
        for (at_step = 0; at_step < k && step(pid); at_step++)
            ;
        end(pid);
        report->kills++;
        examine();
        put_back(image[0]);
    }
}

static void prepare(void)
{
    if (control)
        return;
    death_open();
    control = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    resident = malloc(PAGES);
    for (int i = 0; i < 2; i++)
        image[i] = mmap(NULL, DEATH_ARENA, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (control == MAP_FAILED || image[0] == MAP_FAILED || image[1] == MAP_FAILED || !resident) {
        perror("every_instruction");
        exit(1);
    }
}

long death_every_instruction(const struct death_case *c, struct death_report *r)
{
    double begun, each, budget = (double)death_setting("CREW_DEATH_SECONDS", 2);
    long stride = 1;

    memset(r, 0, sizeof *r);
    prepare();
    the_case = c;
    report = r;
    /* an arena of zeros again, and images of it */
    madvise(death_arena, DEATH_ARENA, MADV_REMOVE);
    madvise(image[0], DEATH_ARENA, MADV_DONTNEED);
    madvise(image[1], DEATH_ARENA, MADV_DONTNEED);
    memset(known, 0, sizeof known);
    pages = (c->size + PAGE - 1) / PAGE;
    c->setup();
    find_pages();
    copy_pages(image[0], death_arena);

    begun = death_clock();
    snapshots();
    r->seconds = death_clock() - begun;

    begun = death_clock();
    while (TWIN_SECONDS * (double)r->instructions / (double)stride > budget)
        stride++;
    twins(stride);
    r->stride = r->kills ? stride : 0;

    /* half the steps on average, and what a process costs */
    each = r->seconds / 2 + 0.001;
    for (stride = 1; each * (double)r->instructions / (double)stride > budget; stride++)
        ;
    real_kills(stride);
    r->run_stride = stride;
    r->kill_seconds = death_clock() - begun;
    return r->hang + r->lost + r->twice + r->broken;
}
