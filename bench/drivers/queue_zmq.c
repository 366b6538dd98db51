/* bench/drivers/queue_zmq.c - ZeroMQ's PAIR over ipc://: see transport.h. */
#include "transport.h"

#include <zmq.h>

static void *zmq_end;
static char url[64];

static void after(int side)
{
    zmq_end = zmq_socket(zmq_ctx_new(), ZMQ_PAIR);
    if ((side == 0 ? zmq_bind(zmq_end, url) : zmq_connect(zmq_end, url)) < 0)
        driver_fail("ZeroMQ", zmq_strerror(zmq_errno()));
}

static void over_zmq(const void *data, size_t size)
{
    if (zmq_send(zmq_end, data, size, 0) < 0)
        driver_fail("zmq_send", zmq_strerror(zmq_errno()));
}

static void from_zmq(void *data, size_t size)
{
    if (zmq_recv(zmq_end, data, size, 0) < 0)
        driver_fail("zmq_recv", zmq_strerror(zmq_errno()));
}

static const struct transport list[] = { { after, over_zmq, from_zmq } };

static void one_way(uint64_t count, uint64_t size)
{
    transport_run(list, 0, false, count, size);
}

int main(void)
{
    static const struct driver_command commands[] = {
        { "zmq", one_way, NULL, NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL },
    };
    int status;

    snprintf(url, sizeof url, "ipc:///tmp/crew-bench-zmq-%d", (int)getpid());
    transport_fork(list, 1);
    status = driver_serve(commands);
    unlink(url + sizeof "ipc://" - 1);
    return status;
}
