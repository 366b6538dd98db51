/* alloc.c - the allocator: it survives the death of any process at any instruction.
 *
 * Every page of 64 KiB has one word in the page table; a page of small blocks has one word for each
 * of its blocks at its own beginning. A word says what the page or block is AND whose, so that
 * taking and naming the taker are one compare-and-swap. There is no free list to break: a block is
 * free if its word is 0.
 *
 *   page word   kind:3  value:29  owner:32
 *
 *     FREE                              all zero
 *     TRANSIT(pages, who)               'who' makes a run of 'pages' out of free ones, beginning
 *                                       here, or takes it apart, or sets up a small page (pages = 1)
 *     PART(head)                        belongs to the run that begins at page 'head'
 *     RUN(pages, owner)                 a large block
 *     SMALL(class, home)                small blocks of one size. Only 'home' allocates in it;
 *                                       anybody frees. home 0: whoever comes first may move in. A bit
 *                                       beside the class: a process that is not at home may own one
 *
 *   block word  owner:32                0: free
 *
 *          alloc large [A]                 [B]
 *   FREE -------------------> TRANSIT ------------> RUN         [A] the head, then each further page
 *    ^                         ^  |                  |              FREE -> PART by compare-and-swap
 *    +----- [D] last of all ---+--+------ [C] -------+          [D] the parts first, the head last
 *
 *          small page [E]                  [F]
 *   FREE -------------------> TRANSIT ------------> SMALL       its block words are zeroed between
 *
 *   block: 0 -- alloc [G] --> owner -- free [H] --> 0           one compare-and-swap each
 *
 * Order  [B] [F] release -> acquire of the page word in free(): the run's length, the zeroed words
 *        [H] release -> [G] acquire: who freed it is through with its bytes
 *        (all arrows are seq_cst read-modify-write or release stores of a word that the storer owns)
 *
 * The owner dies ...           others see           sweep
 *   before [A], [E], [G]       FREE, 0              nothing was taken
 *   between [A] and [B]        TRANSIT(dead), some  every PART(head) of the run -> FREE, then the
 *                              PART(head)           head -> FREE
 *   between [E] and [F]        TRANSIT(dead)        -> FREE
 *   holding a block            RUN(dead), dead      -> FREE by way of TRANSIT(dead); 0
 *   between [C] and [D]        TRANSIT(dead)        as between [A] and [B]
 *   home of a page             SMALL(.., dead)      blocks of the dead -> 0; then the page -> FREE if
 *                                                   it is empty, else home -> 0
 *   the sweeper itself         one of the above     nothing is half done: the next sweep starts over
 *
 * PART(head) can be trusted while the head is in TRANSIT: only the run of 'head' makes such words,
 * and nobody else can get 'head'.
 *
 * A block is always in a page whose home is its allocator, or was: blocks change owner by
 * alloc_transfer() only, which marks the page of a small block before it gives that to a process that is
 * not at home there. So the sweep reads the dead's pages, and those that are marked. */
#include "alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum page_kind { FREE = 0, TRANSIT, PART, RUN, SMALL, KINDS };

#define VALUE_BITS 29
#define CLASS_MASK UINT64_C(31) /* of the value of a small page */
#define VISITED (UINT64_C(1) << 28)
#define VALUE_MASK ((UINT64_C(1) << VALUE_BITS) - 1)
#define SEARCH_LIMIT 64 /* pages looked at before a new one is taken */

static uint64_t page_word(enum page_kind kind, uint64_t value, uint32_t owner)
{
    return (uint64_t)kind | value << 3 | (uint64_t)owner << 32;
}

static enum page_kind word_kind(uint64_t word)
{
    return (enum page_kind)(word & 7);
}

static uint64_t word_value(uint64_t word)
{
    return word >> 3 & VALUE_MASK;
}

static uint32_t word_owner(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static unsigned word_class(uint64_t word)
{
    return (unsigned)(word_value(word) & CLASS_MASK);
}

/* -- size classes -------------------------------------------------------------------------- */

/* Bytes of a block: multiples of the cache line; eight steps, then four for each doubling, then what
 * divides a page well. */
static const uint16_t class_size[ALLOC_CLASSES] = {
    64,   128,  192,  256,  320,  384,  448,  512,  640,   768,   896,   1024,
    1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096, 4672,  5440,  6528,  8128,
    9344, 10880, 13056, 16320, 21760, 32704,
};
static_assert(sizeof class_size / sizeof class_size[0] == ALLOC_CLASSES, "one size a class");

static unsigned class_of(size_t size)
{
    unsigned c = 0;

    while (class_size[c] < size)
        c++;
    return c;
}

static size_t blocks_offset(unsigned count)
{
    return ((size_t)count * sizeof(uint32_t) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static unsigned class_count(unsigned c)
{
    unsigned n = (unsigned)(ARENA_PAGE / (class_size[c] + sizeof(uint32_t)));

    while (blocks_offset(n) + (size_t)n * class_size[c] > ARENA_PAGE)
        n--;
    return n;
}

static _Atomic uint32_t *block_words(const struct arena *arena, uint64_t page)
{
    return arena_page(arena, page);
}

/* -- pages --------------------------------------------------------------------------------- */

/* [D]: frees the parts of the run at 'head', then the head, which is in TRANSIT with this word. */
static void take_apart(struct arena *arena, uint64_t head, uint64_t word)
{
    uint64_t pages = word_value(word);
    uint64_t hint = load_relaxed(&arena->shm->free_hint);

    for (uint64_t i = head + 1; i < head + pages && i < arena->shm->pages; i++) {
        uint64_t part = page_word(PART, head, OWNER_NOBODY);

        swap_if(arena_word(arena, i), &part, 0);
    }
    if (swap_if(arena_word(arena, head), &word, 0) && head < hint)
        store_relaxed(&arena->shm->free_hint, head);
}

/* True if nobody uses a block of the small page. Only its home, or the sweeper of a dead one, may
 * rely on the answer. */
static bool page_is_empty(const struct arena *arena, uint64_t page, unsigned c)
{
    unsigned n = class_count(c);

    for (unsigned i = 0; i < n; i++)
        if (load_acquire(&block_words(arena, page)[i]) != 0)
            return false;
    return true;
}

/* Makes 'me' the home of a small page, if nobody's; '*word' is its word. False: it is another's. */
static bool move_in(struct arena *arena, uint64_t page, uint64_t *word, uint32_t me)
{
    uint64_t mine = page_word(SMALL, word_value(*word), me);

    if (word_owner(*word) == OWNER_NOBODY && swap_if(arena_word(arena, page), word, mine))
        *word = mine;
    return *word == mine;
}

/* Turns small pages of 'me', or of nobody, that are empty into free ones. True if there was one. */
static bool give_up_empty_pages(struct arena *arena, struct alloc_cache *cache)
{
    uint64_t bought = load_acquire(&arena->shm->bought);
    bool any = false;

    for (uint64_t p = 0; p < bought; p++) {
        uint64_t word = load_acquire(arena_word(arena, p));
        unsigned c = word_class(word);

        if (word_kind(word) != SMALL || !move_in(arena, p, &word, cache->owner) ||
            !page_is_empty(arena, p, c) || !swap_if(arena_word(arena, p), &word, 0))
            continue;
        if (cache->page[c] == p + 1)
            cache->page[c] = 0;
        if (p < load_relaxed(&arena->shm->free_hint))
            store_relaxed(&arena->shm->free_hint, p);
        any = true;
    }
    return any;
}

/* [A]: tries to make a run of 'pages' at 'head', all of it bought. On failure '*next' is the page to
 * go on from. */
static bool claim_run(struct arena *arena, uint32_t me, uint64_t head, uint64_t pages, uint64_t *next)
{
    uint64_t word = page_word(TRANSIT, pages, me);
    uint64_t expected = 0;

    *next = head + 1;
    if (!swap_if(arena_word(arena, head), &expected, word))
        return false;
    for (uint64_t i = head + 1; i < head + pages; i++) {
        expected = 0;
        if (!swap_if(arena_word(arena, i), &expected, page_word(PART, head, OWNER_NOBODY))) {
            take_apart(arena, head, word);
            *next = i + 1;
            return false;
        }
    }
    return true;
}

/* Finds 'pages' free pages in a row, buying if there are none; leaves them in TRANSIT(me). */
static int find_run(struct arena *arena, struct alloc_cache *cache, uint64_t pages, uint64_t *head)
{
    struct arena_shm *shm = arena->shm;
    bool tidied = false;

    if (pages > shm->pages)
        return -ENOMEM;
    for (;;) {
        uint64_t bought = load_acquire(&shm->bought);
        uint64_t start = 0;    /* of the free pages in a row that end at p */
        uint64_t lowest = bought;
        uint64_t hint = load_relaxed(&shm->free_hint);
        uint64_t p = hint < bought ? hint : 0;
        uint64_t first = p;
        int r;

        start = p;
        while (p < bought) {
            if (load_relaxed(arena_word(arena, p)) != 0) {
                start = ++p;
                continue;
            }
            lowest = p < lowest ? p : lowest;
            if (++p - start == pages) {
                if (claim_run(arena, cache->owner, start, pages, &p)) {
                    if (lowest == start)
                        store_relaxed(&shm->free_hint, start + pages);
                    *head = start;
                    return 0;
                }
                start = p;
            }
        }
        if (first > 0) { /* the hint may have been wrong: once from the beginning */
            store_relaxed(&shm->free_hint, 0);
            continue;
        }
        if (!tidied && give_up_empty_pages(arena, cache)) {
            tidied = true;
            continue;
        }
        tidied = true;
        r = arena_buy(arena, start + pages);
        if (r < 0)
            return r;
    }
}

static int alloc_run(struct arena *arena, struct alloc_cache *cache, size_t size, void **block)
{
    uint64_t pages = size / ARENA_PAGE + (size % ARENA_PAGE != 0);
    uint64_t head;
    int r = find_run(arena, cache, pages, &head);

    if (r < 0)
        return r;
    store_release(arena_word(arena, head), page_word(RUN, pages, cache->owner)); /* [B] */
    *block = arena_page(arena, head);
    return 0;
}

/* -- small blocks -------------------------------------------------------------------------- */

/* [G]: takes a free block of a page whose home is the caller. */
static bool take_in_page(struct arena *arena, struct alloc_cache *cache, unsigned c, uint64_t page,
                         void **block)
{
    _Atomic uint32_t *word = block_words(arena, page);
    unsigned n = class_count(c);
    unsigned from = cache->page[c] == page + 1 ? cache->cursor[c] : 0;

    for (unsigned k = 0; k < n; k++) {
        unsigned i = from + k < n ? from + k : from + k - n;
        uint32_t expected = 0;

        if (load_relaxed(&word[i]) != 0 || !swap_if(&word[i], &expected, cache->owner))
            continue;
        cache->page[c] = (uint32_t)page + 1;
        cache->cursor[c] = (uint16_t)(i + 1 < n ? i + 1 : 0);
        *block = (char *)arena_page(arena, page) + blocks_offset(n) + (size_t)i * class_size[c];
        return true;
    }
    return false;
}

/* Looks through the next few pages for one of the class that is the caller's, or nobody's. */
static bool take_in_old_page(struct arena *arena, struct alloc_cache *cache, unsigned c, void **block)
{
    uint64_t bought = load_acquire(&arena->shm->bought);
    uint64_t looks = bought < SEARCH_LIMIT ? bought : SEARCH_LIMIT;

    for (; looks > 0; looks--) {
        uint64_t p = cache->rotor[c] < bought ? cache->rotor[c] : 0;
        uint64_t word = load_acquire(arena_word(arena, p));

        cache->rotor[c] = (uint32_t)p + 1;
        if (word_kind(word) != SMALL || word_class(word) != c)
            continue;
        if (!move_in(arena, p, &word, cache->owner))
            continue;
        if (take_in_page(arena, cache, c, p, block))
            return true;
    }
    return false;
}

static int alloc_small(struct arena *arena, struct alloc_cache *cache, unsigned c, void **block)
{
    uint64_t page;
    int r;

    if (cache->page[c] != 0 && take_in_page(arena, cache, c, cache->page[c] - 1, block))
        return 0;
    if (take_in_old_page(arena, cache, c, block))
        return 0;
    r = find_run(arena, cache, 1, &page); /* [E] */
    if (r < 0)
        return r;
    for (unsigned i = 0; i < class_count(c); i++)
        store_relaxed(&block_words(arena, page)[i], 0);
    store_release(arena_word(arena, page), page_word(SMALL, c, cache->owner)); /* [F] */
    return take_in_page(arena, cache, c, page, block) ? 0 : -ENOMEM;
}

/* -- the room's own face ------------------------------------------------------------------- */

void alloc_cache_init(struct alloc_cache *cache, uint32_t owner)
{
    memset(cache, 0, sizeof *cache);
    cache->owner = owner;
}

int alloc_block(struct arena *arena, struct alloc_cache *cache, size_t size, void **block)
{
    if (size > class_size[ALLOC_CLASSES - 1])
        return alloc_run(arena, cache, size, block);
    return alloc_small(arena, cache, class_of(size), block);
}

/* Finds the word that says whose 'block' is. NULL if no block begins there. '*run' is set to its
 * page word if it is a run, else 0. */
static _Atomic uint32_t *find_small(const struct arena *arena, const void *block, uint64_t *run,
                                    uint64_t *page)
{
    const struct arena_shm *shm = arena->shm;
    uint64_t offset, word;
    unsigned n;

    *run = 0;
    if (!arena_contains(arena, block, 1) ||
        (uint64_t)((const char *)block - (const char *)shm) < shm->first)
        return NULL;
    offset = (uint64_t)((const char *)block - (const char *)shm) - shm->first;
    *page = offset / ARENA_PAGE;
    if (*page >= load_acquire(&shm->bought))
        return NULL;
    word = load_acquire(arena_word(arena, *page));
    offset %= ARENA_PAGE;
    if (word_kind(word) == RUN && offset == 0)
        *run = word;
    if (word_kind(word) != SMALL || word_class(word) >= ALLOC_CLASSES)
        return NULL;
    n = class_count(word_class(word));
    if (offset < blocks_offset(n))
        return NULL;
    offset -= blocks_offset(n);
    if (offset % class_size[word_class(word)] != 0 || offset / class_size[word_class(word)] >= n)
        return NULL;
    return &block_words(arena, *page)[offset / class_size[word_class(word)]];
}

int alloc_free(struct arena *arena, uint32_t me, void *block)
{
    uint64_t run, page;
    _Atomic uint32_t *small = find_small(arena, block, &run, &page);

    if (small) {
        uint32_t owner = load_relaxed(small);

        do { /* it may just be handed on */
            if (owner == 0)
                return -EINVAL;
        } while (!swap_if(small, &owner, 0)); /* [H] */
        return 0;
    }
    if (run == 0)
        return -EINVAL;
    do {
        if (word_kind(run) != RUN)
            return -EINVAL;
    } while (!swap_if(arena_word(arena, page), &run, page_word(TRANSIT, word_value(run), me))); /* [C] */
    take_apart(arena, page, page_word(TRANSIT, word_value(run), me));
    return 0;
}

/* Lets the sweep of 'to' find a block in this page. */
static void mark_visited(struct arena *arena, uint64_t page, uint32_t to)
{
    uint64_t word = load_acquire(arena_word(arena, page));

    while (word_kind(word) == SMALL && word_owner(word) != to && !(word_value(word) & VISITED) &&
           !swap_if(arena_word(arena, page), &word,
                    page_word(SMALL, word_value(word) | VISITED, word_owner(word))))
        ;
}

int alloc_transfer(struct arena *arena, void *block, uint32_t from, uint32_t to)
{
    uint64_t run, page;
    _Atomic uint32_t *small = find_small(arena, block, &run, &page);

    /* Another may hand it on at the same time, as the supervisor does what the dead left: whoever takes
     * it from anybody then takes it from there. */
    if (small) {
        uint32_t owner = load_relaxed(small);

        if (to != OWNER_CREW && owner != 0 && (from == OWNER_NOBODY || owner == from))
            mark_visited(arena, page, to);
        do {
            if (owner == 0 || (from != OWNER_NOBODY && owner != from))
                return -EINVAL;
        } while (!swap_if(small, &owner, to));
        return 0;
    }
    if (run == 0)
        return -EINVAL;
    do {
        if (word_kind(run) != RUN || (from != OWNER_NOBODY && word_owner(run) != from))
            return -EINVAL;
    } while (!swap_if(arena_word(arena, page), &run, page_word(RUN, word_value(run), to)));
    return 0;
}

static void sweep_blocks(struct arena *arena, uint64_t page, unsigned c, uint32_t dead)
{
    unsigned n = class_count(c);

    for (unsigned i = 0; i < n; i++) {
        uint32_t owner = dead;

        if (load_relaxed(&block_words(arena, page)[i]) == dead)
            swap_if(&block_words(arena, page)[i], &owner, 0);
    }
}

static void sweep_small(struct arena *arena, uint64_t page, uint64_t word, uint32_t dead)
{
    unsigned c = word_class(word);
    uint64_t next;

    sweep_blocks(arena, page, c, dead);
    do { /* it may just be marked */
        next = page_is_empty(arena, page, c) ? 0 : page_word(SMALL, word_value(word), OWNER_NOBODY);
    } while (!swap_if(arena_word(arena, page), &word, next) && word_kind(word) == SMALL &&
             word_owner(word) == dead);
    store_relaxed(&arena->shm->free_hint, 0);
}

void alloc_sweep(struct arena *arena, uint32_t dead)
{
    uint64_t bought = load_acquire(&arena->shm->bought);

    for (uint64_t p = 0; p < bought; p++) {
        uint64_t word = load_acquire(arena_word(arena, p));

        if (word_kind(word) == SMALL && word_owner(word) != dead && word_value(word) & VISITED)
            sweep_blocks(arena, p, word_class(word), dead);
        if (word_owner(word) != dead)
            continue;
        if (word_kind(word) == SMALL) {
            sweep_small(arena, p, word, dead);
        } else if (word_kind(word) == RUN) {
            uint64_t transit = page_word(TRANSIT, word_value(word), dead);

            if (swap_if(arena_word(arena, p), &word, transit))
                take_apart(arena, p, transit);
        } else if (word_kind(word) == TRANSIT) {
            take_apart(arena, p, word);
        }
    }
}

const char *alloc_check(const struct arena *arena, struct crew_memory_stats *stats)
{
    const struct arena_shm *shm = arena->shm;
    uint64_t bought = load_acquire(&shm->bought);
    uint64_t run_end = 0;
    uint64_t run_head = 0;

    memset(stats, 0, sizeof *stats);
    if (shm->magic != ARENA_MAGIC)
        return "magic";
    if (bought > shm->pages)
        return "bought beyond the end";
    stats->limit = shm->pages * ARENA_PAGE;
    stats->bought = bought * ARENA_PAGE;
    for (uint64_t p = 0; p < bought; p++) {
        uint64_t word = load_acquire(arena_word(arena, p));
        uint64_t value = word_value(word);

        if (word_kind(word) >= KINDS)
            return "kind of page";
        if (word_kind(word) == PART && p >= run_end)
            return "part without a run";
        if (p < run_end && word_kind(word) != PART)
            return "run with a hole";
        if (word_kind(word) == PART && value != run_head)
            return "part of another run";
        if (word_kind(word) == RUN || word_kind(word) == TRANSIT) {
            if (value == 0 || value > bought - p)
                return "length of run";
            if (word_owner(word) == OWNER_NOBODY)
                return "run of nobody";
        }
        if (word_kind(word) == RUN) {
            run_head = p;
            run_end = p + value;
            stats->used += value * ARENA_PAGE;
            stats->blocks++;
        }
        if (word_kind(word) == TRANSIT)
            return "page in transit"; /* only while somebody is at it, or has died unswept */
        if (word_kind(word) == SMALL) {
            if (word_class(word) >= ALLOC_CLASSES || value & ~(CLASS_MASK | VISITED))
                return "class";
            for (unsigned i = 0; i < class_count(word_class(word)); i++)
                if (load_acquire(&block_words(arena, p)[i]) != 0) {
                    stats->used += class_size[word_class(word)];
                    stats->blocks++;
                }
        }
    }
    return NULL;
}
