/* temporary.c - see temporary.h. */
#include "temporary.h"

#include "interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Where the file system can't do without a name: it has one for a moment. */
static int open_named(const char *folder)
{
    char *path;
    int fd;

    if (asprintf(&path, "%s/.crew-XXXXXX", folder) < 0)
        return -ENOMEM;
    interrupt_hold();
    fd = mkostemp(path, O_CLOEXEC);
    fd = fd < 0 ? -errno : fd;
    if (fd >= 0)
        unlink(path);
    interrupt_release();
    free(path);
    return fd;
}

int temporary_file(void)
{
    const char *folder = getenv("TMPDIR");
    int fd;

    if (!folder || !*folder)
        folder = "/tmp";
    fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : open_named(folder);
}
