/* deadlocks.c - crew/deadlock.h for those who call. */
#include "deadlock.h"
#include "storage.h"

#include <stdio.h>

int crew_deadlock_report(struct crew_deadlock *cycle)
{
    struct crew_deadlock found;

    if (life_me() == 0)
        return CREW_EMISUSE;
    if (!deadlock_find(&found))
        return -ENOENT;
    *cycle = found;
    return 0;
}

int crew_deadlock_last(struct crew_deadlock *cycle)
{
    const struct crew_deadlock *last = deadlock_last();

    if (!last)
        return -ENOENT;
    *cycle = *last;
    return 0;
}

size_t crew_deadlock_text(const struct crew_deadlock *cycle, char *text, size_t size)
{
    size_t length = 0;

    for (unsigned i = 0; i < cycle->count && i < CREW_DEADLOCK_MOST; i++) {
        unsigned next = i + 1 < cycle->count ? i + 1 : 0;
        int n = snprintf(length < size ? text + length : NULL, length < size ? size - length : 0,
                         "%s (process %d) waits for %s \"%s\" at %p, which %s (process %d) holds\n",
                         cycle->thread[i].process, (int)cycle->thread[i].pid, cycle->thread[i].noun,
                         cycle->thread[i].object, cycle->thread[i].address, cycle->thread[next].process,
                         (int)cycle->thread[next].pid);

        length += n > 0 ? (size_t)n : 0;
    }
    if (length == 0 && size > 0)
        *text = '\0';
    return length;
}
