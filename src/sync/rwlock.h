/* rwlock.h - the protocol of the lock for readers and writers, without who asks; the law is in rwlock.c. */
#ifndef CREW_SYNC_RWLOCK_H
#define CREW_SYNC_RWLOCK_H

#include "lock.h"

#include <crew/rwlock.h>

#define RWLOCK_MAGIC UINT32_C(0x72776c6b)

#define LINE_READERS 14
#define READER_LINES 147
_Static_assert(LINE_READERS * READER_LINES >= PARTIES, "a word for each party");

struct reader_line_shm {
    _Alignas(CACHE_LINE) _Atomic uint32_t reader[LINE_READERS];
    _Atomic uint64_t reads; /* a hint */
};
_Static_assert(sizeof(struct reader_line_shm) == CACHE_LINE, "a line is a line");

struct rwlock_shm {
    struct lock_shm writer;
    _Alignas(CACHE_LINE) _Atomic uint64_t used[(READER_LINES + 63) / 64]; /* lines with readers, ever  */
    _Atomic uint32_t inside; /* who writes, by name, or died writing; the owner's of 'writer'          */
    _Atomic uint32_t wanted; /* 1: a reader sleeps, or is about to                                     */
    uint32_t magic;
    int (*repair)(void *);   /* these two never change                                                 */
    void *context;
    _Alignas(CACHE_LINE) _Atomic uint64_t writes; /* this and the next: the writer's                   */
    _Atomic uint64_t died;
    _Atomic uint64_t contended; /* hints, from here on                                                 */
    _Atomic int64_t waited, longest;
    _Atomic uint32_t longest_by; /* by name                                                            */
    struct reader_line_shm line[READER_LINES];
};

enum { RWLOCK_SPIN = 100 }; /* looks at who is in the way, before falling asleep */

int rwlock_init(struct rwlock_shm *rw, const struct crew_lock_options *options);

/* As the public calls, for the party 'me'. */
int rwlock_acquire_read(struct rwlock_shm *rw, uint32_t me, crew_time deadline);
int rwlock_acquire_write(struct rwlock_shm *rw, uint32_t me, crew_time deadline);
int rwlock_downgrade(struct rwlock_shm *rw, uint32_t me);
int rwlock_consistent(struct rwlock_shm *rw, uint32_t me);
int rwlock_release(struct rwlock_shm *rw, uint32_t me);
void rwlock_numbers(const struct rwlock_shm *rw, struct crew_rwlock_stats *stats);

/* NULL, or the first invariant that is broken. */
const char *rwlock_check(const struct rwlock_shm *rw);

#endif
