/* every_store.c - a process dies before each of its stores; so does each that repairs after it.
 *
 * See death.h. The library and the case are compiled with hooks, so a store is known before it
 * happens, and longjmp() out of it leaves the arena as SIGKILL there would leave it. */
#define _GNU_SOURCE
#include "death.h"
#include "hooks.h"
#include "image.h"

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
#define MOST_DEATHS 5
#define VERIFIED 40 /* states of a case after which image_verify() is asked */

enum how { RAN = 1, CRASHED, BLOCKED, ENDLESS, MISUSED };

static const struct death_case *the_case;
static struct death_report *report;
static struct death_end *ends; /* shared with the child that is killed */
static jmp_buf out;
static const char *misuse;

/* Where the deaths of this state happened, for the report. */
static struct {
    const void *code;
    size_t offset, bytes;
    long store;
} deaths[MOST_DEATHS + 1];
static unsigned depth;
static const char *phase;

static void where(char *buf, size_t size)
{
    int n = 0;

    for (unsigned i = 0; i < depth && n >= 0 && (size_t)n < size; i++) {
        char place[256];

        if (!deaths[i].code) {
            n += snprintf(buf + n, size - (size_t)n, "%s%s", i ? ", then " : "died ",
                          i ? "once more after the repair" : "after it returned");
            continue;
        }
        death_place(deaths[i].code, place, sizeof place);
        n += snprintf(buf + n, size - (size_t)n,
                      "%s before store %ld%s (%s, %zu bytes at arena+%zu)",
                      i ? ", then" : "killed", deaths[i].store, i ? " of the repair" : "", place,
                      deaths[i].bytes, deaths[i].offset);
    }
}

static void reached(void)
{
    if (hooks.accesses >= MOST_ACCESSES)
        longjmp(out, ENDLESS);
    deaths[depth].code = hooks.code;
    deaths[depth].offset = hooks.address - hooks.base;
    deaths[depth].bytes = hooks.bytes;
    deaths[depth].store = hooks.stop_store;
    longjmp(out, CRASHED);
}

static bool wait_for(const volatile uint32_t *word, uint32_t expected, int64_t deadline,
                     uint32_t names)
{
    (void)names;
    if (*word != expected)
        return true;
    if (deadline != INT64_MAX)
        return false;
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

/* Runs one phase, which dies before its store 'stop'. */
static enum how operate(long stop)
{
    volatile enum how how;

    ends[0] = (struct death_end){ .how = DEATH_KILLED };
    hooks_arm(stop, MOST_ACCESSES, reached);
    how = (enum how)_setjmp(out);
    if (how == 0) {
        int result = the_case->operation[0]();

        ends[0] = (struct death_end){ DEATH_RETURNED, result };
        how = RAN;
    }
    if (how == BLOCKED)
        ends[0].how = DEATH_BLOCKED;
    hooks_disarm();
    return how;
}

static enum how repair(long stop)
{
    volatile enum how how;

    hooks_arm(stop, MOST_ACCESSES, reached);
    how = (enum how)_setjmp(out);
    if (how == 0) {
        the_case->recover(1);
        how = RAN;
    }
    if (how == RAN && hooks.stores > report->repair)
        report->repair = hooks.stores;
    hooks_disarm();
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

/* Somebody died; the arena is what was left. */
static void aftermath(unsigned more)
{
    enum how how;

    if (more > 0)
        image_push();
    phase = "repair";
    how = repair(HOOKS_NEVER);
    phase = "check";
    report->states++;
    death_note(report,
               how == RAN ? examine()
                          : failure(how, "hang: the repair sleeps for ever",
                                    "hang: the repair never ends"),
               where);
    if (more == 0)
        return;
    for (long m = 1;; m++) {
        image_restore();
        phase = "repair";
        deaths[depth].code = NULL;
        how = repair(m);
        if (how != CRASHED && how != RAN)
            break; /* noted above */
        depth++;
        aftermath(more - 1);
        depth--;
        if (how == RAN)
            break;
    }
    image_pop();
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

static void every_store(unsigned more)
{
    enum how how;

    for (long k = 1;; k++) {
        phase = "operation";
        depth = 0;
        deaths[0].code = NULL;
        how = operate(k);
        if (how == ENDLESS || how == MISUSED) {
            report->states++;
            death_note(report, failure(how, "", "hang: the operation never ends"), where);
        } else {
            depth = 1;
            aftermath(more);
        }
        if (how == RAN && report->stores == 0)
            report->stores = k - 1;
        else if (how == BLOCKED)
            report->stores = k - 1;
        image_restore();
        if (report->states < VERIFIED) {
            const char *why = image_verify();

            if (why) {
                fprintf(stderr, "%s: %s\n", the_case->name, why);
                exit(1);
            }
        }
        if (how != CRASHED)
            return;
    }
}

static void reached_for_good(void)
{
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
}

/* The same with a process and the kernel instead of longjmp(). */
static void every_store_killed(long most)
{
    for (long k = 1; k <= report->stores + 1 && k <= most; k++) {
        pid_t pid = fork();
        int status;

        if (pid < 0) {
            perror("fork");
            exit(1);
        }
        ends[0] = (struct death_end){ .how = DEATH_KILLED };
        if (pid == 0) {
            alarm(20);
            hooks_arm(k, MOST_ACCESSES, reached_for_good);
            if (_setjmp(out) == 0) {
                int result = the_case->operation[0]();

                ends[0] = (struct death_end){ DEATH_RETURNED, result };
            } else {
                ends[0].how = DEATH_BLOCKED;
            }
            reached_for_good();
        }
        waitpid(pid, &status, 0);
        depth = 1;
        deaths[0].code = NULL;
        report->kills++;
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
            death_note(report, "the child did not end by SIGKILL", where);
        aftermath(0);
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
    long states = 1;
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
    begin();
    every_store(0); /* to learn the sizes */

    /* As many deaths in a row as give 'most' states. */
    states = r->stores + 1;
    r->deaths = 1;
    while (r->deaths < MOST_DEATHS && states * (r->repair + 2) <= most) {
        states *= r->repair + 2;
        r->deaths++;
    }
    r->states = 0;
    r->hang = r->lost = r->twice = r->broken = 0;
    start = death_cpu();
    every_store(r->deaths - 1);
    hooks.weak_fails = true;
    every_store(r->deaths > 1 ? 1 : 0);
    hooks.weak_fails = false;
    r->seconds = death_cpu() - start;

    start = death_clock();
    every_store_killed(death_setting("CREW_DEATH_KILLS", 1000));
    r->kill_seconds = death_clock() - start;
    image_pop();
    return r->hang + r->lost + r->twice + r->broken;
}
