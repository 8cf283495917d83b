/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "answer/timeline.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/records.h"
#include "record/json.h"
#include "record/value.h"

#define OUTPUT_CHUNK (256UL * 1024)
#define OUTPUT_MAX (64UL * 1024 * 1024)

enum form { FORM_TEXT, FORM_JSON };

struct settings {
    struct from_settings from;
    struct option_list with;
    const char *host;
    const char *peer;
    unsigned form; /* enum form */
};

#define END "an address, a block, or the id of an interface, instance or subnet"

static const struct option options[] = {
    {.name = "host", .metavar = "END", .kind = OPTION_TEXT, SETTING(host), .help = "whose flows: " END},
    {.name = "peer",
     .metavar = "END",
     .kind = OPTION_TEXT,
     SETTING(peer),
     .help = "only those with this other end"},
    {.name = "with",
     .metavar = "FILE",
     .kind = OPTION_LIST,
     SETTING(with),
     .help = "a file of lines with times, such as a log, also as gzip; given again, the next"},
    FROM_OPTIONS(struct settings, from),
    {.name = "output",
     .letter = 'o',
     .metavar = "text|json",
     .kind = OPTION_CHOICE,
     SETTING(form),
     .help = "lines, or a JSON object per flow and line; default: text"},
    {.name = NULL},
};

struct run {
    const struct command *command;
    struct settings settings;
    struct records records;
    struct party host;
    struct party peer;
    struct timeline timeline;
};

static void print_time(struct buf *buf, uint64_t ns)
{
    char text[CLOCK_TEXT_MAX];
    unsigned ms = (unsigned)(ns % NS_PER_S / NS_PER_MS);
    size_t len = strlen(clock_format_utc(text, ns / NS_PER_S));
    if (len && text[len - 1] == 'Z')
        len--;
    buf_append(buf, text, len);
    if (ns % NS_PER_S)
        buf_printf(buf, ".%03u", ms);
    buf_char(buf, 'Z');
}

static void json_text(struct buf *buf, const char *before, const char *text, size_t len)
{
    buf_text(buf, before);
    json_write_string(buf, text, len);
}

/* Text that may be any bytes, as UTF-8 without what steers a terminal. */
static void print_clean(struct buf *buf, const char *text, size_t len)
{
    bool is_utf8 = value_is_utf8(text, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == 0x7f || (byte < ' ' && byte != '\t' && byte != '\n') || (byte >= 0x80 && !is_utf8))
            buf_text(buf, "\xef\xbf\xbd");
        else
            buf_char(buf, text[i]);
    }
}

static void json_flow(struct buf *buf, const struct timeline_entry *entry)
{
    const struct timeline_flow *flow = &entry->flow;
    buf_text(buf, ",\"kind\":\"flow\"");
    json_text(buf, ",\"interface-id\":", flow->interface_id, strlen(flow->interface_id));
    buf_printf(buf, ",\"start\":%llu,\"end\":%" PRIu64, entry->ns / NS_PER_S, flow->end_s);
    if (flow->is_lost) {
        buf_text(buf, ",\"log-status\":\"SKIPDATA\"}\n");
        return;
    }
    buf_text(buf, ",\"srcaddr\":\"");
    address_print(&flow->source, buf);
    buf_text(buf, "\",\"dstaddr\":\"");
    address_print(&flow->destination, buf);
    buf_printf(buf,
               "\",\"srcport\":%u,\"dstport\":%u,\"protocol\":%u,\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64,
               flow->source_port, flow->destination_port, flow->protocol, flow->packets, flow->bytes);
    buf_printf(buf, ",\"action\":\"%s\",\"log-status\":\"OK\"", flow->rejected ? "REJECT" : "ACCEPT");
    if (flow->has_direction)
        buf_printf(buf, ",\"flow-direction\":\"%s\"", flow->egress ? "egress" : "ingress");
    if (flow->has_flags)
        buf_printf(buf, ",\"tcp-flags\":%u", flow->tcp_flags);
    buf_text(buf, "}\n");
}

static void json_entry(struct buf *buf, const struct timeline *timeline, const struct timeline_entry *entry)
{
    buf_text(buf, "{\"time\":\"");
    print_time(buf, entry->ns);
    buf_char(buf, '"');
    if (!entry->is_line) {
        json_flow(buf, entry);
        return;
    }
    AUTO_BUF struct buf clean = BUF_INIT(TIMELINE_TEXT_MAX * 4);
    const char *name = timeline->files.items[entry->file].name;
    print_clean(&clean, entry->text, entry->len);
    buf_text(buf, ",\"kind\":\"line\"");
    json_text(buf, ",\"file\":", name, strlen(name));
    buf_printf(buf, ",\"line\":%" PRIu64, entry->number);
    json_text(buf, ",\"text\":", clean.data ? clean.data : "", clean.len);
    buf_text(buf, "}\n");
}

static void text_end(struct buf *buf, const struct address *address, uint16_t port, bool has_ports)
{
    if (has_ports && address->family == 6)
        buf_char(buf, '[');
    address_print(address, buf);
    if (has_ports)
        buf_printf(buf, address->family == 6 ? "]:%u" : ":%u", port);
}

static void text_flags(struct buf *buf, uint8_t flags)
{
    static const struct {
        uint8_t bit;
        const char *name;
    } names[] = {{2, "SYN"}, {16, "ACK"}, {1, "FIN"}, {4, "RST"}};
    const char *between = " ";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!(flags & names[i].bit))
            continue;
        buf_printf(buf, "%s%s", between, names[i].name);
        between = "+";
    }
}

static void text_flow(struct buf *buf, const struct timeline_flow *flow)
{
    static const struct {
        uint8_t number;
        const char *name;
    } protocols[] = {{1, "icmp"}, {6, "tcp"}, {17, "udp"}, {58, "icmpv6"}, {132, "sctp"}};
    char end[CLOCK_TEXT_MAX];
    const char *name = NULL;
    bool has_ports = flow->protocol == 6 || flow->protocol == 17 || flow->protocol == 132;
    clock_format_utc(end, flow->end_s);
    if (flow->is_lost) {
        buf_printf(buf, "  SKIPDATA on %s until %s: records of this time were lost\n", flow->interface_id,
                   end);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        name = protocols[i].number == flow->protocol ? protocols[i].name : name;
    buf_printf(buf, "  %s ", flow->rejected ? "REJECT" : "ACCEPT");
    if (name)
        buf_text(buf, name);
    else
        buf_printf(buf, "protocol %u", flow->protocol);
    buf_char(buf, ' ');
    text_end(buf, &flow->source, flow->source_port, has_ports);
    buf_text(buf, " -> ");
    text_end(buf, &flow->destination, flow->destination_port, has_ports);
    if (flow->has_flags)
        text_flags(buf, flow->tcp_flags);
    buf_printf(buf, ", %" PRIu64 " packet%s, %" PRIu64 " bytes until %s", flow->packets,
               flow->packets == 1 ? "" : "s", flow->bytes, end);
    if (flow->has_direction)
        buf_printf(buf, ", %s", flow->egress ? "egress" : "ingress");
    buf_printf(buf, " (%s)\n", flow->interface_id[0] ? flow->interface_id : "-");
}

/* Lines that follow are set in below the first. */
static void text_line(struct buf *buf, const struct timeline *timeline, const struct timeline_entry *entry)
{
    buf_printf(buf, "  %s:%" PRIu64 ": ", timeline->files.items[entry->file].name, entry->number);
    for (size_t at = 0; at <= entry->len;) {
        const char *newline = memchr(entry->text + at, '\n', entry->len - at);
        size_t len = newline ? (size_t)(newline - (entry->text + at)) : entry->len - at;
        buf_text(buf, at ? "    | " : "");
        print_clean(buf, entry->text + at, len);
        buf_char(buf, '\n');
        at += len + 1;
    }
}

static void text_entry(struct buf *buf, const struct timeline *timeline, const struct timeline_entry *entry)
{
    print_time(buf, entry->ns);
    if (entry->is_line)
        text_line(buf, timeline, entry);
    else
        text_flow(buf, &entry->flow);
}

static int print(const struct run *run)
{
    AUTO_BUF struct buf out = BUF_INIT(OUTPUT_MAX);
    int status = EXIT_DONE;
    for (size_t i = 0; i < run->timeline.entries.count && status == EXIT_DONE; i++) {
        const struct timeline_entry *entry = &run->timeline.entries.items[i];
        if (run->settings.form == FORM_JSON)
            json_entry(&out, &run->timeline, entry);
        else
            text_entry(&out, &run->timeline, entry);
        if (out.len < OUTPUT_CHUNK && !out.failed)
            continue;
        status = command_print(run->command, &out);
        buf_clear(&out);
    }
    return status == EXIT_DONE ? command_print(run->command, &out) : status;
}

/* What is not shown, and why; one line for each kind. */
static void tell_left_out(const struct timeline *timeline)
{
    for (size_t i = 0; i < timeline->files.count; i++) {
        const struct timeline_file *file = &timeline->files.items[i];
        if (file->undated)
            (void)fprintf(stderr,
                          "%s:1: %" PRIu64 " line%s to line %" PRIu64
                          " without a time that is understood, and none "
                          "before: not shown\n",
                          file->name, file->undated, file->undated == 1 ? "" : "s", file->undated_last);
        if (file->outside)
            (void)fprintf(stderr, "%s: %" PRIu64 " lines of other times: not shown\n", file->name,
                          file->outside);
        if (file->too_long)
            (void)fprintf(stderr, "%s: %" PRIu64 " lines cut, longer than 1 MiB\n", file->name,
                          file->too_long);
    }
    if (timeline->skipdata)
        (void)fprintf(stderr, "%" PRIu64 " SKIPDATA records: there may be flows that were not recorded\n",
                      timeline->skipdata);
    if (timeline->not_held)
        (void)fprintf(stderr, "%" PRIu64 " flows and lines beyond %d: not shown; ask for a shorter time\n",
                      timeline->not_held, TIMELINE_MAX);
}

static int read_party(const char *option, const char *text, struct party *ret, struct fault *fault)
{
    return party_parse(ret, text) ? 0 : fault_set(fault, -EINVAL, "--%s '%s': " END " is due", option, text);
}

static int make(struct run *run, int operands, char **argv, struct fault *fault)
{
    struct settings *settings = &run->settings;
    if (!settings->host)
        return fault_set(fault, -EINVAL, "--host is missing: " END);
    int r = read_party("host", settings->host, &run->host, fault);
    if (r == 0 && settings->peer)
        r = read_party("peer", settings->peer, &run->peer, fault);
    if (r == 0)
        r = records_open(&run->records, run->command, &settings->from, operands, argv, fault);
    if (r < 0)
        return r;
    const struct timeline_options timeline_options = {
        .host = &run->host,
        .peer = settings->peer ? &run->peer : NULL,
        .readings = &run->records.readings,
        .files = settings->with.items,
        .file_count = settings->with.count,
        .since_s = run->records.from.since_s,
        .until_s = run->records.from.until_s,
        .local_time = settings->from.local_time,
    };
    return timeline_run(&timeline_options, &run->timeline, fault);
}

static int run(const struct command *command, int argc, char **argv)
{
    struct run run = {.command = command};
    struct fault fault;
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &run.settings, &operands, &status))
        return status;
    int r = make(&run, operands, argv, &fault);
    records_tell_bad_lines(&run.records, run.timeline.records);
    status = r == -EINVAL ? EXIT_USAGE : print(&run);
    tell_left_out(&run.timeline);
    if (r < 0)
        status = command_fail(command, command_status(r), "%s", fault.text);
    else if (status == EXIT_DONE)
        status = records_status(&run.records, run.timeline.flows ? EXIT_DONE : EXIT_NO);
    timeline_done(&run.timeline);
    records_close(&run.records);
    party_done(&run.host);
    party_done(&run.peer);
    return status;
}

const struct command command_timeline = {
    .name = "timeline",
    .summary = "Lay the flows of a host or a pair beside the lines of logs, in the order of time",
    .operands = "[FILE...]",
    .details =
        "Shows flows with the lines of other files between them. Times are understood as RFC 3339 and its\n"
        "relatives, syslog's (the year is the one that brings it nearest to the flows), Apache's and\n"
        "nginx's, journalctl's short-iso, seconds to nanoseconds since the epoch, and in JSON lines by\n"
        "members such as time, timestamp or ts. A time without a zone is UTC, or with --local-time of\n"
        "this host's. A line without a time belongs to the line before it; those that have none before\n"
        "them are told on standard error.\n\n"
        "Without --since and --until, lines are shown from a minute before the first flow to a minute\n"
        "after the last. The exit status is 1 when there is no flow.",
    .example = "flowlog timeline --host 10.0.1.5 --peer 10.0.2.7 --from records.log --with /var/log/app.log",
    .outcome = "shows the flows between the two beside the log of the application",
    .options = options,
    .run = run,
};
