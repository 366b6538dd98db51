/* output.h - where results go: standard output, or a file that appears only when it is whole.
 *
 *     struct output out;
 *     int r = output_open(&out, path);                  // NULL or "-": standard output
 *     if (r == 0)
 *         r = output_write(&out, text, size);
 *     if (r == 0)
 *         r = output_finish(&out);                      // now the file has its name
 *     else
 *         output_discard(&out);                         // it never had one
 *
 * The file is written without a name in the folder where it will stand (or, on file systems that
 * can't, under a name that begins with ".crew-"), and takes the place of an older one by rename().
 * What is not a plain file (a device, a named pipe) is opened and written as it is.
 *
 * Killed at any instruction, the command leaves the old file or the new one, never a part. A signal
 * that arrives during output_write() ends the command at the end of a record (see 'record'). */
#ifndef TOOLS_OUTPUT_H
#define TOOLS_OUTPUT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What may be cut off where when a signal comes: lines, records of 8 bytes, or anything. */
enum output_record { RECORD_LINE, RECORD_8_BYTES, RECORD_NONE };

struct output {
    int fd;
    bool named;        /* 'target' is to be given to what was written                */
    bool replaces;     /* 'target' exists                                            */
    bool patchable;    /* output_patch() works                                       */
    bool pipe_widened;
    enum output_record record;
    off_t begin;       /* where in the file it began                                 */
    uint64_t written;  /* bytes so far                                               */
    uint64_t reserved; /* bytes of disk asked for; above 'written' only if 'named'   */
    char *target;      /* the file to be, all links resolved                         */
    char *temporary;   /* its name until then; NULL: it has none                     */
};

/* All return 0 or a negated errno value. -EPIPE: nobody reads any more. */
int output_open(struct output *out, const char *path);
int output_write(struct output *out, const void *data, size_t size);

/* Only if 'named': the next 'size' bytes are written by others, each at its place with output_write_at(),
 * in any order, again if need be, and all before output_finish(). */
void output_leave(struct output *out, uint64_t size);

/* Writes bytes at a place of a file, in whatever process has it open. */
int output_write_at(int fd, const void *data, size_t size, uint64_t place);

/* Overwrites bytes that were written before, counted from the first one. */
int output_patch(struct output *out, uint64_t offset, const void *data, size_t size);

int output_finish(struct output *out);
void output_discard(struct output *out);

#endif
