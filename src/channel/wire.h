/* wire.h - what two processes of different crews say to each other: bytes in, answers out. Nothing
 * here makes a system call; who calls brings the bytes (stream.c, listener.c). All of it comes from
 * a stranger until it is proved, and from a peer that may be broken after that.
 *
 * Greeting. C has connected, L listens. Nothing longer than these packets is read, and nothing is
 * allocated, before both are through.
 *
 *     C > L   hello   "crew", version, 'C', proofs, 0, limit: 8, nonce: 32
 *     L > C   hello   "crew", version, 'L', proofs, 0, limit: 8, nonce: 32
 *                                                            proofs = 0: that was all
 *     C > L   proof   HMAC(key; "crew: I connect", both hellos)
 *     L > C   proof   HMAC(key; "crew: I listen", both hellos)
 *
 * A proof holds for one conversation (both nonces), one side of it (the purpose: one's own proof
 * sent back proves nothing), and what was said in it (both hellos). L proves nothing to who has
 * proved nothing. 'limit' is the longest message that the side takes, at least 1.
 *
 * Messages, each as one chunk or more. All numbers are little-endian.
 *
 *     head    kind, descriptors, 0, 0, size: 4 (of the body), left: 8 (of the message)
 *     body    at most 64 KiB
 *     seal    HMAC(key of this direction; number of the chunk: 8, head, body), if there are proofs
 *
 *     MORE    body, and the message goes on                 LAST   body, and it is whole
 *     ABORT   the message that has begun is not sent        BYE    nothing more comes
 *
 * The key of a direction is HMAC(key; "crew: what who connects says" or "crew: what who listens
 * says", both hellos). So a chunk can't be changed, left out, sent twice, or turned back to who
 * sent it. It can be read: nothing is encrypted.
 *
 * The first chunk is read into a buffer that is there; room for more is made only when that one was
 * sealed, and not beyond this side's limit. Descriptors come with the head of the first chunk.
 *
 * The peer dies ...            this side sees
 *   in the greeting            the end of the bytes before it was through: CREW_EAUTH
 *   inside a message           the same inside a chunk, or after MORE: CREW_EPEERDIED
 *   between messages           the same without BYE: CREW_EPEERDIED */
#ifndef CREW_WIRE_H
#define CREW_WIRE_H

#include "proof.h"

#define WIRE_VERSION 1
#define WIRE_HELLO 48
#define WIRE_HEAD 16
#define WIRE_CHUNK 65536
#define WIRE_DESCRIPTORS 64

/* -- greeting ------------------------------------------------------------------------------ */

enum wire_role { WIRE_CONNECTS, WIRE_LISTENS };

struct wire_greeting {
    enum wire_role role;
    enum { GREETING_HELLO, GREETING_PROOF, GREETING_OVER } awaits;
    const struct proof_secret *secret; /* NULL: there is nothing to prove  */
    size_t got;                        /* bytes of what is awaited         */
    size_t out_size, out_sent;
    uint8_t hello[2][WIRE_HELLO];      /* by role                          */
    uint8_t proof[PROOF_SIZE];         /* the peer's                       */
    uint8_t out[WIRE_HELLO + PROOF_SIZE];
};

/* Who takes messages of 'limit' bytes at most greets. What is in 'out' is to be sent, now and
 * later. */
void wire_greet(struct wire_greeting *g, enum wire_role role, const struct proof_secret *secret,
                uint64_t limit);

/* Where the peer's next bytes go, and how many at most. */
void *wire_greeting_room(struct wire_greeting *g, size_t *size);

/* So many came. 0: more are needed; 1: both are through, once 'out' is sent; CREW_EAUTH. */
int wire_greeting_got(struct wire_greeting *g, size_t size);

/* After it: the longest message that the peer takes; and the secrets for what it says and what we
 * say. */
uint64_t wire_peer_limit(const struct wire_greeting *g);
int wire_secrets(const struct wire_greeting *g, struct proof_secret **theirs,
                 struct proof_secret **ours);

/* -- messages ------------------------------------------------------------------------------ */

enum wire_kind { WIRE_MORE = 1, WIRE_LAST, WIRE_ABORT, WIRE_BYE };

struct wire_writer {
    const struct proof_secret *secret; /* NULL: no seals */
    uint64_t number;
};

/* Makes head and seal of the next chunk. 'left' counts its body, too. Bytes of the seal: 0 if there
 * are no seals. */
size_t wire_chunk(struct wire_writer *w, uint8_t head[WIRE_HEAD], uint8_t seal[PROOF_SIZE],
                  enum wire_kind kind, unsigned descriptors, const void *body, size_t size,
                  uint64_t left);

struct wire_reader {
    const struct proof_secret *secret; /* NULL: no seals            */
    uint64_t limit;                    /* bytes of a message        */
    int (*alloc)(void **block, size_t size); /* for messages of more than one chunk */
    void (*free)(void *block);

    enum { READ_HEAD, READ_BODY, READ_SEAL } part;
    size_t got; /* bytes of it                                      */
    uint64_t number;
    uint8_t head[WIRE_HEAD], seal[PROOF_SIZE];
    enum wire_kind kind;
    uint32_t size;        /* of the body                            */
    unsigned descriptors; /* of the message                         */
    bool inside;          /* a message has begun                    */
    uint64_t total;       /* its size, when it has                  */
    uint64_t filled;      /* and what of it has come, whole chunks  */
    uint8_t *chunk;       /* its first chunk; NULL: none came yet   */
    uint8_t *block;       /* all of it; NULL: it is in 'chunk'      */
};

void wire_reader_init(struct wire_reader *r, const struct proof_secret *secret, uint64_t limit,
                      int (*alloc)(void **, size_t), void (*free)(void *));
void wire_reader_fini(struct wire_reader *r);

/* Where the next bytes go, and how many at most. -ENOMEM: ask again when there is more memory. */
int wire_room(struct wire_reader *r, void **at, size_t *size);

/* The next bytes are a head's: descriptors may come with them. */
static inline bool wire_awaits_head(const struct wire_reader *r)
{
    return r->part == READ_HEAD;
}

/* So many came, and 'descriptors' with what has come of this message. 0: go on. What follows an
 * error means nothing. */
enum { WIRE_WHOLE = 1, WIRE_ABORTED, WIRE_OVER }; /* or -EPROTO, CREW_EAUTH */
int wire_got(struct wire_reader *r, size_t size, unsigned descriptors);

/* After WIRE_WHOLE. It stays the reader's until wire_next(). */
static inline const uint8_t *wire_message(const struct wire_reader *r)
{
    return r->block ? r->block : r->chunk;
}

/* After WIRE_WHOLE: on to the next. 'kept': the block is the caller's now, and not to be freed. */
void wire_next(struct wire_reader *r, bool kept);

#endif
