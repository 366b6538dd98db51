/* turn.h - whose turn it is among the threads of one process: a lock whose wait ends at a deadline.
 * */
#ifndef CREW_CHANNEL_TURN_H
#define CREW_CHANNEL_TURN_H

#include <os/atomic.h>
#include <os/os.h>

#include <errno.h>

enum { TURN_FREE, TURN_TAKEN, TURN_WANTED }; /* wanted: taken, and somebody may wait */

/* 0; -ETIMEDOUT (-EAGAIN with CREW_NOW). */
static inline int turn_take(_Atomic uint32_t *turn, crew_time deadline)
{
    uint32_t seen = TURN_FREE;

    if (swap_if(turn, &seen, TURN_TAKEN))
        return 0;
    if (deadline == CREW_NOW)
        return -EAGAIN;
    while (atomic_exchange(turn, TURN_WANTED) != TURN_FREE)
        if (os_futex_wait(turn, TURN_WANTED, deadline) == -ETIMEDOUT)
            return -ETIMEDOUT;
    return 0;
}

static inline void turn_pass(_Atomic uint32_t *turn)
{
    if (atomic_exchange(turn, TURN_FREE) == TURN_WANTED)
        os_futex_wake(turn, 1);
}

#endif
