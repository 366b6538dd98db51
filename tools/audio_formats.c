/* audio_formats.c - see audio_formats.h. */
#include "audio_formats.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* -- the library ------------------------------------------------------------------------- */

struct sndfile sndfile;

int sndfile_load(char *why, size_t room)
{
    static const char name[] = "libsndfile.so.1";
    static bool loaded;
    void *library;
    const char *missing = NULL;

    if (loaded)
        return 0;
    library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(why, room, "sound files need libsndfile: %s", dlerror());
        return -ENOTSUP;
    }
#define SNDFILE_FIND(call)                                                                        \
    sndfile.call = (__typeof__(sndfile.call))dlsym(library, #call);                               \
    if (!sndfile.call)                                                                            \
        missing = #call;
    SNDFILE_CALLS(SNDFILE_FIND)
#undef SNDFILE_FIND
    if (missing) {
        snprintf(why, room, "%s has no %s()", name, missing);
        dlclose(library);
        return -ENOTSUP;
    }
    loaded = true;
    return 0;
}

/* -- endings ------------------------------------------------------------------------------- */

/* Endings that libsndfile's own list doesn't have, or has twice. */
static const struct {
    const char *ending;
    int format;
} endings[] = {
    { "wav", SF_FORMAT_WAV },
    { "wave", SF_FORMAT_WAV },
    { "aif", SF_FORMAT_AIFF },
    { "aifc", SF_FORMAT_AIFF },
    { "snd", SF_FORMAT_AU },
    { "ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS },
    { "oga", SF_FORMAT_OGG | SF_FORMAT_VORBIS },
    { "opus", SF_FORMAT_OGG | SF_FORMAT_OPUS },
    { "mat", SF_FORMAT_MAT5 },
    { "8svx", SF_FORMAT_SVX },
    { "sph", SF_FORMAT_NIST },
    { "mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III },
};

/* Headerless, or in two files: nothing that one stream can be. */
static bool is_stream(int container)
{
    return container != SF_FORMAT_RAW && container != SF_FORMAT_SD2;
}

int audio_format_of(const char *name)
{
    const char *dot = strrchr(name, '.'), *slash = strrchr(name, '/');
    int count = 0;
    char why[1];

    if (!dot || (slash && slash > dot))
        return 0;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (strcasecmp(dot + 1, endings[i].ending) == 0)
            return endings[i].format;
    }
    if (sndfile_load(why, sizeof why) < 0)
        return 0;
    sndfile.sf_command(NULL, SFC_GET_FORMAT_MAJOR_COUNT, &count, sizeof count);
    for (int i = 0; i < count; i++) {
        SF_FORMAT_INFO info = { .format = i };

        if (sndfile.sf_command(NULL, SFC_GET_FORMAT_MAJOR, &info, sizeof info) == 0 && info.extension &&
            is_stream(info.format & SF_FORMAT_TYPEMASK) && strcasecmp(dot + 1, info.extension) == 0)
            return info.format & SF_FORMAT_TYPEMASK;
    }
    return 0;
}

void audio_sentence(char *text, size_t room, const char *said)
{
    static const char prefix[] = "Error : ";
    size_t n;

    if (strncmp(said, prefix, sizeof prefix - 1) == 0)
        said += sizeof prefix - 1;
    snprintf(text, room, "%s", said);
    for (n = strlen(text); n > 0 && strchr(".\n ", text[n - 1]); n--)
        text[n - 1] = '\0';
}

/* -- encodings ----------------------------------------------------------------------------- */

unsigned audio_encoding_bits(int encoding)
{
    switch (encoding) {
    case SF_FORMAT_FLOAT:
    case SF_FORMAT_DOUBLE:
    case SF_FORMAT_VORBIS:
    case SF_FORMAT_OPUS:
    case SF_FORMAT_MPEG_LAYER_I:
    case SF_FORMAT_MPEG_LAYER_II:
    case SF_FORMAT_MPEG_LAYER_III:
        return 0;
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_DPCM_8:
        return 8;
    case SF_FORMAT_DWVW_12:
        return 12;
    case SF_FORMAT_ALAC_20:
        return 20;
    case SF_FORMAT_PCM_24:
    case SF_FORMAT_DWVW_24:
    case SF_FORMAT_ALAC_24:
        return 24;
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_ALAC_32:
        return 32;
    default:
        return 16;
    }
}

bool audio_encoding_is_single(int encoding)
{
    return encoding != SF_FORMAT_DOUBLE && audio_encoding_bits(encoding) <= 24;
}

static bool takes(int container, int encoding, int channels, int rate)
{
    SF_INFO info = { .channels = channels, .samplerate = rate, .format = container | encoding };

    return sndfile.sf_format_check(&info) != 0;
}

int audio_encoding_for(int container, int wanted, bool single, int channels, int rate)
{
    const int best[] = {
        wanted,
        single ? SF_FORMAT_FLOAT : SF_FORMAT_DOUBLE,
        single ? SF_FORMAT_DOUBLE : SF_FORMAT_FLOAT,
        SF_FORMAT_PCM_32,
        SF_FORMAT_PCM_24,
        SF_FORMAT_PCM_16,
        SF_FORMAT_PCM_S8,
        SF_FORMAT_PCM_U8,
    };
    int count = 0;

    for (size_t i = 0; i < sizeof best / sizeof *best; i++) {
        if (best[i] && takes(container, best[i], channels, rate))
            return best[i];
    }
    sndfile.sf_command(NULL, SFC_GET_FORMAT_SUBTYPE_COUNT, &count, sizeof count);
    for (int i = 0; i < count; i++) {
        SF_FORMAT_INFO info = { .format = i };

        if (sndfile.sf_command(NULL, SFC_GET_FORMAT_SUBTYPE, &info, sizeof info) == 0 &&
            takes(container, info.format & SF_FORMAT_SUBMASK, channels, rate))
            return info.format & SF_FORMAT_SUBMASK;
    }
    return 0;
}
