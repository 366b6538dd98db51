/* bench/drivers/limits.c - what the machine itself can do: the measures that others are held to.
 *
 *     sequential  the plain loop over bench_spin(): what a task costs when nobody shares the work
 *     mailbox     round trip of 8 bytes through one cache line each way, both sides spinning, on
 *                 the first two CPUs of this process: how far apart the two cores are now
 *     futex       round trip between two processes that sleep in the kernel, one futex each way
 *     copy        COUNT f64 from one array to another, half by this process and half by another,
 *                 past the caches: what memory can do. The first command is not to be counted
 *
 * The partner is a plain fork that lives for one command, but that of 'futex' and 'copy' for all of them:
 * it must be as old as what it is compared with, for the kernel puts a young process elsewhere. It ends with
 * this process. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "driver.h"
#include "spin.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

struct line {
    alignas(128) _Atomic uint64_t sequence; /* odd: full. The sender fills, the receiver empties */
    uint64_t value;
};

struct bell {
    alignas(128) _Atomic uint32_t rung;
};

struct shared {
    struct line to, from;
    struct bell ask, answer;
};

struct copying {
    struct bell ask, answer;
    uint64_t count; /* of both halves */
};

static struct shared *shared;
static pid_t partner;
static cpu_set_t cpus;
static uint64_t sent, received;

static void sequential(uint64_t count, uint64_t iterations)
{
    for (uint64_t i = 0; i < count; i++)
        bench_spin(iterations);
}

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void line_send(struct line *l, uint64_t *count, uint64_t value)
{
    while (atomic_load_explicit(&l->sequence, memory_order_acquire) != 2 * *count)
        relax();
    l->value = value;
    atomic_store_explicit(&l->sequence, 2 * (*count)++ + 1, memory_order_release);
}

static uint64_t line_receive(struct line *l, uint64_t *count)
{
    uint64_t value;

    while (atomic_load_explicit(&l->sequence, memory_order_acquire) != 2 * *count + 1)
        relax();
    value = l->value;
    atomic_store_explicit(&l->sequence, 2 * ++*count, memory_order_release);
    return value;
}

static void pin_to_nth(int nth)
{
    cpu_set_t one;

    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &cpus) || nth-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof one, &one) < 0)
            driver_fail("pinning", strerror(errno));
        return;
    }
    driver_fail("the mailbox", "needs two CPUs");
}

static pid_t start_process(void (*serve)(void))
{
    pid_t here = getpid(), child;

    fflush(stdout);
    child = fork();
    if (child < 0)
        driver_fail("fork", strerror(errno));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == here)
            serve();
        _exit(1);
    }
    return child;
}

static void start_partner(void (*serve)(void))
{
    memset(&shared->to, 0, sizeof shared->to);
    memset(&shared->from, 0, sizeof shared->from);
    sent = received = 0;
    partner = start_process(serve);
}

static void end_partner(void)
{
    kill(partner, SIGKILL);
    waitpid(partner, NULL, 0);
    sched_setaffinity(0, sizeof cpus, &cpus);
}

static void mailbox_serve(void)
{
    pin_to_nth(1);
    for (;;)
        line_send(&shared->from, &sent, line_receive(&shared->to, &received));
}

static void mailbox_begin(void)
{
    start_partner(mailbox_serve);
    pin_to_nth(0);
}

static void mailbox_trip(void)
{
    uint64_t asked = sent;

    line_send(&shared->to, &sent, asked);
    if (line_receive(&shared->from, &received) != asked)
        driver_fail("the mailbox", "answered another question");
}

static void bell_ring(struct bell *b)
{
    atomic_store_explicit(&b->rung, 1, memory_order_release);
    syscall(SYS_futex, &b->rung, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void bell_wait(struct bell *b)
{
    while (!atomic_exchange_explicit(&b->rung, 0, memory_order_acquire))
        syscall(SYS_futex, &b->rung, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void futex_serve(void)
{
    for (;;) {
        bell_wait(&shared->ask);
        bell_ring(&shared->answer);
    }
}

static void futex_begin(void)
{
    static pid_t sleeper;

    if (sleeper <= 0)
        sleeper = start_process(futex_serve);
}

static void futex_trip(void)
{
    bell_ring(&shared->ask);
    bell_wait(&shared->answer);
}

/* -- copying ----------------------------------------------------------------------------- */

static struct copying *copying;
static double *copy_from, *copy_to;
static uint64_t copy_room;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static void copy_512(double *to, const double *from,
                                                        size_t count)
{
    for (size_t i = 0; i < count; i += 8)
        _mm512_stream_pd(to + i, _mm512_load_pd(from + i));
}

static void copy_128(double *to, const double *from, size_t count)
{
    for (size_t i = 0; i < count; i += 2)
        _mm_stream_pd(to + i, _mm_load_pd(from + i));
}
#endif

/* All three are multiples of 8 f64. */
static void copy_range(double *to, const double *from, size_t count)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        copy_512(to, from, count);
    else
        copy_128(to, from, count);
    _mm_sfence();
#else
    memcpy(to, from, count * sizeof *to);
#endif
}

static void copy_half(int half)
{
    uint64_t middle = copying->count / 2 / 8 * 8;

    if (half == 0)
        copy_range(copy_to, copy_from, middle);
    else
        copy_range(copy_to + middle, copy_from + middle, copying->count / 8 * 8 - middle);
}

static void *map_shared(size_t size)
{
    void *area = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (area == MAP_FAILED)
        driver_fail("mmap", strerror(errno));
    return area;
}

static void copy_serve(void)
{
    for (;;) {
        bell_wait(&copying->ask);
        copy_half(1);
        bell_ring(&copying->answer);
    }
}

static void copy(uint64_t count, uint64_t unused)
{
    static pid_t copier;

    (void)unused;
    if (count > copy_room) {
        if (copier > 0) {
            kill(copier, SIGKILL);
            waitpid(copier, NULL, 0);
            munmap(copying, sizeof *copying);
            munmap(copy_from, copy_room * sizeof *copy_from);
            munmap(copy_to, copy_room * sizeof *copy_to);
        }
        copy_room = count;
        copying = map_shared(sizeof *copying);
        copy_from = map_shared(count * sizeof *copy_from);
        copy_to = map_shared(count * sizeof *copy_to);
        memset(copy_from, 1, count * sizeof *copy_from);
        memset(copy_to, 1, count * sizeof *copy_to);
        copier = start_process(copy_serve);
    }
    copying->count = count;
    bell_ring(&copying->ask);
    copy_half(0);
    bell_wait(&copying->answer);
}

int main(void)
{
    static const struct driver_command commands[] = {
        { "sequential", sequential, NULL, NULL, NULL },
        { "mailbox", NULL, mailbox_trip, mailbox_begin, end_partner },
        { "futex", NULL, futex_trip, futex_begin, NULL },
        { "copy", copy, NULL, NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL },
    };

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        driver_fail("mmap", strerror(errno));
    if (sched_getaffinity(0, sizeof cpus, &cpus) < 0)
        driver_fail("affinity", strerror(errno));
    return driver_serve(commands);
}
