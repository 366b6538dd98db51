/* rlock.h - a lock that its owner may acquire again, without who asks; the law stands in rlock.c. */
#ifndef CREW_SYNC_RLOCK_H
#define CREW_SYNC_RLOCK_H

#include "lock.h"

/* All else is as for a lock (lock.h). */
int rlock_acquire(struct lock_shm *lock, uint32_t me, crew_time deadline);
int rlock_release(struct lock_shm *lock, uint32_t me);

#endif
