/* handover_cases.c - Description: if one of these failed, a block that a process was handing over when it died
 * could be lost for good, or stay named by a queue after it was freed.
 *
 * src/life/handover.c, with the allocator and its sweep. After the repair a word names a block of the
 * crew's, or nothing; and what is used is what is named, to the byte. */
#include "cases.h"

#include <life/handover.h>
#include <memory/alloc.h>

#include <errno.h>
#include <string.h>

#define SPACE (9 * ARENA_PAGE)
#define ROOT (3u << SEAT_BITS | 1)
#define PROCESS(n) ((5u + (n)) << SEAT_BITS | (2u + (n)))
#define SMALL 4000
#define LARGE (ARENA_PAGE + 1)

struct words {
    _Atomic uint64_t word[DEATH_PROCESSES];
};

struct notes {
    uint32_t party[DEATH_PROCESSES], root;
    uint64_t slots; /* the block that the words are in, as an offset */
    _Atomic uint64_t wrong;
};

struct memory {
    char arena[SPACE];
    struct roster_shm roster;
    struct notes notes;
};

static struct arena arena;

static struct memory *here(void)
{
    return (struct memory *)(void *)death_arena;
}

static struct words *words(void)
{
    return (struct words *)(void *)(death_arena + here()->notes.slots);
}

static void *get(uint32_t owner, size_t size)
{
    struct alloc_cache cache;
    void *block = NULL;

    alloc_cache_init(&cache, owner);
    if (alloc_block(&arena, &cache, size, &block) < 0)
        return NULL;
    return block;
}

static void make(void)
{
    struct memory *m = here();
    char *block;

    arena_init(&arena, death_arena, SPACE);
    roster_use(&arena, &m->roster);
    if (roster_sit(ROOT, 1, "root") < 0)
        death_misuse("the roster");
    m->notes.root = party_claim(ROOT);
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (roster_sit(PROCESS(p), (int)(100 + p), "process") < 0)
            death_misuse("the roster");
        m->notes.party[p] = party_claim(PROCESS(p));
    }
    block = get(ROOT, sizeof(struct words));
    if (!block)
        death_misuse("the arena");
    m->notes.slots = (uint64_t)(block - death_arena);
    memset(block, 0, sizeof(struct words));
}

/* A block of the crew's, allocated by process 2 in a page of its own. */
static void make_full(size_t size)
{
    make();
    party_adopt(here()->notes.party[2], get(PROCESS(2), size), &words()->word[0]);
}

static void make_full_small(void) { make_full(SMALL); }
static void make_full_large(void) { make_full(LARGE); }

/* -- what they do ------------------------------------------------------------------------- */

static int adopt(unsigned p, size_t size)
{
    void *block = get(PROCESS(p), size);

    if (!block)
        return -ENOMEM;
    party_adopt(here()->notes.party[p], block, &words()->word[p]);
    return 0;
}

static int disown(unsigned p, unsigned from)
{
    void *block = party_disown(here()->notes.party[p], &words()->word[from]);

    if (!block)
        return -ENOENT;
    return alloc_free(&arena, PROCESS(p), block);
}

static int adopt_small_0(void) { return adopt(0, SMALL); }
static int adopt_small_1(void) { return adopt(1, SMALL); }
static int adopt_large_0(void) { return adopt(0, LARGE); }
static int disown_0(void) { return disown(0, 0); }

static int replace_0(void)
{
    int r = disown(0, 0);

    return r < 0 ? r : adopt(0, SMALL);
}

/* -- afterwards --------------------------------------------------------------------------- */

static void recover(unsigned dead)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        if (!(dead & 1u << p))
            continue;
        roster_died(PROCESS(p));
        alloc_sweep(&arena, PROCESS(p));
    }
}

static const char *check(const struct death_end *ends)
{
    struct crew_memory_stats stats;
    const char *wrong = alloc_check(&arena, &stats);
    uint64_t blocks = 1;

    if (wrong)
        return wrong;
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        void *block = handover_block(load_acquire(&words()->word[p]));

        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0)
            return "broken: a call failed";
        if (!block)
            continue;
        blocks++;
        if (alloc_transfer(&arena, block, OWNER_CREW, OWNER_CREW) < 0)
            return "lost: what a word names is not the crew's";
    }
    if (stats.blocks > blocks)
        return "a block is named by nobody";
    if (stats.blocks < blocks)
        return "twice: two words name a block";
    wrong = roster_check();
    if (wrong)
        return wrong;
    for (unsigned p = 0; p < DEATH_PROCESSES; p++) {
        void *block = party_disown(here()->notes.root, &words()->word[p]);

        if (block && alloc_free(&arena, ROOT, block) < 0)
            return "what a word names can't be freed";
    }
    wrong = alloc_check(&arena, &stats);
    return wrong ? wrong : stats.blocks == 1 ? NULL : "not all can be had back";
}

#define HANDOVER_CASE(what, before, ...)                                                         \
    { .name = what, .size = sizeof(struct memory), .setup = before, .recover = recover,          \
      .check = check, .operation = { __VA_ARGS__ } }

static const struct death_case list[] = {
    HANDOVER_CASE("handover: adopt a small block", make, adopt_small_0),
    HANDOVER_CASE("handover: adopt a large block", make, adopt_large_0),
    HANDOVER_CASE("handover: disown a small block of another's page", make_full_small, disown_0),
    HANDOVER_CASE("handover: disown a large block", make_full_large, disown_0),
    HANDOVER_CASE("handover: put another in its place", make_full_small, replace_0),
    HANDOVER_CASE("handover: one disowns, one adopts", make_full_small, disown_0, adopt_small_1),
};

const struct death_cases handover_cases = { list, sizeof list / sizeof list[0] };
