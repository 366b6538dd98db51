/* bench/drivers/transport.h - what the drivers of queues share: messages from one process to another.
 *
 * Each is one way to send messages. Two processes, each on a CPU of its own: this one, which answers
 * commands (driver.h), and a partner, which sleeps while nobody asks. A loop of COUNT messages of VALUE
 * bytes is timed from the first that is sent until the partner has the last:
 *
 *     NAME          from here to the partner
 *     NAME_both     both send one and receive one, COUNT times each, through the same queue */
#ifndef BENCH_TRANSPORT_H
#define BENCH_TRANSPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "driver.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

struct transport {
    void (*after)(int side); /* in each process, once; or NULL. 0: here, 1: the partner */
    void (*send)(const void *data, size_t size);
    void (*receive)(void *data, size_t size);
};

enum { TRANSPORT_MOST = 1 << 20 };

static struct transport_shared {
    uint32_t asked, done;
    uint32_t which, both;
    uint64_t count, size;
} *transport_shared;

static char transport_buffer[TRANSPORT_MOST] __attribute__((aligned(64)));

static inline void transport_pin(int nth)
{
    cpu_set_t all, one;

    if (sched_getaffinity(0, sizeof all, &all) < 0)
        driver_fail("pinning", "no affinity");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || nth-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        if (sched_setaffinity(0, sizeof one, &one) == 0)
            return;
    }
    driver_fail("pinning", "two CPUs are needed");
}

static inline void transport_exchange(const struct transport *t, uint64_t count, size_t size)
{
    static char in[4096];

    for (uint64_t i = 0; i < count; i++) {
        t->send(transport_buffer, size);
        t->receive(in, size);
    }
}

static inline void transport_partner(const struct transport *list, unsigned transports)
{
    static char in[TRANSPORT_MOST] __attribute__((aligned(64)));

    transport_pin(1);
    memset(in, 0, sizeof in);
    for (unsigned i = 0; i < transports; i++)
        if (list[i].after)
            list[i].after(1);
    for (uint32_t round = 1;; round++) {
        while (__atomic_load_n(&transport_shared->asked, __ATOMIC_ACQUIRE) < round)
            driver_pause(20);
        {
            const struct transport *t = &list[transport_shared->which];

            if (transport_shared->both)
                transport_exchange(t, transport_shared->count, transport_shared->size);
            else
                for (uint64_t i = 0; i < transport_shared->count; i++)
                    t->receive(in, transport_shared->size);
        }
        __atomic_store_n(&transport_shared->done, round, __ATOMIC_RELEASE);
    }
}

static inline void transport_run(const struct transport *list, unsigned which, bool both, uint64_t count,
                                 uint64_t size)
{
    uint32_t round = transport_shared->asked + 1;

    transport_shared->which = which;
    transport_shared->both = both;
    transport_shared->count = count;
    transport_shared->size = size;
    __atomic_store_n(&transport_shared->asked, round, __ATOMIC_RELEASE);
    if (both)
        transport_exchange(&list[which], count, size);
    else
        for (uint64_t i = 0; i < count; i++)
            list[which].send(transport_buffer, size);
    while (__atomic_load_n(&transport_shared->done, __ATOMIC_ACQUIRE) < round)
        ;
}

static inline void transport_share(void)
{
    transport_shared = (struct transport_shared *)mmap(NULL, sizeof *transport_shared,
                                                       PROT_READ | PROT_WRITE,
                                                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (transport_shared == MAP_FAILED)
        driver_fail("mmap", "no memory");
    memset(transport_buffer, 7, sizeof transport_buffer);
}

static inline void transport_begin(const struct transport *list, unsigned transports)
{
    transport_pin(0);
    for (unsigned i = 0; i < transports; i++)
        if (list[i].after)
            list[i].after(0);
}

/* For all but crew, which starts a process of its own. */
static inline void transport_fork(const struct transport *list, unsigned transports)
{
    pid_t here = getpid(), child;

    transport_share();
    fflush(stdout);
    child = fork();
    if (child < 0)
        driver_fail("fork", "no process");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == here)
            transport_partner(list, transports);
        _exit(0);
    }
    transport_begin(list, transports);
}

#define TRANSPORT_LOOPS(list, name, which)                                                   \
    static void name(uint64_t count, uint64_t size)                                          \
    {                                                                                        \
        transport_run(list, which, false, count, size);                                      \
    }                                                                                        \
    static void name##_both(uint64_t count, uint64_t size)                                   \
    {                                                                                        \
        transport_run(list, which, true, count, size);                                       \
    }

#endif
