/* memory.c - nameless shared memory that is bought before it is touched. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

/* One call of fallocate() undoes itself when a signal comes; in steps, something stays. */
#define BUY_STEP ((size_t)16 << 20)

int os_memory_create(const char *name, size_t size)
{
    int fd;

    if (size > os_file_limit())
        return -EFBIG; /* asking anyway would raise SIGXFSZ */
    fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)size) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int r = -errno;

        close(fd);
        return r;
    }
    return fd;
}

int os_memory_buy(int fd, size_t offset, size_t size)
{
    while (size > 0) {
        size_t step = size < BUY_STEP ? size : BUY_STEP;

        if (fallocate(fd, 0, (off_t)offset, (off_t)step) == 0) {
            offset += step;
            size -= step;
        } else if (errno != EINTR) {
            return errno == ENOSPC ? -ENOMEM : -errno;
        }
    }
    return 0;
}

int os_memory_map(int fd, size_t size, uintptr_t wish, size_t align, void **base)
{
    const int access = PROT_READ | PROT_WRITE;
    const int flags = MAP_SHARED | MAP_NORESERVE;
    char *at = MAP_FAILED;
    char *room;
    size_t skip;

    if (wish != 0)
        at = mmap((void *)wish, size, access, flags | MAP_FIXED_NOREPLACE, fd, 0);
    if (at == (void *)wish && wish != 0) {
        *base = at;
        return 0;
    }
    if (at != MAP_FAILED)
        munmap(at, size); /* a kernel that takes the wish for a hint */
    /* room for the alignment, of which the ends are given back */
    room = mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return -errno;
    skip = (align - (uintptr_t)room % align) % align;
    at = mmap(room + skip, size, access, flags | MAP_FIXED, fd, 0);
    if (at == MAP_FAILED) {
        int r = -errno;

        munmap(room, size + align);
        return r;
    }
    if (skip > 0)
        munmap(room, skip);
    munmap(room + skip + size, align - skip);
    *base = at;
    return 0;
}

void os_memory_unmap(void *base, size_t size)
{
    munmap(base, size);
}

size_t os_memory_total(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long size = sysconf(_SC_PAGESIZE);

    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : (size_t)1 << 30;
}

size_t os_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_FSIZE, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    return limit.rlim_cur;
}

void os_close(int fd)
{
    close(fd);
}
