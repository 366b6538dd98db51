/* wire.c - the law is in wire.h. */
#include "wire.h"

#include <crew/base.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void put(uint8_t *at, uint64_t number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(number >> 8 * i);
}

static uint64_t get(const uint8_t *at, unsigned bytes)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < bytes; i++)
        number |= (uint64_t)at[i] << 8 * i;
    return number;
}

/* -- greeting ------------------------------------------------------------------------------ */

#define ROLE 5
#define LIMIT 8
#define NONCE 16

static enum wire_role other(enum wire_role role)
{
    return role == WIRE_CONNECTS ? WIRE_LISTENS : WIRE_CONNECTS;
}

/* All of a hello but limit and nonce. */
static void preamble(uint8_t hello[LIMIT], enum wire_role role, bool proofs)
{
    memcpy(hello, "crew", 4);
    hello[4] = WIRE_VERSION;
    hello[ROLE] = role == WIRE_CONNECTS ? 'C' : 'L';
    hello[6] = proofs;
    hello[7] = 0;
}

static void say(struct wire_greeting *g, const void *bytes, size_t size)
{
    memcpy(g->out + g->out_size, bytes, size);
    g->out_size += size;
}

static void prove(const struct wire_greeting *g, enum wire_role role, uint8_t proof[PROOF_SIZE])
{
    proof_make(proof, g->secret, role == WIRE_CONNECTS ? "crew: I connect" : "crew: I listen",
               g->hello, sizeof g->hello);
}

static void say_proof(struct wire_greeting *g)
{
    uint8_t proof[PROOF_SIZE];

    prove(g, g->role, proof);
    say(g, proof, sizeof proof);
}

void wire_greet(struct wire_greeting *g, enum wire_role role, const struct proof_secret *secret,
                uint64_t limit)
{
    uint8_t *hello = g->hello[role];

    memset(g, 0, sizeof *g);
    g->role = role;
    g->secret = secret;
    preamble(hello, role, secret != NULL);
    put(hello + LIMIT, limit, 8);
    if (secret)
        proof_nonce(hello + NONCE);
    if (role == WIRE_CONNECTS)
        say(g, hello, WIRE_HELLO);
}

void *wire_greeting_room(struct wire_greeting *g, size_t *size)
{
    if (g->awaits == GREETING_HELLO) {
        *size = WIRE_HELLO - g->got;
        return g->hello[other(g->role)] + g->got;
    }
    *size = PROOF_SIZE - g->got;
    return g->proof + g->got;
}

static int got_hello(struct wire_greeting *g)
{
    const uint8_t *hello = g->hello[other(g->role)];
    uint8_t wanted[LIMIT];

    preamble(wanted, other(g->role), g->secret != NULL);
    if (memcmp(hello, wanted, sizeof wanted) != 0 || wire_peer_limit(g) == 0)
        return CREW_EAUTH;
    if (g->role == WIRE_LISTENS)
        say(g, g->hello[WIRE_LISTENS], WIRE_HELLO);
    g->got = 0;
    g->awaits = g->secret ? GREETING_PROOF : GREETING_OVER;
    if (g->secret && g->role == WIRE_CONNECTS)
        say_proof(g);
    return g->awaits == GREETING_OVER;
}

static int got_proof(struct wire_greeting *g)
{
    uint8_t wanted[PROOF_SIZE];

    prove(g, other(g->role), wanted);
    if (!proof_equal(g->proof, wanted))
        return CREW_EAUTH;
    if (g->role == WIRE_LISTENS)
        say_proof(g);
    g->awaits = GREETING_OVER;
    return 1;
}

int wire_greeting_got(struct wire_greeting *g, size_t size)
{
    g->got += size;
    if (g->awaits == GREETING_HELLO)
        return g->got < WIRE_HELLO ? 0 : got_hello(g);
    return g->got < PROOF_SIZE ? 0 : got_proof(g);
}

uint64_t wire_peer_limit(const struct wire_greeting *g)
{
    return get(g->hello[other(g->role)] + LIMIT, 8);
}

int wire_secrets(const struct wire_greeting *g, struct proof_secret **theirs,
                 struct proof_secret **ours)
{
    static const char *const purpose[] = {
        [WIRE_CONNECTS] = "crew: what who connects says",
        [WIRE_LISTENS] = "crew: what who listens says",
    };
    struct proof_secret *in, *out;
    int r;

    *theirs = *ours = NULL;
    if (!g->secret)
        return 0;
    r = proof_derive(&in, g->secret, purpose[other(g->role)], g->hello, sizeof g->hello);
    if (r < 0)
        return r;
    r = proof_derive(&out, g->secret, purpose[g->role], g->hello, sizeof g->hello);
    if (r < 0) {
        proof_drop(in);
        return r;
    }
    *theirs = in;
    *ours = out;
    return 0;
}

/* -- writing ------------------------------------------------------------------------------- */

size_t wire_chunk(struct wire_writer *w, uint8_t head[WIRE_HEAD], uint8_t seal[PROOF_SIZE],
                  enum wire_kind kind, unsigned descriptors, const void *body, size_t size,
                  uint64_t left)
{
    head[0] = (uint8_t)kind;
    head[1] = (uint8_t)descriptors;
    head[2] = head[3] = 0;
    put(head + 4, size, 4);
    put(head + 8, left, 8);
    if (!w->secret)
        return 0;
    proof_seal(seal, w->secret, w->number++, head, WIRE_HEAD, body, size);
    return PROOF_SIZE;
}

/* -- reading ------------------------------------------------------------------------------- */

void wire_reader_init(struct wire_reader *r, const struct proof_secret *secret, uint64_t limit,
                      int (*alloc)(void **, size_t), void (*free)(void *))
{
    memset(r, 0, sizeof *r);
    r->secret = secret;
    r->limit = limit;
    r->alloc = alloc;
    r->free = free;
}

static void drop_block(struct wire_reader *r)
{
    if (r->block)
        r->free(r->block);
    r->block = NULL;
}

void wire_reader_fini(struct wire_reader *r)
{
    drop_block(r);
    free(r->chunk);
    r->chunk = NULL;
}

/* A place for the body: for the first of a message the chunk; for others the block, which is made
 * when the second is to come. */
static bool make_place(struct wire_reader *r)
{
    void *block;

    if (!r->inside) {
        if (!r->chunk)
            r->chunk = malloc(WIRE_CHUNK);
        return r->chunk != NULL;
    }
    if (r->block)
        return true;
    if (r->alloc(&block, r->total) < 0)
        return false;
    r->block = block;
    memcpy(r->block, r->chunk, r->filled);
    return true;
}

int wire_room(struct wire_reader *r, void **at, size_t *size)
{
    switch (r->part) {
    case READ_HEAD:
        *at = r->head + r->got;
        *size = WIRE_HEAD - r->got;
        return 0;
    case READ_BODY:
        if (!make_place(r))
            return -ENOMEM;
        *at = (r->inside ? r->block + r->filled : r->chunk) + r->got;
        *size = r->size - r->got;
        return 0;
    default:
        *at = r->seal + r->got;
        *size = PROOF_SIZE - r->got;
        return 0;
    }
}

/* Reads the head: true if it makes sense here. */
static bool read_head(struct wire_reader *r, unsigned descriptors)
{
    uint64_t left = get(r->head + 8, 8);

    r->kind = r->head[0];
    r->size = (uint32_t)get(r->head + 4, 4);
    if (r->head[2] != 0 || r->head[3] != 0 || r->size > WIRE_CHUNK)
        return false;
    if (r->inside ? r->head[1] != 0 || descriptors != r->descriptors : r->head[1] != descriptors)
        return false;
    switch (r->kind) {
    case WIRE_MORE:
    case WIRE_LAST:
        if (r->inside ? left != r->total - r->filled : left > r->limit)
            return false;
        if (!r->inside) {
            r->total = left;
            r->filled = 0;
            r->descriptors = descriptors;
        }
        return r->kind == WIRE_LAST ? r->size == left : r->size > 0 && r->size < left;
    case WIRE_ABORT:
        return r->inside && r->size == 0 && left == 0;
    case WIRE_BYE:
        return !r->inside && r->size == 0 && left == 0 && descriptors == 0;
    default:
        return false;
    }
}

/* The chunk is all there. */
static int finish(struct wire_reader *r)
{
    uint8_t wanted[PROOF_SIZE];

    if (r->secret) {
        const uint8_t *body = r->size == 0 ? NULL : r->inside ? r->block + r->filled : r->chunk;

        proof_seal(wanted, r->secret, r->number++, r->head, WIRE_HEAD, body, r->size);
        if (!proof_equal(r->seal, wanted))
            return CREW_EAUTH;
    }
    r->part = READ_HEAD;
    r->got = 0;
    switch (r->kind) {
    case WIRE_MORE:
        r->inside = true;
        r->filled += r->size;
        return 0;
    case WIRE_LAST:
        r->filled += r->size;
        return WIRE_WHOLE;
    case WIRE_ABORT:
        drop_block(r);
        r->inside = false;
        return WIRE_ABORTED;
    default:
        return WIRE_OVER;
    }
}

int wire_got(struct wire_reader *r, size_t size, unsigned descriptors)
{
    r->got += size;
    if (r->part == READ_HEAD) {
        if (r->got < WIRE_HEAD)
            return 0;
        if (!read_head(r, descriptors))
            return -EPROTO;
        r->part = READ_BODY;
        r->got = 0;
    }
    if (r->part == READ_BODY) {
        if (r->got < r->size)
            return 0;
        r->part = READ_SEAL;
        r->got = 0;
        if (r->secret)
            return 0;
    }
    return r->secret && r->got < PROOF_SIZE ? 0 : finish(r);
}

void wire_next(struct wire_reader *r, bool kept)
{
    if (kept)
        r->block = NULL;
    drop_block(r);
    r->inside = false;
}
