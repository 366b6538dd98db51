/* Description: a block of the arena overlaps another, is unaligned, is lost, or outlives crew_fini(). */
#include "watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>

#define MIB ((size_t)1 << 20)

static const size_t sizes[] = {
    0,    1,    63,    64,    65,    100,   128,   1000,  1024,    1025,    4096,    4097,    8128,
    8129, 9344, 16320, 16321, 21760, 21761, 32704, 32705, 32768,   32769,   65535,   65536,   65537,
    131072, 1000000, 3 * MIB + 1, 8 * MIB,
};
#define SIZES (sizeof sizes / sizeof *sizes)

static void *get(size_t size)
{
    void *block = NULL;

    ck_assert_ok(crew_memory_alloc(&block, size));
    ck_assert_ptr_nonnull(block);
    return block;
}

START_TEST(a_block_of_any_size_can_be_filled)
{
    for (size_t i = 0; i < SIZES; i++) {
        size_t size = sizes[i] ? sizes[i] : 1;
        unsigned char *block = get(sizes[i]);

        memset(block, (int)i + 1, size);
        ck_assert_uint_eq(block[0], i + 1);
        ck_assert_uint_eq(block[size - 1], i + 1);
        crew_memory_free(block);
    }
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(blocks_begin_at_multiples_of_64_bytes)
{
    for (size_t i = 0; i < SIZES; i++)
        for (int n = 0; n < 3; n++)
            ck_assert_uint_eq((uintptr_t)get(sizes[i]) % 64, 0);
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(blocks_of_32_kib_and_more_begin_at_multiples_of_64_kib)
{
    for (size_t i = 0; i < SIZES; i++)
        if (sizes[i] >= 32768)
            ck_assert_uint_eq((uintptr_t)get(sizes[i]) % 65536, 0);
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(blocks_do_not_overlap)
{
    unsigned char *block[SIZES];

    for (size_t i = 0; i < SIZES; i++) {
        block[i] = get(sizes[i]);
        memset(block[i], (int)i, sizes[i] ? sizes[i] : 1);
    }
    for (size_t i = 0; i < SIZES; i++) {
        for (size_t k = 0; k < (sizes[i] ? sizes[i] : 1); k++)
            if (block[i][k] != i)
                ck_abort_msg("byte %zu of a block of %zu is %u", k, sizes[i], block[i][k]);
        crew_memory_free(block[i]);
    }
    ck_assert_uint_eq(watch_memory().blocks, 0);
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(freed_memory_is_used_again)
{
    for (size_t i = 0; i < SIZES; i++)
        crew_memory_free(get(sizes[i]));

    size_t bought = watch_memory().bought;

    for (int n = 0; n < 200; n++)
        for (size_t i = 0; i < SIZES; i++)
            crew_memory_free(get(sizes[i]));
    ck_assert_uint_eq(watch_memory().bought, bought);
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(freeing_nothing_is_allowed)
{
    crew_memory_free(NULL);
    ck_assert_ok(crew_init(NULL));
    crew_memory_free(NULL);
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(stats_count_what_is_in_use)
{
    void *small = get(100);
    void *large = get(100000);
    struct crew_memory_stats stats = watch_memory();

    ck_assert_uint_eq(stats.blocks, 2);
    ck_assert_uint_eq(stats.used, 128 + 131072);
    ck_assert_uint_ge(stats.bought, stats.used);
    ck_assert_uint_ge(stats.limit, stats.bought);
    crew_memory_free(small);
    crew_memory_free(large);
    ck_assert_uint_eq(watch_memory().blocks, 0);
    ck_assert_uint_eq(watch_memory().used, 0);
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(stats_without_an_arena_are_zero)
{
    struct crew_memory_stats stats = { 1, 2, 3, 4 };

    ck_assert_error(crew_memory_stats(&stats), CREW_ECLOSED);
    ck_assert_uint_eq(stats.limit + stats.bought + stats.used + stats.blocks, 0);
}
END_TEST

START_TEST(contains_tells_the_arena_from_other_memory)
{
    int local;
    char *block = get(1000);

    ck_assert(crew_memory_contains(block, 1));
    ck_assert(crew_memory_contains(block, 1000));
    ck_assert(crew_memory_contains(block + 999, 0));
    ck_assert(!crew_memory_contains(block, SIZE_MAX));
    ck_assert(!crew_memory_contains(block, SIZE_MAX - (uintptr_t)block));
    ck_assert(!crew_memory_contains(&local, sizeof local));
    ck_assert(!crew_memory_contains(NULL, 0));
    ck_assert(!crew_memory_contains(NULL, 1));
    ck_assert(!crew_memory_contains((void *)UINTPTR_MAX, 1));
    ck_assert_ok(crew_fini());
    ck_assert(!crew_memory_contains(block, 1));
}
END_TEST

START_TEST(an_arena_that_is_full_says_no_memory)
{
    const size_t size[] = { 64, 5000, 32704, 65536, 200000 };

    for (size_t s = 0; s < sizeof size / sizeof *size; s++) {
        void **list = NULL;
        size_t count = 0;
        void *block;
        int r;

        ck_assert_ok(crew_init(&(struct crew_options){ .arena_size = 4 * MIB }));
        while ((r = crew_memory_alloc(&block, size[s])) == 0) {
            memset(block, 0xA5, size[s]);
            *(void ***)block = list;
            list = block;
            count++;
        }
        ck_assert_int_eq(r, -ENOMEM);
        ck_assert_uint_gt(count * size[s], 2 * MIB);
        ck_assert_uint_eq(watch_memory().blocks, count);
        while (list) {
            void **next = *list;

            crew_memory_free(list);
            list = next;
        }
        /* all of it can be had again, in another shape */
        block = get(3 * MIB);
        memset(block, 1, 3 * MIB);
        ck_assert_ok(crew_fini());
    }
}
END_TEST

START_TEST(more_than_any_arena_holds_is_no_memory)
{
    void *block = &block;
    const size_t much[] = { SIZE_MAX, SIZE_MAX / 2, (size_t)1 << 50, SIZE_MAX - 65535 };

    for (size_t i = 0; i < sizeof much / sizeof *much; i++)
        ck_assert_error(crew_memory_alloc(&block, much[i]), -ENOMEM);
    ck_assert_ptr_eq(block, &block); /* untouched */
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(an_arena_is_no_larger_than_was_asked)
{
    const size_t size[] = { 1, 4 * MIB, 5 * MIB + 1, 64 * MIB };

    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
        size_t least = size[i] < 4 * MIB ? 4 * MIB : size[i];

        ck_assert_ok(crew_init(&(struct crew_options){ .arena_size = size[i] }));
        ck_assert_uint_le(watch_memory().limit, least + 65536);
        ck_assert_uint_gt(watch_memory().limit, least - least / 8);
        ck_assert_ok(crew_fini());
    }
}
END_TEST

START_TEST(reserved_options_must_be_zero)
{
    for (int i = 0; i < 4; i++) {
        struct crew_options options = { 0 };

        options.reserved[i] = 1;
        ck_assert_error(crew_init(&options), -EINVAL);
    }
    ck_assert_uint_eq(watch_arenas(), 0);
}
END_TEST

START_TEST(init_twice_keeps_the_first_arena)
{
    void *block;

    ck_assert_ok(crew_init(&(struct crew_options){ .arena_size = 8 * MIB }));
    block = get(10);
    ck_assert_ok(crew_init(&(struct crew_options){ .arena_size = 64 * MIB }));
    ck_assert(crew_memory_contains(block, 10));
    ck_assert_uint_le(watch_memory().limit, 8 * MIB);
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(fini_without_init_is_success)
{
    ck_assert_ok(crew_fini());
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(fini_gives_back_descriptors_and_mappings)
{
    struct holdings before = watch_holdings();

    for (int i = 0; i < 20; i++) {
        get(100);
        get(1000000);
        ck_assert_uint_eq(watch_arenas(), before.mappings + 1);
        ck_assert_ok(crew_fini());
        ck_assert_held(before);
    }
}
END_TEST

START_TEST(an_arena_after_fini_is_a_new_one)
{
    get(100);
    ck_assert_ok(crew_fini());
    get(100);
    ck_assert_uint_eq(watch_memory().blocks, 1);
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(a_given_block_can_be_freed)
{
    void *small = get(10);
    void *large = get(100000);

    crew_memory_give(small);
    crew_memory_give(large);
    ck_assert_uint_eq(watch_memory().blocks, 2);
    crew_memory_free(small);
    crew_memory_free(large);
    ck_assert_uint_eq(watch_memory().blocks, 0);
    ck_assert_ok(crew_fini());
}
END_TEST

/* A small generator, so that a failure comes again. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t random_size(uint64_t *state)
{
    static const size_t most[] = { 64, 300, 5000, 40000, 400000 };

    return next_random(state) % most[next_random(state) % 5];
}

struct held {
    unsigned char *block;
    size_t size;
    unsigned char fill;
};

#define HELD 300

/* Allocates and frees at random; each block keeps its own bytes at both ends, and all between at its
 * death. Returns how many bytes were not as they were left. */
static size_t churn(uint64_t seed, unsigned steps)
{
    static _Thread_local struct held held[HELD];
    size_t wrong = 0;

    for (unsigned n = 0; n < steps; n++) {
        struct held *h = &held[next_random(&seed) % HELD];

        if (h->block) {
            for (size_t i = 0; i < h->size; i += h->size < 5000 ? 1 : 61)
                wrong += h->block[i] != h->fill;
            crew_memory_free(h->block);
            h->block = NULL;
        } else {
            h->size = random_size(&seed) + 1;
            h->fill = (unsigned char)next_random(&seed);
            if (crew_memory_alloc((void **)&h->block, h->size) < 0) {
                h->block = NULL;
                continue;
            }
            memset(h->block, h->fill, h->size);
        }
    }
    for (unsigned i = 0; i < HELD; i++) {
        crew_memory_free(held[i].block);
        held[i].block = NULL;
    }
    return wrong;
}

START_TEST(random_blocks_keep_what_is_written_into_them)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        ck_assert_uint_eq(churn(seed * 7919, 20000), 0);
    ck_assert_uint_eq(watch_memory().blocks, 0);
    ck_assert_uint_eq(watch_memory().used, 0);
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(random_blocks_of_a_small_arena_keep_what_is_written_into_them)
{
    ck_assert_ok(crew_init(&(struct crew_options){ .arena_size = 4 * MIB }));
    for (uint64_t seed = 1; seed <= 4; seed++)
        ck_assert_uint_eq(churn(seed * 104729, 20000), 0);
    ck_assert_uint_eq(watch_memory().blocks, 0);
    ck_assert_ok(crew_fini());
}
END_TEST

static void *churn_thread(void *seed)
{
    return (void *)(uintptr_t)churn((uintptr_t)seed, 10000);
}

START_TEST(threads_allocate_at_once)
{
    pthread_t thread[4];

    ck_assert_ok(crew_init(&(struct crew_options){ .arena_size = 64 * MIB }));
    for (uintptr_t i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, churn_thread, (void *)(i * 31 + 17)), 0);
    for (int i = 0; i < 4; i++) {
        void *wrong;

        pthread_join(thread[i], &wrong);
        ck_assert_ptr_null(wrong);
    }
    ck_assert_uint_eq(watch_memory().blocks, 0);
    ck_assert_ok(crew_fini());
}
END_TEST

static void *init_thread(void *unused)
{
    void *block;

    (void)unused;
    return crew_memory_alloc(&block, 100) == 0 ? block : NULL;
}

START_TEST(the_first_call_makes_one_arena_for_all_threads)
{
    for (int n = 0; n < 20; n++) {
        pthread_t thread[4];
        void *block[4];

        for (int i = 0; i < 4; i++)
            ck_assert_int_eq(pthread_create(&thread[i], NULL, init_thread, NULL), 0);
        for (int i = 0; i < 4; i++)
            pthread_join(thread[i], &block[i]);
        for (int i = 0; i < 4; i++)
            ck_assert(crew_memory_contains(block[i], 100));
        ck_assert_uint_eq(watch_memory().blocks, 4);
        ck_assert_uint_eq(watch_arenas(), 1);
        ck_assert_ok(crew_fini());
    }
}
END_TEST

UNIT_TESTS("memory", a_block_of_any_size_can_be_filled, blocks_begin_at_multiples_of_64_bytes,
           blocks_of_32_kib_and_more_begin_at_multiples_of_64_kib, blocks_do_not_overlap,
           freed_memory_is_used_again, freeing_nothing_is_allowed, stats_count_what_is_in_use,
           stats_without_an_arena_are_zero, contains_tells_the_arena_from_other_memory,
           an_arena_that_is_full_says_no_memory, more_than_any_arena_holds_is_no_memory,
           an_arena_is_no_larger_than_was_asked, reserved_options_must_be_zero,
           init_twice_keeps_the_first_arena, fini_without_init_is_success,
           fini_gives_back_descriptors_and_mappings, an_arena_after_fini_is_a_new_one,
           a_given_block_can_be_freed, random_blocks_keep_what_is_written_into_them,
           random_blocks_of_a_small_arena_keep_what_is_written_into_them, threads_allocate_at_once,
           the_first_call_makes_one_arena_for_all_threads)
