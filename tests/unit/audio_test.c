/* Description: a sound file is read as another one, a damaged one is taken for a whole one, or what
 * is written is not what another program reads. libsndfile's own reading and writing is the reference
 * for what is whole. */
#include "unit.h"

#include "audio.h"

#include <crew.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef WITH_SNDFILE
#include "audio_wave.h"

#include <math.h>
#include <sndfile.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { MANY = 1 << 20, FRAMES = 5000 };

/* -- bytes as files and as pipes ----------------------------------------------------------- */

struct bytes {
    unsigned char at[MANY];
    size_t size;
};

static struct bytes whole, other;
static double samples[MANY], wanted[MANY];

static const char *const ways[] = { "a file", "a pipe" };
enum { FILE_WAY, PIPE_WAY, WAYS };

static int memory_file(const void *at, size_t size)
{
    int fd = memfd_create("audio_test", MFD_CLOEXEC);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, at, size), (ssize_t)size);
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* The reader's end of a pipe with these bytes, 'step' at once, so that reads are short. */
static int piped(const unsigned char *at, size_t size, size_t step)
{
    int end[2];

    ck_assert_ok(pipe2(end, O_CLOEXEC));
    if (fork() == 0) {
        close(end[0]);
        for (size_t i = 0; i < size; i += step) {
            size_t n = size - i < step ? size - i : step;

            if (write(end[1], at + i, n) != (ssize_t)n)
                break;
        }
        _exit(0);
    }
    close(end[1]);
    return end[0];
}

static int opened(const struct bytes *b, int way)
{
    return way == FILE_WAY ? memory_file(b->at, b->size)
                           : piped(b->at, b->size, b->size > 4096 ? 4093 : 1000);
}

static char why[256];

/* All samples of it, in 'samples': frames, or an error with 'why'. */
static int64_t read_all(const struct bytes *b, int way, struct audio_format *format)
{
    struct audio_in *in;
    int fd = opened(b, way);
    int64_t n, all = 0;
    int r;

    strcpy(why, "untouched");
    r = audio_open(&in, fd, "'dir/x.wav'", format, why, sizeof why);
    if (r < 0) {
        close(fd);
        return r;
    }
    ck_assert_str_eq(why, "");
    while ((n = audio_read_f64(in, samples + all * format->channels, 777)) > 0) {
        all += n;
        ck_assert_int_lt((all + 777) * format->channels, MANY);
    }
    if (n < 0)
        snprintf(why, sizeof why, "%s", audio_why(in));
    audio_close(in);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    close(fd);
    return n < 0 ? n : all;
}

/* -- the reference ------------------------------------------------------------------------- */

static double wave_at(size_t i)
{
    return 0.9 * sin((double)i * 0.013) + 0.1 * sin((double)i * 1.7);
}

static sf_count_t reference_write(struct bytes *b, int format, int channels, sf_count_t frames)
{
    SF_INFO info = { .channels = channels, .samplerate = 48000, .format = format };
    int fd = memory_file("", 0);
    SNDFILE *file = sf_open_fd(fd, SFM_WRITE, &info, 0);

    ck_assert_msg(file != NULL, "format %x: %s", format, sf_strerror(NULL));
    for (size_t i = 0; i < (size_t)(frames * channels); i++)
        samples[i] = wave_at(i);
    ck_assert_int_eq(sf_writef_double(file, samples, frames), frames);
    sf_close(file);
    b->size = (size_t)pread(fd, b->at, sizeof b->at, 0);
    close(fd);
    return frames;
}

static sf_count_t reference_read(const struct bytes *b, SF_INFO *info)
{
    int fd = memory_file(b->at, b->size);
    SNDFILE *file;
    sf_count_t n;

    *info = (SF_INFO){ 0 };
    file = sf_open_fd(fd, SFM_READ, info, 0);
    ck_assert_msg(file != NULL, "%s", sf_strerror(NULL));
    n = sf_readf_double(file, wanted, MANY / info->channels);
    sf_close(file);
    close(fd);
    return n;
}

/* 'b' is read as the reference reads it, in every way. */
static void ck_reads_as_reference(const struct bytes *b, int format)
{
    struct audio_format found;
    SF_INFO info;
    sf_count_t frames = reference_read(b, &info);

    for (int way = 0; way < WAYS; way++) {
        int64_t n = read_all(b, way, &found);

        ck_assert_msg(n == frames, "format %x from %s: %d frames, not %d: %s", format, ways[way],
                      (int)n, (int)frames, why);
        ck_assert_int_eq(found.channels, info.channels);
        ck_assert_int_eq(found.rate, info.samplerate);
        ck_assert_int_eq(found.encoding, info.format & SF_FORMAT_SUBMASK);
        ck_assert_msg(memcmp(samples, wanted, (size_t)(n * info.channels) * sizeof *samples) == 0,
                      "format %x from %s: other samples", format, ways[way]);
    }
}

static const int plain[] = {
    SF_FORMAT_PCM_U8, SF_FORMAT_PCM_16, SF_FORMAT_PCM_24, SF_FORMAT_PCM_32,
    SF_FORMAT_FLOAT,  SF_FORMAT_DOUBLE, SF_FORMAT_ALAW,   SF_FORMAT_ULAW,
};
enum { PLAIN = sizeof plain / sizeof *plain };

static const int containers[] = {
    SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, SF_FORMAT_WAV | SF_FORMAT_MS_ADPCM,
    SF_FORMAT_WAV | SF_FORMAT_GSM610,    SF_FORMAT_W64 | SF_FORMAT_IMA_ADPCM,
    SF_FORMAT_AU | SF_FORMAT_PCM_16,     SF_FORMAT_AIFF | SF_FORMAT_PCM_24,
    SF_FORMAT_AIFF | SF_FORMAT_FLOAT,    SF_FORMAT_CAF | SF_FORMAT_PCM_16,
    SF_FORMAT_CAF | SF_FORMAT_ALAC_16,   SF_FORMAT_W64 | SF_FORMAT_DOUBLE,
    SF_FORMAT_FLAC | SF_FORMAT_PCM_16,   SF_FORMAT_VOC | SF_FORMAT_PCM_16,
    SF_FORMAT_SVX | SF_FORMAT_PCM_16,    SF_FORMAT_OGG | SF_FORMAT_VORBIS,
    SF_FORMAT_OGG | SF_FORMAT_OPUS,
};

START_TEST(wav_and_its_kin_are_read_as_libsndfile_reads_them)
{
    const int kinds[] = {
        SF_FORMAT_WAV, SF_FORMAT_WAV | SF_ENDIAN_BIG, SF_FORMAT_WAVEX, SF_FORMAT_RF64,
        SF_FORMAT_W64,
    };

    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        for (size_t i = 0; i < PLAIN; i++) {
            for (int channels = 1; channels <= 5; channels += 2) {
                reference_write(&whole, kinds[k] | plain[i], channels, FRAMES + 1);
                ck_reads_as_reference(&whole, kinds[k] | plain[i]);
            }
        }
    }
}
END_TEST

START_TEST(other_containers_are_read_as_libsndfile_reads_them)
{
    for (size_t i = 0; i < sizeof containers / sizeof *containers; i++) {
        reference_write(&whole, containers[i], 1, FRAMES);
        ck_reads_as_reference(&whole, containers[i]);
    }
}
END_TEST

START_TEST(f32_holds_what_the_format_says_it_holds)
{
    for (size_t i = 0; i < PLAIN; i++) {
        struct audio_format format;
        static float single[2 * FRAMES];
        struct audio_in *in;
        int fd;
        bool exact = true;

        reference_write(&whole, SF_FORMAT_WAV | plain[i], 2, FRAMES);
        ck_assert_int_eq(read_all(&whole, FILE_WAY, &format), FRAMES);
        fd = opened(&whole, FILE_WAY);
        ck_assert_ok(audio_open(&in, fd, "x.wav", &format, why, sizeof why));
        ck_assert_int_eq(audio_read_f32(in, single, FRAMES), FRAMES);
        ck_assert_int_eq(audio_read_f32(in, single, FRAMES), 0);
        audio_close(in);
        close(fd);
        for (size_t k = 0; k < 2 * FRAMES; k++)
            exact &= (double)single[k] == samples[k];
        ck_assert_msg(exact == format.single, "format %x", plain[i]);
        ck_assert_int_eq(format.single,
                         plain[i] != SF_FORMAT_PCM_32 && plain[i] != SF_FORMAT_DOUBLE);
    }
}
END_TEST

/* -- headers by hand ----------------------------------------------------------------------- */

/* Letters stand for themselves; "%1", "%2", "%4" and "%8" for a little-endian number of so many bytes,
 * "%n" for so many bytes 1, 2, 3 ..., "%%" for a percent sign. */
static void build(struct bytes *b, const char *form, ...)
{
    va_list args;

    va_start(args, form);
    b->size = 0;
    for (; *form; form++) {
        if (*form != '%' || *++form == '%') {
            b->at[b->size++] = (unsigned char)*form;
            continue;
        }
        uint64_t value = va_arg(args, uint64_t);

        if (*form == 'n') {
            for (uint64_t i = 1; i <= value; i++)
                b->at[b->size++] = (unsigned char)i;
        } else {
            for (int i = 0; i < *form - '0'; i++)
                b->at[b->size++] = (unsigned char)(value >> 8 * i);
        }
    }
    va_end(args);
}

#define N(value) ((uint64_t)(value))
#define FMT "fmt %4%2%2%4%4%2%2"
/* A format of 16 bytes. */
#define FORMAT(tag, channels, rate, align, bits)                                                   \
    N(16), N(tag), N(channels), N(rate), N((uint64_t)(rate) * (align)), N(align), N(bits)
#define STEREO FORMAT(1, 2, 44100, 4, 16)
#define RIFF "RIFF%4WAVE"

/* Frames in each way. */
static void ck_frames(int64_t frames, const char *what)
{
    struct audio_format format;

    for (int way = 0; way < WAYS; way++) {
        int64_t n = read_all(&whole, way, &format);

        ck_assert_msg(n == frames, "%s, from %s: %d, not %d: %s", what, ways[way], (int)n,
                      (int)frames, n < 0 ? why : "");
    }
}

/* An error in each way, with this sentence. */
static void ck_refused(const char *sentence)
{
    struct audio_format format;
    char all[256];

    snprintf(all, sizeof all, "'dir/x.wav': %s", sentence);
    for (int way = 0; way < WAYS; way++) {
        int64_t n = read_all(&whole, way, &format);

        ck_assert_msg(n == -EINVAL, "'%s', from %s: %d", sentence, ways[way], (int)n);
        ck_assert_str_eq(why, all);
    }
}

START_TEST(chunks_in_any_order_are_passed_over)
{
    build(&whole, RIFF FMT "data%4%n", N(0), STEREO, N(40), N(40));
    ck_frames(10, "RIFF size 0");
    build(&whole, RIFF FMT "data%4%n", N(4), STEREO, N(40), N(40));
    ck_frames(10, "RIFF size too small");
    build(&whole, RIFF FMT "data%4%n", N(0xffffffff), STEREO, N(40), N(40));
    ck_frames(10, "RIFF size of all ones");
    build(&whole, RIFF "JUNK%4%nLIST%4%nbext%4%n" FMT "fact%4%4data%4%n", N(0), N(28), N(28), N(10),
          N(10), N(602), N(602), STEREO, N(4), N(10), N(40), N(40));
    ck_frames(10, "chunks before");
    build(&whole, RIFF FMT "data%4%nLIST%4%n", N(0), STEREO, N(40), N(40), N(26), N(26));
    ck_frames(10, "a chunk behind");
    build(&whole, RIFF FMT "data%4%nTAG and no chunk", N(0), STEREO, N(40), N(40));
    ck_frames(10, "something behind");
    build(&whole, RIFF "LIST%4%n%1" FMT "data%4%n", N(0), N(5), N(5), N(0), STEREO, N(40), N(40));
    ck_frames(10, "an odd chunk with padding");
    build(&whole, RIFF "LIST%4%n%1" FMT "data%4%n", N(0), N(5), N(5), N('x'), STEREO, N(40), N(40));
    ck_frames(10, "an odd chunk with padding that is not 0");
    build(&whole, RIFF "LIST%4%n" FMT "data%4%n", N(0), N(5), N(5), STEREO, N(40), N(40));
    ck_frames(10, "an odd chunk without padding");
    build(&whole, RIFF FMT "data%4%n", N(0), FORMAT(1, 1, 8000, 1, 8), N(9), N(9));
    ck_frames(9, "odd sound without padding");
    build(&whole, RIFF FMT FMT "data%4%n", N(0), STEREO, FORMAT(1, 1, 8000, 1, 8), N(40), N(40));
    ck_frames(10, "a second format");
    build(&whole, RIFF FMT "data%4", N(0), STEREO, N(0));
    ck_frames(0, "no frame");
    build(&whole, RIFF FMT "data%4LIST%4%n", N(0), STEREO, N(0), N(26), N(26));
    ck_frames(0, "no frame, and a chunk behind");
}
END_TEST

START_TEST(sound_of_a_size_that_nobody_knew_is_read_to_its_end)
{
    const uint64_t sizes[] = { 0xffffffff, 0x7ffff000, 0x7fffff00, 0x80000000, 0 };

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        build(&whole, RIFF FMT "data%4%n", N(0xffffffff), STEREO, sizes[i], N(4000));
        ck_frames(1000, "a size of a stream");
    }
    build(&whole, RIFF FMT "data%4%n", N(0xffffffff), STEREO, N(0xffffffff), N(4003));
    ck_refused("cut short within frame 1001");
    build(&whole, "RF64%4WAVEds64%4%8%8%8%4" FMT "data%4%n", N(0xffffffff), N(28), N(-1), N(-1),
          N(-1), N(0), STEREO, N(0xffffffff), N(4000));
    ck_frames(1000, "an RF64 of a stream");
}
END_TEST

START_TEST(integers_fill_their_bytes_from_the_top)
{
    struct audio_format format;

    build(&whole, RIFF FMT "data%4%2%2", N(0), FORMAT(1, 1, 8000, 2, 12), N(4), N(0x4000),
          N(0xfff0));
    ck_frames(2, "12 bits");
    ck_assert_double_eq(samples[0], 0.5);
    ck_assert_double_eq(samples[1], -1.0 / 2048);
    build(&whole, RIFF FMT "data%4%4", N(0), FORMAT(1, 1, 8000, 4, 24), N(4), N(0x40000000));
    ck_frames(1, "24 bits in 4 bytes");
    ck_assert_double_eq(samples[0], 0.5);
    build(&whole, RIFF FMT "data%4%1%1%1%1", N(0), FORMAT(1, 2, 8000, 2, 8), N(4), N(0), N(0x80),
          N(0xc0), N(0xff));
    ck_frames(2, "8 bits");
    ck_assert_int_eq(read_all(&whole, PIPE_WAY, &format), 2);
    ck_assert_double_eq(samples[0], -1);
    ck_assert_double_eq(samples[1], 0);
    ck_assert_double_eq(samples[2], 0.5);
    ck_assert_double_eq(samples[3], 127.0 / 128);
}
END_TEST

START_TEST(a_damaged_wav_is_refused_with_a_sentence)
{
    static const char *const none = "no form of integers that is known";
    char text[200];

    build(&whole, RIFF "data%4%n" FMT, N(0), N(40), N(40), STEREO);
    ck_refused("its sound stands before its format");
    build(&whole, RIFF FMT, N(0), STEREO);
    ck_refused("it has no sound (no chunk 'data')");
    build(&whole, RIFF "LIST%4%n", N(0), N(26), N(26));
    ck_refused("it has no format (no chunk 'fmt ')");
    build(&whole, RIFF FMT "data%4%n", N(0), STEREO, N(400), N(40));
    ck_refused("cut short: 10 of 100 frames");
    build(&whole, RIFF FMT "data%4%n", N(0), STEREO, N(41), N(41));
    ck_refused("41 bytes of sound are not whole frames of 4 bytes");
    build(&whole, RIFF FMT "data%4%ndata%4%n", N(0), STEREO, N(40), N(40), N(40), N(40));
    ck_refused("it has two chunks 'data'");
    build(&whole, RIFF FMT "data%4%n" RIFF FMT "data%4%n", N(0), STEREO, N(40), N(40), N(0), STEREO,
          N(40), N(40));
    ck_refused("a second file begins behind its sound");
    build(&whole, RIFF "LIST%4%n", N(0), N(0xfffffff0), N(100));
    ck_refused("cut short in its chunk 'LIST'");
    build(&whole, RIFF "%4%4%n", N(0), N(0x01020380), N(1000), N(100));
    ck_refused("cut short in its chunk '80030201'");
    build(&whole, "RIFF%4AVI LIST%4%n", N(0), N(40), N(40));
    ck_refused("a RIFF file, but not of sound");
    build(&whole, RIFF "fmt %4%n", N(0), N(14), N(14));
    ck_refused("its format is too short");
    build(&whole, "RF64%4WAVE" FMT "data%4%n", N(0xffffffff), STEREO, N(0xffffffff), N(40));
    ck_refused("an RF64 file without a chunk 'ds64'");
    build(&whole, "RF64%4WAVEds64%4%8%8%8%4" FMT "data%4%n", N(0xffffffff), N(28), N(1) << 40,
          N(1) << 40, N(1) << 38, N(0), STEREO, N(0xffffffff), N(40));
    ck_refused("cut short: 10 of 274877906944 frames");

    build(&whole, RIFF FMT "data%4%n", N(0), FORMAT(1, 0, 44100, 4, 16), N(40), N(40));
    ck_refused("0 channels, where 1 to 1024 are possible");
    build(&whole, RIFF FMT "data%4%n", N(0), FORMAT(1, 65535, 44100, 4, 16), N(40), N(40));
    ck_refused("65535 channels, where 1 to 1024 are possible");
    build(&whole, RIFF FMT "data%4%n", N(0), FORMAT(1, 2, 0, 4, 16), N(40), N(40));
    ck_refused("a rate of 0 frames a second");
    build(&whole, RIFF FMT "data%4%n", N(0), FORMAT(1, 2, 4294967295, 4, 16), N(40), N(40));
    ck_refused("a rate of 4294967295 frames a second");
    build(&whole, RIFF FMT "data%4%n", N(0), FORMAT(1, 2, 44100, 0, 16), N(40), N(40));
    ck_refused("frames of 0 bytes");
    for (unsigned bits = 0; bits <= 65; bits++) {
        if (bits > 8 && bits <= 16)
            continue;
        build(&whole, RIFF FMT "data%4%n", N(0), FORMAT(1, 2, 44100, 4, bits), N(40), N(40));
        snprintf(text, sizeof text, "samples of %u bits, 2 channels in 4 bytes: %s", bits, none);
        ck_refused(text);
    }
    build(&whole, RIFF FMT "data%4%n", N(0), FORMAT(1, 1, 44100, 8, 64), N(40), N(40));
    ck_refused("samples of 64 bits, 1 channels in 8 bytes: no form of integers that is known");
    build(&whole, RIFF FMT "data%4%n", N(0), FORMAT(1, 2, 44100, 5, 16), N(40), N(40));
    ck_refused("samples of 16 bits, 2 channels in 5 bytes: no form of integers that is known");
    build(&whole, RIFF FMT "data%4%n", N(0), FORMAT(3, 2, 44100, 4, 16), N(40), N(40));
    ck_refused(
        "samples of 16 bits, 2 channels in 4 bytes: no form of floating point that is known");
    build(&whole, RIFF FMT "data%4%n", N(0), FORMAT(6, 2, 44100, 4, 16), N(40), N(40));
    ck_refused(
        "samples of 16 bits, 2 channels in 4 bytes: no form of A-law or mu-law that is known");
    build(&whole, RIFF FMT "data%4%n", N(0), FORMAT(0xfffe, 2, 44100, 4, 16), N(40), N(40));
    ck_refused("its extensible format has 16 bytes, not 40");
    build(&whole, RIFF "fmt %4%2%2%4%4%2%2%2%2%4%ndata%4%n", N(0), N(40), N(0xfffe), N(2), N(44100),
          N(176400), N(4), N(16), N(22), N(16), N(3), N(16), N(40), N(40));
    ck_refused("an encoding that nobody knows (by its GUID)");
}
END_TEST

START_TEST(what_is_not_sound_is_refused_with_a_sentence)
{
    struct audio_format format;
    struct audio_in *in;
    int fd;

    build(&whole, "");
    ck_refused("it is empty");
    build(&whole, "1 2 3 4 5 6 7 8 9 10 11 12 13");
    ck_refused("not a sound file of any kind that is known");
    build(&whole, "%n", N(100000));
    ck_refused("not a sound file of any kind that is known");
    fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    ck_assert_error(audio_open(&in, fd, "'/dev/zero'", &format, why, sizeof why), -EINVAL);
    ck_assert_str_eq(why, "'/dev/zero': not a sound file of any kind that is known");
    close(fd);
    fd = open("/", O_RDONLY | O_CLOEXEC);
    ck_assert_error(audio_open(&in, fd, "'/'", &format, why, sizeof why), -EISDIR);
    ck_assert_str_eq(why, "'/': Is a directory");
    close(fd);
}
END_TEST

START_TEST(a_wav_cut_anywhere_is_refused)
{
    reference_write(&other, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2, 20);
    for (size_t size = 0; size < other.size; size++) {
        struct audio_format format;

        memcpy(whole.at, other.at, whole.size = size);
        for (int way = 0; way < WAYS; way++) {
            int64_t n = read_all(&whole, way, &format);

            ck_assert_msg(n == -EINVAL, "%zu of %zu bytes from %s: %d", size, other.size, ways[way],
                          (int)n);
            ck_assert_msg(strncmp(why, "'dir/x.wav': ", 13) == 0, "%s", why);
        }
    }
}
END_TEST

START_TEST(other_containers_cut_short_are_refused)
{
    const int cut[] = {
        SF_FORMAT_AIFF | SF_FORMAT_PCM_16, SF_FORMAT_AU | SF_FORMAT_FLOAT,
        SF_FORMAT_CAF | SF_FORMAT_PCM_24,  SF_FORMAT_W64 | SF_FORMAT_PCM_16,
        SF_FORMAT_FLAC | SF_FORMAT_PCM_16, SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM,
        SF_FORMAT_W64 | SF_FORMAT_DOUBLE,
    };

    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        reference_write(&whole, cut[i], 1, FRAMES);
        whole.size -= whole.size / 3;
        for (int way = 0; way < WAYS; way++) {
            struct audio_format format;
            int64_t n = read_all(&whole, way, &format);

            ck_assert_msg(n == -EINVAL, "format %x from %s: %d", cut[i], ways[way], (int)n);
        }
    }
}
END_TEST

START_TEST(a_file_is_read_from_where_its_descriptor_stands)
{
    struct audio_format format;
    struct audio_in *in;
    int fd;

    build(&whole, "0123456789" RIFF FMT "data%4%n", N(0), STEREO, N(40), N(40));
    fd = memory_file(whole.at, whole.size);
    ck_assert_int_eq(lseek(fd, 10, SEEK_SET), 10);
    ck_assert_ok(audio_open(&in, fd, "x", &format, why, sizeof why));
    ck_assert_int_eq(audio_read_f64(in, samples, 100), 10);
    ck_assert_int_eq(audio_read_f64(in, samples, 100), 0);
    ck_assert_int_eq(audio_read_f64(in, samples, 100), 0);
    audio_close(in);
    close(fd);
}
END_TEST

START_TEST(an_endless_pipe_is_read_as_it_comes)
{
    struct audio_format format;
    struct audio_in *in;
    int end[2];

    build(&whole, RIFF FMT "data%4%n", N(0xffffffff), STEREO, N(0xffffffff), N(4000));
    ck_assert_ok(pipe2(end, O_CLOEXEC));
    for (int i = 0; i < 3; i++) {
        const size_t header = whole.size - 4000;

        ck_assert_int_eq(write(end[1], whole.at + (i ? header : 0), whole.size - (i ? header : 0)),
                         (ssize_t)(whole.size - (i ? header : 0)));
        if (i == 0)
            ck_assert_ok(audio_open(&in, end[0], "x", &format, why, sizeof why));
        /* The writer has not closed its end: only what is there can be waited for. */
        ck_assert_int_eq(audio_read_f64(in, samples, 1000), 1000);
    }
    ck_assert_uint_eq(format.frames, 0);
    close(end[1]);
    ck_assert_int_eq(audio_read_f64(in, samples, 1000), 0);
    audio_close(in);
    close(end[0]);
}
END_TEST

START_TEST(sound_beyond_4_gb_is_promised_as_it_is)
{
    const uint64_t data = N(5) << 30;
    struct audio_format format;
    struct audio_in *in;
    int fd;

    build(&whole, "RF64%4WAVEds64%4%8%8%8%4" FMT "data%4", N(0xffffffff), N(28), data + 72, data,
          data / 4, N(0), STEREO, N(0xffffffff));
    fd = memory_file(whole.at, whole.size);
    ck_assert_ok(ftruncate(fd, (off_t)(whole.size + data)));
    ck_assert_ok(audio_open(&in, fd, "x", &format, why, sizeof why));
    ck_assert_uint_eq(format.frames, data / 4);
    ck_assert_int_eq(audio_read_f64(in, samples, 1000), 1000);
    audio_close(in);

    /* A stream's header, and more than it could ever have said. */
    build(&whole, RIFF FMT "data%4", N(0xffffffff), STEREO, N(0xffffffff));
    ck_assert_int_eq(pwrite(fd, whole.at, whole.size, 0), (ssize_t)whole.size);
    ck_assert_ok(audio_open(&in, fd, "x", &format, why, sizeof why));
    ck_assert_uint_eq(format.frames, 0);
    audio_close(in);
    close(fd);
}
END_TEST

/* -- writing ------------------------------------------------------------------------------- */

enum { TO_FILE, TO_PIPE };

/* Writes 'frames' of 'samples' in pieces; what came out is in 'whole'. 0 or what a call said. */
static int write_sound(int to, const char *name, const struct audio_format *format, uint64_t frames)
{
    struct audio_out *audio;
    struct output out;
    char path[64];
    int end[2] = { -1, -1 }, fd = -1, r;

    if (to == TO_FILE) {
        snprintf(path, sizeof path, "audio_test.%d", (int)getpid());
        ck_assert_ok(output_open(&out, path));
    } else {
        ck_assert_ok(pipe2(end, O_CLOEXEC));
        ck_assert_int_ge(fcntl(end[1], F_SETPIPE_SZ, MANY), MANY);
        snprintf(path, sizeof path, "/proc/self/fd/%d", end[1]);
        ck_assert_ok(output_open(&out, path));
        close(end[1]);
    }
    strcpy(why, "untouched");
    r = audio_create(&audio, &out, name, format, why, sizeof why);
    if (r == 0) {
        for (uint64_t at = 0; at < frames && r == 0; at += 999)
            r = audio_write_f64(audio, samples + at * format->channels,
                                frames - at < 999 ? frames - at : 999);
        ck_assert_ok(r);
        r = audio_finish(audio);
    }
    if (r == 0) {
        ck_assert_ok(output_finish(&out));
        fd = to == TO_FILE ? open(path, O_RDONLY | O_CLOEXEC) : end[0];
        whole.size = 0;
        for (ssize_t n = 1; n > 0; whole.size += (size_t)n)
            n = read(fd, whole.at + whole.size, sizeof whole.at - whole.size);
        close(fd);
    } else {
        output_discard(&out);
        if (to == TO_PIPE)
            close(end[0]);
    }
    if (to == TO_FILE)
        ck_assert_int_eq(unlink(path), r == 0 ? 0 : -1);
    return r;
}

static void fill(size_t count)
{
    for (size_t i = 0; i < count; i++)
        samples[i] = wave_at(i);
}

START_TEST(a_copy_of_a_wav_has_the_same_samples_to_the_bit)
{
    for (size_t i = 0; i < PLAIN; i++) {
        for (int to = TO_FILE; to <= TO_PIPE; to++) {
            struct audio_format format;
            SF_INFO info;

            reference_write(&whole, SF_FORMAT_WAV | plain[i], 3, FRAMES);
            ck_assert_int_eq(read_all(&whole, FILE_WAY, &format), FRAMES);
            memcpy(&other, &whole, sizeof whole);
            ck_assert_ok(write_sound(to, "x.wav", &format, FRAMES));
            ck_assert_int_eq(reference_read(&whole, &info), FRAMES);
            ck_assert_int_eq(info.format, SF_FORMAT_WAV | plain[i]);
            ck_assert_int_eq(info.channels, 3);
            ck_assert_int_eq(info.samplerate, 48000);
            ck_assert_mem_eq(samples, wanted, 3 * FRAMES * sizeof *samples);
            /* The sound stands at the end of both files. */
            size_t size = 3 * FRAMES * (plain[i] == SF_FORMAT_DOUBLE ? 8 : 1);

            ck_assert_mem_eq(whole.at + whole.size - size, other.at + other.size - size, size);
        }
    }
}
END_TEST

START_TEST(every_container_is_written_so_that_libsndfile_reads_it)
{
    const struct {
        const char *name;
        int format;
    } cases[] = {
        { "x.wav", SF_FORMAT_WAV | SF_FORMAT_DOUBLE },
        { "x.w64", SF_FORMAT_W64 | SF_FORMAT_DOUBLE },
        { "x.rf64", SF_FORMAT_RF64 | SF_FORMAT_DOUBLE },
        { "x.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_24 },
        { "x.AIFF", SF_FORMAT_AIFF | SF_FORMAT_DOUBLE },
        { "a.b/x.aif", SF_FORMAT_AIFF | SF_FORMAT_DOUBLE },
        { "x.au", SF_FORMAT_AU | SF_FORMAT_DOUBLE },
        { "x.caf", SF_FORMAT_CAF | SF_FORMAT_DOUBLE },
        { "x.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS },
        { "x.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS },
        { "x.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III },
        { "x.voc", SF_FORMAT_VOC | SF_FORMAT_PCM_16 },
        { "x", SF_FORMAT_WAV | SF_FORMAT_DOUBLE },
    };
    const struct audio_format format = { .channels = 2, .rate = 48000 };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int to = TO_FILE; to <= TO_PIPE; to++) {
            SF_INFO info;
            sf_count_t frames;
            int r, lossy = cases[i].format & SF_FORMAT_SUBMASK;

            fill(2 * FRAMES);
            r = write_sound(to, cases[i].name, &format, FRAMES);
            ck_assert_msg(r == 0, "%s: %d: %s", cases[i].name, r, why);
            frames = reference_read(&whole, &info);
            if (to == TO_FILE || (cases[i].format & SF_FORMAT_TYPEMASK) != SF_FORMAT_RF64)
                ck_assert_int_eq(info.format & (SF_FORMAT_TYPEMASK | SF_FORMAT_SUBMASK),
                                 cases[i].format);
            if (lossy == SF_FORMAT_MPEG_LAYER_III) {
                ck_assert_int_ge(frames, FRAMES - 2000);
                continue;
            }
            ck_assert_msg(frames == FRAMES, "%s: %d frames", cases[i].name, (int)frames);
            double most = lossy == SF_FORMAT_DOUBLE   ? 0
                          : lossy == SF_FORMAT_PCM_24 ? 0x1p-24
                          : lossy == SF_FORMAT_PCM_16 ? 0x1p-16
                                                      : 1,
                   off = 0;

            for (size_t k = 0; k < 2 * FRAMES; k++)
                off = fmax(off, fabs(samples[k] - wanted[k]));
            ck_assert_msg(off <= most, "%s is off by %g", cases[i].name, off);
        }
    }
}
END_TEST

START_TEST(an_encoding_that_a_container_has_not_becomes_its_best)
{
    const struct {
        const char *name;
        int encoding;
        bool single;
        int becomes;
    } cases[] = {
        { "x.wav", SF_FORMAT_PCM_16, false, SF_FORMAT_PCM_16 },
        { "x.wav", 0, true, SF_FORMAT_FLOAT },
        { "x.wav", 0, false, SF_FORMAT_DOUBLE },
        { "x.wav", SF_FORMAT_VORBIS, true, SF_FORMAT_FLOAT },
        { "x.wav", SF_FORMAT_PCM_S8, true, SF_FORMAT_FLOAT },
        { "x.wav", SF_FORMAT_IMA_ADPCM, true, SF_FORMAT_IMA_ADPCM },
        { "x.flac", SF_FORMAT_PCM_16, true, SF_FORMAT_PCM_16 },
        { "x.flac", SF_FORMAT_FLOAT, true, SF_FORMAT_PCM_24 },
        { "x.ogg", SF_FORMAT_PCM_16, true, SF_FORMAT_VORBIS },
        { "x.aiff", SF_FORMAT_PCM_U8, true, SF_FORMAT_PCM_U8 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct audio_format format = {
            .channels = 1,
            .rate = 44100,
            .encoding = cases[i].encoding,
            .single = cases[i].single,
        };
        SF_INFO info;

        fill(FRAMES);
        ck_assert_ok(write_sound(TO_FILE, cases[i].name, &format, FRAMES));
        reference_read(&whole, &info);
        ck_assert_int_eq(info.format & SF_FORMAT_SUBMASK, cases[i].becomes);
    }
}
END_TEST

START_TEST(what_a_container_cannot_hold_is_refused)
{
    struct audio_format format = { .channels = 9, .rate = 44100 };

    ck_assert_error(write_sound(TO_FILE, "x.flac", &format, 0), -EINVAL);
    ck_assert_str_eq(why, "it can't hold 9 channels at 44100 frames a second");
    format.channels = 0;
    ck_assert_error(write_sound(TO_FILE, "x.wav", &format, 0), -EINVAL);
    format.channels = 1025;
    ck_assert_error(write_sound(TO_PIPE, "x.wav", &format, 0), -EINVAL);
    format = (struct audio_format){ .channels = 1, .rate = 44100 };
    ck_assert_error(write_sound(TO_FILE, "x.opus", &format, 0), -EINVAL);
    ck_assert_str_ne(why, "");
}
END_TEST

START_TEST(integers_are_clipped_and_have_no_nan)
{
    const double in[] = { 2, -2, INFINITY, -INFINITY, NAN, 1, -1, 0.25, -0.0, 1e-9 };
    const double out[] = {
        32767.0 / 32768, -1, 32767.0 / 32768, -1, 0, 32767.0 / 32768, -1, 0.25, 0, 0
    };
    struct audio_format format = { .channels = 1, .rate = 44100, .encoding = SF_FORMAT_PCM_16 };

    memcpy(samples, in, sizeof in);
    ck_assert_ok(write_sound(TO_FILE, "x.wav", &format, sizeof in / sizeof *in));
    ck_assert_int_eq(read_all(&whole, FILE_WAY, &format), sizeof in / sizeof *in);
    ck_assert_mem_eq(samples, out, sizeof out);

    format.encoding = SF_FORMAT_DOUBLE;
    memcpy(samples, in, sizeof in);
    ck_assert_ok(write_sound(TO_FILE, "x.wav", &format, sizeof in / sizeof *in));
    ck_assert_int_eq(read_all(&whole, FILE_WAY, &format), sizeof in / sizeof *in);
    ck_assert_mem_eq(samples, in, sizeof in);

    format = (struct audio_format){ .channels = 1, .rate = 44100, .encoding = SF_FORMAT_VORBIS };
    for (size_t i = 0; i < FRAMES; i++)
        samples[i] = in[i % 10];
    ck_assert_ok(write_sound(TO_FILE, "x.ogg", &format, FRAMES));
    ck_assert_int_eq(read_all(&whole, FILE_WAY, &format), FRAMES);
    for (size_t i = 0; i < FRAMES; i++)
        ck_assert_double_lt(fabs(samples[i]), 8);
}
END_TEST

static uint64_t number(size_t at, int bytes)
{
    uint64_t value = 0;

    while (bytes-- > 0)
        value = value << 8 | whole.at[at + (size_t)bytes];
    return value;
}

START_TEST(the_header_of_a_wav_says_what_is_known)
{
    struct audio_format format = {
        .channels = 1,
        .rate = 44100,
        .encoding = SF_FORMAT_PCM_U8,
        .frames = 1001,
    };

    for (int to = TO_FILE; to <= TO_PIPE;
         to++) { /* the header that every reader knows, and padding */
        fill(1001);
        ck_assert_ok(write_sound(to, "x.wav", &format, 1001));
        ck_assert_uint_eq(whole.size, 44 + 1001 + 1);
        ck_assert_uint_eq(number(4, 4), whole.size - 8);
        ck_assert_uint_eq(number(40, 4), 1001);
    }
    /* A promise that was not kept: mended, or an error. */
    ck_assert_ok(write_sound(TO_FILE, "x.wav", &format, 1000));
    ck_assert_uint_eq(number(40, 4), 1000);
    ck_assert_error(write_sound(TO_PIPE, "x.wav", &format, 1000), -EINVAL);

    format.frames = 0;
    ck_assert_ok(write_sound(TO_FILE, "x.wav", &format, 1000)); /* with room for 64 bits */
    ck_assert_uint_eq(whole.size, 80 + 1000);
    ck_assert_uint_eq(number(4, 4), whole.size - 8);
    ck_assert_uint_eq(number(76, 4), 1000);
    ck_assert_ok(write_sound(TO_PIPE, "x.wav", &format, 1000));
    ck_assert_uint_eq(whole.size, 44 + 1000);
    ck_assert_uint_eq(number(4, 4), 0xffffffff);
    ck_assert_uint_eq(number(40, 4), 0xffffffff);
}
END_TEST

START_TEST(loudspeakers_stay_what_they_were)
{
    struct audio_format format = {
        .channels = 6,
        .rate = 48000,
        .encoding = SF_FORMAT_PCM_16,
        .speakers = 0x3f,
    };

    fill(6 * 100);
    ck_assert_ok(write_sound(TO_PIPE, "x.wav", &format, 100));
    ck_assert_int_eq(read_all(&whole, PIPE_WAY, &format), 100);
    ck_assert_uint_eq(format.speakers, 0x3f);
    ck_assert_int_eq(format.container, SF_FORMAT_WAVEX);
    ck_reads_as_reference(&whole, format.container);
}
END_TEST

START_TEST(a_wav_of_4_gb_becomes_an_rf64)
{
    unsigned char header[WAVE_HEADER], small[WAVE_HEADER];
    struct wave wave = {
        .coding = WAVE_F64, .channels = 2, .rate = 48000, .frame = 16, .data = 160
    };
    size_t size = wave_header(small, &wave, true);

    ck_assert(!wave.wide);
    wave.data = UINT32_MAX - 1 - (size - 8); /* the most that RIFF can say */
    wave.data -= wave.data % 16;
    ck_assert_uint_eq(wave_header(header, &wave, true), size);
    ck_assert_mem_eq(header, "RIFF", 4);
    for (wave.data += 16; wave.data < N(1) << 60; wave.data *= 2) {
        wave.wide = false;
        ck_assert_uint_eq(wave_header(header, &wave, true), size);
        ck_assert(wave.wide);
        memcpy(whole.at, header, whole.size = size);
        ck_assert_uint_eq(number(4, 4), 0xffffffff);
        ck_assert_uint_eq(number(20, 8), wave.data + size - 8);
        ck_assert_uint_eq(number(28, 8), wave.data);
        ck_assert_uint_eq(number(36, 8), wave.data / 16);
        ck_assert_uint_eq(number(size - 4, 4), 0xffffffff);
        ck_assert_mem_eq(header, "RF64", 4);
        ck_assert_mem_eq(header + 12, "ds64", 4);
        /* What has no room for it says that it goes on to the end. */
        size_t short_size = wave_header(
            header,
            &(struct wave){ .coding = WAVE_F64, .channels = 2, .rate = 48000, .data = wave.data },
            false);

        ck_assert_uint_eq(short_size, size - 36);
    }
}
END_TEST

START_TEST(a_full_disk_is_told)
{
    const struct audio_format format = { .channels = 2, .rate = 48000 };
    const char *const names[] = { "x.wav", "x.flac" };

    fill(2 * FRAMES);
    for (size_t i = 0; i < 2; i++) {
        struct audio_out *audio;
        struct output out;
        int r = 0;

        ck_assert_ok(output_open(&out, "/dev/full"));
        ck_assert_ok(audio_create(&audio, &out, names[i], &format, why, sizeof why));
        for (int n = 0; n < 20 && r == 0; n++)
            r = audio_write_f64(audio, samples, FRAMES);
        ck_assert_error(audio_finish(audio), -ENOSPC);
        output_discard(&out);
    }
}
END_TEST

START_TEST(what_is_abandoned_leaves_nothing)
{
    const struct audio_format format = { .channels = 2, .rate = 48000 };
    const char *const names[] = { "x.wav", "x.flac", "x.ogg" };

    fill(2 * FRAMES);
    for (size_t i = 0; i < 3; i++) {
        struct audio_out *audio;
        struct output out;

        ck_assert_ok(output_open(&out, "audio_test.abandoned"));
        ck_assert_ok(audio_create(&audio, &out, names[i], &format, why, sizeof why));
        ck_assert_ok(audio_write_f64(audio, samples, FRAMES));
        audio_abandon(audio);
        output_discard(&out);
        ck_assert_int_eq(access("audio_test.abandoned", F_OK), -1);
    }
}
END_TEST

START_TEST(names_with_a_known_ending_are_sound)
{
    const char *const sound[] = {
        "x.wav", "x.WAV",  "a/b.c/x.flac", "x.aif", "x.aiff", "x.au",  "x.snd", "x.caf",
        "x.w64", "x.rf64", "x.ogg",        "x.oga", "x.opus", "x.mp3", "x.voc", ".wav",
    };
    const char *const none[] = { "",      "x",       "wav", "x.txt",  "x.csv", "x.npy",
                                 "x.raw", "x.wav/y", "x.",  "x.wavy", "-" };

    for (size_t i = 0; i < sizeof sound / sizeof *sound; i++)
        ck_assert_msg(audio_knows(sound[i]), "%s", sound[i]);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_msg(!audio_knows(none[i]), "%s", none[i]);
}
END_TEST

UNIT_TESTS("audio", wav_and_its_kin_are_read_as_libsndfile_reads_them,
           other_containers_are_read_as_libsndfile_reads_them,
           f32_holds_what_the_format_says_it_holds, chunks_in_any_order_are_passed_over,
           sound_of_a_size_that_nobody_knew_is_read_to_its_end,
           integers_fill_their_bytes_from_the_top, a_damaged_wav_is_refused_with_a_sentence,
           what_is_not_sound_is_refused_with_a_sentence, a_wav_cut_anywhere_is_refused,
           other_containers_cut_short_are_refused, a_file_is_read_from_where_its_descriptor_stands,
           an_endless_pipe_is_read_as_it_comes, sound_beyond_4_gb_is_promised_as_it_is,
           a_copy_of_a_wav_has_the_same_samples_to_the_bit,
           every_container_is_written_so_that_libsndfile_reads_it,
           an_encoding_that_a_container_has_not_becomes_its_best,
           what_a_container_cannot_hold_is_refused, integers_are_clipped_and_have_no_nan,
           the_header_of_a_wav_says_what_is_known, loudspeakers_stay_what_they_were,
           a_wav_of_4_gb_becomes_an_rf64, a_full_disk_is_told, what_is_abandoned_leaves_nothing,
           names_with_a_known_ending_are_sound)

#else

START_TEST(without_libsndfile_every_call_says_so)
{
    struct audio_format format = { .channels = 1, .rate = 44100 };
    struct audio_in *in = NULL;
    struct audio_out *to = NULL;
    struct output out;
    char why[100];

    ck_assert_error(audio_open(&in, STDIN_FILENO, "'x.wav'", &format, why, sizeof why), -ENOTSUP);
    ck_assert_str_eq(why, "'x.wav': a sound file, and crew was built without libsndfile");
    ck_assert_int_eq(audio_read_f64(in, NULL, 1), -ENOTSUP);
    ck_assert_int_eq(audio_read_f32(in, NULL, 1), -ENOTSUP);
    ck_assert_str_eq(audio_why(in), "crew was built without libsndfile");
    audio_close(in);
    ck_assert_ok(output_open(&out, "/dev/null"));
    why[0] = '\0';
    ck_assert_error(audio_create(&to, &out, "x.wav", &format, why, sizeof why), -ENOTSUP);
    ck_assert_str_eq(why, "crew was built without libsndfile");
    ck_assert_error(audio_write_f64(to, NULL, 1), -ENOTSUP);
    ck_assert_error(audio_write_f32(to, NULL, 1), -ENOTSUP);
    ck_assert_error(audio_finish(to), -ENOTSUP);
    audio_abandon(to);
    output_discard(&out);
}
END_TEST

/* A sound file must not be read as text. */
START_TEST(without_libsndfile_sound_is_still_known_by_its_name)
{
    ck_assert(audio_knows("x.wav"));
    ck_assert(audio_knows("a/x.FLAC"));
    ck_assert(!audio_knows("x.txt"));
    ck_assert(!audio_knows("x"));
}
END_TEST

UNIT_TESTS("audio", without_libsndfile_every_call_says_so,
           without_libsndfile_sound_is_still_known_by_its_name)

#endif
