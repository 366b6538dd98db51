/* compare.h - the same work sequentially, with threads and with processes, timed and checked.
 *
 * Each row is run once to warm up and then 'runs' times; rows take turns, so that what disturbs the
 * machine disturbs all of them. Every run must give the same result. */
#ifndef TOOLS_COMPARE_H
#define TOOLS_COMPARE_H

#include "json.h"
#include "options.h"

enum { COMPARE_RESULT = 4 };

struct compare_job {
    void *context;
    bool auto_row; /* one more row: auto */

    /* Does all the work once: 0, or an exit status after say_error(). */
    int (*run)(void *context, enum crew_kind kind, unsigned workers,
               uint64_t result[COMPARE_RESULT]);

    /* The time of the last run in s, where it is not that of the call; may be NULL. */
    double (*seconds)(void *context);

    /* The result, as the head of the table and as members of the JSON object. */
    void (*head)(void *context, const uint64_t result[COMPARE_RESULT], char *text, size_t room);
    void (*members)(void *context, const uint64_t result[COMPARE_RESULT], struct json *json);

    /* What stands below the table; may be NULL. */
    const char *foot;
};

/* Prints the table on standard output. The exit status. */
int compare(const struct compare_job *job, const struct common_options *common);

/* -- the arithmetic, apart so that it can be tested --------------------------------------- */

struct compare_figures {
    double median, least, most; /* s                                                         */
    double spread;              /* (most - least) / median                                   */
    double speedup, efficiency; /* against the sequential median                             */
    double serial;              /* Karp-Flatt: (1/speedup - 1/workers) / (1 - 1/workers); NaN
                                   with one worker                                           */
};

/* 'times' is sorted by this call; 'sequential' is the median to compare with, or 0: its own. */
struct compare_figures compare_figures(double *times, unsigned count, unsigned workers,
                                       double sequential);

#endif
