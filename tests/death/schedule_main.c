/* schedule_main.c - runs the cases of all protocols through every_schedule.
 *
 *     every_schedule [WORD]      only cases whose name has WORD in it
 *
 * CREW_DEATH_SCHEDULES  schedules of one case, about (400,000)
 * CREW_DEATH_KNOWN      0: nothing is recognised, all is run and checked (1)
 * CREW_DEATH_REPLAY     the number of a schedule: that alone, of the one case, and all of it is shown */
#include "runner.h"

int main(int argc, char **argv)
{
    static const struct death_cases *const cases[] = { ALL_CASES(ADDRESS_OF_CASES) };
    static const struct death_engine engine = { .name = "every schedule", .run = death_every_schedule,
                                                .together = true };

    return death_run(argc, argv, cases, sizeof cases / sizeof cases[0], &engine, 1);
}
