/* audio_formats.h - what libsndfile's numbers for containers and encodings mean for crew. */
#ifndef TOOLS_AUDIO_FORMATS_H
#define TOOLS_AUDIO_FORMATS_H

#include <sndfile.h>
#include <stdbool.h>
#include <stddef.h>

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
