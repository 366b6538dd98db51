/* task.h - one run of a task: what the function sees, and where it leaves what it says. */
#ifndef CREW_TASK_RUN_H
#define CREW_TASK_RUN_H

#include <crew/task.h>

#define TASK_MESSAGE 160

#define TASK_ALIGN 16 /* of the argument, as crew/task.h promises */

static inline bool task_is_aligned(const void *argument)
{
    return (uintptr_t)argument % TASK_ALIGN == 0;
}

/* Lets a task find its argument aligned: '*argument' as it is, or changed to a copy, which '*copy' is
 * set to, for free(). -ENOMEM. */
int task_align(const void **argument, size_t size, void **copy);

struct task_run {
    struct crew_task task; /* first: the function's pointer is this struct's, too */
    char message[TASK_MESSAGE];
    int (*result)(struct task_run *run, const void *data, size_t size); /* NULL: it has none */
    void *context;                                                      /* for 'result'      */
};

#endif
