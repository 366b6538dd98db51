/* options.h - the command line: one table of rows drives getopt_long() and --help.
 *
 * A subcommand names its rows in an X-macro X(ID, short letter or 0, "long", "ARGUMENT" or NULL,
 * "help"), and gets its options one by one in 'set'; those that every working subcommand has are
 * read here. What is wrong with the command line is said by say_usage(), with the value. */
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include <crew.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option_row {
    int id;
    char letter;
    const char *name, *argument, *help;
};

#define COMMON_OPTIONS(X)                                                                          \
    X(EXECUTOR, 'x', "executor", "KIND",                                                           \
      "sequential, threads, processes, or auto: measure and choose (default: auto)")              \
    X(WORKERS, 'j', "workers", "N", "workers, 1 to 1000 (default: the CPUs that crew may use)")    \
    X(CHUNK, 0, "chunk", "N", "items in one task (default: adaptive)")                             \
    X(COMPARE, 0, "compare", NULL,                                                                 \
      "run sequentially, then with threads and processes at 1, 2, 4 ... workers, check that all "  \
      "results are the same, and print a table")                                                   \
    X(RUNS, 0, "runs", "N", "timed runs of each row of --compare, 1 to 1000 (default: 5)")         \
    X(JSON, 0, "json", NULL, "the result, or the table of --compare, as one JSON object")          \
    X(PROGRESS, 0, "progress", "WHEN",                                                             \
      "a bar on standard error: auto (on a terminal, after 1 s), always, never (default: auto)")   \
    X(VERBOSE, 'v', "verbose", NULL, "say what was chosen and how it went")                        \
    X(QUIET, 'q', "quiet", NULL, "say nothing but errors")                                         \
    X(HELP, 'h', "help", NULL, "this text")                                                        \
    X(VERSION, 0, "version", NULL, "the version")

#define OPTION_ID(id, letter, name, argument, help) OPTION_##id,
#define OPTION_ROW(id, letter, name, argument, help) {OPTION_##id, letter, name, argument, help},

enum common_option {
    OPTION_COMMON = 0x100, /* above every letter */
    COMMON_OPTIONS(OPTION_ID)
    OPTION_FIRST_OWN, /* a subcommand's own begin here */
};

enum progress_mode { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };

struct common_options {
    enum crew_kind kind; /* CREW_KIND_DEFAULT: auto */
    unsigned workers;    /* never 0 once read       */
    uint64_t chunk;      /* 0: adaptive             */
    bool compare, json;
    unsigned runs;
    enum progress_mode progress;
};

struct command_line {
    const char *name;     /* of the subcommand                          */
    const char *synopsis; /* lines after "Usage: ", split by \n         */
    const char *purpose;  /* paragraphs, already wrapped                */
    const char *epilogue; /* behind the options; may be NULL            */
    const struct option_row *rows;
    size_t row_count;

    /* Takes one option of its own: 0, or the exit status after say_usage(). */
    int (*set)(void *context, int id, const char *value);
    void *context;
};

enum { OPTIONS_GO_ON = -1 };

/* Reads argv. OPTIONS_GO_ON: 'operands' of argv are left, from argv[*first] on. Else the exit status
 * to end with: help or version was asked for, or the line is wrong. */
int options_read(const struct command_line *line, int argc, char **argv,
                 struct common_options *common, int *first);

/* Reads a number from 'low' to 'high', or says what is wrong with it: 'what' names it, as in
 * "--chunk". 0 or EXIT_USAGE. */
int options_number(const char *what, const char *text, uint64_t low, uint64_t high,
                   uint64_t *value);

/* Prints the help. The exit status. */
int options_help(const struct command_line *line);

/* Prints text on standard output; 'what' is what it is. The exit status: a closed pipe is fine. */
int options_print(const char *what, const char *text, size_t size);

#endif
