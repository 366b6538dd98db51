/* say.h - what the command says on standard error, a line at a time and each by one write.
 *
 * Every line begins with "crew" and the subcommand; text that a user typed is quoted, so that no
 * control character, broken UTF-8 or endless argument reaches a terminal. */
#ifndef TOOLS_SAY_H
#define TOOLS_SAY_H

#include <stdbool.h>

#define SAY_FORMAT __attribute__((format(printf, 1, 2)))

enum exit_status { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* The subcommand that speaks; "" is crew itself. */
void say_as(const char *subcommand);
const char *say_name(void);

/* One line why it failed. Returns EXIT_FAILED. */
int say_error(const char *format, ...) SAY_FORMAT;

/* One line on what is wrong with the command line, and one on where to look. Returns EXIT_USAGE. */
int say_usage(const char *format, ...) SAY_FORMAT;

/* Told only under --verbose; and what --quiet hides. */
extern bool say_verbose, say_quiet;
void say_detail(const char *format, ...) SAY_FORMAT;
void say_warning(const char *format, ...) SAY_FORMAT;

/* 'text' in single quotes, cut when long. Valid until the fourth call after this one. */
const char *quoted(const char *text);

#endif
