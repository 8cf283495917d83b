/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "daemon/daemon.h"

static const char help[] =
    "Usage: flowlogd [--config FILE] [--state DIR] [--print]\n"
    "\n"
    "Records the metadata of the IP traffic of this host's interfaces as AWS-format flow logs.\n"
    "\n"
    "  --config FILE   the configuration; without it every interface but loopback is recorded\n"
    "  --state DIR     where state and, by default, records are kept (" CONFIG_STATE_DEFAULT ")\n"
    "  --print         also write each record to standard output as its window closes\n"
    "  --show-config   print the effective configuration and stop\n"
    "  --debug         log more\n"
    "  --version, --help\n"
    "\n"
    "Example: flowlogd --state /var/lib/flowlog --print\n";

static int show_config(const struct daemon_options *options)
{
    struct config config;
    struct config_report report;
    AUTO_BUF struct buf text = BUF_INIT(CONFIG_TEXT_MAX);
    int r = config_load(&config, options->config_path, options->state, &report);
    if (r < 0) {
        (void)fputs(buf_string(&report.mistakes), stderr);
    } else {
        config_print(&config, &text);
        (void)fputs(buf_string(&text), stdout);
        config_done(&config);
    }
    config_report_done(&report);
    return r < 0 ? EXIT_USAGE : EXIT_DONE;
}

static int run(const struct daemon_options *options)
{
    static struct daemon daemon; /* large, and there is one */
    struct fault fault = {0};
    file_raise_limit(); /* all flow logs deliver at the same time */
    int r = daemon_open(&daemon, options, &fault);
    if (r == 0)
        r = daemon_run(&daemon, &fault);
    if (r < 0)
        (void)fprintf(stderr, "flowlogd: %s\n", fault.text);
    daemon_close(&daemon);
    if (r == 0)
        return EXIT_DONE;
    return r == -EINVAL ? EXIT_USAGE : EXIT_DATA;
}

enum {
    OPTION_CONFIG = 1,
    OPTION_STATE,
    OPTION_PRINT,
    OPTION_SHOW_CONFIG,
    OPTION_DEBUG,
    OPTION_VERSION,
    OPTION_HELP
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPTION_CONFIG},
    {"state", required_argument, NULL, OPTION_STATE},
    {"print", no_argument, NULL, OPTION_PRINT},
    {"show-config", no_argument, NULL, OPTION_SHOW_CONFIG},
    {"debug", no_argument, NULL, OPTION_DEBUG},
    {"version", no_argument, NULL, OPTION_VERSION},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

int main(int argc, char **argv)
{
    struct daemon_options options = {.state = CONFIG_STATE_DEFAULT};
    bool show = false;
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case OPTION_CONFIG:
            options.config_path = optarg;
            break;
        case OPTION_STATE:
            options.state = optarg;
            break;
        case OPTION_PRINT:
            options.print = true;
            break;
        case OPTION_SHOW_CONFIG:
            show = true;
            break;
        case OPTION_DEBUG:
            log_set_level(LOG_LEVEL_DEBUG);
            break;
        case OPTION_VERSION:
            return puts("flowlogd " FLOWLOG_VERSION) < 0 ? EXIT_DATA : EXIT_DONE;
        case OPTION_HELP:
            return fputs(help, stdout) < 0 ? EXIT_DATA : EXIT_DONE;
        default: /* getopt has said what is wrong */
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        (void)fprintf(stderr, "flowlogd: unexpected argument '%s'\n", argv[optind]);
        return EXIT_USAGE;
    }
    return show ? show_config(&options) : run(&options);
}
