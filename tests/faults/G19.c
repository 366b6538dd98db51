/* G19.c - a number is changed, and who is woken by that dies before it runs: the other one that
 * waits sees the change too. */
#include "fault.h"

static crew_value *value;

static void wait_for_it(void)
{
    arrive();
    answer(0, crew_value_wait(value, 0, NULL, CREW_FOREVER));
}

static int die(crew_task *task)
{
    (void)task;
    pinned();
    wait_for_it();
    return 0;
}

static int live(crew_task *task)
{
    (void)task;
    wait_for_it();
    return 0;
}

FAULT("G19", "value: a waiter that is woken dies before it runs; another waits")
{
    crew_process *victim, *living;

    must(crew_value_open(&value, 0));
    victim = begin(die);
    until(there() == 1 && asleep(victim));
    living = begin(live);
    until(there() == 2 && asleep(living));
    certainly();
    crew_value_store(value, 1);
    slay(victim);
    as_ever();
    bury(living);
    end_all();
    crew_value_close(value);
    told(answer_of(0), how_certain());
}
