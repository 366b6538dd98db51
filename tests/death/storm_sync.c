/* storm_sync.c - locks, and what waits for one another, in the storm of storm_nouns.c. */
#include "storm_nouns.h"

/* -- lock --------------------------------------------------------------------------------- */

/* What a lock guards: the two are the same whenever nobody is inside. */
struct guarded {
    volatile uint64_t one, other;
    volatile uint64_t inside;
    uint64_t broken; /* somebody died inside */
};

static struct guarded *guarded; /* [0] by a lock that tells, [1] by one that mends */
static crew_lock *lock[2];

static void mend(struct guarded *g)
{
    g->other = g->one;
    g->inside = 0;
    g->broken++;
}

static int mend_and_say_so(void *context)
{
    mend(context);
    return 0;
}

static void change(struct guarded *g, const char *name)
{
    if (g->inside != 0 || g->one != g->other)
        storm_complain("%s: held by two, or broken by the dead and nobody was told", name);
    g->inside = 1;
    g->one++;
    storm_work_a_little();
    g->other++;
    g->inside = 0;
}

static int lock_open(void)
{
    int r = storm_block(&guarded, 2 * sizeof *guarded);

    if (r == 0)
        r = crew_lock_open(&lock[0], NULL);
    if (r == 0)
        r = crew_lock_open(&lock[1], &(struct crew_lock_options){ .repair = mend_and_say_so,
                                                                  .context = &guarded[1],
                                                                  .timed = true });
    return r;
}

static void lock_close(void)
{
    crew_lock_close(lock[0]);
    crew_lock_close(lock[1]);
    crew_memory_free(guarded);
}

static void lock_work(unsigned me)
{
    unsigned which = roll() % 4 == 0;
    crew_time deadline = storm_deadline();
    int r = crew_lock_acquire(lock[which], deadline);

    (void)me;
    if (storm_in_vain(r, deadline))
        return;
    if (r == CREW_EOWNERDEAD && which == 0) {
        mend(&guarded[0]);
        r = crew_lock_consistent(lock[0]);
    }
    if (r < 0) {
        storm_complain("lock %u: acquire: %s", which, crew_strerror(r));
        return;
    }
    change(&guarded[which], "lock");
    r = crew_lock_release(lock[which]);
    if (r < 0)
        storm_complain("lock %u: release: %s", which, crew_strerror(r));
}

static const char *lock_check(void)
{
    for (unsigned i = 0; i < 2; i++) {
        int r = crew_lock_acquire(lock[i], CREW_NOW);

        if (r == CREW_EOWNERDEAD && i == 0) {
            mend(&guarded[0]);
            r = crew_lock_consistent(lock[0]);
        }
        if (r < 0)
            return "lock: nobody is there, and it can't be had";
        if (guarded[i].one != guarded[i].other || guarded[i].inside != 0)
            return "lock: what it guards is broken";
        if (guarded[i].broken > storm->died)
            return "lock: more owners were dead than died";
        if (crew_lock_release(lock[i]) < 0)
            return "lock: it can't be given back";
    }
    return NULL;
}

const struct noun storm_lock = {
    .name = "lock",
    .open = lock_open,
    .close = lock_close,
    .work = lock_work,
    .check = lock_check,
};

/* -- rlock -------------------------------------------------------------------------------- */

static struct guarded *deep;
static crew_rlock *rlock;

static int rlock_open(void)
{
    int r = storm_block(&deep, sizeof *deep);

    return r < 0 ? r : crew_rlock_open(&rlock, NULL);
}

static void rlock_close(void)
{
    crew_rlock_close(rlock);
    crew_memory_free(deep);
}

static void rlock_work(unsigned me)
{
    crew_time deadline = storm_deadline();
    unsigned depth = 1 + (unsigned)(roll() % 3), released = 0;
    int r = crew_rlock_acquire(rlock, deadline);

    (void)me;
    if (storm_in_vain(r, deadline))
        return;
    if (r == CREW_EOWNERDEAD) {
        mend(deep);
        r = crew_rlock_consistent(rlock);
    }
    if (r < 0) {
        storm_complain("rlock: acquire: %s", crew_strerror(r));
        return;
    }
    for (unsigned i = 1; i < depth; i++)
        if (crew_rlock_acquire(rlock, CREW_NOW) != 0)
            storm_complain("rlock: its owner can't acquire it again");
    change(deep, "rlock");
    while (crew_rlock_release(rlock) == 0)
        released++;
    if (released != depth)
        storm_complain("rlock: acquired %u times, released %u times", depth, released);
}

static const char *rlock_check(void)
{
    int r = crew_rlock_acquire(rlock, CREW_NOW);

    if (r == CREW_EOWNERDEAD) {
        mend(deep);
        r = crew_rlock_consistent(rlock);
    }
    if (r < 0)
        return "rlock: nobody is there, and it can't be had";
    if (deep->one != deep->other || deep->inside != 0)
        return "rlock: what it guards is broken";
    return crew_rlock_release(rlock) < 0 ? "rlock: it can't be given back" : NULL;
}

const struct noun storm_rlock = {
    .name = "rlock",
    .open = rlock_open,
    .close = rlock_close,
    .work = rlock_work,
    .check = rlock_check,
};

/* -- rwlock ------------------------------------------------------------------------------- */

static struct guarded *many_read;
static crew_rwlock *rwlock;

static int rwlock_open(void)
{
    int r = storm_block(&many_read, sizeof *many_read);

    return r < 0 ? r : crew_rwlock_open(&rwlock, NULL);
}

static void rwlock_close(void)
{
    crew_rwlock_close(rwlock);
    crew_memory_free(many_read);
}

static void look(void)
{
    uint64_t one = many_read->one;

    storm_work_a_little();
    if (many_read->inside != 0 || many_read->one != one || many_read->other != one)
        storm_complain("rwlock: one writes while another reads");
}

static void rwlock_work(unsigned me)
{
    crew_time deadline = roll() % 8 ? CREW_FOREVER : CREW_NOW;
    bool writes = roll() % 4 == 0;
    int r = writes ? crew_rwlock_acquire_write(rwlock, deadline)
                   : crew_rwlock_acquire_read(rwlock, deadline);

    (void)me;
    if (storm_in_vain(r, deadline))
        return;
    if (r == CREW_EOWNERDEAD) { /* for writing, whatever was asked for */
        mend(many_read);
        r = crew_rwlock_consistent(rwlock);
        if (r == 0 && !writes)
            r = crew_rwlock_downgrade(rwlock);
    }
    if (r < 0) {
        storm_complain("rwlock: acquire: %s", crew_strerror(r));
        return;
    }
    if (writes)
        change(many_read, "rwlock");
    if (writes && roll() % 2 && crew_rwlock_downgrade(rwlock) < 0)
        storm_complain("rwlock: who writes can't go on to read");
    else if (!writes)
        look();
    if (crew_rwlock_release(rwlock) < 0)
        storm_complain("rwlock: it can't be given back");
}

static const char *rwlock_check(void)
{
    struct crew_rwlock_stats stats;
    int r = crew_rwlock_acquire_write(rwlock, CREW_NOW);

    if (r == CREW_EOWNERDEAD) {
        mend(many_read);
        r = crew_rwlock_consistent(rwlock);
    }
    if (r < 0)
        return "rwlock: nobody is there, and it can't be had";
    if (many_read->one != many_read->other || many_read->inside != 0)
        return "rwlock: what it guards is broken";
    if (crew_rwlock_release(rwlock) < 0)
        return "rwlock: it can't be given back";
    crew_rwlock_stats(rwlock, &stats);
    return stats.died > storm->died ? "rwlock: more writers were dead than died" : NULL;
}

const struct noun storm_rwlock = {
    .name = "rwlock",
    .open = rwlock_open,
    .close = rwlock_close,
    .work = rwlock_work,
    .check = rwlock_check,
};

/* -- event -------------------------------------------------------------------------------- */

static crew_event *busy; /* set and cleared by all */
static crew_event *last; /* set by finish() alone  */

static int event_open(void)
{
    int r = crew_event_open(&busy);

    return r < 0 ? r : crew_event_open(&last);
}

static void event_close(void)
{
    crew_event_close(busy);
    crew_event_close(last);
}

static void event_work(unsigned me)
{
    int r = 0;

    switch (roll() % 64) {
    case 0 ... 7:
        crew_event_clear(busy);
        break;
    case 8 ... 15:
        r = crew_event_wait(busy, crew_in_ms(1));
        break;
    case 16:
        r = crew_event_wait(last, storm_waits(me, 1, CREW_FOREVER));
        storm_back(me);
        if (r == 0 && !storm_over())
            storm_complain("event: it was not set, and one that waited went on");
        break;
    default:
        crew_event_set(busy);
        break;
    }
    if (r < 0 && r != -ETIMEDOUT)
        storm_complain("event: wait: %s", crew_strerror(r));
}

static bool event_may_wait(uint64_t what, bool asleep)
{
    (void)asleep;
    return what == 1 && !crew_event_is_set(last);
}

static void event_finish(void)
{
    crew_event_set(last);
}

static const char *event_check(void)
{
    if (!crew_event_is_set(last))
        return "event: it was set, and is not";
    crew_event_clear(last);
    crew_event_set(busy);
    return crew_event_wait(busy, CREW_NOW) == 0 ? NULL : "event: it is set, and its wait() waits";
}

const struct noun storm_event = {
    .name = "event",
    .open = event_open,
    .close = event_close,
    .work = event_work,
    .may_wait = event_may_wait,
    .finish = event_finish,
    .check = event_check,
};

/* -- value -------------------------------------------------------------------------------- */

static crew_value *value;
static _Atomic int64_t *added; /* by those who lived to say so; before and after */

static int value_open(void)
{
    int r = storm_block(&added, 2 * sizeof *added);

    return r < 0 ? r : crew_value_open(&value, 0);
}

static void value_close(void)
{
    crew_value_close(value);
    crew_memory_free((void *)added);
}

static void value_work(unsigned me)
{
    int64_t seen = crew_value_load(value), now = 0;
    int r;

    if (roll() % 8 > 0) {
        atomic_fetch_add(&added[0], 1);
        crew_value_add(value, 1);
        atomic_fetch_add(&added[1], 1);
        return;
    }
    if (storm_over())
        return; /* finish() may have been before 'seen' */
    r = crew_value_wait(value, seen, &now, storm_waits(me, (uint64_t)seen + 1, CREW_FOREVER));
    storm_back(me);
    if (r < 0 || now <= seen)
        storm_complain("value: wait: %s, from %lld to %lld", crew_strerror(r), (long long)seen,
                       (long long)now);
}

static bool value_may_wait(uint64_t what, bool asleep)
{
    (void)asleep;
    return crew_value_load(value) == (int64_t)what - 1;
}

static void value_finish(void)
{
    atomic_fetch_add(&added[0], 1);
    crew_value_add(value, 1);
    atomic_fetch_add(&added[1], 1);
}

static const char *value_check(void)
{
    int64_t now = crew_value_load(value);

    /* who died in between has added, or not */
    return now < atomic_load(&added[1]) || now > atomic_load(&added[0])
               ? "value: an addition was lost"
               : NULL;
}

const struct noun storm_value = {
    .name = "value",
    .open = value_open,
    .close = value_close,
    .work = value_work,
    .may_wait = value_may_wait,
    .finish = value_finish,
    .check = value_check,
};

/* -- latch -------------------------------------------------------------------------------- */

#define COUNT 1000000 /* more than anyone counts in a round */

static crew_latch *latch;

static int latch_open(void)
{
    return crew_latch_open(&latch, COUNT);
}

static void latch_close(void)
{
    crew_latch_close(latch);
}

static void latch_work(unsigned me)
{
    int r = 0;

    if (roll() % 256 > 0)
        r = crew_latch_count_down(latch, 1);
    else
        r = crew_latch_wait(latch, storm_waits(me, 1, CREW_FOREVER));
    storm_back(me);
    if (r < 0 && !storm_over())
        storm_complain("latch: %s", crew_strerror(r));
}

static bool latch_may_wait(uint64_t what, bool asleep)
{
    (void)asleep;
    return what == 1 && crew_latch_count(latch) > 0;
}

static void latch_finish(void)
{
    uint32_t left = crew_latch_count(latch);

    while (left > 0 && crew_latch_count_down(latch, left) < 0)
        left = crew_latch_count(latch); /* somebody was faster */
}

static const char *latch_check(void)
{
    if (crew_latch_count(latch) != 0 || crew_latch_wait(latch, CREW_NOW) != 0)
        return "latch: something is left to be counted";
    crew_latch_close(latch);
    return latch_open() < 0 ? "latch: no new one" : NULL;
}

const struct noun storm_latch = {
    .name = "latch",
    .open = latch_open,
    .close = latch_close,
    .work = latch_work,
    .may_wait = latch_may_wait,
    .finish = latch_finish,
    .check = latch_check,
};

/* -- once --------------------------------------------------------------------------------- */

static struct made {
    crew_once once;
    volatile uint64_t one, other;
    _Atomic uint64_t runs;
} * made;

static int once_open(void)
{
    int r = storm_block(&made, sizeof *made);

    return r < 0 ? r : crew_once_init(&made->once);
}

static void once_close(void)
{
    crew_once_fini(&made->once);
    crew_memory_free(made);
}

/* What the dead left half done is done again. */
static int make(void *context)
{
    struct made *m = context;

    m->one = m->other + 1;
    storm_work_a_little();
    m->other = m->one;
    atomic_fetch_add(&m->runs, 1);
    return 0;
}

static void once_work(unsigned me)
{
    crew_time deadline = storm_deadline();
    int r = crew_once_run(&made->once, make, made, deadline);

    (void)me;
    if (storm_in_vain(r, deadline))
        return;
    if (r < 0 || made->one != made->other || made->one == 0)
        storm_complain("once: %s, %llu and %llu", crew_strerror(r), (unsigned long long)made->one,
                       (unsigned long long)made->other);
}

static const char *once_check(void)
{
    if (crew_once_run(&made->once, make, made, CREW_NOW) != 0 || !crew_once_done(&made->once))
        return "once: nobody is there, and it waits";
    if (atomic_load(&made->runs) > 1 + storm->died)
        return "once: it was done twice";
    crew_once_fini(&made->once);
    memset(made, 0, sizeof *made);
    return crew_once_init(&made->once) < 0 ? "once: no new one" : NULL;
}

const struct noun storm_once = {
    .name = "once",
    .open = once_open,
    .close = once_close,
    .work = once_work,
    .check = once_check,
};
