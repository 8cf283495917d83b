/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define HELP_MAX (64 * 1024)
#define HELP_COLUMN 30
#define HELP_WIDTH 100

const struct command *const commands[] = {
    &command_access_key,
    &command_check_config,
    &command_compact,
    &command_convert,
    &command_create_flow_logs,
    &command_delete_flow_logs,
    &command_describe_flow_logs,
    &command_diagnose,
    &command_explain,
    &command_fields,
    &command_findings,
    &command_import,
    &command_manual,
    &command_query,
    &command_replay,
    &command_schema,
    &command_show_status,
    &command_tail,
    &command_timeline,
    &command_top,
    &command_whatif,
    NULL,
};

const struct command *command_find(const char *name)
{
    for (const struct command *const *command = commands; *command; command++)
        if (strcmp((*command)->name, name) == 0)
            return *command;
    return NULL;
}

int command_fail(const struct command *command, int status, const char *format, ...)
{
    struct fault line;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line.text, sizeof line.text, format, arguments);
    va_end(arguments);
    (void)fprintf(stderr, "flowlog %s: %s\n", command->name, line.text);
    return status;
}

int command_status(int error)
{
    return error == -EINVAL || error == -ENOTSUP ? EXIT_USAGE : EXIT_DATA;
}

int command_print(const struct command *command, const struct buf *text)
{
    int r = text->failed ? -ENOMEM : file_write_all(STDOUT_FILENO, text->data, text->len);
    return r < 0 ? command_fail(command, EXIT_DATA, "standard output: %s", strerror(-r)) : EXIT_DONE;
}

/* Words of `text` in lines of at most HELP_WIDTH; the first line begins at `column`, which has been reached.
 */
static void print_wrapped(struct buf *buf, const char *text, size_t indent)
{
    size_t column = indent;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (column > indent && column + 1 + len > HELP_WIDTH) {
            buf_printf(buf, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            buf_char(buf, ' ');
            column++;
        }
        buf_append(buf, text, len);
        column += len;
        text += len + strspn(text + len, " ");
    }
    buf_char(buf, '\n');
}

static void print_option(struct buf *buf, const char *name, size_t name_len, const char *help)
{
    buf_printf(buf, "  %.*s", (int)name_len, name);
    if (name_len + 4 > HELP_COLUMN)
        buf_printf(buf, "\n%*s", HELP_COLUMN, "");
    else
        buf_printf(buf, "%*s", (int)(HELP_COLUMN - 2 - name_len), "");
    print_wrapped(buf, help, HELP_COLUMN);
}

void command_print_help(const struct command *command, struct buf *buf)
{
    buf_printf(buf, "Usage: flowlog %s [OPTION...]%s%s\n\n", command->name, command->operands[0] ? " " : "",
               command->operands);
    buf_printf(buf, "%s.\n\n%s\n\nOptions:\n", command->summary, command->details);
    for (const struct option *option = command->options; option->name; option++) {
        AUTO_BUF struct buf name = BUF_INIT(HELP_MAX);
        option_print_name(option, &name);
        print_option(buf, name.data, name.len, option->help);
    }
    print_option(buf, "--help", strlen("--help"), "print this help");
    buf_printf(buf, "\nExample:\n  %s\n    %s.\n", command->example, command->outcome);
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

bool command_begin(const struct command *command, int argc, char **argv, void *settings, int *ret_operands,
                   int *ret_status)
{
    if (wants_help(argc, argv)) {
        AUTO_BUF struct buf help = BUF_INIT(HELP_MAX);
        command_print_help(command, &help);
        *ret_status = command_print(command, &help);
        return false;
    }
    struct fault fault = {0};
    int operands = options_parse(command->options, argc, argv, settings, &fault);
    if (operands < 0) {
        *ret_status =
            command_fail(command, EXIT_USAGE, "%s; see 'flowlog %s --help'", fault.text, command->name);
        return false;
    }
    *ret_operands = operands;
    return true;
}
