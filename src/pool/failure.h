/* failure.h - the failure with the lowest index that one process has seen in a job.
 *
 *   which    0: none; 1, 2: record[which - 1] counts. One store moves it.
 *   record   the one that counts is never written; a new one goes into the other.
 *
 * Order  'which' release -> acquire: the record.
 *
 * The writer dies ...         others see
 *   writing a record          the one before
 *   after 'which'             the new one. If its task is run again, or reported as died, the repairer
 *                             takes it back: the one before counts again, for it is still whole */
#ifndef CREW_FAILURE_H
#define CREW_FAILURE_H

#include <crew/future.h>
#include <os/atomic.h>

struct failure_shm {
    _Atomic uint32_t which;
    struct crew_failure record[2]; /* error 0: not in use */
};

void failure_clear(struct failure_shm *failure);

/* The one that counts, or NULL. */
const struct crew_failure *failure_now(const struct failure_shm *failure);

/* Keeps the one with the lower index. Only the owner may, or the repairer when it is dead. */
void failure_note(struct failure_shm *failure, const struct crew_failure *new);

/* Takes back a note on an index in [begin, end). */
void failure_unnote(struct failure_shm *failure, uint64_t begin, uint64_t end);

#endif
