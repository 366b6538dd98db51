/* crew/once.h - runs a function once in a crew, whoever comes first.
 *
 * Use
 *
 *     crew_once *once;
 *     int r = crew_once_open(&once);                     // before the processes start
 *     if (r == 0)
 *         r = crew_once_run(once, prepare, data, CREW_FOREVER);  // in all of them
 *
 * Sharing. All calls on one once may run at once, from any thread of any process of the crew, except
 * init(), open(), fini() and close(), which come first and last.
 *
 * When a process dies inside the function, the next one runs it again: it must mend what is half done. */
#ifndef CREW_ONCE_H
#define CREW_ONCE_H

#include <crew/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Storage for a member of a struct; what is inside is crew's. */
typedef struct crew_once {
    unsigned char inside[192];
} __attribute__((aligned(64))) crew_once;

/* Makes a once in 'once', which lies in the arena, or makes one of its own there.
 *
 * 0        done
 * -EINVAL  not in the arena
 * -ENOMEM  no memory; and as crew_init()
 *
 * Owns: the handle of open() is closed by close(), by any process, once. It outlives who opened it.
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_once_init(crew_once *once);
CREW_API CREW_CHECKED int crew_once_open(crew_once **once);

/* Ends it. Nobody may be in run(). NULL is allowed. */
CREW_API void crew_once_fini(crew_once *once);
CREW_API void crew_once_close(crew_once *once);

/* Runs function(context) if nobody has; waits until it has run. One that fails counts as not run.
 *
 * 0             it has run, and what it wrote is visible
 * what the function returned, below 0: it failed, here
 * -ETIMEDOUT    another is at it until 'deadline' (-EAGAIN with CREW_NOW)
 * -EDEADLK      the calling thread is at it already
 * -EAGAIN       too many threads of the crew wait for things (2048)
 * CREW_EMISUSE  the calling process is no member of the crew */
CREW_API CREW_CHECKED int crew_once_run(crew_once *once, int (*function)(void *context), void *context,
                                        crew_time deadline);

/* Whether it has run. */
CREW_API bool crew_once_done(const crew_once *once);

#ifdef __cplusplus
}
#endif

#endif
