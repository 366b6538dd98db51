/* sanitizers.c - what the sanitizers do when they find something, linked into every program of a
 * sanitizer's build. Here and not in the environment, so that a test behaves alike from wherever it
 * is started; and where /proc is missing the sanitizers can't read the environment at all. */
#include <unistd.h>

const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__tsan_default_options(void);

/* Without /proc the search for leaks can't list the threads that it has to stop. */
const char *__asan_default_options(void)
{
    return access("/proc/self/maps", R_OK) == 0
               ? "detect_leaks=1:detect_stack_use_after_return=1"
               : "detect_leaks=0:detect_stack_use_after_return=1";
}

const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}

const char *__tsan_default_options(void)
{
    return "halt_on_error=1:second_deadlock_stack=1";
}
