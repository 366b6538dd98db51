/* Q09.c - a process dies in the middle of sending 8 MB, and this one still has a copy of its
 * end: who receives is told that the peer died, and gets nothing of it. */
#include "half.h"

static crew_connection *ours, *theirs;

static int send_half(crew_task *task)
{
    (void)task;
    return crew_connection_send(theirs, half(), BIG, CREW_FOREVER);
}

FAULT("Q09",
      "Pipe: SIGKILL the peer after half a message; parent did not close its copy of the write end")
{
    crew_process *peer;
    size_t size = 0;
    void *message;
    int r;

    must(crew_pipe_open(&ours, &theirs, NULL));
    peer = begin(send_half);
    until(there() == 1);
    slay(peer);
    r = crew_connection_recv(ours, &message, &size, in_time());
    went_on();
    end_all();
    crew_connection_close(ours);
    crew_connection_close(theirs);
    if (r == 0)
        end("corrupt", "%zu bytes of a message that was never sent", size);
    told(r, "-");
}
