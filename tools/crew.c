/* crew.c - the command: finds the subcommand and lets it run.
 *
 * Exit status: 0 done; 1 it failed; 2 the command line is wrong; a signal that ends it is passed on
 * (130 for SIGINT, 143 for SIGTERM in a shell). */
#include "command.h"
#include "interrupt.h"
#include "options.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    command_function *run;
    const char *purpose;
} commands[] = {
    {"filter", filter_main, "the moving average of a signal"},
    {"primes", primes_main, "list or count the primes of a range"},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

/* A standard stream that was closed is held by something that refuses to be used as one, so that no
 * file which is opened later gets its number, and a write to it still fails. */
static void hold_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        int mode = fd == 0 ? O_WRONLY : O_RDONLY;

        if (open("/dev/null", mode) < 0 && open("/", O_RDONLY | O_DIRECTORY) < 0)
            return;
    }
}

static int help(void)
{
    char text[1024];
    int n = snprintf(text, sizeof text,
                     "Usage: crew SUBCOMMAND [OPTIONS] ...\n"
                     "       crew help SUBCOMMAND\n"
                     "       crew --help | --version\n"
                     "\n"
                     "Work in parallel, sequentially, with threads or with processes, and compare them.\n"
                     "\n"
                     "Subcommands:\n");

    for (unsigned i = 0; i < COMMANDS; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "  %-10s %s\n", commands[i].name,
                      commands[i].purpose);
    return options_print("the help", text, (size_t)n);
}

static int version(void)
{
    char text[64];
    int n = snprintf(text, sizeof text, "crew %s\n", crew_version());

    return options_print("the version", text, (size_t)n);
}

static int run_command(const char *name, int argc, char **argv)
{
    for (unsigned i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            say_as(commands[i].name);
            return commands[i].run(argc, argv);
        }
    }
    return say_usage("%s is no subcommand", quoted(name));
}

static int help_on(int argc, char **argv)
{
    if (argc < 2)
        return help();
    if (argc > 2)
        return say_usage("help is on one subcommand: %s is too much", quoted(argv[2]));
    return run_command(argv[1], 2, (char *[]){argv[1], (char[]){"--help"}, NULL});
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (!name)
        return say_usage("which subcommand?");
    if (strcmp(name, "help") == 0)
        return help_on(argc - 1, argv + 1);
    if (name[0] != '-')
        return run_command(name, argc - 1, argv + 1);
    if (argc > 2 && (strcmp(name, "--help") == 0 || strcmp(name, "--version") == 0))
        return say_usage("%s stands alone: %s is too much", quoted(name), quoted(argv[2]));
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help();
    if (strcmp(name, "--version") == 0)
        return version();
    return say_usage("option %s is unknown before the subcommand", quoted(name));
}

int main(int argc, char **argv)
{
    hold_standard_streams();
    interrupt_install();

    int status = run(argc, argv);

    /* What a file server has kept back until now. */
    if (close(STDOUT_FILENO) < 0 && errno != EBADF && errno != EINTR && status == EXIT_DONE)
        status = say_error("writing standard output: %s", crew_strerror(-errno));
    return status;
}
