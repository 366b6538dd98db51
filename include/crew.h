/* crew.h - all of crew: process parallelism at the cost of threads, safe against death. */
#ifndef CREW_H
#define CREW_H

#include <crew/barrier.h>
#include <crew/base.h>
#include <crew/connection.h>
#include <crew/condition.h>
#include <crew/deadlock.h>
#include <crew/event.h>
#include <crew/future.h>
#include <crew/latch.h>
#include <crew/listener.h>
#include <crew/lock.h>
#include <crew/memory.h>
#include <crew/once.h>
#include <crew/pipe.h>
#include <crew/pool.h>
#include <crew/process.h>
#include <crew/rwlock.h>
#include <crew/semaphore.h>
#include <crew/queue.h>
#include <crew/task.h>
#include <crew/value.h>
#include <crew/wait.h>

#endif
