/* audio_source.c - see audio_source.h. It writes nothing but a file without a name, which is gone
 * with this process. */
#include "audio_source.h"

#include "temporary.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int audio_source_open(struct audio_source *source, int fd)
{
    struct stat st;

    *source = (struct audio_source){ .fd = fd };
    source->buffer = malloc(SOURCE_BUFFER);
    if (!source->buffer)
        return -ENOMEM;
    /* Files of /proc are "regular", and empty until they are read. */
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
        source->base = lseek(fd, 0, SEEK_CUR);
        source->seekable = source->base >= 0;
        if (source->seekable && st.st_size > source->base)
            source->size = (uint64_t)(st.st_size - source->base);
    }
    return 0;
}

void audio_source_close(struct audio_source *source)
{
    if (source->owned)
        close(source->fd);
    free(source->buffer);
    *source = (struct audio_source){ .fd = -1 };
}

/* One read, of what stands 'ahead' bytes behind the next byte. 0: the end, or an error. */
static size_t read_some(struct audio_source *source, void *bytes, size_t size, uint64_t ahead)
{
    while (!source->error) {
        ssize_t n = source->seekable
                        ? pread(source->fd, bytes, size, source->base + (off_t)(source->at + ahead))
                        : read(source->fd, bytes, size);

        if (n >= 0)
            return (size_t)n;
        if (errno == EAGAIN) {
            struct pollfd p = { .fd = source->fd, .events = POLLIN };

            if (poll(&p, 1, -1) >= 0)
                continue;
        }
        if (errno != EINTR)
            source->error = -errno;
    }
    return 0;
}

static void fill(struct audio_source *source, size_t size)
{
    if (source->end - source->begin >= size)
        return;
    if (SOURCE_BUFFER - source->begin < size || source->begin == source->end) {
        memmove(source->buffer, source->buffer + source->begin, source->end - source->begin);
        source->end -= source->begin;
        source->begin = 0;
    }
    while (source->end - source->begin < size) {
        size_t n = read_some(source, source->buffer + source->end, SOURCE_BUFFER - source->end,
                             source->end - source->begin);

        if (n == 0)
            break;
        source->end += n;
    }
}

static void pass(struct audio_source *source, size_t size)
{
    source->begin += size;
    source->at += size;
}

size_t audio_source_peek(struct audio_source *source, size_t size, const unsigned char **bytes)
{
    size_t have;

    fill(source, size);
    have = source->end - source->begin;
    *bytes = source->buffer + source->begin;
    return have < size ? have : size;
}

uint64_t audio_source_read(struct audio_source *source, void *bytes, uint64_t size)
{
    char *to = bytes;
    uint64_t done = 0;

    while (done < size) {
        size_t have = source->end - source->begin;
        uint64_t left = size - done;

        if (have > 0) {
            size_t n = have < left ? have : (size_t)left;

            memcpy(to + done, source->buffer + source->begin, n);
            pass(source, n);
            done += n;
        } else if (left >= SOURCE_BUFFER) {
            size_t n = read_some(source, to + done, left, 0);

            source->begin = source->end = 0;
            if (n == 0)
                break;
            source->at += n;
            done += n;
        } else {
            fill(source, 1);
            if (source->end == source->begin)
                break;
        }
    }
    return done;
}

void audio_source_seek(struct audio_source *source, uint64_t at)
{
    uint64_t first = source->at - source->begin; /* what buffer[0] is */

    if (at >= first && at - first <= source->end)
        source->begin = (size_t)(at - first);
    else
        source->begin = source->end = 0;
    source->at = at;
}

uint64_t audio_source_skip(struct audio_source *source, uint64_t size)
{
    uint64_t done = 0;

    if (source->seekable) {
        uint64_t left = source->at < source->size ? source->size - source->at : 0;

        done = size < left ? size : left;
        audio_source_seek(source, source->at + done);
        return done;
    }
    while (done < size) {
        size_t have;

        fill(source, 1);
        have = source->end - source->begin;
        if (have == 0)
            break;
        if (have > size - done)
            have = (size_t)(size - done);
        pass(source, have);
        done += have;
    }
    return done;
}

static int write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

int audio_source_spool(struct audio_source *source, const void *head, size_t size)
{
    uint64_t all = size;
    int fd = temporary_file(), r;

    if (fd < 0)
        return fd;
    r = write_all(fd, head, size);
    while (r == 0) {
        size_t have;

        fill(source, 1);
        have = source->end - source->begin;
        if (have == 0)
            break;
        r = write_all(fd, (const char *)source->buffer + source->begin, have);
        pass(source, have);
        all += have;
    }
    if (r == 0)
        r = source->error;
    if (r < 0) {
        close(fd);
        return r;
    }
    source->fd = fd;
    source->owned = true;
    source->seekable = true;
    source->base = 0;
    source->size = all;
    source->at = 0;
    source->begin = source->end = 0;
    return 0;
}
