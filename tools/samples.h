/* samples.h - numbers in the bytes of a file, as f64 or f32. */
#ifndef TOOLS_SAMPLES_H
#define TOOLS_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

enum sample_kind {
    SAMPLE_F64, SAMPLE_F32,
    SAMPLE_I8, SAMPLE_I16, SAMPLE_I32, SAMPLE_I64,
    SAMPLE_U8, SAMPLE_U16, SAMPLE_U32, SAMPLE_U64,
};

struct sample_format {
    enum sample_kind kind;
    bool swapped; /* the other byte order than this machine's */
};

size_t sample_size(enum sample_kind kind);

/* 'count' samples, the first at 'in', each 'stride' bytes after the last, of any alignment; to
 * consecutive ones. */
void samples_to_f64(double *out, const void *in, size_t stride, size_t count, struct sample_format format);
void samples_to_f32(float *out, const void *in, size_t stride, size_t count, struct sample_format format);

#endif
