/* number.c - the parser of number.h: one pass, no locale, no length limit. */
#include "number.h"

#include <stdbool.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Both hold on to "too big" once they got there; 0 times too big is 0. */
struct number {
    uint64_t value;
    bool big;
};

static struct number times(struct number a, struct number b)
{
    struct number r = {0, false};

    if ((a.value == 0 && !a.big) || (b.value == 0 && !b.big))
        return r;
    r.big = a.big || b.big || __builtin_mul_overflow(a.value, b.value, &r.value);
    return r;
}

/* The digits at *text, which moves behind them; false if there are none, or they are ill-formed. */
static bool read_digits(const char **text, struct number *n)
{
    const char *s = *text;

    if (!is_digit(*s) || (*s == '0' && (is_digit(s[1]) || s[1] == '_')))
        return false;
    *n = (struct number){0, false};
    for (;; s++) {
        if (*s == '_' && is_digit(s[1]))
            s++;
        if (!is_digit(*s))
            break;
        n->big = n->big || __builtin_mul_overflow(n->value, 10, &n->value) ||
                 __builtin_add_overflow(n->value, (uint64_t)(*s - '0'), &n->value);
    }
    *text = s;
    return true;
}

/* An exponent above 64 changes nothing any more: the power is 0, 1 or too big. */
static struct number power(struct number base, struct number exponent)
{
    struct number r = {1, false};
    uint64_t n = exponent.big || exponent.value > 64 ? 65 : exponent.value;

    while (n-- > 0)
        r = times(r, base);
    return r;
}

static bool read_unit(const char **text, struct number *unit)
{
    static const char names[] = "kMGT", binary[] = "KMGT";
    const char *s = *text;

    for (unsigned i = 0; i < 4; i++) {
        bool two = s[0] == binary[i] && s[1] == 'i';

        if (two || s[0] == names[i]) {
            *unit = power((struct number){two ? 1024 : 1000, false}, (struct number){i + 1, false});
            *text = s + (two ? 2 : 1);
            return true;
        }
    }
    return false;
}

enum number_status number_parse(const char *text, uint64_t *value)
{
    struct number n, right;
    const char *s = text;

    if (*s == '\0')
        return NUMBER_EMPTY;
    if (*s == '+' || *s == '-')
        return NUMBER_SIGN;
    if (!read_digits(&s, &n))
        return NUMBER_FORM;
    if (*s == 'e' || *s == '^') {
        bool raised = *s++ == '^';

        if (!read_digits(&s, &right))
            return NUMBER_FORM;
        n = raised ? power(n, right) : times(n, power((struct number){10, false}, right));
    } else if (read_unit(&s, &right)) {
        n = times(n, right);
    }
    if (*s != '\0')
        return NUMBER_FORM;
    if (n.big)
        return NUMBER_TOO_BIG;
    *value = n.value;
    return NUMBER_OK;
}

const char *number_explain(enum number_status status)
{
    switch (status) {
    case NUMBER_OK:
        return "is fine";
    case NUMBER_EMPTY:
        return "is empty: a number is needed";
    case NUMBER_SIGN:
        return "has a sign: a number is written without one";
    case NUMBER_TOO_BIG:
        return "is more than 2^64-1 = 18446744073709551615";
    case NUMBER_FORM:
        break;
    }
    return "is not a whole number (1000000, 1_000_000, 1e6, 10^6, 2^20; units k M G T Ki Mi Gi Ti)";
}
