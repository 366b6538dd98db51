/* table_fuzz.c - numbers between white space, against strtod() on each word, and cut at every place.
 *
 * Description: a number that is read as another one, or twice, or not at all, because of where a file
 * was cut, becomes a wrong average that nobody sees. */
#include "table_check.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static bool is_space(char c)
{
    return c != '\0' && strchr(" \t\n\v\f\r", c);
}

static void check_numbers(const struct table *table, const char *bytes, size_t size)
{
    struct table_piece piece;
    double *out = read_piece(table, bytes, size, &piece);
    uint64_t rows = 0, bad = TABLE_GOOD;

    for (size_t at = 0, end; at < size && bad == TABLE_GOOD; at = end) {
        double value;

        for (end = at; end < size && is_space(bytes[end]) == is_space(bytes[at]);)
            end++;
        if (is_space(bytes[at]))
            continue;
        if (reference_number(bytes + at, end - at, &value) != A_NUMBER)
            bad = at;
        else
            MUST(rows < piece.rows && same_bits(out[rows++], value));
    }
    MUST(rows == piece.rows && bad == piece.bad);
    free(out);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const char *bytes = (const char *)data;
    char why[WHY] = "";
    struct table *table = NULL;
    size_t head = 0;
    int r = table_open(&table, TABLE_TEXT, NULL, 0, bytes, size, true, &head, why, sizeof why);

    check_open(TABLE_TEXT, NULL, 0, bytes, size, r, table, head);
    if (r < 0) {
        MUST(r == -EINVAL && (data[0] == 0xff || data[0] == 0xfe) && *why);
        return 0;
    }
    MUST(head == (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0));
    MUST(table_channels(table) == 1 && table_delimiter(table) == ' ');
    check_numbers(table, bytes + head, size - head);
    check_pieces(table, bytes + head, size - head);
    table_close(table);
    return 0;
}
