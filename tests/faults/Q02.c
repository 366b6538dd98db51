/* Q02.c - two processes receive from one end of a pipe, and one dies asleep: the next message
 * goes to the other. */
#include "fault.h"

static crew_connection *in, *out;

static int receive(crew_task *task)
{
    int item = 0, r;

    (void)task;
    arrive();
    r = crew_connection_recv_into(in, &item, sizeof item, NULL, CREW_FOREVER);
    answer(0, r == 0 && item != 1 ? -EBADMSG : r);
    return 0;
}

FAULT("Q02", "SimpleQueue: SIGKILL a consumer asleep in get(); another consumer, then put")
{
    crew_process *victim, *living;
    int item = 1;

    must(crew_pipe_open(&in, &out, &(struct crew_pipe_options){ .one_way = true }));
    victim = begin(receive);
    until(there() == 1 && asleep(victim));
    living = begin(receive);
    until(there() == 2 && asleep(living));
    slay(victim);
    must(crew_connection_send(out, &item, sizeof item, CREW_NOW));
    bury(living);
    end_all();
    crew_connection_close(in);
    crew_connection_close(out);
    told(answer_of(0), "the live receiver at the same end of a pipe, asleep too, got it");
}
