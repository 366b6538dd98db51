/* job.h - one map, for or reduce that the workers of a pool share out among them. The law stands in
 * job.c. */
#ifndef CREW_JOB_H
#define CREW_JOB_H

#include "failure.h"
#include "gate.h"

#include <crew/future.h>
#include <crew/task.h>

#define JOB_ARGUMENT 192
#define JOB_WORKERS 1000
#define JOB_NONE UINT32_MAX
#define JOB_DOOMED UINT32_MAX

enum job_kind { JOB_MAP, JOB_RANGE, JOB_LEAF };

struct block_shm {
    _Alignas(CACHE_LINE) _Atomic uint64_t word; /* end:22 position:22 width:5 tries:4 owner:10 */
    uint64_t base;                              /* unit of position 0                           */
    uint64_t length;                            /* of a split: the units that come with it      */
};

/* A worker's part. Written by the worker alone; by the repairer when it is dead. */
struct job_seat_shm {
    _Alignas(CACHE_LINE) _Atomic uint32_t inside; /* the epoch of the job it is in; 0: none;
                                                     JOB_DOOMED: it will be killed there        */
    struct failure_shm failure;
};

/* What the caller asked for. */
struct job_plan {
    enum job_kind kind;
    bool adapt;            /* widen a task to some units, by the clock               */
    crew_function *function;
    const void *argument;  /* NULL, or where the bytes are                           */
    size_t argument_size;
    uint64_t count;        /* one past the last index                                */
    uint64_t unit;         /* indices in a unit                                      */
    const char *input;
    char *output;
    size_t input_size, output_size;
};

struct job_shm {
    /* Written by the caller while nobody is inside; read by who is inside. What a range needs is in the
     * first line and in that of its argument: each line more is a trip between cores. */
    _Alignas(CACHE_LINE) _Atomic uint32_t active; /* epoch; 0: no job */
    uint32_t blocks;       /* at the beginning of the table that are in use at first */
    uint64_t first;        /* index of unit 0                                        */
    struct job_plan plan;
    uint32_t retries;
    _Alignas(CACHE_LINE) unsigned char small[JOB_ARGUMENT];

    _Alignas(CACHE_LINE) _Atomic uint64_t hungry; /* a bit for each worker (modulo 64) that found nothing;
                                                     a hint that makes owners split            */
    _Atomic uint32_t cancel;                      /* 1: leave at the next boundary             */
    _Alignas(CACHE_LINE) _Atomic uint32_t splits; /* splits begun; so that a search sees that it missed one */
    _Atomic uint32_t used;                        /* blocks behind these are EMPTY; only grows in an epoch */
    _Alignas(CACHE_LINE) _Atomic uint32_t finished; /* the epoch that somebody saw finished; a hint */

    _Alignas(CACHE_LINE) struct failure_shm death; /* written by the repairer */
    uint32_t table;                                /* blocks in the table      */
    struct block_shm *block;
    struct job_seat_shm *seat;
    struct gate_shm *gate;
};

uint32_t job_table(unsigned workers);
size_t job_size(unsigned workers);
void job_init(struct job_shm *job, unsigned workers, void *memory, struct gate_shm *gate);

/* Asks for the lines that opening a job will touch, all at once: some are at other cores. */
void job_expect(const struct job_shm *job, unsigned workers);

/* The most units that one epoch can hold. */
uint64_t job_capacity(const struct job_shm *job);

/* The caller: cuts units [0, units) into blocks and opens the job. The fields of 'job' above are set
 * before. */
void job_open(struct job_shm *job, uint64_t units, unsigned workers);
/* True when every unit is done. */
bool job_is_finished(struct job_shm *job);
/* Closes it: nobody enters any more. */
void job_close(struct job_shm *job);
/* Marks a worker that is inside, so that it leaves in no other way than by its death. False: it has
 * left, and may be at something else. Only where workers are processes, and the caller kills it. */
bool job_doom(struct job_shm *job, unsigned worker);
/* True when nobody is inside. */
bool job_is_empty(const struct job_shm *job, unsigned workers);
/* The failure with the lowest index; false: none. Only when nobody is inside. */
bool job_failure(struct job_shm *job, unsigned workers, struct crew_failure *failure);
/* Forgets them, before a job is opened. */
void job_clear_failures(struct job_shm *job, unsigned workers);

enum job_turn {
    JOB_CLOSED,  /* there is no job                                                             */
    JOB_MORE,    /* a block is done; there may be more                                          */
    JOB_HUNGRY,  /* all is taken: wait for a split, with the hungry bit set                     */
    JOB_THROUGH, /* finished, or cancelled: nothing will come                                   */
};

/* A worker: takes a block and works it off, and never waits. '*epoch' is the job's. */
enum job_turn job_turn(struct job_shm *job, unsigned worker, pid_t pid, uint32_t *epoch);
/* It no longer waits for a split. */
void job_sated(struct job_shm *job, unsigned worker);

/* The caller as a worker: takes part until nothing is left for it, waiting for splits. At 'deadline'
 * it cancels the job for all. Returns the epoch that it is through with. */
uint32_t job_work(struct job_shm *job, unsigned worker, pid_t pid, crew_time deadline);

/* After the certain death of a worker. Returns how many tasks will be run again. May be called
 * again. */
uint32_t job_repair(struct job_shm *job, unsigned dead, const struct os_end *end, pid_t pid);

/* NULL, or the first invariant that is broken. */
const char *job_check(const struct job_shm *job);

/* Reduce: joins 'count' partials of 'size' bytes, neighbours first, always in the same tree; the
 * value ends in the first. Stops at the first failure of 'combine' and returns its code. */
struct task_run;
int job_combine(struct task_run *run, crew_function *combine, char *partials, size_t size,
                uint64_t count);

#endif
