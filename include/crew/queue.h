/* crew/queue.h - messages between threads and processes of a crew, as Python's multiprocessing.Queue and
 * JoinableQueue.
 *
 * Any number may put and get. A message is there when put returns: it lies in shared memory, and no thread of
 * the sender has anything left to do. First in, first out, in the order in which the puts began. A message is
 * of any size: a short one lies in its slot, a longer one in a block of the arena.
 *
 * Use
 *
 *     crew_queue *queue;
 *     char text[100];
 *     size_t size;
 *     int r = crew_queue_open(&queue, NULL);                     // before the processes start
 *     if (r == 0)
 *         r = crew_queue_put(queue, "hello", 6, CREW_FOREVER);   // in some of them
 *     if (r == 0)
 *         r = crew_queue_get(queue, text, sizeof text, &size, crew_in_ms(100)); // in others
 *
 * Sharing. All calls on one queue may run at once, from any thread of any process of the crew, except init(),
 * open(), fini() and close(), which come first and last. A fork after open() needs nothing.
 *
 * When a process dies: putting, the message is there whole, or not at all; getting, the message is there still,
 * or was taken whole. Waiting, the others don't notice. With options.lease a message that was got
 * belongs to the getter until crew_queue_task_done(): if it dies before, in whatever way, the message comes
 * back, before all others, and says how often it was tried. */
#ifndef CREW_QUEUE_H
#define CREW_QUEUE_H

#include <crew/base.h>
#include <crew/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Storage for a member of a struct; what is inside is crew's. */
typedef struct crew_queue {
    unsigned char inside[576];
} __attribute__((aligned(64))) crew_queue;

#define CREW_QUEUE_PRIORITIES 16

struct crew_queue_options {
    size_t capacity;      /* messages that fit, of each priority; 0: 1,024; at most 2^24            */
    size_t message_size;  /* bytes up to which a message lies in its slot; 0: 56; at most 65,536    */
    unsigned priorities;  /* how many there are; 0: one; at most CREW_QUEUE_PRIORITIES              */
    bool lease;           /* a message that was got comes back if the getter dies                   */
    size_t leases;        /* messages that may be out at once; 0: as many as 'capacity', at most 65,536 */
    uint64_t reserved[4]; /* must be 0 */
};

struct crew_queue_stats {
    size_t messages; /* that can be got                                                     */
    size_t leased;   /* got, and not done                                                   */
    size_t capacity; /* of all priorities together                                          */
    uint64_t returned; /* messages that came back from the dead                             */
    bool closed;
};

/* A message that was got from a queue with leases. */
struct crew_lease {
    uint64_t ticket;  /* for crew_queue_task_done(); 0: the queue has no leases */
    unsigned attempt; /* 1, and one more for each getter that died with it      */
};

/* Makes a queue in 'queue', which lies in the arena, or makes one of its own there. It is empty.
 *
 * 0        done
 * -EINVAL  an option out of range, a reserved field; not in the arena
 * -ENOMEM  no memory; and as crew_init()
 *
 * Owns: the handle of open() is closed by close(), by any process, once. The queue outlives who opened
 * it.   Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_queue_init(crew_queue *queue, const struct crew_queue_options *options);
CREW_API CREW_CHECKED int crew_queue_open(crew_queue **queue, const struct crew_queue_options *options);

/* Ends it, with all messages in it. Nobody may use it any more. NULL is allowed. */
CREW_API void crew_queue_fini(crew_queue *queue);
CREW_API void crew_queue_close(crew_queue *queue);

/* Says that nothing more is put: who puts gets CREW_ECLOSED, who gets empties it first. Whoever waits is
 * told. May be done again. */
CREW_API void crew_queue_shut(crew_queue *queue);

/* Puts a message, a copy of 'size' bytes at 'data', waiting until 'deadline' for room.
 *
 * 0             it is there
 * -ETIMEDOUT    full until 'deadline' (-EAGAIN with CREW_NOW)
 * CREW_ECLOSED  crew_queue_shut() was called
 * -ENOMEM       no memory for a long message
 * -EINVAL       no such priority
 * -EAGAIN       too many threads of the crew use queues and locks (2048)
 * CREW_EMISUSE  the calling process is no member of the crew
 *
 * put_priority    0 is the least; who gets takes the greatest first. put() is 0
 * Order: what was written before is visible to who gets it.   Death: see the head of this file.
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_queue_put(crew_queue *queue, const void *data, size_t size,
                                         crew_time deadline);
CREW_API CREW_CHECKED int crew_queue_put_priority(crew_queue *queue, const void *data, size_t size,
                                                  unsigned priority, crew_time deadline);

/* Puts 'count' messages of 'size' bytes each, which follow each other at 'data'. Who waits is woken once.
 *
 * put             set to how many are there, also on failure; may be NULL
 *
 * 0               all of them; else as put(): the others are not */
CREW_API CREW_CHECKED int crew_queue_put_many(crew_queue *queue, const void *data, size_t size, size_t count,
                                              size_t *put, crew_time deadline);

/* Gives a block of the calling process's (crew/memory.h) away as a message, without a copy: who gets it by
 * get_block() has it at the same address. As put(); on failure the block is the caller's still.
 * -EINVAL: not a block of 'size' bytes in the arena. */
CREW_API CREW_CHECKED int crew_queue_put_block(crew_queue *queue, void *block, size_t size,
                                               crew_time deadline);

/* Gets the oldest message of the greatest priority, waiting until 'deadline' for one.
 *
 * buf, capacity   destination and its bytes
 * size            set to the size of the message, also when it did not fit; may be NULL
 * lease           set to how it is acknowledged; NULL is refused where the queue has leases
 *
 * 0               copied; its slot is free again
 * -ETIMEDOUT      none until 'deadline' (-EAGAIN with CREW_NOW)
 * CREW_ECLOSED    crew_queue_shut() was called, and nothing is left
 * -EMSGSIZE       longer than 'capacity'; it stays first
 * -EINVAL         get() where leases are to be had: use get_lease()
 * -EAGAIN CREW_EMISUSE   as put()
 *
 * Order, Death, Signals: as put(). */
CREW_API CREW_CHECKED int crew_queue_get(crew_queue *queue, void *buf, size_t capacity, size_t *size,
                                         crew_time deadline);
CREW_API CREW_CHECKED int crew_queue_get_lease(crew_queue *queue, void *buf, size_t capacity, size_t *size,
                                               struct crew_lease *lease, crew_time deadline);

/* Gets up to 'count' messages, waiting for the first only. 'cells' has a place of 'cell' bytes for each.
 *
 * sizes           set to the size of each
 * got             set to how many
 *
 * 0               at least one; else as get() */
CREW_API CREW_CHECKED int crew_queue_get_many(crew_queue *queue, void *cells, size_t cell, size_t *sizes,
                                              size_t count, size_t *got, crew_time deadline);

/* Gets the oldest message as a block of the calling process's, for crew_memory_free(); without a copy if it is
 * long, or was put as a block. As get(). Not where the queue has leases (-EINVAL). */
CREW_API CREW_CHECKED int crew_queue_get_block(crew_queue *queue, void **block, size_t *size,
                                               crew_time deadline);

/* Copies the oldest message and leaves it there. Never waits: -EAGAIN: there is none. Else as get(). */
CREW_API CREW_CHECKED int crew_queue_peek(crew_queue *queue, void *buf, size_t capacity, size_t *size);

/* Acknowledges a message that was got with a lease, by any thread. 0; -ESRCH: no such lease, or it was done
 * before. */
CREW_API int crew_queue_task_done(crew_queue *queue, const struct crew_lease *lease);

/* Waits until all that was put has been got and, with leases, done.
 *
 * 0; -ETIMEDOUT (-EAGAIN with CREW_NOW); -EAGAIN, CREW_EMISUSE as put() */
CREW_API CREW_CHECKED int crew_queue_join(crew_queue *queue, crew_time deadline);

/* How many messages can be got: the number of one instant during the call; if others never pause, of the
 * last of 100 looks. */
CREW_API size_t crew_queue_size(crew_queue *queue);

/* The numbers of this moment, read while others go on. */
CREW_API void crew_queue_stats(crew_queue *queue, struct crew_queue_stats *stats);

/* An entry for crew_wait_any() and crew_watch_open() (crew/wait.h): ready while a message can be got, or the
 * queue is shut. */
CREW_API struct crew_wait crew_wait_queue(crew_queue *queue);

#ifdef __cplusplus
}
#endif

#endif
