/* address.c - see address.h.
 *
 * A folder is opened before it is looked at, and names in it are reached through that descriptor:
 * who could rename a folder further up can lead the path elsewhere, but not to a folder of our
 * user's that is closed to all others; and then the kernel says who is at the other end. */
#include "address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OTHERS 077 /* permissions of anybody but the owner */

/* Splits at the last slash, opens what is before, and keeps what is behind. */
static int open_folder(struct address *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *folder;
    int fd;

    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EINVAL;
    if (strlen(name) > ADDRESS_NAME)
        return -ENAMETOOLONG;
    memcpy(a->name, name, strlen(name) + 1);
    folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!folder)
        return -ENOMEM;
    fd = os_folder_open(folder);
    free(folder);
    if (fd < 0)
        return fd;
    a->folder = fd;
    return 0;
}

static int look_at_folder(const struct address *a)
{
    struct os_name folder;
    int r = os_folder_look(a->folder, &folder);

    if (r < 0)
        return r;
    return folder.user == os_user() && (folder.mode & OTHERS) == 0 ? 0 : -EACCES;
}

static int read_port(const char *text, uint16_t *port)
{
    unsigned long n = 0;

    if (*text == '\0')
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        n = n * 10 + (unsigned long)(*text - '0');
        if (n > UINT16_MAX)
            return -EINVAL;
    }
    *port = (uint16_t)n;
    return 0;
}

/* PORT, HOST:PORT or [HOST]:PORT. */
static int read_host(struct address *a, const char *text)
{
    const char *host = "127.0.0.1", *colon = strrchr(text, ':');
    size_t size = strlen(host);

    if (colon) {
        host = text;
        size = (size_t)(colon - text);
        text = colon + 1;
        if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
            host++;
            size -= 2;
        } else if (memchr(host, ':', size)) {
            return -EINVAL;
        }
        if (size == strlen("localhost") && memcmp(host, "localhost", size) == 0) {
            host = "127.0.0.1";
            size = strlen(host);
        }
    }
    if (size == 0 || size > ADDRESS_HOST)
        return -EINVAL;
    memcpy(a->host, host, size);
    a->host[size] = '\0';
    return read_port(text, &a->port);
}

int address_open(struct address *a, const char *text)
{
    int r = -EINVAL;

    memset(a, 0, sizeof *a);
    a->folder = -1;
    if (!text)
        return -EINVAL;
    if (strncmp(text, "unix:", 5) == 0) {
        a->local = true;
        r = open_folder(a, text + 5);
        if (r == 0)
            r = look_at_folder(a);
    } else if (strncmp(text, "tcp:", 4) == 0) {
        r = read_host(a, text + 4);
    }
    if (r < 0)
        address_close(a);
    return r;
}

void address_close(struct address *a)
{
    if (a->folder >= 0)
        os_close(a->folder);
    a->folder = -1;
}

int address_secret(const struct address *a, const void *key, size_t size,
                   struct proof_secret **secret)
{
    if (!a->local)
        return proof_secret(secret, key, key ? size : 0);
    *secret = NULL;
    return key || size > 0 ? -EINVAL : 0;
}

bool address_trusts(const struct address *a, int fd)
{
    uid_t user;

    return !a->local || (os_socket_peer(fd, &user) == 0 && user == os_user());
}
