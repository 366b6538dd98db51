/* filter_source.c - opening, fetching, and reading on; see filter_source.h. */
#include "filter_source.h"

#include "filter_kernel.h"
#include "npy.h"
#include "say.h"

#include <crew.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { AHEAD_FIRST = 64 << 10, AHEAD_MOST = 64 << 20, BLOCK = 1 << 20, WIDE_PIPE = 1 << 20, TILE = 64 };

/* -- names -------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum signal_format format;
} endings[] = {
    {"text", SIGNAL_TEXT}, {"txt", SIGNAL_TEXT}, {"csv", SIGNAL_CSV}, {"tsv", SIGNAL_CSV},
    {"npy", SIGNAL_NPY},   {"f64", SIGNAL_F64},  {"f32", SIGNAL_F32},
};

enum signal_format signal_format_find(const char *format)
{
    char name[32];

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(format, endings[i].name) == 0)
            return endings[i].format;
    if (strlen(format) > 16)
        return SIGNAL_UNKNOWN;
    snprintf(name, sizeof name, "x.%s", format);
    return audio_knows(name) ? SIGNAL_AUDIO : SIGNAL_UNKNOWN;
}

enum signal_format signal_format_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');

    return dot ? signal_format_find(dot + 1) : SIGNAL_UNKNOWN;
}

/* -- bytes in order ----------------------------------------------------------------------- */

static bool is_ready(const struct source *source)
{
    struct pollfd p = {.fd = source->fd, .events = POLLIN};

    return poll(&p, 1, 0) != 0;
}

/* -EAGAIN: nothing is there, and not 'wait'. */
static int64_t read_on(struct source *source, char *out, size_t room, bool wait)
{
    ssize_t n;

    if (source->ended || room == 0)
        return 0;
    if (!wait && source->size == UINT64_MAX && !is_ready(source))
        return -EAGAIN;
    do
        n = read(source->fd, out, room);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        source->ended = true;
    return n < 0 ? -errno : n;
}

/* Reads ahead, so that 'want' bytes are there, or all; more if they are there already. */
static int peek(struct source *source, size_t want)
{
    size_t room = want < AHEAD_FIRST ? AHEAD_FIRST : want;

    while (source->ahead_size < want && !source->ended) {
        int64_t n;

        if (source->ahead_room < room) {
            char *larger = realloc(source->ahead, room);

            if (!larger)
                return -ENOMEM;
            source->ahead = larger;
            source->ahead_room = room;
        }
        n = read_on(source, source->ahead + source->ahead_size, source->ahead_room - source->ahead_size,
                    true);
        if (n < 0)
            return (int)n;
        source->ahead_size += (size_t)n;
    }
    return 0;
}

int64_t source_bytes(struct source *source, char *out, size_t room, bool wait)
{
    size_t ahead = source->ahead_size - source->ahead_at;
    int64_t n;

    if (ahead > 0) {
        n = (int64_t)(ahead < room ? ahead : room);
        memcpy(out, source->ahead + source->ahead_at, (size_t)n);
        source->ahead_at += (size_t)n;
    } else {
        n = read_on(source, out, room, wait);
    }
    if (n > 0)
        source->passed += (uint64_t)n;
    return n;
}

/* -- opening ------------------------------------------------------------------------------ */

static int refuse(const struct source *source, const char *why)
{
    return say_error("%s: %s", source->name, why);
}

static int refuse_error(const struct source *source, const char *doing, int error)
{
    return say_error("%s %s: %s", doing, source->name, crew_strerror(error));
}

static int open_table(struct source *source, enum table_kind kind, const char *const *columns,
                      unsigned count)
{
    size_t want = 1, head = 0;
    int r;

    do {
        r = peek(source, want);
        if (r < 0)
            return refuse_error(source, "reading", r);
        r = table_open(&source->table, kind, columns, count, source->ahead ? source->ahead : "",
                       source->ahead_size, source->ended, &head, source->why, sizeof source->why);
        want = source->ahead_size < AHEAD_FIRST ? source->ahead_size + 1 : 2 * source->ahead_size;
        if (r == TABLE_MORE && want > AHEAD_MOST)
            return refuse(source, "line 1 is longer than 64 MiB");
    } while (r == TABLE_MORE);
    if (r == -EINVAL)
        return refuse(source, source->why);
    if (r < 0)
        return refuse_error(source, "reading", r);
    source->kind = SOURCE_TABLE;
    source->ahead_at = head;
    source->passed = head;
    source->channels = table_channels(source->table);
    source->dimensions = source->channels > 1 ? 2 : 1;
    return EXIT_DONE;
}

/* The numbers begin behind 'head' bytes. */
static void is_numbers(struct source *source, off_t begin, size_t head)
{
    bool anywhere = source->size != UINT64_MAX;

    source->kind = anywhere ? SOURCE_ARRAY : SOURCE_STREAM;
    source->data = begin + (off_t)head;
    source->ahead_at = head < source->ahead_size ? head : source->ahead_size;
    source->left = source->rows;
}

static int open_npy(struct source *source, off_t begin)
{
    struct npy npy;
    size_t want = NPY_HEADER, need = 0;
    uint64_t size = source->size == UINT64_MAX ? UINT64_MAX : source->size;
    int r;

    do {
        r = peek(source, want);
        if (r < 0)
            return refuse_error(source, "reading", r);
        r = npy_read((const unsigned char *)(source->ahead ? source->ahead : ""), source->ahead_size, size,
                     &npy, &need, source->why, sizeof source->why);
        if (r == NPY_MORE && source->ended)
            return refuse(source, "ends within the header of its array");
        want = need;
    } while (r == NPY_MORE);
    if (r < 0)
        return refuse(source, source->why);
    source->format = npy.format;
    source->single = npy.format.kind == SAMPLE_F32;
    source->channels = (unsigned)npy.channels;
    if (npy.channels > UINT32_MAX)
        return refuse(source, "more than 2^32 - 1 columns");
    source->dimensions = npy.dimensions;
    source->rows = npy.rows;
    source->fortran = npy.fortran && npy.dimensions > 1;
    is_numbers(source, begin, npy.data);
    if (source->kind == SOURCE_STREAM && source->fortran && source->channels > 1 && source->rows > 1)
        return refuse(source, "an array in Fortran order can't be read from a pipe, for its columns "
                              "come one after the other");
    return EXIT_DONE;
}

static int open_raw(struct source *source, off_t begin, bool single)
{
    size_t size = single ? sizeof(float) : sizeof(double);

    source->format = (struct sample_format){.kind = single ? SAMPLE_F32 : SAMPLE_F64};
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    source->format.swapped = true;
#endif
    source->single = single;
    source->channels = source->dimensions = 1;
    if (source->size != UINT64_MAX) {
        if (source->size % size != 0) {
            snprintf(source->why, sizeof source->why,
                     "%llu bytes are no whole number of samples of %zu bytes",
                     (unsigned long long)source->size, size);
            return refuse(source, source->why);
        }
        source->rows = source->size / size;
    }
    is_numbers(source, begin, 0);
    return EXIT_DONE;
}

static int open_audio(struct source *source)
{
    int r = audio_open(&source->audio, source->fd, source->name, &source->audio_format, source->why,
                       sizeof source->why);

    if (r < 0)
        return say_error("%s", source->why);
    source->kind = SOURCE_AUDIO;
    source->channels = source->audio_format.channels;
    source->dimensions = source->channels > 1 ? 2 : 1;
    source->single = source->audio_format.single;
    return EXIT_DONE;
}

static int open_file(struct source *source, const char *path)
{
    struct stat st;
    off_t begin;

    if (strcmp(path, "-") == 0) {
        source->fd = STDIN_FILENO;
    } else {
        source->fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
        if (source->fd < 0)
            return refuse_error(source, "opening", -errno);
        source->owned = true;
    }
    if (fstat(source->fd, &st) < 0)
        return refuse_error(source, "reading", -errno);
    if (S_ISDIR(st.st_mode))
        return refuse_error(source, "reading", -EISDIR);
    begin = lseek(source->fd, 0, SEEK_CUR);
    if (S_ISREG(st.st_mode) && begin >= 0 && st.st_size > 0) {
        source->size = begin < st.st_size ? (uint64_t)(st.st_size - begin) : 0;
        source->data = begin;
        posix_fadvise(source->fd, begin, 0, POSIX_FADV_SEQUENTIAL);
    } else if (S_ISFIFO(st.st_mode)) {
        fcntl(source->fd, F_SETPIPE_SZ, WIDE_PIPE);
    }
    return EXIT_DONE;
}

int source_open(struct source *source, const char *path, enum signal_format format,
                const char *const *columns, unsigned count)
{
    int status;

    *source = (struct source){.fd = -1, .rows = UINT64_MAX, .size = UINT64_MAX, .left = UINT64_MAX};
    source->name = strcmp(path, "-") == 0 ? strdup("standard input") : strdup(quoted(path));
    if (!source->name)
        return say_error("no memory");
    status = open_file(source, path);
    if (status != EXIT_DONE)
        return status;
    switch (format) {
    case SIGNAL_CSV:
        return open_table(source, TABLE_CSV, columns, count);
    case SIGNAL_NPY:
        return open_npy(source, source->data);
    case SIGNAL_AUDIO:
        return open_audio(source);
    case SIGNAL_F64:
    case SIGNAL_F32:
        return open_raw(source, source->data, format == SIGNAL_F32);
    case SIGNAL_TEXT:
    case SIGNAL_UNKNOWN:
        break;
    }
    return open_table(source, TABLE_TEXT, NULL, 0);
}

void source_generate(struct source *source, uint64_t rows, uint64_t seed)
{
    *source = (struct source){
        .kind = SOURCE_NOISE, .name = strdup("the generated signal"), .channels = 1, .dimensions = 1,
        .rows = rows, .seed = seed, .fd = -1, .size = UINT64_MAX,
    };
}

void source_raw(struct source *source, int fd, const char *name, bool single, unsigned channels,
                unsigned dimensions, uint64_t rows)
{
    *source = (struct source){
        .kind = SOURCE_ARRAY, .name = strdup(name), .format.kind = single ? SAMPLE_F32 : SAMPLE_F64,
        .single = single, .channels = channels, .dimensions = dimensions, .rows = rows, .fd = fd,
        .owned = true, .size = UINT64_MAX,
    };
}

void source_close(struct source *source)
{
    if (source->table)
        table_close(source->table);
    if (source->audio)
        audio_close(source->audio);
    if (source->owned && source->fd >= 0)
        close(source->fd);
    free(source->ahead);
    free((void *)(uintptr_t)source->name);
    *source = (struct source){.fd = -1};
}

bool source_anywhere(const struct source *source)
{
    return source->kind == SOURCE_ARRAY || source->kind == SOURCE_NOISE;
}

/* -- from any place ----------------------------------------------------------------------- */

static enum sample_kind wanted_kind(bool single)
{
    return single ? SAMPLE_F32 : SAMPLE_F64;
}

static bool as_it_is(const struct source *source, bool single)
{
    return source->format.kind == wanted_kind(single) && !source->format.swapped;
}

static void convert(const struct source *source, void *out, bool single, const char *in, size_t stride,
                    size_t count)
{
    if (single)
        samples_to_f32(out, in, stride, count, source->format);
    else
        samples_to_f64(out, in, stride, count, source->format);
}

static int read_at(const struct source *source, void *to, size_t size, off_t at)
{
    for (char *s = to; size > 0;) {
        ssize_t n = pread(source->fd, s, size, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
        s += n;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

size_t source_staging(const struct source *source, uint64_t rows, bool single)
{
    if (source->kind == SOURCE_NOISE)
        return single ? rows * sizeof(double) : 0;
    if (as_it_is(source, single) && (source->channels == 1 || source->fortran))
        return 0;
    return rows * (source->fortran ? 1 : source->channels) * sample_size(source->format.kind);
}

static int fetch_noise(const struct source *source, uint64_t first, uint64_t rows, void *out, bool single,
                       double *staging)
{
    filter_generate(source->seed, first, rows, single ? staging : out);
    for (uint64_t i = 0; single && i < rows; i++)
        ((float *)out)[i] = (float)staging[i];
    return 0;
}

int source_fetch(const struct source *source, uint64_t first, uint64_t rows, void *out, size_t stride,
                 bool single, void *staging)
{
    size_t size = sample_size(source->format.kind), width = single ? sizeof(float) : sizeof(double);
    unsigned channels = source->channels;
    bool plain = as_it_is(source, single);
    int r;

    if (rows == 0)
        return 0;
    if (source->kind == SOURCE_NOISE)
        return fetch_noise(source, first, rows, out, single, staging);
    if (channels == 1 || source->fortran) {
        for (unsigned c = 0; c < channels; c++) {
            char *to = (char *)out + c * stride;
            off_t at = source->data + (off_t)((c * source->rows + first) * size);

            r = read_at(source, plain ? to : staging, rows * size, at);
            if (r < 0)
                return r;
            if (!plain)
                convert(source, to, single, staging, size, rows);
        }
        return 0;
    }
    r = read_at(source, staging, rows * channels * size, source->data + (off_t)(first * channels * size));
    if (r < 0)
        return r;
    for (uint64_t i = 0; i < rows; i += TILE) /* few at a time: they are near for the next channel */
        for (unsigned c = 0; c < channels; c++)
            convert(source, (char *)out + c * stride + i * width, single,
                    (char *)staging + (i * channels + c) * size, channels * size,
                    rows - i < TILE ? rows - i : TILE);
    return 0;
}

/* -- in order ----------------------------------------------------------------------------- */

static int64_t audio_rows(struct source *source, void *out, bool single, uint64_t most)
{
    int64_t n = single ? audio_read_f32(source->audio, out, most) : audio_read_f64(source->audio, out, most);

    if (n >= 0)
        return n;
    snprintf(source->why, sizeof source->why, "%s", audio_why(source->audio));
    return -EINVAL;
}

/* Gathers whole rows in 'ahead', which begins at 'ahead_at'. */
static int64_t gather(struct source *source, size_t row, bool wait)
{
    size_t have = source->ahead_size - source->ahead_at;
    size_t room = row > BLOCK ? row : BLOCK;

    if (have >= row)
        return 0;
    if (source->ahead_at > 0)
        memmove(source->ahead, source->ahead + source->ahead_at, have);
    source->ahead_at = 0;
    source->ahead_size = have;
    if (source->ahead_room < room) {
        char *larger = realloc(source->ahead, room);

        if (!larger)
            return -ENOMEM;
        source->ahead = larger;
        source->ahead_room = room;
    }
    while (source->ahead_size < row) {
        int64_t n = read_on(source, source->ahead + source->ahead_size,
                            source->ahead_room - source->ahead_size, wait);

        if (n < 0)
            return n;
        if (n == 0)
            break;
        source->ahead_size += (size_t)n;
    }
    return 0;
}

static int64_t ended_early(struct source *source, size_t rest)
{
    if (source->rows != UINT64_MAX)
        snprintf(source->why, sizeof source->why, "%s: ends after %llu of %llu samples", source->name,
                 (unsigned long long)(source->rows - source->left), (unsigned long long)source->rows);
    else
        snprintf(source->why, sizeof source->why, "%s: ends within a sample, %zu bytes after its begin",
                 source->name, rest);
    return -EINVAL;
}

int64_t source_rows(struct source *source, void *out, bool single, uint64_t most, bool wait)
{
    size_t size = sample_size(source->format.kind), row = size * source->channels, rows;
    int64_t r;

    if (source->kind == SOURCE_AUDIO)
        return audio_rows(source, out, single, most);
    if (source->left == 0 || row == 0)
        return 0;
    r = gather(source, row, wait);
    if (r < 0)
        return r;
    rows = (source->ahead_size - source->ahead_at) / row;
    if (rows == 0) {
        size_t rest = source->ahead_size - source->ahead_at;

        return rest > 0 || source->rows != UINT64_MAX ? ended_early(source, rest) : 0;
    }
    if (rows > most)
        rows = most;
    if (rows > source->left)
        rows = source->left;
    convert(source, out, single, source->ahead + source->ahead_at, size, rows * source->channels);
    source->ahead_at += rows * row;
    source->passed += rows * row;
    if (source->left != UINT64_MAX)
        source->left -= rows;
    return (int64_t)rows;
}

double source_part(const struct source *source)
{
    if (source->kind == SOURCE_STREAM && source->rows != UINT64_MAX)
        return source->rows ? (double)(source->rows - source->left) / (double)source->rows : 1;
    if (source->size == UINT64_MAX || source->size == 0)
        return 0;
    return (double)source->passed / (double)source->size;
}
