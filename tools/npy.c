/* npy.c - a parser for the one dict that is in the head of an array file; see npy.h. */
#include "npy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { MAGIC = 6, SHOWN = 40, DESCR = 64 };

struct parser {
    const char *at, *end;
    char *why;
    size_t room;

    char descr[DESCR]; /* as it stands there, shortened                */
    bool plain;        /* it is a string, so no structure              */
    bool fortran;
    unsigned dimensions; /* as many as there are; shape has the first 2 */
    uint64_t shape[2];
};

/* Says why, and is the answer of who says so. */
#define refuse(why, room, ...) (snprintf((why), (room), __VA_ARGS__), -EINVAL)

/* Says what stood where something else had to. */
static int unexpected(struct parser *p, const char *wanted)
{
    char found[SHOWN + 1];
    size_t n = 0;

    for (const char *s = p->at; s < p->end && n < SHOWN && *s != '\n'; s++)
        found[n++] = *s >= 0x20 && *s < 0x7f ? *s : '?';
    found[n] = '\0';
    return refuse(p->why, p->room, "the array's header is damaged: %s was expected at \"%s\"", wanted,
                  found);
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r'))
        p->at++;
}

/* 'c', after blanks; the parser stands behind it. */
static bool take(struct parser *p, char c)
{
    skip_blanks(p);
    if (p->at == p->end || *p->at != c)
        return false;
    p->at++;
    return true;
}

static bool take_word(struct parser *p, const char *word)
{
    size_t size = strlen(word);

    skip_blanks(p);
    if ((size_t)(p->end - p->at) < size || memcmp(p->at, word, size) != 0)
        return false;
    p->at += size;
    return true;
}

/* A string without escapes: where it begins and its size. */
static const char *take_string(struct parser *p, size_t *size)
{
    const char *begin, *s;

    skip_blanks(p);
    if (p->at == p->end || (*p->at != '\'' && *p->at != '"'))
        return NULL;
    begin = p->at + 1;
    for (s = begin; s < p->end && *s != *p->at; s++) {
        if (*s == '\\' || *s == '\n')
            return NULL;
    }
    if (s == p->end)
        return NULL;
    p->at = s + 1;
    *size = (size_t)(s - begin);
    return begin;
}

/* -- the values --------------------------------------------------------------------------- */

/* Passes over a list or a tuple, which may hold others and strings. */
static int skip_nested(struct parser *p)
{
    size_t depth = 0, size;

    do {
        skip_blanks(p);
        if (p->at == p->end)
            return unexpected(p, "the end of 'descr'");
        if (*p->at == '\'' || *p->at == '"') {
            if (!take_string(p, &size))
                return unexpected(p, "the end of a string");
            continue;
        }
        if (*p->at == '[' || *p->at == '(')
            depth++;
        else if (*p->at == ']' || *p->at == ')')
            depth--;
        p->at++;
    } while (depth > 0);
    return 0;
}

static int read_descr(struct parser *p)
{
    size_t size, n = 0;
    const char *s;
    int r = 0;

    skip_blanks(p);
    s = p->at;
    if (p->at < p->end && (*p->at == '[' || *p->at == '(')) {
        r = skip_nested(p);
        size = (size_t)(p->at - s);
    } else {
        s = take_string(p, &size);
        if (!s)
            return unexpected(p, "the name of a type");
        p->plain = true;
    }
    for (; n < size && n < DESCR - 4; n++)
        p->descr[n] = s[n] >= 0x20 && s[n] < 0x7f ? s[n] : '?';
    memcpy(p->descr + n, n < size ? "..." : "", n < size ? 4 : 1);
    return r;
}

static int read_order(struct parser *p)
{
    p->fortran = take_word(p, "True");
    return p->fortran || take_word(p, "False") ? 0 : unexpected(p, "True or False");
}

static int read_length(struct parser *p, uint64_t *length)
{
    const char *begin;

    skip_blanks(p);
    begin = p->at;
    *length = 0;
    for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
        if (__builtin_mul_overflow(*length, 10, length) ||
            __builtin_add_overflow(*length, (uint64_t)(*p->at - '0'), length))
            return refuse(p->why, p->room, "the array's header is damaged: a length above 2^64");
    }
    if (p->at == begin)
        return unexpected(p, "a length");
    if (p->at < p->end && *p->at == 'L') /* as Python 2 wrote it */
        p->at++;
    return 0;
}

static int read_shape(struct parser *p)
{
    bool comma = true;

    if (!take(p, '('))
        return unexpected(p, "a shape");
    while (!take(p, ')')) {
        uint64_t length = 0;
        int r = comma ? read_length(p, &length) : unexpected(p, "a comma");

        if (r < 0)
            return r;
        if (p->dimensions < 2)
            p->shape[p->dimensions] = length;
        p->dimensions++;
        comma = take(p, ',');
    }
    if (p->dimensions == 1 && !comma) /* in Python a number in brackets is no tuple */
        return unexpected(p, "a comma in the shape");
    return 0;
}

static int read_dict(struct parser *p)
{
    static const struct {
        const char *name;
        int (*read)(struct parser *p);
    } keys[] = {{"descr", read_descr}, {"fortran_order", read_order}, {"shape", read_shape}};
    enum { KEYS = sizeof keys / sizeof *keys };
    bool seen[KEYS] = {false}, comma = true;

    if (!take(p, '{'))
        return unexpected(p, "a dict");
    while (!take(p, '}')) {
        const char *before = p->at, *name = NULL;
        size_t size = 0, k = 0;
        int r;

        if (comma)
            name = take_string(p, &size);
        for (; name && k < KEYS; k++) {
            if (size == strlen(keys[k].name) && memcmp(name, keys[k].name, size) == 0)
                break;
        }
        if (!name || k == KEYS || seen[k]) {
            p->at = before;
            return unexpected(p, comma ? "'descr', 'fortran_order' or 'shape', once," : "a comma");
        }
        seen[k] = true;
        if (!take(p, ':'))
            return unexpected(p, "a colon");
        r = keys[k].read(p);
        if (r < 0)
            return r;
        comma = take(p, ',');
    }
    for (size_t k = 0; k < KEYS; k++) {
        if (!seen[k])
            return refuse(p->why, p->room, "the array's header is damaged: it has no '%s'", keys[k].name);
    }
    skip_blanks(p);
    return p->at == p->end ? 0 : unexpected(p, "nothing more");
}

/* -- what they mean ----------------------------------------------------------------------- */

static int read_format(struct parser *p, struct sample_format *format)
{
    static const struct {
        char name[3];
        enum sample_kind kind;
    } kinds[] = {
        {"f8", SAMPLE_F64}, {"f4", SAMPLE_F32}, {"i1", SAMPLE_I8},  {"i2", SAMPLE_I16},
        {"i4", SAMPLE_I32}, {"i8", SAMPLE_I64}, {"u1", SAMPLE_U8},  {"u2", SAMPLE_U16},
        {"u4", SAMPLE_U32}, {"u8", SAMPLE_U64},
    };
    static const char types[] = "f8 f4 i1 i2 i4 i8 u1 u2 u4 u8";
    const char *d = p->descr;
    const char *what = "is not a type of numbers";

    if (!p->plain)
        return refuse(p->why, p->room, "an array of structures (descr %s): only plain numbers can be "
                      "averaged", d);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        if (d[0] == '\0' || strcmp(d + 1, kinds[k].name) != 0)
            continue;
        format->kind = kinds[k].kind;
        if (d[0] == '<' || d[0] == '>') {
            bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

            format->swapped = sample_size(format->kind) > 1 && (d[0] == '>') != big;
            return 0;
        }
        if (d[0] == '|' && sample_size(format->kind) == 1) {
            format->swapped = false;
            return 0;
        }
        return refuse(p->why, p->room, "the array's type is '%s', which does not tell its byte order", d);
    }
    switch (d[0] == '<' || d[0] == '>' || d[0] == '|' || d[0] == '=' ? d[1] : d[0]) {
    case 'O':
        what = "means pickled objects, which are never loaded";
        break;
    case 'b':
    case '?':
        what = "means truth values, not numbers";
        break;
    case 'c':
        what = "means complex numbers";
        break;
    case 'f':
        what = "means floating-point numbers of another size";
        break;
    case 'S':
    case 'U':
    case 'a':
        what = "means text, not numbers";
        break;
    case 'V':
        what = "means raw bytes or structures, not numbers";
        break;
    case 'M':
    case 'm':
        what = "means dates or times, not numbers";
        break;
    default:
        break;
    }
    return refuse(p->why, p->room, "the array's type '%s' %s; it can be one of %s", d, what, types);
}

/* Sizes, and whether the file is that large. */
static int read_layout(struct parser *p, uint64_t file_size, struct npy *npy)
{
    uint64_t bytes, end;

    if (p->dimensions > 2)
        return refuse(p->why, p->room, "an array of %u dimensions; it can have 1 or 2", p->dimensions);
    npy->dimensions = p->dimensions == 2 ? 2 : 1;
    npy->rows = p->dimensions > 0 ? p->shape[0] : 1;
    npy->channels = p->dimensions == 2 ? p->shape[1] : 1;
    npy->fortran = p->fortran;
    if (npy->channels == 0)
        return refuse(p->why, p->room, "an array without columns: its shape is (%llu, 0)",
                      (unsigned long long)npy->rows);
    if (npy->rows == 0 && npy->channels > NPY_COLUMNS)
        return refuse(p->why, p->room, "an array without rows, and of %llu columns",
                      (unsigned long long)npy->channels);
    if (__builtin_mul_overflow(npy->rows, npy->channels, &bytes) ||
        __builtin_mul_overflow(bytes, sample_size(npy->format.kind), &bytes) ||
        __builtin_add_overflow(bytes, npy->data, &end) || end > INT64_MAX)
        return refuse(p->why, p->room, "the array's shape (%llu, %llu) is larger than any file",
                      (unsigned long long)npy->rows, (unsigned long long)npy->channels);
    if (end > file_size)
        return refuse(p->why, p->room, "the file is cut off: its array takes %llu bytes, and %llu are there",
                      (unsigned long long)bytes, (unsigned long long)(file_size - npy->data));
    return 0;
}

static int more(size_t wanted, uint64_t file_size, size_t *need, char *why, size_t room)
{
    if (wanted > file_size)
        return refuse(why, room, "the file is cut off within the header of its array");
    *need = wanted;
    return NPY_MORE;
}

int npy_read(const unsigned char *bytes, size_t size, uint64_t file_size, struct npy *npy, size_t *need,
             char *why, size_t room)
{
    static const unsigned char magic[MAGIC] = "\x93NUMPY";
    struct parser p = {.why = why, .room = room};
    struct npy found = {0};
    size_t head, length = 0;
    int r;

    if (memcmp(bytes, magic, size < MAGIC ? size : MAGIC) != 0)
        return refuse(why, room, "not a NumPy array: it does not begin with \\x93NUMPY");
    if (size < MAGIC + 2)
        return more(MAGIC + 2, file_size, need, why, room);
    if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0)
        return refuse(why, room, "an array file of version %u.%u; known are 1.0, 2.0 and 3.0", bytes[6],
                      bytes[7]);
    head = bytes[6] == 1 ? 10 : 12;
    if (size < head)
        return more(head, file_size, need, why, room);
    for (size_t i = head; i-- > 8;)
        length = length << 8 | bytes[i];
    if (length > NPY_LONGEST)
        return refuse(why, room, "the array's header is damaged: it claims to be %zu bytes long", length);
    if (size < head + length)
        return more(head + length, file_size, need, why, room);

    p.at = (const char *)bytes + head;
    p.end = p.at + length;
    found.data = head + length;
    r = read_dict(&p);
    if (r == 0)
        r = read_format(&p, &found.format);
    if (r == 0)
        r = read_layout(&p, file_size, &found);
    if (r == 0)
        *npy = found;
    return r;
}

void npy_write(char header[NPY_HEADER], const char *descr, unsigned dimensions, uint64_t rows,
               uint64_t channels)
{
    char text[NPY_HEADER];
    int n;

    if (dimensions == 1)
        n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%llu,), }",
                     descr, (unsigned long long)rows);
    else
        n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%llu, %llu), }",
                     descr, (unsigned long long)rows, (unsigned long long)channels);
    memset(header, ' ', NPY_HEADER);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)(NPY_HEADER - 10);
    header[9] = 0;
    memcpy(header + 10, text, (size_t)n);
    header[NPY_HEADER - 1] = '\n';
}
