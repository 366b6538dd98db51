/* G15.c - the limit of file sizes (ulimit -f) holds for the arena too, which is a file: the
 * caller is told, and no SIGXFSZ comes. */
#include "fault.h"

#include <sys/resource.h>

#define MB ((size_t)1 << 20)

FAULT("G15", "8 MB of shared memory under RLIMIT_FSIZE 1 MB")
{
    struct rlimit limit = { 1 * MB, 1 * MB };
    void *block = NULL;
    int init, r;

    must(-setrlimit(RLIMIT_FSIZE, &limit));
    init = crew_init(NULL);
    r = init < 0 ? init : crew_memory_alloc(&block, 8 * MB);
    if (r == 0)
        memset(block, 1, 8 * MB);
    end_well(r == -EFBIG || r == -ENOMEM ? "error" : "ok", "%s", code_of(r));
}
