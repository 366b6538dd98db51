/* lock_test.c - locks between threads and processes, and what the dead leave of them. */
#include "members.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

struct shared {
    crew_lock lock;
    crew_rlock rlock;
    uint64_t count, other;
    _Atomic uint32_t there;
    uint64_t rounds;
    bool mended;
};

static struct shared *make_shared(const struct crew_lock_options *options)
{
    void *block;
    struct shared *s;

    ck_assert_ok(crew_memory_alloc(&block, sizeof *s));
    s = memset(block, 0, sizeof *s);
    ck_assert_ok(crew_lock_init(&s->lock, options));
    ck_assert_ok(crew_rlock_init(&s->rlock, options));
    return s;
}

static void drop_shared(struct shared *s)
{
    crew_lock_fini(&s->lock);
    crew_rlock_fini(&s->rlock);
    crew_memory_free(s);
}

static int count_up(crew_task *task)
{
    struct shared *s = shared_of(task);

    for (uint64_t i = 0; i < s->rounds; i++) {
        if (crew_lock_acquire(&s->lock, CREW_FOREVER) != 0)
            return 1;
        s->count++;
        s->other++;
        if (s->count != s->other || crew_lock_release(&s->lock) != 0)
            return 2;
    }
    return 0;
}

START_TEST(one_at_a_time_among_processes)
{
    struct shared *s = make_shared(NULL);
    struct crew_lock_stats stats;
    crew_process *p[3];

    s->rounds = 20000;
    for (unsigned i = 0; i < 3; i++)
        p[i] = start(count_up, s);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(join(p[i]).status, 0);
    ck_assert_uint_eq(s->count, 3 * s->rounds);
    crew_lock_stats(&s->lock, &stats);
    ck_assert_uint_eq(stats.acquired, 3 * s->rounds);
    ck_assert_uint_le(stats.contended, stats.acquired);
    drop_shared(s);
}
END_TEST

static void *count_in_thread(void *context)
{
    struct shared *s = context;

    for (uint64_t i = 0; i < s->rounds; i++) {
        ck_assert_ok(crew_rlock_acquire(&s->rlock, CREW_FOREVER));
        ck_assert_ok(crew_rlock_acquire(&s->rlock, CREW_NOW));
        s->count++;
        ck_assert_ok(crew_rlock_release(&s->rlock));
        ck_assert_ok(crew_rlock_release(&s->rlock));
    }
    return NULL;
}

START_TEST(one_at_a_time_among_threads_as_often_as_it_likes)
{
    struct shared *s = make_shared(NULL);
    pthread_t t[2];

    s->rounds = 20000;
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&t[i], NULL, count_in_thread, s), 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(t[i], NULL);
    ck_assert_uint_eq(s->count, 2 * s->rounds);
    ck_assert_int_eq(crew_rlock_release(&s->rlock), -EPERM);
    drop_shared(s);
}
END_TEST

START_TEST(what_can_not_be_is_told)
{
    struct shared *s = make_shared(NULL);
    struct crew_owner owner;
    crew_lock outside;

    ck_assert_int_eq(crew_lock_init(&outside, NULL), -EINVAL);
    ck_assert_int_eq(crew_lock_init(&s->lock, &(struct crew_lock_options){ .reserved = { 1 } }), -EINVAL);
    ck_assert_int_eq(crew_lock_release(&s->lock), -EPERM);
    ck_assert_int_eq(crew_lock_owner(&s->lock, false, &owner), -ESRCH);
    ck_assert_ok(crew_lock_acquire(&s->lock, CREW_NOW));
    ck_assert_int_eq(crew_lock_acquire(&s->lock, CREW_FOREVER), -EDEADLK);
    ck_assert_int_eq(crew_lock_consistent(&s->lock), -EINVAL);
    ck_assert_ok(crew_lock_owner(&s->lock, false, &owner));
    ck_assert_int_eq(owner.pid, getpid());
    ck_assert_ok(crew_lock_release(&s->lock));
    drop_shared(s);
}
END_TEST

static int hold(crew_task *task)
{
    struct shared *s = shared_of(task);

    if (crew_lock_acquire(&s->lock, CREW_FOREVER) != 0)
        return 1;
    s->count++; /* half of it */
    atomic_store(&s->there, 1);
    for (;;)
        pause();
}

static crew_process *hold_and_wait(struct shared *s)
{
    crew_process *p = start(hold, s);

    while (atomic_load(&s->there) == 0)
        usleep(100);
    atomic_store(&s->there, 0);
    return p;
}

START_TEST(a_deadline_ends_the_wait)
{
    struct shared *s = make_shared(NULL);
    crew_process *p = hold_and_wait(s);

    ck_assert_int_eq(crew_lock_acquire(&s->lock, CREW_NOW), -EAGAIN);
    ck_assert_int_eq(crew_lock_acquire(&s->lock, crew_in_ms(20)), -ETIMEDOUT);
    ck_assert_ok(crew_process_kill(p));
    ck_assert_int_eq(join(p).signal, SIGKILL);
    drop_shared(s);
}
END_TEST

START_TEST(the_dead_hand_it_on_with_their_name)
{
    struct shared *s = make_shared(NULL);
    crew_process *p = hold_and_wait(s);
    pid_t pid = crew_process_pid(p);
    struct crew_owner owner;
    struct crew_lock_stats stats;

    ck_assert_ok(crew_process_kill(p));
    ck_assert_int_eq(crew_lock_acquire(&s->lock, CREW_FOREVER), CREW_EOWNERDEAD);
    ck_assert_uint_eq(s->count, s->other + 1);
    ck_assert_ok(crew_lock_owner(&s->lock, true, &owner));
    ck_assert_int_eq(owner.pid, pid);
    s->other++;
    ck_assert_ok(crew_lock_consistent(&s->lock));
    ck_assert_ok(crew_lock_release(&s->lock));
    ck_assert_ok(crew_lock_acquire(&s->lock, CREW_NOW));
    ck_assert_ok(crew_lock_release(&s->lock));
    crew_lock_stats(&s->lock, &stats);
    ck_assert_uint_eq(stats.died, 1);
    join(p);
    drop_shared(s);
}
END_TEST

START_TEST(what_nobody_mended_is_broken_for_all)
{
    struct shared *s = make_shared(NULL);
    crew_process *p = hold_and_wait(s);

    ck_assert_ok(crew_process_kill(p));
    ck_assert_int_eq(crew_lock_acquire(&s->lock, CREW_FOREVER), CREW_EOWNERDEAD);
    ck_assert_ok(crew_lock_release(&s->lock));
    ck_assert_int_eq(crew_lock_acquire(&s->lock, CREW_FOREVER), -ENOTRECOVERABLE);
    ck_assert_int_eq(crew_lock_acquire(&s->lock, CREW_NOW), -ENOTRECOVERABLE);
    join(p);
    drop_shared(s);
}
END_TEST

static int mend(void *context)
{
    struct shared *s = *(struct shared **)context;

    s->other = s->count;
    s->mended = true;
    return 0;
}

START_TEST(a_repair_function_mends_and_nobody_hears_of_it)
{
    static struct shared *s;

    s = make_shared(&(struct crew_lock_options){ .repair = mend, .context = &s, .name = "mended" });
    crew_process *p = hold_and_wait(s);

    ck_assert_ok(crew_process_kill(p));
    ck_assert_ok(crew_lock_acquire(&s->lock, CREW_FOREVER));
    ck_assert(s->mended);
    ck_assert_uint_eq(s->count, s->other);
    ck_assert_ok(crew_lock_release(&s->lock));
    join(p);
    drop_shared(s);
}
END_TEST

static int mend_again(void *context)
{
    struct shared *s = *(struct shared **)context;

    if (crew_rlock_acquire(&s->rlock, CREW_NOW) != 0)
        return 1;
    s->other = s->count;
    return crew_rlock_release(&s->rlock);
}

static int hold_rlock(crew_task *task)
{
    struct shared *s = shared_of(task);

    if (crew_rlock_acquire(&s->rlock, CREW_FOREVER) != 0 || crew_rlock_acquire(&s->rlock, CREW_NOW) != 0)
        return 1;
    s->count++; /* half of it */
    raise(SIGKILL);
    return 0;
}

START_TEST(a_repair_function_may_acquire_what_it_has)
{
    static struct shared *s;

    s = make_shared(NULL);
    ck_assert_ok(crew_rlock_init(&s->rlock,
                                 &(struct crew_lock_options){ .repair = mend_again, .context = &s }));
    ck_assert_int_eq(join(start(hold_rlock, s)).signal, SIGKILL);
    ck_assert_ok(crew_rlock_acquire(&s->rlock, CREW_FOREVER));
    ck_assert_uint_eq(s->count, s->other);
    ck_assert_ok(crew_rlock_release(&s->rlock));
    ck_assert_int_eq(crew_rlock_release(&s->rlock), -EPERM);
    ck_assert_ok(crew_rlock_acquire(&s->rlock, CREW_NOW));
    ck_assert_ok(crew_rlock_release(&s->rlock));
    drop_shared(s);
}
END_TEST

static void *die_with_it(void *context)
{
    ck_assert_ok(crew_lock_acquire(context, CREW_FOREVER));
    return NULL; /* the thread ends */
}

START_TEST(a_thread_that_ends_hands_it_on)
{
    struct shared *s = make_shared(NULL);
    pthread_t t;

    ck_assert_int_eq(pthread_create(&t, NULL, die_with_it, &s->lock), 0);
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    ck_assert_int_eq(crew_lock_acquire(&s->lock, CREW_FOREVER), CREW_EOWNERDEAD);
    ck_assert_ok(crew_lock_consistent(&s->lock));
    ck_assert_ok(crew_lock_release(&s->lock));
    drop_shared(s);
}
END_TEST

enum { MANY = 10000 };

static int hold_many(crew_task *task)
{
    crew_lock *locks = *(crew_lock *const *)task->argument;

    for (unsigned i = 0; i < MANY; i++)
        if (crew_lock_acquire(&locks[i], CREW_NOW) != 0)
            return 1;
    raise(SIGKILL);
    return 0;
}

START_TEST(ten_thousand_held_by_one_are_all_handed_on)
{
    crew_process *p;
    crew_lock *locks;

    ck_assert_ok(crew_memory_alloc((void **)&locks, MANY * sizeof *locks));
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_ok(crew_lock_init(&locks[i], NULL));
    ck_assert_ok(crew_process_start(&p, hold_many, &locks, sizeof locks, NULL));
    ck_assert_int_eq(join(p).signal, SIGKILL);
    for (unsigned i = 0; i < MANY; i++)
        ck_assert_int_eq(crew_lock_acquire(&locks[i], CREW_NOW), CREW_EOWNERDEAD);
    crew_memory_free(locks);
}
END_TEST

START_TEST(it_outlives_who_opened_it)
{
    crew_lock *lock;
    struct crew_lock_stats stats;

    ck_assert_ok(crew_lock_open(&lock, &(struct crew_lock_options){ .timed = true }));
    ck_assert_ok(crew_lock_acquire(lock, CREW_FOREVER));
    ck_assert_ok(crew_lock_release(lock));
    crew_lock_stats(lock, &stats);
    ck_assert_int_gt(stats.held, 0);
    ck_assert_int_eq(stats.held, stats.longest_held);
    crew_lock_close(lock);
    crew_lock_close(NULL);
}
END_TEST

/* Reads the numbers of a lock that others use all the while. */
static int read_numbers(crew_task *task)
{
    struct shared *s = shared_of(task);
    struct crew_lock_stats before = { 0 }, now = { 0 };

    while (now.acquired < 2 * s->rounds) {
        crew_lock_stats(&s->lock, &now);
        if (now.acquired < before.acquired || now.contended < before.contended ||
            now.waited < before.waited || now.longest < before.longest || now.held < before.held)
            return 1;
        before = now;
    }
    return now.held > 0 && now.longest_held > 0 ? 0 : 2;
}

START_TEST(another_process_reads_the_numbers_and_stops_nobody)
{
    struct shared *s = make_shared(&(struct crew_lock_options){ .timed = true });
    crew_process *p[3];

    s->rounds = 20000;
    p[0] = start(read_numbers, s);
    p[1] = start(count_up, s);
    p[2] = start(count_up, s);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(join(p[i]).status, 0);
    drop_shared(s);
}
END_TEST

UNIT_TESTS("lock", one_at_a_time_among_processes, one_at_a_time_among_threads_as_often_as_it_likes,
          what_can_not_be_is_told, a_deadline_ends_the_wait, the_dead_hand_it_on_with_their_name,
          what_nobody_mended_is_broken_for_all, a_repair_function_mends_and_nobody_hears_of_it,
          a_repair_function_may_acquire_what_it_has, a_thread_that_ends_hands_it_on,
          ten_thousand_held_by_one_are_all_handed_on, it_outlives_who_opened_it,
          another_process_reads_the_numbers_and_stops_nobody)
