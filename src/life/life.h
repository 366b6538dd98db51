/* life.h - who belongs to the crew, who has died, and what is done about it.
 *
 * The root keeps a seat for each process that it starts. A seat's number and generation together
 * are the process's id: it stands in every word of shared memory that says "I am at this", and no
 * id ever names a second process while a word may still hold it.
 *
 * One thread, the supervisor, sleeps on a pidfd for each seat. A death wakes it; it collects the
 * child, lets the room that started it repair its structures, sweeps the arena, and only then says
 * that the process has ended. So whoever was told finds everything whole. It holds no lock of the
 * user's, allocates nothing, and has all signals blocked.
 *
 * Only the root writes seats; who sits where stands in the arena too (roster.h). When it dies, the
 * kernel ends all others (os_fork), and the arena, which has no name, goes with the last of them:
 * nobody is left to repair anything for. */
#ifndef CREW_LIFE_H
#define CREW_LIFE_H

#include "seats.h"

#include <crew/process.h>
#include <memory/alloc.h>

/* What a member says about itself before it ends. In the arena; written by the member alone, read
 * after its death; 'said' last. */
struct member_shm {
    int code;
    char message[160];
    _Atomic uint32_t said; /* 1: code and message are whole                                        */
    _Atomic uint32_t go;   /* enum os_go: written by the root; by the member only to say that it sleeps */
};

/* A process that the root started. The root's own memory. */
struct member {
    uint32_t id;
    uint64_t number;         /* it was the so-manieth that this root started                   */
    pid_t pid;
    int pidfd;
    char name[16];
    struct member_shm *shm;
    struct os_end end;       /* how it ended; valid when 'ended' is 1                          */
    _Atomic uint32_t ended;  /* 0: runs, 1: ended and everything is repaired; waited for by futex */
    /* Called by the supervisor when the member is dead for certain, before the arena is swept:
     * repairs what it left. And after 'ended': wakes who waits. Both may be NULL. */
    void (*repair)(struct member *member);
    void (*wake)(struct member *member);
    void *owner; /* for the two */
};

/* The arena of this process's crew, made if there is none. */
int life_arena(struct arena **arena);

/* The arena if there is one, else NULL. Never makes one. */
struct arena *life_arena_now(void);

/* The id of this process in its crew; 0: it is no member. */
static inline uint32_t life_me(void)
{
    return atomic_load_explicit(&life_id, memory_order_acquire);
}

/* 0 if this process may start others: the root, with no other threads. Else CREW_ENESTED,
 * CREW_ETHREADS. */
int life_may_start(void);

/* Keeps crew_fini() from taking the arena away, until as many releases. */
void life_hold(void);
void life_release(void);

/* Members started so far, by this root; 0 elsewhere. */
uint64_t life_starts(void);

/* True if a member lives that is not among the first 'before' that were started, but among the
 * first 'until': it has a copy of whatever the root had then. */
bool life_has_member(uint64_t before, uint64_t until);

/* Calls 'look' whenever a member was closed; one function, the last that was given. */
void life_after_close(void (*look)(void));

/* A block of the arena for this process. */
int life_alloc(size_t size, void **block);
void life_free(void *block);

/* Starts a process. In the child: 0. In the root: its pid; 'member' must stay where it is until
 * member_close(). Negative: an error, and nothing was started. */
pid_t member_start(struct member *member, const char *name, void (*repair)(struct member *),
                   void (*wake)(struct member *), void *owner);

/* Waits until it has ended and all is repaired. */
int member_join(struct member *member, crew_time deadline);

/* Gives up the seat of a member that has ended. On return the supervisor is through with it. */
void member_close(struct member *member);

#endif
