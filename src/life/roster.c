/* roster.c - the law is in roster.h. */
#include "handover.h"
#include "roster.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#define BUY 4096 /* bytes at a time */

_Static_assert(sizeof(struct roster_shm) <= ARENA_ASIDE, "the roster has its place beside the pages");
_Static_assert(sizeof(struct party_shm) == CACHE_LINE, "a party to a line: its thread writes there");

static struct arena *arena;
static struct roster_shm *roster;
static _Atomic uint32_t nobody, *listening = &nobody;
static int bell = -1;

void roster_use(struct arena *a, struct roster_shm *r)
{
    arena = a;
    roster = r;
    listening = &r->listening;
    bell = -1;
}

void roster_use_bell(int b)
{
    bell = b;
}

/* Makes entry 'n' of a table fit to be touched. 'bought' counts entries, and rises after the purchase; the
 * next one buys again what a dead process bought and did not count. */
static int buy(_Atomic uint32_t *bought, uint32_t n, size_t table, size_t entry)
{
    uint32_t have = load_acquire(bought);
    size_t from = table + have * entry, to = table + ((size_t)n + 1) * entry;
    uint32_t now;
    int r;

    if (n < have)
        return 0;
    from = from / BUY * BUY;
    to = (to + BUY - 1) / BUY * BUY;
    r = arena_buy_aside(arena, from, to - from);
    if (r < 0)
        return r;
    now = (uint32_t)((to - table) / entry);
    while (have < now && !swap_if(bought, &have, now))
        ;
    return 0;
}

/* -- processes ----------------------------------------------------------------------------- */

int roster_sit(uint32_t id, pid_t pid, const char *name)
{
    uint32_t s = id & (SEATS - 1);
    struct seat_shm *seat = &roster->seat[s];
    int r = arena_buy_aside(arena, 0, BUY); /* the head */

    if (r == 0)
        r = buy(&roster->seats, s, offsetof(struct roster_shm, seat), sizeof *seat);
    if (r < 0)
        return r;
    seat->pid = pid;
    seat->was = id;
    memset(seat->name, 0, sizeof seat->name);
    for (unsigned i = 0; i + 1 < sizeof seat->name && name[i]; i++)
        seat->name[i] = name[i];
    store_total(&seat->id, id);
    return 0;
}

static bool sits(uint32_t id)
{
    uint32_t s = id & (SEATS - 1);

    return id != 0 && s < load_acquire(&roster->seats) && load_total(&roster->seat[s].id) == id;
}

bool process_is_dead(uint32_t id)
{
    return !sits(id);
}

uint32_t process_find(pid_t pid)
{
    uint32_t seats = load_acquire(&roster->seats);

    for (uint32_t s = 0; s < seats && s < SEATS; s++) {
        const struct seat_shm *seat = &roster->seat[s];
        uint32_t id = load_total(&seat->id);

        if (id != 0 && seat->pid == pid && load_total(&seat->id) == id)
            return id;
    }
    return 0;
}

uint32_t process_was(pid_t pid)
{
    uint32_t seats = load_acquire(&roster->seats), found = 0;

    for (uint32_t s = 0; s < seats && s < SEATS; s++) {
        if (roster->seat[s].pid != pid)
            continue;
        found = roster->seat[s].was;
        if (sits(found))
            break;
    }
    return found;
}

static void wake_all(void)
{
    os_futex_wake(&roster->deaths, INT32_MAX);
    store_total(listening, 0);
    os_bell_ring(bell); /* also if nobody listens: who swapped it to 0 may have died before it rang */
}

static void give_up(struct party_shm *party, uint64_t word)
{
    store_total(&party->asleep, 0);
    store_total(&party->word, word >> 32 << 32);
}

void roster_died(uint32_t id)
{
    uint32_t parties = load_acquire(&roster->parties);

    for (uint32_t n = 0; n < parties && n < PARTIES; n++)
        if ((uint32_t)load_total(&roster->party[n].word) == id)
            handover_settle(&roster->party[n], id);
    if (sits(id))
        store_total(&roster->seat[id & (SEATS - 1)].id, 0);
    atomic_fetch_add(&roster->deaths, 1);
    wake_all();
    for (uint32_t n = 0; n < parties && n < PARTIES; n++) {
        uint64_t word = load_total(&roster->party[n].word);

        if ((uint32_t)word == id)
            give_up(&roster->party[n], word);
    }
}

/* -- threads ------------------------------------------------------------------------------- */

#define GENERATION (UINT32_MAX >> 13) /* 19 bits */

static uint32_t name_of(uint32_t n, uint64_t word)
{
    return ((uint32_t)(word >> 32) & GENERATION) << PARTY_BITS | n;
}

static bool claim(uint32_t n, uint32_t me, uint32_t *name)
{
    struct party_shm *party = &roster->party[n];
    uint64_t word = load_acquire(&party->word), next;
    uint64_t generation = (word >> 32) + 1;

    if ((uint32_t)word != 0)
        return false;
    if ((generation & GENERATION) == 0 || (generation & GENERATION) == GENERATION)
        generation = generation + 2; /* neither 0 nor all ones in a name */
    next = generation << 32 | me;
    if (!swap_if(&party->word, &word, next))
        return false;
    *name = name_of(n, next);
    return true;
}

uint32_t party_claim(uint32_t me)
{
    struct seat_shm *seat = &roster->seat[me & (SEATS - 1)];
    uint32_t name;

    uint32_t first = load_relaxed(&roster->next);

    if (!sits(me))
        return 0;
    for (uint32_t i = 0; i < PARTIES; i++) {
        uint32_t n = (first + i) % PARTIES;
        struct party_shm *party = &roster->party[n];

        if (buy(&roster->parties, n, offsetof(struct roster_shm, party), sizeof *party) < 0)
            return 0;
        if (!claim(n, me, &name))
            continue;
        store_relaxed(&roster->next, (n + 1) % PARTIES);
        party->pid = seat->pid;
        memcpy(party->name, seat->name, sizeof party->name);
        return name;
    }
    return 0;
}

static struct party_shm *party_at(uint32_t party)
{
    return &roster->party[party & (PARTIES - 1)];
}

void party_wake_all(void)
{
    atomic_fetch_add(&roster->deaths, 1);
    wake_all();
}

void party_leave(uint32_t party)
{
    struct party_shm *p = party_at(party);

    give_up(p, load_acquire(&p->word));
    party_wake_all();
}

bool party_is_dead(uint32_t party)
{
    uint32_t n = party & (PARTIES - 1);
    uint64_t word;

    if (n >= load_acquire(&roster->parties))
        return true;
    word = load_total(&roster->party[n].word);
    return name_of(n, word) != party || !sits((uint32_t)word);
}

bool party_describe(uint32_t party, pid_t *pid, char name[16])
{
    uint32_t n = party & (PARTIES - 1);
    struct party_shm *p = &roster->party[n];

    if (n >= load_acquire(&roster->parties) || name_of(n, load_acquire(&p->word)) != party)
        return false;
    *pid = p->pid;
    memcpy(name, p->name, 16);
    name[15] = '\0';
    return name_of(n, load_total(&p->word)) == party;
}

uint32_t party_deaths(void)
{
    return load_total(&roster->deaths);
}

static int sleep_on(struct party_shm *p, const struct os_word *words, unsigned count, uint64_t holder,
                    enum waits_for kind, uint32_t deaths, crew_time deadline)
{
    struct os_word list[OS_WORDS];
    uint32_t sleeps = load_relaxed(&p->kind) >> 8;
    int r;

    memcpy(list, words, count * sizeof *list);
    list[count] = (struct os_word){ &roster->deaths, deaths };
    store_relaxed(&p->holder, holder);
    store_relaxed(&p->kind, (uint32_t)kind | (sleeps + 1) << 8);
    store_release(&p->asleep, roster_offset((const void *)words[0].word));
    r = os_futex_wait_many(list, count + 1, deadline);
    store_release(&p->asleep, 0);
    return r;
}

int party_sleep(uint32_t party, _Atomic uint32_t *word, uint32_t expected, enum waits_for kind,
                uint32_t deaths, crew_time deadline)
{
    return party_sleep_many(party, &(struct os_word){ word, expected }, 1, kind, deaths, deadline);
}

int party_sleep_for(uint32_t party, _Atomic uint32_t *word, uint32_t expected,
                    const _Atomic uint32_t *holder, enum waits_for kind, uint32_t deaths, crew_time deadline)
{
    return sleep_on(party_at(party), &(struct os_word){ word, expected }, 1,
                    roster_offset((const void *)holder), kind, deaths, deadline);
}

int party_sleep_many(uint32_t party, const struct os_word *words, unsigned count, enum waits_for kind,
                     uint32_t deaths, crew_time deadline)
{
    return sleep_on(party_at(party), words, count, 0, kind, deaths, deadline);
}

bool party_look(uint32_t party, struct party_view *view)
{
    struct party_shm *p = party_at(party);
    uint32_t kind = load_acquire(&p->kind);
    uint64_t holder = load_relaxed(&p->holder);

    if (load_acquire(&p->asleep) == 0 || party_is_dead(party))
        return false;
    *view = (struct party_view){ .name = party, .sleep = kind >> 8, .kind = (enum waits_for)(kind & 255) };
    if (holder != 0 && arena_contains(arena, roster_at(holder), sizeof(uint32_t)))
        view->holder = roster_at(holder);
    return party_describe(party, &view->pid, view->process) && load_acquire(&p->kind) == kind;
}

uint32_t party_name_at(uint32_t n)
{
    uint64_t word = n < load_acquire(&roster->parties) ? load_acquire(&roster->party[n].word) : 0;

    return (uint32_t)word == 0 ? 0 : name_of(n, word);
}

bool party_wake(_Atomic uint32_t *word, int count)
{
    bool woken = os_futex_wake(word, count);

    if (__builtin_expect(load_total(listening) != 0, 0) && atomic_exchange(listening, 0) != 0)
        os_bell_ring(bell);
    return woken;
}

int roster_listen(void)
{
    return os_listener_create(bell);
}

void roster_hear(int listener)
{
    os_listener_hear(listener);
    store_total(listening, 1);
}

/* -- for handover.c ------------------------------------------------------------------------- */

struct party_shm *party_record(uint32_t party)
{
    return party_at(party);
}

struct arena *roster_arena(void)
{
    return arena;
}

uint64_t roster_offset(const void *at)
{
    return (uint64_t)((const char *)at - (const char *)roster);
}

void *roster_at(uint64_t offset)
{
    return (char *)roster + (int64_t)offset;
}

/* -- checking ------------------------------------------------------------------------------ */

const char *roster_check(void)
{
    uint32_t seats = load_acquire(&roster->seats), parties = load_acquire(&roster->parties);

    if (seats > SEATS || parties > PARTIES)
        return "more is bought than there is";
    for (uint32_t s = 0; s < seats; s++) {
        uint32_t id = load_acquire(&roster->seat[s].id);

        if (id != 0 && (id & (SEATS - 1)) != s)
            return "a process sits on another's seat";
    }
    for (uint32_t n = 0; n < parties; n++) {
        const struct party_shm *p = &roster->party[n];

        if ((uint32_t)load_acquire(&p->word) != 0)
            continue;
        if (load_acquire(&p->asleep) != 0)
            return "nobody is asleep";
        if (load_acquire(&p->moving) != 0)
            return "nobody hands a block over";
    }
    return NULL;
}
