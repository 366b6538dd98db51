/* temporary.h - a file without a name, for what is too long for memory and needed again. */
#ifndef TOOLS_TEMPORARY_H
#define TOOLS_TEMPORARY_H

/* Opens one for reading and writing, in $TMPDIR or /tmp. It is gone with its last descriptor, however
 * the command ends. A descriptor, or a negated errno value. */
int temporary_file(void);

#endif
