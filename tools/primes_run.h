/* primes_run.h - one run over a range: list, count, or find the n-th; on any executor. */
#ifndef TOOLS_PRIMES_RUN_H
#define TOOLS_PRIMES_RUN_H

#include "ordered.h"
#include "output.h"
#include "primes_kernel.h"
#include "progress.h"

enum primes_shape { SHAPE_TEXT, SHAPE_LIST, SHAPE_U64, SHAPE_NPY, SHAPE_JSON };

struct primes_work {
    uint64_t start, stop; /* both belong to it; start > stop: nothing         */
    uint64_t nth;         /* find this one from 'start' on; 0: list or count  */
    bool count;           /* count, don't list                                */
    enum primes_shape shape;
    const char *path;     /* where the list goes; NULL: standard output       */
    bool discard;         /* the list goes nowhere                            */
    bool hash;            /* with checksum                                    */
    uint64_t chunk;       /* 0: adaptive                                      */
    enum progress_mode progress;
};

struct primes_sum {
    uint64_t count; /* primes                          */
    uint64_t bytes; /* of the list                     */
    uint64_t hash;  /* of them                         */
    uint64_t prime; /* the n-th; 0: there is none      */
    enum crew_kind used;
    struct crew_pool_stats stats;
};

/* Exit status, after say_error() if it is not EXIT_DONE; 'closed' tells that the reader of the list
 * went away, which is not a failure. */
int primes_run(const struct primes_work *work, enum crew_kind kind, unsigned workers,
               struct primes_sum *sum, bool *closed);

#endif
