/* Description: worker processes lose, double or mix up tasks. */
#define KIND CREW_PROCESSES
#define CALLER_WORKS false
#define MOST_WORKERS 8
#include "pool_workers.h"

UNIT_TESTS("pool_processes", POOL_TESTS, WORKER_TESTS)
