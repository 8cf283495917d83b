/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "answer/findings.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/answers.h"
#include "cli/command.h"
#include "cli/findings_page.h"
#include "cli/records.h"
#include "record/json.h"

#define OUTPUT_MAX (512UL * 1024 * 1024)

enum form { FORM_TEXT, FORM_JSON };
enum level { LEVEL_NEVER, LEVEL_HIGH, LEVEL_MEDIUM, LEVEL_LOW, LEVEL_INFO };

struct settings {
    struct from_settings from;
    const char *policy;
    const char *html;
    unsigned fail_on; /* enum level */
    unsigned form;    /* enum form */
};

static const struct option options[] = {
    POLICY_OPTION(struct settings, policy),
    FROM_OPTIONS(struct settings, from),
    {.name = "html",
     .metavar = "FILE",
     .kind = OPTION_TEXT,
     SETTING(html),
     .help = "also write a page that needs nothing but a browser"},
    {.name = "fail-on",
     .metavar = "never|high|medium|low|info",
     .kind = OPTION_CHOICE,
     SETTING(fail_on),
     .help = "exit with 1 when a finding is of this severity or above; default: never"},
    {.name = "output",
     .letter = 'o',
     .metavar = "text|json",
     .kind = OPTION_CHOICE,
     SETTING(form),
     .help = "sentences, or a JSON object per finding; default: text"},
    {.name = NULL},
};

struct run {
    const struct command *command;
    struct settings settings;
    struct records records;
    struct policy *policy;
    struct findings findings;
    struct whatif whatif;
};

static void json_finding(struct buf *buf, const struct finding *finding)
{
    const struct totals *totals = &finding->totals;
    json_write_member(buf, "{\"severity\":", severity_names[finding->severity]);
    json_write_member(buf, ",\"kind\":", finding->kind);
    json_write_member(buf, ",\"subject\":", finding->subject);
    json_write_member(buf, ",\"title\":", finding->title);
    json_write_member(buf, ",\"rule\":", finding->rule);
    json_write_member(buf, ",\"todo\":", finding->todo);
    buf_printf(buf, ",\"flows\":%" PRIu64 ",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64, totals->flows,
               totals->packets, totals->bytes);
    if (totals->flows)
        buf_printf(buf, ",\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"records\":[", totals->first_s,
                   totals->last_s);
    else
        buf_text(buf, ",\"first\":null,\"last\":null,\"records\":[");
    for (size_t i = 0; i < finding->record_count; i++)
        json_write_member(buf, i ? "," : "", finding->records[i]);
    buf_text(buf, "]}\n");
}

static void text_finding(struct buf *buf, const struct finding *finding)
{
    const struct totals *totals = &finding->totals;
    buf_printf(buf, "%s: %s [%s]\n", severity_names[finding->severity], finding->title, finding->kind);
    if (finding->rule)
        buf_printf(buf, "  %s\n", finding->rule);
    if (totals->flows) {
        buf_text(buf, "  ");
        answers_print_totals(buf, totals);
        buf_char(buf, '\n');
    }
    for (size_t i = 0; i < finding->record_count; i++)
        buf_printf(buf, "    %s\n", finding->records[i]);
    if (totals->flows > finding->record_count && finding->record_count)
        buf_printf(buf, "    and %" PRIu64 " more\n", totals->flows - finding->record_count);
    buf_printf(buf, "  What to do: %s\n", finding->todo);
}

static int exit_status(const struct run *run)
{
    for (size_t i = 0; i < run->findings.items.count; i++)
        if (run->findings.items.items[i].severity + 1U <= run->settings.fail_on)
            return EXIT_NO;
    return EXIT_DONE;
}

static int print(const struct run *run)
{
    AUTO_BUF struct buf out = BUF_INIT(OUTPUT_MAX);
    const struct findings *findings = &run->findings;
    for (size_t i = 0; i < findings->items.count; i++) {
        if (run->settings.form == FORM_JSON)
            json_finding(&out, &findings->items.items[i]);
        else
            text_finding(&out, &findings->items.items[i]);
    }
    if (run->settings.form == FORM_TEXT)
        buf_printf(&out, "%zu findings in %" PRIu64 " records\n", findings->items.count, run->whatif.records);
    int status = command_print(run->command, &out);
    return status == EXIT_DONE ? records_status(&run->records, exit_status(run)) : status;
}

static int write_page(const struct run *run, struct fault *fault)
{
    AUTO_BUF struct buf page = BUF_INIT(OUTPUT_MAX);
    if (!run->settings.html)
        return 0;
    findings_page(&run->findings, &run->whatif, &page);
    return page.failed ? fault_set(fault, -ENOMEM, "%s: the page is too large", run->settings.html)
                       : file_replace(run->settings.html, page.data, page.len, fault);
}

static int find(struct run *run, int operands, char **argv, struct fault *fault)
{
    if (!run->settings.policy)
        return fault_set(fault, -EINVAL, "--policy is missing: the folder of the AWS documents");
    int r = records_open(&run->records, run->command, &run->settings.from, operands, argv, fault);
    if (r == 0)
        r = policy_load(&run->policy, run->settings.policy, records_tell_document, &run->records, fault);
    if (r < 0)
        return r;
    const struct findings_options what = {.policy = run->policy, .readings = &run->records.readings};
    r = findings_run(&what, &run->findings, &run->whatif, fault);
    records_tell_bad_lines(&run->records, run->whatif.records);
    return r < 0 ? r : write_page(run, fault);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct run run = {.command = command};
    struct fault fault;
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &run.settings, &operands, &status))
        return status;
    int r = find(&run, operands, argv, &fault);
    status = r < 0 ? command_fail(command, command_status(r), "%s", fault.text) : print(&run);
    findings_done(&run.findings);
    whatif_done(&run.whatif);
    records_close(&run.records);
    policy_free(run.policy);
    return status;
}

const struct command command_findings = {
    .name = "findings",
    .summary = "Tell what deserves a look in the rules and in the traffic that met them",
    .operands = "[FILE...]",
    .details =
        "Holds recorded traffic against the documents and reports, the worst first: groups that are\n"
        "too tight or too open, rules that are shadowed, unused or wider than what used them, network\n"
        "ACLs that let requests through and drop their answers (recorded, or as the entries stand),\n"
        "traffic by unexpected paths, through one interface there and another one back, or to where no\n"
        "route leads, records that contradict the documents, and what cannot be told, because documents\n"
        "or records are missing. Each with its records, the rule, and what to do. Nothing is changed.",
    .example = "flowlog findings --policy vpc --from vpcflowlogs.log.gz --html findings.html",
    .outcome = "reports on a file of records, also as a page",
    .options = options,
    .run = run,
};
