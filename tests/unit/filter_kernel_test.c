/* Description: a moving average would depend on how the work was cut or on the CPU, would be less
 * exact than summing each window, or one bad sample would harm windows that it is not in. */
#include "unit.h"

#include <filter_kernel.h>
#include <filter_kernel_levels.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LENGTH(a) (sizeof(a) / sizeof *(a))

/* Sums in this are exact, or nearly so. */
#if defined(__x86_64__)
typedef __float128 quad;
#else
typedef long double quad;
#endif

/* What 100,000 samples of seed 7 from 1,000 on come to, hashed. */
#define CHECK_OF_SEED_7 0x9be057b65296fcdc

/* -- the arithmetic, again, one output at a time --------------------------------------------- */

static double four(const double *x)
{
    return (x[0] + x[1]) + (x[2] + x[3]);
}

static double eight(const double *x)
{
    return four(x) + four(x + 4);
}

/* The sum of the window at x, where x[0] has position 'at'. */
static double sum_of(const double *x, uint64_t at, uint64_t window)
{
    uint64_t octets = window / 8, split;
    double suffix = -0.0, prefix = -0.0, rest = -0.0, sum = x[0];

    if (window < 16) {
        for (uint64_t j = 1; j < window; j++)
            sum += x[j];
        return sum;
    }
    split = octets - at / 8 % octets;
    for (uint64_t j = split; j-- > 0;)
        suffix += eight(x + 8 * j);
    for (uint64_t j = split; j < octets; j++)
        prefix += eight(x + 8 * j);
    x += 8 * octets;
    if (window & 4) {
        rest = four(x);
        x += 4;
    }
    if (window & 2) {
        rest += x[0] + x[1];
        x += 2;
    }
    if (window & 1)
        rest += x[0];
    return window % 8 ? (suffix + prefix) + rest : suffix + prefix;
}

static double one_nan(double x)
{
    return isnan(x) ? (double)NAN : x;
}

static void expect_means(const double *x, uint64_t first, size_t count, uint64_t window, double *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = window == 1 ? x[i] : one_nan(sum_of(x + i, first + i, window) / (double)window);
}

/* -- signals ---------------------------------------------------------------------------------- */

static uint64_t random_state = 1;

static uint64_t dice(uint64_t sides)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % sides;
}

static double noise(void)
{
    return (double)((int64_t)(dice(UINT64_MAX) << 1) >> 11) * 0x1p-51;
}

enum signal {
    NOISE,
    HIGH_NOISE,  /* around 1e9                       */
    ALTERNATING, /* 1e16, -1e16 ... and noise        */
    SPIKES,      /* noise with few samples of 1e300  */
    DENORMAL,
    ZEROS, /* -0.0, and a few of 0.0           */
    WILD,  /* any bits: infinities, NaNs, huge */
    SIGNALS
};

static void make(enum signal signal, double *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = dice(UINT64_MAX);

        x[i] = noise();
        switch (signal) {
        case HIGH_NOISE:
            x[i] += 1e9;
            break;
        case ALTERNATING:
            x[i] += i % 2 ? 1e16 : -1e16;
            break;
        case SPIKES:
            x[i] = dice(500) == 0 ? 1e300 : dice(500) == 0 ? 1e16 : x[i];
            break;
        case DENORMAL:
            x[i] *= 1e-310;
            break;
        case ZEROS:
            x[i] = dice(10) ? -0.0 : 0.0;
            break;
        case WILD:
            if (dice(20) == 0)
                memcpy(&x[i], &bits, sizeof bits);
            else if (dice(100) == 0)
                x[i] = dice(2) ? INFINITY : -INFINITY;
            else if (dice(100) == 0)
                x[i] = dice(2) ? NAN : -NAN;
            break;
        default:
            break;
        }
    }
}

static void *block(size_t size)
{
    void *b = aligned_alloc(64, (size + 64) / 64 * 64);

    ck_assert_ptr_nonnull(b);
    return b;
}

static struct filter_span span_of(uint64_t first, size_t count, uint64_t window)
{
    return (struct filter_span){
        .first = first, .count = count, .window = window, .scratch = block(filter_scratch(window))
    };
}

static void means(uint64_t first, size_t count, uint64_t window, bool stream, const double *in,
                  double *out)
{
    struct filter_span span = span_of(first, count, window);

    span.stream = stream;
    filter_mean_f64(&span, in, out);
    free(span.scratch);
}

static void assert_same(const double *a, const double *b, size_t count, const char *what,
                        uint64_t window)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(&a[i], &b[i], sizeof a[i]) != 0)
            ck_abort_msg("%s: output %zu of %zu, window %llu: %a, not %a", what, i, count,
                         (unsigned long long)window, a[i], b[i]);
}

static const uint64_t windows[] = { 1,  2,  3,  4,  5,   6,   7,   8,   9,   11,   13,   15,  16,
                                    17, 18, 19, 23, 24,  25,  31,  32,  33,  36,   63,   64,  65,
                                    79, 99, 100, 101, 127, 128, 255, 510, 1000, 1001, 1023 };

/* -- bits ------------------------------------------------------------------------------------- */

START_TEST(every_level_gives_the_bits_that_are_defined)
{
    enum { MOST = 700 };
    double *x = block((MOST + 1024) * sizeof *x), *out = block(MOST * sizeof *out);
    double *expected = block(MOST * sizeof *expected);

    for (enum signal s = 0; s < SIGNALS; s++)
        for (unsigned w = 0; w < LENGTH(windows); w++) {
            uint64_t first = dice(5) ? dice(3000) : dice((uint64_t)1 << 40);
            size_t count = dice(3) ? MOST : 1 + dice(40);

            make(s, x, MOST + 1024);
            expect_means(x, first, count, windows[w], expected);
            for (unsigned level = 0; level < filter_levels(); level++) {
                filter_level_use(level);
                means(first, count, windows[w], false, x, out);
                assert_same(out, expected, count, filter_level_name(level), windows[w]);
                memset(out, 0, count * sizeof *out);
                means(first, count, windows[w], true, x, out);
                assert_same(out, expected, count, "streamed", windows[w]);
            }
        }
    free(x);
    free(out);
    free(expected);
}
END_TEST

START_TEST(a_cut_changes_no_bit)
{
    enum { COUNT = 5000 };
    double *x = block((COUNT + 1024) * sizeof *x), *whole = block(COUNT * sizeof *whole);
    double *cut_in = block((COUNT + 1032) * sizeof *cut_in), *cut = block((COUNT + 8) * sizeof *cut);

    for (unsigned w = 0; w < LENGTH(windows); w++)
        for (unsigned level = 0; level < filter_levels(); level++) {
            uint64_t window = windows[w], first = dice(10000);
            double *in = cut_in + dice(8), *out = cut + dice(8);

            filter_level_use(level);
            make(dice(SIGNALS), x, COUNT + 1024);
            memcpy(in, x, (COUNT + 1024) * sizeof *x);
            means(first, COUNT, window, false, x, whole);
            for (size_t i = 0; i < COUNT;) {
                size_t n = 1 + dice(dice(2) ? 20 : 2000);

                n = n > COUNT - i ? COUNT - i : n;
                means(first + i, n, window, dice(2), in + i, out + i);
                i += n;
            }
            assert_same(out, whole, COUNT, "cut", window);
        }
    free(x);
    free(whole);
    free(cut_in);
    free(cut);
}
END_TEST

/* Where a block does not fit in the scratch, and where it just does. */
START_TEST(very_long_windows_have_the_same_bits)
{
    static const uint64_t longest[] = { 8 * 16384, 8 * 16384 + 7, 8 * 16385, 8 * 16385 + 2, 200001 };
    enum { COUNT = 420000, MOST = 200001 };
    double *x = block((COUNT + MOST) * sizeof *x), *out = block(COUNT * sizeof *out);

    make(NOISE, x, COUNT + MOST);
    for (unsigned w = 0; w < LENGTH(longest); w++)
        for (unsigned level = 0; level < filter_levels(); level++) {
            uint64_t window = longest[w], first = dice(1000000);
            size_t parts[] = { 0, 3 + dice(100), 70000 + dice(1000), 71000 + dice(100), COUNT };

            filter_level_use(level);
            for (unsigned p = 0; p + 1 < LENGTH(parts); p++)
                means(first + parts[p], parts[p + 1] - parts[p], window, false, x + parts[p],
                      out + parts[p]);
            for (unsigned i = 0; i < 40; i++) {
                size_t at = i < 4 ? parts[i] : dice(COUNT);
                double expected;

                expect_means(x + at, first + at, 1, window, &expected);
                assert_same(out + at, &expected, 1, filter_level_name(level), window);
            }
        }
    free(x);
    free(out);
}
END_TEST

START_TEST(scratch_is_small_for_every_window)
{
    for (uint64_t window = 1; window < (uint64_t)1 << 62; window += window / 3 + 1) {
        size_t size = filter_scratch(window);

        ck_assert_uint_gt(size, 0);
        ck_assert_uint_eq(size % 64, 0);
        if (window <= (uint64_t)1 << 31)
            ck_assert_uint_le(size, 2 << 20);
    }
}
END_TEST

START_TEST(nothing_outside_is_read_or_written)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), most = page / sizeof(double);
    char *area = mmap(NULL, 7 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    double *in = (double *)(area + page), *out = (double *)(area + 4 * page);

    ck_assert_ptr_ne(area, MAP_FAILED);
    ck_assert_int_eq(mprotect(in, 2 * page, PROT_READ | PROT_WRITE), 0);
    ck_assert_int_eq(mprotect(out, 2 * page, PROT_READ | PROT_WRITE), 0);
    make(NOISE, in, 2 * most);
    for (unsigned level = 0; level < filter_levels(); level++) {
        filter_level_use(level);
        for (unsigned i = 0; i < 2000; i++) {
            uint64_t window = dice(2) ? 1 + dice(40) : 1 + dice(most);
            size_t count = dice(2) ? 1 + dice(40) : 2 * most - window + 1;
            struct filter_span span = span_of(dice(100), count, window);
            size_t at = dice(2) ? 0 : 2 * most - (count + window - 1), to = 2 * most - count;

            span.stream = dice(2);
            filter_mean_f64(&span, in + at, dice(2) ? out : out + to);
            filter_skip_f64(&span, in + at, dice(2) ? out : out + to);
            free(span.scratch);
        }
        for (unsigned i = 0; i < 1000; i++) {
            uint64_t window = dice(2) ? 1 + dice(40) : 1 + dice(most);
            size_t count = 1 + dice(2 * most - window);
            struct filter_span span = span_of(dice(100), count, window);

            span.stream = dice(2);
            filter_mean_f32(&span, (float *)in + 4 * most - (count + window - 1),
                            (float *)out + 4 * most - count);
            filter_sum_f32(&span, (float *)in, out);
            free(span.scratch);
        }
    }
    munmap(area, 7 * page);
}
END_TEST

/* -- accuracy --------------------------------------------------------------------------------- */

START_TEST(no_signal_is_averaged_worse_than_by_summing_each_window)
{
    enum { COUNT = 6000 };
    double *x = block((COUNT + 1024) * sizeof *x), *out = block(COUNT * sizeof *out);

    for (enum signal s = 0; s < WILD; s++)
        for (unsigned w = 0; w < LENGTH(windows); w++) {
            quad worst = 0, worst_plain = 0;

            make(s, x, COUNT + 1024);
            means(0, COUNT, windows[w], false, x, out);
            for (size_t i = 0; i < COUNT; i++) {
                quad exact = 0, error, error_plain;
                double plain = 0;

                for (uint64_t j = 0; j < windows[w]; j++) {
                    exact += x[i + j];
                    plain += x[i + j];
                }
                exact /= windows[w];
                error = out[i] > exact ? out[i] - exact : exact - out[i];
                plain /= (double)windows[w];
                error_plain = plain > exact ? plain - exact : exact - plain;
                worst = error > worst ? error : worst;
                worst_plain = error_plain > worst_plain ? error_plain : worst_plain;
            }
            ck_assert_msg(worst <= worst_plain, "signal %u, window %llu: off by %g, plainly by %g",
                          (unsigned)s, (unsigned long long)windows[w], (double)worst,
                          (double)worst_plain);
        }
    free(x);
    free(out);
}
END_TEST

START_TEST(a_bad_sample_harms_its_own_windows_only)
{
    static const double bad[] = { NAN, INFINITY, -INFINITY, 1e300, -1e16, 1.7e308 };
    enum { COUNT = 4000, AT = 2345 };
    double *x = block((COUNT + 1024) * sizeof *x), *out = block(COUNT * sizeof *out);
    double *clean = block(COUNT * sizeof *clean);

    make(NOISE, x, COUNT + 1024);
    for (unsigned w = 0; w < LENGTH(windows); w++) {
        double kept = x[AT];

        means(0, COUNT, windows[w], false, x, clean);
        for (unsigned b = 0; b < LENGTH(bad); b++) {
            size_t before = AT - windows[w] + 1;

            x[AT] = bad[b];
            means(0, COUNT, windows[w], false, x, out);
            assert_same(out, clean, before, "before", windows[w]);
            assert_same(out + AT + 1, clean + AT + 1, COUNT - AT - 1, "after", windows[w]);
            for (size_t i = before; i <= AT; i++)
                ck_assert(isnan(bad[b])   ? isnan(out[i])
                          : isinf(bad[b]) ? out[i] == bad[b]
                                          : fabs(out[i]) >= fabs(bad[b]) / 2e3);
        }
        x[AT] = kept;
    }
    free(x);
    free(out);
    free(clean);
}
END_TEST

/* -- the other functions ---------------------------------------------------------------------- */

START_TEST(sums_are_the_means_before_division)
{
    enum { COUNT = 1000 };
    double *x = block((COUNT + 1024) * sizeof *x), *out = block(COUNT * sizeof *out);

    for (unsigned level = 0; level < filter_levels(); level++) {
        filter_level_use(level);
        for (unsigned w = 0; w < LENGTH(windows); w++) {
            struct filter_span span = span_of(dice(5000), COUNT, windows[w]);

            make(dice(SIGNALS), x, COUNT + 1024);
            filter_sum_f64(&span, x, out);
            for (size_t i = 0; i < COUNT; i++) {
                double expected = one_nan(sum_of(x + i, span.first + i, span.window));

                assert_same(out + i, &expected, 1, "sum", span.window);
            }
            free(span.scratch);
        }
    }
    free(x);
    free(out);
}
END_TEST

START_TEST(f32_is_summed_as_f64)
{
    enum { COUNT = 1000 };
    double *x = block((COUNT + 1024) * sizeof *x), *sums = block(COUNT * sizeof *sums);
    float *in = block((COUNT + 1024) * sizeof *in), *out = block((COUNT + 8) * sizeof *out);

    for (unsigned level = 0; level < filter_levels(); level++) {
        filter_level_use(level);
        for (unsigned w = 0; w < LENGTH(windows); w++) {
            struct filter_span span = span_of(dice(5000), COUNT, windows[w]);
            float *to = out + dice(8);

            make(dice(SIGNALS), x, COUNT + 1024);
            for (size_t i = 0; i < COUNT + 1024; i++)
                x[i] = in[i] = (float)x[i];
            span.stream = dice(2);
            filter_sum_f32(&span, in, sums);
            filter_mean_f32(&span, in, to);
            for (size_t i = 0; i < COUNT; i++) {
                double sum = one_nan(sum_of(x + i, span.first + i, span.window));
                float mean = (float)one_nan(sum / (double)span.window);

                if (span.window == 1)
                    mean = in[i];
                assert_same(sums + i, &sum, 1, "f32 sum", span.window);
                ck_assert_mem_eq(&to[i], &mean, sizeof mean);
            }
            free(span.scratch);
        }
    }
    free(x);
    free(sums);
    free(in);
    free(out);
}
END_TEST

START_TEST(nan_is_skipped)
{
    enum { COUNT = 1500 };
    double *x = block((COUNT + 1024) * sizeof *x), *clean = block((COUNT + 1024) * sizeof *clean);
    double *out = block((COUNT + 8) * sizeof *out);
    float *in32 = block((COUNT + 1024) * sizeof *in32), *out32 = block(COUNT * sizeof *out32);

    for (unsigned level = 0; level < filter_levels(); level++) {
        filter_level_use(level);
        for (unsigned w = 0; w < LENGTH(windows); w++) {
            struct filter_span span = span_of(dice(5000), COUNT, windows[w]);
            double *to = out + dice(8);
            size_t hole = dice(COUNT), wide = dice(2 * span.window + 10);

            make(NOISE, x, COUNT + 1024);
            for (size_t i = 0; i < COUNT + 1024; i++) {
                x[i] = in32[i] = (float)x[i];
                if (dice(7) == 0 || (i >= hole && i < hole + wide))
                    x[i] = in32[i] = NAN;
                clean[i] = isnan(x[i]) ? -0.0 : x[i];
            }
            span.stream = dice(2);
            filter_skip_f64(&span, x, to);
            filter_skip_f32(&span, in32, out32);
            for (size_t i = 0; i < COUNT; i++) {
                double expected = sum_of(clean + i, span.first + i, span.window);
                uint64_t there = 0;
                float narrow;

                for (uint64_t j = 0; j < span.window; j++)
                    there += !isnan(x[i + j]);
                expected = there ? expected / (double)there : (double)NAN;
                narrow = (float)expected;
                assert_same(to + i, &expected, 1, "skip", span.window);
                ck_assert_mem_eq(&out32[i], &narrow, sizeof narrow);
            }
            free(span.scratch);
        }
    }
    free(x);
    free(clean);
    free(out);
    free(in32);
    free(out32);
}
END_TEST

START_TEST(generated_samples_are_the_same_everywhere)
{
    enum { COUNT = 100000 };
    double *x = block(COUNT * sizeof *x), *y = block(COUNT * sizeof *y), sum = 0, greatest = 0;
    uint64_t check = 0;

    for (unsigned level = 0; level < filter_levels(); level++) {
        filter_level_use(level);
        filter_generate(7, 1000, COUNT, x);
        for (size_t i = 0; i < COUNT;) {
            size_t n = 1 + dice(3000);

            n = n > COUNT - i ? COUNT - i : n;
            filter_generate(7, 1000 + i, n, y + i);
            i += n;
        }
        assert_same(y, x, COUNT, "cut", 0);
        check = 0;
        for (size_t i = 0; i < COUNT; i++) {
            uint64_t bits;

            memcpy(&bits, &x[i], sizeof bits);
            check = check * 6364136223846793005 + bits;
        }
        ck_assert_msg(check == CHECK_OF_SEED_7, "%s: 0x%llx", filter_level_name(level),
                      (unsigned long long)check);
    }
    for (size_t i = 0; i < COUNT; i++) {
        double turn = 6.283185307179586 * (double)(1000 + i);
        double wave = sin(turn / 1000) + sin(turn / 44.1) / 2;

        sum += x[i];
        greatest = fmax(greatest, fabs(x[i]));
        ck_assert(fabs(x[i] - wave) < 0.2501);
    }
    ck_assert(fabs(sum / COUNT) < 0.01 && greatest > 1.5);
    filter_generate(8, 1000, COUNT, y);
    ck_assert_mem_ne(x, y, COUNT * sizeof *x);
    free(x);
    free(y);
}
END_TEST

UNIT_TESTS("filter_kernel", every_level_gives_the_bits_that_are_defined, a_cut_changes_no_bit,
           very_long_windows_have_the_same_bits, scratch_is_small_for_every_window,
           nothing_outside_is_read_or_written,
           no_signal_is_averaged_worse_than_by_summing_each_window,
           a_bad_sample_harms_its_own_windows_only, sums_are_the_means_before_division,
           f32_is_summed_as_f64, nan_is_skipped, generated_samples_are_the_same_everywhere)
