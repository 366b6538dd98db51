/* audio_formats.h - libsndfile, and what its numbers for containers and encodings mean for crew.
 *
 * It is loaded when the first sound is asked for: it and the codecs below it would cost every start of
 * the command a millisecond, which is half as much again. */
#ifndef TOOLS_AUDIO_FORMATS_H
#define TOOLS_AUDIO_FORMATS_H

#include <sndfile.h>
#include <stdbool.h>
#include <stddef.h>

/* Its calls, as in sndfile.sf_close(file). */
#define SNDFILE_CALLS(CALL)                                                                       \
    CALL(sf_close)                                                                                \
    CALL(sf_command)                                                                              \
    CALL(sf_error)                                                                                \
    CALL(sf_error_number)                                                                         \
    CALL(sf_format_check)                                                                         \
    CALL(sf_open_virtual)                                                                         \
    CALL(sf_readf_double)                                                                         \
    CALL(sf_readf_float)                                                                          \
    CALL(sf_strerror)                                                                             \
    CALL(sf_write_double)                                                                         \
    CALL(sf_write_int)                                                                            \
    CALL(sf_writef_double)                                                                        \
    CALL(sf_writef_float)
#define SNDFILE_POINTER(name) __typeof__(name) *(name);
struct sndfile {
    SNDFILE_CALLS(SNDFILE_POINTER)
};
#undef SNDFILE_POINTER
extern struct sndfile sndfile;

/* Loads it, once. 0, or -ENOTSUP with a sentence in 'why'. */
int sndfile_load(char *why, size_t room);

/* The container, and for some endings the encoding, of this name; 0: none. */
int audio_format_of(const char *name);

/* f32 holds each of its samples exactly. */
bool audio_encoding_is_single(int encoding);

/* The bits of an encoding of integers, or what comes close to it; 0: one of floating point. */
unsigned audio_encoding_bits(int encoding);

/* What libsndfile says of an error, as the end of a sentence of crew's. */
void audio_sentence(char *text, size_t room, const char *said);

/* An encoding that the container has: 'wanted', or f32 or f64, or its best. 0: it takes no sound of
 * this many channels at this rate. */
int audio_encoding_for(int container, int wanted, bool single, int channels, int rate);

#endif
