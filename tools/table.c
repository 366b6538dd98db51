/* table.c - opens a table: finds out from its first two rows how it is laid out. */
#include "table_layout.h"

#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 1 << 16 };

/* What is looked at; [0] is the first row, [1] the second. */
struct first_rows {
    const char *bytes, *end;
    struct row {
        const char *at, *end; /* with its newline; at == end: there is none */
        struct table_cell *cells;
        uint32_t count;
    } row[2];
    bool header;
    char *why;
    size_t room;
};

static int refuse(const struct table *table, const struct first_rows *f, const char *at, uint32_t cell,
                  enum table_wrong what)
{
    struct table_fault fault = {.wrong = what, .at = at, .cell = cell};

    table_say(table, &(struct table_place){0, 0}, f->bytes, f->end, &fault, f->why, f->room);
    return -EINVAL;
}

/* -- rows --------------------------------------------------------------------------------- */

static bool is_delimiter(char c)
{
    return c == '\t' || c == ';' || c == ',';
}

/* Behind the first row at 'p', while the delimiter is not known; NULL: its end is not there. Counts of
 * each candidate what stands outside of quotes. */
static const char *pass_row(const char *p, const char *end, const char *candidates, uint32_t *counts)
{
    bool begins = true, inside = false; /* a cell; quotes */

    for (; p < end; p++) {
        const char *c;

        if (*p == '"') {
            /* Doubled ones close and open again. */
            inside = inside ? false : begins || p[-1] == '"';
        } else if (!inside) {
            if (*p == '\n')
                return p + 1;
            c = *p ? strchr(candidates, *p) : NULL;
            if (c)
                counts[c - candidates]++;
        }
        begins = is_delimiter(*p) || (begins && *p == ' ');
    }
    return NULL;
}

static const char *skip_lines(const char *p, const char *end)
{
    static const struct table any = {.delimiter = ','};

    return table_skip_lines(&any, p, end);
}

/* A carriage return that ends no line, in a row whose end may never come: lines of old Macs. */
static const char *lone_return(const char *p, const char *end)
{
    const char *r = memchr(p, '\r', (size_t)(end - p));

    return r && r + 1 < end && r[1] != '\n' && !memchr(p, '"', (size_t)(r - p)) ? r : NULL;
}

/* Finds the rows and the delimiter. 0, TABLE_MORE, or an error. */
static int find_rows(struct table *table, struct first_rows *f, const char *p, bool whole)
{
    static const char candidates[] = "\t;,";
    enum { CANDIDATES = sizeof candidates - 1 };
    uint32_t counts[2][CANDIDATES] = {{0}};
    size_t best = CANDIDATES - 1;

    for (int i = 0; i < 2; i++) {
        const char *behind = NULL;

        p = skip_lines(p, f->end);
        if (p == f->end) {
            if (!whole)
                return TABLE_MORE;
            f->row[i].at = f->row[i].end = f->end;
            continue;
        }
        if (whole || memchr(p, '\n', (size_t)(f->end - p)))
            behind = pass_row(p, f->end, candidates, counts[i]);
        if (!behind && !whole) {
            const char *lone = i == 0 ? lone_return(p, f->end) : NULL;

            return lone ? refuse(table, f, lone, 0, WRONG_RETURN) : TABLE_MORE;
        }
        if (!behind)
            behind = f->end;
        f->row[i].at = p;
        f->row[i].end = p = behind;
    }
    /* The first candidate that both have equally often; or else, that is there. */
    for (size_t c = CANDIDATES; c-- > 0;)
        if (counts[0][c] > 0)
            best = c;
    for (size_t c = CANDIDATES; c-- > 0;)
        if (counts[0][c] > 0 && counts[0][c] == counts[1][c])
            best = c;
    table_set_delimiter(table, candidates[best]);
    return 0;
}

/* Cuts a row into cells. */
static int cut_row(const struct table *table, struct first_rows *f, struct row *row)
{
    const char *p = row->at;
    uint32_t room = 0;

    for (row->count = 0;; p++) {
        struct table_fault fault;

        if (row->count == room) {
            struct table_cell *larger;

            room = room ? 2 * room : 64;
            larger = realloc(row->cells, room * sizeof *larger);
            if (!larger)
                return -ENOMEM;
            row->cells = larger;
        }
        p = table_cell(table, p, row->end, &row->cells[row->count], &fault);
        if (!p)
            return refuse(table, f, fault.at, row->count, fault.wrong);
        row->count++;
        if (p == row->end || *p != table->delimiter)
            return 0;
    }
}

/* -- columns ------------------------------------------------------------------------------ */

static bool is_number(struct table_cell cell)
{
    double unused;

    return table_content(cell, &unused) != CELL_TEXT;
}

static bool is_missing(struct table_cell cell)
{
    double unused;

    return table_content(cell, &unused) == CELL_MISSING;
}

/* The text of a cell, its doubled quotes single. In malloc(). */
static bool copy_name(struct table_cell cell, struct table_name *name)
{
    const char *p = cell.at;

    name->size = 0;
    name->text = malloc((size_t)(cell.end - cell.at) + 1);
    if (!name->text)
        return false;
    while (p < cell.end) {
        name->text[name->size++] = *p;
        p += cell.quoted && *p == '"' ? 2 : 1;
    }
    name->text[name->size] = '\0';
    return true;
}

static bool has_name(struct table_cell cell, const char *name)
{
    const char *p = cell.at;

    for (; p < cell.end && *name; name++) {
        if (*p != *name)
            return false;
        p += cell.quoted && *p == '"' ? 2 : 1;
    }
    return p >= cell.end && *name == '\0';
}

/* 1 to UINT32_MAX; 0: it is another number, or none. */
static uint32_t read_number(const char *text)
{
    uint64_t n = 0;

    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9' || n > UINT32_MAX || (*p == '0' && p == text))
            return 0;
        n = n * 10 + (uint64_t)(*p - '0');
    }
    return n > UINT32_MAX ? 0 : (uint32_t)n;
}

/* The column that 'text' means. */
static int find_column(const struct table *table, const struct first_rows *f, const char *text,
                       uint32_t *column)
{
    const struct row *head = &f->row[0];
    uint32_t number = read_number(text), found = TABLE_UNUSED;
    unsigned long long line = 1;

    for (uint32_t c = 0; f->header && c < head->count; c++) {
        if (!has_name(head->cells[c], text))
            continue;
        if (found != TABLE_UNUSED) {
            snprintf(f->why, f->room, "two columns have the name %s: number %u and number %u", quoted(text),
                     found + 1, c + 1);
            return -EINVAL;
        }
        found = c;
    }
    if (found == TABLE_UNUSED && number > 0 && number <= table->columns)
        found = number - 1;
    *column = found;
    if (found != TABLE_UNUSED)
        return 0;
    for (const char *p = f->bytes; p < head->at; p++)
        line += *p == '\n';
    if (*text && strspn(text, "0123456789") == strlen(text))
        snprintf(f->why, f->room, "there is no column %s: line %llu has the columns 1 to %u", quoted(text),
                 line, table->columns);
    else
        snprintf(f->why, f->room, "there is no column %s in the header, line %llu", quoted(text), line);
    return -EINVAL;
}

static bool is_header(const struct table *table, const struct first_rows *f, const char *const *columns,
                      unsigned count)
{
    const struct row *head = &f->row[0];

    for (unsigned i = 0; i < count; i++) {
        uint32_t number = read_number(columns[i]);

        if (number == 0 || number > table->columns || !is_number(head->cells[number - 1]))
            return true;
    }
    for (uint32_t c = 0; count == 0 && c < head->count; c++) {
        if (!is_number(head->cells[c]))
            return true;
    }
    return false;
}

static int choose(struct table *table, struct first_rows *f, const char *const *columns, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t column;
        int r = find_column(table, f, columns[i], &column);

        if (r < 0)
            return r;
        if (table->channel[column] != TABLE_UNUSED) {
            snprintf(f->why, f->room, "column %s is chosen twice", quoted(columns[i]));
            return -EINVAL;
        }
        table->channel[column] = table->channels++;
    }
    return 0;
}

static int choose_all(struct table *table, struct first_rows *f)
{
    const struct row *head = &f->row[0], *data = &f->row[f->header ? 1 : 0];
    int r = 0;

    if (data->at == data->end) {
        data = NULL;
    } else if (data != head) {
        r = cut_row(table, f, &f->row[1]);
        if (r == 0 && data->count != head->count)
            r = refuse(table, f, data->cells[data->count < head->count ? data->count - 1 : head->count].at,
                       data->count - 1, data->count < head->count ? WRONG_FEW : WRONG_MANY);
    }
    for (uint32_t c = 0; r == 0 && c < table->columns; c++) {
        bool named = !f->header || head->cells[c].at < head->cells[c].end;

        if (data ? is_number(data->cells[c]) && (named || !is_missing(data->cells[c])) : named)
            table->channel[c] = table->channels++;
    }
    if (r == 0 && table->channels == 0) {
        struct table_place place = {0, 0};

        table_pass(&place, f->bytes, (size_t)((data ? data : head)->at - f->bytes));
        snprintf(f->why, f->room, "line %llu, column 1: no column holds numbers",
                 (unsigned long long)place.line + 1);
        r = -EINVAL;
    }
    return r;
}

static int keep_names(struct table *table, const struct first_rows *f)
{
    const struct row *head = &f->row[0];

    table->names = calloc(table->channels, sizeof *table->names);
    if (!table->names)
        return -ENOMEM;
    for (uint32_t c = 0; c < table->columns; c++) {
        if (head->cells[c].end - head->cells[c].at > NAME_MOST) {
            struct table_place place = {0, 0};

            table_pass(&place, f->bytes, (size_t)(head->cells[c].at - f->bytes));
            snprintf(f->why, f->room, "line %llu, column %llu: a name of more than 64 KiB",
                     (unsigned long long)place.line + 1, (unsigned long long)place.column + 1);
            return -EINVAL;
        }
        if (table->channel[c] != TABLE_UNUSED &&
            !copy_name(head->cells[c], &table->names[table->channel[c]]))
            return -ENOMEM;
    }
    return 0;
}

static int open_csv(struct table *table, struct first_rows *f, const char *const *columns, unsigned count,
                    const char *begin, bool whole, size_t *head)
{
    const struct row *data = &f->row[0];
    struct table_place place = {0, 0};
    int r = find_rows(table, f, begin, whole);

    if (r != 0)
        return r;
    if (f->row[0].at == f->row[0].end) {
        snprintf(f->why, f->room, "line 1, column 1: there is not one row, not even a header");
        return -EINVAL;
    }
    r = cut_row(table, f, &f->row[0]);
    if (r < 0)
        return r;
    table->columns = f->row[0].count;
    table->channel = malloc(table->columns * sizeof *table->channel);
    if (!table->channel)
        return -ENOMEM;
    memset(table->channel, 0xff, table->columns * sizeof *table->channel);
    f->header = is_header(table, f, columns, count);
    r = count > 0 ? choose(table, f, columns, count) : choose_all(table, f);
    if (r == 0 && f->header)
        r = keep_names(table, f);
    if (r < 0)
        return r;
    if (f->header)
        data = &f->row[1];
    *head = (size_t)(data->at - f->bytes);
    table_pass(&place, f->bytes, *head);
    table->line = place.line;
    return 0;
}

/* -- opening ------------------------------------------------------------------------------ */

static int open_any(struct table *table, struct first_rows *f, const char *const *columns, unsigned count,
                    bool whole, size_t *head)
{
    size_t size = (size_t)(f->end - f->bytes), mark = 0;

    if (size < 3 && !whole)
        return TABLE_MORE;
    if (size >= 2 && (memcmp(f->bytes, "\xff\xfe", 2) == 0 || memcmp(f->bytes, "\xfe\xff", 2) == 0)) {
        snprintf(f->why, f->room, "line 1, column 1: this is UTF-16; it has to be UTF-8 or ASCII");
        return -EINVAL;
    }
    if (size >= 3 && memcmp(f->bytes, "\xef\xbb\xbf", 3) == 0)
        mark = 3;
    /* An editor's first column is the one behind the mark. */
    f->bytes += mark;
    if (table->kind == TABLE_CSV) {
        int r = open_csv(table, f, columns, count, f->bytes, whole, head);

        *head += r == 0 ? mark : 0;
        return r;
    }
    if (count > 0) {
        snprintf(f->why, f->room, "a text of numbers has no columns to choose; a CSV has");
        return -EINVAL;
    }
    table->channels = table->columns = 1;
    *head = mark;
    return 0;
}

int table_open(struct table **table, enum table_kind kind, const char *const *columns, unsigned count,
               const char *bytes, size_t size, bool whole, size_t *head, char *why, size_t room)
{
    struct first_rows f = {.bytes = bytes, .end = bytes + size, .why = why, .room = room};
    struct table *found = calloc(1, sizeof *found);
    size_t begin = 0;
    int r;

    if (!found)
        return -ENOMEM;
    found->kind = kind;
    r = open_any(found, &f, columns, count, whole, &begin);
    free(f.row[0].cells);
    free(f.row[1].cells);
    if (r != 0) {
        table_close(found);
        return r;
    }
    *head = begin;
    *table = found;
    return 0;
}

void table_close(struct table *table)
{
    for (uint32_t c = 0; table->names && c < table->channels; c++)
        free(table->names[c].text);
    free(table->names);
    free(table->channel);
    free(table);
}

/* -- the header, written again ------------------------------------------------------------ */

static bool needs_quotes(const struct table_name *name, char delimiter, bool alone)
{
    const char *t = name->text;

    /* A line without anything would be no row. */
    return (alone && name->size == 0) || memchr(t, delimiter, name->size) || strpbrk(t, "\"\r\n") ||
           (name->size > 0 && (strchr(" \t", t[0]) || strchr(" \t", t[name->size - 1])));
}

char *table_header(const struct table *table, char delimiter)
{
    size_t size = 2;
    char *header, *p;

    for (uint32_t c = 0; table->names && c < table->channels; c++)
        size += 2 * table->names[c].size + 3;
    header = p = malloc(size);
    for (uint32_t c = 0; header && table->names && c < table->channels; c++) {
        const struct table_name *name = &table->names[c];
        bool quotes = needs_quotes(name, delimiter, table->channels == 1);

        if (quotes)
            *p++ = '"';
        for (size_t i = 0; i < name->size; i++) {
            *p++ = name->text[i];
            if (name->text[i] == '"')
                *p++ = '"';
        }
        if (quotes)
            *p++ = '"';
        *p++ = c + 1 < table->channels ? delimiter : '\n';
    }
    if (header)
        *p = '\0';
    return header;
}
