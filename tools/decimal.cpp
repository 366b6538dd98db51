/* decimal.cpp - decimal.h by the C++ library: std::from_chars and std::to_chars are exact and fast, know
 * no locale, allocate nothing and throw nothing. What they leave to us: a sign '+', what is no digit, and
 * on which side a number is out of range. */
#include "decimal.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <system_error>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The byte behind 'word' if it stands here in any case. */
static const char *read_word(const char *at, const char *end, const char *word)
{
    for (; *word; at++, word++) {
        if (at == end || (*at | 0x20) != *word)
            return nullptr;
    }
    return at;
}

static const char *read_special(const char *at, const char *end, double *value)
{
    const char *behind = read_word(at, end, "nan");

    if (behind) {
        *value = std::numeric_limits<double>::quiet_NaN();
        return behind;
    }
    behind = read_word(at, end, "infinity");
    if (!behind)
        behind = read_word(at, end, "inf");
    if (behind)
        *value = std::numeric_limits<double>::infinity();
    return behind;
}

/* The number from 'at' to 'end' is out of range: is it above 1? Its first digit that counts stands
 * 'place' digits in front of the point. */
static bool is_large(const char *at, const char *end)
{
    const long long enough = 1000000000000000; /* no text has so many digits */
    long long place = 0, exponent = 0;
    bool counts = false, point = false;

    for (; at < end && (is_digit(*at) || *at == '.'); at++) {
        counts = counts || (*at != '0' && *at != '.');
        if (*at == '.')
            point = true;
        else if (counts && !point)
            place++;
        else if (!counts && point)
            place--;
    }
    if (end - at > 1) { /* its exponent */
        bool minus = *++at == '-';

        for (; at < end; at++)
            exponent = is_digit(*at) && exponent < enough ? exponent * 10 + (*at - '0') : exponent;
        place += minus ? -exponent : exponent;
    }
    return place > 0;
}

const char *decimal_read(const char *at, const char *end, double *value)
{
    bool minus = false;
    double read = 0;

    if (at < end && (*at == '-' || *at == '+'))
        minus = *at++ == '-';
    if (at < end && (is_digit(*at) || *at == '.')) {
        std::from_chars_result r = std::from_chars(at, end, read);

        if (r.ec == std::errc::result_out_of_range) {
            if (is_large(at, r.ptr))
                return nullptr;
            read = 0;
        } else if (r.ec != std::errc()) {
            return nullptr;
        }
        at = r.ptr;
    } else {
        at = read_special(at, end, &read);
        if (!at)
            return nullptr;
    }
    *value = minus ? -read : read;
    return at;
}

template <typename T> static char *write(char *at, T value)
{
    if (std::isnan(value)) { /* without a sign: it means nothing */
        std::memcpy(at, "nan", 3);
        return at + 3;
    }
    return std::to_chars(at, at + DECIMAL_MOST, value).ptr;
}

char *decimal_write_f64(char *at, double value)
{
    return write(at, value);
}

char *decimal_write_f32(char *at, float value)
{
    return write(at, value);
}
