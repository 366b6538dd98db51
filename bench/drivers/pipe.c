/* bench/drivers/pipe.c - round trips of 8 bytes between two processes: a crew_pipe, and a
 * socketpair.
 *
 * Commands (driver.h), both trips: crew, socketpair. Each has a partner of its own, a process that
 * answers what it is sent and sleeps meanwhile; this process and the partners keep to the first two
 * CPUs, one here, two there. */
#include "driver.h"

#include <crew.h>

#include <errno.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

static crew_connection *ours, *theirs;
static int sockets[2];

static void must(int r, const char *what)
{
    if (r != 0)
        driver_fail(what, r < 0 ? crew_strerror(r) : strerror(r));
}

static void pin_to_nth(int nth)
{
    cpu_set_t all, one;

    must(sched_getaffinity(0, sizeof all, &all) < 0 ? errno : 0, "sched_getaffinity");
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || nth-- > 0)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        must(sched_setaffinity(0, sizeof one, &one) < 0 ? errno : 0, "sched_setaffinity");
        return;
    }
    driver_fail("a round trip", "needs two CPUs");
}

static int answer_crew(crew_task *task)
{
    uint64_t value;

    (void)task;
    pin_to_nth(1);
    for (;;) {
        must(crew_connection_recv_into(theirs, &value, sizeof value, NULL, CREW_FOREVER), "recv");
        must(crew_connection_send(theirs, &value, sizeof value, CREW_FOREVER), "send");
    }
    return 0;
}

static int answer_socket(crew_task *task)
{
    uint64_t value;

    (void)task;
    pin_to_nth(1);
    for (;;)
        if (read(sockets[1], &value, sizeof value) != sizeof value ||
            write(sockets[1], &value, sizeof value) != sizeof value)
            driver_fail("socketpair", strerror(errno));
    return 0;
}

static void crew_trip(void)
{
    static uint64_t value;
    uint64_t answer;

    value++;
    must(crew_connection_send(ours, &value, sizeof value, CREW_FOREVER), "crew_connection_send");
    must(crew_connection_recv_into(ours, &answer, sizeof answer, NULL, CREW_FOREVER),
         "crew_connection_recv_into");
    if (answer != value)
        driver_fail("crew", "another answer");
}

static void socket_trip(void)
{
    static uint64_t value;
    uint64_t answer;

    value++;
    if (write(sockets[0], &value, sizeof value) != sizeof value ||
        read(sockets[0], &answer, sizeof answer) != sizeof answer || answer != value)
        driver_fail("socketpair", strerror(errno));
}

int main(void)
{
    static const struct driver_command commands[] = {
        { "crew", NULL, crew_trip, NULL, NULL },
        { "socketpair", NULL, socket_trip, NULL, NULL },
        { NULL, NULL, NULL, NULL, NULL },
    };
    crew_process *process;

    must(crew_pipe_open(&ours, &theirs, NULL), "crew_pipe_open");
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) < 0 ? errno : 0, "socketpair");
    must(crew_process_start(&process, answer_crew, NULL, 0, NULL), "crew_process_start");
    must(crew_process_start(&process, answer_socket, NULL, 0, NULL), "crew_process_start");
    pin_to_nth(0);
    return driver_serve(commands); /* the partners end with this process */
}
