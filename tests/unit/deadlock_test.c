/* deadlock_test.c - Description: if one of these failed, processes that wait for each other would wait in
 * silence, or one that waits for nobody would be told that it can't go on. */
#include "members.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { RING = 3 };

struct shared {
    crew_lock lock[RING];
    crew_rlock rlock;
    crew_semaphore *semaphore;
    crew_rwlock *rwlock;
    crew_latch all;
    _Atomic uint32_t number;
};

static struct shared *make_shared(uint32_t processes)
{
    static const char *const names[RING] = { "first", "second", "third" };
    void *block;
    struct shared *s;

    ck_assert_ok(crew_memory_alloc(&block, sizeof *s));
    s = memset(block, 0, sizeof *s);
    for (unsigned i = 0; i < RING; i++)
        ck_assert_ok(crew_lock_init(&s->lock[i], &(struct crew_lock_options){ .name = names[i] }));
    ck_assert_ok(crew_rlock_init(&s->rlock, &(struct crew_lock_options){ .name = "again" }));
    ck_assert_ok(crew_latch_init(&s->all, processes));
    return s;
}

/* Waits until all have the first of what they want. */
static int all_there(struct shared *s)
{
    crew_latch_count_down(&s->all, 1);
    return crew_latch_wait(&s->all, CREW_FOREVER);
}

static int hold_one_and_want(struct shared *s, unsigned has, unsigned wants, crew_time deadline)
{
    if (crew_lock_acquire(&s->lock[has], CREW_FOREVER) != 0 || all_there(s) != 0)
        return 1;
    return crew_lock_acquire(&s->lock[wants], deadline) < 0 ? pause() : 2; /* whoever dies first is inherited from */
}

static int ring_0(crew_task *task) { return hold_one_and_want(shared_of(task), 0, 1, CREW_FOREVER); }
static int ring_1(crew_task *task) { return hold_one_and_want(shared_of(task), 1, 2, CREW_FOREVER); }
static int ring_2(crew_task *task) { return hold_one_and_want(shared_of(task), 2, 0, CREW_FOREVER); }
static int cross_1(crew_task *task) { return hold_one_and_want(shared_of(task), 1, 0, CREW_FOREVER); }

static void end(crew_process *p)
{
    ck_assert_ok(crew_process_kill(p));
    ck_assert_int_eq(join(p).signal, SIGKILL);
}

/* Asks until a cycle is there: the others are on their way into it. */
static void wait_for_cycle(struct crew_deadlock *cycle)
{
    int r;

    while ((r = crew_deadlock_report(cycle)) == -ENOENT)
        usleep(1000);
    ck_assert_ok(r);
}

START_TEST(three_in_a_ring_are_found_on_demand)
{
    struct shared *s = make_shared(RING);
    crew_process *p[RING] = { start(ring_0, s), start(ring_1, s), start(ring_2, s) };
    struct crew_deadlock cycle;
    char text[1000];

    wait_for_cycle(&cycle);
    ck_assert_uint_eq(cycle.count, RING);
    for (unsigned i = 0; i < RING; i++) {
        unsigned at = 0;

        while (at < RING && crew_process_pid(p[at]) != cycle.thread[i].pid)
            at++;
        ck_assert_uint_lt(at, RING);
        ck_assert_str_eq(cycle.thread[i].noun, "lock");
        ck_assert_str_eq(cycle.thread[i].process, "crew-process");
        ck_assert_str_eq(cycle.thread[i].object, at == 0 ? "second" : at == 1 ? "third" : "first");
        ck_assert_ptr_eq(cycle.thread[i].address, &s->lock[(at + 1) % RING]);
    }
    ck_assert_uint_eq(crew_deadlock_text(&cycle, text, sizeof text), strlen(text));
    ck_assert_ptr_nonnull(strstr(text, "waits for lock \"first\""));
    ck_assert_uint_gt(crew_deadlock_text(&cycle, text, 20), 20);
    ck_assert_uint_eq(strlen(text), 19);
    for (unsigned i = 0; i < RING; i++)
        end(p[i]);
    ck_assert_error(crew_deadlock_report(&cycle), -ENOENT);
}
END_TEST

START_TEST(who_is_in_a_cycle_hears_of_it_at_its_deadline)
{
    struct shared *s = make_shared(2);
    struct crew_deadlock cycle;
    crew_process *p;

    ck_assert_error(crew_deadlock_last(&cycle), -ENOENT);
    ck_assert_ok(crew_lock_acquire(&s->lock[0], CREW_NOW));
    p = start(cross_1, s);
    ck_assert_ok(all_there(s));
    while (crew_lock_acquire(&s->lock[1], crew_in_ms(1)) != CREW_EDEADLOCK) /* until it sleeps, too */
        ;
    ck_assert_ok(crew_deadlock_last(&cycle));
    ck_assert_uint_eq(cycle.count, 2);
    ck_assert_int_eq(cycle.thread[0].pid, getpid());
    ck_assert_str_eq(cycle.thread[0].object, "second");
    ck_assert_int_eq(cycle.thread[1].pid, crew_process_pid(p));
    ck_assert_str_eq(cycle.thread[1].object, "first");
    ck_assert_error(crew_deadlock_report(&cycle), -ENOENT); /* we wait no more */
    end(p);
}
END_TEST

static int hold(crew_task *task)
{
    struct shared *s = shared_of(task);

    return crew_lock_acquire(&s->lock[0], CREW_FOREVER) != 0 || all_there(s) != 0 || pause();
}

START_TEST(who_waits_for_somebody_that_waits_for_nobody_is_in_no_cycle)
{
    struct shared *s = make_shared(2);
    struct crew_deadlock cycle;
    crew_process *p = start(hold, s);

    ck_assert_ok(all_there(s));
    ck_assert_error(crew_lock_acquire(&s->lock[0], crew_in_ms(1)), -ETIMEDOUT);
    ck_assert_error(crew_deadlock_last(&cycle), -ENOENT);
    ck_assert_error(crew_deadlock_report(&cycle), -ENOENT);
    end(p);
}
END_TEST

static int semaphore_then_rlock(crew_task *task)
{
    struct shared *s = shared_of(task);

    if (crew_semaphore_acquire(s->semaphore, 1, CREW_FOREVER) != 0 || all_there(s) != 0)
        return 1;
    return crew_rlock_acquire(&s->rlock, CREW_FOREVER);
}

START_TEST(a_cycle_may_go_through_an_rlock_and_a_semaphore)
{
    struct shared *s = make_shared(2);
    struct crew_deadlock cycle;
    crew_process *p;
    int r;

    ck_assert_ok(crew_semaphore_open(&s->semaphore, 1, NULL));
    ck_assert_ok(crew_rlock_acquire(&s->rlock, CREW_NOW));
    ck_assert_ok(crew_rlock_acquire(&s->rlock, CREW_NOW));
    p = start(semaphore_then_rlock, s);
    ck_assert_ok(all_there(s));
    while ((r = crew_semaphore_acquire(s->semaphore, 1, crew_in_ms(1))) == -ETIMEDOUT)
        ;
    ck_assert_int_eq(r, CREW_EDEADLOCK);
    ck_assert_ok(crew_deadlock_last(&cycle));
    ck_assert_uint_eq(cycle.count, 2);
    ck_assert_str_eq(cycle.thread[0].noun, "semaphore");
    ck_assert_str_eq(cycle.thread[1].noun, "lock");
    ck_assert_str_eq(cycle.thread[1].object, "again");
    end(p);
}
END_TEST

static int read_then_lock(crew_task *task)
{
    struct shared *s = shared_of(task);

    if (crew_rwlock_acquire_read(s->rwlock, CREW_FOREVER) != 0 || all_there(s) != 0)
        return 1;
    return crew_lock_acquire(&s->lock[0], CREW_FOREVER);
}

START_TEST(a_cycle_may_go_through_a_reader)
{
    struct shared *s = make_shared(2);
    struct crew_deadlock cycle;
    crew_process *p;
    int r;

    ck_assert_ok(crew_rwlock_open(&s->rwlock, &(struct crew_lock_options){ .name = "table" }));
    ck_assert_ok(crew_lock_acquire(&s->lock[0], CREW_NOW));
    p = start(read_then_lock, s);
    ck_assert_ok(all_there(s));
    while ((r = crew_rwlock_acquire_write(s->rwlock, crew_in_ms(1))) == -ETIMEDOUT)
        ;
    ck_assert_int_eq(r, CREW_EDEADLOCK);
    ck_assert_ok(crew_deadlock_last(&cycle));
    ck_assert_uint_eq(cycle.count, 2);
    ck_assert_str_eq(cycle.thread[0].noun, "rwlock");
    end(p);
}
END_TEST

/* Always in the same order: never a cycle, whatever is read in the middle of it. */
static int take_in_order(crew_task *task)
{
    struct shared *s = shared_of(task);

    for (unsigned i = 0; i < 20000; i++) {
        unsigned first = i % RING, second = (i + 1) % RING;

        if (first > second) {
            unsigned swap = first;

            first = second;
            second = swap;
        }
        if (crew_lock_acquire(&s->lock[first], CREW_FOREVER) != 0 ||
            crew_lock_acquire(&s->lock[second], CREW_FOREVER) != 0)
            return 1;
        crew_lock_release(&s->lock[second]);
        crew_lock_release(&s->lock[first]);
    }
    return 0;
}

START_TEST(no_cycle_is_told_of_that_is_not_there)
{
    struct shared *s = make_shared(1);
    crew_process *p[RING] = { start(take_in_order, s), start(take_in_order, s), start(take_in_order, s) };
    struct crew_deadlock cycle;

    for (unsigned i = 0; i < RING; i++) {
        while (crew_process_alive(p[i]))
            ck_assert_error(crew_deadlock_report(&cycle), -ENOENT);
        ck_assert_int_eq(join(p[i]).status, 0);
    }
}
END_TEST

UNIT_TESTS("deadlock", three_in_a_ring_are_found_on_demand, who_is_in_a_cycle_hears_of_it_at_its_deadline,
           who_waits_for_somebody_that_waits_for_nobody_is_in_no_cycle,
           a_cycle_may_go_through_an_rlock_and_a_semaphore, a_cycle_may_go_through_a_reader,
           no_cycle_is_told_of_that_is_not_there)
