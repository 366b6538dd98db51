/* crew/condition.h - waits for what others say about data that a lock guards.
 *
 * A condition goes with one lock. Who holds the lock and does not find what it needs waits: it
 * gives the lock back and falls asleep, in one; others change the data and notify; it has the lock
 * again when it returns. A notification goes to one that waits at that moment and lives: who dies,
 * asleep or notified and not yet back, is as if it had not waited, and its notification goes to the
 * next.
 *
 * Use
 *
 *     crew_condition *filled;
 *     int r = crew_condition_open(&filled, lock, NULL);      // before the processes start
 *     if (r < 0)
 *         return r;
 *
 *     r = crew_lock_acquire(lock, CREW_FOREVER);             // who takes
 *     if (r == 0)
 *         r = crew_condition_wait_for(filled, is_filled, data, crew_in_ms(100));
 *     if (r == 0)
 *         take(data);
 *     crew_lock_release(lock);
 *
 *     r = crew_lock_acquire(lock, CREW_FOREVER);             // who gives
 *     if (r == 0) {
 *         fill(data);
 *         crew_condition_notify(filled, 1);
 *         crew_lock_release(lock);
 *     }
 *
 * Sharing. All calls on one condition may run at once, from any thread of any process of the crew,
 * except init(), open(), fini() and close(), which come first and last: first after, last before
 * the same of the lock.
 *
 * When a process dies: waiting, the others don't notice, and none of their notifications is lost on
 * it. Holding the lock, also inside notify(): what it changed and did not say is not known, so all
 * that wait return. One of them gets CREW_EOWNERDEAD and mends, as after crew_lock_acquire(); the
 * others get 0 and look again, for which wait_for() is made. Once the lock is beyond repair all get
 * -ENOTRECOVERABLE. */
#ifndef CREW_CONDITION_H
#define CREW_CONDITION_H

#include <crew/base.h>
#include <crew/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Storage for a member of a struct; what is inside is crew's. */
typedef struct crew_condition {
    unsigned char inside[256];
} __attribute__((aligned(64))) crew_condition;

struct crew_condition_options {
    crew_rlock *rlock; /* the condition goes with this one, and 'lock' is NULL. wait() gives it back
                             whole, however often it was acquired. NULL: it goes with 'lock' */
    uint64_t reserved[4]; /* must be 0 */
};

/* Makes a condition in 'condition', which lies in the arena, or makes one of its own there.
 *
 * lock     an open lock in the arena, which the condition goes with; NULL: options->rlock
 *
 * 0        nobody waits
 * -EINVAL  a reserved field; not in the arena; no lock, or two
 * -ENOMEM  no memory; and as crew_init()
 *
 * Owns: the handle of open() is closed by close(), by any process, once. It outlives who opened it;
 * the lock must outlive it.   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_condition_init(crew_condition *condition, crew_lock *lock,
                                              const struct crew_condition_options *options);
CREW_API CREW_CHECKED int crew_condition_open(crew_condition **condition, crew_lock *lock,
                                              const struct crew_condition_options *options);

/* Ends it. Nobody may wait for it. NULL is allowed. */
CREW_API void crew_condition_fini(crew_condition *condition);
CREW_API void crew_condition_close(crew_condition *condition);

/* Gives the lock back, waits for a notification, and gets the lock again. The deadline is for the
 * notification: to get the lock back takes as long as it takes, and, but for the last three, the
 * caller has it when this returns.
 *
 * 0                 notified; or somebody died holding the lock, and may have wanted to: look at
 *                   the data
 * -ETIMEDOUT        not notified until 'deadline' (-EAGAIN with CREW_NOW, and the lock was kept)
 * CREW_EOWNERDEAD   somebody died holding the lock: mend what it guards and call consistent()
 * -EINVAL           the lock was got with CREW_EOWNERDEAD, and can't be given back without
 *                   consistent()
 * -EAGAIN           more threads of the crew wait than there may be (2048)
 * -ENOMEM           no room for so many: a condition holds 27, then takes 16 KiB once
 * -ENOTRECOVERABLE  the lock is beyond repair, and nobody's
 * -EPERM            the caller does not hold the lock
 * CREW_EMISUSE      the calling process is no member of the crew
 *
 * Who waited first is notified first; a notification that a dead one leaves goes to anyone that
 * waited when it was given. Who is notified and who asks for the lock meanwhile get it in any
 * order.
 *
 * Order: as of the lock.   Death: see the head of this file.   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_condition_wait(crew_condition *condition, crew_time deadline);

/* The same until predicate(context) is true: it is called with the lock held, before each wait and
 * once more after the last. It must not give the lock back.
 *
 * 0           it was true the last time
 * -ETIMEDOUT  false, still at 'deadline' (-EAGAIN with CREW_NOW)
 * -EINVAL     also: no predicate
 * CREW_EOWNERDEAD and all others: as of wait(); it was not asked since */
CREW_API CREW_CHECKED int crew_condition_wait_for(crew_condition *condition,
                                                  bool (*predicate)(void *context), void *context,
                                                  crew_time deadline);

/* Notifies 'count' of those that wait, or all if fewer do; never blocks. The caller holds the lock,
 * and they return one after the other once it has given it back.
 *
 * 0             done, also if nobody waited
 * -EPERM        the caller does not hold the lock
 * -EAGAIN, CREW_EMISUSE  as of wait()
 *
 * Signals: not async-signal-safe. */
CREW_API int crew_condition_notify(crew_condition *condition, uint32_t count);
CREW_API int crew_condition_notify_all(crew_condition *condition);

/* How many wait at this moment and are not notified. */
CREW_API uint32_t crew_condition_waiting(const crew_condition *condition);

#ifdef __cplusplus
}
#endif

#endif
