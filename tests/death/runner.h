/* runner.h - runs the cases of all protocols through engines, a case on each CPU, and prints what came
 * of it as TAP, in the order of the cases. */
#ifndef DEATH_RUNNER_H
#define DEATH_RUNNER_H

#include "cases.h"

struct death_engine {
    const char *name;
    long (*run)(const struct death_case *c, struct death_report *r);
    bool alone, together; /* takes cases of one process; of several */
};

/* What main() does: the argument is a word, for only those cases that have it in their name.
 *
 * CREW_DEATH_REPLAY     the number of what went wrong: that is done again, and shown (replay.h)
 * CREW_DEATH_PROCESSES  that share the cases (one for each CPU); a case is the work of one of them */
int death_run(int argc, char **argv, const struct death_cases *const *cases, unsigned case_lists,
              const struct death_engine *engines, unsigned engine_count);

#endif
