/* filter_text.c - text, read here, made into numbers by workers, and then given the rows before its own. */
#include "filter_inside.h"

#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_TEXT = 1 << 18, FIRST_TEXT = 1 << 15, LEAST_TEXT = 1 << 12, MOST_TEXT = 64 << 20 };

static size_t chunk_text(const struct run *run, const struct ordered_slot *slot)
{
    uint64_t rows = run->work->chunk, most = MOST_TEXT / TEXT_OF_A_NUMBER / run->source->channels + 1;
    uint64_t first = FIRST_TEXT + run->read * run->source->channels * TEXT_OF_A_NUMBER, size;

    if (rows == 0)
        rows = run->work->window / 4; /* to read a number costs far more than to average it again */
    if (rows > most)
        rows = most;
    size = rows * run->source->channels * TEXT_OF_A_NUMBER;
    if (run->work->chunk)
        return size < LEAST_TEXT ? LEAST_TEXT : size;
    if (size < CHUNK_TEXT)
        size = CHUNK_TEXT;
    return run_measures(run, slot) && size > first ? first : size;
}

static int text_more(struct run *run, size_t want, bool wait)
{
    while (run->text_size < want && !run->ended) {
        int64_t n;

        if (run->text_room < want) {
            char *larger = realloc(run->text, want);

            if (!larger)
                return -ENOMEM;
            run->text = larger;
            run->text_room = want;
        }
        n = source_bytes(run->source, run->text + run->text_size, run->text_room - run->text_size, wait);
        if (n == -EAGAIN)
            return 0;
        if (n < 0)
            return (int)n;
        run->ended = n == 0;
        run->text_size += (size_t)n;
        wait = false; /* what is there will do */
    }
    return 0;
}

/* Bytes of 'text' that can be made into numbers: about 'want', if they are there. 0: none yet; or an
 * error. */
static int64_t text_ready(struct run *run, size_t want, bool wait)
{
    for (;;) {
        size_t before = run->text_size, cut;
        int r = text_more(run, want, wait);

        if (r < 0)
            return r;
        cut = table_cut(run->source->table, run->text, run->text_size, run->ended);
        if (cut > 0 || run->ended)
            return (int64_t)cut;
        if (run->text_size >= MOST_TEXT && wait) { /* what is before it was passed */
            snprintf(run->why, sizeof run->why, "%s: line %llu is longer than 64 MiB", run->source->name,
                     (unsigned long long)table_line(run->source->table, &run->place));
            return -EINVAL;
        }
        if (run->text_size >= MOST_TEXT || (run->text_size == before && !wait))
            return 0;
        if (run->text_size >= want)
            want = 2 * want;
    }
}

static int explain(struct run *run, const char *text, size_t size, const struct table_piece *piece)
{
    int n = snprintf(run->why, sizeof run->why, "%s: ", run->source->name);

    table_explain(run->source->table, &run->place, text, size, piece, run->why + n,
                  sizeof run->why - (size_t)n);
    return -EINVAL;
}

static void text_drop(struct run *run, size_t size)
{
    run->text_size -= size;
    memmove(run->text, run->text + size, run->text_size);
}

/* Reads and turns into numbers, here, what has to be known first. */
static int begin_table(struct run *run)
{
    uint64_t needs = edges_needs(run->work->edges, run->work->window);
    struct rows head = {0};
    int r = 0;

    while (head.count < needs && r == 0) {
        int64_t size = text_ready(run, CHUNK_TEXT, true);
        struct table_piece piece = {.bad = TABLE_GOOD};

        if (size <= 0) {
            r = (int)size;
            break;
        }
        uint64_t room = head.count + table_room(run->source->table, (size_t)size) / run->source->channels + 1;

        r = rows_room(run, &head, room);
        if (r < 0)
            break;
        table_read(run->source->table, run->text, (size_t)size,
                   (double *)(void *)(head.at + head.count * run->row), &piece);
        if (piece.bad != TABLE_GOOD) {
            r = explain(run, run->text, (size_t)size, &piece);
            break;
        }
        head.count += piece.rows;
        table_pass(&run->place, run->text, (size_t)size);
        text_drop(run, (size_t)size);
    }
    run->read = head.count;
    if (r == 0)
        r = extended_left(run, &head);
    free(head.at);
    run->begun = r == 0;
    return r;
}

/* The rows that may stand before those of this text: the tail, and, before the first, the lead. */
static uint64_t rows_before(const struct run *run)
{
    uint64_t tail = run->work->window - 1;

    if (tail > run->possible)
        tail = run->possible;
    return tail + (run->lead.count - run->lead_at);
}

int next_table(void *context, struct ordered_slot *slot)
{
    struct run *run = context;
    struct filter_task *task = (struct filter_task *)slot->argument;
    uint64_t before, room, most;
    size_t want;
    int64_t size;
    int r = run->lost;

    if (r == 0 && !run->begun)
        r = run->lost = begin_table(run);
    if (r < 0)
        return r;
    want = chunk_text(run, slot);
    size = text_ready(run, want, run->ordered->under_way == 0);
    if (size < 0)
        return (int)size;
    if (size == 0 && !run->ended)
        return ORDERED_LATER;
    if (size == 0 && run->last_text)
        return 0;
    if (run->possible == 0)
        run->possible = run->lead.count;
    before = rows_before(run);
    if (want < (size_t)size)
        want = (size_t)size;
    if (size > 0) /* as for any piece, so that the buffer does for the next one */
        room = table_room(run->source->table, want) / run->source->channels + 1;
    else /* the right end */
        room = run->work->edges == EDGES_VALID ? 0 : run->work->window;
    most = before + room < run->work->window ? 0 : before + room - run->work->window + 1;
    r = run_lay_out(run, slot, want, before + room, most, task);
    if (r != 0)
        return r;
    run->possible += room;
    task->step = STEP_READ;
    task->text = slot->buffer;
    task->size = (size_t)size;
    task->rows = (char *)slot->buffer + round_up(want) + before * run->row;
    if (size > 0) {
        memcpy(slot->buffer, run->text, (size_t)size);
        text_drop(run, (size_t)size);
    } else {
        run->last_text = true;
    }
    return 1;
}

/* The rows of this text are there: it gets those before it, and goes on. */
int between_table(void *context, struct ordered_slot *slot)
{
    struct run *run = context;
    struct filter_task *task = (struct filter_task *)slot->argument;
    const struct filter_answer *answer = (const struct filter_answer *)slot->result;
    const uint64_t window = run->work->window;
    uint64_t lead = run->lead.count - run->lead_at, have = run->tail.count + lead;
    char *rows = (char *)task->rows - have * run->row;
    int r;

    if (answer->piece.bad != TABLE_GOOD)
        return explain(run, task->text, task->size, &answer->piece);
    table_pass(&run->place, task->text, task->size);
    if (run->tail.count > 0)
        memcpy(rows, run->tail.at, run->tail.count * run->row);
    task->first = run->extended - run->tail.count;
    extended_lead(run, rows + run->tail.count * run->row, lead);
    have += answer->piece.rows;
    run->read += answer->piece.rows;
    run->extended += lead + answer->piece.rows;
    r = extended_keep(run, rows, have);
    if (r == 0 && task->size == 0) { /* the end */
        r = extended_right(run);
        if (r == 0) {
            uint64_t right = extended_lead(run, rows + have * run->row, UINT64_MAX);

            have += right;
            run->extended += right;
        }
    }
    if (r < 0)
        return r;
    task->rows = rows;
    task->step = STEP_MEAN;
    task->count = have >= window ? have - window + 1 : 0;
    return 0;
}
