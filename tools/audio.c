/* audio.c - sound, read; audio_write.c writes it. See audio.h.
 *
 * The headers of WAV and its kin are read here (audio_wave.h), and libsndfile sees bare samples;
 * everything else is libsndfile's, over a file, or a temporary copy of what comes through a pipe.
 * Death leaves nothing: what is copied has no name. */
#include "audio.h"

#include "audio_formats.h"
#include "audio_source.h"
#include "audio_wave.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer than any file, and a multiple of every frame up to 1024 channels of 8 bytes that matters:
 * nobody comes this far. */
#define ENDLESS ((sf_count_t)1 << 58)

struct audio_in {
    struct audio_source source;
    SNDFILE *file;
    char *name;
    bool plain; /* libsndfile sees the sound alone, from 'start' on          */
    struct wave wave;
    uint64_t start;    /* where in the source what libsndfile sees begins           */
    sf_count_t length; /* bytes that it sees                                        */
    uint64_t promised; /* frames; 0: nobody said                                    */
    uint64_t got;      /* frames so far                                             */
    bool ended;
    int error; /* kept: nothing comes behind it                             */
    char why[256];
};

static int __attribute__((format(printf, 3, 4)))
fail(struct audio_in *in, int error, const char *format, ...)
{
    char text[200];
    va_list args;

    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it doesn't see va_start */
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(in->why, sizeof in->why, "%s: %s", in->name, text);
    in->error = error;
    return error;
}

/* 'error' is one of wave_read() or of the source; 'text' is the sentence for -EINVAL. */
static int fail_source(struct audio_in *in, int error, const char *text)
{
    char sentence[160];

    audio_sentence(sentence, sizeof sentence,
                   in->source.error   ? strerror(-in->source.error)
                   : error == -EINVAL ? text
                                      : strerror(-error));
    return fail(in, error, "%s", sentence);
}

/* -- what libsndfile sees ------------------------------------------------------------------ */

static sf_count_t see_length(void *user)
{
    const struct audio_in *in = user;

    return in->length;
}

static sf_count_t see_tell(void *user)
{
    const struct audio_in *in = user;

    return (sf_count_t)(in->source.at - in->start);
}

static sf_count_t see_seek(sf_count_t offset, int whence, void *user)
{
    struct audio_in *in = user;
    sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? see_tell(in) : in->length, to;

    if (__builtin_add_overflow(from, offset, &to) || to < 0 || to > ENDLESS)
        return -1;
    if (to != see_tell(in)) {
        if (!in->source.seekable)
            return -1;
        audio_source_seek(&in->source, in->start + (uint64_t)to);
    }
    return to;
}

static sf_count_t see_read(void *to, sf_count_t count, void *user)
{
    struct audio_in *in = user;
    sf_count_t left = in->length - see_tell(in);

    if (count > left)
        count = left;
    return count <= 0 ? 0 : (sf_count_t)audio_source_read(&in->source, to, (uint64_t)count);
}

static SF_VIRTUAL_IO seen = {
    .get_filelen = see_length,
    .seek = see_seek,
    .read = see_read,
    .tell = see_tell,
};

/* The first bytes of a pipe, to see whether it is sound at all. */
struct bytes {
    const unsigned char *bytes;
    sf_count_t size, at;
};

static sf_count_t bytes_length(void *user)
{
    const struct bytes *b = user;

    return b->size;
}

static sf_count_t bytes_tell(void *user)
{
    const struct bytes *b = user;

    return b->at;
}

static sf_count_t bytes_seek(sf_count_t offset, int whence, void *user)
{
    struct bytes *b = user;
    sf_count_t from = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? b->at : b->size, to;

    if (__builtin_add_overflow(from, offset, &to) || to < 0)
        return -1;
    b->at = to;
    return to;
}

static sf_count_t bytes_read(void *to, sf_count_t count, void *user)
{
    struct bytes *b = user;

    if (b->at >= b->size || count <= 0)
        return 0;
    if (count > b->size - b->at)
        count = b->size - b->at;
    memcpy(to, b->bytes + b->at, (size_t)count);
    b->at += count;
    return count;
}

static SF_VIRTUAL_IO first_bytes = {
    .get_filelen = bytes_length,
    .seek = bytes_seek,
    .read = bytes_read,
    .tell = bytes_tell,
};

static bool may_be_sound(struct audio_source *source)
{
    struct bytes b = { 0 };
    SF_INFO info = { 0 };
    SNDFILE *file;

    b.size = (sf_count_t)audio_source_peek(source, SOURCE_PEEK, &b.bytes);
    file = sndfile.sf_open_virtual(&first_bytes, SFM_READ, &info, &b);
    if (file) {
        sndfile.sf_close(file);
        return true;
    }
    return sndfile.sf_error(NULL) != SF_ERR_UNRECOGNISED_FORMAT;
}

/* -- opening ------------------------------------------------------------------------------- */

static const int codings[] = {
    [WAVE_U8] = SF_FORMAT_PCM_U8,  [WAVE_S16] = SF_FORMAT_PCM_16, [WAVE_S24] = SF_FORMAT_PCM_24,
    [WAVE_S32] = SF_FORMAT_PCM_32, [WAVE_F32] = SF_FORMAT_FLOAT,  [WAVE_F64] = SF_FORMAT_DOUBLE,
    [WAVE_ALAW] = SF_FORMAT_ALAW,  [WAVE_ULAW] = SF_FORMAT_ULAW,
};

static int open_plain(struct audio_in *in, struct audio_format *format)
{
    const struct wave *wave = &in->wave;
    SF_INFO info = {
        .samplerate = (int)wave->rate,
        .channels = (int)wave->channels,
        .format =
            SF_FORMAT_RAW | codings[wave->coding] | (wave->big ? SF_ENDIAN_BIG : SF_ENDIAN_LITTLE),
    };

    in->plain = true;
    in->start = in->source.at;
    in->length = wave->data < (uint64_t)ENDLESS ? (sf_count_t)wave->data
                                                : ENDLESS / wave->frame * wave->frame;
    in->promised = wave->data == WAVE_UNKNOWN ? 0 : wave->data / wave->frame;
    *format = (struct audio_format){
        .channels = wave->channels,
        .rate = wave->rate,
        .speakers = wave->speakers,
        .container = wave->wide         ? SF_FORMAT_RF64
                     : wave->w64        ? SF_FORMAT_W64
                     : wave->extensible ? SF_FORMAT_WAVEX
                                        : SF_FORMAT_WAV,
        .encoding = codings[wave->coding],
        .frames = in->promised,
    };
    if (in->length == 0) {
        in->file = NULL; /* libsndfile refuses a file without a byte */
        return 0;
    }
    in->file = sndfile.sf_open_virtual(&seen, SFM_READ, &info, in);
    return in->file ? 0 : fail_source(in, -EINVAL, sndfile.sf_strerror(NULL));
}

/* What the header would promise if the file had no end: libsndfile cuts a promise down to what is there,
 * without a word. 0: no promise. */
static uint64_t promise(struct audio_in *in, int container)
{
    uint64_t at = in->source.at;
    SF_INFO info = { 0 };
    SNDFILE *file;

    /* These look for their end in the sound itself. */
    if (container == SF_FORMAT_FLAC || container == SF_FORMAT_OGG || container == SF_FORMAT_MPEG)
        return 0;
    audio_source_seek(&in->source, 0);
    in->length = ENDLESS;
    file = sndfile.sf_open_virtual(&seen, SFM_READ, &info, in);
    in->length = (sf_count_t)in->source.size;
    audio_source_seek(&in->source, at);
    if (!file)
        return 0;
    sndfile.sf_close(file);
    return info.frames > 0 && info.frames < ENDLESS >> 16 ? (uint64_t)info.frames : 0;
}

static int open_other(struct audio_in *in, struct audio_format *format)
{
    SF_INFO info = { 0 };
    uint64_t promised;

    in->length = (sf_count_t)in->source.size;
    audio_source_seek(&in->source, 0);
    in->file = sndfile.sf_open_virtual(&seen, SFM_READ, &info, in);
    if (!in->file)
        return sndfile.sf_error(NULL) == SF_ERR_UNRECOGNISED_FORMAT
                   ? fail_source(in, -EINVAL, "not a sound file of any kind that is known")
                   : fail_source(in, -EINVAL, sndfile.sf_strerror(NULL));
    if (info.channels < 1 || info.samplerate < 1 || info.frames < 0)
        return fail(in, -EINVAL, "%d channels, a rate of %d and %" PRId64 " frames", info.channels,
                    info.samplerate, (int64_t)info.frames);
    promised = promise(in, info.format & SF_FORMAT_TYPEMASK);
    if (promised > (uint64_t)info.frames)
        return fail(in, -EINVAL, "cut short: %" PRId64 " of %" PRIu64 " frames",
                    (int64_t)info.frames, promised);
    *format = (struct audio_format){
        .channels = (unsigned)info.channels,
        .rate = (unsigned)info.samplerate,
        .container = info.format & SF_FORMAT_TYPEMASK,
        .encoding = info.format & SF_FORMAT_SUBMASK,
    };
    /* Of an MPEG stream it is an estimate. */
    if (format->container != SF_FORMAT_MPEG && info.frames < ENDLESS)
        in->promised = (uint64_t)info.frames;
    format->frames = in->promised;
    return 0;
}

static int open_any(struct audio_in *in, struct audio_format *format)
{
    unsigned char head[WAVE_ID];
    const unsigned char *at;
    char text[160];
    int r = sndfile_load(text, sizeof text);
    size_t n;

    if (r < 0)
        return fail(in, r, "%s", text);
    n = audio_source_peek(&in->source, sizeof head, &at);
    if (n == 0 && !in->source.error)
        return fail(in, -EINVAL, "it is empty");
    memcpy(head, at, n);
    r = wave_read(&in->source, &in->wave, text, sizeof text);
    if (r == WAVE_SEEK) {
        r = audio_source_spool(&in->source, head, in->wave.w64 ? WAVE_ID : 12);
        if (r == 0)
            r = wave_read(&in->source, &in->wave, text, sizeof text);
    } else if (r == WAVE_NOT && !in->source.seekable) {
        if (!may_be_sound(&in->source))
            return fail_source(in, -EINVAL, "not a sound file of any kind that is known");
        r = audio_source_spool(&in->source, NULL, 0);
        if (r == 0)
            r = WAVE_NOT;
    }
    if (r < 0)
        return fail_source(in, r, text);
    return r == WAVE_FINE && in->wave.coding != WAVE_OTHER ? open_plain(in, format)
                                                           : open_other(in, format);
}

int audio_open(struct audio_in **opened, int fd, const char *name, struct audio_format *format,
               char *why, size_t room)
{
    struct audio_in *in = calloc(1, sizeof *in);
    struct audio_format found = { 0 };
    int r;

    snprintf(why, room, "%s: %s", name, strerror(ENOMEM));
    if (!in)
        return -ENOMEM;
    in->name = strdup(name);
    r = audio_source_open(&in->source, fd);
    if (r == 0 && !in->name)
        r = -ENOMEM;
    if (r == 0) {
        r = open_any(in, &found);
        snprintf(why, room, "%s", in->why);
    }
    if (r < 0) {
        audio_close(in);
        return r;
    }
    found.single = audio_encoding_is_single(found.encoding);
    *format = found;
    *opened = in;
    return 0;
}

void audio_close(struct audio_in *in)
{
    if (!in)
        return;
    if (in->file)
        sndfile.sf_close(in->file);
    audio_source_close(&in->source);
    free(in->name);
    free(in);
}

const char *audio_why(const struct audio_in *in)
{
    return in->why;
}

/* -- reading ------------------------------------------------------------------------------- */

/* Nothing comes any more: was it all? */
static int end(struct audio_in *in)
{
    char text[160];
    int r;

    in->ended = true;
    if (in->source.error)
        return fail_source(in, in->source.error, "");
    if (in->got < in->promised)
        return fail(in, -EINVAL, "cut short: %" PRIu64 " of %" PRIu64 " frames", in->got,
                    in->promised);
    if (!in->plain)
        return 0;
    if (in->wave.data == WAVE_UNKNOWN && (in->source.at - in->start) % in->wave.frame != 0)
        return fail(in, -EINVAL, "cut short within frame %" PRIu64, in->got + 1);
    r = wave_read_rest(&in->source, &in->wave, text, sizeof text);
    return r < 0 ? fail_source(in, r, text) : 0;
}

/* 'n' frames came of those that were asked for. */
static int64_t came(struct audio_in *in, sf_count_t n)
{
    int wrong = in->file ? sndfile.sf_error(in->file) : 0;

    if (n > 0)
        in->got += (uint64_t)n;
    if (wrong)
        fail_source(in, -EINVAL, sndfile.sf_error_number(wrong));
    else if (n <= 0)
        return end(in);
    return n > 0 ? n : in->error;
}

/* libsndfile need not be asked: at its end it would fill the caller's memory with zeros. */
static bool is_all(const struct audio_in *in)
{
    return !in->file || (in->promised > 0 && in->got >= in->promised);
}

int64_t audio_read_f64(struct audio_in *in, double *samples, uint64_t frames)
{
    if (in->error || in->ended || frames == 0)
        return in->error;
    return came(in, is_all(in) ? 0 : sndfile.sf_readf_double(in->file, samples, (sf_count_t)frames));
}

int64_t audio_read_f32(struct audio_in *in, float *samples, uint64_t frames)
{
    if (in->error || in->ended || frames == 0)
        return in->error;
    return came(in, is_all(in) ? 0 : sndfile.sf_readf_float(in->file, samples, (sf_count_t)frames));
}
