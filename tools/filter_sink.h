/* filter_sink.h - the averages as bytes, in the workers, and as a file, in order, in the command. */
#ifndef TOOLS_FILTER_SINK_H
#define TOOLS_FILTER_SINK_H

#include "audio.h"
#include "output.h"

#include <stddef.h>
#include <stdint.h>

enum sink_shape { SINK_TEXT, SINK_CSV, SINK_NPY, SINK_RAW, SINK_AUDIO, SINK_JSON };

struct sink {
    enum sink_shape shape;
    bool single;            /* the averages are f32, else f64                      */
    unsigned channels;
    unsigned dimensions;    /* npy: 1 or 2                                         */
    char delimiter;         /* csv                                                 */
    const char *header;     /* csv: the first line; "": none                       */
    const char *members;    /* json: what stands before the averages, with its comma */
    struct audio_format audio;
    const char *audio_name; /* its ending says which container                     */
    const char *path;       /* NULL: standard output                               */
    int fd;                 /* not 0: a descriptor to write to, instead            */
};

/* -- in workers: nothing but arithmetic -- */

/* Bytes that 'rows' rows need at most. */
size_t sink_room(const struct sink *sink, size_t rows);

/* Writes 'rows' rows; channel c is at 'mean' + c * 'stride' bytes. The bytes written. */
size_t sink_format(const struct sink *sink, const void *mean, size_t stride, size_t rows, char *out);

/* -- in the command -- */

struct sink_file {
    const struct sink *sink;
    struct output out;    /* what is written to; a file without a name if 'spool' */
    struct output target; /* where that goes at the end                           */
    bool spooled, begun;
    struct audio_out *audio;
    uint64_t expected;    /* rows, or UINT64_MAX                                  */
    uint64_t rows;
    char why[256];        /* of the last error, if it is not the output's own     */
};

/* Opens it; its head is written with the first row. 'rows': how many will come, UINT64_MAX if that is
 * not known: then a shape whose head says so goes through a temporary file if the output can't be
 * mended. 0 or an error; sink_discard() is needed in both cases. */
int sink_open(struct sink_file *file, const struct sink *sink, uint64_t rows);

/* Rows of one size, into a file that nobody else sees: every row has its place before it is written.
 * 1: so it is, the head is written, and the rows begin at byte '*begin'; 0: it is not; or an error. */
int sink_places(struct sink_file *file, uint64_t *begin);

/* The next 'rows' rows are written by others, at their places, in any order. */
void sink_leave(struct sink_file *file, uint64_t rows);

/* What sink_format() made of the next 'rows' rows. 0 or an error. */
int sink_put(struct sink_file *file, const char *bytes, size_t size, size_t rows);

/* The rest, and the name. */
int sink_finish(struct sink_file *file);
void sink_discard(struct sink_file *file);

#endif
