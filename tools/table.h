/* table.h - signals as text: numbers between white space, or the columns of a CSV.
 *
 * Text comes in pieces that are cut between numbers (text) or rows (CSV), read in any order in any
 * process. What is wrong with a piece is told as the place of a byte; who has the piece and knows how
 * many lines stand before it makes the sentence.
 *
 * Text is one channel. White space is blank, tab, newline, carriage return, vertical tab, form feed.
 *
 * CSV is RFC 4180, and strict: what readers differ about is an error. Rows end in LF or CR LF and have
 * as many cells as the first; the last may be without its end; a line of blanks alone is no row. The
 * delimiter is the one of tab, ; and , that the first two rows have equally often. Quotes go around a
 * whole cell and are doubled inside; they change nothing about what a number is. Blanks around a cell
 * don't count. An empty cell is missing. The first row is the header if a chosen cell of it (none
 * chosen: any) is neither a number nor missing, or if a column is chosen by a name.
 *
 * A column is chosen by its name, exactly as in the header but for the quotes, or by its number from 1;
 * if a header has that number for a name, it is the name. Channels stand in the order of the choice. None
 * chosen: all columns whose first cell of data is a number or missing (without a row of data: all), but
 * for those without name and number that a delimiter behind each row makes. */
#ifndef TOOLS_TABLE_H
#define TOOLS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table; /* how a text is laid out; only read once it is open, by any process forked later */

enum table_kind { TABLE_TEXT, TABLE_CSV };

/* Where the table stands after a piece; all zero before the first, which begins at *head. */
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

/* Learns the layout from the first bytes of a file ('whole': they are all of it). *head: where the data
 * begins, behind byte order mark and header. 0; TABLE_MORE: it needs more bytes, for a CSV its first two
 * rows, so the caller sets a limit; -EINVAL with a sentence in 'why' (line and column named); -ENOMEM.
 * A CSV without a row of data is fine if it has a header, one without any row is not. */
enum { TABLE_MORE = 1 };
int table_open(struct table **table, enum table_kind kind, const char *const *columns, unsigned count,
               const char *bytes, size_t size, bool whole, size_t *head, char *why, size_t room);
void table_close(struct table *table);

unsigned table_channels(const struct table *table);

/* How many of 'size' bytes are whole numbers or rows; 'last': nothing comes behind, so all. 0: not one.
 * In a CSV a newline between quotes ends no row. The bytes begin where a piece does. */
size_t table_cut(const struct table *table, const char *bytes, size_t size, bool last);

/* The most numbers that a piece of 'size' bytes can hold: the room that table_read() needs. */
size_t table_room(const struct table *table, size_t size);

/* Reads a piece, row by row. A missing cell is NaN. */
void table_read(const struct table *table, const char *bytes, size_t size, double *out,
                struct table_piece *piece);

/* Moves 'place' over a piece. */
void table_pass(struct table_place *place, const char *bytes, size_t size);

/* The number of the line in the file, the first is 1. */
uint64_t table_line(const struct table *table, const struct table_place *place);

/* Says what is wrong at piece->bad of a piece that begins at 'place': "line 3, column 7: ...". */
void table_explain(const struct table *table, const struct table_place *place, const char *bytes, size_t size,
                   const struct table_piece *piece, char *why, size_t room);

/* The header of the columns that were chosen, as a CSV line with this delimiter and a newline; "" if there
 * was none. In malloc(). */
char *table_header(const struct table *table, char delimiter);

/* The delimiter; ' ' for text. */
char table_delimiter(const struct table *table);

#endif
