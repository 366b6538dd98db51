/* filter_overflow.c - the rare case beside the kernel's way: it costs one look at the means, and only
 * where one of them is not finite more than that. Their windows are then summed in the order of the samples,
 * each made smaller by 2^64, which is exact for all that matters in such a sum. */
#include "filter_overflow.h"

#include "clones.h"

#include <math.h>
#include <string.h>

/* By the exponent, so that it can be done for many at once. */
CREW_CLONES
static uint64_t not_finite(const double *numbers, size_t count)
{
    const uint64_t exponent = UINT64_C(0x7ff) << 52;
    uint64_t found = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t bits;

        memcpy(&bits, &numbers[i], sizeof bits);
        found |= (bits & exponent) == exponent;
    }
    return found;
}

static double mean_of(const double *in, uint64_t window, bool skip, uint64_t divisor)
{
    uint64_t present = 0;
    double sum = 0, lost = 0; /* what rounding took away: A. Neumaier, ZAMM 54, 1974 */

    for (uint64_t i = 0; i < window; i++) {
        if (skip && isnan(in[i]))
            continue;

        double x = in[i] * 0x1p-64, next = sum + x;

        lost += fabs(sum) >= fabs(x) ? (sum - next) + x : (x - next) + sum;
        sum = next;
        present++;
    }
    return (sum + lost) / (double)(skip ? present : divisor) * 0x1p64;
}

void filter_mend(const struct filter_span *span, const double *in, double *out, bool skip, bool growing)
{
    uint64_t seen = 0, behind = 0; /* the next sample to look at; the one behind the last that excuses */

    if (!not_finite(out, span->count))
        return;
    for (size_t i = 0; i < span->count; i++) {
        uint64_t divisor = span->window;

        for (; seen < i + span->window; seen++)
            if (isinf(in[seen]) || (!skip && isnan(in[seen])))
                behind = seen + 1;
        if (isfinite(out[i]) || behind > i)
            continue;
        if (growing && span->first + i + 1 < divisor)
            divisor = span->first + i + 1;
        out[i] = mean_of(in + i, span->window, skip, divisor);
    }
}
