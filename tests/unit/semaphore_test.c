/* semaphore_test.c - Description: permits among processes: more would be at it than were allowed, or permits
 * would be lost with the dead. */
#include "members.h"
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

struct shared {
    crew_semaphore semaphore;
    _Atomic uint32_t there;
    _Atomic uint64_t inside, most;
    uint64_t count, rounds;
};

static const struct crew_semaphore_options unowned = { .unowned = true };

static struct shared *make_shared(uint32_t value, const struct crew_semaphore_options *options)
{
    void *block;
    struct shared *s;

    ck_assert_ok(crew_memory_alloc(&block, sizeof *s));
    s = memset(block, 0, sizeof *s);
    ck_assert_ok(crew_semaphore_init(&s->semaphore, value, options));
    return s;
}

static void drop_shared(struct shared *s)
{
    crew_semaphore_fini(&s->semaphore);
    crew_memory_free(s);
}

static int use(crew_task *task)
{
    struct shared *s = shared_of(task);

    for (uint64_t i = 0; i < s->rounds; i++) {
        uint64_t inside, most;

        if (crew_semaphore_acquire(&s->semaphore, (uint32_t)s->count, CREW_FOREVER) != 0)
            return 1;
        inside = atomic_fetch_add(&s->inside, s->count) + s->count;
        most = atomic_load(&s->most);
        while (inside > most && !atomic_compare_exchange_strong(&s->most, &most, inside))
            ;
        atomic_fetch_sub(&s->inside, s->count);
        if (crew_semaphore_release(&s->semaphore, (uint32_t)s->count) != 0)
            return 2;
    }
    return 0;
}

START_TEST(no_more_at_once_than_there_are_permits)
{
    static const uint32_t counts[] = { 1, 2 };

    for (unsigned c = 0; c < 2; c++) {
        struct shared *s = make_shared(3, NULL);
        struct crew_semaphore_stats stats;
        crew_process *p[4];

        s->rounds = 5000;
        s->count = counts[c];
        for (unsigned i = 0; i < 4; i++)
            p[i] = start(use, s);
        for (unsigned i = 0; i < 4; i++)
            ck_assert_int_eq(join(p[i]).status, 0);
        ck_assert_uint_le(atomic_load(&s->most), 3 / s->count * s->count);
        ck_assert_uint_eq(crew_semaphore_value(&s->semaphore), 3);
        crew_semaphore_stats(&s->semaphore, &stats);
        ck_assert_uint_eq(stats.acquired, 4 * s->rounds * s->count);
        ck_assert_uint_eq(stats.recovered, 0);
        drop_shared(s);
    }
}
END_TEST

static int hold(crew_task *task)
{
    struct shared *s = shared_of(task);

    if (crew_semaphore_acquire(&s->semaphore, (uint32_t)s->count, CREW_FOREVER) != 0)
        return 1;
    atomic_fetch_add(&s->there, 1);
    for (;;)
        pause();
}

static crew_process *hold_and_wait(struct shared *s)
{
    uint32_t before = atomic_load(&s->there);
    crew_process *p = start(hold, s);

    while (atomic_load(&s->there) == before)
        usleep(100);
    return p;
}

static void kill_it(crew_process *p)
{
    ck_assert_ok(crew_process_kill(p));
    ck_assert_int_eq(join(p).signal, SIGKILL);
}

START_TEST(permits_of_the_dead_come_back)
{
    struct shared *s = make_shared(3, NULL);
    struct crew_semaphore_stats stats;
    crew_process *p;

    s->count = 2;
    p = hold_and_wait(s);
    ck_assert_uint_eq(crew_semaphore_value(&s->semaphore), 1);
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, 2, CREW_NOW), -EAGAIN);
    ck_assert_ok(crew_process_kill(p));
    ck_assert_ok(crew_semaphore_acquire(&s->semaphore, 3, CREW_FOREVER));
    crew_semaphore_stats(&s->semaphore, &stats);
    ck_assert_uint_eq(stats.recovered, 2);
    ck_assert_uint_eq(stats.acquired, 5);
    ck_assert_ok(crew_semaphore_release(&s->semaphore, 3));
    join(p);
    drop_shared(s);
}
END_TEST

static int use_once(crew_task *task)
{
    struct shared *s = shared_of(task);

    atomic_fetch_add(&s->there, 1);
    if (crew_semaphore_acquire(&s->semaphore, 1, CREW_FOREVER) != 0)
        return 1;
    return crew_semaphore_release(&s->semaphore, 1) == 0 ? 0 : 2;
}

START_TEST(one_that_dies_waiting_is_not_missed)
{
    struct shared *s = make_shared(1, NULL);
    crew_process *victim, *other;

    ck_assert_ok(crew_semaphore_acquire(&s->semaphore, 1, CREW_NOW));
    victim = start(use_once, s);
    other = start(use_once, s);
    while (atomic_load(&s->there) < 2)
        usleep(100);
    ck_assert_ok(crew_semaphore_release(&s->semaphore, 1));
    ck_assert_ok(crew_process_kill(victim));
    ck_assert_int_eq(join(other).status, 0);
    join(victim);
    ck_assert_uint_eq(crew_semaphore_value(&s->semaphore), 1);
    drop_shared(s);
}
END_TEST

START_TEST(a_deadline_ends_the_wait)
{
    struct shared *s = make_shared(2, NULL);
    crew_process *p;

    s->count = 2;
    p = hold_and_wait(s);
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, 1, CREW_NOW), -EAGAIN);
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, 1, crew_in_ms(20)), -ETIMEDOUT);
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, 2, crew_in_ms(20)), -ETIMEDOUT);
    ck_assert_int_eq(crew_semaphore_release(&s->semaphore, 1), -EPERM);
    kill_it(p);
    drop_shared(s);
}
END_TEST

START_TEST(what_can_not_be_is_told)
{
    struct shared *s = make_shared(3, NULL);
    crew_semaphore outside;

    ck_assert_int_eq(crew_semaphore_init(&outside, 1, NULL), -EINVAL);
    ck_assert_int_eq(crew_semaphore_init(&s->semaphore, 0, NULL), -EINVAL);
    ck_assert_int_eq(crew_semaphore_init(&s->semaphore, CREW_SEMAPHORE_INSIDE + 1, NULL), -EINVAL);
    ck_assert_int_eq(crew_semaphore_init(&s->semaphore, CREW_SEMAPHORE_MOST + 1, &unowned),
                     -EINVAL);
    ck_assert_int_eq(crew_semaphore_init(&s->semaphore, 1,
                                         &(struct crew_semaphore_options){ .reserved = { 1 } }),
                     -EINVAL);
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, 0, CREW_NOW), -EINVAL);
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, 4, CREW_FOREVER), -EINVAL);
    ck_assert_int_eq(crew_semaphore_release(&s->semaphore, 0), -EINVAL);
    ck_assert_int_eq(crew_semaphore_release(&s->semaphore, 1), -EPERM);
    ck_assert_ok(crew_semaphore_acquire(&s->semaphore, 2, CREW_NOW));
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, 2, CREW_FOREVER), -EDEADLK);
    ck_assert_int_eq(crew_semaphore_release(&s->semaphore, 3), -EPERM);
    ck_assert_ok(crew_semaphore_acquire(&s->semaphore, 1, CREW_FOREVER));
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, 1, CREW_FOREVER), -EDEADLK);
    ck_assert_ok(crew_semaphore_release(&s->semaphore, 3));
    ck_assert_uint_eq(crew_semaphore_value(&s->semaphore), 3);
    drop_shared(s);
}
END_TEST

/* -- unowned ------------------------------------------------------------------------------- */

static int consume(crew_task *task)
{
    struct shared *s = shared_of(task);

    for (uint64_t i = 0; i < s->rounds; i++)
        if (crew_semaphore_acquire(&s->semaphore, (uint32_t)s->count, CREW_FOREVER) != 0)
            return 1;
    return 0;
}

START_TEST(what_one_adds_others_take)
{
    for (uint32_t count = 1; count <= 2; count++) {
        struct shared *s = make_shared(0, &unowned);
        struct crew_semaphore_stats stats;
        crew_process *p[2];

        s->rounds = 5000;
        s->count = count;
        for (unsigned i = 0; i < 2; i++)
            p[i] = start(consume, s);
        for (uint64_t i = 0; i < 2 * s->rounds * count; i++)
            ck_assert_ok(crew_semaphore_release(&s->semaphore, 1));
        for (unsigned i = 0; i < 2; i++)
            ck_assert_int_eq(join(p[i]).status, 0);
        ck_assert_uint_eq(crew_semaphore_value(&s->semaphore), 0);
        crew_semaphore_stats(&s->semaphore, &stats);
        ck_assert_uint_eq(stats.acquired, 2 * s->rounds * count);
        drop_shared(s);
    }
}
END_TEST

START_TEST(one_acquires_and_another_releases_what_has_no_owner)
{
    struct shared *s = make_shared(1, &unowned);
    crew_process *p;

    s->count = 1;
    p = hold_and_wait(s);
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, 1, CREW_NOW), -EAGAIN);
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, 1, crew_in_ms(20)), -ETIMEDOUT);
    kill_it(p);
    ck_assert_uint_eq(crew_semaphore_value(&s->semaphore), 0);
    ck_assert_ok(crew_semaphore_release(&s->semaphore, 3));
    ck_assert_ok(crew_semaphore_acquire(&s->semaphore, 3, CREW_NOW));
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, 0, CREW_NOW), -EINVAL);
    ck_assert_int_eq(crew_semaphore_release(&s->semaphore, 0), -EINVAL);
    ck_assert_ok(crew_semaphore_release(&s->semaphore, CREW_SEMAPHORE_MOST));
    ck_assert_int_eq(crew_semaphore_release(&s->semaphore, 1), -EOVERFLOW);
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, CREW_SEMAPHORE_MOST + 1, CREW_NOW),
                     -EINVAL);
    drop_shared(s);
}
END_TEST

START_TEST(bounded_is_bounded)
{
    struct shared *s =
        make_shared(2, &(struct crew_semaphore_options){ .unowned = true, .bounded = true });

    ck_assert_int_eq(crew_semaphore_release(&s->semaphore, 1), -EOVERFLOW);
    ck_assert_ok(crew_semaphore_acquire(&s->semaphore, 1, CREW_NOW));
    ck_assert_int_eq(crew_semaphore_release(&s->semaphore, 2), -EOVERFLOW);
    ck_assert_ok(crew_semaphore_release(&s->semaphore, 1));
    ck_assert_uint_eq(crew_semaphore_value(&s->semaphore), 2);
    ck_assert_int_eq(crew_semaphore_acquire(&s->semaphore, 3, CREW_FOREVER), -EINVAL);
    drop_shared(s);
}
END_TEST

/* -- storage ------------------------------------------------------------------------------- */

START_TEST(many_permits_with_owners)
{
    struct crew_memory_stats before;
    crew_semaphore *many;

    ck_assert_ok(crew_init(NULL));
    before = watch_memory();
    ck_assert_int_eq(crew_semaphore_open(&many, CREW_SEMAPHORE_OWNED + 1, NULL), -EINVAL);
    ck_assert_ok(crew_semaphore_open(&many, CREW_SEMAPHORE_OWNED, NULL));
    ck_assert_ok(crew_semaphore_acquire(many, CREW_SEMAPHORE_OWNED - 1, CREW_NOW));
    ck_assert_ok(crew_semaphore_acquire(many, 1, CREW_NOW));
    ck_assert_uint_eq(crew_semaphore_value(many), 0);
    ck_assert_ok(crew_semaphore_release(many, CREW_SEMAPHORE_OWNED));
    ck_assert_uint_eq(crew_semaphore_value(many), CREW_SEMAPHORE_OWNED);
    crew_semaphore_close(many);
    crew_semaphore_close(NULL);
    crew_semaphore_fini(NULL);
    ck_assert_uint_eq(watch_memory().blocks, before.blocks);
}
END_TEST

UNIT_TESTS("semaphore", no_more_at_once_than_there_are_permits, permits_of_the_dead_come_back,
           one_that_dies_waiting_is_not_missed, a_deadline_ends_the_wait, what_can_not_be_is_told,
           what_one_adds_others_take, one_acquires_and_another_releases_what_has_no_owner,
           bounded_is_bounded, many_permits_with_owners)
