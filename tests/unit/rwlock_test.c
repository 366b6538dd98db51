/* rwlock_test.c - Description: processes that read and write at once: one would see what is half written, or
 * wait for the dead. */
#include "members.h"
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

struct shared {
    crew_rwlock lock;
    volatile uint64_t one, other;
    _Atomic uint32_t there, go;
    uint64_t rounds;
    bool mended;
};

static struct shared *make_shared(const struct crew_lock_options *options)
{
    void *block;
    struct shared *s;

    ck_assert_ok(crew_memory_alloc(&block, sizeof *s));
    s = memset(block, 0, sizeof *s);
    ck_assert_ok(crew_rwlock_init(&s->lock, options));
    return s;
}

static void drop_shared(struct shared *s)
{
    crew_rwlock_fini(&s->lock);
    crew_memory_free(s);
}

static int read_often(crew_task *task)
{
    struct shared *s = shared_of(task);

    for (uint64_t i = 0; i < s->rounds; i++) {
        if (crew_rwlock_acquire_read(&s->lock, CREW_FOREVER) != 0)
            return 1;
        if (s->one != s->other || crew_rwlock_release(&s->lock) != 0)
            return 2;
    }
    return 0;
}

static int write_often(crew_task *task)
{
    struct shared *s = shared_of(task);

    for (uint64_t i = 0; i < s->rounds; i++) {
        if (crew_rwlock_acquire_write(&s->lock, CREW_FOREVER) != 0)
            return 1;
        s->one++;
        s->other++;
        if (i % 4 == 0 && crew_rwlock_downgrade(&s->lock) != 0)
            return 2;
        if (s->one != s->other || crew_rwlock_release(&s->lock) != 0)
            return 3;
    }
    return 0;
}

START_TEST(processes_read_and_write_and_nothing_is_half_seen)
{
    struct shared *s = make_shared(NULL);
    struct crew_rwlock_stats stats;
    crew_process *p[4];

    s->rounds = 5000;
    for (unsigned i = 0; i < 4; i++)
        p[i] = start(i < 2 ? read_often : write_often, s);
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(join(p[i]).status, 0);
    ck_assert_uint_eq(s->one, 2 * s->rounds);
    crew_rwlock_stats(&s->lock, &stats);
    ck_assert_uint_eq(stats.writes, 2 * s->rounds);
    ck_assert_uint_eq(stats.reads, 2 * s->rounds + 2 * s->rounds / 4);
    ck_assert_uint_eq(stats.reading, 0);
    ck_assert_uint_eq(stats.died, 0);
    drop_shared(s);
}
END_TEST

static int stay(struct shared *s, int r)
{
    if (r != 0)
        return 1;
    atomic_fetch_add(&s->there, 1);
    while (atomic_load(&s->go) == 0)
        usleep(100);
    return crew_rwlock_release(&s->lock) == 0 ? 0 : 2;
}

static int hold_to_read(crew_task *task)
{
    struct shared *s = shared_of(task);

    return stay(s, crew_rwlock_acquire_read(&s->lock, CREW_FOREVER));
}

static int hold_to_write(crew_task *task)
{
    struct shared *s = shared_of(task);
    int r = crew_rwlock_acquire_write(&s->lock, CREW_FOREVER);

    s->one++; /* half of it */
    return stay(s, r);
}

static crew_process *hold(struct shared *s, crew_function *function)
{
    uint32_t before = atomic_load(&s->there);
    crew_process *p = start(function, s);

    while (atomic_load(&s->there) == before)
        usleep(100);
    return p;
}

START_TEST(many_read_at_once_and_a_writer_waits)
{
    struct shared *s = make_shared(NULL);
    crew_process *p[2] = { hold(s, hold_to_read), hold(s, hold_to_read) };
    struct crew_rwlock_stats stats;

    ck_assert_ok(crew_rwlock_acquire_read(&s->lock, CREW_NOW));
    crew_rwlock_stats(&s->lock, &stats);
    ck_assert_uint_eq(stats.reading, 3);
    ck_assert_ok(crew_rwlock_release(&s->lock));
    ck_assert_int_eq(crew_rwlock_acquire_write(&s->lock, CREW_NOW), -EAGAIN);
    ck_assert_int_eq(crew_rwlock_acquire_write(&s->lock, crew_in_ms(20)), -ETIMEDOUT);
    ck_assert_ok(crew_rwlock_acquire_read(
        &s->lock, CREW_NOW)); /* the writer that gave up is not in the way */
    ck_assert_ok(crew_rwlock_release(&s->lock));
    atomic_store(&s->go, 1);
    ck_assert_ok(crew_rwlock_acquire_write(&s->lock, CREW_FOREVER));
    ck_assert_ok(crew_rwlock_release(&s->lock));
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(join(p[i]).status, 0);
    drop_shared(s);
}
END_TEST

START_TEST(who_reads_waits_for_a_writer_until_the_deadline)
{
    struct shared *s = make_shared(NULL);
    crew_process *p = hold(s, hold_to_write);
    struct crew_owner owner;

    ck_assert_int_eq(crew_rwlock_acquire_read(&s->lock, CREW_NOW), -EAGAIN);
    ck_assert_int_eq(crew_rwlock_acquire_read(&s->lock, crew_in_ms(20)), -ETIMEDOUT);
    ck_assert_int_eq(crew_rwlock_acquire_write(&s->lock, crew_in_ms(20)), -ETIMEDOUT);
    ck_assert_ok(crew_rwlock_owner(&s->lock, false, &owner));
    ck_assert_int_eq(owner.pid, crew_process_pid(p));
    ck_assert_int_eq(crew_rwlock_release(&s->lock), -EPERM);
    atomic_store(&s->go, 1);
    ck_assert_ok(crew_rwlock_acquire_read(&s->lock, CREW_FOREVER));
    ck_assert_uint_eq(s->one, 1);
    ck_assert_ok(crew_rwlock_release(&s->lock));
    ck_assert_int_eq(join(p).status, 0);
    drop_shared(s);
}
END_TEST

static int write_once(crew_task *task)
{
    struct shared *s = shared_of(task);

    atomic_fetch_add(&s->there, 1);
    if (crew_rwlock_acquire_write(&s->lock, CREW_FOREVER) != 0)
        return 1;
    s->one++;
    s->other++;
    return crew_rwlock_release(&s->lock) == 0 ? 0 : 2;
}

START_TEST(readers_that_come_do_not_starve_a_writer)
{
    struct shared *s = make_shared(NULL);
    crew_process *reader = hold(s, hold_to_read), *writer = start(write_once, s);
    struct crew_owner owner;

    while (crew_rwlock_owner(&s->lock, false, &owner) != 0)
        usleep(100);
    ck_assert_int_eq(crew_rwlock_acquire_read(&s->lock, CREW_NOW), -EAGAIN);
    atomic_store(&s->go, 1);
    ck_assert_ok(crew_rwlock_acquire_read(&s->lock, CREW_FOREVER));
    ck_assert_uint_eq(s->one, 1);
    ck_assert_ok(crew_rwlock_release(&s->lock));
    ck_assert_int_eq(join(reader).status, 0);
    ck_assert_int_eq(join(writer).status, 0);
    drop_shared(s);
}
END_TEST

static void kill_it(crew_process *p)
{
    ck_assert_ok(crew_process_kill(p));
    ck_assert_int_eq(join(p).signal, SIGKILL);
}

START_TEST(a_dead_reader_blocks_no_writer)
{
    struct shared *s = make_shared(NULL);
    crew_process *p = hold(s, hold_to_read);

    ck_assert_ok(crew_process_kill(p));
    ck_assert_ok(crew_rwlock_acquire_write(&s->lock, CREW_FOREVER));
    ck_assert_ok(crew_rwlock_release(&s->lock));
    join(p);
    drop_shared(s);
}
END_TEST

START_TEST(one_that_dies_waiting_for_readers_has_hurt_nothing)
{
    struct shared *s = make_shared(NULL);
    crew_process *writer;
    struct crew_owner owner;

    ck_assert_ok(crew_rwlock_acquire_read(&s->lock, CREW_NOW));
    writer = start(write_once, s);
    while (crew_rwlock_owner(&s->lock, false, &owner) != 0)
        usleep(100);
    kill_it(writer);
    ck_assert_ok(crew_rwlock_release(&s->lock));
    ck_assert_ok(crew_rwlock_acquire_read(&s->lock, CREW_NOW));
    ck_assert_ok(crew_rwlock_release(&s->lock));
    ck_assert_ok(crew_rwlock_acquire_write(&s->lock, CREW_NOW));
    ck_assert_ok(crew_rwlock_release(&s->lock));
    drop_shared(s);
}
END_TEST

START_TEST(a_dead_writer_hands_it_on_to_write_whoever_comes)
{
    for (unsigned reads = 0; reads < 2; reads++) {
        struct shared *s = make_shared(NULL);
        crew_process *p = hold(s, hold_to_write);
        pid_t pid = crew_process_pid(p);
        struct crew_rwlock_stats stats;
        struct crew_owner owner;

        ck_assert_ok(crew_process_kill(p));
        ck_assert_int_eq(reads ? crew_rwlock_acquire_read(&s->lock, CREW_FOREVER)
                               : crew_rwlock_acquire_write(&s->lock, CREW_FOREVER),
                         CREW_EOWNERDEAD);
        ck_assert_ok(crew_rwlock_owner(&s->lock, true, &owner));
        ck_assert_int_eq(owner.pid, pid);
        ck_assert_int_eq(crew_rwlock_downgrade(&s->lock), -EINVAL);
        s->other = s->one;
        ck_assert_ok(crew_rwlock_consistent(&s->lock));
        ck_assert_int_eq(crew_rwlock_consistent(&s->lock), -EINVAL);
        ck_assert_ok(crew_rwlock_downgrade(&s->lock));
        ck_assert_ok(crew_rwlock_release(&s->lock));
        ck_assert_ok(crew_rwlock_acquire_read(&s->lock, CREW_NOW));
        ck_assert_ok(crew_rwlock_release(&s->lock));
        crew_rwlock_stats(&s->lock, &stats);
        ck_assert_uint_eq(stats.died, 1);
        join(p);
        drop_shared(s);
    }
}
END_TEST

START_TEST(what_nobody_mended_is_broken_for_all)
{
    struct shared *s = make_shared(NULL);
    crew_process *p = hold(s, hold_to_write);

    kill_it(p);
    ck_assert_int_eq(crew_rwlock_acquire_read(&s->lock, CREW_FOREVER), CREW_EOWNERDEAD);
    ck_assert_ok(crew_rwlock_release(&s->lock));
    ck_assert_int_eq(crew_rwlock_acquire_read(&s->lock, CREW_FOREVER), -ENOTRECOVERABLE);
    ck_assert_int_eq(crew_rwlock_acquire_read(&s->lock, CREW_NOW), -ENOTRECOVERABLE);
    ck_assert_int_eq(crew_rwlock_acquire_write(&s->lock, CREW_FOREVER), -ENOTRECOVERABLE);
    ck_assert_int_eq(crew_rwlock_release(&s->lock), -EPERM);
    drop_shared(s);
}
END_TEST

static int mend(void *context)
{
    struct shared *s = *(struct shared **)context;

    s->other = s->one;
    s->mended = true;
    return 0;
}

START_TEST(a_repair_function_mends_and_a_reader_reads)
{
    static struct shared *s;
    struct crew_rwlock_stats stats;

    s = make_shared(&(struct crew_lock_options){ .repair = mend, .context = &s, .name = "mended" });
    kill_it(hold(s, hold_to_write));
    ck_assert_ok(crew_rwlock_acquire_read(&s->lock, CREW_FOREVER));
    ck_assert(s->mended);
    ck_assert_uint_eq(s->one, s->other);
    crew_rwlock_stats(&s->lock, &stats);
    ck_assert_uint_eq(stats.reading, 1);
    ck_assert_ok(crew_rwlock_release(&s->lock));
    drop_shared(s);
}
END_TEST

START_TEST(what_can_not_be_is_told)
{
    struct shared *s = make_shared(NULL);
    struct crew_owner owner;
    static crew_rwlock outside;

    ck_assert_int_eq(crew_rwlock_init(&outside, NULL), -EINVAL);
    ck_assert_int_eq(crew_rwlock_init(&s->lock, &(struct crew_lock_options){ .reserved = { 1 } }),
                     -EINVAL);
    ck_assert_ok(crew_rwlock_init(&s->lock, NULL));
    ck_assert_int_eq(crew_rwlock_owner(&s->lock, false, &owner), -ESRCH);
    ck_assert_ok(crew_rwlock_acquire_read(&s->lock, CREW_NOW));
    ck_assert_int_eq(crew_rwlock_acquire_read(&s->lock, CREW_FOREVER), -EDEADLK);
    ck_assert_int_eq(crew_rwlock_acquire_write(&s->lock, CREW_FOREVER), -EDEADLK);
    ck_assert_int_eq(crew_rwlock_downgrade(&s->lock), -EPERM);
    ck_assert_int_eq(crew_rwlock_consistent(&s->lock), -EPERM);
    ck_assert_ok(crew_rwlock_release(&s->lock));
    ck_assert_int_eq(crew_rwlock_release(&s->lock), -EPERM);
    ck_assert_ok(crew_rwlock_acquire_write(&s->lock, CREW_NOW));
    ck_assert_int_eq(crew_rwlock_acquire_read(&s->lock, CREW_FOREVER), -EDEADLK);
    ck_assert_int_eq(crew_rwlock_acquire_write(&s->lock, CREW_FOREVER), -EDEADLK);
    ck_assert_int_eq(crew_rwlock_consistent(&s->lock), -EINVAL);
    ck_assert_ok(crew_rwlock_release(&s->lock));
    drop_shared(s);
}
END_TEST

START_TEST(it_outlives_who_opened_it)
{
    struct crew_memory_stats before;
    struct crew_rwlock_stats stats;
    crew_rwlock *lock;

    ck_assert_ok(crew_init(NULL));
    before = watch_memory();
    ck_assert_ok(crew_rwlock_open(&lock, &(struct crew_lock_options){ .timed = true }));
    ck_assert_ok(crew_rwlock_acquire_write(lock, CREW_FOREVER));
    ck_assert_ok(crew_rwlock_release(lock));
    crew_rwlock_stats(lock, &stats);
    ck_assert_int_gt(stats.held, 0);
    ck_assert_int_eq(stats.held, stats.longest_held);
    crew_rwlock_close(lock);
    crew_rwlock_close(NULL);
    crew_rwlock_fini(NULL);
    ck_assert_uint_eq(watch_memory().blocks, before.blocks);
}
END_TEST

UNIT_TESTS("rwlock", processes_read_and_write_and_nothing_is_half_seen,
           many_read_at_once_and_a_writer_waits, who_reads_waits_for_a_writer_until_the_deadline,
           readers_that_come_do_not_starve_a_writer, a_dead_reader_blocks_no_writer,
           one_that_dies_waiting_for_readers_has_hurt_nothing,
           a_dead_writer_hands_it_on_to_write_whoever_comes, what_nobody_mended_is_broken_for_all,
           a_repair_function_mends_and_a_reader_reads, what_can_not_be_is_told,
           it_outlives_who_opened_it)
