/* crew/base.h - what every part of crew shares: errors, time, the life of a crew.
 *
 * Errors. 0 is success, everything below is not: an errno value negated, or one of crew's own
 * codes, which lie below every errno. 'r < 0' is always the right test for "I did not get what I
 * asked for". A call that fails leaves nothing to free and its outputs untouched, unless its
 * comment says otherwise.
 *
 * Time. A blocking call ends in a deadline: a point in time, nanoseconds on CLOCK_MONOTONIC.
 * It survives loops, layers and signals unchanged. CREW_NOW never waits (and answers -EAGAIN
 * where a later deadline would answer -ETIMEDOUT), CREW_FOREVER waits without end.
 *
 * The crew. One process, the root, and the processes that it starts. They share one arena, which
 * stands at the same address in each. It is created when first needed, or by crew_init(); when the
 * root ends, in whatever way, the others end with it and nothing is left. */
#ifndef CREW_BASE_H
#define CREW_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CREW_API __attribute__((visibility("default")))
#define CREW_CHECKED __attribute__((warn_unused_result))
#define CREW_FORMAT(string, first) __attribute__((format(printf, string, first)))

#define CREW_VERSION_MAJOR 0
#define CREW_VERSION_MINOR 1
#define CREW_VERSION_PATCH 0
#define CREW_VERSION "0.1.0"

/* The version of the library that runs, as "0.1.0"; the headers' own is CREW_VERSION.
 * Never freed.  Shared: any thread.  Signals: safe. */
CREW_API const char *crew_version(void);

/* -- errors ------------------------------------------------------------------------------- */

/* crew's own codes: name, value, sentence. */
#define CREW_ERRORS(X)                                                                        \
    X(CREW_ETASK, -5001, "the task reported a failure")                                       \
    X(CREW_EWORKER, -5002, "the worker died while it ran the task")                           \
    X(CREW_ENOWORKER, -5003, "no worker is left and none can be started")                     \
    X(CREW_ECLOSED, -5004, "closed")                                                          \
    X(CREW_ECANCELLED, -5005, "cancelled before it ran")                                      \
    X(CREW_ETHREADS, -5006, "other threads run in this process, so it can't be forked safely") \
    X(CREW_ENESTED, -5007, "only the root of the crew may start processes")                   \
    X(CREW_EKERNEL, -5008, "this kernel is too old: Linux 5.16 or newer is needed")           \
    X(CREW_EMISUSE, -5009, "not a member of this crew: plain fork() makes no member")         \
    X(CREW_EOWNERDEAD, -5010, "the last owner died holding it")                               \
    X(CREW_EBROKEN, -5011, "the barrier is broken")                                           \
    X(CREW_EPEERDIED, -5012, "the peer died")                                                 \
    X(CREW_EAUTH, -5013, "the peer could not prove who it is")                                \
    X(CREW_EDEADLOCK, -5014, "waiting would never end: a cycle of owners")

enum crew_error {
#define CREW_ERROR_VALUE(name, value, sentence) name = (value),
    CREW_ERRORS(CREW_ERROR_VALUE)
#undef CREW_ERROR_VALUE
};

/* A sentence for 'error', which any call of crew returned; also for 0 and for negated errno
 * values.  Never NULL, never freed; the same text for the same code, whatever the locale.
 * Shared: any thread.  Signals: not async-signal-safe. */
CREW_API const char *crew_strerror(int error);

/* -- time --------------------------------------------------------------------------------- */

typedef int64_t crew_time; /* ns on CLOCK_MONOTONIC */

#define CREW_NOW ((crew_time)0)
#define CREW_FOREVER INT64_MAX

/* This moment.  Shared: any thread.  Signals: async-signal-safe. */
CREW_API crew_time crew_time_now(void);

/* The moment 'milliseconds' from now; never wraps.  Signals: async-signal-safe. */
CREW_API crew_time crew_in_ms(int64_t milliseconds);

/* -- the crew ----------------------------------------------------------------------------- */

struct crew_options {
    size_t arena_size;    /* most bytes the arena may grow to; 0: four times this machine's
                             memory, at least 16 GiB, less where limits (ulimit -v, -f) ask
                             for less. It is address space; memory is bought as it is used. */
    uint64_t reserved[4]; /* must be 0 */
};

/* Makes the calling process the root of a crew: creates the arena. Only needed to choose
 * options, or to pay the cost early: the first call that needs the arena makes it.
 *
 * 0               done, or done before (options are then ignored)
 * -EINVAL         a reserved field is not 0
 * -ENOMEM         no address space or no memory for the arena
 * -EFBIG          the file size limit (ulimit -f) leaves no room for it
 * CREW_EKERNEL    the kernel lacks what crew is built on
 *
 * Shared: any thread.  Fork: children started by crew are members; children of a plain fork() are
 * not, and get CREW_EMISUSE from calls that need membership.  Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_init(const struct crew_options *options);

/* Gives everything back: the arena, the supervisor thread, descriptors. Pools and processes must
 * be closed before. All blocks of the arena vanish. The next call that needs an arena makes one.
 *
 * 0               done, or nothing was there
 * -EBUSY          a pool or a process is still open
 * CREW_ENESTED    not the root
 *
 * Shared: no other call of crew may run.  Fork: root only.  Death: a root that dies leaves
 * nothing, with or without this call. */
CREW_API int crew_fini(void);

/* How many CPUs this process may use, at least 1: CREW_WORKERS in the environment if it holds a
 * positive number; else the CPUs of its affinity mask, capped by the cgroup quota (v2 cpu.max and v1
 * cpu.cfs_quota_us, every level up to the root, rounded up; a changed quota counts after a second).
 * Shared: any thread.  Signals: not async-signal-safe. */
CREW_API unsigned crew_cpu_count(void);

#ifdef __cplusplus
}
#endif

#endif
