/* together.c - two or three processes at once, and every schedule of a few switches and deaths.
 *
 * See death.h. Each process is a coroutine. Before each access to the arena the schedule may go on,
 * switch to another process, or (before a store) kill this one; after a death the supervisor
 * becomes runnable and runs next, and can be switched away from and killed like the others. All
 * schedules with up to 'events' of these are run, each from the start. Between events a process
 * runs until it returns or sleeps; then the next takes over.
 *
 * Where that would be more than CREW_DEATH_SCHEDULES (150,000), a random share of them is run, the
 * same each time.
 *
 * A process that sleeps in os_futex_wait() wakes when somebody wakes its word, or, when nothing
 * else can run, at its deadline. If nothing can run any more, sleepers are told to check(). */
#define _GNU_SOURCE
#include "death.h"
#include "hooks.h"
#include "image.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SUPERVISOR DEATH_PROCESSES
#define ACTORS (DEATH_PROCESSES + 1)
#define STACK ((size_t)256 << 10)
#define MOST_EVENTS 4
#define MOST_STEPS 4000  /* accesses in one schedule whose places are kept for the search */
#define SLICE 2000       /* a process that takes more accesses spins: others run for a while */
#define MOST_ACCESSES 200000

enum state { NONE, READY, ASLEEP, RETURNED, DEAD };
enum reason { ENDED, SLEEPS, SWITCHES, DIES, SPINS, ENDLESS, MISUSED };

static const struct death_case *the_case;
static struct death_report *report;

static struct actor {
    void *stack;
    void *context;
    enum state state;
    int result;
    uintptr_t word; /* asleep on this */
    int64_t deadline;
    bool woken;
} actors[ACTORS];

static void *scheduler;
static unsigned current;
static enum reason reason;
static const char *misuse;
static unsigned dead, repaired, repairing;
static jmp_buf out; /* of check(), which runs on the scheduler's stack */
static bool examining;

static struct event {
    long step;
    enum { SWITCH, KILL } what;
    unsigned actor; /* who was running */
    unsigned to;    /* switch: to whom */
    const void *code;
} events[MOST_EVENTS];
static unsigned event_count, next_event;
static long slice_end;

/* What could have been done at each access of the last traced schedule. */
struct trace {
    unsigned char actor[MOST_STEPS], ready[MOST_STEPS], store[MOST_STEPS];
};
static struct trace *tracing;

/* -- coroutines --------------------------------------------------------------------------------- */

/* Saves the callee's registers and the stack pointer in '*from', and goes on at 'to'. */
void death_switch(void **from, void *to);

#if defined(__x86_64__)
__asm__(".text\n.globl death_switch\n.hidden death_switch\n.type death_switch, @function\n"
        "death_switch:\n"
        "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n    pushq %r13\n    pushq %r14\n"
        "    pushq %r15\n    movq %rsp, (%rdi)\n    movq %rsi, %rsp\n    popq %r15\n"
        "    popq %r14\n    popq %r13\n    popq %r12\n    popq %rbx\n    popq %rbp\n    ret\n"
        ".size death_switch, .-death_switch\n");

static void *fresh(char *top, void (*entry)(void))
{
    void **sp = (void **)top;

    *--sp = NULL; /* entry() finds the stack as if it had been called */
    *--sp = (void *)entry;
    for (int i = 0; i < 6; i++)
        *--sp = NULL;
    return sp;
}
#elif defined(__aarch64__)
__asm__(".text\n.globl death_switch\n.hidden death_switch\n.type death_switch, %function\n"
        "death_switch:\n"
        "    sub sp, sp, #160\n"
        "    stp x19, x20, [sp]\n    stp x21, x22, [sp, #16]\n    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n    stp x27, x28, [sp, #64]\n    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n    stp d14, d15, [sp, #144]\n"
        "    mov x9, sp\n    str x9, [x0]\n    mov sp, x1\n"
        "    ldp x19, x20, [sp]\n    ldp x21, x22, [sp, #16]\n    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n    ldp x27, x28, [sp, #64]\n    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n    ldp d14, d15, [sp, #144]\n"
        "    add sp, sp, #160\n    ret\n"
        ".size death_switch, .-death_switch\n");

static void *fresh(char *top, void (*entry)(void))
{
    void **sp = (void **)top - 20;

    for (int i = 0; i < 20; i++)
        sp[i] = NULL;
    sp[11] = (void *)entry;
    return sp;
}
#else
#error "together.c needs a switch of stacks for this CPU"
#endif

static void leave(enum reason why)
{
    reason = why;
    death_switch(&actors[current].context, scheduler);
}

static void entry(void)
{
    if (current == SUPERVISOR)
        the_case->recover(repairing);
    else
        actors[current].result = the_case->operation[current]();
    leave(ENDED);
    abort(); /* nobody resumes it */
}

static void ready(unsigned a)
{
    actors[a].state = READY;
    actors[a].woken = false;
    actors[a].context = fresh((char *)actors[a].stack + STACK, entry);
}

/* -- what the code under test runs into ----------------------------------------------------------- */

static unsigned ready_set(void)
{
    unsigned set = 0;

    for (unsigned a = 0; a < ACTORS; a++)
        if (actors[a].state == READY)
            set |= 1u << a;
    return set;
}

static void stop_at_next(void)
{
    long at = tracing ? 0 : slice_end;

    if (next_event < event_count && events[next_event].step < at)
        at = events[next_event].step;
    hooks.stop_access = at < MOST_ACCESSES ? at : MOST_ACCESSES;
}

static void reached(void)
{
    long step = hooks.accesses;

    if (examining)
        longjmp(out, 1);
    if (tracing && step < MOST_STEPS) {
        tracing->actor[step] = (unsigned char)current;
        tracing->ready[step] = (unsigned char)ready_set();
        tracing->store[step] = hooks.store;
    }
    if (step >= MOST_ACCESSES)
        leave(ENDLESS);
    if (next_event < event_count && events[next_event].step == step) {
        struct event *e = &events[next_event++];

        e->code = hooks.code;
        stop_at_next();
        leave(e->what == KILL ? DIES : SWITCHES);
    } else if (step >= slice_end) {
        leave(SPINS);
    }
}

static bool wait_for(const volatile uint32_t *word, uint32_t expected, int64_t deadline)
{
    struct actor *a = &actors[current];

    if (*word != expected)
        return true;
    if (examining) {
        if (deadline != INT64_MAX)
            return false;
        longjmp(out, 2);
    }
    a->state = ASLEEP;
    a->woken = false;
    a->word = (uintptr_t)word;
    a->deadline = deadline;
    leave(SLEEPS);
    return a->woken;
}

static void wake(const volatile uint32_t *word, int count)
{
    for (unsigned a = 0; a < ACTORS && count > 0; a++) {
        if (actors[a].state != ASLEEP || actors[a].word != (uintptr_t)word)
            continue;
        actors[a].state = READY;
        actors[a].woken = true;
        count--;
    }
}

static void misused(const char *what)
{
    misuse = what;
    if (examining)
        longjmp(out, 3);
    leave(MISUSED);
}

static void start_repair(void)
{
    repairing = dead;
    ready(SUPERVISOR);
}

static void dies(unsigned a)
{
    actors[a].state = DEAD;
    dead |= 1u << a;
    if (actors[SUPERVISOR].state != READY && actors[SUPERVISOR].state != ASLEEP)
        start_repair();
}

static void kill_process(unsigned p)
{
    if (p != current && (actors[p].state == READY || actors[p].state == ASLEEP))
        dies(p);
}

static void end_process(void)
{
    leave(DIES);
}

/* -- one schedule ----------------------------------------------------------------------------------- */

static void where(char *buf, size_t size)
{
    static const char *const names[ACTORS] = { "first", "second", "third", "supervisor" };
    int n = snprintf(buf, size, "schedule:");

    for (unsigned i = 0; i < event_count && n >= 0 && (size_t)n < size; i++) {
        char place[256] = "?";

        if (events[i].code)
            death_place(events[i].code, place, sizeof place);
        n += snprintf(buf + n, size - (size_t)n, "%s the %s %s before %s%s%s", i ? "; then" : "",
                      names[events[i].actor], events[i].what == KILL ? "is killed" : "stops", place,
                      events[i].what == KILL ? "" : ", on goes the ",
                      events[i].what == KILL ? "" : names[events[i].to]);
    }
}

/* Who runs when nobody says: the supervisor, else the next one. ACTORS: nobody can. */
static unsigned next_ready(unsigned after)
{
    if (actors[SUPERVISOR].state == READY)
        return SUPERVISOR;
    for (unsigned i = 1; i <= ACTORS; i++) {
        unsigned a = (after + i) % ACTORS;

        if (actors[a].state == READY)
            return a;
    }
    /* time passes: the earliest deadline */
    unsigned first = ACTORS;

    for (unsigned a = 0; a < ACTORS; a++)
        if (actors[a].state == ASLEEP && actors[a].deadline != INT64_MAX &&
            (first == ACTORS || actors[a].deadline < actors[first].deadline))
            first = a;
    if (first != ACTORS)
        actors[first].state = READY;
    return first;
}

static const char *run(void)
{
    static char text[256];

    for (unsigned a = 0; a < ACTORS; a++) {
        actors[a].state = NONE;
        if (a < DEATH_PROCESSES && the_case->operation[a])
            ready(a);
    }
    dead = repaired = repairing = 0;
    next_event = 0;
    current = 0;
    hooks_arm(HOOKS_NEVER, HOOKS_NEVER, reached);
    while (current != ACTORS) {
        slice_end = hooks.accesses + SLICE;
        stop_at_next();
        death_switch(&scheduler, actors[current].context);
        switch (reason) {
        case ENDED:
            actors[current].state = RETURNED;
            if (current == SUPERVISOR) {
                repaired = repairing;
                if (repaired != dead)
                    start_repair();
            }
            current = next_ready(current);
            break;
        case SLEEPS:
            current = next_ready(current);
            break;
        case SWITCHES:
            current = events[next_event - 1].to;
            break;
        case SPINS: {
            struct actor *a = &actors[current];
            unsigned next;

            a->state = NONE;
            next = next_ready(current);
            a->state = READY;
            if (next != ACTORS)
                current = next;
            break;
        }
        case DIES:
            if (current == SUPERVISOR) {
                start_repair();
            } else {
                dies(current);
            }
            current = next_ready(current);
            break;
        case ENDLESS:
            hooks_disarm();
            return "hang: somebody runs for ever";
        case MISUSED:
            hooks_disarm();
            snprintf(text, sizeof text, "misuse was called: %s", misuse);
            return text;
        }
    }
    hooks_disarm();
    if (actors[SUPERVISOR].state == ASLEEP)
        return "hang: the repair sleeps for ever";
    return NULL;
}

static const char *examine(void)
{
    struct death_end ends[DEATH_PROCESSES];
    static char text[256];
    const char *verdict = NULL;
    int jumped;

    for (unsigned a = 0; a < DEATH_PROCESSES; a++) {
        static const enum death_how how[] = {
            [NONE] = DEATH_ABSENT, [READY] = DEATH_ABSENT, [ASLEEP] = DEATH_BLOCKED,
            [RETURNED] = DEATH_RETURNED, [DEAD] = DEATH_KILLED,
        };

        ends[a] = (struct death_end){ how[actors[a].state],
                                      actors[a].state == RETURNED ? actors[a].result : 0 };
    }
    hooks_arm(HOOKS_NEVER, MOST_ACCESSES, reached);
    examining = true;
    jumped = _setjmp(out);
    if (jumped == 0)
        verdict = the_case->check(ends);
    examining = false;
    hooks_disarm();
    switch (jumped) {
    case 0: return verdict;
    case 1: return "hang: the check never ends";
    case 2: return "hang: the check sleeps for ever";
    default: snprintf(text, sizeof text, "misuse was called: %s", misuse); return text;
    }
}

static void one_schedule(void)
{
    const char *verdict;

    image_restore();
    verdict = run();
    if (hooks.accesses > report->stores)
        report->stores = hooks.accesses;
    if (!verdict)
        verdict = examine();
    report->states++;
    death_note(report, verdict, where);
}

/* -- all schedules ------------------------------------------------------------------------------------ */

static uint64_t dice;
static double share[MOST_EVENTS + 1]; /* of the schedules with so many events is run; 1: all */
static long explored[MOST_EVENTS + 1];
static double rounds[MOST_EVENTS + 1]; /* how many there are, about */

static bool left_out(void)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (double)(dice >> 11) * 0x1p-53 >= share[event_count];
}

/* All schedules that begin with the events there are, and have up to 'more' behind access 'from'. */
static void explore(unsigned more, long from)
{
    struct trace *t;
    long steps;

    explored[event_count]++;
    if (more == 0) {
        one_schedule();
        return;
    }
    t = malloc(sizeof *t);
    if (!t) {
        perror("malloc");
        exit(1);
    }
    tracing = t;
    image_restore();
    run();
    steps = hooks.accesses < MOST_STEPS ? hooks.accesses + 1 : MOST_STEPS;
    tracing = NULL;
    for (long s = from; s < steps; s++) {
        struct event *e = &events[event_count];

        e->step = s;
        e->actor = t->actor[s];
        for (unsigned to = 0; to <= ACTORS; to++) {
            if (to == ACTORS) {
                if (!t->store[s] || (the_case->immortal >> t->actor[s] & 1))
                    continue;
                e->what = KILL;
            } else {
                if (to == t->actor[s] || !(t->ready[s] & (1u << to)))
                    continue;
                e->what = SWITCH;
                e->to = to;
            }
            event_count++;
            if (!left_out())
                explore(more - 1, s + 1);
            event_count--;
        }
    }
    free(t);
}

/* First those with no event, then with one, ...: so the first that is found wrong is the simplest.
 * How many the next round will have is judged by how they grew. */
static void explore_all(unsigned most_events)
{
    double most = (double)death_setting("CREW_DEATH_SCHEDULES", 150000);

    for (unsigned n = 0; n <= MOST_EVENTS; n++)
        share[n] = 1;
    dice = 1;
    for (unsigned n = 0; n <= most_events; n++) {
        double next = 0, thin = 1;

        event_count = 0;
        memset(explored, 0, sizeof explored);
        if (n >= 2)
            next = rounds[n - 1] * (rounds[n - 1] / (rounds[n - 2] + 1) + 1);
        if (next > most) {
            thin = most / next;
            /* on both of the last levels, as to get to a leaf costs a run too */
            share[n - 1] = n == 2 ? 1 : sqrt(thin);
            share[n] = thin / share[n - 1];
            report->share = thin;
        }
        explore(n, 1);
        rounds[n] = (double)explored[n] / thin;
        share[n] = share[n - 1 + (n == 0)] = 1;
    }
}

static void crashed(int sig)
{
    char text[512], place[320];

    where(place, sizeof place);
    snprintf(text, sizeof text, "not ok - together: %.80s: signal %d in the %s; %s\n",
             the_case ? the_case->name : "?", sig, examining ? "check" : "schedule", place);
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(2);
    _exit(1);
}

long death_together(const struct death_case *c, struct death_report *r)
{
    double start;

    memset(r, 0, sizeof *r);
    r->share = 1;
    the_case = c;
    report = r;
    if (!actors[0].stack) {
        stack_t alternate = { .ss_size = 64 << 10 };
        struct sigaction action = { .sa_handler = crashed, .sa_flags = SA_ONSTACK };

        for (unsigned a = 0; a < ACTORS; a++) {
            actors[a].stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (actors[a].stack == MAP_FAILED) {
                perror("mmap");
                exit(1);
            }
        }
        alternate.ss_sp = malloc(alternate.ss_size);
        if (alternate.ss_sp)
            sigaltstack(&alternate, NULL);
        sigaction(SIGSEGV, &action, NULL);
        sigaction(SIGBUS, &action, NULL);
        sigaction(SIGABRT, &action, NULL);
    }
    death_kernel = (struct death_kernel){
        .wait = wait_for, .wake = wake, .misuse = misused, .kill = kill_process, .exit = end_process
    };
    death_open();
    image_open(c->size);
    hooks_disarm();
    c->setup();
    image_push();
    start = death_cpu();
    explore_all(c->events ? c->events : 3);
    r->seconds = death_cpu() - start;
    image_restore();
    image_pop();
    return r->hang + r->lost + r->twice + r->broken;
}
