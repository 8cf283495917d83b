/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "cli/command.h"

static int print_overview(void)
{
    printf("Usage: flowlog COMMAND [OPTION...] [OPERAND...]\n\nVPC Flow Logs for any Linux "
           "network.\n\nCommands:\n");
    for (const struct command *const *command = commands; *command; command++)
        printf("  %-20s %s\n", (*command)->name, (*command)->summary);
    printf("\n'flowlog help COMMAND' and the manual page flowlog-COMMAND(1) tell more.\n");
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_DATA;
}

static int refuse_command(const char *name)
{
    struct nearest nearest = {.wanted = name, .len = strlen(name)};
    for (const struct command *const *command = commands; *command; command++)
        nearest_consider(&nearest, (*command)->name);
    (void)fprintf(stderr, "flowlog: unknown command '%s'; the nearest is '%s'; 'flowlog help' lists all\n",
                  name, nearest.name);
    return EXIT_USAGE;
}

static int run_command(const char *name, int argc, char **argv)
{
    const struct command *command = command_find(name);
    return command ? command->run(command, argc, argv) : refuse_command(name);
}

static int run_help(int argc, char **argv)
{
    char help[] = "--help";
    char *const only[] = {help, NULL};
    return argc == 0 ? print_overview() : run_command(argv[0], 1, (char **)only);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "flowlog: a command is missing; 'flowlog help' lists them\n");
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("flowlog %s\n", FLOWLOG_VERSION);
        return fflush(stdout) == 0 ? EXIT_DONE : EXIT_DATA;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0)
        return run_help(argc - 2, argv + 2);
    return run_command(argv[1], argc - 2, argv + 2);
}
