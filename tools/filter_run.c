/* filter_run.c - cuts a signal into tasks for ordered.h, and writes their averages in order.
 *
 * Three ways, by where the samples come from. Where they can be fetched from any place, a task gets its
 * own, halo and all; and where the averages' places are known as well (rows of one size, in a file that is
 * ours alone), it writes them there itself, and no byte of the signal passes through here. A stream of numbers is read here, into the tasks' buffers, each with the last
 * window - 1 rows of the one before in front. Text is read here and turned into numbers by workers;
 * then, in order, each task is given the rows before its own, and goes on to the averages. */
#include "filter_inside.h"

#include "checksum.h"
#include "say.h"
#include "temporary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_NUMBERS = 1 << 12, MOST_NUMBERS = 1 << 27, MOST_PIECES = 8, TURNS = 4 };

/* More numbers than any address space has room for, and few enough that no size of theirs overflows. */
static const uint64_t too_many_numbers = UINT64_C(1) << 44;

/* -- how much in a task ------------------------------------------------------------------- */

bool run_measures(const struct run *run, const struct ordered_slot *slot)
{
    return slot->alone && run->ordered->kind == CREW_KIND_DEFAULT && run->ordered->workers > 1;
}

static uint64_t most_rows(const struct run *run)
{
    return MOST_NUMBERS / run->source->channels + 1;
}

/* If nobody says how many. */
static uint64_t good_rows(const struct run *run)
{
    uint64_t window = run->work->window, most = most_rows(run);
    uint64_t rows = CHUNK_NUMBERS / run->source->channels, least = window < most / 2 ? 2 * window : most;

    if (least < window / 2)
        least = window / 2;
    if (rows < least)
        rows = least;
    return rows < 16 ? 16 : rows;
}

uint64_t run_task_rows(const struct run *run)
{
    uint64_t rows = run->work->chunk, most = most_rows(run);

    if (rows == 0)
        return good_rows(run);
    return rows < most ? rows : most;
}

uint64_t run_chunk_rows(const struct run *run, const struct ordered_slot *slot)
{
    uint64_t rows = run_task_rows(run), first = run->cut + FIRST_NUMBERS;

    return run_measures(run, slot) && run->work->chunk == 0 && rows > first ? first : rows;
}

int run_lay_out(const struct run *run, struct ordered_slot *slot, size_t text, uint64_t rows,
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

/* Some pieces, and fewer towards the end, so that all workers end together. A checksum is of pieces, so
 * they must not depend on the workers. */
static uint64_t placed_rows(const struct run *run, const struct ordered_slot *slot)
{
    uint64_t rows = run_chunk_rows(run, slot), turns = TURNS * (uint64_t)run->ordered->workers, pieces;

    if (run->work->chunk > 0 || run->work->hash || run_measures(run, slot))
        return rows;
    pieces = (run->outputs - run->cut) / rows / turns;
    return rows * (pieces < 1 ? 1 : pieces < MOST_PIECES ? pieces : MOST_PIECES);
}

static int next_anywhere(void *context, struct ordered_slot *slot)
{
    struct run *run = context;
    struct filter_task *task = (struct filter_task *)slot->argument;
    uint64_t count = run->placed ? placed_rows(run, slot) : run_chunk_rows(run, slot);
    int r;

    if (run->cut == run->outputs)
        return 0;
    if (count > run->outputs - run->cut)
        count = run->outputs - run->cut;
    if (run->placed) {
        *task = (struct filter_task){.plan = &run->plan, .step = STEP_PLACE, .count = count};
        sink_leave(run->file, count);
    } else {
        r = run_lay_out(run, slot, 0, 0, count, task);
        if (r != 0)
            return r;
    }
    task->first = run->cut;
    run->cut += count;
    return 1;
}

bool run_rows_are_single(const struct run *run)
{
    return run->work->single && run->source->kind != SOURCE_TABLE;
}

/* -- what all have in common -------------------------------------------------------------- */

static int work(const void *argument, void *result, struct ordered_own *own)
{
    return task_run(argument, result, own);
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
        int r = run->placed ? answer->unwritten
                            : sink_put(run->file, task->out, answer->bytes, task->count);

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

/* Where nobody knows how much will come, as much as there was is a fair guess. A first task costs a worker
 * no more than this process: nothing that counts is to be got ready. */
static double done(void *context, double *starts)
{
    struct run *run = context;
    double part = part_done(run);

    *starts = 0;
    return part <= 0 && !source_anywhere(run->source) ? 0.5 : part;
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
    run->row = source->channels * (run_rows_are_single(run) ? sizeof(float) : sizeof(double));
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

/* Whether tasks can write their averages themselves, and have memory for it. 0, or an error of the output. */
static int find_places(struct run *run, unsigned workers)
{
    struct filter_plan *plan = &run->plan;
    uint64_t rows = good_rows(run), task = run_task_rows(run), numbers;
    int r;

    plan->piece = rows < task ? rows : task;
    if (!run->file || !source_anywhere(run->source) ||
        __builtin_mul_overflow(plan->piece + run->work->window, run->source->channels, &numbers) ||
        numbers > too_many_numbers || task_own_memory(plan) > run->memory / workers)
        return 0;
    r = sink_places(run->file, &plan->begin);
    plan->fd = run->file->out.fd;
    run->placed = r > 0;
    run->writing = r < 0;
    return r < 0 ? r : 0;
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
    if (status == EXIT_DONE) {
        r = find_places(&run, workers);
        if (r < 0)
            status = fail(&run, r);
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
