/* alloc_cases.c - Description: if one of these failed, the death of a process could lose memory of
 * the arena for good, hand it out twice, or free what somebody else uses.
 *
 * src/memory/alloc.c on an arena of 16 pages. After the sweep the books must show exactly what the
 * living and the crew own, to the byte, and all of the rest must be there to be had. */
#include "cases.h"

#include <memory/alloc.h>

#include <errno.h>
#include <string.h>

#define PAGES 16
#define SPACE ((PAGES + 1) * ARENA_PAGE)
#define ROOT (1u << 12 | 1)
#define PROCESS(n) ((7u + (n)) << 12 | (2u + (n)))
#define NEWCOMER (9u << 12 | 9)
#define SMALL 4000 /* bytes: 15 blocks a page; rounded up to ... */
#define SMALL_TAKES 4096
#define LARGE (ARENA_PAGE * 2 + 1) /* three pages */
#define ROOT_BLOCKS 3

/* What the processes know. A block is written down after alloc() returned, and erased before free(). */
struct notes {
    uint64_t root[ROOT_BLOCKS];                 /* offset of a block of the root + 1; 0: none */
    uint64_t root_size[ROOT_BLOCKS];            /* as it counts in the statistics             */
    uint64_t mine[DEATH_PROCESSES][2];          /* the same, of the others                    */
    uint64_t mine_size[DEATH_PROCESSES][2];
    uint64_t given, given_size;                 /* given or about to be given to the crew     */
    uint64_t freed;                             /* bit r: somebody frees, or has freed, root[r] */
};

struct memory {
    char arena[SPACE];
    struct notes notes;
};

static struct arena arena; /* the handle: the same in all processes */

static struct notes *notes(void)
{
    return &((struct memory *)(void *)death_arena)->notes;
}

static uint64_t number(const void *block)
{
    return (uint64_t)((const char *)block - death_arena) + 1;
}

static void *block(uint64_t n)
{
    return death_arena + n - 1;
}

static size_t takes(size_t size)
{
    return size == SMALL ? SMALL_TAKES : (size + ARENA_PAGE - 1) / ARENA_PAGE * ARENA_PAGE;
}

static int get(uint32_t owner, size_t size, void **at)
{
    struct alloc_cache cache;

    alloc_cache_init(&cache, owner);
    return alloc_block(&arena, &cache, size, at);
}

/* -- what is there before ------------------------------------------------------------------------- */

static void empty(void)
{
    arena_init(&arena, death_arena, SPACE);
}

/* Marks the last word of it, to see that nobody else gets it. */
static void root_gets(unsigned r, size_t size)
{
    void *at;

    if (get(ROOT, size, &at) < 0)
        __builtin_trap();
    notes()->root[r] = number(at);
    notes()->root_size[r] = takes(size);
    memset((char *)at + size - 8, 0x5a, 8);
}

static void some_in_use(void)
{
    empty();
    root_gets(0, SMALL);
    root_gets(1, LARGE);
    root_gets(2, ARENA_PAGE);
}

/* A process has died, and nothing of it was swept yet: in its page, or a run, the block that was to be
 * the root's. */
static void left_by_the_dead(size_t size)
{
    void *at;

    some_in_use();
    if (alloc_free(&arena, ROOT, block(notes()->root[2])) < 0 || get(PROCESS(5), size, &at) < 0)
        __builtin_trap();
    notes()->root[2] = number(at);
    notes()->root_size[2] = takes(size);
    memset((char *)at + size - 8, 0x5a, 8);
}
static void small_of_the_dead(void)
{
    left_by_the_dead(SMALL);
}
static void large_of_the_dead(void)
{
    left_by_the_dead(LARGE);
}

/* The dead had a page before: a page without a home, in it a block of the root's. */
static void page_without_home(void)
{
    void *at[2];

    some_in_use();
    for (unsigned i = 0; i < 2; i++)
        if (get(PROCESS(5), SMALL, &at[i]) < 0)
            __builtin_trap();
    alloc_transfer(&arena, at[1], PROCESS(5), ROOT);
    alloc_sweep(&arena, PROCESS(5));
    alloc_free(&arena, ROOT, block(notes()->root[0]));
    notes()->root[0] = number(at[1]);
    memset((char *)at[1] + SMALL - 8, 0x5a, 8);
}

/* -- what is done ----------------------------------------------------------------------------------- */

static int take(unsigned p, unsigned slot, size_t size)
{
    void *at;
    int r = get(PROCESS(p), size, &at);

    if (r < 0)
        return r;
    notes()->mine[p][slot] = number(at);
    notes()->mine_size[p][slot] = takes(size);
    memset((char *)at + size - 8, (int)(0x10 + p), 8);
    return 0;
}

static int drop(unsigned p, unsigned slot)
{
    void *at = block(notes()->mine[p][slot]);

    notes()->mine[p][slot] = 0;
    return alloc_free(&arena, PROCESS(p), at);
}

static int drop_roots(unsigned p, unsigned r)
{
    __atomic_fetch_or(&notes()->freed, UINT64_C(1) << r, __ATOMIC_SEQ_CST);
    return alloc_free(&arena, PROCESS(p), block(notes()->root[r]));
}

static int small(void)
{
    return take(0, 0, SMALL);
}
static int small_twice(void)
{
    int r = take(0, 0, SMALL);

    return r < 0 ? r : take(0, 1, SMALL);
}
static int tiny(void) /* a page of nearly a thousand blocks is made */
{
    void *at;

    return get(PROCESS(0), 1, &at);
}
static int large(void)
{
    return take(0, 0, LARGE);
}
static int small_and_free(void)
{
    int r = take(0, 0, SMALL);

    return r < 0 ? r : drop(0, 0);
}
static int large_and_free(void)
{
    int r = take(0, 0, LARGE);

    return r < 0 ? r : drop(0, 0);
}
static int free_small_of_root(void)
{
    return drop_roots(0, 0);
}
static int free_large_of_root(void)
{
    return drop_roots(0, 1);
}

static int give(size_t size)
{
    int r = take(0, 0, size);

    if (r < 0)
        return r;
    notes()->given_size = notes()->mine_size[0][0];
    notes()->given = notes()->mine[0][0];
    return alloc_transfer(&arena, block(notes()->given), OWNER_NOBODY, OWNER_CREW);
}
static int give_small(void)
{
    return give(SMALL);
}
static int give_large(void)
{
    return give(LARGE);
}

/* The root collects what the dead left, while its supervisor sees to it that nothing is lost. They
 * are one process: neither dies without the other. */
static int collect(void)
{
    return alloc_transfer(&arena, block(notes()->root[2]), OWNER_NOBODY, ROOT);
}
static int collect_and_free(void)
{
    int r = collect();

    return r < 0 ? r : drop_roots(0, 2);
}
static int supervise(void)
{
    /* the block may be the root's by now, or free */
    alloc_transfer(&arena, block(notes()->root[2]), PROCESS(5), ROOT);
    alloc_sweep(&arena, PROCESS(5));
    return 0;
}

/* Two have the same block of the root: the first gives it to the crew, the second does so too, or frees
 * it before or after. */
static int give_roots(unsigned r)
{
    return alloc_transfer(&arena, block(notes()->root[r]), OWNER_NOBODY, OWNER_CREW);
}
static int give_roots_small(void)
{
    return give_roots(0);
}
static int give_roots_large(void)
{
    return give_roots(1);
}
static int give_small_if_there(void)
{
    give_roots(0);
    return 0;
}
static int give_large_if_there(void)
{
    give_roots(1);
    return 0;
}
static int free_roots_small_1(void)
{
    return drop_roots(1, 0);
}
static int free_roots_large_1(void)
{
    return drop_roots(1, 1);
}

/* More than there is room for side by side: one may get nothing. */
#define MUCH (ARENA_PAGE * 9)

static int much_0(void)
{
    int r = take(0, 0, MUCH);

    return r == -ENOMEM ? 0 : r;
}
static int much_1(void)
{
    int r = take(1, 0, MUCH);

    return r == -ENOMEM ? 0 : r;
}
static int mixed_0(void)
{
    int r = take(0, 0, LARGE);

    return r < 0 ? r : take(0, 1, SMALL);
}
static int mixed_1(void)
{
    int r = take(1, 0, SMALL);

    if (r == 0)
        r = take(1, 1, LARGE);
    return r < 0 ? r : drop(1, 1);
}
static int free_roots_1(void)
{
    int r = drop_roots(1, 0);

    return r < 0 ? r : drop_roots(1, 1);
}
static int free_roots_backwards(void)
{
    int r = drop_roots(0, 2);

    return r < 0 ? r : take(0, 0, LARGE);
}

/* -- and then --------------------------------------------------------------------------------------- */

static void sweep(unsigned dead)
{
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (dead >> p & 1)
            alloc_sweep(&arena, PROCESS(p));
}

static bool marked(uint64_t n, size_t takes_bytes, int mark)
{
    const unsigned char *at = block(n);
    size_t size = takes_bytes == SMALL_TAKES ? SMALL : takes_bytes;

    if (size > SMALL && size != ARENA_PAGE)
        size = size == takes(LARGE) ? LARGE : MUCH;
    for (size_t i = size - 8; i < size; i++)
        if (at[i] != mark)
            return false;
    return true;
}

/* All free pages can be had, and freed again. */
static const char *get_all(size_t used_pages)
{
    void *at[PAGES];
    size_t n = 0;
    struct crew_memory_stats stats;
    struct alloc_cache cache;

    alloc_cache_init(&cache, NEWCOMER);
    while (n < PAGES && alloc_block(&arena, &cache, ARENA_PAGE, &at[n]) == 0)
        n++;
    if (n != arena.shm->pages - used_pages)
        return n < arena.shm->pages - used_pages ? "lost: pages that can't be had any more"
                                                 : "twice: more pages than there are";
    while (n > 0)
        if (alloc_free(&arena, NEWCOMER, at[--n]) < 0)
            return "a new block can't be freed";
    return alloc_check(&arena, &stats);
}

/* It belongs to the root, or to whom that was given. */
static bool is_there(uint64_t n)
{
    return alloc_transfer(&arena, block(n), ROOT, ROOT) == 0 ||
           alloc_transfer(&arena, block(n), OWNER_CREW, OWNER_CREW) == 0;
}

static const char *check(const struct death_end *ends)
{
    struct notes *n = notes();
    struct crew_memory_stats stats;
    const char *wrong = alloc_check(&arena, &stats);
    size_t used = 0, blocks = 0;
    size_t used_pages = 0;
    bool in_doubt = false;
    void *at;

    if (wrong)
        return wrong;
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        if (ends[p].how == DEATH_RETURNED && ends[p].result < 0)
            return "broken: a call failed";
    for (unsigned r = 0; r < ROOT_BLOCKS; r++) {
        if (n->root[r] == 0)
            continue;
        if ((n->freed >> r & 1) && !is_there(n->root[r]))
            continue; /* it was freed */
        if ((n->freed >> r & 1) && ends[0].how != DEATH_KILLED && ends[1].how != DEATH_KILLED)
            return "lost: a block that was freed is still in use";
        if (!marked(n->root[r], n->root_size[r], 0x5a))
            return "twice: a block of the root was written to";
        used += n->root_size[r];
        blocks++;
    }
    for (unsigned p = 0; p < DEATH_PROCESSES; p++)
        for (unsigned s = 0; s < 2; s++) {
            if (n->mine[p][s] == 0 || ends[p].how != DEATH_RETURNED)
                continue;
            if (ends[1].how == DEATH_ABSENT)
                continue; /* every_store: it died after it returned */
            if (!marked(n->mine[p][s], n->mine_size[p][s], (int)(0x10 + p)))
                return "twice: a block of a living process was written to";
            used += n->mine_size[p][s];
            blocks++;
        }
    if (n->given) {
        in_doubt = ends[0].how == DEATH_KILLED;
        if (alloc_transfer(&arena, block(n->given), OWNER_CREW, OWNER_CREW) == 0) {
            used += n->given_size;
            blocks++;
        } else if (!in_doubt) {
            return "lost: a block that was given to the crew";
        }
    }
    if (stats.used != used || stats.blocks != blocks)
        return stats.used > used ? "lost: memory that belongs to nobody alive"
                                 : "twice: a block of the living was freed";
    /* who wants it all makes a free page of each that nobody uses */
    if (get(NEWCOMER, arena.shm->pages * ARENA_PAGE, &at) == 0)
        alloc_free(&arena, NEWCOMER, at);
    for (uint64_t p = 0; p < load_acquire(&arena.shm->bought); p++)
        used_pages += load_acquire(arena_word(&arena, p)) != 0;
    wrong = get_all(used_pages);
    if (!wrong && (get(NEWCOMER, SMALL, &at) < 0 || alloc_free(&arena, NEWCOMER, at) < 0))
        wrong = "no small block can be had";
    return wrong;
}

#define ALLOC_CASE(what, before, ...)                                                        \
    { .name = "alloc: " what, .size = sizeof(struct memory), .setup = before,                \
      .recover = sweep, .check = check, .operation = { __VA_ARGS__ }
#define ROOT_ALONE .immortal = 3

static const struct death_case list[] = {
    ALLOC_CASE("small, in a new page", some_in_use, small) },
    ALLOC_CASE("small, in a page without a home", page_without_home, small) },
    ALLOC_CASE("two small", empty, small_twice) },
    ALLOC_CASE("tiny, in a new page", some_in_use, tiny) },
    ALLOC_CASE("large", some_in_use, large) },
    ALLOC_CASE("small, and free", some_in_use, small_and_free) },
    ALLOC_CASE("large, and free", empty, large_and_free) },
    ALLOC_CASE("free a small one of the root", some_in_use, free_small_of_root) },
    ALLOC_CASE("free a large one of the root", some_in_use, free_large_of_root) },
    ALLOC_CASE("give a small one", some_in_use, give_small) },
    ALLOC_CASE("give a large one", some_in_use, give_large) },
    ALLOC_CASE("two want more than half", empty, much_0, much_1) },
    ALLOC_CASE("two, small and large", some_in_use, mixed_0, mixed_1) },
    ALLOC_CASE("one frees, one allocates", some_in_use, free_roots_backwards, free_roots_1) },
    ALLOC_CASE("a small one of the dead is handed on twice at once", small_of_the_dead, collect,
               supervise), ROOT_ALONE },
    ALLOC_CASE("a large one of the dead is handed on twice at once", large_of_the_dead, collect,
               supervise), ROOT_ALONE },
    ALLOC_CASE("a small one of the dead is handed on, and freed meanwhile", small_of_the_dead,
               collect_and_free, supervise), ROOT_ALONE },
    ALLOC_CASE("a large one of the dead is handed on, and freed meanwhile", large_of_the_dead,
               collect_and_free, supervise), ROOT_ALONE },
    ALLOC_CASE("two give the same small one", some_in_use, give_roots_small, give_roots_small) },
    ALLOC_CASE("two give the same large one", some_in_use, give_roots_large, give_roots_large) },
    ALLOC_CASE("one gives a small one, one frees it", some_in_use, give_small_if_there,
               free_roots_small_1) },
    ALLOC_CASE("one gives a large one, one frees it", some_in_use, give_large_if_there,
               free_roots_large_1) },
};

const struct death_cases alloc_cases = { list, sizeof list / sizeof list[0] };
