/* engine_test.c - Description: if this failed, the death tests would pass whatever they were given.
 *
 * The engines must find nothing wrong with the toy protocol, and each of the bugs planted in it; and what
 * is found must be found again by its number. */
#include "death.h"
#include "replay.h"
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

/* It takes no death to see them. */
static const bool needs_no_death[TOY_BUGS] = {
    [TOY_NEVER_WAKES] = true,
    [TOY_CHECKS_THEN_ACTS] = true,
};

static const struct {
    const char *name;
    long (*run)(const struct death_case *c, struct death_report *r);
} engines[] = {
    { "every store", death_every_store },
    { "together", death_together },
    { "every schedule", death_every_schedule },
};
#define ENGINES (sizeof engines / sizeof engines[0])
#define EVERY_SCHEDULE 2

static unsigned number;

static int right(void)
{
    struct death_report r;
    int failed = 0;

    for (unsigned i = 0; i < toy_case_count; i++) {
        for (unsigned e = 0; e < ENGINES; e++) {
            failed += engines[e].run(&toy_cases[i], &r) != 0;
            death_print(++number, engines[e].name, &toy_cases[i], &r);
        }
    }
    return failed;
}

/* What was found is found again, by its number alone. */
static bool comes_again(const struct death_case *c, unsigned engine, const struct death_report *r)
{
    struct death_report again;
    long wrong = 0;

    if (replay_set(r->number, false) && replay_now)
        wrong = engines[engine].run(c, &again);
    replay_set(NULL, false);
    return wrong == 1 && strcmp(again.first, r->first) == 0 && strcmp(again.number, r->number) == 0;
}

static int bug_is_found(enum toy_bug bug)
{
    struct death_report r, first;
    const char *by = NULL, *in = NULL;
    bool again = true, without_death = false;
    long found = 0;

    toy_bug = bug;
    for (unsigned i = 0; i < toy_case_count; i++) {
        for (unsigned e = 0; e < ENGINES; e++) {
            long n = engines[e].run(&toy_cases[i], &r);

            if (n > 0 && !by) {
                by = engines[e].name;
                in = toy_cases[i].name;
                first = r;
            }
            if (n > 0)
                again = comes_again(&toy_cases[i], e, &r) && again;
            without_death |= n > 0 && e == EVERY_SCHEDULE;
            found += n;
        }
    }
    toy_bug = TOY_RIGHT;
    printf("%sok %u - a toy that %s is found out", by ? "" : "not ", ++number, bug_names[bug]);
    if (by)
        printf(", in %ld states\n# first by %s, %s: %s", found, by, in, first.first);
    printf("\n%sok %u - and again, by the number\n", again ? "" : "not ", ++number);
    printf("%sok %u - and %s where nobody dies\n", without_death == needs_no_death[bug] ? "" : "not ",
           ++number, needs_no_death[bug] ? "also" : "not");
    return by == NULL || !again || without_death != needs_no_death[bug];
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
