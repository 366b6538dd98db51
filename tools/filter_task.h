/* filter_task.h - what a worker does for the filter: gets samples, averages them, writes them down.
 *
 * A task has no effect but on the buffers that it is given, or on its own place in the output, so it can be
 * run again. */
#ifndef TOOLS_FILTER_TASK_H
#define TOOLS_FILTER_TASK_H

#include "filter_run.h"

/* What all tasks of a run share; it stands before workers are forked, and does not change. */
struct filter_plan {
    const struct filter_work *work;
    const struct source *source;
    const struct sink *sink;
    uint64_t left;        /* samples before the first; only if source_anywhere() */
    int fd;               /* where tasks write their averages themselves, if their places are known;
                             -1: the averages are left in 'out'                    */
    uint64_t begin;       /* the first one's place in it                           */
    uint64_t piece;       /* rows that are averaged and written at once            */
};

enum filter_step {
    STEP_FETCH, /* gets its samples, and averages them   */
    STEP_PLACE, /* the same, and writes the averages     */
    STEP_READ,  /* text to numbers                       */
    STEP_MEAN,  /* averages the samples that it is given */
};

struct filter_task {
    const struct filter_plan *plan;
    enum filter_step step;
    uint64_t first;      /* number of the first average                               */
    uint64_t count;      /* averages                                                  */
    const char *text;    /* READ                                                      */
    size_t size;
    void *rows;          /* READ: where the numbers go, as f64. MEAN: the extended samples,
                            count + window - 1 rows, all channels of a row together,
                            f64 or as 'single' says; from a table always f64          */
    void *memory;        /* task_memory() bytes; not for PLACE, which has its own     */
    char *out;           /* sink_room() bytes; the same                               */
};

struct filter_answer {
    struct table_piece piece; /* READ             */
    uint64_t bytes, hash;     /* of the averages  */
    int unwritten;            /* PLACE: an error of the output */
};

/* To whole cache lines, as all memory of a task is divided. */
static inline size_t round_up(size_t size)
{
    return (size + 63) & ~(size_t)63;
}

/* Bytes that FETCH or MEAN of 'count' averages works in. */
size_t task_memory(const struct filter_plan *plan, enum filter_step step, uint64_t count);

/* Bytes of a worker's own that PLACE works in. */
size_t task_own_memory(const struct filter_plan *plan);

/* 0, or an error. */
int task_run(const struct filter_task *task, struct filter_answer *answer, struct ordered_own *own);

/* What stands where there is no sample. */
double task_padding(const struct filter_work *work);

#endif
