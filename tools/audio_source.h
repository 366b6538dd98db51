/* audio_source.h - the bytes of a file or a pipe, one after another, with a look ahead.
 *
 * Memory is a buffer, whatever comes. A file may be cut or grow while it is read: what is there is
 * read, nothing is mapped. */
#ifndef TOOLS_AUDIO_SOURCE_H
#define TOOLS_AUDIO_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { SOURCE_PEEK = 64 << 10, SOURCE_BUFFER = 256 << 10 };

struct audio_source {
    int fd;
    bool owned; /* a temporary file, closed at the end                              */
    bool seekable;
    int error;     /* a negated errno value, kept; then nothing comes any more         */
    off_t base;    /* seekable: where its first byte stands in the file                */
    uint64_t size; /* seekable: bytes from there on                                    */
    uint64_t at;   /* the next byte                                                    */
    unsigned char *buffer;
    size_t begin, end; /* buffer[begin ... end - 1] are the bytes from 'at' on          */
};

/* From where 'fd' stands. 0 or -ENOMEM. */
int audio_source_open(struct audio_source *source, int fd);
void audio_source_close(struct audio_source *source);

/* The next 'size' bytes, at most SOURCE_PEEK, which stay the next ones. How many: fewer at the end. */
size_t audio_source_peek(struct audio_source *source, size_t size, const unsigned char **bytes);

/* How many were read or passed: fewer at the end. */
uint64_t audio_source_read(struct audio_source *source, void *bytes, uint64_t size);
uint64_t audio_source_skip(struct audio_source *source, uint64_t size);

/* Only if it is seekable. */
void audio_source_seek(struct audio_source *source, uint64_t at);

/* Makes a pipe seekable: 'head', then all that is to come, go into a temporary file, which is the
 * source from now on. 0 or an error. */
int audio_source_spool(struct audio_source *source, const void *head, size_t size);

#endif
