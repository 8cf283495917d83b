/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/command.h"
#include "cli/from.h"
#include "daemon/config.h"
#include "daemon/config_keys.h"
#include "store/compact.h"

struct settings {
    const char *store;
    const char *retain;
    const char *max_size;
    const char *after;
    uint64_t wait_s;
};

static const struct option options[] = {
    {.name = "store",
     .metavar = "DIR",
     .kind = OPTION_TEXT,
     SETTING(store),
     .help = "the store; default: that of the daemon with its state in " CONFIG_STATE_DEFAULT},
    {.name = "after",
     .metavar = "PERIOD",
     .kind = OPTION_TEXT,
     SETTING(after),
     .help = "merge the files of an hour that ended, and got its last file, so long ago; default: 0s"},
    {.name = "retain",
     .metavar = "PERIOD",
     .kind = OPTION_TEXT,
     SETTING(retain),
     .help = "remove files so long after their hour and their arrival, as 30d; default: none"},
    {.name = "max-size",
     .metavar = "SIZE",
     .kind = OPTION_TEXT,
     SETTING(max_size),
     .help = "remove the oldest files beyond so many bytes, as 20G; default: none"},
    {.name = "wait",
     .metavar = "SECONDS",
     .kind = OPTION_NUMBER,
     .max = 86400,
     SETTING(wait_s),
     .help = "how long to wait for those who read what is to go; default: 60"},
    {.name = NULL},
};

/* Reads a value as the configuration key of the store does. */
static int read_value(const char *option, const char *name, const char *text, struct config *config,
                      struct fault *fault)
{
    const struct config_key *store = config_key_find(config_keys, "store", strlen("store"));
    const struct config_key *key = config_key_find(store->children, name, strlen(name));
    AUTO_BUF struct buf allowed = BUF_INIT(256);
    if (!text || config_key_set(key, config, text, strlen(text), NULL) == 0)
        return 0;
    config_key_print_allowed(key, false, &allowed);
    return fault_set(fault, -EINVAL, "--%s: found '%s', allowed: %s", option, text, buf_string(&allowed));
}

static int read_settings(const struct settings *settings, struct compact_settings *ret, struct fault *fault)
{
    struct config config = {0};
    int r = read_value("retain", "retain", settings->retain, &config, fault);
    if (r == 0)
        r = read_value("max-size", "max-size", settings->max_size, &config, fault);
    if (r == 0)
        r = read_value("after", "compact-after", settings->after, &config, fault);
    *ret = (struct compact_settings){.now_s = clock_wall_ns() / NS_PER_S,
                                     .delay_s = config.store.compact_after,
                                     .retain_s = config.store.retain,
                                     .max_bytes = config.store.max_size,
                                     .patience_ns = settings->wait_s * NS_PER_S};
    return r;
}

static void say(void *context, enum log_level level, const char *text)
{
    const struct command *command = context;
    (void)command_fail(command, EXIT_DATA, "%s", text);
}

static int print_counts(const struct command *command, const struct compact_counts *counts)
{
    AUTO_BUF struct buf text = BUF_INIT(1024);
    buf_printf(&text,
               "merged: %" PRIu64 " files into %" PRIu64 ", %" PRIu64 " records; removed: %" PRIu64
               " files, %" PRIu64 " bytes\n",
               counts->merged, counts->made, counts->records, counts->removed, counts->removed_bytes);
    if (counts->waiting)
        buf_text(&text, "somebody still reads what was replaced; the next round takes it away\n");
    int status = command_print(command, &text);
    return status == EXIT_DONE && counts->failed ? EXIT_DATA : status;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct settings settings = {.wait_s = 60};
    struct compact_settings compact = {0};
    struct compact_counts counts = {0};
    struct fault fault = {0};
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &settings, &operands, &status))
        return status;
    if (operands > 0)
        return command_fail(command, EXIT_USAGE, "'%s': no operand is due", argv[0]);
    char store[PATH_MAX];
    int r = read_settings(&settings, &compact, &fault);
    if (r == 0 && !settings.store) {
        r = from_find_store(NULL, store, &fault);
        settings.store = store;
    }
    if (r < 0)
        return command_fail(command, EXIT_USAGE, "%s", fault.text);
    compact.report = (struct report){.say = say, .context = (void *)(uintptr_t)command};
    AUTO_UPKEEP struct upkeep upkeep = {.lock = -1};
    AUTO_DATASET struct dataset dataset = {.lock = -1};
    r = dataset_open(&dataset, settings.store, &fault); /* nothing is made where no folder is */
    dataset_close(&dataset);
    if (r == 0)
        r = upkeep_open(&upkeep, settings.store, true, &fault);
    if (r == 0)
        r = compact_store(&upkeep, &compact, &counts, &fault);
    return r < 0 ? command_fail(command, EXIT_DATA, "%s", fault.text) : print_counts(command, &counts);
}

const struct command command_compact = {
    .name = "compact",
    .summary = "Merge the small files of a store, and remove old ones",
    .operands = "",
    .details =
        "The daemon does this by itself for its own store (configuration key \"store\"). Parquet files of "
        "one\n"
        "flow log, folder and hour become one file; with --retain and --max-size whole files go. Whoever "
        "asks\n"
        "flowlog meanwhile sees each record once; other engines see both forms for the instant in which the\n"
        "names change. It can be stopped at any moment, also by kill -9; the next run goes on.",
    .example = "flowlog compact --store /srv/flows --retain 90d",
    .outcome = "merges what can be merged, and removes what is older than 90 days",
    .options = options,
    .run = run,
};
