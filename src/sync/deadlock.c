/* deadlock.c - finds a cycle of threads of which each waits for what the next one holds.
 *
 * A thread that falls asleep for a thing says, in its party (roster.h), which word names the holder. So the
 * graph of who waits for whom stands in shared memory, an edge for each sleeper, and is walked without
 * stopping anyone: from a party, by the holder's word, to the next one.
 *
 * What is read while others go on may be stale. So a cycle is walked twice. Each party counts its sleeps; an edge
 * counts if in both walks the party is in the same sleep, and the word names the same holder. Then, at
 * the instant between the two, all of the parties slept, so none of them could give anything back or get
 * anything else: all edges were there at once.
 *
 * It writes nothing that others see. Who dies at it leaves nothing. */
#include "deadlock.h"

#include "lock.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct step {
    struct party_view party;
    uint32_t next; /* who holds what it waits for */
};

struct walk {
    unsigned count, first; /* the cycle is the steps from 'first' on */
    struct step step[CREW_DEADLOCK_MOST];
};

/* The calling thread's last one, from malloc(): a thread-local of this size would keep the library from being
 * loaded by dlopen(). */
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool keyed;

static void make_key(void)
{
    keyed = pthread_key_create(&key, free) == 0;
}

static void keep(const struct crew_deadlock *cycle)
{
    struct crew_deadlock *last;

    pthread_once(&once, make_key);
    if (!keyed)
        return;
    last = pthread_getspecific(key);
    if (!last) {
        last = malloc(sizeof *last);
        if (last && pthread_setspecific(key, last) != 0) {
            free(last);
            last = NULL;
        }
    }
    if (last)
        *last = *cycle;
}

static uint32_t holder_of(const struct party_view *party)
{
    uint32_t word = party->holder ? load_acquire(party->holder) : 0, name = word & PARTY_NAME;

    if (party->kind == WAITS_FOR_READER && word & ~(PARTY_NAME | UINT32_C(1) << 31))
        return 0; /* it waits itself (rwlock.c: wants), and is in nobody's way */
    return name == PARTY_NAME ? 0 : name; /* broken for good: nobody holds it */
}

/* From 'start' on until somebody comes again. 'known' is what is known of 'start', or NULL. False: it ends
 * somewhere. */
static bool go(struct walk *walk, uint32_t start, const struct party_view *known)
{
    uint32_t at = start;

    for (walk->count = 0; walk->count < CREW_DEADLOCK_MOST; walk->count++) {
        struct step *step = &walk->step[walk->count];

        for (unsigned i = 0; i < walk->count; i++)
            if (walk->step[i].party.name == at) {
                walk->first = i;
                return true;
            }
        if (known && at == start)
            step->party = *known;
        else if (!party_look(at, &step->party))
            return false;
        step->next = holder_of(&step->party);
        if (step->next == 0 || party_is_dead(step->next))
            return false;
        at = step->next;
    }
    /* one more than there is room for may close it */
    for (unsigned i = 0; i < walk->count; i++)
        if (walk->step[i].party.name == at) {
            walk->first = i;
            return true;
        }
    return false;
}

static bool is_the_same(const struct walk *a, const struct walk *b)
{
    if (a->count != b->count || a->first != b->first)
        return false;
    for (unsigned i = a->first; i < a->count; i++)
        if (a->step[i].party.name != b->step[i].party.name || a->step[i].next != b->step[i].next ||
            a->step[i].party.sleep != b->step[i].party.sleep ||
            a->step[i].party.holder != b->step[i].party.holder)
            return false;
    return true;
}

static void describe(const struct party_view *party, struct crew_deadlock *cycle)
{
    unsigned n = cycle->count++;
    bool lock = party->kind == WAITS_FOR_LOCK || party->kind == WAITS_FOR_WRITER;

    memset(&cycle->thread[n], 0, sizeof cycle->thread[n]);
    cycle->thread[n].pid = party->pid;
    memcpy(cycle->thread[n].process, party->process, sizeof party->process);
    snprintf(cycle->thread[n].noun, sizeof cycle->thread[n].noun, "%s",
             party->kind == WAITS_FOR_LOCK     ? "lock"
             : party->kind == WAITS_FOR_PERMIT ? "semaphore"
                                               : "rwlock");
    if (lock) /* the word is the first of the lock */
        snprintf(cycle->thread[n].object, sizeof cycle->thread[n].object, "%s",
                 ((const struct lock_shm *)(const void *)party->holder)->name);
    cycle->thread[n].address = (const void *)party->holder;
}

/* A cycle that one gets to from 'start', described from 'start' on if that is part of it. */
static bool find(uint32_t start, const struct party_view *known, struct crew_deadlock *cycle)
{
    struct walk first, second;

    if (!go(&first, start, known) || !go(&second, start, known) || !is_the_same(&first, &second))
        return false;
    cycle->count = 0;
    for (unsigned i = first.first; i < first.count; i++)
        describe(&first.step[i].party, cycle);
    return true;
}

int deadlock_at(uint32_t me, const _Atomic uint32_t *holder, enum waits_for kind)
{
    struct party_view known = { .name = me, .kind = kind, .holder = holder };
    struct crew_deadlock cycle;
    struct walk walk;

    /* only a cycle that comes back here: to be outside of one is to wait for it, too, but not to be it */
    if (!party_describe(me, &known.pid, known.process) || !go(&walk, me, &known) || walk.first != 0 ||
        !find(me, &known, &cycle))
        return -ETIMEDOUT;
    keep(&cycle);
    return CREW_EDEADLOCK;
}

bool deadlock_find(struct crew_deadlock *cycle)
{
    for (uint32_t n = 0; n < PARTIES; n++) {
        uint32_t name = party_name_at(n);

        if (name != 0 && find(name, NULL, cycle))
            return true;
    }
    return false;
}

const struct crew_deadlock *deadlock_last(void)
{
    pthread_once(&once, make_key);
    return keyed ? pthread_getspecific(key) : NULL;
}
