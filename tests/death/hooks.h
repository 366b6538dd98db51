/* hooks.h - a runtime for code compiled with -fsanitize=thread that counts instead of checking.
 *
 * gcc and clang call __tsan_write8(), __tsan_atomic32_store() and their kin before each access to
 * memory. hooks.c defines them all. Accesses inside one window of memory, the arena, are counted;
 * at the chosen one 'reached' is called BEFORE it happens. If that jumps away, or kills the
 * process, the arena is what a process leaves that dies there: x86 shows others its stores in
 * program order, so they see a prefix of them. All else (stack, statics) dies with the process.
 *
 * A store of more than 8 bytes counts once for every 8: memory can tear there. memcpy(), memset()
 * and memmove() do too: the link wraps them (-Wl,--wrap=memcpy ...), and -fno-builtin makes the
 * compiler call them. Not seen: inline assembler, and stores inside libc; every instruction of
 * those is met by death_every_instruction(). */
#ifndef DEATH_HOOKS_H
#define DEATH_HOOKS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOOKS_NEVER LONG_MAX
#define HOOKS_CHUNK 64 /* bytes; what was written to is kept by chunks */

/* Chunks of the window that were written to. */
struct hooks_dirty {
    unsigned char *flag; /* one a chunk      */
    uint32_t *list;      /* their numbers    */
    uint32_t count;
};

struct hooks {
    uintptr_t base; /* the window; size 0: nothing is counted */
    size_t size;

    /* Counters and limits in turn: the compiler must not make one vector of two counters. */
    long accesses;    /* loads and stores since hooks_arm()                                 */
    long stop_access; /* 'reached' is called before these                                   */
    long stores;      /* of the accesses, what may change memory: a compare-and-swap that   */
    long stop_store;  /* fails is not one                                                   */
    void (*reached)(void);

    /* the access that 'reached' is called for */
    const void *code; /* in the code that does it */
    uintptr_t address;
    size_t bytes;
    bool store;

    struct hooks_dirty *dirty; /* where to note what is written to; NULL: nowhere */

    /* Who has read and written what: each access sets these bits at each 4 bytes that it is at. NULL: it
     * does not. 'news' counts how often that was new. */
    unsigned char *touched;
    unsigned char as_reader, as_writer;
    long news;

    bool weak_fails; /* each second weak compare-and-swap fails for no reason, as on aarch64 */
    unsigned weak_calls;
};

extern struct hooks hooks;

/* Counts from 0, and calls 'reached' before store 'stop_store' (1 is the first) and before access
 * 'stop_access', and again before each that follows, until they are moved. */
void hooks_arm(long stop_store, long stop_access, void (*reached)(void));

/* Goes on marking what is written, but stops nowhere. */
void hooks_disarm(void);

/* A store of more than 8 bytes is known to the hooks before it happens. What can be left of one that
 * was torn is shown to 'reached' at the next access, or here: after the operation returned, and where
 * it waits. */
void hooks_settle(void);

/* What 'p' points to is about to be changed by code that has no hooks, such as libc. */
void hooks_touch(const void *p, size_t size);

#endif
