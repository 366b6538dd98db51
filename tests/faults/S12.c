/* S12.c - a process is started while another thread holds a lock: refused, for its copy would
 * wait for a thread that it does not have. Once that thread is gone it is started, and takes the
 * lock. A plain fork() can't be refused; its child is told that it is no member, and waits for
 * nothing. */
#include "fault.h"

#include <pthread.h>

static crew_lock *lock;
static _Atomic bool held, enough;

static void *hold(void *unused)
{
    must(crew_lock_acquire(lock, CREW_FOREVER));
    atomic_store(&held, true);
    while (!atomic_load(&enough))
        usleep(100);
    must(crew_lock_release(lock));
    return unused;
}

static int take(crew_task *task)
{
    (void)task;
    must(crew_lock_acquire(lock, in_time()));
    must(crew_lock_release(lock));
    return 0;
}

FAULT("S12", "fork while another thread of the parent holds a lock; the child takes it (gh-84559)")
{
    crew_process *p = NULL;
    pthread_t thread;
    int refused, plain = -1;
    pid_t child;

    must(crew_lock_open(&lock, NULL));
    must(-pthread_create(&thread, NULL, hold, NULL));
    until(atomic_load(&held));
    atomic_store(&fault->died, crew_time_now());
    refused = crew_process_start(&p, take, NULL, 0, NULL);
    if (refused == 0)
        end("error", "a process was started beside another thread");
    child = fork();
    if (child == 0)
        _exit(crew_lock_acquire(lock, in_time()) == CREW_EMISUSE ? 0 : 1);
    waitpid(child, &plain, 0);
    went_on();
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    begin(take);
    if (bury(fault_here.process[0]).status != 0)
        end("hang", "the child of a parent without threads does not get the lock");
    end_all();
    crew_lock_close(lock);
    if (plain != 0)
        end("hang", "the child of a plain fork() waited for a lock that nobody in it holds");
    end_well(
        refused == CREW_ETHREADS ? "ok" : "error",
        "refused: %s; a plain fork's child is told CREW_EMISUSE; started once the thread is gone",
        code_of(refused));
}
