/* table_read.c - pieces of text: where they are cut, what they hold, what is wrong with them. */
#include "table_layout.h"

#include "decimal.h"
#include "say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool table_is_blank(const struct table *table, char c)
{
    return c == ' ' || (c == '\t' && table->delimiter != '\t');
}

void table_set_delimiter(struct table *table, char delimiter)
{
    table->delimiter = delimiter;
    memset(table->ends, 0, sizeof table->ends);
    table->ends[(unsigned char)delimiter] = true;
    table->ends['\n'] = table->ends['\r'] = table->ends['"'] = table->ends['\0'] = true;
}

/* -- cells -------------------------------------------------------------------------------- */

static bool at_row_end(const char *p, const char *end)
{
    return p == end || *p == '\n' || (*p == '\r' && (p + 1 == end || p[1] == '\n'));
}

static bool at_cell_end(const struct table *table, const char *p, const char *end)
{
    return at_row_end(p, end) || *p == table->delimiter;
}

static const char *skip_blanks(const struct table *table, const char *p, const char *end)
{
    while (p < end && table_is_blank(table, *p))
        p++;
    return p;
}

const char *table_row_behind(const char *p, const char *end)
{
    if (p < end && *p == '\r')
        p++;
    return p < end && *p == '\n' ? p + 1 : p;
}

const char *table_skip_lines(const struct table *table, const char *p, const char *end)
{
    while (p < end) {
        const char *q = skip_blanks(table, p, end);

        if (!at_row_end(q, end))
            break;
        p = table_row_behind(q, end);
    }
    return p;
}

static const char *wrong(struct table_fault *fault, enum table_wrong what, const char *at)
{
    fault->wrong = what;
    fault->at = at;
    return NULL;
}

static const char *quoted_cell(const struct table *table, const char *p, const char *end,
                               struct table_cell *cell, struct table_fault *fault)
{
    const char *open = p, *close, *nul;

    for (;;) {
        close = memchr(p + 1, '"', (size_t)(end - p - 1));
        if (!close)
            return wrong(fault, WRONG_QUOTE_OPEN, open);
        if (close + 1 == end || close[1] != '"')
            break;
        p = close + 1;
    }
    *cell = (struct table_cell){.at = open + 1, .end = close, .quoted = true};
    nul = memchr(cell->at, '\0', (size_t)(close - cell->at));
    if (nul)
        return wrong(fault, WRONG_NUL, nul);
    p = skip_blanks(table, close + 1, end);
    if (!at_cell_end(table, p, end))
        return wrong(fault, *p == '\0' ? WRONG_NUL : *p == '\r' ? WRONG_RETURN : WRONG_QUOTE_BEHIND, p);
    return p;
}

const char *table_cell(const struct table *table, const char *p, const char *end, struct table_cell *cell,
                       struct table_fault *fault)
{
    p = skip_blanks(table, p, end);
    if (p < end && *p == '"')
        return quoted_cell(table, p, end, cell, fault);
    cell->quoted = false;
    cell->at = p;
    while (p < end && !table->ends[(unsigned char)*p])
        p++;
    if (!at_cell_end(table, p, end))
        return wrong(fault, *p == '\0' ? WRONG_NUL : *p == '\r' ? WRONG_RETURN : WRONG_QUOTE_INSIDE, p);
    cell->end = p;
    while (cell->end > cell->at && table_is_blank(table, cell->end[-1]))
        cell->end--;
    return p;
}

enum table_content table_content(struct table_cell cell, double *value)
{
    const char *behind;

    while (cell.at < cell.end && (*cell.at == ' ' || *cell.at == '\t'))
        cell.at++;
    while (cell.at < cell.end && (cell.end[-1] == ' ' || cell.end[-1] == '\t'))
        cell.end--;
    if (cell.at == cell.end)
        return CELL_MISSING;
    behind = decimal_read(cell.at, cell.end, value);
    if (behind)
        return behind == cell.end ? CELL_NUMBER : CELL_TEXT;
    /* No number begins here, or it is too large. */
    if (*cell.at == '-' || *cell.at == '+')
        cell.at++;
    if (cell.at < cell.end && *cell.at == '.')
        cell.at++;
    return cell.at < cell.end && *cell.at >= '0' && *cell.at <= '9' ? CELL_LARGE : CELL_TEXT;
}

/* A cell that is to hold a number. */
static const char *number_cell(const struct table *table, const char *p, const char *end, double *value,
                               struct table_fault *fault)
{
    const char *at = skip_blanks(table, p, end), *behind = decimal_read(at, end, value);
    struct table_cell cell;

    if (behind) {
        behind = skip_blanks(table, behind, end);
        if (at_cell_end(table, behind, end))
            return behind;
    }
    behind = table_cell(table, at, end, &cell, fault);
    if (!behind)
        return NULL;
    switch (table_content(cell, value)) {
    case CELL_MISSING:
        *value = __builtin_nan("");
        return behind;
    case CELL_NUMBER:
        return behind;
    case CELL_LARGE:
    case CELL_TEXT:
        break;
    }
    return wrong(fault, WRONG_NUMBER, at);
}

/* -- pieces ------------------------------------------------------------------------------- */

/* 'out' may be NULL. */
static const char *read_row(const struct table *table, const char *p, const char *end, double *out,
                            struct table_fault *fault)
{
    for (uint32_t c = 0;; c++) {
        uint32_t channel = table->channel[c];
        struct table_cell unused;
        double value;

        fault->cell = c;
        if (channel == TABLE_UNUSED) {
            p = table_cell(table, p, end, &unused, fault);
        } else {
            p = number_cell(table, p, end, &value, fault);
            if (p && out)
                out[channel] = value;
        }
        if (!p)
            return NULL;
        if (at_row_end(p, end)) {
            if (c + 1 < table->columns)
                return wrong(fault, WRONG_FEW, p);
            return table_row_behind(p, end);
        }
        if (c + 1 == table->columns)
            return wrong(fault, WRONG_MANY, p);
        p++;
    }
}

static void read_csv(const struct table *table, const char *bytes, size_t size, double *out,
                     struct table_piece *piece, struct table_fault *fault)
{
    const char *p = bytes, *end = bytes + size;

    while ((p = table_skip_lines(table, p, end)) < end) {
        p = read_row(table, p, end, out, fault);
        if (!p) {
            piece->bad = (uint64_t)(fault->at - bytes);
            return;
        }
        if (out)
            out += table->channels;
        piece->rows++;
    }
}

static void read_text(const char *bytes, size_t size, double *out, struct table_piece *piece)
{
    const char *p = bytes, *end = bytes + size;

    for (;; piece->rows++) {
        const char *behind;

        while (p < end && is_space(*p))
            p++;
        if (p == end)
            return;
        behind = decimal_read(p, end, &out[piece->rows]);
        if (!behind || (behind < end && !is_space(*behind))) {
            piece->bad = (uint64_t)(p - bytes);
            return;
        }
        p = behind;
    }
}

void table_read(const struct table *table, const char *bytes, size_t size, double *out,
                struct table_piece *piece)
{
    struct table_fault fault = {WRONG_NOTHING, NULL, 0};

    *piece = (struct table_piece){.rows = 0, .bad = TABLE_GOOD};
    if (table->kind == TABLE_TEXT)
        read_text(bytes, size, out, piece);
    else
        read_csv(table, bytes, size, out, piece, &fault);
}

size_t table_room(const struct table *table, size_t size)
{
    /* A row has a byte for each cell, its delimiter or newline, and is not empty. */
    size_t row = table->columns > 2 ? table->columns : 2;

    return table->kind == TABLE_TEXT ? size / 2 + 1 : (size / row + 1) * table->channels;
}

/* A quote opens a cell if nothing but blanks stands before it there. */
static bool opens(const struct table *table, const char *begin, const char *quote)
{
    while (quote > begin && table_is_blank(table, quote[-1]))
        quote--;
    return quote == begin || quote[-1] == '\n' || quote[-1] == table->delimiter;
}

static size_t cut_csv(const struct table *table, const char *bytes, size_t size)
{
    const char *p = bytes, *end = bytes + size, *newline, *cut = NULL;

    for (;;) {
        /* Outside of quotes. */
        const char *quote = p < end ? memchr(p, '"', (size_t)(end - p)) : NULL;

        newline = p < end ? memrchr(p, '\n', (size_t)((quote ? quote : end) - p)) : NULL;
        if (newline)
            cut = newline + 1;
        if (!quote)
            break;
        p = quote + 1;
        if (!opens(table, bytes, quote))
            continue;
        do {
            p = p < end ? memchr(p, '"', (size_t)(end - p)) : NULL;
            if (!p || ++p == end) /* a second quote may follow */
                return cut ? (size_t)(cut - bytes) : 0;
        } while (*p++ == '"');
        p--;
    }
    return cut ? (size_t)(cut - bytes) : 0;
}

size_t table_cut(const struct table *table, const char *bytes, size_t size, bool last)
{
    if (last)
        return size;
    if (table->kind == TABLE_CSV)
        return cut_csv(table, bytes, size);
    while (size > 0 && !is_space(bytes[size - 1]))
        size--;
    return size;
}

void table_pass(struct table_place *place, const char *bytes, size_t size)
{
    const char *last = size ? memrchr(bytes, '\n', size) : NULL;
    uint64_t lines = 0;

    if (!last) {
        place->column += size;
        return;
    }
    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    place->line += lines;
    place->column = (uint64_t)(bytes + size - (last + 1));
}

uint64_t table_line(const struct table *table, const struct table_place *place)
{
    return table->line + place->line + 1;
}

unsigned table_channels(const struct table *table)
{
    return table->channels;
}

char table_delimiter(const struct table *table)
{
    return table->kind == TABLE_TEXT ? ' ' : table->delimiter;
}

/* -- what is wrong ------------------------------------------------------------------------ */

enum { SHOWN = 80 };

/* The text that should be a number, without quotes. */
static void show_word(const struct table *table, const char *at, const char *end, char shown[SHOWN])
{
    struct table_cell cell = {at, at, false};
    struct table_fault fault;
    size_t size;

    if (table->kind == TABLE_CSV) {
        table_cell(table, at, end, &cell, &fault);
    } else {
        while (cell.end < end && !is_space(*cell.end))
            cell.end++;
    }
    size = (size_t)(cell.end - cell.at);
    if (size > SHOWN - 1)
        size = SHOWN - 1;
    memcpy(shown, cell.at, size);
    shown[size] = '\0';
}

/* Digits, a comma, and digits alone: a point was meant, or a list. */
static bool has_comma(const char *word)
{
    size_t before, behind;

    word += *word == '-' || *word == '+';
    before = strspn(word, "0123456789");
    if (word[before] != ',')
        return false;
    behind = strspn(word + before + 1, "0123456789");
    return before + behind > 0 && word[before + 1 + behind] == '\0';
}

static void say_number(const struct table *table, const char *at, const char *end, char *text, size_t room)
{
    struct table_cell cell = {NULL, NULL, false};
    char word[SHOWN];
    double unused;

    if (table->kind == TABLE_TEXT && *at == '\0') {
        snprintf(text, room, "a NUL byte: this is no text, or not UTF-8");
        return;
    }
    show_word(table, at, end, word);
    cell.at = word;
    cell.end = word + strlen(word);
    if (table_content(cell, &unused) == CELL_LARGE)
        snprintf(text, room, "%s is larger than the largest number, about 1.8e308", quoted(word));
    else if (has_comma(word))
        snprintf(text, room, "%s has a comma: the fraction of a number begins with a point%s", quoted(word),
                 table->kind == TABLE_TEXT ? ", and for CSV there is --format csv" : "");
    else
        snprintf(text, room, "%s is not a number", quoted(word));
}

static void say_wrong(const struct table *table, const char *end, const struct table_fault *fault,
                      char *text, size_t room)
{
    const char *s = "it can't be read";

    switch (fault->wrong) {
    case WRONG_NUMBER:
        say_number(table, fault->at, end, text, room);
        return;
    case WRONG_FEW:
        snprintf(text, room, "the row ends after %u of %u cells", fault->cell + 1, table->columns);
        return;
    case WRONG_MANY:
        snprintf(text, room, "the row has more cells than the first, which has %u", table->columns);
        return;
    case WRONG_QUOTE_OPEN:
        s = "the quote that opens here does not end";
        break;
    case WRONG_QUOTE_INSIDE:
        s = "a quote within a cell; quotes go around a whole cell, and are doubled inside";
        break;
    case WRONG_QUOTE_BEHIND:
        s = "text behind the quote that ends a cell; inside of quotes they are doubled";
        break;
    case WRONG_RETURN:
        s = "a carriage return without a newline; lines end in LF or CR LF";
        break;
    case WRONG_NUL:
        s = "a NUL byte: this is no text, or not UTF-8";
        break;
    case WRONG_NOTHING:
        break;
    }
    snprintf(text, room, "%s", s);
}

void table_say(const struct table *table, const struct table_place *place, const char *bytes,
               const char *end, const struct table_fault *fault, char *why, size_t room)
{
    struct table_place at = *place;
    char text[512], cell[352] = "";
    uint32_t channel = TABLE_UNUSED;

    table_pass(&at, bytes, (size_t)(fault->at - bytes));
    if (table->channel && fault->cell < table->columns)
        channel = table->channel[fault->cell];
    if (table->names && channel != TABLE_UNUSED && fault->wrong == WRONG_NUMBER)
        snprintf(cell, sizeof cell, " (cell %u, %s)", fault->cell + 1, quoted(table->names[channel].text));
    else if (table->columns > 1 && fault->wrong == WRONG_NUMBER)
        snprintf(cell, sizeof cell, " (cell %u)", fault->cell + 1);
    say_wrong(table, end, fault, text, sizeof text);
    snprintf(why, room, "line %llu, column %llu%s: %s", (unsigned long long)table_line(table, &at),
             (unsigned long long)at.column + 1, cell, text);
}

void table_explain(const struct table *table, const struct table_place *place, const char *bytes, size_t size,
                   const struct table_piece *piece, char *why, size_t room)
{
    struct table_fault fault = {WRONG_NUMBER, bytes + piece->bad, 0};
    struct table_piece again = {.rows = 0, .bad = TABLE_GOOD};

    /* A row is not remembered, so what is wrong is found once more. */
    if (table->kind == TABLE_CSV)
        read_csv(table, bytes, size, NULL, &again, &fault);
    table_say(table, place, bytes, bytes + size, &fault, why, room);
}
