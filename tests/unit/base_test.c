/* Description: a user reads no sentence, or the wrong one, for an error; or a deadline lies. */
#include "unit.h"

#include <crew.h>

#include <errno.h>
#include <limits.h>
#include <string.h>

START_TEST(version_of_the_library_is_that_of_its_headers)
{
    ck_assert_str_eq(crew_version(), CREW_VERSION);
}
END_TEST

START_TEST(every_code_of_crew_has_its_sentence)
{
#define SAYS(name, value, sentence)                                                           \
    ck_assert_int_eq(name, value);                                                            \
    ck_assert_str_eq(crew_strerror(name), sentence);
    CREW_ERRORS(SAYS)
#undef SAYS
}
END_TEST

START_TEST(codes_of_crew_lie_below_every_errno)
{
#define BELOW(name, value, sentence) ck_assert_int_lt(name, -4095);
    CREW_ERRORS(BELOW)
#undef BELOW
}
END_TEST

START_TEST(no_two_codes_share_a_sentence)
{
#define SENTENCE(name, value, sentence) sentence,
    const char *all[] = { CREW_ERRORS(SENTENCE) };
#undef SENTENCE
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(all[i], all[k]);
}
END_TEST

START_TEST(success_and_errno_values_have_sentences)
{
    ck_assert_str_eq(crew_strerror(0), "success");
    ck_assert_str_eq(crew_strerror(-ENOMEM), "Cannot allocate memory");
    ck_assert_str_eq(crew_strerror(-EAGAIN), "Resource temporarily unavailable");
}
END_TEST

START_TEST(a_code_that_nobody_knows_has_a_sentence_too)
{
    const int unknown[] = { 1, 42, -4000, -4999, -5000, -5099, -6000, INT_MAX, INT_MIN };

    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        ck_assert_str_eq(crew_strerror(unknown[i]), "unknown error");
}
END_TEST

START_TEST(a_sentence_stays_where_it_is)
{
    const char *sentence = crew_strerror(CREW_ETASK);

    ck_assert_ptr_eq(crew_strerror(CREW_ETASK), sentence);
    (void)crew_strerror(-EINVAL);
    ck_assert_str_eq(sentence, "the task reported a failure");
}
END_TEST

START_TEST(time_never_goes_back)
{
    crew_time last = crew_time_now();

    ck_assert_int_gt(last, 0);
    for (int i = 0; i < 1000; i++) {
        crew_time now = crew_time_now();

        ck_assert_int_ge(now, last);
        last = now;
    }
}
END_TEST

START_TEST(a_deadline_lies_as_far_ahead_as_was_asked)
{
    crew_time before = crew_time_now();
    crew_time at = crew_in_ms(1500);
    crew_time after = crew_time_now();

    ck_assert_int_ge(at, before + 1500 * INT64_C(1000000));
    ck_assert_int_le(at, after + 1500 * INT64_C(1000000));
}
END_TEST

START_TEST(a_deadline_too_far_ahead_is_forever)
{
    const int64_t far[] = { INT64_MAX, INT64_MAX / 2, INT64_MAX / 1000000, INT64_MAX / 1000000 + 1 };

    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        ck_assert_int_eq(crew_in_ms(far[i]), CREW_FOREVER);
}
END_TEST

START_TEST(a_deadline_in_the_past_never_waits)
{
    const int64_t past[] = { 0, -1, -1000, INT64_MIN / 1000000, INT64_MIN };

    for (size_t i = 0; i < sizeof past / sizeof *past; i++)
        ck_assert_int_eq(crew_in_ms(past[i]), CREW_NOW);
}
END_TEST

START_TEST(deadlines_keep_the_order_of_what_was_asked)
{
    crew_time last = CREW_NOW;

    for (int64_t ms = 1; ms > 0 && ms <= INT64_MAX / 2; ms *= 2) {
        crew_time at = crew_in_ms(ms);

        ck_assert_int_ge(at, last);
        last = at;
    }
    ck_assert_int_eq(last, CREW_FOREVER);
}
END_TEST

UNIT_TESTS("base", version_of_the_library_is_that_of_its_headers, every_code_of_crew_has_its_sentence,
           codes_of_crew_lie_below_every_errno, no_two_codes_share_a_sentence,
           success_and_errno_values_have_sentences, a_code_that_nobody_knows_has_a_sentence_too,
           a_sentence_stays_where_it_is, time_never_goes_back,
           a_deadline_lies_as_far_ahead_as_was_asked, a_deadline_too_far_ahead_is_forever,
           a_deadline_in_the_past_never_waits, deadlines_keep_the_order_of_what_was_asked)
