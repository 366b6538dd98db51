/* primes_kernel.h - the primes of one range, found by libprimesieve, counted and written into a
 * buffer; and how a long range is cut. */
#ifndef TOOLS_PRIMES_KERNEL_H
#define TOOLS_PRIMES_KERNEL_H

#include "primes_format.h"

#include <stdbool.h>

/* The largest prime below 2^64. */
#define PRIMES_LAST UINT64_C(18446744073709551557)

/* What a task is asked. */
struct primes_chunk {
    uint64_t low, high; /* both belong to it                                                   */
    uint64_t hint;      /* the same caller goes on up to here, chunk by chunk; 'high' if not   */
    enum primes_format format;
    bool hash;
    char *buffer;       /* 'capacity' bytes; NULL with PRIMES_NONE                             */
    size_t capacity;
};

/* What it answers. */
struct primes_piece {
    uint64_t next;  /* the buffer was full: the chunk goes on from here; 0: it is done */
    uint64_t count; /* primes                                                          */
    uint64_t bytes; /* in the buffer                                                   */
    uint64_t hash;  /* of them                                                         */
};

/* Once, before workers start. */
void primes_prepare(void);

/* Sieves. A call that begins where the last one of this thread ended goes on without starting
 * anew. 0, or -ENOMEM. Idempotent: may be run again after a death in the middle of it. */
int primes_sieve(const struct primes_chunk *chunk, struct primes_piece *piece);

/* Gives back what primes_sieve() keeps in this thread (threads that end do so by themselves). */
void primes_forget(void);

/* The end of the chunk that begins at 'low', in a list up to 'stop': depends on these alone, so that
 * every executor cuts alike. 'size' is what the user asked for, 0 if nothing. */
uint64_t primes_cut_list(uint64_t low, uint64_t stop, uint64_t size);

/* The end of a longer task from 'low' on, of several such chunks, in a list that began at 'start'.
 * Where finding primes takes far longer than writing them it is worth while: its list, packed, is
 * left to the one who writes. 0: not here. */
uint64_t primes_cut_packed(uint64_t low, uint64_t start, uint64_t stop, unsigned workers);

/* Bytes of buffer that [low, high] needs most probably; if not, the chunk comes in several pieces. */
size_t primes_room(enum primes_format format, uint64_t low, uint64_t high);

/* The end of the chunk that begins at 'low', for counting from 'start' to 'stop' with 'workers'. */
uint64_t primes_cut_count(uint64_t low, uint64_t start, uint64_t stop, uint64_t size,
                          unsigned workers);

/* How many primes there are from 2 to x, roughly: wrong by about the square root. And the inverse. */
long double primes_about(long double x);
uint64_t primes_nth_about(long double n);

/* The n-th prime >= low (n from 1 on), or going down the n-th prime <= high; one after the other,
 * for short ways. 0 if there is none. -ENOMEM or 0. */
int primes_step_up(uint64_t low, uint64_t n, uint64_t *prime);
int primes_step_down(uint64_t high, uint64_t n, uint64_t *prime);

#endif
