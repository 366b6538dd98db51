/* bench/drivers/share.c - what more than one may have at once, between processes: crew's rwlock and semaphore,
 * and those of glibc.
 *
 * Commands (driver.h): a loop is COUNT times acquire and release; VALUE is not used. NAME is read, write
 * (crew_rwlock), pread, pwrite (pthread_rwlock, shared), permit, signal (crew_semaphore with and without
 * owners), sem (sem_t, shared); with "_two" behind it another process does the same at the same time, and the
 * time is that of both. Two of a semaphore's permits are there. */
#include "driver.h"

#include <crew.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

struct shared {
    crew_rwlock rwlock;
    crew_semaphore permit, signal;
    _Alignas(64) pthread_rwlock_t prwlock;
    _Alignas(64) sem_t sem;
    _Alignas(64) _Atomic uint64_t asked, done; /* rounds of the partner */
    unsigned which;
    uint64_t count;
};

static struct shared *shared;

static void must(int r, const char *what)
{
    if (r != 0)
        driver_fail(what, r < 0 ? crew_strerror(r) : strerror(r));
}

#define TIMES(name, acquire, release)                                                        \
    static void once_##name(uint64_t count)                                                  \
    {                                                                                        \
        for (uint64_t i = 0; i < count; i++) {                                               \
            must(acquire, #name);                                                            \
            must(release, #name);                                                            \
        }                                                                                    \
    }

TIMES(read, crew_rwlock_acquire_read(&shared->rwlock, CREW_FOREVER), crew_rwlock_release(&shared->rwlock))
TIMES(write, crew_rwlock_acquire_write(&shared->rwlock, CREW_FOREVER), crew_rwlock_release(&shared->rwlock))
TIMES(pread, pthread_rwlock_rdlock(&shared->prwlock), pthread_rwlock_unlock(&shared->prwlock))
TIMES(pwrite, pthread_rwlock_wrlock(&shared->prwlock), pthread_rwlock_unlock(&shared->prwlock))
TIMES(permit, crew_semaphore_acquire(&shared->permit, 1, CREW_FOREVER),
      crew_semaphore_release(&shared->permit, 1))
TIMES(signal, crew_semaphore_acquire(&shared->signal, 1, CREW_FOREVER),
      crew_semaphore_release(&shared->signal, 1))
TIMES(sem, sem_wait(&shared->sem), sem_post(&shared->sem))

#define ALL(X) X(read) X(write) X(pread) X(pwrite) X(permit) X(signal) X(sem)
#define ADDRESS(name) once_##name,
#define NUMBER(name) N_##name,

static void (*const all[])(uint64_t count) = { ALL(ADDRESS) };
enum { ALL(NUMBER) };

static int partner(crew_task *task)
{
    (void)task;
    for (uint64_t round = 1;; round++) {
        while (atomic_load(&shared->asked) < round)
            nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
        all[shared->which](shared->count);
        atomic_store(&shared->done, round);
    }
    return 0;
}

static void together(unsigned which, uint64_t count)
{
    uint64_t round = atomic_load(&shared->asked) + 1;

    shared->which = which;
    shared->count = count;
    atomic_store(&shared->asked, round);
    all[which](count);
    while (atomic_load(&shared->done) < round)
        ;
}

#define LOOPS(name)                                                                          \
    static void name##_alone(uint64_t count, uint64_t value)                                 \
    {                                                                                        \
        (void)value;                                                                         \
        once_##name(count);                                                                  \
    }                                                                                        \
    static void name##_two(uint64_t count, uint64_t value)                                   \
    {                                                                                        \
        (void)value;                                                                         \
        together(N_##name, count);                                                           \
    }
ALL(LOOPS)

#define COMMANDS(name)                                                                       \
    { #name, name##_alone, NULL, NULL, NULL }, { #name "_two", name##_two, NULL, NULL, NULL },

int main(void)
{
    static const struct driver_command commands[] = { ALL(COMMANDS){ NULL, NULL, NULL, NULL, NULL } };
    pthread_rwlockattr_t attr;
    crew_process *process;

    must(crew_memory_alloc((void **)&shared, sizeof *shared), "crew_memory_alloc");
    memset(shared, 0, sizeof *shared);
    must(crew_rwlock_init(&shared->rwlock, NULL), "crew_rwlock_init");
    must(crew_semaphore_init(&shared->permit, 2, NULL), "crew_semaphore_init");
    must(crew_semaphore_init(&shared->signal, 2, &(struct crew_semaphore_options){ .unowned = true }),
         "crew_semaphore_init");
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    must(pthread_rwlock_init(&shared->prwlock, &attr), "pthread_rwlock_init");
    must(sem_init(&shared->sem, 1, 2), "sem_init");
    must(crew_process_start(&process, partner, NULL, 0, NULL), "crew_process_start");
    return driver_serve(commands); /* the partner ends with this process */
}
