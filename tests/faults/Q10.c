/* Q10.c - as Q09, and this process has closed its copy of the end. */
#include "half.h"

static crew_connection *ours, *theirs;

static int send_half(crew_task *task)
{
    (void)task;
    return crew_connection_send(theirs, half(), BIG, CREW_FOREVER);
}

FAULT("Q10", "Pipe: as Q09 with the copy closed")
{
    crew_process *peer;
    size_t size = 0;
    void *message;
    int r;

    must(crew_pipe_open(&ours, &theirs, NULL));
    peer = begin(send_half);
    crew_connection_close(theirs);
    until(there() == 1);
    slay(peer);
    r = crew_connection_recv(ours, &message, &size, in_time());
    went_on();
    end_all();
    crew_connection_close(ours);
    if (r == 0)
        end("corrupt", "%zu bytes of a message that was never sent", size);
    told(r, "-");
}
