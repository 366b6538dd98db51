/* filter_kernel_level.h - the kernel itself, included once for each level of the CPU by
 * filter_kernel.c, which defines LEVEL (the attribute of its functions), NAMED(name), LANES (how
 * many f64 a register has: 2, 4 or 8), and STREAM(to, from, bytes), a store past the caches.
 *
 * What is INLINE is inlined into the functions at the end, where some parameters are constant. */

/* -- octets ---------------------------------------------------------------------------------- */

#define PARTS (8 / LANES)
#define EACH for (size_t i = 0; i < PARTS; i++)

typedef double NAMED(lanes) __attribute__((vector_size(8 * LANES)));
typedef int64_t NAMED(mask) __attribute__((vector_size(8 * LANES)));
typedef float NAMED(narrow) __attribute__((vector_size(4 * LANES)));

struct NAMED(octet) {
    NAMED(lanes) part[PARTS];
};

#define octet struct NAMED(octet)

INLINE octet NAMED(all)(double x)
{
    octet o;

    EACH o.part[i] = x - (NAMED(lanes)){ 0 };
    return o;
}

INLINE octet NAMED(add)(octet a, octet b)
{
    EACH a.part[i] += b.part[i];
    return a;
}

INLINE NAMED(lanes) NAMED(unless_nan)(NAMED(lanes) x, double other)
{
    NAMED(mask) o = (NAMED(mask))(other - (NAMED(lanes)){ 0 });
    NAMED(mask) there = x == x; /* NOLINT(misc-redundant-expression): NaN is not equal to itself */

    return (NAMED(lanes))(((NAMED(mask))x & there) | (o & ~there));
}

/* The octet that begins 1, 2 or 4 samples behind a, in front of b. */
#if LANES == 8
INLINE octet NAMED(behind)(octet a, octet b, unsigned by)
{
    NAMED(lanes) x = a.part[0], y = b.part[0];

    a.part[0] = by == 1   ? __builtin_shufflevector(x, y, 1, 2, 3, 4, 5, 6, 7, 8)
                : by == 2 ? __builtin_shufflevector(x, y, 2, 3, 4, 5, 6, 7, 8, 9)
                          : __builtin_shufflevector(x, y, 4, 5, 6, 7, 8, 9, 10, 11);
    return a;
}
#else
INLINE octet NAMED(behind)(octet a, octet b, unsigned by)
{
    NAMED(lanes) both[2 * PARTS];
    octet o;

    EACH both[i] = a.part[i];
    EACH both[PARTS + i] = b.part[i];
    EACH {
        NAMED(lanes) x = both[i + by / LANES], y = both[i + by / LANES + 1];
#if LANES == 4
        o.part[i] = by == 1   ? __builtin_shufflevector(x, y, 1, 2, 3, 4)
                    : by == 2 ? __builtin_shufflevector(x, y, 2, 3, 4, 5)
                              : x;
#else
        o.part[i] = by == 1 ? __builtin_shufflevector(x, y, 1, 2) : x;
#endif
    }
    return o;
}
#endif

/* Eight samples as f64, from any address. CLEAN: those that are NaN become the neutral element. */
INLINE octet NAMED(load)(const char *from, enum as as)
{
    octet x;

    EACH {
        if (as & AS_F32) {
            NAMED(narrow) narrow;

            memcpy(&narrow, from + i * sizeof narrow, sizeof narrow);
            x.part[i] = __builtin_convertvector(narrow, NAMED(lanes));
        } else {
            memcpy(&x.part[i], from + i * sizeof x.part[i], sizeof x.part[i]);
        }
        if (as & AS_CLEAN)
            x.part[i] = NAMED(unless_nan)(x.part[i], -0.0);
    }
    return x;
}

/* A sum becomes the output. Every NaN becomes the same NaN, as which one an addition yields differs
 * between CPUs and compilers. */
INLINE void NAMED(store)(char *to, octet sum, octet divisor, enum as as, bool stream)
{
    EACH {
        if (!(as & AS_SUM))
            sum.part[i] /= divisor.part[i];
        sum.part[i] = NAMED(unless_nan)(sum.part[i], __builtin_nan(""));
    }
    if (as & AS_F32 && !(as & AS_SUM)) {
        struct {
            NAMED(narrow) part[PARTS];
        } narrow;

        EACH narrow.part[i] = __builtin_convertvector(sum.part[i], NAMED(narrow));
        if (stream)
            STREAM(to, &narrow, sizeof narrow);
        else
            memcpy(to, &narrow, sizeof narrow);
    } else if (stream) {
        STREAM(to, &sum, sizeof sum);
    } else {
        memcpy(to, &sum, sizeof sum);
    }
}

/* -- sums of 8, and what is left of the window ---------------------------------------------- */

/* For octet u: x of octet u + 2, sums of 2 from each sample of u + 1, sums of 4 from each of u. */
struct NAMED(pipe) {
    octet x, two, four;
};

INLINE void NAMED(pipe_begin)(struct NAMED(pipe) *pipe, const char *from, enum as as)
{
    const size_t step = 8 * in_size(as);
    octet x0 = NAMED(load)(from, as), x1 = NAMED(load)(from + step, as);
    octet x2 = NAMED(load)(from + 2 * step, as);
    octet two = NAMED(add)(x0, NAMED(behind)(x0, x1, 1));

    pipe->x = x2;
    pipe->two = NAMED(add)(x1, NAMED(behind)(x1, x2, 1));
    pipe->four = NAMED(add)(two, NAMED(behind)(two, pipe->two, 2));
}

/* The sums of 8 from each sample of octet u, which is at 'from'. Reads up to octet u + 3. */
INLINE octet NAMED(pipe_next)(struct NAMED(pipe) *pipe, const char *from, enum as as)
{
    octet x = NAMED(load)(from + 24 * in_size(as), as);
    octet two = NAMED(add)(pipe->x, NAMED(behind)(pipe->x, x, 1));
    octet four = NAMED(add)(pipe->two, NAMED(behind)(pipe->two, two, 2));
    octet eight = NAMED(add)(pipe->four, NAMED(behind)(pipe->four, four, 4));

    pipe->x = x;
    pipe->two = two;
    pipe->four = four;
    return eight;
}

/* The sums of rest samples (0 to 7) from each of the octet at 'from'. */
INLINE octet NAMED(rest_of)(const struct NAMED(pipe) *pipe, const char *from, unsigned rest,
                            enum as as)
{
    const size_t size = in_size(as);
    octet sum = NAMED(all)(-0.0);

    if (rest & 4) {
        sum = pipe->four;
        from += 4 * size;
    }
    if (rest & 2) {
        octet two = NAMED(add)(NAMED(load)(from, as), NAMED(load)(from + size, as));

        sum = NAMED(add)(sum, two);
        from += 2 * size;
    }
    if (rest & 1)
        sum = NAMED(add)(sum, NAMED(load)(from, as));
    return sum;
}

/* Sums to the end of a block, or of a part of it: sums[i] += sums[i + 1] from the end. */
INLINE octet NAMED(suffixes)(octet *sums, size_t count, octet behind)
{
    while (count-- > 0) {
        behind = NAMED(add)(sums[count], behind);
        sums[count] = behind;
    }
    return behind;
}

/* -- windows --------------------------------------------------------------------------------- */

/* Sums of 8 for octets u ... u + count - 1: added to 'prefix', kept in 'sums' unless it is NULL.
 * Only done where a span begins, so it is there once. */
LEVEL ONCE void NAMED(gather)(struct walk *w, struct NAMED(pipe) *pipe, uint64_t u, uint64_t count,
                              octet *sums, octet *prefix, enum as as)
{
    const size_t step = 8 * in_size(as);
    octet sum = *prefix;

    while (count > 0) {
        uint64_t n = count;
        const char *from = walk_in(w, u, &n);
        struct NAMED(pipe) p = *pipe;

        for (uint64_t i = 0; i < n; i++, from += step) {
            octet eight = NAMED(pipe_next)(&p, from, as);

            sum = NAMED(add)(sum, eight);
            if (sums)
                *sums++ = eight;
        }
        *pipe = p;
        u += n;
        count -= n;
    }
    *prefix = sum;
}

LEVEL ONCE void NAMED(pipe_at)(struct walk *w, struct NAMED(pipe) *pipe, uint64_t u, enum as as)
{
    uint64_t n = 1;

    NAMED(pipe_begin)(pipe, walk_in(w, u, &n), as);
}

/* Puts what was made aside where it belongs. */
INLINE void NAMED(walk_put)(struct walk *w)
{
    const char *from = w->aside_from;
    char *to = w->aside_to;
    size_t size = w->aside_size;

    if (size == 0)
        return;
    w->aside_size = 0;
    if (w->stream && size > 64) {
        size_t before = -(uintptr_t)to % 64;

        memcpy(to, from, before);
        for (to += before, from += before, size -= before; size >= 64; size -= 64) {
            STREAM(to, from, 64);
            to += 64, from += 64;
        }
    }
    memcpy(to, from, size);
}

/* Outputs of octets v ... v + count - 1, all of one block: 'sums' has their suffixes, and gets the
 * sums of 8 of the octets one block on if keep. */
INLINE void NAMED(emit)(struct walk *w, struct NAMED(pipe) *pipe, uint64_t v, uint64_t count,
                        octet *sums, octet *prefix, bool keep, enum as as)
{
    const size_t step = 8 * in_size(as), out_step = 8 * out_size(as);
    const unsigned rest = w->rest;
    octet sum = *prefix, divisor = NAMED(all)(w->divisor);

    while (count > 0) {
        uint64_t n = count;
        const char *from = walk_in(w, v + w->octets, &n);
        char *to = walk_out(w, v, &n);
        struct NAMED(pipe) p = *pipe;
        const bool stream = w->streaming;

        if (as & AS_CLEAN)
            walk_divisors(w, v, n);
        for (uint64_t i = 0; i < n; i++, from += step, to += out_step) {
            octet all = NAMED(add)(sums[i], sum);

            if (rest)
                all = NAMED(add)(all, NAMED(rest_of)(&p, from, rest, as));
            octet eight = NAMED(pipe_next)(&p, from, as);

            sum = NAMED(add)(sum, eight);
            if (keep)
                sums[i] = eight;
            if (as & AS_CLEAN)
                memcpy(&divisor, w->divisors + 8 * i, sizeof divisor);
            NAMED(store)(to, all, divisor, as, stream);
        }
        *pipe = p;
        NAMED(walk_put)(w);
        v += n;
        sums += n;
        count -= n;
    }
    *prefix = sum;
}

/* The sums of a whole block fit in the scratch: each sample is read once. */
INLINE void NAMED(blocks)(struct walk *w, octet *sums, enum as as)
{
    const uint64_t octets = w->octets;
    uint64_t v = w->v_first, k = v % octets;
    struct NAMED(pipe) pipe;
    octet prefix = NAMED(all)(-0.0);

    NAMED(pipe_at)(w, &pipe, v, as);
    NAMED(gather)(w, &pipe, v, octets - k, sums + k, &prefix, as);
    NAMED(suffixes)(sums + k, octets - k, NAMED(all)(-0.0));
    prefix = NAMED(all)(-0.0);
    NAMED(gather)(w, &pipe, v + (octets - k), k, sums, &prefix, as);
    for (;;) {
        uint64_t n = least(octets - k, w->v_last + 1 - v);

        NAMED(emit)(w, &pipe, v, n, sums + k, &prefix, true, as);
        v += n;
        if (v > w->v_last)
            return;
        NAMED(suffixes)(sums, octets, NAMED(all)(-0.0));
        prefix = NAMED(all)(-0.0);
        k = 0;
    }
}

/* They don't: only the suffix at the end of each part of a block is kept, and the others are made
 * again from it, part by part. */
INLINE void NAMED(parts)(struct walk *w, octet *sums, enum as as)
{
    const uint64_t octets = w->octets, part = octets_in_part(octets);
    octet *marks = sums + part, unused = NAMED(all)(-0.0);
    struct NAMED(pipe) pipe;

    for (uint64_t v = w->v_first; v <= w->v_last;) {
        uint64_t block = v - v % octets, k = v % octets;
        uint64_t stop = least(octets, k + (w->v_last + 1 - v)), p = (octets - 1) / part;
        octet behind = NAMED(all)(-0.0), prefix = NAMED(all)(-0.0);

        for (;; p--) { /* from the last part to the one that has k */
            uint64_t low = p * part > k ? p * part : k, high = least(octets, (p + 1) * part);

            marks[p] = behind;
            if (p == k / part)
                break;
            NAMED(pipe_at)(w, &pipe, block + low, as);
            NAMED(gather)(w, &pipe, block + low, high - low, sums, &unused, as);
            behind = NAMED(suffixes)(sums, high - low, behind);
        }
        NAMED(pipe_at)(w, &pipe, block + octets, as);
        NAMED(gather)(w, &pipe, block + octets, k, NULL, &prefix, as);
        for (; k < stop; p++) {
            uint64_t high = least(octets, (p + 1) * part), n = least(stop, high) - k;

            NAMED(pipe_at)(w, &pipe, block + k, as);
            NAMED(gather)(w, &pipe, block + k, high - k, sums, &unused, as);
            NAMED(suffixes)(sums, high - k, marks[p]);
            NAMED(pipe_at)(w, &pipe, block + octets + k, as);
            NAMED(emit)(w, &pipe, block + k, n, sums, &prefix, false, as);
            k += n;
        }
        v = block + k;
    }
}

/* Short windows: each by itself, in the order of its samples. */
INLINE void NAMED(directly)(struct walk *w, enum as as)
{
    const size_t size = in_size(as), window = (size_t)w->window;
    octet divisor = NAMED(all)(w->divisor);

    for (uint64_t v = w->v_first; v <= w->v_last;) {
        uint64_t n = w->v_last + 1 - v;
        const char *from = walk_in(w, v, &n);
        char *to = walk_out(w, v, &n);
        const bool stream = w->streaming;

        if (as & AS_CLEAN)
            walk_divisors(w, v, n);
        for (uint64_t i = 0; i < n; i++, from += 8 * size, to += 8 * out_size(as)) {
            octet sum = NAMED(load)(from, as);

            for (size_t j = 1; j < window; j++)
                sum = NAMED(add)(sum, NAMED(load)(from + j * size, as));
            if (as & AS_CLEAN)
                memcpy(&divisor, w->divisors + 8 * i, sizeof divisor);
            NAMED(store)(to, sum, divisor, as, stream);
        }
        NAMED(walk_put)(w);
        v += n;
    }
}

/* -- what the table has ---------------------------------------------------------------------- */

/* The means of whole windows, each type by itself; and everything, where 'as' is known only now. */
LEVEL static void NAMED(mean_f64)(struct walk *w, void *scratch)
{
    if (w->window < SHORTEST_BLOCK)
        NAMED(directly)(w, 0);
    else
        NAMED(blocks)(w, scratch, 0);
}

LEVEL static void NAMED(mean_f32)(struct walk *w, void *scratch)
{
    if (w->window < SHORTEST_BLOCK)
        NAMED(directly)(w, AS_F32);
    else
        NAMED(blocks)(w, scratch, AS_F32);
}

LEVEL static void NAMED(any)(struct walk *w, void *scratch)
{
    if (w->window < SHORTEST_BLOCK)
        NAMED(directly)(w, w->as);
    else if (w->octets <= OCTETS_WHOLE)
        NAMED(blocks)(w, scratch, w->as);
    else
        NAMED(parts)(w, scratch, w->as);
}

LEVEL static void NAMED(run)(struct walk *w, void *scratch)
{
    if (w->as == 0 && w->octets <= OCTETS_WHOLE)
        NAMED(mean_f64)(w, scratch);
    else if (w->as == AS_F32 && w->octets <= OCTETS_WHOLE)
        NAMED(mean_f32)(w, scratch);
    else
        NAMED(any)(w, scratch);
    if (w->stream)
        STREAMED();
}

LEVEL static void NAMED(generate)(uint64_t key, uint64_t first, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = generated(key, first + i);
}

#undef octet
#undef EACH
#undef PARTS
