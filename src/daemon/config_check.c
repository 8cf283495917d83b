/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_check.h"

#include <string.h>

#include "daemon/config.h"
#include "daemon/config_reader.h"

/* Texts are NULL where the file left out what is required. */
static bool is_same(const char *a, const char *b)
{
    return a && b && a[0] && strcmp(a, b) == 0;
}

void config_check_interface(struct config_reader *reader, struct yaml_node_s *node, const void *list,
                            size_t index)
{
    const struct topology_rule *rules = list;
    const struct topology_rule *rule = &rules[index];
    if (rule->role == INTERFACE_NIC && rule->address_count > 0)
        config_mistake(reader, node, "addresses", "found for a nic, allowed: only with role: port");
    for (size_t i = 0; i < index; i++) {
        if (is_same(rule->device, rules[i].device))
            config_mistake(reader, node, "device", "found '%s' as in interfaces[%zu], which hides this entry",
                           rule->device, i);
        if (is_same(rule->interface_id, rules[i].interface_id) && strcmp(rule->interface_id, "derived") != 0)
            config_mistake(reader, node, "interface-id",
                           "found '%s' as in interfaces[%zu], allowed: an id of its own", rule->interface_id,
                           i);
    }
}

void config_check_subnet(struct config_reader *reader, struct yaml_node_s *node, const void *list,
                         size_t index)
{
    const struct topology_subnet *subnets = list;
    const struct topology_subnet *subnet = &subnets[index];
    for (size_t i = 0; i < index; i++) {
        if (subnet->cidr.base.family && subnet->cidr.prefix == subnets[i].cidr.prefix &&
            address_equal(&subnet->cidr.base, &subnets[i].cidr.base))
            config_mistake(reader, node, "cidr", "found the block of subnets[%zu], allowed: one of its own",
                           i);
        if (is_same(subnet->subnet_id, subnets[i].subnet_id) &&
            strcmp(subnet->vpc_id, subnets[i].vpc_id) != 0)
            config_mistake(reader, node, "vpc-id", "found '%s', but subnets[%zu] puts %s into '%s'",
                           subnet->vpc_id, i, subnet->subnet_id, subnets[i].vpc_id);
    }
}

#define KIND(kind) (1U << DESTINATION_##kind)
#define KINDS_OF_AWS (KIND(CLOUDWATCH) | KIND(FIREHOSE) | KIND(S3))

/* Keys that say something about some kinds of destinations only; for others they would mislead. */
static const struct key_use {
    const char *key;
    unsigned kinds;
    const char *allowed;
} key_uses[] = {
    {"endpoint", KINDS_OF_AWS, "cloudwatch, firehose or s3"},
    {"region", KINDS_OF_AWS, "cloudwatch, firehose or s3"},
    {"profile", KINDS_OF_AWS, "cloudwatch, firehose or s3"},
    {"role-arn", KINDS_OF_AWS, "cloudwatch, firehose or s3"},
    {"external-id", KINDS_OF_AWS, "cloudwatch, firehose or s3"},
    {"proxy", KINDS_OF_AWS, "cloudwatch, firehose or s3"},
    {"ca-bundle", KINDS_OF_AWS | KIND(KAFKA), "cloudwatch, firehose, s3 or kafka"},
    {"use-fips", KINDS_OF_AWS, "cloudwatch, firehose or s3"},
    {"addressing", KIND(S3), "s3"},
    {"acl", KIND(S3), "s3"},
    {"encryption", KIND(S3), "s3"},
    {"kms-key", KIND(S3), "s3"},
    {"storage-class", KIND(S3), "s3"},
    {"checksum", KIND(S3), "s3"},
    {"framing", KIND(FIREHOSE), "firehose"},
    {"security-protocol", KIND(KAFKA), "kafka"},
    {"sasl-mechanism", KIND(KAFKA), "kafka"},
    {"credentials-file", KIND(KAFKA), "kafka"},
};

static void check_key_uses(struct config_reader *reader, struct yaml_node_s *node,
                           const struct config_key *rows, const char *destination, enum destination_kind kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(key_uses); i++) {
        const struct key_use *use = &key_uses[i];
        const struct config_key *row = config_key_find(rows, use->key, strlen(use->key));
        if (row && !(use->kinds & 1U << kind) && config_says(reader, node, row))
            config_mistake(reader, node, use->key, "found for destination '%s', allowed: only with %s",
                           destination, use->allowed);
    }
}

static bool is_given(const char *text)
{
    return text && text[0];
}

/* Keys that others make useless, or that are useless without others. */
static void check_key_pairs(struct config_reader *reader, struct yaml_node_s *node,
                            const struct flow_log *log)
{
    if (is_given(log->external_id) && !is_given(log->role_arn))
        config_mistake(reader, node, "external-id", "found without role-arn, which it is for");
    if (log->use_fips && is_given(log->endpoint))
        config_mistake(reader, node, "use-fips", "found with endpoint, which is taken as it stands");
    if (is_given(log->kms_key) && log->encryption != S3_ENCRYPTION_KMS)
        config_mistake(reader, node, "kms-key", "found without encryption: sse-kms, which it is for");
}

/* What a destination cannot do, or needs. */
static void check_destination_fits(struct config_reader *reader, struct yaml_node_s *node,
                                   const struct flow_log *log)
{
    struct destination_text place;
    if (!log->destination || destination_text_parse(&place, log->destination, NULL) < 0)
        return;
    check_key_uses(reader, node, config_key_flow_logs->children, log->destination, place.kind);
    check_key_pairs(reader, node, log);
    bool service = place.kind == DESTINATION_CLOUDWATCH || place.kind == DESTINATION_FIREHOSE;
    bool objects = place.kind == DESTINATION_FILE || place.kind == DESTINATION_S3;
    if (service && log->file_format != FILE_FORMAT_PLAIN_TEXT)
        config_mistake(reader, node, "file-format", "found for %s, allowed there: plain-text",
                       log->destination);
    else if (!objects && log->file_format == FILE_FORMAT_PARQUET)
        config_mistake(reader, node, "file-format", "found 'parquet' with %s, allowed: plain-text or json",
                       log->destination);
    bool sasl = log->security_protocol == KAFKA_SASL_PLAINTEXT || log->security_protocol == KAFKA_SASL_SSL;
    if (place.kind == DESTINATION_KAFKA && sasl && log->credentials_file && !log->credentials_file[0])
        config_mistake(reader, node, "credentials-file", "missing: security-protocol asks for it");
}

void config_check_flow_log(struct config_reader *reader, struct yaml_node_s *node, const void *list,
                           size_t index)
{
    const struct flow_log *logs = list;
    const struct flow_log *log = &logs[index];
    check_destination_fits(reader, node, log);
    for (size_t i = 0; i < index; i++) {
        if (is_same(log->name, logs[i].name))
            config_mistake(reader, node, "name",
                           "found '%s' as in flow-logs[%zu], allowed: a name of its own", log->name, i);
        else if (log->destination && logs[i].destination && flow_log_equal(log, &logs[i]))
            config_mistake(reader, node, "name",
                           "missing: all settings are as in flow-logs[%zu]; names tell "
                           "the two apart",
                           i);
    }
}

void config_check_api_destination(struct config_reader *reader, struct yaml_node_s *node, const void *list,
                                  size_t index)
{
    static const struct {
        const char *name;
        enum destination_kind kind;
    } types[] = {[API_CLOUDWATCH] = {"cloud-watch-logs", DESTINATION_CLOUDWATCH},
                 [API_S3] = {"s3", DESTINATION_S3},
                 [API_FIREHOSE] = {"kinesis-data-firehose", DESTINATION_FIREHOSE}};
    const struct api_destination *all = list;
    const struct api_destination *one = &all[index];
    check_key_uses(reader, node, config_key_service, types[one->type].name, types[one->type].kind);
    check_key_pairs(reader, node, &one->settings);
    for (size_t i = 0; i < index; i++)
        if (all[i].type == one->type)
            config_mistake(reader, node, "type", "found '%s' as in api-destinations[%zu], allowed: once",
                           types[one->type].name, i);
}
