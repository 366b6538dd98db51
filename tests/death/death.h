/* death.h - proves a protocol in shared memory by killing its users everywhere.
 *
 * A case says how the arena looks before (setup), what one process does there (operation), how the
 * survivors repair what it left (recover), and what must then be true (check). Four engines run
 * the same case:
 *
 *   every_store        the code is compiled with hooks (hooks.h). The process dies before each of
 *                      its stores; the repair runs, dies itself before each of its own stores, and
 *                      runs again, and again. Up to some million states a second: no process is
 *                      started.
 *                      Then once more with fork() and a real SIGKILL at each store.
 *   together           two or three processes at once, as coroutines: every schedule with up to
 *                      'events' switches and deaths, also in the middle of the repair.
 *   every_schedule     the same, but nobody dies: every schedule with up to three switches.
 *   every_instruction  the code as it is shipped, in a traced child: its state after each machine
 *                      instruction is repaired and checked; and a real SIGKILL after exactly k
 *                      instructions, for each k.
 *
 * A case file is compiled as the library is: with hooks for the first two, without for the third.
 * So the notes that an operation writes into the arena (what it was told, say) are stores too, and
 * die with it as the knowledge of a real process does. All that a case must remember lies in the
 * arena: whatever else an operation changes is lost when it runs in a child. */
#ifndef DEATH_H
#define DEATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEATH_ARENA ((size_t)256 << 20) /* most bytes of an arena */
#define DEATH_PROCESSES 3               /* in one case            */
#define DEATH_NUMBER 40                 /* bytes of a number (replay.h) */

enum death_how {
    DEATH_ABSENT,   /* this case has no such process                  */
    DEATH_RETURNED, /* from its operation; 'result' is what it got    */
    DEATH_KILLED,   /* inside                                         */
    DEATH_BLOCKED,  /* asleep in a wait that nobody ended             */
};

struct death_end {
    enum death_how how;
    int result;
};

struct death_case {
    const char *name; /* what is done: "slot: finish" */
    size_t size;      /* bytes of the arena in use; all zero before setup() */

    void (*setup)(void);

    /* What each process does. Where there is one, it is killed at each place, and after it returned,
     * by every_store and every_instruction; two and three meet in 'together'. */
    int (*operation[DEATH_PROCESSES])(void);

    /* As the supervisor: the processes whose bits are set in 'dead' have died. Called again with the
     * same bits, and more, when the supervisor itself is killed. */
    void (*recover)(unsigned dead);

    /* All invariants, and one normal round trip. NULL, or what is wrong; the first word says which
     * kind: "hang: ...", "lost: ...", "twice: ..."; anything else counts as broken. */
    const char *(*check)(const struct death_end ends[DEATH_PROCESSES]);

    unsigned events;   /* together: switches and deaths in one schedule; 0: 3           */
    unsigned immortal; /* together: bits of processes that are not killed, as the root  */
};

/* The arena, at one address in all processes of the test. */
extern char *death_arena;

#define DEATH_WORDS 4 /* that a process can wait for at once */

struct death_word {
    const volatile uint32_t *word;
    uint32_t expected;
};

/* Called in place of a system call that waits while all words are what is expected, and of one that
 * wakes (os_fake.c), with a bit for each name that the sleeper answers to. True: look again, or somebody
 * was woken; false: the deadline is over, or there was nobody. */
bool death_wait(const struct death_word *words, unsigned count, int64_t deadline, uint32_t names);
bool death_wake(const volatile uint32_t *word, int count, uint32_t names);

/* Called by a case: SIGKILL for the process p of the case; and in place of _exit(). Only in
 * 'together'. */
void death_kill(unsigned p);
_Noreturn void death_exit(void);

/* Called where the library says that its user is to blame, and would abort(). */
_Noreturn void death_misuse(const char *what);

/* The clock: it stands at the same time whenever a case begins. */
extern int64_t death_time;

/* What they do: the engine that runs puts its own here. */
extern struct death_kernel {
    bool (*wait)(const struct death_word *words, unsigned count, int64_t deadline, uint32_t names);
    bool (*wake)(const volatile uint32_t *word, int count, uint32_t names);
    void (*misuse)(const char *what); /* does not return */
    void (*kill)(unsigned p);
    void (*exit)(void);               /* does not return */
} death_kernel;

struct death_report {
    long stores;       /* of the operation; together: accesses of the longest schedule          */
    long repair;       /* stores of the longest repair                                          */
    long instructions; /* every_instruction: of the operation                                   */
    long stride;       /* every_instruction: twins were killed after each so many; 0: none      */
    long run_stride;   /* the same, of children that ran from the start                         */
    long calls;        /* system calls before and after which a child was killed                */
    long states;       /* brought about                                                         */
    long distinct;     /* of these, no two the same: each was repaired and checked              */
    double ways;       /* every_store: in which up to 'deaths', or 8, can follow each other     */
    bool closed;       /* every_store: one more death leaves nothing new                        */
    long kills;        /* of these, left by a real SIGKILL                                      */
    unsigned deaths;   /* in a row, at most                                                     */
    double share;      /* together: of the schedules was run; 1: all                            */
    double seconds;
    double kill_seconds;
    unsigned switches; /* every_schedule: in one schedule, at most                              */
    long hang, lost, twice, broken;
    char first[768];   /* the first that went wrong, with its place                             */
    char number[DEATH_NUMBER]; /* its number, for CREW_DEATH_REPLAY; or ""                      */
};

/* Each runs one case and fills 'report'; 0 if nothing went wrong, else how many states did. */
long death_every_store(const struct death_case *c, struct death_report *report);
long death_together(const struct death_case *c, struct death_report *report);
long death_every_schedule(const struct death_case *c, struct death_report *report);
long death_every_instruction(const struct death_case *c, struct death_report *report);

/* NULL, or why death_every_instruction() can't run here. */
const char *death_no_instructions(void);

/* One line for each case, as TAP: what was done, and how it went; why it failed, as its comment. */
void death_print(unsigned number, const char *engine, const struct death_case *c,
                 const struct death_report *r);

/* The end of TAP, and the sums. Returns the exit status: 0, or 1 if something went wrong. */
int death_summary(void);

/* -- for the engines ---------------------------------------------------------------------------- */

/* Makes the arena; ends the test when it can't. */
void death_open(void);

/* Counts what check() said; NULL counts nothing. 'where' is asked for the first one only. */
void death_note(struct death_report *r, const char *verdict,
                void (*where)(char *buf, size_t size));

/* "slot.c:120 slot_finish", for an address in the code; else the address. */
void death_place(const void *code, char *buf, size_t size);

double death_clock(void); /* seconds */
double death_cpu(void);   /* seconds of this process on a CPU: on a busy machine, the fairer rate */

/* A number from the environment, or 'otherwise'. */
long death_setting(const char *name, long otherwise);

#endif
