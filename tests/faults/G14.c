/* G14.c - more shared memory is wanted than there is: the caller is told, and nothing that it
 * was given ends in SIGBUS. How small /dev/shm is does not matter: the arena has no name in any
 * file system. */
#include "fault.h"

#include <sys/mount.h>

#define MB ((size_t)1 << 20)

FAULT("G14", "8 MB of shared memory where 1 MB is left")
{
    bool small = unshare(CLONE_NEWNS) == 0 &&
                 mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                 mount("faults", "/dev/shm", "tmpfs", 0, "size=1m") == 0;
    void *block;
    int r;

    must(crew_init(NULL));
    must(crew_memory_alloc(&block, 8 * MB));
    memset(block, 1, 8 * MB);
    crew_memory_free(block);
    must(crew_fini());

    must(crew_init(&(struct crew_options){ .arena_size = 4 * MB }));
    r = crew_memory_alloc(&block, 8 * MB);
    if (r == 0)
        memset(block, 1, 8 * MB);
    must(crew_memory_alloc(&block, MB));
    memset(block, 1, MB);
    crew_memory_free(block);
    end_well(r == -ENOMEM ? "error" : "ok", "8 MB in an arena of 4 MB: %s; %s: had, and filled",
             code_of(r), small ? "beside a /dev/shm of 1 MB" : "in one that is large enough");
}
