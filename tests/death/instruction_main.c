/* instruction_main.c - runs the cases of all protocols through every_instruction.
 *
 *     every_instruction [WORD]      only cases whose name has WORD in it
 *
 * CREW_DEATH_SECONDS    of real kills for each case, about, twice (2)
 *
 * Exit status 77, with the reason: processes can't be traced here. */
#include "cases.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    static const struct death_cases *const all[] = { &slot_cases, &job_cases, &alloc_cases,
                                                     &lock_cases, &flag_cases };
    const char *why = death_no_instructions();
    struct death_report r;
    unsigned number = 0;

    death_open();
    if (why) {
        printf("%s\n", why);
        return 77;
    }
    for (size_t f = 0; f < sizeof all / sizeof all[0]; f++)
        for (unsigned i = 0; i < all[f]->count; i++) {
            const struct death_case *c = &all[f]->list[i];

            if (c->operation[1] || (argc > 1 && !strstr(c->name, argv[1])))
                continue;
            death_every_instruction(c, &r);
            death_print(++number, "every instruction", c, &r);
        }
    return death_summary();
}
