/* conditions.c - crew_condition for those who call: who they are, and room for as many as come. */
#include "condition.h"
#include "storage.h"

#include <crew/condition.h>
#include <life/handover.h>

#include <string.h>

_Static_assert(sizeof(struct condition_shm) <= sizeof(crew_condition),
               "a condition fits its storage");

static struct condition_shm *inside(const crew_condition *condition, const char *call)
{
    struct condition_shm *shm = (struct condition_shm *)(uintptr_t)condition;

    storage_must_be(condition, condition ? shm->magic : 0, CONDITION_MAGIC, call,
                    "not an open condition");
    storage_must_be(shm->lock, shm->lock->magic, LOCK_MAGIC, call, "its lock is not open");
    return shm;
}

/* -- making -------------------------------------------------------------------------------- */

/* The lock that is meant; NULL: none, or both. */
static struct lock_shm *lock_for(crew_lock *lock, const struct crew_condition_options *options)
{
    crew_rlock *rlock = options ? options->rlock : NULL;
    void *meant = lock ? (void *)lock : (void *)rlock;

    if (!meant || (lock && rlock) || storage_check(meant, sizeof(struct lock_shm)) < 0)
        return NULL;
    for (unsigned i = 0; options && i < 4; i++)
        if (options->reserved[i] != 0)
            return NULL;
    return meant;
}

/* Where there is but one CPU who notifies needs it. */
static uint32_t looks(void)
{
    return crew_cpu_count() > 1 ? PATIENCE_MOST : 0;
}

int crew_condition_init(crew_condition *condition, crew_lock *lock,
                        const struct crew_condition_options *options)
{
    struct lock_shm *shm = lock_for(lock, options);
    int r = shm ? storage_check(condition, sizeof *condition) : -EINVAL;

    if (r < 0)
        return r;
    storage_must_be(shm, shm->magic, LOCK_MAGIC, "crew_condition_init", "not an open lock");
    condition_init((struct condition_shm *)(void *)condition, shm, looks());
    return 0;
}

int crew_condition_open(crew_condition **condition, crew_lock *lock,
                        const struct crew_condition_options *options)
{
    struct lock_shm *shm = lock_for(lock, options);
    void *block;
    int r = shm ? storage_alloc(sizeof **condition, &block) : -EINVAL;

    if (r < 0)
        return r;
    storage_must_be(shm, shm->magic, LOCK_MAGIC, "crew_condition_open", "not an open lock");
    condition_init(block, shm, looks());
    *condition = block;
    return 0;
}

static void fini(crew_condition *condition, const char *call)
{
    struct condition_shm *shm = (struct condition_shm *)(void *)condition;
    struct condition_more *more;

    storage_must_be(condition, condition ? shm->magic : 0, CONDITION_MAGIC, call,
                    "not an open condition");
    more = handover_block(load_acquire(&shm->more));
    shm->magic = 0;
    if (more)
        storage_free(more);
}

void crew_condition_fini(crew_condition *condition)
{
    if (condition)
        fini(condition, "crew_condition_fini");
}

void crew_condition_close(crew_condition *condition)
{
    if (!condition)
        return;
    fini(condition, "crew_condition_close");
    storage_free(condition);
}

/* -- using --------------------------------------------------------------------------------- */

/* The caller holds the lock, so nobody else adds room at once. */
static int add_room(struct condition_shm *shm, uint32_t me)
{
    void *block;
    int r =
        load_relaxed(&shm->more) != 0 ? -EAGAIN : life_alloc(sizeof(struct condition_more), &block);

    if (r == 0)
        condition_grow(shm, me, memset(block, 0, sizeof(struct condition_more)));
    return r;
}

int crew_condition_wait(crew_condition *condition, crew_time deadline)
{
    struct condition_shm *shm = inside(condition, "crew_condition_wait");
    uint32_t me;
    int r = storage_party(&me);

    if (r < 0)
        return r;
    r = condition_wait(shm, me, deadline);
    if (r == -ENOBUFS) {
        r = add_room(shm, me);
        if (r == 0)
            r = condition_wait(shm, me, deadline);
    }
    return r;
}

int crew_condition_wait_for(crew_condition *condition, bool (*predicate)(void *context),
                            void *context, crew_time deadline)
{
    struct condition_shm *shm = inside(condition, "crew_condition_wait_for");
    uint32_t me;
    int r = predicate ? storage_party(&me) : -EINVAL;

    if (r < 0)
        return r;
    while ((r = condition_wait_for(shm, me, predicate, context, deadline)) == -ENOBUFS)
        if ((r = add_room(shm, me)) < 0)
            break;
    return r;
}

int crew_condition_notify(crew_condition *condition, uint32_t count)
{
    struct condition_shm *shm = inside(condition, "crew_condition_notify");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : condition_notify(shm, me, count);
}

int crew_condition_notify_all(crew_condition *condition)
{
    struct condition_shm *shm = inside(condition, "crew_condition_notify_all");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : condition_notify(shm, me, UINT32_MAX);
}

uint32_t crew_condition_waiting(const crew_condition *condition)
{
    return condition_waiting(inside(condition, "crew_condition_waiting"));
}
