/* filter_sink.c - shapes of output; see filter_sink.h. */
#include "filter_sink.h"

#include "decimal.h"
#include "npy.h"
#include "temporary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TILE = 64 };

/* -- in workers --------------------------------------------------------------------------- */

static size_t width(const struct sink *sink)
{
    return sink->single ? sizeof(float) : sizeof(double);
}

static bool binary(const struct sink *sink)
{
    return sink->shape == SINK_NPY || sink->shape == SINK_RAW || sink->shape == SINK_AUDIO;
}

size_t sink_room(const struct sink *sink, size_t rows)
{
    if (binary(sink))
        return rows * sink->channels * width(sink);
    return rows * (sink->channels * (size_t)DECIMAL_MOST + 4);
}

/* Rows begin ... end - 1; passed over again for the next channel, so few of them. */
static void interleave_tile(const struct sink *sink, const char *mean, size_t stride, size_t begin,
                            size_t end, char *out)
{
    const size_t channels = sink->channels;

    for (size_t c = 0; c < channels; c++) {
        const double *d = (const double *)(mean + c * stride);
        const float *f = (const float *)(mean + c * stride);

        if (sink->single)
            for (size_t i = begin; i < end; i++)
                memcpy(out + (i * channels + c) * sizeof *f, &f[i], sizeof *f);
        else
            for (size_t i = begin; i < end; i++)
                memcpy(out + (i * channels + c) * sizeof *d, &d[i], sizeof *d);
    }
}

static size_t interleave(const struct sink *sink, const char *mean, size_t stride, size_t rows, char *out)
{
    if (sink->channels == 1 && out != mean)
        memcpy(out, mean, rows * width(sink));
    for (size_t i = 0; i < rows && sink->channels > 1; i += TILE)
        interleave_tile(sink, mean, stride, i, i + TILE < rows ? i + TILE : rows, out);
    return rows * sink->channels * width(sink);
}

/* JSON has no other word for what is not a number. */
static char *put_null(char *at)
{
    static const char null[4] = {'n', 'u', 'l', 'l'};

    return (char *)memcpy(at, null, sizeof null) + sizeof null;
}

static char *put_number(const struct sink *sink, char *at, const char *from, size_t i)
{
    if (sink->single) {
        float x = ((const float *)from)[i];

        if (sink->shape == SINK_JSON && !isfinite(x))
            return put_null(at);
        return decimal_write_f32(at, x);
    }
    double x = ((const double *)from)[i];

    if (sink->shape == SINK_JSON && !isfinite(x))
        return put_null(at);
    return decimal_write_f64(at, x);
}

static size_t put_lines(const struct sink *sink, const char *mean, size_t stride, size_t rows, char *out)
{
    char delimiter = sink->shape == SINK_CSV ? sink->delimiter : ' ', *at = out;

    for (size_t i = 0; i < rows; i++) {
        for (unsigned c = 0; c < sink->channels; c++) {
            at = put_number(sink, at, mean + c * stride, i);
            *at++ = delimiter;
        }
        at[-1] = '\n';
    }
    return (size_t)(at - out);
}

/* Every row with the comma that stands before it. */
static size_t put_json(const struct sink *sink, const char *mean, size_t stride, size_t rows, char *out)
{
    char *at = out;

    for (size_t i = 0; i < rows; i++) {
        *at++ = ',';
        *at++ = ' ';
        if (sink->channels > 1)
            *at++ = '[';
        for (unsigned c = 0; c < sink->channels; c++) {
            if (c > 0) {
                *at++ = ',';
                *at++ = ' ';
            }
            at = put_number(sink, at, mean + c * stride, i);
        }
        if (sink->channels > 1)
            *at++ = ']';
    }
    return (size_t)(at - out);
}

size_t sink_format(const struct sink *sink, const void *mean, size_t stride, size_t rows, char *out)
{
    if (binary(sink))
        return interleave(sink, mean, stride, rows, out);
    if (sink->shape == SINK_JSON)
        return put_json(sink, mean, stride, rows, out);
    return put_lines(sink, mean, stride, rows, out);
}

/* -- in the command ----------------------------------------------------------------------- */

static void npy_head(const struct sink_file *file, char head[NPY_HEADER], uint64_t rows)
{
    npy_write(head, file->sink->single ? "<f4" : "<f8", file->sink->dimensions, rows,
              file->sink->channels);
}

static int begin(struct sink_file *file)
{
    const struct sink *sink = file->sink;
    struct audio_format audio;
    char head[NPY_HEADER];

    if (file->begun)
        return 0;
    file->begun = true;
    switch (sink->shape) {
    case SINK_NPY:
        npy_head(file, head, file->expected == UINT64_MAX ? 0 : file->expected);
        return output_write(&file->out, head, NPY_HEADER);
    case SINK_CSV:
        return output_write(&file->out, sink->header, strlen(sink->header));
    case SINK_JSON:
        return output_write(&file->out, sink->members, strlen(sink->members));
    case SINK_AUDIO:
        audio = sink->audio;
        audio.frames = file->expected == UINT64_MAX ? 0 : file->expected;
        return audio_create(&file->audio, &file->out, sink->audio_name, &audio, file->why,
                            sizeof file->why);
    case SINK_TEXT:
    case SINK_RAW:
        break;
    }
    return 0;
}

int sink_open(struct sink_file *file, const struct sink *sink, uint64_t rows)
{
    int r;

    *file = (struct sink_file){.sink = sink, .out.fd = -1, .target.fd = -1, .expected = rows};
    if (sink->fd != 0) {
        file->out = (struct output){.fd = sink->fd, .pipe_widened = true};
        return 0;
    }
    r = output_open(&file->out, sink->path);
    if (r < 0)
        return r;
    if (sink->shape == SINK_NPY && rows == UINT64_MAX && !file->out.patchable) {
        file->target = file->out;
        file->spooled = true;
        file->out = (struct output){.fd = temporary_file(), .patchable = true, .pipe_widened = true};
        if (file->out.fd < 0)
            return file->out.fd;
    }
    if (sink->shape == SINK_TEXT || sink->shape == SINK_CSV)
        file->out.record = RECORD_LINE;
    else if (binary(sink) && !sink->single && sink->channels == 1)
        file->out.record = RECORD_8_BYTES;
    else
        file->out.record = RECORD_NONE;
    return 0;
}

int sink_places(struct sink_file *file, uint64_t *begins)
{
    const struct sink *sink = file->sink;
    int r;

    if ((sink->shape != SINK_NPY && sink->shape != SINK_RAW) || file->expected == UINT64_MAX ||
        !file->out.named)
        return 0;
    r = begin(file);
    *begins = file->out.written;
    return r < 0 ? r : 1;
}

void sink_leave(struct sink_file *file, uint64_t rows)
{
    output_leave(&file->out, rows * sink_room(file->sink, 1));
    file->rows += rows;
}

int sink_put(struct sink_file *file, const char *bytes, size_t size, size_t rows)
{
    int r = rows > 0 ? begin(file) : 0;

    if (r < 0 || rows == 0)
        return r;
    if (file->sink->shape == SINK_JSON && file->rows == 0) { /* before the first there is no comma */
        bytes += 2;
        size -= 2;
    }
    file->rows += rows;
    if (!file->audio)
        return output_write(&file->out, bytes, size);
    return file->sink->single ? audio_write_f32(file->audio, (const float *)bytes, rows)
                              : audio_write_f64(file->audio, (const double *)bytes, rows);
}

static int copy(struct sink_file *file)
{
    static char buffer[1 << 16];
    off_t at = 0;
    ssize_t n;

    while ((n = pread(file->out.fd, buffer, sizeof buffer, at)) > 0) {
        int r = output_write(&file->target, buffer, (size_t)n);

        if (r < 0)
            return r;
        at += n;
    }
    return n < 0 ? -errno : 0;
}

int sink_finish(struct sink_file *file)
{
    char text[96];
    int r = begin(file), n;

    if (r < 0)
        return r;
    switch (file->sink->shape) {
    case SINK_NPY: {
        char head[NPY_HEADER];

        npy_head(file, head, file->rows);
        if (file->out.patchable)
            r = output_patch(&file->out, 0, head, NPY_HEADER);
        break;
    }
    case SINK_JSON:
        n = snprintf(text, sizeof text, "], \"length\": %llu}\n", (unsigned long long)file->rows);
        r = output_write(&file->out, text, (size_t)n);
        break;
    case SINK_AUDIO:
        r = audio_finish(file->audio);
        file->audio = NULL;
        break;
    default:
        break;
    }
    if (r == 0 && file->spooled)
        r = copy(file);
    if (r == 0 && file->sink->fd != 0)
        return 0;
    return r < 0 ? r : output_finish(file->spooled ? &file->target : &file->out);
}

void sink_discard(struct sink_file *file)
{
    if (file->audio)
        audio_abandon(file->audio);
    file->audio = NULL;
    if (file->spooled) {
        if (file->out.fd >= 0)
            close(file->out.fd);
        output_discard(&file->target);
    } else if (file->sink->fd == 0) {
        output_discard(&file->out);
    }
}
