/* primes_kernel.c - libprimesieve's iterator, read in blocks, straight into the formatter. */
#include "primes_kernel.h"

#include "checksum.h"

#include <errno.h>
#include <math.h>
#include <primesieve.h>
#include <pthread.h>
#include <stdlib.h>

/* What a thread keeps from chunk to chunk. */
struct sieve {
    primesieve_iterator iterator;
    uint64_t next; /* the numbers below were handed out; 0: nothing to go on from */
    uint64_t hint;
};

static pthread_key_t sieve_key;

static void sieve_free(void *kept)
{
    struct sieve *s = kept;

    primesieve_free_iterator(&s->iterator);
    free(s);
}

void primes_prepare(void)
{
    static bool done;

    if (done)
        return;
    done = true;
    primes_format_prepare();
    primesieve_set_num_threads(1);
    if (pthread_key_create(&sieve_key, sieve_free) != 0)
        abort(); /* the first of 1024 keys in this process */
}

static struct sieve *sieve_of_thread(void)
{
    struct sieve *s = pthread_getspecific(sieve_key);

    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    primesieve_init(&s->iterator);
    if (pthread_setspecific(sieve_key, s) != 0) {
        sieve_free(s);
        return NULL;
    }
    return s;
}

void primes_forget(void)
{
    struct sieve *s = pthread_getspecific(sieve_key);

    if (s) {
        pthread_setspecific(sieve_key, NULL);
        sieve_free(s);
    }
}

/* How many of the 'count' sorted primes are at most 'high'. */
static size_t up_to(const uint64_t *primes, size_t count, uint64_t high)
{
    size_t low = 0;

    if (primes[count - 1] <= high)
        return count;
    while (count > low) {
        size_t middle = low + (count - low) / 2;

        if (primes[middle] <= high)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

static int list(struct sieve *s, const struct primes_chunk *chunk, struct primes_piece *piece)
{
    primesieve_iterator *it = &s->iterator;
    uint64_t high = chunk->high < PRIMES_LAST ? chunk->high : PRIMES_LAST;
    char *out = chunk->buffer, *end = out + chunk->capacity - FORMAT_SLACK;
    bool packed = chunk->format == PRIMES_PACKED;
    uint64_t last = chunk->low | 1;

    if (s->next != chunk->low || s->hint < high) {
        s->hint = chunk->hint < PRIMES_LAST ? chunk->hint : PRIMES_LAST;
        primesieve_jump_to(it, chunk->low, s->hint);
        it->i = it->size = 0;
    }
    s->next = 0;
    for (bool done = chunk->low > high; !done;) {
        if (it->i >= it->size) {
            primesieve_generate_next_primes(it);
            if (it->is_error)
                return -ENOMEM;
            it->i = 0;
        }
        const uint64_t *primes = it->primes + it->i;
        size_t count = up_to(primes, it->size - it->i, high);
        size_t room = (size_t)(end - out) / (packed ? PACKED_MOST : FORMAT_MOST);

        done = it->i + count < it->size || primes[count - 1] == high;
        if (count > room) {
            count = room;
            piece->next = primes[count];
            done = true;
        }
        out = packed ? primes_pack(out, primes, count, &last)
                     : primes_format(chunk->format, out, primes, count);
        piece->count += count;
        it->i += count;
    }
    s->next = piece->next ? piece->next : chunk->high + 1;
    piece->bytes = (uint64_t)(out - chunk->buffer);
    if (chunk->hash)
        piece->hash = checksum(chunk->buffer, piece->bytes);
    return 0;
}

int primes_sieve(const struct primes_chunk *chunk, struct primes_piece *piece)
{
    *piece = (struct primes_piece){0};
    if (chunk->low > chunk->high)
        return 0;
    if (chunk->format == PRIMES_NONE) {
        piece->count = primesieve_count_primes(chunk->low, chunk->high);
        return piece->count == PRIMESIEVE_ERROR ? -ENOMEM : 0;
    }
    struct sieve *s = sieve_of_thread();
    int r = s ? list(s, chunk, piece) : -ENOMEM;

    if (r < 0)
        primes_forget();
    return r;
}

/* -- cutting ------------------------------------------------------------------------------ */

/* A chunk's text stays below this, and so does a buffer. */
static const uint64_t most_room = 24 << 20, most_packed = 32 << 20;

/* Sizes of chunks are powers of two between these, unless the user says otherwise. */
static const uint64_t list_smallest = 1 << 16, list_usual = 1 << 21;
static const uint64_t count_smallest = 1 << 22;

/* Each call of libprimesieve pays for the primes up to sqrt(high), so chunks grow with it. */
static const uint64_t roots_in_chunk = 16;

static unsigned decimals(uint64_t n)
{
    unsigned d = 1;

    while (n >= 10) {
        n /= 10;
        d++;
    }
    return d;
}

/* Never below the number of primes of [low, low+size) by much: the density at its beginning. */
static double primes_in(uint64_t low, uint64_t size)
{
    double x = (double)low, density = low > 100 ? 1.05 / (log(x) - 1) : 1;

    if (low < size)
        return 1.26 * (double)(low + size) / log((double)(low + size) + 3) + 8;
    return density * (double)size + 64;
}

static double text_in(uint64_t low, uint64_t size)
{
    uint64_t last = size > UINT64_MAX - low ? UINT64_MAX : low + size;

    return primes_in(low, size) * (decimals(last) + 1);
}

static uint64_t end_of(uint64_t low, uint64_t size, uint64_t stop)
{
    return size > stop - low ? stop : low + (size - 1);
}

static uint64_t root(uint64_t n)
{
    return (uint64_t)sqrt((double)n);
}

uint64_t primes_cut_list(uint64_t low, uint64_t stop, uint64_t size)
{
    if (size == 0) {
        uint64_t wanted = roots_in_chunk * root(low);

        if (wanted < low && low < list_usual)
            wanted = low;
        else if (wanted < list_usual)
            wanted = low < list_usual ? list_smallest : list_usual;
        size = list_smallest;
        while (size < wanted && text_in(low, 2 * size) < (double)most_room)
            size *= 2;
    }
    while (size > 1 && text_in(low, size) > (double)most_room)
        size -= size / 4 + 1;
    return end_of(low, size, stop);
}

uint64_t primes_cut_packed(uint64_t low, uint64_t start, uint64_t stop, unsigned workers)
{
    uint64_t wanted = roots_in_chunk * root(low), fair = (stop - start) / workers;
    uint64_t high = primes_cut_list(low, stop, 0);

    /* Packed text begins where a chunk's list would grow too long for its share of the cost. */
    if (high == stop || high - low >= wanted / 2)
        return 0;
    while (high != stop && high - low < wanted && high - low < fair) {
        uint64_t next = primes_cut_list(high + 1, stop, 0);

        if (primes_in(low, next - low + 1) > (double)most_packed)
            break;
        high = next;
    }
    return high;
}

size_t primes_room(enum primes_format format, uint64_t low, uint64_t high)
{
    const size_t page = 1 << 16;
    double each = format == PRIMES_U64      ? 8
                  : format == PRIMES_PACKED ? 1.01
                                            : decimals(high) + (format == PRIMES_LIST ? 2 : 1);
    double room = primes_in(low, high - low + 1) * each + FORMAT_MOST + FORMAT_SLACK;

    if (room > 2.0 * (double)most_room)
        room = 2.0 * (double)most_room;
    return ((size_t)room + page) / page * page;
}

uint64_t primes_cut_count(uint64_t low, uint64_t start, uint64_t stop, uint64_t size,
                          unsigned workers)
{
    if (size == 0) {
        uint64_t least = roots_in_chunk * root(low), fair = (stop - start) / workers + 1;

        if (least > fair)
            least = fair;
        if (least < count_smallest)
            least = count_smallest;
        size = (stop - low) / (4 * (uint64_t)workers);
        if (size < least)
            size = least;
        /* The first ones are short: they tell how long the rest will take, and keep bars moving. */
        if (size > low + count_smallest)
            size = low + count_smallest;
    }
    return end_of(low, size, stop);
}

/* -- the n-th ----------------------------------------------------------------------------- */

/* The logarithmic integral, by Ramanujan's series: all terms have one sign after halving twice. */
long double primes_about(long double x)
{
    const long double gamma = 0.57721566490153286061L;
    long double l, sum = 0, inner = 0, power = -1, factorial = 1, halves = 1, q;

    if (x < 2)
        return 0;
    l = logl(x);
    for (unsigned n = 1, k = 0; n < 400; n++) {
        power *= -l;
        factorial *= n;
        q = factorial * halves;
        halves *= 2;
        for (; k <= (n - 1) / 2; k++)
            inner += 1.0L / (2 * k + 1);
        long double term = power / q * inner;

        sum += term;
        if (fabsl(term) < 1e-20L * fabsl(sum))
            break;
    }
    return gamma + logl(l) + sqrtl(x) * sum;
}

uint64_t primes_nth_about(long double n)
{
    uint64_t low = 2, high = PRIMES_LAST;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;

        if (primes_about((long double)middle) < n)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The n-th prime from 'from' on, by 'next', which knows no more when it answers 'last'. */
static int step(uint64_t from, uint64_t n, uint64_t last, uint64_t (*next)(primesieve_iterator *),
                uint64_t *prime)
{
    primesieve_iterator it;
    uint64_t p = last == 0 ? from : 0;
    int r = 0;

    primesieve_init(&it);
    primesieve_jump_to(&it, from, last);
    for (; n > 0 && p != last && r == 0; n--) {
        p = next(&it);
        r = it.is_error ? -ENOMEM : 0;
    }
    primesieve_free_iterator(&it);
    if (r == 0)
        *prime = n == 0 ? p : 0;
    return r;
}

static uint64_t step_up(primesieve_iterator *it)
{
    return primesieve_next_prime(it);
}

static uint64_t step_down(primesieve_iterator *it)
{
    return primesieve_prev_prime(it);
}

int primes_step_up(uint64_t low, uint64_t n, uint64_t *prime)
{
    if (low <= PRIMES_LAST)
        return step(low, n, PRIMES_LAST, step_up, prime);
    *prime = 0;
    return 0;
}

int primes_step_down(uint64_t high, uint64_t n, uint64_t *prime)
{
    return step(high, n, 0, step_down, prime);
}
