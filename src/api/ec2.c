/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ec2.h"

#include <ctype.h>
#include <errno.h>
#include <libxml/xmlwriter.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/ec2_actions.h"
#include "base/num.h"
#include "base/uuid.h"
#include "base/words.h"

#define VERSION "2016-11-15"
#define NAMESPACE "http://ec2.amazonaws.com/doc/" VERSION "/"
#define TEXT_MAX 4096

enum parameter_type { PARAMETER_TEXT, PARAMETER_BOOL, PARAMETER_NUMBER, PARAMETER_CHOICE };

/* ".N" in a name stands for a number from 1, the first one up to list_max. */
struct parameter {
    const char *name; /* NULL ends a table */
    uint8_t type;     /* enum parameter_type */
    bool required;
    bool ascii; /* a text has no other characters */
    unsigned list_max;
    size_t min, max; /* of a number; of the characters of a text */
    const char *words;
    const char *model;  /* the name in AWS's model where a message tells it */
    const char *beside; /* what a name has instead of "Value" in the parameter that must be there, too */
};

#define DRY_RUN                                                                                              \
    {                                                                                                        \
        "DryRun", PARAMETER_BOOL                                                                             \
    }
#define FILTERS                                                                                              \
    {"Filter.N.Name", .list_max = 50, .min = 1, .max = 255},                                                 \
    {                                                                                                        \
        "Filter.N.Value.N", .list_max = 50, .max = TEXT_MAX, .beside = "Name"                                \
    }
#define PAGES(least, most)                                                                                   \
    {"MaxResults", PARAMETER_NUMBER, .min = (least), .max = (most)},                                         \
    {                                                                                                        \
        "NextToken", .max = TEXT_MAX                                                                         \
    }
#define ATHENA "IntegrateService.AthenaIntegration.N."
#define IDS(parameter, count)                                                                                \
    {                                                                                                        \
        parameter ".N", .list_max = (count), .min = 1, .max = 255                                            \
    }

static const struct parameter create_flow_logs_parameters[] = {
    {"ResourceType", PARAMETER_CHOICE, .required = true,
     .words = "VPC|Subnet|NetworkInterface|TransitGateway|TransitGatewayAttachment|RegionalNatGateway|"
              "CoreNetwork|CoreNetworkEdge|CoreNetworkAttachment"},
    {"ResourceId.N", .required = true, .list_max = 300, .min = 1, .max = 255, .model = "ResourceIds"},
    {"TrafficType", PARAMETER_CHOICE, .words = "ACCEPT|REJECT|ALL"},
    {"LogDestinationType", PARAMETER_CHOICE, .words = "cloud-watch-logs|s3|kinesis-data-firehose"},
    {"LogDestination", .max = TEXT_MAX},
    {"LogGroupName", .min = 1, .max = 512},
    {"DeliverLogsPermissionArn", .max = TEXT_MAX},
    {"DeliverCrossAccountRole", .max = TEXT_MAX},
    {"LogFormat", .max = TEXT_MAX},
    {"MaxAggregationInterval", PARAMETER_NUMBER, .max = UINT32_MAX},
    {"DestinationOptions.FileFormat", PARAMETER_CHOICE, .words = "plain-text|parquet"},
    {"DestinationOptions.HiveCompatiblePartitions", PARAMETER_BOOL},
    {"DestinationOptions.PerHourPartition", PARAMETER_BOOL},
    {"TagSpecification.N.ResourceType", PARAMETER_CHOICE, .list_max = 1, .words = "vpc-flow-log"},
    {"TagSpecification.N.Tag.N.Key", .list_max = 1, .max = TEXT_MAX},
    {"TagSpecification.N.Tag.N.Value", .list_max = 1, .max = TEXT_MAX, .beside = "Key"},
    {"TagFieldSpecification.N.ResourceType", PARAMETER_CHOICE, .list_max = 3,
     .words = "network-interface|instance|auto-scaling-group"},
    {"TagFieldSpecification.N.TagKey.N", .list_max = 3, .min = 1, .max = 128},
    {"ClientToken", .max = 64, .ascii = true},
    DRY_RUN,
    {NULL},
};

static const struct parameter describe_flow_logs_parameters[] = {
    IDS("FlowLogId", 1000), FILTERS, PAGES(1, 1000), DRY_RUN, {NULL}};

static const struct parameter delete_flow_logs_parameters[] = {
    {"FlowLogId.N", .required = true, .list_max = 1000, .min = 1, .max = 255, .model = "FlowLogIds"},
    DRY_RUN,
    {NULL},
};

static const struct parameter change_tags_parameters[] = {
    {"ResourceId.N", .required = true, .list_max = 1000, .min = 1, .max = 255, .model = "Resources"},
    {"Tag.N.Key", .list_max = 1000, .max = TEXT_MAX},
    {"Tag.N.Value", .list_max = 1000, .max = TEXT_MAX, .beside = "Key"},
    DRY_RUN,
    {NULL},
};

static const struct parameter template_parameters[] = {
    {"FlowLogId", .required = true, .min = 1, .max = 255},
    {"ConfigDeliveryS3DestinationArn", .required = true, .min = 1, .max = 1024},
    {ATHENA "IntegrationResultS3DestinationArn", .list_max = 10, .min = 1, .max = 1024},
    {ATHENA "PartitionLoadFrequency", PARAMETER_CHOICE, .required = true, .list_max = 10,
     .words = "none|daily|weekly|monthly", .model = "IntegrateServices"},
    {ATHENA "PartitionStartDate", .list_max = 10, .max = 64},
    {ATHENA "PartitionEndDate", .list_max = 10, .max = 64},
    DRY_RUN,
    {NULL},
};

static const struct parameter describe_tags_parameters[] = {FILTERS, PAGES(5, 1000), DRY_RUN, {NULL}};
static const struct parameter describe_network_interfaces_parameters[] = {
    IDS("NetworkInterfaceId", 1000),
    FILTERS,
    PAGES(5, 1000),
    DRY_RUN,
    {"IncludeManagedResources", PARAMETER_BOOL}, /* which no document hides */
    {NULL}};
static const struct parameter describe_subnets_parameters[] = {
    IDS("SubnetId", 1000), FILTERS, PAGES(5, 1000), DRY_RUN, {NULL}};
static const struct parameter describe_security_groups_parameters[] = {
    IDS("GroupId", 1000), IDS("GroupName", 1000), FILTERS, PAGES(5, 1000), DRY_RUN, {NULL}};
static const struct parameter describe_network_acls_parameters[] = {
    IDS("NetworkAclId", 1000), FILTERS, PAGES(5, 1000), DRY_RUN, {NULL}};
static const struct parameter describe_route_tables_parameters[] = {
    IDS("RouteTableId", 1000), FILTERS, PAGES(5, 100), DRY_RUN, {NULL}};
static const struct parameter describe_vpcs_parameters[] = {
    IDS("VpcId", 1000), FILTERS, PAGES(5, 1000), DRY_RUN, {NULL}};

struct action {
    const char *name;
    enum ec2_right right;
    const struct parameter *parameters;
    ec2_handler *handle;
};

static const struct action actions[] = {
    {"CreateFlowLogs", EC2_MANAGE, create_flow_logs_parameters, ec2_create_flow_logs},
    {"DescribeFlowLogs", EC2_READ, describe_flow_logs_parameters, ec2_describe_flow_logs},
    {"DeleteFlowLogs", EC2_MANAGE, delete_flow_logs_parameters, ec2_delete_flow_logs},
    {"GetFlowLogsIntegrationTemplate", EC2_MANAGE, template_parameters,
     ec2_get_flow_logs_integration_template},
    {"CreateTags", EC2_MANAGE, change_tags_parameters, ec2_create_tags},
    {"DeleteTags", EC2_MANAGE, change_tags_parameters, ec2_delete_tags},
    {"DescribeTags", EC2_READ, describe_tags_parameters, ec2_describe_tags},
    {"DescribeNetworkInterfaces", EC2_READ, describe_network_interfaces_parameters,
     ec2_describe_network_interfaces},
    {"DescribeSubnets", EC2_READ, describe_subnets_parameters, ec2_describe_subnets},
    {"DescribeVpcs", EC2_READ, describe_vpcs_parameters, ec2_describe_vpcs},
    {"DescribeSecurityGroups", EC2_READ, describe_security_groups_parameters, ec2_describe_security_groups},
    {"DescribeNetworkAcls", EC2_READ, describe_network_acls_parameters, ec2_describe_network_acls},
    {"DescribeRouteTables", EC2_READ, describe_route_tables_parameters, ec2_describe_route_tables},
};

static json_t *fail(struct ec2_call *call, unsigned status, const char *code, const char *format,
                    va_list arguments) PRINTF_LIKE(4, 0);
static json_t *fail(struct ec2_call *call, unsigned status, const char *code, const char *format,
                    va_list arguments)
{
    call->error.status = status;
    (void)snprintf(call->error.code, sizeof call->error.code, "%s", code);
    (void)vsnprintf(call->error.message, sizeof call->error.message, format, arguments);
    return NULL;
}

json_t *ec2_fail(struct ec2_call *call, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fail(call, 400, code, format, arguments);
    va_end(arguments);
    return NULL;
}

json_t *ec2_fail_status(struct ec2_call *call, unsigned status, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)fail(call, status, code, format, arguments);
    va_end(arguments);
    return NULL;
}

bool ec2_is_dry_run(struct ec2_call *call)
{
    const char *value = query_find(call->query, "DryRun");
    if (!value || strcmp(value, "true") != 0)
        return false;
    ec2_fail_status(call, 412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.");
    return true;
}

/* Whether a name is one of the row's; *index becomes the first of its numbers. */
static bool name_matches(const char *pattern, const char *name, uint64_t *index)
{
    *index = 0;
    while (*pattern && *name) {
        bool number =
            pattern[0] == 'N' && (pattern[1] == '.' || !pattern[1]) && isdigit((unsigned char)*name);
        size_t len = number ? strspn(name, "0123456789") : 1;
        uint64_t value = 0;
        if (number && (*name == '0' || !num_parse_u64(name, len, UINT32_MAX, &value)))
            return false;
        if (!number && *pattern != *name)
            return false;
        if (number && !*index)
            *index = value;
        pattern++;
        name += len;
    }
    return !*pattern && !*name;
}

static bool has_beyond_ascii(const char *text)
{
    while (*text && !(*text & 0x80))
        text++;
    return *text;
}

static bool is_allowed(const struct parameter *row, const char *value)
{
    size_t len = strlen(value);
    uint64_t number;
    switch (row->type) {
    case PARAMETER_BOOL:
        return words_find("true|false", value, len) >= 0;
    case PARAMETER_CHOICE:
        return words_find(row->words, value, len) >= 0;
    case PARAMETER_NUMBER:
        return num_parse_u64(value, len, row->max, &number) && number >= row->min;
    default:
        return len >= row->min && len <= row->max && !(row->ascii && has_beyond_ascii(value));
    }
}

/* Of the protocol itself, and of signatures in the query. */
static bool is_common(const char *name)
{
    static const char *const names[] = {"Action",    "Version",         "AWSAccessKeyId",  "Signature",
                                        "Timestamp", "SignatureMethod", "SignatureVersion"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return strncmp(name, "X-Amz-", 6) == 0;
}

/* A list has no gap, for whoever reads it stops there: each number needs the one before it. */
static bool check_before(struct ec2_call *call, const char *name)
{
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
        uint64_t number;
        int len = (int)(dot + 1 - name);
        if (num_parse_u64(dot + 1, strcspn(dot + 1, "."), UINT32_MAX, &number) && number > 1 &&
            !query_has(call->query, "%.*s%u", len, name, (unsigned)number - 1))
            return ec2_fail(call, "MissingParameter",
                            "The request has the parameter %.200s, but no %.*s%u before it", name, len, name,
                            (unsigned)number - 1);
    }
    return true;
}

/* What a value belongs to. */
static bool check_beside(struct ec2_call *call, const struct parameter *row, const char *name)
{
    const char *value = row->beside ? strstr(name, "Value") : NULL;
    if (!value || query_find(call->query, "%.*s%s", (int)(value - name), name, row->beside))
        return true;
    return ec2_fail(call, "MissingParameter", "The request has the parameter %.200s, but no %.*s%s", name,
                    (int)(value - name), name, row->beside);
}

static bool check_parameter(struct ec2_call *call, const struct parameter *row,
                            const struct query_parameter *parameter)
{
    uint64_t index = 0;
    while (row->name && !name_matches(row->name, parameter->name, &index))
        row++;
    if (!row->name)
        return ec2_fail(call, "UnknownParameter", "The parameter %.200s is not recognized", parameter->name);
    if (row->list_max && index > row->list_max)
        return ec2_fail(call, "InvalidParameterValue",
                        "There are too many values of %s: at most %u are allowed", row->name, row->list_max);
    if (!is_allowed(row, parameter->value))
        return ec2_fail(call, "InvalidParameterValue", "Value (%.200s) for parameter %.200s is invalid%s%s",
                        parameter->value, parameter->name, row->words ? "; allowed: " : "",
                        row->words ? row->words : "");
    return check_before(call, parameter->name) && check_beside(call, row, parameter->name);
}

static bool has_parameter(const struct query *query, const struct parameter *row)
{
    uint64_t index;
    for (size_t i = 0; i < query->count; i++)
        if (name_matches(row->name, query->parameters[i].name, &index))
            return true;
    return false;
}

static bool check_parameters(struct ec2_call *call, const struct action *action)
{
    const struct query *query = call->query;
    for (const struct parameter *row = action->parameters; row->name; row++)
        if (row->required && !has_parameter(query, row))
            return ec2_fail(call, "MissingParameter",
                            "The request must include the %s parameter. Add the required parameter and retry "
                            "the request.",
                            row->model ? row->model : row->name);
    for (size_t i = 0; i < query->count; i++)
        if (!is_common(query->parameters[i].name) &&
            !check_parameter(call, action->parameters, &query->parameters[i]))
            return false;
    return true;
}

static const struct action *find_action(struct ec2_call *call)
{
    const char *name = query_find(call->query, "Action");
    const char *version = query_find(call->query, "Version");
    if (!name || !*name) {
        ec2_fail(call, "MissingAction", "The request is missing an Action parameter");
        return NULL;
    }
    if (!version || strcmp(version, VERSION) != 0) {
        ec2_fail(call, version ? "NoSuchVersion" : "MissingParameter",
                 version ? "The requested version of this service does not exist; there is " VERSION
                         : "The request must contain the parameter Version");
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    ec2_fail(call, "InvalidAction", "The action %.100s is not valid for this web service.", name);
    return NULL;
}

static json_t *run(struct ec2_call *call, const struct action *action, unsigned rights)
{
    if (!(rights & action->right))
        return ec2_fail_status(
            call, 403, "UnauthorizedOperation",
            "You are not authorized to perform this operation: the access key lacks the right "
            "to %s.",
            action->right == EC2_READ ? "read" : "manage");
    if (!check_parameters(call, action))
        return NULL;
    json_t *answer = action->handle(call);
    if (!answer && !call->error.status)
        return ec2_fail_status(call, 500, "InternalError", "An internal error has occurred: out of memory");
    return answer;
}

static void write_element(xmlTextWriterPtr xml, const char *name, const json_t *value);

static void write_members(xmlTextWriterPtr xml, const json_t *value)
{
    const char *name;
    const json_t *member;
    size_t i;
    json_object_foreach((json_t *)value, name, member) write_element(xml, name, member);
    json_array_foreach(value, i, member) write_element(xml, "item", member);
}

/* Errors of the writer are those of memory, and end in a buffer that is not complete. */
static void write_element(xmlTextWriterPtr xml, const char *name, const json_t *value)
{
    (void)xmlTextWriterStartElement(xml, (const xmlChar *)name);
    if (json_is_string(value))
        (void)xmlTextWriterWriteString(xml, (const xmlChar *)json_string_value(value));
    else if (json_is_boolean(value))
        (void)xmlTextWriterWriteString(xml, (const xmlChar *)(json_is_true(value) ? "true" : "false"));
    else if (json_is_integer(value))
        (void)xmlTextWriterWriteFormatString(xml, "%lld", (long long)json_integer_value(value));
    else
        write_members(xml, value);
    (void)xmlTextWriterEndElement(xml);
}

/* `root` with the members of `answer`, in EC2's name space when it is no error. */
static bool write_document(const char *root, const char *name_space, const json_t *answer, struct buf *ret)
{
    xmlBufferPtr buffer = xmlBufferCreate();
    xmlTextWriterPtr xml = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL;
    bool written =
        xml && xmlTextWriterStartDocument(xml, "1.0", "UTF-8", NULL) >= 0 &&
        xmlTextWriterStartElementNS(xml, NULL, (const xmlChar *)root, (const xmlChar *)name_space) >= 0;
    if (written) {
        write_members(xml, answer);
        written = xmlTextWriterEndDocument(xml) >= 0;
    }
    xmlFreeTextWriter(xml);
    if (written)
        buf_append(ret, xmlBufferContent(buffer), (size_t)xmlBufferLength(buffer));
    else
        ret->failed = true;
    if (buffer)
        xmlBufferFree(buffer);
    return written;
}

unsigned ec2_refuse(const struct ec2_error *error, struct buf *ret)
{
    char id[UUID_MAX];
    uuid_make(id);
    json_t *answer = json_pack("{s:[{s:s, s:s}], s:s}", "Errors", "Code", error->code, "Message",
                               error->message, "RequestID", id);
    /* In this one list the elements have a name of their own. */
    json_t *one = json_incref(json_array_get(json_object_get(answer, "Errors"), 0));
    json_object_set_new(answer, "Errors", json_pack("{s:o}", "Error", one));
    (void)write_document("Response", NULL, answer, ret);
    json_decref(answer);
    return error->status;
}

static unsigned answer_with(const char *action, json_t *answer, struct buf *ret)
{
    char root[128];
    char id[UUID_MAX];
    uuid_make(id);
    (void)snprintf(root, sizeof root, "%sResponse", action);
    json_object_set_new(answer, "requestId", json_string(id));
    (void)write_document(root, NAMESPACE, answer, ret);
    json_decref(answer);
    return 200;
}

unsigned ec2_answer_result(const char *action, const char *result, struct buf *ret)
{
    return answer_with(action, json_pack("{s:s}", "result", result), ret);
}

unsigned ec2_answer(const struct ec2_host *host, const struct query *query, unsigned rights,
                    const struct fault *fault, json_t **ret_upload, struct buf *ret)
{
    struct ec2_call call = {.host = host, .query = query};
    *ret_upload = NULL;
    if (!query) {
        ec2_fail(&call, "MalformedQueryString", "The query string contains a syntax error: %s", fault->text);
        return ec2_refuse(&call.error, ret);
    }
    const struct action *action = find_action(&call);
    json_t *answer = action ? run(&call, action, rights) : NULL;
    if (call.upload && action)
        json_object_set_new(call.upload, "action", json_string(action->name));
    *ret_upload = call.upload;
    return answer ? answer_with(action->name, answer, ret) : ec2_refuse(&call.error, ret);
}

json_t *ec2_answer_json(const struct ec2_host *host, const json_t *parameters)
{
    struct query query AUTO_QUERY = {0};
    struct fault fault = {0};
    struct ec2_call call = {.host = host, .query = &query};
    if (query_from_json(&query, parameters, &fault) < 0)
        return json_pack("{s:s, s:s}", "code", "MalformedQueryString", "error", fault.text);
    const struct action *action = find_action(&call);
    json_t *answer = action ? run(&call, action, EC2_READ | EC2_MANAGE) : NULL;
    json_decref(call.upload);
    if (answer)
        return answer;
    return json_pack("{s:s, s:o}", "code", call.error.code, "error",
                     json_sprintf("%s: %s", call.error.code, call.error.message));
}
