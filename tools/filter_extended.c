/* filter_extended.c - the extended signal (filter_edges.h) row by row: what stands before the first sample,
 * the samples, what stands behind the last; and a stream of numbers as tasks made of it. */
#include "filter_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int rows_room(const struct run *run, struct rows *rows, uint64_t room)
{
    char *at;
    size_t size;

    if (room <= rows->room)
        return 0;
    if (__builtin_mul_overflow(room, run->row, &size) || size > run->memory)
        return -ENOMEM;
    at = realloc(rows->at, size);
    if (!at)
        return -ENOMEM;
    rows->at = at;
    rows->room = room;
    return 0;
}

int extended_keep(struct run *run, const char *at, uint64_t count)
{
    uint64_t keep = run->work->window - 1 < count ? run->work->window - 1 : count;
    int r = rows_room(run, &run->tail, keep);

    if (r < 0)
        return r;
    if (keep > 0)
        memcpy(run->tail.at, at + (count - keep) * run->row, keep * run->row);
    run->tail.count = keep;
    return 0;
}

static void pad(const struct run *run, char *row)
{
    double value = task_padding(run->work);
    float single = (float)value;

    for (unsigned c = 0; c < run->source->channels; c++) {
        if (run_rows_are_single(run))
            memcpy(row + c * sizeof single, &single, sizeof single);
        else
            memcpy(row + c * sizeof value, &value, sizeof value);
    }
}

/* Row 'at' of the signal, which may be beyond its ends. The rows from sample 'first' on are at 'rows', as
 * many as may be asked for; NULL: there is no signal. */
static void extend(const struct run *run, int64_t at, uint64_t n, const char *rows, int64_t first, char *to)
{
    int64_t sample = edges_sample(run->work->edges, at, n);

    if (sample < 0 || !rows)
        pad(run, to);
    else
        memcpy(to, rows + (size_t)(sample - first) * run->row, run->row);
}

int extended_left(struct run *run, struct rows *head)
{
    uint64_t left = edges_left(run->work->edges, run->work->window, head->count);
    int r = rows_room(run, &run->lead, left + head->count);

    if (r < 0)
        return r;
    if (head->count == 0 && edges_needs(run->work->edges, run->work->window) > 0)
        left = 0; /* there is no signal */
    for (uint64_t i = 0; i < left; i++)
        extend(run, (int64_t)i - (int64_t)left, head->count, head->at, 0, run->lead.at + i * run->row);
    if (head->count > 0)
        memcpy(run->lead.at + left * run->row, head->at, head->count * run->row);
    run->lead.count = left + head->count;
    run->left = left;
    return 0;
}

int extended_right(struct run *run)
{
    uint64_t n = run->read, right = edges_right(run->work->edges, run->work->window, n);
    int64_t first = (int64_t)run->extended - (int64_t)run->tail.count - (int64_t)run->left;
    int r = rows_room(run, &run->lead, right);

    if (r < 0)
        return r;
    for (uint64_t i = 0; i < right; i++)
        extend(run, (int64_t)(n + i), n, run->tail.at, first, run->lead.at + i * run->row);
    run->lead.count = right;
    run->lead_at = 0;
    return 0;
}

uint64_t extended_lead(struct run *run, char *to, uint64_t most)
{
    uint64_t count = run->lead.count - run->lead_at;

    if (count > most)
        count = most;
    if (count > 0)
        memcpy(to, run->lead.at + run->lead_at * run->row, count * run->row);
    run->lead_at += count;
    return count;
}

/* -- a stream of numbers ------------------------------------------------------------------ */

static int64_t read_rows(struct run *run, char *to, uint64_t most, bool wait)
{
    int64_t n = source_rows(run->source, to, run->work->single, most, wait);

    if (n == -EINVAL)
        snprintf(run->why, sizeof run->why, "%s", run->source->why);
    if (n > 0)
        run->read += (uint64_t)n;
    return n;
}

static int begin_stream(struct run *run)
{
    uint64_t needs = edges_needs(run->work->edges, run->work->window);
    struct rows head = {0};

    /* A long window: is the signal as long at all? Nothing comes out of it before that anyway. */
    if (run->work->window > CHUNK_NUMBERS)
        needs = run->work->window;
    int64_t n = 1;
    int r = 0;

    while (head.count < needs && n > 0 && r == 0) {
        r = rows_room(run, &head, head.room ? 2 * head.room : 64);
        if (r == 0) {
            n = read_rows(run, head.at + head.count * run->row,
                          (head.room < needs ? head.room : needs) - head.count, true);
            head.count += n > 0 ? (uint64_t)n : 0;
            r = n < 0 ? (int)n : 0;
        }
    }
    if (r == 0)
        r = extended_left(run, &head);
    run->ended = r == 0 && run->work->edges == EDGES_VALID && head.count < run->work->window &&
                 head.count < needs;
    if (run->ended)
        run->lead.count = 0;
    free(head.at);
    run->begun = r == 0;
    return r;
}

/* Fills 'rows', of which 'have' are there, up to 'most'. 0 or an error. */
static int fill_rows(struct run *run, char *rows, uint64_t *have, uint64_t most)
{
    uint64_t before = *have;

    while (*have < most) {
        char *to = rows + *have * run->row;
        int64_t n = (int64_t)extended_lead(run, to, most - *have);

        if (n == 0 && run->ended)
            break;
        if (n == 0) {
            n = read_rows(run, to, most - *have, *have == before && run->ordered->under_way == 0);
            if (n == -EAGAIN)
                break;
            if (n < 0)
                return (int)n;
        }
        *have += (uint64_t)n;
        run->extended += (uint64_t)n;
        if (n == 0) { /* its end */
            int r = extended_keep(run, rows, *have);

            if (r == 0)
                r = extended_right(run);
            if (r < 0)
                return r;
            run->ended = true;
        }
    }
    return 0;
}

static bool is_over(const struct run *run)
{
    return run->ended && run->lead_at == run->lead.count;
}

/* The next rows, behind those that were kept, and keeps the last again. */
static int next_rows(struct run *run, struct filter_task *task, uint64_t most)
{
    uint64_t have = run->tail.count;
    int r;

    if (have > 0)
        memcpy(task->rows, run->tail.at, have * run->row);
    task->first = run->extended - have;
    r = fill_rows(run, task->rows, &have, most);
    if (r == 0)
        r = extended_keep(run, task->rows, have);
    task->count = have >= run->work->window ? have - run->work->window + 1 : 0;
    return r;
}

int next_stream(void *context, struct ordered_slot *slot)
{
    struct run *run = context;
    struct filter_task *task = (struct filter_task *)slot->argument;
    int r = run->lost;

    if (r == 0 && !run->begun)
        r = run->lost = begin_stream(run);
    while (r == 0 && !is_over(run)) {
        uint64_t count = run_chunk_rows(run, slot), most = count + run->work->window - 1;

        r = run_lay_out(run, slot, 0, most, count, task);
        if (r != 0)
            return r;
        task->rows = slot->buffer;
        r = run->lost = next_rows(run, task, most);
        if (r == 0 && task->count > 0) {
            run->cut += task->count;
            return 1;
        }
        /* not yet one whole window */
        if (r == 0 && run->ordered->under_way > 0 && !is_over(run))
            return ORDERED_LATER;
    }
    return r;
}
