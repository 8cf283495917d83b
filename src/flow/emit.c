/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/emit.h"

#include <stddef.h>
#include <string.h>

#define SET_WORD(record, field, word) record_set_text(record, field, word, sizeof(word) - 1)

static const char *const reject_source_names[REJECT_SOURCES] = {
    [REJECT_NETFILTER] = "netfilter",
    [REJECT_TC] = "tc",
    [REJECT_XDP] = "xdp",
    [REJECT_CGROUP] = "cgroup",
    [REJECT_RPFILTER] = "rpfilter",
    [REJECT_XFRM] = "xfrm",
    [REJECT_LSM] = "lsm",
    [REJECT_SECURITY_GROUP] = "security-group",
    [REJECT_NETWORK_ACL] = "network-acl",
};

/* x-drop-reason of a SKIPDATA record. The kernel's reasons have none of these names. */
static const char *const lost_cause_names[LOST_CAUSES] = {
    [LOST_MAP_FULL] = "FLOW_MAP_FULL",  [LOST_MAP_BUSY] = "FLOW_MAP_BUSY",
    [LOST_NO_MEMORY] = "OUT_OF_MEMORY", [LOST_UNDELIVERED] = "NOT_DELIVERED",
    [LOST_DAMAGED] = "SPOOL_DAMAGED",
};

/* What packets bring; absent from the lines that stand for a window without flows (record.md 5.7). */
static const uint8_t packet_fields[] = {
    FIELD_SRCADDR,
    FIELD_DSTADDR,
    FIELD_SRCPORT,
    FIELD_DSTPORT,
    FIELD_PROTOCOL,
    FIELD_PACKETS,
    FIELD_BYTES,
    FIELD_ACTION,
    FIELD_TCP_FLAGS,
    FIELD_TYPE,
    FIELD_PKT_SRCADDR,
    FIELD_PKT_DSTADDR,
    FIELD_FLOW_DIRECTION,
    FIELD_X_REJECT_SOURCE,
    FIELD_X_REJECT_RULE,
    FIELD_X_DROP_REASON,
    FIELD_PKT_SRC_AWS_SERVICE,
    FIELD_PKT_DST_AWS_SERVICE,
    FIELD_TRAFFIC_PATH,
    FIELD_NEXT_HOP_INTERFACE_ID,
    FIELD_NEXT_HOP_SUBNET_ID,
    FIELD_NEXT_HOP_AZ_ID,
    FIELD_NEXT_HOP_VPC_ID,
    FIELD_NEXT_HOP_INTERFACE_TYPE,
};

const char *reject_source_name(uint8_t source)
{
    return source < REJECT_SOURCES ? reject_source_names[source] : NULL;
}

static void set_facts(struct record *record, const struct interface_facts *facts)
{
    record_set_string(record, FIELD_SUBLOCATION_TYPE, facts->sublocation_type);
    record_set_string(record, FIELD_SUBLOCATION_ID, facts->sublocation_id);
    if (facts->sublocation_type[0])
        record_clear(record, FIELD_AZ_ID); /* record.md 4, field 23 */
    record_set_string(record, FIELD_INTERFACE_TYPE, facts->type ? facts->type : "");
    for (unsigned i = 0; i < INTERFACE_ECS_FIELDS; i++)
        record_set_string(record, FIELD_ECS_CLUSTER_ARN + i, facts->ecs[i] ? facts->ecs[i] : "");
}

void emit_set_tag(struct emit *emit, enum interface_tag_of of, unsigned place, const char *key, size_t len)
{
    const struct interface_facts *facts = emit->interface->facts;
    for (size_t i = 0; facts && i < facts->tag_count; i++) {
        const struct interface_tag *tag = &facts->tags[i];
        if (tag->of == of && strlen(tag->key) == len && memcmp(tag->key, key, len) == 0)
            record_set_string(&emit->record, FIELD_INSTANCE_TAG + 2 * of + place, tag->value);
    }
}

void emit_init(struct emit *emit, const struct interface *interface, const struct format *format,
               const char *(*drop_reason_name)(uint16_t reason))
{
    const struct interface_identity *identity = &interface->identity;
    *emit = (struct emit){.primary = {interface_primary(interface, 4), interface_primary(interface, 6)},
                          .interface = interface,
                          .drop_reason_name = drop_reason_name};
    struct record *record = &emit->record;
    record_set_number(record, FIELD_VERSION, format->version);
    record_set_string(record, FIELD_ACCOUNT_ID, identity->account_id);
    record_set_string(record, FIELD_INTERFACE_ID, identity->interface_id);
    record_set_string(record, FIELD_VPC_ID, identity->vpc_id);
    record_set_string(record, FIELD_SUBNET_ID, identity->subnet_id);
    record_set_string(record, FIELD_INSTANCE_ID, identity->instance_id);
    record_set_string(record, FIELD_REGION, identity->region);
    record_set_string(record, FIELD_AZ_ID, identity->az_id);
    if (interface->facts)
        set_facts(record, interface->facts);
}

/* The interface's own end shows its primary address, whatever address the packet has there (record.md 5.1).
 */
static void emit_addresses(struct emit *emit, const struct flow *flow)
{
    struct record *record = &emit->record;
    uint8_t family = flow->bits & FLOW_BIT_IPV6 ? 6 : 4;
    const struct address *primary = emit->primary[family == 6];
    const uint8_t *source = flow->source;
    const uint8_t *destination = flow->destination;
    if (primary && flow->bits & FLOW_BIT_EGRESS)
        source = primary->bytes;
    else if (primary)
        destination = primary->bytes;
    record_set_address(record, FIELD_SRCADDR, source, family);
    record_set_address(record, FIELD_DSTADDR, destination, family);
    record_set_address(record, FIELD_PKT_SRCADDR, flow->source, family);
    record_set_address(record, FIELD_PKT_DSTADDR, flow->destination, family);
    record_set_text(record, FIELD_TYPE, family == 6 ? "IPv6" : "IPv4", 4);
}

static void emit_verdict(struct emit *emit, const struct flow *flow, uint64_t window)
{
    struct record *record = &emit->record;
    const char *source = reject_source_name(flow->reject);
    if (flow->reject)
        SET_WORD(record, FIELD_ACTION, "REJECT");
    else
        SET_WORD(record, FIELD_ACTION, "ACCEPT");
    record_set_string(record, FIELD_X_REJECT_SOURCE, source ? source : "");
    const char *rule = NULL;
    if (flow->reject && emit->reject_rule_name)
        rule = emit->reject_rule_name(emit->context, flow, window);
    record_set_string(record, FIELD_X_REJECT_RULE, rule ? rule : "");
    const char *reason = NULL;
    if (flow->drop_reason && emit->drop_reason_name)
        reason = emit->drop_reason_name(flow->drop_reason);
    record_set_string(record, FIELD_X_DROP_REASON, reason ? reason : "");
}

const struct record *emit_flow(struct emit *emit, const struct flow *flow, uint64_t window)
{
    struct record *record = &emit->record;
    emit_addresses(emit, flow);
    emit_verdict(emit, flow, window);
    record_set_number(record, FIELD_SRCPORT, flow->source_port);
    record_set_number(record, FIELD_DSTPORT, flow->destination_port);
    record_set_number(record, FIELD_PROTOCOL, flow->protocol);
    record_set_number(record, FIELD_PACKETS, flow->packets);
    record_set_number(record, FIELD_BYTES, flow->bytes);
    record_set_number(record, FIELD_START, window + flow->first_s);
    record_set_number(record, FIELD_END, window + flow->last_s);
    record_set_number(record, FIELD_TCP_FLAGS, flow->tcp_flags);
    if (flow->bits & FLOW_BIT_EGRESS)
        SET_WORD(record, FIELD_FLOW_DIRECTION, "egress");
    else
        SET_WORD(record, FIELD_FLOW_DIRECTION, "ingress");
    SET_WORD(record, FIELD_LOG_STATUS, "OK");
    record_clear(record, FIELD_X_LOST_PACKETS);
    if (emit->complete)
        emit->complete(emit->world, emit->interface, flow, record);
    return record;
}

static struct record *emit_empty(struct emit *emit, uint64_t window, uint32_t interval)
{
    struct record *record = &emit->record;
    for (size_t i = 0; i < sizeof packet_fields; i++)
        record_clear(record, packet_fields[i]);
    record_clear(record, FIELD_X_LOST_PACKETS);
    record_set_number(record, FIELD_START, window);
    record_set_number(record, FIELD_END, window + interval - 1);
    return record;
}

const struct record *emit_nodata(struct emit *emit, uint64_t window, uint32_t interval)
{
    struct record *record = emit_empty(emit, window, interval);
    SET_WORD(record, FIELD_LOG_STATUS, "NODATA");
    return record;
}

const struct record *emit_skipdata(struct emit *emit, uint64_t window, uint32_t interval,
                                   uint64_t lost_packets, enum lost_cause cause)
{
    struct record *record = emit_empty(emit, window, interval);
    SET_WORD(record, FIELD_LOG_STATUS, "SKIPDATA");
    record_set_number(record, FIELD_X_LOST_PACKETS, lost_packets);
    record_set_string(record, FIELD_X_DROP_REASON, lost_cause_names[cause]);
    return record;
}
