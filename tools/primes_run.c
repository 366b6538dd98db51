/* primes_run.c - cuts a range into tasks for ordered.h, and puts their answers together. */
#include "primes_run.h"

#include "checksum.h"
#include "npy.h"
#include "primes_parts.h"
#include "say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How many primes lie below 2^64. */
static const uint64_t all_primes = UINT64_C(425656284035217743);

struct run {
    const struct primes_work *work;
    struct primes_sum *sum;
    struct output *out; /* NULL: none */
    struct progress bar;
    struct ordered *ordered;
    struct primes_parts parts;

    uint64_t start, stop; /* what is listed or counted now                      */
    bool count;
    uint64_t cut;         /* the next task begins here                          */
    bool all_cut;
    uint64_t taken;       /* all below is taken                                 */
    bool separated;       /* something was listed, so a separator comes next    */
};

static bool separated_shape(enum primes_shape shape)
{
    return shape == SHAPE_LIST || shape == SHAPE_JSON;
}

static enum primes_format format_of(const struct run *run)
{
    if (run->count)
        return PRIMES_NONE;
    switch (run->work->shape) {
    case SHAPE_TEXT:
        return PRIMES_TEXT;
    case SHAPE_LIST:
    case SHAPE_JSON:
        return PRIMES_LIST;
    case SHAPE_U64:
    case SHAPE_NPY:
        break;
    }
    return PRIMES_U64;
}

/* -- the job ------------------------------------------------------------------------------ */

static uint64_t cut_count(const struct run *run, bool alone)
{
    uint64_t size = run->work->chunk;

    /* While auto still measures, tasks begin small and double. */
    if (size == 0 && alone && run->ordered->kind == CREW_KIND_DEFAULT && run->ordered->workers > 1)
        size = run->cut - run->start + (1 << 22);
    return primes_cut_count(run->cut, run->start, run->stop, size,
                            alone ? 1 : run->ordered->workers);
}

static int next(void *context, struct ordered_slot *slot)
{
    struct run *run = context;
    struct primes_chunk *chunk = (struct primes_chunk *)slot->argument;

    if (run->all_cut)
        return 0;
    *chunk = (struct primes_chunk){
        .low = run->cut,
        .format = format_of(run),
        .hash = run->work->hash && !run->count,
    };
    if (!run->count && !slot->alone && run->work->chunk == 0)
        chunk->high = primes_cut_packed(run->cut, run->start, run->stop,
                                        run->ordered->workers);
    if (chunk->high)
        chunk->format = PRIMES_PACKED;
    else
        chunk->high = run->count ? cut_count(run, slot->alone)
                                 : primes_cut_list(run->cut, run->stop, run->work->chunk);
    chunk->hint = slot->alone ? run->stop : chunk->high;
    if (!run->count) {
        int r = ordered_buffer(slot, primes_room(chunk->format, chunk->low, chunk->high));

        if (r < 0)
            return r;
        chunk->buffer = slot->buffer;
        chunk->capacity = slot->capacity;
    }
    run->all_cut = chunk->high == run->stop;
    run->cut = chunk->high + 1;
    return 1;
}

static int sieve(const void *argument, void *result, struct ordered_own *own)
{
    (void)own;
    return primes_sieve(argument, result);
}

static int put(struct run *run, const char *data, uint64_t size)
{
    if (size == 0 || !run->out)
        return 0;
    /* Each prime of a list has its separator in front; the very first one needs none. */
    if (separated_shape(run->work->shape) && !run->separated) {
        data += 2;
        size -= 2;
    }
    run->separated = true;
    return output_write(run->out, data, size);
}

static int take_text(struct run *run, const char *text, uint64_t size, uint64_t hash)
{
    run->sum->bytes += size;
    if (run->work->hash)
        run->sum->hash = checksum_join(run->sum->hash, hash, size);
    return put(run, text, size);
}

static int take_part(void *context, const char *text, size_t size)
{
    struct run *run = context;

    return take_text(run, text, size, run->work->hash ? checksum(text, size) : 0);
}

static double part_done(const struct run *run)
{
    double all = (double)(run->stop - run->start) + 1;

    return run->taken > run->stop ? 1 : (double)(run->taken - run->start) / all;
}

static int take(void *context, struct ordered_slot *slot)
{
    struct run *run = context;
    struct primes_chunk *chunk = (struct primes_chunk *)slot->argument;
    const struct primes_piece *piece = (const struct primes_piece *)slot->result;
    int r = 0;

    if (chunk->format == PRIMES_PACKED)
        r = primes_parts_add(&run->parts, chunk, piece);
    else if (chunk->format != PRIMES_NONE)
        r = take_text(run, slot->buffer, piece->bytes, piece->hash);
    if (r < 0)
        return r;
    run->sum->count += piece->count;
    if (piece->next) {
        chunk->low = piece->next;
        return ORDERED_AGAIN;
    }
    run->taken = chunk->high == run->stop ? run->stop : chunk->high + 1;
    progress_step(&run->bar, chunk->high == run->stop ? 1 : part_done(run), run->sum->count);
    return 0;
}

static void idle(void *context)
{
    struct run *run = context;

    progress_step(&run->bar, part_done(run), run->sum->count);
}

static double done(void *context, double *starts)
{
    struct run *run = context;
    double part = run->all_cut ? 1 : part_done(run);

    *starts = 0;
    if (part < 1) {
        unsigned workers = run->ordered->workers;
        uint64_t size = run->work->chunk, high = 0;

        if (!run->count && size == 0)
            high = primes_cut_packed(run->taken, run->start, run->stop, workers);
        if (!high)
            high = run->count ? primes_cut_count(run->taken, run->start, run->stop, size,
                                                 workers)
                              : primes_cut_list(run->taken, run->stop, size);
        *starts = (double)(run->stop - run->taken) / (double)(high - run->taken + 1);
    }
    return part;
}

static int pass(struct run *run, uint64_t start, uint64_t stop, bool count)
{
    struct ordered_job job = {
        .context = run,
        .argument_size = sizeof(struct primes_chunk),
        .result_size = sizeof(struct primes_piece),
        .next = next,
        .work = sieve,
        .take = take,
        .idle = run->bar.shown ? idle : NULL,
        .done = done,
    };

    run->parts.stop = stop;
    run->parts.context = run;
    run->parts.take = take_part;
    run->start = run->cut = run->taken = start;
    run->stop = stop;
    run->count = count;
    run->parts.format = format_of(run);
    run->all_cut = start > stop;
    return run->all_cut ? 0 : ordered_run(run->ordered, &job);
}

/* -- listing ------------------------------------------------------------------------------ */

static int put_head(struct run *run)
{
    char head[NPY_HEADER];
    size_t size = 0;
    int r;

    switch (run->work->shape) {
    case SHAPE_LIST:
        head[0] = '[';
        size = 1;
        break;
    case SHAPE_JSON:
        size = (size_t)snprintf(head, sizeof head, "{\"start\": %llu, \"stop\": %llu, \"primes\": [",
                                (unsigned long long)run->work->start,
                                (unsigned long long)run->work->stop);
        break;
    case SHAPE_NPY:
        /* The header has the count. Where it can't be mended later, it is found out first. */
        if (!run->out->patchable) {
            r = pass(run, run->work->start, run->work->stop, true);
            if (r < 0)
                return r;
        }
        npy_write(head, "<u8", 1, run->sum->count, 1);
        run->sum->count = 0;
        size = NPY_HEADER;
        break;
    case SHAPE_TEXT:
    case SHAPE_U64:
        break;
    }
    return output_write(run->out, head, size);
}

static int put_tail(struct run *run)
{
    char tail[NPY_HEADER];
    size_t size = 0;

    switch (run->work->shape) {
    case SHAPE_LIST:
        size = (size_t)snprintf(tail, sizeof tail, "]\n");
        break;
    case SHAPE_JSON:
        size = (size_t)snprintf(tail, sizeof tail, "], \"count\": %llu}\n",
                                (unsigned long long)run->sum->count);
        break;
    case SHAPE_NPY:
        npy_write(tail, "<u8", 1, run->sum->count, 1);
        return run->out->patchable ? output_patch(run->out, 0, tail, NPY_HEADER) : 0;
    case SHAPE_TEXT:
    case SHAPE_U64:
        break;
    }
    return output_write(run->out, tail, size);
}

static int list(struct run *run)
{
    int r = run->out ? put_head(run) : 0;

    if (r == 0)
        r = pass(run, run->work->start, run->work->stop, false);
    if (r == 0 && run->out)
        r = put_tail(run);
    return r;
}

/* -- the n-th ----------------------------------------------------------------------------- */

/* Near the goal by the logarithmic integral, exactly by counting up to there in parallel, and the
 * rest of the way prime by prime. */
static int find_nth(struct run *run)
{
    const struct primes_work *w = run->work;
    uint64_t near, found, *prime = &run->sum->prime;
    long double before = w->start > 2 ? primes_about((long double)w->start) : 0;
    int r;

    *prime = 0;
    if (w->nth > all_primes || before + (long double)w->nth > (long double)all_primes + 1e11L)
        return 0;
    near = primes_nth_about(before + (long double)w->nth);
    if (near < w->start)
        near = w->start;
    r = pass(run, w->start, near, true);
    if (r < 0)
        return r;
    found = run->sum->count;
    run->sum->count = 0;
    if (found < w->nth)
        return near >= PRIMES_LAST ? 0 : primes_step_up(near + 1, w->nth - found, prime);
    return primes_step_down(near, found - w->nth + 1, prime);
}

/* -- one run ------------------------------------------------------------------------------ */

static int fail(const struct run *run, int error)
{
    if (run->out && error != -ENOMEM && error > -4096)
        return say_error("writing %s: %s", run->work->path ? quoted(run->work->path)
                                                           : "standard output",
                         crew_strerror(error));
    return say_error("%s: %s", ordered_kind_name(run->ordered->used),
                     ordered_explain(run->ordered, error));
}

int primes_run(const struct primes_work *work, enum crew_kind kind, unsigned workers,
               struct primes_sum *sum, bool *closed)
{
    struct ordered ordered;
    struct output out = {.fd = -1};
    struct run run = {.work = work, .sum = sum, .ordered = &ordered};
    bool lists = !work->count && work->nth == 0, writes = lists && !work->discard;
    int r, status = EXIT_DONE;

    *sum = (struct primes_sum){0};
    *closed = false;
    primes_prepare();
    if (writes) {
        r = output_open(&out, work->path);
        if (r < 0)
            return say_error("opening %s: %s", quoted(work->path), crew_strerror(r));
        out.record = work->shape == SHAPE_TEXT                             ? RECORD_LINE
                     : work->shape == SHAPE_U64 || work->shape == SHAPE_NPY ? RECORD_8_BYTES
                                                                            : RECORD_NONE;
        run.out = &out;
    }
    r = ordered_open(&ordered, kind, workers, "crew primes");
    if (r < 0) {
        status = say_error("%s: %u workers can't be started: %s", ordered_kind_name(kind), workers,
                           crew_strerror(r));
    } else {
        progress_begin(&run.bar, work->progress, lists || work->count ? "primes" : "primes below",
                       writes && isatty(out.fd));
        r = lists ? list(&run) : work->count ? pass(&run, work->start, work->stop, true)
                                             : find_nth(&run);
        progress_end(&run.bar);
        if (r == 0 && writes)
            r = output_finish(&out);
        *closed = r == -EPIPE && writes;
        if (r < 0 && !*closed)
            status = fail(&run, r);
    }
    if (writes)
        output_discard(&out);
    sum->used = ordered.used;
    sum->stats = ordered.stats;
    ordered_close(&ordered);
    primes_parts_free(&run.parts);
    primes_forget();
    return status;
}
