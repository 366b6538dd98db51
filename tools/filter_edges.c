/* filter_edges.c - arithmetic; see filter_edges.h. */
#include "filter_edges.h"

#include <string.h>

static const char *const names[] = {
    [EDGES_VALID] = "valid",     [EDGES_SAME] = "same",       [EDGES_FULL] = "full",
    [EDGES_REFLECT] = "reflect", [EDGES_MIRROR] = "mirror",   [EDGES_NEAREST] = "nearest",
    [EDGES_WRAP] = "wrap",       [EDGES_CONSTANT] = "constant", [EDGES_SHRINK] = "shrink",
};

uint64_t edges_outputs(enum filter_edges edges, uint64_t window, uint64_t n)
{
    if (n == 0)
        return 0;
    switch (edges) {
    case EDGES_VALID:
        return n >= window ? n - window + 1 : 0;
    case EDGES_SAME:
        return n > window ? n : window;
    case EDGES_FULL:
        return n + window - 1;
    default:
        return n;
    }
}

uint64_t edges_left(enum filter_edges edges, uint64_t window, uint64_t n)
{
    switch (edges) {
    case EDGES_VALID:
        return 0;
    case EDGES_SAME:
        /* numpy takes the middle of 'full', which begins (shorter - 1) / 2 after it */
        return window - 1 - ((n < window ? n : window) - (n > 0)) / 2;
    case EDGES_FULL:
    case EDGES_SHRINK:
        return window - 1;
    default:
        return window / 2;
    }
}

uint64_t edges_right(enum filter_edges edges, uint64_t window, uint64_t n)
{
    uint64_t outputs = edges_outputs(edges, window, n);

    return outputs == 0 ? 0 : outputs + window - 1 - n - edges_left(edges, window, n);
}

uint64_t edges_needs(enum filter_edges edges, uint64_t window)
{
    switch (edges) {
    case EDGES_SAME:
        return window;
    case EDGES_REFLECT:
    case EDGES_MIRROR:
        return window / 2 + 1;
    case EDGES_NEAREST:
        return 1;
    default:
        return 0;
    }
}

bool edges_go_round(enum filter_edges edges)
{
    return edges == EDGES_WRAP;
}

static int64_t modulo(int64_t a, int64_t period)
{
    int64_t rest = a % period;

    return rest < 0 ? rest + period : rest;
}

int64_t edges_sample(enum filter_edges edges, int64_t at, uint64_t count)
{
    const int64_t n = (int64_t)count;
    int64_t t;

    if (at >= 0 && at < n)
        return at;
    switch (edges) {
    case EDGES_REFLECT:
        t = modulo(at, 2 * n);
        return t < n ? t : 2 * n - 1 - t;
    case EDGES_MIRROR:
        if (n == 1)
            return 0;
        t = modulo(at, 2 * n - 2);
        return t < n ? t : 2 * n - 2 - t;
    case EDGES_NEAREST:
        return at < 0 ? 0 : n - 1;
    case EDGES_WRAP:
        return modulo(at, n);
    default:
        return -1;
    }
}

const char *edges_name(enum filter_edges edges)
{
    return names[edges];
}

int edges_find(const char *name)
{
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (strcmp(name, names[i]) == 0)
            return i;
    return -1;
}
