/* unit.h - the frame of a unit test: NOUN_test.c includes it, says what must hold, and ends in a
 * table of all its tests.
 *
 *     START_TEST(a_version_is_told)
 *     {
 *         ck_assert_str_eq(crew_version(), CREW_VERSION);
 *     }
 *     END_TEST
 *
 *     UNIT_TESTS("base", a_version_is_told)
 *
 * Each test runs in a process of its own, alone in its process group: what it breaks, and what it
 * leaves running when it fails, ends with it. So each is the root of its own crew. Under
 * ThreadSanitizer, which doesn't follow a fork, all run in the process of the runner; CK_FORK=no
 * does the same for a debugger. Output is TAP, for meson. */
#ifndef UNIT_H
#define UNIT_H

#include <check.h>
#include <stdlib.h>

#if defined(__SANITIZE_THREAD__)
#define UNIT_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNIT_THREAD_SANITIZER 1
#endif
#endif
#ifndef UNIT_THREAD_SANITIZER
#define UNIT_THREAD_SANITIZER 0
#endif

/* Seconds until a test that hangs is killed and fails. The only clock in a test: far beyond what
 * any of them takes, also under a sanitizer on a busy machine. */
#define UNIT_TIMEOUT 60

/* 'call' returned 0; else says what it returned instead. */
#define ck_assert_ok(call)                                                                    \
    do {                                                                                      \
        int unit_result = (call);                                                             \
        ck_assert_msg(unit_result == 0, "%s is %d (%s)", #call, unit_result,                  \
                      crew_strerror(unit_result));                                            \
    } while (0)

/* 'call' returned the error 'error'; else says what it returned instead. */
#define ck_assert_error(call, error)                                                          \
    do {                                                                                      \
        int unit_result = (call);                                                             \
        ck_assert_msg(unit_result == (error), "%s is %d (%s), not %s", #call, unit_result,    \
                      crew_strerror(unit_result), #error);                                    \
    } while (0)

static inline int unit_run(const char *noun, const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(noun);
    TCase *tcase = tcase_create(noun);
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tcase, UNIT_TIMEOUT);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    srunner_set_tap(runner, "-");
    if (UNIT_THREAD_SANITIZER)
        srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);

    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define UNIT_TESTS(noun, ...)                                                                 \
    int main(void)                                                                            \
    {                                                                                         \
        const TTest *tests[] = { __VA_ARGS__ };                                               \
        return unit_run(noun, tests, sizeof tests / sizeof *tests);                           \
    }

#endif
