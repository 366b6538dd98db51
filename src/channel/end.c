/* end.c - the law is in end.h. */
#include "end.h"

#include <errno.h>
#include <string.h>

#define OVER (UINT32_C(1) << 31)
#define DIED (UINT32_C(1) << 30)
#define CLOSED (UINT32_C(1) << 29)
#define NAMED (CLOSED - 1)

void end_init(struct end_shm *end, uint32_t places)
{
    memset(end, 0, end_size(places));
    end->places = places;
}

static int how(uint32_t word)
{
    if (!(word & OVER))
        return END_OPEN;
    return word & DIED ? END_DIED : END_CLOSED;
}

int end_seen(const struct end_shm *end)
{
    return how(load_total(&end->word));
}

bool end_is_unused(const struct end_shm *end)
{
    if (load_total(&end->word) & (OVER | DIED | CLOSED))
        return false;
    for (uint32_t i = 0; i < end->places; i++)
        if (load_total(&end->user[i]) != 0)
            return false;
    return true;
}

/* -- using --------------------------------------------------------------------------------- */

#define GONE (UINT64_C(1) << 32) /* of a user: it has closed the end */

/* The place of a process; of several, one that is closed. NULL: it has none. */
static _Atomic uint64_t *find(struct end_shm *end, uint32_t id)
{
    _Atomic uint64_t *found = NULL;

    for (uint32_t i = 0; i < end->places; i++) {
        uint64_t user = load_total(&end->user[i]);

        if (user == (id | GONE))
            return &end->user[i];
        if (user == id)
            found = &end->user[i];
    }
    return found;
}

/* Takes over a place that is not needed any more; 'closed': also from a living process that has
 * closed. */
static _Atomic uint64_t *take_over(struct end_shm *end, uint32_t id, bool closed)
{
    for (uint32_t i = 0; i < end->places; i++) {
        uint64_t user = load_total(&end->user[i]);

        if (user != 0 && !process_is_dead((uint32_t)user) && !(closed && user & GONE))
            continue;
        if (user != 0 && !(user & GONE))
            atomic_fetch_or(&end->word, DIED);
        if (swap_if(&end->user[i], &user, id))
            return &end->user[i];
    }
    return NULL;
}

static _Atomic uint64_t *take_place(struct end_shm *end, uint32_t id)
{
    _Atomic uint64_t *place;

    for (uint32_t i = 0; i < end->places; i++) {
        uint64_t none = 0;

        if (swap_if(&end->user[i], &none, id))
            return &end->user[i];
    }
    place = take_over(end, id, false);
    return place ? place : take_over(end, id, true);
}

int end_bind(struct end_shm *end, uint32_t id)
{
    uint32_t word = load_total(&end->word);
    _Atomic uint64_t *place = NULL;

    if (word & OVER)
        return how(word);
    if (!find(end, id)) {
        place = take_place(end, id);
        if (!place)
            return -EAGAIN;
        if (load_total(find(end, id)) & GONE)
            store_total(place, id | GONE); /* it has closed meanwhile, and names itself no more */
    }
    do {
        if (word & OVER) {
            if (place)
                store_total(place, 0);
            return how(word);
        }
    } while (!swap_if(&end->word, &word, (word & ~NAMED) | ((word + 1) & NAMED))); /* [B] */
    return END_OPEN;
}

/* Closes each place of the process; true if there was one. */
static bool close_places(struct end_shm *end, uint32_t id)
{
    bool any = false;

    for (uint32_t i = 0; i < end->places; i++) {
        uint64_t user = id;

        any |= swap_if(&end->user[i], &user, id | GONE);
    }
    return any;
}

void end_leave(struct end_shm *end, uint32_t id)
{
    if (!find(end, id))
        return;
    atomic_fetch_or(&end->word, CLOSED);
    while (close_places(end, id))
        ;
}

void end_abandon(struct end_shm *end)
{
    atomic_fetch_or(&end->word, OVER | DIED);
}

/* -- looking ------------------------------------------------------------------------------- */

int end_look(struct end_shm *end)
{
    uint32_t word = load_total(&end->word);

    for (;;) {
        uint32_t over = word | OVER;

        if (word & OVER)
            return how(word);
        for (uint32_t i = 0; i < end->places; i++) {
            uint64_t user = load_total(&end->user[i]);

            if (user == 0 || user & GONE)
                continue;
            if (!process_is_dead((uint32_t)user))
                return END_OPEN;
            over |= DIED;
        }
        if (!(over & (DIED | CLOSED)))
            return END_OPEN;
        if (swap_if(&end->word, &word, over)) /* [O] */
            return how(over);
    }
}

/* -- checking ------------------------------------------------------------------------------ */

/* Of a moment in which nobody is inside. */
const char *end_check(const struct end_shm *end)
{
    uint32_t word = load_total(&end->word);

    if ((word & OVER) && !(word & (DIED | CLOSED)))
        return "an end is over that nobody used";
    for (uint32_t i = 0; i < end->places; i++) {
        uint64_t user = load_total(&end->user[i]);

        if (user != 0 && !(user & GONE) && (word & OVER) && !process_is_dead((uint32_t)user))
            return "an end is over, and somebody uses it";
    }
    return NULL;
}
