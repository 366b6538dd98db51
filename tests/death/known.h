/* known.h - states that were found good, so that none is checked twice.
 *
 * A state has a key of 128 bits, made of all that can matter for what follows. Two states with the
 * same key are taken for the same one: among a million states, by chance, that is wrong with a
 * probability of 10^-27. CREW_DEATH_KNOWN=0 knows no state, and runs and checks them all. */
#ifndef DEATH_KNOWN_H
#define DEATH_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct key {
    uint64_t a, b;
};

/* The key of 'size' bytes, a multiple of 8, that follow what has the key 'before'. */
struct key key_of(struct key before, const void *bytes, size_t size);

/* The same of 64 bytes, which nothing follows. */
struct key key_of_chunk(struct key before, const void *bytes);

/* Another case: nothing is known. That stays so where somebody asks for a deadline (known_timed),
 * as the time is in no key. */
void known_begin(void);

/* What known_add() was told about it. False: it is not known, or was forgotten. */
bool known_find(struct key key, uint32_t *value);
void known_add(struct key key, uint32_t value);

/* Nothing is ever known: CREW_DEATH_KNOWN=0, too much was to be remembered, or known_timed(). */
bool known_off(void);

void known_timed(void);

#endif
