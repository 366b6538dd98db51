/* decimal.h - floating-point numbers as text, exactly, whatever the locale is.
 *
 *     number = [sign] (digits ["." [digits]] | "." digits) [("e" | "E") [sign] digits]
 *            | [sign] ("nan" | "inf" | "infinity"), in any case
 *
 * No blanks, no hexadecimal, no "nan(...)". */
#ifndef TOOLS_DECIMAL_H
#define TOOLS_DECIMAL_H

#ifdef __cplusplus
extern "C" {
#endif

enum { DECIMAL_MOST = 32 }; /* bytes that a written number needs at most */

/* Reads the longest number that begins at 'at', as strtod does: of "1e" and "0x1" it takes the first
 * digit, and what stands behind is for the caller to judge. Rounds to nearest; below the smallest
 * number to zero. The byte behind it; NULL: there is none, or it is above the largest. */
const char *decimal_read(const char *at, const char *end, double *value);

/* Writes the shortest text that reads back as the same number (nan, inf, -inf). The byte behind it. */
char *decimal_write_f64(char *at, double value);
char *decimal_write_f32(char *at, float value);

#ifdef __cplusplus
}
#endif

#endif
