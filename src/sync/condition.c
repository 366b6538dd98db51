/* condition.c - who waits for a notification, by name, and the notifications that were given.
 *
 * Whoever changes a condition holds the lock that it was made for. So one at a time stores here,
 * each change is one store of one word, and when the holder of the lock dies the next one finds
 * whole words. Who waits only reads, and sleeps on its own place; but [Z].
 *
 *     place     ticket:32 state:2 party:30. Who sleeps, sleeps on the lower half.
 *
 *                 wait [E]                    notify [N]
 *       FREE ----------------> WAITING(p, t) ------------> CHOSEN(p, now)
 *        ^                          |                            |
 *        +---- p has the lock [L] --+----------------------------+
 *        +---- p is dead: who looks for places, or [P] ----------+
 *
 *       SLEEPING(p, t) is the same as WAITING, and to be woken: p makes it so before it sleeps [Z]
 *
 *     tickets   handed out so far. t says who came first; 'now' is the next one when the choice was
 *               made, so who waited then is known by an earlier one
 *     used      places from here on are free: how far to look
 *     more      more places than a condition has inside; linked once, when they are first needed
 *
 * [N] goes to the earliest ticket whose owner lives, first the choice, then the look whether the
 * chosen one lives: it may have died, and all may have looked round for that, before it was chosen.
 * Then it is as if it had not been there.
 *
 * [P]: who waited when a notification was given takes it, if the chosen one died before [L].
 * Sleepers see that when they look again after the death; then they acquire the lock, and the first
 * one there takes it. What nobody alive waited for is forgotten by who next looks for a place.
 *
 * A holder of the lock that dies may have changed what is waited for and not have said so, or have
 * taken a notification and not have used it. So after its death all that wait acquire the lock and
 * return: the first one is the heir and is told of the death (lock.c), the others count deaths.
 *
 * Order  all by the lock, but: [N] then a look at the chosen one's life, against its death written
 *        down, then all sleepers' look at the places: in the one total order (seq_cst). So [N]
 *        finds it dead, or the sleepers find it chosen.
 *
 * The thread dies ...               others see            what helps
 *   after [E], holding the lock     WAITING(dead), HURT   its place is free for who needs one
 *   awake or asleep                 WAITING(dead)         the same; [N] passes over it
 *   chosen, before [L]              CHOSEN(dead)          all look again; one takes it [P]
 *   after [L] or [P]                HELD(dead)            all that wait acquire the lock, return
 *   notifying, before [N]           HELD(dead)            the same
 *   after [N], before the wake-up   CHOSEN(p), asleep     all look again: p finds itself chosen
 *   after [N] of the dead           CHOSEN(dead)          as if it had died later
 *   between place and 'used'        a free place in use,  'used' rises before [E], falls after [L]
 *                                   never the reverse
 *   linking more                    none, or all of it    written whole before; handover.h
 */
#include "condition.h"

#include <life/handover.h>

#include <errno.h>
#include <string.h>

enum state { FREE, WAITING, CHOSEN, SLEEPING };

#define NONE UINT32_MAX

_Static_assert(CONDITION_INSIDE + CONDITION_MORE >= PARTIES, "a place for every party");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lower half of a word comes first");

static uint64_t make(enum state state, uint32_t party, uint32_t ticket)
{
    return (uint64_t)ticket << 32 | (uint64_t)state << 30 | party;
}

static enum state state_of(uint64_t word)
{
    return (enum state)(word >> 30 & 3);
}

static bool waits(uint64_t word)
{
    return state_of(word) == WAITING || state_of(word) == SLEEPING;
}

static uint32_t party_of(uint64_t word)
{
    return word & PARTY_NAME;
}

static uint32_t ticket_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

/* Tickets wrap. */
static bool earlier(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static uint32_t room(const struct condition_shm *c)
{
    return CONDITION_INSIDE + (load_acquire(&c->more) != 0 ? CONDITION_MORE : 0);
}

static _Atomic uint64_t *place(const struct condition_shm *c, uint32_t n)
{
    struct condition_more *more;

    if (n < CONDITION_INSIDE)
        return (_Atomic uint64_t *)&c->place[n];
    more = handover_block(load_acquire(&c->more));
    return &more->place[n - CONDITION_INSIDE];
}

static uint32_t used(const struct condition_shm *c)
{
    uint32_t most = load_acquire(&c->used), there = room(c);

    return most < there ? most : there;
}

static _Atomic uint32_t *lower_half(_Atomic uint64_t *word)
{
    return (_Atomic uint32_t *)(void *)word;
}

void condition_init(struct condition_shm *c, struct lock_shm *lock, uint32_t looks)
{
    memset(c, 0, sizeof *c);
    c->lock = lock;
    patience_init(&c->patience, looks);
    c->magic = CONDITION_MAGIC;
    store_release(&c->used, 0);
}

void condition_grow(struct condition_shm *c, uint32_t me, struct condition_more *more)
{
    party_adopt(me, more, &c->more);
}

/* -- places, for who holds the lock ---------------------------------------------------------- */

static void leave(struct condition_shm *c, uint32_t n)
{
    uint32_t end = used(c);

    store_release(place(c, n), 0); /* [L] */
    while (end > 0 && load_relaxed(place(c, end - 1)) == 0)
        end--;
    store_release(&c->used, end);
}

/* Whether somebody alive waits who waited when this notification was given. */
static bool is_owed(const struct condition_shm *c, uint64_t chosen)
{
    uint32_t end = used(c);

    for (uint32_t n = 0; n < end; n++) {
        uint64_t word = load_relaxed(place(c, n));

        if (waits(word) && earlier(ticket_of(word), ticket_of(chosen)) &&
            !party_is_dead(party_of(word)))
            return true;
    }
    return false;
}

/* Forgets what the dead left and nobody can take. Returns a free place, or NONE. */
static uint32_t look_through(struct condition_shm *c)
{
    uint32_t end = used(c), found = NONE;

    for (uint32_t n = 0; n < end; n++) {
        uint64_t word = load_relaxed(place(c, n));

        if (state_of(word) == CHOSEN && party_is_dead(party_of(word)) && !is_owed(c, word))
            store_release(place(c, n), word = 0);
        if (word == 0 && found == NONE)
            found = n;
    }
    return found;
}

/* A place of somebody who died waiting. */
static uint32_t place_of_the_dead(const struct condition_shm *c)
{
    uint32_t end = used(c);

    for (uint32_t n = 0; n < end; n++) {
        uint64_t word = load_relaxed(place(c, n));

        if (waits(word) && party_is_dead(party_of(word)))
            return n;
    }
    return NONE;
}

int condition_enter(struct condition_shm *c, uint32_t me, struct condition_turn *turn)
{
    uint32_t ticket = load_relaxed(&c->tickets), n = look_through(c);

    if (n == NONE && used(c) < room(c)) {
        n = used(c);
        store_release(&c->used, n + 1);
    }
    if (n == NONE)
        n = place_of_the_dead(c);
    if (n == NONE)
        return -ENOBUFS;
    *turn = (struct condition_turn){
        .place = n, .ticket = ticket, .depth = c->lock->depth, .died = load_relaxed(&c->lock->died)
    };
    store_relaxed(&c->tickets, ticket + 1);
    store_release(place(c, n), make(WAITING, me, ticket)); /* [E] */
    return 0;
}

/* -- wait ------------------------------------------------------------------------------------ */

/* The place of a notification that was given when 'ticket' waited, to somebody who is dead; or
 * NONE. */
static uint32_t left_by_the_dead(const struct condition_shm *c, uint32_t ticket)
{
    uint32_t end = used(c);

    for (uint32_t n = 0; n < end; n++) {
        uint64_t word = load_total(place(c, n));

        if (state_of(word) == CHOSEN && earlier(ticket, ticket_of(word)) &&
            party_is_dead(party_of(word)))
            return n;
    }
    return NONE;
}

/* Awake for a moment, if hardly anybody else waits: who notifies need not wake it then. One place
 * more may be that of who was notified by this one, and has not got the lock yet. */
static void spin(struct condition_shm *c, const struct condition_turn *turn)
{
    uint32_t looks = used(c) > 2 ? 0 : patience_looks(&c->patience, turn->ticket);
    bool chosen = false;

    for (uint32_t i = 0; i < looks && !chosen; i++) {
        os_relax();
        chosen = state_of(load_relaxed(place(c, turn->place))) == CHOSEN;
    }
    if (looks > 0)
        patience_paid(&c->patience, looks, chosen);
}

/* Without the lock, until there may be something to be had with it. 0, or -ETIMEDOUT. */
static int asleep(struct condition_shm *c, uint32_t me, const struct condition_turn *turn,
                  crew_time deadline)
{
    _Atomic uint64_t *at = place(c, turn->place);

    spin(c, turn);
    for (;;) {
        uint32_t deaths = party_deaths();
        uint64_t word = load_total(at);
        int r;

        if (state_of(word) == CHOSEN || lock_owner_died(c->lock, turn->died) ||
            left_by_the_dead(c, turn->ticket) != NONE)
            return 0;
        if (state_of(word) == WAITING &&
            !swap_if(at, &word, make(SLEEPING, me, turn->ticket))) /* [Z] */
            continue;
        r = party_sleep(me, lower_half(at), (uint32_t)make(SLEEPING, me, 0), WAITS_FOR_OTHER,
                        deaths, deadline);
        if (r < 0)
            return r;
    }
}

/* With the lock: whether it was notified, itself or instead of somebody dead. */
static bool notified(struct condition_shm *c, const struct condition_turn *turn)
{
    uint32_t left;

    if (state_of(load_relaxed(place(c, turn->place))) == CHOSEN)
        return true;
    left = left_by_the_dead(c, turn->ticket);
    if (left == NONE)
        return false;
    store_release(place(c, left), 0); /* [P] */
    return true;
}

/* Whether 'me' holds the lock, and what it guards is whole: else it can't be given back. */
static int may_wait(const struct lock_shm *lock, uint32_t me)
{
    if (lock_holder(lock) != me)
        return -EPERM;
    return (load_relaxed(&lock->word) & ~LOCK_WAITERS) == me ? 0 : -EINVAL;
}

int condition_sleep(struct condition_shm *c, uint32_t me, const struct condition_turn *turn,
                    crew_time deadline)
{
    struct lock_shm *lock = c->lock;

    for (;;) {
        int slept = asleep(c, me, turn, deadline), got = lock_acquire(lock, me, CREW_FOREVER);

        if (got < 0 && got != CREW_EOWNERDEAD) {
            store_release(place(c, turn->place), 0); /* it is broken: nobody else gets here */
            return got;
        }
        lock->depth = turn->depth;
        if (notified(c, turn) || load_relaxed(&lock->died) != turn->died) {
            leave(c, turn->place);
            return got;
        }
        if (slept < 0) {
            leave(c, turn->place);
            return slept;
        }
        lock_release(lock, me); /* another was faster */
    }
}

int condition_wait(struct condition_shm *c, uint32_t me, crew_time deadline)
{
    struct condition_turn turn;
    int r = may_wait(c->lock, me);

    if (r == 0)
        r = deadline == CREW_NOW ? -EAGAIN : condition_enter(c, me, &turn);
    if (r < 0)
        return r;
    lock_release(c->lock, me);
    return condition_sleep(c, me, &turn, deadline);
}

int condition_wait_for(struct condition_shm *c, uint32_t me, bool (*predicate)(void *),
                       void *context, crew_time deadline)
{
    int r = may_wait(c->lock, me);

    while (r == 0 && !predicate(context))
        r = condition_wait(c, me, deadline);
    return r == -ETIMEDOUT && predicate(context) ? 0 : r;
}

/* -- notify ---------------------------------------------------------------------------------- */

/* False: it was dead. */
static bool choose(struct condition_shm *c, uint32_t n)
{
    _Atomic uint64_t *at = place(c, n);
    uint32_t party = party_of(load_relaxed(at));
    uint64_t chosen = make(CHOSEN, party, load_relaxed(&c->tickets)), was;

    was = atomic_exchange(at, chosen); /* [N] */
    if (party_is_dead(party)) {
        leave(c, n);
        return false;
    }
    if (state_of(was) == SLEEPING)
        os_futex_wake(lower_half(at), 1);
    return true;
}

static uint32_t who_came_first(const struct condition_shm *c)
{
    uint32_t end = used(c), first = NONE, ticket = 0;

    for (uint32_t n = 0; n < end; n++) {
        uint64_t word = load_relaxed(place(c, n));

        if (!waits(word) || (first != NONE && !earlier(ticket_of(word), ticket)))
            continue;
        first = n;
        ticket = ticket_of(word);
    }
    return first;
}

int condition_notify(struct condition_shm *c, uint32_t me, uint32_t count)
{
    uint32_t n;

    if (lock_holder(c->lock) != me)
        return -EPERM;
    look_through(c);
    if (count >= used(c)) { /* all, so no matter in which order */
        for (n = 0; n < used(c); n++)
            if (waits(load_relaxed(place(c, n))))
                choose(c, n);
        return 0;
    }
    while (count > 0 && (n = who_came_first(c)) != NONE)
        count -= choose(c, n);
    return 0;
}

uint32_t condition_waiting(const struct condition_shm *c)
{
    uint32_t end = used(c), count = 0;

    for (uint32_t n = 0; n < end; n++) {
        uint64_t word = load_acquire(place(c, n));

        count += waits(word) && !party_is_dead(party_of(word));
    }
    return count;
}

/* -- checking -------------------------------------------------------------------------------- */

const char *condition_check(const struct condition_shm *c)
{
    uint32_t tickets = load_relaxed(&c->tickets), there = room(c), waiting = 0;

    if (c->magic != CONDITION_MAGIC)
        return "this is no condition";
    if (load_acquire(&c->used) > there)
        return "more places are used than there are";
    for (uint32_t n = 0; n < there; n++) {
        uint64_t word = load_acquire(place(c, n));

        if (word == 0)
            continue;
        if (n >= used(c))
            return "somebody waits where nobody looks";
        if (party_of(word) == 0 || state_of(word) == FREE)
            return "a place is neither free nor somebody's";
        if (earlier(tickets, ticket_of(word) + waits(word)))
            return "a ticket that was not handed out";
        for (uint32_t m = 0; m < n; m++)
            if (party_of(load_acquire(place(c, m))) == party_of(word))
                return "somebody waits twice";
        waiting++;
    }
    return waiting > PARTIES ? "more wait than there are" : NULL;
}
