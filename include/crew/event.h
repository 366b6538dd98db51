/* crew/event.h - a flag that threads and processes of a crew wait for.
 *
 * Use
 *
 *     crew_event *ready;
 *     int r = crew_event_open(&ready);                   // before the processes start
 *     if (r == 0)
 *         r = crew_event_wait(ready, crew_in_ms(100));   // in some; others call crew_event_set(ready)
 *
 * Sharing. All calls on one event may run at once, from any thread of any process of the crew, except
 * init(), open(), fini() and close(), which come first and last.
 *
 * When a process dies: waiting, the others don't notice; inside set() or clear(), the flag is set or not,
 * and if it is, whoever waits is told. */
#ifndef CREW_EVENT_H
#define CREW_EVENT_H

#include <crew/base.h>
#include <crew/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Storage for a member of a struct; what is inside is crew's. */
typedef struct crew_event {
    unsigned char inside[64];
} __attribute__((aligned(64))) crew_event;

/* Makes an event in 'event', which lies in the arena, or makes one of its own there. It is not set.
 *
 * 0        done
 * -EINVAL  not in the arena
 * -ENOMEM  no memory; and as crew_init()
 *
 * Owns: the handle of open() is closed by close(), by any process, once. The event outlives who opened
 * it.   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_event_init(crew_event *event);
CREW_API CREW_CHECKED int crew_event_open(crew_event **event);

/* Ends it. Nobody may wait for it. NULL is allowed. */
CREW_API void crew_event_fini(crew_event *event);
CREW_API void crew_event_close(crew_event *event);

/* Sets the flag: all that wait go on, also if it is cleared again at once. What was written before is
 * visible to them.   Signals: async-signal-safe. */
CREW_API void crew_event_set(crew_event *event);

/* Clears it: who waits from now on, waits.   Signals: async-signal-safe. */
CREW_API void crew_event_clear(crew_event *event);

/* Whether it is set at this moment. */
CREW_API bool crew_event_is_set(const crew_event *event);

/* Waits until the flag is set.
 *
 * 0             it is, or was since the call began
 * -ETIMEDOUT    not until 'deadline' (-EAGAIN with CREW_NOW)
 * -EAGAIN       too many threads of the crew wait for things (2048)
 * CREW_EMISUSE  the calling process is no member of the crew
 *
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_event_wait(crew_event *event, crew_time deadline);

/* An entry for crew_wait_any() and crew_watch_open() (crew/wait.h): ready while the flag is set. */
CREW_API struct crew_wait crew_wait_event(crew_event *event);

#ifdef __cplusplus
}
#endif

#endif
