/* say.c - messages on standard error. */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool say_verbose, say_quiet;
static const char *speaker = "";

void say_as(const char *subcommand)
{
    speaker = subcommand;
}

const char *say_name(void)
{
    return speaker;
}

static void __attribute__((format(printf, 1, 0))) say_line(const char *format, va_list arguments)
{
    char line[1024];
    size_t n = (size_t)snprintf(line, sizeof line, "crew%s%s: ", *speaker ? " " : "", speaker);
    size_t room = sizeof line - n - 1;
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): forgets va_start after the first file */
    int size = vsnprintf(line + n, room, format, arguments);

    if (size < 0)
        return;
    n += (size_t)size < room ? (size_t)size : room - 1;
    line[n++] = '\n';
    /* Nobody is left to tell when standard error itself fails. */
    if (write(STDERR_FILENO, line, n) < 0)
        return;
}

#define SAY_LINE(format)                                                                      \
    do {                                                                                      \
        va_list arguments;                                                                    \
        va_start(arguments, format);                                                          \
        say_line(format, arguments);                                                          \
        va_end(arguments);                                                                    \
    } while (0)

int say_error(const char *format, ...)
{
    SAY_LINE(format);
    return EXIT_FAILED;
}

int say_usage(const char *format, ...)
{
    char line[96];

    SAY_LINE(format);
    int n = snprintf(line, sizeof line, "try 'crew%s%s --help'\n", *speaker ? " " : "", speaker);
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return EXIT_USAGE;
    return EXIT_USAGE;
}

void say_detail(const char *format, ...)
{
    if (say_verbose)
        SAY_LINE(format);
}

void say_warning(const char *format, ...)
{
    if (!say_quiet)
        SAY_LINE(format);
}

const char *quoted(const char *text)
{
    enum { SHOWN = 64 };
    static char ring[4][4 * SHOWN + 64];
    static unsigned turn;
    char *start = ring[turn++ % 4], *out = start;
    size_t size = strlen(text);

    *out++ = '\'';
    for (size_t i = 0; i < size && i < SHOWN; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c < 0x20 || c >= 0x7f || c == '\'' || c == '\\')
            out += sprintf(out, "\\x%02x", c);
        else
            *out++ = (char)c;
    }
    if (size > SHOWN)
        sprintf(out, "...' (%zu bytes)", size);
    else
        sprintf(out, "'");
    return start;
}
