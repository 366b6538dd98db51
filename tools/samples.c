/* samples.c - every kind of number to f64 and to f32, each rounded once. */
#include "samples.h"

#include <stdint.h>
#include <string.h>

size_t sample_size(enum sample_kind kind)
{
    switch (kind) {
    case SAMPLE_I8:
    case SAMPLE_U8:
        return 1;
    case SAMPLE_I16:
    case SAMPLE_U16:
        return 2;
    case SAMPLE_F32:
    case SAMPLE_I32:
    case SAMPLE_U32:
        return 4;
    case SAMPLE_F64:
    case SAMPLE_I64:
    case SAMPLE_U64:
        break;
    }
    return 8;
}

static inline uint8_t swap_1(uint8_t bits)
{
    return bits;
}

static inline uint16_t swap_2(uint16_t bits)
{
    return __builtin_bswap16(bits);
}

static inline uint32_t swap_4(uint32_t bits)
{
    return __builtin_bswap32(bits);
}

static inline uint64_t swap_8(uint64_t bits)
{
    return __builtin_bswap64(bits);
}

/* NOLINTBEGIN(bugprone-macro-parentheses): types, which can't have any. */

/* A loop for each answer to: swapped? side by side? So that the compiler can use its vectors. */
#define LOOP(target, type, bytes, step, change)                                                   \
    for (size_t i = 0; i < count; i++) {                                                          \
        uint##bytes##_t bits;                                                                     \
        type value;                                                                               \
                                                                                                  \
        memcpy(&bits, in + i * (step), sizeof bits);                                              \
        bits = change(bits);                                                                      \
        memcpy(&value, &bits, sizeof value);                                                      \
        out[i] = (target)value;                                                                   \
    }

#define READ(name, target, type, bits, bytes)                                                     \
    static void name(target *restrict out, const unsigned char *restrict in, size_t stride,        \
                     size_t count, bool swapped)                                                   \
    {                                                                                             \
        if (swapped && stride == sizeof(type))                                                    \
            LOOP(target, type, bits, sizeof(type), swap_##bytes)                                  \
        else if (swapped)                                                                         \
            LOOP(target, type, bits, stride, swap_##bytes)                                        \
        else if (stride == sizeof(type))                                                          \
            LOOP(target, type, bits, sizeof(type), )                                              \
        else                                                                                      \
            LOOP(target, type, bits, stride, )                                                    \
    }

#define READS(suffix, target)                                                                     \
    READ(f64_##suffix, target, double, 64, 8)                                                     \
    READ(f32_##suffix, target, float, 32, 4)                                                      \
    READ(i8_##suffix, target, int8_t, 8, 1)                                                       \
    READ(i16_##suffix, target, int16_t, 16, 2)                                                    \
    READ(i32_##suffix, target, int32_t, 32, 4)                                                    \
    READ(i64_##suffix, target, int64_t, 64, 8)                                                    \
    READ(u8_##suffix, target, uint8_t, 8, 1)                                                      \
    READ(u16_##suffix, target, uint16_t, 16, 2)                                                   \
    READ(u32_##suffix, target, uint32_t, 32, 4)                                                   \
    READ(u64_##suffix, target, uint64_t, 64, 8)

READS(to_f64, double)
READS(to_f32, float)

/* NOLINTEND(bugprone-macro-parentheses) */

#define CALLS(suffix)                                                                             \
    switch (format.kind) {                                                                        \
    case SAMPLE_F64:                                                                              \
        f64_##suffix(out, in, stride, count, format.swapped);                                     \
        break;                                                                                    \
    case SAMPLE_F32:                                                                              \
        f32_##suffix(out, in, stride, count, format.swapped);                                     \
        break;                                                                                    \
    case SAMPLE_I8:                                                                               \
        i8_##suffix(out, in, stride, count, format.swapped);                                      \
        break;                                                                                    \
    case SAMPLE_I16:                                                                              \
        i16_##suffix(out, in, stride, count, format.swapped);                                     \
        break;                                                                                    \
    case SAMPLE_I32:                                                                              \
        i32_##suffix(out, in, stride, count, format.swapped);                                     \
        break;                                                                                    \
    case SAMPLE_I64:                                                                              \
        i64_##suffix(out, in, stride, count, format.swapped);                                     \
        break;                                                                                    \
    case SAMPLE_U8:                                                                               \
        u8_##suffix(out, in, stride, count, format.swapped);                                      \
        break;                                                                                    \
    case SAMPLE_U16:                                                                              \
        u16_##suffix(out, in, stride, count, format.swapped);                                     \
        break;                                                                                    \
    case SAMPLE_U32:                                                                              \
        u32_##suffix(out, in, stride, count, format.swapped);                                     \
        break;                                                                                    \
    case SAMPLE_U64:                                                                              \
        u64_##suffix(out, in, stride, count, format.swapped);                                     \
        break;                                                                                    \
    }

void samples_to_f64(double *out, const void *in, size_t stride, size_t count, struct sample_format format)
{
    CALLS(to_f64)
}

void samples_to_f32(float *out, const void *in, size_t stride, size_t count, struct sample_format format)
{
    CALLS(to_f32)
}
