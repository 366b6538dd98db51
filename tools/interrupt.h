/* interrupt.h - SIGINT, SIGTERM, SIGHUP and SIGQUIT end the command at once, and leave nothing half.
 *
 * The handler takes away the unfinished output file, if it has a name, and dies of the signal, so
 * that the caller's shell sees which. Between interrupt_hold() and interrupt_release() it only
 * remembers the signal, so that a record can be written to its end; a second signal does not wait.
 * Signals that were ignored when the command started stay ignored. Workers need no word: they end
 * when this process does. Only the main thread may hold. */
#ifndef TOOLS_INTERRUPT_H
#define TOOLS_INTERRUPT_H

#include <stdbool.h>

void interrupt_install(void);

void interrupt_hold(void);
/* Dies here if a signal came meanwhile. */
void interrupt_release(void);
bool interrupt_pending(void);

/* Removes 'path' (absolute, or the folder does not change) when a signal ends the command; NULL:
 * nothing to remove. The text must stay. */
void interrupt_remove(const char *path);

/* True while a progress bar stands on standard error: it is wiped before the end. */
void interrupt_wipe(bool bar);

#endif
