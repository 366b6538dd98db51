/* filter.c - crew filter: the moving average of a signal, from a file, a pipe or a formula.
 *
 * Workers read, average and format; this process cuts and writes, in order. A worker that dies costs
 * time, never a byte; when this process dies, its workers do, and a file without a name goes with it. */
#include "command.h"
#include "compare.h"
#include "decimal.h"
#include "filter_exercise.h"
#include "filter_run.h"
#include "json.h"
#include "number.h"
#include "options.h"
#include "say.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILTER_OPTIONS(X)                                                                          \
    X(WINDOW, 'w', "window", "W", "samples in the window, 1 or more; required")                    \
    X(EDGES, 'e', "edges", "MODE",                                                                 \
      "valid (whole windows only), same, full (zeros outside, as numpy.convolve), reflect, "       \
      "mirror, nearest, wrap, constant (as scipy.ndimage.uniform_filter1d), shrink (the mean of "  \
      "the samples that exist) (default: valid)")                                                  \
    X(FILL, 0, "fill", "V", "what stands outside with --edges constant (default: 0)")              \
    X(NAN, 0, "nan", "MODE",                                                                       \
      "propagate: a window with a NaN gives NaN; skip: the mean of its other samples "             \
      "(default: propagate)")                                                                      \
    X(TYPE, 't', "type", "TYPE", "f64 or f32: what is written (default: as the input; text: f64)") \
    X(FORMAT, 'f', "format", "F",                                                                  \
      "of input and output: text, csv, npy, f64, f32, wav, or what else libsndfile knows "         \
      "(default: by the files' names, else text)")                                                 \
    X(COLUMN, 'c', "column", "NAME-or-NUMBER",                                                     \
      "a column of a CSV, 1 is the first; may be given again (default: all numeric ones)")         \
    X(OUTPUT, 'o', "output", "FILE", "write to FILE, which appears when it is whole")              \
    X(GENERATE, 0, "generate", "N[:SEED]", "instead of INPUT: N samples, noise and two sines")

enum {
    OPTION_BEFORE_FILTER = OPTION_FIRST_OWN - 1,
    FILTER_OPTIONS(OPTION_ID)
};

static const struct option_row rows[] = {FILTER_OPTIONS(OPTION_ROW)};

enum type { TYPE_AS_INPUT, TYPE_F64, TYPE_F32 };

struct request {
    struct filter_work work;
    enum type type;
    const char *format_name;     /* NULL: not given  */
    enum signal_format format;
    const char **columns;
    unsigned column_count;
    const char *input, *output;  /* NULL: none; standard output */
    bool generated, filled;
    uint64_t samples, seed;
    struct common_options common;
};

/* -- the command line --------------------------------------------------------------------- */

static int set_edges(struct request *q, const char *value)
{
    int edges = edges_find(value);

    if (edges < 0)
        return say_usage("--edges: %s is none of valid, same, full, reflect, mirror, nearest, wrap, "
                         "constant, shrink", quoted(value));
    q->work.edges = (enum filter_edges)edges;
    return 0;
}

static int set_fill(struct request *q, const char *value)
{
    const char *end = value + strlen(value);

    if (decimal_read(value, end, &q->work.fill) != end || end == value)
        return say_usage("--fill: %s is not a number", quoted(value));
    q->filled = true;
    return 0;
}

static int set_nan(struct request *q, const char *value)
{
    q->work.skip = strcmp(value, "skip") == 0;
    if (!q->work.skip && strcmp(value, "propagate") != 0)
        return say_usage("--nan: %s is neither propagate nor skip", quoted(value));
    return 0;
}

static int set_type(struct request *q, const char *value)
{
    if (strcmp(value, "f64") != 0 && strcmp(value, "f32") != 0)
        return say_usage("--type: %s is neither f64 nor f32", quoted(value));
    q->type = strcmp(value, "f64") == 0 ? TYPE_F64 : TYPE_F32;
    return 0;
}

static int set_format(struct request *q, const char *value)
{
    q->format_name = value;
    q->format = signal_format_find(value);
    if (q->format == SIGNAL_UNKNOWN)
        return say_usage("--format: %s is none of text, csv, npy, f64, f32, wav, and no kind of sound file "
                         "that this crew reads", quoted(value));
    return 0;
}

static int set_column(struct request *q, const char *value)
{
    const char **more = realloc(q->columns, (q->column_count + 1) * sizeof *more);

    if (!more)
        return say_error("no memory for %u columns", q->column_count + 1);
    more[q->column_count++] = value;
    q->columns = more;
    return 0;
}

static int set_generate(struct request *q, const char *value)
{
    const char *colon = strchr(value, ':');
    char *samples = colon ? strndup(value, (size_t)(colon - value)) : strdup(value);
    int r;

    if (!samples)
        return say_error("no memory");
    r = options_number("--generate", samples, 0, UINT64_C(1) << 60, &q->samples);
    if (r == 0 && colon)
        r = options_number("--generate, the seed", colon + 1, 0, UINT64_MAX, &q->seed);
    free(samples);
    q->generated = true;
    return r;
}

static int set(void *context, int id, const char *value)
{
    struct request *q = context;

    switch (id) {
    case OPTION_WINDOW:
        return options_number("--window", value, 1, UINT64_MAX, &q->work.window);
    case OPTION_EDGES:
        return set_edges(q, value);
    case OPTION_FILL:
        return set_fill(q, value);
    case OPTION_NAN:
        return set_nan(q, value);
    case OPTION_TYPE:
        return set_type(q, value);
    case OPTION_FORMAT:
        return set_format(q, value);
    case OPTION_COLUMN:
        return set_column(q, value);
    case OPTION_OUTPUT:
        q->output = strcmp(value, "-") == 0 ? NULL : value;
        return 0;
    default:
        return set_generate(q, value);
    }
}

static int read_operands(struct request *q, char **operands, int count)
{
    if (q->generated && count > 0)
        return say_usage("--generate stands instead of INPUT: %s is too much", quoted(operands[0]));
    if (!q->generated && count == 0)
        return say_usage("which signal? INPUT is missing");
    if (count > 1)
        return say_usage("one INPUT, not %d: %s is too much", count, quoted(operands[1]));
    q->input = count ? operands[0] : NULL;
    return 0;
}

static int check(struct request *q)
{
    if (q->work.window == 0)
        return say_usage("how long a window? --window W is missing");
    if (q->filled && q->work.edges != EDGES_CONSTANT)
        return say_usage("--fill is for --edges constant");
    if (q->format == SIGNAL_UNKNOWN && q->input)
        q->format = signal_format_of(q->input);
    if (q->column_count && q->format != SIGNAL_CSV)
        return say_usage("--column is for CSV");
    if (q->common.compare && q->input && strcmp(q->input, "-") == 0)
        return say_usage("--compare reads its input again and again: standard input can't be read so");
    if (q->common.compare && q->generated && q->output)
        return say_usage("--output with --compare is for an INPUT");
    if (q->common.compare && q->generated && (q->work.edges != EDGES_VALID || q->work.skip))
        return say_usage("--compare with --generate is for whole windows: --edges valid, --nan propagate");
    if (q->common.compare && q->generated && q->work.window > q->samples)
        return say_usage("--window: a window of %" PRIu64 " samples is longer than the signal, which has %"
                         PRIu64, q->work.window, q->samples);
    q->work.chunk = q->common.chunk;
    q->work.progress = q->common.progress;
    return 0;
}

/* -- one run ------------------------------------------------------------------------------ */

/* What the output shall be: its name says it, else --format, else it is text. */
static int choose_sink(const struct request *q, const struct source *source, struct sink *sink,
                       char **header, char *audio_name, size_t room)
{
    enum signal_format format = q->output ? signal_format_of(q->output) : SIGNAL_UNKNOWN;
    bool by_name = format != SIGNAL_UNKNOWN;

    if (!by_name && q->format_name)
        format = q->format;
    *sink = (struct sink){
        .single = q->type == TYPE_AS_INPUT ? source->single : q->type == TYPE_F32,
        .channels = source->channels,
        .dimensions = source->dimensions,
        .path = q->output,
        .header = "",
    };
    switch (q->common.json && !q->common.compare ? SIGNAL_UNKNOWN : format) {
    case SIGNAL_CSV:
        sink->shape = SINK_CSV;
        sink->delimiter = by_name && strcasecmp(strrchr(q->output, '.'), ".tsv") == 0 ? '\t' : ',';
        if (source->table && table_delimiter(source->table) != ' ') {
            if (!by_name)
                sink->delimiter = table_delimiter(source->table);
            sink->header = *header = table_header(source->table, sink->delimiter);
            if (!*header)
                return say_error("no memory for the header");
        }
        break;
    case SIGNAL_NPY:
        sink->shape = SINK_NPY;
        break;
    case SIGNAL_F64:
    case SIGNAL_F32: /* the name says the type, unless --type does */
        sink->shape = SINK_RAW;
        if (q->type == TYPE_AS_INPUT)
            sink->single = format == SIGNAL_F32;
        break;
    case SIGNAL_AUDIO:
        sink->shape = SINK_AUDIO;
        sink->audio = source->audio_format;
        sink->audio.channels = source->channels;
        sink->audio.frames = 0;
        sink->audio.single = sink->single;
        if (source->kind != SOURCE_AUDIO)
            sink->audio.rate = 44100;
        if (q->type != TYPE_AS_INPUT)
            sink->audio.encoding = 0;
        if (by_name || q->format_name)
            sink->audio.container = 0;
        snprintf(audio_name, room, "x.%s", q->format_name ? q->format_name : "wav");
        sink->audio_name = by_name ? q->output : audio_name;
        break;
    default:
        sink->shape = SINK_TEXT;
    }
    return 0;
}

static int run_filter(const struct request *q, const struct filter_work *work, enum crew_kind kind,
                      unsigned workers, struct filter_sum *sum, bool *closed)
{
    struct filter_work w = *work;
    struct source source;
    struct sink sink = {0};
    char audio_name[40], members[160], *header = NULL;
    int status = EXIT_DONE;

    if (q->generated)
        source_generate(&source, q->samples, q->seed);
    else
        status = source_open(&source, q->input, q->format, q->columns, q->column_count);
    if (status == EXIT_DONE && source.channels == 0)
        status = say_error("%s: there is no column in it", source.name);
    if (status == EXIT_DONE)
        status = choose_sink(q, &source, &sink, &header, audio_name, sizeof audio_name);
    if (status == EXIT_DONE && q->common.json && !q->common.compare) {
        sink.shape = SINK_JSON;
        snprintf(members, sizeof members,
                 "{\"window\": %" PRIu64 ", \"edges\": \"%s\", \"channels\": %u, \"averages\": [", w.window,
                 edges_name(w.edges), source.channels);
        sink.members = members;
    }
    w.single = sink.single;
    if (status == EXIT_DONE)
        status = filter_run(&w, &source, &sink, kind, workers, sum, closed);
    free(header);
    source_close(&source);
    return status;
}

static int run_once(const struct request *q)
{
    struct filter_sum sum;
    bool closed = false;
    crew_time begin = crew_time_now();
    int status = run_filter(q, &q->work, q->common.kind, q->common.workers, &sum, &closed);

    if (status != EXIT_DONE || closed)
        return status;
    say_detail("%" PRIu64 " samples, %" PRIu64 " averages, %" PRIu64 " bytes, %.3f s; %s, %u workers",
               sum.samples, sum.averages, sum.bytes, (double)(crew_time_now() - begin) / 1e9,
               ordered_kind_name(sum.used), sum.used == CREW_SEQUENTIAL ? 1 : sum.stats.workers);
    if (sum.stats.died)
        say_detail("%" PRIu64 " workers died, %" PRIu64 " tasks were run again", sum.stats.died,
                   sum.stats.retried);
    return EXIT_DONE;
}

/* -- comparison --------------------------------------------------------------------------- */

static int compare_one(void *context, enum crew_kind kind, unsigned workers,
                       uint64_t result[COMPARE_RESULT])
{
    const struct request *q = context;
    struct filter_work w = q->work;
    struct filter_sum sum;
    bool closed = false;
    int status;

    w.hash = true;
    w.discard = !q->output;
    w.progress = PROGRESS_NEVER;
    status = run_filter(q, &w, kind, workers, &sum, &closed);
    if (status != EXIT_DONE)
        return status;
    if (closed)
        return say_error("writing %s: nobody reads it", quoted(q->output));
    result[0] = sum.averages;
    result[1] = sum.bytes;
    result[2] = sum.hash;
    result[3] = sum.samples;
    return EXIT_DONE;
}

static void compare_head(void *context, const uint64_t result[COMPARE_RESULT], char *text, size_t room)
{
    const struct request *q = context;

    snprintf(text, room,
             "moving average of %s, %" PRIu64 " samples, window %" PRIu64 ": %" PRIu64 " averages, %" PRIu64
             " bytes, checksum %016" PRIx64 ";\n%s%s", quoted(q->input), result[3], q->work.window,
             result[0], result[1], result[2],
             q->output ? "each run reads it all, and writes "
                       : "each run reads it all; the averages go into the checksum alone",
             q->output ? quoted(q->output) : "");
}

static void compare_members(void *context, const uint64_t result[COMPARE_RESULT], struct json *j)
{
    const struct request *q = context;
    char hash[17];

    snprintf(hash, sizeof hash, "%016" PRIx64, result[2]);
    json_string(j, "input", q->input);
    json_unsigned(j, "samples", result[3]);
    json_unsigned(j, "window", q->work.window);
    json_string(j, "edges", edges_name(q->work.edges));
    json_unsigned(j, "averages", result[0]);
    json_unsigned(j, "bytes", result[1]);
    json_string(j, "checksum", hash);
    if (q->output)
        json_string(j, "output", q->output);
}

static int run(struct request *q)
{
    const struct compare_job job = {.context = q, .run = compare_one, .head = compare_head,
                                    .members = compare_members};

    if (!q->common.compare)
        return run_once(q);
    return q->generated ? filter_exercise(q->samples, q->seed, q->work.window, &q->common)
                        : compare(&job, &q->common);
}

int filter_main(int argc, char **argv)
{
    struct request q = {.work.edges = EDGES_VALID};
    const struct command_line line = {
        .name = "filter",
        .synopsis = "crew filter [OPTIONS] -w W INPUT\n"
                    "crew filter [OPTIONS] -w W --generate N[:SEED]",
        .purpose = "The moving average of a signal: each output sample is the mean of a window of W\n"
                   "consecutive samples, from its own window alone. INPUT is a file, or - for standard\n"
                   "input. Several channels (columns of a CSV or an array, sound) are each filtered.",
        .epilogue = "text is numbers between white space; f64 and f32 are raw, the lowest byte first. Names\n"
                    "that end in .csv .tsv .npy .f64 .f32 .wav ... choose the format, else text. The result\n"
                    "is the same to the bit for every --executor, --workers and --chunk. With --compare the\n"
                    "averages go into a checksum, or to FILE; with --compare --generate the signal lies in\n"
                    "memory, and the table says from which length on parallel pays.",
        .rows = rows,
        .row_count = sizeof rows / sizeof *rows,
        .set = set,
        .context = &q,
    };
    int first, r = options_read(&line, argc, argv, &q.common, &first);

    if (r == OPTIONS_GO_ON) {
        r = read_operands(&q, argv + first, argc - first);
        if (r == 0)
            r = check(&q);
        if (r == 0)
            r = run(&q);
    }
    free(q.columns);
    return r;
}
