/* filter_overflow.h - means of samples so large that their sum is beyond the largest number. */
#ifndef TOOLS_FILTER_OVERFLOW_H
#define TOOLS_FILTER_OVERFLOW_H

#include "filter_kernel.h"

/* Looks through means that the kernel made of this span, and makes those again which are not finite
 * although their window is. 'skip': NaN were left out. 'growing': output number i is the mean of
 * i + 1 samples, as long as that is less than the window; what is before them is 0. */
void filter_mend(const struct filter_span *span, const double *in, double *out, bool skip, bool growing);

#endif
