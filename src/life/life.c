/* life.c - the root, its members, and the supervisor. */
#include "handover.h"
#include "life.h"
#include "roster.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define SUPERVISOR_STACK ((size_t)512 << 10)
#define ROOT_SEAT 1
#define JOINED_MS 20 /* until a joined thread is gone; much less, unless the machine is full */

_Atomic uint32_t life_id;

static struct {
    pthread_mutex_t lock; /* guards all of this, but for what is said otherwise                    */
    pthread_mutex_t alloc_lock; /* guards the cache                                                */
    pthread_mutex_t burial;     /* held by the supervisor from reaping to waking                   */
    struct arena arena;         /* its pointer is written once, under the lock, before life_id        */
    struct alloc_cache cache;
    bool root;
    bool starting; /* the fork under way makes a member */
    struct member *seat[SEATS];
    uint32_t generation[SEATS];
    unsigned next_seat; /* where the search for a free one begins: the one freed longest ago       */
    unsigned members;
    _Atomic uint64_t starts;
    void (*_Atomic after_close)(void);
    unsigned held; /* pools that are open */
    bool supervised;    /* the supervisor runs                                                     */
    pthread_t supervisor;
    int poll, bell;
    int crew_bell;      /* for all who listen: waitable.h; there as long as the arena is           */
    _Atomic bool stop;
    _Atomic uint32_t runs; /* 1: the supervisor is past its start                                  */
} life = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .alloc_lock = PTHREAD_MUTEX_INITIALIZER,
    .burial = PTHREAD_MUTEX_INITIALIZER,
    .arena = { .fd = -1 },
    .next_seat = ROOT_SEAT + 1,
};

/* -- who am I ------------------------------------------------------------------------------ */

/* In the child of any fork: it is no member until member_start() makes it one. The old mapping
 * stays, so that pointers of the parent stay readable; a crew of its own gets a new one. */
static void forget(void)
{
    pthread_mutex_init(&life.lock, NULL);
    pthread_mutex_init(&life.alloc_lock, NULL);
    pthread_mutex_init(&life.burial, NULL);
    if (life.supervised) {
        os_close(life.poll);
        os_close(life.bell);
    }
    for (unsigned s = 0; s < SEATS && life.members > 0; s++) {
        if (!life.seat[s])
            continue;
        os_close(life.seat[s]->pidfd);
        life.seat[s] = NULL;
        life.members--;
    }
    if (!life.starting) {
        if (life.arena.fd >= 0) {
            os_close(life.arena.fd);
            os_close(life.crew_bell);
        }
        life.arena = (struct arena){ .fd = -1 };
    }
    life.supervised = false;
    life.root = false;
    life.held = 0;
    store_relaxed(&life.starts, 0);
    store_relaxed(&life.after_close, NULL);
    store_relaxed(&life_id, 0);
    party_forget();
}

static int alloc_for(uint32_t party, size_t size, void **block)
{
    (void)party; /* the calling thread's */
    return life_alloc(size, block);
}

static void free_for(uint32_t party, void *block)
{
    (void)party;
    life_free(block);
}

static int root_init(size_t size)
{
    static bool hooked;
    int r;

    if (load_acquire(&life_id) != 0)
        return 0;
    if (!hooked) {
        r = -pthread_atfork(NULL, NULL, forget);
        if (r < 0)
            return r;
        hooked = true;
    }
    r = arena_create(&life.arena, size);
    if (r < 0)
        return r;
    life.crew_bell = os_bell_create();
    if (life.crew_bell < 0) {
        arena_destroy(&life.arena);
        return life.crew_bell;
    }
    roster_use(&life.arena, arena_aside(&life.arena));
    roster_use_bell(life.crew_bell);
    handover_use(alloc_for, free_for);
    life.generation[ROOT_SEAT]++;
    r = roster_sit(life.generation[ROOT_SEAT] << SEAT_BITS | ROOT_SEAT, os_pid(), program_invocation_short_name);
    if (r < 0) {
        os_close(life.crew_bell);
        arena_destroy(&life.arena);
        return r;
    }
    life.root = true;
    alloc_cache_init(&life.cache, life.generation[ROOT_SEAT] << SEAT_BITS | ROOT_SEAT);
    store_release(&life_id, life.cache.owner);
    return 0;
}

int crew_init(const struct crew_options *options)
{
    size_t size = 0;
    int r;

    if (options) {
        for (unsigned i = 0; i < 4; i++)
            if (options->reserved[i] != 0)
                return -EINVAL;
        size = options->arena_size;
    }
    pthread_mutex_lock(&life.lock);
    r = root_init(size);
    pthread_mutex_unlock(&life.lock);
    return r;
}

int life_arena(struct arena **arena)
{
    if (load_acquire(&life_id) == 0) {
        int r = crew_init(NULL);

        if (r < 0)
            return r;
    }
    *arena = &life.arena;
    return 0;
}

struct arena *life_arena_now(void)
{
    return load_acquire(&life_id) != 0 ? &life.arena : NULL;
}

int life_may_start(void)
{
    unsigned allowed = life.supervised ? 2 : 1;
    crew_time patience = 0;

    if (life_me() != 0 && !life.root)
        return CREW_ENESTED;
    /* A thread that has been joined is counted a little longer: pthread_join() returns before the
     * kernel has taken it off the list. */
    while (os_thread_count() > allowed) {
        if (patience == 0)
            patience = crew_in_ms(JOINED_MS);
        if (crew_time_now() >= patience)
            return CREW_ETHREADS;
        os_yield();
    }
    return 0;
}

void life_hold(void)
{
    pthread_mutex_lock(&life.lock);
    life.held++;
    pthread_mutex_unlock(&life.lock);
}

void life_release(void)
{
    pthread_mutex_lock(&life.lock);
    life.held--;
    pthread_mutex_unlock(&life.lock);
}

uint64_t life_starts(void)
{
    return load_acquire(&life.starts);
}

bool life_has_member(uint64_t before, uint64_t until)
{
    bool found = false;

    pthread_mutex_lock(&life.lock);
    for (unsigned s = 0, left = life.members; s < SEATS && left > 0 && !found; s++) {
        const struct member *member = life.seat[s];

        if (!member)
            continue;
        left--;
        found = member->number > before && member->number <= until && load_acquire(&member->ended) == 0;
    }
    pthread_mutex_unlock(&life.lock);
    return found;
}

void life_after_close(void (*look)(void))
{
    store_release(&life.after_close, look);
}

int life_alloc(size_t size, void **block)
{
    struct arena *arena;
    int r = life_arena(&arena);

    if (r < 0)
        return r;
    pthread_mutex_lock(&life.alloc_lock);
    r = alloc_block(arena, &life.cache, size ? size : 1, block);
    pthread_mutex_unlock(&life.alloc_lock);
    return r;
}

void life_free(void *block)
{
    alloc_free(&life.arena, life_me(), block);
}

/* -- the supervisor ------------------------------------------------------------------------ */

static void bury(struct member *member)
{
    void (*wake)(struct member *) = member->wake;
    struct os_end end;

    if (os_reap(member->pidfd, member->pid, &end) == -EAGAIN)
        return;
    os_poll_remove(life.poll, member->pidfd);
    member->end = end;
    roster_died(member->id);
    if (member->repair)
        member->repair(member);
    alloc_sweep(&life.arena, member->id);
    store_release(&member->ended, 1); /* pairs with the load in member_join() */
    party_wake(&member->ended, INT32_MAX);
    if (wake)
        wake(member);
}

static void *supervise(void *unused)
{
    store_release(&life.runs, 1);
    os_futex_wake(&life.runs, 1);
    while (!load_acquire(&life.stop)) {
        void *tags[16];
        int n = os_poll_wait(life.poll, tags, 16);

        pthread_mutex_lock(&life.burial);
        for (int i = 0; i < n; i++) {
            if (tags[i])
                bury(tags[i]);
            else
                os_bell_drain(life.bell);
        }
        pthread_mutex_unlock(&life.burial);
    }
    return unused;
}

static int start_supervisor(void)
{
    uint64_t signals[16];
    pthread_attr_t attr;
    int r;

    if (life.supervised)
        return 0;
    life.poll = os_poll_create();
    if (life.poll < 0)
        return life.poll;
    life.bell = os_bell_create();
    r = life.bell < 0 ? life.bell : os_poll_add(life.poll, life.bell, NULL);
    if (r == 0) {
        store_relaxed(&life.stop, false);
        store_relaxed(&life.runs, 0);
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, SUPERVISOR_STACK);
        os_signals_block(signals, sizeof signals); /* the thread inherits the mask */
        r = -pthread_create(&life.supervisor, &attr, supervise, NULL);
        os_signals_restore(signals);
        pthread_attr_destroy(&attr);
    }
    if (r < 0) {
        if (life.bell >= 0)
            os_close(life.bell);
        os_close(life.poll);
        return r;
    }
    /* A fork must not come while it starts: a new thread may hold locks of the allocator's. */
    while (load_acquire(&life.runs) == 0)
        os_futex_wait(&life.runs, 0, CREW_FOREVER);
    life.supervised = true;
    return 0;
}

static void stop_supervisor(void)
{
    if (!life.supervised)
        return;
    store_release(&life.stop, true);
    os_bell_ring(life.bell);
    pthread_join(life.supervisor, NULL);
    os_close(life.bell);
    os_close(life.poll);
    life.supervised = false;
}

int crew_fini(void)
{
    int r = 0;

    pthread_mutex_lock(&life.lock);
    if (life_me() != 0 && !life.root) {
        r = CREW_ENESTED;
    } else if (life.members > 0 || life.held > 0) {
        r = -EBUSY;
    } else if (life_me() != 0) {
        stop_supervisor();
        store_relaxed(&life_id, 0);
        os_close(life.crew_bell);
        arena_destroy(&life.arena);
        life.root = false;
    }
    pthread_mutex_unlock(&life.lock);
    return r;
}

/* -- members ------------------------------------------------------------------------------- */

static int take_seat(struct member *member)
{
    for (unsigned n = 0; n < SEATS; n++) {
        unsigned s = life.next_seat;

        life.next_seat = s + 1 < SEATS ? s + 1 : ROOT_SEAT + 1;
        if (life.seat[s])
            continue;
        life.generation[s] = (life.generation[s] + 1) & ((UINT32_C(1) << (32 - SEAT_BITS)) - 1);
        member->id = life.generation[s] << SEAT_BITS | s;
        life.seat[s] = member;
        life.members++;
        return 0;
    }
    return -EAGAIN;
}

static void leave_seat(struct member *member)
{
    life.seat[member->id & (SEATS - 1)] = NULL;
    life.members--;
}

/* In the new child: forget() ran already, inside fork(). */
static void become(struct member *member)
{
    life.starting = false;
    alloc_cache_init(&life.cache, member->id);
    store_release(&life_id, member->id);
}

static pid_t start_locked(struct member *member)
{
    void *shm;
    int r = root_init(0);
    pid_t pid;

    if (r < 0)
        return r;
    r = start_supervisor();
    if (r < 0)
        return r;
    r = life_alloc(sizeof *member->shm, &shm);
    if (r < 0)
        return r;
    member->shm = shm;
    member->shm->code = 0;
    store_relaxed(&member->shm->said, 0);
    store_relaxed(&member->shm->go, OS_GO_WAIT);
    r = take_seat(member);
    if (r < 0) {
        life_free(shm);
        return r;
    }
    member->pidfd = -1;
    member->number = load_relaxed(&life.starts) + 1;
    store_release(&life.starts, member->number);
    life.starting = true;
    pid = os_fork(member->name, &member->shm->go, &member->pidfd);
    if (pid == 0) {
        become(member);
        return 0;
    }
    life.starting = false;
    member->pid = pid;
    r = pid < 0 ? (int)pid : roster_sit(member->id, pid, member->name);
    if (r == 0)
        r = os_poll_add(life.poll, member->pidfd, member);
    if (r == 0) {
        os_go(&member->shm->go, OS_GO_RUN);
        return pid;
    }
    if (pid > 0) {
        struct os_end end;

        os_go(&member->shm->go, OS_GO_END);
        while (os_reap(member->pidfd, pid, &end) == -EAGAIN)
            os_yield();
        os_close(member->pidfd);
        roster_died(member->id);
    }
    leave_seat(member);
    life_free(shm);
    return r;
}

pid_t member_start(struct member *member, const char *name, void (*repair)(struct member *),
                   void (*wake)(struct member *), void *owner)
{
    pid_t pid = life_may_start();

    if (pid < 0)
        return pid;
    memset(member, 0, sizeof *member);
    strncpy(member->name, name, sizeof member->name - 1);
    member->repair = repair;
    member->wake = wake;
    member->owner = owner;
    pthread_mutex_lock(&life.lock);
    pid = start_locked(member);
    if (pid != 0)
        pthread_mutex_unlock(&life.lock); /* the child's was made anew by forget() */
    return pid;
}

int member_join(struct member *member, crew_time deadline)
{
    while (load_acquire(&member->ended) == 0) {
        if (deadline == CREW_NOW)
            return -EAGAIN;
        if (os_futex_wait(&member->ended, 0, deadline) == -ETIMEDOUT &&
            load_acquire(&member->ended) == 0)
            return -ETIMEDOUT;
    }
    return 0;
}

void member_close(struct member *member)
{
    void (*look)(void);

    pthread_mutex_lock(&life.burial); /* the supervisor may still be waking for it */
    pthread_mutex_unlock(&life.burial);
    pthread_mutex_lock(&life.lock);
    leave_seat(member);
    os_close(member->pidfd);
    life_free(member->shm);
    pthread_mutex_unlock(&life.lock);
    look = load_acquire(&life.after_close);
    if (look)
        look();
}
