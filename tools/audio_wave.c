/* audio_wave.c - see audio_wave.h. Nothing here outlives the call: death leaves nothing. */
#include "audio_wave.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PCM = 1, FLOAT = 3, ALAW = 6, ULAW = 7, EXTENSIBLE = 0xfffe };
enum { MOST_CHANNELS = 1024 };

static int __attribute__((format(printf, 3, 4)))
wrong(char *why, size_t room, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it doesn't see va_start */
    vsnprintf(why, room, format, args);
    va_end(args);
    return -EINVAL;
}

static uint32_t get16(const unsigned char *at, bool big)
{
    return big ? (uint32_t)at[0] << 8 | at[1] : (uint32_t)at[1] << 8 | at[0];
}

static uint32_t get32(const unsigned char *at, bool big)
{
    return big ? get16(at, true) << 16 | get16(at + 2, true)
               : get16(at + 2, false) << 16 | get16(at, false);
}

static bool is(const unsigned char *id, const char *name)
{
    return memcmp(id, name, 4) == 0;
}

static bool is_riff(const unsigned char *id)
{
    return is(id, "RIFF") || is(id, "RIFX") || is(id, "RF64") || is(id, "BW64");
}

static uint64_t get64(const unsigned char *at)
{
    return (uint64_t)get32(at + 4, false) << 32 | get32(at, false);
}

/* The rest of the 16 bytes of a name in W64; its first 4 are those of WAV, in small letters. */
static const unsigned char w64_riff[] = { 0x2e, 0x91, 0xcf, 0x11, 0xa5, 0xd6,
                                          0x28, 0xdb, 4,    0xc1, 0,    0 };
static const unsigned char w64_chunk[] = { 0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1,
                                           0,    0xc0, 0x4f, 0x8e, 0xdb, 0x8a };

static bool is_w64(const unsigned char *at)
{
    return is(at, "riff") && memcmp(at + 4, w64_riff, sizeof w64_riff) == 0;
}

/* The head of a chunk. */
struct chunk {
    unsigned char id[4];
    unsigned head; /* bytes before its content */
    uint64_t size; /* bytes of that            */
};

static unsigned chunk_head(const struct wave *wave)
{
    return wave->w64 ? 24 : 8;
}

static struct chunk get_chunk(const struct wave *wave, const unsigned char *at)
{
    struct chunk chunk = { .head = chunk_head(wave) };

    memcpy(chunk.id, at, 4);
    if (!wave->w64) {
        chunk.size = get32(at + 4, wave->big);
    } else {
        uint64_t all = get64(at + 16);

        if (memcmp(at + 4, w64_chunk, sizeof w64_chunk) != 0)
            memset(chunk.id, 0, 4); /* of another maker: passed over */
        chunk.size = all < 24 ? 0 : all - 24;
    }
    return chunk;
}

/* A chunk that is often met. Only this tells sound from a chunk where a writer forgot a size or a byte
 * of padding. */
static bool is_known(const unsigned char *id)
{
    static const char ids[][5] = {
        "data", "fmt ", "fact", "LIST", "JUNK", "PEAK", "bext", "cue ", "smpl", "inst",
        "iXML", "id3 ", "ID3 ", "ds64", "PAD ", "FLLR", "acid", "cart", "axml", "chna",
        "DISP", "plst", "levl", "umid", "INFO", "RIFF", "RIFX", "RF64", "BW64",
    };

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (is(id, ids[i]))
            return true;
    }
    return false;
}

/* Passes what stands behind a chunk of odd size. Some writers of WAV forget it. */
static void skip_padding(struct audio_source *source, const struct wave *wave, uint64_t size)
{
    const unsigned char *at;
    size_t n;

    if (wave->w64)
        audio_source_skip(source, (8 - size % 8) % 8);
    if (wave->w64 || size % 2 == 0)
        return;
    n = audio_source_peek(source, 5, &at);
    if (n >= 4 && at[0] != 0 && is_known(at) && !(n == 5 && is_known(at + 1)))
        return;
    audio_source_skip(source, n > 0);
}

/* -- the format ---------------------------------------------------------------------------- */

unsigned wave_sample(enum wave_coding coding)
{
    static const unsigned char sizes[] = {
        [WAVE_U8] = 1,  [WAVE_S16] = 2,  [WAVE_S24] = 3,  [WAVE_S32] = 4,   [WAVE_F32] = 4,
        [WAVE_F64] = 8, [WAVE_ALAW] = 1, [WAVE_ULAW] = 1, [WAVE_OTHER] = 1,
    };

    return sizes[coding];
}

static int read_coding(struct wave *wave, unsigned tag, unsigned bits, char *why, size_t room)
{
    /* A sample fills whole bytes; 24 bits also come in 4 bytes. */
    unsigned bytes = wave->frame / wave->channels;
    bool fits = wave->frame % wave->channels == 0 && bits > 0 &&
                (bytes == (bits + 7) / 8 || (bits == 24 && bytes == 4));

    switch (tag) {
    case PCM:
        if (!fits || bytes > 4)
            break;
        wave->coding =
            (const enum wave_coding[]){ WAVE_U8, WAVE_S16, WAVE_S24, WAVE_S32 }[bytes - 1];
        return 0;
    case FLOAT:
        if (!fits || (bits != 32 && bits != 64))
            break;
        wave->coding = bits == 32 ? WAVE_F32 : WAVE_F64;
        return 0;
    case ALAW:
    case ULAW:
        if (!fits || bits != 8)
            break;
        wave->coding = tag == ALAW ? WAVE_ALAW : WAVE_ULAW;
        return 0;
    default:
        wave->coding = WAVE_OTHER;
        return 0;
    }
    return wrong(why, room,
                 "samples of %u bits, %u channels in %u bytes: no form of %s that is known", bits,
                 wave->channels, wave->frame,
                 tag == PCM     ? "integers"
                 : tag == FLOAT ? "floating point"
                                : "A-law or mu-law");
}

/* The tag that stands in the GUID of an extensible format; 0: none that is known. */
static unsigned extended_tag(const unsigned char *guid, bool big)
{
    static const unsigned char plain[] = { 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71 };
    static const unsigned char ambisonic[] = { 0x86, 0x44, 0xc8, 0xc1, 0xca, 0, 0, 0 };
    uint32_t tag = get32(guid, big), middle = get16(guid + 4, big) << 16 | get16(guid + 6, big);

    if (tag > 0xffff)
        return 0;
    if (middle == 0x10 && memcmp(guid + 8, plain, sizeof plain) == 0)
        return tag;
    if (middle == 0x072111d3 && memcmp(guid + 8, ambisonic, sizeof ambisonic) == 0)
        return tag;
    return 0;
}

/* The chunk's content, as far as it is there and of use: 16 to 40 bytes. */
static int read_format(struct wave *wave, const unsigned char *at, size_t size, char *why,
                       size_t room)
{
    unsigned tag = get16(at, wave->big), bits = get16(at + 14, wave->big);

    wave->channels = get16(at + 2, wave->big);
    wave->rate = get32(at + 4, wave->big);
    wave->frame = get16(at + 12, wave->big);
    if (wave->channels == 0 || wave->channels > MOST_CHANNELS)
        return wrong(why, room, "%u channels, where 1 to %d are possible", wave->channels,
                     MOST_CHANNELS);
    if (wave->rate == 0 || wave->rate > INT32_MAX)
        return wrong(why, room, "a rate of %u frames a second", wave->rate);
    if (wave->frame == 0)
        return wrong(why, room, "frames of 0 bytes");
    if (tag == EXTENSIBLE) {
        if (size < 40)
            return wrong(why, room, "its extensible format has %zu bytes, not 40", size);
        wave->extensible = true;
        wave->speakers = get32(at + 20, wave->big);
        tag = extended_tag(at + 24, wave->big);
        if (tag == 0 || tag == EXTENSIBLE)
            return wrong(why, room, "an encoding that nobody knows (by its GUID)");
    }
    return read_coding(wave, tag, bits, why, room);
}

/* -- reading ------------------------------------------------------------------------------- */

/* A size that stands for "until the end": what writers put there who can't come back. All ones is
 * ffmpeg's; sox, arecord and others take about 2 GiB. */
static bool means_unknown(uint64_t size)
{
    return size == UINT32_MAX || size == UINT64_MAX || (size >= 0x7fffe000 && size <= 0x80000000);
}

static int read_data_size(struct audio_source *source, struct wave *wave, uint64_t size, char *why,
                          size_t room)
{
    uint64_t left = UINT64_MAX;
    const unsigned char *at;

    if (source->seekable)
        left = source->size > source->at ? source->size - source->at : 0;
    wave->data = size;
    if (size == 0) {
        /* Nothing, or nobody came back to say how much. */
        if (audio_source_peek(source, 4, &at) == 4 && !is_known(at))
            wave->data = WAVE_UNKNOWN;
    } else if (means_unknown(size) && (!source->seekable || size > left || size == UINT32_MAX)) {
        wave->data = WAVE_UNKNOWN;
    } else if (size > left) {
        return wave->coding == WAVE_OTHER
                   ? wrong(why, room, "cut short: %" PRIu64 " of %" PRIu64 " bytes of sound", left,
                           size)
                   : wrong(why, room, "cut short: %" PRIu64 " of %" PRIu64 " frames",
                           left / wave->frame, size / wave->frame);
    }
    if (wave->data != WAVE_UNKNOWN && wave->coding != WAVE_OTHER && size % wave->frame != 0)
        return wrong(why, room, "%" PRIu64 " bytes of sound are not whole frames of %u bytes", size,
                     wave->frame);
    return 0;
}

/* A chunk's id as text: "fmt ", or in hexadecimal. */
static const char *show(const unsigned char *id, char text[9])
{
    bool printable = true;

    for (int i = 0; i < 4; i++)
        printable &= id[i] >= ' ' && id[i] <= '~';
    if (printable)
        snprintf(text, 9, "%.4s", (const char *)id);
    else
        snprintf(text, 9, "%02x%02x%02x%02x", id[0], id[1], id[2], id[3]);
    return text;
}

/* 1 if it is one of them; then its first bytes are passed. */
static int read_kind(struct audio_source *source, struct wave *wave, char *why, size_t room)
{
    const unsigned char *at;
    size_t n = audio_source_peek(source, WAVE_ID, &at);

    if (n >= 16 && is_w64(at)) {
        if (n < WAVE_ID)
            return wrong(why, room, "cut short in its header");
        if (!is(at + 24, "wave") || memcmp(at + 28, w64_chunk, sizeof w64_chunk) != 0)
            return wrong(why, room, "a W64 file, but not of sound");
        wave->w64 = true;
        audio_source_skip(source, WAVE_ID);
        return 1;
    }
    if (n < 4 || !is_riff(at))
        return 0;
    if (n < 12)
        return wrong(why, room, "cut short in its header");
    if (!is(at + 8, "WAVE"))
        return wrong(why, room, "a RIFF file, but not of sound");
    wave->big = is(at, "RIFX");
    wave->wide = is(at, "RF64") || is(at, "BW64");
    audio_source_skip(source, 12);
    return 1;
}

int wave_read(struct audio_source *source, struct wave *wave, char *why, size_t room)
{
    bool formatted = false, sized = false;
    const unsigned char *at;
    uint64_t size64 = 0;
    char id[9];
    int r;

    *wave = (struct wave){ .data = WAVE_UNKNOWN };
    r = read_kind(source, wave, why, room);
    if (source->error)
        return source->error;
    if (r <= 0)
        return r < 0 ? r : WAVE_NOT;

    for (;;) {
        size_t n = audio_source_peek(source, chunk_head(wave) + 40, &at);

        if (source->error)
            return source->error;
        if (n < chunk_head(wave))
            return wrong(why, room,
                         n > 0       ? "cut short in its header"
                         : formatted ? "it has no sound (no chunk 'data')"
                                     : "it has no format (no chunk 'fmt ')");

        struct chunk chunk = get_chunk(wave, at);
        size_t have = n - chunk.head < chunk.size ? n - chunk.head : (size_t)chunk.size;

        show(chunk.id, id);
        if (is(chunk.id, "data")) {
            bool elsewhere = wave->wide && chunk.size == UINT32_MAX;

            if (!formatted)
                return wrong(why, room, "its sound stands before its format");
            if (elsewhere && !sized)
                return wrong(why, room, "an RF64 file without a chunk 'ds64'");
            audio_source_skip(source, chunk.head);
            return read_data_size(source, wave, elsewhere ? size64 : chunk.size, why, room);
        }
        if (is(chunk.id, "ds64") && wave->wide) {
            if (have < 24)
                return wrong(why, room, "cut short in its chunk 'ds64'");
            size64 = get64(at + chunk.head + 8);
            sized = true;
        } else if (is(chunk.id, "fmt ") && !formatted) {
            if (have < 16)
                return wrong(why, room,
                             chunk.size < 16 ? "its format is too short"
                                             : "cut short in its header");
            r = read_format(wave, at + chunk.head, have, why, room);
            if (r < 0)
                return r;
            if (wave->coding == WAVE_OTHER && !source->seekable)
                return WAVE_SEEK;
            formatted = true;
        } else if (is_riff(at) || is_w64(at)) {
            return wrong(why, room, "a second file begins before its sound");
        }
        if (audio_source_skip(source, chunk.head) < chunk.head ||
            audio_source_skip(source, chunk.size) < chunk.size)
            return source->error ? source->error
                                 : wrong(why, room, "cut short in its chunk '%s'", id);
        skip_padding(source, wave, chunk.size);
    }
}

int wave_read_rest(struct audio_source *source, const struct wave *wave, char *why, size_t room)
{
    const unsigned char *at;

    if (wave->data == WAVE_UNKNOWN)
        return 0;
    skip_padding(source, wave, wave->data);
    while (audio_source_peek(source, chunk_head(wave), &at) == chunk_head(wave)) {
        struct chunk chunk = get_chunk(wave, at);

        if (is(chunk.id, "data"))
            return wrong(why, room, "it has two chunks 'data'");
        if (is_riff(at) || is_w64(at))
            return wrong(why, room, "a second file begins behind its sound");
        if (audio_source_skip(source, chunk.head) < chunk.head ||
            audio_source_skip(source, chunk.size) < chunk.size)
            break;
        skip_padding(source, wave, chunk.size);
    }
    return source->error;
}

/* -- writing ------------------------------------------------------------------------------- */

static unsigned char *put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)value;
    at[1] = (unsigned char)(value >> 8);
    return at + 2;
}

static unsigned char *put32(unsigned char *at, uint64_t value)
{
    put16(at, (unsigned)(value & 0xffff));
    put16(at + 2, (unsigned)(value >> 16 & 0xffff));
    return at + 4;
}

static unsigned char *put64(unsigned char *at, uint64_t value)
{
    put32(at, value & UINT32_MAX);
    return put32(at + 4, value >> 32);
}

static unsigned char *put_id(unsigned char *at, const char *id)
{
    memcpy(at, id, 4);
    return at + 4;
}

static uint64_t limited(uint64_t value)
{
    return value < UINT32_MAX ? value : UINT32_MAX;
}

static unsigned char *put_format(unsigned char *at, const struct wave *wave)
{
    static const unsigned char tail[] = {
        0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71
    };
    unsigned tag = wave->coding == WAVE_F32 || wave->coding == WAVE_F64 ? FLOAT
                   : wave->coding == WAVE_ALAW                          ? ALAW
                   : wave->coding == WAVE_ULAW                          ? ULAW
                                                                        : PCM;
    unsigned bytes = wave_sample(wave->coding);
    uint64_t second = (uint64_t)wave->rate * bytes * wave->channels;

    at = put_id(at, "fmt ");
    at = put32(at, wave->extensible ? 40 : tag == PCM ? 16 : 18);
    at = put16(at, wave->extensible ? EXTENSIBLE : tag);
    at = put16(at, wave->channels);
    at = put32(at, wave->rate);
    at = put32(at, limited(second));
    at = put16(at, bytes * wave->channels);
    at = put16(at, bytes * 8);
    if (wave->extensible) {
        at = put16(at, 22);
        at = put16(at, bytes * 8);
        at = put32(at, wave->speakers);
        at = put16(at, tag);
        memcpy(at, tail, sizeof tail);
        at += sizeof tail;
    } else if (tag != PCM) {
        at = put16(at, 0);
    }
    return at;
}

size_t wave_header(unsigned char header[WAVE_HEADER], struct wave *wave, bool spare)
{
    bool integers = wave->coding <= WAVE_S32, known = wave->data != WAVE_UNKNOWN;
    uint64_t frames = known ? wave->data / wave_sample(wave->coding) / wave->channels : 0;
    size_t size = 12 + (spare ? 36 : 0) +
                  (wave->extensible ? 48
                   : integers       ? 24
                                    : 26) +
                  (integers ? 0 : 12) + 8;
    uint64_t riff = known ? size - 8 + wave->data + wave->data % 2 : UINT64_MAX;
    unsigned char *at = header;

    if (spare && known && riff >= UINT32_MAX)
        wave->wide = true;
    at = put_id(at, wave->wide ? "RF64" : "RIFF");
    at = put32(at, wave->wide ? UINT32_MAX : limited(riff));
    at = put_id(at, "WAVE");
    if (spare) {
        at = put_id(at, wave->wide ? "ds64" : "JUNK");
        at = put32(at, 28);
        memset(at, 0, 28);
        if (wave->wide) {
            put64(at, riff);
            put64(at + 8, wave->data);
            put64(at + 16, known ? frames : UINT64_MAX);
        }
        at += 28;
    }
    at = put_format(at, wave);
    if (!integers) {
        at = put_id(at, "fact");
        at = put32(at, 4);
        at = put32(at, known ? limited(frames) : UINT32_MAX);
    }
    at = put_id(at, "data");
    at = put32(at, wave->wide ? UINT32_MAX : limited(wave->data));
    return (size_t)(at - header);
}
