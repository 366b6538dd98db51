/* rwlock_cases.c - Description: if one of these failed, a writer could wait for a dead reader, a reader see
 * what is half written, a dead writer keep the lock or hand it on without a word, or somebody sleep for
 * ever beside a lock that is free.
 *
 * src/sync/rwlock.c, src/sync/lock.c and src/life/roster.c. The lock guards two counters that are equal
 * whenever nobody writes; who gets it checks that, or was told of a death and mends them. */
#include "cases.h"

#include <sync/rwlock.h>

#include <errno.h>
#include <string.h>

#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))
#define GONE PROCESS(7)

struct notes {
    uint32_t party[DEATH_PROCESSES], root, gone;
    uint32_t a, b;                     /* guarded                                      */
    uint32_t inside;                   /* who writes; left as it is by the dead        */
    uint32_t reading[DEATH_PROCESSES]; /* whether it reads; left as it is by the dead  */
    uint32_t told;                     /* how often somebody was told of a death       */
    uint32_t beside, half;             /* what must never be seen                      */
};

struct arena_of_rwlock {
    struct roster_shm roster;
    struct rwlock_shm lock;
    struct notes notes;
};

static struct arena handle = { .fd = -1 };

static struct arena_of_rwlock *here(void)
{
    return (struct arena_of_rwlock *)(void *)death_arena;
}

/* -- what is there before ------------------------------------------------------------------------- */

static void free_lock(void)
{
    struct arena_of_rwlock *a = here();

    roster_use(&handle, &a->roster);
    memset(&a->lock, 0x5a, sizeof a->lock);
    if (rwlock_init(&a->lock, NULL) != 0 || roster_sit(ROOT, 1, "root") < 0 ||
        roster_sit(GONE, 99, "gone") < 0)
        death_misuse("the roster");
    a->notes.root = party_claim(ROOT);
    a->notes.gone = party_claim(GONE);
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (roster_sit(PROCESS(p), (int)(100 + p), "process") < 0)
            death_misuse("the roster");
        a->notes.party[p] = party_claim(PROCESS(p));
    }
}

/* Somebody died reading; writing, half way; and waiting for the readers to go. */
static void dead_reader(void)
{
    free_lock();
    if (rwlock_acquire_read(&here()->lock, here()->notes.gone, CREW_NOW) != 0)
        death_misuse("the lock");
    roster_died(GONE);
}

static void dead_writer(void)
{
    free_lock();
    if (rwlock_acquire_write(&here()->lock, here()->notes.gone, CREW_NOW) != 0)
        death_misuse("the lock");
    here()->notes.a++;
    roster_died(GONE);
}

static void dead_before_it_wrote(void)
{
    free_lock();
    if (lock_acquire(&here()->lock.writer, here()->notes.gone, CREW_NOW) != 0)
        death_misuse("the lock");
    roster_died(GONE);
}

/* -- what they do ------------------------------------------------------------------------- */

/* A writer, just now. */
static void begin_to_write(unsigned p, int r)
{
    struct notes *n = &here()->notes;

    for (unsigned q = 0; q < DEATH_PROCESSES; q++)
        if (n->reading[q] != 0 && !party_is_dead(n->party[q]))
            n->beside = 1;
    if (r == CREW_EOWNERDEAD) {
        n->told++;
    } else {
        if (n->inside != 0)
            n->beside = 1;
        if (n->a != n->b)
            n->half = 1;
    }
    n->inside = p + 1;
}

static int mend(unsigned p)
{
    struct notes *n = &here()->notes;

    n->b = n->a;
    return rwlock_consistent(&here()->lock, n->party[p]);
}

static int done_reading(unsigned p)
{
    struct notes *n = &here()->notes;

    n->reading[p] = 1;
    if (n->inside != 0)
        n->beside = 1;
    if (n->a != n->b)
        n->half = 1;
    n->reading[p] = 0;
    return rwlock_release(&here()->lock, n->party[p]);
}

static int read_it(unsigned p, crew_time deadline)
{
    struct notes *n = &here()->notes;
    int r = rwlock_acquire_read(&here()->lock, n->party[p], deadline);

    if (r == CREW_EOWNERDEAD) {
        begin_to_write(p, r);
        r = mend(p);
        n->inside = 0;
        if (r == 0)
            r = rwlock_downgrade(&here()->lock, n->party[p]);
    }
    return r < 0 ? r : done_reading(p);
}

static int write_it(unsigned p, crew_time deadline, bool mends, bool reads)
{
    struct notes *n = &here()->notes;
    int r = rwlock_acquire_write(&here()->lock, n->party[p], deadline);

    if (r < 0 && r != CREW_EOWNERDEAD)
        return r;
    begin_to_write(p, r);
    if (r == CREW_EOWNERDEAD) {
        if (!mends)
            return rwlock_release(&here()->lock, n->party[p]);
        r = mend(p);
        if (r < 0)
            return r;
    }
    n->a++;
    n->b++;
    if (n->inside != p + 1)
        n->beside = 1;
    n->inside = 0;
    if (!reads)
        return rwlock_release(&here()->lock, n->party[p]);
    r = rwlock_downgrade(&here()->lock, n->party[p]);
    return r < 0 ? r : done_reading(p);
}

static int read_0(void) { return read_it(0, CREW_FOREVER); }
static int read_1(void) { return read_it(1, CREW_FOREVER); }
static int read_2(void) { return read_it(2, CREW_FOREVER); }
static int write_0(void) { return write_it(0, CREW_FOREVER, true, false); }
static int write_1(void) { return write_it(1, CREW_FOREVER, true, false); }
static int write_and_read_0(void) { return write_it(0, CREW_FOREVER, true, true); }
static int leave_broken_0(void) { return write_it(0, CREW_FOREVER, false, false); }

static int try_to_read_1(void)
{
    int r = read_it(1, CREW_NOW);

    return r == -EAGAIN ? 0 : r;
}

static int try_to_write_1(void)
{
    int r = write_it(1, CREW_NOW, true, false);

    return r == -EAGAIN ? 0 : r;
}

/* -- afterwards --------------------------------------------------------------------------- */

static void recover(unsigned dead)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (dead & 1u << p)
            roster_died(PROCESS(p));
}

static const char *common(const struct death_end *ends, bool may_break)
{
    struct arena_of_rwlock *h = here();
    const char *wrong;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (ends[p].how == DEATH_BLOCKED)
            return "hang: somebody waits for ever";
        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0 &&
            !(may_break && ends[p].result == -ENOTRECOVERABLE))
            return "broken: a call failed";
    }
    if (h->notes.beside)
        return "twice: somebody was there while another wrote";
    if (h->notes.half)
        return "lost: half written, and nobody was told";
    wrong = rwlock_check(&h->lock);
    return wrong ? wrong : roster_check();
}

/* All that it can do, by who is alone with it and writes. */
static const char *check_round(struct rwlock_shm *lock, uint32_t root, uint32_t other)
{
    struct crew_rwlock_stats stats;

    if (rwlock_acquire_write(lock, root, CREW_NOW) != -EDEADLK ||
        rwlock_acquire_read(lock, root, CREW_NOW) != -EDEADLK)
        return "twice: its writer got it again";
    if (other != 0 && rwlock_acquire_read(lock, other, CREW_NOW) != -EAGAIN)
        return "twice: one reads while another writes";
    if (rwlock_downgrade(lock, root) != 0)
        return "a writer can't read";
    if (rwlock_acquire_write(lock, root, CREW_NOW) != -EDEADLK ||
        rwlock_acquire_read(lock, root, CREW_NOW) != -EDEADLK)
        return "twice: its reader got it again";
    if (other != 0 && (rwlock_acquire_write(lock, other, CREW_NOW) != -EAGAIN ||
                       rwlock_acquire_read(lock, other, CREW_NOW) != 0))
        return "two can't read";
    rwlock_numbers(lock, &stats);
    if (stats.reading != (other != 0 ? 2 : 1))
        return "readers are not counted";
    if ((other != 0 && rwlock_release(lock, other) != 0) || rwlock_release(lock, root) != 0)
        return "the lock can't be given back";
    if (rwlock_release(lock, root) != -EPERM || lock_holder(&lock->writer) != 0)
        return "a free lock was given back";
    return rwlock_check(lock);
}

static const char *check(const struct death_end *ends)
{
    struct arena_of_rwlock *h = here();
    const char *wrong = common(ends, false);
    bool died = h->notes.a != h->notes.b || h->notes.inside != 0;
    uint32_t other = 0;
    int r;

    if (wrong)
        return wrong;
    r = rwlock_acquire_write(&h->lock, h->notes.root, CREW_NOW);
    if (r == -EAGAIN)
        return "hang: the lock stays with the dead";
    if (r == 0 && died)
        return "lost: half written, and nobody was told";
    if (r == CREW_EOWNERDEAD) {
        if (rwlock_downgrade(&h->lock, h->notes.root) != -EINVAL)
            return "lost: what is half written is read";
        if (rwlock_consistent(&h->lock, h->notes.root) != 0)
            return "what was mended stays hurt";
        r = 0;
    }
    if (r < 0)
        return "the lock can't be had";
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (ends[p].how == DEATH_RETURNED && !party_is_dead(h->notes.party[p]))
            other = h->notes.party[p];
    return check_round(&h->lock, h->notes.root, other);
}

/* Who died had written nothing. */
static const char *check_whole(const struct death_end *ends)
{
    bool killed = false;

    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        killed = killed || ends[p].how == DEATH_KILLED;
    if (!killed && here()->notes.told != 0)
        return "broken: told of a death that has hurt nothing";
    return check(ends);
}

/* Left broken by process 0, unless that died: then it is still to be mended. */
static const char *check_broken(const struct death_end *ends)
{
    struct arena_of_rwlock *h = here();
    const char *wrong = common(ends, true);
    int r;

    if (wrong)
        return wrong;
    r = rwlock_acquire_write(&h->lock, h->notes.root, CREW_NOW);
    if (r == -EAGAIN)
        return "hang: the lock stays with the dead";
    if (ends[0].how == DEATH_RETURNED && h->notes.told == 1 && ends[1].how == DEATH_ABSENT &&
        (r != -ENOTRECOVERABLE || rwlock_acquire_read(&h->lock, h->notes.root, CREW_NOW) != -ENOTRECOVERABLE))
        return "lost: nobody knows that it is broken";
    return NULL;
}

#define RWLOCK_CASE(what, most, before, after, ...)                                              \
    { .name = "rwlock: " what, .size = sizeof(struct arena_of_rwlock), .setup = before,          \
      .recover = recover, .check = after, .events = most, .operation = { __VA_ARGS__ } }

static const struct death_case list[] = {
    RWLOCK_CASE("read", 0, free_lock, check, read_0),
    RWLOCK_CASE("write", 0, free_lock, check, write_0),
    RWLOCK_CASE("write, then read", 0, free_lock, check, write_and_read_0),
    RWLOCK_CASE("read beside a dead reader", 0, dead_reader, check_whole, read_0),
    RWLOCK_CASE("write after a dead reader", 0, dead_reader, check_whole, write_0),
    RWLOCK_CASE("read what a dead writer left", 0, dead_writer, check, read_0),
    RWLOCK_CASE("write what a dead writer left", 0, dead_writer, check, write_0),
    RWLOCK_CASE("read after one that died before it wrote", 0, dead_before_it_wrote, check_whole, read_0),
    RWLOCK_CASE("write after one that died before it wrote", 0, dead_before_it_wrote, check_whole, write_0),
    RWLOCK_CASE("leave it broken", 0, dead_writer, check_broken, leave_broken_0),
    RWLOCK_CASE("one writes, one reads", 3, free_lock, check, write_0, read_1),
    RWLOCK_CASE("one writes and reads, one reads", 2, free_lock, check, write_and_read_0, read_1),
    RWLOCK_CASE("one writes and reads, one writes", 2, free_lock, check, write_and_read_0, write_1),
    RWLOCK_CASE("two read what a dead writer left", 2, dead_writer, check, read_0, read_1),
    RWLOCK_CASE("one writes what a dead writer left, one reads", 2, dead_writer, check, write_0, read_1),
    RWLOCK_CASE("one leaves it broken, one reads", 2, dead_writer, check_broken, leave_broken_0, read_1),
    RWLOCK_CASE("one reads, one tries to write", 2, free_lock, check, read_0, try_to_write_1),
    RWLOCK_CASE("one writes, one tries to read", 2, free_lock, check, write_0, try_to_read_1),
    RWLOCK_CASE("one writes, two read", 2, free_lock, check, write_0, read_1, read_2),
    RWLOCK_CASE("two write, one reads", 2, free_lock, check, write_0, write_1, read_2),
};

const struct death_cases rwlock_cases = { list, sizeof list / sizeof list[0] };
