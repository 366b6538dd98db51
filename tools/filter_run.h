/* filter_run.h - one run of the moving average, from a source to a sink, on any executor. */
#ifndef TOOLS_FILTER_RUN_H
#define TOOLS_FILTER_RUN_H

#include "filter_edges.h"
#include "filter_sink.h"
#include "filter_source.h"
#include "ordered.h"
#include "progress.h"

struct filter_work {
    uint64_t window;
    enum filter_edges edges;
    double fill;
    bool skip;             /* NaN are left out                       */
    bool single;           /* computed and written as f32            */
    uint64_t chunk;        /* rows in a task; 0: adaptive            */
    enum progress_mode progress;
    bool discard;          /* the averages go nowhere                */
    bool hash;             /* with checksum                          */
};

struct filter_sum {
    uint64_t samples;      /* rows read     */
    uint64_t averages;     /* rows written  */
    uint64_t bytes, hash;  /* of the output */
    enum crew_kind used;
    struct crew_pool_stats stats;
};

/* Reads 'source' to its end, once. Exit status, after say_error() or say_usage() if it is not
 * EXIT_DONE; 'closed': the reader of the output went away, which is no failure. */
int filter_run(const struct filter_work *work, struct source *source, const struct sink *sink,
               enum crew_kind kind, unsigned workers, struct filter_sum *sum, bool *closed);

#endif
