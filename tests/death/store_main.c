/* store_main.c - runs the cases of all protocols through every_store and together.
 *
 *     every_store [WORD]      only cases whose name has WORD in it
 *
 * CREW_DEATH_STATES     states of one case in every_store, about (300,000)
 * CREW_DEATH_SCHEDULES  schedules of one case in together, about (500,000)
 * CREW_DEATH_KILLS      real kills of one case, at most (1,000)
 * CREW_DEATH_KNOWN      0: nothing is recognised, all is run and checked (1)
 * CREW_DEATH_REPLAY     the number of what went wrong: that alone, of the one case, and all of it is shown */
#include "runner.h"

int main(int argc, char **argv)
{
    static const struct death_cases *const cases[] = { ALL_CASES(ADDRESS_OF_CASES) };
    static const struct death_engine engines[] = {
        { .name = "every store", .run = death_every_store, .alone = true },
        { .name = "together", .run = death_together, .together = true },
    };

    return death_run(argc, argv, cases, sizeof cases / sizeof cases[0], engines, 2);
}
