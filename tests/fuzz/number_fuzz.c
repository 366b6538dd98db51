/* number_fuzz.c - the number parser against a second one that shares nothing with it.
 *
 * Description: a number that is read as another one makes the command do, silently, what nobody
 * asked for. The reference finds the form with a regular expression and computes in decimal digits,
 * as on paper. Any difference is an abort.
 *
 * Under libFuzzer it is the target; with -DREPLAY it has a main() that reads the files it is given. */
#include "number.h"

#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* -- decimal arithmetic ------------------------------------------------------------------- */

enum { DIGITS = 64, LIMIT = 21 }; /* 2^64-1 has 20 digits: what has more than 21 stays "long" */

struct decimal {
    unsigned char digit[DIGITS]; /* the lowest first */
    int size;                    /* 0 is zero        */
    bool more;                   /* longer than LIMIT */
};

static struct decimal decimal_trim(struct decimal d)
{
    while (d.size > 0 && d.digit[d.size - 1] == 0)
        d.size--;
    if (d.size > LIMIT)
        d.more = true;
    if (d.more)
        d.size = 0;
    return d;
}

static struct decimal decimal_read(const char *text, size_t size)
{
    struct decimal d = {0};
    size_t digits = 0;

    for (size_t i = 0; i < size; i++)
        digits += text[i] != '_';
    if (digits > LIMIT) { /* no leading zeros here, so it is long for good */
        d.more = true;
        return d;
    }
    for (size_t i = size; i-- > 0;) {
        if (text[i] != '_')
            d.digit[d.size++] = (unsigned char)(text[i] - '0');
    }
    return decimal_trim(d);
}

static bool decimal_is_zero(struct decimal d)
{
    return !d.more && d.size == 0;
}

static struct decimal decimal_times(struct decimal a, struct decimal b)
{
    struct decimal r = {0};

    if (decimal_is_zero(a) || decimal_is_zero(b))
        return r;
    if (a.more || b.more) {
        r.more = true;
        return r;
    }
    for (int i = 0; i < a.size; i++) {
        unsigned carry = 0;

        for (int k = 0; k < b.size || carry; k++) {
            unsigned sum = r.digit[i + k] + carry +
                           (k < b.size ? (unsigned)a.digit[i] * b.digit[k] : 0);

            r.digit[i + k] = (unsigned char)(sum % 10);
            carry = sum / 10;
        }
    }
    r.size = a.size + b.size;
    return decimal_trim(r);
}

static unsigned long decimal_small(struct decimal d)
{
    unsigned long n = 0;

    if (d.more || d.size > 6)
        return 1000000;
    for (int i = d.size; i-- > 0;)
        n = 10 * n + d.digit[i];
    return n;
}

static struct decimal decimal_power(struct decimal base, unsigned long exponent)
{
    struct decimal r = decimal_read("1", 1);

    if (exponent > 0 && (decimal_is_zero(base) || decimal_small(base) == 1))
        return base;
    while (exponent-- > 0 && !r.more)
        r = decimal_times(r, base);
    return r;
}

static bool decimal_fits(struct decimal d, uint64_t *value)
{
    static const char top[] = "18446744073709551615";
    char text[32];
    int n = 0;

    if (d.more)
        return false;
    for (int i = d.size; i-- > 0;)
        text[n++] = (char)('0' + d.digit[i]);
    text[n] = '\0';
    if (n > 20 || (n == 20 && strcmp(text, top) > 0))
        return false;
    *value = 0;
    for (int i = 0; i < n; i++)
        *value = 10 * *value + (uint64_t)(text[i] - '0');
    return true;
}

/* -- the reference ------------------------------------------------------------------------ */

#define WORD "(0|[1-9](_?[0-9])*)"

static struct decimal part(const char *text, regmatch_t m)
{
    return decimal_read(text + m.rm_so, (size_t)(m.rm_eo - m.rm_so));
}

static enum number_status reference(const char *text, uint64_t *value)
{
    static regex_t form;
    static bool ready;
    regmatch_t m[8];
    struct decimal d;

    if (!ready && regcomp(&form, "^" WORD "(e" WORD "|\\^" WORD ")?$", REG_EXTENDED) != 0)
        abort();
    ready = true;
    if (text[0] == '\0')
        return NUMBER_EMPTY;
    if (strchr("+-", text[0]))
        return NUMBER_SIGN;

    /* A unit is cut off first, and stands for a factor. */
    static const struct {
        const char *name, *factor;
    } units[] = {
        {"Ki", "1024"}, {"Mi", "1048576"}, {"Gi", "1073741824"}, {"Ti", "1099511627776"},
        {"k", "1000"}, {"M", "1000000"}, {"G", "1000000000"}, {"T", "1000000000000"},
    };
    char plain[512];
    size_t size = strlen(text);
    const char *factor = NULL;

    if (size >= sizeof plain)
        abort();
    memcpy(plain, text, size + 1);
    for (size_t i = 0; i < sizeof units / sizeof *units && !factor; i++) {
        size_t n = strlen(units[i].name);

        if (size > n && strcmp(plain + size - n, units[i].name) == 0) {
            plain[size - n] = '\0';
            factor = units[i].factor;
        }
    }
    if (regexec(&form, plain, 8, m, 0) != 0)
        return NUMBER_FORM;
    if (factor && m[3].rm_so >= 0)
        return NUMBER_FORM; /* a unit or an exponent, not both */
    d = part(plain, m[1]);
    if (m[4].rm_so >= 0)
        d = decimal_times(d, decimal_power(decimal_read("10", 2),
                                           decimal_small(part(plain, m[4]))));
    else if (m[6].rm_so >= 0)
        d = decimal_power(d, decimal_small(part(plain, m[6])));
    else if (factor)
        d = decimal_times(d, decimal_read(factor, strlen(factor)));
    return decimal_fits(d, value) ? NUMBER_OK : NUMBER_TOO_BIG;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const uint64_t untouched = 0x5eed;
    uint64_t got = untouched, wanted = untouched;
    char text[256];

    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';

    enum number_status status = number_parse(text, &got), expected = reference(text, &wanted);

    if (status != expected || got != wanted) {
        fprintf(stderr, "'%s': status %d value %llu, not %d and %llu\n", text, status,
                (unsigned long long)got, expected, (unsigned long long)wanted);
        abort();
    }
    return 0;
}

#ifdef REPLAY
#include <dirent.h>

static int replay(const char *folder, const char *name)
{
    char path[4096];
    unsigned char data[4096];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return -1;
    size_t n = fread(data, 1, sizeof data, f);
    fclose(f);
    LLVMFuzzerTestOneInput(data, n);
    return 0;
}

/* Then every text of up to 4 characters of this alphabet: more than a corpus holds. */
static unsigned long all_short(void)
{
    static const char alphabet[] = "0129_e^kKMi-.";
    enum { LETTERS = sizeof alphabet - 1, LONGEST = 5 };
    unsigned long tried = 0;

    for (int size = 0; size <= LONGEST; size++) {
        int at[LONGEST] = {0}, i;

        do {
            unsigned char text[LONGEST];

            for (i = 0; i < size; i++)
                text[i] = (unsigned char)alphabet[at[i]];
            LLVMFuzzerTestOneInput(text, (size_t)size);
            tried++;
            for (i = 0; i < size && ++at[i] == LETTERS; i++)
                at[i] = 0;
        } while (i < size);
    }
    return tried;
}

int main(int argc, char **argv)
{
    struct dirent *entry;
    DIR *folder = argc == 2 ? opendir(argv[1]) : NULL;
    int files = 0;

    if (!folder)
        return 2;
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] != '.' && replay(argv[1], entry->d_name) == 0)
            files++;
    }
    closedir(folder);
    printf("1..2\n%s 1 - the corpus is read as the reference reads it # %d files\n",
           files > 0 ? "ok" : "not ok", files);
    printf("ok 2 - all short texts are read as the reference reads them # %lu texts\n",
           all_short());
    return 0;
}
#endif
