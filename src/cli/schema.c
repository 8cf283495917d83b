/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/command.h"
#include "query/definition.h"

#define OUTPUT_MAX (1024 * 1024)

struct settings {
    unsigned engine; /* enum sql_engine */
    const char *location;
    const char *format;
    unsigned files; /* which word of --file-format, from 1 */
    const char *accounts;
    const char *regions;
    bool hive;
    bool hourly;
};

static const struct option options[] = {
    {.name = "engine",
     .metavar = "duckdb|athena|trino|spark|clickhouse",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct settings, engine),
     .help = "whose SQL; default: duckdb"},
    {.name = "location",
     .metavar = "PLACE",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, location),
     .help = "where the files are: a folder, a glob in quotes, or s3://BUCKET/PREFIX; "
             "default: a bucket's name that is to be replaced"},
    {.name = "file-format",
     .metavar = "by-location|parquet|plain-text",
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct settings, files),
     .help = "form of the files; default: what a local folder holds, else parquet"},
    {.name = "format-string",
     .metavar = "FORMAT",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, format),
     .help = "fields of text, whose columns go by their place: '${…} ${…}', all or default (the default); "
             "columns of Parquet go by their names"},
    {.name = "hive",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, hive),
     .help = "folders have Hive's names (aws-account-id=…/…/day=…): make them partitions"},
    {.name = "hourly",
     .kind = OPTION_FLAG,
     .offset = offsetof(struct settings, hourly),
     .help = "there are folders of hours below those of days"},
    {.name = "accounts",
     .metavar = "ID[,ID…]",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, accounts),
     .help = "athena, trino, without --hive: accounts in the folders, so that with --regions days become "
             "partitions by projection"},
    {.name = "regions",
     .metavar = "REGION[,REGION…]",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, regions),
     .help = "likewise"},
    {.name = NULL},
};

/* Letters, digits, hyphens and commas between; NULL is none. */
static bool is_list(const char *list)
{
    return !list || (*list && strspn(list, "abcdefghijklmnopqrstuvwxyz0123456789-,") == strlen(list));
}

static int run(const struct command *command, int argc, char **argv)
{
    struct settings settings = {.engine = SQL_DUCKDB, .format = "default"};
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &settings, &operands, &status))
        return status;
    if (operands > 0)
        return command_fail(command, EXIT_USAGE, "'%s': no operand is due", argv[0]);
    if (!is_list(settings.accounts) || !is_list(settings.regions))
        return command_fail(command, EXIT_USAGE, "--accounts and --regions are names with commas between");
    struct fault fault;
    struct format format;
    int r = format_parse(&format, settings.format, &fault);
    if (r < 0)
        return command_fail(command, EXIT_USAGE, "--format-string: %s", fault.text);
    const struct definition_options definition = {
        .engine = (enum sql_engine)settings.engine,
        .location = settings.location,
        .format = &format,
        .files = (enum definition_files)settings.files,
        .accounts = settings.accounts,
        .regions = settings.regions,
        .hive = settings.hive,
        .hourly = settings.hourly,
    };
    AUTO_BUF struct buf sql = BUF_INIT(OUTPUT_MAX);
    r = definition_print(&definition, &sql, &fault);
    return r < 0 ? command_fail(command, command_status(r), "%s", fault.text) : command_print(command, &sql);
}

const struct command command_schema = {
    .name = "schema",
    .summary = "Print the SQL that makes flow log files a table of an engine",
    .operands = "",
    .details =
        "The table, or view, is called flow_logs and has a column for every field, with '_' for '-' in its\n"
        "name; what the files lack is null. So the SQL of 'flowlog query NAME --print-sql' runs on it as it\n"
        "stands. Only statements are printed.\n\n"
        "Text is taken to have a header line, as AWS and flowlogd write it, unless the files can be looked "
        "into\n"
        "and have none.\n\n"
        "Trino reads through its Hive connector, which for folders that are no partitions needs\n"
        "hive.recursive-directories=true, for partitions by projection hive.ignore-absent-partitions=true,\n"
        "and for folders of this host fs.native-local.enabled=true with local.location=/. Text in Athena,\n"
        "Trino and Spark becomes a table flow_logs_files, with the columns of the format, and the view "
        "above\n"
        "it. With --accounts and --regions Trino and Athena also know log_day (2026/01/31), which keeps a\n"
        "question from reading other days.",
    .example = "flowlog schema --engine athena --location s3://amzn-s3-demo-bucket/logs --hive",
    .outcome = "prints the table of Parquet files with Hive's partitions and the statement that finds them",
    .options = options,
    .run = run,
};
