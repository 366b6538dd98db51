/* flag.c - three words to wait for: an event, a latch, a value. None has an owner, so there is nothing to
 * hand on, and nothing to repair.
 *
 *   waiters   a bit in each word: somebody sleeps, or is about to. Set by the sleeper, by
 *             compare-and-swap of what it has seen; cleared by who changes the word, who then wakes all.
 *
 *   event     set:1 times:30. set(): one swap to set, times + 1. clear(): set off, the rest stays. A waiter goes
 *             on when it sees 'set', or 'times' other than at its beginning: a flag that is cleared at
 *             once has been set all the same.
 *   latch     left:31. count_down(): one swap. A waiter goes on at 0.
 *   value     the value changes by itself, by one operation; then, if the bit of the word beside it is set, the
 *             word changes (changes + 1), and all are woken. A waiter sets the bit, then looks at the value
 *             once more.
 *
 * Order  value: change then word, against word then value: all four in the one total order (seq_cst). So
 *        the changer sees the bit, or the waiter the change.
 *        all changes release -> the waiter's last look acquire: what was written before
 *
 * The thread dies ...              others see          what helps
 *   before its swap                nothing             nothing was changed
 *   after it, before the wake-up   the change, asleep  all waiters are woken on each death, and look again
 *                                                      (roster.h)
 *   value: changed, word not yet   the change, asleep  the same: they look at the value
 *   asleep                         the bit             a wake-up too many
 */
#include "flag.h"

#include <errno.h>

#define WAITERS (UINT32_C(1) << 31)
#define SET (UINT32_C(1) << 30)
#define TIMES (SET - 1)

/* -- event --------------------------------------------------------------------------------- */

void event_set(struct event_shm *event)
{
    uint32_t word = load_relaxed(&event->word);

    while (!swap_if(&event->word, &word, SET | ((word + 1) & TIMES)))
        ;
    if (word & WAITERS)
        party_wake(&event->word, INT32_MAX);
}

void event_clear(struct event_shm *event)
{
    atomic_fetch_and(&event->word, ~SET);
}

int event_wait(struct event_shm *event, uint32_t me, crew_time deadline)
{
    uint32_t times = load_total(&event->word) & TIMES;

    for (;;) {
        uint32_t deaths = party_deaths();
        uint32_t word = load_total(&event->word);
        int r;

        if (word & SET || (word & TIMES) != times)
            return 0;
        if (deadline == CREW_NOW)
            return -EAGAIN;
        if (!(word & WAITERS) && !swap_if(&event->word, &word, word | WAITERS))
            continue;
        r = party_sleep(me, &event->word, word | WAITERS, WAITS_FOR_OTHER, deaths, deadline);
        if (r < 0)
            return r;
    }
}

bool event_ready(struct event_shm *event, struct os_word *word)
{
    uint32_t seen = load_total(&event->word);

    do {
        if (seen & SET)
            return true;
    } while (!(seen & WAITERS) && !swap_if(&event->word, &seen, seen | WAITERS));
    *word = (struct os_word){ &event->word, seen | WAITERS };
    return false;
}

/* -- latch --------------------------------------------------------------------------------- */

int latch_count_down(struct latch_shm *latch, uint32_t count)
{
    uint32_t word = load_relaxed(&latch->word), next;

    do {
        if ((word & ~WAITERS) < count)
            return -EINVAL;
        next = word - count;
        if ((next & ~WAITERS) == 0)
            next = 0;
    } while (!swap_if(&latch->word, &word, next));
    if (next == 0 && word & WAITERS)
        party_wake(&latch->word, INT32_MAX);
    return 0;
}

int latch_wait(struct latch_shm *latch, uint32_t me, crew_time deadline)
{
    for (;;) {
        uint32_t deaths = party_deaths();
        uint32_t word = load_total(&latch->word);
        int r;

        if ((word & ~WAITERS) == 0)
            return 0;
        if (deadline == CREW_NOW)
            return -EAGAIN;
        if (!(word & WAITERS) && !swap_if(&latch->word, &word, word | WAITERS))
            continue;
        r = party_sleep(me, &latch->word, word | WAITERS, WAITS_FOR_OTHER, deaths, deadline);
        if (r < 0)
            return r;
    }
}

/* -- value --------------------------------------------------------------------------------- */

void value_changed(struct value_shm *value)
{
    uint32_t word = load_total(&value->word);

    while (word & WAITERS) {
        if (!swap_if(&value->word, &word, (word + 1) & ~WAITERS))
            continue;
        party_wake(&value->word, INT32_MAX);
        return;
    }
}

int value_wait(struct value_shm *value, uint32_t me, int64_t seen, int64_t *now, crew_time deadline)
{
    for (;;) {
        uint32_t deaths = party_deaths();
        uint32_t word = load_total(&value->word);
        int64_t found = load_total(&value->value);
        int r;

        if (found != seen) {
            if (now)
                *now = found;
            return 0;
        }
        if (deadline == CREW_NOW)
            return -EAGAIN;
        if (!(word & WAITERS)) {
            swap_if(&value->word, &word, word | WAITERS);
            continue; /* and look at the value once more */
        }
        r = party_sleep(me, &value->word, word, WAITS_FOR_OTHER, deaths, deadline);
        if (r < 0)
            return r;
    }
}
