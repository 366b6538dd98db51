/* crew/wait.h - to wait for the first of many: futures, processes, events, queues and plain descriptors, as
 * Python's multiprocessing.connection.wait; and a descriptor for the event loop of another library.
 *
 * Each thing to wait for is one entry of an array, made by a function of its noun: crew_wait_future(),
 * crew_wait_process(), crew_wait_event(), crew_wait_queue(), and for a socket, a pipe or the like
 * crew_wait_descriptor().
 *
 * Use
 *
 *     struct crew_wait list[] = { crew_wait_future(f), crew_wait_event(stop),
 *                                 crew_wait_descriptor(STDIN_FILENO, POLLIN) };
 *     int r = crew_wait_any(list, 3, crew_in_ms(1000));
 *     if (r == 0 && list[1].ready)
 *         return 0;
 *
 *     crew_watch *watch;                                 // for an event loop: epoll, libuv, GLib
 *     r = crew_watch_open(&watch, list, 3);
 *     ... the loop watches crew_watch_descriptor(watch) for reading
 *     while (crew_watch_check(watch, list) == 0)         // when its descriptor is readable
 *         handle(list);                                  // take what is ready, without waiting
 *
 * Sharing. An array and a watch belong to one thread at a time, of the process that made them; what they
 * name may be used by others meanwhile. To see that a thing is ready takes nothing from it: another may be
 * faster, so what follows asks with CREW_NOW.
 *
 * When a process dies: waiting, the others don't notice. One that was about to make something ready has
 * made it so, or not; who waits looks again at each death. */
#ifndef CREW_WAIT_H
#define CREW_WAIT_H

#include <crew/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct crew_waitable;

struct crew_wait {
    const struct crew_waitable *kind; /* crew's; NULL: a plain descriptor             */
    void *object;
    int descriptor;
    short events; /* of a plain descriptor: POLLIN, POLLOUT as in poll(); what it was ready for stands in */
    short revents; /* this one, errors too                                                                */
    bool ready;   /* set by crew_wait_any() and crew_watch_check()                                        */
};

/* A plain descriptor, as poll() takes it.   Never fails.   Signals: safe. */
CREW_API struct crew_wait crew_wait_descriptor(int descriptor, short events);

/* Waits until at least one entry is ready, and says which are.
 *
 * list, count     entries; each one's 'ready' is set
 *
 * 0               at least one is ready
 * -ETIMEDOUT      none at 'deadline' (-EAGAIN with CREW_NOW)
 * -EINVAL         there is no entry, or no such descriptor
 * -ENOMEM         no memory
 * -EMFILE         no descriptor is left for the wait (only with plain descriptors, or above 126 entries)
 * -EAGAIN         too many threads of the crew wait for things (2048)
 * CREW_EMISUSE    a thing of this kind can't be waited for in this process
 *
 * Order: what was done before a thing became ready is visible.   Signals: not async-signal-safe; a handler
 * that runs meanwhile does not end the wait. */
CREW_API CREW_CHECKED int crew_wait_any(struct crew_wait *list, size_t count, crew_time deadline);

typedef struct crew_watch crew_watch;

/* Makes a watch over the entries, which are copied.
 *
 * 0               open, until crew_watch_close(); what it watches must outlive it
 * -EINVAL -ENOMEM -EMFILE CREW_EMISUSE   as above; -EEXIST: the same descriptor twice
 *
 * Fork: of no use in a child.   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_watch_open(crew_watch **watch, const struct crew_wait *list, size_t count);

/* Readable when it is time for crew_watch_check(), from the beginning. The watch's own: not to be read
 * from, nor closed. */
CREW_API int crew_watch_descriptor(const crew_watch *watch);

/* Looks, never waits.
 *
 * list            NULL, or as many entries as at opening; filled
 *
 * 0               at least one is ready. The descriptor may be silent: ask again until -EAGAIN
 * -EAGAIN         none; the descriptor becomes readable once one may be
 * CREW_EMISUSE    not the process that opened it */
CREW_API int crew_watch_check(crew_watch *watch, struct crew_wait *list);

/* Ends it. NULL is allowed. */
CREW_API void crew_watch_close(crew_watch *watch);

#ifdef __cplusplus
}
#endif

#endif
