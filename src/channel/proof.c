/* proof.c - see proof.h. A secret is HMAC's state behind the key: what each proof begins with. */
#include "proof.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

struct proof_secret {
    crypto_auth_hmacsha256_state keyed;
};

_Static_assert(PROOF_SIZE == crypto_auth_hmacsha256_BYTES, "a proof is one HMAC");

static int make(struct proof_secret **secret, const void *bytes, size_t size)
{
    struct proof_secret *s;

    if (sodium_init() < 0)
        return -ENOTSUP; /* no randomness is to be had */
    s = sodium_malloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    crypto_auth_hmacsha256_init(&s->keyed, bytes, size);
    *secret = s;
    return 0;
}

int proof_secret(struct proof_secret **secret, const void *bytes, size_t size)
{
    return size < PROOF_LEAST ? -EINVAL : make(secret, bytes, size);
}

int proof_derive(struct proof_secret **secret, const struct proof_secret *from, const char *purpose,
                 const void *conversation, size_t size)
{
    uint8_t key[PROOF_SIZE];
    int r;

    proof_make(key, from, purpose, conversation, size);
    r = make(secret, key, sizeof key);
    sodium_memzero(key, sizeof key);
    return r;
}

void proof_drop(struct proof_secret *secret)
{
    sodium_free(secret);
}

void proof_nonce(uint8_t nonce[PROOF_NONCE])
{
    randombytes_buf(nonce, PROOF_NONCE);
}

static void finish(crypto_auth_hmacsha256_state *state, uint8_t proof[PROOF_SIZE])
{
    crypto_auth_hmacsha256_final(state, proof);
    sodium_memzero(state, sizeof *state);
}

void proof_make(uint8_t proof[PROOF_SIZE], const struct proof_secret *secret, const char *purpose,
                const void *bytes, size_t size)
{
    crypto_auth_hmacsha256_state state = secret->keyed;

    crypto_auth_hmacsha256_update(&state, (const uint8_t *)purpose, strlen(purpose) + 1);
    crypto_auth_hmacsha256_update(&state, bytes, size);
    finish(&state, proof);
}

void proof_seal(uint8_t proof[PROOF_SIZE], const struct proof_secret *secret, uint64_t number,
                const void *head, size_t head_size, const void *body, size_t size)
{
    crypto_auth_hmacsha256_state state = secret->keyed;
    uint8_t count[8];

    for (unsigned i = 0; i < sizeof count; i++)
        count[i] = (uint8_t)(number >> 8 * i);
    crypto_auth_hmacsha256_update(&state, count, sizeof count);
    crypto_auth_hmacsha256_update(&state, head, head_size);
    if (size > 0)
        crypto_auth_hmacsha256_update(&state, body, size);
    finish(&state, proof);
}

bool proof_equal(const uint8_t a[PROOF_SIZE], const uint8_t b[PROOF_SIZE])
{
    return sodium_memcmp(a, b, PROOF_SIZE) == 0;
}
