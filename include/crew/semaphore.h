/* crew/semaphore.h - permits, so many and no more, among threads and processes of a crew.
 *
 * A semaphore stands in the arena: made there by open(), or inside a struct of yours that lies there, by
 * init(). There are two kinds of it, and the difference is what a death does:
 *
 *   with owners  (the default)  A permit belongs to the thread that acquired it, and that thread gives it
 *                back. One that dies or ends holding permits has given them back thereby. So "at most four
 *                at once" stays true, and stays four, whoever dies. release() by another is -EPERM.
 *   unowned      (options.unowned)  A number: release() adds to it, acquire() waits for it and takes from
 *                it, anybody. For "there is one more for you", from a producer to consumers, and for
 *                permits that one acquires and another releases. What the dead took is gone, as it would be
 *                if they had lived and not released it.
 *
 * Python's Semaphore and BoundedSemaphore are unowned, the latter with options.bounded. A semaphore with
 * owners is always bounded: nobody can give back what he has not.
 *
 * Use
 *
 *     crew_semaphore *four;
 *     int r = crew_semaphore_open(&four, 4, NULL);              // before the processes start
 *     if (r == 0)
 *         r = crew_semaphore_acquire(four, 1, crew_in_ms(100)); // in any of them
 *     if (r == 0) {
 *         data->count++;                                        // four at once, at most
 *         crew_semaphore_release(four, 1);
 *     }
 *
 * Sharing. All calls on one semaphore may run at once, from any thread of any process of the crew, except
 * init(), open(), fini() and close(), which come first and last. A fork after open() needs nothing: the
 * parent's permits stay the parent's.
 *
 * When a process dies: holding permits, see above. Waiting: the others don't notice. Inside any of these
 * calls: each permit is its own or is not; nobody waits for ever for one that is free. A thread that ends
 * counts as dead, too. */
#ifndef CREW_SEMAPHORE_H
#define CREW_SEMAPHORE_H

#include <crew/base.h>
#include <crew/lock.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CREW_SEMAPHORE_MOST ((UINT32_C(1) << 30) - 1) /* permits without owners                      */
#define CREW_SEMAPHORE_OWNED 4096                     /* permits with owners, by open()              */
#define CREW_SEMAPHORE_INSIDE 48                      /* the same by init(): as many as find room    */

/* Storage for a member of a struct; what is inside is crew's. */
typedef struct crew_semaphore {
    unsigned char inside[1024];
} __attribute__((aligned(64))) crew_semaphore;

struct crew_semaphore_options {
    const char *name;     /* for reports, 15 bytes of it; copied; NULL: "semaphore"                    */
    bool unowned;         /* permits belong to nobody: see above                                       */
    bool bounded;         /* unowned: release() above the first number is an error, -EOVERFLOW. With
                             owners it always is one, -EPERM                                           */
    uint64_t reserved[4]; /* must be 0 */
};

struct crew_semaphore_stats {
    uint64_t acquired;       /* permits, so far                                             */
    uint64_t contended;      /* calls that did not get theirs at once                       */
    uint64_t recovered;      /* permits that came back from the dead and were acquired anew */
    crew_time waited;        /* by all that slept for permits, together                     */
    crew_time longest;       /* by one of them ...                                          */
    struct crew_owner by;    /* ... this one; pid 0: nobody, or long gone                   */
};

/* Makes a semaphore with 'value' permits, all of them free: in 'semaphore', which lies in the arena, or
 * one of its own there.
 *
 * 0        done
 * -EINVAL  more permits than the kind can have (above); with owners, none at all: nobody could ever
 *          acquire one; a reserved field; not in the arena
 * -ENOMEM  no memory; and as crew_init()
 *
 * Owns: the handle of open() is closed by close(), by any process, once. It outlives who opened it.
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_semaphore_init(crew_semaphore *semaphore, uint32_t value,
                                              const struct crew_semaphore_options *options);
CREW_API CREW_CHECKED int crew_semaphore_open(crew_semaphore **semaphore, uint32_t value,
                                              const struct crew_semaphore_options *options);

/* Ends it. Nobody may hold permits or wait for them. NULL is allowed. */
CREW_API void crew_semaphore_fini(crew_semaphore *semaphore);
CREW_API void crew_semaphore_close(crew_semaphore *semaphore);

/* Gets 'count' permits, all or none, waiting until 'deadline' for them.
 *
 * 0             they are the calling thread's; unowned: taken
 * -ETIMEDOUT    fewer were free until 'deadline' (-EAGAIN with CREW_NOW)
 * CREW_EDEADLOCK    the same, and the wait would never end: crew/deadlock.h tells the cycle
 * -EINVAL       none asked for, or more than there can ever be
 * -EDEADLK      with owners: those that the calling thread holds itself are among them
 * -EAGAIN       too many threads of the crew use semaphores (2048)
 * CREW_EMISUSE  the calling process is no member of the crew; unowned: and it would have to wait
 *
 * Who waits is not served in turn: whoever comes while enough are free gets them, so one who wants many
 * may wait long among those who want few. With CREW_NOW, -EAGAIN may also mean that another thread was
 * about to take several, and did not get them all.
 *
 * Order: what was written before a release() is visible to who acquires after it.
 * Death: with owners, what had been taken is free again.   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_semaphore_acquire(crew_semaphore *semaphore, uint32_t count,
                                                 crew_time deadline);

/* Gives 'count' permits back; unowned: adds them.
 *
 * 0           done, and those who wait are told
 * -EPERM      with owners: the calling thread holds fewer; it keeps them
 * -EOVERFLOW  unowned: more than CREW_SEMAPHORE_MOST; bounded: more than the first number. Nothing changed
 * -EINVAL     none
 *
 * Death: with owners, all are free, sooner or later in the call. Unowned: all were added, or none.
 * Signals: async-signal-safe if unowned. */
CREW_API int crew_semaphore_release(crew_semaphore *semaphore, uint32_t count);

/* How many are free at this moment. */
CREW_API uint32_t crew_semaphore_value(const crew_semaphore *semaphore);

/* The numbers of this moment, read while others go on. */
CREW_API void crew_semaphore_stats(const crew_semaphore *semaphore, struct crew_semaphore_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
