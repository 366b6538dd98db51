/* Description: a number in a file would be read or written as another one, or as the locale pleases. */
#include "unit.h"

#include <decimal.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define LENGTH(a) (sizeof(a) / sizeof *(a))

static uint64_t state = 88172645463325252;

static uint64_t noise(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static double from_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* How many bytes were read, of a text with nothing behind it; -1: none. */
static long read_text(const char *text, double *value)
{
    size_t size = strlen(text);
    char *copy = calloc(1, size + 1);
    const char *behind;
    long n;

    if (!copy)
        ck_abort_msg("no memory");
    memmove(copy + 1, text, size);
    behind = decimal_read(copy + 1, copy + 1 + size, value);
    n = behind ? behind - copy - 1 : -1;
    free(copy);
    return n;
}

/* An assertion that holds costs more than a number: there is none then. */
static void must_read(const char *text, double wanted)
{
    double value = 42;
    long n = read_text(text, &value);

    if (n != (long)strlen(text))
        ck_abort_msg("'%s': %ld bytes read", text, n);
    if (bits_of(value) != bits_of(wanted) && !(isnan(value) && isnan(wanted)))
        ck_abort_msg("'%s' is read as %.17g, not as %.17g", text, value, wanted);
}

START_TEST(numbers_of_every_form_are_read)
{
    static const struct {
        const char *text;
        double value;
    } rows[] = {
        {"0", 0}, {"-0", -0.0}, {"+0", 0}, {"000", 0}, {"7", 7}, {"+7", 7}, {"-7", -7}, {"007", 7},
        {"1.", 1}, {".5", .5}, {"-.5", -.5}, {"+.5", .5}, {"1.5", 1.5}, {"1e3", 1000}, {"1E3", 1000},
        {"1e+3", 1000}, {"1e-3", 1e-3}, {"1.e3", 1000}, {".1e1", 1}, {"1e0000000000000000000000003", 1000},
        {"1.7976931348623157e308", 0x1.fffffffffffffp1023}, {"1.7976931348623158e308", 0x1.fffffffffffffp1023},
        {"179769313486231570e291", 0x1.fffffffffffffp1023}, {"2.2250738585072014e-308", 0x1p-1022},
        {"2.2250738585072011e-308", 0x0.fffffffffffffp-1022}, {"5e-324", 0x1p-1074}, {"-5e-324", -0x1p-1074},
        {"9007199254740993", 9007199254740992}, {"9007199254740993.00000000000000000000001", 9007199254740994},
        {"9007199254740995", 9007199254740996}, {"1.00000000000000011102230246251565", 1},
        {"1.000000000000000111022302462515654042363166809082031250000000000000000001", 0x1.0000000000001p0},
        {"inf", INFINITY}, {"INF", INFINITY}, {"-Inf", -INFINITY}, {"+infinity", INFINITY}, {"InFiNiTy", INFINITY},
        {"nan", NAN}, {"NaN", NAN}, {"-nan", NAN}, {"+NAN", NAN},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        must_read(rows[i].text, rows[i].value);
}
END_TEST

START_TEST(numbers_below_the_smallest_are_zero_with_their_sign)
{
    static const char *const texts[] = {
        "1e-999", "2e-324", "0.1e-400", "1e-99999999999999999999999999", "123456789e-400", "2.4703282292062327e-324",
        "0.000000000000000000000000000000000000000000001e-300",
    };
    char text[128];

    for (size_t i = 0; i < LENGTH(texts); i++) {
        must_read(texts[i], 0);
        snprintf(text, sizeof text, "-%s", texts[i]);
        must_read(text, -0.0);
    }
    must_read("2.4703282292062328e-324", 0x1p-1074);
}
END_TEST

START_TEST(zero_is_zero_whatever_its_exponent)
{
    must_read("0e999", 0);
    must_read("-0.000e99999999999999999999999", -0.0);
    must_read("0e-99999999999999999999999", 0);
}
END_TEST

START_TEST(what_is_no_number_or_too_large_a_one_is_refused)
{
    static const char *const texts[] = {
        "", "+", "-", ".", "-.", "e5", ".e5", "+-1", "--1", "++1", "- 1", " 1", "\t1", "\n1", "x", ",5", "_1", "n", "na", "i", "in",
        "-i", "$1", "\xc3\xa9", "1e309", "-1e309", "1e999", "1.7976931348623159e308", "1e99999999999999999999999",
        "100000000000000000000e300", "0.00000000000000000001e400",
    };
    double value = 42;

    for (size_t i = 0; i < LENGTH(texts); i++) {
        ck_assert_msg(read_text(texts[i], &value) == -1, "'%s' is read", texts[i]);
        ck_assert_msg(bits_of(value) == bits_of(42), "'%s' changes the value", texts[i]);
    }
}
END_TEST

START_TEST(a_long_number_of_zeros_and_one_digit_is_read)
{
    char text[3000];

    memset(text, '0', sizeof text);
    text[1] = '.';
    strcpy(text + 2500, "7e2499");
    must_read(text, 7);
    memset(text, '0', sizeof text);
    text[0] = '1';
    strcpy(text + 2500, "e-2499");
    must_read(text, 1);
    strcpy(text + 2500, "e-2100");
    ck_assert_int_eq(read_text(text, &(double){0}), -1);
    memset(text, '9', sizeof text);
    text[1] = '.';
    text[sizeof text - 1] = '\0';
    must_read(text, 10);
}
END_TEST

START_TEST(what_stands_behind_a_number_is_left_to_the_caller)
{
    static const struct {
        const char *text;
        long size;
    } rows[] = {
        {"1,5", 1}, {"1e", 1}, {"1e+", 1}, {"1e-x", 1}, {"0x10", 1}, {"1.2.3", 3}, {"1_000", 1}, {"1 2", 1}, {"nan(0)", 3},
        {"nanx", 3}, {"infin", 3}, {"infinityx", 8}, {"1\xc2\xa0", 1}, {"1-", 1}, {"1f", 1}, {"1;", 1}, {"1\"", 1},
    };
    double value;

    for (size_t i = 0; i < LENGTH(rows); i++) {
        long n = read_text(rows[i].text, &value);

        ck_assert_msg(n == rows[i].size, "'%s': %ld bytes", rows[i].text, n);
    }
}
END_TEST

START_TEST(numbers_are_read_as_libc_reads_them)
{
    char text[64];

    for (int i = 0; i < 200000; i++) {
        double value = from_bits(noise());

        if (!isfinite(value))
            continue;
        if (i % 2)
            value = (double)(int64_t)noise() / 1e18;
        snprintf(text, sizeof text, "%.*e", i % 25, value);
        if (isfinite(strtod(text, NULL)))
            must_read(text, strtod(text, NULL));
        snprintf(text, sizeof text, "%llue%d", (unsigned long long)(noise() >> i % 64), i % 80 - 40);
        must_read(text, strtod(text, NULL));
    }
}
END_TEST

/* Digits of the mantissa. */
static int digits_of(const char *text)
{
    int n = 0, zeros = 0;

    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9')
            continue;
        if (*text == '0') {
            zeros += n > 0;
        } else {
            n += zeros + 1;
            zeros = 0;
        }
    }
    return n;
}

START_TEST(what_is_written_is_read_back_and_as_short_as_can_be)
{
    static const double odd[] = { 0, -0.0, 1, -1, .1, 1.0 / 3, 1e22, 1e23, 5e-324, 0x1p-1022, 0x1.fffffffffffffp1023,
                                  -0x1.fffffffffffffp1023, 123456789012345680000.0, 9007199254740993.0, 1e100, 1e-5 };
    char text[DECIMAL_MOST + 1], shorter[64];

    for (size_t i = 0; i < 20000 + LENGTH(odd); i++) {
        double value = i < LENGTH(odd) ? odd[i] : i % 2 ? from_bits(noise()) : (double)(noise() % 1000000) / 1e3;
        char *end;
        int digits;

        if (!isfinite(value))
            continue;
        memset(text, 'x', sizeof text);
        end = decimal_write_f64(text, value);
        if (end - text > DECIMAL_MOST)
            ck_abort_msg("%.17g takes %td bytes", value, end - text);
        *end = '\0';
        must_read(text, value);
        digits = digits_of(text);
        if (digits > 17 || strchr(text, '.') == NULL) /* an integer, all of whose digits are told */
            continue;
        snprintf(shorter, sizeof shorter, "%.*e", digits > 1 ? digits - 2 : 0, value);
        if (digits > 1 && strtod(shorter, NULL) == value)
            ck_abort_msg("%s is written, and %s is shorter", text, shorter);
    }
}
END_TEST

START_TEST(single_precision_is_written_with_its_own_digits)
{
    char text[DECIMAL_MOST + 1];

    *decimal_write_f32(text, 0.1F) = '\0';
    ck_assert_str_eq(text, "0.1");
    *decimal_write_f32(text, 16777216.0F) = '\0';
    ck_assert_str_eq(text, "16777216");
    for (int i = 0; i < 100000; i++) {
        uint32_t bits = (uint32_t)noise();
        float value, again;
        char *end;

        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value))
            continue;
        end = decimal_write_f32(text, value);
        if (end - text > DECIMAL_MOST)
            ck_abort_msg("%.9g takes %td bytes", (double)value, end - text);
        *end = '\0';
        again = strtof(text, NULL);
        if (memcmp(&value, &again, sizeof value) != 0)
            ck_abort_msg("%s is not %.9g", text, (double)value);
    }
}
END_TEST

START_TEST(what_is_not_finite_is_written_by_name)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = { {NAN, "nan"}, {-NAN, "nan"}, {INFINITY, "inf"}, {-INFINITY, "-inf"}, {-0.0, "-0"}, {0, "0"} };
    char text[DECIMAL_MOST + 1];

    for (size_t i = 0; i < LENGTH(rows); i++) {
        *decimal_write_f64(text, rows[i].value) = '\0';
        ck_assert_str_eq(text, rows[i].text);
        *decimal_write_f32(text, (float)rows[i].value) = '\0';
        ck_assert_str_eq(text, rows[i].text);
    }
}
END_TEST

/* Of the locales with a decimal comma, those that are installed. */
START_TEST(the_locale_changes_nothing)
{
    static const char *const names[] = { "C", "de_DE.UTF-8", "fr_FR.UTF-8", "tr_TR.UTF-8", "de_DE", "ar_EG.UTF-8" };
    char text[DECIMAL_MOST + 1];
    double value = 0;

    for (size_t i = 0; i < LENGTH(names); i++) {
        if (!setlocale(LC_ALL, names[i]))
            continue;
        ck_assert_int_eq(read_text("1.5", &value), 3);
        ck_assert(value == 1.5);
        ck_assert_int_eq(read_text("1,5", &value), 1);
        ck_assert_int_eq(read_text("INF", &value), 3);
        *decimal_write_f64(text, 1234567.5) = '\0';
        ck_assert_str_eq(text, "1234567.5");
    }
}
END_TEST

UNIT_TESTS("decimal",
           numbers_of_every_form_are_read,
           numbers_below_the_smallest_are_zero_with_their_sign,
           zero_is_zero_whatever_its_exponent,
           what_is_no_number_or_too_large_a_one_is_refused,
           a_long_number_of_zeros_and_one_digit_is_read,
           what_stands_behind_a_number_is_left_to_the_caller,
           numbers_are_read_as_libc_reads_them,
           what_is_written_is_read_back_and_as_short_as_can_be,
           single_precision_is_written_with_its_own_digits,
           what_is_not_finite_is_written_by_name,
           the_locale_changes_nothing)
