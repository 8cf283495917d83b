/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "answer/explain.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "cli/answers.h"
#include "cli/command.h"
#include "cli/records.h"

#define OUTPUT_CHUNK (256UL * 1024)
#define RECORD_TEXT_MAX (64UL * 1024)

enum form { FORM_TEXT, FORM_JSON };

struct settings {
    struct from_settings from;
    const char *policy;
    unsigned form; /* enum form */
};

static const struct option options[] = {
    POLICY_OPTION(struct settings, policy),
    FROM_OPTIONS(struct settings, from),
    {.name = "output",
     .letter = 'o',
     .metavar = "text|json",
     .kind = OPTION_CHOICE,
     SETTING(form),
     .help = "sentences, or a JSON object per record; default: text"},
    {.name = NULL},
};

struct explanation {
    const struct command *command;
    struct settings settings;
    struct records records;
    struct answers answers;
    struct buf out;
    int error; /* of standard output */
};

static void flush(struct explanation *explanation)
{
    if (explanation->error == 0)
        explanation->error = explanation->out.failed
                                 ? -ENOMEM
                                 : file_write_all(STDOUT_FILENO, explanation->out.data, explanation->out.len);
    buf_clear(&explanation->out);
}

static void show(void *context, const struct explained *explained)
{
    struct explanation *explanation = context;
    answers_print(&explanation->answers, explained, &explanation->out);
    if (explanation->out.len >= OUTPUT_CHUNK)
        flush(explanation);
}

/* The record that the operands spell, or the input. */
static int open_records(struct explanation *explanation, int operands, char **words, struct fault *fault)
{
    AUTO_BUF struct buf line = BUF_INIT(RECORD_TEXT_MAX);
    struct from_settings *from = &explanation->settings.from;
    if (operands == 0 && from->from.count == 0 && !from->state)
        from->from.items[from->from.count++] = "-";
    if (operands == 0)
        return records_open(&explanation->records, explanation->command, from, 0, NULL, fault);
    for (int i = 0; i < operands; i++)
        buf_printf(&line, "%s%s", i ? " " : "", words[i]);
    buf_char(&line, '\n');
    if (line.failed)
        return fault_set(fault, -E2BIG, "the record is longer than %lu bytes", RECORD_TEXT_MAX);
    return records_open_text(&explanation->records, explanation->command, from, line.data, line.len, fault);
}

static int check_settings(const struct settings *settings, int operands, struct fault *fault)
{
    if (!settings->policy)
        return fault_set(fault, -EINVAL, "--policy is missing: the folder of the AWS documents");
    if (operands > 0 && settings->from.from.count)
        return fault_set(fault, -EINVAL, "a record and --from: one of them is due");
    return 0;
}

static int explain(struct explanation *explanation, struct policy *policy, struct fault *fault)
{
    const struct explain_options explain_options = {
        .policy = policy, .readings = &explanation->records.readings, .show = show, .context = explanation};
    struct explain_counts counts;
    int r = explain_run(&explain_options, &counts, fault);
    flush(explanation);
    records_tell_bad_lines(&explanation->records, counts.records);
    if (counts.not_noted)
        (void)fprintf(stderr,
                      "%" PRIu64 " records found no place in the history: judged by the rules alone\n",
                      counts.not_noted);
    if (r >= 0 && explanation->error < 0)
        return fault_set(fault, explanation->error, "standard output: %s", strerror(-explanation->error));
    return r;
}

static int run(const struct command *command, int argc, char **argv)
{
    struct explanation explanation = {.command = command, .out = BUF_INIT(OUTPUT_CHUNK * 4)};
    AUTO_POLICY struct policy *policy = NULL;
    struct fault fault;
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &explanation.settings, &operands, &status))
        return status;
    explanation.answers.json = explanation.settings.form == FORM_JSON;
    int r = check_settings(&explanation.settings, operands, &fault);
    if (r == 0)
        r = open_records(&explanation, operands, argv, &fault);
    if (r == 0)
        r = policy_load(&policy, explanation.settings.policy, records_tell_document, &explanation.records,
                        &fault);
    if (r == 0)
        r = explain(&explanation, policy, &fault);
    status = r < 0 ? command_fail(command, command_status(r), "%s", fault.text)
                   : records_status(&explanation.records, EXIT_DONE);
    records_close(&explanation.records);
    buf_done(&explanation.out);
    answers_done(&explanation.answers);
    return status;
}

const struct command command_explain = {
    .name = "explain",
    .summary = "Tell which rule let each record through or stopped it",
    .operands = "[RECORD]",
    .details =
        "Holds records against the documents of security groups, network ACLs, route tables, interfaces,\n"
        "subnets, VPCs and prefix lists. Each record is answered with what the documents say to its\n"
        "traffic, the rule or entry that decided, and whether the record agrees. Where the documents do not\n"
        "suffice the answer is that it cannot be told, and why.\n\n"
        "All records are one history: what answers a conversation that another record shows as begun is let\n"
        "through by connection tracking, as AWS tracks connections. Mistakes and contradictions in the\n"
        "documents are told on standard error.",
    .example = "flowlog explain --policy vpc --from vpcflowlogs.log.gz",
    .outcome = "explains each record of a file by the documents in the folder vpc",
    .options = options,
    .run = run,
};
