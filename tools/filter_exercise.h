/* filter_exercise.h - the workshop's exercise: a moving average in memory, sequentially and in parallel,
 * timed, and from which length on parallel pays. */
#ifndef TOOLS_FILTER_EXERCISE_H
#define TOOLS_FILTER_EXERCISE_H

#include "options.h"

/* Averages samples of the generated signal that lie in memory, on pools that are open already. Prints the
 * table on standard output. The exit status. */
int filter_exercise(uint64_t samples, uint64_t seed, uint64_t window, const struct common_options *common);

#endif
