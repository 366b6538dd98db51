/* bench/drivers/lock.c - locks between processes: crew's, and pthread's mutex, shared and robust.
 *
 * Commands (driver.h): a loop is COUNT times acquire, a word changed, release, and VALUE iterations of
 * work outside. NAME is crew, robust or shared, and alone; or with "_two" behind it, where another
 * process does the same at the same time, and the time is that of both. */
#include "driver.h"
#include "spin.h"

#include <crew.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum which { CREW_LOCK, ROBUST, SHARED };

struct shared {
    crew_lock lock;
    _Alignas(64) pthread_mutex_t robust;
    _Alignas(64) pthread_mutex_t plain;
    _Alignas(64) volatile uint64_t guarded;
    _Alignas(64) _Atomic uint64_t asked, done; /* rounds of the partner */
    enum which which;
    uint64_t count, iterations;
};

static struct shared *shared;

static void must(int r, const char *what)
{
    if (r != 0)
        driver_fail(what, r < 0 ? crew_strerror(r) : strerror(r));
}

static void work(enum which which, uint64_t count, uint64_t iterations)
{
    for (uint64_t i = 0; i < count; i++) {
        switch (which) {
        case CREW_LOCK:
            must(crew_lock_acquire(&shared->lock, CREW_FOREVER), "crew_lock_acquire");
            shared->guarded++;
            crew_lock_release(&shared->lock);
            break;
        case ROBUST:
            must(pthread_mutex_lock(&shared->robust), "pthread_mutex_lock");
            shared->guarded++;
            pthread_mutex_unlock(&shared->robust);
            break;
        case SHARED:
            must(pthread_mutex_lock(&shared->plain), "pthread_mutex_lock");
            shared->guarded++;
            pthread_mutex_unlock(&shared->plain);
            break;
        }
        if (iterations > 0)
            bench_spin(iterations);
    }
}

static int partner(crew_task *task)
{
    (void)task;
    for (uint64_t round = 1;; round++) {
        while (atomic_load(&shared->asked) < round)
            nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
        work(shared->which, shared->count, shared->iterations);
        atomic_store(&shared->done, round);
    }
    return 0;
}

static void together(enum which which, uint64_t count, uint64_t iterations)
{
    uint64_t round = atomic_load(&shared->asked) + 1;

    shared->which = which;
    shared->count = count;
    shared->iterations = iterations;
    atomic_store(&shared->asked, round);
    work(which, count, iterations);
    while (atomic_load(&shared->done) < round)
        ;
}

#define LOOPS(name, which)                                                                   \
    static void name(uint64_t count, uint64_t iterations)                                    \
    {                                                                                        \
        work(which, count, iterations);                                                      \
    }                                                                                        \
    static void name##_two(uint64_t count, uint64_t iterations)                              \
    {                                                                                        \
        together(which, count, iterations);                                                  \
    }

LOOPS(crew, CREW_LOCK)
LOOPS(robust, ROBUST)
LOOPS(plain, SHARED)

static void make_mutex(pthread_mutex_t *mutex, int robustness)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, robustness);
    must(pthread_mutex_init(mutex, &attr), "pthread_mutex_init");
}

int main(void)
{
    static const struct driver_command commands[] = {
        { "crew", crew, NULL, NULL, NULL },     { "crew_two", crew_two, NULL, NULL, NULL },
        { "robust", robust, NULL, NULL, NULL }, { "robust_two", robust_two, NULL, NULL, NULL },
        { "shared", plain, NULL, NULL, NULL },  { "shared_two", plain_two, NULL, NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL },
    };
    crew_process *process;

    must(crew_memory_alloc((void **)&shared, sizeof *shared), "crew_memory_alloc");
    memset(shared, 0, sizeof *shared);
    must(crew_lock_init(&shared->lock, NULL), "crew_lock_init");
    make_mutex(&shared->robust, PTHREAD_MUTEX_ROBUST);
    make_mutex(&shared->plain, PTHREAD_MUTEX_STALLED);
    must(crew_process_start(&process, partner, NULL, 0, NULL), "crew_process_start");
    return driver_serve(commands); /* the partner ends with this process */
}
