/* table_layout.h - what table.c learns about a text, and table_read.c goes by. */
#ifndef TOOLS_TABLE_LAYOUT_H
#define TOOLS_TABLE_LAYOUT_H

#include "table.h"

#define TABLE_UNUSED UINT32_MAX

struct table_name {
    char *text; /* without quotes; may hold any byte but NUL */
    size_t size;
};

struct table {
    enum table_kind kind;
    char delimiter;
    bool ends[256];           /* bytes at which a cell without quotes ends, or is wrong */
    uint32_t columns;         /* of the file                                            */
    uint32_t channels;        /* chosen                                                 */
    uint32_t *channel;        /* of each column, or TABLE_UNUSED                        */
    struct table_name *names; /* of each channel; NULL: there is no header              */
    uint64_t line;            /* newlines before the data                               */
};

enum table_wrong {
    WRONG_NOTHING,
    WRONG_NUMBER,       /* is none, or too large                       */
    WRONG_FEW,          /* cells in a row                              */
    WRONG_MANY,
    WRONG_QUOTE_OPEN,   /* does not end                                */
    WRONG_QUOTE_INSIDE, /* of a cell without quotes                    */
    WRONG_QUOTE_BEHIND, /* text follows it                             */
    WRONG_RETURN,       /* a carriage return that ends no line         */
    WRONG_NUL,
};

struct table_fault {
    enum table_wrong wrong;
    const char *at;
    uint32_t cell; /* the first is 0 */
};

/* A cell without blanks around it and, if it has them, within its quotes. */
struct table_cell {
    const char *at, *end;
    bool quoted;
};

/* What a cell holds. Too large a number is one: it is no name. */
enum table_content { CELL_MISSING, CELL_NUMBER, CELL_LARGE, CELL_TEXT };
enum table_content table_content(struct table_cell cell, double *value);

bool table_is_blank(const struct table *table, char c);

/* Passes over the blank lines at 'p'. */
const char *table_skip_lines(const struct table *table, const char *p, const char *end);

/* The cell at 'p'. Where it ends, at a delimiter or at the end of the row; or NULL. */
const char *table_cell(const struct table *table, const char *p, const char *end, struct table_cell *cell,
                       struct table_fault *fault);

/* Behind the end of the row at 'p'. */
const char *table_row_behind(const char *p, const char *end);

/* The sentence, with line and column of 'bytes' + 'fault->at'. */
void table_say(const struct table *table, const struct table_place *place, const char *bytes,
               const char *end, const struct table_fault *fault, char *why, size_t room);

/* Sets the delimiter, and what depends on it. */
void table_set_delimiter(struct table *table, char delimiter);

#endif
