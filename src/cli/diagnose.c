/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "answer/diagnose.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/nearest.h"
#include "base/num.h"
#include "cli/command.h"
#include "cli/ledger.h"
#include "cli/records.h"
#include "cli/trace.h"
#include "cli/when.h"
#include "record/json.h"

#define RECORDS_SHOWN 10 /* of one sentence */
#define AROUND_S 300     /* before and after --at */
#define OUTPUT_MAX (64UL * 1024 * 1024)

enum form { FORM_TEXT, FORM_JSON };

struct settings {
    struct from_settings from;
    const char *at;
    const char *destination;
    const char *expect;
    const char *policy;
    const char *port;
    const char *protocol;
    const char *source;
    uint64_t packets;
    uint64_t timeout_s;
    unsigned form; /* enum form */
    bool trace;
};

#define END "an address, a block, or the id of an interface, instance or subnet"

static const struct option options[] = {
    TEXT_OPTION("src", source, "END", "where the traffic is to come from: " END),
    TEXT_OPTION("dst", destination, "END", "where it is to go: " END),
    TEXT_OPTION("port", port, "PORT",
                "port at the destination, a number or a name (ssh, rdp, https); default: any"),
    TEXT_OPTION("protocol", protocol, "NAME",
                "tcp, udp, icmp, icmpv6 or a number; default: tcp with --port, else any"),
    FROM_OPTIONS(struct settings, from),
    TEXT_OPTION("at", at, "TIME", "the five minutes before and after"),
    TEXT_OPTION("policy", policy, "DIR", POLICY_DOCUMENTS "; the rule is named, as explain does"),
    TEXT_OPTION("expect", expect, "OUTCOME", "exit with 0 if this is the outcome, and with 1 if not"),
    {.name = "trace",
     .kind = OPTION_FLAG,
     SETTING(trace),
     .help =
         "instead of records, look at the next such packets on this host, and name the rule of nftables that "
         "drops them; as root"},
    {.name = "timeout",
     .metavar = "SECONDS",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 3600,
     SETTING(timeout_s),
     .help = "how long --trace waits; default: 30"},
    {.name = "packets",
     .metavar = "N",
     .kind = OPTION_NUMBER,
     .min = 1,
     .max = 10000,
     SETTING(packets),
     .help = "how many packets --trace looks at when none of them is dropped; default: 10"},
    {.name = "output",
     .letter = 'o',
     .metavar = "text|json",
     .kind = OPTION_CHOICE,
     SETTING(form),
     .help = "sentences, or one JSON object; default: text"},
    {.name = NULL},
};

struct run {
    const struct command *command;
    struct settings settings;
    struct question question;
    struct records records;
    struct capture_ledger ledger;
    bool has_ledger; /* a daemon answered */
    int expected;    /* enum outcome; -1 for none */
    char since[24];  /* of --at */
    char until[24];
};

static int read_protocol(const char *text, int *ret, struct fault *fault)
{
    static const struct {
        const char *name;
        int number;
    } names[] = {{"tcp", 6}, {"udp", 17}, {"icmp", 1}, {"icmpv6", 58}, {"sctp", 132}};
    uint64_t number;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(text, names[i].name) == 0) {
            *ret = names[i].number;
            return 0;
        }
    }
    if (!num_parse_u64(text, strlen(text), UINT8_MAX, &number))
        return fault_set(fault, -EINVAL, "--protocol '%s': tcp, udp, icmp, icmpv6 or a number to 255 is due",
                         text);
    *ret = (int)number;
    return 0;
}

/* Names that people use; the rest is the system's table of services. */
static int read_port(const char *text, int *ret, struct fault *fault)
{
    static const struct {
        const char *name;
        int port;
    } names[] = {{"ssh", 22},     {"smtp", 25},       {"dns", 53},         {"http", 80},  {"https", 443},
                 {"mssql", 1433}, {"oracle", 1521},   {"mysql", 3306},     {"rdp", 3389}, {"postgres", 5432},
                 {"redis", 6379}, {"mongodb", 27017}, {"postgresql", 5432}};
    uint64_t number;
    if (num_parse_u64(text, strlen(text), UINT16_MAX, &number)) {
        *ret = (int)number;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(text, names[i].name) == 0) {
            *ret = names[i].port;
            return 0;
        }
    }
    const struct servent *service = getservbyname(text, NULL);
    if (!service)
        return fault_set(fault, -EINVAL, "--port '%s': a port to 65535 or the name of a service is due",
                         text);
    *ret = (service->s_port & 255) << 8 | service->s_port >> 8;
    return 0;
}

static int read_end(const char *option, const char *text, struct party *ret, struct fault *fault)
{
    if (!text)
        return fault_set(fault, -EINVAL, "--%s is missing: " END, option);
    if (!party_parse(ret, text))
        return fault_set(fault, -EINVAL, "--%s '%s': " END " is due", option, text);
    return 0;
}

/* --at becomes --since and --until, so that what holds no records of that time is not opened. */
static int read_times(struct run *run, struct fault *fault)
{
    struct settings *settings = &run->settings;
    uint64_t at;
    uint64_t now_s = clock_wall_ns() / NS_PER_S;
    if (!settings->at)
        return 0;
    if (settings->from.since || settings->from.until)
        return fault_set(fault, -EINVAL, "--at, or --since and --until: not both");
    if (!(settings->from.local_time ? when_parse_local : when_parse)(settings->at, now_s, &at))
        return fault_set(fault, -EINVAL,
                         "--at '%s': a time as 2026-01-31T12:00:00Z, seconds since the epoch, or 15m is due",
                         settings->at);
    (void)snprintf(run->since, sizeof run->since, "%" PRIu64, at > AROUND_S ? at - AROUND_S : 0);
    (void)snprintf(run->until, sizeof run->until, "%" PRIu64, at < INT64_MAX - AROUND_S ? at + AROUND_S : at);
    settings->from.since = run->since;
    settings->from.until = run->until;
    return 0;
}

static int read_expected(struct run *run, struct fault *fault)
{
    const char *word = run->settings.expect;
    struct nearest nearest = {.wanted = word, .len = word ? strlen(word) : 0};
    run->expected = -1;
    for (int i = 0; word && i < OUTCOMES; i++) {
        nearest_consider(&nearest, outcome_names[i]);
        if (strcmp(word, outcome_names[i]) == 0)
            run->expected = i;
    }
    if (word && run->expected < 0)
        return fault_set(fault, -EINVAL, "--expect '%s' is no outcome; the nearest is %s", word,
                         nearest.name);
    return 0;
}

/* Of ids nobody knows yet which addresses they have. */
static int check_families(const struct party *source, const struct party *destination, struct fault *fault)
{
    if (source->is_id || destination->is_id ||
        source->blocks.items[0].base.family == destination->blocks.items[0].base.family)
        return 0;
    return fault_set(fault, -EINVAL, "--src and --dst are of different families: no packet has both");
}

/* What traffic it is. */
static int read_traffic(struct run *run, struct fault *fault)
{
    const struct settings *settings = &run->settings;
    struct question *question = &run->question;
    question->port = -1;
    question->protocol = -1;
    int r = read_end("src", settings->source, &question->source, fault);
    if (r == 0)
        r = read_end("dst", settings->destination, &question->destination, fault);
    if (r == 0)
        r = check_families(&question->source, &question->destination, fault);
    if (r == 0 && settings->port)
        r = read_port(settings->port, &question->port, fault);
    if (r == 0 && (settings->protocol || settings->port))
        r = read_protocol(settings->protocol ? settings->protocol : "tcp", &question->protocol, fault);
    return r;
}

static int read_settings(struct run *run, int operands, char **argv, struct fault *fault)
{
    int r = read_traffic(run, fault);
    if (r == 0)
        r = read_times(run, fault);
    if (r == 0)
        r = read_expected(run, fault);
    if (r < 0)
        return r;
    /* Before the records are looked for, so that what the ledger knows of may be in them. */
    run->has_ledger = ledger_ask(run->settings.from.state, &run->ledger);
    run->ledger.of_records = run->settings.from.from.count == 0 && operands == 0;
    r = records_open(&run->records, run->command, &run->settings.from, operands, argv, fault);
    if (r < 0)
        return r;
    run->question.since_s = run->records.from.since_s;
    run->question.until_s = run->records.from.until_s;
    /* Who the interfaces are all records tell, whatever their time. */
    run->records.readings.since_s = 0;
    run->records.readings.until_s = UINT64_MAX;
    return records_narrow(&run->records, &run->question, fault);
}

static void json_sighting(struct buf *buf, const struct sighting *one)
{
    json_write_member(buf, "{\"interface-id\":", one->interface_id);
    buf_text(buf, ",\"srcaddr\":\"");
    address_print(one->response ? &one->server : &one->client, buf);
    buf_text(buf, "\",\"dstaddr\":\"");
    address_print(one->response ? &one->client : &one->server, buf);
    buf_printf(buf, "\",\"srcport\":%u,\"dstport\":%u,\"protocol\":%u",
               one->response ? one->server_port : one->client_port,
               one->response ? one->client_port : one->server_port, one->protocol);
    buf_printf(buf,
               ",\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"start\":%" PRIu64 ",\"end\":%" PRIu64
               ",\"action\":\"%s\"",
               one->packets, one->bytes, one->start_s, one->end_s, one->rejected ? "REJECT" : "ACCEPT");
    if (one->has_flags)
        buf_printf(buf, ",\"tcp-flags\":%u", one->tcp_flags);
    buf_char(buf, '}');
}

static void json_evidence(struct buf *buf, const struct diagnosis *diagnosis)
{
    buf_text(buf, ",\"evidence\":[");
    for (size_t i = 0; i < diagnosis->evidence.count; i++) {
        const struct evidence *evidence = &diagnosis->evidence.items[i];
        json_write_member(buf, i ? ",{\"text\":" : "{\"text\":", evidence->text);
        buf_printf(buf, ",\"record_count\":%zu,\"records\":[", evidence->count);
        for (size_t n = 0; n < evidence->count && n < RECORDS_SHOWN; n++) {
            buf_text(buf, n ? "," : "");
            json_sighting(buf, &diagnosis->sightings.items[evidence->first + n]);
        }
        buf_text(buf, "]}");
    }
    buf_char(buf, ']');
}

/* What the daemon's ledger says of the interfaces that are its own; null when no daemon answered. */
static void json_ledger(struct buf *buf, const struct run *run, const struct diagnosis *diagnosis)
{
    buf_text(buf, run->has_ledger ? "[" : "null");
    for (size_t i = 0; i < diagnosis->ledger.count; i++) {
        const struct ledger_gap *gap = &diagnosis->ledger.items[i];
        json_write_member(buf, i ? ",{\"interface-id\":" : "{\"interface-id\":", gap->interface_id);
        buf_printf(buf,
                   ",\"attached\":%s,\"windows\":%" PRIu64 ",\"lost-packets\":%" PRIu64
                   ",\"not-yet-recorded\":%" PRIu64 "}",
                   gap->attached ? "true" : "false", gap->windows, gap->lost_packets, gap->awaited_packets);
    }
    buf_text(buf, run->has_ledger ? "]" : "");
}

static void json_completeness(struct buf *buf, const struct run *run, const struct diagnosis *diagnosis)
{
    buf_printf(buf, ",\"completeness\":{\"complete\":%s,\"why\":", diagnosis->complete ? "true" : "false");
    if (diagnosis->incomplete)
        json_write_member(buf, "", diagnosis->incomplete);
    else
        buf_text(buf, "null");
    buf_printf(buf, ",\"records\":%" PRIu64 ",\"bad_lines\":%" PRIu64 ",\"interfaces\":[", diagnosis->records,
               run->records.bad_lines);
    for (size_t i = 0; i < diagnosis->witnesses.count; i++) {
        const struct witness *witness = &diagnosis->witnesses.items[i];
        json_write_member(buf, i ? ",{\"interface-id\":" : "{\"interface-id\":", witness->interface_id);
        buf_printf(buf,
                   ",\"records\":%" PRIu64 ",\"nodata\":%" PRIu64 ",\"skipdata\":%" PRIu64
                   ",\"lost-packets\":%" PRIu64 "}",
                   witness->records, witness->nodata, witness->skipdata, witness->lost_packets);
    }
    buf_text(buf, "],\"ledger\":");
    json_ledger(buf, run, diagnosis);
    buf_char(buf, '}');
}

static void print_json(struct buf *buf, const struct run *run, const struct diagnosis *diagnosis)
{
    json_write_member(buf, "{\"outcome\":", outcome_names[diagnosis->outcome]);
    buf_printf(buf, ",\"conversations\":%" PRIu64, diagnosis->conversations);
    json_evidence(buf, diagnosis);
    json_completeness(buf, run, diagnosis);
    buf_text(buf, "}\n");
}

static void print_text(struct buf *buf, const struct diagnosis *diagnosis)
{
    buf_printf(buf, "%s\n", outcome_names[diagnosis->outcome]);
    for (size_t i = 0; i < diagnosis->evidence.count; i++) {
        const struct evidence *evidence = &diagnosis->evidence.items[i];
        buf_printf(buf, "  %s\n", evidence->text);
        bool is_shown = !evidence->sums_up;
        for (size_t n = 0; is_shown && n < evidence->count && n < RECORDS_SHOWN; n++) {
            buf_text(buf, "    ");
            json_sighting(buf, &diagnosis->sightings.items[evidence->first + n]);
            buf_char(buf, '\n');
        }
        if (is_shown && evidence->count > RECORDS_SHOWN)
            buf_printf(buf, "    and %zu more\n", evidence->count - RECORDS_SHOWN);
    }
    if (diagnosis->incomplete && diagnosis->conversations)
        buf_printf(buf, "  The records are not complete: %s.\n", diagnosis->incomplete);
}

static int exit_status(const struct run *run, const struct diagnosis *diagnosis)
{
    if (run->expected >= 0)
        return run->expected == (int)diagnosis->outcome ? EXIT_DONE : EXIT_NO;
    return diagnosis->outcome == OUTCOME_ABSENT || diagnosis->outcome == OUTCOME_UNKNOWN ? EXIT_NO
                                                                                         : EXIT_DONE;
}

static int print(const struct run *run, const struct diagnosis *diagnosis)
{
    AUTO_BUF struct buf out = BUF_INIT(OUTPUT_MAX);
    if (run->settings.form == FORM_JSON)
        print_json(&out, run, diagnosis);
    else
        print_text(&out, diagnosis);
    int status = command_print(run->command, &out);
    return records_status(&run->records, status == EXIT_DONE ? exit_status(run, diagnosis) : status);
}

static int answer(struct run *run, struct fault *fault)
{
    struct policy *policy = NULL;
    struct diagnosis diagnosis = {0};
    int r = run->settings.policy
                ? policy_load(&policy, run->settings.policy, records_tell_document, &run->records, fault)
                : 0;
    const struct diagnose_options diagnose_options = {.policy = policy,
                                                      .readings = &run->records.readings,
                                                      .ledger = run->has_ledger ? &run->ledger : NULL};
    if (r == 0)
        r = diagnose_run(&run->question, &diagnose_options, &diagnosis, fault);
    progress_clear(&run->records.progress);
    int status =
        r < 0 ? command_fail(run->command, command_status(r), "%s", fault->text) : print(run, &diagnosis);
    diagnosis_done(&diagnosis);
    policy_free(policy);
    return status;
}

static int diagnose(struct run *run, int operands, char **argv)
{
    struct fault fault;
    int r = read_settings(run, operands, argv, &fault);
    return r < 0 ? command_fail(run->command, command_status(r), "%s", fault.text) : answer(run, &fault);
}

/* What is about records has no meaning for packets to come. */
static int trace(struct run *run, int operands)
{
    struct fault fault;
    const struct settings *settings = &run->settings;
    const struct trace_options trace_options = {
        .timeout_s = settings->timeout_s, .packets = settings->packets, .json = settings->form == FORM_JSON};
    if (operands || settings->at || settings->expect || settings->from.from.count ||
        settings->from.input_format || settings->policy || settings->from.since || settings->from.until)
        return command_fail(
            run->command, EXIT_USAGE,
            "--trace looks at packets to come: records, times, --policy and --expect do not go with it");
    int r = read_traffic(run, &fault);
    return r < 0 ? command_fail(run->command, command_status(r), "%s", fault.text)
                 : trace_run(run->command, &run->question, &trace_options);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct run this_run = {.command = command, .settings = {.packets = 10, .timeout_s = 30}};
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &this_run.settings, &operands, &status))
        return status;
    status = this_run.settings.trace ? trace(&this_run, operands) : diagnose(&this_run, operands, argv);
    records_close(&this_run.records);
    capture_ledger_done(&this_run.ledger);
    party_done(&this_run.question.source);
    party_done(&this_run.question.destination);
    return status;
}

const struct command command_diagnose = {
    .name = "diagnose",
    .summary = "Tell whether traffic arrived, was let through, and was answered",
    .operands = "[FILE...]",
    .details =
        "Looks for the records of one kind of traffic on all interfaces and gives one outcome: accepted,\n"
        "rejected-request, rejected-response, no-response (let through, and nothing came back), refused "
        "(the\n"
        "host itself answered with a reset), one-way (only one direction is in the records), absent (the\n"
        "records are complete and it was never there) or unknown (they are not complete), the sentences "
        "that\n"
        "lead to it with their records, and where to look next. The conversation that began last decides.\n\n"
        "The exit status is 1 for absent and unknown; with --expect, 1 when the outcome is another.\n\n"
        "With --trace, no records are read: a rule of an own table of nftables marks the next such packets "
        "and "
        "their\n"
        "answers, and the kernel tells which rule, of nftables or of iptables over it, drops one. The table "
        "changes no\n"
        "packet; it is gone at the end, also when the command is killed. The exit status is 0 when a rule "
        "was "
        "found.",
    .example = "flowlog diagnose --src 10.0.1.5 --dst 10.0.2.7 --port ssh --from records.log",
    .outcome = "says what became of SSH from 10.0.1.5 to 10.0.2.7",
    .options = options,
    .run = run,
};
