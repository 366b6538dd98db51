/* line.h - one direction of a pipe: a ring of messages, and the end at its other side; the law is
 * in line.c. */
#ifndef CREW_CHANNEL_LINE_H
#define CREW_CHANNEL_LINE_H

#include "end.h"
#include "ring.h"

#include <sync/lock.h>

struct line_shm {
    struct ring_shm ring;
    _Alignas(CACHE_LINE) _Atomic uint32_t items; /* waiters:1 changes:31 */
    _Alignas(CACHE_LINE) _Atomic uint32_t space; /* the same             */
    struct lock_shm repair;                      /* who repairs the ring */
    struct lock_shm gives, takes;                /* of who sends, receives a message with a note */
    _Atomic uint64_t tickets;                    /* given out; of who has 'gives'                */
    _Alignas(CACHE_LINE) _Atomic uint64_t
        note[]; /* one a slot: what belongs to its message; 0: nothing */
};

#define LINE_LOOKS 1000 /* about what it costs to fall asleep */

/* How one thread's process is at it. */
struct line {
    struct line_shm *shm;
    struct end_shm *other;
    _Atomic uint32_t *deaths; /* there were when the other end was looked at; the process's own */
    _Atomic uint32_t *looks;  /* before it falls asleep: LINE_LOOKS at first; the same          */
    bool (*is_abandoned)(
        void *context); /* no process has a copy of the other end; NULL: nobody knows */
    void *context;
};

/* Bytes of a line for so many messages, of which 'room' bytes lie in the ring. */
size_t line_size(uint32_t slots, size_t room);
void line_init(struct line_shm *line, uint32_t slots, size_t room);
void line_fini(struct line_shm *line, uint32_t me);

/* 0, CREW_ECLOSED or CREW_EPEERDIED: what is known of the other end; 'deaths': there were. */
int line_over(const struct line *line, uint32_t deaths);

/* True if there is something to say to who receives. If not, '*word' is to sleep on. */
bool line_is_ready(const struct line *line, uint32_t me, struct os_word *word);

/* Whoever sleeps at it looks again. */
void line_stir(struct line_shm *line);

/* Sends a message. 'give' is called between claim and publication, if it is not NULL: it sets the
 * note, or answers a negative number, and the message is not sent. */
int line_send(const struct line *line, uint32_t me, const void *bytes, size_t size,
              int (*give)(void *context, uint64_t *note), void *context, crew_time deadline);

/* A message, held by who received it. */
struct line_message {
    struct ring_place place;
    size_t size;
    uint64_t note;
};

/* Receives the next message: it is held, and comes back if its holder dies. */
int line_hold(const struct line *line, uint32_t me, struct line_message *m, crew_time deadline);

/* Waits until line_hold() has something to say. */
int line_await(const struct line *line, uint32_t me, crew_time deadline);

/* It stays the next. */
void line_put_back(struct line_shm *line, const struct line_message *m);

/* It goes to 'buf', or as a block of the calling process's. 0; -ENOMEM: it is still held. */
int line_fetch(struct line_shm *line, uint32_t me, const struct line_message *m, void *buf);
int line_fetch_block(struct line_shm *line, uint32_t me, const struct line_message *m,
                     void **block);

/* NULL, or the first invariant that is broken. */
const char *line_check(const struct line_shm *line);

#endif
