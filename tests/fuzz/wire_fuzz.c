/* wire_fuzz.c - what a peer says: its greeting, and its messages.
 *
 * Description: a peer says something that makes no sense, and is let in, or believed, or makes the
 * program read behind its memory or ask for more of it than was agreed.
 *
 * The first bytes of an input say how it is heard: mode; role, and whether a key is needed; the
 * limit; how many descriptors come with each message; how many bytes come at a time. The rest is
 * what the peer says. Messages are read a second time by a reader that has them all before it, and
 * both must agree. */
#include "channel/wire.h"

#include <crew/base.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define MUST(condition)                                                                       \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);           \
            abort();                                                                          \
        }                                                                                     \
    } while (0)

enum mode { GREETING, PLAIN, SEALED, FORGED, MODES };

static size_t allocated, limit; /* bytes, of the block that there is */

static int alloc(void **block, size_t size)
{
    MUST(allocated == 0 && size > 0 && size <= limit);
    *block = malloc(size);
    allocated = size;
    return *block ? 0 : -ENOMEM;
}

static void release(void *block)
{
    allocated = 0;
    free(block);
}

static struct proof_secret *secret(void)
{
    static struct proof_secret *made;

    if (!made && proof_secret(&made, "sixteen bytes at least", 22) < 0)
        return NULL;
    return made;
}

/* -- the reader that has all before it --------------------------------------------------------- */

struct reference {
    const unsigned char *at, *end;
    unsigned descriptors;
    bool inside;
    uint64_t left;
    unsigned char *message;
    size_t size;
};

static uint64_t number(const unsigned char *at, unsigned bytes)
{
    uint64_t n = 0;

    while (bytes > 0)
        n = n << 8 | at[--bytes];
    return n;
}

/* What comes next: as wire_got(); 0: nothing is whole any more. */
static int next(struct reference *r)
{
    for (;;) {
        uint64_t size, left;
        unsigned kind;

        if (r->end - r->at < WIRE_HEAD)
            return 0;
        kind = r->at[0];
        size = number(r->at + 4, 4);
        left = number(r->at + 8, 8);
        if (r->at[1] != (r->inside ? 0 : r->descriptors) || r->at[2] || r->at[3] ||
            size > WIRE_CHUNK)
            return -EPROTO;
        r->at += WIRE_HEAD;
        if (kind == WIRE_ABORT || kind == WIRE_BYE) {
            if (size != 0 || left != 0 || r->inside != (kind == WIRE_ABORT))
                return -EPROTO;
            if (kind == WIRE_BYE)
                return r->descriptors ? -EPROTO : WIRE_OVER;
            r->inside = false;
            return WIRE_ABORTED;
        }
        if ((kind != WIRE_MORE && kind != WIRE_LAST) ||
            (r->inside ? left != r->left : left > limit) ||
            (kind == WIRE_LAST ? size != left : size == 0 || size >= left))
            return -EPROTO;
        if (!r->inside)
            r->size = 0;
        if ((uint64_t)(r->end - r->at) < size)
            return 0;
        r->message = realloc(r->message, r->size + size + 1);
        memcpy(r->message + r->size, r->at, size);
        r->size += size;
        r->at += size;
        r->left = left - size;
        r->inside = kind == WIRE_MORE;
        if (kind == WIRE_LAST)
            return WIRE_WHOLE;
    }
}

/* -- as it comes ------------------------------------------------------------------------------- */

struct heard {
    struct wire_reader reader;
    struct reference reference;
    unsigned descriptors;
    unsigned step;
    int end; /* what ended it; 0: nothing */
};

/* The peer's next bytes. */
static void hear(struct heard *h, const unsigned char *bytes, size_t size)
{
    while (size > 0 && h->end == 0) {
        size_t some;
        void *at;
        int r;

        MUST(wire_room(&h->reader, &at, &some) == 0);
        MUST(some > 0 && some <= WIRE_CHUNK);
        some = some < size ? some : size;
        some = some < h->step ? some : h->step;
        memcpy(at, bytes, some);
        bytes += some;
        size -= some;
        r = wire_got(&h->reader, some, h->descriptors);
        if (r == 0)
            continue;
        MUST(r == next(&h->reference));
        if (r == WIRE_WHOLE) {
            MUST(h->reader.filled == h->reference.size && h->reader.filled <= limit);
            MUST(h->reader.filled == 0 ||
                 memcmp(wire_message(&h->reader), h->reference.message, h->reader.filled) == 0);
            wire_next(&h->reader, false);
            MUST(allocated == 0);
        } else if (r != WIRE_ABORTED) {
            h->end = r;
        }
    }
}

/* Says what stands there with the right seals, as far as it goes. */
static void hear_sealed(struct heard *h, const unsigned char *bytes, size_t size)
{
    for (uint64_t n = 0; size >= WIRE_HEAD; n++) {
        size_t body = (size_t)number(bytes + 4, 4);
        unsigned char seal[PROOF_SIZE];

        hear(h, bytes, WIRE_HEAD);
        if (h->end != 0 || size - WIRE_HEAD < body)
            return;
        hear(h, bytes + WIRE_HEAD, body);
        proof_seal(seal, secret(), n, bytes, WIRE_HEAD, bytes + WIRE_HEAD, body);
        hear(h, seal, sizeof seal);
        bytes += WIRE_HEAD + body;
        size -= WIRE_HEAD + body;
    }
}

static void hear_messages(enum mode mode, const unsigned char *how, const unsigned char *bytes,
                          size_t size)
{
    struct heard h = { .descriptors = how[3] % 4, .step = how[4] % 64 + 1 };

    limit = (size_t)1 << how[2] % 20;
    h.reference =
        (struct reference){ .at = bytes, .end = bytes + size, .descriptors = h.descriptors };
    wire_reader_init(&h.reader, mode == PLAIN ? NULL : secret(), limit, alloc, release);
    if (mode == SEALED) {
        hear_sealed(&h, bytes, size);
    } else if (mode == PLAIN) {
        hear(&h, bytes, size);
        MUST(h.end != 0 || next(&h.reference) == 0);
    } else { /* nobody who does not know the key is ever believed */
        while (size > 0) {
            size_t some;
            void *at;
            int r;

            MUST(wire_room(&h.reader, &at, &some) == 0);
            some = some < size ? some : size;
            memcpy(at, bytes, some);
            bytes += some;
            size -= some;
            r = wire_got(&h.reader, some, h.descriptors);
            MUST(r == 0 || r == CREW_EAUTH || r == -EPROTO);
            MUST(allocated == 0);
            if (r < 0)
                break;
        }
    }
    wire_reader_fini(&h.reader);
    MUST(allocated == 0);
    free(h.reference.message);
}

static void hear_greeting(const unsigned char *how, const unsigned char *bytes, size_t size)
{
    enum wire_role role = how[1] & 1 ? WIRE_CONNECTS : WIRE_LISTENS;
    struct proof_secret *s = how[1] & 2 ? secret() : NULL;
    struct wire_greeting g;
    int r = 0;

    wire_greet(&g, role, s, 100);
    while (size > 0 && r == 0) {
        size_t some;
        void *at = wire_greeting_room(&g, &some);

        MUST(some > 0 && some <= WIRE_HELLO);
        some = some < size ? some : size;
        some = some < how[4] % 64 + 1u ? some : how[4] % 64 + 1u;
        memcpy(at, bytes, some);
        bytes += some;
        size -= some;
        r = wire_greeting_got(&g, some);
        MUST(r == 0 || r == 1 || r == CREW_EAUTH);
        MUST(g.out_size <= sizeof g.out);
    }
    MUST(r != 1 || !s); /* nobody can know the proof */
    if (r == 1)
        MUST(wire_peer_limit(&g) > 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const size_t head = 5;
    unsigned char *bytes;
    enum mode mode;

    if (size < head)
        return 0;
    mode = data[0] % MODES;
    if ((mode == SEALED || mode == FORGED) && !secret())
        return 0;
    bytes = malloc(size > head ? size - head : 1); /* no byte more than there is */
    MUST(bytes);
    memcpy(bytes, data + head, size - head);
    if (mode == GREETING)
        hear_greeting(data, bytes, size - head);
    else
        hear_messages(mode, data, bytes, size - head);
    free(bytes);
    return 0;
}
