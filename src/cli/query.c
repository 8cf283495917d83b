/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/from.h"
#include "cli/rows.h"

struct settings {
    struct from_settings from;
    const char *where;
    unsigned form; /* enum rows_form */
    bool header;
    uint64_t max;
};

static const struct option options[] = {
    FROM_OPTIONS(struct settings, from),
    {.name = "where",
     .metavar = "SQL",
     .kind = OPTION_TEXT,
     .offset = offsetof(struct settings, where),
     .help = "a condition that the records meet"},
    ROWS_OPTIONS(struct settings),
    {.name = "rows",
     .letter = 'n',
     .metavar = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = INT64_MAX,
     .offset = offsetof(struct settings, max),
     .help = "print so many rows; default: all"},
    {.name = NULL},
};

static int run(const struct command *command, int argc, char **argv)
{
    struct settings settings = {.form = ROWS_BY_OUTPUT};
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &settings, &operands, &status))
        return status;
    if (operands != 1)
        return command_fail(command, EXIT_USAGE,
                            operands ? "'%s': one operand is due, the SQL; globs stand in quotes"
                                     : "the SQL is missing%s, such as 'SELECT count(*) FROM flow_logs'",
                            operands ? argv[1] : "");
    const struct from_question question = {
        .command = command,
        .from = &settings.from,
        .where = settings.where,
        .sql = argv[0],
        .rows = {.command = command,
                 .form = (enum rows_form)settings.form,
                 .header = settings.header,
                 .local_time = settings.from.local_time,
                 .max = settings.max},
    };
    return from_answer(&question);
}

const struct command command_query = {
    .name = "query",
    .summary = "Answer a question in SQL from flow log records",
    .operands = "SQL",
    .details =
        "The SQL is DuckDB's, over the view flow_logs: a row per record and a column per field, with '_' "
        "for\n"
        "'-' in its name (interface_id, \"end\", log_status); a field that a file lacks is null.\n"
        "in_cidr(address, block) tells whether an address lies in a block; to_timestamp(start) makes a time\n"
        "of seconds.\n\n"
        "Text with or without a header line, JSON and Parquet are read as they are, also compressed and\n"
        "mixed, without an import. With --since and --until only those files are opened whose names or\n"
        "folders (AWS's object names; 2026/01/31/23 or year=2026/month=01/day=31/hour=23) allow records of\n"
        "that time. The first bad line of a file is reported, with the number of them; the rest goes on.\n\n"
        "Without a row nothing is printed and the exit status is 1.",
    .example = "flowlog query --from records.log 'SELECT srcaddr, sum(bytes) AS bytes FROM flow_logs\n"
               "    GROUP BY srcaddr ORDER BY bytes DESC LIMIT 5'",
    .outcome = "prints the five addresses that sent most",
    .options = options,
    .run = run,
};
