/* worker.c - what a worker does all day, thread or process alike.
 *
 * It takes a block of the job, if there is one, then a submitted task, in turn; when there is neither,
 * it waits at the gate. */
#include "pool.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static _Thread_local const struct worker_mark *innermost;

void worker_enter(struct worker_mark *mark, const struct pool_shm *shm)
{
    *mark = (struct worker_mark){ .shm = shm, .outer = innermost };
    innermost = mark;
}

void worker_leave(const struct worker_mark *mark)
{
    innermost = mark->outer;
}

HOT bool worker_is_here(const crew_pool *pool)
{
    for (const struct worker_mark *m = innermost; m; m = m->outer)
        if (m->shm == pool->shm)
            return true;
    return pool->sequential;
}

/* crew_task_result() of a submitted task. */
static int keep_result(struct task_run *run, const void *data, size_t size)
{
    struct slot_shm *slot = run->context;
    void *block = NULL;

    if (size > UINT32_MAX)
        return -ENOMEM;
    if (size > SLOT_RESULT) {
        int r = life_alloc(size, &block);

        if (r < 0)
            return r;
    }
    if (slot->result_block)
        life_free(slot->result_block);
    slot->result_block = block;
    slot->result_size = (uint32_t)size;
    if (size > 0)
        memcpy(slot_result(slot, size), data, size);
    return 0;
}

/* Runs the task of a slot that the caller has taken, and publishes its end. */
HOT void run_submitted(struct slot_shm *slot, struct task_run *run, unsigned worker)
{
    crew_task *t = &run->task;
    int code;

    t->argument_size = slot->argument_size;
    t->argument = t->argument_size ? slot_argument(slot, t->argument_size) : NULL;
    t->worker = worker;
    t->attempt = slot_tries(slot) + 1;
    run->message[0] = '\0';
    run->result = keep_result;
    run->context = slot;
    code = slot->function(t);
    if (code != 0) {
        if (slot->result_block)
            life_free(slot->result_block);
        slot->result_block = NULL;
        slot->result_size = 0;
        memcpy(slot->message, run->message, sizeof slot->message);
    }
    slot->code = code;
    slot->pid = os_pid();
    slot_finish(slot, worker, code ? SLOT_FAILED : SLOT_RESULT_IS_THERE);
}

/* Who is woken may have been put on this CPU, so it comes before a spin for more work. */
HOT static void ring_bell(struct bell_shm *bell, uint32_t what)
{
    uint32_t wanted = load_total(&bell->wanted);

    if (wanted == 0 || (wanted != BELL_ANY && wanted != what))
        return;
    atomic_fetch_add(&bell->event, 1);
    party_wake(&bell->event, INT32_MAX);
    os_yield();
}

HOT void worker_loop(struct pool_shm *shm, unsigned number, void (*idle)(void))
{
    struct board_shm *board = &shm->board;
    uint32_t requeued = load_acquire(&board->requeued) - 1; /* look at all slots once */
    uint32_t through = 0;                                   /* the job that we are through with */
    pid_t pid = os_pid();
    struct worker_mark mark;
    struct task_run run;

    memset(&run, 0, sizeof run);
    worker_enter(&mark, shm);
    store_relaxed(&shm->worker[number].begun, 1);
    for (;;) {
        uint32_t seen = gate_event(&shm->gate);
        uint32_t active = load_acquire(&shm->job.active);
        enum job_turn turn = JOB_CLOSED;
        uint32_t index;

        if (load_acquire(&shm->closing) == 2)
            break;
        if (active != 0 && active != through) {
            uint32_t epoch;

            if (board_has_more(board) && gate_wants_ring(&shm->gate))
                gate_ring(&shm->gate, 1);
            turn = job_turn(&shm->job, number, pid, &epoch);
            if (turn == JOB_THROUGH)
                through = epoch;
            /* who finished it, and who was inside when it was closed, if only to see that it was */
            if (turn == JOB_THROUGH || turn == JOB_CLOSED || load_total(&shm->job.active) != epoch)
                ring_bell(&shm->bell, BELL_ANY);
        }
        index = slot_take(board, number, &requeued);
        if (index != SLOT_NONE) {
            if (turn == JOB_HUNGRY)
                job_sated(&shm->job, number);
            /* more than one can do: who told of it may have relied on the same searcher twice */
            if ((board_has_more(board) || (active != 0 && active != through)) &&
                gate_wants_ring(&shm->gate))
                gate_ring(&shm->gate, 1);
            run_submitted(&board->slot[index], &run, number);
            ring_bell(&shm->bell, index + 1);
            continue;
        }
        if (turn == JOB_MORE)
            continue;
        if (load_acquire(&shm->closing) != 0)
            break;
        gate_wait(&shm->gate, number, seen, CREW_FOREVER, idle);
        if (turn == JOB_HUNGRY)
            job_sated(&shm->job, number);
    }
    worker_leave(&mark);
}
