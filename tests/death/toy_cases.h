#ifndef DEATH_TOY_CASES_H
#define DEATH_TOY_CASES_H
#include "death.h"

extern const struct death_case toy_cases[];
extern const unsigned toy_case_count;

#endif
