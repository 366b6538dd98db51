/* proof.h - secrets, and what is proved with them: HMAC-SHA-256, by libsodium.
 *
 * A secret is kept where no core dump and no swap shows it, and is wiped when it is dropped. Built
 * without libsodium there is none: proof_secret() answers -ENOTSUP, and nothing else here is ever
 * called. */
#ifndef CREW_PROOF_H
#define CREW_PROOF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROOF_SIZE 32
#define PROOF_NONCE 32
#define PROOF_LEAST 16 /* bytes of a key */

struct proof_secret;

/* A secret of these bytes. 0; -EINVAL: fewer than PROOF_LEAST; -ENOMEM; -ENOTSUP. */
int proof_secret(struct proof_secret **secret, const void *bytes, size_t size);

/* A secret of another, for one purpose, and one conversation. 0; -ENOMEM. */
int proof_derive(struct proof_secret **secret, const struct proof_secret *from, const char *purpose,
                 const void *conversation, size_t size);

void proof_drop(struct proof_secret *secret); /* NULL is allowed */

/* A number that nobody has used before, nor can guess. */
void proof_nonce(uint8_t nonce[PROOF_NONCE]);

/* What only who knows the secret can say about 'purpose' and the bytes. */
void proof_make(uint8_t proof[PROOF_SIZE], const struct proof_secret *secret, const char *purpose,
                const void *bytes, size_t size);

/* The same about packet 'number', a head and a body. */
void proof_seal(uint8_t proof[PROOF_SIZE], const struct proof_secret *secret, uint64_t number,
                const void *head, size_t head_size, const void *body, size_t size);

/* In a time that says nothing about where they differ. */
bool proof_equal(const uint8_t a[PROOF_SIZE], const uint8_t b[PROOF_SIZE]);

#endif
