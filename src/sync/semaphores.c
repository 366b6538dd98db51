/* semaphores.c - crew_semaphore for those who call: who they are, and where it lies. */
#include "semaphore.h"
#include "storage.h"

_Static_assert(sizeof(struct semaphore_shm) + CREW_SEMAPHORE_INSIDE * sizeof(struct permit_shm) <=
                   sizeof(crew_semaphore),
               "a semaphore and its permits fit their storage");

static const struct crew_semaphore_options defaults;

static struct semaphore_shm *inside(const crew_semaphore *semaphore, const char *call)
{
    struct semaphore_shm *shm = (struct semaphore_shm *)(uintptr_t)semaphore;

    storage_must_be(semaphore, semaphore ? shm->magic : 0, SEMAPHORE_MAGIC, call,
                    "not an open semaphore");
    return shm;
}

/* -- making -------------------------------------------------------------------------------- */

int crew_semaphore_init(crew_semaphore *semaphore, uint32_t value,
                        const struct crew_semaphore_options *options)
{
    int r;

    options = options ? options : &defaults;
    r = semaphore_valid(value, options);
    if (r == 0 && !options->unowned && value > CREW_SEMAPHORE_INSIDE)
        r = -EINVAL;
    if (r == 0)
        r = storage_check(semaphore, sizeof *semaphore);
    if (r == 0)
        semaphore_init((struct semaphore_shm *)(void *)semaphore, value, options);
    return r;
}

int crew_semaphore_open(crew_semaphore **semaphore, uint32_t value,
                        const struct crew_semaphore_options *options)
{
    void *block;
    int r;

    options = options ? options : &defaults;
    r = semaphore_valid(value, options);
    if (r < 0)
        return r;
    r = storage_alloc(semaphore_size(options->unowned ? 0 : value), &block);
    if (r < 0)
        return r;
    semaphore_init(block, value, options);
    *semaphore = block;
    return 0;
}

void crew_semaphore_fini(crew_semaphore *semaphore)
{
    if (semaphore)
        inside(semaphore, "crew_semaphore_fini")->magic = 0;
}

void crew_semaphore_close(crew_semaphore *semaphore)
{
    if (!semaphore)
        return;
    inside(semaphore, "crew_semaphore_close")->magic = 0;
    storage_free(semaphore);
}

/* -- using --------------------------------------------------------------------------------- */

int crew_semaphore_acquire(crew_semaphore *semaphore, uint32_t count, crew_time deadline)
{
    struct semaphore_shm *shm = inside(semaphore, "crew_semaphore_acquire");
    bool owned = shm->permits != 0;
    uint32_t me;
    int r;

    if (!owned && (count == 0 || count > shm->most))
        return -EINVAL;
    if (!owned && semaphore_take(shm, count))
        return 0;
    r = storage_party(&me);
    if (r < 0)
        return r;
    return owned ? semaphore_acquire_owned(shm, me, count, deadline)
                 : semaphore_await(shm, me, count, deadline);
}

int crew_semaphore_release(crew_semaphore *semaphore, uint32_t count)
{
    struct semaphore_shm *shm = inside(semaphore, "crew_semaphore_release");
    uint32_t me;
    int r;

    if (shm->permits == 0)
        return semaphore_add(shm, count);
    r = storage_party(&me);
    return r < 0 ? r : semaphore_release_owned(shm, me, count);
}

/* -- asking -------------------------------------------------------------------------------- */

uint32_t crew_semaphore_value(const crew_semaphore *semaphore)
{
    return semaphore_value(inside(semaphore, "crew_semaphore_value"));
}

void crew_semaphore_stats(const crew_semaphore *semaphore, struct crew_semaphore_stats *stats)
{
    const struct semaphore_shm *shm = inside(semaphore, "crew_semaphore_stats");
    uint32_t by = load_relaxed(&shm->longest_by);

    semaphore_numbers(shm, stats);
    if (by == 0 || !party_describe(by, &stats->by.pid, stats->by.name))
        stats->by = (struct crew_owner){ 0 };
}
