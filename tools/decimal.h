/* decimal.h - floating-point numbers as text, exactly, whatever the locale is. */
#ifndef TOOLS_DECIMAL_H
#define TOOLS_DECIMAL_H

#ifdef __cplusplus
extern "C" {
#endif

enum { DECIMAL_MOST = 32 }; /* bytes that a written number needs at most */

/* Reads the number that begins at 'at': an optional sign, digits with or without a point, an optional
 * exponent; or nan, inf, infinity in any case. No blanks, no hexadecimal. Rounds to nearest, below the
 * smallest number to zero. The byte behind it; NULL: there is none, or it is above the largest. */
const char *decimal_read(const char *at, const char *end, double *value);

/* Writes the shortest text that reads back as the same number (nan, inf, -inf). The byte behind it. */
char *decimal_write_f64(char *at, double value);
char *decimal_write_f32(char *at, float value);

#ifdef __cplusplus
}
#endif

#endif
