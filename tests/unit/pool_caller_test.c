/* Description: the caller of a pool of processes, who works with them, spoils their results. */
#define KIND CREW_PROCESSES
#define CALLER_WORKS true
#define MOST_WORKERS 8
#include "pool_workers.h"

UNIT_TESTS("pool_caller", POOL_TESTS, WORKER_TESTS)
