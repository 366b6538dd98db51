/* filter_run.c - cuts a signal into tasks for ordered.h, and writes their averages in order.
 *
 * Three ways, by where the samples come from. Where they can be fetched from any place, a task gets its
 * own, halo and all. A stream of numbers is read here, into the tasks' buffers, each with the last
 * window - 1 rows of the one before in front. Text is read here and turned into numbers by workers;
 * then, in order, each task is given the rows before its own, and goes on to the averages. */
#include "filter_run.h"

#include "checksum.h"
#include "filter_task.h"
#include "say.h"
#include "temporary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK_NUMBERS = 1 << 16, FIRST_NUMBERS = 1 << 12, MOST_NUMBERS = 1 << 27, CHUNK_TEXT = 1 << 18,
       FIRST_TEXT = 1 << 15, LEAST_TEXT = 1 << 12, MOST_TEXT = 64 << 20, TEXT_OF_A_NUMBER = 16 };

/* More numbers than any address space has room for, and few enough that no size of theirs overflows. */
static const uint64_t too_many_numbers = UINT64_C(1) << 44;

/* Rows in memory of our own. */
struct rows {
    char *at;
    uint64_t count, room;
};

struct run {
    const struct filter_work *work;
    struct source *source;
    const struct sink *sink;
    struct sink_file *file;  /* NULL: none                                                       */
    struct filter_sum *sum;
    struct filter_plan plan;
    struct ordered *ordered;
    struct progress bar;
    uint64_t memory;         /* bytes that all buffers may take                                  */
    char why[400];           /* of -EINVAL                                                       */

    uint64_t outputs, cut;   /* any place: averages in all, and in tasks so far                  */

    size_t row;              /* bytes of a row as it is handed over                              */
    bool begun, ended;       /* the stream: its left end is made; its right end is               */
    uint64_t read;           /* samples so far                                                   */
    uint64_t left;           /* rows that stand before the first                                 */
    uint64_t extended;       /* rows of the extended signal so far                               */
    struct rows tail;        /* the last window - 1 of them, or all                              */
    struct rows lead;        /* rows that come next, before what is still to be read             */
    uint64_t lead_at;

    char *text;              /* read, and not in a task yet                                      */
    size_t text_size, text_room;
    bool last_text;          /* the task behind all text was made                                */
    uint64_t possible;       /* rows that this text can have held so far                         */
    struct table_place place;

    int lost;                /* samples were read, and no memory was there to keep them: -ENOMEM */
    bool writing;            /* the error is the output's                                        */
};

/* -- how much in a task ------------------------------------------------------------------- */

/* While auto still measures, tasks begin small and double. */
static bool measures(const struct run *run, const struct ordered_slot *slot)
{
    return slot->alone && run->ordered->kind == CREW_KIND_DEFAULT && run->ordered->workers > 1;
}

/* Rows in a task: so many that samples which are needed twice don't count, if memory allows. */
static uint64_t task_rows(const struct run *run)
{
    uint64_t window = run->work->window, rows = run->work->chunk;
    uint64_t most = MOST_NUMBERS / run->source->channels + 1, least = window < most / 2 ? 2 * window : most;

    if (least < window / 2)
        least = window / 2;
    if (rows > 0)
        return rows < most ? rows : most;
    rows = CHUNK_NUMBERS / run->source->channels;
    if (rows < least)
        rows = least;
    return rows < 16 ? 16 : rows;
}

static uint64_t chunk_rows(const struct run *run, const struct ordered_slot *slot)
{
    uint64_t rows = task_rows(run), first = run->cut + FIRST_NUMBERS;

    return measures(run, slot) && run->work->chunk == 0 && rows > first ? first : rows;
}

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
    return measures(run, slot) && size > first ? first : size;
}

static size_t round_up(size_t size)
{
    return (size + 63) & ~(size_t)63;
}

/* Makes room in the slot: 'text' bytes and 'rows' rows that the task is given, what it works in for
 * 'count' averages, and what it writes. 0, -ENOMEM, or ORDERED_LATER. */
static int lay_out(const struct run *run, struct ordered_slot *slot, size_t text, uint64_t rows,
                   uint64_t count, struct filter_task *task)
{
    enum filter_step step = source_anywhere(run->source) ? STEP_FETCH : STEP_MEAN;
    uint64_t all = rows + (count > 0 ? count + run->work->window : 0), numbers;
    size_t given, memory, size;
    int r;

    if (__builtin_mul_overflow(all, run->source->channels, &numbers) || numbers > too_many_numbers)
        return -ENOMEM;
    given = round_up(round_up(text) + rows * run->row);
    memory = task_memory(&run->plan, step, count);
    size = given + memory + sink_room(run->sink, count);
    if (run->ordered->under_way > 0 && size > run->memory / (run->ordered->under_way + 1))
        return ORDERED_LATER;
    r = ordered_buffer(slot, size);
    if (r < 0)
        return r;
    *task = (struct filter_task){
        .plan = &run->plan,
        .step = step,
        .count = count,
        .memory = (char *)slot->buffer + given,
        .out = (char *)slot->buffer + given + memory,
    };
    return 0;
}

/* -- from any place ----------------------------------------------------------------------- */

static int next_anywhere(void *context, struct ordered_slot *slot)
{
    struct run *run = context;
    struct filter_task *task = (struct filter_task *)slot->argument;
    uint64_t count = chunk_rows(run, slot);
    int r;

    if (run->cut == run->outputs)
        return 0;
    if (count > run->outputs - run->cut)
        count = run->outputs - run->cut;
    r = lay_out(run, slot, 0, 0, count, task);
    if (r != 0)
        return r;
    task->first = run->cut;
    run->cut += count;
    return 1;
}

/* -- the extended signal, in order -------------------------------------------------------- */

static int rows_room(const struct run *run, struct rows *rows, uint64_t room)
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

/* Remembers the last rows of what was just handed on: 'count' rows at 'at', the tail in front. */
static int keep_tail(struct run *run, const char *at, uint64_t count)
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

static bool rows_are_single(const struct run *run)
{
    return run->work->single && run->source->kind != SOURCE_TABLE;
}

static void pad(const struct run *run, char *row)
{
    double value = task_padding(run->work);
    float single = (float)value;

    for (unsigned c = 0; c < run->source->channels; c++) {
        if (rows_are_single(run))
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

/* What stands before the first sample, then 'head': the samples that had to be read to know it. */
static int make_left(struct run *run, struct rows *head)
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

/* What stands behind the last sample; all before it is in the tail. */
static int make_right(struct run *run)
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

static uint64_t take_lead(struct run *run, char *to, uint64_t most)
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
        r = make_left(run, &head);
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
        int64_t n = (int64_t)take_lead(run, to, most - *have);

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
            int r = keep_tail(run, rows, *have);

            if (r == 0)
                r = make_right(run);
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
        r = keep_tail(run, task->rows, have);
    task->count = have >= run->work->window ? have - run->work->window + 1 : 0;
    return r;
}

static int next_stream(void *context, struct ordered_slot *slot)
{
    struct run *run = context;
    struct filter_task *task = (struct filter_task *)slot->argument;
    int r = run->lost;

    if (r == 0 && !run->begun)
        r = run->lost = begin_stream(run);
    while (r == 0 && !is_over(run)) {
        uint64_t count = chunk_rows(run, slot), most = count + run->work->window - 1;

        r = lay_out(run, slot, 0, most, count, task);
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

/* -- text --------------------------------------------------------------------------------- */

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
        r = make_left(run, &head);
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

static int next_table(void *context, struct ordered_slot *slot)
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
    r = lay_out(run, slot, want, before + room, most, task);
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
static int between_table(void *context, struct ordered_slot *slot)
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
    take_lead(run, rows + run->tail.count * run->row, lead);
    have += answer->piece.rows;
    run->read += answer->piece.rows;
    run->extended += lead + answer->piece.rows;
    r = keep_tail(run, rows, have);
    if (r == 0 && task->size == 0) { /* the end */
        r = make_right(run);
        if (r == 0) {
            uint64_t right = take_lead(run, rows + have * run->row, UINT64_MAX);

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

/* -- what all have in common -------------------------------------------------------------- */

static int work(const void *argument, void *result)
{
    return task_run(argument, result);
}

static double part_done(const struct run *run)
{
    if (source_anywhere(run->source))
        return run->outputs ? (double)run->sum->averages / (double)run->outputs : 1;
    if (run->source->kind == SOURCE_AUDIO && run->source->audio_format.frames > run->read)
        return (double)run->read / (double)run->source->audio_format.frames;
    return source_part(run->source);
}

static int take(void *context, struct ordered_slot *slot)
{
    struct run *run = context;
    const struct filter_task *task = (const struct filter_task *)slot->argument;
    const struct filter_answer *answer = (const struct filter_answer *)slot->result;

    run->sum->averages += task->count;
    run->sum->bytes += answer->bytes;
    if (run->work->hash)
        run->sum->hash = checksum_join(run->sum->hash, answer->hash, answer->bytes);
    progress_step(&run->bar, part_done(run), run->sum->averages);
    if (run->file) {
        int r = sink_put(run->file, task->out, answer->bytes, task->count);

        run->writing = r < 0;
        return r;
    }
    return 0;
}

static void idle(void *context)
{
    struct run *run = context;

    progress_step(&run->bar, part_done(run), run->sum->averages);
}

/* Where nobody knows how much will come, as much as there was is a fair guess. */
static double done(void *context, double *tasks_left)
{
    struct run *run = context;
    double part = part_done(run);

    if (source_anywhere(run->source))
        *tasks_left = (double)(run->outputs - run->sum->averages) / (double)task_rows(run);
    else if (part <= 0)
        part = 0.5;
    return part;
}

static int pass(struct run *run)
{
    const struct source *source = run->source;
    struct ordered_job job = {
        .context = run,
        .argument_size = sizeof(struct filter_task),
        .result_size = sizeof(struct filter_answer),
        .next = source_anywhere(source) ? next_anywhere
                : source->kind == SOURCE_TABLE ? next_table : next_stream,
        .work = work,
        .between = source->kind == SOURCE_TABLE ? between_table : NULL,
        .take = take,
        .idle = run->bar.shown ? idle : NULL,
        .done = done,
    };

    _Static_assert(sizeof(struct filter_task) <= ORDERED_ARGUMENT, "a task travels in a slot");
    _Static_assert(sizeof(struct filter_answer) <= ORDERED_RESULT, "so does its answer");
    run->row = source->channels * (rows_are_single(run) ? sizeof(float) : sizeof(double));
    return ordered_run(run->ordered, &job);
}

static int too_long(const struct filter_work *work, uint64_t n)
{
    return say_usage("--window: a window of %llu samples is longer than the signal, which has %llu",
                     (unsigned long long)work->window, (unsigned long long)n);
}

static int fail(const struct run *run, int error)
{
    if (run->why[0])
        return say_error("%s", run->why);
    if (run->writing)
        return say_error("writing %s: %s", run->sink->fd != 0 ? "a temporary file"
                                           : run->sink->path ? quoted(run->sink->path) : "standard output",
                         run->file->why[0] ? run->file->why : crew_strerror(error));
    if (error == CREW_ETASK)
        error = run->ordered->failure.code;
    if (error == -ENODATA)
        return say_error("%s: became shorter while it was read", run->source->name);
    if (error == -ENOMEM)
        return say_error("no memory for windows of %llu samples in each of %u channels",
                         (unsigned long long)run->work->window, run->source->channels);
    if (error > -4096)
        return say_error("reading %s: %s", run->source->name, crew_strerror(error));
    return say_error("%s: %s", ordered_kind_name(run->ordered->used),
                     ordered_explain(run->ordered, error));
}

static int run_pass(struct run *run, enum crew_kind kind, unsigned workers, bool *closed)
{
    const struct filter_work *w = run->work;
    int status = EXIT_DONE, r = ordered_open(run->ordered, kind, workers, "crew filter");

    if (r < 0) {
        status = say_error("%s: %u workers can't be started: %s", ordered_kind_name(kind), workers,
                           crew_strerror(r));
    } else {
        progress_begin(&run->bar, w->progress, "averages", run->file && isatty(run->file->out.fd));
        r = pass(run);
        progress_end(&run->bar);
        run->sum->samples = source_anywhere(run->source) ? run->source->rows : run->read;
        if (r == 0 && w->edges == EDGES_VALID && w->window > run->sum->samples)
            status = too_long(w, run->sum->samples);
        else if (r == 0 && run->file) {
            r = sink_finish(run->file);
            run->writing = r < 0;
        }
        *closed = r == -EPIPE && run->writing;
        if (r < 0 && !*closed)
            status = fail(run, r);
    }
    run->sum->used = run->ordered->used;
    run->sum->stats = run->ordered->stats;
    ordered_close(run->ordered);
    return status;
}

static int run_once(const struct filter_work *work, struct source *source, const struct sink *sink,
                    enum crew_kind kind, unsigned workers, struct filter_sum *sum, bool *closed)
{
    struct ordered ordered;
    struct sink_file file = {.out.fd = -1};
    struct run run = {
        .work = work, .source = source, .sink = sink, .sum = sum, .ordered = &ordered,
        .plan = {.work = work, .source = source, .sink = sink},
        .memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2,
    };
    uint64_t outputs = UINT64_MAX;
    int status = EXIT_DONE, r;

    *sum = (struct filter_sum){0};
    if (work->edges == EDGES_VALID && source->rows != UINT64_MAX && work->window > source->rows)
        return too_long(work, source->rows);
    if (work->window > EDGES_MOST_WINDOW && work->edges != EDGES_VALID)
        return say_error("no memory for windows of %llu samples", (unsigned long long)work->window);
    if (source->rows != UINT64_MAX)
        outputs = edges_outputs(work->edges, work->window, source->rows);
    if (source_anywhere(source)) {
        run.outputs = outputs;
        run.plan.left = edges_left(work->edges, work->window, source->rows);
    }
    if (!work->discard) {
        run.file = &file;
        r = sink_open(&file, sink, outputs);
        if (r < 0)
            status = say_error("opening %s: %s", sink->path ? quoted(sink->path) : "standard output",
                               crew_strerror(r));
    }
    if (status == EXIT_DONE)
        status = run_pass(&run, kind, workers, closed);
    if (run.file)
        sink_discard(&file);
    free(run.tail.at);
    free(run.lead.at);
    free(run.text);
    return status;
}

/* The first averages need the last samples, and those come only once: all go into a temporary file. */
static int run_around(const struct filter_work *work, struct source *source, const struct sink *sink,
                      enum crew_kind kind, unsigned workers, struct filter_sum *sum, bool *closed)
{
    struct filter_work copying = *work;
    struct sink numbers = {.shape = SINK_RAW, .single = work->single, .channels = source->channels};
    struct source samples;
    int status;

    copying.window = 1;
    copying.edges = EDGES_NEAREST;
    copying.discard = copying.hash = copying.skip = false;
    numbers.fd = temporary_file();
    if (numbers.fd < 0)
        return say_error("opening a temporary file: %s", crew_strerror(numbers.fd));
    status = run_once(&copying, source, &numbers, kind, workers, sum, closed);
    source_raw(&samples, numbers.fd, source->name, work->single, source->channels, source->dimensions,
               sum->averages);
    if (status == EXIT_DONE)
        status = run_once(work, &samples, sink, kind, workers, sum, closed);
    source_close(&samples);
    return status;
}

int filter_run(const struct filter_work *work, struct source *source, const struct sink *sink,
               enum crew_kind kind, unsigned workers, struct filter_sum *sum, bool *closed)
{
    *closed = false;
    return edges_go_round(work->edges) && work->window > 1 && !source_anywhere(source)
               ? run_around(work, source, sink, kind, workers, sum, closed)
               : run_once(work, source, sink, kind, workers, sum, closed);
}
