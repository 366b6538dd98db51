/* number.h - whole numbers as a user types them, exact or refused.
 *
 *     number   = digits | digits "e" digits | digits "^" digits | digits unit
 *     digits   = "0", or a digit 1 to 9 and more digits; single "_" may stand between digits
 *     unit     = "k" | "M" | "G" | "T" (powers of 1000) | "Ki" | "Mi" | "Gi" | "Ti" (of 1024)
 *
 * Nothing else: no sign, no space, no fraction, no other base, whatever the locale. */
#ifndef TOOLS_NUMBER_H
#define TOOLS_NUMBER_H

#include <stdint.h>

enum number_status {
    NUMBER_OK = 0,
    NUMBER_EMPTY,    /* no text at all                   */
    NUMBER_SIGN,     /* begins with + or -               */
    NUMBER_FORM,     /* not of the form above            */
    NUMBER_TOO_BIG,  /* of the form, and more than 2^64-1 */
};

/* Reads all of 'text'; 'value' is set only if the answer is NUMBER_OK. */
enum number_status number_parse(const char *text, uint64_t *value);

/* What is wrong, to be put behind the quoted text. */
const char *number_explain(enum number_status status);

#endif
