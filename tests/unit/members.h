/* members.h - processes that share a struct with the test: started with its address, and joined. */
#ifndef UNIT_MEMBERS_H
#define UNIT_MEMBERS_H

#include "unit.h"

#include <crew.h>

/* What it was started with. */
static inline void *shared_of(const crew_task *task)
{
    return *(void *const *)task->argument;
}

static inline crew_process *start(crew_function *function, void *shared)
{
    crew_process *p;

    ck_assert_ok(crew_process_start(&p, function, &shared, sizeof shared, NULL));
    return p;
}

static inline struct crew_exit join(crew_process *p)
{
    struct crew_exit e;

    ck_assert_ok(crew_process_join(p, &e, CREW_FOREVER));
    crew_process_close(p);
    return e;
}

#endif
