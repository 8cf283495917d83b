/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/macro.h"
#include "query/definition_parts.h"

/* Tables of Athena, Trino and Spark, which take Hive's partitions. */

#define FILES_TABLE "flow_logs_files" /* text as it lies there, below the view */

/* "a" t, "b" t: all fields. */
static void print_all_columns(const struct definition *definition)
{
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        buf_text(definition->sql, field ? ",\n  " : "  ");
        definition_print_column(definition, field);
        buf_printf(definition->sql, " %s", definition_type(definition, field));
    }
}

static void print_format_columns(const struct definition *definition)
{
    const struct format *format = definition->options->format;
    for (unsigned i = 0; i < format->count; i++) {
        char name[DEFINITION_COLUMN_MAX];
        buf_text(definition->sql, i ? ",\n  " : "  ");
        definition_print_name(definition, definition_format_column(name, format, i));
        buf_printf(definition->sql, " %s", definition_type(definition, format->fields[i]));
    }
}

/* ---- partitions ---- */

/* Of folders with names, as Hive has them. */
static const char *const hive_partitions[] = {"aws-account-id", "aws-service", "aws-region", "year",
                                              "month",          "day",         "hour"};

static unsigned hive_partition_count(const struct definition *definition)
{
    return ARRAY_SIZE(hive_partitions) - !definition->options->hourly;
}

static void print_hive_partitions(const struct definition *definition, const char *type)
{
    for (unsigned i = 0; i < hive_partition_count(definition); i++) {
        buf_text(definition->sql, i ? ",\n  " : "\n  ");
        definition_print_name(definition, hive_partitions[i]);
        buf_printf(definition->sql, " %s", type);
    }
}

/* The names alone. */
static void print_hive_partition_names(const struct definition *definition, char quote)
{
    for (unsigned i = 0; i < hive_partition_count(definition); i++)
        buf_printf(definition->sql, "%s%c%s%c", i ? ", " : "", quote, hive_partitions[i], quote);
}

/* Of folders without names. */
static const char *const projected_partitions[] = {"log_account", "log_region", "log_day", "log_hour"};

static unsigned projected_partition_count(const struct definition *definition)
{
    return ARRAY_SIZE(projected_partitions) - !definition->options->hourly;
}

/* AWS's folder below the location, unless the location says it. */
static void print_root(const struct definition *definition)
{
    buf_text(definition->sql, definition->location);
    if (!strstr(definition->location, "AWSLogs"))
        buf_text(definition->sql, "/AWSLogs");
}

/* Accounts and regions are known, so partitions of folders without names can be projected. */
static bool is_projected(const struct definition *definition)
{
    const struct definition_options *options = definition->options;
    bool can = options->engine == SQL_ATHENA || options->engine == SQL_TRINO;
    return can && !options->hive && options->accounts && options->regions;
}

#define FIRST_DAY "2018/08/01" /* no flow log was in S3 before */

static void print_template(const struct definition *definition)
{
    print_root(definition);
    buf_printf(definition->sql, "/${log_account}/vpcflowlogs/${log_region}/${log_day}%s",
               definition->options->hourly ? "/${log_hour}" : "");
}

/* The view over a table that has only the columns of a format. */
static void print_view_of_format(const struct definition *definition)
{
    struct buf *sql = definition->sql;
    /* In views Athena takes Trino's words, in tables Hive's. */
    struct definition_options options = *definition->options;
    struct definition view = *definition;
    if (options.engine == SQL_ATHENA) {
        options.engine = SQL_TRINO;
        view.quote = '"';
    }
    view.options = &options;
    buf_text(sql, "CREATE OR REPLACE VIEW flow_logs AS\nSELECT\n");
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        buf_text(sql, field ? ",\n  " : "  ");
        if (!format_has(options.format, field))
            buf_printf(sql, "CAST(NULL AS %s) AS ", definition_type(&view, field));
        definition_print_column(&view, field);
    }
    bool hive = options.hive;
    unsigned partitions = hive ? hive_partition_count(&view) : projected_partition_count(&view);
    for (unsigned i = 0; i < partitions && (hive || is_projected(&view)); i++) {
        buf_text(sql, ",\n  ");
        definition_print_name(&view, hive ? hive_partitions[i] : projected_partitions[i]);
    }
    buf_text(sql, "\nFROM " FILES_TABLE ";\n");
}

/* ---- Athena: Hive's words ---- */

static void print_athena_partitions(const struct definition *definition)
{
    struct buf *sql = definition->sql;
    if (definition->options->hive) {
        buf_text(sql, "PARTITIONED BY (");
        print_hive_partitions(definition, "string");
        buf_text(sql, "\n)\n");
    } else if (is_projected(definition)) {
        buf_text(sql, "PARTITIONED BY (");
        for (unsigned i = 0; i < projected_partition_count(definition); i++)
            buf_printf(sql, "%s`%s` string", i ? ", " : "", projected_partitions[i]);
        buf_text(sql, ")\n");
    }
}

static void print_athena_projection(const struct definition *definition)
{
    const struct definition_options *options = definition->options;
    struct buf *sql = definition->sql;
    buf_printf(sql,
               "\n  'projection.enabled'='true',\n  'projection.log_account.type'='enum',\n"
               "  'projection.log_account.values'='%s',\n  'projection.log_region.type'='enum',\n"
               "  'projection.log_region.values'='%s',\n  'projection.log_day.type'='date',\n"
               "  'projection.log_day.range'='" FIRST_DAY ",NOW',\n"
               "  'projection.log_day.format'='yyyy/MM/dd',\n",
               options->accounts, options->regions);
    if (options->hourly)
        buf_text(sql, "  'projection.log_hour.type'='integer',\n  'projection.log_hour.range'='00,23',\n"
                      "  'projection.log_hour.digits'='2',\n");
    buf_text(sql, "  'storage.location.template'='");
    print_template(definition);
    buf_char(sql, '\'');
}

void definition_print_athena(const struct definition *definition)
{
    struct buf *sql = definition->sql;
    bool text = definition->is_text;
    buf_printf(sql, "CREATE EXTERNAL TABLE IF NOT EXISTS `%s` (\n", text ? FILES_TABLE : "flow_logs");
    if (text)
        print_format_columns(definition);
    else
        print_all_columns(definition);
    buf_text(sql, "\n)\n");
    print_athena_partitions(definition);
    buf_text(sql, text ? "ROW FORMAT DELIMITED\nFIELDS TERMINATED BY ' '\n"
                       : "ROW FORMAT SERDE 'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'\n"
                         "STORED AS INPUTFORMAT "
                         "'org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat'\n"
                         "OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat'\n");
    buf_text(sql, "LOCATION '");
    if (definition->options->hive)
        print_root(definition);
    else
        buf_text(sql, definition->location);
    buf_text(sql, "/'");
    if (text || is_projected(definition)) {
        buf_text(sql, "\nTBLPROPERTIES (");
        if (text)
            buf_printf(sql, "\n  'skip.header.line.count'='1'%s", is_projected(definition) ? "," : "");
        if (is_projected(definition))
            print_athena_projection(definition);
        buf_text(sql, "\n)");
    }
    buf_text(sql, ";\n");
    if (definition->options->hive)
        buf_printf(sql, "MSCK REPAIR TABLE `%s`;\n", text ? FILES_TABLE : "flow_logs");
    if (text)
        print_view_of_format(definition);
}

/* ---- Trino: its Hive connector ---- */

static void print_words(struct buf *sql, const char *list)
{
    buf_char(sql, '\'');
    for (; *list; list++)
        if (*list == ',')
            buf_text(sql, "', '");
        else
            buf_char(sql, *list);
    buf_char(sql, '\'');
}

static void print_trino_projected_columns(const struct definition *definition)
{
    const struct definition_options *options = definition->options;
    struct buf *sql = definition->sql;
    buf_text(sql, ",\n  \"log_account\" varchar WITH (partition_projection_type = 'enum', "
                  "partition_projection_values = ARRAY[");
    print_words(sql, options->accounts);
    buf_text(sql, "]),\n  \"log_region\" varchar WITH (partition_projection_type = 'enum', "
                  "partition_projection_values = ARRAY[");
    print_words(sql, options->regions);
    buf_text(sql, "]),\n  \"log_day\" varchar WITH (partition_projection_type = 'date', "
                  "partition_projection_format = 'yyyy/MM/dd', "
                  "partition_projection_range = ARRAY['" FIRST_DAY "', 'NOW'])");
    if (options->hourly)
        buf_text(sql, ",\n  \"log_hour\" varchar WITH (partition_projection_type = 'integer', "
                      "partition_projection_digits = 2, partition_projection_range = ARRAY['0', '23'])");
}

static void print_trino_partitions(const struct definition *definition)
{
    struct buf *sql = definition->sql;
    if (definition->options->hive) {
        buf_text(sql, ",\n  partitioned_by = ARRAY[");
        print_hive_partition_names(definition, '\'');
        buf_char(sql, ']');
    } else if (is_projected(definition)) {
        buf_printf(sql,
                   ",\n  partitioned_by = ARRAY['log_account', 'log_region', 'log_day'%s],\n"
                   "  partition_projection_enabled = true,\n  partition_projection_location_template = '",
                   definition->options->hourly ? ", 'log_hour'" : "");
        buf_text(sql, definition->is_s3 ? "" : "local://");
        print_template(definition);
        buf_char(sql, '\'');
    }
}

void definition_print_trino(const struct definition *definition)
{
    struct buf *sql = definition->sql;
    bool text = definition->is_text;
    bool hive = definition->options->hive;
    buf_printf(sql, "CREATE TABLE IF NOT EXISTS %s (\n", text ? FILES_TABLE : "flow_logs");
    if (text)
        print_format_columns(definition);
    else
        print_all_columns(definition);
    if (hive) {
        buf_char(sql, ',');
        print_hive_partitions(definition, "varchar");
    } else if (is_projected(definition)) {
        print_trino_projected_columns(definition);
    }
    buf_printf(sql, "\n)\nWITH (\n  external_location = '%s", definition->is_s3 ? "" : "local://");
    if (hive)
        print_root(definition);
    else
        buf_text(sql, definition->location);
    buf_printf(sql, "/',\n  format = '%s'", text ? "TEXTFILE" : "PARQUET");
    if (text)
        buf_printf(sql, ",\n  textfile_field_separator = ' '%s",
                   definition->has_header ? ",\n  skip_header_line_count = 1" : "");
    print_trino_partitions(definition);
    buf_text(sql, "\n);\n");
    if (hive)
        buf_printf(sql, "CALL system.sync_partition_metadata(current_schema, '%s', 'FULL');\n",
                   text ? FILES_TABLE : "flow_logs");
    if (text)
        print_view_of_format(definition);
}

/* ---- Spark ---- */

void definition_print_spark(const struct definition *definition)
{
    struct buf *sql = definition->sql;
    bool text = definition->is_text;
    bool hive = definition->options->hive;
    const char *place = definition->location + (definition->is_s3 ? strlen("s3://") : 0);
    buf_printf(sql, "CREATE TABLE IF NOT EXISTS %s (\n", text ? FILES_TABLE : "flow_logs");
    if (text)
        print_format_columns(definition);
    else
        print_all_columns(definition);
    if (hive) {
        buf_char(sql, ',');
        print_hive_partitions(definition, "STRING");
    }
    buf_printf(sql, "\n)\nUSING %s\nOPTIONS (\n", text ? "csv" : "parquet");
    if (text)
        buf_printf(sql,
                   "  sep ' ',\n  header '%s',\n  enforceSchema 'true',\n  quote '',\n  nullValue '-',\n",
                   definition->has_header ? "true" : "false");
    if (!hive)
        buf_text(sql, "  recursiveFileLookup 'true',\n");
    if (definition->is_folder)
        buf_printf(sql, "  pathGlobFilter '%s',\n", text ? "*.{log,gz,txt}" : "*.parquet");
    buf_printf(sql, "  path '%s%s%s'\n)", definition->is_s3 ? "s3a://" : "", place,
               hive && !strstr(place, "AWSLogs") ? "/AWSLogs" : "");
    if (hive) {
        buf_text(sql, "\nPARTITIONED BY (");
        print_hive_partition_names(definition, '`');
        buf_char(sql, ')');
    }
    buf_text(sql, ";\n");
    if (hive)
        buf_printf(sql, "MSCK REPAIR TABLE %s;\n", text ? FILES_TABLE : "flow_logs");
    if (text)
        print_view_of_format(definition);
}
