/* flags.c - crew_event, crew_latch, crew_value and crew_once for those who call. */
#include "flag.h"
#include "once.h"
#include "storage.h"

#include <crew/event.h>
#include <crew/latch.h>
#include <crew/once.h>
#include <crew/value.h>
#include <life/waitable.h>

#include <string.h>

#define EVENT_MAGIC UINT32_C(0x65766e74)
#define LATCH_MAGIC UINT32_C(0x6c746368)
#define VALUE_MAGIC UINT32_C(0x76616c75)
#define ONCE_MAGIC UINT32_C(0x6f6e6365)

_Static_assert(sizeof(struct event_shm) <= sizeof(crew_event), "an event fits its storage");
_Static_assert(sizeof(struct latch_shm) <= sizeof(crew_latch), "a latch fits its storage");
_Static_assert(sizeof(struct value_shm) <= sizeof(crew_value), "a value fits its storage");
_Static_assert(sizeof(struct once_shm) <= sizeof(crew_once), "a once fits its storage");

/* The functions that all of them have: inside() finds what is at an address, or ends the program;
 * fini() makes it unusable; close() frees it as well. */
#define NOUN(noun, wanted, why)                                                              \
    static struct noun##_shm *noun##_inside(const crew_##noun *at, const char *call)         \
    {                                                                                        \
        struct noun##_shm *shm = (struct noun##_shm *)(uintptr_t)at;                         \
                                                                                             \
        storage_must_be(at, at ? shm->magic : 0, wanted, call, why);                         \
        return shm;                                                                          \
    }                                                                                        \
                                                                                             \
    void crew_##noun##_fini(crew_##noun *at)                                                 \
    {                                                                                        \
        if (at)                                                                              \
            noun##_inside(at, "crew_" #noun "_fini")->magic = 0;                             \
    }                                                                                        \
                                                                                             \
    void crew_##noun##_close(crew_##noun *at)                                                \
    {                                                                                        \
        if (!at)                                                                             \
            return;                                                                          \
        noun##_inside(at, "crew_" #noun "_close")->magic = 0;                                \
        storage_free(at);                                                                    \
    }

NOUN(event, EVENT_MAGIC, "not an open event")
NOUN(latch, LATCH_MAGIC, "not an open latch")
NOUN(value, VALUE_MAGIC, "not an open value")
NOUN(once, ONCE_MAGIC, "not an open once")

/* -- event --------------------------------------------------------------------------------- */

static void event_make(crew_event *at)
{
    struct event_shm *event = memset(at, 0, sizeof *at);

    event->magic = EVENT_MAGIC;
}

int crew_event_init(crew_event *event)
{
    int r = storage_check(event, sizeof *event);

    if (r == 0)
        event_make(event);
    return r;
}

int crew_event_open(crew_event **event)
{
    void *block;
    int r = storage_alloc(sizeof **event, &block);

    if (r < 0)
        return r;
    event_make(block);
    *event = block;
    return 0;
}

void crew_event_set(crew_event *event)
{
    event_set(event_inside(event, "crew_event_set"));
}

void crew_event_clear(crew_event *event)
{
    event_clear(event_inside(event, "crew_event_clear"));
}

bool crew_event_is_set(const crew_event *event)
{
    return event_is_set(event_inside(event, "crew_event_is_set"));
}

int crew_event_wait(crew_event *event, crew_time deadline)
{
    struct event_shm *shm = event_inside(event, "crew_event_wait");
    uint32_t me;
    int r;

    if (event_is_set(shm))
        return 0;
    r = storage_party(&me);
    return r < 0 ? r : event_wait(shm, me, deadline);
}

static void event_check(void *object)
{
    event_inside(object, "crew_wait_event");
}

static int event_is_ready(void *object, struct os_word *word)
{
    return event_ready(object, word);
}

struct crew_wait crew_wait_event(crew_event *event)
{
    static const struct crew_waitable kind = { .check = event_check, .ready = event_is_ready };

    return (struct crew_wait){ .kind = &kind, .object = event };
}

/* -- latch --------------------------------------------------------------------------------- */

static void latch_make(crew_latch *at, uint32_t count)
{
    struct latch_shm *latch = memset(at, 0, sizeof *at);

    latch->magic = LATCH_MAGIC;
    store_release(&latch->word, count);
}

int crew_latch_init(crew_latch *latch, uint32_t count)
{
    int r = count > CREW_LATCH_MOST ? -EINVAL : storage_check(latch, sizeof *latch);

    if (r == 0)
        latch_make(latch, count);
    return r;
}

int crew_latch_open(crew_latch **latch, uint32_t count)
{
    void *block;
    int r = count > CREW_LATCH_MOST ? -EINVAL : storage_alloc(sizeof **latch, &block);

    if (r < 0)
        return r;
    latch_make(block, count);
    *latch = block;
    return 0;
}

int crew_latch_count_down(crew_latch *latch, uint32_t count)
{
    return latch_count_down(latch_inside(latch, "crew_latch_count_down"), count);
}

uint32_t crew_latch_count(const crew_latch *latch)
{
    return latch_left(latch_inside(latch, "crew_latch_count"));
}

int crew_latch_wait(crew_latch *latch, crew_time deadline)
{
    struct latch_shm *shm = latch_inside(latch, "crew_latch_wait");
    uint32_t me;
    int r;

    if (latch_left(shm) == 0)
        return 0;
    r = storage_party(&me);
    return r < 0 ? r : latch_wait(shm, me, deadline);
}

/* -- value --------------------------------------------------------------------------------- */

static void value_make(crew_value *at, int64_t first)
{
    struct value_shm *value = memset(at, 0, sizeof *at);

    value->magic = VALUE_MAGIC;
    store_release(&value->value, first);
}

int crew_value_init(crew_value *value, int64_t first)
{
    int r = storage_check(value, sizeof *value);

    if (r == 0)
        value_make(value, first);
    return r;
}

int crew_value_open(crew_value **value, int64_t first)
{
    void *block;
    int r = storage_alloc(sizeof **value, &block);

    if (r < 0)
        return r;
    value_make(block, first);
    *value = block;
    return 0;
}

int64_t crew_value_load(const crew_value *value)
{
    return load_total(&value_inside(value, "crew_value_load")->value);
}

void crew_value_store(crew_value *value, int64_t wanted)
{
    crew_value_exchange(value, wanted);
}

int64_t crew_value_add(crew_value *value, int64_t more)
{
    struct value_shm *shm = value_inside(value, "crew_value_add");
    int64_t before = atomic_fetch_add(&shm->value, more);

    if (more != 0)
        value_changed(shm);
    return before;
}

int64_t crew_value_exchange(crew_value *value, int64_t wanted)
{
    struct value_shm *shm = value_inside(value, "crew_value_exchange");
    int64_t before = atomic_exchange(&shm->value, wanted);

    if (before != wanted)
        value_changed(shm);
    return before;
}

bool crew_value_compare_exchange(crew_value *value, int64_t *expected, int64_t wanted)
{
    struct value_shm *shm = value_inside(value, "crew_value_compare_exchange");

    if (!swap_if(&shm->value, expected, wanted))
        return false;
    if (*expected != wanted)
        value_changed(shm);
    return true;
}

static int64_t bits_of(double number)
{
    int64_t bits;

    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static double number_of(int64_t bits)
{
    double number;

    memcpy(&number, &bits, sizeof number);
    return number;
}

double crew_value_load_double(const crew_value *value)
{
    return number_of(crew_value_load(value));
}

void crew_value_store_double(crew_value *value, double wanted)
{
    crew_value_exchange(value, bits_of(wanted));
}

double crew_value_add_double(crew_value *value, double more)
{
    int64_t before = crew_value_load(value);

    while (!crew_value_compare_exchange(value, &before, bits_of(number_of(before) + more)))
        ;
    return number_of(before);
}

bool crew_value_compare_exchange_double(crew_value *value, double *expected, double wanted)
{
    int64_t bits = bits_of(*expected);
    bool done = crew_value_compare_exchange(value, &bits, bits_of(wanted));

    if (!done)
        *expected = number_of(bits);
    return done;
}

int crew_value_wait(crew_value *value, int64_t seen, int64_t *now, crew_time deadline)
{
    struct value_shm *shm = value_inside(value, "crew_value_wait");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : value_wait(shm, me, seen, now, deadline);
}

/* -- once ---------------------------------------------------------------------------------- */

static int once_make(crew_once *at)
{
    struct once_shm *once = (struct once_shm *)(void *)at;
    int r = once_init(once);

    once->magic = ONCE_MAGIC;
    return r;
}

int crew_once_init(crew_once *once)
{
    int r = storage_check(once, sizeof *once);

    return r < 0 ? r : once_make(once);
}

int crew_once_open(crew_once **once)
{
    void *block;
    int r = storage_alloc(sizeof **once, &block);

    if (r < 0)
        return r;
    r = once_make(block);
    if (r == 0)
        *once = block;
    return r;
}

bool crew_once_done(const crew_once *once)
{
    return once_is_done(once_inside(once, "crew_once_done"));
}

int crew_once_run(crew_once *once, int (*function)(void *context), void *context, crew_time deadline)
{
    struct once_shm *shm = once_inside(once, "crew_once_run");
    uint32_t me;
    int r;

    if (once_is_done(shm))
        return 0;
    if (!function)
        return -EINVAL;
    r = storage_party(&me);
    return r < 0 ? r : once_run(shm, me, function, context, deadline);
}
