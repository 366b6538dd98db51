/* bench/drivers/queue_boost.cpp - Boost.Interprocess's message_queue: see transport.h. */
#include "transport.h"

#include <boost/interprocess/ipc/message_queue.hpp>

namespace ipc = boost::interprocess;

static ipc::message_queue *queue;

static void send(const void *data, size_t size)
{
    queue->send(data, size, 0);
}

static void receive(void *data, size_t size)
{
    static char cell[64];
    ipc::message_queue::size_type got;
    unsigned priority;

    queue->receive(cell, sizeof cell, got, priority);
    memcpy(data, cell, size);
}

static const struct transport list[] = { { nullptr, send, receive } };

static void one_way(uint64_t count, uint64_t size)
{
    transport_run(list, 0, false, count, size);
}

int main()
{
    static const struct driver_command commands[] = {
        { "boost", one_way, nullptr, nullptr, nullptr },
        { nullptr, nullptr, nullptr, nullptr, nullptr },
    };
    char name[32];

    snprintf(name, sizeof name, "crew-bench-%d", (int)getpid());
    ipc::message_queue made(ipc::create_only, name, 1000, 64);

    ipc::message_queue::remove(name); /* the mapping stays */
    queue = &made;
    transport_fork(list, 1);
    return driver_serve(commands);
}
