/* filter_edges.h - what stands beyond the two ends of a signal, and how many outputs that makes.
 *
 * The signal is thought of as extended on both sides, so that every output is one whole window of the
 * extended signal: output o is made of its samples o ... o + window - 1. Sample e of it is sample
 * e - left of the signal, or, where that is beyond an end, what the mode says:
 *
 *     valid      nothing is added                                  n - W + 1 outputs
 *     same full  zeros; as numpy.convolve(signal, ones(W)/W)       max(n, W), n + W - 1
 *     reflect    d c b a | a b c d | d c b a                       n, as in scipy.ndimage.uniform_filter1d
 *     mirror     d c b | a b c d | c b a                           n
 *     nearest    a a a | a b c d | d d d                           n
 *     wrap       b c d | a b c d | a b c                           n
 *     constant   the fill value                                    n
 *     shrink     nothing: the window is shorter there; it ends     n, as pandas rolling(W, min_periods=1)
 *                at its output
 */
#ifndef TOOLS_FILTER_EDGES_H
#define TOOLS_FILTER_EDGES_H

#include <stdbool.h>
#include <stdint.h>

enum filter_edges {
    EDGES_VALID, EDGES_SAME, EDGES_FULL, EDGES_REFLECT, EDGES_MIRROR,
    EDGES_NEAREST, EDGES_WRAP, EDGES_CONSTANT, EDGES_SHRINK,
};

/* Windows above this are refused before anything is added to them. */
#define EDGES_MOST_WINDOW (UINT64_C(1) << 40)

/* Samples beyond the first and the last one, of a signal of n. How much comes before can be told as
 * soon as edges_needs() samples are known, or the end: n may then be anything from there on. */
uint64_t edges_left(enum filter_edges edges, uint64_t window, uint64_t n);
uint64_t edges_right(enum filter_edges edges, uint64_t window, uint64_t n);
uint64_t edges_outputs(enum filter_edges edges, uint64_t window, uint64_t n);
uint64_t edges_needs(enum filter_edges edges, uint64_t window);

/* True if the first outputs need the last samples. */
bool edges_go_round(enum filter_edges edges);

/* The sample of the signal that stands at 'at' (which may be beyond an end); -1: none, see edges. To
 * the left of the signal it depends on 'count', the samples in it, only below edges_needs(). */
int64_t edges_sample(enum filter_edges edges, int64_t at, uint64_t count);

const char *edges_name(enum filter_edges edges);
/* By its name; -1: there is none such. */
int edges_find(const char *name);

#endif
