/* Q07.c - a process dies between get() and task_done(): the message comes back, another one does
 * it, and join() returns. */
#include "fault.h"

static crew_queue *queue;

static int take(crew_task *task)
{
    struct crew_lease lease;
    int item;

    (void)task;
    must(crew_queue_get_lease(queue, &item, sizeof item, NULL, &lease, CREW_FOREVER));
    stay();
}

FAULT("Q07", "JoinableQueue: SIGKILL a consumer between get() and task_done(); join()")
{
    struct crew_lease lease = { 0 };
    crew_process *consumer;
    int item = 1, got = 0, r;

    must(crew_queue_open(&queue, &(struct crew_queue_options){ .lease = true }));
    must(crew_queue_put(queue, &item, sizeof item, CREW_NOW));
    consumer = begin(take);
    until(there() == 1);
    slay(consumer);
    r = crew_queue_get_lease(queue, &got, sizeof got, NULL, &lease, in_time());
    went_on();
    if (r == 0) {
        must(crew_queue_task_done(queue, &lease));
        r = crew_queue_join(queue, in_time());
    }
    end_all();
    crew_queue_close(queue);
    if (r == 0 && (got != item || lease.attempt != 2))
        end("corrupt", "got %d, attempt %u", got, lease.attempt);
    told(r, "the message came back, attempt 2; join returned");
}
