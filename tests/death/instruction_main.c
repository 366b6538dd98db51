/* instruction_main.c - runs the cases of all protocols through every_instruction.
 *
 *     every_instruction [WORD]      only cases whose name has WORD in it
 *
 * CREW_DEATH_SECONDS    of real kills for each case, about, twice (2)
 *
 * Exit status 77, with the reason: processes can't be traced here. */
#include "runner.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    static const struct death_cases *const cases[] = { CASES(ADDRESS_OF_CASES) };
    static const struct death_engine engine = { .name = "every instruction", .run = death_every_instruction,
                                                .alone = true };
    const char *why = death_no_instructions();

    if (why) {
        printf("%s\n", why);
        return 77;
    }
    return death_run(argc, argv, cases, sizeof cases / sizeof cases[0], &engine, 1);
}
