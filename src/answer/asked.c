/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/asked.h"

#include <string.h>

#include "answer/reading.h"
#include "base/hash.h"
#include "bpf/parse.h"
#include "flow/flow.h"

int asker_interface(struct asker *asker, const struct record *record, struct policy_interface **ret)
{
    const struct value *id = &record->values[FIELD_INTERFACE_ID];
    char text[64];
    *ret = NULL;
    if (id->kind != VALUE_TEXT || id->len >= sizeof text)
        return 0;
    struct policy_interface **cached = &asker->cache[hash_bytes(id->text, id->len, 0) % ASKER_CACHED];
    if (*cached && reading_is_word(id, (*cached)->item.id)) {
        *ret = *cached;
        return 0;
    }
    memcpy(text, id->text, id->len);
    text[id->len] = '\0';
    struct policy_interface *found = policy_interface(asker->policy, text);
    if (!found)
        return 0;
    *cached = *ret = found;
    return policy_prepare(asker->policy, found, asker->fault);
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

const char *asked_read(const struct policy_interface *interface, const struct record *record,
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
