/* audio_write.c - sound, written. See audio.h.
 *
 * WAV and RF64 get their header here, and bare samples from libsndfile; it is mended at the end, where
 * the output can be. Everything else libsndfile writes as it likes, to and fro: into the output itself,
 * or, where that can't be mended, into a file without a name that is copied at the end.
 * Death leaves what output.h says, and nothing else. */
#include "audio.h"

#include "audio_formats.h"
#include "audio_wave.h"
#include "temporary.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 256 << 10, PIECE = 4096 };

struct audio_out {
    struct output *out;
    uint64_t first;   /* bytes of the output before the sound file                    */
    int spool;        /* the file without a name; -1: straight to 'out'               */
    uint64_t at, end; /* where libsndfile stands in the sound file; its size          */
    char *buffer;     /* its last bytes, not written yet                              */
    size_t buffered;
    int error; /* the first, kept                                              */

    SNDFILE *file;
    unsigned channels;
    unsigned bits; /* integers; 0: floating point                                  */
    bool lossy;    /* floating point that ends at 1                                */

    bool plain; /* our header; libsndfile sees what stands behind it            */
    struct wave wave;
    bool promised; /* its header said how many frames will come                    */
    bool spare;    /* it has room to become that of an RF64                        */
    unsigned char header[WAVE_HEADER];
    size_t header_size; /* 0 if libsndfile writes it                                    */

    union {
        int integers[PIECE];
        double doubles[PIECE];
    } piece;
};

/* -- bytes --------------------------------------------------------------------------------- */

static int keep(struct audio_out *to, int r)
{
    if (r < 0 && to->error == 0)
        to->error = r;
    return to->error;
}

static int spool_write(struct audio_out *to, const char *bytes, size_t size, uint64_t at)
{
    while (size > 0) {
        ssize_t n = pwrite(to->spool, bytes, size, (off_t)at);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
            at += (uint64_t)n;
        }
    }
    return 0;
}

static int put(struct audio_out *to, const char *bytes, size_t size, uint64_t at)
{
    return to->spool >= 0 ? spool_write(to, bytes, size, at) : output_write(to->out, bytes, size);
}

static int flush(struct audio_out *to)
{
    size_t size = to->buffered;

    to->buffered = 0;
    if (size > 0 && to->error == 0)
        keep(to, put(to, to->buffer, size, to->end - size));
    return to->error;
}

/* At the end of the sound file. */
static int append(struct audio_out *to, const char *bytes, size_t size)
{
    if (size > BUFFER - to->buffered)
        flush(to);
    if (to->error)
        return to->error;
    if (size > BUFFER) {
        keep(to, put(to, bytes, size, to->end));
    } else {
        memcpy(to->buffer + to->buffered, bytes, size);
        to->buffered += size;
    }
    to->end += size;
    return to->error;
}

/* Over what is there. */
static int patch(struct audio_out *to, uint64_t at, const char *bytes, size_t size)
{
    if (flush(to) < 0)
        return to->error;
    return keep(to, to->spool >= 0 ? spool_write(to, bytes, size, at)
                                   : output_patch(to->out, to->first + at, bytes, size));
}

static sf_count_t see_length(void *user)
{
    const struct audio_out *to = user;

    return (sf_count_t)(to->end - to->header_size);
}

static sf_count_t see_tell(void *user)
{
    const struct audio_out *to = user;

    return (sf_count_t)(to->at - to->header_size);
}

static sf_count_t see_seek(sf_count_t offset, int whence, void *user)
{
    struct audio_out *to = user;
    sf_count_t from = whence == SEEK_SET   ? 0
                      : whence == SEEK_CUR ? see_tell(to)
                                           : see_length(to),
               at;

    if (__builtin_add_overflow(from, offset, &at) || at < 0)
        return -1;
    to->at = to->header_size + (uint64_t)at;
    return at;
}

static sf_count_t see_write(const void *bytes, sf_count_t count, void *user)
{
    static const char zeros[4096];
    struct audio_out *to = user;
    const char *from = bytes;
    size_t size = count > 0 ? (size_t)count : 0;

    while (to->end < to->at && to->error == 0) {
        uint64_t gap = to->at - to->end;

        append(to, zeros, gap < sizeof zeros ? (size_t)gap : sizeof zeros);
    }
    if (to->at < to->end) {
        size_t over = to->end - to->at < size ? (size_t)(to->end - to->at) : size;

        patch(to, to->at, from, over);
        to->at += over;
        from += over;
        size -= over;
    }
    append(to, from, size);
    to->at += size;
    return to->error ? 0 : count;
}

/* Nothing is read back. */
static sf_count_t see_read(void *bytes, sf_count_t count, void *user)
{
    (void)bytes, (void)count, (void)user;
    return 0;
}

static SF_VIRTUAL_IO seen = {
    .get_filelen = see_length,
    .seek = see_seek,
    .read = see_read,
    .write = see_write,
    .tell = see_tell,
};

/* -- opening ------------------------------------------------------------------------------- */

static bool coding_of(int encoding, enum wave_coding *coding)
{
    switch (encoding) {
    case SF_FORMAT_PCM_U8:
        *coding = WAVE_U8;
        return true;
    case SF_FORMAT_PCM_16:
        *coding = WAVE_S16;
        return true;
    case SF_FORMAT_PCM_24:
        *coding = WAVE_S24;
        return true;
    case SF_FORMAT_PCM_32:
        *coding = WAVE_S32;
        return true;
    case SF_FORMAT_FLOAT:
        *coding = WAVE_F32;
        return true;
    case SF_FORMAT_DOUBLE:
        *coding = WAVE_F64;
        return true;
    case SF_FORMAT_ALAW:
        *coding = WAVE_ALAW;
        return true;
    case SF_FORMAT_ULAW:
        *coding = WAVE_ULAW;
        return true;
    default:
        return false;
    }
}

static int open_plain(struct audio_out *to, int container, const struct audio_format *format)
{
    struct wave *wave = &to->wave;
    uint64_t data = WAVE_UNKNOWN;

    wave->channels = format->channels;
    wave->rate = format->rate;
    wave->speakers = format->speakers;
    wave->extensible = container == SF_FORMAT_WAVEX || format->speakers != 0;
    wave->frame = wave->channels * wave_sample(wave->coding);
    if (format->frames > 0 && __builtin_mul_overflow(format->frames, wave->frame, &data))
        return -EFBIG;
    /* No RF64 can say that nobody knows how long it is; a WAV can. */
    wave->wide = container == SF_FORMAT_RF64 && (data != WAVE_UNKNOWN || to->out->patchable);
    /* A WAV that may come to 4 GB has room to become an RF64. */
    to->spare =
        wave->wide || (data == WAVE_UNKNOWN ? to->out->patchable : data > UINT32_MAX - WAVE_HEADER);
    to->plain = true;
    to->promised = format->frames > 0;
    wave->data = data;
    to->header_size = wave_header(to->header, wave, to->spare);
    append(to, (const char *)to->header, to->header_size);
    to->at = to->end;
    return to->error;
}

static int open_file(struct audio_out *to, const char *name, const struct audio_format *format,
                     char *text, size_t room)
{
    int r = sndfile_load(text, room), wanted = audio_format_of(name);
    int container = format->container ? format->container : wanted & SF_FORMAT_TYPEMASK;
    SF_INFO info = { .channels = (int)format->channels, .samplerate = (int)format->rate };
    int encoding;

    if (r < 0)
        return r;
    if (container == 0)
        container = SF_FORMAT_WAV;
    encoding = format->encoding                             ? format->encoding
               : container == (wanted & SF_FORMAT_TYPEMASK) ? wanted & SF_FORMAT_SUBMASK
                                                            : 0;
    encoding =
        audio_encoding_for(container, encoding, format->single, info.channels, info.samplerate);
    if (encoding == 0) {
        snprintf(text, room, "it can't hold %u channels at %u frames a second", format->channels,
                 format->rate);
        return -EINVAL;
    }
    info.format = container | encoding;
    to->bits = audio_encoding_bits(encoding);
    to->lossy = to->bits == 0 && encoding != SF_FORMAT_FLOAT && encoding != SF_FORMAT_DOUBLE;
    if ((container == SF_FORMAT_WAV || container == SF_FORMAT_WAVEX ||
         container == SF_FORMAT_RF64) &&
        coding_of(encoding, &to->wave.coding)) {
        info.format = SF_FORMAT_RAW | SF_ENDIAN_LITTLE | encoding;
        r = open_plain(to, container, format);
    } else if (!to->out->patchable) {
        r = temporary_file();
        to->spool = r < 0 ? -1 : r;
    }
    if (r < 0) {
        snprintf(text, room, "%s", strerror(-r));
        return r;
    }
    to->file = sndfile.sf_open_virtual(&seen, SFM_WRITE, &info, to);
    if (to->error || !to->file) {
        audio_sentence(text, room, to->error ? strerror(-to->error) : sndfile.sf_strerror(NULL));
        return to->error ? to->error : -EINVAL;
    }
    return 0;
}

static void release(struct audio_out *to)
{
    if (to->spool >= 0)
        close(to->spool);
    free(to->buffer);
    free(to);
}

int audio_create(struct audio_out **created, struct output *out, const char *name,
                 const struct audio_format *format, char *why, size_t room)
{
    struct audio_out *to = calloc(1, sizeof *to);
    char text[160] = "out of memory";
    int r = -ENOMEM;

    if (to) {
        to->out = out;
        to->first = out->written;
        to->spool = -1;
        to->channels = format->channels;
        to->buffer = malloc(BUFFER);
    }
    if (to && to->buffer)
        r = open_file(to, name, format, text, sizeof text);
    if (r < 0) {
        snprintf(why, room, "%s", text);
        if (to)
            audio_abandon(to);
        return r;
    }
    *created = to;
    return 0;
}

bool audio_knows(const char *name)
{
    return audio_format_of(name) != 0;
}

/* -- writing ------------------------------------------------------------------------------- */

/* To the nearest integer of 'bits' bits, at the top of an int: what libsndfile scales by itself is one
 * step too small, so that a copy would be none. */
static int integer(double sample, unsigned bits)
{
    const double round = 0x1.8p52; /* added and taken away, it leaves an integer, ties to even */
    double scale = (double)((uint64_t)1 << (bits - 1)), v = sample * scale;

    v = v > scale - 1 ? scale - 1 : v;
    v = v < -scale ? -scale : v;
    v = isnan(v) ? 0 : v;
    return (int)((int64_t)((v + round) - round) * ((int64_t)1 << (32 - bits)));
}

static double clipped(double sample)
{
    return isnan(sample) ? 0 : sample > 1 ? 1 : sample < -1 ? -1 : sample;
}

static int wrote(struct audio_out *to, sf_count_t asked, sf_count_t done)
{
    if (to->error == 0 && done != asked)
        to->error = -EIO;
    return to->error;
}

/* The next 'count' samples, which are in the piece. */
static int write_piece(struct audio_out *to, size_t count)
{
    sf_count_t n = (sf_count_t)count;

    return wrote(to, n,
                 to->bits ? sndfile.sf_write_int(to->file, to->piece.integers, n)
                          : sndfile.sf_write_double(to->file, to->piece.doubles, n));
}

int audio_write_f64(struct audio_out *to, const double *samples, uint64_t frames)
{
    uint64_t count = frames * to->channels;
    size_t room = PIECE - PIECE % to->channels;

    if (to->bits == 0 && !to->lossy && to->error == 0 && frames > 0)
        return wrote(to, (sf_count_t)frames,
                     sndfile.sf_writef_double(to->file, samples, (sf_count_t)frames));
    for (uint64_t i = 0; i < count && to->error == 0; i += room) {
        size_t n = count - i < room ? (size_t)(count - i) : room;

        for (size_t k = 0; k < n; k++) {
            if (to->bits)
                to->piece.integers[k] = integer(samples[i + k], to->bits);
            else
                to->piece.doubles[k] = clipped(samples[i + k]);
        }
        write_piece(to, n);
    }
    return to->error;
}

int audio_write_f32(struct audio_out *to, const float *samples, uint64_t frames)
{
    uint64_t count = frames * to->channels;
    size_t room = PIECE - PIECE % to->channels;

    if (to->bits == 0 && !to->lossy && to->error == 0 && frames > 0)
        return wrote(to, (sf_count_t)frames,
                     sndfile.sf_writef_float(to->file, samples, (sf_count_t)frames));
    for (uint64_t i = 0; i < count && to->error == 0; i += room) {
        size_t n = count - i < room ? (size_t)(count - i) : room;

        for (size_t k = 0; k < n; k++) {
            if (to->bits)
                to->piece.integers[k] = integer((double)samples[i + k], to->bits);
            else
                to->piece.doubles[k] = clipped((double)samples[i + k]);
        }
        write_piece(to, n);
    }
    return to->error;
}

/* -- the end ------------------------------------------------------------------------------- */

static void finish_plain(struct audio_out *to)
{
    unsigned char header[WAVE_HEADER];

    to->wave.data = to->end - to->header_size;
    if (to->wave.data % 2 == 1)
        append(to, "", 1);
    wave_header(header, &to->wave, to->spare);
    if (memcmp(header, to->header, to->header_size) == 0)
        return;
    if (to->out->patchable && (to->spare || to->end <= UINT32_MAX))
        patch(to, 0, (const char *)header, to->header_size);
    else if (to->promised)
        keep(to, -EINVAL);
}

static void copy_spool(struct audio_out *to)
{
    uint64_t at = 0;

    while (at < to->end && to->error == 0) {
        ssize_t n = pread(to->spool, to->buffer, BUFFER, (off_t)at);

        if (n < 0 && errno != EINTR)
            keep(to, -errno);
        else if (n == 0)
            keep(to, -EIO);
        else if (n > 0) {
            keep(to, output_write(to->out, to->buffer, (size_t)n));
            at += (uint64_t)n;
        }
    }
}

int audio_finish(struct audio_out *to)
{
    int r = sndfile.sf_close(to->file);

    if (r != 0)
        keep(to, -EIO);
    if (to->plain && to->error == 0)
        finish_plain(to);
    flush(to);
    if (to->spool >= 0)
        copy_spool(to);
    r = to->error;
    release(to);
    return r;
}

void audio_abandon(struct audio_out *to)
{
    keep(to, -ECANCELED); /* whatever libsndfile still writes goes nowhere */
    if (to->file)
        sndfile.sf_close(to->file);
    release(to);
}
