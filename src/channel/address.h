/* address.h - where connections between strangers meet: a name in a folder, or a port. */
#ifndef CREW_CHANNEL_ADDRESS_H
#define CREW_CHANNEL_ADDRESS_H

#include "proof.h"

#include <os/os.h>

#define ADDRESS_NAME 80  /* bytes of a name in its folder */
#define ADDRESS_HOST 45  /* bytes of an address in numbers */

struct address {
    bool local;    /* a name in a folder */
    int folder;    /* local: open, the caller's user's, and closed to all others; else -1 */
    char name[ADDRESS_NAME + 1];
    char host[ADDRESS_HOST + 1];
    uint16_t port;
};

/* Reads an address, and looks at its folder. 0; -EINVAL, -EACCES, -ENAMETOOLONG, or of opening the
 * folder. */
int address_open(struct address *a, const char *text);
void address_close(struct address *a);

/* What both sides know, if this address needs it, and only then; else NULL. 0; -EINVAL, -ENOTSUP,
 * -ENOMEM. */
int address_secret(const struct address *a, const void *key, size_t size,
                   struct proof_secret **secret);

/* True if who is at the other end of 'fd' is the caller's user, or proves who it is by a secret. */
bool address_trusts(const struct address *a, int fd);

#endif
