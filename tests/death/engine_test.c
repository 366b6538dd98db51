/* engine_test.c - Description: if this failed, the death tests would pass whatever they were given.
 *
 * The engines must find nothing wrong with the toy protocol, and each of the bugs planted in it. */
#include "death.h"
#include "toy.h"
#include "toy_cases.h"

#include <stdio.h>
#include <string.h>

static const char *const bug_names[TOY_BUGS] = {
    [TOY_PUBLISHES_FIRST] = "publishes before the message is whole",
    [TOY_NAMES_ITSELF_LATE] = "takes the lock in one store and says who in the next",
    [TOY_REPAIR_ADDS] = "has a repair that is not repeatable",
    [TOY_REPAIR_FORGETS] = "drops its intent before it is done",
    [TOY_NEVER_WAKES] = "never wakes a sleeper",
    [TOY_CHECKS_THEN_ACTS] = "looks at the lock, then takes it",
    [TOY_REPAIR_WAKES_NONE] = "wakes nobody after a death",
};

static unsigned number;

static int right(void)
{
    struct death_report r;
    int failed = 0;

    for (unsigned i = 0; i < toy_case_count; i++) {
        failed += death_every_store(&toy_cases[i], &r) != 0;
        death_print(++number, "every store", &toy_cases[i], &r);
        failed += death_together(&toy_cases[i], &r) != 0;
        death_print(++number, "together", &toy_cases[i], &r);
    }
    return failed;
}

static int bug_is_found(enum toy_bug bug)
{
    struct death_report r, first;
    const char *by = NULL, *in = NULL;
    long found = 0;

    toy_bug = bug;
    for (unsigned i = 0; i < toy_case_count; i++) {
        for (int engine = 0; engine < 2; engine++) {
            long n = engine == 0 ? death_every_store(&toy_cases[i], &r)
                                 : death_together(&toy_cases[i], &r);

            if (n > 0 && !by) {
                by = engine == 0 ? "every store" : "together";
                in = toy_cases[i].name;
                first = r;
            }
            found += n;
        }
    }
    toy_bug = TOY_RIGHT;
    printf("%sok %u - a toy that %s is found out", by ? "" : "not ", ++number, bug_names[bug]);
    if (by)
        printf(", in %ld states\n# first by %s, %s: %s", found, by, in, first.first);
    printf("\n");
    return by == NULL;
}

int main(void)
{
    int failed;

    death_open();
    failed = right();
    for (enum toy_bug bug = TOY_RIGHT + 1; bug < TOY_BUGS; bug++)
        failed += bug_is_found(bug);
    printf("1..%u\n", number);
    return failed != 0;
}
