/* store_main.c - runs the cases of all protocols through every_store and together.
 *
 *     every_store [WORD]      only cases whose name has WORD in it
 *
 * CREW_DEATH_STATES     states of one case in every_store, about (300,000)
 * CREW_DEATH_SCHEDULES  schedules of one case in together, about (150,000)
 * CREW_DEATH_KILLS      real kills of one case, at most (1,000) */
#include "cases.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
#define LIST(name) &name##_cases,
    static const struct death_cases *const all[] = { CASES(LIST) };
#undef LIST
    struct death_report r;
    unsigned number = 0;

    death_open();
    for (size_t f = 0; f < sizeof all / sizeof all[0]; f++)
        for (unsigned i = 0; i < all[f]->count; i++) {
            const struct death_case *c = &all[f]->list[i];

            if (argc > 1 && !strstr(c->name, argv[1]))
                continue;
            if (c->operation[1]) {
                death_together(c, &r);
                death_print(++number, "together", c, &r);
            } else {
                death_every_store(c, &r);
                death_print(++number, "every store", c, &r);
            }
        }
    return death_summary();
}
