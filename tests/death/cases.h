/* cases.h - the cases of each protocol, for every engine of death.h. */
#ifndef DEATH_CASES_H
#define DEATH_CASES_H

#include "death.h"

#define CASES(X) X(slot) X(job) X(alloc) X(worker) X(lock) X(flag)

struct death_cases {
    const struct death_case *list;
    unsigned count;
};

#define DECLARE(name) extern const struct death_cases name##_cases;
CASES(DECLARE)
#undef DECLARE

#endif
