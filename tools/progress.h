/* progress.h - a bar on standard error: how much is done, how fast, how long it will take. */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include "options.h"

struct progress {
    bool shown;     /* may be drawn at all                  */
    bool stands;    /* is on the screen                     */
    const char *unit;
    crew_time begin, drawn;
};

/* 'unit' is what is counted, as in "primes". A bar that nobody asked for waits for a terminal
 * that the result does not go to, and for a second to pass. */
void progress_begin(struct progress *progress, enum progress_mode mode, const char *unit,
                    bool result_on_terminal);

/* 'part' of the work is done, 0 to 1; 'count' units so far. Cheap: draws ten times a second. */
void progress_step(struct progress *progress, double part, uint64_t count);

/* Wipes it. */
void progress_end(struct progress *progress);

#endif
