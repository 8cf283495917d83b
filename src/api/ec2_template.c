/* SPDX-License-Identifier: Apache-2.0 */

/*
 * GetFlowLogsIntegrationTemplate (api.md 2.5): a CloudFormation template that lets Athena query what a flow
 * log has put into S3. Partitions are projected, so they are there as soon as there are objects: no function
 * has to load them, and how often that is asked for only decides whether the table ends at a day or at the
 * present one.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/ec2_actions.h"
#include "api/ec2_queries.h"
#include "base/clock.h"
#include "record/format.h"

#define INTEGRATION "IntegrateService.AthenaIntegration.%u"
#define DAY_MAX 16 /* "2026-11-25" */

struct integration {
    unsigned number; /* from 1 */
    char first[DAY_MAX];
    char last[DAY_MAX]; /* "NOW" while it goes on */
    char results[1200]; /* s3://… */
};

struct template
{
    const struct ec2_call *call;
    const json_t *flow_log;
    struct format format;
    const char *location; /* s3://BUCKET/PREFIX/AWSLogs/ */
    bool parquet;
    bool hive;
    bool hourly;
    json_t *resources;
};

/* "BUCKET[/PREFIX/]" of an ARN, or NULL with an error. */
static const char *parse_s3_arn(struct ec2_call *call, const char *name, const char *arn)
{
    const char *bucket = strstr(arn, ":s3:::");
    if (strncmp(arn, "arn:aws", 7) == 0 && bucket && bucket[6] && bucket[6] != '/')
        return bucket + 6;
    ec2_fail(call, "InvalidParameter", "%s '%.500s' is no ARN of a place in S3: arn:aws:s3:::BUCKET/", name,
             arn);
    return NULL;
}

/* The day of a time as AWS's libraries send it. */
static bool parse_day(struct ec2_call *call, const char *name, const char *text, char ret[static DAY_MAX])
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    if (end && (!*end || *end == 'T') && tm.tm_year >= 100 && tm.tm_year < 1000)
        return strftime(ret, DAY_MAX, "%Y-%m-%d", &tm) > 0;
    return ec2_fail(call, "InvalidParameterValue", "Value (%.100s) for parameter %.100s is no time", text,
                    name);
}

static bool read_days(struct ec2_call *call, const json_t *flow_log, struct integration *ret)
{
    const char *frequency = query_find(call->query, INTEGRATION ".PartitionLoadFrequency", ret->number);
    const char *first = query_find(call->query, INTEGRATION ".PartitionStartDate", ret->number);
    const char *last = query_find(call->query, INTEGRATION ".PartitionEndDate", ret->number);
    const char *created = json_string_value(json_object_get(flow_log, "creationTime"));
    time_t now = (time_t)(clock_wall_ns() / 1000000000);
    struct tm today;
    (void)gmtime_r(&now, &today);
    (void)snprintf(ret->last, sizeof ret->last, "NOW");
    if (!last && strcmp(frequency, "none") == 0)
        (void)strftime(ret->last, sizeof ret->last, "%Y-%m-%d", &today);
    if (!parse_day(call, "PartitionStartDate", first ? first : created, ret->first) ||
        (last && !parse_day(call, "PartitionEndDate", last, ret->last)))
        return false;
    if (last && strcmp(ret->first, ret->last) > 0)
        return ec2_fail(call, "InvalidParameter", "PartitionStartDate %s is after PartitionEndDate %s",
                        ret->first, ret->last);
    return true;
}

static bool read_integration(struct ec2_call *call, const json_t *flow_log, unsigned number,
                             struct integration *ret)
{
    const char *arn = query_find(call->query, INTEGRATION ".IntegrationResultS3DestinationArn", number);
    *ret = (struct integration){.number = number};
    if (!arn || !query_find(call->query, INTEGRATION ".PartitionLoadFrequency", number))
        return ec2_fail(call, "MissingParameter",
                        "IntegrateService.AthenaIntegration.%u must have "
                        "IntegrationResultS3DestinationArn and PartitionLoadFrequency",
                        number);
    const char *place = parse_s3_arn(call, "IntegrationResultS3DestinationArn", arn);
    if (!place)
        return false;
    size_t len = strlen(place);
    (void)snprintf(ret->results, sizeof ret->results, "s3://%.1000s%s", place,
                   place[len - 1] == '/' ? "" : "/");
    return read_days(call, flow_log, ret);
}

/* A column's name in Athena, by which Parquet files are read, too; a field that stands twice gets a number.
 */
static void add_column(json_t *columns, const char *field, const char *type)
{
    char name[64];
    char made[80];
    size_t i = 0;
    for (; i < sizeof name - 1 && field[i]; i++)
        name[i] = field[i] == '-' ? '_' : field[i];
    name[i] = '\0';
    (void)snprintf(made, sizeof made, "%s", name);
    for (unsigned number = 2, again = 1; again; number++) {
        again = 0;
        const json_t *column;
        json_array_foreach(columns, i, column) again |=
            strcmp(json_string_value(json_object_get(column, "Name")), made) == 0;
        if (again)
            (void)snprintf(made, sizeof made, "%s_again_%u", name, number);
    }
    json_array_append_new(columns, json_pack("{s:s, s:s}", "Name", made, "Type", type));
}

static json_t *make_columns(const struct format *format)
{
    static const char *const types[] = {
        [FIELD_INT32] = "int", [FIELD_INT64] = "bigint", [FIELD_STRING] = "string"};
    json_t *columns = json_array();
    for (size_t i = 0; i < format->count; i++) {
        const struct field *field = &field_catalogue[format->fields[i]];
        add_column(columns, field->name, types[field->type]);
    }
    return columns;
}

static void set_projection(json_t *parameters, const char *column, const char *what, const char *value)
{
    char name[64];
    (void)snprintf(name, sizeof name, "projection.%s.%s", column, what);
    json_object_set_new(parameters, name, json_string(value));
}

static void add_partition(json_t *keys, json_t *parameters, const char *column, const char *type,
                          const char *key, const char *value)
{
    json_array_append_new(keys, json_pack("{s:s, s:s}", "Name", column, "Type", "string"));
    set_projection(parameters, column, "type", type);
    set_projection(parameters, column, key, value);
}

/* Two digits of what a day holds, no more of them than the days asked for have. */
static void add_number(json_t *keys, json_t *parameters, const char *column, const char *first,
                       const char *last, bool narrow, const char *all)
{
    char range[16];
    (void)snprintf(range, sizeof range, "%.2s,%.2s", first, last);
    add_partition(keys, parameters, column, "integer", "range", narrow ? range : all);
    set_projection(parameters, column, "digits", "2");
}

static void add_hive_partitions(const struct template *template, const struct integration *integration,
                                json_t *keys, json_t *parameters)
{
    const struct topology *topology = template->call->host->topology;
    const char *first = integration->first;
    const char *last = integration->last;
    char years[16];
    bool open = strcmp(last, "NOW") == 0;
    bool one_year = !open && strncmp(first, last, 4) == 0;
    (void)snprintf(years, sizeof years, "%.4s,%.4s", first, last);
    add_partition(keys, parameters, "aws-account-id", "enum", "values", topology->account);
    add_partition(keys, parameters, "aws-service", "enum", "values", "vpcflowlogs");
    add_partition(keys, parameters, "aws-region", "enum", "values", topology->region);
    add_partition(keys, parameters, "year", "date", "range", years);
    set_projection(parameters, "year", "format", "yyyy");
    set_projection(parameters, "year", "interval", "1");
    set_projection(parameters, "year", "interval.unit", "YEARS");
    add_number(keys, parameters, "month", first + 5, open ? "" : last + 5, one_year, "01,12");
    add_number(keys, parameters, "day", first + 8, open ? "" : last + 8,
               one_year && strncmp(first, last, 7) == 0, "01,31");
}

static void add_day_partition(const struct integration *integration, json_t *keys, json_t *parameters)
{
    char range[32];
    const char *first = integration->first;
    const char *last = integration->last;
    if (strcmp(last, "NOW") == 0)
        (void)snprintf(range, sizeof range, "%.4s/%.2s/%.2s,NOW", first, first + 5, first + 8);
    else
        (void)snprintf(range, sizeof range, "%.4s/%.2s/%.2s,%.4s/%.2s/%.2s", first, first + 5, first + 8,
                       last, last + 5, last + 8);
    add_partition(keys, parameters, "day", "date", "range", range);
    set_projection(parameters, "day", "format", "yyyy/MM/dd");
}

/* A text that CloudFormation must not take for its own variable: "$" and "{NAME}" are joined by it. */
static json_t *literal(struct buf *text)
{
    json_t *pieces = json_array();
    const char *at = buf_string(text);
    for (const char *dollar = strstr(at, "${"); dollar; dollar = strstr(at, "${")) {
        json_array_append_new(pieces, json_stringn(at, (size_t)(dollar + 1 - at)));
        at = dollar + 1;
    }
    json_array_append_new(pieces, json_string(at));
    return json_pack("{s:[s, o]}", "Fn::Join", "", pieces);
}

static json_t *location_template(const struct template *template)
{
    AUTO_BUF struct buf text = BUF_INIT(8192);
    const struct topology *topology = template->call->host->topology;
    if (template->hive)
        buf_printf(&text,
                   "%saws-account-id=${aws-account-id}/aws-service=${aws-service}/aws-region=${aws-region}/"
                   "year=${year}/month=${month}/day=${day}/%s",
                   template->location, template->hourly ? "hour=${hour}/" : "");
    else
        buf_printf(&text, "%s%s/vpcflowlogs/%s/${day}/%s", template->location, topology->account,
                   topology->region, template->hourly ? "${hour}/" : "");
    return literal(&text);
}

static json_t *make_parameters(const struct template *template, const struct integration *integration,
                               json_t *keys)
{
    json_t *parameters = json_pack("{s:s, s:s}", "EXTERNAL", "TRUE", "projection.enabled", "true");
    if (!template->parquet)
        json_object_set_new(parameters, "skip.header.line.count", json_string("1"));
    if (template->hive)
        add_hive_partitions(template, integration, keys, parameters);
    else
        add_day_partition(integration, keys, parameters);
    if (template->hourly)
        add_number(keys, parameters, "hour", "", "", false, "00,23");
    json_object_set_new(parameters, "storage.location.template", location_template(template));
    return parameters;
}

#define HIVE_IO "org.apache.hadoop.hive.ql.io."
static json_t *make_storage(const struct template *template)
{
    bool parquet = template->parquet;
    json_t *serde = parquet
                        ? json_pack("{s:s}", "SerializationLibrary", HIVE_IO "parquet.serde.ParquetHiveSerDe")
                        : json_pack("{s:s, s:{s:s, s:s}}", "SerializationLibrary",
                                    "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe", "Parameters",
                                    "field.delim", " ", "serialization.format", " ");
    return json_pack(
        "{s:o, s:s, s:s, s:s, s:o}", "Columns", make_columns(&template->format), "Location",
        template->location, "InputFormat",
        parquet ? HIVE_IO "parquet.MapredParquetInputFormat" : "org.apache.hadoop.mapred.TextInputFormat",
        "OutputFormat",
        parquet ? HIVE_IO "parquet.MapredParquetOutputFormat" : HIVE_IO "HiveIgnoreKeyTextOutputFormat",
        "SerdeInfo", serde);
}

static void add_resource(const struct template *template, const char *name, const char *type,
                         json_t *properties)
{
    json_object_set_new(template->resources, name,
                        json_pack("{s:s, s:o}", "Type", type, "Properties", properties));
}

/* "fl_0123…": what Athena takes without quotes, as a database or a table is called. */
static void print_name(const struct template *template, unsigned number, const char *suffix,
                       char ret[static 64])
{
    const char *id = json_string_value(json_object_get(template->flow_log, "flowLogId"));
    (void)snprintf(ret, 64, "fl_%.24s%s", id + strlen("fl-"), suffix);
    if (number > 1)
        (void)snprintf(ret + strlen(ret), 64 - strlen(ret), "_%u", number);
}

static void add_database(const struct template *template)
{
    char name[64];
    print_name(template, 1, "", name);
    add_resource(
        template, "Database", "AWS::Glue::Database",
        json_pack("{s:{s:s}, s:{s:s}}", "CatalogId", "Ref", "AWS::AccountId", "DatabaseInput", "Name", name));
}

static void add_table(const struct template *template, const struct integration *integration)
{
    char name[64];
    char resource[32];
    json_t *keys = json_array();
    json_t *parameters = make_parameters(template, integration, keys);
    print_name(template, integration->number, "_records", name);
    (void)snprintf(resource, sizeof resource, "Table%u", integration->number);
    json_t *input =
        json_pack("{s:s, s:s, s:o, s:o, s:o}", "Name", name, "TableType", "EXTERNAL_TABLE", "Parameters",
                  parameters, "PartitionKeys", keys, "StorageDescriptor", make_storage(template));
    add_resource(template, resource, "AWS::Glue::Table",
                 json_pack("{s:{s:s}, s:{s:s}, s:o}", "CatalogId", "Ref", "AWS::AccountId", "DatabaseName",
                           "Ref", "Database", "TableInput", input));
}

static void add_work_group(const struct template *template, const struct integration *integration)
{
    char name[64];
    char resource[32];
    print_name(template, integration->number, "_queries", name);
    (void)snprintf(resource, sizeof resource, "WorkGroup%u", integration->number);
    add_resource(template, resource, "AWS::Athena::WorkGroup",
                 json_pack("{s:s, s:s, s:b, s:{s:b, s:{s:s}}}", "Name", name, "State", "ENABLED",
                           "RecursiveDeleteOption", 1, "WorkGroupConfiguration",
                           "EnforceWorkGroupConfiguration", 1, "ResultConfiguration", "OutputLocation",
                           integration->results));
}

/* Those whose fields the flow log has. */
static void add_queries(const struct template *template, const struct integration *integration)
{
    char table[64];
    char group[32];
    print_name(template, integration->number, "_records", table);
    (void)snprintf(group, sizeof group, "WorkGroup%u", integration->number);
    for (const struct ec2_named_query *query = ec2_named_queries; query->name; query++) {
        AUTO_BUF struct buf sql = BUF_INIT(4096);
        char resource[96];
        if (!ec2_query_fits(query, &template->format))
            continue;
        ec2_query_print(query, table, &sql);
        (void)snprintf(resource, sizeof resource, "%s%u", query->name, integration->number);
        add_resource(template, resource, "AWS::Athena::NamedQuery",
                     json_pack("{s:{s:s}, s:s, s:s, s:s, s:{s:s}}", "Database", "Ref", "Database", "Name",
                               query->name, "Description", query->purpose, "QueryString", buf_string(&sql),
                               "WorkGroup", "Ref", group));
    }
}

static bool add_integrations(struct ec2_call *call, const struct template *template)
{
    struct integration integration;
    add_database(template);
    for (unsigned number = 1; query_has(call->query, INTEGRATION, number); number++) {
        if (!read_integration(call, template->flow_log, number, &integration))
            return false;
        add_table(template, &integration);
        add_work_group(template, &integration);
        add_queries(template, &integration);
    }
    return true;
}

static bool option(const json_t *flow_log, const char *name)
{
    return json_is_true(json_object_get(json_object_get(flow_log, "destinationOptions"), name));
}

/* "s3://BUCKET/PREFIX/AWSLogs/" */
static bool print_location(struct ec2_call *call, const json_t *flow_log, struct buf *buf)
{
    const char *destination = json_string_value(json_object_get(flow_log, "logDestination"));
    const char *type = json_string_value(json_object_get(flow_log, "logDestinationType"));
    const char *place = destination ? strstr(destination, ":s3:::") : NULL;
    if (!place || !type || strcmp(type, "s3") != 0)
        return ec2_fail(call, "InvalidParameter",
                        "The flow log %s does not publish to S3, so there is nothing that Athena could query",
                        json_string_value(json_object_get(flow_log, "flowLogId")));
    size_t len = strlen(place);
    buf_printf(buf, "s3://%s%sAWSLogs/", place + 6, place[len - 1] == '/' ? "" : "/");
    return true;
}

static bool read_format(struct ec2_call *call, struct template *template)
{
    struct fault fault = {0};
    const char *text = json_string_value(json_object_get(template->flow_log, "logFormat"));
    const json_t *options = json_object_get(template->flow_log, "destinationOptions");
    const char *file_format = json_string_value(json_object_get(options, "fileFormat"));
    if (format_parse(&template->format, text, &fault) < 0)
        return ec2_fail_status(call, 500, "InternalError", "%s", fault.text);
    template->parquet = file_format &&strcmp(file_format, "parquet") == 0;
    if (file_format && !template->parquet && strcmp(file_format, "plain-text") != 0)
        return ec2_fail(call, "InvalidParameter",
                        "The flow log's files are %s; there are templates for plain-text and parquet",
                        file_format);
    return true;
}

static json_t *make_template(struct ec2_call *call, const json_t *flow_log)
{
    AUTO_BUF struct buf location = BUF_INIT(8192);
    struct template template = {.call = call,
                                .flow_log = flow_log,
                                .hive = option(flow_log, "hiveCompatiblePartitions"),
                                .hourly = option(flow_log, "perHourPartition")};
    if (!print_location(call, flow_log, &location) || !read_format(call, &template))
        return NULL;
    template.location = buf_string(&location);
    template.resources = json_object();
    json_t *whole = json_pack("{s:s, s:o, s:o}", "AWSTemplateFormatVersion", "2010-09-09", "Description",
                              json_sprintf("Athena over the records of flow log %s",
                                           json_string_value(json_object_get(flow_log, "flowLogId"))),
                              "Resources", template.resources);
    if (add_integrations(call, &template))
        return whole;
    json_decref(whole);
    return NULL;
}

static json_t *find_flow_log(struct ec2_call *call, const char *id)
{
    json_t *flow_logs = ec2_flow_logs(call);
    json_t *found = NULL;
    size_t i;
    json_t *flow_log;
    json_array_foreach(flow_logs, i, flow_log)
    {
        if (strcmp(json_string_value(json_object_get(flow_log, "flowLogId")), id) == 0)
            found = json_incref(flow_log);
    }
    json_decref(flow_logs);
    if (!found)
        ec2_fail(call, "InvalidFlowLogId.NotFound",
                 "These flow log ids in the input list are not found: [TotalCount: 1] %.200s", id);
    return found;
}

/* Where the text is to go, for whoever sends the answer (ec2.h). */
static void note_upload(struct ec2_call *call, const char *id, const char *place, const char *text)
{
    char stamp[32];
    time_t now = (time_t)(clock_wall_ns() / 1000000000);
    struct tm tm;
    (void)gmtime_r(&now, &tm);
    (void)strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
    size_t bucket = strcspn(place, "/");
    const char *prefix = place[bucket] ? place + bucket + 1 : "";
    size_t len = strlen(prefix);
    call->upload = json_pack("{s:s, s:s%, s:o, s:s}", "flowLogId", id, "bucket", place, bucket, "key",
                             json_sprintf("%s%sVPCFlowLogsIntegrationTemplate_%s_%s.json", prefix,
                                          len && prefix[len - 1] != '/' ? "/" : "", id, stamp),
                             "text", text);
}

json_t *ec2_get_flow_logs_integration_template(struct ec2_call *call)
{
    const char *id = query_find(call->query, "FlowLogId");
    const char *place = parse_s3_arn(call, "ConfigDeliveryS3DestinationArn",
                                     query_find(call->query, "ConfigDeliveryS3DestinationArn"));
    json_t *flow_log = place ? find_flow_log(call, id) : NULL;
    json_t *template = flow_log ? make_template(call, flow_log) : NULL;
    json_decref(flow_log);
    if (!template || ec2_is_dry_run(call)) {
        json_decref(template);
        return NULL;
    }
    AUTO_FREE char *text = json_dumps(template, JSON_INDENT(2));
    json_decref(template);
    if (!text)
        return NULL;
    note_upload(call, id, place, text);
    return json_pack("{s:s}", "result", text);
}
