/* storm_wait.c - semaphores, conditions, barriers in the storm of storm_nouns.c. */
#include "storm_nouns.h"

/* -- semaphore ---------------------------------------------------------------------------- */

#define PERMITS 4

static crew_semaphore *owned, *tokens;

/* What each worker holds of 'owned': pid:32 times:24 count:8. Written when it has them, cleared
 * before it gives them back; who dies leaves it. */
static _Atomic uint64_t *holds;
static _Atomic int64_t *released; /* tokens: before they were, by all */

static int semaphore_open(void)
{
    int r = storm_block(&holds, WORKERS * sizeof *holds);

    if (r == 0)
        r = storm_block(&released, sizeof *released);
    if (r == 0)
        r = crew_semaphore_open(&owned, PERMITS, NULL);
    if (r == 0)
        r = crew_semaphore_open(&tokens, 0, &(struct crew_semaphore_options){ .unowned = true });
    return r;
}

static void semaphore_close(void)
{
    crew_semaphore_close(owned);
    crew_semaphore_close(tokens);
    crew_memory_free((void *)holds);
    crew_memory_free((void *)released);
}

/* Permits that others hold at one moment of this call: those that held the same at its beginning
 * and at its end, and were alive in between. */
static unsigned held_by_others(unsigned me)
{
    uint64_t seen[WORKERS];
    unsigned sum = 0;

    for (unsigned i = 0; i < WORKERS; i++)
        seen[i] = i == me ? 0 : atomic_load(&holds[i]);
    for (unsigned i = 0; i < WORKERS; i++)
        if (seen[i] != 0 && !is_child_of((pid_t)(seen[i] >> 32), getppid()))
            seen[i] = 0;
    for (unsigned i = 0; i < WORKERS; i++)
        if (seen[i] != 0 && atomic_load(&holds[i]) == seen[i])
            sum += seen[i] & 0xff;
    return sum;
}

static void use_permits(unsigned me)
{
    static uint64_t times;
    crew_time deadline = storm_deadline();
    uint32_t count = 1 + (uint32_t)(roll() % 3);
    int r = crew_semaphore_acquire(owned, count, deadline);

    if (storm_in_vain(r, deadline))
        return;
    if (r < 0) {
        storm_complain("semaphore: acquire: %s", crew_strerror(r));
        return;
    }
    atomic_store(&holds[me], (uint64_t)getpid() << 32 | (++times & 0xffffff) << 8 | count);
    storm_work_a_little();
    if (roll() % 16 == 0 && held_by_others(me) + count > PERMITS)
        storm_complain("semaphore: more permits are held than there are");
    atomic_store(&holds[me], 0);
    r = crew_semaphore_release(owned, count);
    if (r < 0)
        storm_complain("semaphore: release: %s", crew_strerror(r));
}

static void semaphore_work(unsigned me)
{
    int r;

    if (roll() % 2) {
        use_permits(me);
        return;
    }
    if (roll() % 2) {
        atomic_fetch_add(released, 1);
        r = crew_semaphore_release(tokens, 1);
    } else {
        r = crew_semaphore_acquire(tokens, 1, storm_waits(me, 1, CREW_FOREVER));
        storm_back(me);
    }
    if (r < 0)
        storm_complain("semaphore: tokens: %s", crew_strerror(r));
}

static bool semaphore_may_wait(uint64_t what, bool asleep)
{
    (void)asleep;
    return what == 1 && crew_semaphore_value(tokens) == 0;
}

/* A token for each that may wait. */
static void semaphore_finish(void)
{
    atomic_fetch_add(released, WORKERS);
    if (crew_semaphore_release(tokens, WORKERS) < 0)
        storm_complain("semaphore: the root can't release");
}

static const char *semaphore_check(void)
{
    if (crew_semaphore_value(owned) != PERMITS ||
        crew_semaphore_acquire(owned, PERMITS, CREW_NOW) < 0)
        return "semaphore: nobody is there, and permits are missing";
    if (crew_semaphore_release(owned, PERMITS) < 0)
        return "semaphore: permits can't be given back";
    if ((int64_t)crew_semaphore_value(tokens) > atomic_load(released))
        return "semaphore: there are more tokens than were released";
    return NULL;
}

const struct noun storm_semaphore = {
    .name = "semaphore",
    .open = semaphore_open,
    .close = semaphore_close,
    .work = semaphore_work,
    .may_wait = semaphore_may_wait,
    .finish = semaphore_finish,
    .check = semaphore_check,
};

/* -- condition ---------------------------------------------------------------------------- */

#define PLACES 4

/* Numbers in a row, put and got in that order. Each change is one store, so the dead leave it
 * whole. */
static struct buffer {
    uint64_t put, got;
    uint64_t number[PLACES];
    bool over;
} * buffer;

static crew_lock *guard;
static crew_condition *not_empty, *not_full;

static int condition_open(void)
{
    int r = storm_block(&buffer, sizeof *buffer);

    if (r == 0)
        r = crew_lock_open(&guard, NULL);
    if (r == 0)
        r = crew_condition_open(&not_empty, guard, NULL);
    return r < 0 ? r : crew_condition_open(&not_full, guard, NULL);
}

static void condition_close(void)
{
    crew_condition_close(not_empty);
    crew_condition_close(not_full);
    crew_lock_close(guard);
    crew_memory_free(buffer);
}

static bool is_not_full(void *context)
{
    const struct buffer *b = context;

    return b->over || b->put - b->got < PLACES;
}

static bool is_not_empty(void *context)
{
    const struct buffer *b = context;

    return b->over || b->put != b->got;
}

/* What a call answered that gives the lock: true if it is held. */
static bool has_guard(int r, const char *call)
{
    if (r == CREW_EOWNERDEAD)
        r = crew_lock_consistent(guard);
    if (r < 0)
        storm_complain("condition: %s: %s", call, crew_strerror(r));
    return r == 0;
}

/* Waits until 'predicate' is true; false: it gave up, or the lock is not held. */
static bool await(unsigned me, crew_condition *condition, bool (*predicate)(void *), bool *held)
{
    bool for_predicate = roll() % 2;

    while (!predicate(buffer)) {
        crew_time deadline = storm_waits(me, predicate == is_not_full ? 1 : 2, storm_deadline());
        int r = for_predicate ? crew_condition_wait_for(condition, predicate, buffer, deadline)
                              : crew_condition_wait(condition, deadline);

        storm_back(me);
        if (storm_in_vain(r, deadline))
            return false;
        *held = has_guard(r, "wait");
        if (!*held)
            return false;
    }
    return !buffer->over;
}

static void condition_work(unsigned me)
{
    bool produce = roll() % 2, held = has_guard(crew_lock_acquire(guard, CREW_FOREVER), "acquire");
    crew_condition *mine = produce ? not_full : not_empty, *other = produce ? not_empty : not_full;
    int r;

    if (!held)
        return;
    if (await(me, mine, produce ? is_not_full : is_not_empty, &held)) {
        if (produce) {
            buffer->number[buffer->put % PLACES] = buffer->put;
            buffer->put++;
        } else {
            if (buffer->number[buffer->got % PLACES] != buffer->got)
                storm_complain("condition: a number is lost");
            buffer->got++;
        }
        r = roll() % 16 ? crew_condition_notify(other, 1) : crew_condition_notify_all(other);
        if (r < 0)
            storm_complain("condition: notify: %s", crew_strerror(r));
    }
    if (held && crew_lock_release(guard) < 0)
        storm_complain("condition: the lock is not held after a wait");
}

static bool condition_may_wait(uint64_t what, bool asleep)
{
    (void)asleep;
    return !(what == 1 ? is_not_full(buffer) : is_not_empty(buffer));
}

static void condition_finish(void)
{
    if (!has_guard(crew_lock_acquire(guard, CREW_FOREVER), "acquire"))
        return;
    buffer->over = true;
    if (crew_condition_notify_all(not_empty) < 0 || crew_condition_notify_all(not_full) < 0 ||
        crew_lock_release(guard) < 0)
        storm_complain("condition: the root can't notify");
}

static const char *condition_check(void)
{
    if (crew_condition_waiting(not_empty) > 0 || crew_condition_waiting(not_full) > 0)
        return "condition: nobody is there, and one waits";
    if (buffer->put - buffer->got > PLACES)
        return "condition: more was got than put";
    if (!has_guard(crew_lock_acquire(guard, CREW_NOW), "acquire"))
        return "condition: nobody is there, and its lock can't be had";
    buffer->over = false;
    return crew_lock_release(guard) < 0 ? "condition: its lock can't be given back" : NULL;
}

const struct noun storm_condition = {
    .name = "condition",
    .open = condition_open,
    .close = condition_close,
    .work = condition_work,
    .may_wait = condition_may_wait,
    .finish = condition_finish,
    .check = condition_check,
};

/* -- barrier ------------------------------------------------------------------------------ */

#define PARTIES 3

static _Atomic uint64_t *times;  /* the action was run, of each */
static crew_barrier *barrier[2]; /* [0] breaks, [1] shrinks     */

static int act(void *context)
{
    atomic_fetch_add((_Atomic uint64_t *)context, 1);
    return 0;
}

static int barrier_open(void)
{
    int r = storm_block(&times, 2 * sizeof *times);

    for (unsigned i = 0; r == 0 && i < 2; i++)
        r = crew_barrier_open(&barrier[i], PARTIES,
                              &(struct crew_barrier_options){
                                  .action = act, .context = (void *)&times[i], .shrinks = i == 1 });
    return r;
}

static void barrier_close(void)
{
    crew_barrier_close(barrier[0]);
    crew_barrier_close(barrier[1]);
    crew_memory_free((void *)times);
}

static void barrier_work(unsigned me)
{
    unsigned which = roll() % 2, often = 1 + (unsigned)(roll() % 8);
    int r = crew_barrier_join(barrier[which]);

    if (r == -EBUSY)
        return;
    while (r == 0 && often-- > 0) {
        uint64_t before = atomic_load(&times[which]), after;
        uint32_t index = UINT32_MAX;

        r = crew_barrier_wait(barrier[which], &index,
                              storm_waits(me, 1 + which, roll() % 16 ? CREW_FOREVER : CREW_NOW));
        storm_back(me);
        after = atomic_load(&times[which]);
        if (r == -EAGAIN)
            r = 0;
        else if (r == 0 &&
                 (index >= PARTIES || after <= before || (which == 0 && after != before + 1)))
            storm_complain("barrier %u: index %u, the action was run %d times", which, index,
                           (int)(after - before));
    }
    if (r < 0 && r != CREW_EBROKEN && r != -EBUSY)
        storm_complain("barrier %u: %s", which, crew_strerror(r));
    r = crew_barrier_leave(barrier[which]);
    if (r < 0 && r != -EPERM)
        storm_complain("barrier %u: leave: %s", which, crew_strerror(r));
}

static void barrier_tend(void)
{
    for (unsigned i = 0; i < 2; i++) {
        int r = crew_barrier_broken(barrier[i]) || roll() % 16 == 0 ? crew_barrier_reset(barrier[i])
                                                                    : 0;

        if (r < 0)
            storm_complain("barrier %u: reset: %s", i, crew_strerror(r));
    }
}

static bool barrier_may_wait(uint64_t what, bool asleep)
{
    (void)asleep;
    crew_barrier *b = barrier[what - 1];

    return !crew_barrier_broken(b) && crew_barrier_waiting(b) < crew_barrier_parties(b);
}

static void barrier_finish(void)
{
    crew_barrier_abort(barrier[0]);
    crew_barrier_abort(barrier[1]);
}

static const char *barrier_check(void)
{
    for (unsigned i = 0; i < 2; i++) {
        if (!crew_barrier_broken(barrier[i]) || crew_barrier_waiting(barrier[i]) > 0)
            return "barrier: it was broken, and is not";
        if (crew_barrier_reset(barrier[i]) < 0 || crew_barrier_broken(barrier[i]) ||
            crew_barrier_parties(barrier[i]) != PARTIES)
            return "barrier: it does not become whole";
    }
    return NULL;
}

const struct noun storm_barrier = {
    .name = "barrier",
    .open = barrier_open,
    .close = barrier_close,
    .work = barrier_work,
    .tend = barrier_tend,
    .may_wait = barrier_may_wait,
    .finish = barrier_finish,
    .check = barrier_check,
};
