/* toy_cases.c - the toy, as any protocol's cases: a put, a get, and both at once. */
#include "toy_cases.h"
#include "toy.h"

#include <limits.h>

#define FIRST 1000
#define MINE 2000

/* What the arena holds: the protocol, and what its users were told. */
struct arena {
    struct toy toy;
    uint64_t got[3][TOY_WORDS];
    uint64_t has_got[3];
};

static struct arena *arena(void)
{
    return (struct arena *)(void *)death_arena;
}

static void message(uint64_t *m, uint64_t base)
{
    for (int i = 0; i < TOY_WORDS; i++)
        m[i] = base + (uint64_t)i;
}

static uint64_t whole(const uint64_t *m)
{
    for (int i = 1; i < TOY_WORDS; i++)
        if (m[i] != m[0] + (uint64_t)i)
            return 0;
    return m[0];
}

static int put(uint32_t me, uint64_t base)
{
    uint64_t m[TOY_WORDS];

    message(m, base);
    return toy_put(&arena()->toy, me, m);
}

static int get(uint32_t me)
{
    struct arena *a = arena();
    uint64_t m[TOY_WORDS];
    int r = toy_get(&a->toy, me, m, INT64_MAX);

    if (r == 0) {
        a->got[me - 1][0] = whole(m);
        a->has_got[me - 1] = 1;
    }
    return r;
}

static void empty(void)
{
}

static void one_there(void)
{
    put(3, FIRST);
}

static int put_first(void)
{
    return put(1, MINE);
}
static int put_second(void)
{
    return put(2, MINE + 1000);
}
static int get_first(void)
{
    return get(1);
}
static int get_second(void)
{
    return get(2);
}

static void repair(unsigned dead)
{
    toy_repair(&arena()->toy, dead);
}

/* Every message that somebody put and was told so is there once, or somebody got it, or somebody who
 * died took it; then one more goes through. */
static const char *examine(const struct death_end *ends, const uint64_t *puts, unsigned count)
{
    struct toy *t = &arena()->toy;
    unsigned takers = 0;
    uint64_t sum = 0, m[TOY_WORDS];

    for (unsigned i = 0; i < 3; i++)
        if (ends[i].how == DEATH_BLOCKED && atomic_load(&t->head) != atomic_load(&t->tail))
            return "hang: somebody sleeps though there is a message";
    if (atomic_load(&t->lock) != 0)
        return "hang: the lock is held by nobody alive";
    if (atomic_load(&t->tail) - atomic_load(&t->head) > TOY_SLOTS)
        return "head and tail are out of order";
    for (unsigned i = 0; i < 3; i++)
        takers += ends[i].how == DEATH_KILLED;
    for (unsigned p = 0; p < count; p++) {
        unsigned found = 0;
        bool told = puts[p] == FIRST || (puts[p] == MINE && ends[0].how == DEATH_RETURNED) ||
                    (puts[p] == MINE + 1000 && ends[1].how == DEATH_RETURNED);

        for (uint32_t i = atomic_load(&t->head); i != atomic_load(&t->tail); i++)
            found += whole(t->slot[i % TOY_SLOTS]) == puts[p];
        for (unsigned i = 0; i < 3; i++)
            found += arena()->has_got[i] && arena()->got[i][0] == puts[p];
        if (found > 1)
            return "twice: a message was delivered again";
        if (found == 0 && told && takers == 0)
            return "lost: a message that was accepted is gone";
        if (found == 0 && told)
            takers--;
    }
    for (uint32_t i = 0; i != atomic_load(&t->tail); i++) {
        if (i >= atomic_load(&t->head) && whole(t->slot[i % TOY_SLOTS]) == 0)
            return "a message is torn";
        for (int w = 0; w < TOY_WORDS; w++)
            sum += t->slot[i % TOY_SLOTS][w];
    }
    if (sum != atomic_load(&t->sum))
        return "the sum is not that of the messages";
    while (atomic_load(&t->head) != atomic_load(&t->tail))
        if (toy_get(t, 3, m, INT64_MAX) != 0)
            return "lost: a get failed";
    if (put(3, 7) != 0 || toy_get(t, 3, m, INT64_MAX) != 0 || whole(m) != 7)
        return "broken: no round trip";
    return NULL;
}

static const char *check_put(const struct death_end *ends)
{
    return examine(ends, (const uint64_t[]){ FIRST, MINE }, 2);
}
static const char *check_get(const struct death_end *ends)
{
    return examine(ends, (const uint64_t[]){ FIRST }, 1);
}
static const char *check_two_puts(const struct death_end *ends)
{
    return examine(ends, (const uint64_t[]){ FIRST, MINE, MINE + 1000 }, 3);
}
static const char *check_empty(const struct death_end *ends)
{
    return examine(ends, (const uint64_t[]){ MINE }, 1);
}
/* Two getters and one message: one of them may sleep, if nothing is there. */
static const char *check_getters(const struct death_end *ends)
{
    return examine(ends, (const uint64_t[]){ FIRST }, 1);
}

const struct death_case toy_cases[] = {
    { .name = "toy: put", .size = sizeof(struct arena), .setup = one_there,
      .operation = { put_first }, .recover = repair, .check = check_put },
    { .name = "toy: get", .size = sizeof(struct arena), .setup = one_there,
      .operation = { get_first }, .recover = repair, .check = check_get },
    { .name = "toy: two put", .size = sizeof(struct arena), .setup = one_there,
      .operation = { put_first, put_second }, .recover = repair, .check = check_two_puts },
    { .name = "toy: one gets, one puts", .size = sizeof(struct arena), .setup = empty,
      .operation = { put_first, get_second }, .recover = repair, .check = check_empty },
    { .name = "toy: two get one", .size = sizeof(struct arena), .setup = one_there,
      .operation = { get_first, get_second }, .recover = repair, .check = check_getters },
};
const unsigned toy_case_count = sizeof toy_cases / sizeof toy_cases[0];
