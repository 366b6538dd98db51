/* process.c - starting, watching and collecting processes.
 *
 * Death is told by a pidfd, never by a pid, a heartbeat or an end of file. */
#include "atomic.h"
#include "os.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

int os_kernel_check(void)
{
    struct utsname name;
    char *end;
    unsigned long major, minor;

    if (uname(&name) < 0)
        return CREW_EKERNEL;
    major = strtoul(name.release, &end, 10);
    minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major > 5 || (major == 5 && minor >= 16) ? 0 : CREW_EKERNEL;
}

static _Atomic pid_t own_pid; /* 0: not asked for yet, or forked since */

static void forget_pid(void)
{
    store_relaxed(&own_pid, 0);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_pid);
}

HOT pid_t os_pid(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pid_t pid = load_relaxed(&own_pid);

    if (pid == 0) {
        pthread_once(&once, watch_forks);
        pid = getpid();
        store_relaxed(&own_pid, pid);
    }
    return pid;
}

unsigned os_thread_count(void)
{
    struct stat s;

    /* a folder's link count: one for each folder inside, and two */
    if (stat("/proc/self/task", &s) < 0 || s.st_nlink < 3)
        return 0;
    return (unsigned)s.st_nlink - 2;
}

void os_signals_block(void *saved, size_t size)
{
    sigset_t all;

    (void)size;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, saved);
}

void os_signals_restore(const void *saved)
{
    pthread_sigmask(SIG_SETMASK, saved, NULL);
}

/* The root's handlers are code for the root's state; what it ignores stays ignored, as over exec. */
static void reset_handlers(void)
{
    for (int s = 1; s < NSIG; s++) {
        struct sigaction action;

        if (sigaction(s, NULL, &action) < 0 || action.sa_handler == SIG_DFL ||
            action.sa_handler == SIG_IGN)
            continue;
        signal(s, SIG_DFL);
    }
    signal(SIGINT, SIG_IGN);
}

static void await_go(_Atomic uint32_t *go)
{
    uint32_t seen = OS_GO_WAIT;

    if (swap_if(go, &seen, OS_GO_ASLEEP))
        seen = OS_GO_ASLEEP;
    for (; seen == OS_GO_ASLEEP; seen = load_acquire(go))
        os_futex_wait(go, OS_GO_ASLEEP, CREW_FOREVER);
    if (seen != OS_GO_RUN)
        os_exit(0);
}

void os_go(_Atomic uint32_t *go, enum os_go how)
{
    if (atomic_exchange(go, how) == OS_GO_ASLEEP)
        os_futex_wake(go, 1);
}

pid_t os_fork(const char *name, _Atomic uint32_t *go, int *pidfd)
{
    pid_t parent = getpid();
    sigset_t mask;
    pid_t pid;
    int fd;

    fflush(NULL); /* or both would print what is still in the buffers */
    os_signals_block(&mask, sizeof mask);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            os_exit(0); /* the parent died before it could be watched */
        reset_handlers();
        prctl(PR_SET_NAME, name);
        await_go(go);
        os_signals_restore(&mask);
        return 0;
    }
    if (pid < 0) {
        int r = -errno;

        os_signals_restore(&mask);
        return r;
    }
    fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) {
        int r = -errno;

        os_go(go, OS_GO_END);
        waitpid(pid, NULL, 0);
        os_signals_restore(&mask);
        return r == -ESRCH ? -EAGAIN : r; /* killed at birth, and SIGCHLD is ignored */
    }
    os_signals_restore(&mask);
    *pidfd = fd;
    return pid;
}

_Noreturn void os_exit(int status)
{
    _exit(status);
}

_Noreturn void os_misuse(const char *call, const char *why)
{
    char line[160];
    int n = snprintf(line, sizeof line, "crew: misuse: %s: %s\n", call, why);

    if (n > 0 && write(STDERR_FILENO, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
        abort();
    abort();
}

int os_pidfd_signal(int pidfd, int signal)
{
    if (syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0)
        return errno == ESRCH ? 0 : -errno;
    return 0;
}

int os_reap(int pidfd, pid_t pid, struct os_end *end)
{
    struct rusage usage;
    siginfo_t info;

    (void)pid;
    memset(end, 0, sizeof *end);
    memset(&info, 0, sizeof info);
    memset(&usage, 0, sizeof usage);
    end->status = -1;
    /* the system call takes a fifth argument that glibc's waitid() hides */
    while (syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | WNOHANG, &usage) < 0) {
        if (errno == EINTR)
            continue;
        if (errno != ECHILD)
            return -errno;
        end->unknown = true; /* SIGCHLD ignored, or somebody's waitpid(-1) */
        return 0;
    }
    if (info.si_pid == 0)
        return -EAGAIN;
    if (info.si_code == CLD_EXITED)
        end->status = info.si_status;
    else
        end->signal = info.si_status;
    end->core_dumped = info.si_code == CLD_DUMPED;
    end->peak_memory = (uint64_t)usage.ru_maxrss * 1024;
    return 0;
}

int os_poll_create(void)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

int os_poll_add(int poll, int fd, void *tag)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = tag };

    return epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void os_poll_remove(int poll, int fd)
{
    epoll_ctl(poll, EPOLL_CTL_DEL, fd, NULL);
}

int os_poll_wait(int poll, void **tags, int max)
{
    struct epoll_event events[16];
    int n = epoll_wait(poll, events, max < 16 ? max : 16, -1);

    for (int i = 0; i < n; i++)
        tags[i] = events[i].data.ptr;
    return n < 0 ? 0 : n;
}

int os_bell_create(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

void os_bell_ring(int bell)
{
    uint64_t one = 1;

    if (bell < 0)
        return;
    while (write(bell, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

void os_bell_drain(int bell)
{
    uint64_t count;

    while (read(bell, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

int os_listener_create(int bell)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };

    if (fd < 0)
        return -errno;
    if (epoll_ctl(fd, EPOLL_CTL_ADD, bell, &event) == 0)
        return fd;
    int r = -errno;

    os_close(fd);
    return r;
}

int os_listener_add(int listener, int fd, short events)
{
    struct epoll_event event = { .events = 0 };

    event.events |= events & POLLIN ? EPOLLIN : 0;
    event.events |= events & POLLOUT ? EPOLLOUT : 0;
    event.events |= events & POLLPRI ? EPOLLPRI : 0;
    event.events |= events & POLLRDHUP ? EPOLLRDHUP : 0;
    if (epoll_ctl(listener, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    return errno == EBADF ? -EINVAL : -errno;
}

void os_listener_hear(int listener)
{
    struct epoll_event events[64];

    epoll_wait(listener, events, 64, 0);
}

int os_poll_many(struct pollfd *list, unsigned long count, crew_time deadline)
{
    struct timespec rest = { 0 };
    crew_time left = deadline == CREW_FOREVER ? 0 : deadline - crew_time_now();
    int n;

    if (left > 0) {
        rest.tv_sec = left / 1000000000;
        rest.tv_nsec = left % 1000000000;
    }
    n = ppoll(list, count, deadline == CREW_FOREVER ? NULL : &rest, NULL);
    if (n > 0)
        return n;
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    return -ETIMEDOUT;
}
