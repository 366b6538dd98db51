/* filter_kernel.c - the same arithmetic for each level of the CPU, chosen when it is first needed.
 *
 * Eight samples, at positions 8u ... 8u + 7 of the signal, are an octet. A window of W = 8q + r
 * samples that begins at i is the sum of
 *
 *     q sums of 8, each a tree of pairs, at i, i + 8, ... i + 8(q - 1), and
 *     the r samples left, in pieces of 4, 2 and 1
 *
 * and the q sums of 8 are those that prefixes and suffixes are made of: octet i / 8 lies in a block
 * of q octets, at positions 0, 8q, 16q ...; the window has the end of one block, a suffix, and the
 * beginning of the next, a prefix. Eight neighbouring outputs are made of whole octets, with no
 * addition across them but in the trees. So each output costs three additions for the tree, one each
 * for suffix, prefix and their sum, and at most three for the rest, however long the window is; and
 * errors grow as if it were eight times shorter.
 *
 * Vectors of 8 are the compiler's, from one 512-bit register to eight scalars: every lane has the
 * same operations in the same order, so every level and every compiler gives the same bits (this
 * file is compiled without contraction to fused operations).
 *
 * Where the input or output has a part of an octet only, at the ends of a span, that octet is made
 * in buffers here, from samples that are there and zeros in lanes that nobody uses. */
#include "filter_kernel.h"
#include "filter_kernel_levels.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* How vectors are passed has changed, says the compiler; all that pass them here are inlined. */
#pragma GCC diagnostic ignored "-Wpsabi"

#define OCTET (8 * sizeof(double))

/* Windows below this are summed one by one, in the order of their samples. */
#define SHORTEST_BLOCK 16

/* Blocks of up to so many octets are kept whole in the scratch: 1 MiB. */
#define OCTETS_WHOLE ((uint64_t)1 << 14)

enum {
    OCTETS_ASIDE = 128,
    AHEAD = 32, /* samples that may be read from the beginning of an octet */
    TAIL = 64,  /* samples of the octets from which less is there */
};

enum as { AS_F32 = 1, AS_SUM = 2, AS_CLEAN = 4 };

static inline size_t in_size(enum as as)
{
    return as & AS_F32 ? sizeof(float) : sizeof(double);
}

static inline size_t out_size(enum as as)
{
    return as & AS_F32 && !(as & AS_SUM) ? sizeof(float) : sizeof(double);
}

static inline uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A way through one span. Octets are counted from the beginning of the signal. */
struct walk {
    enum as as;
    uint64_t first, stop, window; /* outputs [first, stop)                                     */
    uint64_t end;                 /* of the input                                              */
    uint64_t octets, rest;        /* the window is 8 * octets + rest                           */
    uint64_t v_first, v_last;     /* octets that have outputs                                  */
    double divisor;
    const char *in;
    char *out;
    bool stream;         /* wanted                                                             */
    bool streaming;      /* possible, at what walk_out() answered                              */
    uint64_t tail;       /* first octet that must be read from tail_in                         */
    uint64_t next;       /* the output whose divisor is next, and the samples in its window    */
    uint64_t present;
    const char *aside_from; /* outputs made aside, and where they belong                       */
    char *aside_to;
    size_t aside_size;
    _Alignas(64) char head_in[AHEAD * sizeof(double)];
    _Alignas(64) char tail_in[TAIL * sizeof(double)];
    _Alignas(64) char aside[OCTETS_ASIDE * OCTET];
    double divisors[8 * OCTETS_ASIDE];
};

/* Samples from position 'from' on that are there, others are zero. */
static void copy_in(const struct walk *w, char *to, uint64_t from, size_t count)
{
    const size_t size = in_size(w->as);
    uint64_t low = from < w->first ? w->first : from, high = least(from + count, w->end);

    memset(to, 0, count * size);
    if (low < high)
        memcpy(to + (low - from) * size, w->in + (low - w->first) * size, (high - low) * size);
}

static uint64_t octets_in_part(uint64_t octets)
{
    uint64_t part = 4096;

    while (part < octets / part)
        part *= 2;
    return part;
}

size_t filter_scratch(uint64_t window)
{
    uint64_t octets = window / 8, part = octets_in_part(octets);

    if (window < SHORTEST_BLOCK)
        return OCTET;
    if (octets <= OCTETS_WHOLE)
        return octets * OCTET;
    return (part + (octets - 1) / part + 1) * OCTET;
}

static bool missing(const struct walk *w, uint64_t i)
{
    const char *at = w->in + i * in_size(w->as);

    return w->as & AS_F32 ? isnan(*(const float *)at) : isnan(*(const double *)at);
}

static void walk_begin(struct walk *w, enum as as, const struct filter_span *span, const void *in,
                       void *out)
{
    w->as = as;
    w->first = span->first;
    w->stop = span->first + span->count;
    w->window = span->window;
    w->end = w->stop + span->window - 1;
    w->octets = span->window / 8;
    w->rest = span->window % 8;
    w->v_first = w->first / 8;
    w->v_last = (w->stop - 1) / 8;
    w->divisor = (double)span->window;
    w->in = in;
    w->out = out;
    w->stream = span->stream;
    w->aside_size = 0;
    w->tail = w->end / 8 < AHEAD / 8 - 1 ? 0 : w->end / 8 - (AHEAD / 8 - 1);
    if (w->tail < (w->first + 7) / 8)
        w->tail = (w->first + 7) / 8;
    copy_in(w, w->tail_in, 8 * w->tail, TAIL);
    if (w->first % 8)
        copy_in(w, w->head_in, 8 * w->v_first, AHEAD);
    if (as & AS_CLEAN) {
        w->next = w->first;
        w->present = 0;
        for (uint64_t i = 0; i < w->window; i++)
            w->present += !missing(w, i);
    }
}

/* Where octet u of the input is; reduces 'count' to the octets that follow it there. AHEAD samples
 * from the beginning of each can be read. */
static const char *walk_in(const struct walk *w, uint64_t u, uint64_t *count)
{
    const size_t size = in_size(w->as);

    if (u >= w->tail)
        return w->tail_in + 8 * (u - w->tail) * size;
    if (8 * u < w->first) {
        *count = 1;
        return w->head_in;
    }
    *count = least(*count, w->tail - u);
    return w->in + (8 * u - w->first) * size;
}

/* Where octet v of the output is to be made; reduces 'count' likewise. */
static char *walk_out(struct walk *w, uint64_t v, uint64_t *count)
{
    const size_t size = out_size(w->as);
    uint64_t low = 8 * v, high;
    bool whole = low >= w->first && low + 8 <= w->stop;

    *count = whole ? least(*count, w->stop / 8 - v) : 1;
    if (w->as & AS_CLEAN)
        *count = least(*count, OCTETS_ASIDE);
    w->streaming = false;
    if (whole) {
        char *to = w->out + (low - w->first) * size;

        if (!w->stream)
            return to;
        if ((uintptr_t)to % (8 * size) == 0) {
            w->streaming = true;
            return to;
        }
        *count = least(*count, OCTETS_ASIDE);
    }
    high = least(low + 8 * *count, w->stop);
    w->aside_from = w->aside;
    if (low < w->first) {
        w->aside_from += (w->first - low) * size;
        low = w->first;
    }
    w->aside_to = w->out + (low - w->first) * size;
    w->aside_size = (high - low) * size;
    return w->aside;
}

/* How many samples are there in each window of octets v ... v + count - 1. */
static void walk_divisors(struct walk *w, uint64_t v, uint64_t count)
{
    double *to = w->divisors;

    for (uint64_t i = 8 * v; i < 8 * (v + count); i++, to++) {
        *to = 1;
        if (i < w->next || i >= w->stop)
            continue;
        *to = (double)w->present;
        w->next++;
        if (w->next < w->stop) {
            w->present += !missing(w, i - w->first + w->window);
            w->present -= !missing(w, i - w->first);
        }
    }
}

/* -- a sine, the same on every machine ------------------------------------------------------- */

/* splitmix64 of a counter. */
static inline uint64_t hash(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

/* sin(2 pi t), where 'turn' is t as a fraction of 2^64: an odd polynomial on a quarter turn. */
static inline double sine(uint64_t turn)
{
    int64_t angle = (int64_t)turn, half = INT64_MIN;
    double x, square;

    if (angle > INT64_MAX / 2 || angle < INT64_MIN / 2)
        angle = (int64_t)((uint64_t)half - (uint64_t)angle);
    x = (double)(angle >> 11) * 0x1p-53;
    square = x * x;
    return x * (6.2831853071795862 +
                square * (-41.341702240399755 +
                          square * (81.605249276075043 +
                                    square * (-76.705859753061379 +
                                              square * (42.058693944897634 +
                                                        square * (-15.094642576822982 +
                                                                  square * 3.8199525848482803))))));
}

/* Periods of 1,000 and of 44.1 samples, the noise between -1/4 and 1/4. */
static inline double generated(uint64_t key, uint64_t i)
{
    const uint64_t slow = 18446744073709552u, fast = 418293516410647428u;

    return sine(i * slow) + sine(i * fast) * 0.5 + (double)((int64_t)hash(key + i) >> 11) * 0x1p-54;
}

/* -- levels ---------------------------------------------------------------------------------- */

#define INLINE LEVEL static inline __attribute__((always_inline))
#define ONCE static __attribute__((noinline))

#if defined(__x86_64__)

#define STREAMED() _mm_sfence()

#define LEVEL __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw")))
#define NAMED(name) avx512_##name
#define LANES 8
#define STREAM(to, from, size)                                                                \
    do {                                                                                      \
        if ((size) == 64)                                                                     \
            _mm512_stream_si512((void *)(to), *(const __m512i_u *)(from));                    \
        else                                                                                  \
            _mm256_stream_si256((void *)(to), *(const __m256i_u *)(from));                    \
    } while (0)
#include "filter_kernel_level.h"
#undef LEVEL
#undef NAMED
#undef LANES
#undef STREAM

#define LEVEL __attribute__((target("avx2")))
#define NAMED(name) avx2_##name
#define LANES 4
#define STREAM(to, from, size)                                                                \
    for (size_t part = 0; part < (size); part += 32)                                          \
    _mm256_stream_si256((void *)((to) + part), *(const __m256i_u *)((const char *)(from) + part))
#include "filter_kernel_level.h"
#undef LEVEL
#undef NAMED
#undef LANES
#undef STREAM

#define STREAM(to, from, size)                                                                \
    for (size_t part = 0; part < (size); part += 16)                                          \
    _mm_stream_si128((void *)((to) + part), *(const __m128i_u *)((const char *)(from) + part))

#else

#define STREAMED() (void)0
#define STREAM(to, from, size) memcpy(to, from, size)

#endif

#define LEVEL
#define NAMED(name) plain_##name
#define LANES 2
#include "filter_kernel_level.h"

struct level {
    const char *name;
    void (*run)(struct walk *w, void *scratch);
    void (*generate)(uint64_t key, uint64_t first, size_t count, double *out);
};

#define TABLE(level) { #level, level##_run, level##_generate }

static const struct level levels[] = {
    TABLE(plain),
#if defined(__x86_64__)
    TABLE(avx2),
    TABLE(avx512),
#endif
};

static _Atomic unsigned chosen; /* 0: not yet; else 1 + level */

unsigned filter_levels(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        return 3;
    if (__builtin_cpu_supports("avx2"))
        return 2;
#endif
    return 1;
}

const char *filter_level_name(unsigned level)
{
    return levels[level].name;
}

void filter_level_use(unsigned level)
{
    chosen = 1 + level;
}

static const struct level *level_here(void)
{
    unsigned c = chosen;

    if (c == 0)
        chosen = c = filter_levels();
    return &levels[c - 1];
}

static void run(enum as as, const struct filter_span *span, const void *in, void *out)
{
    struct walk w;

    if (span->count == 0)
        return;
    walk_begin(&w, as, span, in, out);
    level_here()->run(&w, span->scratch);
}

void filter_mean_f64(const struct filter_span *span, const double *in, double *out)
{
    if (span->window == 1)
        memcpy(out, in, span->count * sizeof *out);
    else
        run(0, span, in, out);
}

void filter_mean_f32(const struct filter_span *span, const float *in, float *out)
{
    if (span->window == 1)
        memcpy(out, in, span->count * sizeof *out);
    else
        run(AS_F32, span, in, out);
}

void filter_sum_f64(const struct filter_span *span, const double *in, double *out)
{
    run(AS_SUM, span, in, out);
}

void filter_sum_f32(const struct filter_span *span, const float *in, double *out)
{
    run(AS_F32 | AS_SUM, span, in, out);
}

void filter_skip_f64(const struct filter_span *span, const double *in, double *out)
{
    run(AS_CLEAN, span, in, out);
}

void filter_skip_f32(const struct filter_span *span, const float *in, float *out)
{
    run(AS_F32 | AS_CLEAN, span, in, out);
}

void filter_generate(uint64_t seed, uint64_t first, size_t count, double *out)
{
    level_here()->generate(hash(seed), first, count, out);
}
