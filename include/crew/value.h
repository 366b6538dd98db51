/* crew/value.h - numbers that threads and processes of a crew change at once, and wait for.
 *
 * Use
 *
 *     crew_value *value;
 *     int r = crew_value_open(&value, 0);                     // before the processes start
 *     if (r == 0) {
 *         crew_value_add(value, 1);                           // in any of them
 *         r = crew_value_wait(value, 0, NULL, crew_in_ms(100)); // until it is not 0
 *     }
 *
 * 64 bits, as an integer or as a double (the calls that end in _double); an int32_t or uint32_t fits. All
 * calls are in one order that all threads and processes agree on, and what was written before a change
 * is visible to who sees it.
 *
 * Sharing. All calls on one value may run at once, from any thread of any process of the crew, except
 * init(), open(), fini() and close(), which come first and last.
 *
 * When a process dies: inside a change, it is made or not, and if it is, whoever waits is told. */
#ifndef CREW_VALUE_H
#define CREW_VALUE_H

#include <crew/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Storage for a member of a struct; what is inside is crew's. */
typedef struct crew_value {
    unsigned char inside[64];
} __attribute__((aligned(64))) crew_value;

/* Makes a value in 'value', which lies in the arena, or makes one of its own there.
 *
 * 0        done
 * -EINVAL  not in the arena
 * -ENOMEM  no memory; and as crew_init()
 *
 * Owns: the handle of open() is closed by close(), by any process, once. It outlives who opened it.
 * Signals: not async-signal-safe. */
CREW_API CREW_CHECKED int crew_value_init(crew_value *value, int64_t first);
CREW_API CREW_CHECKED int crew_value_open(crew_value **value, int64_t first);

/* Ends it. Nobody may wait for it. NULL is allowed. */
CREW_API void crew_value_fini(crew_value *value);
CREW_API void crew_value_close(crew_value *value);

/* Reading and changing; add() wraps, and returns what was there before.   Signals: async-signal-safe. */
CREW_API int64_t crew_value_load(const crew_value *value);
CREW_API void crew_value_store(crew_value *value, int64_t wanted);
CREW_API int64_t crew_value_add(crew_value *value, int64_t more);
CREW_API int64_t crew_value_exchange(crew_value *value, int64_t wanted);
/* Makes it 'wanted' if it is *expected: true. Else false, and *expected is what it is. */
CREW_API bool crew_value_compare_exchange(crew_value *value, int64_t *expected, int64_t wanted);

CREW_API double crew_value_load_double(const crew_value *value);
CREW_API void crew_value_store_double(crew_value *value, double wanted);
CREW_API double crew_value_add_double(crew_value *value, double more);
/* Compares bits: -0.0 is not 0.0, a NaN is itself. */
CREW_API bool crew_value_compare_exchange_double(crew_value *value, double *expected, double wanted);

/* Waits until the value is not 'seen'; *now, unless NULL, is then what it is. A change that is undone at
 * once may be missed. 0, or an error as of crew_event_wait(). */
CREW_API CREW_CHECKED int crew_value_wait(crew_value *value, int64_t seen, int64_t *now,
                                          crew_time deadline);

#ifdef __cplusplus
}
#endif

#endif
