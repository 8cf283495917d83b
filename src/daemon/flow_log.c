/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/flow_log.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "daemon/config.h"

#define FILE_SCHEME "file://"
#define FILE_PUBLISH_INTERVAL 60 /* every window */

static bool same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

bool flow_log_equal(const struct flow_log *a, const struct flow_log *b)
{
    return same_text(a->name, b->name) && same_text(a->resource, b->resource) &&
           a->traffic_type == b->traffic_type && a->interval == b->interval &&
           same_text(a->format_text, b->format_text) && same_text(a->destination, b->destination) &&
           a->file_format == b->file_format && a->codec == b->codec && a->hive == b->hive &&
           a->hourly == b->hourly && a->publish_interval == b->publish_interval;
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

struct destination_settings flow_log_destination(const struct config *config, const struct flow_log *flow_log,
                                                 uint64_t origin)
{
    return (struct destination_settings){
        .kind = flow_log->kind,
        .folder = flow_log->folder,
        .file_format = flow_log->file_format,
        .codec = flow_log->codec,
        .hive = flow_log->hive,
        .hourly = flow_log->hourly,
        .account = config->topology.account,
        .region = config->topology.region,
        .flow_log_id = flow_log->id,
        .origin = origin,
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
}

int flow_log_resolve(struct flow_log *log, const struct topology *topology, struct fault *fault)
{
    AUTO_BUF struct buf key = BUF_INIT(64 * 1024);
    print_key(topology, log, &key);
    identity_format(log->id, sizeof log->id, "fl-", hash_bytes(buf_string(&key), key.len, 0));
    bool is_file = strncmp(log->destination, FILE_SCHEME, strlen(FILE_SCHEME)) == 0;
    log->kind = is_file ? DESTINATION_FILE : DESTINATION_STDOUT;
    if (!log->publish_interval)
        log->publish_interval = FILE_PUBLISH_INTERVAL;
    log->folder = is_file ? log->destination + strlen(FILE_SCHEME) : NULL;
    return format_parse(&log->format, log->format_text, fault);
}
