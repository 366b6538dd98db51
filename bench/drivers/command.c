/* bench/drivers/command.c - runs a command to its end and prints its nanoseconds and peak memory.
 *
 *     command OUTPUT CAT COMMAND [ARG...]
 *
 * OUTPUT is the file that standard output goes to. CAT is a command without arguments behind a pipe,
 * which then has the output, and whose end is waited for too; "" is none. Peak memory is that of the
 * command's largest process, in bytes. A program this small must start it: the kernel counts
 * what the starter held before exec as the command's own. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pid_t start(char **arguments, int input, int output)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int r;

    posix_spawn_file_actions_init(&actions);
    if (input >= 0)
        posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    r = posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (r != 0)
        driver_fail(arguments[0], strerror(r));
    return pid;
}

static void finish(pid_t pid, const char *name, struct rusage *usage)
{
    int status;

    while (wait4(pid, &status, 0, usage) < 0)
        if (errno != EINTR)
            driver_fail(name, strerror(errno));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        driver_fail(name, "did not end well");
}

int main(int argc, char **argv)
{
    int pipe_ends[2] = { -1, -1 }, output;
    pid_t command, cat = -1;
    struct rusage usage, ignored;
    uint64_t begun;

    if (argc < 4)
        driver_fail("usage", "command OUTPUT CAT COMMAND [ARG...]");
    output = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (output < 0)
        driver_fail(argv[1], strerror(errno));
    begun = driver_now();
    if (argv[2][0] != '\0') {
        char *cat_arguments[] = { argv[2], NULL };

        if (pipe2(pipe_ends, O_CLOEXEC) < 0)
            driver_fail("pipe", strerror(errno));
        cat = start(cat_arguments, pipe_ends[0], output);
        close(pipe_ends[0]);
    }
    command = start(argv + 3, -1, cat < 0 ? output : pipe_ends[1]);
    if (cat >= 0)
        close(pipe_ends[1]);
    finish(command, argv[3], &usage);
    if (cat >= 0)
        finish(cat, argv[2], &ignored);
    printf("%" PRIu64 " %ld\n", driver_now() - begun, usage.ru_maxrss * 1024);
    return 0;
}
