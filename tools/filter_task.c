/* filter_task.c - see filter_task.h. */
#include "filter_task.h"

#include "checksum.h"
#include "filter_kernel.h"
#include "filter_overflow.h"

#include <math.h>
#include <string.h>

/* -- memory ------------------------------------------------------------------------------- */

enum {
    TOGETHER = 8, /* channels that are picked from rows together: a cache line of numbers     */
    TILE = 64,    /* rows that are passed over again for the next channel, while they are near */
};

/* How a task divides the memory that it works in. */
struct room {
    unsigned channels; /* whose samples are there at once                                           */
    size_t samples;  /* bytes between channels of the extended samples; 0: they stay where they are */
    size_t means;    /* bytes between channels of the averages                                      */
    size_t sums;     /* bytes of sums that are still to be divided; 0: none are                     */
    size_t scratch;
    size_t staging;
};

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
    const unsigned channels = plan->source->channels;
    uint64_t rows = count + w->window - 1;

    return (struct room){
        .channels = step == STEP_MEAN && channels > TOGETHER ? TOGETHER : channels,
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

    if (count == 0)
        return 0;
    return room.channels * room.samples + plan->source->channels * room.means + room.sums + room.scratch +
           room.staging;
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

/* Neighbours in the extended signal that are neighbours in the signal too, forwards (step 1) or
 * backwards (-1); or one sample again and again (0); or none, again and again (from < 0). */
struct stretch {
    int64_t from, step;
    uint64_t count;
};

/* The one that begins at 'at', and ends before 'end'. Positions are counted from the first sample. */
static struct stretch stretch_at(const struct filter_plan *plan, int64_t at, int64_t end)
{
    const enum filter_edges edges = plan->work->edges;
    const uint64_t n = plan->source->rows;
    struct stretch s = {.from = edges_sample(edges, at, n), .count = 1};

    if (at < 0 && end > 0)
        end = 0;
    else if (at >= 0 && at < (int64_t)n && end > (int64_t)n)
        end = (int64_t)n;
    if (s.from < 0 || s.from == at) { /* nothing there; or the signal itself */
        s.step = s.from == at;
        s.count = (uint64_t)(end - at);
        return s;
    }
    if (at + 1 < end)
        s.step = edges_sample(edges, at + 1, n) - s.from;
    if (s.step < -1 || s.step > 1) /* round the corner */
        s.step = 0;
    else
        while (at + (int64_t)s.count < end &&
               edges_sample(edges, at + (int64_t)s.count, n) == s.from + (int64_t)s.count * s.step)
            s.count++;
    return s;
}

/* The row at 'to' once more behind it, until it is there 'count' times. */
static void repeat(const struct filter_plan *plan, char *to, size_t stride, uint64_t count)
{
    for (unsigned c = 0; c < plan->source->channels; c++)
        for (uint64_t i = 1; i < count; i++)
            memcpy(at(plan, to, stride, c, i), at(plan, to, stride, c, 0), sample_width(plan));
}

static int fetch_stretch(const struct filter_plan *plan, struct stretch s, char *to, size_t stride,
                         void *staging)
{
    const unsigned channels = plan->source->channels;
    uint64_t low = (uint64_t)s.from, count = s.step == 0 ? 1 : s.count;
    int r;

    if (s.from < 0) {
        for (unsigned c = 0; c < channels; c++)
            set(plan, at(plan, to, stride, c, 0), task_padding(plan->work));
        repeat(plan, to, stride, s.count);
        return 0;
    }
    if (s.step < 0)
        low -= count - 1;
    r = source_fetch(plan->source, low, count, to, stride, plan->work->single, staging);
    if (r < 0)
        return r;
    for (unsigned c = 0; c < channels && s.step < 0; c++)
        reverse(plan, at(plan, to, stride, c, 0), count);
    repeat(plan, to, stride, s.step == 0 ? s.count : 1);
    return 0;
}

/* Samples first ... first + rows - 1 of the extended signal. */
static int fetch(const struct filter_plan *plan, uint64_t first, uint64_t rows, char *to, size_t stride,
                 void *staging)
{
    int64_t begin = (int64_t)first - (int64_t)plan->left, end = begin + (int64_t)rows;

    for (int64_t i = begin; i < end;) {
        struct stretch s = stretch_at(plan, i, end);
        int r = fetch_stretch(plan, s, at(plan, to, stride, 0, (uint64_t)(i - begin)), stride, staging);

        if (r < 0)
            return r;
        i += (int64_t)s.count;
    }
    return 0;
}

/* Channels first ... first + count - 1 of rows that stand together. */
static void pick(const struct filter_task *task, unsigned first, unsigned count, uint64_t rows, char *to,
                 size_t stride)
{
    const struct filter_plan *plan = task->plan;
    const unsigned channels = plan->source->channels;
    const bool table = plan->source->kind == SOURCE_TABLE;

    for (uint64_t begin = 0; begin < rows; begin += TILE) {
        uint64_t end = begin + TILE < rows ? begin + TILE : rows;

        for (unsigned c = 0; c < count; c++) {
            const double *d = (const double *)task->rows + first + c;
            const float *f = (const float *)task->rows + first + c;
            void *out = to + c * stride;

            for (uint64_t i = begin; i < end; i++) {
                if (!plan->work->single)
                    ((double *)out)[i] = d[i * channels];
                else
                    ((float *)out)[i] = table ? (float)d[i * channels] : f[i * channels];
            }
        }
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

static void average_raw(const struct filter_plan *plan, struct filter_span span, const void *in, void *out,
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

/* Sums of f32 are f64, and can't be too large. */
static void average(const struct filter_plan *plan, const struct filter_span *span, const void *in, void *out,
                    double *sum)
{
    const struct filter_work *w = plan->work;

    average_raw(plan, *span, in, out, sum);
    if (!w->single)
        filter_mend(span, in, out, w->skip, w->edges == EDGES_SHRINK);
}

static int mean(const struct filter_task *task, struct filter_answer *answer)
{
    const struct filter_plan *plan = task->plan;
    const struct filter_work *w = plan->work;
    const unsigned channels = plan->source->channels;
    struct room room = room_for(plan, task->step, task->count);
    uint64_t rows = task->count + w->window - 1;
    char *samples = task->memory, *means = samples + room.channels * room.samples;
    char *sum = means + channels * room.means, *scratch = sum + room.sums;
    struct filter_span span = {.first = task->first, .count = task->count, .window = w->window,
                               .scratch = scratch};

    if (task->step == STEP_FETCH) {
        int r = fetch(plan, task->first, rows, samples, room.samples, scratch + room.scratch);

        if (r < 0)
            return r;
    }
    if (plain(plan))
        means = task->out;
    for (unsigned c = 0; c < channels; c++) {
        const void *in = stays(plan, task->step) ? task->rows
                                                  : samples + c % room.channels * room.samples;

        if (in != task->rows && task->step == STEP_MEAN && c % room.channels == 0) {
            unsigned rest = channels - c;

            pick(task, c, rest < room.channels ? rest : room.channels, rows, samples, room.samples);
        }
        average(plan, &span, in, means + c * room.means, (double *)sum);
    }
    answer->bytes = plain(plan) ? task->count * sample_width(plan)
                                : sink_format(plan->sink, means, room.means, task->count, task->out);
    answer->hash = w->hash ? checksum(task->out, answer->bytes) : 0;
    return 0;
}

size_t task_own_memory(const struct filter_plan *plan)
{
    return task_memory(plan, STEP_FETCH, plan->piece) + sink_room(plan->sink, plan->piece);
}

/* Piece by piece, in the same memory, which stays near. */
static int place(const struct filter_task *task, struct filter_answer *answer, struct ordered_own *own)
{
    const struct filter_plan *plan = task->plan;
    const uint64_t end = task->first + task->count, row = sink_room(plan->sink, 1);
    struct filter_task piece = {.plan = plan, .step = STEP_FETCH, .first = task->first};
    int r = ordered_own_memory(own, task_own_memory(plan));

    if (r < 0)
        return r;
    piece.memory = own->memory;
    piece.out = (char *)own->memory + task_memory(plan, STEP_FETCH, plan->piece);
    while (piece.first < end) {
        struct filter_answer part;

        piece.count = end - piece.first < plan->piece ? end - piece.first : plan->piece;
        r = mean(&piece, &part);
        if (r < 0)
            return r;
        answer->unwritten = output_write_at(plan->fd, piece.out, part.bytes, plan->begin + piece.first * row);
        if (answer->unwritten < 0)
            return 0;
        answer->hash = piece.first == task->first ? part.hash
                                                  : checksum_join(answer->hash, part.hash, part.bytes);
        answer->bytes += part.bytes;
        piece.first += piece.count;
    }
    return 0;
}

int task_run(const struct filter_task *task, struct filter_answer *answer, struct ordered_own *own)
{
    *answer = (struct filter_answer){.piece.bad = TABLE_GOOD};
    if (task->step == STEP_PLACE)
        return place(task, answer, own);
    if (task->step == STEP_READ) {
        table_read(task->plan->source->table, task->text, task->size, task->rows, &answer->piece);
        return 0;
    }
    return task->count > 0 ? mean(task, answer) : 0;
}
