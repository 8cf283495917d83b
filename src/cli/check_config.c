/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "base/file.h"
#include "cli/command.h"
#include "daemon/config.h"

struct settings {
    const char *state;
};

static const struct option options[] = {
    {.name = "state",
     .metavar = "DIR",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, state),
     .help = "the state folder the daemon will have; " CONFIG_STATE_DEFAULT " when not given"},
    {.name = NULL},
};

static int print_result(const struct command *command, const char *path, const struct config *config)
{
    AUTO_BUF struct buf text = BUF_INIT(PATH_MAX + 256);
    buf_printf(&text, "%s: right: entries for interfaces %zu, subnets %zu, flow logs %zu\n", path,
               config->topology.rule_count, config->topology.subnet_count, config->flow_log_count);
    return command_print(command, &text);
}

static int check(const struct command *command, const char *path, const char *state)
{
    struct config config;
    struct config_report report;
    int r = config_load(&config, path, state, &report);
    int status = EXIT_DONE;
    if (r == 0)
        status = print_result(command, path, &config);
    else if (fputs(buf_string(&report.mistakes), stderr) < 0)
        status = EXIT_DATA;
    else
        status = command_status(r);
    config_done(&config);
    config_report_done(&report);
    return status;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct settings settings = {.state = CONFIG_STATE_DEFAULT};
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &settings, &operands, &status))
        return status;
    if (operands != 1)
        return command_fail(command, EXIT_USAGE, "%d files given, one is due; see --help", operands);
    return check(command, argv[0], settings.state);
}

const struct command command_check_config = {
    .name = "check-config",
    .summary = "Check a configuration of flowlogd",
    .operands = "FILE",
    .details =
        "Reads the file as the daemon does at its start and reports every mistake, one line each: file, "
        "line,\n"
        "key, what was found, and what is allowed. Exits 2 when there is one. Keys are in flowlog.yaml(5);\n"
        "\"flowlogd --config FILE --show-config\" prints what the file comes to.",
    .example = "flowlog check-config /etc/flowlog/flowlog.yaml",
    .outcome = "says that the file is right, or what is wrong with it",
    .options = options,
    .run = run,
};
