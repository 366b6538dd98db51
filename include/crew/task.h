/* crew/task.h - a task: a C function over bytes, as it sees itself while it runs.
 *
 * The same function runs in the caller, in a thread or in another process; the kind of its pool
 * says where. It finds what it works on in its crew_task, and returns 0, or anything else to
 * fail; `return crew_task_fail(task, code, "why %s", what);` fails with a message, which reaches
 * whoever waits for the result.
 *
 * Which fields are set depends on the call that started it:
 *
 *     crew_process_start, crew_pool_submit   argument, argument_size
 *     crew_pool_for                          the same, and begin, end: the indices to work on
 *     crew_pool_map                          input, output: one element each; begin: its index
 *     crew_pool_reduce                       as for; output: the partial result to fill
 *
 * The struct is visible so that a loop of millions of tiny tasks pays no call to read it. It is
 * the library's: a task reads it, never writes it, and keeps no pointer to it. */
#ifndef CREW_TASK_H
#define CREW_TASK_H

#include <crew/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct crew_task crew_task;
typedef int crew_function(crew_task *task);

struct crew_task {
    const void *argument; /* aligned to 16 bytes; NULL if argument_size is 0           */
    size_t argument_size; /* bytes                                                     */
    uint64_t begin, end;  /* indices: begin <= i < end                                 */
    const void *input;
    void *output;
    unsigned worker;      /* which worker runs it: 0 <= worker < workers of the pool   */
    unsigned attempt;     /* 1; more when a worker died at it before (options.retries) */
};

/* Says why the task fails. Returns 'code', or -1 if that is 0, so that it can be returned; the
 * message (printf's form, 159 bytes at most, cut at the end of a UTF-8 character) goes with it.
 * Death: a task that dies after this call reports its death, not the message. */
CREW_API int crew_task_fail(crew_task *task, int code, const char *format, ...) CREW_FORMAT(3, 4);

/* Sets the result of a submitted task: 'size' bytes, copied. The last call counts; none: no bytes.
 * Small ones travel inside the task's slot, larger ones in a block of the arena.
 *
 * 0               kept
 * -ENOMEM         no memory
 * -EINVAL         this task has no result of its own (map, for, reduce, process) */
CREW_API int crew_task_result(crew_task *task, const void *data, size_t size);

#ifdef __cplusplus
}
#endif

#endif
