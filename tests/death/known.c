/* known.c - see known.h. */
#define _GNU_SOURCE
#include "known.h"
#include "death.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ENTRIES ((size_t)1 << 21)
#define FIRST_ENTRIES ((size_t)1 << 14) /* so many are used until they are half full, then twice */

static struct entry {
    struct key key;
    uint32_t value;
    uint32_t age; /* another than 'now': free */
} *table;
static size_t count, mask;
static uint32_t now;
static bool off, forgot, timed;

__extension__ typedef unsigned __int128 wide;

#define BLOCK 128 /* words */

static uint64_t secret[2 * BLOCK];

static uint64_t fold(wide product)
{
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static wide times(uint64_t x, uint64_t y)
{
    return (wide)x * y;
}

static uint64_t stir(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

__attribute__((constructor)) static void choose_secret(void)
{
    for (uint64_t i = 0; i < 2 * BLOCK; i++)
        secret[i] = stir((i + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

/* Sums of products of pairs of words, each with a secret of its own added: they don't wait for each
 * other. 'n' is at most BLOCK, and even. */
static inline __attribute__((always_inline)) struct key mix(struct key k, const uint64_t *word,
                                                            size_t n)
{
    wide a = 0, b = 0;

    for (size_t i = 0; i < n; i += 2) {
        a += times(word[i] + secret[i], word[i + 1] + secret[i + 1]);
        b += times(word[i] + secret[i + BLOCK], word[i + 1] + secret[i + BLOCK + 1]);
    }
    return (struct key){
        stir(k.a + (uint64_t)a) + fold(times(k.b ^ secret[0], (uint64_t)(a >> 64) ^ secret[1])),
        stir(k.b + (uint64_t)b) + fold(times(k.a ^ secret[2], (uint64_t)(b >> 64) ^ secret[3])),
    };
}

struct key key_of_chunk(struct key k, const void *bytes)
{
    return mix(k, bytes, 8);
}

struct key key_of(struct key k, const void *bytes, size_t size)
{
    const uint64_t *word = bytes;
    size_t n = size / 8;

    k.a += size; /* what is shorter is another */
    for (; n > BLOCK; n -= BLOCK, word += BLOCK)
        k = mix(k, word, BLOCK);
    k = mix(k, word, n & ~(size_t)1);
    if (n & 1) {
        const uint64_t last[2] = { word[n - 1], 0 };

        k = mix(k, last, 2);
    }
    return k;
}

static void forget(void)
{
    now++;
    count = 0;
    mask = FIRST_ENTRIES - 1;
}

void known_begin(void)
{
    if (!table) {
        off = death_setting("CREW_DEATH_KNOWN", 1) == 0;
        table = mmap(NULL, ENTRIES * sizeof *table, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (table == MAP_FAILED) {
            perror("known: mmap");
            exit(1);
        }
    }
    forget();
    forgot = timed = false;
}

void known_timed(void)
{
    timed = true;
}

bool known_off(void)
{
    return off || forgot || timed;
}

static struct entry *entry_of(struct key k)
{
    size_t i = k.a & mask;

    while (table[i].age == now && (table[i].key.a != k.a || table[i].key.b != k.b))
        i = (i + 1) & mask;
    return &table[i];
}

bool known_find(struct key key, uint32_t *value)
{
    const struct entry *e = entry_of(key);

    if (timed || e->age != now)
        return false;
    *value = e->value;
    return true;
}

static void add(struct key key, uint32_t value)
{
    struct entry *e = entry_of(key);

    count += e->age != now;
    *e = (struct entry){ key, value, now };
}

/* Makes room. When there is none, all is forgotten. */
static void grow(void)
{
    struct entry *kept;
    size_t n = 0;

    if (mask + 1 == ENTRIES) {
        forget();
        forgot = true;
        return;
    }
    kept = malloc(count * sizeof *kept);
    if (!kept) {
        perror("known: malloc");
        exit(1);
    }
    for (size_t i = 0; i <= mask; i++)
        if (table[i].age == now)
            kept[n++] = table[i];
    now++;
    count = 0;
    mask = 2 * mask + 1;
    for (size_t i = 0; i < n; i++)
        add(kept[i].key, kept[i].value);
    free(kept);
}

void known_add(struct key key, uint32_t value)
{
    if (off)
        return;
    if (count > mask / 2)
        grow();
    add(key, value);
}
