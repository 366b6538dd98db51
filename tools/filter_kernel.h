/* filter_kernel.h - the mean of every window of W samples.
 *
 * The signal is cut into blocks of W, rounded down to a multiple of 8, at absolute positions. A
 * window covers the end of one block and the beginning of the next, so its sum is a suffix sum plus a
 * prefix sum (plus up to 7 samples): additions alone, nothing is ever taken away again, so nothing
 * drifts and no sample harms a window that it is not in. (M. van Herk, Pattern Recognition Letters 13,
 * 1992; J. Gil and M. Werman, IEEE PAMI 15, 1993, for maxima; here for sums.) Windows below 16 are
 * summed one by one.
 *
 * The order of all additions depends on W and on the absolute positions alone. So the bits of an
 * output are the same wherever the signal is cut and whatever the CPU. Sums are f64, also of f32.
 *
 * A call sums its first window anew: it costs about as much as W outputs more. Where the window has
 * more than 131,079 samples, each is read three times, so that the scratch stays small. */
#ifndef TOOLS_FILTER_KERNEL_H
#define TOOLS_FILTER_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One call: outputs first ... first + count - 1. Output i is made of samples i ... i + window - 1. */
struct filter_span {
    uint64_t first;  /* absolute position of the first output, and of in[0]                     */
    size_t count;    /* outputs; the input has count + window - 1 samples                       */
    uint64_t window; /* 1 or more                                                               */
    bool stream;     /* the output will not be read again soon: write it past the caches        */
    void *scratch;   /* filter_scratch(window) bytes at a multiple of 64                        */
};

/* At most 2 MiB for windows up to 2^31; then it grows as the square root of the window. */
size_t filter_scratch(uint64_t window);

/* The means. in and out: any alignment of their type, not overlapping; 'stream' is best served where
 * an output at a multiple of 8 lies at a multiple of 64 bytes. A window of 1 is a copy, bit for bit;
 * a window with NaN, or infinities of both signs, gives NaN (always the same), and no other does. */
void filter_mean_f64(const struct filter_span *span, const double *in, double *out);
void filter_mean_f32(const struct filter_span *span, const float *in, float *out);

/* The sums, not divided: for windows of which a part only exists. */
void filter_sum_f64(const struct filter_span *span, const double *in, double *out);
void filter_sum_f32(const struct filter_span *span, const float *in, double *out);

/* The means of the samples that are not NaN; NaN where there is none. */
void filter_skip_f64(const struct filter_span *span, const double *in, double *out);
void filter_skip_f32(const struct filter_span *span, const float *in, float *out);

/* Sample i of a reproducible signal, for i in [first, first + count): noise and two sines, the same
 * bits on every machine. */
void filter_generate(uint64_t seed, uint64_t first, size_t count, double *out);

#endif
