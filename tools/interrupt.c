/* interrupt.c - the handler of interrupt.h; everything in it is async-signal-safe. */
#include "interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static pthread_t main_thread;
static volatile sig_atomic_t held, pending, bar_stands;
static const char *_Atomic unfinished;

static _Noreturn void die(int number)
{
    const char *path = atomic_load(&unfinished);
    sigset_t set;

    if (path)
        unlink(path);
    if (bar_stands && write(STDERR_FILENO, "\r\033[K", 4) < 0)
        bar_stands = 0;
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    _exit(128 + number); /* the first process of a pid namespace does not die of its own signal */
}

static void on_signal(int number)
{
    /* Another thread's write must not be waited for here: the main thread writes. */
    if (!pthread_equal(pthread_self(), main_thread)) {
        pthread_kill(main_thread, number);
        return;
    }
    if (!held || pending)
        die(number);
    pending = number;
}

void interrupt_install(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction action = {.sa_handler = on_signal}, old;

    main_thread = pthread_self();
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
    /* A closed pipe and a file size limit are answers of write(), not ends. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

void interrupt_hold(void)
{
    held = 1;
}

void interrupt_release(void)
{
    held = 0;
    if (pending)
        die(pending);
}

bool interrupt_pending(void)
{
    return pending != 0;
}

void interrupt_remove(const char *path)
{
    atomic_store(&unfinished, path);
}

void interrupt_wipe(bool bar)
{
    bar_stands = bar;
}
