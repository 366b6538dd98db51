/* Description: blocks of a process that ended are lost, or blocks in use are handed out again; or the
 * misuse of a block goes unseen. */
#include "watch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/wait.h>

static struct crew_exit run(crew_function *function, const void *argument, size_t size)
{
    crew_process *p;
    struct crew_exit e;

    ck_assert_ok(crew_process_start(&p, function, argument, size, NULL));
    ck_assert_ok(crew_process_join(p, &e, CREW_FOREVER));
    ck_assert_ok(crew_process_close(p));
    return e;
}

static const size_t sizes[] = { 1, 64, 100, 5000, 32704, 32705, 65536, 200000, 1000000 };
#define SIZES (sizeof sizes / sizeof *sizes)

struct wish {
    bool give;
    bool crash;
    void **told; /* in the arena: where the blocks are put down */
};

static int allocate(crew_task *t)
{
    const struct wish *w = t->argument;

    for (size_t i = 0; i < SIZES; i++) {
        void *block;

        if (crew_memory_alloc(&block, sizes[i]) < 0)
            return 1;
        memset(block, (int)i + 1, sizes[i]);
        if (w->give)
            crew_memory_give(block);
        w->told[i] = block;
    }
    if (w->crash)
        raise(SIGKILL);
    return 0;
}

static void **place_for_blocks(void)
{
    void **told;

    ck_assert_ok(crew_memory_alloc((void **)&told, SIZES * sizeof *told));
    memset(told, 0, SIZES * sizeof *told);
    return told;
}

START_TEST(blocks_of_an_ended_process_are_free_again)
{
    struct wish w = { .told = place_for_blocks() };
    size_t bought = 0;

    for (int n = 0; n < 30; n++) {
        w.crash = n % 2;
        ck_assert_int_eq(run(allocate, &w, sizeof w).signal, w.crash ? SIGKILL : 0);
        ck_assert_uint_eq(watch_memory().blocks, 1);
        ck_assert_uint_eq(watch_memory().used, 128);
        bought = n == 1 ? watch_memory().bought : bought;
    }
    ck_assert_uint_eq(watch_memory().bought, bought);
    crew_memory_free(w.told);
    ck_assert_ok(crew_fini());
}
END_TEST

START_TEST(given_blocks_outlive_their_process)
{
    struct wish w = { .give = true, .told = place_for_blocks() };

    for (int n = 0; n < 10; n++) {
        w.crash = n % 2;
        run(allocate, &w, sizeof w);
        ck_assert_uint_eq(watch_memory().blocks, 1 + SIZES);
        for (size_t i = 0; i < SIZES; i++) {
            const unsigned char *bytes = w.told[i];

            ck_assert_uint_eq(bytes[0], i + 1);
            ck_assert_uint_eq(bytes[sizes[i] - 1], i + 1);
            crew_memory_free(w.told[i]);
        }
        ck_assert_uint_eq(watch_memory().blocks, 1);
    }
    crew_memory_free(w.told);
    ck_assert_ok(crew_fini());
}
END_TEST

static int free_them(crew_task *t)
{
    void *const *told = *(void **const *)t->argument;

    for (size_t i = 0; i < SIZES; i++)
        crew_memory_free(told[i]);
    return 0;
}

START_TEST(any_process_may_free_a_block)
{
    void **told = place_for_blocks();

    for (size_t i = 0; i < SIZES; i++)
        ck_assert_ok(crew_memory_alloc(&told[i], sizes[i]));
    ck_assert_int_eq(run(free_them, &told, sizeof told).status, 0);
    ck_assert_uint_eq(watch_memory().blocks, 1);
    crew_memory_free(told);
    ck_assert_ok(crew_fini());
}
END_TEST

static int give_them(crew_task *t)
{
    void *const *told = *(void **const *)t->argument;

    for (size_t i = 0; i < SIZES; i++)
        crew_memory_give(told[i]);
    return 0;
}

START_TEST(blocks_of_the_root_survive_its_children)
{
    void **told = place_for_blocks();

    for (size_t i = 0; i < SIZES; i++) {
        ck_assert_ok(crew_memory_alloc(&told[i], sizes[i]));
        memset(told[i], 0x5A, sizes[i]);
    }
    ck_assert_int_eq(run(give_them, &told, sizeof told).status, 0);
    for (size_t i = 0; i < SIZES; i++)
        ck_assert_uint_eq(((unsigned char *)told[i])[sizes[i] - 1], 0x5A);
    ck_assert_uint_eq(watch_memory().blocks, 1 + SIZES);
    ck_assert_ok(crew_fini());
}
END_TEST

/* Allocates and frees until it is killed; checks that nobody else writes into its blocks. */
static int churn(crew_task *t)
{
    _Atomic uint32_t *wrong = *(_Atomic uint32_t *const *)t->argument;
    unsigned seed = (unsigned)getpid();
    struct {
        unsigned char *block;
        size_t size;
    } held[40] = { 0 };

    while (t->argument_size > 0) { /* until it is killed */
        unsigned i = (seed >> 16) % 40;

        seed = seed * 1103515245 + 12345;
        if (held[i].block) {
            for (size_t k = 0; k < held[i].size; k += 13)
                if (held[i].block[k] != (unsigned char)getpid())
                    atomic_fetch_add(wrong, 1);
            crew_memory_free(held[i].block);
            held[i].block = NULL;
        } else {
            held[i].size = sizes[(seed >> 12) % SIZES];
            if (crew_memory_alloc((void **)&held[i].block, held[i].size) < 0) {
                held[i].block = NULL;
                continue;
            }
            memset(held[i].block, getpid(), held[i].size);
        }
    }
    return 0;
}

START_TEST(processes_killed_while_they_allocate_lose_nothing)
{
    _Atomic uint32_t *wrong;
    unsigned seed = 99;

    ck_assert_ok(crew_init(&(struct crew_options){ .arena_size = (size_t)64 << 20 }));
    ck_assert_ok(crew_memory_alloc((void **)&wrong, sizeof *wrong));
    *wrong = 0;
    for (int n = 0; n < 40; n++) {
        crew_process *p[3];

        for (int i = 0; i < 3; i++)
            ck_assert_ok(crew_process_start(&p[i], churn, &wrong, sizeof wrong, NULL));
        for (int i = 0; i < 3; i++) {
            crew_time until;

            seed = seed * 1103515245 + 12345;
            until = crew_time_now() + (seed >> 8) % 3000000;
            while (crew_time_now() < until)
                ;
            ck_assert_ok(crew_process_kill(p[i]));
        }
        for (int i = 0; i < 3; i++) {
            ck_assert_ok(crew_process_join(p[i], NULL, CREW_FOREVER));
            ck_assert_ok(crew_process_close(p[i]));
        }
        ck_assert_uint_eq(*wrong, 0);
        ck_assert_uint_eq(watch_memory().blocks, 1);
    }
    ck_assert_ok(crew_fini());
}
END_TEST

/* -- misuse ------------------------------------------------------------------------------- */

static void *large, *small;

static void free_twice_small(void)
{
    crew_memory_free(small);
    crew_memory_free(small);
}

static void free_twice_large(void)
{
    crew_memory_free(large);
    crew_memory_free(large);
}

static void free_inside_small(void)
{
    crew_memory_free((char *)small + 64);
}

static void free_inside_large(void)
{
    crew_memory_free((char *)large + 65536);
}

static void free_foreign(void)
{
    crew_memory_free(malloc(10));
}

static void free_local(void)
{
    int local;

    crew_memory_free(&local);
}

static void give_freed(void)
{
    crew_memory_free(small);
    crew_memory_give(small);
}

static void free_after_fini(void)
{
    if (crew_fini() == 0)
        crew_memory_free(small);
}

START_TEST(misuse_of_a_block_aborts_with_one_line)
{
    void (*const misuse[])(void) = { free_twice_small,  free_twice_large, free_inside_small,
                                     free_inside_large, free_foreign,     free_local,
                                     give_freed,        free_after_fini };

    for (size_t i = 0; i < sizeof misuse / sizeof *misuse; i++) {
        char said[1000] = "";
        int err[2];
        int status;
        pid_t pid;
        ssize_t n;

        ck_assert_int_eq(pipe(err), 0);
        pid = fork();
        if (pid == 0) {
            signal(SIGABRT, SIG_DFL);
            dup2(err[1], STDERR_FILENO);
            if (crew_memory_alloc(&small, 100) < 0 || crew_memory_alloc(&large, 300000) < 0)
                _exit(1);
            misuse[i]();
            _exit(0);
        }
        close(err[1]);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        n = read(err[0], said, sizeof said - 1);
        close(err[0]);
        ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "misuse %zu goes on", i);
        ck_assert_int_gt(n, 0);
        ck_assert_int_eq(strncmp(said, "crew: misuse: crew_memory_", 26), 0);
        ck_assert_ptr_eq(strchr(said, '\n'), said + n - 1);
    }
}
END_TEST

START_TEST(a_plain_childs_own_blocks_are_aligned_too)
{
    int status;
    pid_t pid;

    ck_assert_ok(crew_init(NULL)); /* its arena stands where the child's would */
    pid = fork();
    if (pid == 0) {
        void *block;
        int r = crew_memory_alloc(&block, 65536);

        _exit(r < 0 ? 2 : (uintptr_t)block % 65536 != 0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_ok(crew_fini());
}
END_TEST

UNIT_TESTS("memory_owners", blocks_of_an_ended_process_are_free_again,
           given_blocks_outlive_their_process, any_process_may_free_a_block,
           blocks_of_the_root_survive_its_children,
           processes_killed_while_they_allocate_lose_nothing, misuse_of_a_block_aborts_with_one_line,
           a_plain_childs_own_blocks_are_aligned_too)
