/* csv_fuzz.c - the columns of a CSV, against a reader that goes byte by byte, and cut at every place.
 *
 * Description: a cell that is read as another one, or a row that is cut in the middle because of a
 * quoted newline, becomes a wrong average that nobody sees.
 *
 * The reference is told the delimiter, and whether there is a header; both are checked for sense. */
#include "table_check.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { CELLS = 4096 };

struct cell {
    char *text;
    size_t size;
};

/* The next row at 'at', in cells without quotes and outer blanks. The byte behind it; 0: it is wrong. */
static size_t reference_row(const char *bytes, size_t size, size_t at, char delimiter, struct cell *cells,
                            size_t *count)
{
    enum { BEFORE, PLAIN, QUOTED, BEHIND } state = BEFORE;
    char *text = malloc(size + 1);
    size_t n = 0;
    bool wrong = false, quoted = false, ended = false;

    MUST(text);
    *count = 0;
    while (!ended && !wrong) {
        bool last = at == size;
        char c = last ? '\n' : bytes[at];
        bool blank = c == ' ' || (c == '\t' && delimiter != '\t');

        if (state == QUOTED) {
            if (last || c == '\0') {
                wrong = true;
            } else if (c != '"') {
                text[n++] = c;
            } else if (at + 1 < size && bytes[at + 1] == '"') {
                text[n++] = c;
                at++;
            } else {
                state = BEHIND;
            }
            at++;
            continue;
        }
        if (c == '\r' && (at + 1 == size || bytes[at + 1] == '\n')) {
            at++; /* the newline's */
            if (at == size)
                continue;
            c = '\n';
        }
        if (c == delimiter || c == '\n') {
            while (!quoted && n > 0 && (text[n - 1] == ' ' || (text[n - 1] == '\t' && delimiter != '\t')))
                n--;
            MUST(*count < CELLS);
            cells[*count].text = malloc(n + 1);
            MUST(cells[*count].text);
            memcpy(cells[*count].text, text, n);
            cells[*count].text[n] = '\0';
            cells[*count].size = n;
            ++*count;
            n = 0;
            quoted = false;
            state = BEFORE;
            ended = c == '\n';
        } else if (c == '\0' || c == '\r') {
            wrong = true;
        } else if (state == BEFORE && c == '"') {
            state = QUOTED;
            quoted = true;
        } else if (state == BEHIND) {
            wrong = !blank;
        } else if (c == '"') {
            wrong = true;
        } else if (state == PLAIN || !blank) {
            state = PLAIN;
            text[n++] = c;
        }
        if (!last || !ended)
            at++;
    }
    free(text);
    return wrong ? 0 : at;
}

static void forget(struct cell *cells, size_t *count)
{
    while (*count > 0)
        free(cells[--*count].text);
}

static size_t skip_blank_lines(const char *bytes, size_t size, size_t at, char delimiter)
{
    for (;;) {
        size_t p = at;

        while (p < size && (bytes[p] == ' ' || (bytes[p] == '\t' && delimiter != '\t')))
            p++;
        if (p < size && bytes[p] == '\r' && (p + 1 == size || bytes[p + 1] == '\n'))
            p++;
        if (p == size)
            return size;
        if (bytes[p] != '\n')
            return at;
        at = p + 1;
    }
}

/* Missing: NaN. */
static enum reference_number cell_number(const struct cell *cell, double *value)
{
    const char *at = cell->text, *end = at + cell->size;

    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (at < end && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *value = NAN;
    return at == end ? A_NUMBER : reference_number(at, (size_t)(end - at), value);
}

/* Reads all rows. 'column' is the one of the only channel, or SIZE_MAX: all columns must be channels. */
static void check_numbers(const struct table *table, const char *bytes, size_t size, size_t head,
                          size_t column)
{
    static struct cell cells[CELLS];
    struct table_piece piece;
    double *out = read_piece(table, bytes + head, size - head, &piece);
    size_t channels = table_channels(table), count = 0, columns = 0, at;
    char delimiter = table_delimiter(table);
    uint64_t rows = 0;
    bool wrong = false;

    /* The first row, header or not, says how many cells there are. */
    at = skip_blank_lines(bytes, size, 0, ',');
    MUST(reference_row(bytes, size, at, delimiter, cells, &columns) > 0);
    forget(cells, &(size_t){columns});
    for (at = skip_blank_lines(bytes, size, head, delimiter); at < size && !wrong;
         at = skip_blank_lines(bytes, size, at, delimiter)) {
        size_t behind = reference_row(bytes, size, at, delimiter, cells, &count);
        double value;

        wrong = behind == 0 || count != columns;
        for (size_t c = 0; c < count && !wrong; c++) {
            if (column != SIZE_MAX && c != column)
                continue;
            wrong = cell_number(&cells[c], &value) != A_NUMBER;
            if (!wrong && rows < piece.rows)
                MUST(same_bits(out[rows * channels + (column == SIZE_MAX ? c : 0)], value));
        }
        forget(cells, &count);
        rows += !wrong;
        at = behind;
    }
    MUST(rows == piece.rows && wrong == (piece.bad != TABLE_GOOD));
    free(out);
}

static size_t count_columns(const char *bytes, size_t size, char delimiter)
{
    static struct cell cells[CELLS];
    size_t count = 0, columns;

    MUST(reference_row(bytes, size, skip_blank_lines(bytes, size, 0, ','), delimiter, cells, &count) > 0);
    columns = count;
    forget(cells, &count);
    return columns;
}

/* The header is a CSV of its own: all names, and no more. */
static void check_header(const struct table *table)
{
    static struct cell cells[CELLS];
    char *header = table_header(table, ';');
    size_t count = 0, size;

    MUST(header);
    size = strlen(header);
    if (size > 0) {
        MUST(reference_row(header, size, 0, ';', cells, &count) == size);
        MUST(count == table_channels(table));
        forget(cells, &count);
    }
    free(header);
}

/* The only channel has this name. */
static bool is_named(const struct table *table, const char *name)
{
    char *header = table_header(table, ';');
    bool is = header && strncmp(header, name, strlen(name)) == 0 && strcmp(header + strlen(name), "\n") == 0;

    free(header);
    return is;
}

static void check(const char *bytes, size_t size, const char *column)
{
    char why[WHY] = "";
    struct table *table = NULL;
    size_t head = 0, mark = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    int r = table_open(&table, TABLE_CSV, column ? &column : NULL, column ? 1 : 0, bytes, size, true, &head,
                       why, sizeof why);

    check_open(TABLE_CSV, column ? &column : NULL, column ? 1 : 0, bytes, size, r, table, head);
    MUST(r == 0 || (r == -EINVAL && *why));
    if (r < 0)
        return;
    MUST(strchr(",;\t", table_delimiter(table)) && head >= mark && head <= size);
    MUST(table_channels(table) > 0);
    if (column && strcmp(column, "2") == 0 && !is_named(table, "2"))
        check_numbers(table, bytes + mark, size - mark, head - mark, 1);
    else if (!column && table_channels(table) ==
                            count_columns(bytes + mark, size - mark, table_delimiter(table)))
        check_numbers(table, bytes + mark, size - mark, head - mark, SIZE_MAX);
    check_header(table);
    check_pieces(table, bytes + head, size - head);
    table_close(table);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size >= CELLS)
        return 0;
    check((const char *)data, size, NULL);
    check((const char *)data, size, "2");
    check((const char *)data, size, "a");
    return 0;
}
