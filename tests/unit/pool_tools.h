/* pool_tools.h - what the tests of pools share: opening one of the kind in question, tasks, and a door
 * at which a task waits. KIND and CALLER_WORKS say which kind.
 *
 * A task that must wait reads from a pipe, which threads and forked processes see alike. */
#ifndef POOL_TOOLS_H
#define POOL_TOOLS_H

#include "watch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>

/* -- opening and closing ------------------------------------------------------------------ */

static inline crew_pool *open_pool(unsigned workers)
{
    crew_pool *pool = NULL;

    ck_assert_ok(crew_pool_open(&pool, &(struct crew_pool_options){ .kind = KIND,
                                                                    .workers = workers,
                                                                    .caller_works = CALLER_WORKS }));
    return pool;
}

static inline void close_pool(crew_pool *pool)
{
    ck_assert_ok(crew_pool_close(pool, CREW_FOREVER));
}

/* Memory that workers of every kind see, all zero. */
static inline void *shared(size_t size)
{
    void *block = NULL;

    ck_assert_ok(crew_memory_alloc(&block, size));
    memset(block, 0, size);
    return block;
}

static inline void end_crew(void)
{
    ck_assert_ok(crew_fini());
}

#define FOREACH(type, name, ...)                                                              \
    for (const type *name = (const type[]){ __VA_ARGS__ },                                    \
                    *name##_end = name + sizeof((const type[]){ __VA_ARGS__ }) / sizeof(type); \
         name < name##_end; name++)

/* -- tasks, and what must come of them --------------------------------------------------- */

static inline int square(crew_task *t)
{
    const uint64_t *x = t->input;
    uint64_t *y = t->output;

    *y = *x * *x + 1;
    return 0;
}

static inline void fill_up(uint64_t *x, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        x[i] = i * 3 + 1;
}

struct marks {
    _Atomic unsigned char *mark;
    uint64_t chunk;
    uint64_t count;
    bool uneven;
};

static inline int mark_range(crew_task *t)
{
    const struct marks *m = t->argument;

    if (t->begin >= t->end || t->end > m->count ||
        (m->chunk && (t->end - t->begin > m->chunk || t->begin % m->chunk != 0)))
        return crew_task_fail(t, 1, "%llu to %llu", (unsigned long long)t->begin,
                              (unsigned long long)t->end);
    for (uint64_t i = t->begin; i < t->end; i++) {
        atomic_fetch_add(&m->mark[i], 1);
        for (volatile uint64_t k = 0; m->uneven && k < i % 1024 * (i % 7 == 0); k++)
            ;
    }
    return 0;
}

static inline void mark_all(crew_pool *pool, uint64_t count, uint64_t chunk, bool uneven)
{
    struct marks m = { .mark = shared(count), .chunk = chunk, .count = count, .uneven = uneven };

    ck_assert_ok(crew_pool_for(pool, mark_range, count, &m, sizeof m,
                               &(struct crew_job_options){ .chunk = chunk }, CREW_FOREVER));
    for (uint64_t i = 0; i < count; i++)
        if (m.mark[i] != 1)
            ck_abort_msg("index %llu of %llu was run %u times, chunk %llu", (unsigned long long)i,
                         (unsigned long long)count, m.mark[i], (unsigned long long)chunk);
    crew_memory_free((void *)m.mark);
}

static inline unsigned char *bytes_to_send(size_t size)
{
    unsigned char *bytes = malloc(size + 1);

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 5 + size);
    return bytes;
}

static inline int echo(crew_task *t)
{
    return crew_task_result(t, t->argument, t->argument_size);
}

/* -- waiting ------------------------------------------------------------------------------ */

/* A door that tasks wait at: read by them, opened by the test. Made before the pool, so that forked
 * workers have it. */
struct door {
    int arrived[2];
    int open[2];
};

static inline struct door make_door(void)
{
    struct door door;

    ck_assert_int_eq(pipe(door.arrived), 0);
    ck_assert_int_eq(pipe(door.open), 0);
    return door;
}

static inline void remove_door(const struct door *door)
{
    for (int i = 0; i < 2; i++) {
        close(door->arrived[i]);
        close(door->open[i]);
    }
}

/* A task: says that it is there, and waits to be let through. */
static inline int wait_at_door(crew_task *t)
{
    const struct door *door = t->argument;
    char c = 1;

    return write(door->arrived[1], &c, 1) == 1 && read(door->open[0], &c, 1) == 1 ? 0 : 1;
}

static inline void await_arrivals(const struct door *door, unsigned count)
{
    char c;

    while (count-- > 0)
        ck_assert_int_eq(read(door->arrived[0], &c, 1), 1);
}

static inline void let_through(const struct door *door, unsigned count)
{
    while (count-- > 0)
        ck_assert_int_eq(write(door->open[1], "x", 1), 1);
}

#endif
