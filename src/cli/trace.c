/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bpf/parse.h"
#include "nftrace/listing.h"
#include "nftrace/session.h"
#include "record/json.h"

#define PACKETS_PER_S 20
#define RULE_MAX (64UL * 1024)
#define OUTPUT_MAX (256UL * 1024)
#define PATIENCE_MS 100 /* between looks at what fell silent */

/* The drop that was looked for, else what became of the last packet. */
struct sighted {
    enum nftrace_fate fate;
    struct nftrace_packet packet; /* as it was at the end */
    struct nftrace_packet marked;
    uint32_t arrived_on;
    uint32_t leaves_by;
    uint64_t handle;
    uint8_t family;
    char table[NFTRACE_NAME_MAX];
    char chain[NFTRACE_NAME_MAX];
    struct buf passed;
};

struct tracing {
    const struct command *command;
    const struct question *question;
    const struct trace_options *options;
    struct nftrace *trace;
    struct sighted last;
    uint64_t ended; /* packets */
    struct buf rule;
    const char *no_rule; /* why there is no text of it */
};

static bool has_ports(int protocol)
{
    return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP;
}

static int check_question(const struct question *question, struct fault *fault)
{
    const struct party *ends[] = {&question->source, &question->destination};
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (ends[i]->is_id || ends[i]->blocks.count != 1)
            return fault_set(fault, -EINVAL, "--trace looks at packets: '%s' is to be an address or a block",
                             ends[i]->text);
    if (question->port >= 0 && !has_ports(question->protocol))
        return fault_set(fault, -EINVAL, "--port: protocol %d has no ports", question->protocol);
    return 0;
}

/* Requests, and their answers. */
static void set_tuples(const struct question *question, struct nftrace_tuple ret[static 2])
{
    const struct address_block *source = &question->source.blocks.items[0];
    const struct address_block *destination = &question->destination.blocks.items[0];
    ret[0] =
        (struct nftrace_tuple){*source, *destination, question->protocol, -1, question->port, PACKETS_PER_S};
    ret[1] =
        (struct nftrace_tuple){*destination, *source, question->protocol, question->port, -1, PACKETS_PER_S};
}

static void copy_name(char to[static NFTRACE_NAME_MAX], const char *name)
{
    (void)snprintf(to, NFTRACE_NAME_MAX, "%s", name ? name : "");
}

static void take_end(void *context, const struct nftrace_end *end)
{
    struct tracing *tracing = context;
    struct sighted *last = &tracing->last;
    if (tracing->ended && last->fate == NFTRACE_DROPPED)
        return;
    tracing->ended++;
    last->fate = end->fate;
    last->packet = end->last;
    last->marked = end->marked;
    last->arrived_on = end->arrival_count ? end->arrivals[0] : 0;
    last->leaves_by = end->leaves_by;
    last->handle = end->handle;
    last->family = end->family;
    copy_name(last->table, end->table);
    copy_name(last->chain, end->chain);
    buf_clear(&last->passed);
    buf_text(&last->passed, end->passed);
}

static bool is_done(const struct tracing *tracing)
{
    return tracing->ended &&
           (tracing->last.fate == NFTRACE_DROPPED || tracing->ended >= tracing->options->packets);
}

static int wait_for_packets(struct tracing *tracing, struct fault *fault)
{
    uint64_t until_ns = clock_monotonic_ns() + tracing->options->timeout_s * NS_PER_S;
    struct pollfd events = {.fd = nftrace_fd(tracing->trace), .events = POLLIN};
    int r = 0;
    while (r == 0 && !is_done(tracing) && clock_monotonic_ns() < until_ns) {
        (void)poll(&events, 1, PATIENCE_MS);
        r = nftrace_process(tracing->trace, fault);
    }
    return r;
}

static void print_end(struct buf *buf, const struct address *address, uint8_t protocol, uint16_t port)
{
    address_print(address, buf);
    if (has_ports(protocol))
        buf_printf(buf, " port %u", port);
}

static void print_packet(struct buf *buf, const struct nftrace_packet *packet)
{
    static const char *const names[] = {[PROTOCOL_ICMP] = "icmp",
                                        [PROTOCOL_TCP] = "tcp",
                                        [PROTOCOL_UDP] = "udp",
                                        [PROTOCOL_ICMPV6] = "icmpv6"};
    if (packet->protocol < ARRAY_SIZE(names) && names[packet->protocol])
        buf_printf(buf, "%s ", names[packet->protocol]);
    else
        buf_printf(buf, "protocol %u ", packet->protocol);
    print_end(buf, &packet->source, packet->protocol, packet->source_port);
    buf_text(buf, " to ");
    print_end(buf, &packet->destination, packet->protocol, packet->destination_port);
}

static bool is_response(const struct tracing *tracing)
{
    const struct question *question = tracing->question;
    const struct nftrace_packet *packet = &tracing->last.marked;
    bool forth = address_block_contains(&question->source.blocks.items[0], &packet->source) &&
                 address_block_contains(&question->destination.blocks.items[0], &packet->destination) &&
                 (question->port < 0 || packet->destination_port == question->port);
    return !forth;
}

static bool same_packet(const struct nftrace_packet *a, const struct nftrace_packet *b)
{
    return address_equal(&a->source, &b->source) && address_equal(&a->destination, &b->destination) &&
           a->source_port == b->source_port && a->destination_port == b->destination_port;
}

static const char *device_name(uint32_t ifindex, char room[static IF_NAMESIZE])
{
    if (!if_indextoname(ifindex, room))
        (void)snprintf(room, IF_NAMESIZE, "interface %" PRIu32 "", ifindex % 100000);
    return room;
}

static void tell_packet(struct buf *buf, const struct tracing *tracing)
{
    char device[IF_NAMESIZE];
    const struct sighted *last = &tracing->last;
    buf_text(buf, is_response(tracing) ? "  An answer: " : "  A request: ");
    print_packet(buf, &last->marked);
    if (last->arrived_on)
        buf_printf(buf, ", which came in on %s", device_name(last->arrived_on, device));
    else
        buf_text(buf, ", sent by this host");
    if (last->leaves_by)
        buf_printf(buf, " and was to go out on %s", device_name(last->leaves_by, device));
    if (!same_packet(&last->marked, &last->packet)) {
        buf_text(buf, "; by then translated to ");
        print_packet(buf, &last->packet);
    }
    buf_text(buf, ".\n");
    if (last->passed.len)
        buf_printf(buf, "  Let through before: %s.\n", buf_string((struct buf *)&last->passed));
}

static void tell_drop(struct buf *buf, struct tracing *tracing)
{
    const struct sighted *last = &tracing->last;
    bool rejects = listing_rejects(buf_string(&tracing->rule));
    buf_printf(buf, "%s by %s %s/%s", rejects ? "rejected" : "dropped", nftrace_family_name(last->family),
               last->table, last->chain);
    if (last->handle)
        buf_printf(buf, " handle %" PRIu64, last->handle);
    if (tracing->rule.len)
        buf_printf(buf, ": %s\n", buf_string(&tracing->rule));
    else
        buf_printf(buf, " (its text is not known: %s)\n", tracing->no_rule);
    tell_packet(buf, tracing);
}

static void tell_passed(struct buf *buf, struct tracing *tracing)
{
    bool away = tracing->last.fate == NFTRACE_AWAY;
    buf_text(buf, away ? "cannot tell: the packet left the rules\n" : "not dropped by nftables\n");
    tell_packet(buf, tracing);
    if (away)
        buf_text(buf, "  The last rule handed it to a program (queue) or took it out of the usual path; what "
                      "became of it there is not in\n  the kernel's trace.\n");
    buf_printf(buf, "  %" PRIu64 " packet%s looked at, none dropped by a rule.", tracing->ended,
               tracing->ended > 1 ? "s were" : " was");
    buf_text(buf, " If they are lost all the same, the place is one that the trace does not see: tc,\n"
                  "  XDP, legacy iptables, cgroup programs, the reverse path filter, IPsec policies, another "
                  "network namespace, or another host.\n");
}

static void tell_nothing(struct buf *buf, const struct tracing *tracing)
{
    buf_printf(
        buf,
        "no packet\n  In %" PRIu64
        " s no such packet came to netfilter here. It was not sent, went another way, or was dropped "
        "before: XDP and tc\n  programs come first, and another network namespace has rules of its own.\n",
        tracing->options->timeout_s);
}

static void print_text(struct buf *buf, struct tracing *tracing)
{
    if (tracing->ended == 0)
        tell_nothing(buf, tracing);
    else if (tracing->last.fate == NFTRACE_DROPPED)
        tell_drop(buf, tracing);
    else
        tell_passed(buf, tracing);
}

static void json_text(struct buf *buf, const char *before, const char *text)
{
    buf_text(buf, before);
    if (text && *text)
        json_write_string(buf, text, strlen(text));
    else
        buf_text(buf, "null");
}

static void json_device(struct buf *buf, const char *before, uint32_t ifindex)
{
    char device[IF_NAMESIZE];
    json_text(buf, before, ifindex ? device_name(ifindex, device) : NULL);
}

static void json_packet(struct buf *buf, const char *name, const struct nftrace_packet *packet)
{
    buf_printf(buf, ",\"%s\":{\"srcaddr\":\"", name);
    address_print(&packet->source, buf);
    buf_text(buf, "\",\"dstaddr\":\"");
    address_print(&packet->destination, buf);
    buf_printf(buf, "\",\"srcport\":%u,\"dstport\":%u,\"protocol\":%u,\"bytes\":%u}", packet->source_port,
               packet->destination_port, packet->protocol, packet->length);
}

/* "drop", "reject", "accept", or null where that is not known. */
static const char *verdict_word(struct tracing *tracing)
{
    if (tracing->ended == 0 || tracing->last.fate == NFTRACE_AWAY)
        return NULL;
    if (tracing->last.fate == NFTRACE_PASSED)
        return "accept";
    return listing_rejects(buf_string(&tracing->rule)) ? "reject" : "drop";
}

static void print_json(struct buf *buf, struct tracing *tracing)
{
    struct sighted *last = &tracing->last;
    bool dropped = tracing->ended && last->fate == NFTRACE_DROPPED;
    json_text(buf, "{\"verdict\":", verdict_word(tracing));
    json_text(buf, ",\"family\":", dropped ? nftrace_family_name(last->family) : NULL);
    json_text(buf, ",\"table\":", last->table);
    json_text(buf, ",\"chain\":", last->chain);
    buf_text(buf, ",\"handle\":");
    if (dropped && last->handle)
        buf_u64(buf, last->handle);
    else
        buf_text(buf, "null");
    json_text(buf, ",\"rule\":", buf_string(&tracing->rule));
    if (tracing->ended) {
        json_packet(buf, "packet", &last->marked);
        json_packet(buf, "packet_at_verdict", &last->packet);
        json_text(buf, ",\"direction\":", is_response(tracing) ? "response" : "request");
    } else {
        buf_text(buf, ",\"packet\":null,\"packet_at_verdict\":null,\"direction\":null");
    }
    json_device(buf, ",\"in\":", last->arrived_on);
    json_device(buf, ",\"out\":", last->leaves_by);
    json_text(buf, ",\"passed\":", buf_string(&last->passed));
    buf_printf(buf, ",\"packets\":%" PRIu64 ",\"packets_unknown\":%" PRIu64 "}\n", tracing->ended,
               nftrace_counts(tracing->trace).unknown);
}

static void find_rule(struct tracing *tracing, struct fault *fault)
{
    const struct sighted *last = &tracing->last;
    if (tracing->ended == 0 || last->fate != NFTRACE_DROPPED)
        return;
    if (last->handle == 0) {
        buf_text(&tracing->rule, "policy drop");
        return;
    }
    if (listing_find_rule(last->family, last->table, last->chain, last->handle, &tracing->rule, fault) < 0) {
        buf_clear(&tracing->rule);
        tracing->no_rule = fault->text;
    }
}

static int print(struct tracing *tracing)
{
    AUTO_BUF struct buf out = BUF_INIT(OUTPUT_MAX);
    if (tracing->options->json)
        print_json(&out, tracing);
    else
        print_text(&out, tracing);
    uint64_t unknown = nftrace_counts(tracing->trace).unknown;
    if (unknown && !tracing->options->json)
        buf_printf(
            &out, "  What became of %" PRIu64 " more packets was not learnt: they were too many at a time.\n",
            unknown);
    int status = command_print(tracing->command, &out);
    if (status != EXIT_DONE)
        return status;
    return tracing->ended && tracing->last.fate == NFTRACE_DROPPED ? EXIT_DONE : EXIT_NO;
}

static int open_trace(struct tracing *tracing, struct fault *fault)
{
    struct nftrace_tuple tuples[2];
    const char *names[4096];
    size_t count = 0;
    set_tuples(tracing->question, tuples);
    struct if_nameindex *devices = if_nameindex();
    for (size_t i = 0; devices && devices[i].if_index && count < ARRAY_SIZE(names); i++)
        names[count++] = devices[i].if_name;
    const struct nftrace_options options = {
        .tuples = tuples,
        .tuple_count = ARRAY_SIZE(tuples),
        .devices = names,
        .device_count = count,
        .listener = take_end,
        .context = tracing,
    };
    int r = nftrace_open(&tracing->trace, &options, fault);
    if_freenameindex(devices);
    return r;
}

static int answer(struct tracing *tracing, struct fault *fault)
{
    int r = open_trace(tracing, fault);
    if (r < 0)
        return r;
    (void)fprintf(stderr,
                  "flowlog diagnose: for at most %" PRIu64
                  " s the table 'inet %s' marks such packets, some %d "
                  "each second, for the kernel to trace them; it goes with this command\n",
                  tracing->options->timeout_s, nftrace_table(tracing->trace), PACKETS_PER_S);
    return wait_for_packets(tracing, fault);
}

int trace_run(const struct command *command, const struct question *question,
              const struct trace_options *options)
{
    struct fault fault = {0};
    struct tracing tracing = {.command = command,
                              .question = question,
                              .options = options,
                              .last = {.passed = BUF_INIT(RULE_MAX)},
                              .rule = BUF_INIT(RULE_MAX)};
    int r = check_question(question, &fault);
    if (r == 0)
        r = answer(&tracing, &fault);
    int status;
    if (r < 0) {
        status = command_fail(command, command_status(r), "%s", fault.text);
    } else {
        find_rule(&tracing, &fault);
        status = print(&tracing);
    }
    nftrace_close(tracing.trace);
    buf_done(&tracing.last.passed);
    buf_done(&tracing.rule);
    return status;
}
