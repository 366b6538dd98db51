/* hooks.c - see hooks.h. Compiled without -fsanitize=thread, of course.
 *
 * All is done by one thread at a time, so the atomic operations need not be atomic. */
#include "hooks.h"

#include <string.h>

struct hooks hooks = { .stop_access = HOOKS_NEVER, .stop_store = HOOKS_NEVER };

/* A crash inside one wide store. The hook runs before the store, so the store is let happen, and at
 * the next access the words that should not have been reached get back what they held. */
static struct {
    bool pending;
    long stop_access; /* meanwhile 0 in 'hooks', so that nothing must ask for 'pending' */
    unsigned char *at;
    size_t size, first; /* bytes, of which 'first' were stored at the first crash */
    unsigned char was[4096], is[4096];
} tear;

#define CALLER __builtin_return_address(0)
#define inside(p) ((uintptr_t)(p) - hooks.base < hooks.size)
#define always_inline inline __attribute__((always_inline))

void *__real_memcpy(void *to, const void *from, size_t size);
void *__real_memset(void *to, int byte, size_t size);
void *__real_memmove(void *to, const void *from, size_t size);

void hooks_arm(long stop_store, long stop_access, void (*reached)(void))
{
    tear.pending = false;
    hooks.accesses = hooks.stores = 0;
    hooks.stop_store = stop_store;
    hooks.stop_access = stop_access;
    hooks.reached = reached;
    hooks.weak_calls = 0;
}

void hooks_disarm(void)
{
    tear.pending = false;
    hooks.stop_store = hooks.stop_access = HOOKS_NEVER;
}

static __attribute__((noinline)) void mark_chunks(size_t first, size_t last)
{
    struct hooks_dirty *d = hooks.dirty;

    for (size_t c = first; d && c <= last; c++) {
        if (d->flag[c])
            continue;
        d->flag[c] = 1;
        d->list[d->count++] = (uint32_t)c;
    }
}

static always_inline void mark(uintptr_t p, size_t size)
{
    size_t first = (p - hooks.base) / HOOKS_CHUNK;
    size_t last = (p - hooks.base + size - 1) / HOOKS_CHUNK;

    if (__builtin_expect(first != last || !hooks.dirty || !hooks.dirty->flag[first], 0))
        mark_chunks(first, last);
}

void hooks_touch(const void *p, size_t size)
{
    if (inside(p) && size > 0)
        mark((uintptr_t)p, size);
}

static void show(const void *code, uintptr_t p, size_t size, bool store)
{
    hooks.code = code;
    hooks.address = p;
    hooks.bytes = size;
    hooks.store = store;
    hooks.reached();
}

static void torn(void)
{
    const void *code = hooks.code;

    tear.pending = false;
    hooks.stop_access = tear.stop_access;
    __real_memcpy(tear.is, tear.at, tear.size);
    __real_memcpy(tear.at + tear.first, tear.was + tear.first, tear.size - tear.first);
    for (size_t i = tear.first; i < tear.size; i += 8) {
        size_t left = tear.size - i;

        show(code, (uintptr_t)tear.at + i, left, true);
        __real_memcpy(tear.at + i, tear.is + i, left < 8 ? left : 8);
    }
}

void hooks_settle(void)
{
    if (tear.pending)
        torn();
}

static __attribute__((noinline)) void reach(const void *code, uintptr_t p, size_t size, bool store)
{
    if (tear.pending) {
        torn();
        if (hooks.accesses < hooks.stop_access && (!store || hooks.stores < hooks.stop_store))
            return;
    }
    show(code, p, size, store);
    if (store)
        mark(p, size); /* in the books of now: meanwhile others may have run */
}

/* 'bits' for 'size' bytes at p. */
static __attribute__((noinline)) void touch(uintptr_t p, size_t size, unsigned char bits)
{
    for (size_t i = (p - hooks.base) / 4; i <= (p - hooks.base + size - 1) / 4; i++) {
        hooks.news += (hooks.touched[i] & bits) != bits;
        hooks.touched[i] |= bits;
    }
}

static always_inline void load(const volatile void *p, size_t size, const void *code)
{
    if (!inside(p))
        return;
    if (hooks.touched)
        touch((uintptr_t)p, size, hooks.as_reader);
    if (__builtin_expect(++hooks.accesses >= hooks.stop_access, 0))
        reach(code, (uintptr_t)p, size, false);
}

/* 'size' is at most 8, or the store can't tear. */
static always_inline void store(const volatile void *p, size_t size, const void *code)
{
    if (!inside(p))
        return;
    mark((uintptr_t)p, size);
    if (hooks.touched)
        touch((uintptr_t)p, size, hooks.as_writer);
    hooks.stores++;
    hooks.accesses++;
    if (__builtin_expect(hooks.stores >= hooks.stop_store || hooks.accesses >= hooks.stop_access, 0))
        reach(code, (uintptr_t)p, size, true);
}

static __attribute__((noinline)) void wide_store(const volatile void *p, size_t size,
                                                 const void *code)
{
    long words = (long)((size + 7) / 8);
    long before;

    if (!inside(p) || size == 0)
        return;
    hooks_settle();
    mark((uintptr_t)p, size);
    if (hooks.touched)
        touch((uintptr_t)p, size, hooks.as_writer);
    before = hooks.stores++;
    hooks.accesses++;
    if (hooks.stores >= hooks.stop_store || hooks.accesses >= hooks.stop_access)
        reach(code, (uintptr_t)p, size, true);
    hooks.stores = before + words;
    if (words == 1 || hooks.stores < hooks.stop_store || size > sizeof tear.was)
        return;
    tear.at = (unsigned char *)p;
    tear.size = size;
    tear.first = hooks.stop_store <= before + 1 ? 8 : 8 * (size_t)(hooks.stop_store - before - 1);
    __real_memcpy(tear.was, tear.at, size);
    hooks.code = code;
    tear.stop_access = hooks.stop_access;
    hooks.stop_access = 0;
    tear.pending = true;
}

/* -- plain accesses ------------------------------------------------------------------------- */

void __tsan_init(void) {}
void __tsan_func_entry(void *caller)
{
    (void)caller;
}
void __tsan_func_exit(void) {}

#define PLAIN(name, n)                                                                        \
    void __tsan_##name##read##n(void *p) { load(p, n, CALLER); }                              \
    void __tsan_##name##write##n(void *p)                                                     \
    {                                                                                         \
        if (n > 8)                                                                            \
            wide_store(p, n, CALLER);                                                         \
        else                                                                                  \
            store(p, n, CALLER);                                                              \
    }                                                                                         \
    void __tsan_##name##read_write##n(void *p) { __tsan_##name##write##n(p); }
#define PLAINS(name) PLAIN(name, 1) PLAIN(name, 2) PLAIN(name, 4) PLAIN(name, 8) PLAIN(name, 16)

PLAINS()
PLAINS(unaligned_)
PLAINS(volatile_)
PLAINS(unaligned_volatile_)

#define PLAIN_CODE(n)                                                                         \
    void __tsan_read##n##_pc(void *p, void *code) { load(p, n, code); }                       \
    void __tsan_write##n##_pc(void *p, void *code) { wide_store(p, n, code); }
PLAIN_CODE(1) PLAIN_CODE(2) PLAIN_CODE(4) PLAIN_CODE(8) PLAIN_CODE(16)

void __tsan_read_range(void *p, size_t size)
{
    if (size > 0)
        load(p, size, CALLER);
}
void __tsan_write_range(void *p, size_t size)
{
    wide_store(p, size, CALLER);
}
void __tsan_vptr_read(void **p)
{
    load(p, sizeof *p, CALLER);
}
void __tsan_vptr_update(void **p, void *value)
{
    (void)value;
    store(p, sizeof *p, CALLER);
}

/* -- atomic operations ------------------------------------------------------------------------ */

void __tsan_atomic_thread_fence(int order)
{
    (void)order;
}
void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}

#define FETCH(n, type, name, expression)                                                      \
    type __tsan_atomic##n##_fetch_##name(volatile type *p, type v, int order)                 \
    {                                                                                         \
        type was;                                                                             \
                                                                                              \
        (void)order;                                                                          \
        store(p, sizeof *p, CALLER);                                                          \
        was = *p;                                                                             \
        *p = (type)(expression);                                                              \
        return was;                                                                           \
    }

/* Whether it will succeed is known before: a failing one changes nothing, so it is a load. But what
 * 'reached' does may change that (another participant runs), so it is looked at again. */
#define EXCHANGE(n, type, strength, may_fail)                                                 \
    int __tsan_atomic##n##_compare_exchange_##strength(volatile type *p, type *expected, type v, \
                                                       int order, int on_failure)             \
    {                                                                                         \
        type was;                                                                             \
                                                                                              \
        (void)order;                                                                          \
        (void)on_failure;                                                                     \
        if (*p == *expected)                                                                  \
            store(p, sizeof *p, CALLER);                                                      \
        else                                                                                  \
            load(p, sizeof *p, CALLER);                                                       \
        was = *p;                                                                             \
        if (was != *expected || (may_fail && hooks.weak_fails && (hooks.weak_calls++ & 1) == 0)) { \
            *expected = was;                                                                  \
            return 0;                                                                         \
        }                                                                                     \
        hooks_touch((const void *)p, sizeof *p);                                              \
        *p = v;                                                                               \
        return 1;                                                                             \
    }

#define ATOMIC(n, type)                                                                       \
    type __tsan_atomic##n##_load(const volatile type *p, int order)                           \
    {                                                                                         \
        (void)order;                                                                          \
        load(p, sizeof *p, CALLER);                                                           \
        return *p;                                                                            \
    }                                                                                         \
    void __tsan_atomic##n##_store(volatile type *p, type v, int order)                        \
    {                                                                                         \
        (void)order;                                                                          \
        store(p, sizeof *p, CALLER);                                                          \
        *p = v;                                                                               \
    }                                                                                         \
    type __tsan_atomic##n##_exchange(volatile type *p, type v, int order)                     \
    {                                                                                         \
        type was;                                                                             \
                                                                                              \
        (void)order;                                                                          \
        store(p, sizeof *p, CALLER);                                                          \
        was = *p;                                                                             \
        *p = v;                                                                               \
        return was;                                                                           \
    }                                                                                         \
    FETCH(n, type, add, was + v)                                                              \
    FETCH(n, type, sub, was - v)                                                              \
    FETCH(n, type, and, was & v)                                                              \
    FETCH(n, type, or, was | v)                                                               \
    FETCH(n, type, xor, was ^ v)                                                              \
    FETCH(n, type, nand, ~(was & v))                                                          \
    EXCHANGE(n, type, strong, 0)                                                              \
    EXCHANGE(n, type, weak, 1)                                                                \
    type __tsan_atomic##n##_compare_exchange_val(volatile type *p, type expected, type v,     \
                                                 int order, int on_failure)                   \
    {                                                                                         \
        type was;                                                                             \
                                                                                              \
        (void)order;                                                                          \
        (void)on_failure;                                                                     \
        if (*p == expected)                                                                   \
            store(p, sizeof *p, CALLER);                                                      \
        else                                                                                  \
            load(p, sizeof *p, CALLER);                                                       \
        was = *p;                                                                             \
        if (was == expected) {                                                                \
            hooks_touch((const void *)p, sizeof *p);                                          \
            *p = v;                                                                           \
        }                                                                                     \
        return was;                                                                           \
    }

ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)
#ifdef __SIZEOF_INT128__
__extension__ typedef unsigned __int128 uint128;
ATOMIC(128, uint128)
#endif

/* -- memcpy and its kin: 8 bytes are one store ------------------------------------------------- */

static void copy_word(unsigned char *to, const unsigned char *from, size_t size, const void *code)
{
    unsigned char word[8];

    __real_memcpy(word, from, size); /* before the hook, where others may run: what was read */
    store(to, size, code);
    __real_memcpy(to, word, size);
}

static void copy_up(unsigned char *to, const unsigned char *from, size_t size, const void *code)
{
    for (size_t i = 0; i < size; i += 8)
        copy_word(to + i, from + i, size - i < 8 ? size - i : 8, code);
}

void *__wrap_memcpy(void *to, const void *from, size_t size)
{
    if (inside(from) && size > 0)
        load(from, size, CALLER);
    if (!inside(to))
        return __real_memcpy(to, from, size);
    copy_up(to, from, size, CALLER);
    return to;
}

void *__wrap_memmove(void *to, const void *from, size_t size)
{
    if (inside(from) && size > 0)
        load(from, size, CALLER);
    if (!inside(to))
        return __real_memmove(to, from, size);
    if ((uintptr_t)to - (uintptr_t)from >= size) {
        copy_up(to, from, size, CALLER);
    } else {
        size_t i = size;

        while (i > 0) {
            size_t n = i % 8 ? i % 8 : 8;

            i -= n;
            copy_word((unsigned char *)to + i, (const unsigned char *)from + i, n, CALLER);
        }
    }
    return to;
}

void *__wrap_memset(void *to, int byte, size_t size)
{
    unsigned char word[8];

    if (!inside(to))
        return __real_memset(to, byte, size);
    __real_memset(word, byte, sizeof word);
    for (size_t i = 0; i < size; i += 8)
        copy_word((unsigned char *)to + i, word, size - i < 8 ? size - i : 8, CALLER);
    return to;
}

void *__tsan_memcpy(void *to, const void *from, size_t size)
{
    return __wrap_memcpy(to, from, size);
}
void *__tsan_memmove(void *to, const void *from, size_t size)
{
    return __wrap_memmove(to, from, size);
}
void *__tsan_memset(void *to, int byte, size_t size)
{
    return __wrap_memset(to, byte, size);
}
