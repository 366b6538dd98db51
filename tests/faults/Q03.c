/* Q03.c - a process dies in the middle of putting 8 MB: nothing of it is there, and who gets
 * waits for the next message as long as it wanted. */
#include "half.h"

static crew_queue *queue;

static int put(crew_task *task)
{
    (void)task;
    return crew_queue_put(queue, half(), BIG, CREW_FOREVER);
}

FAULT("Q03", "Queue: SIGKILL a producer in the middle of writing 8 MB; the consumer then reads")
{
    struct crew_queue_stats stats;
    crew_process *producer;
    size_t size = 0;
    void *block;
    int r;

    must(crew_queue_open(&queue, NULL));
    producer = begin(put);
    until(there() == 1);
    slay(producer);
    r = crew_queue_get_block(queue, &block, &size, crew_in_ms(20));
    went_on();
    end_all();
    crew_queue_stats(queue, &stats);
    crew_queue_close(queue);
    if (r == 0)
        end("corrupt", "%zu bytes of a message that was never put", size);
    if (r != -ETIMEDOUT || stats.messages > 0)
        end("error", "%s, and %zu messages are there", code_of(r), stats.messages);
    end_well("error",
             "-ETIMEDOUT after the 20 ms that were asked for; nothing of the message is there");
}
