/* filter_task.c - see filter_task.h. */
#include "filter_task.h"

#include "checksum.h"
#include "filter_kernel.h"

#include <math.h>
#include <string.h>

/* -- memory ------------------------------------------------------------------------------- */

/* How a task divides the memory that it works in. */
struct room {
    size_t samples;  /* bytes between channels of the extended samples; 0: they stay where they are */
    size_t means;    /* bytes between channels of the averages                                      */
    size_t sums;     /* bytes of sums that are still to be divided; 0: none are                     */
    size_t scratch;
    size_t staging;
};

static size_t round_up(size_t size)
{
    return (size + 63) & ~(size_t)63;
}

static size_t sample_width(const struct filter_plan *plan)
{
    return plan->work->single ? sizeof(float) : sizeof(double);
}

/* One channel of plain numbers needs no other form than it has: on the way in ... */
static bool stays(const struct filter_plan *plan, enum filter_step step)
{
    return step == STEP_MEAN && plan->source->channels == 1 &&
           !(plan->work->single && plan->source->kind == SOURCE_TABLE);
}

/* ... and on the way out. */
static bool plain(const struct filter_plan *plan)
{
    return plan->source->channels == 1 &&
           (plan->sink->shape == SINK_RAW || plan->sink->shape == SINK_NPY);
}

static struct room room_for(const struct filter_plan *plan, enum filter_step step, uint64_t count)
{
    const struct filter_work *w = plan->work;
    uint64_t rows = count + w->window - 1;

    return (struct room){
        .samples = stays(plan, step) ? 0 : round_up(rows * sample_width(plan)),
        .means = plain(plan) ? 0 : round_up(count * sample_width(plan)),
        .sums = w->edges == EDGES_SHRINK && !w->skip ? round_up(count * sizeof(double)) : 0,
        .scratch = round_up(filter_scratch(w->window)),
        .staging = step == STEP_FETCH ? round_up(source_staging(plan->source, rows, w->single)) : 0,
    };
}

size_t task_memory(const struct filter_plan *plan, enum filter_step step, uint64_t count)
{
    struct room room = room_for(plan, step, count);
    unsigned channels = plan->source->channels;

    if (count == 0)
        return 0;
    return channels * (room.samples + room.means) + room.sums + room.scratch + room.staging;
}

double task_padding(const struct filter_work *work)
{
    if (work->edges == EDGES_SHRINK && work->skip)
        return (double)NAN;
    return work->edges == EDGES_CONSTANT ? work->fill : 0;
}

/* -- samples ------------------------------------------------------------------------------ */

static void *at(const struct filter_plan *plan, void *base, size_t stride, unsigned channel, uint64_t row)
{
    return (char *)base + channel * stride + row * sample_width(plan);
}

static void set(const struct filter_plan *plan, void *to, double value)
{
    if (plan->work->single)
        *(float *)to = (float)value;
    else
        *(double *)to = value;
}

static void reverse(const struct filter_plan *plan, void *row, uint64_t count)
{
    float *f = row;
    double *d = row;

    for (uint64_t i = 0, j = count - 1; i < j; i++, j--) {
        if (plan->work->single) {
            float x = f[i];

            f[i] = f[j];
            f[j] = x;
        } else {
            double x = d[i];

            d[i] = d[j];
            d[j] = x;
        }
    }
}

/* Samples first ... first + rows - 1 of the extended signal. Beyond its ends they are fetched in runs,
 * forwards or backwards. */
static int fetch(const struct filter_plan *plan, uint64_t first, uint64_t rows, void *to, size_t stride,
                 void *staging)
{
    const struct filter_work *w = plan->work;
    const struct source *s = plan->source;
    int64_t begin = (int64_t)first - (int64_t)plan->left, end = begin + (int64_t)rows;

    for (int64_t i = begin; i < end;) {
        int64_t from = edges_sample(w->edges, i, s->rows), j = i + 1, step = 0;
        uint64_t row = (uint64_t)(i - begin);
        int r;

        if (i >= 0 && i < (int64_t)s->rows) {
            j = end < (int64_t)s->rows ? end : (int64_t)s->rows;
            step = 1;
        } else if (from >= 0 && j < end) {
            step = edges_sample(w->edges, j, s->rows) - from;
            while (j < end && (j < 0 || j >= (int64_t)s->rows) && step * step <= 1 &&
                   edges_sample(w->edges, j, s->rows) == from + (j - i) * step)
                j++;
        }
        if (from < 0) {
            for (unsigned c = 0; c < s->channels; c++)
                set(plan, at(plan, to, stride, c, row), task_padding(w));
            i++;
            continue;
        }
        uint64_t count = (uint64_t)(j - i);

        if (step == 0 && count > 1) { /* one sample again and again */
            r = source_fetch(s, (uint64_t)from, 1, at(plan, to, stride, 0, row), stride, w->single, staging);
            for (unsigned c = 0; c < s->channels && r == 0; c++)
                for (uint64_t k = 1; k < count; k++)
                    memcpy(at(plan, to, stride, c, row + k), at(plan, to, stride, c, row),
                           sample_width(plan));
        } else {
            uint64_t low = step < 0 ? (uint64_t)from - (count - 1) : (uint64_t)from;

            r = source_fetch(s, low, count, at(plan, to, stride, 0, row), stride, w->single, staging);
            for (unsigned c = 0; c < s->channels && step < 0 && r == 0; c++)
                reverse(plan, at(plan, to, stride, c, row), count);
        }
        if (r < 0)
            return r;
        i = j;
    }
    return 0;
}

/* One channel of rows that stand together. */
static void pick(const struct filter_task *task, unsigned channel, uint64_t rows, void *to)
{
    const struct filter_plan *plan = task->plan;
    const unsigned channels = plan->source->channels;
    const double *d = (const double *)task->rows + channel;
    const float *f = (const float *)task->rows + channel;

    for (uint64_t i = 0; i < rows; i++) {
        if (!plan->work->single)
            ((double *)to)[i] = d[i * channels];
        else
            ((float *)to)[i] = plan->source->kind == SOURCE_TABLE ? (float)d[i * channels] : f[i * channels];
    }
}

/* -- averages ----------------------------------------------------------------------------- */

static void sums(const struct filter_plan *plan, const struct filter_span *span, const void *in, void *out,
                 double *sum)
{
    if (plan->work->single)
        filter_sum_f32(span, in, sum);
    else
        filter_sum_f64(span, in, sum);
    for (size_t i = 0; i < span->count; i++) {
        double mean = sum[i] / (double)(span->first + i + 1);

        if (plan->work->single)
            ((float *)out)[i] = (float)mean;
        else
            ((double *)out)[i] = mean;
    }
}

static void average(const struct filter_plan *plan, struct filter_span span, const void *in, void *out,
                    double *sum)
{
    const struct filter_work *w = plan->work;

    if (w->edges == EDGES_SHRINK && !w->skip && span.first < w->window - 1) { /* shorter windows */
        struct filter_span part = span;
        uint64_t shorter = w->window - 1 - span.first;

        part.count = shorter < span.count ? shorter : span.count;
        sums(plan, &part, in, out, sum);
        span.first += part.count;
        span.count -= part.count;
        in = (const char *)in + part.count * sample_width(plan);
        out = (char *)out + part.count * sample_width(plan);
    }
    if (span.count == 0)
        return;
    if (w->single)
        (w->skip ? filter_skip_f32 : filter_mean_f32)(&span, in, out);
    else
        (w->skip ? filter_skip_f64 : filter_mean_f64)(&span, in, out);
}

static int mean(const struct filter_task *task, struct filter_answer *answer)
{
    const struct filter_plan *plan = task->plan;
    const struct filter_work *w = plan->work;
    const struct source *s = plan->source;
    struct room room = room_for(plan, task->step, task->count);
    uint64_t rows = task->count + w->window - 1;
    char *samples = task->memory, *means = samples + s->channels * room.samples;
    char *sum = means + s->channels * room.means, *scratch = sum + room.sums;
    struct filter_span span = {.first = task->first, .count = task->count, .window = w->window,
                               .scratch = scratch};

    if (task->step == STEP_FETCH) {
        int r = fetch(plan, task->first, rows, samples, room.samples, scratch + room.scratch);

        if (r < 0)
            return r;
    }
    if (plain(plan))
        means = task->out;
    for (unsigned c = 0; c < s->channels; c++) {
        const void *in = samples + c * room.samples;

        if (stays(plan, task->step))
            in = task->rows;
        else if (task->step == STEP_MEAN)
            pick(task, c, rows, samples + c * room.samples);
        average(plan, span, in, means + c * room.means, (double *)sum);
    }
    answer->bytes = plain(plan) ? task->count * sample_width(plan)
                                : sink_format(plan->sink, means, room.means, task->count, task->out);
    if (w->hash)
        answer->hash = checksum(task->out, answer->bytes);
    return 0;
}

int task_run(const struct filter_task *task, struct filter_answer *answer)
{
    *answer = (struct filter_answer){.piece.bad = TABLE_GOOD};
    if (task->step == STEP_READ) {
        table_read(task->plan->source->table, task->text, task->size, task->rows, &answer->piece);
        return 0;
    }
    return task->count > 0 ? mean(task, answer) : 0;
}
