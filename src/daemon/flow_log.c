/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/flow_log.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "daemon/config.h"
#include "daemon/config_keys.h"

#define FILE_PUBLISH_INTERVAL 60 /* every window */
#define S3_PUBLISH_INTERVAL 300  /* as AWS does (delivery.md 2.4) */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* Whether one of the texts that mostly tell flow logs apart does; all settings are a lot to compare. */
static bool obviously_differ(const struct flow_log *a, const struct flow_log *b)
{
    return (a->name && b->name && !same_text(a->name, b->name)) ||
           (a->resource && b->resource && !same_text(a->resource, b->resource)) ||
           !same_text(a->destination, b->destination);
}

bool flow_log_equal(const struct flow_log *a, const struct flow_log *b)
{
    if (a->destination == b->destination) /* one has been moved: texts belong to a single flow log */
        return true;
    if (obviously_differ(a, b))
        return false;
    AUTO_BUF struct buf one = BUF_INIT(256 * 1024);
    AUTO_BUF struct buf other = BUF_INIT(256 * 1024);
    config_keys_print(config_key_flow_logs->children, a, 0, &one);
    config_keys_print(config_key_flow_logs->children, b, 0, &other);
    return same_text(buf_string(&one), buf_string(&other));
}

const char *traffic_type_name(enum traffic_type type)
{
    static const char *const names[] = {
        [TRAFFIC_ALL] = "ALL", [TRAFFIC_ACCEPT] = "ACCEPT", [TRAFFIC_REJECT] = "REJECT"};
    return names[type];
}

bool flow_log_covers(const struct flow_log *flow_log, const struct interface *interface)
{
    const struct interface_identity *identity = &interface->identity;
    return same_text(flow_log->resource, "all") || same_text(flow_log->resource, identity->interface_id) ||
           same_text(flow_log->resource, identity->subnet_id) ||
           same_text(flow_log->resource, identity->vpc_id);
}

static const char *given(const char *text)
{
    return text && text[0] ? text : NULL;
}

static struct aws_settings aws_settings_of(const struct config *config, const struct flow_log *flow_log)
{
    const struct destination_text *place = &flow_log->place;
    static const char *const services[] = {
        [DESTINATION_CLOUDWATCH] = "logs", [DESTINATION_FIREHOSE] = "firehose", [DESTINATION_S3] = "s3"};
    const char *region = given(flow_log->region) ? flow_log->region : given(place->region);
    return (struct aws_settings){
        .service = services[place->kind],
        .region = region ? region : config->topology.region,
        .endpoint = given(flow_log->endpoint),
        .profile = given(flow_log->profile),
        .role_arn = given(flow_log->role_arn),
        .external_id = given(flow_log->external_id),
        .proxy = given(flow_log->proxy),
        .ca_bundle = given(flow_log->ca_bundle),
        .use_fips = flow_log->use_fips,
        .bucket = given(place->bucket),
        .addressing = flow_log->addressing,
    };
}

struct destination_settings flow_log_destination(const struct config *config, const struct flow_log *flow_log,
                                                 uint64_t origin)
{
    static const char *const suffixes[] = {
        [TRAFFIC_ALL] = "all", [TRAFFIC_ACCEPT] = "accept", [TRAFFIC_REJECT] = "reject"};
    return (struct destination_settings){
        .kind = flow_log->place.kind,
        .folder = flow_log->place.folder,
        .file_format = flow_log->file_format,
        .codec = flow_log->codec,
        .hive = flow_log->hive,
        .hourly = flow_log->hourly,
        .account = config->topology.account,
        .region = config->topology.region,
        .flow_log_id = flow_log->id,
        .origin = origin,
        .target = flow_log->place.target,
        .stream_suffix = suffixes[flow_log->traffic_type],
        .framing = flow_log->framing,
        .kafka = {.brokers = flow_log->place.brokers,
                  .security = flow_log->security_protocol,
                  .mechanism = flow_log->sasl_mechanism,
                  .credentials_file = flow_log->credentials_file},
        .aws = aws_settings_of(config, flow_log),
        .s3 = {.acl = flow_log->acl,
               .encryption = flow_log->encryption,
               .storage_class = flow_log->storage_class,
               .checksum = flow_log->checksum,
               .kms_key = given(flow_log->kms_key)},
    };
}

/* What an id rests on. A named flow log keeps its id when its settings change. */
static void print_key(const struct topology *topology, const struct flow_log *log, struct buf *buf)
{
    buf_printf(buf, "%s %s %s", topology->account, topology->region, log->name);
    if (!log->name[0])
        buf_printf(buf, "%s %d %" PRIu64 " %s %s %d %d %d", log->resource, (int)log->traffic_type,
                   log->interval, log->format_text, log->destination, (int)log->file_format, log->hive,
                   log->hourly);
    if (!log->name[0] && given(log->endpoint))
        buf_printf(buf, " %s", log->endpoint);
}

int flow_log_resolve(struct flow_log *log, const struct topology *topology, struct fault *fault)
{
    AUTO_BUF struct buf key = BUF_INIT(64 * 1024);
    print_key(topology, log, &key);
    identity_format(log->id, sizeof log->id, "fl-", hash_bytes(buf_string(&key), key.len, 0));
    int r = destination_text_parse(&log->place, log->destination, fault);
    if (!log->publish_interval)
        log->publish_interval =
            log->place.kind == DESTINATION_S3 ? S3_PUBLISH_INTERVAL : FILE_PUBLISH_INTERVAL;
    return r < 0 ? r : format_parse(&log->format, log->format_text, fault);
}
