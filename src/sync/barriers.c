/* barriers.c - crew_barrier for those who call: who they are, and where the places lie. */
#include "barrier.h"
#include "storage.h"

_Static_assert(sizeof(struct barrier_shm) <= sizeof(crew_barrier), "a barrier fits its storage");

static struct barrier_shm *inside(const crew_barrier *barrier, const char *call)
{
    struct barrier_shm *shm = (struct barrier_shm *)(uintptr_t)barrier;

    storage_must_be(barrier, barrier ? shm->magic : 0, BARRIER_MAGIC, call, "not an open barrier");
    return shm;
}

/* -- making -------------------------------------------------------------------------------- */

static int check(uint32_t parties, const struct crew_barrier_options *options)
{
    for (unsigned i = 0; options && i < 4; i++)
        if (options->reserved[i] != 0)
            return -EINVAL;
    return parties == 0 || parties > CREW_BARRIER_MOST ? -EINVAL : 0;
}

/* In storage that has been checked. */
static int make(struct barrier_shm *shm, uint32_t parties,
                const struct crew_barrier_options *options)
{
    void *places = NULL;
    int r = parties > BARRIER_INSIDE ? storage_alloc(parties * BARRIER_PLACE, &places) : 0;

    if (r == 0)
        barrier_init(shm, parties, places, crew_cpu_count() >= parties ? PATIENCE_MOST : 0,
                     options);
    return r;
}

int crew_barrier_init(crew_barrier *barrier, uint32_t parties,
                      const struct crew_barrier_options *options)
{
    int r = check(parties, options);

    if (r == 0)
        r = storage_check(barrier, sizeof *barrier);
    return r < 0 ? r : make((struct barrier_shm *)(void *)barrier, parties, options);
}

int crew_barrier_open(crew_barrier **barrier, uint32_t parties,
                      const struct crew_barrier_options *options)
{
    void *block = NULL;
    int r = check(parties, options);

    if (r == 0)
        r = storage_alloc(sizeof **barrier, &block);
    if (r < 0)
        return r;
    r = make(block, parties, options);
    if (r < 0)
        storage_free(block);
    else
        *barrier = block;
    return r;
}

static void fini(crew_barrier *barrier, const char *call)
{
    struct barrier_shm *shm = inside(barrier, call);

    shm->magic = 0;
    if (shm->places != shm->inside)
        storage_free((void *)shm->places);
}

void crew_barrier_fini(crew_barrier *barrier)
{
    if (barrier)
        fini(barrier, "crew_barrier_fini");
}

void crew_barrier_close(crew_barrier *barrier)
{
    if (!barrier)
        return;
    fini(barrier, "crew_barrier_close");
    storage_free(barrier);
}

/* -- using --------------------------------------------------------------------------------- */

int crew_barrier_join(crew_barrier *barrier)
{
    struct barrier_shm *shm = inside(barrier, "crew_barrier_join");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : barrier_join(shm, me, life_me());
}

int crew_barrier_leave(crew_barrier *barrier)
{
    struct barrier_shm *shm = inside(barrier, "crew_barrier_leave");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : barrier_leave(shm, me);
}

int crew_barrier_expect(crew_barrier *barrier, pid_t pid)
{
    struct barrier_shm *shm = inside(barrier, "crew_barrier_expect");
    uint32_t me, process;
    int r = storage_party(&me);

    if (r < 0)
        return r;
    process = process_was(pid);
    return process == 0 ? -ESRCH : barrier_expect(shm, me, process);
}

int crew_barrier_wait(crew_barrier *barrier, uint32_t *index, crew_time deadline)
{
    struct barrier_shm *shm = inside(barrier, "crew_barrier_wait");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : barrier_wait(shm, me, life_me(), index, deadline);
}

void crew_barrier_abort(crew_barrier *barrier)
{
    barrier_abort(inside(barrier, "crew_barrier_abort"));
}

int crew_barrier_reset(crew_barrier *barrier)
{
    struct barrier_shm *shm = inside(barrier, "crew_barrier_reset");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : barrier_reset(shm, me);
}

uint32_t crew_barrier_parties(const crew_barrier *barrier)
{
    return barrier_parties(inside(barrier, "crew_barrier_parties"));
}

uint32_t crew_barrier_waiting(const crew_barrier *barrier)
{
    return barrier_waiting(inside(barrier, "crew_barrier_waiting"));
}

bool crew_barrier_broken(const crew_barrier *barrier)
{
    return barrier_is_broken(inside(barrier, "crew_barrier_broken"));
}
