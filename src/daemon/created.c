/* SPDX-License-Identifier: Apache-2.0 */

/* Flow logs made through the API, beside those of the configuration file: an ec2_host for the daemon. */

#include "daemon/created.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "daemon/config_keys.h"
#include "daemon/daemon.h"
#include "daemon/flow_log.h"

static const char *member(const json_t *flow_log, const char *name)
{
    return json_string_value(json_object_get(flow_log, name));
}

static bool option(const json_t *flow_log, const char *name)
{
    return json_is_true(json_object_get(json_object_get(flow_log, "destinationOptions"), name));
}

/* A folder of this host may only be one of the store's: who may use the API must not write anywhere. */
static int print_folder(const struct config *config, const char *path, struct buf *buf, struct fault *fault)
{
    size_t len = strlen(config->store_path);
    size_t path_len = strlen(path);
    bool inside = strncmp(path, config->store_path, len) == 0 && (path[len] == '/' || !path[len]);
    if (!inside || strstr(path, "/../") || (path_len >= 3 && strcmp(path + path_len - 3, "/..") == 0))
        return fault_set(fault, -EINVAL, "LogDestination '%s' is not in the store, %s", path,
                         config->store_path);
    buf_printf(buf, "file://%s", path);
    return 0;
}

/* The destination as the configuration file would have it. */
static int print_destination(const struct config *config, const json_t *flow_log, struct buf *buf,
                             struct fault *fault)
{
    const char *type = member(flow_log, "logDestinationType");
    const char *destination = member(flow_log, "logDestination");
    const char *group = member(flow_log, "logGroupName");
    const char *folder = destination ? ec2_folder_of(destination) : NULL;
    if (folder)
        return print_folder(config, folder, buf, fault);
    const char *last = destination ? strrchr(destination, ':') : NULL;
    if (strcmp(type, "s3") == 0 && last)
        buf_printf(buf, "s3://%s", last + 1);
    else if (strcmp(type, "cloud-watch-logs") == 0 && group)
        buf_printf(buf, "cloudwatch:%s", group);
    else if (destination && strrchr(destination, '/'))
        buf_printf(buf, "firehose:%s", strrchr(destination, '/') + 1);
    else
        return fault_set(fault, -EINVAL, "LogDestination '%s' is of no known kind",
                         destination ? destination : "");
    return 0;
}

static int set_key(struct flow_log *ret, const char *name, const char *text, struct fault *fault)
{
    const struct config_key *key = config_key_find(config_key_flow_logs->children, name, strlen(name));
    int r = config_key_set(key, ret, text, strlen(text), fault);
    if (r < 0 && fault && !fault->text[0])
        (void)fault_set(fault, r, "'%s' is not possible", text);
    return r;
}

/* What api-destinations says of the kind. */
static int take_service(const struct config *config, const char *type, struct flow_log *ret)
{
    static const char *const types[] = {
        [API_CLOUDWATCH] = "cloud-watch-logs", [API_S3] = "s3", [API_FIREHOSE] = "kinesis-data-firehose"};
    int r = 0;
    for (size_t i = 0; i < config->api_destination_count; i++)
        if (strcmp(types[config->api_destinations[i].type], type) == 0)
            for (const struct config_key *key = config_key_service; key->name && r == 0; key++)
                r = config_key_copy(key, ret, &config->api_destinations[i].settings);
    return r;
}

static const struct {
    const char *resource_type;
    const char *key; /* of the configuration */
    size_t offset;
} tag_fields[] = {{"network-interface", "interface-tags", offsetof(struct flow_log, interface_tags)},
                  {"instance", "instance-tags", offsetof(struct flow_log, instance_tags)},
                  {"auto-scaling-group", "asg-tags", offsetof(struct flow_log, asg_tags)}};

static int set_tag_fields(struct flow_log *ret, const json_t *specification, struct fault *fault)
{
    AUTO_BUF struct buf text = BUF_INIT(8192);
    size_t k;
    const json_t *key;
    json_array_foreach(json_object_get(specification, "tagKeySet"), k, key)
        buf_printf(&text, "%s%s", k ? "," : "", json_string_value(key));
    for (size_t i = 0; i < ARRAY_SIZE(tag_fields); i++)
        if (strcmp(tag_fields[i].resource_type, member(specification, "resourceType")) == 0)
            return set_key(ret, tag_fields[i].key, buf_string(&text), fault);
    return 0;
}

static int set_all_tag_fields(struct flow_log *ret, const json_t *from, struct fault *fault)
{
    size_t i;
    const json_t *specification;
    json_array_foreach(json_object_get(from, "tagFieldSpecificationSet"), i, specification)
    {
        int r = set_tag_fields(ret, specification, fault);
        if (r < 0)
            return r;
    }
    return 0;
}

static void describe_tag_fields(json_t *object, const struct flow_log *log)
{
    json_t *specifications = json_array();
    for (size_t i = 0; i < ARRAY_SIZE(tag_fields); i++) {
        const char *text = *(char *const *)((const char *)log + tag_fields[i].offset);
        size_t len = strcspn(text, ",");
        if (!*text)
            continue;
        json_t *keys = json_pack("[s%]", text, len);
        if (text[len])
            json_array_append_new(keys, json_string(text + len + 1));
        json_array_append_new(specifications, json_pack("{s:s, s:o}", "resourceType",
                                                        tag_fields[i].resource_type, "tagKeySet", keys));
    }
    if (json_array_size(specifications))
        json_object_set(object, "tagFieldSpecificationSet", specifications);
    json_decref(specifications);
}

/* Through the rows of the configuration, so that what holds there holds here. */
static int make_flow_log(const struct config *config, const json_t *from, struct flow_log *ret,
                         struct fault *fault)
{
    char interval[24];
    AUTO_BUF struct buf destination = BUF_INIT(8192);
    *ret = (struct flow_log){0};
    int r = print_destination(config, from, &destination, fault);
    if (r < 0)
        return r;
    (void)snprintf(interval, sizeof interval, "%lld",
                   (long long)json_integer_value(json_object_get(from, "maxAggregationInterval")));
    const char *format = member(json_object_get(from, "destinationOptions"), "fileFormat");
    const char *const settings[][2] = {
        {"resource", member(from, "resourceId")},
        {"traffic-type", member(from, "trafficType")},
        {"interval", interval},
        {"format", member(from, "logFormat")},
        {"file-format", format ? format : "plain-text"},
        {"hive", option(from, "hiveCompatiblePartitions") ? "true" : "false"},
        {"hourly", option(from, "perHourPartition") ? "true" : "false"},
        {"destination", buf_string(&destination)},
    };
    r = config_keys_set_defaults(config_key_flow_logs->children, ret);
    if (r == 0)
        r = take_service(config, member(from, "logDestinationType"), ret);
    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(settings); i++)
        r = set_key(ret, settings[i][0], settings[i][1], fault);
    if (r == 0)
        r = set_all_tag_fields(ret, from, fault);
    if (r == 0)
        r = flow_log_resolve(ret, &config->topology, fault);
    (void)snprintf(ret->id, sizeof ret->id, "%s", member(from, "flowLogId"));
    if (r < 0)
        config_keys_free(config_key_flow_logs->children, ret);
    return r;
}

static int check(void *context, const json_t *flow_log, struct fault *fault)
{
    const struct daemon *daemon = context;
    struct flow_log made;
    int r = make_flow_log(&daemon->config, flow_log, &made, fault);
    if (r == 0)
        config_keys_free(config_key_flow_logs->children, &made);
    return r;
}

/* Puts `flow_log` at the end; its text is the array's from now on. */
static int append(struct config *config, struct flow_log *flow_log)
{
    struct flow_log *grown = calloc(config->flow_log_count + 1, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    memcpy(grown, config->flow_logs, config->flow_log_count * sizeof *grown);
    grown[config->flow_log_count++] = *flow_log;
    config->flow_logs = grown;
    return 0;
}

static int start(void *context, const json_t *from, struct fault *fault)
{
    struct daemon *daemon = context;
    struct config *config = &daemon->config;
    struct flow_log made;
    if (config->flow_log_count >= CONFIG_FLOW_LOGS_MAX)
        return fault_set(fault, -ENOSPC, "The daemon has %d flow logs, which is all it takes",
                         CONFIG_FLOW_LOGS_MAX);
    int r = make_flow_log(config, from, &made, fault);
    if (r < 0)
        return r;
    struct flow_log *before = config->flow_logs;
    r = append(config, &made);
    if (r < 0) {
        config_keys_free(config_key_flow_logs->children, &made);
        return fault_set(fault, r, "out of memory");
    }
    r = publish_reload(&daemon->publish, config, fault);
    free(before);
    if (r == 0)
        log_info("api", "flow log %s begins: %s to %s", made.id, made.resource, made.destination);
    else
        created_stop(daemon, made.id);
    return r;
}

void created_stop(void *context, const char *id)
{
    struct daemon *daemon = context;
    struct config *config = &daemon->config;
    struct fault fault = {0};
    size_t place = 0;
    while (place < config->flow_log_count && strcmp(config->flow_logs[place].id, id) != 0)
        place++;
    if (place == config->flow_log_count)
        return;
    struct flow_log *before = config->flow_logs;
    struct flow_log gone = before[place];
    struct flow_log *rest = calloc(config->flow_log_count, sizeof *rest);
    if (!rest)
        return; /* it goes on until the next start */
    memcpy(rest, before, place * sizeof *rest);
    memcpy(rest + place, before + place + 1, (config->flow_log_count - place - 1) * sizeof *rest);
    config->flow_logs = rest;
    config->flow_log_count--;
    daemon->publish.deleting = id;
    if (publish_reload(&daemon->publish, config, &fault) < 0)
        log_error("api", "%s", fault.text);
    daemon->publish.deleting = NULL;
    log_info("api", "flow log %s ends", id);
    free(before);
    config_keys_free(config_key_flow_logs->children, &gone);
}

int created_append(struct daemon *daemon, struct config *config)
{
    size_t i;
    const json_t *from;
    config->declared_count = config->flow_log_count;
    json_array_foreach(flow_log_store_list(daemon->store), i, from)
    {
        struct flow_log made;
        struct fault fault = {0};
        struct flow_log *before = config->flow_logs;
        if (config->flow_log_count >= CONFIG_FLOW_LOGS_MAX)
            (void)fault_set(&fault, -ENOSPC, "there are more than %d", CONFIG_FLOW_LOGS_MAX);
        else if (make_flow_log(config, from, &made, &fault) == 0) {
            if (append(config, &made) < 0)
                return -ENOMEM;
            free(before);
        }
        if (fault.text[0])
            log_error("api", "flow log %s does not run: %s", member(from, "flowLogId"), fault.text);
    }
    return 0;
}

static void visit_interfaces(void *context, ec2_interface_visitor *visit, void *visitor)
{
    const struct daemon *daemon = context;
    for (uint32_t i = 0; i < daemon->registry.count; i++) {
        const struct registered *entry = registry_at(&daemon->registry, (uint16_t)i);
        const struct ec2_interface interface = {&entry->interface, entry->device,
                                                links_find(daemon->links, entry->ifindex), entry->attached};
        if (entry->used && !entry->gone)
            visit(visitor, &interface);
    }
}

static void set_s3(json_t *object, const struct flow_log *log)
{
    static const char *const formats[] = {[FILE_FORMAT_PLAIN_TEXT] = "plain-text",
                                          [FILE_FORMAT_JSON] = "json",
                                          [FILE_FORMAT_PARQUET] = "parquet"};
    json_object_set_new(object, "logDestination",
                        json_sprintf("arn:aws:s3:::%s%s%s", log->place.bucket,
                                     log->place.target[0] ? "/" : "", log->place.target));
    json_object_set_new(object, "destinationOptions",
                        json_pack("{s:s, s:b, s:b}", "fileFormat", formats[log->file_format],
                                  "hiveCompatiblePartitions", (int)log->hive, "perHourPartition",
                                  (int)log->hourly));
}

/* What AWS calls it where it has the kind, else what the configuration does. */
static void set_destination(json_t *object, const struct flow_log *log)
{
    static const struct {
        const char *scheme;
        const char *type;
    } kinds[] = {{"s3://", "s3"},
                 {"arn:aws", "s3"},
                 {"cloudwatch:", "cloud-watch-logs"},
                 {"firehose:", "kinesis-data-firehose"},
                 {"kafka://", "kafka"},
                 {"file://", "file"},
                 {"stdout", "stdout"}};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strncmp(log->destination, kinds[i].scheme, strlen(kinds[i].scheme)) == 0)
            json_object_set_new(object, "logDestinationType", json_string(kinds[i].type));
    if (strncmp(log->destination, "cloudwatch:", 11) == 0)
        json_object_set_new(object, "logGroupName", json_string(log->destination + 11));
    else if (log->place.kind == DESTINATION_S3)
        set_s3(object, log);
    else
        json_object_set_new(object, "logDestination", json_string(log->destination));
}
static json_t *describe_declared(const struct daemon *daemon, const struct flow_log *log)
{
    char created[32];
    AUTO_BUF struct buf format = BUF_INIT(16 * 1024);
    time_t started = (time_t)daemon->started_s;
    struct tm tm;
    (void)gmtime_r(&started, &tm);
    (void)strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
    format_print(&log->format, &format);
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "flowLogId", log->id, "resourceId",
                               log->resource, "trafficType", traffic_type_name(log->traffic_type),
                               "flowLogStatus", "ACTIVE", "logFormat", buf_string(&format),
                               "maxAggregationInterval", (json_int_t)log->interval, "creationTime", created);
    set_destination(object, log);
    describe_tag_fields(object, log);
    return object;
}

static json_t *declared(void *context)
{
    const struct daemon *daemon = context;
    json_t *list = json_array();
    for (size_t i = 0; i < daemon->config.declared_count; i++)
        json_array_append_new(list, describe_declared(daemon, &daemon->config.flow_logs[i]));
    return list;
}

static const char *word_of(const struct publisher *publisher)
{
    struct delivery_counts counts;
    delivery_counts(publisher->delivery, &counts);
    if (counts.word[0])
        return counts.word;
    return publisher->error[0] ? "Unknown error" : NULL;
}

static const char *delivery_error(void *context, const char *id)
{
    const struct daemon *daemon = context;
    for (size_t i = 0; i < daemon->publish.count; i++) {
        const struct publisher *publisher = &daemon->publish.publishers[i];
        if (strcmp(publisher->flow_log->id, id) == 0)
            return word_of(publisher);
    }
    return "Unknown error"; /* it does not run */
}

struct ec2_host created_host(struct daemon *daemon)
{
    return (struct ec2_host){.context = daemon,
                             .topology = &daemon->config.topology,
                             .policy = daemon->world.policy,
                             .store = daemon->store,
                             .visit_interfaces = visit_interfaces,
                             .declared = declared,
                             .check = check,
                             .start = start,
                             .stop = created_stop,
                             .delivery_error = delivery_error};
}
