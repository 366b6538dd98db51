/* roster.h - who is there: a seat for each process, a party for each thread that shares something.
 *
 * Both stand in the arena, for all to read. A party's name stands in every word that means "I hold this"
 * or "I am at this", so that whoever looks can tell whether it is still alive, and who it was.
 *
 *   seat.id      seat and generation of the process that sits there; 0: nobody. Written by the root:
 *                before the process begins, and when it is dead for certain.
 *   party.word   generation:32 process:32. Claimed and given up by the thread itself, each by one store or
 *                swap; given up by the root when the process is dead. process 0: free.
 *   party.asleep where the thread waits: offset of a futex word from the roster, 0: nowhere. Written by the
 *                thread alone, for reports, and cleared when the party is given up.
 *   party.kind   what it waits for, and how often it has slept: kind:8 sleeps:24; party.holder: the word that
 *                names who holds it, as an offset, 0: none. Written before 'asleep', for reports (deadlock.c).
 *   party.moving, party.place  a block that is just being handed over: handover.h.
 *   deaths       rises after a death is written down.
 *
 * A thread sleeps only for as long as nobody died:
 *
 *     waiter   reads deaths; looks, also whether the owner is alive; sleeps while deaths AND the word are
 *              what they were: the kernel compares both, and lies down, in one step (futex_waitv)
 *     root     settles what the dead were handing over (handover.h), while all others still take them for
 *              living; clears seat.id; deaths + 1; wakes whoever sleeps on deaths, which is everybody
 *
 * Order  seat.id before deaths (release) -> deaths before the look (acquire): who has seen the new count
 * sees the dead as dead. Who has not, does not fall asleep, or is woken. A wake-up that went to the dead,
 * or was still to come from it, is thereby made good: all look again. (To compare deaths here and then
 * to sleep on the word alone would not do: the death may come in between.)
 *
 * The thread dies ...            others see            the root
 *   after the claim              a party of the dead   gives it up; its names are dead names
 *   asleep                       the same              a wake-up of its word too many
 *   giving it up                 free, or still its    the same
 * The root itself dies: the kernel ends all others.
 *
 * A generation has 19 bits in a name, a number 11: a name comes back after 2^19 threads in one party. */
#ifndef CREW_ROSTER_H
#define CREW_ROSTER_H

#include "seats.h"

#include <memory/arena.h>

#define PARTIES 2048
#define PARTY_BITS 11
#define PARTY_NAME ((UINT32_C(1) << 30) - 1) /* the bits that a name has; no name is 0, or all of them */

/* What a thread sleeps for. Of all but the last, a word names who holds it: of a lock, the lock's own. */
enum waits_for { WAITS_FOR_NOTHING, WAITS_FOR_LOCK, WAITS_FOR_WRITER, WAITS_FOR_READER, WAITS_FOR_PERMIT,
                 WAITS_FOR_OTHER };

struct seat_shm {
    _Atomic uint32_t id;
    int32_t pid;   /* of who sits there, or sat there last: written before 'id' */
    char name[16];
    uint32_t was;  /* the same as 'id', and stays when that is cleared    */
    uint32_t spare;
};

struct party_shm {
    _Alignas(CACHE_LINE) _Atomic uint64_t word;
    _Atomic uint64_t asleep;
    _Atomic uint32_t kind;   /* enum waits_for, and sleeps                       */
    int32_t pid;             /* of the process, and its name: written before the */
    char name[16];           /* party's own is handed out                        */
    _Atomic uint64_t moving, place; /* offsets from the roster; handover.h       */
    _Atomic uint64_t holder;        /* the same; 0: none                         */
};

struct roster_shm {
    _Alignas(CACHE_LINE) _Atomic uint32_t deaths;
    _Atomic uint32_t seats, parties; /* that may be touched: bought; only grows */
    _Atomic uint32_t next; /* where the search for a party begins: the one given up longest ago, so that who has
                              died is known by name for long. A hint */
    _Alignas(CACHE_LINE) _Atomic uint32_t listening; /* the law is in waitable.h */
    struct seat_shm seat[SEATS];
    struct party_shm party[PARTIES];
};

/* The roster of this process's crew, and the arena that it stands in; none before life_arena(). Then the
 * bell of the crew (waitable.h), if there is one. */
void roster_use(struct arena *arena, struct roster_shm *roster);
void roster_use_bell(int bell);

/* The root: a process sits down; dies. */
int roster_sit(uint32_t id, pid_t pid, const char *name);
void roster_died(uint32_t id);

/* True if the process has died, or never sat. Its memory is its own no more: it stores nothing. */
bool process_is_dead(uint32_t id);

/* The id of the living process with this number; 0: it is not in the crew, or not any more. */
uint32_t process_find(pid_t pid);

/* The same, or that of a dead one whose seat nobody else has got. */
uint32_t process_was(pid_t pid);

/* A party for a thread of process 'me'. Its name, or 0: all are taken, or there is no memory. */
uint32_t party_claim(uint32_t me);
/* The thread ends. Wakes who waits for what it may hold. */
void party_leave(uint32_t party);

/* The calling thread's, claimed at the first call. 0: none can be had. It counts only as long as the
 * process is who it was then. */
struct party_mine {
    uint32_t party, process;
};
extern _Thread_local struct party_mine party_mine __attribute__((tls_model("initial-exec")));
uint32_t party_first(void);

static inline uint32_t party_me(void)
{
    if (__builtin_expect(party_mine.party != 0 && party_mine.process == load_relaxed(&life_id), 1))
        return party_mine.party;
    return party_first();
}

/* In a forked child: its thread has none yet. */
void party_forget(void);

/* False for a name of the living only. */
bool party_is_dead(uint32_t party);

/* Who it is, or was; false: nobody knows any more. */
bool party_describe(uint32_t party, pid_t *pid, char name[16]);

/* Deaths so far: read before looking at what may be waited for. */
uint32_t party_deaths(void);

/* Wakes all that sleep anywhere, as a death does: for news so rare that there is no word for it. */
void party_wake_all(void);

/* Sleeps while *word is 'expected' and 'deaths' is what it was. 0: look again; -ETIMEDOUT. */
int party_sleep(uint32_t party, _Atomic uint32_t *word, uint32_t expected, enum waits_for kind,
                uint32_t deaths, crew_time deadline);

/* The same, for something of which '*holder' names who has it, in its lowest 30 bits. */
int party_sleep_for(uint32_t party, _Atomic uint32_t *word, uint32_t expected,
                    const _Atomic uint32_t *holder, enum waits_for kind, uint32_t deaths, crew_time deadline);

/* What a party says of itself while it sleeps. */
struct party_view {
    uint32_t name;
    uint32_t sleep; /* which of its sleeps */
    enum waits_for kind;
    const _Atomic uint32_t *holder; /* NULL: none */
    pid_t pid;
    char process[16];
};

/* False: it is dead, or awake. */
bool party_look(uint32_t party, struct party_view *view);

/* The name of the n-th party; 0: it is nobody's. */
uint32_t party_name_at(uint32_t n);

/* The same, on several words, ROSTER_WORDS at most; the first one is where it is said to be asleep. */
#define ROSTER_WORDS (OS_WORDS - 1)
int party_sleep_many(uint32_t party, const struct os_word *words, unsigned count, enum waits_for kind,
                     uint32_t deaths, crew_time deadline);

/* Wakes at most 'count' that sleep on 'word', and all that listen. True: one was asleep on it. */
bool party_wake(_Atomic uint32_t *word, int count);

/* A descriptor that is readable after party_wake() of whatever word, and after a death. For who has called
 * roster_hear() and found nothing ready since. */
int roster_listen(void);
void roster_hear(int listener);

/* For handover.c: the record of a party; the arena; an address as an offset from the roster, and back. */
struct party_shm *party_record(uint32_t party);
struct arena *roster_arena(void);
uint64_t roster_offset(const void *at);
void *roster_at(uint64_t offset);

/* NULL, or the first invariant that is broken. */
const char *roster_check(void);

#endif
