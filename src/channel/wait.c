/* wait.c - waiting for the first of many. The law of the bell is in life/waitable.h; here is nothing that
 * others see: a process that dies in here leaves no more than a ring too many. */
#include <crew/wait.h>
#include <life/life.h>
#include <life/roster.h>
#include <life/waitable.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define WATCH_MAGIC UINT32_C(0x77617463)

enum { FEW = 8 }; /* entries that need no malloc() */

struct crew_watch {
    uint32_t magic;
    pid_t pid;
    int listener;
    size_t count;
    struct crew_wait list[];
};

struct crew_wait crew_wait_descriptor(int descriptor, short events)
{
    return (struct crew_wait){ .descriptor = descriptor, .events = events };
}

/* -- looking ------------------------------------------------------------------------------- */

static int check(struct crew_wait *list, size_t count)
{
    if (!list || count == 0)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (list[i].kind)
            list[i].kind->check(list[i].object);
        else if (list[i].descriptor < 0)
            return -EINVAL;
    }
    return 0;
}

/* How many of crew's own are ready; 'words', or NULL, gets the others' words. */
static int look(struct crew_wait *list, size_t count, struct os_word *words)
{
    int found = 0;

    for (size_t i = 0; i < count; i++) {
        struct os_word word;
        int r;

        list[i].ready = false;
        if (!list[i].kind)
            continue;
        r = list[i].kind->ready(list[i].object, &word);
        if (r < 0)
            return r;
        list[i].ready = r > 0;
        found += r > 0;
        if (r == 0 && words)
            *words++ = word;
    }
    return found;
}

static size_t descriptors(const struct crew_wait *list, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        n += !list[i].kind;
    return n;
}

/* Asks the kernel about the plain descriptors, and waits for them and for 'listener', if that is one. */
static int poll_some(struct crew_wait *list, size_t count, struct pollfd *polled, int listener,
                     crew_time deadline)
{
    nfds_t n = 0;
    int r;

    for (size_t i = 0; i < count; i++)
        if (!list[i].kind)
            polled[n++] = (struct pollfd){ .fd = list[i].descriptor, .events = list[i].events };
    if (listener >= 0)
        polled[n++] = (struct pollfd){ .fd = listener, .events = POLLIN };
    r = os_poll_many(polled, n, deadline);
    if (r < 0)
        return r;
    n = 0;
    r = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].kind)
            continue;
        list[i].revents = polled[n++].revents;
        if (list[i].revents & POLLNVAL)
            return -EINVAL;
        list[i].ready = list[i].revents != 0;
        r += list[i].ready;
    }
    return r;
}

static int listen_to_all(void)
{
    struct arena *arena;
    int r = life_arena(&arena);

    return r < 0 ? r : roster_listen();
}

/* -- waiting ------------------------------------------------------------------------------- */

/* All of them are words. */
static int wait_for_words(struct crew_wait *list, size_t count, struct os_word *words, crew_time deadline)
{
    for (int r = 0;;) {
        uint32_t me = party_me(), deaths = me ? party_deaths() : 0;
        int found = look(list, count, words);

        if (found != 0)
            return found < 0 ? found : 0;
        if (deadline == CREW_NOW)
            return -EAGAIN;
        if (r < 0) /* also nothing became ready at the last moment */
            return r;
        if (me == 0)
            return life_me() == 0 ? CREW_EMISUSE : -EAGAIN;
        r = party_sleep_many(me, words, (unsigned)count, WAITS_FOR_OTHER, deaths, deadline);
    }
}

static int wait_by_poll(struct crew_wait *list, size_t count, struct pollfd *polled, crew_time deadline)
{
    bool own = descriptors(list, count) < count;
    int listener = own ? listen_to_all() : -1;
    int r = listener < 0 && own ? listener : 0;
    bool over = deadline == CREW_NOW;

    while (r == 0) {
        int found, plain;

        if (own)
            roster_hear(listener);
        found = look(list, count, NULL);
        plain = found < 0 ? found : poll_some(list, count, polled, -1, CREW_NOW);
        if (plain == -ETIMEDOUT)
            plain = 0;
        if (plain < 0 || found + plain > 0)
            r = plain < 0 ? plain : 1;
        else if (over)
            r = deadline == CREW_NOW ? -EAGAIN : -ETIMEDOUT;
        else
            over = poll_some(list, count, polled, listener, deadline) == -ETIMEDOUT;
    }
    if (listener >= 0)
        os_close(listener);
    return r > 0 ? 0 : r;
}

int crew_wait_any(struct crew_wait *list, size_t count, crew_time deadline)
{
    union room {
        struct os_word word;
        struct pollfd polled;
    } few[FEW], *room = few;
    int r = check(list, count);

    if (r < 0)
        return r;
    if (count + 1 > FEW) {
        if (count > SIZE_MAX / sizeof *room - 1)
            return -ENOMEM;
        room = malloc((count + 1) * sizeof *room);
        if (!room)
            return -ENOMEM;
    }
    if (count <= ROSTER_WORDS && descriptors(list, count) == 0)
        r = wait_for_words(list, count, &room->word, deadline);
    else
        r = wait_by_poll(list, count, &room->polled, deadline);
    if (room != few)
        free(room);
    return r;
}

/* -- for event loops ----------------------------------------------------------------------- */

static void must_be_open(const crew_watch *watch, const char *call)
{
    if (!watch || watch->magic != WATCH_MAGIC)
        os_misuse(call, "not an open watch");
}

int crew_watch_open(crew_watch **watch, const struct crew_wait *list, size_t count)
{
    crew_watch *w;
    int r;

    if (!list || count == 0 || count > (SIZE_MAX - sizeof *w) / sizeof *list)
        return -EINVAL;
    w = calloc(1, sizeof *w + count * sizeof *list);
    if (!w)
        return -ENOMEM;
    memcpy(w->list, list, count * sizeof *list);
    w->count = count;
    w->pid = os_pid();
    r = check(w->list, count);
    if (r == 0) {
        w->listener = listen_to_all();
        r = w->listener < 0 ? w->listener : 0;
    }
    for (size_t i = 0; i < count && r == 0; i++)
        if (!list[i].kind)
            r = os_listener_add(w->listener, list[i].descriptor, list[i].events);
    if (r < 0) {
        if (w->listener > 0)
            os_close(w->listener);
        free(w);
        return r;
    }
    w->magic = WATCH_MAGIC;
    *watch = w;
    return 0;
}

int crew_watch_descriptor(const crew_watch *watch)
{
    must_be_open(watch, "crew_watch_descriptor");
    return watch->listener;
}

int crew_watch_check(crew_watch *watch, struct crew_wait *list)
{
    struct pollfd *polled;
    int found, plain;

    must_be_open(watch, "crew_watch_check");
    if (watch->pid != os_pid())
        return CREW_EMISUSE;
    polled = malloc((watch->count + 1) * sizeof *polled);
    if (!polled)
        return -ENOMEM;
    roster_hear(watch->listener);
    found = look(watch->list, watch->count, NULL);
    plain = found < 0 ? found : poll_some(watch->list, watch->count, polled, -1, CREW_NOW);
    free(polled);
    if (plain == -ETIMEDOUT)
        plain = 0;
    if (plain < 0)
        return plain;
    if (list)
        memcpy(list, watch->list, watch->count * sizeof *list);
    return found + plain > 0 ? 0 : -EAGAIN;
}

void crew_watch_close(crew_watch *watch)
{
    if (!watch)
        return;
    must_be_open(watch, "crew_watch_close");
    os_close(watch->listener);
    watch->magic = 0;
    free(watch);
}
