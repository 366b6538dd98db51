/* fault.h - the frame of a fault case: one program, which lets a process die in a certain place and
 * says what the living see of it.
 *
 *     static crew_lock *lock;
 *
 *     static int hold(crew_task *task)           // in a process, which has all of this by fork
 *     {
 *         (void)task;
 *         must(crew_lock_acquire(lock, CREW_FOREVER));
 *         stay();                                // says that it is there, and waits for its death
 *     }
 *
 *     FAULT("S01", "Lock: SIGKILL the holder; another acquires")
 *     {
 *         must(crew_lock_open(&lock, NULL));
 *         crew_process *holder = begin(hold);
 *         until(there() == 1);
 *         slay(holder);                          // the clock starts
 *         int r = crew_lock_acquire(lock, in_time());
 *         went_on();                             // the clock stops
 *         ...
 *         end_all();
 *         crew_lock_close(lock);
 *         told(r, "acquired");
 *     }
 *
 * It prints one line: case, outcome, ms from the death to the last one's going on, what it is,
 * detail. Outcomes: ok; error, a clear error reached the caller; hang; lost; dup; corrupt; leak;
 * crash; skip. Where all went well the frame looks for what is left: processes, descriptors,
 * blocks of the arena. The runner (run.py) repeats it, ends what hangs beyond all limits, and
 * compares with what is promised. */
#ifndef FAULT_H
#define FAULT_H

#include <crew.h>

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT 5000 /* ms that a wait may last before it is called a hang */
#define MOST 8     /* processes of a case */

/* What all processes of a case know: in memory of its own, so that the arena holds what is
 * tested alone. */
static struct fault_shm {
    _Atomic uint32_t there;       /* so many are where the case wants them      */
    _Atomic int64_t died, on;     /* when the victim died, when the last one went on */
    _Atomic int32_t answer[MOST]; /* what the calls of the living returned    */
    char broken[160];             /* what a process could not do                */
} * fault;

static struct {
    const char *id, *what;
    pid_t root;
    crew_process *process[MOST];
    unsigned processes, descriptors;
} fault_here;

/* -- the end ------------------------------------------------------------------------------ */

static inline const char *code_of(int r)
{
    switch (r) {
#define FAULT_CODE(name, value, sentence)                                                          \
    case name:                                                                                     \
        return #name;
        CREW_ERRORS(FAULT_CODE)
#undef FAULT_CODE
    default:
        return crew_strerror(r);
    }
}

/* Prints the line and ends the program, and with it all processes of the crew. */
static _Noreturn CREW_FORMAT(2, 3) void end(const char *outcome, const char *format, ...)
{
    crew_time died = atomic_load(&fault->died), on = atomic_load(&fault->on);
    va_list list;

    printf("%s\t%s\t%.2f\t%s\t", fault_here.id, outcome,
           on > died ? (double)(on - died) / 1e6 : 0.0, fault_here.what);
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    printf("%s%s\n", fault->broken[0] ? "; " : "", fault->broken);
    fflush(stdout);
    _exit(0);
}

static inline unsigned fault_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned n = 0;

    while (folder && readdir(folder))
        n++;
    closedir(folder);
    return n;
}

/* The end of a case in which all went as it should: all that it opened is closed. */
static _Noreturn CREW_FORMAT(2, 3) void end_well(const char *outcome, const char *format, ...)
{
    struct crew_memory_stats memory;
    char detail[160];
    va_list list;
    int r;

    va_start(list, format);
    vsnprintf(detail, sizeof detail, format, list);
    va_end(list);
    if (crew_memory_stats(&memory) == 0 && memory.blocks > 0)
        end("leak", "%zu blocks of the arena are left, %zu bytes; %s", memory.blocks, memory.used,
            detail);
    if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
        end("leak", "a process is left; %s", detail);
    r = crew_fini();
    if (r < 0)
        end("leak", "crew_fini: %s; %s", code_of(r), detail);
    if (fault_descriptors() != fault_here.descriptors)
        end("leak", "%d descriptors are left; %s",
            (int)(fault_descriptors() - fault_here.descriptors), detail);
    end(outcome, "%s", detail);
}

/* Ends a case by what the call of a survivor returned: ok with 'success', the error, a hang. */
static inline _Noreturn void told(int r, const char *success)
{
    if (r == -ETIMEDOUT)
        end("hang", "no answer in %d s", LIMIT / 1000);
    end_well(r == 0 ? "ok" : "error", "%s", r == 0 ? success : code_of(r));
}

/* -- in all processes --------------------------------------------------------------------- */

static inline void fault_must(int r, const char *call)
{
    if (r == 0)
        return;
    snprintf(fault->broken, sizeof fault->broken, "%s: %s", call, code_of(r));
    if (getpid() == fault_here.root)
        end("error", "the case itself does not work");
    _exit(99);
}

/* The call succeeds, or the case makes no sense. */
#define must(call) fault_must((call), #call)

static inline crew_time in_time(void)
{
    return crew_in_ms(LIMIT);
}

/* One more is where the case wants it. */
static inline void arrive(void)
{
    atomic_fetch_add(&fault->there, 1);
}

static inline uint32_t there(void)
{
    return atomic_load(&fault->there);
}

/* Waits for its death. */
static inline _Noreturn void stay(void)
{
    arrive();
    for (;;)
        pause();
}

static inline void went_on(void)
{
    crew_time now = crew_time_now(), last = atomic_load(&fault->on);

    while (last < now && !atomic_compare_exchange_weak(&fault->on, &last, now))
        ;
}

/* A survivor went on, and this is what it was told. */
static inline void answer(unsigned who, int r)
{
    atomic_store(&fault->answer[who], r);
    went_on();
}

static inline int answer_of(unsigned who)
{
    return atomic_load(&fault->answer[who]);
}

/* Waits for what must come to pass. */
#define until(condition)                                                                           \
    do {                                                                                           \
        crew_time until_ = in_time();                                                              \
        while (!(condition)) {                                                                     \
            if (crew_time_now() > until_)                                                          \
                end("hang", "not in %d s: %s", LIMIT / 1000, #condition);                          \
            usleep(100);                                                                           \
        }                                                                                          \
    } while (0)

/* -- the root ----------------------------------------------------------------------------- */

/* Starts a process. */
static inline crew_process *begin(crew_function *function)
{
    crew_process *p;

    must(crew_process_start(&p, function, NULL, 0, NULL));
    fault_here.process[fault_here.processes++] = p;
    return p;
}

static inline char fault_state(pid_t pid)
{
    char path[32], line[256] = "", state = '?';
    FILE *f;
    char *p;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return '?';
    if (fgets(line, sizeof line, f) && (p = strrchr(line, ')')))
        sscanf(p + 1, " %c", &state);
    fclose(f);
    return state;
}

/* Whether it sleeps: in the call that it was about to make, if it said before that it is there. */
static inline bool asleep(const crew_process *p)
{
    return fault_state(crew_process_pid(p)) == 'S';
}

/* Kills it: from now on the time counts. */
static inline void slay(crew_process *p)
{
    atomic_store(&fault->died, crew_time_now());
    must(crew_process_kill(p));
}

/* Waits until its end is known, and all that it left is repaired. */
static inline struct crew_exit bury(crew_process *p)
{
    struct crew_exit e = { 0 };
    int r = crew_process_join(p, &e, in_time());

    if (r < 0)
        end("hang", "join: %s", code_of(r));
    return e;
}

/* Kills and closes all processes that were begun. One that ended otherwise than by return 0 or by a
 * signal says so. */
static inline void end_all(void)
{
    for (unsigned i = 0; i < fault_here.processes; i++) {
        crew_process *p = fault_here.process[i];
        struct crew_exit e;

        must(crew_process_kill(p));
        e = bury(p);
        if (e.signal != SIGKILL && e.status != 0)
            end("crash", "a process ended with status %d, signal %d", e.status, e.signal);
        must(crew_process_close(p));
    }
    fault_here.processes = 0;
}

/* -- a wake-up that the dead get ---------------------------------------------------------- */

/* "Eaten": the victim is woken, and dies before its next instruction. The scheduler makes that
 * certain: the victim may run on one CPU alone (pinned); the killer does what wakes it and kills
 * it there, as a SCHED_FIFO thread, which nothing of that CPU can interrupt. Without the right
 * to be one it is likely. */
static inline int fault_cpu(void)
{
    static int first = -1;
    cpu_set_t set;

    for (int i = 0; first < 0 && i < CPU_SETSIZE && sched_getaffinity(0, sizeof set, &set) == 0;
         i++)
        if (CPU_ISSET(i, &set))
            first = i;
    return first;
}

static inline void pinned(void)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET((size_t)fault_cpu(), &set);
    sched_setaffinity(0, sizeof set, &set);
}

static bool fault_certain;
static cpu_set_t fault_anywhere;

static inline void certainly(void)
{
    sched_getaffinity(0, sizeof fault_anywhere, &fault_anywhere);
    pinned();
    fault_certain =
        sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){ .sched_priority = 1 }) == 0;
}

static inline void as_ever(void)
{
    sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ .sched_priority = 0 });
    sched_setaffinity(0, sizeof fault_anywhere, &fault_anywhere);
}

static inline const char *how_certain(void)
{
    return fault_certain ? "the dead one was woken for certain"
                         : "the dead one was woken, probably";
}

/* -- the frame ---------------------------------------------------------------------------- */

static inline void fault_main(const char *id, const char *what, void (*body)(void))
{
    fault_here.id = id;
    fault_here.what = what;
    fault_here.root = getpid();
    fault = mmap(NULL, sizeof *fault, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (fault == MAP_FAILED)
        exit(1);
    fault_here.descriptors = fault_descriptors();
    body();
}

#define FAULT(id, what)                                                                            \
    static void fault_case(void);                                                                  \
    int main(void)                                                                                 \
    {                                                                                              \
        fault_main(id, what, fault_case);                                                          \
        end("corrupt", "the case has no end");                                                     \
    }                                                                                              \
    static void fault_case(void)

#endif
