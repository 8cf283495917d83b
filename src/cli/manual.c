/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "api/metrics.h"
#include "base/macro.h"
#include "base/troff.h"
#include "cli/command.h"
#include "cli/named.h"
#include "daemon/config.h"
#include "record/field.h"

/* Manual pages in troff, from the rows that --help is made from. The build installs what this prints. */

#define PAGE_MAX (256 * 1024)
#define PREFIX "flowlog-"

static const struct option options[] = {{.name = NULL}};

static const struct {
    enum exit_status status;
    const char *meaning;
} statuses[] = {
    {EXIT_DONE, "Done."},
    {EXIT_NO, "The answer is no: nothing found, an expectation not met, bad lines under \\-\\-strict."},
    {EXIT_USAGE, "Wrong usage or configuration."},
    {EXIT_UNREACHABLE, "The daemon or a service does not answer."},
    {EXIT_DATA, "An input, output or data error."},
};

static void write_head(struct buf *page, const char *name, unsigned section, const char *summary)
{
    buf_text(page, ".\\\" SPDX-License-Identifier: Apache-2.0\n.TH \"");
    for (const char *c = name; *c; c++)
        buf_char(page, (char)toupper((unsigned char)*c));
    buf_printf(page, "\" %u \"" FLOWLOG_DATE "\" \"flowlog " FLOWLOG_VERSION "\" \"flowlog manual\"\n",
               section);
    buf_text(page, ".SH NAME\n");
    troff_text(page, name, strlen(name));
    buf_printf(page, " \\- %c", tolower((unsigned char)summary[0]));
    troff_line(page, summary + 1);
}

/* Lines as they are in the source; an empty line begins a paragraph. */
static void write_details(struct buf *page, const char *details)
{
    while (*details) {
        size_t len = strcspn(details, "\n");
        if (len == 0)
            buf_text(page, ".PP");
        troff_text(page, details, len);
        buf_char(page, '\n');
        details += len + (details[len] == '\n');
    }
}

static void write_option(struct buf *page, const struct option *option)
{
    AUTO_BUF struct buf name = BUF_INIT(1024);
    option_print_name(option, &name);
    buf_text(page, ".TP\n.B ");
    troff_line(page, buf_string(&name));
    troff_line(page, option->help);
}

static void write_statuses(struct buf *page)
{
    buf_text(page, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
        buf_printf(page, ".TP\n.B %d\n%s\n", statuses[i].status, statuses[i].meaning);
}

static void write_command_page(struct buf *page, const struct command *command)
{
    static const struct option help = {.name = "help", .help = "print a short help"};
    AUTO_BUF struct buf name = BUF_INIT(256);
    buf_printf(&name, PREFIX "%s", command->name);
    write_head(page, buf_string(&name), 1, command->summary);
    buf_printf(page, ".SH SYNOPSIS\n.B flowlog %s\n[OPTION...]", command->name);
    if (command->operands[0])
        buf_char(page, ' ');
    troff_line(page, command->operands);
    buf_text(page, ".SH DESCRIPTION\n");
    write_details(page, command->details);
    buf_text(page, ".SH OPTIONS\n");
    for (const struct option *option = command->options; option->name; option++)
        write_option(page, option);
    write_option(page, &help);
    buf_text(page, ".SH EXAMPLE\n.EX\n");
    troff_line(page, command->example);
    buf_text(page, ".EE\n.PP\n");
    troff_line(page, command->outcome);
    write_statuses(page);
    buf_text(page, ".SH SEE ALSO\n.BR flowlog (1),\n.BR flowlogd (8)\n");
}

static void write_overview_page(struct buf *page)
{
    write_head(page, "flowlog", 1, "VPC Flow Logs for any Linux network: the command line");
    buf_text(page, ".SH SYNOPSIS\n.B flowlog\nCOMMAND [OPTION...] [OPERAND...]\n.SH DESCRIPTION\n"
                   "Reads, converts and makes flow log records, and asks the daemon\n.BR flowlogd (8).\n"
                   "Each command has a manual page of its own.\n.SH COMMANDS\n");
    for (const struct command *const *command = commands; *command; command++) {
        buf_printf(page, ".TP\n.BR flowlog\\-%s (1)\n", (*command)->name);
        troff_line(page, (*command)->summary);
    }
    write_statuses(page);
    buf_text(page, "Errors are one line on standard error: what, where, and what to do.\n"
                   ".SH SEE ALSO\n.BR flowlogd (8),\n.BR flowlog.yaml (5)\n");
}

static void write_configuration_page(struct buf *page)
{
    write_head(page, "flowlog.yaml", 5, "Configuration of flowlogd");
    buf_text(page,
             ".SH DESCRIPTION\nA YAML document. Every key may be left out; without any, every interface but\n"
             "loopback is recorded, with all fields and 60 seconds, to files below the state folder.\n"
             "All mistakes are reported at once, each with file and line:\n"
             ".B flowlog check\\-config\nfinds them without a daemon, and\n"
             ".B flowlogd \\-\\-show\\-config\nprints what is in effect.\n"
             "A name with [] is a list of such entries.\n.SH KEYS\n");
    config_manual(page);
}

static void write_metrics_page(struct buf *page)
{
    write_head(page, "flowlog-metrics", 7, "What flowlogd counts");
    buf_text(page,
             ".SH DESCRIPTION\nThe daemon answers\n.B GET /metrics\nwith OpenMetrics text, which Prometheus "
             "and others\n"
             "collect. In brackets are the labels of a metric. Counters begin with the process; an interface "
             "that\n"
             "is gone is no longer told.\n.SH EXAMPLE\n.TP\n.B curl \\-s http://127.0.0.1:8420/metrics\n"
             "prints all of them.\n.SH METRICS\n");
    metrics_manual(page);
    buf_text(page, ".SH SEE ALSO\n.BR flowlogd (8),\n.BR flowlog\\-status (1)\n");
}

static void write_field(struct buf *page, const struct field *field)
{
    buf_text(page, ".TP\n.BR ");
    troff_text(page, field->name, field->name_len);
    buf_printf(page, " \" (version %u, %s)\"\n", field->version, field_type_name(field->type));
    troff_line(page, field->meaning);
    buf_text(page, ".br\n\\- when: ");
    troff_line(page, field->absent_when);
}

static void write_fields_of(struct buf *page, const char *title, unsigned scope)
{
    buf_printf(page, ".SH %s\n", title);
    for (int id = 0; id < FIELD_COUNT; id++)
        if (field_catalogue[id].scope & scope)
            write_field(page, &field_catalogue[id]);
}

static void write_fields_page(struct buf *page)
{
    write_head(page, "flowlog-fields", 7, "The fields of flow log records");
    buf_text(page,
             ".SH DESCRIPTION\nEach field may stand in a format as\n.BR ${name} ,\nany number of them in any "
             "order, with one space\nbetween them. A record's version is the highest among the fields of its "
             "format. A value that is not there is \\-.\nTypes are those of Parquet files.\n"
             ".SH EXAMPLE\n.TP\n.B flowlog convert \\-\\-format '${pkt\\-srcaddr} ${dstport} ${bytes}' "
             "flows.log\nprints three fields of each record.\n");
    write_fields_of(page, "FIELDS OF VPC RECORDS", FIELD_SCOPE_VPC);
    write_fields_of(page, "FIELDS OF TRANSIT GATEWAY RECORDS", FIELD_SCOPE_TRANSIT_GATEWAY);
    write_fields_of(page, "FIELDS OF FLOWLOG", FIELD_SCOPE_OWN);
    buf_text(page, ".SH SEE ALSO\n.BR flowlog\\-fields (1),\n.BR flowlog\\-convert (1),\n"
                   ".BR flowlog.yaml (5)\n");
}

static void write_queries_page(struct buf *page)
{
    write_head(page, "flowlog-queries", 7, "The named queries of flowlog query");
    buf_text(
        page,
        ".SH DESCRIPTION\nQuestions that people ask of flow logs. Each takes, besides its own parameters,\n"
        ".IR since= ,\n.I until=\nand\n.IR limit= .\nParameters are checked by their type. The same SQL "
        "runs on DuckDB,\nAthena, Trino, Spark and ClickHouse. Fields that records lack are null there: a "
        "query that\ncannot do without one says so.\n.SH EXAMPLE\n.TP\n.B flowlog query port\\-scans "
        "min\\-ports=50 since=1d\nprints the scans of the last day.\n.SH QUERIES\n");
    named_manual(page);
    buf_text(page, ".SH SEE ALSO\n.BR flowlog\\-query (1),\n.BR flowlog\\-schema (1)\n");
}

/* Those that are not about one command. A name and a section, where a command has that name as well. */
static const struct {
    const char *name;
    void (*write)(struct buf *page);
} pages[] = {
    {"flowlog", write_overview_page},        {"flowlog.yaml", write_configuration_page},
    {"flowlog-fields.7", write_fields_page}, {"flowlog-metrics", write_metrics_page},
    {"flowlog-queries", write_queries_page},
};

static bool write_page(struct buf *page, const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
        if (strcmp(pages[i].name, name) != 0)
            continue;
        pages[i].write(page);
        return true;
    }
    bool prefixed = strncmp(name, PREFIX, strlen(PREFIX)) == 0;
    const struct command *about = command_find(prefixed ? name + strlen(PREFIX) : name);
    if (about)
        write_command_page(page, about);
    return about;
}

static int run(const struct command *command, int argc, char **argv)
{
    int operands;
    int status;
    if (!command_begin(command, argc, argv, NULL, &operands, &status))
        return status;
    if (operands > 1)
        return command_fail(command, EXIT_USAGE, "'%s': one page at a time", argv[1]);
    AUTO_BUF struct buf page = BUF_INIT(PAGE_MAX);
    if (!write_page(&page, operands ? argv[0] : "flowlog"))
        return command_fail(command, EXIT_USAGE, "'%s': no such command; 'flowlog help' lists them", argv[0]);
    return command_print(command, &page);
}

const struct command command_manual = {
    .name = "manual",
    .summary = "Print a manual page, for man(1) to show",
    .operands = "[COMMAND|flowlog.yaml|flowlog-fields.7|flowlog-metrics|flowlog-queries]",
    .details = "The page is the one that is installed, so this serves where none is.",
    .example = "flowlog manual replay | man -l -",
    .outcome = "shows the manual page of 'flowlog replay'",
    .options = options,
    .run = run,
};
