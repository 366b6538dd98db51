/* end.h - who uses one end of a pipe, and when it is over.
 *
 *   user[]   closed:1 process:32; 0: free. Taken by compare-and-swap by the process itself or by
 *            one that names it; by both at once, it stands there twice. Closed by the process, for
 *            good. Taken over by the next that needs a place: from the dead, at last also from who
 *            has closed.
 *   word     over:1 died:1 closed:1 named:29
 *            over     nobody living uses the end, and somebody did; for ever. See 'died'
 *            died     a user is dead, and had not closed the end
 *            closed   a user closed it
 *            named    counts those that have taken a place, or found that theirs is taken
 *
 *     open --- the last living user closes or dies; whoever looks [O] ---> over
 *
 * Order  bind: take a place, then count, unless it is over [B]. Look: read the word, read all
 *        places, set 'over' if the word is the same [O]. All in the one total order (seq_cst). So a
 *        user that took its place behind the back of who looks either makes [O] fail, by its count,
 *        or finds 'over' at [B], gives the place back, and has not begun. 'over' is never wrong
 *        about the living.
 *        Close: close all places, and once more, until there was none to close. Who names the process
 *        takes a place, then looks whether another one is closed: one of the two sees the other.
 *
 * The process dies ...            others see            what helps
 *   with a place, counted or not  a dead user           who looks next: over, died, if it was the last
 *   closing, not all places yet   the same              the same: it was not through with closing
 *   closed                        nobody, and 'closed'  who looks next: over
 *   naming another, not through   a user too many       none: only the root names
 *   taking a place from the dead  'died', and the dead  none: both tell the same
 *   setting 'over', before it     over                  all waiters are woken on each death, and look
 *   tells who waits */
#ifndef CREW_CHANNEL_END_H
#define CREW_CHANNEL_END_H

#include <life/roster.h>

struct end_shm {
    _Alignas(CACHE_LINE) _Atomic uint32_t word;
    uint32_t places; /* never changes */
    _Atomic uint64_t user[];
};

#define END_PLACES 32 /* if nobody asks for others */

enum { END_OPEN, END_CLOSED, END_DIED };

static inline size_t end_size(uint32_t places)
{
    size_t size = sizeof(struct end_shm) + places * sizeof(uint64_t);

    return (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

void end_init(struct end_shm *end, uint32_t places);

/* Makes process 'id' a user. END_OPEN: it is one; END_CLOSED, END_DIED: the end is over; -EAGAIN:
 * there is no place for it. */
int end_bind(struct end_shm *end, uint32_t id);

/* It is through with the end. */
void end_leave(struct end_shm *end, uint32_t id);

/* No process has a copy of it any more, and none has ever used it: it is over, as of the dead. */
void end_abandon(struct end_shm *end);

/* Whether it is over, and how it went. */
int end_look(struct end_shm *end);

/* The same, if somebody has looked already: one load. */
int end_seen(const struct end_shm *end);

/* True if no process was ever a user of it. */
bool end_is_unused(const struct end_shm *end);

/* NULL, or the first invariant that is broken. */
const char *end_check(const struct end_shm *end);

#endif
