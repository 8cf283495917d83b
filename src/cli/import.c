/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/command.h"
#include "cli/from.h"
#include "cli/progress.h"
#include "cli/rejects.h"
#include "daemon/config.h"
#include "store/compact.h"
#include "store/import.h"

#define PROGRESS_NS (200 * NS_PER_MS)
#define READER_PATIENCE_NS (5 * NS_PER_S)

struct settings {
    const char *store;
    const char *input_format;
    const char *rejects;
    const char *endpoint;
    const char *region;
    uint64_t threads;
    bool no_compact;
    bool strict;
};

static const struct option options[] = {
    {.name = "store",
     .metavar = "DIR",
     .kind = OPTION_TEXT,
     SETTING(store),
     .help = "the store; made where there is none; default: that of the daemon with its state "
             "in " CONFIG_STATE_DEFAULT},
    INPUT_FORMAT_OPTION(struct settings, input_format),
    {.name = "rejects",
     .metavar = "FILE",
     .kind = OPTION_TEXT,
     SETTING(rejects),
     .help = "add the bad lines, as they are, to FILE"},
    STRICT_OPTION(struct settings, strict),
    {.name = "threads",
     .metavar = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 64,
     SETTING(threads),
     .help = "how many inputs are read at a time; default: one for each processor"},
    {.name = "no-compact",
     .kind = OPTION_FLAG,
     SETTING(no_compact),
     .help = "leave the merging of small files to the daemon or 'flowlog compact'"},
    ENDPOINT_OPTION(struct settings, endpoint),
    REGION_OPTION(struct settings, region),
    {.name = NULL},
};

struct importing {
    const struct command *command;
    struct settings settings;
    struct format format;
    struct import *import;
    struct sources *sources;
    struct rejects rejects;
    struct progress progress;
};

static atomic_bool cancelled;

static void cancel(int signal)
{
    atomic_store(&cancelled, true);
}

static void tell(void *userdata, const char *line)
{
    struct importing *importing = userdata;
    progress_clear(&importing->progress);
    (void)command_fail(importing->command, EXIT_DATA, "%s", line);
}

static void report_bad_line(void *userdata, const char *name, uint64_t line, const char *reason)
{
    struct importing *importing = userdata;
    progress_clear(&importing->progress);
    (void)fprintf(stderr, "%s:%" PRIu64 ": %s\n", name, line, reason);
}

static void keep_rejects(void *userdata, const char *text, size_t len)
{
    struct importing *importing = userdata;
    rejects_keep(&importing->rejects, text, len);
}

static int check_settings(struct importing *importing, int count, struct fault *fault)
{
    const struct settings *settings = &importing->settings;
    if (count == 0)
        return fault_set(fault, -EINVAL, "an input is missing; '-' is standard input");
    if (settings->input_format && format_parse(&importing->format, settings->input_format, fault) < 0) {
        fault_prefix(fault, "--input-format");
        return -EINVAL;
    }
    return rejects_open(&importing->rejects, settings->rejects, "ae", fault);
}

static int open_store(struct importing *importing, struct fault *fault)
{
    const struct settings *settings = &importing->settings;
    const struct import_options import_options = {.store = settings->store,
                                                  .format =
                                                      settings->input_format ? &importing->format : NULL,
                                                  .threads = (unsigned)settings->threads,
                                                  .cancelled = &cancelled,
                                                  .userdata = importing,
                                                  .tell = tell,
                                                  .bad_line = report_bad_line,
                                                  .rejects = settings->rejects ? keep_rejects : NULL};
    return import_open(&importing->import, &import_options, fault);
}

static bool is_known(void *userdata, const struct source_identity *identity)
{
    const struct importing *importing = userdata;
    return import_is_known(importing->import, identity);
}

static void show_fetched(void *userdata, uint64_t bytes, uint64_t files)
{
    struct importing *importing = userdata;
    progress_show(&importing->progress, bytes, 0, 0);
}

static int open_inputs(struct importing *importing, int count, char **paths, struct fault *fault)
{
    const struct settings *settings = &importing->settings;
    const struct sources_options sources = {.from = (const char *const *)paths,
                                            .from_count = (size_t)count,
                                            .store = "",
                                            .until_s = UINT64_MAX,
                                            .endpoint = settings->endpoint,
                                            .region = settings->region,
                                            .userdata = importing,
                                            .tell = tell,
                                            .is_known = is_known,
                                            .fetched = show_fetched};
    return sources_open(&importing->sources, &sources, fault);
}

static int import_all(struct importing *importing, int count, char **paths, struct import_counts *ret,
                      struct fault *fault)
{
    struct fault ended = {0};
    progress_begin(&importing->progress, "records");
    int r = open_store(importing, fault);
    if (r < 0)
        return r;
    r = open_inputs(importing, count, paths, fault);
    if (r == 0)
        r = import_start(importing->import, importing->sources, fault);
    while (r == 0 && !import_wait(importing->import, PROGRESS_NS)) {
        struct import_counts counts;
        import_progress(importing->import, &counts);
        progress_show(&importing->progress, counts.bytes, counts.bytes_total, counts.records);
    }
    int closed = import_close(TAKE(importing->import), ret, &ended);
    progress_clear(&importing->progress);
    if (r == 0 && closed < 0)
        *fault = ended;
    return r < 0 ? r : closed;
}

static void say(void *context, enum log_level level, const char *text)
{
    tell(context, text);
}

/* What came is merged at once, unless the daemon is at the store; then it does. */
static int compact(struct importing *importing, struct fault *fault)
{
    const struct compact_settings settings = {.now_s = clock_wall_ns() / NS_PER_S,
                                              .patience_ns = READER_PATIENCE_NS,
                                              .cancelled = &cancelled,
                                              .report = {.say = say, .context = importing}};
    struct compact_counts counts;
    AUTO_UPKEEP struct upkeep upkeep = {.lock = -1};
    int r = upkeep_open(&upkeep, importing->settings.store, false, fault);
    if (r == -EBUSY)
        return 0;
    return r < 0 ? r : compact_store(&upkeep, &settings, &counts, fault);
}

static int finish(const struct importing *importing, const struct import_counts *counts)
{
    (void)fprintf(stderr,
                  "bad lines: %" PRIu64 "; records: %" PRIu64 "; inputs: %" PRIu64 " imported, %" PRIu64
                  " imported before, %" PRIu64 " failed\n",
                  counts->bad_lines, counts->records, counts->imported, counts->known, counts->failed);
    if (atomic_load(&cancelled))
        return command_fail(importing->command, EXIT_DATA, "stopped; the same command goes on where it was");
    if (sources_unreachable(importing->sources))
        return EXIT_UNREACHABLE;
    if (counts->failed || sources_faults(importing->sources))
        return EXIT_DATA;
    return importing->settings.strict && counts->bad_lines ? EXIT_NO : EXIT_DONE;
}

static int run_import(struct importing *importing, int count, char **paths, struct fault *fault)
{
    struct import_counts counts = {0};
    struct fault unwritten;
    int r = import_all(importing, count, paths, &counts, fault);
    int kept = rejects_close(&importing->rejects, &unwritten);
    if (r == 0 && kept < 0) {
        *fault = unwritten;
        r = kept;
    }
    if (r == 0 && counts.files && !importing->settings.no_compact && !atomic_load(&cancelled))
        r = compact(importing, fault);
    return r < 0 ? command_fail(importing->command, command_status(r), "%s", fault->text)
                 : finish(importing, &counts);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct importing importing = {.command = command,
                                  .settings = {.threads = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN)}};
    struct fault fault = {0};
    int count;
    int status;
    if (!command_begin(command, argc, argv, &importing.settings, &count, &status))
        return status;
    (void)signal(SIGINT, cancel);
    (void)signal(SIGTERM, cancel);
    char store[PATH_MAX];
    int r = importing.settings.store ? 0 : from_find_store(NULL, store, &fault);
    if (!importing.settings.store)
        importing.settings.store = store;
    if (r == 0)
        r = check_settings(&importing, count, &fault);
    status = r < 0 ? command_fail(command, command_status(r), "%s", fault.text)
                   : run_import(&importing, count, argv, &fault);
    sources_close(importing.sources);
    return status;
}

const struct command command_import = {
    .name = "import",
    .summary = "Bring flow log records into a store of Parquet files",
    .operands = "IN...",
    .details =
        "Takes files, folders with all below them, globs and '-', in every form that convert reads. Records "
        "go\n"
        "into Parquet files by account, region and hour, in AWS's Hive-compatible layout; account, region "
        "and\n"
        "flow log come from the name of an object of AWS, else account and region from the records.\n"
        "\n"
        "An input is known by its bytes, an object of S3 also by its key, etag and size, an event of a log "
        "group\n"
        "by its id: what was imported before, under whatever name, changes nothing, and is not fetched "
        "again.\n"
        "Inputs that come late or again do no harm, and an import that was stopped, by kill -9 too, goes on\n"
        "with the same command. An input that cannot be read to its end is left out whole, with its reason.\n"
        "\n"
        "A bad line is reported as FILE:LINE: reason and the rest goes on; the last line on standard error\n"
        "holds the numbers of bad lines, of records and of inputs.",
    .example = "flowlog import --store /srv/flows /backup/AWSLogs",
    .outcome = "imports what lies below /backup/AWSLogs and is not in /srv/flows yet",
    .options = options,
    .run = run,
};
