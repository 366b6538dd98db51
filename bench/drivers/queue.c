/* bench/drivers/queue.c - crew_queue, and what needs no library: see transport.h.
 *
 *     crew_8, crew_64     a queue whose slots have room for 8 or 64 bytes
 *     crew_long           one whose messages lie in blocks
 *     crew_block          a block is allocated, handed over without a copy, and freed there
 *     ring                the bare byte ring: one writer, one reader, spinning, no safety at all
 *     posix               mq_send() and mq_receive() */
#include "transport.h"

#include <crew.h>

#include <fcntl.h>
#include <mqueue.h>
#include <stdalign.h>
#include <stdatomic.h>

enum { RING = 1 << 18, SLOTS = 4096, LONG_SLOTS = 16 };

static struct ring {
    alignas(128) _Atomic uint64_t head;
    alignas(128) _Atomic uint64_t tail;
    alignas(128) char bytes[RING];
} *ring;

static crew_queue *queue_8, *queue_64, *queue_long, *queue_block;
static mqd_t posix = (mqd_t)-1;

static void must(int r, const char *what)
{
    if (r < 0)
        driver_fail(what, crew_strerror(r));
}

static void send_8(const void *data, size_t size)
{
    must(crew_queue_put(queue_8, data, size, CREW_FOREVER), "crew_queue_put");
}

static void receive_8(void *data, size_t size)
{
    must(crew_queue_get(queue_8, data, size, &size, CREW_FOREVER), "crew_queue_get");
}

static void send_64(const void *data, size_t size)
{
    must(crew_queue_put(queue_64, data, size, CREW_FOREVER), "crew_queue_put");
}

static void receive_64(void *data, size_t size)
{
    must(crew_queue_get(queue_64, data, size, &size, CREW_FOREVER), "crew_queue_get");
}

static void send_long(const void *data, size_t size)
{
    must(crew_queue_put(queue_long, data, size, CREW_FOREVER), "crew_queue_put");
}

static void receive_long(void *data, size_t size)
{
    must(crew_queue_get(queue_long, data, size, &size, CREW_FOREVER), "crew_queue_get");
}

/* A block goes over, and is freed there; its memory is used again. */
static void send_block(const void *data, size_t size)
{
    void *block;

    (void)data;
    must(crew_memory_alloc(&block, size), "crew_memory_alloc");
    must(crew_queue_put_block(queue_block, block, size, CREW_FOREVER), "crew_queue_put_block");
}

static void receive_block(void *data, size_t size)
{
    void *block;

    (void)data;
    must(crew_queue_get_block(queue_block, &block, &size, CREW_FOREVER), "crew_queue_get_block");
    crew_memory_free(block);
}

static void send_ring(const void *data, size_t size)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

    while (head + size - atomic_load_explicit(&ring->tail, memory_order_acquire) > RING)
        ;
    memcpy(ring->bytes + head % RING, data, size); /* sizes divide the ring */
    atomic_store_explicit(&ring->head, head + size, memory_order_release);
}

static void receive_ring(void *data, size_t size)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    while (atomic_load_explicit(&ring->head, memory_order_acquire) - tail < size)
        ;
    memcpy(data, ring->bytes + tail % RING, size);
    atomic_store_explicit(&ring->tail, tail + size, memory_order_release);
}

static void send_posix(const void *data, size_t size)
{
    if (mq_send(posix, data, size, 0) < 0)
        driver_fail("mq_send", "failed");
}

static void receive_posix(void *data, size_t size)
{
    static char cell[64];

    if (mq_receive(posix, cell, sizeof cell, NULL) < 0)
        driver_fail("mq_receive", "failed");
    memcpy(data, cell, size);
}

static const struct transport list[] = {
    { NULL, send_8, receive_8 },         { NULL, send_64, receive_64 },
    { NULL, send_long, receive_long },   { NULL, send_block, receive_block },
    { NULL, send_ring, receive_ring },   { NULL, send_posix, receive_posix },
};
enum { TRANSPORTS = sizeof list / sizeof list[0] };

TRANSPORT_LOOPS(list, crew_8, 0)
TRANSPORT_LOOPS(list, crew_64, 1)
TRANSPORT_LOOPS(list, crew_long, 2)
TRANSPORT_LOOPS(list, crew_block, 3)
TRANSPORT_LOOPS(list, ring_plain, 4)
TRANSPORT_LOOPS(list, posix_plain, 5)

static int partner(crew_task *task)
{
    (void)task;
    transport_partner(list, TRANSPORTS);
    return 0;
}

static void open_queue(crew_queue **queue, size_t capacity, size_t room)
{
    struct crew_queue_options options = { .capacity = capacity, .message_size = room };

    must(crew_queue_open(queue, &options), "crew_queue_open");
}

int main(void)
{
    static const struct driver_command commands[] = {
        { "crew_8", crew_8, NULL, NULL, NULL },
        { "crew_8_both", crew_8_both, NULL, NULL, NULL },
        { "crew_64", crew_64, NULL, NULL, NULL },
        { "crew_64_both", crew_64_both, NULL, NULL, NULL },
        { "crew_long", crew_long, NULL, NULL, NULL },
        { "crew_long_both", crew_long_both, NULL, NULL, NULL },
        { "crew_block", crew_block, NULL, NULL, NULL },
        { "crew_block_both", crew_block_both, NULL, NULL, NULL },
        { "ring", ring_plain, NULL, NULL, NULL },
        { "ring_both", ring_plain_both, NULL, NULL, NULL },
        { "posix", posix_plain, NULL, NULL, NULL },
        { "posix_both", posix_plain_both, NULL, NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL },
    };
    struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 64 };
    char name[32];
    crew_process *process;
    int status;

    snprintf(name, sizeof name, "/crew-bench-%d", (int)getpid());
    ring = (struct ring *)mmap(NULL, sizeof *ring, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    posix = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    if (ring == MAP_FAILED || posix == (mqd_t)-1)
        driver_fail("the peers", "can't be made");
    mq_unlink(name);
    memset(ring, 0, sizeof *ring);
    open_queue(&queue_8, SLOTS, 8);
    open_queue(&queue_64, SLOTS, 64);
    open_queue(&queue_long, LONG_SLOTS, 8);
    open_queue(&queue_block, LONG_SLOTS, 8);
    transport_share();
    must(crew_process_start(&process, partner, NULL, 0, NULL), "crew_process_start");
    transport_begin(list, TRANSPORTS);
    status = driver_serve(commands);
    crew_process_kill(process);
    crew_process_join(process, NULL, CREW_FOREVER);
    crew_process_close(process);
    return status;
}
