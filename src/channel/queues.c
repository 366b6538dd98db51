/* queues.c - crew_queue for those who call: who they are, and where the queue lies. */
#include "queue.h"

#include <life/waitable.h>
#include <sync/storage.h>

_Static_assert(sizeof(struct queue_shm) <= sizeof(crew_queue), "a queue fits its storage");

static struct queue_shm *inside(const crew_queue *queue, const char *call)
{
    struct queue_shm *shm = (struct queue_shm *)(uintptr_t)queue;

    storage_must_be(queue, queue ? shm->magic : 0, QUEUE_MAGIC, call, "not an open queue");
    return shm;
}

/* -- making -------------------------------------------------------------------------------- */

static int make(void *at, const struct crew_queue_options *options)
{
    uint32_t me;
    void *memory;
    size_t size;
    int r = queue_measure(options, &size);

    if (crew_cpu_count() == 1)
        store_relaxed(&queue_patience, 0);
    if (r == 0)
        r = storage_party(&me);
    if (r == 0)
        r = life_alloc(size, &memory);
    if (r == 0)
        queue_make(at, me, options, memory);
    return r;
}

int crew_queue_init(crew_queue *queue, const struct crew_queue_options *options)
{
    int r = storage_check(queue, sizeof *queue);

    return r < 0 ? r : make(queue, options);
}

int crew_queue_open(crew_queue **queue, const struct crew_queue_options *options)
{
    void *block;
    int r = storage_alloc(sizeof **queue, &block);

    if (r < 0)
        return r;
    r = make(block, options);
    if (r < 0)
        storage_free(block);
    else
        *queue = block;
    return r;
}

static void unmake(crew_queue *queue, const char *call)
{
    struct queue_shm *shm = inside(queue, call);
    uint32_t me;

    if (storage_party(&me) == 0)
        queue_unmake(shm, me);
}

void crew_queue_fini(crew_queue *queue)
{
    if (queue)
        unmake(queue, "crew_queue_fini");
}

void crew_queue_close(crew_queue *queue)
{
    if (!queue)
        return;
    unmake(queue, "crew_queue_close");
    storage_free(queue);
}

void crew_queue_shut(crew_queue *queue)
{
    queue_shut(inside(queue, "crew_queue_shut"));
}

/* -- putting ------------------------------------------------------------------------------- */

static int put(crew_queue *queue, const struct queue_message *message, crew_time deadline, const char *call)
{
    struct queue_shm *shm = inside(queue, call);
    uint32_t me;
    int r = storage_party(&me);

    if (r == 0 && message->level >= shm->levels)
        r = -EINVAL;
    if (r == 0)
        r = queue_put(shm, me, message, deadline);
    if (r == 0)
        queue_tell(shm, 1);
    return r;
}

int crew_queue_put(crew_queue *queue, const void *data, size_t size, crew_time deadline)
{
    return put(queue, &(struct queue_message){ .data = data, .size = size }, deadline, "crew_queue_put");
}

int crew_queue_put_priority(crew_queue *queue, const void *data, size_t size, unsigned priority,
                            crew_time deadline)
{
    return put(queue, &(struct queue_message){ .data = data, .size = size, .level = priority }, deadline,
               "crew_queue_put_priority");
}

int crew_queue_put_block(crew_queue *queue, void *block, size_t size, crew_time deadline)
{
    if (!block || !crew_memory_contains(block, size ? size : 1))
        return -EINVAL;
    return put(queue, &(struct queue_message){ .block = block, .size = size }, deadline,
               "crew_queue_put_block");
}

int crew_queue_put_many(crew_queue *queue, const void *data, size_t size, size_t count, size_t *done,
                        crew_time deadline)
{
    struct queue_shm *shm = inside(queue, "crew_queue_put_many");
    struct queue_message message = { .data = data, .size = size };
    uint32_t me;
    size_t n = 0;
    unsigned untold = 0;
    int r = storage_party(&me);

    while (r == 0 && n < count) {
        r = queue_put(shm, me, &message, CREW_NOW);
        if (r == -EAGAIN && deadline != CREW_NOW) { /* full: who gets must know before we wait for them */
            if (untold > 0)
                queue_tell(shm, untold);
            untold = 0;
            r = queue_put(shm, me, &message, deadline);
        }
        if (r < 0)
            break;
        n++;
        untold++;
        message.data = (const char *)message.data + size;
    }
    if (untold > 0)
        queue_tell(shm, untold);
    if (done)
        *done = n;
    return r;
}

/* -- getting ------------------------------------------------------------------------------- */

static int get(crew_queue *queue, const struct ring_want *want, size_t *size, struct crew_lease *lease,
               crew_time deadline, const char *call)
{
    struct queue_shm *shm = inside(queue, call);
    struct crew_lease none = { 0 };
    size_t bytes = 0;
    uint32_t me;
    int r = storage_party(&me);

    if (r == 0 && shm->leases > 0 && !lease && !want->peek)
        r = -EINVAL;
    if (r < 0)
        return r;
    r = queue_get(shm, me, want, &bytes, &none, deadline);
    if (size && (r == 0 || r == -EMSGSIZE))
        *size = bytes;
    if (lease && r == 0)
        *lease = none;
    return r;
}

int crew_queue_get(crew_queue *queue, void *buf, size_t capacity, size_t *size, crew_time deadline)
{
    return get(queue, &(struct ring_want){ .buf = buf, .capacity = capacity }, size, NULL, deadline,
               "crew_queue_get");
}

int crew_queue_get_lease(crew_queue *queue, void *buf, size_t capacity, size_t *size,
                         struct crew_lease *lease, crew_time deadline)
{
    if (!lease)
        return -EINVAL;
    return get(queue, &(struct ring_want){ .buf = buf, .capacity = capacity }, size, lease, deadline,
               "crew_queue_get_lease");
}

int crew_queue_get_block(crew_queue *queue, void **block, size_t *size, crew_time deadline)
{
    if (!block)
        return -EINVAL;
    return get(queue, &(struct ring_want){ .block = block }, size, NULL, deadline, "crew_queue_get_block");
}

int crew_queue_peek(crew_queue *queue, void *buf, size_t capacity, size_t *size)
{
    return get(queue, &(struct ring_want){ .buf = buf, .capacity = capacity, .peek = true }, size, NULL,
               CREW_NOW, "crew_queue_peek");
}

int crew_queue_get_many(crew_queue *queue, void *cells, size_t cell, size_t *sizes, size_t count, size_t *got,
                        crew_time deadline)
{
    struct ring_want want = { .buf = cells, .capacity = cell };
    size_t n = 0;
    int r = 0;

    for (*got = 0; n < count; n++) {
        r = get(queue, &want, &sizes[n], NULL, n == 0 ? deadline : CREW_NOW, "crew_queue_get_many");
        if (r < 0)
            break;
        want.buf = (char *)want.buf + cell;
    }
    *got = n;
    return n > 0 ? 0 : r;
}

int crew_queue_task_done(crew_queue *queue, const struct crew_lease *lease)
{
    struct queue_shm *shm = inside(queue, "crew_queue_task_done");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : queue_task_done(shm, me, lease->ticket);
}

/* -- asking -------------------------------------------------------------------------------- */

int crew_queue_join(crew_queue *queue, crew_time deadline)
{
    struct queue_shm *shm = inside(queue, "crew_queue_join");
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : queue_join(shm, me, deadline);
}

size_t crew_queue_size(crew_queue *queue)
{
    struct crew_queue_stats stats;

    queue_count(inside(queue, "crew_queue_size"), &stats);
    return stats.messages;
}

void crew_queue_stats(crew_queue *queue, struct crew_queue_stats *stats)
{
    queue_count(inside(queue, "crew_queue_stats"), stats);
}

static void waitable_check(void *object)
{
    inside(object, "crew_wait_queue");
}

static int is_ready(void *object, struct os_word *word)
{
    uint32_t me;
    int r = storage_party(&me);

    return r < 0 ? r : queue_ready(object, me, word);
}

struct crew_wait crew_wait_queue(crew_queue *queue)
{
    static const struct crew_waitable kind = { .check = waitable_check, .ready = is_ready };

    return (struct crew_wait){ .kind = &kind, .object = queue };
}
