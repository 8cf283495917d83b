/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/explain.h"

#include "answer/asked.h"
#include "bpf/parse.h"
#include "flow/flow.h"

struct explain {
    const struct explain_options *options;
    struct history history;
    struct asker asker;
};

static uint32_t index_of(const struct explain *explain, const struct policy_interface *interface)
{
    return (uint32_t)(interface - explain->options->policy->interfaces.items);
}

static int note(void *context, const struct record *record)
{
    struct explain *explain = context;
    struct policy_interface *interface;
    struct history_record noted;
    int r = asker_interface(&explain->asker, record, &interface);
    if (r < 0 || !interface || asked_read(interface, record, &noted))
        return r;
    noted.interface = index_of(explain, interface);
    history_note(&explain->history, &noted);
    return 0;
}

const char *explain_contradiction(const struct decision *decision, const struct policy_packet *packet,
                                  bool reply, int tcp_flags)
{
    bool is_tcp = packet->protocol == PROTOCOL_TCP;
    if (decision->verdict == VERDICT_ACCEPT)
        return is_tcp && tcp_flags >= 0 && !(tcp_flags & TCP_SYN)
                   ? "late packets of a connection that was closed before, a change of the rules since, or "
                     "another control"
                   : "a change of the rules since, or another control";
    if (!reply && policy_can_reply(packet, (uint8_t)(tcp_flags < 0 ? 0 : tcp_flags)))
        return "a change of the rules since, or an answer in a connection that began before these records";
    return "a change of the rules since";
}

static const char *guess_reason(const struct record *record, const struct explained *explained,
                                uint8_t tcp_flags)
{
    bool has_flags = record->values[FIELD_TCP_FLAGS].kind == VALUE_NUMBER;
    if (explained->decision.verdict == VERDICT_ACCEPT &&
        record->values[FIELD_REJECT_REASON].kind == VALUE_TEXT)
        return "another control rejected it: the record's reject-reason names it";
    return explain_contradiction(&explained->decision, &explained->packet, explained->reply,
                                 has_flags ? tcp_flags : -1);
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

static int show(void *context, const struct record *record)
{
    struct explain *explain = context;
    struct policy_interface *interface;
    struct history_record asked;
    int r = asker_interface(&explain->asker, record, &interface);
    if (r < 0)
        return r;
    struct explained explained = {.record = record, .interface = interface};
    if (!interface)
        explained.missing = record->values[FIELD_INTERFACE_ID].kind == VALUE_TEXT
                                ? "the documents do not know the interface"
                                : "the record names no interface";
    else
        explained.missing = asked_read(interface, record, &asked);
    if (!explained.missing) {
        asked.interface = index_of(explain, interface);
        explained.packet = asked.packet;
        struct connection *found = history_find(&explain->history, &asked);
        history_decide(&explain->history, found, HISTORY_SIDE, explain->options->policy, interface, &asked,
                       &explained.decision, &explained.reply);
        if (found)
            history_carry_on(found, &asked);
        compare(record, &explained, asked.tcp_flags);
    }
    explain->options->show(explain->options->context, &explained);
    return 0;
}

int explain_run(const struct explain_options *options, struct explain_counts *ret, struct fault *fault)
{
    struct explain explain = {.options = options,
                              .history = {.table = {.max_count = HISTORY_MAX_DEFAULT}},
                              .asker = {.policy = options->policy, .fault = fault}};
    *ret = (struct explain_counts){0};
    /* Damage that ends the first reading ends the second at the same place, where it is reported. */
    (void)!reading_all(options->readings, READING_SILENT, note, &explain, &ret->records, fault);
    int r = reading_all(options->readings, READING_TELLS, show, &explain, &ret->records, fault);
    ret->not_noted = explain.history.not_noted;
    history_done(&explain.history);
    return r;
}
