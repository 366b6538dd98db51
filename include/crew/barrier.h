/* crew/barrier.h - where a number of threads and processes of a crew wait for each other, again and
 * again.
 *
 * A barrier is for a number of parties, each of them a thread. A round ends when all have arrived:
 * one of them runs the action, if there is one, then all go on, and the next round begins. Or it
 * breaks: then all that wait, and all that come later, get CREW_EBROKEN until somebody resets it.
 * All parties of a round get the same answer.
 *
 * Use
 *
 *     crew_barrier *barrier;
 *     int r = crew_barrier_open(&barrier, 4, NULL);          // before the processes start
 *     if (r < 0)
 *         return r;
 *
 *     r = crew_barrier_join(barrier);                        // in each of the four, first of all
 *     while (r == 0 && step(data))
 *         r = crew_barrier_wait(barrier, NULL, CREW_FOREVER);
 *
 * Who the parties are. A barrier has a place for each. A thread takes one by join(), or with its
 * first wait(), and keeps it until it dies, ends or leaves. Only the death of one with a place can
 * be noticed; so join() early. To notice also a process that dies before it came to that, who
 * started it keeps a place for it with expect().
 *
 * Sharing. All calls on one barrier may run at once, from any thread of any process of the crew,
 * except init(), open(), fini() and close(), which come first and last.
 *
 * When a process dies that has a place, waiting or before it arrives: the barrier breaks; or, with
 * options.shrinks, goes on with a party fewer. Once all have arrived the round is undone only by
 * the death of who runs the action: it breaks, or another party runs it again. A thread that ends
 * counts as dead, too: leave() first if others go on. After a reset the places of the dead are
 * free. */
#ifndef CREW_BARRIER_H
#define CREW_BARRIER_H

#include <crew/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CREW_BARRIER_MOST 2048

/* Storage for a member of a struct; what is inside is crew's. */
typedef struct crew_barrier {
    unsigned char inside[384];
} __attribute__((aligned(64))) crew_barrier;

struct crew_barrier_options {
    int (*action)(void *context); /* run by one party of each round, when all have arrived and
                                     before any goes on; if it does not return 0 the barrier
                                     breaks. With 'shrinks' it must survive its own death: then
                                     it is run again. The same address in all processes. NULL:
                                     none */
    void *context;                /* for it                                                  */
    bool shrinks;                 /* goes on without the dead; false: breaks                 */
    uint64_t reserved[4];         /* must be 0 */
};

/* Makes a barrier in 'barrier', which lies in the arena, or makes one of its own there.
 *
 * parties  how many wait for each other, 1 to CREW_BARRIER_MOST
 *
 * 0        it is whole, and nobody has a place
 * -EINVAL  a reserved field; not in the arena; none, or too many
 * -ENOMEM  no memory; and as crew_init()
 *
 * Owns: the handle of open() is closed by close(), by any process, once. It outlives who opened it.
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_barrier_init(crew_barrier *barrier, uint32_t parties,
                                            const struct crew_barrier_options *options);
CREW_API CREW_CHECKED int crew_barrier_open(crew_barrier **barrier, uint32_t parties,
                                            const struct crew_barrier_options *options);

/* Ends it. Nobody may wait. NULL is allowed. */
CREW_API void crew_barrier_fini(crew_barrier *barrier);
CREW_API void crew_barrier_close(crew_barrier *barrier);

/* Takes a place for the calling thread, which from now on is waited for. Done before: nothing
 * happens.
 *
 * 0             it has one
 * -EBUSY        others have them all
 * -EAGAIN       too many threads of the crew use such things (2048)
 * CREW_EMISUSE  the calling process is no member of the crew
 *
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_barrier_join(crew_barrier *barrier);

/* Gives the place of the calling thread up: to another that comes; with options.shrinks, for good.
 *
 * 0       it has none
 * -EPERM  it had none
 * -EBUSY  it runs the action; -EAGAIN, CREW_EMISUSE: as of join()
 *
 * Signals: not async-signal-safe. */
CREW_API int crew_barrier_leave(crew_barrier *barrier);

/* Keeps a place for a process of the crew: the first thread of it that comes gets it. Called by who
 * started it, with its pid (crew_process_pid), before crew_process_close(). One that came before
 * that has its place already; one that has died meanwhile, the barrier breaks, or shrinks.
 *
 * 0        it has a place, or had
 * -ESRCH   no process of this crew has that pid
 * -EBUSY   others have all places
 * -EAGAIN, CREW_EMISUSE  as of join()
 *
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_barrier_expect(crew_barrier *barrier, pid_t pid);

/* Arrives, and waits until all parties have.
 *
 * index         set to a number below the number of parties, another one for each party of a round;
 *               0 for one of them, the one that ran the action. NULL: not wanted
 *
 * 0             all have arrived, and the action was run
 * CREW_EBROKEN  a party died, or its deadline ran out (also the caller's own), or somebody called
 *               abort() or reset(), or the action failed: the same for all parties of this round
 * -EAGAIN       with CREW_NOW: others are missing, and nothing has happened; or as of join()
 * -EBUSY        others have all places
 * -EDEADLK      called by the action
 * CREW_EMISUSE  the calling process is no member of the crew
 *
 * Order: what each party wrote before is visible to the action, and with what that wrote to all
 * after. Death: see the head of this file.   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_barrier_wait(crew_barrier *barrier, uint32_t *index,
                                            crew_time deadline);

/* Breaks it.   Signals: async-signal-safe. */
CREW_API void crew_barrier_abort(crew_barrier *barrier);

/* Begins a new round, with the number of parties that it was opened with; the living keep their
 * places. Who waits gets CREW_EBROKEN.
 *
 * 0             whole again
 * -EAGAIN, CREW_EMISUSE  as of join()
 *
 * Death: inside, it is whole again or broken, then reset it once more.   Signals: not
 * async-signal-safe. */
CREW_API CREW_CHECKED int crew_barrier_reset(crew_barrier *barrier);

/* At this moment: of how many parties it is, the dead that it noticed not counted where it shrinks;
 * how many of them wait; whether it is broken. */
CREW_API uint32_t crew_barrier_parties(const crew_barrier *barrier);
CREW_API uint32_t crew_barrier_waiting(const crew_barrier *barrier);
CREW_API bool crew_barrier_broken(const crew_barrier *barrier);

#ifdef __cplusplus
}
#endif

#endif
