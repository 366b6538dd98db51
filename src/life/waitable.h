/* waitable.h - what a noun must offer to be waited for beside others: crew_wait_any, crew_watch.
 *
 * Who waits for several things sleeps on all their words at once (party_sleep_many), or, where plain
 * descriptors are among them, in poll() on the bell of the crew:
 *
 *   bell        one eventfd, made with the arena, inherited by all its processes. It is written to and never
 *               read; each listener has an epoll instance of its own on it, edge by edge, so that
 *               none takes a ring from another.
 *   listening   in the roster, for all: 1: somebody listens, or is about to. Set by a listener before it
 *               looks whether what it waits for is ready; swapped to 0 by who rings. A ring is for
 *               all: they look again, and set it again.
 *
 *     listener   hears (forgets old rings); listening = 1; looks; sleeps until a ring
 *     ringer     makes ready; wakes the word's sleepers, and, if 'listening', swaps it to 0 and rings
 *
 * Order  listening then look, against make ready then listening: all four in the one total order (seq_cst):
 * the ringer sees the listener, or the listener what is ready.
 *
 * The thread dies ...                     others see          what helps
 *   listener, at whatever                 listening is 1      one ring too many
 *   ringer, after ready, before the ring  asleep in poll()    the supervisor rings on each death
 *   ringer, between swap and write        listening is 0      the same */
#ifndef CREW_WAITABLE_H
#define CREW_WAITABLE_H

#include <os/os.h>

struct crew_waitable {
    /* Ends the program if there is nothing of the kind at 'object'. */
    void (*check)(void *object);

    /* Whether it is ready at this moment. If not, '*word' says on what to sleep: it will change, and be
     * woken by party_wake(), once it may be ready. 1: ready; 0: not; negative: an error. */
    int (*ready)(void *object, struct os_word *word);
};

#endif
