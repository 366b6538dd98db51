/* together.c - two or three processes at once, and every schedule of a few switches and deaths, or of
 * switches alone.
 *
 * See death.h. Each process is a coroutine. Before each access to the arena the schedule may go on,
 * switch to another process, or (before a store) kill this one; after a death the supervisor
 * becomes runnable and runs next, and can be switched away from and killed like the others. All
 * schedules with up to 'events' of these are run. Between events a process runs until it returns or
 * sleeps; then the next takes over.
 *
 * What several schedules have in common is run once: a moment is kept of where they part, of the
 * arena and of the stacks. And what comes after the last event is known when a process ends, sleeps
 * or dies in a state that another schedule had there, and that ended well (known.h).
 *
 * Where that would be more than CREW_DEATH_SCHEDULES (500,000), a random share of them is run, the
 * same each time.
 *
 * In every_schedule nobody dies, and up to three times a process is stopped though it could go on. Where
 * one stops by itself each of the others is tried as the next one: that costs nothing, but up to
 * three times it is not the usual one. A process is not stopped where the others could not tell it
 * from being stopped later: before an access to what only it touches, or all only read; nor before a
 * look that only repeats the one before, as who spins does. What is touched by whom is found out on
 * the way; when that was not known from the start, all is run again. A subtree that begins in
 * a state where an equal one began is not run again.
 *
 * A process that sleeps in os_futex_wait() wakes when somebody wakes its word, or, when nothing
 * else can run, at its deadline. If nothing can run any more, sleepers are told to check(). */
#define _GNU_SOURCE
#include "death.h"
#include "hooks.h"
#include "image.h"
#include "known.h"
#include "replay.h"

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
#define MOST_EVENTS REPLAY_DIGITS
#define MOST_SWITCHES 3 /* in every_schedule */
#define MOST_NEXTS 3    /* that are not the usual one, in the same */
#define MOST_STEPS 4000  /* events happen in the first so many accesses */
#define CLEAN 3072       /* bytes of a stack that are zero when a process begins */
#define MOST_CUTS 64
#define CUT 128 /* accesses between two of them, at least: to look one up costs as much */
#define SLICE 2000       /* a process that takes more accesses spins: others run for a while */
#define MOST_ACCESSES 200000

enum state { NONE, READY, ASLEEP, RETURNED, DEAD };
enum reason { ENDED, SLEEPS, PARTS, DIES, SPINS, ENDLESS, MISUSED };

static const struct death_case *the_case;
static struct death_report *report;

static struct actor {
    void *stack;
    void *context;
    enum state state;
    int result;
    uintptr_t word[DEATH_WORDS]; /* asleep on these; 0: none */
    uint32_t names; /* under these    */
    int64_t deadline;
    bool woken;
    const void *code; /* its last access, and where it was */
    uintptr_t address;
    bool keyed; /* 'key' is that of its stack: it did not run since */
    struct key key;
} actors[ACTORS];

static void *scheduler;
static unsigned current;
static enum reason reason;
static const char *misuse;
static unsigned dead, repaired, repairing;
static jmp_buf out; /* of check(), which runs on the scheduler's stack */
static bool examining;

static const char *const called[ACTORS] = { "first", "second", "third", "supervisor" };

static struct event {
    enum { SWITCH, KILL, NEXT } what;
    unsigned actor; /* who was running */
    unsigned to;    /* switch, next: to whom */
    const void *code;
    long step;      /* the access it is before; next: how many have stopped by themselves */
} events[MOST_EVENTS];
static unsigned event_count;
static long slice_end, stops;
static unsigned char *touched; /* by whom (hooks.h) */
static unsigned victims;       /* of death_kill(), at any place: what they have not stored tells it */

static bool deaths_happen; /* or only switches */
static unsigned more;    /* events are to be had */
static unsigned choices; /* of what is to happen before this access: bits of actors to switch to, ... */
#define CHOICE_KILL (1u << ACTORS)

/* The states since the last event: if all ends well, so it will from each of them. */
static struct cut {
    struct key key;
    long accesses;
} cuts[MOST_CUTS];
static unsigned cut_count;
static long last_cut;
static bool recognised;

/* Where schedules part. */
static struct moment {
    struct actor actors[ACTORS];
    char *stack[ACTORS];
    unsigned current, dead, repaired, repairing;
    long accesses, slice_end, stops;
    int64_t time;
    struct cut cuts[MOST_CUTS];
    unsigned cut_count;
    long last_cut;
} moments[MOST_EVENTS];

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
    actors[a].keyed = false;
    memset((char *)actors[a].stack + STACK - CLEAN, 0, CLEAN);
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
    long at = more > 0 || replay_now ? 0 : slice_end;

    hooks.stop_access = at < MOST_ACCESSES ? at : MOST_ACCESSES;
}

static bool left_out(void);

/* A digit of a number says what happened, and before which access, or at which stop. */
#define DIGIT_STEP 13
#define DIGIT_KILL ACTORS
#define DIGIT_NEXT (ACTORS + 1)
_Static_assert(MOST_STEPS < 1 << DIGIT_STEP && DIGIT_NEXT + DEATH_PROCESSES <= 8, "16 bits");

static uint16_t digit_of(const struct event *e)
{
    unsigned what = e->what == KILL ? DIGIT_KILL : e->what == NEXT ? DIGIT_NEXT + e->to : e->to;

    return (uint16_t)(what << DIGIT_STEP | (unsigned)e->step);
}

/* What the number that is done again has here: a bit of 'choices', or one of who is next; 0: nothing. */
static unsigned asked_for(bool next, long step)
{
    unsigned digit, what;

    if (event_count == replay_now->count)
        return 0;
    digit = replay_now->digit[event_count];
    what = digit >> DIGIT_STEP;
    if (step != (long)(digit & ((1u << DIGIT_STEP) - 1)) || next != (what >= DIGIT_NEXT))
        return 0;
    return 1u << (next ? what - DIGIT_NEXT : what);
}

/* Others could tell what is done now from the same done later. */
static bool matters(void)
{
    const unsigned char mine = hooks.as_reader | hooks.as_writer;
    const unsigned char theirs = (unsigned char)~mine & (hooks.store ? 0xff : 0xf0);
    size_t first = (hooks.address - hooks.base) / 4, last = (hooks.address - hooks.base + hooks.bytes - 1) / 4;

    for (size_t i = first; i <= last; i++)
        if (touched[i] & theirs)
            return true;
    return hooks.store && (victims >> current & 1);
}

static void choose(bool repeated)
{
    unsigned possible = ready_set() & ~(1u << current);

    if (deaths_happen && hooks.store && !(the_case->immortal >> current & 1))
        possible |= CHOICE_KILL;
    choices = 0;
    if (replay_now) {
        choices = asked_for(false, hooks.accesses);
        if ((choices & possible) != choices)
            replay_misfit();
        return;
    }
    if (!deaths_happen && (repeated || !matters()))
        return;
    for (unsigned set = possible; set; set &= set - 1)
        if (!left_out())
            choices |= set & -set;
}

static void show_choice(void)
{
    if (choices & CHOICE_KILL)
        replay_event(called[current], "is killed before this");
    else
        replay_event(called[current], "stops before this, on goes the %s", called[__builtin_ctz(choices)]);
}

static void reached(void)
{
    struct actor *a = &actors[current];
    const bool repeated = a->code == hooks.code && a->address == hooks.address && !hooks.store;
    long step = hooks.accesses;

    a->code = hooks.code;
    a->address = hooks.address;
    if (examining)
        longjmp(out, 1);
    if (replay_now)
        replay_access(called[current], hooks.code, hooks.address, hooks.bytes, hooks.store);
    if (step >= MOST_ACCESSES)
        leave(ENDLESS);
    if ((more > 0 || replay_now) && step < MOST_STEPS) {
        choose(repeated);
        if (choices && replay_now)
            show_choice();
        if (choices)
            leave(PARTS);
    }
    if (step >= slice_end)
        leave(SPINS);
}

static bool wait_for(const struct death_word *words, unsigned count, int64_t deadline, uint32_t names)
{
    struct actor *a = &actors[current];

    for (unsigned i = 0; i < count; i++)
        if (*words[i].word != words[i].expected)
            return true;
    if (examining) {
        if (deadline != INT64_MAX)
            return false;
        longjmp(out, 2);
    }
    if (deadline != INT64_MAX)
        known_timed();
    a->state = ASLEEP;
    a->woken = false;
    for (unsigned i = 0; i < DEATH_WORDS; i++)
        a->word[i] = i < count ? (uintptr_t)words[i].word : 0;
    a->names = names;
    a->deadline = deadline;
    if (replay_now)
        replay_event(called[current], "falls asleep");
    leave(SLEEPS);
    return a->woken;
}

static bool sleeps_on(const struct actor *a, const volatile uint32_t *word)
{
    for (unsigned i = 0; i < DEATH_WORDS; i++)
        if (a->state == ASLEEP && a->word[i] == (uintptr_t)word)
            return true;
    return false;
}

static bool wake(const volatile uint32_t *word, int count, uint32_t names)
{
    bool woken = false;

    for (unsigned a = 0; a < ACTORS && count > 0; a++) {
        if (!sleeps_on(&actors[a], word) || (actors[a].names & names) == 0)
            continue;
        actors[a].state = READY;
        actors[a].woken = woken = true;
        count--;
        if (replay_now)
            replay_event(called[a], "is woken");
    }
    return woken;
}

static void misused(const char *what)
{
    misuse = what;
    if (examining)
        longjmp(out, 3);
    leave(MISUSED);
}

static bool goes_on(const struct actor *a)
{
    return a->state == READY || a->state == ASLEEP;
}

static void start_repair(void)
{
    repairing = dead;
    ready(SUPERVISOR);
    if (replay_now)
        replay_event(called[SUPERVISOR], "begins to repair");
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
    if (p == current || !goes_on(&actors[p]))
        return;
    hooks.news += !(victims >> p & 1);
    victims |= 1u << p;
    dies(p);
}

static void end_process(void)
{
    leave(DIES);
}

/* -- one schedule ----------------------------------------------------------------------------------- */

static void where(char *buf, size_t size)
{
    struct replay number = { .count = event_count };
    int n = snprintf(buf, size, "schedule:");

    for (unsigned i = 0; i < event_count; i++)
        number.digit[i] = digit_of(&events[i]);
    replay_write(&number, report->number);

    for (unsigned i = 0; i < event_count && n >= 0 && (size_t)n < size; i++) {
        char place[256] = "?";

        if (events[i].what == NEXT) {
            n += snprintf(buf + n, size - (size_t)n, "%s after the %s goes the %s", i ? "; then" : "",
                          called[events[i].actor], called[events[i].to]);
            continue;
        }
        if (events[i].code)
            death_place(events[i].code, place, sizeof place);
        n += snprintf(buf + n, size - (size_t)n, "%s the %s %s before %s%s%s", i ? "; then" : "",
                      called[events[i].actor], events[i].what == KILL ? "is killed" : "stops", place,
                      events[i].what == KILL ? "" : ", on goes the ",
                      events[i].what == KILL ? "" : called[events[i].to]);
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
    if (first != ACTORS) {
        actors[first].state = READY;
        if (replay_now)
            replay_event(called[first], "is at its deadline");
    }
    return first;
}

static struct key stack_key(struct actor *a)
{
    if (!a->keyed) {
        a->key = key_of((struct key){ 0, 0 }, a->context,
                        (size_t)((char *)a->stack + STACK - (char *)a->context));
        a->keyed = true;
    }
    return a->key;
}

static struct key key_now(void)
{
    uint64_t rest[(6 + DEATH_WORDS) * ACTORS + 4];
    unsigned n = 0;

    rest[n++] = current;
    rest[n++] = dead;
    rest[n++] = repaired;
    rest[n++] = repairing;
    for (unsigned i = 0; i < ACTORS; i++) {
        struct actor *a = &actors[i];
        bool alive = goes_on(a);
        struct key stack = alive ? stack_key(a) : (struct key){ 0, 0 };

        rest[n++] = (uint64_t)a->state << 32 | (a->state == RETURNED ? (uint32_t)a->result : 0);
        rest[n++] = alive ? (uintptr_t)a->context : 0;
        for (unsigned w = 0; w < DEATH_WORDS; w++)
            rest[n++] = a->state == ASLEEP ? a->word[w] : 0;
        rest[n++] = a->state == ASLEEP ? a->names : 0;
        rest[n++] = alive && a->woken;
        rest[n++] = stack.a;
        rest[n++] = stack.b;
    }
    return key_of(image_key(), rest, sizeof rest);
}

/* No event is to come, so all depends on where things stand. True: that is known. */
static bool recognise(void)
{
    struct cut *cut = &cuts[cut_count];
    uint32_t rest;

    if (cut_count == MOST_CUTS || (current != ACTORS && hooks.accesses - last_cut < CUT))
        return false;
    last_cut = hooks.accesses;
    cut->key = key_now();
    cut->accesses = hooks.accesses;
    if (known_find(cut->key, &rest)) {
        recognised = true;
        hooks.accesses += rest;
        return true;
    }
    cut_count++;
    return false;
}

static void remember(long accesses)
{
    for (unsigned i = 0; i < cut_count; i++)
        known_add(cuts[i].key, (uint32_t)(accesses - cuts[i].accesses));
}

static void part(void);
static void part_for_next(unsigned usual);

/* One has stopped by itself: the next one. */
static void go_to_next(void)
{
    unsigned usual = next_ready(current);

    stops++;
    if (!deaths_happen && usual != SUPERVISOR)
        part_for_next(usual);
    current = usual;
}

/* Runs until nobody can go on any more, or it is known how that will end. */
static const char *go_on(void)
{
    static char text[256];

    recognised = false;
    cut_count = 0;
    last_cut = hooks.accesses;
    while (current != ACTORS) {
        slice_end = hooks.accesses + SLICE;
resume:
        stop_at_next();
        hooks.as_reader = (unsigned char)(1u << current);
        hooks.as_writer = (unsigned char)(16u << current);
        hooks.touched = deaths_happen ? NULL : touched;
        actors[current].keyed = false;
        death_switch(&scheduler, actors[current].context);
        hooks.touched = NULL;
        switch (reason) {
        case ENDED:
            actors[current].state = RETURNED;
            if (replay_now)
                replay_event(called[current], "returns %d", current == SUPERVISOR ? 0 : actors[current].result);
            if (current == SUPERVISOR) {
                repaired = repairing;
                if (repaired != dead)
                    start_repair();
            }
            go_to_next();
            break;
        case SLEEPS:
            go_to_next();
            break;
        case PARTS:
            part();
            goto resume;
        case SPINS: {
            struct actor *a = &actors[current];
            unsigned next;

            a->state = NONE;
            next = next_ready(current);
            a->state = READY;
            if (next != ACTORS)
                current = next;
            continue;
        }
        case DIES:
            if (current == SUPERVISOR)
                start_repair();
            else
                dies(current);
            go_to_next();
            break;
        case ENDLESS:
            hooks_disarm();
            return "hang: somebody runs for ever";
        case MISUSED:
            hooks_disarm();
            snprintf(text, sizeof text, "misuse was called: %s", misuse);
            return text;
        }
        if (more == 0 && !replay_now && recognise()) {
            hooks_disarm();
            return NULL;
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

/* -- all schedules ------------------------------------------------------------------------------------ */

static jmp_buf replayed;
static int64_t begin_time;
static uint64_t dice;
static unsigned begun; /* with so many events to be had */
static double share[MOST_EVENTS + 2]; /* of the schedules with so many events is run; 1: all */
static long explored[MOST_EVENTS + 1];
static double rounds[MOST_EVENTS + 1]; /* how many there are, about */

static bool left_out(void)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (double)(dice >> 11) * 0x1p-53 >= share[begun - more + 1];
}

/* All schedules that begin with the events there were, and have up to 'events' more. */
static long wrongs(void)
{
    return report->hang + report->lost + report->twice + report->broken;
}

static void explore(unsigned events_more)
{
    const long states = report->states, news = hooks.news, wrong = wrongs();
    const bool inner = !deaths_happen && !replay_now && events_more > 0 && event_count > 0;
    const char *verdict;
    struct key key;
    uint32_t leaves;
    long accesses;

    more = events_more;
    if (inner) {
        key = key_of(key_now(), (const uint64_t[]){ events_more, (uint64_t)news }, 16);
        if (known_find(key, &leaves)) {
            report->states += leaves;
            explored[begun] += leaves;
            return;
        }
    }
    explored[begun - events_more]++;
    more = events_more;
    verdict = go_on();
    accesses = hooks.accesses;
    if (accesses > report->stores)
        report->stores = accesses;
    if (replay_now && event_count < replay_now->count)
        replay_misfit(); /* what was to happen did not */
    if (inner && hooks.news == news && wrongs() == wrong)
        known_add(key, (uint32_t)(report->states - states));
    if (events_more > 0 && !replay_now)
        return;
    report->states++;
    if (recognised)
        return;
    report->distinct++;
    if (!verdict)
        verdict = examine();
    if (!verdict)
        remember(accesses);
    death_note(report, verdict, where);
    if (replay_now)
        longjmp(replayed, 1);
}

static void keep(struct moment *m)
{
    for (unsigned a = 0; a < ACTORS; a++)
        if (goes_on(&actors[a]))
            stack_key(&actors[a]);
    memcpy(m->actors, actors, sizeof actors);
    for (unsigned a = 0; a < ACTORS; a++) {
        size_t at = (size_t)((char *)actors[a].context - (char *)actors[a].stack);

        if (goes_on(&actors[a]))
            memcpy(m->stack[a] + at, actors[a].context, STACK - at);
    }
    m->current = current;
    m->dead = dead;
    m->repaired = repaired;
    m->repairing = repairing;
    m->accesses = hooks.accesses;
    m->slice_end = slice_end;
    m->stops = stops;
    m->time = death_time;
    m->cut_count = cut_count;
    m->last_cut = last_cut;
    memcpy(m->cuts, cuts, cut_count * sizeof *cuts);
}

static void go_back(const struct moment *m)
{
    memcpy(actors, m->actors, sizeof actors);
    for (unsigned a = 0; a < ACTORS; a++) {
        size_t at = (size_t)((char *)actors[a].context - (char *)actors[a].stack);

        if (goes_on(&actors[a]))
            memcpy(actors[a].context, m->stack[a] + at, STACK - at);
    }
    current = m->current;
    dead = m->dead;
    repaired = m->repaired;
    repairing = m->repairing;
    hooks.accesses = m->accesses;
    slice_end = m->slice_end;
    stops = m->stops;
    death_time = m->time;
    cut_count = m->cut_count;
    last_cut = m->last_cut;
    memcpy(cuts, m->cuts, cut_count * sizeof *cuts);
}

/* Before this access, each of the chosen events happens, and all that may follow; then none. */
static void part(void)
{
    struct moment *m = &moments[event_count];
    const unsigned chosen = choices, here = more;
    struct event e = { .actor = current, .code = hooks.code, .step = hooks.accesses };

    keep(m);
    image_push();
    for (unsigned set = chosen; set; set &= set - 1) {
        unsigned to = (unsigned)__builtin_ctz(set);

        e.what = to == ACTORS ? KILL : SWITCH;
        e.to = to;
        events[event_count++] = e;
        if (e.what == SWITCH) {
            current = to;
        } else {
            if (current == SUPERVISOR)
                start_repair();
            else
                dies(current);
            current = next_ready(current);
        }
        explore(here - 1);
        event_count--;
        image_restore();
        go_back(m);
    }
    image_drop();
    more = here;
}

/* One has stopped by itself: the usual one is the next, but first, instead of it, each of the others. */
static void part_for_next(unsigned usual)
{
    struct moment *m = &moments[event_count];
    unsigned others = ready_set() & ~(1u << usual);
    const unsigned here = more;
    struct event e = { .what = NEXT, .actor = current, .step = stops };

    if (replay_now)
        others &= asked_for(true, stops);
    if (others == 0 || stops >= MOST_STEPS || (event_count - (begun - here) >= MOST_NEXTS && !replay_now))
        return;
    keep(m);
    image_push();
    for (unsigned set = others; set; set &= set - 1) {
        e.to = (unsigned)__builtin_ctz(set);
        if (replay_now)
            replay_event(called[e.to], "is the next");
        events[event_count++] = e;
        current = e.to;
        explore(here);
        event_count--;
        image_restore();
        go_back(m);
    }
    image_drop();
    more = here;
    recognised = false;
}

/* All schedules of 'events' events. */
static void begin(unsigned events_more)
{
    image_restore();
    death_time = begin_time;
    for (unsigned a = 0; a < ACTORS; a++) {
        actors[a].state = NONE;
        if (a < DEATH_PROCESSES && the_case->operation[a])
            ready(a);
    }
    dead = repaired = repairing = 0;
    current = 0;
    event_count = 0;
    begun = events_more;
    stops = 0;
    hooks_arm(HOOKS_NEVER, HOOKS_NEVER, reached);
    explore(events_more);
}

/* The same, until it brings no news of who touches what. */
static void begin_knowing(unsigned events_more)
{
    const struct death_report before = *report;
    long news = hooks.news;

    memset(explored, 0, sizeof explored);
    begin(events_more);
    if (deaths_happen || hooks.news == news)
        return;
    *report = before;
    begin_knowing(events_more);
}

/* The one schedule that is asked for. */
static void replay(void)
{
    if (_setjmp(replayed) == 0)
        begin(MOST_EVENTS);
}

/* First those with no event, then with one, ...: so the first that is found wrong is the simplest.
 * How many the next round will have is judged by how they grew. */
static void explore_all(unsigned most_events, double most)
{
    for (unsigned n = 0; n <= MOST_EVENTS; n++)
        share[n] = 1;
    dice = 1;
    for (unsigned n = 0; n <= most_events; n++) {
        double next = 0, thin = 1;

        if (n >= 2)
            next = rounds[n - 1] * (rounds[n - 1] / (rounds[n - 2] + 1) + 1);
        if (next > most) {
            thin = most / next;
            /* on both of the last levels, as to get to a leaf costs a run too */
            share[n - 1] = n == 2 ? 1 : sqrt(thin);
            share[n] = thin / share[n - 1];
            report->share = thin;
        }
        begin_knowing(n);
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

static void *map(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    return p;
}

static void prepare(void)
{
    stack_t alternate = { .ss_size = 64 << 10 };
    struct sigaction action = { .sa_handler = crashed, .sa_flags = SA_ONSTACK };

    if (actors[0].stack)
        return;
    touched = map(DEATH_ARENA / 4);
    for (unsigned a = 0; a < ACTORS; a++) {
        actors[a].stack = map(STACK);
        for (unsigned i = 0; i < MOST_EVENTS; i++)
            moments[i].stack[a] = map(STACK);
    }
    alternate.ss_sp = malloc(alternate.ss_size);
    if (alternate.ss_sp)
        sigaltstack(&alternate, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGABRT, &action, NULL);
}

static long explore_case(const struct death_case *c, struct death_report *r, unsigned most_events,
                         long most_schedules)
{
    double start;

    the_case = c;
    report = r;
    prepare();
    death_kernel = (struct death_kernel){
        .wait = wait_for, .wake = wake, .misuse = misused, .kill = kill_process, .exit = end_process
    };
    death_open();
    image_open(c->size);
    hooks_disarm();
    known_begin();
    c->setup();
    image_push();
    memset(touched, 0, c->size / 4 + 1);
    victims = 0;
    begin_time = death_time;
    start = death_cpu();
    if (replay_now)
        replay();
    else
        explore_all(most_events, (double)death_setting("CREW_DEATH_SCHEDULES", most_schedules));
    r->seconds = death_cpu() - start;
    image_restore();
    image_pop();
    return r->hang + r->lost + r->twice + r->broken;
}

long death_together(const struct death_case *c, struct death_report *r)
{
    memset(r, 0, sizeof *r);
    r->share = 1;
    deaths_happen = true;
    return explore_case(c, r, c->events ? c->events : 3, 500000);
}

long death_every_schedule(const struct death_case *c, struct death_report *r)
{
    memset(r, 0, sizeof *r);
    r->share = 1;
    r->switches = MOST_SWITCHES;
    deaths_happen = false;
    return explore_case(c, r, MOST_SWITCHES, 400000);
}
