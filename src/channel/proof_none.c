/* proof_none.c - proof.h, built without libsodium: no secret can be had, so nobody comes to the
 * rest. */
#include "proof.h"

#include <errno.h>
#include <stdlib.h>

int proof_secret(struct proof_secret **secret, const void *bytes, size_t size)
{
    (void)secret;
    (void)bytes;
    return size < PROOF_LEAST ? -EINVAL : -ENOTSUP;
}

int proof_derive(struct proof_secret **secret, const struct proof_secret *from, const char *purpose,
                 const void *conversation, size_t size)
{
    (void)secret;
    (void)from;
    (void)purpose;
    (void)conversation;
    (void)size;
    return -ENOTSUP;
}

void proof_drop(struct proof_secret *secret)
{
    (void)secret;
}

void proof_nonce(uint8_t nonce[PROOF_NONCE])
{
    (void)nonce;
    abort();
}

void proof_make(uint8_t proof[PROOF_SIZE], const struct proof_secret *secret, const char *purpose,
                const void *bytes, size_t size)
{
    (void)proof;
    (void)secret;
    (void)purpose;
    (void)bytes;
    (void)size;
    abort();
}

void proof_seal(uint8_t proof[PROOF_SIZE], const struct proof_secret *secret, uint64_t number,
                const void *head, size_t head_size, const void *body, size_t size)
{
    (void)proof;
    (void)secret;
    (void)number;
    (void)head;
    (void)head_size;
    (void)body;
    (void)size;
    abort();
}

bool proof_equal(const uint8_t a[PROOF_SIZE], const uint8_t b[PROOF_SIZE])
{
    (void)a;
    (void)b;
    abort();
}
