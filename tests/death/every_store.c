/* every_store.c - a process dies before each of its stores; so does each that repairs after it.
 *
 * See death.h. The library and the case are compiled with hooks, so a store is known before it
 * happens, and the arena there and then is what SIGKILL would leave: it is kept, and the process goes
 * on to its next store. Then each that was kept is repaired and checked, and what the repair would
 * leave at each of its own stores is kept in turn. A state that was there before is not kept again.
 *
 * A process is also killed for good at each store, to see that this leaves the same. */
#define _GNU_SOURCE
#include "death.h"
#include "hooks.h"
#include "image.h"
#include "known.h"
#include "replay.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_ACCESSES 1000000 /* more than that in one call is a hang */
#define MOST_DEATHS 8
#define VERIFIED 40 /* states of a case after which image_verify() is asked */
#define NONE UINT32_MAX

enum how { RAN = 1, DIED, BLOCKED, ENDLESS, MISUSED };

static const struct death_case *the_case;
static struct death_report *report;
static struct death_end *ends; /* shared with the child that is killed */
static jmp_buf out;
static const char *misuse;
static const char *phase;

/* A state that somebody left who died, and how it came to be: the shortest way. */
static struct node {
    size_t saved; /* its image */
    uint32_t changes;
    uint32_t parent;      /* whose repair died; NONE: the operation did                      */
    uint32_t first, last; /* links to what deaths in its repair lead to                      */
    struct death_end end;
    const void *code; /* the store that was not done; NULL: it died after it returned       */
    size_t offset, bytes;
    long store;
} *nodes;
static uint32_t node_count, node_room;
static uint32_t *links; /* one for each death */
static size_t link_count, link_room;
static struct image_saved *saved;
static size_t saved_count, saved_room;

static uint32_t current; /* node, whose repair runs; NONE: the operation does     */
static long ordinal;     /* of the store that is about to be done                  */
static int64_t begin_time;
static bool each;        /* a process could die before each store: note what is left */
static long last_store;  /* replay: it dies before this one                        */

static void *grow(void *array, size_t size, size_t *room, size_t wanted)
{
    if (wanted <= *room)
        return array;
    while (*room < wanted)
        *room = *room ? 2 * *room : 1024;
    array = realloc(array, *room * size);
    if (!array) {
        perror("every store");
        exit(1);
    }
    return array;
}

/* A digit of a number: the store before which it died. */
#define DIGIT_NONE 0x7fff  /* it returned, or waits */
#define DIGIT_WEAK 0x8000  /* of the first: weak compare-and-swaps failed for no reason */
_Static_assert(MOST_DEATHS <= REPLAY_DIGITS, "a digit for each death");

static void number(const uint32_t *way, unsigned depth)
{
    struct replay r = { .count = depth > 0 ? depth : 1 };

    for (unsigned i = 0; i < depth && i < REPLAY_DIGITS; i++) {
        const struct node *node = &nodes[way[depth - 1 - i]];

        r.digit[i] = (uint16_t)(node->store > 0 && node->store < DIGIT_NONE ? node->store : DIGIT_NONE);
    }
    r.digit[0] |= hooks.weak_fails ? DIGIT_WEAK : 0;
    replay_write(&r, report->number);
}

static void where(char *buf, size_t size)
{
    uint32_t way[MOST_DEATHS + 1];
    unsigned depth = 0;
    int n = 0;

    for (uint32_t i = current; i != NONE && depth < MOST_DEATHS; i = nodes[i].parent)
        way[depth++] = i;
    number(way, depth);
    for (unsigned i = 0; i < depth && n >= 0 && (size_t)n < size; i++) {
        const struct node *node = &nodes[way[depth - 1 - i]];
        char place[256];

        if (!node->code && node->store) {
            n += snprintf(buf + n, size - (size_t)n, "killed by SIGKILL before store %ld",
                          node->store);
            continue;
        }
        if (!node->code) {
            n += snprintf(buf + n, size - (size_t)n, "%s%s", i ? ", then " : "died ",
                          i ? "once more after the repair" : "after it returned");
            continue;
        }
        death_place(node->code, place, sizeof place);
        n += snprintf(buf + n, size - (size_t)n,
                      "%s before store %ld%s (%s, %zu bytes at arena+%zu)",
                      i ? ", then" : "killed", node->store, i ? " of the repair" : "", place,
                      node->bytes, node->offset);
    }
}

/* What follows is determined by the arena, by what the operation got, and by the whim of weak
 * compare-and-swaps. Nothing else outlives a process. */
static struct key key_now(uint64_t kind)
{
    const struct key image = image_key();
    const uint64_t rest[] = { image.a, image.b, kind,
                              (uint64_t)ends[0].how << 32 | (uint32_t)ends[0].result,
                              hooks.weak_fails, 0 };

    return key_of((struct key){ 0, 0 }, rest, sizeof rest);
}

enum { LEFT = 1, REPAIRED };

/* Somebody dies here and now. */
static void dies(const void *code)
{
    struct key key = key_now(LEFT);
    size_t room = node_room;
    uint32_t n;

    report->states++;
    if (!known_find(key, &n)) {
        nodes = grow(nodes, sizeof *nodes, &room, (size_t)node_count + 1);
        node_room = (uint32_t)room;
        saved = grow(saved, sizeof *saved, &saved_room, saved_count + image_changes());
        n = node_count++;
        nodes[n] = (struct node){
            .saved = saved_count, .parent = current, .end = ends[0], .code = code,
            .store = code ? ordinal : 0, .offset = hooks.address - hooks.base, .bytes = hooks.bytes
        };
        nodes[n].changes = image_save(saved + saved_count);
        saved_count += nodes[n].changes;
        known_add(key, n);
    }
    links = grow(links, sizeof *links, &link_room, link_count + 1);
    links[link_count++] = n;
}

static void reached(void)
{
    if (replay_now)
        replay_access(phase, hooks.code, hooks.address, hooks.bytes, hooks.store);
    if (hooks.accesses >= MOST_ACCESSES)
        longjmp(out, ENDLESS);
    if (!hooks.store) /* replay shows loads, too */
        return;
    ordinal++;
    if (!each || (replay_now && ordinal != last_store))
        return;
    dies(hooks.code);
    if (replay_now) {
        replay_event(phase, "is killed before this");
        longjmp(out, DIED);
    }
}

/* Up to which access nothing has to be stopped. */
static long first_access(void)
{
    return replay_now ? 0 : MOST_ACCESSES;
}

static bool wait_for(const struct death_word *words, unsigned count, int64_t deadline, uint32_t names)
{
    (void)names;
    hooks_settle();
    for (unsigned i = 0; i < count; i++)
        if (*words[i].word != words[i].expected)
            return true;
    if (deadline != INT64_MAX) {
        known_timed();
        return false;
    }
    longjmp(out, BLOCKED);
}

static bool wake(const volatile uint32_t *word, int count, uint32_t names)
{
    (void)word;
    (void)count;
    (void)names;
    return false; /* there is nobody else */
}

static void misused(const char *what)
{
    misuse = what;
    longjmp(out, MISUSED);
}

/* Runs it to its end, and notes what a death before each of its stores leaves, and one after it. */
static enum how operate(void)
{
    volatile enum how how;

    current = NONE;
    ordinal = 0;
    ends[0] = (struct death_end){ .how = DEATH_KILLED };
    each = true;
    death_time = begin_time;
    hooks_arm(1, first_access(), reached);
    how = (enum how)_setjmp(out);
    if (how == 0) {
        int result = the_case->operation[0]();

        hooks_settle();
        ends[0] = (struct death_end){ DEATH_RETURNED, result };
        how = RAN;
    }
    if (how == BLOCKED)
        ends[0].how = DEATH_BLOCKED;
    hooks_disarm();
    each = false;
    if (how != RAN && how != BLOCKED)
        return how;
    if (replay_now && last_store != DIGIT_NONE)
        replay_misfit();
    dies(NULL);
    return how;
}

static enum how repair(bool noting)
{
    volatile enum how how;

    ordinal = 0;
    each = noting;
    death_time = begin_time;
    hooks_arm(noting ? 1 : HOOKS_NEVER, first_access(), reached);
    how = (enum how)_setjmp(out);
    if (how == 0) {
        the_case->recover(1);
        hooks_settle();
        how = RAN;
    }
    if (how == RAN && hooks.stores > report->repair)
        report->repair = hooks.stores;
    hooks_disarm();
    each = false;
    return how;
}

static const char *failure(enum how how, const char *blocked, const char *endless)
{
    static char text[256];

    if (how != MISUSED)
        return how == BLOCKED ? blocked : endless;
    snprintf(text, sizeof text, "misuse was called: %s", misuse);
    return text;
}

static const char *examine(void)
{
    const char *volatile verdict;
    volatile enum how how;

    death_time = begin_time;
    hooks_arm(HOOKS_NEVER, MOST_ACCESSES, reached);
    how = (enum how)_setjmp(out);
    if (how == 0) {
        verdict = the_case->check(ends);
        how = RAN;
    }
    hooks_disarm();
    return how == RAN ? verdict
                      : failure(how, "hang: the check sleeps for ever", "hang: the check never ends");
}

/* Somebody died; the arena is what was left. Notes what deaths in the repair leave. */
static void aftermath(bool noting)
{
    const char *verdict;
    struct key key;
    uint32_t n;
    enum how how;

    phase = "repair";
    how = repair(noting);
    if (how != RAN) {
        death_note(report,
                   failure(how, "hang: the repair sleeps for ever", "hang: the repair never ends"),
                   where);
        return;
    }
    if (noting)
        dies(NULL);
    key = key_now(REPAIRED);
    if (noting && known_find(key, &n))
        return;
    phase = "check";
    verdict = examine();
    if (!verdict)
        known_add(key, 0);
    death_note(report, verdict, where);
}

/* The arena as setup() makes it, as the top image. */
static void begin(void)
{
    image_open(the_case->size);
    hooks_disarm();
    phase = "setup";
    the_case->setup();
    image_push();
}

static double verifying; /* seconds */

static void verify(void)
{
    double start = death_cpu();
    const char *why = image_verify();

    verifying += death_cpu() - start;
    if (!why)
        return;
    fprintf(stderr, "%s: %s\n", the_case->name, why);
    exit(1);
}

/* Repairs and checks the states from 'from' on that are there now. */
static void repair_all(uint32_t from)
{
    const uint32_t to = node_count;

    for (uint32_t i = from; i < to; i++) {
        current = i;
        ends[0] = nodes[i].end;
        image_load(saved + nodes[i].saved, nodes[i].changes);
        image_push();
        nodes[i].first = (uint32_t)link_count;
        aftermath(true);
        nodes[i].last = (uint32_t)link_count;
        image_pop();
        if (i < VERIFIED)
            verify();
    }
}

/* In how many ways up to 'most' deaths can follow each other. */
static double ways(size_t roots, unsigned most)
{
    double *now = calloc(node_count + 1, sizeof *now), *next = calloc(node_count + 1, sizeof *next);
    double sum = 0;

    if (!now || !next) {
        perror("every store");
        exit(1);
    }
    for (uint32_t i = 0; i < node_count; i++)
        now[i] = 1;
    for (unsigned d = 1; d < most; d++) {
        double *swap = now;

        for (uint32_t i = 0; i < node_count; i++) {
            next[i] = 1;
            for (uint32_t l = nodes[i].first; l < nodes[i].last; l++)
                next[i] += now[links[l]];
        }
        now = next;
        next = swap;
    }
    for (size_t l = 0; l < roots; l++)
        sum += now[links[l]];
    free(now);
    free(next);
    return sum;
}

/* The states that one death leaves, then those that one more leaves in their repair, and so on: each
 * once, whatever the ways that lead to it. */
static void every_store(long most)
{
    unsigned deaths = 0;
    uint32_t done = 0;
    size_t roots;
    enum how how;

    node_count = 0;
    saved_count = link_count = 0;
    phase = "operation";
    how = operate();
    if (how == ENDLESS || how == MISUSED) {
        report->states++;
        death_note(report, failure(how, "", "hang: the operation never ends"), where);
    }
    if (!hooks.weak_fails)
        report->stores = (long)link_count - (how == RAN || how == BLOCKED);
    roots = link_count;
    image_restore();
    verify();
    while (done < node_count && deaths < MOST_DEATHS &&
           (deaths == 0 || report->states + (long)(node_count - done) * (report->repair + 1) <= most)) {
        uint32_t known = node_count;

        repair_all(done);
        done = known;
        deaths++;
    }
    report->distinct += done;
    if (deaths > report->deaths)
        report->deaths = deaths;
    report->closed = done == node_count;
    report->ways += ways(roots, report->closed ? MOST_DEATHS : deaths);
}

/* The deaths that the number says, one after the other. */
static void replay(void)
{
    const unsigned count = replay_now->count;
    enum how how;

    hooks.weak_fails = count > 0 && (replay_now->digit[0] & DIGIT_WEAK);
    last_store = count > 0 ? replay_now->digit[0] & DIGIT_NONE : 0;
    node_count = 0;
    saved_count = link_count = 0;
    phase = "operation";
    how = operate();
    if (how == ENDLESS || how == MISUSED) {
        report->states++;
        death_note(report, failure(how, "", "hang: the operation never ends"), where);
        return;
    }
    phase = "repair";
    for (unsigned i = 1; i < count; i++) {
        current = node_count - 1;
        ends[0] = nodes[current].end;
        last_store = replay_now->digit[i];
        how = repair(true);
        if ((how == RAN) != (last_store == DIGIT_NONE))
            replay_misfit();
        if (how == RAN)
            dies(NULL);
    }
    current = node_count - 1;
    ends[0] = nodes[current].end;
    aftermath(false);
}

static void reached_for_good(void)
{
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* The same with a process and the kernel instead of longjmp(). */
static void every_store_killed(long most)
{
    for (long k = 1; k <= report->stores + 1 && k <= most && node_count > 0; k++) {
        pid_t pid;
        uint32_t n;
        int status;

        ends[0] = (struct death_end){ .how = DEATH_KILLED }; /* the child may be through before we go on */
        pid = fork();

        if (pid < 0) {
            perror("fork");
            exit(1);
        }
        if (pid == 0) {
            alarm(20);
            hooks_arm(k, MOST_ACCESSES, reached_for_good);
            if (_setjmp(out) == 0) {
                int result = the_case->operation[0]();

                hooks_settle();
                ends[0] = (struct death_end){ DEATH_RETURNED, result };
            } else {
                ends[0].how = DEATH_BLOCKED;
            }
            reached_for_good();
        }
        waitpid(pid, &status, 0);
        report->states++;
        report->kills++;
        current = 0;
        nodes[0] = (struct node){ .parent = NONE, .store = k };
        if (!known_off() && !known_find(key_now(LEFT), &n))
            death_note(report, "SIGKILL left what the hooks did not show", where);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
            death_note(report, "the child did not end by SIGKILL", where);
        aftermath(false);
        image_restore();
    }
}

static void crashed(int sig)
{
    char text[512], place[320];

    where(place, sizeof place);
    snprintf(text, sizeof text, "not ok - every store: %.80s: signal %d in the %s; %s\n",
             the_case ? the_case->name : "?", sig, phase ? phase : "?", place);
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(2);
    _exit(1);
}

long death_every_store(const struct death_case *c, struct death_report *r)
{
    const long most = death_setting("CREW_DEATH_STATES", 300000);
    double start;

    memset(r, 0, sizeof *r);
    the_case = c;
    report = r;
    if (!ends) {
        ends = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (ends == MAP_FAILED) {
            perror("mmap");
            exit(1);
        }
        signal(SIGSEGV, crashed);
        signal(SIGBUS, crashed);
        signal(SIGABRT, crashed);
    }
    memset(ends, 0, 4096);
    death_kernel = (struct death_kernel){ .wait = wait_for, .wake = wake, .misuse = misused };
    death_open();
    known_begin();
    begin();
    begin_time = death_time;
    verifying = 0;
    start = death_cpu();
    if (replay_now) {
        replay();
        image_pop();
        return r->hang + r->lost + r->twice + r->broken;
    }
    every_store(most);
    hooks.weak_fails = true;
    every_store(most);
    hooks.weak_fails = false;
    r->seconds = death_cpu() - start - verifying;

    start = death_clock();
    every_store_killed(death_setting("CREW_DEATH_KILLS", 1000));
    r->kill_seconds = death_clock() - start;
    image_pop();
    return r->hang + r->lost + r->twice + r->broken;
}
