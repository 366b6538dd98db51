/* audio_none.c - audio.h where libsndfile isn't. */
#include "audio.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char sentence[] = "crew was built without libsndfile";

int audio_open(struct audio_in **opened, int fd, const char *name, struct audio_format *format,
               char *why, size_t room)
{
    (void)opened, (void)fd, (void)format;
    snprintf(why, room, "%s: a sound file, and %s", name, sentence);
    return -ENOTSUP;
}

int64_t audio_read_f64(struct audio_in *in, double *samples, uint64_t frames)
{
    (void)in, (void)samples, (void)frames;
    return -ENOTSUP;
}

int64_t audio_read_f32(struct audio_in *in, float *samples, uint64_t frames)
{
    (void)in, (void)samples, (void)frames;
    return -ENOTSUP;
}

const char *audio_why(const struct audio_in *in)
{
    (void)in;
    return sentence;
}

void audio_close(struct audio_in *in)
{
    (void)in;
}

/* The usual ones: such a file is not taken for text, but refused with the sentence above. */
bool audio_knows(const char *name)
{
    static const char endings[][6] = {
        "aif", "aifc", "aiff", "au",  "caf", "flac", "mp3", "oga",
        "ogg", "opus", "rf64", "snd", "voc", "w64",  "wav", "wave",
    };
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++) {
        if (strcasecmp(dot + 1, endings[i]) == 0)
            return true;
    }
    return false;
}

int audio_create(struct audio_out **created, struct output *out, const char *name,
                 const struct audio_format *format, char *why, size_t room)
{
    (void)created, (void)out, (void)name, (void)format;
    snprintf(why, room, "%s", sentence);
    return -ENOTSUP;
}

int audio_write_f64(struct audio_out *to, const double *samples, uint64_t frames)
{
    (void)to, (void)samples, (void)frames;
    return -ENOTSUP;
}

int audio_write_f32(struct audio_out *to, const float *samples, uint64_t frames)
{
    (void)to, (void)samples, (void)frames;
    return -ENOTSUP;
}

int audio_finish(struct audio_out *to)
{
    (void)to;
    return -ENOTSUP;
}

void audio_abandon(struct audio_out *to)
{
    (void)to;
}
