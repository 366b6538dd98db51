/* audio_wave.h - the headers of WAV and its kin: RIFF, RIFX (big-endian); RF64, BW64, W64 (beyond 4 GB).
 *
 * They are read and written here, not by libsndfile, because it takes a header at its word or silently
 * corrects it, needs to seek, and ends at 4 GB where a pipe does not. */
#ifndef TOOLS_AUDIO_WAVE_H
#define TOOLS_AUDIO_WAVE_H

#include "audio_source.h"

enum wave_coding {
    WAVE_U8, WAVE_S16, WAVE_S24, WAVE_S32, WAVE_F32, WAVE_F64, WAVE_ALAW, WAVE_ULAW,
    WAVE_OTHER /* compressed: only libsndfile knows */
};

#define WAVE_UNKNOWN UINT64_MAX

struct wave {
    enum wave_coding coding;
    bool big;          /* big-endian                                                           */
    bool wide;         /* RF64 or BW64                                                         */
    bool w64;          /* Sony Wave64: numbers of 64 bits, names of 16 bytes                   */
    bool extensible;   /* the format says which loudspeaker is whose                           */
    unsigned channels; /* 1 to 1024                                                            */
    unsigned rate;
    unsigned speakers; /* a bit for each loudspeaker, in the order of the channels; 0: not said */
    unsigned frame;    /* bytes of one                                                         */
    uint64_t data;     /* bytes of sound, or WAVE_UNKNOWN: all that comes                      */
};

/* The most bytes that say that it is one of them. */
enum { WAVE_ID = 40 };

enum wave_result { WAVE_FINE, WAVE_NOT, WAVE_SEEK };

/* Reads up to the first byte of sound. WAVE_NOT: something else, nothing was passed. WAVE_SEEK: it is
 * compressed and comes through a pipe: behind the first WAVE_ID bytes (W64) or 12, its format is next. Else an error: -EINVAL with a
 * sentence in 'why', or the source's own. */
int wave_read(struct audio_source *source, struct wave *wave, char *why, size_t room);

/* Reads what stands behind 'data' bytes of sound: more sound there would be lost. 0 or -EINVAL. */
int wave_read_rest(struct audio_source *source, const struct wave *wave, char *why, size_t room);

enum { WAVE_HEADER = 128 };

/* Fills the header of 'wave' with wave->data bytes of sound; wave->coding is not WAVE_OTHER, and it is
 * little-endian. 'spare': with room to become an RF64 later. Its size, which 'spare' alone decides.
 * wave->wide becomes true if it had to. */
size_t wave_header(unsigned char header[WAVE_HEADER], struct wave *wave, bool spare);

/* Bytes of one sample. */
unsigned wave_sample(enum wave_coding coding);

#endif
