/* SPDX-License-Identifier: Apache-2.0 */

/* CreateFlowLogs, DescribeFlowLogs, DeleteFlowLogs (api.md 2). */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "api/ec2_actions.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/uuid.h"
#include "record/format.h"

#define FLOW_LOGS_OF_RESOURCE_MAX 250
#define TAG_FIELD_KEYS_MAX 2

static const char *parameter(const struct ec2_call *call, const char *name)
{
    const char *value = query_find(call->query, "%s", name);
    return value && *value ? value : NULL;
}

static bool is_true(const struct ec2_call *call, const char *name)
{
    const char *value = parameter(call, name);
    return value && strcmp(value, "true") == 0;
}

/* What the kinds of resources are called. */
static const struct resource_type {
    const char *name;
    const char *prefix;
    const char *code;
    const char *what;
} resource_types[] = {
    {"VPC", "vpc-", "InvalidVpcID", "vpc"},
    {"Subnet", "subnet-", "InvalidSubnetID", "subnet"},
    {"NetworkInterface", "eni-", "InvalidNetworkInterfaceID", "networkInterface"},
};

static const struct resource_type *find_resource_type(struct ec2_call *call)
{
    const char *name = parameter(call, "ResourceType");
    for (size_t i = 0; i < ARRAY_SIZE(resource_types); i++)
        if (strcmp(resource_types[i].name, name) == 0)
            return &resource_types[i];
    ec2_fail(call, "UnsupportedOperation",
             "ResourceType %s is not supported: there are flow logs of a VPC, a Subnet or a NetworkInterface",
             name);
    return NULL;
}

const char *ec2_folder_of(const char *destination)
{
    if (strncmp(destination, "file:///", 8) == 0)
        return destination + 7;
    return destination[0] == '/' ? destination : NULL;
}

static bool check_s3(struct ec2_call *call, const char *destination)
{
    if (parameter(call, "DeliverLogsPermissionArn"))
        return ec2_fail(call, "InvalidParameter",
                        "DeliverLogsPermissionArn is not applicable for s3 delivery");
    if (ec2_folder_of(destination))
        return true; /* the daemon knows whether it may be there */
    const char *bucket = strstr(destination, ":s3:::");
    if (strncmp(destination, "arn:aws", 7) != 0 || !bucket || !bucket[6] || bucket[6] == '/')
        return ec2_fail(call, "InvalidParameter",
                        "LogDestination '%.500s' is no ARN of a bucket: arn:aws:s3:::BUCKET/", destination);
    const char *folder = strchr(bucket + 6, '/');
    size_t len = folder ? strcspn(folder + 1, "/") : 0;
    if (len == 7 && strncmp(folder + 1, "AWSLogs", 7) == 0)
        return ec2_fail(call, "InvalidParameter",
                        "LogDestination '%.500s': AWSLogs is a reserved folder name", destination);
    return true;
}

static bool check_cloudwatch(struct ec2_call *call, const char *destination)
{
    if (!parameter(call, "DeliverLogsPermissionArn"))
        return ec2_fail(call, "InvalidParameter",
                        "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.");
    if (destination && (strncmp(destination, "arn:aws", 7) != 0 || !strstr(destination, ":log-group:")))
        return ec2_fail(call, "InvalidParameter", "LogDestination '%.500s' is no ARN of a log group",
                        destination);
    return true;
}

static bool check_firehose(struct ec2_call *call, const char *destination)
{
    if (strncmp(destination, "arn:aws", 7) != 0 || !strstr(destination, ":deliverystream/"))
        return ec2_fail(call, "InvalidParameter", "LogDestination '%.500s' is no ARN of a delivery stream",
                        destination);
    return true;
}

static bool check_destination(struct ec2_call *call, const char *type, const char *destination)
{
    const char *group = parameter(call, "LogGroupName");
    if (!destination && !group)
        return ec2_fail(call, "InvalidParameter",
                        "LogDestination can't be empty if LogGroupName is not provided.");
    if (group && strcmp(type, "cloud-watch-logs") != 0)
        return ec2_fail(call, "InvalidParameter",
                        "LogDestination type must be cloud-watch-logs if LogGroupName is provided.");
    if (group && destination)
        return ec2_fail(call, "InvalidParameterCombination",
                        "LogDestination and LogGroupName cannot be provided together.");
    if (strcmp(type, "s3") == 0)
        return check_s3(call, destination);
    if (parameter(call, "DestinationOptions.FileFormat") ||
        parameter(call, "DestinationOptions.HiveCompatiblePartitions") ||
        parameter(call, "DestinationOptions.PerHourPartition"))
        return ec2_fail(call, "InvalidParameter", "DestinationOptions are only applicable for s3 delivery");
    return strcmp(type, "cloud-watch-logs") == 0 ? check_cloudwatch(call, destination)
                                                 : check_firehose(call, destination);
}

static void set_text(json_t *object, const char *name, const char *value)
{
    if (value)
        json_object_set_new(object, name, json_string(value));
}

/* In the words of AWS, which CloudWatch's flow logs alone have; also when the request tells an ARN. */
static void set_group(json_t *flow_log, const char *group, const char *destination)
{
    const char *name = group ? group : strstr(destination, ":log-group:") + strlen(":log-group:");
    size_t len = strlen(name);
    if (!group && len > 2 && strcmp(name + len - 2, ":*") == 0)
        len -= 2;
    json_object_set_new(flow_log, "logGroupName", json_stringn(name, len));
}

static bool set_destination(struct ec2_call *call, json_t *flow_log)
{
    const char *type = parameter(call, "LogDestinationType");
    const char *destination = parameter(call, "LogDestination");
    type = type ? type : "cloud-watch-logs";
    if (!check_destination(call, type, destination))
        return false;
    set_text(flow_log, "logDestinationType", type);
    set_text(flow_log, "logDestination", destination);
    if (strcmp(type, "cloud-watch-logs") == 0)
        set_group(flow_log, parameter(call, "LogGroupName"), destination);
    set_text(flow_log, "deliverLogsPermissionArn", parameter(call, "DeliverLogsPermissionArn"));
    set_text(flow_log, "deliverCrossAccountRole", parameter(call, "DeliverCrossAccountRole"));
    if (strcmp(type, "s3") != 0)
        return true;
    const char *format = parameter(call, "DestinationOptions.FileFormat");
    json_object_set_new(flow_log, "destinationOptions",
                        json_pack("{s:s, s:b, s:b}", "fileFormat", format ? format : "plain-text",
                                  "hiveCompatiblePartitions",
                                  is_true(call, "DestinationOptions.HiveCompatiblePartitions"),
                                  "perHourPartition", is_true(call, "DestinationOptions.PerHourPartition")));
    return true;
}

static bool set_format(struct ec2_call *call, json_t *flow_log)
{
    struct format format;
    struct fault fault = {0};
    AUTO_BUF struct buf text = BUF_INIT(16 * 1024);
    const char *asked = parameter(call, "LogFormat");
    if (asked && asked[0] != '$')
        (void)fault_set(&fault, -EINVAL, "it does not begin with ${");
    if (fault.text[0] || format_parse(&format, asked ? asked : "default", &fault) < 0)
        return ec2_fail(
            call, "InvalidParameter",
            "1 validation error detected: Value '%.300s' at 'logFormat' has an invalid format: %.500s", asked,
            fault.text);
    format_print(&format, &text);
    set_text(flow_log, "logFormat", buf_string(&text));
    return true;
}

static bool set_interval(struct ec2_call *call, json_t *flow_log)
{
    const char *text = parameter(call, "MaxAggregationInterval");
    if (text && strcmp(text, "60") != 0 && strcmp(text, "600") != 0)
        return ec2_fail(call, "InvalidParameter", "Invalid Flow Log Max Aggregation Interval");
    json_object_set_new(flow_log, "maxAggregationInterval",
                        json_integer(text && text[1] == '0' && !text[2] ? 60 : 600));
    return true;
}

/* The keys of one entry, 1 or 2 (record.md 5.14), as a new array; NULL with an error. */
static json_t *read_tag_keys(struct ec2_call *call, unsigned number)
{
    json_t *keys = json_array();
    const char *key;
    for (unsigned i = 1; (key = query_find(call->query, "TagFieldSpecification.%u.TagKey.%u", number, i));
         i++)
        json_array_append_new(keys, json_string(key));
    size_t count = json_array_size(keys);
    bool comma = false;
    for (size_t i = 0; i < count; i++)
        comma |= strchr(json_string_value(json_array_get(keys, i)), ',') != NULL;
    if (count >= 1 && count <= TAG_FIELD_KEYS_MAX && !comma)
        return keys;
    json_decref(keys);
    return ec2_fail(call, "InvalidParameterValue",
                    "TagFieldSpecification.%u must have 1 or %d tag keys, which have no commas", number,
                    TAG_FIELD_KEYS_MAX);
}

static bool has_tag_fields_of(const json_t *specifications, const char *type)
{
    size_t i;
    const json_t *one;
    json_array_foreach(specifications, i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "resourceType")), type) == 0)
            return true;
    }
    return false;
}

static bool set_tag_fields(struct ec2_call *call, json_t *flow_log)
{
    json_t *specifications = json_array();
    bool right = true;
    for (unsigned i = 1; right; i++) {
        const char *type = query_find(call->query, "TagFieldSpecification.%u.ResourceType", i);
        if (!type && !query_find(call->query, "TagFieldSpecification.%u.TagKey.1", i))
            break;
        if (!type || has_tag_fields_of(specifications, type))
            right = ec2_fail(call, "InvalidParameterValue",
                             "TagFieldSpecification.%u must have a resource type of its own", i);
        json_t *keys = right ? read_tag_keys(call, i) : NULL;
        right = keys;
        if (keys)
            json_array_append_new(specifications,
                                  json_pack("{s:s, s:o}", "resourceType", type, "tagKeySet", keys));
    }
    if (right && json_array_size(specifications))
        json_object_set(flow_log, "tagFieldSpecificationSet", specifications);
    json_decref(specifications);
    return right;
}

static void set_creation_time(json_t *flow_log)
{
    char text[64];
    uint64_t now = clock_wall_ns();
    time_t seconds = (time_t)(now / NS_PER_S);
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + len, sizeof text - len, ".%03uZ", (unsigned)(now / NS_PER_MS % 1000));
    set_text(flow_log, "creationTime", text);
}

/* Everything but its id and its resource: a new object, or NULL with an error. */
static json_t *read_flow_log(struct ec2_call *call)
{
    if (!parameter(call, "TrafficType"))
        return ec2_fail(call, "MissingParameter", "The request must contain the parameter TrafficType");
    json_t *flow_log = json_object();
    set_text(flow_log, "trafficType", parameter(call, "TrafficType"));
    set_text(flow_log, "flowLogStatus", "ACTIVE");
    set_creation_time(flow_log);
    if (set_destination(call, flow_log) && set_format(call, flow_log) && set_interval(call, flow_log) &&
        set_tag_fields(call, flow_log))
        return flow_log;
    json_decref(flow_log);
    return NULL;
}

static void note_interface(void *context, const struct ec2_interface *interface)
{
    const struct interface_identity *identity = &interface->interface->identity;
    const char *const ids[] = {identity->interface_id, identity->subnet_id, identity->vpc_id};
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        json_object_set_new(context, ids[i], json_true());
}

#define NOTE_ALL(list)                                                                                       \
    for (size_t i_ = 0; i_ < (list).count; i_++)                                                             \
    json_object_set_new(known, (list).items[i_].item.id, json_true())

static void note_described(const struct policy *policy, json_t *known)
{
    if (!policy)
        return;
    NOTE_ALL(policy->vpcs);
    NOTE_ALL(policy->subnets);
    NOTE_ALL(policy->interfaces);
}

/* Every id that can be logged, as members of a new object: those in use, and those that the configuration
 * names. */
static json_t *known_resources(const struct ec2_call *call)
{
    const struct topology *topology = call->host->topology;
    json_t *known = json_object();
    call->host->visit_interfaces(call->host->context, note_interface, known);
    for (size_t i = 0; i < topology->rule_count; i++) {
        const struct topology_rule *rule = &topology->rules[i];
        const char *const ids[] = {rule->interface_id, rule->subnet_id, rule->vpc_id};
        for (size_t k = 0; k < ARRAY_SIZE(ids); k++)
            json_object_set_new(known, ids[k],
                                json_true()); /* a word such as "derived" has no resource's prefix */
    }
    for (size_t i = 0; i < topology->subnet_count; i++) {
        json_object_set_new(known, topology->subnets[i].subnet_id, json_true());
        json_object_set_new(known, topology->subnets[i].vpc_id, json_true());
    }
    note_described(call->host->policy, known);
    return known;
}

/* Same resource, and nothing that tells the two apart. */
static bool is_same(const json_t *a, const json_t *b)
{
    static const char *const members[] = {"resourceId",
                                          "trafficType",
                                          "logDestinationType",
                                          "logDestination",
                                          "logGroupName",
                                          "logFormat",
                                          "maxAggregationInterval",
                                          "destinationOptions",
                                          "tagFieldSpecificationSet"};
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const json_t *left = json_object_get(a, members[i]);
        const json_t *right = json_object_get(b, members[i]);
        if (left != right && !(left && right && json_equal(left, right)))
            return false;
    }
    return true;
}

struct creation {
    struct ec2_call *call;
    const struct resource_type *type;
    json_t *known;        /* ids of resources */
    json_t *declared;     /* flow logs of the configuration */
    json_t *template;     /* what the flow logs of the request share */
    json_t *flow_logs;    /* to be made */
    json_t *unsuccessful; /* as in the answer */
    bool alone;           /* a single resource: its error is the request's */
};

static void creation_done(struct creation *creation)
{
    json_decref(creation->known);
    json_decref(creation->declared);
    json_decref(creation->template);
    json_decref(creation->flow_logs);
    json_decref(creation->unsuccessful);
}

/* Moves the call's error to the list of what did not succeed, unless there was but one thing to do. */
static void note_unsuccessful(struct ec2_call *call, json_t *unsuccessful, const char *id, bool alone)
{
    if (alone)
        return;
    json_array_append_new(unsuccessful, json_pack("{s:s, s:{s:s, s:s}}", "resourceId", id, "error", "code",
                                                  call->error.code, "message", call->error.message));
    call->error = (struct ec2_error){0};
}

static size_t count_same_resource(const json_t *list, const json_t *flow_log)
{
    const json_t *resource = json_object_get(flow_log, "resourceId");
    size_t count = 0, i;
    const json_t *other;
    json_array_foreach(list, i, other) count += json_equal(json_object_get(other, "resourceId"), resource);
    return count;
}

static bool check_others(struct creation *creation, const json_t *flow_log)
{
    const json_t *const lists[] = {flow_log_store_list(creation->call->host->store), creation->flow_logs};
    size_t count = count_same_resource(creation->declared, flow_log);
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
        size_t i;
        const json_t *other;
        json_array_foreach(lists[l], i, other)
        {
            if (is_same(flow_log, other))
                return ec2_fail(
                    creation->call, "FlowLogAlreadyExists",
                    "Error. There is an existing Flow Log with the same configuration and log destination.");
        }
        count += count_same_resource(lists[l], flow_log);
    }
    if (count >= FLOW_LOGS_OF_RESOURCE_MAX)
        return ec2_fail(creation->call, "FlowLogsLimitExceeded",
                        "A resource can have no more than %d flow logs", FLOW_LOGS_OF_RESOURCE_MAX);
    return true;
}

static bool check_resource(struct creation *creation, const char *id)
{
    const struct resource_type *type = creation->type;
    char code[64];
    bool malformed = strncmp(id, type->prefix, strlen(type->prefix)) != 0;
    if (!malformed && json_object_get(creation->known, id))
        return true;
    (void)snprintf(code, sizeof code, "%s.%s", type->code, malformed ? "Malformed" : "NotFound");
    if (malformed)
        return ec2_fail(creation->call, code, "Invalid id: \"%.200s\" (expecting \"%s...\")", id,
                        type->prefix);
    return ec2_fail(creation->call, code, "The %s ID '%.200s' does not exist", type->what, id);
}

static json_t *make_flow_log(const struct creation *creation, const char *resource)
{
    char id[24];
    uint64_t random = 0;
    json_t *flow_log = json_deep_copy(creation->template);
    do {
        (void)!getrandom(&random, sizeof random, 0);
        identity_format(id, sizeof id, "fl-", random);
    } while (flow_log_store_find(creation->call->host->store, id));
    set_text(flow_log, "flowLogId", id);
    set_text(flow_log, "resourceId", resource);
    return flow_log;
}

static bool prepare(struct creation *creation, const char *resource)
{
    struct ec2_call *call = creation->call;
    struct fault fault = {0};
    if (!check_resource(creation, resource))
        return false;
    json_t *flow_log = make_flow_log(creation, resource);
    bool right = check_others(creation, flow_log);
    if (right && call->host->check(call->host->context, flow_log, &fault) < 0)
        right = ec2_fail(call, "InvalidParameter", "%s", fault.text);
    if (right)
        json_array_append(creation->flow_logs, flow_log);
    json_decref(flow_log);
    return right;
}

static bool prepare_all(struct creation *creation)
{
    const char *resource;
    creation->alone = !query_find(creation->call->query, "ResourceId.2");
    for (unsigned i = 1; (resource = query_find(creation->call->query, "ResourceId.%u", i)); i++) {
        if (prepare(creation, resource))
            continue;
        note_unsuccessful(creation->call, creation->unsuccessful, resource, creation->alone);
        if (creation->alone)
            return false;
    }
    return true;
}

/* Those that cannot begin are unsuccessful too. Returns the ids of the others. */
static json_t *start_all(struct creation *creation)
{
    struct ec2_call *call = creation->call;
    json_t *ids = json_array();
    for (size_t i = 0; i < json_array_size(creation->flow_logs);) {
        struct fault fault = {0};
        json_t *flow_log = json_array_get(creation->flow_logs, i);
        int r = call->host->start(call->host->context, flow_log, &fault);
        if (r == 0) {
            json_array_append(ids, json_object_get(flow_log, "flowLogId"));
            i++;
            continue;
        }
        ec2_fail(call, r == -ENOSPC ? "FlowLogsLimitExceeded" : "InvalidParameter", "%s", fault.text);
        note_unsuccessful(call, creation->unsuccessful,
                          json_string_value(json_object_get(flow_log, "resourceId")), creation->alone);
        json_array_remove(creation->flow_logs, i);
    }
    return ids;
}

static void stop_all(const struct creation *creation)
{
    const struct ec2_host *host = creation->call->host;
    size_t i;
    const json_t *flow_log;
    json_array_foreach(creation->flow_logs, i, flow_log)
        host->stop(host->context, json_string_value(json_object_get(flow_log, "flowLogId")));
}

static int save(struct creation *creation, json_t *tags, const char *token, json_t *answered,
                struct fault *fault)
{
    struct flow_log_store *store = creation->call->host->store;
    json_t *draft = flow_log_store_draft();
    size_t i;
    json_t *flow_log;
    json_array_foreach(creation->flow_logs, i, flow_log)
    {
        flow_log_draft_add(draft, flow_log);
        if (json_object_size(tags))
            flow_log_draft_set_tags(draft, json_string_value(json_object_get(flow_log, "flowLogId")),
                                    json_deep_copy(tags));
    }
    flow_log_draft_note_answer(draft, token, answered);
    return flow_log_store_commit(store, draft, fault);
}

/* Of everything in the request that says what is to be made. */
static void hash_request(const struct ec2_call *call, char ret[static 17])
{
    uint64_t hash = 0;
    for (size_t i = 0; i < call->query->count; i++) {
        const struct query_parameter *one = &call->query->parameters[i];
        if (strcmp(one->name, "ClientToken") == 0 || strcmp(one->name, "DryRun") == 0 ||
            strncmp(one->name, "X-Amz-", 6) == 0)
            continue;
        hash = hash_bytes(one->name, strlen(one->name), hash);
        hash = hash_bytes(one->value, strlen(one->value), hash);
    }
    (void)snprintf(ret, 17, "%016" PRIx64, hash);
}

static json_t *carry_out(struct creation *creation, json_t *tags, const char *token, const char *request)
{
    struct ec2_call *call = creation->call;
    struct fault fault = {0};
    json_t *ids = start_all(creation);
    json_t *answer = json_pack("{s:s, s:o, s:O}", "clientToken", token, "flowLogIdSet", ids, "unsuccessful",
                               creation->unsuccessful);
    if (call->error.status || json_array_size(creation->flow_logs) == 0)
        return call->error.status ? (json_decref(answer), NULL) : answer;
    /* Not the answer itself, which is adorned on its way out. */
    json_t *answered = json_pack("{s:s, s:o}", "request", request, "answer", json_deep_copy(answer));
    if (save(creation, tags, token, answered, &fault) == 0)
        return answer;
    stop_all(creation);
    json_decref(answer);
    return ec2_fail_status(call, 500, "InternalError", "%s", fault.text);
}

/* What the token was answered with before: a new reference, or NULL; *known tells whether it is known at all.
 */
static json_t *answer_again(struct ec2_call *call, const char *token, const char *request, bool *known)
{
    const json_t *answered = token ? flow_log_store_answered(call->host->store, token) : NULL;
    *known = answered;
    if (!answered)
        return NULL;
    const char *before = json_string_value(json_object_get(answered, "request"));
    if (before && strcmp(before, request) == 0)
        return ec2_is_dry_run(call) ? NULL : json_deep_copy(json_object_get(answered, "answer"));
    return ec2_fail(call, "IdempotentParameterMismatch",
                    "The client token was used before, in a request with other parameters");
}

static json_t *create(struct creation *creation, json_t *tags)
{
    struct ec2_call *call = creation->call;
    char request[17];
    char made[UUID_MAX];
    bool known;
    const char *token = parameter(call, "ClientToken");
    hash_request(call, request);
    json_t *again = answer_again(call, token, request, &known);
    if (known)
        return again;
    uuid_make(made);
    if (!ec2_may_have_tags(call, tags) || !prepare_all(creation) || ec2_is_dry_run(call))
        return NULL;
    return carry_out(creation, tags, token ? token : made, request);
}

json_t *ec2_create_flow_logs(struct ec2_call *call)
{
    struct creation creation CLEANUP(creation_done) = {.call = call, .type = find_resource_type(call)};
    creation.template = creation.type ? read_flow_log(call) : NULL;
    json_t *tags = creation.template ? ec2_read_tags(call, "TagSpecification.1.") : NULL;
    if (!tags)
        return NULL;
    creation.known = known_resources(call);
    creation.declared = call->host->declared(call->host->context);
    creation.flow_logs = json_array();
    creation.unsuccessful = json_array();
    json_t *answer = create(&creation, tags);
    json_decref(tags);
    return answer;
}

json_t *ec2_flow_logs(const struct ec2_call *call)
{
    const struct ec2_host *host = call->host;
    json_t *all = host->declared(host->context);
    size_t i;
    json_t *flow_log;
    json_array_foreach(flow_log_store_list(host->store), i, flow_log)
        json_array_append_new(all, json_copy(flow_log));
    json_array_foreach(all, i, flow_log)
    {
        const char *id = json_string_value(json_object_get(flow_log, "flowLogId"));
        const char *error = host->delivery_error(host->context, id);
        set_text(flow_log, "deliverLogsStatus", error ? "FAILED" : "SUCCESS");
        set_text(flow_log, "deliverLogsErrorMessage", error);
        json_object_set_new(flow_log, "tagSet", ec2_tag_set(call, id));
    }
    return all;
}

json_t *ec2_describe_flow_logs(struct ec2_call *call)
{
    static const struct ec2_filter filters[] = {
        {"deliver-log-status", "deliverLogsStatus"},
        {"log-destination-type", "logDestinationType"},
        {"flow-log-id", "flowLogId"},
        {"log-group-name", "logGroupName"},
        {"resource-id", "resourceId"},
        {"traffic-type", "trafficType"},
        {NULL},
    };
    static const struct ec2_listing listing = {.set = "flowLogSet",
                                               .key = "flowLogId",
                                               .ids = "FlowLogId",
                                               .code = "InvalidFlowLogId.NotFound",
                                               .what = "flow log",
                                               .filters = filters,
                                               .tags = true};
    return ec2_list(call, &listing, ec2_flow_logs(call));
}

static bool is_declared(const json_t *declared, const char *id)
{
    size_t i;
    const json_t *flow_log;
    json_array_foreach(declared, i, flow_log)
    {
        if (strcmp(json_string_value(json_object_get(flow_log, "flowLogId")), id) == 0)
            return true;
    }
    return false;
}

static bool check_deletion(struct ec2_call *call, const json_t *declared, const char *id)
{
    if (flow_log_store_find(call->host->store, id))
        return true;
    if (is_declared(declared, id))
        return ec2_fail(call, "OperationNotPermitted",
                        "The flow log %s is declared in the daemon's configuration file; remove it there",
                        id);
    return ec2_fail(call, "InvalidFlowLogId.NotFound",
                    "These flow log ids in the input list are not found: [TotalCount: 1] %.200s", id);
}

/* Those to delete; the others are in `unsuccessful`, or the call has an error. */
static json_t *choose_deletions(struct ec2_call *call, json_t *unsuccessful)
{
    json_t *chosen = json_array();
    json_t *declared = call->host->declared(call->host->context);
    bool alone = !query_find(call->query, "FlowLogId.2");
    const char *id;
    for (unsigned i = 1; (id = query_find(call->query, "FlowLogId.%u", i)); i++) {
        if (check_deletion(call, declared, id))
            json_array_append_new(chosen, json_string(id));
        else
            note_unsuccessful(call, unsuccessful, id, alone);
    }
    json_decref(declared);
    return chosen;
}

static int delete_all(struct ec2_call *call, const json_t *ids, struct fault *fault)
{
    json_t *draft = flow_log_store_draft();
    size_t i;
    const json_t *id;
    json_array_foreach(ids, i, id) flow_log_draft_remove(draft, json_string_value(id));
    int r = flow_log_store_commit(call->host->store, draft, fault);
    for (i = 0; r == 0 && i < json_array_size(ids); i++)
        call->host->stop(call->host->context, json_string_value(json_array_get(ids, i)));
    return r;
}

json_t *ec2_delete_flow_logs(struct ec2_call *call)
{
    struct fault fault = {0};
    json_t *unsuccessful = json_array();
    json_t *ids = choose_deletions(call, unsuccessful);
    if (!call->error.status && !ec2_is_dry_run(call) && json_array_size(ids) &&
        delete_all(call, ids, &fault) < 0)
        ec2_fail_status(call, 500, "InternalError", "%s", fault.text);
    json_decref(ids);
    json_t *answer = json_pack("{s:o}", "unsuccessful", unsuccessful);
    if (!call->error.status)
        return answer;
    json_decref(answer);
    return NULL;
}
