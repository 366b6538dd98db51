/* Description: worker threads lose, double or mix up tasks. */
#define KIND CREW_THREADS
#define CALLER_WORKS false
#define MOST_WORKERS 8
#include "pool_workers.h"

UNIT_TESTS("pool_threads", POOL_TESTS, WORKER_TESTS)
