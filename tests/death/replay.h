/* replay.h - a number for what was done to a case, and doing that again.
 *
 * The number is a row of digits of 16 bits, the first one in front: in together and every_schedule one for each
 * event of the schedule, in every_store one for each death. The same binary does the same thing again,
 * and shows it: each place that is run, who sleeps, who is killed. A debugger that stops in
 * death_event() finds the stack of who was just running. */
#ifndef DEATH_REPLAY_H
#define DEATH_REPLAY_H

#include "death.h"

#define REPLAY_DIGITS 8

struct replay {
    unsigned count;
    uint16_t digit[REPLAY_DIGITS];
};

/* What is to be done again; NULL: all is explored. */
extern const struct replay *replay_now;

/* Sets it, to be done with or without showing it; from NULL or "" to NULL. False: that is no number. */
bool replay_set(const char *number, bool shows);

void replay_write(const struct replay *r, char text[DEATH_NUMBER]);

/* -- while it is done again: what there is to see ------------------------------------------------- */

/* 'who' is about to do this access. */
void replay_access(const char *who, const void *code, uintptr_t address, size_t bytes, bool store);

/* Something else happens to 'who'. */
void replay_event(const char *who, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Called at each event, for a debugger. */
void death_event(void);

/* The case does not come to what the number says: that is from another binary, or another case. */
_Noreturn void replay_misfit(void);

#endif
