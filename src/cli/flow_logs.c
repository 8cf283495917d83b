/* SPDX-License-Identifier: Apache-2.0 */

/* create-flow-logs, describe-flow-logs, delete-flow-logs: with the options of `aws ec2`, over the control
 * socket. */

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/table.h"
#include "daemon/control_client.h"

enum form { FORM_TABLE, FORM_JSON, FORM_TEXT };

/* Options that take text, by their place in the settings. */
enum {
    RESOURCE_TYPE,
    RESOURCE_IDS,
    TRAFFIC_TYPE,
    DESTINATION_TYPE,
    DESTINATION,
    GROUP,
    PERMISSION_ARN,
    FORMAT,
    INTERVAL,
    DESTINATION_OPTIONS,
    TOKEN,
    TAGS,
    TAG_FIELDS,
    CROSS_ACCOUNT_ROLE,
    FLOW_LOG_IDS,
    FILTER,
    MAX_RESULTS,
    NEXT_TOKEN,
    VALUES
};

struct settings {
    const char *values[VALUES];
    bool dry_run;
    const char *state;
    unsigned form;
};

#define VALUE(place)                                                                                         \
    .kind = OPTION_TEXT, .offset = offsetof(struct settings, values) + (place) * sizeof(char *)
#define COMMON                                                                                               \
    {.name = "dry-run",                                                                                      \
     .kind = OPTION_FLAG,                                                                                    \
     .offset = offsetof(struct settings, dry_run),                                                           \
     .help = "only say whether it would succeed"},                                                           \
        ASK_OPTION_STATE(struct settings, state),                                                            \
        {.name = "output",                                                                                   \
         .letter = 'o',                                                                                      \
         .metavar = "table|json|text",                                                                       \
         .kind = OPTION_CHOICE,                                                                              \
         .offset = offsetof(struct settings, form),                                                          \
         .help = "a table (the default), JSON with AWS's members, or fields parted by tabs"},                \
    {                                                                                                        \
        .name = NULL                                                                                         \
    }

static const struct option create_options[] = {
    {.name = "resource-type",
     .metavar = "TYPE",
     VALUE(RESOURCE_TYPE),
     .help = "VPC, Subnet or NetworkInterface"},
    {.name = "resource-ids",
     .metavar = "ID",
     VALUE(RESOURCE_IDS),
     .help = "what to record; more ids may follow"},
    {.name = "traffic-type", .metavar = "TYPE", VALUE(TRAFFIC_TYPE), .help = "ALL, ACCEPT or REJECT"},
    {.name = "log-destination-type",
     .metavar = "TYPE",
     VALUE(DESTINATION_TYPE),
     .help = "cloud-watch-logs (the default), s3 or kinesis-data-firehose"},
    {.name = "log-destination",
     .metavar = "ARN",
     VALUE(DESTINATION),
     .help = "ARN of a bucket, log group or delivery stream; with s3 also a folder of the daemon's store"},
    {.name = "log-group-name", .metavar = "NAME", VALUE(GROUP), .help = "a log group, instead of its ARN"},
    {.name = "deliver-logs-permission-arn",
     .metavar = "ARN",
     VALUE(PERMISSION_ARN),
     .help = "a role, which AWS wants for log groups; it is kept and told, and not assumed"},
    {.name = "log-format",
     .metavar = "FORMAT",
     VALUE(FORMAT),
     .help = "'${srcaddr} ...'; AWS's 14 fields when not given"},
    {.name = "max-aggregation-interval",
     .metavar = "60|600",
     VALUE(INTERVAL),
     .help = "seconds; 600 when not given"},
    {.name = "destination-options",
     .metavar = "LIST",
     VALUE(DESTINATION_OPTIONS),
     .help =
         "FileFormat=plain-text, HiveCompatiblePartitions=true, PerHourPartition=true, with commas between"},
    {.name = "tag-specifications",
     .metavar = "LIST",
     VALUE(TAGS),
     .help = "ResourceType=vpc-flow-log,Tags=[{Key=K,Value=V},{Key=K,Value=V}]"},
    {.name = "tag-field-specifications",
     .metavar = "LIST",
     VALUE(TAG_FIELDS),
     .help = "ResourceType=instance,TagKeys=K,K (or network-interface, auto-scaling-group): tags that "
             "records tell; "
             "more may follow"},
    {.name = "deliver-cross-account-role",
     .metavar = "ARN",
     VALUE(CROSS_ACCOUNT_ROLE),
     .help = "kept and told, and not assumed"},
    {.name = "client-token", .metavar = "TOKEN", VALUE(TOKEN), .help = "makes the request safe to repeat"},
    COMMON,
};

static const struct option describe_options[] = {
    {.name = "flow-log-ids", .metavar = "ID", VALUE(FLOW_LOG_IDS), .help = "only these; more ids may follow"},
    {.name = "filter", .metavar = "FILTER", VALUE(FILTER), .help = "Name=NAME,Values=A,B; more may follow"},
    {.name = "max-results",
     .metavar = "N",
     VALUE(MAX_RESULTS),
     .help = "at most so many, and a token for the rest"},
    {.name = "next-token", .metavar = "TOKEN", VALUE(NEXT_TOKEN), .help = "goes on where an answer ended"},
    COMMON,
};

static const struct option delete_options[] = {
    {.name = "flow-log-ids", .metavar = "ID", VALUE(FLOW_LOG_IDS), .help = "which; more ids may follow"},
    COMMON,
};

/* Options whose value is one parameter as it stands. */
static const struct {
    unsigned place;
    const char *parameter;
} plain[] = {
    {RESOURCE_TYPE, "ResourceType"},
    {TRAFFIC_TYPE, "TrafficType"},
    {DESTINATION_TYPE, "LogDestinationType"},
    {DESTINATION, "LogDestination"},
    {GROUP, "LogGroupName"},
    {PERMISSION_ARN, "DeliverLogsPermissionArn"},
    {FORMAT, "LogFormat"},
    {TOKEN, "ClientToken"},
    {CROSS_ACCOUNT_ROLE, "DeliverCrossAccountRole"},
    {INTERVAL, "MaxAggregationInterval"},
    {MAX_RESULTS, "MaxResults"},
    {NEXT_TOKEN, "NextToken"},
};

static void set_text(json_t *parameters, const char *name, const char *value, size_t len)
{
    json_object_set_new(parameters, name, json_stringn(value, len));
}

/* The next of "PREFIX.N" that is free. */
static void add_to_list(json_t *parameters, const char *prefix, const char *value, size_t len)
{
    char name[64];
    unsigned i = 1;
    do
        (void)snprintf(name, sizeof name, "%s.%u", prefix, i++);
    while (json_object_get(parameters, name));
    set_text(parameters, name, value, len);
}

/* "a,b c" as the shell gives it: by commas. */
static void add_words(json_t *parameters, const char *prefix, const char *words)
{
    while (words && *words) {
        size_t len = strcspn(words, ",");
        add_to_list(parameters, prefix, words, len);
        words += len + (words[len] == ',');
    }
}

/* "Name=N,Values=A,B" */
static bool add_filter(json_t *parameters, const char *text)
{
    const char *values = strstr(text, ",Values=");
    if (strncmp(text, "Name=", 5) != 0 || !values)
        return false;
    char name[64];
    unsigned i = 1;
    do
        (void)snprintf(name, sizeof name, "Filter.%u.Name", i);
    while (json_object_get(parameters, name) && i++);
    set_text(parameters, name, text + 5, (size_t)(values - text - 5));
    (void)snprintf(name, sizeof name, "Filter.%u.Value", i);
    add_words(parameters, name, values + strlen(",Values="));
    return true;
}

static bool add_destination_options(json_t *parameters, const char *text)
{
    while (*text) {
        char name[128];
        size_t len = strcspn(text, ",");
        size_t name_len = strcspn(text, "=");
        if (name_len >= len)
            return false;
        (void)snprintf(name, sizeof name, "DestinationOptions.%.*s", (int)name_len, text);
        set_text(parameters, name, text + name_len + 1, len - name_len - 1);
        text += len + (text[len] == ',');
    }
    return true;
}

/* "ResourceType=TYPE,Tags=[{Key=K,Value=V},…]": a value ends at a brace, so it may hold commas. */
static bool add_tags(json_t *parameters, const char *text)
{
    static const char begin[] = "ResourceType=";
    const char *tags = strstr(text, ",Tags=[");
    if (strncmp(text, begin, strlen(begin)) != 0 || !tags)
        return false;
    set_text(parameters, "TagSpecification.1.ResourceType", text + strlen(begin),
             (size_t)(tags - text) - strlen(begin));
    const char *at = tags + strlen(",Tags=[");
    for (unsigned i = 1; *at != ']'; i++) {
        char name[64];
        const char *value = strncmp(at, "{Key=", 5) == 0 ? strstr(at, ",Value=") : NULL;
        const char *end = value ? strchr(value, '}') : NULL;
        if (!end)
            return false;
        (void)snprintf(name, sizeof name, "TagSpecification.1.Tag.%u.Key", i);
        set_text(parameters, name, at + 5, (size_t)(value - at - 5));
        (void)snprintf(name, sizeof name, "TagSpecification.1.Tag.%u.Value", i);
        value += strlen(",Value=");
        set_text(parameters, name, value, (size_t)(end - value));
        at = end + 1 + (end[1] == ',');
    }
    return at[1] == '\0';
}

/* "ResourceType=TYPE,TagKeys=K,K" */
static bool add_tag_fields(json_t *parameters, const char *text)
{
    static const char begin[] = "ResourceType=";
    const char *keys = strstr(text, ",TagKeys=");
    char name[64];
    unsigned i = 0;
    if (strncmp(text, begin, strlen(begin)) != 0 || !keys)
        return false;
    do
        (void)snprintf(name, sizeof name, "TagFieldSpecification.%u.ResourceType", ++i);
    while (json_object_get(parameters, name));
    set_text(parameters, name, text + strlen(begin), (size_t)(keys - text) - strlen(begin));
    (void)snprintf(name, sizeof name, "TagFieldSpecification.%u.TagKey", i);
    add_words(parameters, name, keys + strlen(",TagKeys="));
    return true;
}

/* Ids and filters behind the first are operands, as with the aws command. */
static bool add_operand(json_t *parameters, const struct settings *settings, const char *operand)
{
    if (settings->values[FILTER] && strncmp(operand, "Name=", 5) == 0)
        return add_filter(parameters, operand);
    if (settings->values[TAG_FIELDS] && strncmp(operand, "ResourceType=", 13) == 0)
        return add_tag_fields(parameters, operand);
    if (settings->values[RESOURCE_IDS] || settings->values[FLOW_LOG_IDS]) {
        add_words(parameters, settings->values[RESOURCE_IDS] ? "ResourceId" : "FlowLogId", operand);
        return true;
    }
    return false;
}

/* A new object; NULL after *ret_wrong was set to what could not be understood. */
static json_t *make_parameters(const struct settings *settings, const char *action, int operands, char **argv,
                               const char **ret_wrong)
{
    json_t *parameters = json_pack("{s:s, s:s}", "Action", action, "Version", "2016-11-15");
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        if (settings->values[plain[i].place])
            json_object_set_new(parameters, plain[i].parameter,
                                json_string(settings->values[plain[i].place]));
    add_words(parameters, "ResourceId", settings->values[RESOURCE_IDS]);
    add_words(parameters, "FlowLogId", settings->values[FLOW_LOG_IDS]);
    if (settings->dry_run)
        json_object_set_new(parameters, "DryRun", json_string("true"));
    const char *wrong = NULL;
    if (settings->values[FILTER] && !add_filter(parameters, settings->values[FILTER]))
        wrong = settings->values[FILTER];
    if (settings->values[TAGS] && !add_tags(parameters, settings->values[TAGS]))
        wrong = settings->values[TAGS];
    if (settings->values[TAG_FIELDS] && !add_tag_fields(parameters, settings->values[TAG_FIELDS]))
        wrong = settings->values[TAG_FIELDS];
    if (settings->values[DESTINATION_OPTIONS] &&
        !add_destination_options(parameters, settings->values[DESTINATION_OPTIONS]))
        wrong = settings->values[DESTINATION_OPTIONS];
    for (int i = 0; !wrong && i < operands; i++)
        if (!add_operand(parameters, settings, argv[i]))
            wrong = argv[i];
    if (!wrong)
        return parameters;
    *ret_wrong = wrong;
    json_decref(parameters);
    return NULL;
}

/* The members' names of AWS's JSON: "flowLogIdSet" of its XML is "FlowLogIds" there. A new reference. */
static json_t *with_json_names(json_t *value)
{
    if (json_is_array(value)) {
        json_t *list = json_array();
        size_t i;
        json_t *element;
        json_array_foreach(value, i, element) json_array_append_new(list, with_json_names(element));
        return list;
    }
    if (!json_is_object(value))
        return json_incref(value);
    json_t *object = json_object();
    const char *name;
    json_t *member;
    json_object_foreach(value, name, member)
    {
        char renamed[128];
        size_t len = strlen(name);
        bool set = len > 3 && strcmp(name + len - 3, "Set") == 0;
        (void)snprintf(renamed, sizeof renamed, "%.*s%s", (int)(set ? len - 3 : len), name, set ? "s" : "");
        renamed[0] = (char)toupper((unsigned char)renamed[0]);
        json_object_set_new(object, renamed, with_json_names(member));
    }
    return object;
}

static const char *const columns[] = {"ID", "RESOURCE", "TRAFFIC", "SECONDS", "STATUS", "DESTINATION", NULL};

static void print_flow_log(struct table *table, struct buf *text, const json_t *flow_log)
{
    char interval[24];
    (void)snprintf(interval, sizeof interval, "%lld",
                   (long long)json_integer_value(json_object_get(flow_log, "maxAggregationInterval")));
    const char *error = ask_text(flow_log, "deliverLogsErrorMessage");
    const char *destination = ask_text(flow_log, "logDestination");
    const char *const cells[] = {ask_text(flow_log, "flowLogId"),
                                 ask_text(flow_log, "resourceId"),
                                 ask_text(flow_log, "trafficType"),
                                 interval,
                                 error[0] ? error : ask_text(flow_log, "deliverLogsStatus"),
                                 destination[0] ? destination : ask_text(flow_log, "logGroupName")};
    table_add(table, cells);
    for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
        buf_printf(text, "%s%c", cells[i], i + 1 < ARRAY_SIZE(cells) ? '\t' : '\n');
}

static void print_answer(struct buf *to, enum form form, json_t *answer)
{
    struct table table CLEANUP(table_done);
    AUTO_BUF struct buf text = BUF_INIT(ASK_OUTPUT_MAX);
    size_t i;
    const json_t *element;
    if (form == FORM_JSON) {
        json_t *renamed = with_json_names(answer);
        table_init(&table, columns);
        ask_print_json(to, renamed);
        json_decref(renamed);
        return;
    }
    table_init(&table, columns);
    json_array_foreach(json_object_get(answer, "flowLogSet"), i, element)
        print_flow_log(&table, &text, element);
    if (form == FORM_TABLE && json_object_get(answer, "flowLogSet"))
        table_print(&table, table_terminal_width(), to);
    else
        buf_text(to, buf_string(&text));
    json_array_foreach(json_object_get(answer, "flowLogIdSet"), i, element)
        buf_printf(to, "%s\n", json_string_value(element));
    const char *token = ask_text(answer, "nextToken");
    if (*token)
        buf_printf(to, "more: --next-token '%s'\n", token);
}

/* What did not succeed, a line each. */
static int report_unsuccessful(const struct command *command, const json_t *answer)
{
    int status = EXIT_DONE;
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(answer, "unsuccessful"), i, one)
    {
        const json_t *error = json_object_get(one, "error");
        status = command_fail(command, EXIT_NO, "%s: %s: %s", ask_text(one, "resourceId"),
                              ask_text(error, "code"), ask_text(error, "message"));
    }
    return status;
}

static int run_action(const struct command *command, const char *action, int argc, char **argv)
{
    struct settings settings = {.state = CONFIG_STATE_DEFAULT};
    int operands;
    int status;
    if (!command_begin(command, argc, argv, &settings, &operands, &status))
        return status;
    const char *wrong = NULL;
    json_t *parameters = make_parameters(&settings, action, operands, argv, &wrong);
    if (!parameters)
        return command_fail(command, EXIT_USAGE, "'%s' is not understood; see 'flowlog %s --help'", wrong,
                            command->name);
    struct fault fault = {0};
    json_t *answer;
    json_t *request = json_pack("{s:s, s:o}", "command", "ec2", "parameters", parameters);
    int r = control_request(settings.state, request, &answer, &fault);
    if (r < 0)
        return command_fail(command, ask_exit_status(r), "%s", fault.text);
    AUTO_BUF struct buf text = BUF_INIT(ASK_OUTPUT_MAX);
    print_answer(&text, (enum form)settings.form, answer);
    status = command_print(command, &text);
    if (status == EXIT_DONE)
        status = report_unsuccessful(command, answer);
    json_decref(answer);
    return status;
}

static int run_create(const struct command *command, int argc, char **argv)
{
    return run_action(command, "CreateFlowLogs", argc, argv);
}

static int run_describe(const struct command *command, int argc, char **argv)
{
    return run_action(command, "DescribeFlowLogs", argc, argv);
}

static int run_delete(const struct command *command, int argc, char **argv)
{
    return run_action(command, "DeleteFlowLogs", argc, argv);
}

const struct command command_create_flow_logs = {
    .name = "create-flow-logs",
    .summary = "Make flow logs, as 'aws ec2 create-flow-logs' does",
    .operands = "[ID...]",
    .details = "One flow log for each resource; its id is printed. It delivers from now on, also after a "
               "restart of the\n"
               "daemon, and can only be deleted, not changed. Exits 1 when some resources got none.",
    .example = "flowlog create-flow-logs --resource-type VPC --resource-ids vpc-0a --traffic-type ALL \\\n"
               "      --log-destination-type s3 --log-destination arn:aws:s3:::bucket/flows",
    .outcome = "records the traffic of all interfaces of the VPC into the bucket",
    .options = create_options,
    .run = run_create,
};

const struct command command_describe_flow_logs = {
    .name = "describe-flow-logs",
    .summary = "Show flow logs, as 'aws ec2 describe-flow-logs' does",
    .operands = "[ID...|FILTER...]",
    .details =
        "Those made by create-flow-logs or the API, and those that the configuration file declares.\n"
        "\n"
        "Filters: deliver-log-status, log-destination-type, flow-log-id, log-group-name, resource-id,\n"
        "traffic-type, tag:KEY, tag-key. Values may have * and ?.",
    .example = "flowlog describe-flow-logs --filter Name=traffic-type,Values=REJECT -o json",
    .outcome = "prints the flow logs of rejected traffic with AWS's members",
    .options = describe_options,
    .run = run_describe,
};

const struct command command_delete_flow_logs = {
    .name = "delete-flow-logs",
    .summary = "Delete flow logs, as 'aws ec2 delete-flow-logs' does",
    .operands = "[ID...]",
    .details = "What was delivered stays. A flow log of the configuration file is removed there. Exits 1 "
               "when some could\n"
               "not be deleted.",
    .example = "flowlog delete-flow-logs --flow-log-ids fl-0123456789abcdef0",
    .outcome = "ends that flow log",
    .options = delete_options,
    .run = run_delete,
};
