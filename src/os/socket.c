/* socket.c - sockets of the two kinds that crew speaks over, and the folders in which the one kind
 * has its names. No socket blocks, but in connect; every descriptor is closed by exec. */
#include "os.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000
#define ALIVE_IDLE 30  /* s without a word, until the other machine is asked whether it is there */
#define ALIVE_EVERY 10 /* s until it is asked again                                              */
#define ALIVE_TIMES 3  /* that it may be silent                                                  */

/* Time until 'deadline', not less than none; NULL: without end. */
static struct timespec *left(crew_time deadline, struct timespec *t)
{
    crew_time ns;

    if (deadline == CREW_FOREVER)
        return NULL;
    ns = deadline == CREW_NOW ? 0 : deadline - crew_time_now();
    if (ns < 0)
        ns = 0;
    t->tv_sec = ns / NS_PER_S;
    t->tv_nsec = ns % NS_PER_S;
    return t;
}

/* -- waiting ------------------------------------------------------------------------------- */

int os_await(int fd, enum os_ready what, crew_time deadline)
{
    struct pollfd p = { .fd = fd, .events = what == OS_READABLE ? POLLIN : POLLOUT };
    struct timespec t;

    for (;;) {
        int n = ppoll(&p, 1, left(deadline, &t), NULL);

        if (n > 0)
            return 0;
        if (n == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

int os_poll_wait_until(int poll, void **tags, int max, crew_time deadline)
{
    struct epoll_event events[16];
    struct timespec t;
    long n;

    /* the call of libc's that takes nanoseconds came with glibc 2.35; the kernel's with Linux 5.11
     * */
    n = syscall(SYS_epoll_pwait2, poll, events, max < 16 ? max : 16, left(deadline, &t), NULL, 0);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < (int)n; i++)
        tags[i] = events[i].data.ptr;
    return (int)n;
}

/* -- bytes and descriptors --------------------------------------------------------------------- */

#define RIGHTS CMSG_SPACE(OS_DESCRIPTORS_MOST * sizeof(int))

ssize_t os_socket_send(int fd, const struct os_bytes *parts, unsigned count, const int *fds,
                       unsigned n)
{
    union {
        struct cmsghdr head;
        char bytes[RIGHTS];
    } control;
    struct iovec v[OS_PARTS_MOST];
    struct msghdr m = { .msg_iov = v, .msg_iovlen = count };
    ssize_t sent;

    for (unsigned i = 0; i < count; i++)
        v[i] =
            (struct iovec){ .iov_base = (void *)(uintptr_t)parts[i].at, .iov_len = parts[i].size };
    if (n > 0) {
        memset(&control, 0, sizeof control);
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(&control.head), fds, n * sizeof(int));
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(n * sizeof(int));
    }
    do
        sent = sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

/* Takes the descriptors that came with 'm'; those that find no room are closed. False: some found
 * none, or were lost on the way. */
static bool take_descriptors(struct msghdr *m, int *fds, unsigned most, unsigned *n)
{
    bool all = !(m->msg_flags & MSG_CTRUNC);

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        unsigned here;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        here = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (unsigned i = 0; i < here; i++) {
            int got;

            memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof got);
            if (*n < most) {
                fds[(*n)++] = got;
            } else {
                close(got);
                all = false;
            }
        }
    }
    return all;
}

ssize_t os_socket_recv(int fd, void *buf, size_t size, int *fds, unsigned most, unsigned *n)
{
    union {
        struct cmsghdr head;
        char bytes[RIGHTS];
    } control;
    struct iovec v = { .iov_base = buf, .iov_len = size };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
    ssize_t got;

    if (fds) {
        m.msg_control = &control;
        m.msg_controllen = sizeof control;
    }
    do
        got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return -errno;
    if (fds && !take_descriptors(&m, fds, most, n))
        return -EMSGSIZE;
    return got;
}

int os_socket_pair(int fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ? -errno
                                                                                          : 0;
}

bool os_socket_is_abandoned(int fd)
{
    struct pollfd p = { .fd = fd };

    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

void os_socket_end(int fd)
{
    shutdown(fd, SHUT_WR);
}

int os_socket_peer(int fd, uid_t *user)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return -errno;
    *user = peer.uid;
    return 0;
}

uid_t os_user(void)
{
    return geteuid();
}

/* -- folders ----------------------------------------------------------------------------------- */

int os_folder_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static void describe(const struct stat *s, struct os_name *name)
{
    *name = (struct os_name){
        .user = s->st_uid,
        .mode = s->st_mode & 07777,
        .is_socket = S_ISSOCK(s->st_mode),
        .device = s->st_dev,
        .number = s->st_ino,
    };
}

int os_folder_look(int folder, struct os_name *name)
{
    struct stat s;

    if (fstat(folder, &s) < 0)
        return -errno;
    describe(&s, name);
    return 0;
}

void os_folder_lock(int folder)
{
    while (flock(folder, LOCK_EX) < 0 && errno == EINTR)
        ;
}

void os_folder_unlock(int folder)
{
    flock(folder, LOCK_UN);
}

int os_name_look(int folder, const char *base, struct os_name *name)
{
    struct stat s;

    if (fstatat(folder, base, &s, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    describe(&s, name);
    return 0;
}

int os_name_remove(int folder, const char *base)
{
    return unlinkat(folder, base, 0) < 0 ? -errno : 0;
}

/* The address of 'base' in the very folder that is open, whatever its path now leads to. */
static int address_in(int folder, const char *base, struct sockaddr_un *at)
{
    int n;

    memset(at, 0, sizeof *at);
    at->sun_family = AF_UNIX;
    n = snprintf(at->sun_path, sizeof at->sun_path, "/proc/self/fd/%d/%s", folder, base);
    return n > 0 && (size_t)n < sizeof at->sun_path ? 0 : -ENAMETOOLONG;
}

/* -- sockets with a name in a folder --------------------------------------------------------- */

int os_listen_in(int folder, const char *base, int backlog)
{
    struct sockaddr_un at;
    int r = address_in(folder, base, &at);
    int fd;

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    /* the folder lets in nobody else; the name itself is as strict from its first moment on */
    if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) < 0) {
        r = -errno;
    } else if (listen(fd, backlog) < 0) {
        r = -errno;
        unlinkat(folder, base, 0);
    }
    if (r < 0)
        close(fd);
    return r < 0 ? r : fd;
}

/* connect() gives up at 'deadline' by itself, also where it waits for room in the listener's queue,
 * which poll() can't wait for. */
static int connect_until(int fd, const struct sockaddr *at, socklen_t size, crew_time deadline)
{
    int r;

    do {
        struct timespec t;
        struct timeval limit = { 0 };

        if (left(deadline, &t)) {
            limit.tv_sec = t.tv_sec;
            limit.tv_usec = t.tv_nsec / 1000;
            if (limit.tv_sec == 0 && limit.tv_usec == 0)
                limit.tv_usec = 1; /* 0 means without end */
        }
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        r = connect(fd, at, size) < 0 ? -errno : 0;
        if (r == -EALREADY || (r == -EINTR && at->sa_family != AF_UNIX)) {
            /* a signal came, and it goes on by itself */
            socklen_t length = sizeof r;

            r = os_await(fd, OS_WRITABLE, deadline);
            if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &r, &length) == 0)
                r = -r;
        }
    } while (r == -EINTR);
    if (r == -EAGAIN || r == -EINPROGRESS)
        r = -ETIMEDOUT;
    if (r == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        r = -errno;
    return r;
}

int os_connect_in(int folder, const char *base, crew_time deadline)
{
    struct sockaddr_un at;
    int r = address_in(folder, base, &at);
    int fd;

    if (r < 0)
        return r;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = connect_until(fd, (const struct sockaddr *)&at, sizeof at, deadline);
    if (r < 0)
        close(fd);
    return r < 0 ? r : fd;
}

/* -- sockets with a port --------------------------------------------------------------------- */

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

static int parse(const char *host, uint16_t port, union address *at, socklen_t *size)
{
    memset(at, 0, sizeof *at);
    if (inet_pton(AF_INET, host, &at->four.sin_addr) == 1) {
        at->any.sa_family = AF_INET;
        at->four.sin_port = htons(port);
        *size = sizeof at->four;
        return 0;
    }
    if (inet_pton(AF_INET6, host, &at->six.sin6_addr) == 1) {
        at->any.sa_family = AF_INET6;
        at->six.sin6_port = htons(port);
        *size = sizeof at->six;
        return 0;
    }
    return -EINVAL;
}

/* Small messages leave at once; a machine that is gone is noticed within a minute. */
static void settle(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){ 1 }, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){ ALIVE_IDLE }, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){ ALIVE_EVERY }, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){ ALIVE_TIMES }, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
               &(unsigned){ (ALIVE_IDLE + ALIVE_EVERY * ALIVE_TIMES) * 1000 }, sizeof(unsigned));
}

int os_listen_tcp(const char *host, uint16_t *port, int backlog)
{
    union address at;
    socklen_t size;
    int r = parse(host, *port, &at, &size);
    int fd;

    if (r < 0)
        return r;
    fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    if (at.any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
    if (bind(fd, &at.any, size) < 0 || listen(fd, backlog) < 0 ||
        getsockname(fd, &at.any, &size) < 0) {
        r = -errno;
        close(fd);
        return r;
    }
    *port = ntohs(at.any.sa_family == AF_INET ? at.four.sin_port : at.six.sin6_port);
    return fd;
}

int os_connect_tcp(const char *host, uint16_t port, crew_time deadline)
{
    union address at;
    socklen_t size;
    int r = parse(host, port, &at, &size);
    int fd;

    if (r < 0)
        return r;
    fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    r = connect_until(fd, &at.any, size, deadline);
    if (r < 0) {
        close(fd);
        return r;
    }
    settle(fd);
    return fd;
}

int os_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    int domain;
    socklen_t size = sizeof domain;

    if (fd < 0)
        return -errno;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain != AF_UNIX)
        settle(fd);
    return fd;
}
