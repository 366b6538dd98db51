/* audio.h - sound files, through libsndfile; without it every call answers -ENOTSUP.
 *
 * Read and written by one process, frame after frame; samples are between -1 and 1, but for floating
 * point ones, which are as they stand. A header's number of frames is never believed: it is read until
 * nothing comes, and a file with fewer frames than its header promises is an error.
 *
 * WAV and its kin come and go through pipes as they are, for ever if need be, in flat memory; everything
 * else that comes or goes through a pipe stands in a temporary file meanwhile. */
#ifndef TOOLS_AUDIO_H
#define TOOLS_AUDIO_H

#include "output.h"

#include <stdbool.h>
#include <stdint.h>

struct audio_format {
    unsigned channels;
    unsigned rate;     /* frames a second                                                     */
    unsigned speakers; /* WAV: a bit for each loudspeaker that a channel is for; 0: not said   */
    int container, encoding; /* as libsndfile numbers them; 0: by the name, and as 'single' says */
    bool single;       /* f32 holds every sample exactly                                      */
    uint64_t frames;   /* promised by the header, to be written; 0: not known                 */
};

struct audio_in;
struct audio_out;

/* 'fd' is read from where it stands, and stays the caller's. 'name' is what 'why' begins with, so quoted
 * already. -EINVAL: it isn't sound, or it is damaged. */
int audio_open(struct audio_in **opened, int fd, const char *name, struct audio_format *format, char *why,
               size_t room);
/* Up to 'frames' of all channels, interleaved. How many; 0 at the end; or an error, also when the file
 * ends too early. */
int64_t audio_read_f64(struct audio_in *in, double *samples, uint64_t frames);
int64_t audio_read_f32(struct audio_in *in, float *samples, uint64_t frames);
/* The sentence for the last error of a read; it names the file. */
const char *audio_why(const struct audio_in *in);
void audio_close(struct audio_in *in);

/* True if libsndfile knows the ending of this name ("x.wav", "x.flac"). */
bool audio_knows(const char *name);

/* Writes to 'out', which need not be seekable. 'name': its ending says which container, if
 * format->container is 0 (none: wav). An encoding that the container doesn't have becomes f32 or f64,
 * as 'single' says, or the best that it has. Integers are rounded and clipped; NaN is silence there.
 * A WAV of 4 GB or more becomes RF64. Through a pipe a WAV's header says format->frames, or, if that
 * is 0, that the sound goes on to the end. 'format' need not stay. 'why' doesn't name the output. */
int audio_create(struct audio_out **created, struct output *out, const char *name,
                 const struct audio_format *format, char *why, size_t room);
int audio_write_f64(struct audio_out *to, const double *samples, uint64_t frames);
int audio_write_f32(struct audio_out *to, const float *samples, uint64_t frames);
/* The rest and the final header; frees it. 0 or an error; -EINVAL: not the frames that were promised, and
 * the header can't be mended. */
int audio_finish(struct audio_out *to);
void audio_abandon(struct audio_out *to);

#endif
