/* futex.c - waiting in the kernel, and the clock. */
#include "os.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000

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

int os_futex_wait(_Atomic uint32_t *word, uint32_t expected, crew_time deadline)
{
    return os_futex_wait_as(word, expected, deadline, FUTEX_BITSET_MATCH_ANY);
}

int os_futex_wait_as(_Atomic uint32_t *word, uint32_t expected, crew_time deadline, uint32_t names)
{
    struct timespec at;
    struct timespec *timeout = NULL;

    if (deadline != CREW_FOREVER) {
        if (deadline <= 0)
            return -ETIMEDOUT;
        at.tv_sec = deadline / NS_PER_S;
        at.tv_nsec = deadline % NS_PER_S;
        timeout = &at;
    }
    /* FUTEX_WAIT_BITSET takes the deadline itself, absolute and monotonic. */
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, timeout, NULL, names) < 0 &&
        errno == ETIMEDOUT)
        return -ETIMEDOUT;
    return 0;
}

void os_yield(void)
{
    sched_yield();
}

void os_futex_wake(_Atomic uint32_t *word, int count)
{
    syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

bool os_futex_wake_as(_Atomic uint32_t *word, uint32_t names)
{
    return syscall(SYS_futex, word, FUTEX_WAKE_BITSET, 1, NULL, NULL, names) > 0;
}
