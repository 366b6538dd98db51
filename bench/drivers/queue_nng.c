/* bench/drivers/queue_nng.c - nng's pair0 over ipc://: see transport.h. */
#include "transport.h"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

static nng_socket nng_end;
static char url[64];

static void must(int error, const char *what)
{
    if (error != 0)
        driver_fail(what, nng_strerror(error));
}

static void after(int side)
{
    must(nng_pair0_open(&nng_end), "nng_pair0_open");
    if (side == 0)
        must(nng_listen(nng_end, url, NULL, 0), "nng_listen");
    else
        must(nng_dial(nng_end, url, NULL, NNG_FLAG_NONBLOCK), "nng_dial"); /* until somebody listens */
}

static void over_nng(const void *data, size_t size)
{
    must(nng_send(nng_end, (void *)(uintptr_t)data, size, 0), "nng_send");
}

static void from_nng(void *data, size_t size)
{
    must(nng_recv(nng_end, data, &size, 0), "nng_recv");
}

static const struct transport list[] = { { after, over_nng, from_nng } };

static void one_way(uint64_t count, uint64_t size)
{
    transport_run(list, 0, false, count, size);
}

int main(void)
{
    static const struct driver_command commands[] = {
        { "nng", one_way, NULL, NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL },
    };
    int status;

    snprintf(url, sizeof url, "ipc:///tmp/crew-bench-nng-%d", (int)getpid());
    transport_fork(list, 1);
    status = driver_serve(commands);
    unlink(url + sizeof "ipc://" - 1);
    return status;
}
