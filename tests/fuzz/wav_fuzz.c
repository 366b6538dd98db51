/* wav_fuzz.c - the reader of WAV and its kin, with any bytes as a file, as a pipe, and written again.
 *
 * Description: a file that somebody made up crashes the command, or is taken for sound that isn't in
 * it. Whatever the bytes are, a file and a pipe with them must read alike, no more samples may come than
 * there are bytes for, and what is written of them must be read as the same again. Any difference is
 * an abort. What is compressed is left to libsndfile, and not tried here. */
#include "audio.h"
#include "audio_source.h"
#include "audio_wave.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { MOST_BYTES = 4096, ROOM = 64 };

struct sound {
    int64_t frames; /* or an error */
    struct audio_format format;
    char why[256];
    double samples[MOST_BYTES + ROOM * 1024];
};

static struct sound from_file, from_pipe, again;

static void check(bool good, const char *what, const struct sound *a, const struct sound *b)
{
    if (good)
        return;
    fprintf(stderr, "%s: %lld '%s' and %lld '%s'\n", what, (long long)a->frames, a->why,
            (long long)b->frames, b->why);
    abort();
}

static void make_fd(int fd, const unsigned char *data, size_t size)
{
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
}

static void hear(struct sound *sound, int fd)
{
    struct audio_in *in;
    int64_t n;
    int r = audio_open(&in, fd, "'x'", &sound->format, sound->why, sizeof sound->why);

    sound->frames = r;
    if (r == 0) {
        while ((n = audio_read_f64(in, sound->samples + sound->frames * sound->format.channels, ROOM)) > 0)
            sound->frames += n;
        if (n < 0) {
            sound->frames = n;
            snprintf(sound->why, sizeof sound->why, "%s", audio_why(in));
        }
        audio_close(in);
    }
    if (sound->frames < 0 && !strstr(sound->why, "'x': "))
        abort(); /* no sentence */
    close(fd);
}

static int file_of(const unsigned char *data, size_t size)
{
    int fd = memfd_create("wav_fuzz", MFD_CLOEXEC);

    make_fd(fd, data, size);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static int pipe_of(const unsigned char *data, size_t size)
{
    int end[2];

    if (pipe2(end, O_CLOEXEC) < 0)
        abort();
    make_fd(end[1], data, size);
    close(end[1]);
    return end[0];
}

/* Only what is read here, and not by libsndfile. */
static bool is_ours(const unsigned char *data, size_t size)
{
    struct audio_source source;
    struct wave wave;
    char why[200];
    int fd = file_of(data, size), r = WAVE_NOT;

    if (audio_source_open(&source, fd) == 0)
        r = wave_read(&source, &wave, why, sizeof why);
    audio_source_close(&source);
    close(fd);
    return r < 0 || (r == WAVE_FINE && wave.coding != WAVE_OTHER);
}

static size_t bytes_of(const struct sound *sound)
{
    return (size_t)sound->frames * sound->format.channels * sizeof(double);
}

static void write_again(const struct sound *sound)
{
    struct audio_format format = sound->format;
    struct audio_out *to;
    struct output out = {.fd = memfd_create("wav_fuzz", MFD_CLOEXEC), .patchable = true};
    char why[200];
    int fd = dup(out.fd);

    format.frames = (uint64_t)sound->frames;
    if (fd < 0 || audio_create(&to, &out, "x", &format, why, sizeof why) < 0 ||
        audio_write_f64(to, sound->samples, (uint64_t)sound->frames) < 0 || audio_finish(to) < 0)
        abort();
    output_discard(&out);
    lseek(fd, 0, SEEK_SET);
    hear(&again, fd);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size > MOST_BYTES || !is_ours(data, size))
        return 0;
    hear(&from_file, file_of(data, size));
    hear(&from_pipe, pipe_of(data, size));
    check(from_file.frames == from_pipe.frames, "a file and a pipe differ", &from_file, &from_pipe);
    if (from_file.frames < 0)
        return 0;
    check((uint64_t)from_file.frames * from_file.format.channels <= size, "more samples than bytes",
          &from_file, &from_pipe);
    check(from_file.format.channels == from_pipe.format.channels &&
              from_file.format.encoding == from_pipe.format.encoding &&
              memcmp(from_file.samples, from_pipe.samples, bytes_of(&from_file)) == 0,
          "a file and a pipe sound different", &from_file, &from_pipe);
    write_again(&from_file);
    check(again.frames == from_file.frames && again.format.encoding == from_file.format.encoding &&
              memcmp(again.samples, from_file.samples, bytes_of(&again)) == 0,
          "a copy is another sound", &from_file, &again);
    return 0;
}
