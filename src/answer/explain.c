/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/explain.h"

#include <string.h>

#include "answer/reading.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "bpf/parse.h"
#include "flow/flow.h"
#include "parquet/files.h"

#define PROGRESS_EVERY (1U << 16) /* records */

enum { INTERFACES_CACHED = 1024 };

static void input_cleanup(struct input **input)
{
    input_free(*input);
}

struct explain {
    const struct explain_options *options;
    struct history history;
    struct policy_interface *cache[INTERFACES_CACHED]; /* those asked for last, by hash of the id */
    struct fault *fault;
};

/* The interface the record names, prepared; NULL when the documents do not know it. -ENOMEM. */
static int find_interface(struct explain *explain, const struct record *record, struct policy_interface **ret)
{
    const struct value *id = &record->values[FIELD_INTERFACE_ID];
    char text[64];
    *ret = NULL;
    if (id->kind != VALUE_TEXT || id->len >= sizeof text)
        return 0;
    struct policy_interface **cached = &explain->cache[hash_bytes(id->text, id->len, 0) % INTERFACES_CACHED];
    if (*cached && reading_is_word(id, (*cached)->item.id)) {
        *ret = *cached;
        return 0;
    }
    memcpy(text, id->text, id->len);
    text[id->len] = '\0';
    struct policy_interface *found = policy_interface(explain->options->policy, text);
    if (!found)
        return 0;
    *cached = *ret = found;
    return policy_prepare(explain->options->policy, found, explain->fault);
}

/* False when neither flow-direction nor an own address tells. */
static bool find_direction(const struct policy_interface *interface, const struct record *record,
                           const struct address *shown_source, const struct address *shown_destination,
                           bool *ret_egress)
{
    const struct value *direction = &record->values[FIELD_FLOW_DIRECTION];
    if (reading_is_word(direction, "egress") || reading_is_word(direction, "ingress")) {
        *ret_egress = direction->text[0] == 'e';
        return true;
    }
    *ret_egress = policy_interface_owns(interface, shown_source);
    return *ret_egress || policy_interface_owns(interface, shown_destination);
}

static bool is_partial(const struct record *record, const struct policy_packet *packet)
{
    if (packet->protocol == PROTOCOL_ICMP || packet->protocol == PROTOCOL_ICMPV6)
        return true; /* no field holds the type */
    bool ports = packet->protocol == PROTOCOL_TCP || packet->protocol == PROTOCOL_UDP;
    return ports && (record->values[FIELD_DSTPORT].kind != VALUE_NUMBER ||
                     (packet->source_port == 0 && packet->destination_port == 0));
}

/* What the policy is to be asked; otherwise the reason why nothing can be. */
static const char *read_packet(const struct policy_interface *interface, const struct record *record,
                               struct history_record *ret)
{
    *ret = (struct history_record){0};
    if (reading_is_word(&record->values[FIELD_LOG_STATUS], "NODATA"))
        return "the record stands for an interval without traffic";
    if (reading_is_word(&record->values[FIELD_LOG_STATUS], "SKIPDATA"))
        return "the record stands for records that were lost";
    struct address source = {0};
    struct address destination = {0};
    bool has_source = reading_address(&record->values[FIELD_SRCADDR], &source);
    bool has_destination = reading_address(&record->values[FIELD_DSTADDR], &destination);
    /* The packet's own addresses where they are recorded, else those the record shows. */
    ret->source = source;
    ret->destination = destination;
    if (!(reading_address(&record->values[FIELD_PKT_SRCADDR], &ret->source) || has_source) ||
        !(reading_address(&record->values[FIELD_PKT_DSTADDR], &ret->destination) || has_destination))
        return "the record lacks an address";
    if (ret->source.family != ret->destination.family)
        return "the addresses of the record are of different families";
    if (record->values[FIELD_PROTOCOL].kind != VALUE_NUMBER)
        return "the record lacks the protocol";
    struct policy_packet *packet = &ret->packet;
    if (!find_direction(interface, record, &source, &destination, &packet->egress))
        return "the record does not tell its direction, and neither address is one of the interface";
    packet->source = ret->source.bytes;
    packet->destination = ret->destination.bytes;
    packet->family = ret->source.family;
    packet->protocol = (uint8_t)record->values[FIELD_PROTOCOL].number;
    packet->source_port = (uint16_t)reading_number(record, FIELD_SRCPORT, 0);
    packet->destination_port = (uint16_t)reading_number(record, FIELD_DSTPORT, 0);
    packet->icmp = PARSE_ICMP_UNKNOWN;
    packet->partial = is_partial(record, packet);
    ret->tcp_flags = (uint8_t)reading_number(record, FIELD_TCP_FLAGS, 0);
    ret->start_s = reading_number(record, FIELD_START, 0);
    ret->end_s = reading_number(record, FIELD_END, ret->start_s);
    return NULL;
}

static uint32_t index_of(const struct explain *explain, const struct policy_interface *interface)
{
    return (uint32_t)(interface - explain->options->policy->interfaces.items);
}

static int note(struct explain *explain, const struct record *record)
{
    struct policy_interface *interface;
    struct history_record noted;
    int r = find_interface(explain, record, &interface);
    if (r < 0 || !interface || read_packet(interface, record, &noted))
        return r;
    noted.interface = index_of(explain, interface);
    history_note(&explain->history, &noted);
    return 0;
}

/* What may be behind a contradiction, as far as the record itself hints at it. */
static const char *guess_reason(const struct record *record, const struct explained *explained,
                                uint8_t tcp_flags)
{
    bool has_flags = record->values[FIELD_TCP_FLAGS].kind == VALUE_NUMBER;
    bool is_tcp = explained->packet.protocol == PROTOCOL_TCP;
    if (explained->decision.verdict == VERDICT_ACCEPT) {
        if (record->values[FIELD_REJECT_REASON].kind == VALUE_TEXT)
            return "another control rejected it: the record's reject-reason names it";
        if (is_tcp && has_flags && !(tcp_flags & TCP_SYN))
            return "late packets of a connection that was closed before, a change of the rules since, or "
                   "another "
                   "control";
        return "a change of the rules since, or another control";
    }
    if (!explained->reply && policy_can_reply(&explained->packet, has_flags ? tcp_flags : 0))
        return "a change of the rules since, or an answer in a connection that began before these records";
    return "a change of the rules since";
}

static void compare(const struct record *record, struct explained *explained, uint8_t tcp_flags)
{
    const struct value *action = &record->values[FIELD_ACTION];
    if (explained->decision.verdict == VERDICT_UNKNOWN || action->kind != VALUE_TEXT)
        return;
    bool accepted = reading_is_word(action, "ACCEPT");
    explained->agreement = accepted == (explained->decision.verdict == VERDICT_ACCEPT) ? AGREES : CONTRADICTS;
    if (explained->agreement == CONTRADICTS)
        explained->perhaps = guess_reason(record, explained, tcp_flags);
}

static int show(struct explain *explain, const struct record *record)
{
    struct policy_interface *interface;
    struct history_record asked;
    int r = find_interface(explain, record, &interface);
    if (r < 0)
        return r;
    struct explained explained = {.record = record, .interface = interface};
    if (!interface)
        explained.missing = record->values[FIELD_INTERFACE_ID].kind == VALUE_TEXT
                                ? "the documents do not know the interface"
                                : "the record names no interface";
    else
        explained.missing = read_packet(interface, record, &asked);
    if (!explained.missing) {
        asked.interface = index_of(explain, interface);
        explained.packet = asked.packet;
        history_decide(&explain->history, explain->options->policy, interface, &asked, &explained.decision,
                       &explained.reply);
        compare(record, &explained, asked.tcp_flags);
    }
    explain->options->show(explain->options->context, &explained);
    return 0;
}

/* One reading of the input. */
static int read_all(struct explain *explain, const struct input_options *input_options,
                    int (*visit)(struct explain *explain, const struct record *record), uint64_t *ret_records)
{
    CLEANUP(input_cleanup) struct input *input = NULL;
    const struct explain_options *options = explain->options;
    const struct record *record;
    int r = files_open_input(&input, options->path, input_options, explain->fault);
    *ret_records = 0;
    while (r >= 0 && (r = input_next(input, &record, explain->fault)) > 0) {
        r = visit(explain, record);
        if (++*ret_records % PROGRESS_EVERY == 0 && options->progress) {
            struct input_counts counts = input_counts(input);
            options->progress(options->context, counts.bytes, counts.bytes_total, *ret_records);
        }
    }
    return r;
}

int explain_run(const struct explain_options *options, struct explain_counts *ret, struct fault *fault)
{
    struct explain explain = {
        .options = options, .history = {.table = {.max_count = HISTORY_MAX_DEFAULT}}, .fault = fault};
    struct input_options silent = reading_silent(options->input);
    *ret = (struct explain_counts){0};
    /* Damage that ends the first reading ends the second at the same place, where it is reported. */
    (void)!read_all(&explain, &silent, note, &ret->records);
    int r = read_all(&explain, options->input, show, &ret->records);
    ret->not_noted = explain.history.not_noted;
    history_done(&explain.history);
    return r;
}
