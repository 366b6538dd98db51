/* Description: a pool that runs all in its caller gives other results than the kinds it is compared
 * with. */
#define KIND CREW_SEQUENTIAL
#define CALLER_WORKS false
#define MOST_WORKERS 1
#include "pool_kinds.h"

static int remember_thread(crew_task *t)
{
    *(pid_t *)t->output = gettid();
    return t->worker == 0 ? 0 : 1;
}

START_TEST(all_of_it_runs_in_the_calling_thread)
{
    crew_pool *pool = open_pool(5);
    pid_t thread[10] = { 0 };

    ck_assert_ok(crew_pool_map(pool, remember_thread, NULL, 0, thread, sizeof *thread, 10, NULL,
                               CREW_FOREVER));
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(thread[i], gettid());
    close_pool(pool);
}
END_TEST

START_TEST(it_needs_no_arena)
{
    crew_pool *pool = open_pool(1);
    uint64_t x = 1;

    ck_assert_ok(crew_pool_map(pool, square, &x, 8, &x, 8, 1, NULL, CREW_FOREVER));
    ck_assert_uint_eq(watch_arenas(), 0);
    close_pool(pool);
}
END_TEST

UNIT_TESTS("pool_sequential", POOL_TESTS, all_of_it_runs_in_the_calling_thread, it_needs_no_arena)
