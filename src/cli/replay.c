/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "answer/judge.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "capture/replay.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "parquet/files.h"

struct settings {
    const char *account_id;
    const char *address;
    const char *az_id;
    const char *format;
    const char *instance_id;
    const char *interface_id;
    const char *out;
    const char *policy;
    const char *region;
    const char *subnet_id;
    const char *vpc_id;
    uint64_t max_flows;
    unsigned interval; /* which of "60|600" */
    unsigned traffic;  /* enum replay_traffic */
    bool header;
    bool no_nodata;
    bool stats;
};

static const struct option options[] = {
    TEXT_OPTION(
        "address", address, "A[,A...]",
        "own addresses of the interface, the primary of each family first; default: the address with most "
        "packets"),
    TEXT_OPTION("interface-id", interface_id, "ID",
                "interface-id of the records; default: derived from the address"),
    TEXT_OPTION("policy", policy, "DIR",
                "judge each packet by the AWS documents in DIR, as the interface of --interface-id, whose "
                "addresses and ids "
                "come from them as well; default: every packet is ACCEPT"),
    TEXT_OPTION("account-id", account_id, "ID", "account-id of the records; default: -"),
    TEXT_OPTION("vpc-id", vpc_id, "ID", "vpc-id of the records; default: -"),
    TEXT_OPTION("subnet-id", subnet_id, "ID", "subnet-id of the records; default: -"),
    TEXT_OPTION("instance-id", instance_id, "ID", "instance-id of the records; default: -"),
    TEXT_OPTION("region", region, "NAME", "region of the records; default: -"),
    TEXT_OPTION("az-id", az_id, "ID", "az-id of the records; default: -"),
    TEXT_OPTION("format", format, "FORMAT", "fields: default, all or '${field} ${field}'; default: default"),
    {.name = "interval",
     .metavar = "60|600",
     .kind = OPTION_CHOICE,
     SETTING(interval),
     .help = "seconds of an aggregation interval; default: 60"},
    {.name = "traffic-type",
     .metavar = "ALL|ACCEPT|REJECT",
     .kind = OPTION_CHOICE,
     SETTING(traffic),
     .help = "which records are written; default: ALL"},
    {.name = "header",
     .kind = OPTION_FLAG,
     SETTING(header),
     .help = "begin text with a line of the field names"},
    {.name = "no-nodata",
     .kind = OPTION_FLAG,
     SETTING(no_nodata),
     .help = "write no NODATA records for intervals without packets"},
    TEXT_OPTION(
        "out", out, "FILE",
        "write to FILE; its name decides the form: .parquet, .json JSON lines, .csv, .gz compressed, else "
        "text; default: text on standard output"),
    {.name = "max-flows",
     .metavar = "N",
     .kind = OPTION_NUMBER,
     .min = REPLAY_FLOWS_MIN,
     .max = UINT32_MAX / 2,
     SETTING(max_flows),
     .help = "flows held in memory, about 90 bytes each; beyond it the oldest interval is written early; "
             "default: "
             "4000000"},
    {.name = "stats",
     .kind = OPTION_FLAG,
     SETTING(stats),
     .help = "tell on standard error how many packets were read, recorded and left out, and why"},
    {.name = NULL},
};

struct run {
    const struct command *command;
    struct progress progress;
};

static void tell(void *context, const char *line)
{
    struct run *run = context;
    progress_clear(&run->progress);
    (void)command_fail(run->command, EXIT_DATA, "%s", line);
}

static void show_progress(void *context, uint64_t read, uint64_t size, uint64_t packets)
{
    struct run *run = context;
    progress_show(&run->progress, read, size, packets);
}

/* Ids are words of the record: short enough for it, and without what would end a field. */
static int copy_word(const char *option, const char *value, char *to, size_t size, struct fault *fault)
{
    if (!value)
        return 0;
    size_t len = strlen(value);
    if (len == 0 || len >= size)
        return fault_set(fault, -EINVAL, "--%s '%s': 1 to %zu characters are due", option, value, size - 1);
    for (size_t i = 0; i < len; i++)
        if (value[i] <= ' ' || value[i] > '~')
            return fault_set(fault, -EINVAL, "--%s '%s': only visible ASCII characters are allowed", option,
                             value);
    memcpy(to, value, len + 1);
    return 0;
}

static int read_identity(const struct settings *settings, struct interface_identity *ret, struct fault *fault)
{
    const struct {
        const char *option;
        const char *value;
        char *to;
        size_t size;
    } rows[] = {
        {"interface-id", settings->interface_id, ret->interface_id, sizeof ret->interface_id},
        {"account-id", settings->account_id, ret->account_id, sizeof ret->account_id},
        {"vpc-id", settings->vpc_id, ret->vpc_id, sizeof ret->vpc_id},
        {"subnet-id", settings->subnet_id, ret->subnet_id, sizeof ret->subnet_id},
        {"instance-id", settings->instance_id, ret->instance_id, sizeof ret->instance_id},
        {"region", settings->region, ret->region, sizeof ret->region},
        {"az-id", settings->az_id, ret->az_id, sizeof ret->az_id},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int r = copy_word(rows[i].option, rows[i].value, rows[i].to, rows[i].size, fault);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_addresses(const char *list, struct interface *interface, struct fault *fault)
{
    while (list) {
        const char *comma = strchrnul(list, ',');
        struct address address;
        if (!address_parse(list, (size_t)(comma - list), &address))
            return fault_set(fault, -EINVAL, "--address '%.*s': an IPv4 or IPv6 address is due",
                             (int)(comma - list), list);
        if (interface_add_address(interface, &address) < 0)
            return fault_set(fault, -ENOMEM, "out of memory");
        list = *comma ? comma + 1 : NULL;
    }
    return 0;
}

static int read_settings(const struct settings *settings, int files, struct interface *interface,
                         struct format *format, struct fault *fault)
{
    if (files == 0)
        return fault_set(fault, -EINVAL, "a capture is missing; '-' is standard input");
    int r = format_parse(format, settings->format ? settings->format : "default", fault);
    if (r < 0) {
        fault_prefix(fault, "--format");
        return r;
    }
    r = read_identity(settings, &interface->identity, fault);
    return r < 0 ? r : read_addresses(settings->address, interface, fault);
}

static void judge_cleanup(struct judge *judge)
{
    judge_done(judge);
}

/* Who the interface is and how its packets are judged. */
static int read_policy(struct run *run, const struct settings *settings, struct policy **ret_policy,
                       struct judge *judge, struct interface *interface, struct fault *fault)
{
    if (!settings->interface_id)
        return fault_set(fault, -EINVAL,
                         "--policy needs --interface-id: the interface that the packets pass");
    int r = policy_load(ret_policy, settings->policy, tell, run, fault);
    if (r == 0)
        r = judge_init(judge, *ret_policy, settings->interface_id, fault);
    if (r < 0) {
        fault_prefix(fault, "--policy");
        return r;
    }
    r = judge_describe(judge, interface);
    return r < 0 ? fault_set(fault, r, "out of memory") : 0;
}

/* What the verdicts leave open. */
static void tell_uncertain(struct run *run, const struct judge *judge)
{
    char line[512];
    if (judge->uncertain) {
        (void)snprintf(line, sizeof line,
                       "the documents decide nothing about %" PRIu64
                       " packets, recorded as ACCEPT: %s, and the like",
                       judge->uncertain, judge->why);
        tell(run, line);
    }
    if (judge->tracker.not_tracked) {
        (void)snprintf(line, sizeof line,
                       "%" PRIu64
                       " connections found no place in memory: their replies were judged by the rules",
                       judge->tracker.not_tracked);
        tell(run, line);
    }
}

static void print_stats(const struct replay_counts *counts)
{
    const struct {
        const char *name;
        uint64_t number;
    } rows[] = {
        {"files read to the end", counts->files},
        {"frames", counts->frames},
        {"packets recorded", counts->packets},
        {"bytes recorded", counts->bytes},
        {"frames that are no IP", counts->not_ip},
        {"packets with a cut or inconsistent IP header", counts->malformed},
        {"frames of unsupported link types", counts->unsupported},
        {"records", counts->records},
        {"NODATA records", counts->nodata},
        {"intervals with packets", counts->windows},
        {"intervals written early", counts->closed_early},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        (void)fprintf(stderr, "%s: %" PRIu64 "\n", rows[i].name, rows[i].number);
}

/* What could be read is put in its place, also when some file was damaged. */
static int finish(struct output *output, int r, const struct replay_counts *counts, struct fault *fault)
{
    if ((r < 0 && r != -EBADMSG) || (counts->files == 0 && counts->frames == 0)) {
        output_abandon(output);
        return r;
    }
    int closed = output_close(output, fault);
    return closed < 0 ? closed : r;
}

static int replay(struct run *run, const struct settings *settings,
                  const struct replay_options *replay_options, struct interface *interface,
                  const struct format *format)
{
    struct fault fault = {0};
    struct output *output;
    struct replay_counts counts;
    int r = files_open_output(&output, settings->out, output_form_of(settings->out), format, settings->header,
                              &fault);
    if (r < 0)
        return command_fail(run->command, command_status(r), "%s", fault.text);
    progress_begin(&run->progress, "packets");
    r = replay_run(replay_options, interface, format, output, &counts, &fault);
    r = finish(output, r, &counts, &fault);
    progress_clear(&run->progress);
    if (settings->stats)
        print_stats(&counts);
    if (r == 0)
        return EXIT_DONE;
    return fault.text[0] ? command_fail(run->command, EXIT_DATA, "%s", fault.text) : EXIT_DATA;
}

static int run(const struct command *command, int argc, char **argv)
{
    static const uint32_t intervals[] = {60, 600};
    struct settings settings = {.max_flows = REPLAY_FLOWS_DEFAULT};
    struct run this_run = {.command = command};
    AUTO_POLICY struct policy *policy = NULL;
    CLEANUP(judge_cleanup) struct judge judge = {0};
    CLEANUP(interface_done) struct interface interface = {0};
    struct format format;
    struct fault fault;
    int files;
    int status;
    if (!command_begin(command, argc, argv, &settings, &files, &status))
        return status;
    int r = read_settings(&settings, files, &interface, &format, &fault);
    if (r == 0 && settings.policy)
        r = read_policy(&this_run, &settings, &policy, &judge, &interface, &fault);
    if (r < 0)
        return command_fail(command, command_status(r), "%s", fault.text);
    const struct replay_options replay_options = {
        .files = (const char *const *)argv,
        .file_count = (size_t)files,
        .interval = intervals[settings.interval],
        .max_flows = settings.max_flows,
        .traffic = (enum replay_traffic)settings.traffic,
        .judge = settings.policy ? &judge.replay : NULL,
        .nodata = !settings.no_nodata,
        .tell = tell,
        .progress = show_progress,
        .context = &this_run,
    };
    status = replay(&this_run, &settings, &replay_options, &interface, &format);
    tell_uncertain(&this_run, &judge);
    return status;
}

const struct command command_replay = {
    .name = "replay",
    .summary = "Turn packet captures into the records one interface would have logged",
    .operands = "FILE...",
    .details = "Reads pcap and pcapng captures, also gzip-compressed; '-' is standard input. All files are "
               "one data set,\n"
               "in any order of packets. Packets sent from an own address are egress, all others ingress; "
               "every packet is\n"
               "ACCEPT, unless --policy judges it by security groups and network ACLs. What a file holds "
               "before a damaged\n"
               "place is counted; the damage is reported, and the exit status is 4.",
    .example = "flowlog replay --address 10.0.0.5 --format all --header capture.pcap",
    .outcome = "prints the flows of interface 10.0.0.5, one record per flow, direction and minute",
    .options = options,
    .run = run,
};
