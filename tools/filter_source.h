/* filter_source.h - where a signal comes from: a file, a pipe, or a formula.
 *
 * Numbers in a plain file, and those of the formula, can be fetched from any place, by any worker.
 * All else comes once, in order, and is read by the command. A signal is rows of one number for each
 * channel. */
#ifndef TOOLS_FILTER_SOURCE_H
#define TOOLS_FILTER_SOURCE_H

#include "audio.h"
#include "samples.h"
#include "table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum signal_format {
    SIGNAL_UNKNOWN, SIGNAL_TEXT, SIGNAL_CSV, SIGNAL_NPY, SIGNAL_AUDIO, SIGNAL_F64, SIGNAL_F32,
};

/* By a format's name as in --format, and by a file's name. SIGNAL_UNKNOWN: neither. */
enum signal_format signal_format_find(const char *format);
enum signal_format signal_format_of(const char *path);

enum source_kind {
    SOURCE_ARRAY,  /* source_fetch(): a plain file */
    SOURCE_NOISE,  /* source_fetch(): the formula  */
    SOURCE_STREAM, /* source_rows(): numbers       */
    SOURCE_AUDIO,  /* source_rows()                */
    SOURCE_TABLE,  /* source_bytes(), for 'table'  */
};

struct source {
    enum source_kind kind;
    const char *name;       /* as messages call it                           */
    struct sample_format format;
    bool single;            /* f32 holds every number exactly                */
    unsigned channels, dimensions;
    uint64_t rows;          /* UINT64_MAX: not known                         */
    bool fortran;           /* a channel's numbers stand together            */
    uint64_t seed;
    struct table *table;
    struct audio_in *audio;
    struct audio_format audio_format;

    int fd;
    bool owned;             /* fd is ours to close                           */
    off_t data;             /* where the numbers begin                       */
    uint64_t size;          /* bytes of a plain file; UINT64_MAX: not one    */
    uint64_t passed;        /* bytes that were given away                    */
    uint64_t left;          /* rows that are still to come, if known         */
    char *ahead;            /* read, and not given away yet                  */
    size_t ahead_size, ahead_at, ahead_room;
    bool ended;
    char why[320];          /* what was wrong, after -EINVAL; names the file */
};

/* Opens 'path' ("-": standard input) and learns the layout. 'columns' are for a CSV. EXIT_DONE, or
 * the exit status after the reason was said. */
int source_open(struct source *source, const char *path, enum signal_format format,
                const char *const *columns, unsigned count);
void source_generate(struct source *source, uint64_t rows, uint64_t seed);
/* Raw numbers in a file that is open, which becomes the source's. */
void source_raw(struct source *source, int fd, const char *name, bool single, unsigned channels,
                unsigned dimensions, uint64_t rows);
void source_close(struct source *source);

/* True for SOURCE_ARRAY and SOURCE_NOISE. */
bool source_anywhere(const struct source *source);

/* Rows first ... first + rows - 1 as f64, or f32 if 'single', channel c at 'out' + c * 'stride' bytes.
 * 'staging': source_staging() bytes. 0; -ENODATA: the file is shorter than it was; or an error. */
size_t source_staging(const struct source *source, uint64_t rows, bool single);
int source_fetch(const struct source *source, uint64_t first, uint64_t rows, void *out, size_t stride,
                 bool single, void *staging);

/* Up to 'most' rows, one after the other, all channels of each together. How many; 0: the end; -EAGAIN:
 * none is there, and not 'wait'; -EINVAL: see 'why'; or an error. */
int64_t source_rows(struct source *source, void *out, bool single, uint64_t most, bool wait);

/* The same for bytes. */
int64_t source_bytes(struct source *source, char *out, size_t room, bool wait);

/* How much of it was given away, 0 to 1; 0 if nobody knows. */
double source_part(const struct source *source);

#endif
