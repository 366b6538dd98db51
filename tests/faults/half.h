/* half.h - a process that dies in the middle of writing: the second half of what it is to copy
 * can't be read. There it stays, inside the call, until it is killed. */
#ifndef HALF_H
#define HALF_H

#include "fault.h"

#define BIG ((size_t)8 << 20)

static inline void half_stay(int signal)
{
    (void)signal;
    arrive();
    for (;;)
        pause();
}

/* BIG bytes, of which half can be read. */
static inline const void *half(void)
{
    char *bytes = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (bytes == MAP_FAILED || mprotect(bytes + BIG / 2, BIG / 2, PROT_NONE) < 0 ||
        signal(SIGSEGV, half_stay) == SIG_ERR)
        _exit(99);
    memset(bytes, 'x', BIG / 2);
    return bytes;
}

#endif
