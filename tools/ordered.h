/* ordered.h - many tasks, at once on a pool or one by one here, their results taken in order.
 *
 *     struct ordered run;
 *     int r = ordered_open(&run, CREW_PROCESSES, 4, "crew primes");
 *     if (r == 0)
 *         r = ordered_run(&run, &job);
 *     ordered_close(&run);
 *
 * A window of slots goes round: each holds a task's argument and result and, if the job asks for
 * one, a buffer that the task fills, used again and again. So memory does not depend on how many
 * tasks there are, and a reader that is slow slows the workers down.
 *
 * CREW_KIND_DEFAULT (auto) begins here, in this process, and opens a pool of processes once the
 * measured cost of the tasks says that it pays off.
 *
 * A worker that dies costs nothing but time: its task is run again, into the same buffer. So 'work'
 * must have no effect but result and buffer, or one that is the same when it begins again: bytes at
 * their fixed place in a file. Workers are forks of this process, made when the pool is opened, or later
 * in the place of a dead one: what is open by then is open in them. */
#ifndef TOOLS_ORDERED_H
#define TOOLS_ORDERED_H

#include <crew.h>

#include <stdalign.h>

enum { ORDERED_ARGUMENT = 128, ORDERED_RESULT = 64 };

struct ordered_slot {
    alignas(8) unsigned char argument[ORDERED_ARGUMENT];
    alignas(8) unsigned char result[ORDERED_RESULT];
    bool alone; /* the task will run in this process, as all before and after it */

    crew_future *future;
    void *buffer;
    size_t capacity;
    enum crew_kind buffer_kind;
};

/* Memory of whoever does a task, kept from one to the next. */
struct ordered_own {
    void *memory;
    size_t size;
};

/* What 'take' answers when the same slot's task is to run once more, with a new argument; and what
 * 'next' answers when there is no task yet, and it would have to wait for one. */
enum { ORDERED_AGAIN = 1, ORDERED_LATER = 2 };

struct ordered_job {
    void *context;
    size_t argument_size, result_size;

    /* Puts the next task's argument into the slot. 1: there is one; 0: no more; below 0: error.
     * After -ENOMEM, which changes nothing, it may be asked again; so after ORDERED_LATER, which is for
     * when other tasks are under way (ordered.under_way): then their results are taken first. */
    int (*next)(void *context, struct ordered_slot *slot);

    /* Does it, in whatever thread or process, to which 'own' belongs. 0, or an error. */
    int (*work)(const void *argument, void *result, struct ordered_own *own);

    /* NULL, or called in order between two rounds of work on each task: what the tasks before have
     * found goes from slot->result into this one's argument, and 'work' is called again. 0 or an error. */
    int (*between)(void *context, struct ordered_slot *slot);

    /* Uses slot->result and slot->buffer. 0, ORDERED_AGAIN, or an error, which ends the run. */
    int (*take)(void *context, struct ordered_slot *slot);

    /* Called now and then while it waits; may be NULL. */
    void (*idle)(void *context);

    /* For auto: how much is taken, 0 to 1, and how many tasks of a pool would pay again for what only the
     * first one paid for here. */
    double (*done)(void *context, double *starts);
};

struct ordered {
    enum crew_kind kind; /* as asked for                                  */
    enum crew_kind used; /* where the tasks ran; the last one, if auto    */
    unsigned workers;
    const char *name;
    crew_pool *pool;
    struct ordered_slot *slots;
    unsigned window;
    struct ordered_own *own; /* of each worker; all but this process's stay as they were before the fork */
    unsigned under_way; /* tasks given to the pool and not taken yet */
    bool starved; /* 'next' found no memory while nothing was under way */
    struct crew_failure failure; /* of the task that ended the run, if one did */
    struct crew_pool_stats stats;
};

/* 0, or an error of crew_pool_open(). ordered_close() is needed in both cases. */
int ordered_open(struct ordered *run, enum crew_kind kind, unsigned workers, const char *name);

/* 0; what 'next' or 'take' returned; or an error of the pool or of a task. */
int ordered_run(struct ordered *run, const struct ordered_job *job);

/* Frees all. Tasks that still run are ended. */
void ordered_close(struct ordered *run);

/* For 'next': makes the slot's buffer 'size' bytes long, or longer. 0 or -ENOMEM. */
int ordered_buffer(struct ordered_slot *slot, size_t size);

/* For 'work': the same with its own memory, which no other process sees. */
int ordered_own_memory(struct ordered_own *own, size_t size);

/* One sentence on how a run failed with 'error'. Valid until the next call. */
const char *ordered_explain(const struct ordered *run, int error);

const char *ordered_kind_name(enum crew_kind kind);

#endif
