/* cases.h - the cases of each protocol, for every engine of death.h. */
#ifndef DEATH_CASES_H
#define DEATH_CASES_H

#include "death.h"

#include <stdatomic.h>

/* The bell of the crew, where os_fake.c stands for the kernel: a case that listens puts it into the arena. */
struct death_bell {
    _Atomic uint32_t rings, heard[DEATH_PROCESSES];
};
extern struct death_bell *death_bell;

#define CASES(X)                                                                              \
    X(slot) X(job) X(alloc) X(lock) X(flag) X(handover) X(queue) X(end) X(line) X(condition) X(barrier) \
    X(semaphore) X(rwlock) X(rlock) X(once)
#define ALL_CASES(X) CASES(X) X(worker) X(wait) /* those that stand in for a part of the library: without it */

struct death_cases {
    const struct death_case *list;
    unsigned count;
};

#define DECLARE(name) extern const struct death_cases name##_cases;
ALL_CASES(DECLARE)
#undef DECLARE

#define ADDRESS_OF_CASES(name) &name##_cases,

#endif
