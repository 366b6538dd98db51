/* table_check.h - what holds for every table, and numbers as libc reads them. Any difference is an abort. */
#ifndef FUZZ_TABLE_CHECK_H
#define FUZZ_TABLE_CHECK_H

#include "table.h"

#include <errno.h>
#include <math.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUST(condition)                                                                       \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);           \
            abort();                                                                          \
        }                                                                                     \
    } while (0)

enum { WHY = 600 };

enum reference_number { NO_NUMBER, TOO_LARGE, A_NUMBER };

/* All 'size' bytes, by a regular expression and strtod(). */
static inline enum reference_number reference_number(const char *at, size_t size, double *value)
{
    static const char form[] = "^[+-]?(([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?"
                               "|[nN][aA][nN]|[iI][nN][fF]([iI][nN][iI][tT][yY])?)$";
    static regex_t regex;
    static bool ready;
    enum reference_number answer = NO_NUMBER;
    char *text = malloc(size + 1);

    if (!ready)
        MUST(regcomp(&regex, form, REG_EXTENDED | REG_NOSUB) == 0);
    ready = true;
    MUST(text);
    memcpy(text, at, size);
    text[size] = '\0';
    if (strlen(text) == size && regexec(&regex, text, 0, NULL, 0) == 0) {
        *value = strtod(text, NULL);
        answer = isinf(*value) && !strpbrk(text, "iI") ? TOO_LARGE : A_NUMBER;
    }
    free(text);
    return answer;
}

static inline bool same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

/* A copy that ends where the memory does. */
static inline char *exact(const char *bytes, size_t size)
{
    char *copy = malloc(size ? size : 1);

    MUST(copy);
    memcpy(copy, bytes, size);
    return copy;
}

/* Numbers of a piece, in malloc(). */
static inline double *read_piece(const struct table *table, const char *bytes, size_t size,
                                 struct table_piece *piece)
{
    double *out = malloc((table_room(table, size) + 1) * sizeof *out);

    MUST(out);
    table_read(table, bytes, size, out, piece);
    MUST(piece->rows * table_channels(table) <= table_room(table, size));
    MUST(piece->bad == TABLE_GOOD || piece->bad <= size);
    return out;
}

static inline void explain(const struct table *table, const struct table_place *place, const char *bytes,
                           size_t size, const struct table_piece *piece, char *why)
{
    memset(why, 0, WHY);
    if (piece->bad == TABLE_GOOD)
        return;
    table_explain(table, place, bytes, size, piece, why, WHY);
    MUST(strncmp(why, "line ", 5) == 0 && strlen(why) < WHY - 1);
    for (const char *p = why; *p; p++)
        MUST(*p >= 0x20 && *p < 0x7f);
}

/* The data cut in two, at each place at which it can come in: the same numbers, the same error. */
static inline void check_pieces(const struct table *table, const char *bytes, size_t size)
{
    struct table_piece all, left, right;
    double *out = read_piece(table, bytes, size, &all);
    unsigned channels = table_channels(table);
    char why[WHY], other[WHY];
    size_t last = 0;

    explain(table, &(struct table_place){0, 0}, bytes, size, &all, why);
    for (size_t there = 0; there <= size; there++) {
        struct table_place place = {0, 0};
        size_t cut = table_cut(table, bytes, there, false);
        double *first, *second;
        char *copy;

        MUST(cut <= there && cut >= last);
        if (cut == last && there > 0)
            continue;
        last = cut;
        copy = exact(bytes, cut);
        first = read_piece(table, copy, cut, &left);
        MUST(left.rows <= all.rows);
        MUST(memcmp(first, out, left.rows * channels * sizeof *out) == 0);
        if (left.bad != TABLE_GOOD) {
            MUST(left.bad == all.bad && left.rows == all.rows);
            explain(table, &place, copy, cut, &left, other);
        } else {
            second = read_piece(table, bytes + cut, size - cut, &right);
            MUST(left.rows + right.rows == all.rows);
            MUST(memcmp(second, out + left.rows * channels, right.rows * channels * sizeof *out) == 0);
            MUST(right.bad == TABLE_GOOD ? all.bad == TABLE_GOOD : right.bad + cut == all.bad);
            table_pass(&place, bytes, cut);
            explain(table, &place, bytes + cut, size - cut, &right, other);
            free(second);
        }
        MUST(strcmp(why, other) == 0);
        free(first);
        free(copy);
    }
    free(out);
}

/* Opened while only a part is there: it asks for more, or says what it says when all is there. */
static inline void check_open(enum table_kind kind, const char *const *columns, unsigned count,
                              const char *bytes, size_t size, int answer, const struct table *whole,
                              size_t head)
{
    for (size_t there = 0; there <= size; there++) {
        char *copy = exact(bytes, there), why[WHY] = "";
        struct table *table;
        size_t begin;
        int r = table_open(&table, kind, columns, count, copy, there, false, &begin, why, sizeof why);

        MUST(r == 0 || r == TABLE_MORE || r == -EINVAL);
        if (r == -EINVAL)
            MUST(answer == -EINVAL && *why);
        if (r == 0) {
            char *mine = table_header(table, ','), *theirs = answer == 0 ? table_header(whole, ',') : NULL;

            MUST(answer == 0 && begin == head && table_channels(table) == table_channels(whole));
            MUST(table_delimiter(table) == table_delimiter(whole));
            MUST(mine && theirs && strcmp(mine, theirs) == 0);
            free(mine);
            free(theirs);
            table_close(table);
        }
        free(copy);
        if (r != TABLE_MORE)
            break;
    }
}

#endif
