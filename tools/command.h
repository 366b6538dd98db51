/* command.h - the subcommands: each has a file of its name, and returns the exit status. */
#ifndef TOOLS_COMMAND_H
#define TOOLS_COMMAND_H

/* argv[0] is the subcommand's name. */
typedef int command_function(int argc, char **argv);

command_function filter_main;
command_function primes_main;

#endif
