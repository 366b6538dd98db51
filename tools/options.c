/* options.c - reads the command line and prints its help, from one table. */
#include "options.h"

#include "number.h"
#include "output.h"
#include "say.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_row common_rows[] = {COMMON_OPTIONS(OPTION_ROW)};

enum { COMMON_COUNT = sizeof common_rows / sizeof *common_rows, MOST_ROWS = 64 };

/* -- help --------------------------------------------------------------------------------- */

/* Rows of help are wrapped at this column and continue at that one. */
enum { HELP_WIDTH = 96, HELP_INDENT = 28 };

static void print_row(FILE *to, const struct option_row *row)
{
    char head[64], letter[8] = "    ";
    const char *word = row->help;

    if (row->letter)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    int column = snprintf(head, sizeof head, "  %s--%s%s%s", letter, row->name,
                          row->argument ? " " : "", row->argument ? row->argument : "");
    fprintf(to, "%s", head);
    if (column >= HELP_INDENT - 1) {
        fprintf(to, "\n");
        column = 0;
    }
    fprintf(to, "%*s", HELP_INDENT - column, "");
    column = HELP_INDENT;
    while (*word) {
        int size = (int)strcspn(word, " ");

        if (column > HELP_INDENT && column + 1 + size > HELP_WIDTH) {
            fprintf(to, "\n%*s", HELP_INDENT, "");
            column = HELP_INDENT;
        }
        column += fprintf(to, "%s%.*s", column > HELP_INDENT ? " " : "", size, word);
        word += size;
        word += strspn(word, " ");
    }
    fprintf(to, "\n");
}

int options_print(const char *what, const char *text, size_t size)
{
    struct output out;
    int r = output_open(&out, NULL);

    if (r == 0)
        r = output_write(&out, text, size);
    if (r == 0)
        r = output_finish(&out);
    if (r == -EPIPE)
        return EXIT_DONE;
    return r < 0 ? say_error("writing %s: %s", what, crew_strerror(r)) : EXIT_DONE;
}

int options_help(const struct command_line *line)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    if (!to)
        return say_error("no memory for the help");
    fprintf(to, "Usage: ");
    for (const char *s = line->synopsis; *s; s++) {
        fputc(*s, to);
        if (*s == '\n')
            fprintf(to, "       ");
    }
    fprintf(to, "\n\n%s\n\nOptions:\n", line->purpose);
    for (size_t i = 0; i < line->row_count; i++)
        print_row(to, &line->rows[i]);
    fprintf(to, "\nOptions of every subcommand:\n");
    for (size_t i = 0; i < COMMON_COUNT; i++)
        print_row(to, &common_rows[i]);
    if (line->epilogue)
        fprintf(to, "\n%s\n", line->epilogue);
    if (fclose(to) != 0) {
        free(text);
        return say_error("no memory for the help");
    }
    int status = options_print("the help", text, size);
    free(text);
    return status;
}

static int print_version(void)
{
    char text[64];
    int n = snprintf(text, sizeof text, "crew %s\n", crew_version());

    return options_print("the version", text, (size_t)n);
}

/* -- values ------------------------------------------------------------------------------- */

int options_number(const char *what, const char *text, uint64_t low, uint64_t high,
                   uint64_t *value)
{
    uint64_t n;
    enum number_status status = number_parse(text, &n);

    if (status != NUMBER_OK)
        return say_usage("%s: %s %s", what, quoted(text), number_explain(status));
    if (n < low)
        return say_usage("%s: %s is less than %llu", what, quoted(text), (unsigned long long)low);
    if (n > high)
        return say_usage("%s: %s is more than %llu", what, quoted(text), (unsigned long long)high);
    *value = n;
    return 0;
}

static int read_kind(const char *value, enum crew_kind *kind)
{
    static const struct {
        const char *name;
        enum crew_kind kind;
    } kinds[] = {
        {"auto", CREW_KIND_DEFAULT},
        {"sequential", CREW_SEQUENTIAL},
        {"threads", CREW_THREADS},
        {"processes", CREW_PROCESSES},
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(value, kinds[i].name) == 0) {
            *kind = kinds[i].kind;
            return 0;
        }
    }
    if (strcmp(value, "mpi") == 0)
        return say_usage("--executor: 'mpi' is not part of this build: "
                         "sequential, threads, processes or auto");
    return say_usage("--executor: %s is none of sequential, threads, processes, auto",
                     quoted(value));
}

static int read_progress(const char *value, enum progress_mode *mode)
{
    static const char *const names[] = {"auto", "always", "never"};

    for (int i = 0; i < 3; i++) {
        if (strcmp(value, names[i]) == 0) {
            *mode = (enum progress_mode)i;
            return 0;
        }
    }
    return say_usage("--progress: %s is none of auto, always, never", quoted(value));
}

static int set_common(struct common_options *common, int id, const char *value)
{
    uint64_t n = 0;
    int r = 0;

    switch ((enum common_option)id) {
    case OPTION_EXECUTOR:
        return read_kind(value, &common->kind);
    case OPTION_WORKERS:
        r = options_number("--workers", value, 1, 1000, &n);
        common->workers = (unsigned)n;
        return r;
    case OPTION_CHUNK:
        return options_number("--chunk", value, 1, UINT64_MAX, &common->chunk);
    case OPTION_RUNS:
        r = options_number("--runs", value, 1, 1000, &n);
        common->runs = (unsigned)n;
        return r;
    case OPTION_COMPARE:
        common->compare = true;
        return 0;
    case OPTION_JSON:
        common->json = true;
        return 0;
    case OPTION_PROGRESS:
        return read_progress(value, &common->progress);
    case OPTION_VERBOSE:
        say_verbose = true;
        return 0;
    case OPTION_QUIET:
        say_quiet = true;
        return 0;
    default:
        return 0;
    }
}

/* -- the line ----------------------------------------------------------------------------- */

/* The word that getopt_long() stopped at: it may stand in the middle of it. */
static const char *current_word(int argc, char **argv, int letter)
{
    const char *before = optind > 0 ? argv[optind - 1] : "";

    if (before[0] == '-' && strchr(before, letter))
        return before;
    return optind < argc ? argv[optind] : before;
}

static int refuse(int argc, char **argv, int answer)
{
    const char *word = optind > 0 && optind <= argc ? argv[optind - 1] : "";

    if (answer == ':')
        return say_usage("option %s needs a value", quoted(word));
    if (optopt >= OPTION_COMMON)
        return say_usage("option %s takes no value", quoted(word));
    if (optopt == 0)
        return say_usage("option %s is unknown, or short for several", quoted(word));
    if (optopt < 0x80 && isdigit(optopt)) {
        const char *number = current_word(argc, argv, optopt);

        return say_usage("%s %s", quoted(number), number_explain(NUMBER_SIGN));
    }
    return say_usage("option %s is unknown", quoted((char[]){'-', (char)optopt, '\0'}));
}

int options_read(const struct command_line *line, int argc, char **argv,
                 struct common_options *common, int *first)
{
    struct option longs[MOST_ROWS + 1];
    char shorts[2 * MOST_ROWS + 2] = ":", *end = shorts + 1;
    int ids[256] = {0}, n = 0, c;

    for (size_t i = 0; i < COMMON_COUNT + line->row_count && n < MOST_ROWS; i++) {
        const struct option_row *row =
            i < COMMON_COUNT ? &common_rows[i] : &line->rows[i - COMMON_COUNT];

        longs[n++] = (struct option){row->name, row->argument ? required_argument : no_argument,
                                     NULL, row->id};
        if (row->letter) {
            ids[(unsigned char)row->letter] = row->id;
            *end++ = row->letter;
            if (row->argument)
                *end++ = ':';
        }
    }
    *end = '\0';
    longs[n] = (struct option){0};
    *common = (struct common_options){.runs = 5};
    say_verbose = say_quiet = false;

    optind = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        int id = c > 0 && c < 256 ? ids[c] : c;
        int r;

        if (c == '?' || c == ':')
            return refuse(argc, argv, c);
        if (id == OPTION_HELP)
            return options_help(line);
        if (id == OPTION_VERSION)
            return print_version();
        r = id >= OPTION_FIRST_OWN ? line->set(line->context, id, optarg)
                                   : set_common(common, id, optarg);
        if (r != 0)
            return r;
    }
    if (say_verbose && say_quiet)
        return say_usage("--verbose and --quiet exclude each other");
    if (common->workers == 0)
        common->workers = crew_cpu_count();
    *first = optind;
    return OPTIONS_GO_ON;
}
