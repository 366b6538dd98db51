/* bench/drivers/lock.c - locks between processes: crew's, and pthread's mutex, shared and robust.
 *
 *     bench_lock                          commands (driver.h): a loop is COUNT times acquire, a word changed,
 *                                         release. NAME is crew, robust or shared
 *     bench_lock NAME COUNT ITERATIONS    the same by two processes at once, with ITERATIONS of work outside
 *                                         (spin.h) after each release, until they have had the lock 2 x COUNT
 *                                         times together; an eighth of that untimed before. Prints the
 *                                         nanoseconds of all, and which part of its half the poorer one got:
 *                                         1 is fair, 0 is starved
 */
#include "driver.h"
#include "spin.h"

#include <crew.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum which { CREW_LOCK, ROBUST, SHARED, NO_LOCK, WHICH };

static const char *const names[] = { "crew", "robust", "shared", "none" };

struct shared {
    crew_lock lock;
    _Alignas(64) pthread_mutex_t robust;
    _Alignas(64) pthread_mutex_t plain;
    _Alignas(64) volatile uint64_t guarded; /* times that somebody had the lock */
    _Alignas(64) _Atomic uint64_t asked;    /* rounds of the partner            */
    _Alignas(64) _Atomic uint64_t begun, done;
    enum which which;
    uint64_t count, iterations;
};

static struct shared *shared;

static void must(int r, const char *what)
{
    if (r != 0)
        driver_fail(what, r < 0 ? crew_strerror(r) : strerror(r));
}

/* Until the lock was had 'until' times. Returns how often by this process. */
static uint64_t work(enum which which, uint64_t until, uint64_t iterations)
{
    uint64_t mine = 0;

    for (bool more = true; more; mine++) {
        switch (which) {
        case CREW_LOCK:
            must(crew_lock_acquire(&shared->lock, CREW_FOREVER), "crew_lock_acquire");
            more = ++shared->guarded < until;
            crew_lock_release(&shared->lock);
            break;
        case ROBUST:
            must(pthread_mutex_lock(&shared->robust), "pthread_mutex_lock");
            more = ++shared->guarded < until;
            pthread_mutex_unlock(&shared->robust);
            break;
        case SHARED:
            must(pthread_mutex_lock(&shared->plain), "pthread_mutex_lock");
            more = ++shared->guarded < until;
            pthread_mutex_unlock(&shared->plain);
            break;
        default:
            more = 2 * mine + 2 < until;
        }
        if (iterations > 0)
            bench_spin(iterations);
    }
    return mine;
}

/* -- alone --------------------------------------------------------------------------------- */

#define LOOP(name, which)                                                                    \
    static void name(uint64_t count, uint64_t iterations)                                    \
    {                                                                                        \
        shared->guarded = 0;                                                                 \
        work(which, count, iterations);                                                      \
    }

LOOP(crew, CREW_LOCK)
LOOP(robust, ROBUST)
LOOP(plain, SHARED)

/* -- two ----------------------------------------------------------------------------------- */

static int partner(crew_task *task)
{
    (void)task;
    for (uint64_t round = 1;; round++) {
        while (atomic_load(&shared->asked) < round)
            ;
        atomic_store(&shared->begun, round);
        work(shared->which, shared->count, shared->iterations);
        atomic_store(&shared->done, round);
    }
    return 0;
}

/* Returns how often this process had the lock. */
static uint64_t together(enum which which, uint64_t count, uint64_t iterations)
{
    uint64_t round = atomic_load(&shared->asked) + 1, mine;

    shared->which = which;
    shared->count = 2 * count;
    shared->iterations = iterations;
    shared->guarded = 0;
    atomic_store(&shared->asked, round);
    while (atomic_load(&shared->begun) < round)
        ;
    mine = work(which, 2 * count, iterations);
    while (atomic_load(&shared->done) < round)
        ;
    return mine;
}

static int two(char **arguments)
{
    uint64_t count = strtoull(arguments[1], NULL, 10), iterations = strtoull(arguments[2], NULL, 10);
    enum which which = CREW_LOCK;
    uint64_t begun, time, mine, theirs;
    crew_process *process;

    while (which < WHICH && strcmp(arguments[0], names[which]) != 0)
        which++;
    if (which == WHICH || count == 0)
        driver_fail("no such lock, or nothing to do", arguments[0]);
    must(crew_process_start(&process, partner, NULL, 0, NULL), "crew_process_start");
    together(which, count / 8 + 1, iterations);
    begun = driver_now();
    mine = together(which, count, iterations);
    time = driver_now() - begun;
    theirs = 2 * count - mine;
    printf("%" PRIu64 " %.3f\n", time, (double)(mine < theirs ? mine : theirs) / (double)count);
    crew_process_kill(process);
    crew_process_join(process, NULL, CREW_FOREVER);
    crew_process_close(process);
    return 0;
}

/* -- all ----------------------------------------------------------------------------------- */

static void make_mutex(pthread_mutex_t *mutex, int robustness)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, robustness);
    must(pthread_mutex_init(mutex, &attr), "pthread_mutex_init");
}

int main(int argc, char **argv)
{
    static const struct driver_command commands[] = {
        { "crew", crew, NULL, NULL, NULL },
        { "robust", robust, NULL, NULL, NULL },
        { "shared", plain, NULL, NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL },
    };

    must(crew_memory_alloc((void **)&shared, sizeof *shared), "crew_memory_alloc");
    memset(shared, 0, sizeof *shared);
    must(crew_lock_init(&shared->lock, NULL), "crew_lock_init");
    make_mutex(&shared->robust, PTHREAD_MUTEX_ROBUST);
    make_mutex(&shared->plain, PTHREAD_MUTEX_STALLED);
    return argc == 4 ? two(argv + 1) : driver_serve(commands);
}
