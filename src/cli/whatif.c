/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "answer/whatif.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/records.h"
#include "cli/whatif_report.h"

#define OUTPUT_MAX (1024UL * 1024 * 1024)

enum form { FORM_TEXT, FORM_JSON };
enum expectation { EXPECT_ANYTHING, EXPECT_NOTHING_SHUT_OUT, EXPECT_NOTHING_ADMITTED, EXPECT_NO_CHANGE };

struct settings {
    struct from_settings from;
    const char *policy;
    const char *proposed;
    const char *suggestion;
    unsigned expect; /* enum expectation */
    unsigned form;   /* enum form */
};

static const struct option options[] = {
    POLICY_OPTION(struct settings, policy),
    TEXT_OPTION(
        "proposed", proposed, "DIR",
        "folder of the documents as they are to be; as long as it describes no interface, what it leaves out "
        "is taken from --policy; default: none, the present rules alone are looked at"),
    FROM_OPTIONS(struct settings, from),
    TEXT_OPTION("suggestion", suggestion, "FILE",
                "write the smallest rules to FILE, as a document that --proposed takes"),
    {.name = "expect",
     .metavar = "anything|nothing-shut-out|nothing-admitted|no-change",
     .kind = OPTION_CHOICE,
     SETTING(expect),
     .help = "exit with 1 if it is not so, or cannot be told of some traffic; default: anything"},
    {.name = "output",
     .letter = 'o',
     .metavar = "text|json",
     .kind = OPTION_CHOICE,
     SETTING(form),
     .help = "a report, or a JSON object per line; default: text"},
    {.name = NULL},
};

struct run {
    struct settings settings;
    struct records records;
    struct policy *policy;
    struct policy *proposed;
    struct whatif whatif;
    struct suggestion suggestion;
};

static int load(struct run *run, struct whatif_options *ret, struct fault *fault)
{
    const struct settings *settings = &run->settings;
    int r = policy_load(&run->policy, settings->policy, records_tell_document, &run->records, fault);
    if (r == 0 && settings->proposed)
        r = policy_load_change(&run->proposed, settings->proposed, settings->policy, records_tell_document,
                               &run->records, fault);
    ret->policy = run->policy;
    ret->proposed = run->proposed;
    ret->readings = &run->records.readings;
    return r;
}

static int compare(struct run *run, int operands, char **argv, struct fault *fault)
{
    struct settings *settings = &run->settings;
    struct whatif_options what = {0};
    if (!settings->policy)
        return fault_set(fault, -EINVAL, "--policy is missing: the folder of the AWS documents");
    int r = records_open(&run->records, run->records.command, &settings->from, operands, argv, fault);
    if (r == 0)
        r = load(run, &what, fault);
    if (r == 0) {
        r = whatif_run(&what, &run->whatif, fault);
        records_tell_bad_lines(&run->records, run->whatif.records);
    }
    if (r >= 0 && suggest_rules(&run->suggestion, run->policy, &run->whatif.before, run->whatif.seen) < 0)
        r = fault_set(fault, -ENOMEM, "out of memory for the smallest rules");
    return r;
}

static int write_suggestion(const struct run *run, struct fault *fault)
{
    AUTO_BUF struct buf document = BUF_INIT(OUTPUT_MAX);
    if (!run->settings.suggestion)
        return 0;
    whatif_report_document(&run->suggestion, &document);
    return document.failed ? fault_set(fault, -ENOMEM, "%s: out of memory", run->settings.suggestion)
                           : file_replace(run->settings.suggestion, document.data, document.len, fault);
}

static int exit_status(const struct run *run)
{
    const struct whatif *whatif = &run->whatif;
    bool shut_out = whatif->verdicts[VERDICT_ACCEPT][VERDICT_REJECT].flows > 0;
    bool admitted = whatif->verdicts[VERDICT_REJECT][VERDICT_ACCEPT].flows > 0;
    unsigned expect = run->settings.expect;
    if (expect == EXPECT_ANYTHING)
        return EXIT_DONE;
    bool met = whatif->unsure.count == 0 && !(shut_out && expect != EXPECT_NOTHING_ADMITTED) &&
               !(admitted && expect != EXPECT_NOTHING_SHUT_OUT);
    return met ? EXIT_DONE : EXIT_NO;
}

static int print(const struct command *command, const struct run *run)
{
    AUTO_BUF struct buf out = BUF_INIT(OUTPUT_MAX);
    const struct whatif_report report = {.whatif = &run->whatif,
                                         .policy = run->policy,
                                         .proposed = run->proposed,
                                         .suggestion = &run->suggestion};
    if (run->settings.form == FORM_JSON)
        whatif_report_json(&report, &out);
    else
        whatif_report_text(&report, &out);
    int status = command_print(command, &out);
    return records_status(&run->records, status == EXIT_DONE ? exit_status(run) : status);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct run run = {.records = {.command = command}};
    struct fault fault;
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &run.settings, &operands, &status))
        return status;
    int r = compare(&run, operands, argv, &fault);
    if (r >= 0)
        r = write_suggestion(&run, &fault);
    status = r < 0 ? command_fail(command, command_status(r), "%s", fault.text) : print(command, &run);
    suggestion_done(&run.suggestion);
    whatif_done(&run.whatif);
    records_close(&run.records);
    policy_free(run.proposed);
    policy_free(run.policy);
    return status;
}

const struct command command_whatif = {
    .name = "whatif",
    .summary = "Tell what a change of the rules would shut out or let in of the traffic that was recorded",
    .operands = "[FILE...]",
    .details = "Replays recorded traffic through the documents as they are and as they are to be, with "
               "connection tracking\n"
               "as explain does, and tells what the one lets through and the other does not: in both "
               "directions, with flows,\n"
               "packets, bytes, peers, first and last time, and what decides before and after. Then the "
               "rules that no\n"
               "traffic used, the sources that no rule needs, and the smallest rules that admit what was "
               "seen, as AWS\n"
               "commands and as a document, with what they would newly shut out. Nothing is ever changed.\n\n"
               "Where the documents do not suffice, the traffic is told as such with the reason.",
    .example =
        "flowlog whatif --policy vpc --proposed vpc-new --from vpcflowlogs.log.gz --expect nothing-shut-out",
    .outcome = "fails when the new rules would shut out recorded traffic",
    .options = options,
    .run = run,
};
