/* table.h - signals as text: numbers between white space, or the columns of a CSV.
 *
 * Text comes in pieces that are cut between numbers (text) or rows (CSV), read in any order in any
 * process. What is wrong with a piece is told as the place of a byte; who has the piece and knows how
 * many lines stand before it makes the sentence. */
#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table; /* how a text is laid out; only read once it is open, by any process forked later */

enum table_kind { TABLE_TEXT, TABLE_CSV };

/* Where the table stands after a piece; all zero before the first. */
struct table_place {
    uint64_t line;   /* newlines before                               */
    uint64_t column; /* bytes since the last of them                  */
};

/* What a piece held. */
struct table_piece {
    uint64_t rows;  /* of table_channels() numbers each                */
    uint64_t bad;   /* offset of the byte that could not be read, or TABLE_GOOD */
};
#define TABLE_GOOD UINT64_MAX

/* Learns the layout from the first bytes of a file ('whole': they are all of it). CSV: byte order mark,
 * delimiter (, ; or tab), header or none, which columns: 'columns' are names or numbers from 1; none: all
 * that are numeric in the first row of data. *head: where the data begins. 0; TABLE_MORE: it needs
 * more bytes; or -EINVAL with a sentence in 'why' (line and column named). */
enum { TABLE_MORE = 1 };
int table_open(struct table **table, enum table_kind kind, const char *const *columns, unsigned count,
               const char *bytes, size_t size, bool whole, size_t *head, char *why, size_t room);
void table_close(struct table *table);

unsigned table_channels(const struct table *table);

/* How many of 'size' bytes are whole numbers or rows; 'last': nothing comes behind, so all. 0: not one.
 * In a CSV a newline between quotes ends no row. */
size_t table_cut(const struct table *table, const char *bytes, size_t size, bool last);

/* The most numbers that a piece of 'size' bytes can hold: the room that table_read() needs. */
size_t table_room(const struct table *table, size_t size);

/* Reads a piece, row by row. A missing cell is NaN. */
void table_read(const struct table *table, const char *bytes, size_t size, double *out,
                struct table_piece *piece);

/* Moves 'place' over a piece. */
void table_pass(struct table_place *place, const char *bytes, size_t size);

/* Says what is wrong at piece->bad of a piece that begins at 'place': "line 3, column 7: ...". */
void table_explain(const struct table *table, const struct table_place *place, const char *bytes, size_t size,
                   const struct table_piece *piece, char *why, size_t room);

/* The header of the columns that were chosen, as a CSV line; "" if there was none. In malloc(). */
char *table_header(const struct table *table);

/* The delimiter; ' ' for text. */
char table_delimiter(const struct table *table);

#endif
