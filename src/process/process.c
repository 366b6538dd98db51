/* process.c - crew/process.h over a member of the crew (life/life.h). */
#include "task.h"

#include <crew/process.h>
#include <life/life.h>
#include <life/waitable.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROCESS_MAGIC UINT32_C(0x50524f43)

struct crew_process {
    uint32_t magic;
    pid_t root; /* nobody else may use the handle */
    char *name;
    struct member member;
};

static void check(const crew_process *process, const char *call)
{
    if (!process || process->magic != PROCESS_MAGIC)
        os_misuse(call, "not an open process");
}

static bool is_foreign(const crew_process *process)
{
    return process->root != os_pid();
}

/* The child: runs the function and ends with its value. */
static _Noreturn void run_child(struct member *member, crew_function *function, const void *argument,
                                size_t size)
{
    struct task_run run = { .task = { .argument = size ? argument : NULL, .argument_size = size,
                                      .attempt = 1 } };
    int code = function(&run.task);

    fflush(NULL);
    member->shm->code = code;
    memcpy(member->shm->message, run.message, sizeof run.message);
    store_release(&member->shm->said, 1); /* read after this process's death */
    os_exit(code >= 0 && code <= 255 ? code : 1);
}

int crew_process_start(crew_process **process, crew_function *function, const void *argument,
                       size_t size, const struct crew_process_options *options)
{
    const char *name = options && options->name ? options->name : "crew-process";
    struct crew_process *p;
    void *copy;
    pid_t pid;
    int r;

    if (!function)
        return -EINVAL;
    for (unsigned i = 0; options && i < 4; i++)
        if (options->reserved[i] != 0)
            return -EINVAL;
    r = task_align(&argument, size, &copy); /* the fork copies it, and can't align it */
    if (r < 0)
        return r;
    p = calloc(1, sizeof *p);
    if (!p || !(p->name = strdup(name))) {
        free(p);
        free(copy);
        return -ENOMEM;
    }
    pid = member_start(&p->member, name, NULL, NULL, NULL);
    if (pid == 0)
        run_child(&p->member, function, argument, size);
    free(copy);
    if (pid < 0) {
        free(p->name);
        free(p);
        return (int)pid;
    }
    p->magic = PROCESS_MAGIC;
    p->root = os_pid();
    *process = p;
    return 0;
}

int crew_process_join(crew_process *process, struct crew_exit *exit, crew_time deadline)
{
    struct member *m = &process->member;
    int r;

    check(process, "crew_process_join");
    if (is_foreign(process))
        return CREW_EMISUSE;
    r = member_join(m, deadline);
    if (r < 0 || !exit)
        return r;
    memset(exit, 0, sizeof *exit);
    exit->pid = m->pid;
    exit->status = m->end.status;
    exit->signal = m->end.signal;
    exit->core_dumped = m->end.core_dumped;
    exit->unknown = m->end.unknown;
    exit->peak_memory = m->end.peak_memory;
    if (load_acquire(&m->shm->said) == 1) {
        exit->code = m->shm->code;
        memcpy(exit->message, m->shm->message, sizeof exit->message);
        exit->message[sizeof exit->message - 1] = '\0'; /* another process wrote it */
    }
    return 0;
}

bool crew_process_alive(const crew_process *process)
{
    check(process, "crew_process_alive");
    return load_acquire(&process->member.ended) == 0;
}

int crew_process_terminate(crew_process *process)
{
    check(process, "crew_process_terminate");
    if (is_foreign(process))
        return CREW_EMISUSE;
    return os_pidfd_signal(process->member.pidfd, 15);
}

int crew_process_kill(crew_process *process)
{
    check(process, "crew_process_kill");
    if (is_foreign(process))
        return CREW_EMISUSE;
    return os_pidfd_signal(process->member.pidfd, 9);
}

int crew_process_sentinel(const crew_process *process)
{
    check(process, "crew_process_sentinel");
    if (is_foreign(process))
        return CREW_EMISUSE;
    return process->member.pidfd;
}

static void waitable_check(void *object)
{
    check(object, "crew_wait_process");
}

static int has_ended(void *object, struct os_word *word)
{
    crew_process *process = object;

    if (is_foreign(process))
        return CREW_EMISUSE;
    *word = (struct os_word){ &process->member.ended, 0 };
    return load_acquire(&process->member.ended) != 0;
}

struct crew_wait crew_wait_process(crew_process *process)
{
    static const struct crew_waitable kind = { .check = waitable_check, .ready = has_ended };

    return (struct crew_wait){ .kind = &kind, .object = process };
}

pid_t crew_process_pid(const crew_process *process)
{
    check(process, "crew_process_pid");
    return process->member.pid;
}

const char *crew_process_name(const crew_process *process)
{
    check(process, "crew_process_name");
    return process->name;
}

int crew_process_close(crew_process *process)
{
    if (!process)
        return 0;
    check(process, "crew_process_close");
    if (is_foreign(process))
        return CREW_EMISUSE;
    if (crew_process_alive(process))
        return -EBUSY;
    member_close(&process->member);
    process->magic = 0;
    free(process->name);
    free(process);
    return 0;
}
