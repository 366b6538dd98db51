/* deadlock.h - see deadlock.c. */
#ifndef CREW_SYNC_DEADLOCK_H
#define CREW_SYNC_DEADLOCK_H

#include <crew/deadlock.h>
#include <life/roster.h>

/* A deadline of 'me' has run out, at a word that names who holds what it waits for. CREW_EDEADLOCK: it is in a
 * cycle, which crew_deadlock_last() tells. Else -ETIMEDOUT. */
int deadlock_at(uint32_t me, const _Atomic uint32_t *holder, enum waits_for kind);

/* Any cycle of this moment. */
bool deadlock_find(struct crew_deadlock *cycle);

/* The cycle of the calling thread's last CREW_EDEADLOCK; NULL: none. */
const struct crew_deadlock *deadlock_last(void);

#endif
