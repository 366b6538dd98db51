/* output.c - writes results whole or not at all; see output.h. */
#include "output.h"

#include "interrupt.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Disk is asked for ahead in steps from here on: written blocks that are there already cost a
 * third less. */
enum { RESERVE_FROM = 4 << 20, RESERVE_STEP = 128 << 20, WIDE_PIPE = 1 << 20 };

/* How long a signal waits for a full pipe to take the rest of a line. */
enum { LAST_WORDS_MS = 100 };

/* -- opening ------------------------------------------------------------------------------ */

static char *beside(const char *target, const char *name)
{
    const char *slash = strrchr(target, '/');
    int folder = slash ? (int)(slash - target) + 1 : 0;
    char *path;

    return asprintf(&path, "%.*s%s", folder, target, name) < 0 ? NULL : path;
}

/* With a name, where the file system or a missing /proc leaves no choice. */
static int open_named(struct output *out, mode_t mode)
{
    char *path = beside(out->target, ".crew-XXXXXX");
    int r = 0;

    if (!path)
        return -ENOMEM;
    interrupt_hold();
    out->fd = mkostemp(path, O_CLOEXEC);
    if (out->fd < 0) {
        r = -errno;
        free(path);
    } else {
        out->temporary = path;
        interrupt_remove(path);
        if (fchmod(out->fd, mode) < 0)
            r = -errno;
    }
    interrupt_release();
    return r;
}

static int open_temporary(struct output *out, const struct stat *old)
{
    mode_t mask = umask(0);
    char *folder = beside(out->target, ".");

    umask(mask);
    if (!folder)
        return -ENOMEM;
    if (access("/proc/self/fd", X_OK) == 0)
        out->fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
    free(folder);
    if (out->fd < 0)
        return open_named(out, old ? old->st_mode & 07777 : 0666 & ~mask);
    if (old && fchmod(out->fd, old->st_mode & 07777) < 0)
        return -errno;
    return 0;
}

static int open_file(struct output *out, const char *path)
{
    struct stat old;
    bool exists = stat(path, &old) == 0;
    int r;

    if (!exists && errno != ENOENT)
        return -errno;
    if (*path == '\0')
        return -ENOENT;
    if (exists && S_ISDIR(old.st_mode))
        return -EISDIR;
    if (exists && !S_ISREG(old.st_mode)) {
        out->fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);
        return out->fd < 0 ? -errno : 0;
    }
    if (exists && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0)
        return -errno;
    out->target = exists ? realpath(path, NULL) : strdup(path);
    if (!out->target)
        return -errno;
    out->named = true;
    out->replaces = exists;
    r = open_temporary(out, exists ? &old : NULL);
    if (r < 0)
        output_discard(out);
    return r;
}

int output_open(struct output *out, const char *path)
{
    struct stat st;
    int r = 0;

    *out = (struct output){.fd = -1};
    if (!path || strcmp(path, "-") == 0)
        out->fd = STDOUT_FILENO;
    else
        r = open_file(out, path);
    if (r < 0)
        return r;
    if (fstat(out->fd, &st) == 0 && S_ISREG(st.st_mode)) {
        int flags = fcntl(out->fd, F_GETFL);

        out->begin = lseek(out->fd, 0, SEEK_CUR);
        out->patchable = out->begin >= 0 && flags >= 0 && !(flags & O_APPEND);
    }
    out->pipe_widened = !S_ISFIFO(st.st_mode);
    return 0;
}

/* -- writing ------------------------------------------------------------------------------ */

static void reserve(struct output *out, uint64_t size)
{
    uint64_t from = out->reserved > out->written ? out->reserved : out->written;

    if (out->written + size <= out->reserved)
        return;
    if (fallocate(out->fd, 0, (off_t)from, RESERVE_STEP) == 0) {
        out->reserved = from + RESERVE_STEP;
    } else {
        /* It is only a matter of speed. Whether the disk has room for the data, write() says;
         * what a failed step may have taken is given back. */
        out->reserved = UINT64_MAX;
        if (ftruncate(out->fd, (off_t)out->written) < 0)
            return;
    }
}

static bool at_record_end(const struct output *out, const char *begin, const char *at)
{
    switch (out->record) {
    case RECORD_LINE:
        return at == begin || at[-1] == '\n';
    case RECORD_8_BYTES:
        return (at - begin) % 8 == 0;
    case RECORD_NONE:
        break;
    }
    return true;
}

/* How much to write after a signal: the rest of the record, if the reader takes it. */
static size_t last_words(const struct output *out, const char *begin, const char *at, size_t left)
{
    struct pollfd p = {.fd = out->fd, .events = POLLOUT};
    size_t n = 0;

    while (n < left && !at_record_end(out, begin, at + n))
        n++;
    return n == 0 || poll(&p, 1, LAST_WORDS_MS) <= 0 ? 0 : n;
}

static int write_all(struct output *out, const char *data, size_t size)
{
    const char *at = data;
    size_t left = size;

    while (left > 0) {
        size_t want = interrupt_pending() ? last_words(out, data, at, left) : left;

        if (want == 0)
            return 0; /* interrupt_release() ends it */
        ssize_t n = write(out->fd, at, want);

        if (n >= 0) {
            at += n;
            left -= (size_t)n;
            out->written += (uint64_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd p = {.fd = out->fd, .events = POLLOUT};

            if (poll(&p, 1, -1) < 0 && errno != EINTR)
                return -errno;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

int output_write(struct output *out, const void *data, size_t size)
{
    int r;

    if (out->named && (out->written >= RESERVE_FROM || size >= RESERVE_FROM))
        reserve(out, size);
    if (!out->pipe_widened && size >= 1 << 16) {
        out->pipe_widened = true;
        /* A wish: an unprivileged user may be over the limit of all pipes together. */
        if (fcntl(out->fd, F_SETPIPE_SZ, WIDE_PIPE) < 0)
            out->pipe_widened = true;
    }
    interrupt_hold();
    r = write_all(out, data, size);
    interrupt_release();
    return r;
}

void output_leave(struct output *out, uint64_t size)
{
    if (out->written + size >= RESERVE_FROM)
        reserve(out, size);
    out->written += size;
}

int output_write_at(int fd, const void *data, size_t size, uint64_t place)
{
    for (const char *at = data; size > 0;) {
        ssize_t n = pwrite(fd, at, size, (off_t)place);

        if (n == 0 || (n < 0 && errno != EINTR))
            return n < 0 ? -errno : -EIO;
        if (n > 0) {
            at += n;
            place += (uint64_t)n;
            size -= (size_t)n;
        }
    }
    return 0;
}

int output_patch(struct output *out, uint64_t offset, const void *data, size_t size)
{
    return output_write_at(out->fd, data, size, (uint64_t)out->begin + offset);
}

/* -- the end ------------------------------------------------------------------------------ */

/* Gives the nameless file a name: the target's, or one beside it when that is taken. */
static int link_nameless(struct output *out)
{
    char self[40], name[40];

    snprintf(self, sizeof self, "/proc/self/fd/%d", out->fd);
    if (!out->replaces) {
        if (linkat(AT_FDCWD, self, AT_FDCWD, out->target, AT_SYMLINK_FOLLOW) == 0)
            return 0;
        if (errno != EEXIST)
            return -errno;
    }
    for (unsigned i = 0;; i++) {
        snprintf(name, sizeof name, ".crew-%d-%u", (int)getpid(), i);
        free(out->temporary);
        out->temporary = beside(out->target, name);
        if (!out->temporary)
            return -ENOMEM;
        if (linkat(AT_FDCWD, self, AT_FDCWD, out->temporary, AT_SYMLINK_FOLLOW) == 0)
            return 0;
        if (errno != EEXIST)
            break;
    }
    int error = errno;

    free(out->temporary);
    out->temporary = NULL;
    return -error;
}

static int publish(struct output *out)
{
    int r = 0;

    if (out->reserved > out->written && ftruncate(out->fd, (off_t)out->written) < 0)
        return -errno;
    interrupt_hold();
    if (!out->temporary)
        r = link_nameless(out);
    if (r == 0 && out->temporary) {
        if (rename(out->temporary, out->target) < 0) {
            r = -errno;
        } else {
            interrupt_remove(NULL);
            free(out->temporary);
            out->temporary = NULL;
        }
    }
    interrupt_release();
    return r;
}

static void forget(struct output *out)
{
    interrupt_hold();
    if (out->temporary)
        unlink(out->temporary);
    interrupt_remove(NULL);
    interrupt_release();
    free(out->temporary);
    free(out->target);
    *out = (struct output){.fd = -1};
}

int output_finish(struct output *out)
{
    int r = out->named ? publish(out) : 0;

    if (out->fd > STDERR_FILENO && close(out->fd) < 0 && r == 0 && errno != EINTR)
        r = -errno;
    forget(out);
    return r;
}

void output_discard(struct output *out)
{
    if (out->fd > STDERR_FILENO)
        close(out->fd);
    forget(out);
}
