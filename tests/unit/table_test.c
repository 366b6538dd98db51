/* Description: a signal in a text or a CSV would be read as another one, depending on how the file was
 * cut, or a damaged file would be averaged without a word. */
#include "unit.h"

#include <table.h>

#include <errno.h>
#include <math.h>
#include <string.h>

#define LENGTH(a) (sizeof(a) / sizeof *(a))

enum { WHY = 600, MOST = 16 };

struct opened {
    struct table *table;
    size_t head;
    char why[WHY];
    int r;
};

/* 'columns': separated by blanks; NULL: none. */
static struct opened open_as(enum table_kind kind, const char *columns, const char *bytes, size_t size,
                             bool whole)
{
    struct opened o = {.table = NULL};
    char *copy = columns ? strdup(columns) : NULL, *save = NULL;
    const char *list[MOST] = {NULL};
    unsigned count = 0;

    for (char *s = copy ? strtok_r(copy, " ", &save) : NULL; s; s = strtok_r(NULL, " ", &save))
        list[count++] = s;
    o.r = table_open(&o.table, kind, list, count, bytes, size, whole, &o.head, o.why, sizeof o.why);
    free(copy);
    return o;
}

/* Opens and reads all: the numbers in malloc(); what is wrong in o->why. */
static double *read_all(struct opened *o, enum table_kind kind, const char *columns, const char *bytes,
                        size_t size, uint64_t *rows)
{
    struct table_piece piece;
    double *out;

    *o = open_as(kind, columns, bytes, size, true);
    if (o->r < 0)
        return NULL;
    out = malloc((table_room(o->table, size - o->head) + 1) * sizeof *out);
    ck_assert_ptr_nonnull(out);
    table_read(o->table, bytes + o->head, size - o->head, out, &piece);
    *rows = piece.rows;
    if (piece.bad != TABLE_GOOD) {
        table_explain(o->table, &(struct table_place){0, 0}, bytes + o->head, size - o->head, &piece, o->why,
                      sizeof o->why);
        o->r = -EINVAL;
    }
    return out;
}

static void must_read(enum table_kind kind, const char *columns, const char *bytes, size_t size,
                      const char *header, unsigned channels, uint64_t rows, const double *wanted)
{
    struct opened o;
    uint64_t found = 0;
    double *out = read_all(&o, kind, columns, bytes, size, &found);
    char *line;

    ck_assert_msg(o.r == 0, "'%s' is refused: %s", bytes, o.why);
    ck_assert_msg(table_channels(o.table) == channels, "'%s': %u channels", bytes, table_channels(o.table));
    ck_assert_msg(found == rows, "'%s': %llu rows", bytes, (unsigned long long)found);
    for (uint64_t i = 0; i < rows * channels; i++)
        ck_assert_msg(out[i] == wanted[i] || (isnan(out[i]) && isnan(wanted[i])), "'%s': number %llu is %g",
                      bytes, (unsigned long long)i, out[i]);
    line = table_header(o.table, table_delimiter(o.table));
    ck_assert_str_eq(line, header);
    free(line);
    free(out);
    table_close(o.table);
}

static void must_refuse(enum table_kind kind, const char *columns, const char *bytes, size_t size,
                        const char *why)
{
    struct opened o;
    uint64_t rows;
    double *out = read_all(&o, kind, columns, bytes, size, &rows);

    ck_assert_msg(o.r == -EINVAL, "'%s' is read", bytes);
    ck_assert_msg(strcmp(o.why, why) == 0, "'%s':\n%s\nnot\n%s", bytes, o.why, why);
    free(out);
    if (o.table)
        table_close(o.table);
}

#define BYTES(text) (text), sizeof(text) - 1
#define VALUES(...) (const double[]){__VA_ARGS__}

START_TEST(text_is_numbers_between_white_space)
{
    must_read(TABLE_TEXT, NULL, BYTES("1 2\t3\n\n4\r\n5\v6\f7"), "", 1, 7, VALUES(1, 2, 3, 4, 5, 6, 7));
    must_read(TABLE_TEXT, NULL, BYTES(""), "", 1, 0, NULL);
    must_read(TABLE_TEXT, NULL, BYTES(" \r\n"), "", 1, 0, NULL);
    must_read(TABLE_TEXT, NULL, BYTES("\xef\xbb\xbf" "1 nan -inf"), "", 1, 3, VALUES(1, NAN, -INFINITY));
    must_read(TABLE_TEXT, NULL, BYTES("\xef\xbb\xbf"), "", 1, 0, NULL);
}
END_TEST

START_TEST(garbage_in_a_text_is_told_with_its_place)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *why;
    } rows[] = {
        {BYTES("1 2\n3 four"), "line 2, column 3: 'four' is not a number"},
        {BYTES("1\r\n--1\n"), "line 2, column 1: '--1' is not a number"},
        {BYTES("1 2e"), "line 1, column 3: '2e' is not a number"},
        {BYTES("1 0x10 2"), "line 1, column 3: '0x10' is not a number"},
        {BYTES("1 nan(0)"), "line 1, column 3: 'nan(0)' is not a number"},
        {BYTES("1\n\n 1e999"), "line 3, column 2: '1e999' is larger than the largest number, about 1.8e308"},
        {BYTES("1,2,3"), "line 1, column 1: '1,2,3' is not a number"},
        {BYTES("1 2,5"), "line 1, column 3: '2,5' has a comma: the fraction of a number begins with a point, and "
                         "for CSV there is --format csv"},
        {BYTES("1 2\n3 \0 4"), "line 2, column 3: a NUL byte: this is no text, or not UTF-8"},
        {BYTES("\xff\xfe" "1\0"), "line 1, column 1: this is UTF-16; it has to be UTF-8 or ASCII"},
        {BYTES("\xfe\xff\0" "1"), "line 1, column 1: this is UTF-16; it has to be UTF-8 or ASCII"},
        {BYTES("\xef\xbb\xbf" "1\xc2\xa0"), "line 1, column 1: '1\\xc2\\xa0' is not a number"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        must_refuse(TABLE_TEXT, NULL, rows[i].bytes, rows[i].size, rows[i].why);
    must_refuse(TABLE_TEXT, "a", BYTES("1"), "a text of numbers has no columns to choose; a CSV has");
}
END_TEST

START_TEST(columns_come_with_their_header)
{
    must_read(TABLE_CSV, NULL, BYTES("a,b\n1,2\n3,4\n"), "a,b\n", 2, 2, VALUES(1, 2, 3, 4));
    must_read(TABLE_CSV, NULL, BYTES("1,2\n3,4"), "", 2, 2, VALUES(1, 2, 3, 4));
    must_read(TABLE_CSV, NULL, BYTES("a\r\n1\r\n\r\n2"), "a\n", 1, 2, VALUES(1, 2));
    must_read(TABLE_CSV, NULL, BYTES("\xef\xbb\xbf" "a,b\n1,2\n"), "a,b\n", 2, 1, VALUES(1, 2));
    must_read(TABLE_CSV, NULL, BYTES("a;b\n1;2\n"), "a;b\n", 2, 1, VALUES(1, 2));
    must_read(TABLE_CSV, NULL, BYTES("a\tb\n1\t2\n\t3\n"), "a\tb\n", 2, 2, VALUES(1, 2, NAN, 3));
    must_read(TABLE_CSV, NULL, BYTES("time, s;y, m\n1;2\n"), "time, s;y, m\n", 2, 1, VALUES(1, 2));
    must_read(TABLE_CSV, NULL, BYTES("x; y,b\n1,2\n"), "x; y,b\n", 2, 1, VALUES(1, 2));
    must_read(TABLE_CSV, NULL, BYTES("\n  \na , b\n 1 , 2 \n"), "a,b\n", 2, 1, VALUES(1, 2));
}
END_TEST

START_TEST(quotes_change_nothing_about_a_number)
{
    must_read(TABLE_CSV, NULL, BYTES("\"a\",\"b\"\n\"1\", \" 2 \" \n\"\",4\n"), "a,b\n", 2, 2, VALUES(1, 2, NAN, 4));
    must_read(TABLE_CSV, NULL, BYTES("\"a \"\"1\"\"\",\"b\nc\",\"d,e\"\n1,2,3\n"), "\"a \"\"1\"\"\",\"b\nc\",\"d,e\"\n", 3, 1,
              VALUES(1, 2, 3));
    must_read(TABLE_CSV, "x", BYTES("name,x\n\"u\nv\",1\n\"\"\"\",2\n\"a,b\",3\n"), "x\n", 1, 3, VALUES(1, 2, 3));
}
END_TEST

START_TEST(a_missing_cell_is_nan_and_an_empty_line_is_no_row)
{
    must_read(TABLE_CSV, NULL, BYTES("a,b\n,\n\n , \n  \n1,\n"), "a,b\n", 2, 3, VALUES(NAN, NAN, NAN, NAN, 1, NAN));
    must_read(TABLE_CSV, NULL, BYTES("1,\n"), "", 2, 1, VALUES(1, NAN));
    must_read(TABLE_CSV, NULL, BYTES("a,b,\n1,2,\n"), "a,b\n", 2, 1, VALUES(1, 2));
}
END_TEST

START_TEST(columns_are_chosen_by_name_or_number)
{
    must_read(TABLE_CSV, "b a", BYTES("a,b,c\n1,2,x\n"), "b,a\n", 2, 1, VALUES(2, 1));
    must_read(TABLE_CSV, "2", BYTES("a,b,c\n1,2,x\n"), "b\n", 1, 1, VALUES(2));
    must_read(TABLE_CSV, "3 a", BYTES("a,b,c\n1,2,3\n"), "c,a\n", 2, 1, VALUES(3, 1));
    must_read(TABLE_CSV, "2", BYTES("2020-01-01,5\n2020-01-02,6\n"), "", 1, 2, VALUES(5, 6));
    must_read(TABLE_CSV, "2", BYTES("2,a\n1,5\n"), "2\n", 1, 1, VALUES(1)); /* a name before a number */
    must_read(TABLE_CSV, "1990", BYTES("1989,1990\n1,5\n"), "1990\n", 1, 1, VALUES(5));
    must_read(TABLE_CSV, NULL, BYTES("name,x,when,y\nu,1,May,2\nv,3,June,4\n"), "x,y\n", 2, 2, VALUES(1, 2, 3, 4));
    must_read(TABLE_CSV, NULL, BYTES("a,b"), "a,b\n", 2, 0, NULL);
    must_read(TABLE_CSV, "b", BYTES("a,b\n"), "b\n", 1, 0, NULL);
}
END_TEST

START_TEST(a_choice_that_is_none_is_told)
{
    static const struct {
        const char *columns, *bytes, *why;
    } rows[] = {
        {"c", "a,b\n1,2\n", "there is no column 'c' in the header, line 1"},
        {"A", "\na,b\n1,2\n", "there is no column 'A' in the header, line 2"},
        {"-1", "a,b\n1,2\n", "there is no column '-1' in the header, line 1"},
        {"0", "a,b\n1,2\n", "there is no column '0': line 1 has the columns 1 to 2"},
        {"3", "1,2\n", "there is no column '3': line 1 has the columns 1 to 2"},
        {"18446744073709551617", "1,2\n", "there is no column '18446744073709551617': line 1 has the columns 1 to 2"},
        {"4294967297", "1,2\n", "there is no column '4294967297': line 1 has the columns 1 to 2"},
        {"a", "a,b,a\n1,2,3\n", "two columns have the name 'a': number 1 and number 3"},
        {"a 1", "a,b\n1,2\n", "column '1' is chosen twice"},
        {NULL, "a,b\nx,y\n", "line 2, column 1: no column holds numbers"},
        {NULL, "", "line 1, column 1: there is not one row, not even a header"},
        {"1", "\n \r\n", "line 1, column 1: there is not one row, not even a header"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        must_refuse(TABLE_CSV, rows[i].columns, rows[i].bytes, strlen(rows[i].bytes), rows[i].why);
}
END_TEST

START_TEST(a_damaged_row_is_told_with_its_place)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *why;
    } rows[] = {
        {BYTES("a,b\n1,2\n3,x\n"), "line 3, column 3 (cell 2, 'b'): 'x' is not a number"},
        {BYTES("1,2\n3, \"x\" \n"), "line 2, column 4 (cell 2): 'x' is not a number"},
        {BYTES("a\n1\n2 x\n"), "line 3, column 1 (cell 1, 'a'): '2 x' is not a number"},
        {BYTES("\"a\nb\",c\n1,2\n3,x\n"), "line 4, column 3 (cell 2, 'c'): 'x' is not a number"},
        {BYTES("a;b\n1;2\n1,5;2\n"),
         "line 3, column 1 (cell 1, 'a'): '1,5' has a comma: the fraction of a number begins with a point"},
        {BYTES("a,b\n1,2\n3,1e999"),
         "line 3, column 3 (cell 2, 'b'): '1e999' is larger than the largest number, about 1.8e308"},
        {BYTES("a,b\n1,2\n3\n"), "line 3, column 2: the row ends after 1 of 2 cells"},
        {BYTES("a,b\n1,2\n3,4,5\n"), "line 3, column 4: the row has more cells than the first, which has 2"},
        {BYTES("a,b\n1,2\n3,4,\n"), "line 3, column 4: the row has more cells than the first, which has 2"},
        {BYTES("a,b\n1\n"), "line 2, column 1: the row ends after 1 of 2 cells"},
        {BYTES("a,b\n1,2\n3,\"4\n5,6\n"), "line 3, column 3: the quote that opens here does not end"},
        {BYTES("a,b\n1,2\n3,\"4\"5\n"),
         "line 3, column 6: text behind the quote that ends a cell; inside of quotes they are doubled"},
        {BYTES("a,b\n1,2\n3,4\"\n"),
         "line 3, column 4: a quote within a cell; quotes go around a whole cell, and are doubled inside"},
        {BYTES("a,b\n1,2\r3,4\n"), "line 2, column 4: a carriage return without a newline; lines end in LF or CR LF"},
        {BYTES("a\r1\r2\r"), "line 1, column 2: a carriage return without a newline; lines end in LF or CR LF"},
        {BYTES("a,b\n1,2\n3,\0\n"), "line 3, column 3: a NUL byte: this is no text, or not UTF-8"},
        {BYTES("a,b\n1,2\n3,\"\0\"\n"), "line 3, column 4: a NUL byte: this is no text, or not UTF-8"},
        {BYTES("\xff\xfe" "a\0"), "line 1, column 1: this is UTF-16; it has to be UTF-8 or ASCII"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        must_refuse(TABLE_CSV, NULL, rows[i].bytes, rows[i].size, rows[i].why);
}
END_TEST

START_TEST(a_column_that_is_not_chosen_may_hold_anything_but_broken_quotes)
{
    must_read(TABLE_CSV, "x", BYTES("x,y\n1,--1\n2,1e999\n3,\n"), "x\n", 1, 3, VALUES(1, 2, 3));
    must_refuse(TABLE_CSV, "x", BYTES("x,y\n1,a\"b\n"),
                "line 2, column 4: a quote within a cell; quotes go around a whole cell, and are doubled inside");
}
END_TEST

START_TEST(the_first_bytes_say_how_it_goes_on_or_that_there_are_too_few)
{
    static const char csv[] = "a,b\n1,2\n3,4\n";

    for (size_t size = 0; size < sizeof csv - 1; size++) {
        struct opened o = open_as(TABLE_CSV, NULL, csv, size, false);

        ck_assert_int_eq(o.r, size < 8 ? TABLE_MORE : 0);
        if (o.r == 0) {
            ck_assert_uint_eq(o.head, 4);
            table_close(o.table);
        }
    }
    ck_assert_int_eq(open_as(TABLE_TEXT, NULL, "1 ", 2, false).r, TABLE_MORE); /* a mark may come */
    /* No end of a line will come here. */
    ck_assert_int_eq(open_as(TABLE_CSV, NULL, "a\r1\r", 4, false).r, -EINVAL);
}
END_TEST

START_TEST(pieces_end_between_numbers_and_between_rows)
{
    struct opened text = open_as(TABLE_TEXT, NULL, BYTES("1 2 3"), true);
    struct opened csv = open_as(TABLE_CSV, NULL, BYTES("a,b\n1,2\n"), true);
    static const struct {
        bool csv;
        const char *bytes;
        size_t cut;
    } rows[] = {
        {false, "", 0}, {false, "12", 0}, {false, "12 3", 3}, {false, "12 34\n", 6}, {false, " 1", 1},
        {true, "", 0}, {true, "1,2", 0}, {true, "1,2\n", 4}, {true, "1,2\n3", 4}, {true, "1,2\r\n3", 5},
        {true, "1,\"2\n", 0}, {true, "1,\"\n\"\n", 6}, {true, "1,2\n3,\"\n", 4}, {true, "1,2\n\"\"\"\n\"", 4},
        {true, "\"\"\"\n\",1\n2", 8}, {true, "\"1\"\n", 4}, {true, "1,\"\"", 0}, {true, "1, \"\n", 0},
        {true, "1\"\n2\"\n", 6}, /* no quotes that open anything: the reader will tell */
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        const struct table *table = rows[i].csv ? csv.table : text.table;
        size_t size = strlen(rows[i].bytes), cut = table_cut(table, rows[i].bytes, size, false);

        ck_assert_msg(cut == rows[i].cut, "'%s' is cut at %zu", rows[i].bytes, cut);
        ck_assert_uint_eq(table_cut(table, rows[i].bytes, size, true), size);
    }
    table_close(text.table);
    table_close(csv.table);
}
END_TEST

START_TEST(places_count_lines_and_bytes)
{
    struct opened o = open_as(TABLE_CSV, NULL, BYTES("\n\"a\nb\"\n1\n"), true);
    struct table_place place = {0, 0};

    table_pass(&place, BYTES("12"));
    ck_assert(place.line == 0 && place.column == 2);
    table_pass(&place, BYTES("3\n4\n56"));
    ck_assert(place.line == 2 && place.column == 2);
    table_pass(&place, BYTES(""));
    ck_assert(place.line == 2 && place.column == 2);
    table_pass(&place, BYTES("\n"));
    ck_assert(place.line == 3 && place.column == 0);
    ck_assert_uint_eq(table_line(o.table, &place), 7); /* three lines are the header's */
    table_close(o.table);
}
END_TEST

START_TEST(a_million_columns_are_read)
{
    enum { COLUMNS = 1000000 };
    char *row = malloc(4 * COLUMNS + 1);
    struct opened o;
    uint64_t rows = 0;
    double *out;

    ck_assert_ptr_nonnull(row);
    for (size_t i = 0; i < 2 * (size_t)COLUMNS; i++)
        memcpy(row + 2 * i, (i + 1) % COLUMNS ? "7," : "7\n", 2);
    out = read_all(&o, TABLE_CSV, NULL, row, 4 * COLUMNS, &rows);
    ck_assert_int_eq(o.r, 0);
    ck_assert_uint_eq(rows, 2);
    ck_assert_uint_eq(table_channels(o.table), COLUMNS);
    for (size_t i = 0; i < 2 * (size_t)COLUMNS; i++)
        if (out[i] != 7)
            ck_abort_msg("number %zu is %g", i, out[i]);
    table_close(o.table);
    free(out);
    free(row);
}
END_TEST

START_TEST(a_header_is_written_so_that_it_is_read_again)
{
    struct opened o = open_as(TABLE_CSV, NULL, BYTES("\"a;b\";c, d;\" e\"\n1;2;3\n"), true);
    char *line = table_header(o.table, ',');

    ck_assert_str_eq(line, "a;b,\"c, d\",\" e\"\n");
    free(line);
    table_close(o.table);
}
END_TEST

UNIT_TESTS("table",
           text_is_numbers_between_white_space,
           garbage_in_a_text_is_told_with_its_place,
           columns_come_with_their_header,
           quotes_change_nothing_about_a_number,
           a_missing_cell_is_nan_and_an_empty_line_is_no_row,
           columns_are_chosen_by_name_or_number,
           a_choice_that_is_none_is_told,
           a_damaged_row_is_told_with_its_place,
           a_column_that_is_not_chosen_may_hold_anything_but_broken_quotes,
           the_first_bytes_say_how_it_goes_on_or_that_there_are_too_few,
           pieces_end_between_numbers_and_between_rows,
           places_count_lines_and_bytes,
           a_million_columns_are_read,
           a_header_is_written_so_that_it_is_read_again)
