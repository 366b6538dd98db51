/* failure.c - the law is in failure.h. */
#include "failure.h"

const struct crew_failure *failure_now(const struct failure_shm *failure)
{
    uint32_t which = load_acquire(&failure->which);

    return which == 1 || which == 2 ? &failure->record[which - 1] : NULL;
}

/* The number of the record that doesn't count, or would be the first to. */
static uint32_t other_of(uint32_t which)
{
    return which == 1 ? 2 : 1;
}

void failure_note(struct failure_shm *failure, const struct crew_failure *new)
{
    uint32_t which = load_acquire(&failure->which);
    uint32_t other = other_of(which);

    if (which != 0 && failure->record[other_of(other) - 1].begin <= new->begin)
        return;
    failure->record[other - 1] = *new;
    store_release(&failure->which, other);
}

void failure_unnote(struct failure_shm *failure, uint64_t begin, uint64_t end)
{
    uint32_t which = load_acquire(&failure->which);
    uint32_t other = other_of(which);
    const struct crew_failure *now = &failure->record[other_of(other) - 1];

    if (which != 0 && now->begin >= begin && now->begin < end)
        store_release(&failure->which, failure->record[other - 1].error ? other : 0);
}

void failure_clear(struct failure_shm *failure)
{
    /* A line that is not written stays with its writer. */
    if (load_relaxed(&failure->which) != 0)
        store_relaxed(&failure->which, 0);
    for (unsigned i = 0; i < 2; i++)
        if (failure->record[i].error != 0)
            failure->record[i].error = 0;
}
