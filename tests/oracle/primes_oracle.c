/* primes_oracle.c - crew primes against the oracle: every byte of every list.
 *
 * Description: a prime that is missing, doubled, out of order or not prime, on some executor, with
 * some number of workers, cut in some way. Usage: primes_oracle CREW [SEED] */
#include "oracle.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *crew;
static unsigned tests, failures;

/* -- the command -------------------------------------------------------------------------- */

struct text {
    char *bytes;
    size_t size;
};

/* Runs crew primes with these words and reads what it prints; its wait status. */
static int run(struct text *out, const char **words)
{
    const char *argv[24] = {crew, "primes"};
    size_t capacity = 1 << 16;
    int ends[2], status, n = 2;
    ssize_t got;
    pid_t child;

    while (*words)
        argv[n++] = *words++;
    if (pipe(ends) < 0 || (child = fork()) < 0)
        abort();
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execv(crew, (char **)argv); /* which it does not change */
        _exit(127);
    }
    close(ends[1]);
    *out = (struct text){malloc(capacity), 0};
    while (out->bytes && (got = read(ends[0], out->bytes + out->size, capacity - out->size)) != 0) {
        if (got < 0 && errno != EINTR)
            break;
        out->size += got > 0 ? (size_t)got : 0;
        if (out->size == capacity)
            out->bytes = realloc(out->bytes, capacity *= 2);
    }
    close(ends[0]);
    if (!out->bytes || waitpid(child, &status, 0) != child)
        abort();
    return status;
}

static const char *number(uint64_t n)
{
    static char ring[16][24];
    static unsigned turn;
    char *text = ring[turn++ % 16];

    snprintf(text, 24, "%llu", (unsigned long long)n);
    return text;
}

static void __attribute__((format(printf, 2, 3))) report(bool good, const char *format, ...)
{
    va_list arguments;

    printf("%s %u - ", good ? "ok" : "not ok", ++tests);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    fflush(stdout);
    failures += !good;
}

/* -- comparing ---------------------------------------------------------------------------- */

struct how {
    const char *executor, *workers, *chunk;
};

static bool same(const uint64_t *primes, size_t count, const struct text *out)
{
    const char *at = out->bytes, *end = at + out->size;
    char line[32];

    for (size_t i = 0; i < count; i++) {
        size_t n = (size_t)snprintf(line, sizeof line, "%llu\n", (unsigned long long)primes[i]);

        if ((size_t)(end - at) < n || memcmp(at, line, n) != 0) {
            printf("# wrong at prime number %zu of the list, %llu\n", i + 1,
                   (unsigned long long)primes[i]);
            return false;
        }
        at += n;
    }
    if (at != end)
        printf("# %td bytes too many\n", end - at);
    return at == end;
}

static bool lists(const uint64_t *primes, size_t count, uint64_t low, uint64_t high,
                  struct how how)
{
    const char *words[16] = {"-x", how.executor, "-j", how.workers, number(low), number(high)};
    struct text out;
    int status;
    bool good;

    if (how.chunk) {
        words[6] = "--chunk";
        words[7] = how.chunk;
    }
    status = run(&out, words);
    good = status == 0 && same(primes, count, &out);
    if (!good)
        printf("# -x %s -j %s --chunk %s: status %#x\n", how.executor, how.workers,
               how.chunk ? how.chunk : "-", (unsigned)status);
    free(out.bytes);
    return good;
}

static bool counts(uint64_t count, uint64_t low, uint64_t high, struct how how)
{
    const char *words[] = {"-c", "-x", how.executor, "-j", how.workers, number(low), number(high), NULL};
    struct text out;
    bool good;
    char line[32];

    snprintf(line, sizeof line, "%llu\n", (unsigned long long)count);
    good = run(&out, words) == 0 && out.size == strlen(line) &&
           memcmp(out.bytes, line, out.size) == 0;
    if (!good)
        printf("# -c -x %s -j %s: '%.*s' is not %s", how.executor, how.workers, (int)out.size,
               out.bytes, line);
    free(out.bytes);
    return good;
}

/* -- cases -------------------------------------------------------------------------------- */

static struct how kinds[] = {
    {"sequential", "1", NULL}, {"threads", "1", NULL},   {"threads", "2", NULL},
    {"threads", "5", NULL},    {"processes", "1", NULL}, {"processes", "2", NULL},
    {"processes", "5", NULL},  {"auto", "2", NULL},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

/* 'every': on each executor, or on each third. */
static void range_on(unsigned every, uint64_t low, uint64_t high, const char *what)
{
    size_t count;
    uint64_t *primes = oracle_primes(low, high, &count);
    bool good = primes != NULL;

    for (unsigned i = 0; i < KINDS && good; i += every)
        good = lists(primes, count, low, high, kinds[i]) && counts(count, low, high, kinds[i]);
    report(good, "%s: %llu to %llu, %zu primes, on %s executor", what, (unsigned long long)low,
           (unsigned long long)high, count, every == 1 ? "every" : "each third");
    free(primes);
}

static void range(uint64_t low, uint64_t high, const char *what)
{
    range_on(1, low, high, what);
}

static void chunks(void)
{
    static const char *const sizes[] = {"1", "2", "7", "1000", "4096", "65537", "10000000",
                                  "18446744073709551615"};
    const uint64_t high = 300000;
    size_t count;
    uint64_t *primes = oracle_primes(0, high, &count);

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        /* A task for each number is many tasks. */
        uint64_t stop = i < 3 ? 3000 : high;
        size_t n = 0;
        bool good = primes != NULL;

        while (good && n < count && primes[n] <= stop)
            n++;
        for (unsigned k = 0; k < KINDS && good; k++)
            good = lists(primes, n, 0, stop, (struct how){kinds[k].executor, kinds[k].workers,
                                                          sizes[i]});
        report(good, "chunks of %s numbers change no byte", sizes[i]);
    }
    free(primes);
}

static void known_counts(void)
{
    static const uint64_t pi[] = {0, 4, 25, 168, 1229, 9592, 78498, 664579, 5761455, 50847534,
                                  455052511};
    uint64_t n = 1;

    for (unsigned k = 0; k < sizeof pi / sizeof *pi; k++, n *= 10) {
        bool good = true;

        for (unsigned i = 0; i < KINDS && good; i++) {
            if (k < 10 || i % 5 == 0) /* the largest takes a second */
                good = counts(pi[k], 0, n, kinds[i]);
        }
        report(good, "there are %llu primes to 10^%u", (unsigned long long)pi[k], k);
    }
}

static bool nth_is(unsigned every, uint64_t k, uint64_t from, uint64_t prime)
{
    bool good = true;

    for (unsigned i = 0; i < KINDS && good; i += every) {
        const char *words[] = {"--nth", number(k), "-x", kinds[i].executor, "-j", kinds[i].workers,
                         number(from), NULL};
        struct text out;
        int status = run(&out, words);

        good = status == 0 && same(&prime, 1, &out);
        free(out.bytes);
    }
    return good;
}

static void nth(void)
{
    size_t count;
    uint64_t *primes = oracle_primes(0, 2000000, &count), *high;
    bool good = primes != NULL;

    for (size_t k = 1; k <= count && good; k = k * 3 + 1)
        good = nth_is(1, k, 0, primes[k - 1]);
    report(good, "the K-th prime is the oracle's");
    good = primes != NULL;
    for (size_t i = 0; i < count && good; i = i * 5 + 3)
        good = nth_is(1, 7, primes[i], primes[i + 6]) && nth_is(1, 1, primes[i] + 1, primes[i + 1]);
    report(good, "the K-th prime from START on is the oracle's");
    free(primes);
    high = oracle_primes(UINT64_MAX - 999, UINT64_MAX, &count);
    good = high && nth_is(3, count, UINT64_MAX - 999, high[count - 1]);
    report(good, "the last prime below 2^64 is found from 2^64-1000 on");
    free(high);
}

static uint64_t random_state;

static uint64_t random_number(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void random_ranges(void)
{
    printf("# seed %llu\n", (unsigned long long)random_state);
    for (unsigned i = 0; i < 24; i++) {
        /* All magnitudes up to 2^55; above, libprimesieve takes long for each chunk. */
        unsigned bits = 1 + i * 55 / 24;
        uint64_t low = random_number() >> (64 - bits);
        uint64_t size = random_number() % (bits > 46 ? 20000 : 400000);

        range_on(bits > 46 ? 3 : 1, low, low + size, "random range");
    }
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    crew = argv[1];
    if (argc > 2)
        random_state = strtoull(argv[2], NULL, 10);
    else if (getrandom(&random_state, sizeof random_state, 0) != sizeof random_state)
        return 2;

    range(0, 0, "nothing");
    range(0, 1, "nothing yet");
    for (uint64_t n = 2; n <= 5; n++)
        range(0, n, "the first");
    range(30, 31, "two numbers");
    range(31, 31, "one prime");
    range(32, 32, "one that is none");
    range(0, 210, "the first");
    range(65521, 65537, "around 2^16");
    range(0, 1 << 20, "the first million");
    range(UINT64_C(4294967291) - 1000, UINT64_C(4294967296) + 1000, "around 2^32");
    range((UINT64_C(1) << 40) - 5000, (UINT64_C(1) << 40) + 100000, "around 2^40");
    range((UINT64_C(1) << 53) - 5000, (UINT64_C(1) << 53) + 5000, "around 2^53");
    /* Squares of primes are what a sieve that stops too early lets through. */
    range(UINT64_C(4294967291) * 65521 - 1000, UINT64_C(4294967291) * 65521 + 1000, "a product");
    range(UINT64_C(9999991) * 9999991 - 1000, UINT64_C(9999991) * 9999991 + 1000, "a square");
    range(99999, 100001, "five digits and six");
    range(UINT64_C(9999999000), UINT64_C(10000001000), "ten digits and eleven");
    random_ranges();
    chunks();
    known_counts();
    nth();
    /* Above 2^60 each task pays a second for the primes up to the root. */
    range_on(3, UINT64_MAX - 1000, UINT64_MAX, "the last below 2^64");
    printf("1..%u\n", tests);
    return failures > 0;
}
