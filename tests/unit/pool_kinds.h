/* pool_kinds.h - what a pool promises of every kind. NOUN_test.c says which kind, includes this, and
 * puts POOL_TESTS into its table:
 *
 *     #define KIND CREW_THREADS
 *     #define CALLER_WORKS false
 *     #define MOST_WORKERS 8
 *     #include "pool_kinds.h"
 */
#ifndef POOL_KINDS_H
#define POOL_KINDS_H

#include "pool_tools.h"

static unsigned another_worker_count(unsigned n)
{
    return 1 + n % MOST_WORKERS;
}

/* -- map ---------------------------------------------------------------------------------- */

static void check_squares(const uint64_t *y, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (y[i] != (i * 3 + 1) * (i * 3 + 1) + 1)
            ck_abort_msg("element %llu of %llu is wrong", (unsigned long long)i,
                         (unsigned long long)count);
}

START_TEST(map_computes_each_element_in_the_arena)
{
    unsigned n = 0;

    FOREACH(uint64_t, count, 0, 1, 2, 7, 64, 1001, 100003)
    {
        crew_pool *pool = open_pool(another_worker_count(n++));
        uint64_t *x = shared(*count * 8);
        uint64_t *y = shared(*count * 8);

        fill_up(x, *count);
        ck_assert_ok(crew_pool_map(pool, square, x, 8, y, 8, *count, NULL, CREW_FOREVER));
        check_squares(y, *count);
        crew_memory_free(x);
        crew_memory_free(y);
        close_pool(pool);
    }
    end_crew();
}
END_TEST

START_TEST(map_computes_each_element_of_other_memory)
{
    unsigned n = 0;

    FOREACH(uint64_t, count, 0, 1, 2, 7, 64, 1001, 100003)
    {
        crew_pool *pool = open_pool(another_worker_count(n++));
        uint64_t *x = malloc(*count * 8 + 1);
        uint64_t *y = calloc(*count + 1, 8);

        fill_up(x, *count);
        y[*count] = 77;
        ck_assert_ok(crew_pool_map(pool, square, x, 8, y, 8, *count, NULL, CREW_FOREVER));
        check_squares(y, *count);
        ck_assert_uint_eq(y[*count], 77);
        free(x);
        free(y);
        close_pool(pool);
    }
    end_crew();
}
END_TEST

START_TEST(map_may_write_over_its_input)
{
    const uint64_t count = 5000;
    crew_pool *pool = open_pool(2);
    uint64_t *own = malloc(count * 8);
    uint64_t *arena = shared(count * 8);

    fill_up(own, count);
    fill_up(arena, count);
    ck_assert_ok(crew_pool_map(pool, square, own, 8, own, 8, count, NULL, CREW_FOREVER));
    ck_assert_ok(crew_pool_map(pool, square, arena, 8, arena, 8, count, NULL, CREW_FOREVER));
    check_squares(own, count);
    check_squares(arena, count);
    free(own);
    crew_memory_free(arena);
    close_pool(pool);
    end_crew();
}
END_TEST

static int widen(crew_task *t)
{
    const unsigned char *in = t->input;
    unsigned char *out = t->output;

    for (int i = 0; i < 24; i++)
        out[i] = (unsigned char)(in[i % 3] + i);
    return 0;
}

static int narrow(crew_task *t)
{
    uint64_t x;

    memcpy(&x, t->input, sizeof x);
    *(unsigned char *)t->output = (unsigned char)(x % 251);
    return 0;
}

START_TEST(map_takes_elements_of_any_size)
{
    const uint64_t count = 3001;
    crew_pool *pool = open_pool(2);
    unsigned char *in = malloc(count * 8);
    unsigned char *out = malloc(count * 24);

    for (uint64_t i = 0; i < count * 8; i++)
        in[i] = (unsigned char)(i * 7);
    ck_assert_ok(crew_pool_map(pool, widen, in, 3, out, 24, count, NULL, CREW_FOREVER));
    for (uint64_t i = 0; i < count; i++)
        for (uint64_t k = 0; k < 24; k++)
            ck_assert_uint_eq(out[i * 24 + k], (unsigned char)(in[i * 3 + k % 3] + k));
    ck_assert_ok(crew_pool_map(pool, narrow, in, 8, out, 1, count, NULL, CREW_FOREVER));
    for (uint64_t i = 0; i < count; i++) {
        uint64_t x;

        memcpy(&x, in + i * 8, 8);
        ck_assert_uint_eq(out[i], x % 251);
    }
    free(in);
    free(out);
    close_pool(pool);
    end_crew();
}
END_TEST

static int write_index(crew_task *t)
{
    if (t->input || t->end != t->begin + 1 || t->argument || t->attempt != 1)
        return 1;
    *(uint64_t *)t->output = t->begin + 5;
    return 0;
}

START_TEST(map_without_input_knows_its_index)
{
    const uint64_t count = 999;
    crew_pool *pool = open_pool(2);
    uint64_t *out = calloc(count, 8);

    ck_assert_ok(crew_pool_map(pool, write_index, NULL, 0, out, 8, count, NULL, CREW_FOREVER));
    for (uint64_t i = 0; i < count; i++)
        ck_assert_uint_eq(out[i], i + 5);
    free(out);
    close_pool(pool);
    end_crew();
}
END_TEST

static int add_input(crew_task *t)
{
    struct {
        _Atomic uint64_t *sum;
        uint64_t value;
    } in;

    memcpy(&in, t->input, sizeof in);
    if (t->output)
        return 1;
    atomic_fetch_add(in.sum, in.value);
    return 0;
}

START_TEST(map_without_output_runs_each_element_once)
{
    struct {
        _Atomic uint64_t *sum;
        uint64_t value;
    } in[500];
    crew_pool *pool = open_pool(2);
    _Atomic uint64_t *sum = shared(sizeof *sum);

    for (uint64_t i = 0; i < 500; i++) {
        in[i].sum = sum;
        in[i].value = i;
    }
    ck_assert_ok(crew_pool_map(pool, add_input, in, sizeof in[0], NULL, 0, 500, NULL, CREW_FOREVER));
    ck_assert_uint_eq(atomic_load(sum), 499 * 500 / 2);
    crew_memory_free((void *)sum);
    close_pool(pool);
    end_crew();
}
END_TEST

static int write_worker(crew_task *t)
{
    *(unsigned *)t->output = t->worker;
    return 0;
}

START_TEST(a_task_knows_a_worker_number_below_their_count)
{
    crew_pool *pool = open_pool(MOST_WORKERS < 3 ? MOST_WORKERS : 3);
    unsigned worker[300];
    struct crew_pool_stats stats;

    crew_pool_stats(pool, &stats);
    memset(worker, 0xFF, sizeof worker);
    ck_assert_ok(crew_pool_map(pool, write_worker, NULL, 0, worker, sizeof *worker, 300, NULL,
                               CREW_FOREVER));
    for (int i = 0; i < 300; i++)
        ck_assert_uint_lt(worker[i], stats.workers);
    close_pool(pool);
    end_crew();
}
END_TEST

/* -- for ---------------------------------------------------------------------------------- */

START_TEST(for_runs_each_index_once_in_chunks)
{
    crew_pool *pool = open_pool(3);

    FOREACH(uint64_t, count, 0, 1, 2, 7, 64, 1001, 20000)
    {
        FOREACH(uint64_t, chunk, 1, 2, 3, 64, 1000, UINT64_C(1) << 40, UINT64_MAX)
        {
            mark_all(pool, *count, *chunk, false);
        }
    }
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(for_runs_each_index_once_when_it_adapts)
{
    unsigned n = 0;

    FOREACH(uint64_t, count, 0, 1, 2, 7, 64, 1001, 200003)
    {
        crew_pool *pool = open_pool(another_worker_count(n++));

        mark_all(pool, *count, 0, false);
        mark_all(pool, *count, 0, true);
        close_pool(pool);
    }
    end_crew();
}
END_TEST

struct lengths {
    _Atomic uint64_t *sum; /* of all ranges */
    _Atomic uint64_t *ranges;
};

static int add_length(crew_task *t)
{
    const struct lengths *l = t->argument;

    atomic_fetch_add(l->sum, t->end - t->begin);
    atomic_fetch_add(l->ranges, 1);
    return t->begin < t->end ? 0 : 1;
}

START_TEST(for_counts_as_far_as_64_bits_reach)
{
    struct lengths l = { .sum = shared(8), .ranges = shared(8) };
    crew_pool *pool = open_pool(2);

    FOREACH(uint64_t, chunk, UINT64_MAX, UINT64_MAX / 2 + 1, UINT64_MAX / 7, UINT64_C(1) << 54)
    {
        *l.sum = *l.ranges = 0;
        ck_assert_ok(crew_pool_for(pool, add_length, UINT64_MAX, &l, sizeof l,
                                   &(struct crew_job_options){ .chunk = *chunk }, CREW_FOREVER));
        ck_assert_uint_eq(*l.sum, UINT64_MAX);
        ck_assert_uint_eq(*l.ranges, UINT64_MAX / *chunk + (UINT64_MAX % *chunk != 0));
    }
    close_pool(pool);
    crew_memory_free((void *)l.sum);
    crew_memory_free((void *)l.ranges);
    end_crew();
}
END_TEST

static int argument_is_as_sent(crew_task *t)
{
    const unsigned char *bytes = t->argument;

    if (t->argument_size == 0)
        return bytes ? 1 : 0;
    for (size_t i = 0; i < t->argument_size; i++)
        if (bytes[i] != (unsigned char)(i * 5 + t->argument_size))
            return crew_task_fail(t, 2, "byte %zu of %zu", i, t->argument_size);
    return 0;
}

START_TEST(for_hands_its_argument_to_each_task)
{
    crew_pool *pool = open_pool(2);

    FOREACH(size_t, size, 0, 1, 8, 191, 192, 193, 5000, 300000)
    {
        unsigned char *bytes = bytes_to_send(*size);

        ck_assert_ok(crew_pool_for(pool, argument_is_as_sent, 20, bytes, *size,
                                   &(struct crew_job_options){ .chunk = 1 }, CREW_FOREVER));
        free(bytes);
    }
    close_pool(pool);
    end_crew();
}
END_TEST

static int argument_is_aligned(crew_task *t)
{
    return (uintptr_t)t->argument % 16 == 0 ? 0 : crew_task_fail(t, 1, "at %p", t->argument);
}

START_TEST(the_argument_of_for_is_aligned_to_16_bytes)
{
    crew_pool *pool = open_pool(2);
    _Alignas(16) char bytes[1001] = { 0 };

    FOREACH(size_t, size, 1, 8, 100, 192, 193, 1000)
    {
        for (int shift = 0; shift < 2; shift++) {
            ck_assert_ok(crew_pool_for(pool, argument_is_aligned, 4, bytes + shift, *size, NULL,
                                       CREW_FOREVER));
        }
    }
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(jobs_follow_each_other_without_end)
{
    crew_pool *pool = open_pool(2);
    uint64_t x[3];
    uint64_t y[3];

    for (int n = 0; n < 2000; n++) {
        fill_up(x, 3);
        memset(y, 0, sizeof y);
        ck_assert_ok(crew_pool_map(pool, square, x, 8, y, 8, 1 + (uint64_t)n % 3, NULL, CREW_FOREVER));
        check_squares(y, 1 + (uint64_t)n % 3);
    }
    close_pool(pool);
    end_crew();
}
END_TEST

/* -- reduce ------------------------------------------------------------------------------- */

/* Floating point, so that another order gives other bits. */
static int sum_leaf(crew_task *t)
{
    double *sum = t->output;

    for (uint64_t i = t->begin; i < t->end; i++)
        *sum += 1.0 / (double)(i + 1);
    return 0;
}

static int add_right(crew_task *t)
{
    *(double *)t->output += *(const double *)t->input;
    return 0;
}

START_TEST(reduce_has_the_same_bits_for_any_workers)
{
    FOREACH(uint64_t, count, 1, 2, 3, 1000, 1025, 4099)
    {
        FOREACH(uint64_t, chunk, 0, 1, 3, 10, 1000, UINT64_MAX)
        {
            struct crew_job_options options = { .chunk = *chunk };
            crew_pool *one;
            double expected = 0;

            ck_assert_ok(crew_pool_open(&one, &(struct crew_pool_options){ .kind = CREW_SEQUENTIAL }));
            ck_assert_ok(crew_pool_reduce(one, sum_leaf, add_right, *count, NULL, 0, &expected,
                                          sizeof expected, &options, CREW_FOREVER));
            ck_assert_ok(crew_pool_close(one, CREW_FOREVER));
            for (unsigned workers = 1; workers <= MOST_WORKERS; workers += workers < 3 ? 1 : 5) {
                crew_pool *pool = open_pool(workers);
                double sum = -1;

                ck_assert_ok(crew_pool_reduce(pool, sum_leaf, add_right, *count, NULL, 0, &sum,
                                              sizeof sum, &options, CREW_FOREVER));
                ck_assert_mem_eq(&sum, &expected, sizeof sum);
                close_pool(pool);
            }
        }
    }
    end_crew();
}
END_TEST

struct pair {
    uint64_t first, last; /* of the indices so far, in order */
};

static int range_leaf(crew_task *t)
{
    struct pair *p = t->output;
    const uint64_t *shift = t->argument;

    if (p->first != 0 || p->last != 0 || t->argument_size != sizeof *shift)
        return 1;
    p->first = t->begin + *shift;
    p->last = t->end - 1 + *shift;
    return 0;
}

static int join_neighbours(crew_task *t)
{
    struct pair *left = t->output;
    const struct pair *right = t->input;

    if (left->last + 1 != right->first || t->argument_size != 8)
        return crew_task_fail(t, 1, "%llu is followed by %llu", (unsigned long long)left->last,
                              (unsigned long long)right->first);
    left->last = right->last;
    return 0;
}

START_TEST(reduce_joins_neighbours_in_order)
{
    crew_pool *pool = open_pool(3);
    uint64_t shift = 1000;

    FOREACH(uint64_t, count, 1, 2, 3, 5, 1000, 1023, 5001)
    {
        FOREACH(uint64_t, chunk, 0, 1, 2, 7, 5000)
        {
            struct pair p = { 0 };

            ck_assert_ok(crew_pool_reduce(pool, range_leaf, join_neighbours, *count, &shift,
                                          sizeof shift, &p, sizeof p,
                                          &(struct crew_job_options){ .chunk = *chunk },
                                          CREW_FOREVER));
            ck_assert_uint_eq(p.first, shift);
            ck_assert_uint_eq(p.last, shift + *count - 1);
        }
    }
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(reduce_of_nothing_is_all_zero)
{
    crew_pool *pool = open_pool(2);
    double sum = 5;

    ck_assert_ok(crew_pool_reduce(pool, sum_leaf, add_right, 0, NULL, 0, &sum, sizeof sum, NULL,
                                  CREW_FOREVER));
    ck_assert_double_eq(sum, 0);
    close_pool(pool);
    end_crew();
}
END_TEST

static int fail_at_37(crew_task *t)
{
    return t->begin <= 37 && t->end > 37 ? crew_task_fail(t, 9, "thirty-seven") : 0;
}

static int fail_always(crew_task *t)
{
    return crew_task_fail(t, 8, "cannot join");
}

START_TEST(a_reduce_that_fails_leaves_its_result_alone)
{
    crew_pool *pool = open_pool(2);
    struct crew_failure f = { 0 };
    struct crew_job_options options = { .chunk = 1, .failure = &f };
    double sum = 5;

    ck_assert_error(crew_pool_reduce(pool, fail_at_37, add_right, 100, NULL, 0, &sum, sizeof sum,
                                     &options, CREW_FOREVER),
                    CREW_ETASK);
    ck_assert_uint_eq(f.begin, 37);
    ck_assert_int_eq(f.code, 9);
    ck_assert_error(crew_pool_reduce(pool, sum_leaf, fail_always, 100, NULL, 0, &sum, sizeof sum,
                                     &options, CREW_FOREVER),
                    CREW_ETASK);
    ck_assert_int_eq(f.code, 8);
    ck_assert_str_eq(f.message, "cannot join");
    ck_assert_double_eq(sum, 5);
    close_pool(pool);
    end_crew();
}
END_TEST

/* -- failures ----------------------------------------------------------------------------- */

static int fail_on_multiples(crew_task *t)
{
    unsigned char *ran = t->output;

    *ran += 1;
    return t->begin % 100 == 77 ? crew_task_fail(t, (int)t->begin, "no %llu",
                                                 (unsigned long long)t->begin)
                                : 0;
}

START_TEST(the_failure_with_the_lowest_index_is_told_and_the_others_run)
{
    unsigned char ran[1000] = { 0 };
    struct crew_failure f = { 0 };
    crew_pool *pool = open_pool(3);

    ck_assert_error(crew_pool_map(pool, fail_on_multiples, NULL, 0, ran, 1, 1000,
                                  &(struct crew_job_options){ .failure = &f }, CREW_FOREVER),
                    CREW_ETASK);
    ck_assert_int_eq(f.error, CREW_ETASK);
    ck_assert_int_eq(f.code, 77);
    ck_assert_uint_eq(f.begin, 77);
    ck_assert_uint_eq(f.end, 78);
    ck_assert_uint_eq(f.attempts, 1);
    ck_assert_int_gt(f.pid, 0);
    ck_assert_str_eq(f.message, "no 77");
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(ran[i], 1);
    close_pool(pool);
    end_crew();
}
END_TEST

static int fail_with_bytes(crew_task *t)
{
    return crew_task_fail(t, 1, "%s", (const char *)t->argument);
}

START_TEST(a_long_message_is_cut_between_characters)
{
    crew_pool *pool = open_pool(1);
    /* 1, 2, 3 and 4 bytes of UTF-8 */
    const char *const character[] = { "x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x9A\xA2" };

    for (size_t c = 0; c < 4; c++) {
        for (size_t lead = 0; lead < 8; lead++) {
            size_t bytes = strlen(character[c]);
            struct crew_failure f = { 0 };
            char text[400] = "";

            for (size_t i = 0; i < lead; i++)
                strcat(text, "-");
            while (strlen(text) < 300)
                strcat(text, character[c]);
            ck_assert_error(crew_pool_for(pool, fail_with_bytes, 1, text, strlen(text) + 1,
                                          &(struct crew_job_options){ .failure = &f }, CREW_FOREVER),
                            CREW_ETASK);
            ck_assert_uint_eq(strlen(f.message), lead + (159 - lead) / bytes * bytes);
            ck_assert_int_eq(strncmp(f.message, text, strlen(f.message)), 0);
        }
    }
    close_pool(pool);
    end_crew();
}
END_TEST

static int no_result(crew_task *t)
{
    return crew_task_result(t, "x", 1) == -EINVAL ? 0 : 1;
}

START_TEST(a_task_of_a_job_has_no_result_of_its_own)
{
    crew_pool *pool = open_pool(1);

    ck_assert_ok(crew_pool_for(pool, no_result, 3, NULL, 0, NULL, CREW_FOREVER));
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(wrong_calls_are_told_so)
{
    crew_pool *pool = open_pool(1);
    uint64_t x = 1;
    double sum;

    for (int i = 0; i < 4; i++) {
        struct crew_job_options options = { 0 };

        options.reserved[i] = 1;
        ck_assert_error(crew_pool_map(pool, square, &x, 8, &x, 8, 1, &options, CREW_FOREVER), -EINVAL);
        ck_assert_error(crew_pool_for(pool, square, 1, NULL, 0, &options, CREW_FOREVER), -EINVAL);
        ck_assert_error(crew_pool_reduce(pool, sum_leaf, add_right, 1, NULL, 0, &sum, sizeof sum,
                                         &options, CREW_FOREVER),
                        -EINVAL);
    }
    ck_assert_error(crew_pool_map(pool, NULL, &x, 8, &x, 8, 1, NULL, CREW_FOREVER), -EINVAL);
    ck_assert_error(crew_pool_map(pool, square, &x, 8, NULL, 0, UINT64_MAX / 4, NULL, CREW_FOREVER),
                    -EINVAL);
    ck_assert_error(crew_pool_map(pool, square, NULL, 0, &x, 3, UINT64_MAX / 2, NULL, CREW_FOREVER),
                    -EINVAL);
    ck_assert_error(crew_pool_for(pool, NULL, 1, NULL, 0, NULL, CREW_FOREVER), -EINVAL);
    ck_assert_error(crew_pool_reduce(pool, sum_leaf, NULL, 1, NULL, 0, &sum, sizeof sum, NULL,
                                     CREW_FOREVER),
                    -EINVAL);
    ck_assert_error(crew_pool_reduce(pool, sum_leaf, add_right, UINT64_MAX / 4, NULL, 0, &sum, sizeof sum,
                                     &(struct crew_job_options){ .chunk = 1 }, CREW_FOREVER),
                    -EINVAL);
    ck_assert_error(crew_pool_submit(pool, NULL, NULL, NULL, 0, CREW_FOREVER), -EINVAL);
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(a_job_whose_deadline_has_passed_does_not_wait)
{
    crew_pool *pool = open_pool(2);
    _Atomic unsigned char *mark = shared(100000);
    struct marks m = { .mark = mark, .count = 100000 };
    int r = crew_pool_for(pool, mark_range, 100000, &m, sizeof m, NULL, 1);

    ck_assert(r == -ETIMEDOUT || r == 0);
    for (int i = 0; i < 100000; i++)
        ck_assert_uint_le(mark[i], 1);
    r = crew_pool_for(pool, mark_range, 100000, &m, sizeof m, NULL, CREW_NOW);
    ck_assert(r == -EAGAIN || r == 0);
    crew_memory_free((void *)mark);
    mark_all(pool, 1001, 0, false); /* the pool is as good as new */
    mark_all(pool, 1, 1, false);
    close_pool(pool);
    end_crew();
}
END_TEST

static int one_of_many(crew_task *t)
{
    _Atomic uint64_t *count = *(_Atomic uint64_t *const *)t->argument;

    return atomic_fetch_add(count, 1) > UINT64_C(1) << 60;
}

START_TEST(what_a_deadline_withdrew_never_runs_later)
{
    crew_pool *pool = open_pool(2);
    _Atomic uint64_t *count = shared(8);
    uint64_t left;

    /* more than any machine does until then */
    ck_assert_error(crew_pool_for(pool, one_of_many, UINT64_C(1) << 40, &count, sizeof count,
                                  &(struct crew_job_options){ .chunk = 1 }, crew_in_ms(30)),
                    -ETIMEDOUT);
    left = atomic_load(count);
    for (uint64_t n = 1; n < 10; n++) {
        mark_all(pool, n, 1, false);
        ck_assert_uint_eq(atomic_load(count), left);
    }
    close_pool(pool);
    crew_memory_free((void *)count);
    end_crew();
}
END_TEST

/* -- submit and futures ------------------------------------------------------------------- */

START_TEST(a_result_of_any_size_comes_back)
{
    crew_pool *pool = open_pool(2);

    FOREACH(size_t, size, 0, 1, 8, 95, 96, 97, 112, 113, 4096, 100000, 3000000)
    {
        unsigned char *sent = bytes_to_send(*size);
        unsigned char *back = malloc(*size + 1);
        size_t got = SIZE_MAX;
        crew_future *f;

        ck_assert_ok(crew_pool_submit(pool, &f, echo, sent, *size, CREW_FOREVER));
        memset(back, 0, *size + 1);
        ck_assert_ok(crew_future_result(f, back, *size + 1, &got, CREW_FOREVER));
        ck_assert_uint_eq(got, *size);
        ck_assert_int_eq(memcmp(back, sent, *size), 0);
        crew_future_close(f);
        free(sent);
        free(back);
    }
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(a_result_that_does_not_fit_stays)
{
    crew_pool *pool = open_pool(1);

    FOREACH(size_t, size, 2, 112, 113, 5000)
    {
        unsigned char *sent = bytes_to_send(*size);
        unsigned char *back = malloc(*size);
        size_t got = 0;
        crew_future *f;

        memset(back, 0xEE, *size);
        ck_assert_ok(crew_pool_submit(pool, &f, echo, sent, *size, CREW_FOREVER));
        ck_assert_error(crew_future_result(f, back, *size - 1, &got, CREW_FOREVER), -EMSGSIZE);
        ck_assert_uint_eq(got, *size);
        ck_assert_uint_eq(back[0], 0xEE);
        ck_assert_ok(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER));
        for (int i = 0; i < 3; i++) {
            ck_assert_ok(crew_future_result(f, back, *size, NULL, CREW_NOW));
            ck_assert_int_eq(memcmp(back, sent, *size), 0);
        }
        crew_future_close(f);
        free(sent);
        free(back);
    }
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(a_submitted_argument_is_copied_and_aligned)
{
    crew_pool *pool = open_pool(1);

    FOREACH(size_t, size, 0, 1, 96, 97, 5000, 100000)
    {
        unsigned char *bytes = bytes_to_send(*size);
        crew_future *f;

        ck_assert_ok(crew_pool_submit(pool, &f, argument_is_as_sent, bytes, *size, CREW_FOREVER));
        memset(bytes, 0, *size);
        ck_assert_ok(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER));
        crew_future_close(f);
        if (*size > 0) {
            ck_assert_ok(crew_pool_submit(pool, &f, argument_is_aligned, bytes + 1, *size - 1,
                                          CREW_FOREVER));
            ck_assert_ok(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER));
            crew_future_close(f);
        }
        free(bytes);
    }
    close_pool(pool);
    end_crew();
}
END_TEST

static int result_thrice(crew_task *t)
{
    char large[5000];

    memset(large, 'l', sizeof large);
    if (crew_task_result(t, "first", 6) != 0 || crew_task_result(t, large, sizeof large) != 0)
        return 1;
    return crew_task_result(t, t->argument, t->argument_size);
}

START_TEST(the_last_result_counts)
{
    crew_pool *pool = open_pool(1);
    char large[3000];
    char back[6000];
    crew_future *f;
    size_t size;

    memset(large, 'z', sizeof large);
    FOREACH(size_t, last, 0, 5, 3000)
    {
        ck_assert_ok(crew_pool_submit(pool, &f, result_thrice, large, *last, CREW_FOREVER));
        ck_assert_ok(crew_future_result(f, back, sizeof back, &size, CREW_FOREVER));
        ck_assert_uint_eq(size, *last);
        ck_assert_int_eq(memcmp(back, large, size), 0);
        crew_future_close(f);
    }
    close_pool(pool);
    end_crew();
}
END_TEST

static int fail_after_result(crew_task *t)
{
    char large[5000] = "";

    if (crew_task_result(t, large, t->argument_size ? sizeof large : 5) != 0)
        return 1;
    return crew_task_fail(t, -12, "after all");
}

START_TEST(a_task_that_fails_has_no_result_but_a_reason)
{
    crew_pool *pool = open_pool(1);
    char back[10] = "as before";
    size_t size = 42;

    for (size_t large = 0; large < 2; large++) {
        struct crew_failure failure;
        crew_future *f;

        ck_assert_ok(crew_pool_submit(pool, &f, fail_after_result, "x", large, CREW_FOREVER));
        ck_assert_error(crew_future_result(f, back, sizeof back, &size, CREW_FOREVER), CREW_ETASK);
        ck_assert_str_eq(back, "as before");
        ck_assert(crew_future_done(f));
        crew_future_failure(f, &failure);
        ck_assert_int_eq(failure.error, CREW_ETASK);
        ck_assert_int_eq(failure.code, -12);
        ck_assert_uint_eq(failure.attempts, 1);
        ck_assert_str_eq(failure.message, "after all");
        ck_assert_error(crew_future_result(f, NULL, 0, NULL, CREW_NOW), CREW_ETASK);
        crew_future_close(f);
    }
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(the_failure_of_a_submitted_task_names_its_worker)
{
    crew_pool *pool = open_pool(1);
    struct crew_failure failure;
    crew_future *f;

    ck_assert_ok(crew_pool_submit(pool, &f, fail_always, NULL, 0, CREW_FOREVER));
    ck_assert_error(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER), CREW_ETASK);
    crew_future_failure(f, &failure);
    ck_assert_int_gt(failure.pid, 0);
    crew_future_close(f);
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(a_success_has_no_failure)
{
    crew_pool *pool = open_pool(1);
    struct crew_failure failure = { .code = 5 };
    struct crew_failure none = { 0 };
    crew_future *f;

    ck_assert_ok(crew_pool_submit(pool, &f, echo, "x", 1, CREW_FOREVER));
    ck_assert_ok(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER));
    crew_future_failure(f, &failure);
    ck_assert_int_eq(failure.error, none.error);
    ck_assert_int_eq(failure.code, 0);
    ck_assert_uint_eq(failure.attempts, 0);
    ck_assert_str_eq(failure.message, "");
    crew_future_close(f);
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(results_may_be_asked_for_in_any_order)
{
    crew_pool *pool = open_pool(3);
    crew_future *f[200];

    for (int i = 0; i < 200; i++)
        ck_assert_ok(crew_pool_submit(pool, &f[i], echo, &i, sizeof i, CREW_FOREVER));
    for (int k = 0; k < 200; k++) {
        int i = (k * 73 + 199) % 200;
        int back = -1;

        ck_assert_ok(crew_future_result(f[i], &back, sizeof back, NULL, CREW_FOREVER));
        ck_assert_int_eq(back, i);
        crew_future_close(f[i]);
    }
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(more_tasks_than_the_board_holds_are_all_run_once)
{
    _Atomic unsigned char *mark = shared(3000);
    crew_pool *pool;
    crew_future *f[3000];

    ck_assert_ok(crew_pool_open(&pool, &(struct crew_pool_options){ .kind = KIND,
                                                                    .workers = 2,
                                                                    .backlog = 8,
                                                                    .caller_works = CALLER_WORKS }));
    for (uint64_t i = 0; i < 3000; i++)
        ck_assert_ok(crew_pool_submit(pool, &f[i], echo, &i, sizeof i, CREW_FOREVER));
    for (uint64_t i = 0; i < 3000; i++) {
        uint64_t back = 3000;

        ck_assert_ok(crew_future_result(f[i], &back, sizeof back, NULL, CREW_FOREVER));
        ck_assert_uint_lt(back, 3000);
        mark[back]++;
        crew_future_close(f[i]);
    }
    for (int i = 0; i < 3000; i++)
        ck_assert_uint_eq(mark[i], 1);
    close_pool(pool);
    crew_memory_free((void *)mark);
    end_crew();
}
END_TEST

static int count_one(crew_task *t)
{
    char large[300] = "";

    atomic_fetch_add(*(_Atomic uint64_t *const *)t->argument, 1);
    return crew_task_result(t, large, sizeof large);
}

START_TEST(tasks_that_nobody_asks_for_are_run)
{
    _Atomic uint64_t *count = shared(8);
    crew_pool *pool = open_pool(2);

    for (int i = 0; i < 500; i++) {
        crew_future *f;

        ck_assert_ok(crew_pool_submit(pool, NULL, count_one, &count, sizeof count, CREW_FOREVER));
        ck_assert_ok(crew_pool_submit(pool, &f, count_one, &count, sizeof count, CREW_FOREVER));
        crew_future_close(f);
    }
    close_pool(pool);
    ck_assert_uint_eq(atomic_load(count), 1000);
    ck_assert_uint_eq(watch_memory().blocks, 1);
    crew_memory_free((void *)count);
    end_crew();
}
END_TEST

START_TEST(futures_outlive_their_pool)
{
    crew_pool *pool = open_pool(2);
    crew_future *f[50];

    for (size_t i = 0; i < 50; i++) {
        unsigned char *bytes = bytes_to_send(i * 10);

        ck_assert_ok(crew_pool_submit(pool, &f[i], echo, bytes, i * 10, CREW_FOREVER));
        free(bytes);
    }
    close_pool(pool);
    for (size_t i = 0; i < 50; i++) {
        unsigned char *bytes = bytes_to_send(i * 10);
        unsigned char back[500];
        size_t size;

        ck_assert(crew_future_done(f[i]));
        ck_assert_ok(crew_future_result(f[i], back, sizeof back, &size, CREW_NOW));
        ck_assert_uint_eq(size, i * 10);
        ck_assert_int_eq(memcmp(back, bytes, size), 0);
        free(bytes);
        crew_future_close(f[i]);
    }
    end_crew();
}
END_TEST

START_TEST(closing_no_future_and_no_pool_is_allowed)
{
    crew_future_close(NULL);
    ck_assert_ok(crew_pool_close(NULL, CREW_FOREVER));
    crew_pool_terminate(NULL);
}
END_TEST

/* -- the pool itself ---------------------------------------------------------------------- */

START_TEST(options_out_of_range_are_refused)
{
    crew_pool *pool = (crew_pool *)&pool;
    struct holdings before = watch_holdings();
    struct crew_pool_options wrong[] = {
        { .kind = KIND, .backlog = 65537 },
        { .kind = KIND, .retries = 15 },
        { .kind = KIND, .retries = UINT32_MAX },
        { .kind = (enum crew_kind)4 },
        { .kind = (enum crew_kind)99 },
        { .kind = KIND, .reserved = { 1 } },
        { .kind = KIND, .reserved = { 0, 0, 0, 1 } },
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        ck_assert_error(crew_pool_open(&pool, &wrong[i]), -EINVAL);
    ck_assert_ptr_eq(pool, &pool); /* untouched */
    ck_assert_held(before);
}
END_TEST

START_TEST(stats_tell_what_was_chosen)
{
    crew_pool *pool = open_pool(2);
    struct crew_pool_stats stats;
    unsigned workers = KIND == CREW_SEQUENTIAL ? 1 : 2;

    mark_all(pool, 100, 1, false);
    crew_pool_stats(pool, &stats);
    ck_assert_int_eq(stats.kind, KIND);
    ck_assert_uint_eq(stats.workers, workers);
    ck_assert_uint_eq(stats.alive, workers);
    ck_assert_uint_eq(stats.started, KIND == CREW_SEQUENTIAL ? 0 : workers - CALLER_WORKS);
    ck_assert_uint_eq(stats.died, 0);
    ck_assert_uint_eq(stats.retried, 0);
    close_pool(pool);
    end_crew();
}
END_TEST

START_TEST(two_pools_work_side_by_side)
{
    crew_pool *a = open_pool(2);
    crew_pool *b = open_pool(2);

    for (int i = 0; i < 50; i++) {
        crew_future *f;
        int back = 0;

        ck_assert_ok(crew_pool_submit(a, &f, echo, &i, sizeof i, CREW_FOREVER));
        mark_all(b, 50, 0, false);
        mark_all(a, 50, 0, false);
        ck_assert_ok(crew_future_result(f, &back, sizeof back, NULL, CREW_FOREVER));
        ck_assert_int_eq(back, i);
        crew_future_close(f);
    }
    close_pool(a);
    mark_all(b, 50, 0, false);
    close_pool(b);
    end_crew();
}
END_TEST

static void work_a_little(crew_pool *pool)
{
    crew_future *f;

    mark_all(pool, 20, 0, false);
    ck_assert_ok(crew_pool_submit(pool, &f, echo, "0123456789", 10, CREW_FOREVER));
    ck_assert_ok(crew_future_result(f, NULL, 0, NULL, CREW_FOREVER));
    crew_future_close(f);
}

START_TEST(pools_leave_nothing)
{
    struct holdings first = watch_holdings();
    struct holdings before;
    struct crew_memory_stats memory;

    ck_assert_ok(crew_init(NULL));
    for (int i = 0; i < 3; i++) {
        crew_pool *pool = open_pool(2);

        work_a_little(pool);
        close_pool(pool);
    }
    before = watch_holdings();
    memory = watch_memory();
    for (int i = 0; i < 60; i++) {
        crew_pool *pool = open_pool(2);

        work_a_little(pool);
        if (i % 2)
            close_pool(pool);
        else
            crew_pool_terminate(pool);
    }
    ck_assert_held(before);
    ck_assert_uint_eq(watch_memory().blocks, memory.blocks);
    ck_assert_uint_eq(watch_memory().used, memory.used);
    ck_assert_uint_eq(watch_memory().bought, memory.bought);
    end_crew();
    ck_assert_held(first);
}
END_TEST

#define POOL_TESTS                                                                            \
    map_computes_each_element_in_the_arena, map_computes_each_element_of_other_memory,        \
        map_may_write_over_its_input, map_takes_elements_of_any_size,                         \
        map_without_input_knows_its_index, map_without_output_runs_each_element_once,         \
        a_task_knows_a_worker_number_below_their_count, for_runs_each_index_once_in_chunks,   \
        for_runs_each_index_once_when_it_adapts, for_counts_as_far_as_64_bits_reach,          \
        for_hands_its_argument_to_each_task, the_argument_of_for_is_aligned_to_16_bytes,      \
        jobs_follow_each_other_without_end, reduce_has_the_same_bits_for_any_workers,         \
        reduce_joins_neighbours_in_order, reduce_of_nothing_is_all_zero,                      \
        a_reduce_that_fails_leaves_its_result_alone,                                          \
        the_failure_with_the_lowest_index_is_told_and_the_others_run,                         \
        a_long_message_is_cut_between_characters, a_task_of_a_job_has_no_result_of_its_own,   \
        wrong_calls_are_told_so, a_job_whose_deadline_has_passed_does_not_wait,               \
        what_a_deadline_withdrew_never_runs_later, a_result_of_any_size_comes_back,           \
        a_result_that_does_not_fit_stays, a_submitted_argument_is_copied_and_aligned,         \
        the_last_result_counts, a_task_that_fails_has_no_result_but_a_reason,                 \
        the_failure_of_a_submitted_task_names_its_worker, a_success_has_no_failure,           \
        results_may_be_asked_for_in_any_order,                                                \
        more_tasks_than_the_board_holds_are_all_run_once, tasks_that_nobody_asks_for_are_run, \
        futures_outlive_their_pool, closing_no_future_and_no_pool_is_allowed,                 \
        options_out_of_range_are_refused, stats_tell_what_was_chosen,                         \
        two_pools_work_side_by_side, pools_leave_nothing

#endif
