/* futex.c - waiting in the kernel, and the clock. */
#include "atomic.h"
#include "mutex.h"
#include "os.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define SLICE INT64_C(50000000)

crew_time crew_time_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (crew_time)now.tv_sec * NS_PER_S + now.tv_nsec;
}

crew_time crew_in_ms(int64_t milliseconds)
{
    crew_time at;

    if (milliseconds <= 0)
        return CREW_NOW;
    if (__builtin_mul_overflow(milliseconds, (int64_t)1000000, &at) ||
        __builtin_add_overflow(at, crew_time_now(), &at))
        return CREW_FOREVER;
    return at;
}

/* One that any way of a task may take: on no page but the caller's. A result below 0 is a negated errno. */
HOT static long futex(_Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *timeout,
                      uint32_t names)
{
#if defined(__x86_64__)
    register const struct timespec *r10 __asm__("r10") = timeout;
    register void *r8 __asm__("r8") = NULL;
    register unsigned long r9 __asm__("r9") = names;
    long r = SYS_futex;

    __asm__ volatile("syscall"
                     : "+a"(r)
                     : "D"(word), "S"(operation), "d"(value), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
#else
    long r = syscall(SYS_futex, word, operation, value, timeout, NULL, names);

    return r < 0 ? -errno : r;
#endif
}

HOT int os_futex_wait(_Atomic uint32_t *word, uint32_t expected, crew_time deadline)
{
    return os_futex_wait_as(word, expected, deadline, FUTEX_BITSET_MATCH_ANY);
}

/* What the kernel takes for 'deadline', in '*at' or NULL. */
static struct timespec *timeout_at(crew_time deadline, struct timespec *at)
{
    if (deadline == CREW_FOREVER)
        return NULL;
    at->tv_sec = deadline / NS_PER_S;
    at->tv_nsec = deadline % NS_PER_S;
    return at;
}

HOT int os_futex_wait_as(_Atomic uint32_t *word, uint32_t expected, crew_time deadline, uint32_t names)
{
    struct timespec at;
    struct timespec *timeout = timeout_at(deadline, &at);

    if (deadline <= 0)
        return -ETIMEDOUT;
    /* FUTEX_WAIT_BITSET takes the deadline itself, absolute and monotonic. */
    return futex(word, FUTEX_WAIT_BITSET, expected, timeout, names) == -ETIMEDOUT ? -ETIMEDOUT : 0;
}

/* Where a filter of system calls is older than futex_waitv (under some container engines): sleeps on the
 * first word, and looks at the others now and then. */
static int wait_in_slices(const struct os_word *words, unsigned count, crew_time deadline)
{
    crew_time end = crew_time_now() + SLICE;
    int r;

    for (unsigned i = 1; i < count; i++)
        if (load_total(words[i].word) != words[i].expected)
            return 0;
    r = os_futex_wait(words[0].word, words[0].expected, deadline < end ? deadline : end);
    return deadline < end ? r : 0;
}

int os_futex_wait_many(const struct os_word *words, unsigned count, crew_time deadline)
{
    static _Atomic bool missing;
    struct futex_waitv list[OS_WORDS];
    struct timespec at;

    if (deadline <= 0)
        return -ETIMEDOUT;
    if (count > OS_WORDS)
        return -EINVAL;
    if (load_relaxed(&missing))
        return wait_in_slices(words, count, deadline);
    for (unsigned i = 0; i < count; i++)
        list[i] = (struct futex_waitv){ .val = words[i].expected, .uaddr = (uintptr_t)words[i].word,
                                        .flags = FUTEX_32 };
    if (syscall(SYS_futex_waitv, list, count, 0, timeout_at(deadline, &at), CLOCK_MONOTONIC) >= 0)
        return 0;
    if (errno == ENOSYS || errno == EPERM)
        store_relaxed(&missing, true);
    return errno == ETIMEDOUT ? -ETIMEDOUT : 0;
}

HOT void os_yield(void)
{
    sched_yield();
}

HOT bool os_futex_wake(_Atomic uint32_t *word, int count)
{
    return futex(word, FUTEX_WAKE, (uint32_t)count, NULL, 0) > 0;
}

HOT bool os_futex_wake_as(_Atomic uint32_t *word, uint32_t names)
{
    return futex(word, FUTEX_WAKE_BITSET, 1, NULL, names) > 0;
}

void mutex_lock_slowly(struct mutex *mutex)
{
    while (atomic_exchange_explicit(&mutex->word, 2, memory_order_acquire) != 0)
        os_futex_wait(&mutex->word, 2, CREW_FOREVER);
}
