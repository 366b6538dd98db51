/* rwlocks.c - crew_rwlock for those who call: who they are, and where the lock lies. */
#include "rwlock.h"
#include "storage.h"

_Static_assert(sizeof(struct rwlock_shm) <= sizeof(crew_rwlock), "a lock fits its storage");

static struct rwlock_shm *inside(const crew_rwlock *lock, const char *call)
{
    struct rwlock_shm *shm = (struct rwlock_shm *)(uintptr_t)lock;

    storage_must_be(lock, lock ? shm->magic : 0, RWLOCK_MAGIC, call,
                    "not an open lock for readers and writers");
    return shm;
}

/* -- making -------------------------------------------------------------------------------- */

int crew_rwlock_init(crew_rwlock *lock, const struct crew_lock_options *options)
{
    int r = storage_check(lock, sizeof *lock);

    return r < 0 ? r : rwlock_init((struct rwlock_shm *)(void *)lock, options);
}

int crew_rwlock_open(crew_rwlock **lock, const struct crew_lock_options *options)
{
    void *block;
    int r = storage_alloc(sizeof **lock, &block);

    if (r < 0)
        return r;
    r = rwlock_init(block, options);
    if (r < 0)
        storage_free(block);
    else
        *lock = block;
    return r;
}

void crew_rwlock_fini(crew_rwlock *lock)
{
    if (lock)
        inside(lock, "crew_rwlock_fini")->magic = 0;
}

void crew_rwlock_close(crew_rwlock *lock)
{
    if (!lock)
        return;
    inside(lock, "crew_rwlock_close")->magic = 0;
    storage_free(lock);
}

/* -- using --------------------------------------------------------------------------------- */

int crew_rwlock_acquire_read(crew_rwlock *lock, crew_time deadline)
{
    struct rwlock_shm *shm = inside(lock, "crew_rwlock_acquire_read");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : rwlock_acquire_read(shm, me, deadline);
}

int crew_rwlock_acquire_write(crew_rwlock *lock, crew_time deadline)
{
    struct rwlock_shm *shm = inside(lock, "crew_rwlock_acquire_write");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : rwlock_acquire_write(shm, me, deadline);
}

int crew_rwlock_downgrade(crew_rwlock *lock)
{
    struct rwlock_shm *shm = inside(lock, "crew_rwlock_downgrade");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : rwlock_downgrade(shm, me);
}

int crew_rwlock_consistent(crew_rwlock *lock)
{
    struct rwlock_shm *shm = inside(lock, "crew_rwlock_consistent");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : rwlock_consistent(shm, me);
}

int crew_rwlock_release(crew_rwlock *lock)
{
    struct rwlock_shm *shm = inside(lock, "crew_rwlock_release");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : rwlock_release(shm, me);
}

/* -- asking -------------------------------------------------------------------------------- */

int crew_rwlock_owner(const crew_rwlock *lock, bool dead, struct crew_owner *owner)
{
    const struct rwlock_shm *shm = inside(lock, "crew_rwlock_owner");
    uint32_t party = dead ? load_relaxed(&shm->writer.dead) : lock_holder(&shm->writer);
    struct crew_owner found;

    if (party == 0 || !party_describe(party, &found.pid, found.name))
        return -ESRCH;
    *owner = found;
    return 0;
}

void crew_rwlock_stats(const crew_rwlock *lock, struct crew_rwlock_stats *stats)
{
    const struct rwlock_shm *shm = inside(lock, "crew_rwlock_stats");
    bool of_writers = load_relaxed(&shm->writer.longest) > load_relaxed(&shm->longest);
    uint32_t by = load_relaxed(of_writers ? &shm->writer.longest_by : &shm->longest_by);

    rwlock_numbers(shm, stats);
    stats->longest = load_relaxed(of_writers ? &shm->writer.longest : &shm->longest);
    if (by == 0 || !party_describe(by, &stats->by.pid, stats->by.name))
        stats->by = (struct crew_owner){ 0 };
}
