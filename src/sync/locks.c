/* locks.c - crew_lock and crew_rlock for those who call: who they are, and where the lock lies. */
#include "rlock.h"
#include "storage.h"

_Static_assert(sizeof(struct lock_shm) <= sizeof(crew_lock), "a lock fits its storage");
_Static_assert(sizeof(crew_lock) == sizeof(crew_rlock), "the same for both");

/* NULL: there is none at this address. */
static struct lock_shm *inside(const void *lock, const char *call)
{
    struct lock_shm *shm = (struct lock_shm *)(uintptr_t)lock;

    storage_must_be(lock, lock ? shm->magic : 0, LOCK_MAGIC, call, "not an open lock");
    return shm;
}

/* -- making -------------------------------------------------------------------------------- */

static int init(void *lock, const struct crew_lock_options *options, const char *name)
{
    int r = storage_check(lock, sizeof(struct lock_shm));

    return r < 0 ? r : lock_init(lock, options, name);
}

static int open_block(void **lock, const struct crew_lock_options *options, const char *name)
{
    void *block;
    int r = storage_alloc(sizeof(struct lock_shm), &block);

    if (r < 0)
        return r;
    r = lock_init(block, options, name);
    if (r < 0)
        storage_free(block);
    else
        *lock = block;
    return r;
}

static void fini(void *lock, const char *call)
{
    if (lock)
        inside(lock, call)->magic = 0;
}

int crew_lock_init(crew_lock *lock, const struct crew_lock_options *options)
{
    return init(lock, options, "lock");
}

int crew_rlock_init(crew_rlock *lock, const struct crew_lock_options *options)
{
    return init(lock, options, "rlock");
}

int crew_lock_open(crew_lock **lock, const struct crew_lock_options *options)
{
    void *block;
    int r = open_block(&block, options, "lock");

    if (r == 0)
        *lock = block;
    return r;
}

int crew_rlock_open(crew_rlock **lock, const struct crew_lock_options *options)
{
    void *block;
    int r = open_block(&block, options, "rlock");

    if (r == 0)
        *lock = block;
    return r;
}

void crew_lock_fini(crew_lock *lock)
{
    fini(lock, "crew_lock_fini");
}

void crew_rlock_fini(crew_rlock *lock)
{
    fini(lock, "crew_rlock_fini");
}

void crew_lock_close(crew_lock *lock)
{
    fini(lock, "crew_lock_close");
    if (lock)
        storage_free(lock);
}

void crew_rlock_close(crew_rlock *lock)
{
    fini(lock, "crew_rlock_close");
    if (lock)
        storage_free(lock);
}

/* -- using --------------------------------------------------------------------------------- */

int crew_lock_acquire(crew_lock *lock, crew_time deadline)
{
    struct lock_shm *shm = inside(lock, "crew_lock_acquire");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : lock_acquire(shm, me, deadline);
}

int crew_lock_release(crew_lock *lock)
{
    struct lock_shm *shm = inside(lock, "crew_lock_release");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : lock_release(shm, me);
}

int crew_lock_consistent(crew_lock *lock)
{
    struct lock_shm *shm = inside(lock, "crew_lock_consistent");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : lock_consistent(shm, me);
}

int crew_rlock_acquire(crew_rlock *lock, crew_time deadline)
{
    struct lock_shm *shm = inside(lock, "crew_rlock_acquire");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : rlock_acquire(shm, me, deadline);
}

int crew_rlock_release(crew_rlock *lock)
{
    struct lock_shm *shm = inside(lock, "crew_rlock_release");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : rlock_release(shm, me);
}

int crew_rlock_consistent(crew_rlock *lock)
{
    struct lock_shm *shm = inside(lock, "crew_rlock_consistent");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : lock_consistent(shm, me);
}

/* -- asking -------------------------------------------------------------------------------- */

static bool describe(uint32_t party, struct crew_owner *owner)
{
    return party != 0 && party_describe(party, &owner->pid, owner->name);
}

static int owner_of(struct lock_shm *shm, bool dead, struct crew_owner *owner)
{
    struct crew_owner found;

    if (!describe(dead ? load_relaxed(&shm->dead) : lock_holder(shm), &found))
        return -ESRCH;
    *owner = found;
    return 0;
}

int crew_lock_owner(const crew_lock *lock, bool dead, struct crew_owner *owner)
{
    return owner_of(inside(lock, "crew_lock_owner"), dead, owner);
}

int crew_rlock_owner(const crew_rlock *lock, bool dead, struct crew_owner *owner)
{
    return owner_of(inside(lock, "crew_rlock_owner"), dead, owner);
}

static void stats_of(const struct lock_shm *shm, struct crew_lock_stats *stats)
{
    *stats = (struct crew_lock_stats){
        .acquired = load_relaxed(&shm->acquired),
        .contended = load_relaxed(&shm->contended),
        .died = load_relaxed(&shm->died),
        .waited = load_relaxed(&shm->waited),
        .longest = load_relaxed(&shm->longest),
        .held = load_relaxed(&shm->held),
        .longest_held = load_relaxed(&shm->longest_held),
    };
    if (!describe(load_relaxed(&shm->longest_by), &stats->by))
        stats->by = (struct crew_owner){ 0 };
}

void crew_lock_stats(const crew_lock *lock, struct crew_lock_stats *stats)
{
    stats_of(inside(lock, "crew_lock_stats"), stats);
}

void crew_rlock_stats(const crew_rlock *lock, struct crew_lock_stats *stats)
{
    stats_of(inside(lock, "crew_rlock_stats"), stats);
}
