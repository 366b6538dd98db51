/* audio.h - sound files, through libsndfile; without it every call answers -ENOTSUP.
 *
 * Read and written by one process, frame after frame. A header's number of frames is never believed:
 * it is read until nothing comes. */
#ifndef TOOLS_AUDIO_H
#define TOOLS_AUDIO_H

#include "output.h"

#include <stdbool.h>
#include <stdint.h>

struct audio_format {
    unsigned channels;
    unsigned rate;  /* frames a second                                                */
    int container, encoding; /* as libsndfile numbers them; 0: by the name, and as 'type' of the filter   */
    bool single;    /* f32 holds every sample exactly                                 */
};

struct audio_in;
struct audio_out;

/* 'fd' is read from where it stands, and stays the caller's. 'name' is for what 'why' says. */
int audio_open(struct audio_in **in, int fd, const char *name, struct audio_format *format, char *why,
               size_t room);
/* Up to 'frames' of all channels, interleaved. How many; 0 at the end; or an error. */
int64_t audio_read_f64(struct audio_in *in, double *samples, uint64_t frames);
int64_t audio_read_f32(struct audio_in *in, float *samples, uint64_t frames);
/* After -EINVAL: what was wrong. */
const char *audio_why(const struct audio_in *in);
void audio_close(struct audio_in *in);

/* True if libsndfile knows the ending of this name ("x.wav", "x.flac"). */
bool audio_knows(const char *name);

/* Writes to 'out', which need not be seekable. 'name': its ending says which container, if
 * format->container is 0 (none: wav). A WAV of 4 GB or more becomes RF64. */
int audio_create(struct audio_out **to, struct output *out, const char *name,
                 const struct audio_format *format, char *why, size_t room);
int audio_write_f64(struct audio_out *to, const double *samples, uint64_t frames);
int audio_write_f32(struct audio_out *to, const float *samples, uint64_t frames);
/* The rest and the final header; frees it. 0 or an error. */
int audio_finish(struct audio_out *to);
void audio_abandon(struct audio_out *to);

#endif
