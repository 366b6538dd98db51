/* npy_fuzz.c - headers of arrays, and their samples as this machine did not read them.
 *
 * Description: a header that is believed makes the command read behind its memory, or ask for all of
 * the machine's.
 *
 * The bytes stand where memory ends, and no more of them than were asked for. */
#include "npy.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define MUST(condition)                                                                       \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);           \
            abort();                                                                          \
        }                                                                                     \
    } while (0)

static unsigned char *exact(const unsigned char *bytes, size_t size)
{
    unsigned char *copy = malloc(size ? size : 1);

    MUST(copy);
    memcpy(copy, bytes, size);
    return copy;
}

static int read_some(const unsigned char *data, size_t there, uint64_t file_size, struct npy *npy,
                     size_t *need)
{
    unsigned char *copy = exact(data, there);
    char why[400] = "";
    int r = npy_read(copy, there, file_size, npy, need, why, sizeof why);

    MUST(r == 0 || r == NPY_MORE || r == -EINVAL);
    if (r == NPY_MORE)
        MUST(*need > there && *need <= NPY_LONGEST + 12 && *need <= file_size);
    if (r == -EINVAL) {
        MUST(*why && strlen(why) < sizeof why - 1);
        for (const char *p = why; *p; p++)
            MUST(*p >= 0x20 && *p < 0x7f);
    }
    free(copy);
    return r;
}

/* As a reader does: no byte is there that was not asked for. */
static int read_header(const unsigned char *data, size_t size, uint64_t file_size, struct npy *npy)
{
    size_t there = 0, need = 0;
    int r;

    while ((r = read_some(data, there, file_size, npy, &need)) == NPY_MORE) {
        if (need > size)
            return NPY_MORE;
        there = need;
    }
    return r;
}

/* One sample, byte by byte. */
static double sample(const unsigned char *at, struct sample_format format)
{
    size_t size = sample_size(format.kind);
    bool big = format.swapped != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
    uint64_t bits = 0;
    double f64;
    float f32;

    for (size_t i = 0; i < size; i++)
        bits |= (uint64_t)at[big ? size - 1 - i : i] << 8 * i;
    switch (format.kind) {
    case SAMPLE_F64:
        memcpy(&f64, &bits, sizeof f64);
        return f64;
    case SAMPLE_F32:
        memcpy(&f32, &(uint32_t){(uint32_t)bits}, sizeof f32);
        return (double)f32;
    case SAMPLE_I8:
        return (int8_t)bits;
    case SAMPLE_I16:
        return (int16_t)bits;
    case SAMPLE_I32:
        return (int32_t)bits;
    case SAMPLE_I64:
        return (double)(int64_t)bits;
    case SAMPLE_U8:
    case SAMPLE_U16:
    case SAMPLE_U32:
    case SAMPLE_U64:
        break;
    }
    return (double)bits;
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Samples at 'at', 'stride' apart; nothing stands behind the last. */
static void check_samples(const unsigned char *at, size_t stride, size_t count, struct sample_format format)
{
    unsigned char *copy = exact(at, count ? (count - 1) * stride + sample_size(format.kind) : 0);
    double *f64 = malloc((count + 1) * sizeof *f64);
    float *f32 = malloc((count + 1) * sizeof *f32);
    bool rounds_twice = format.kind == SAMPLE_I64 || format.kind == SAMPLE_U64;

    MUST(f64 && f32);
    samples_to_f64(f64, copy, stride, count, format);
    samples_to_f32(f32, copy, stride, count, format);
    for (size_t i = 0; i < count; i++) {
        double value = sample(at + i * stride, format);

        MUST(same(f64[i], value));
        MUST(rounds_twice ? fabsf(f32[i] - (float)value) <= fabsf((float)value) * 1e-6F
                          : same((double)f32[i], (double)(float)value));
    }
    free(copy);
    free(f64);
    free(f32);
}

static void check_written(const struct npy *npy)
{
    char header[NPY_HEADER];
    struct npy again = {0};

    npy_write(header, "<f4", npy->dimensions, npy->rows, npy->channels);
    MUST(header[NPY_HEADER - 1] == '\n');
    if (read_header((const unsigned char *)header, NPY_HEADER, UINT64_MAX, &again) == 0)
        MUST(again.dimensions == npy->dimensions && again.rows == npy->rows &&
             again.channels == npy->channels && again.data == NPY_HEADER && !again.fortran &&
             again.format.kind == SAMPLE_F32);
    else
        MUST(sample_size(npy->format.kind) < sizeof(float)); /* four times as large: too large for a file */
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct npy npy = {0}, streamed = {0};
    size_t bytes, need;
    int r = read_header(data, size, size, &npy), s = read_header(data, size, UINT64_MAX, &streamed);

    MUST(r != NPY_MORE);
    MUST(r == read_some(data, size, size, &npy, &need));
    if (r == 0)
        MUST(s == 0 && memcmp(&npy, &streamed, sizeof npy) == 0);
    if (s == 0)
        check_written(&streamed);
    if (r < 0)
        return 0;
    MUST((npy.dimensions == 1 && npy.channels == 1) || npy.dimensions == 2);
    MUST(npy.channels > 0 && npy.data <= size);
    MUST(npy.rows <= size && npy.rows * npy.channels <= size);
    bytes = sample_size(npy.format.kind);
    MUST(npy.data + npy.rows * npy.channels * bytes <= size);
    if (npy.rows == 0)
        return 0;
    for (uint64_t c = 0; c < npy.channels; c++) {
        if (npy.fortran)
            check_samples(data + npy.data + c * npy.rows * bytes, bytes, npy.rows, npy.format);
        else
            check_samples(data + npy.data + c * bytes, npy.channels * bytes, npy.rows, npy.format);
    }
    return 0;
}
