/* bench/drivers/queue_ck.c - Concurrency Kit's rings of pointers in shared memory, spinning: see transport.h. */
#include "transport.h"

#include <ck_ring.h>

enum { SLOTS = 4096 };

static struct shared {
    ck_ring_t ring;
    ck_ring_buffer_t buffer[SLOTS] __attribute__((aligned(64)));
} *one, *many;

static void send_one(const void *data, size_t size)
{
    (void)size;
    while (!ck_ring_enqueue_spsc(&one->ring, one->buffer, *(void *const *)data))
        ck_pr_stall();
}

static void receive_one(void *data, size_t size)
{
    (void)size;
    while (!ck_ring_dequeue_spsc(&one->ring, one->buffer, data))
        ck_pr_stall();
}

static void send_many(const void *data, size_t size)
{
    (void)size;
    while (!ck_ring_enqueue_mpmc(&many->ring, many->buffer, *(void *const *)data))
        ck_pr_stall();
}

static void receive_many(void *data, size_t size)
{
    (void)size;
    while (!ck_ring_dequeue_mpmc(&many->ring, many->buffer, data))
        ck_pr_stall();
}

static const struct transport list[] = { { NULL, send_one, receive_one }, { NULL, send_many, receive_many } };

static void one_way(uint64_t count, uint64_t size)
{
    transport_run(list, 0, false, count, size);
}

TRANSPORT_LOOPS(list, mpmc, 1)

static struct shared *share(void)
{
    struct shared *s = (struct shared *)mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
                                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (s == MAP_FAILED)
        driver_fail("mmap", "no memory");
    ck_ring_init(&s->ring, SLOTS);
    return s;
}

int main(void)
{
    static const struct driver_command commands[] = {
        { "spsc", one_way, NULL, NULL, NULL },
        { "mpmc", mpmc, NULL, NULL, NULL },
        { "mpmc_both", mpmc_both, NULL, NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL },
    };

    one = share();
    many = share();
    transport_fork(list, 2);
    return driver_serve(commands);
}
