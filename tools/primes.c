/* primes.c - crew primes: all primes of a range, listed, counted, or the K-th.
 *
 * Workers find and format; this process writes, in order. A worker that dies costs time, never a
 * byte; when this process dies, its workers do, and a file without a name goes with it. */
#include "command.h"
#include "compare.h"
#include "json.h"
#include "options.h"
#include "primes_run.h"
#include "say.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PRIMES_OPTIONS(X)                                                                          \
    X(COUNT, 'c', "count", NULL, "how many there are")                                             \
    X(NTH, 0, "nth", "K", "the K-th prime (2 is the first), or the K-th from START on")            \
    X(OUTPUT, 'o', "output", "FILE", "write to FILE, which appears when it is whole")              \
    X(FORMAT, 'f', "format", "F", "text, list, u64, npy or json (default: text)")

enum {
    OPTION_BEFORE_PRIMES = OPTION_FIRST_OWN - 1,
    PRIMES_OPTIONS(OPTION_ID)
};

static const struct option_row rows[] = {PRIMES_OPTIONS(OPTION_ROW)};

struct request {
    struct primes_work work;
    bool has_nth, has_format;
    struct common_options common;
};

static const char *const shapes[] = {
    [SHAPE_TEXT] = "text", [SHAPE_LIST] = "list", [SHAPE_U64] = "u64",
    [SHAPE_NPY] = "npy",   [SHAPE_JSON] = "json",
};

static int set_shape(struct request *q, const char *value)
{
    for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (strcmp(value, shapes[i]) == 0) {
            q->work.shape = (enum primes_shape)i;
            q->has_format = true;
            return 0;
        }
    }
    return say_usage("--format: %s is none of text, list, u64, npy, json", quoted(value));
}

static int set(void *context, int id, const char *value)
{
    struct request *q = context;

    switch (id) {
    case OPTION_COUNT:
        q->work.count = true;
        return 0;
    case OPTION_NTH:
        q->has_nth = true;
        return options_number("--nth", value, 1, UINT64_MAX, &q->work.nth);
    case OPTION_OUTPUT:
        q->work.path = strcmp(value, "-") == 0 ? NULL : value;
        return 0;
    default:
        return set_shape(q, value);
    }
}

static int read_operands(struct request *q, char **operands, int count)
{
    struct primes_work *w = &q->work;
    int r;

    w->stop = UINT64_MAX;
    if (q->has_nth) {
        if (count > 1)
            return say_usage("--nth takes START at most, not %d numbers", count);
        return count ? options_number("START", operands[0], 0, UINT64_MAX, &w->start) : 0;
    }
    if (count == 0)
        return say_usage("up to which number? N is missing");
    if (count > 2)
        return say_usage("one number or two are needed, not %d: %s is too much", count,
                         quoted(operands[2]));
    if (count == 1)
        return options_number("N", operands[0], 0, UINT64_MAX, &w->stop);
    r = options_number("START", operands[0], 0, UINT64_MAX, &w->start);
    return r ? r : options_number("STOP", operands[1], 0, UINT64_MAX, &w->stop);
}

static int check(struct request *q)
{
    struct primes_work *w = &q->work;
    bool number = w->count || q->has_nth;

    if (w->count && q->has_nth)
        return say_usage("--count and --nth exclude each other");
    if (number && q->has_format && w->shape != SHAPE_TEXT && w->shape != SHAPE_JSON)
        return say_usage("--format %s is for lists: a number is text or json", shapes[w->shape]);
    if (q->common.json && q->has_format && w->shape != SHAPE_JSON && !q->common.compare)
        return say_usage("--json and --format %s exclude each other", shapes[w->shape]);
    if (number && q->common.compare && w->path)
        return say_usage("--output with --compare is for lists");
    if (q->common.json && !q->common.compare)
        w->shape = SHAPE_JSON;
    w->chunk = q->common.chunk;
    w->progress = q->common.progress;
    return 0;
}

/* -- results ------------------------------------------------------------------------------ */

static void members(const struct primes_work *w, const struct primes_sum *sum, struct json *j)
{
    json_unsigned(j, "start", w->start);
    if (w->nth) {
        json_unsigned(j, "nth", w->nth);
        json_unsigned(j, "prime", sum->prime);
        return;
    }
    json_unsigned(j, "stop", w->stop);
    json_unsigned(j, "count", sum->count);
}

static int write_number(const struct primes_work *w, const char *text, size_t size)
{
    struct output out;
    int r = output_open(&out, w->path);

    if (r < 0)
        return say_error("opening %s: %s", quoted(w->path), crew_strerror(r));
    r = output_write(&out, text, size);
    if (r == 0)
        r = output_finish(&out);
    output_discard(&out);
    if (r < 0 && r != -EPIPE)
        return say_error("writing %s: %s", w->path ? quoted(w->path) : "standard output",
                         crew_strerror(r));
    return EXIT_DONE;
}

static int print_number(const struct primes_work *w, const struct primes_sum *sum)
{
    struct json j = {0};
    char text[32];
    int status;

    if (w->shape != SHAPE_JSON) {
        int n = snprintf(text, sizeof text, "%" PRIu64 "\n", w->nth ? sum->prime : sum->count);

        return write_number(w, text, (size_t)n);
    }
    json_open(&j, NULL, '{');
    members(w, sum, &j);
    json_close(&j, '}');
    json_end(&j);
    status = j.failed ? say_error("no memory for the result") : write_number(w, j.text, j.size);
    json_free(&j);
    return status;
}

static int missing(const struct primes_work *w)
{
    return say_error("there is no prime number %" PRIu64 " from %" PRIu64 " to 2^64-1", w->nth,
                     w->start);
}

static int run_once(const struct request *q)
{
    const struct primes_work *w = &q->work;
    struct primes_sum sum;
    bool closed;
    crew_time begin = crew_time_now();
    int status = primes_run(w, q->common.kind, q->common.workers, &sum, &closed);

    if (status != EXIT_DONE || closed)
        return status;
    if (w->nth && sum.prime == 0)
        return missing(w);
    say_detail("%" PRIu64 " primes, %" PRIu64 " bytes, %.3f s; %s, %u workers", sum.count,
               sum.bytes, (double)(crew_time_now() - begin) / 1e9, ordered_kind_name(sum.used),
               sum.used == CREW_SEQUENTIAL ? 1 : sum.stats.workers);
    if (sum.stats.died)
        say_detail("%" PRIu64 " workers died, %" PRIu64 " tasks were run again", sum.stats.died,
                   sum.stats.retried);
    return w->count || w->nth ? print_number(w, &sum) : EXIT_DONE;
}

/* -- comparison --------------------------------------------------------------------------- */

static int compare_one(void *context, enum crew_kind kind, unsigned workers,
                       uint64_t result[COMPARE_RESULT])
{
    const struct request *q = context;
    struct primes_work w = q->work;
    struct primes_sum sum;
    bool closed;
    int status;

    w.hash = true;
    w.discard = !w.path;
    w.progress = PROGRESS_NEVER;
    status = primes_run(&w, kind, workers, &sum, &closed);
    if (status != EXIT_DONE)
        return status;
    if (closed)
        return say_error("writing %s: nobody reads it", quoted(w.path));
    if (w.nth && sum.prime == 0)
        return missing(&w);
    result[0] = sum.count;
    result[1] = sum.bytes;
    result[2] = sum.hash;
    result[3] = sum.prime;
    return EXIT_DONE;
}

static void compare_head(void *context, const uint64_t result[COMPARE_RESULT], char *text,
                         size_t room)
{
    const struct primes_work *w = &((const struct request *)context)->work;

    if (w->nth)
        snprintf(text, room, "prime number %" PRIu64 " from %" PRIu64 " on: %" PRIu64, w->nth,
                 w->start, result[3]);
    else if (w->count)
        snprintf(text, room, "primes from %" PRIu64 " to %" PRIu64 ", counted: %" PRIu64, w->start,
                 w->stop, result[0]);
    else
        snprintf(text, room,
                 "primes from %" PRIu64 " to %" PRIu64 ", listed: %" PRIu64 " primes, %" PRIu64
                 " bytes, checksum %016" PRIx64 ";\n%s%s", w->start, w->stop, result[0], result[1],
                 result[2], w->path ? "each run writes " : "the list goes into the checksum alone",
                 w->path ? quoted(w->path) : "");
}

static void compare_members(void *context, const uint64_t result[COMPARE_RESULT], struct json *j)
{
    const struct primes_work *w = &((const struct request *)context)->work;
    struct primes_sum sum = {.count = result[0], .prime = result[3]};
    char hash[17];

    members(w, &sum, j);
    if (w->count || w->nth)
        return;
    snprintf(hash, sizeof hash, "%016" PRIx64, result[2]);
    json_unsigned(j, "bytes", result[1]);
    json_string(j, "checksum", hash);
    if (w->path)
        json_string(j, "output", w->path);
}

int primes_main(int argc, char **argv)
{
    struct request q = {0};
    const struct command_line line = {
        .name = "primes",
        .synopsis = "crew primes [OPTIONS] N\n"
                    "crew primes [OPTIONS] START STOP\n"
                    "crew primes [OPTIONS] --nth K [START]",
        .purpose = "All primes p with 2 <= p <= N, or START <= p <= STOP, in increasing order.\n"
                   "Numbers go up to 2^64-1: 1000000, 1_000_000, 1e6, 10^6, 2^20, 100k, 16Mi.",
        .epilogue = "list is [2, 3, 5]; u64 is 8 bytes a prime, the lowest first; npy is an array for\n"
                    "numpy.load(); json is {\"start\", \"stop\", \"primes\": [...], \"count\"}. A --chunk whose\n"
                    "list would be longer than 24 MiB is cut. With --compare the list goes into a\n"
                    "checksum, or to FILE; -x KIND leaves only that kind beside sequential.",
        .rows = rows,
        .row_count = sizeof rows / sizeof *rows,
        .set = set,
        .context = &q,
    };
    const struct compare_job job = {.context = &q, .run = compare_one, .head = compare_head,
                                    .members = compare_members};
    int first, r = options_read(&line, argc, argv, &q.common, &first);

    if (r == OPTIONS_GO_ON) {
        r = read_operands(&q, argv + first, argc - first);
        if (r == 0)
            r = check(&q);
        if (r == 0)
            r = q.common.compare ? compare(&job, &q.common) : run_once(&q);
    }
    return r;
}
