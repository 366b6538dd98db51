/* Description: an array would be read as another one, or a header that lies would be believed. */
#include "unit.h"

#include <npy.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LENGTH(a) (sizeof(a) / sizeof *(a))

enum { WHY = 400, ROOM = 4096, DATA = 32 };

/* A header of version 1 to 3 with this text; its size. Nothing is filled up. */
static size_t make(unsigned char *bytes, unsigned version, const char *text)
{
    size_t size = strlen(text), head = version == 1 ? 10 : 12;

    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (unsigned char)version;
    bytes[7] = 0;
    bytes[8] = (unsigned char)size;
    bytes[9] = (unsigned char)(size >> 8);
    if (version > 1)
        bytes[10] = bytes[11] = 0;
    memcpy(bytes + head, text, size);
    return head + size;
}

static int read_text(const char *text, uint64_t data, struct npy *npy, char *why)
{
    static unsigned char bytes[ROOM];
    size_t size = make(bytes, 1, text), need = 0;
    unsigned char *exact = malloc(size);
    int r;

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, bytes, size);
    *why = '\0';
    r = npy_read(exact, size, size + data, npy, &need, why, WHY);
    free(exact);
    return r;
}

#define DICT(descr, order, shape) "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"

START_TEST(arrays_of_every_kind_of_number_are_known)
{
    static const struct {
        const char *descr;
        enum sample_kind kind;
        bool big;
    } rows[] = {
        {"<f8", SAMPLE_F64, false}, {">f8", SAMPLE_F64, true}, {"<f4", SAMPLE_F32, false}, {">f4", SAMPLE_F32, true},
        {"|i1", SAMPLE_I8, false}, {"<i2", SAMPLE_I16, false}, {">i2", SAMPLE_I16, true}, {"<i4", SAMPLE_I32, false},
        {">i4", SAMPLE_I32, true}, {"<i8", SAMPLE_I64, false}, {">i8", SAMPLE_I64, true}, {"|u1", SAMPLE_U8, false},
        {"<u2", SAMPLE_U16, false}, {">u2", SAMPLE_U16, true}, {"<u4", SAMPLE_U32, false}, {">u4", SAMPLE_U32, true},
        {"<u8", SAMPLE_U64, false}, {">u8", SAMPLE_U64, true}, {"<u1", SAMPLE_U8, false}, {">i1", SAMPLE_I8, false},
    };
    struct npy npy;
    char text[200], why[WHY];

    for (size_t i = 0; i < LENGTH(rows); i++) {
        bool swapped = sample_size(rows[i].kind) > 1 &&
                       rows[i].big != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);

        snprintf(text, sizeof text, DICT("'%s'", "False", "(2,)"), rows[i].descr);
        ck_assert_msg(read_text(text, 16, &npy, why) == 0, "%s: %s", rows[i].descr, why);
        ck_assert_int_eq(npy.format.kind, rows[i].kind);
        ck_assert_int_eq(npy.format.swapped, swapped);
        ck_assert_uint_eq(npy.data, 10 + strlen(text));
    }
}
END_TEST

START_TEST(headers_are_read_however_they_are_written)
{
    static const struct {
        const char *text;
        unsigned dimensions;
        uint64_t rows, channels;
        bool fortran;
    } rows[] = {
        {DICT("'<f8'", "False", "(4,)"), 1, 4, 1, false},
        {DICT("'<f8'", "True", "(2, 2)"), 2, 2, 2, true},
        {DICT("'<f8'", "False", "(2, 2, )"), 2, 2, 2, false},
        {DICT("'<f8'", "False", "(0,)"), 1, 0, 1, false},
        {DICT("'<f8'", "False", "(0, 3)"), 2, 0, 3, false},
        {DICT("'<f8'", "False", "()"), 1, 1, 1, false},
        {DICT("'<f8'", "False", "(4L,)") "   \n", 1, 4, 1, false},
        {"{\"shape\":(1,4),\"fortran_order\":False,\"descr\":\"<f8\"}", 2, 1, 4, false},
        {" { 'shape' : ( 4 , ) , 'descr' : '<f8' , 'fortran_order' : True } \n", 1, 4, 1, true},
        {"{'descr': '<f8',\n'fortran_order': False,\n'shape': (4,)}", 1, 4, 1, false},
    };
    struct npy npy;
    char why[WHY];

    for (size_t i = 0; i < LENGTH(rows); i++) {
        ck_assert_msg(read_text(rows[i].text, DATA, &npy, why) == 0, "%s: %s", rows[i].text, why);
        ck_assert_msg(npy.dimensions == rows[i].dimensions && npy.rows == rows[i].rows &&
                      npy.channels == rows[i].channels && npy.fortran == rows[i].fortran,
                      "%s is read as (%llu, %llu)", rows[i].text, (unsigned long long)npy.rows,
                      (unsigned long long)npy.channels);
    }
}
END_TEST

START_TEST(versions_2_and_3_have_longer_lengths)
{
    unsigned char bytes[ROOM] = {0};
    char why[WHY];
    struct npy npy;
    size_t need;

    for (unsigned version = 1; version <= 3; version++) {
        size_t size = make(bytes, version, DICT("'<f4'", "False", "(3,)"));

        ck_assert_int_eq(npy_read(bytes, size, size + 12, &npy, &need, why, WHY), 0);
        ck_assert_uint_eq(npy.data, size);
        ck_assert_uint_eq(npy.rows, 3);
    }
}
END_TEST

START_TEST(bytes_behind_the_array_are_not_looked_at)
{
    struct npy npy;
    char why[WHY];

    ck_assert_int_eq(read_text(DICT("'<f8'", "False", "(3,)"), 1000, &npy, why), 0);
    ck_assert_uint_eq(npy.rows, 3);
}
END_TEST

START_TEST(what_can_not_be_averaged_is_refused_by_its_name)
{
    static const struct {
        const char *descr, *said;
    } rows[] = {
        {"'|O'", "'|O' means pickled objects"}, {"'O'", "'O' means pickled objects"}, {"'|b1'", "'|b1' means truth values"},
        {"'?'", "'?' means truth values"}, {"'<f2'", "'<f2' means floating-point numbers of another size"},
        {"'<f16'", "'<f16' means"}, {"'<c8'", "'<c8' means complex"}, {"'<c16'", "'<c16' means complex"},
        {"'|S8'", "'|S8' means text"}, {"'<U8'", "'<U8' means text"}, {"'<M8[ns]'", "'<M8[ns]' means dates"},
        {"'<m8[s]'", "'<m8[s]' means dates"}, {"'|V8'", "'|V8' means raw bytes"}, {"'=f8'", "'=f8', which does not tell its byte order"},
        {"'|f8'", "'|f8', which does not tell"}, {"'f8'", "'f8' means floating-point"}, {"'<i3'", "'<i3' is not a type"}, {"''", "'' is not a type"},
        {"'<f999999999999999999999'", "'<f999999999999999999999' means"},
        {"[('a', '<f4'), ('b', '<i2', (2,))]", "structures (descr [('a', '<f4'), ('b', '<i2', (2,))])"},
        {"('<f8', (2,))", "structures (descr ('<f8', (2,)))"},
    };
    struct npy npy;
    char text[300], why[WHY];

    for (size_t i = 0; i < LENGTH(rows); i++) {
        snprintf(text, sizeof text, DICT("%s", "False", "(1,)"), rows[i].descr);
        ck_assert_int_eq(read_text(text, DATA, &npy, why), -EINVAL);
        ck_assert_msg(strstr(why, rows[i].said), "%s: %s", rows[i].descr, why);
    }
}
END_TEST

START_TEST(a_header_that_is_damaged_or_lies_is_refused)
{
    static const char *const rows[] = {
        "", "{}", "{", "[]", "()", "None", "__import__('os').system('true')", "['<f8', False, (4,)]",
        "{'descr': '<f8', 'fortran_order': False, }", "{'descr': '<f8', 'shape': (4,), }",
        "{'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4,), 'more': 1, }",
        "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<f8' 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4,), ",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4,), } x",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4,), } {}",
        "{, 'descr': '<f8', 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<f8', , 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<f8\\x38', 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<f8, 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '<f8\", 'fortran_order': False, 'shape': (4,), }",
        "{descr: '<f8', 'fortran_order': False, 'shape': (4,), }",
        DICT("8", "False", "(4,)"), DICT("None", "False", "(4,)"), DICT("u'<f8'", "False", "(4,)"),
        DICT("[('a', '<f8')", "False", "(4,)"), DICT("'<f8'", "0", "(4,)"), DICT("'<f8'", "false", "(4,)"),
        DICT("'<f8'", "not True", "(4,)"), DICT("'<f8'", "False", "(4)"), DICT("'<f8'", "False", "4"),
        DICT("'<f8'", "False", "[4]"), DICT("'<f8'", "False", "(-1,)"), DICT("'<f8'", "False", "(+4,)"),
        DICT("'<f8'", "False", "(4.0,)"), DICT("'<f8'", "False", "(0x4,)"), DICT("'<f8'", "False", "('4',)"),
        DICT("'<f8'", "False", "(len('4'),)"), DICT("'<f8'", "False", "(2**2,)"), DICT("'<f8'", "False", "(4,,)"),
        DICT("'<f8'", "False", "(,)"), DICT("'<f8'", "False", "(2 2)"), DICT("'<f8'", "False", "(1_0,)"),
        DICT("'<f8'", "False", "(1, 1, 1)"), DICT("'<f8'", "False", "(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)"),
        DICT("'<f8'", "False", "(3, 0)"), DICT("'<f8'", "False", "(0, 1048577)"),
        DICT("'<f8'", "False", "(0, 18446744073709551615)"), DICT("'<f8'", "False", "(5,)"),
        DICT("'<f8'", "False", "(1000000000000000,)"), DICT("'<f8'", "False", "(1, 1000000000000)"),
        DICT("'<f8'", "False", "(2305843009213693952,)"), DICT("'<f8'", "False", "(9223372036854775808,)"),
        DICT("'<f8'", "False", "(18446744073709551615,)"), DICT("'<f8'", "False", "(18446744073709551620,)"),
        DICT("'<f8'", "False", "(4294967296, 4294967296)"), DICT("'|u1'", "False", "(8589934592, 2147483648)"),
    };
    struct npy npy = {.rows = 7};
    char why[WHY];

    for (size_t i = 0; i < LENGTH(rows); i++) {
        ck_assert_msg(read_text(rows[i], DATA, &npy, why) == -EINVAL, "%s is read", rows[i]);
        ck_assert_msg(*why, "%s: no reason is given", rows[i]);
        ck_assert_uint_eq(npy.rows, 7);
    }
}
END_TEST

/* With the file's size, and without. */
START_TEST(a_file_that_is_cut_anywhere_is_refused_or_waited_for)
{
    unsigned char bytes[ROOM] = {0};
    size_t size = make(bytes, 2, DICT("'<f8'", "False", "(4,)")), need;
    struct npy npy;
    char why[WHY];

    for (size_t cut = 0; cut < size + DATA; cut++) {
        size_t there = cut < size ? cut : size;

        need = 0;
        ck_assert_int_eq(npy_read(bytes, there, cut, &npy, &need, why, WHY), -EINVAL);
        ck_assert_int_eq(npy_read(bytes, there, UINT64_MAX, &npy, &need, why, WHY), cut < size ? NPY_MORE : 0);
        if (cut < size)
            ck_assert(need > cut && need <= size);
    }
    ck_assert_int_eq(npy_read(bytes, size, size + DATA, &npy, &need, why, WHY), 0);
}
END_TEST

START_TEST(what_is_no_array_is_refused_at_its_first_bytes)
{
    static const struct {
        const char *bytes;
        size_t size;
    } rows[] = {
        {"1 2 3", 5}, {"\x93NUMPX\x01\x00", 8}, {"\x93NUMPY\x00\x00", 8}, {"\x93NUMPY\x04\x00", 8}, {"\x93NUMPY\x01\x01", 8},
        {"\x93NUMPY\x09\x09", 8}, {"\x93NUMPY\x02\x00\xff\xff\xff\xff", 12}, {"\x93NUMPY\x03\x00\x00\x00\x00\x80", 12},
        {"\x93NUMPY\x01\x00\x00\x00", 10}, {"R", 1},
    };
    struct npy npy;
    char why[WHY];
    size_t need;

    for (size_t i = 0; i < LENGTH(rows); i++)
        ck_assert_int_eq(npy_read((const unsigned char *)rows[i].bytes, rows[i].size, UINT64_MAX, &npy, &need, why,
                                  WHY), -EINVAL);
}
END_TEST

START_TEST(what_is_written_is_read_again)
{
    char header[NPY_HEADER], why[WHY];
    struct npy npy;
    size_t need;

    npy_write(header, "<u8", 1, 25, 1);
    ck_assert_mem_eq(header, "\x93NUMPY\x01\x00\x76\x00{'descr': '<u8', 'fortran_order': False, 'shape': (25,), }", 66);
    ck_assert_int_eq(header[NPY_HEADER - 1], '\n');
    ck_assert_int_eq(npy_read((unsigned char *)header, NPY_HEADER, NPY_HEADER + 200, &npy, &need, why, WHY), 0);
    ck_assert(npy.data == NPY_HEADER && npy.rows == 25 && npy.channels == 1 && npy.dimensions == 1);
    npy_write(header, "<f4", 2, UINT64_MAX, UINT64_MAX);
    ck_assert_int_eq(header[NPY_HEADER - 1], '\n');
    npy_write(header, "<f4", 2, 10, 3);
    ck_assert_int_eq(npy_read((unsigned char *)header, NPY_HEADER, NPY_HEADER + 120, &npy, &need, why, WHY), 0);
    ck_assert(npy.rows == 10 && npy.channels == 3 && npy.dimensions == 2 && !npy.fortran);
}
END_TEST

START_TEST(samples_of_any_kind_order_and_distance_are_read)
{
    static const struct {
        enum sample_kind kind;
        unsigned char bytes[8]; /* the lowest first */
        double value;
    } rows[] = {
        {SAMPLE_F64, {0, 0, 0, 0, 0, 0, 0xf8, 0x3f}, 1.5},
        {SAMPLE_F64, {0x18, 0x2d, 0x44, 0x54, 0xfb, 0x21, 0x09, 0x40}, 0x1.921fb54442d18p1},
        {SAMPLE_F64, {0, 0, 0, 0, 0, 0, 0, 0x80}, -0.0},
        {SAMPLE_F32, {0, 0, 0xc0, 0x3f}, 1.5},
        {SAMPLE_F32, {1, 0, 0, 0x80}, -0x1p-149},
        {SAMPLE_I8, {0x80}, -128},
        {SAMPLE_U8, {0x80}, 128},
        {SAMPLE_I16, {0xfe, 0xff}, -2},
        {SAMPLE_U16, {0xfe, 0xff}, 65534},
        {SAMPLE_I32, {0, 0, 0, 0x80}, -2147483648.0},
        {SAMPLE_U32, {0, 0, 0, 0x80}, 2147483648.0},
        {SAMPLE_I64, {0, 0, 0, 0, 0, 0, 0, 0x80}, -0x1p63},
        {SAMPLE_U64, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 0x1p64},
        {SAMPLE_U64, {1, 0x04, 0, 0, 0, 0, 0, 0x80}, 0x1.0000000000001p63},
    };
    enum { COUNT = 37 };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        size_t size = sample_size(rows[i].kind);

        for (size_t stride = size; stride < 3 * size + 2; stride += size - size / 2) {
            for (int swapped = 0; swapped < 2; swapped++) {
                size_t all = (COUNT - 1) * stride + size;
                unsigned char *bytes = calloc(1, all + 1);
                struct sample_format format = {rows[i].kind, swapped};
                bool highest_first = (bool)swapped != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
                double f64[COUNT];
                float f32[COUNT];

                ck_assert_ptr_nonnull(bytes);
                for (size_t k = 0; k < COUNT; k++)
                    for (size_t b = 0; b < size; b++)
                        bytes[1 + k * stride + b] = rows[i].bytes[highest_first ? size - 1 - b : b];
                samples_to_f64(f64, bytes + 1, stride, COUNT, format);
                samples_to_f32(f32, bytes + 1, stride, COUNT, format);
                for (size_t k = 0; k < COUNT; k++)
                    if (f64[k] != rows[i].value || signbit(f64[k]) != signbit(rows[i].value) ||
                        f32[k] != (float)rows[i].value)
                        ck_abort_msg("row %zu, sample %zu: %g and %g", i, k, f64[k], (double)f32[k]);
                free(bytes);
            }
        }
    }
}
END_TEST

START_TEST(nan_keeps_its_bits)
{
    const uint64_t bits[2] = {UINT64_C(0x7ff8dead00000001), UINT64_C(0xfff8000000000002)};
    double out[2];

    samples_to_f64(out, bits, 8, 2, (struct sample_format){SAMPLE_F64, false});
    ck_assert_mem_eq(out, bits, sizeof bits);
}
END_TEST

UNIT_TESTS("npy",
           arrays_of_every_kind_of_number_are_known,
           headers_are_read_however_they_are_written,
           versions_2_and_3_have_longer_lengths,
           bytes_behind_the_array_are_not_looked_at,
           what_can_not_be_averaged_is_refused_by_its_name,
           a_header_that_is_damaged_or_lies_is_refused,
           a_file_that_is_cut_anywhere_is_refused_or_waited_for,
           what_is_no_array_is_refused_at_its_first_bytes,
           what_is_written_is_read_again,
           samples_of_any_kind_order_and_distance_are_read,
           nan_keeps_its_bits)
