/* crew/latch.h - waits until so many things have been done; once.
 *
 * Use
 *
 *     crew_latch *done;
 *     int r = crew_latch_open(&done, 4);                 // before the processes start
 *     if (r == 0)
 *         r = crew_latch_wait(done, CREW_FOREVER);       // others call crew_latch_count_down(done, 1)
 *
 * Sharing. All calls on one latch may run at once, from any thread of any process of the crew, except
 * init(), open(), fini() and close(), which come first and last.
 *
 * When a process dies: inside count_down(), it has counted or has not. What it would have counted later
 * nobody counts: a latch knows things, not processes; to wait for processes, join them, or use a
 * deadline. */
#ifndef CREW_LATCH_H
#define CREW_LATCH_H

#include <crew/base.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CREW_LATCH_MOST UINT32_C(0x7fffffff)

/* Storage for a member of a struct; what is inside is crew's. */
typedef struct crew_latch {
    unsigned char inside[64];
} __attribute__((aligned(64))) crew_latch;

/* Makes a latch in 'latch', which lies in the arena, or makes one of its own there.
 *
 * count    things to be done, up to CREW_LATCH_MOST; 0: none, nobody waits
 *
 * 0        done
 * -EINVAL  not in the arena; too many
 * -ENOMEM  no memory; and as crew_init()
 *
 * Owns: the handle of open() is closed by close(), by any process, once. The latch outlives who opened
 * it.   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_latch_init(crew_latch *latch, uint32_t count);
CREW_API CREW_CHECKED int crew_latch_open(crew_latch **latch, uint32_t count);

/* Ends it. Nobody may wait for it. NULL is allowed. */
CREW_API void crew_latch_fini(crew_latch *latch);
CREW_API void crew_latch_close(crew_latch *latch);

/* Says that 'count' things are done; at 0 all that wait go on, and see what was written before.
 *
 * 0        counted
 * -EINVAL  fewer were left: nothing is counted
 *
 * Signals: async-signal-safe. */
CREW_API int crew_latch_count_down(crew_latch *latch, uint32_t count);

/* How many are left at this moment. */
CREW_API uint32_t crew_latch_count(const crew_latch *latch);

/* Waits until none is left. 0, or an error as of crew_event_wait(). */
CREW_API CREW_CHECKED int crew_latch_wait(crew_latch *latch, crew_time deadline);

#ifdef __cplusplus
}
#endif

#endif
