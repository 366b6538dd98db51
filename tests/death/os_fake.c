/* os_fake.c - what stands in src/os, for code that runs under hooks: no system call is made. To wait
 * and to wake is the engine's business (death.h); all else that is called here either has nothing
 * to do, or should not be reached. */
#include "cases.h"
#include "known.h"
#include "os/atomic.h"
#include "os/os.h"

#include <errno.h>
#include <poll.h>

crew_time crew_time_now(void)
{
    return death_time += 1000; /* it moves, or a spin with a time limit never ends */
}

crew_time crew_in_ms(int64_t milliseconds)
{
    known_timed();
    return milliseconds <= 0 ? CREW_NOW : crew_time_now() + milliseconds * 1000000;
}

int os_futex_wait(_Atomic uint32_t *word, uint32_t expected, crew_time deadline)
{
    return os_futex_wait_as(word, expected, deadline, UINT32_MAX);
}

/* Between the caller's last look and the kernel's own, others may run: an access, for the hooks to see. */
static void enter_to_wait(_Atomic uint32_t *word)
{
    (void)load_relaxed(word);
}

/* The same before a wake-up; and who does that may be killed first: a store, though one that changes
 * nothing. */
static void enter_to_wake(_Atomic uint32_t *word)
{
    atomic_fetch_or(word, 0);
}

int os_futex_wait_as(_Atomic uint32_t *word, uint32_t expected, crew_time deadline, uint32_t names)
{
    struct death_word one = { (const volatile uint32_t *)word, expected };

    enter_to_wait(word);
    return death_wait(&one, 1, deadline, names) ? 0 : -ETIMEDOUT;
}

int os_futex_wait_many(const struct os_word *words, unsigned count, crew_time deadline)
{
    struct death_word list[DEATH_WORDS];

    if (count > DEATH_WORDS)
        death_misuse("os_futex_wait_many");
    for (unsigned i = 0; i < count; i++) {
        list[i] = (struct death_word){ (const volatile uint32_t *)words[i].word, words[i].expected };
        enter_to_wait(words[i].word);
    }
    return death_wait(list, count, deadline, UINT32_MAX) ? 0 : -ETIMEDOUT;
}

bool os_futex_wake(_Atomic uint32_t *word, int count)
{
    enter_to_wake(word);
    return death_wake((const volatile uint32_t *)word, count, UINT32_MAX);
}

bool os_futex_wake_as(_Atomic uint32_t *word, uint32_t names)
{
    enter_to_wake(word);
    return death_wake((const volatile uint32_t *)word, 1, names);
}

/* -- the bell: it counts rings, and what each listener has heard --------------------------------- */

struct death_bell *death_bell;

void os_bell_ring(int bell)
{
    if (bell < 0)
        return;
    atomic_fetch_add(&death_bell->rings, 1);
    death_wake((const volatile uint32_t *)&death_bell->rings, INT32_MAX, UINT32_MAX);
}

int os_listener_create(int bell)
{
    return bell; /* a case gives each listener its number itself */
}

void os_listener_hear(int listener)
{
    store_relaxed(&death_bell->heard[listener], load_relaxed(&death_bell->rings));
}

int os_poll_many(struct pollfd *list, unsigned long count, crew_time deadline)
{
    struct death_word ring = { (const volatile uint32_t *)&death_bell->rings,
                               load_relaxed(&death_bell->heard[list[0].fd]) };

    (void)count;
    enter_to_wait(&death_bell->rings);
    return death_wait(&ring, 1, deadline, UINT32_MAX) ? 0 : -ETIMEDOUT;
}

void os_yield(void)
{
}

int os_memory_buy(int fd, size_t offset, size_t size)
{
    (void)fd;
    (void)offset;
    (void)size;
    return 0;
}

_Noreturn void os_misuse(const char *call, const char *why)
{
    (void)why;
    death_misuse(call);
}

pid_t os_pid(void)
{
    return 4711;
}

_Noreturn void os_exit(int status)
{
    (void)status;
    death_exit();
}

/* -- what no case may come to ------------------------------------------------------------------- */

static int unwanted(const char *call)
{
    death_misuse(call);
}

int os_kernel_check(void)
{
    return unwanted(__func__);
}

size_t os_file_limit(void)
{
    return (size_t)unwanted(__func__);
}

size_t os_memory_total(void)
{
    return (size_t)unwanted(__func__);
}

int os_memory_create(const char *name, size_t size)
{
    (void)name;
    (void)size;
    return unwanted(__func__);
}

int os_memory_map(int fd, size_t size, uintptr_t wish, size_t align, void **base)
{
    (void)fd;
    (void)size;
    (void)wish;
    (void)align;
    (void)base;
    return unwanted(__func__);
}

void os_memory_unmap(void *base, size_t size)
{
    (void)base;
    (void)size;
    unwanted(__func__);
}

void os_close(int fd)
{
    (void)fd;
    unwanted(__func__);
}
