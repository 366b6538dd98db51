/* os.h - the only system calls of crew. Everything else calls these, so that tests can put others
 * in their place, and so that each says once what it may assume.
 *
 * All return 0 (or what is said) or a negated errno; none sets errno as its answer. None allocates
 * with malloc(), so that each may run in a child before it has settled. */
#ifndef CREW_OS_H
#define CREW_OS_H

#include <crew/base.h>
#include <stdatomic.h>
#include <sys/types.h>

/* A function on the way of a task: these stand together, for after a rest each page that is touched costs
 * more than all that is done there. */
#define HOT __attribute__((hot))

/* -- time and waiting ---------------------------------------------------------------------- */

/* Waits while *word == expected, until 'deadline'. 0: woken, changed, or a signal came: look again;
 * -ETIMEDOUT. The word may be in memory shared between processes. */
int os_futex_wait(_Atomic uint32_t *word, uint32_t expected, crew_time deadline);

/* The same, by one who can be told from others that wait there: 'names' has a bit for each name it
 * answers to. */
int os_futex_wait_as(_Atomic uint32_t *word, uint32_t expected, crew_time deadline, uint32_t names);

#define OS_WORDS 128

struct os_word {
    _Atomic uint32_t *word;
    uint32_t expected;
};

/* Waits while all of 'count' words, OS_WORDS at most, are what is expected. Returns as os_futex_wait(). */
int os_futex_wait_many(const struct os_word *words, unsigned count, crew_time deadline);

/* Wakes at most 'count' that wait on 'word'; true: there was one. */
bool os_futex_wake(_Atomic uint32_t *word, int count);

/* Wakes one that waits on 'word' and answers to one of these names; false: there was none. */
bool os_futex_wake_as(_Atomic uint32_t *word, uint32_t names);

/* One step of a busy wait: tells the CPU, not the kernel. */
static inline void os_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}

/* Asks for the line at 'address', which will be written soon. Any address will do. */
static inline void os_fetch_to_write(const void *address)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" : : "m"(*(const char *)address)); /* gcc would not, for any x86-64 */
#else
    __builtin_prefetch(address, 1, 3);
#endif
}

/* Lets others run. */
void os_yield(void);

/* -- memory --------------------------------------------------------------------------------- */

/* Makes nameless shared memory of 'size' bytes, none of them bought, that can neither shrink nor
 * grow (sealed). Returns its descriptor. -EFBIG: over the file size limit. */
int os_memory_create(const char *name, size_t size);

/* Buys the pages of [offset, offset + size) of 'fd': touching them can't fail afterwards. Bought
 * before: nothing happens. -ENOMEM: no memory. */
int os_memory_buy(int fd, size_t offset, size_t size);

/* Maps all of 'fd', at 'wish' if that is free, else anywhere at a multiple of 'align'. */
int os_memory_map(int fd, size_t size, uintptr_t wish, size_t align, void **base);
void os_memory_unmap(void *base, size_t size);

/* Bytes of memory of this machine; 1 GiB if unknown. */
size_t os_memory_total(void);

/* The most that a file of this process may grow to (ulimit -f). */
size_t os_file_limit(void);

void os_close(int fd);

/* -- processes ------------------------------------------------------------------------------ */

/* 0, or CREW_EKERNEL on a kernel before Linux 5.16. */
int os_kernel_check(void);

/* This process's number, without asking the kernel each time. */
pid_t os_pid(void);

/* Threads of this process, or 0 if that can't be known (no /proc). */
unsigned os_thread_count(void);

/* Whether a new child may begin; a word that both see, 0 at first. */
enum os_go { OS_GO_WAIT = 0, OS_GO_ASLEEP, OS_GO_RUN, OS_GO_END };

/* Forks. In the child, before it returns 0: signals that were handled are at their default, SIGINT
 * is ignored, the mask is the caller's, and the child ends with this thread: it has asked the
 * kernel for SIGKILL at its parent's death, and ended itself if that came first. Then it waits
 * until the parent calls os_go(): whatever fails on the way, a child that never began is the only one
 * there is. In the parent: the child's pid; '*pidfd' names it for good.
 *
 * A root killed at any instruction in here leaves no child: until the request is made the child
 * executes nothing but fork handlers and this function, and right after it compares its parent with
 * what it was. */
pid_t os_fork(const char *name, _Atomic uint32_t *go, int *pidfd);

/* Lets the child begin (OS_GO_RUN), or end (OS_GO_END). */
void os_go(_Atomic uint32_t *go, enum os_go how);

/* Ends this process at once: no atexit() functions, no flush. */
_Noreturn void os_exit(int status);

int os_pidfd_signal(int pidfd, int signal);

/* The one case in which crew prints and ends the program: a call that can only be a bug of the
 * caller (a block freed twice, a handle used after close). Never for what others did. */
_Noreturn void os_misuse(const char *call, const char *why);

struct os_end {
    int status;      /* exit status, or -1             */
    int signal;      /* that ended it, or 0            */
    bool core_dumped;
    bool unknown;    /* collected by somebody else     */
    uint64_t peak_memory;
};

/* Collects an ended child; -EAGAIN while it lives. */
int os_reap(int pidfd, pid_t pid, struct os_end *end);

/* -- a set of descriptors to wait for, and a bell to interrupt it ------------------------------ */

int os_poll_create(void);
int os_poll_add(int poll, int fd, void *tag);
void os_poll_remove(int poll, int fd);
/* Waits without end for up to 'max' ready descriptors; sets their tags, returns how many. */
int os_poll_wait(int poll, void **tags, int max);

/* The same until 'deadline'; 0: it came, or a signal did. */
int os_poll_wait_until(int poll, void **tags, int max, crew_time deadline);

int os_bell_create(void);
void os_bell_ring(int bell); /* below 0: there is none */
void os_bell_drain(int bell);

/* A descriptor that is readable after each ring of 'bell', whoever else hears it, until os_listener_hear();
 * and when one of the descriptors added is ready (events as for poll). */
int os_listener_create(int bell);
int os_listener_add(int listener, int fd, short events);
void os_listener_hear(int listener);

/* poll(), until 'deadline'. How many are ready; 0: none yet, look again; -ETIMEDOUT. */
struct pollfd;
int os_poll_many(struct pollfd *list, unsigned long count, crew_time deadline);

/* -- sockets -------------------------------------------------------------------------------- */

/* Waits until 'fd' can be read or written, or has come to its end. 0; -ETIMEDOUT. */
enum os_ready { OS_READABLE, OS_WRITABLE };
int os_await(int fd, enum os_ready what, crew_time deadline);

struct os_bytes {
    const void *at;
    size_t size;
};
#define OS_PARTS_MOST 3
#define OS_DESCRIPTORS_MOST 64

/* Sends what there is room for of some bytes, and 'n' descriptors with the first of them. How many
 * bytes; -EAGAIN: no room; -EPIPE, -ECONNRESET: nobody is there. Never a signal. */
ssize_t os_socket_send(int fd, const struct os_bytes *parts, unsigned count, const int *fds, unsigned n);

/* Receives what there is, and descriptors behind the '*n' that 'fds' has already, if it is not
 * NULL. How many bytes; 0: the end; -EAGAIN: nothing; -EMSGSIZE: more descriptors than 'most',
 * which are closed. */
ssize_t os_socket_recv(int fd, void *buf, size_t size, int *fds, unsigned most, unsigned *n);

/* Two sockets that send packets to each other. */
int os_socket_pair(int fds[2]);

/* Nobody holds the other end any more. */
bool os_socket_is_abandoned(int fd);

/* Tells the other side that nothing more comes. */
void os_socket_end(int fd);

/* The effective user of who is at the other end of a Unix socket; and of this process. */
int os_socket_peer(int fd, uid_t *user);
uid_t os_user(void);

/* What a name stands for. */
struct os_name {
    uid_t user;
    unsigned mode; /* the permissions */
    bool is_socket;
    dev_t device;
    ino_t number;
};

/* A folder, by descriptor: what is done in it is done in that one, whatever its path leads to
 * later. The lock is for those that change names in it. */
int os_folder_open(const char *path);
int os_folder_look(int folder, struct os_name *name);
void os_folder_lock(int folder);
void os_folder_unlock(int folder);
int os_name_look(int folder, const char *base, struct os_name *name);
int os_name_remove(int folder, const char *base);

/* A socket with a name in a folder: made there, never over another (-EADDRINUSE); or another's.
 * -ENAMETOOLONG; -ECONNREFUSED: nobody listens there; -ETIMEDOUT. Needs /proc. */
int os_listen_in(int folder, const char *base, int backlog);
int os_connect_in(int folder, const char *base, crew_time deadline);

/* The same with a port, at an address in numbers (-EINVAL: it is none). '*port' 0: any, which it is
 * set to. */
int os_listen_tcp(const char *host, uint16_t *port, int backlog);
int os_connect_tcp(const char *host, uint16_t port, crew_time deadline);

/* The next that has connected. -EAGAIN: nobody has. */
int os_accept(int listener);

/* Blocks all signals in this thread; restores what was. */
void os_signals_block(void *saved, size_t size);
void os_signals_restore(const void *saved);

#endif
