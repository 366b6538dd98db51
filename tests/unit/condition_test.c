/* condition_test.c - notifications between processes, and what comes of them when some die. */
#include "members.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

struct shared {
    crew_lock lock;
    crew_condition condition;
    uint32_t things;
    uint32_t taken, wanted;
    _Atomic uint32_t returned, told;
};

static struct shared *make_shared(void)
{
    void *block;
    struct shared *s;

    ck_assert_ok(crew_memory_alloc(&block, sizeof *s));
    s = memset(block, 0, sizeof *s);
    ck_assert_ok(crew_lock_init(&s->lock, NULL));
    ck_assert_ok(crew_condition_init(&s->condition, &s->lock, NULL));
    return s;
}

static void drop_shared(struct shared *s)
{
    crew_condition_fini(&s->condition);
    crew_lock_fini(&s->lock);
    crew_memory_free(s);
}

/* Returns when so many wait. */
static void await(struct shared *s, uint32_t waiting)
{
    while (crew_condition_waiting(&s->condition) != waiting)
        usleep(100);
}

static void acquire(struct shared *s)
{
    ck_assert_ok(crew_lock_acquire(&s->lock, CREW_FOREVER));
}

static void release(struct shared *s)
{
    ck_assert_ok(crew_lock_release(&s->lock));
}

/* Its exit status: 0 notified, 1 told of a death, 2 beyond repair, 3 anything else. */
static int wait_once(crew_task *task)
{
    struct shared *s = shared_of(task);
    int r = crew_lock_acquire(&s->lock, CREW_FOREVER);

    if (r < 0)
        return 3;
    r = crew_condition_wait(&s->condition, CREW_FOREVER);
    if (r == -ENOTRECOVERABLE)
        return 2;
    if (r == CREW_EOWNERDEAD && crew_lock_consistent(&s->lock) < 0)
        return 3;
    atomic_fetch_add(&s->returned, 1);
    if (crew_lock_release(&s->lock) < 0)
        return 3;
    return r == 0 ? 0 : r == CREW_EOWNERDEAD ? 1 : 3;
}

static bool there_is_one(void *context)
{
    return ((struct shared *)context)->things > 0;
}

static int take_all(crew_task *task)
{
    struct shared *s = shared_of(task);

    for (;;) {
        if (crew_lock_acquire(&s->lock, CREW_FOREVER) != 0 ||
            crew_condition_wait_for(&s->condition, there_is_one, s, CREW_FOREVER) != 0)
            return 1;
        s->things--;
        if (++s->taken >= s->wanted) {
            s->things++; /* for the others, to end */
            crew_condition_notify_all(&s->condition);
            return crew_lock_release(&s->lock);
        }
        if (crew_lock_release(&s->lock) != 0)
            return 2;
    }
}

START_TEST(what_one_process_puts_others_take)
{
    struct shared *s = make_shared();
    crew_process *p[3];

    s->wanted = 5000;
    for (unsigned i = 0; i < 3; i++)
        p[i] = start(take_all, s);
    for (unsigned i = 0; i < s->wanted; i++) {
        acquire(s);
        s->things++;
        ck_assert_ok(crew_condition_notify(&s->condition, 1));
        release(s);
    }
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(join(p[i]).status, 0);
    ck_assert_uint_ge(s->taken, s->wanted);
    ck_assert_uint_eq(crew_condition_waiting(&s->condition), 0);
    drop_shared(s);
}
END_TEST

START_TEST(who_dies_waiting_is_passed_over)
{
    struct shared *s = make_shared();
    crew_process *dead = start(wait_once, s), *live;

    await(s, 1);
    live = start(wait_once, s);
    await(s, 2);
    ck_assert_ok(crew_process_kill(dead));
    join(dead);
    ck_assert_uint_eq(crew_condition_waiting(&s->condition), 1);
    acquire(s);
    ck_assert_ok(crew_condition_notify(&s->condition, 1));
    release(s);
    ck_assert_int_eq(join(live).status, 0);
    drop_shared(s);
}
END_TEST

START_TEST(all_may_have_died_waiting)
{
    struct shared *s = make_shared();
    crew_process *dead[3];

    for (unsigned i = 0; i < 3; i++)
        dead[i] = start(wait_once, s);
    await(s, 3);
    for (unsigned i = 0; i < 3; i++) {
        ck_assert_ok(crew_process_kill(dead[i]));
        join(dead[i]);
    }
    for (unsigned i = 0; i < 20; i++) {
        acquire(s);
        ck_assert_ok(i % 2 ? crew_condition_notify(&s->condition, 2)
                           : crew_condition_notify_all(&s->condition));
        release(s);
    }
    drop_shared(s);
}
END_TEST

START_TEST(who_dies_notified_passes_it_on)
{
    struct shared *s = make_shared();
    crew_process *dead = start(wait_once, s), *live;

    await(s, 1);
    live = start(wait_once, s);
    await(s, 2);
    acquire(s); /* nobody returns before it is given back */
    ck_assert_ok(crew_condition_notify(&s->condition, 1));
    ck_assert_uint_eq(crew_condition_waiting(&s->condition), 1);
    ck_assert_ok(crew_process_kill(dead));
    ck_assert_int_eq(join(dead).signal, SIGKILL);
    release(s);
    ck_assert_int_eq(join(live).status, 0);
    ck_assert_uint_eq(atomic_load(&s->returned), 1);
    drop_shared(s);
}
END_TEST

START_TEST(what_the_dead_leave_is_not_for_who_comes_later)
{
    struct shared *s = make_shared();
    crew_process *dead = start(wait_once, s);

    await(s, 1);
    acquire(s);
    ck_assert_ok(crew_condition_notify(&s->condition, 1));
    ck_assert_ok(crew_process_kill(dead));
    join(dead);
    ck_assert_int_eq(crew_condition_wait(&s->condition, crew_in_ms(20)), -ETIMEDOUT);
    release(s);
    drop_shared(s);
}
END_TEST

static int put_half(crew_task *task)
{
    struct shared *s = shared_of(task);

    if (crew_lock_acquire(&s->lock, CREW_FOREVER) != 0)
        return 1;
    s->things++; /* and says nothing */
    raise(SIGKILL);
    return 2;
}

START_TEST(who_dies_with_the_lock_wakes_all_that_wait)
{
    struct shared *s = make_shared();
    crew_process *p[3], *dead;
    unsigned told = 0;

    for (unsigned i = 0; i < 3; i++)
        p[i] = start(wait_once, s);
    await(s, 3);
    dead = start(put_half, s);
    ck_assert_int_eq(join(dead).signal, SIGKILL);
    for (unsigned i = 0; i < 3; i++) {
        int status = join(p[i]).status;

        ck_assert_int_le(status, 1);
        told += status == 1;
    }
    ck_assert_uint_eq(told, 1);
    drop_shared(s);
}
END_TEST

START_TEST(who_waits_for_what_nobody_mended_is_told)
{
    struct shared *s = make_shared();
    crew_process *dead, *waits = start(wait_once, s);

    await(s, 1);
    dead = start(put_half, s);
    ck_assert_int_eq(join(dead).signal, SIGKILL);
    if (crew_lock_acquire(&s->lock, CREW_FOREVER) == CREW_EOWNERDEAD) {
        ck_assert_int_eq(crew_condition_wait(&s->condition, CREW_FOREVER), -EINVAL);
        release(s); /* not mended */
        ck_assert_int_eq(join(waits).status, 2);
        ck_assert_int_eq(crew_condition_notify(&s->condition, 1), -EPERM);
    } else {
        ck_assert_int_eq(join(waits).status, 1); /* it was faster, and has mended it */
    }
    drop_shared(s);
}
END_TEST

static int put_and_wait(crew_task *task)
{
    struct shared *s = shared_of(task);

    if (crew_lock_acquire(&s->lock, CREW_FOREVER) != 0)
        return 1;
    s->things = 1;
    crew_condition_notify_all(&s->condition);
    for (;;)
        if (crew_condition_wait(&s->condition, CREW_FOREVER) != 0)
            return 2;
}

START_TEST(many_die_while_they_wait_and_notify)
{
    struct shared *s = make_shared();

    for (unsigned round = 0; round < 60; round++) {
        crew_process *p[2] = { start(put_and_wait, s), start(put_and_wait, s) };
        int r;

        r = crew_lock_acquire(&s->lock, CREW_FOREVER);
        while (r == 0 && s->things == 0)
            r = crew_condition_wait(&s->condition, CREW_FOREVER);
        if (r == CREW_EOWNERDEAD)
            r = crew_lock_consistent(&s->lock);
        ck_assert_int_eq(r, 0);
        s->things = 0;
        release(s);
        for (unsigned i = 0; i < 2; i++) {
            ck_assert_ok(crew_process_kill(p[(i + round) % 2]));
            if (round % 4 < 2)
                join(p[(i + round) % 2]);
        }
        for (unsigned i = 0; i < 2 && round % 4 >= 2; i++)
            join(p[i]);
        r = crew_lock_acquire(&s->lock, CREW_FOREVER);
        if (r == CREW_EOWNERDEAD)
            r = crew_lock_consistent(&s->lock);
        ck_assert_int_eq(r, 0);
        s->things = 0;
        ck_assert_ok(crew_condition_notify_all(&s->condition));
        release(s);
    }
    ck_assert_uint_eq(crew_condition_waiting(&s->condition), 0);
    drop_shared(s);
}
END_TEST

UNIT_TESTS("condition", what_one_process_puts_others_take, who_dies_waiting_is_passed_over,
           all_may_have_died_waiting, who_dies_notified_passes_it_on,
           what_the_dead_leave_is_not_for_who_comes_later,
           who_dies_with_the_lock_wakes_all_that_wait, who_waits_for_what_nobody_mended_is_told,
           many_die_while_they_wait_and_notify)
