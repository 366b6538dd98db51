/* task.h - one run of a task: what the function sees, and where it leaves what it says. */
#ifndef CREW_TASK_RUN_H
#define CREW_TASK_RUN_H

#include <crew/task.h>

#define TASK_MESSAGE 160

struct task_run {
    struct crew_task task; /* first: the function's pointer is this struct's, too */
    char message[TASK_MESSAGE];
    int (*result)(struct task_run *run, const void *data, size_t size); /* NULL: it has none */
    void *context;                                                      /* for 'result'      */
};

#endif
