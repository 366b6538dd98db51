/* crew/deadlock.h - who waits for whom, when nobody can go on.
 *
 * Whoever sleeps for a lock, an rlock, an rwlock, or a semaphore of one permit with an owner, has said
 * so in shared memory; the lock says who holds it. A cycle of them is found on demand, by any process of the
 * crew, and when a deadline runs out: who is then in a cycle gets CREW_EDEADLOCK instead of
 * -ETIMEDOUT. It costs nothing where nobody waits.
 *
 * Use
 *
 *     struct crew_deadlock cycle;
 *     char text[1024];
 *     if (crew_lock_acquire(lock, crew_in_ms(5000)) == CREW_EDEADLOCK &&
 *         crew_deadlock_last(&cycle) == 0) {
 *         crew_deadlock_text(&cycle, text, sizeof text);
 *         fputs(text, stderr);
 *     }
 *
 * Sharing. All calls may run at once, in any thread of any process of the crew; nobody is stopped.
 *
 * When a process dies: the dead hold nothing, so a cycle with one of them is none. */
#ifndef CREW_DEADLOCK_H
#define CREW_DEADLOCK_H

#include <crew/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CREW_DEADLOCK_MOST 32 /* threads in a cycle that is told whole */

struct crew_deadlock {
    unsigned count; /* threads in the cycle: each waits for what the next one holds, the last for the first's */
    struct {
        pid_t pid;           /* of its process                                            */
        char process[16];    /* its name                                                  */
        char noun[16];       /* what it waits for: "lock", "rwlock", "semaphore"          */
        char object[16];     /* the lock's own name; "" if it has none                    */
        const void *address; /* where it is, in every process of the crew                 */
    } thread[CREW_DEADLOCK_MOST];
};

/* Looks for a cycle at this moment. What is told was so at one instant during the call: each of the threads was
 * asleep for what the next one held. One of them may have a deadline, and end it.
 *
 * 0         found
 * -ENOENT   there is none of at most CREW_DEADLOCK_MOST threads
 * CREW_EMISUSE  the calling process is no member of a crew
 *
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_deadlock_report(struct crew_deadlock *cycle);

/* The cycle that the calling thread's last CREW_EDEADLOCK was about, the calling thread first. 0; -ENOENT: it
 * got none. */
CREW_API CREW_CHECKED int crew_deadlock_last(struct crew_deadlock *cycle);

/* Puts a cycle into words, a line for each thread. Cut at 'size', and ended by a NUL if that is above 0.
 * Returns how long the text is whole. */
CREW_API size_t crew_deadlock_text(const struct crew_deadlock *cycle, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
