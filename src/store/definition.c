/* SPDX-License-Identifier: Apache-2.0 */
#include "store/definition.h"

#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "parquet/row_group.h"

#define PATH_ROOM 4096
#define FILES_TABLE "flow_logs_files"           /* text as it lies there, below the view */
#define PLACEHOLDER "s3://amzn-s3-demo-bucket/" /* AWS's own for a bucket to be named */

/* How text files end. */
static const char *const text_endings[] = {".log.gz", ".log", ".log.zst", ".txt", ".txt.gz"};

struct definition {
    const struct definition_options *options;
    const struct dialect *dialect;
    struct buf *sql;
    char quote;               /* round names */
    char location[PATH_ROOM]; /* a folder without its last '/', a glob, or a file */
    bool is_s3;
    bool is_folder; /* or a prefix */
    bool is_text;
    bool endings[ARRAY_SIZE(text_endings)]; /* of the text files that are there */
};

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text);
    size_t ending_len = strlen(ending);
    return len >= ending_len && strcmp(text + len - ending_len, ending) == 0;
}

/* ---- what lies there ---- */

struct found {
    bool parquet;
    bool text;
};

static void look_at(struct definition *definition, const char *name, struct found *found)
{
    found->parquet |= ends_with(name, ".parquet");
    for (size_t i = 0; i < ARRAY_SIZE(text_endings); i++)
        if (ends_with(name, text_endings[i]))
            found->text = definition->endings[i] = true;
}

static int look_below(struct definition *definition, struct found *found, struct fault *fault)
{
    char *folders[] = {definition->location, NULL};
    FTS *tree = fts_open(folders, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (!tree)
        return fault_set(fault, -errno, "%s: %s", definition->location, strerror(errno));
    int r = 0;
    FTSENT *entry;
    while (r == 0 && (entry = fts_read(tree))) {
        bool hidden = entry->fts_level > 0 && (entry->fts_name[0] == '.' || entry->fts_name[0] == '_');
        if (hidden && entry->fts_info == FTS_D)
            (void)fts_set(tree, entry, FTS_SKIP);
        else if (!hidden && entry->fts_info == FTS_F)
            look_at(definition, entry->fts_name, found);
        else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
            r = fault_set(fault, -entry->fts_errno, "%s: %s", entry->fts_path, strerror(entry->fts_errno));
    }
    (void)fts_close(tree);
    return r;
}

static int settle_files(struct definition *definition, struct fault *fault)
{
    const struct definition_options *options = definition->options;
    struct found found = {0};
    struct stat status;
    if (!definition->is_s3 && stat(definition->location, &status) == 0 && !S_ISDIR(status.st_mode))
        definition->is_folder = false;
    if (definition->is_folder && !definition->is_s3 && stat(definition->location, &status) == 0) {
        int r = look_below(definition, &found, fault);
        if (r < 0)
            return r;
    } else if (!definition->is_folder) {
        look_at(definition, definition->location, &found);
    }
    if (options->files == DEFINITION_BY_LOCATION && found.parquet && found.text)
        return fault_set(
            fault, -EINVAL,
            "%s holds Parquet and text files: say which with --file-format parquet or plain-text",
            definition->location);
    definition->is_text =
        options->files == DEFINITION_TEXT || (options->files == DEFINITION_BY_LOCATION && found.text);
    if (!found.text)
        definition->endings[0] = true;
    return 0;
}

static int settle_location(struct definition *definition, struct fault *fault)
{
    const char *given = definition->options->location ? definition->options->location : PLACEHOLDER;
    size_t len = strlen(given);
    while (len > 1 && given[len - 1] == '/')
        len--;
    if (len == 0 || len >= sizeof definition->location)
        return fault_set(fault, -EINVAL, "--location: %s", len ? "too long" : "it is empty");
    if (strpbrk(given, "'\\\n"))
        return fault_set(fault, -EINVAL, "--location: '%s': quotes and backslashes cannot stand in it",
                         given);
    (void)snprintf(definition->location, sizeof definition->location, "%.*s", (int)len, given);
    definition->is_s3 = strncmp(given, "s3://", 5) == 0;
    if (!definition->is_s3 && strstr(given, "://"))
        return fault_set(fault, -EINVAL, "--location: '%s': a folder, a glob or s3://BUCKET/PREFIX is due",
                         given);
    if (definition->options->engine == SQL_ATHENA && !definition->is_s3)
        return fault_set(fault, -EINVAL, "--location: '%s': Athena reads s3://BUCKET/PREFIX only", given);
    definition->is_folder = !strpbrk(given, "*?[{");
    bool is_tables = definition->options->engine == SQL_ATHENA || definition->options->engine == SQL_TRINO;
    if (is_tables && !definition->is_folder)
        return fault_set(fault, -EINVAL, "--location: '%s': %s takes a folder, no pattern", given,
                         definition->dialect->name);
    return 0;
}

/* ---- columns ---- */

struct type_names {
    const char *of[FIELD_STRING + 1]; /* by enum field_type */
};

static const char *type_name(const struct definition *definition, enum field_id field)
{
    static const struct type_names names[] = {
        [SQL_DUCKDB] = {{"INTEGER", "BIGINT", "VARCHAR"}},
        [SQL_ATHENA] = {{"int", "bigint", "string"}},
        [SQL_TRINO] = {{"integer", "bigint", "varchar"}},
        [SQL_SPARK] = {{"INT", "BIGINT", "STRING"}},
        [SQL_CLICKHOUSE] = {{"Nullable(Int32)", "Nullable(Int64)", "Nullable(String)"}},
    };
    return names[definition->options->engine].of[field_catalogue[field].type];
}

/* Names are quoted throughout: "end" has to be, and any engine may make another a reserved word. */
static void print_name(const struct definition *definition, const char *name)
{
    buf_printf(definition->sql, "%c%s%c", definition->quote, name, definition->quote);
}

static void print_column(const struct definition *definition, enum field_id field)
{
    char name[COLUMN_NAME_MAX];
    print_name(definition, schema_column_name(name, field));
}

/* "a" t, "b" t: all fields. */
static void print_all_columns(const struct definition *definition)
{
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        buf_text(definition->sql, field ? ",\n  " : "  ");
        print_column(definition, field);
        buf_printf(definition->sql, " %s", type_name(definition, field));
    }
}

/* The columns of text, by their place; a field that is listed again gets a number. */
static void print_format_columns(const struct definition *definition)
{
    const struct format *format = definition->options->format;
    for (unsigned i = 0; i < format->count; i++) {
        unsigned before = 0;
        for (unsigned earlier = 0; earlier < i; earlier++)
            before += format->fields[earlier] == format->fields[i];
        char column[COLUMN_NAME_MAX];
        char name[COLUMN_NAME_MAX + 16];
        (void)snprintf(name, sizeof name, before ? "%s_again_%u" : "%s",
                       schema_column_name(column, format->fields[i]), before);
        buf_text(definition->sql, i ? ",\n  " : "  ");
        print_name(definition, name);
        buf_printf(definition->sql, " %s", type_name(definition, format->fields[i]));
    }
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
            buf_printf(sql, "CAST(NULL AS %s) AS ", type_name(&view, field));
        print_column(&view, field);
    }
    buf_text(sql, "\nFROM " FILES_TABLE ";\n");
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
        print_name(definition, hive_partitions[i]);
        buf_printf(definition->sql, " %s", type);
    }
}

/* The names alone. */
static void print_hive_partition_names(const struct definition *definition, char quote)
{
    for (unsigned i = 0; i < hive_partition_count(definition); i++)
        buf_printf(definition->sql, "%s%c%s%c", i ? ", " : "", quote, hive_partitions[i], quote);
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
    return !options->hive && options->accounts && options->regions;
}

#define FIRST_DAY "2018/08/01" /* no flow log was in S3 before */

static void print_template(const struct definition *definition)
{
    print_root(definition);
    buf_printf(definition->sql, "/${log_account}/vpcflowlogs/${log_region}/${log_day}%s",
               definition->options->hourly ? "/${log_hour}" : "");
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
        buf_printf(sql, "PARTITIONED BY (`log_account` string, `log_region` string, `log_day` string%s)\n",
                   definition->options->hourly ? ", `log_hour` string" : "");
    }
}

static void print_athena_projection(const struct definition *definition)
{
    const struct definition_options *options = definition->options;
    struct buf *sql = definition->sql;
    buf_printf(sql,
               ",\n  'projection.enabled'='true',\n  'projection.log_account.type'='enum',\n"
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

static void print_athena(const struct definition *definition)
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
    buf_printf(sql, "/'\nTBLPROPERTIES (\n  %s", text ? "'skip.header.line.count'='1'" : "'EXTERNAL'='true'");
    if (is_projected(definition))
        print_athena_projection(definition);
    buf_text(sql, "\n);\n");
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

static void print_trino(const struct definition *definition)
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
        buf_text(sql, ",\n  textfile_field_separator = ' ',\n  skip_header_line_count = 1");
    print_trino_partitions(definition);
    buf_text(sql, "\n);\n");
    if (hive)
        buf_printf(sql, "CALL system.sync_partition_metadata(current_schema, '%s', 'FULL');\n",
                   text ? FILES_TABLE : "flow_logs");
    if (text)
        print_view_of_format(definition);
}

/* ---- Spark ---- */

static void print_spark(const struct definition *definition)
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
        buf_text(sql,
                 "  sep ' ',\n  header 'true',\n  enforceSchema 'true',\n  quote '',\n  nullValue '-',\n");
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

/* ---- DuckDB ---- */

/* Files as a list of patterns: below a folder those with the endings that are there. */
static void print_patterns(const struct definition *definition)
{
    struct buf *sql = definition->sql;
    buf_char(sql, '[');
    if (!definition->is_folder)
        buf_printf(sql, "'%s'", definition->location);
    else if (!definition->is_text)
        buf_printf(sql, "'%s/**/*.parquet'", definition->location);
    else
        for (size_t i = 0, printed = 0; i < ARRAY_SIZE(text_endings); i++)
            if (definition->endings[i])
                buf_printf(sql, "%s'%s/**/*%s'", printed++ ? ", " : "", definition->location,
                           text_endings[i]);
    buf_char(sql, ']');
}

/* A row that is never there has all the columns, so that each exists whatever the files hold. */
static void print_duckdb_nulls(const struct definition *definition, bool as_text)
{
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        buf_printf(definition->sql, "%sNULL::%s AS ", field ? ",\n  " : "  ",
                   as_text ? "VARCHAR" : type_name(definition, field));
        if (as_text)
            print_name(definition, field_catalogue[field].name);
        else
            print_column(definition, field);
    }
    buf_text(definition->sql, "\nWHERE false\nUNION ALL BY NAME\n");
}

static void print_duckdb(const struct definition *definition)
{
    struct buf *sql = definition->sql;
    buf_text(sql, "CREATE OR REPLACE VIEW flow_logs AS\nSELECT\n");
    if (!definition->is_text) {
        print_duckdb_nulls(definition, false);
        buf_text(sql, "SELECT * FROM read_parquet(");
        print_patterns(definition);
        buf_printf(sql, ", union_by_name = true, hive_partitioning = %s);\n",
                   definition->options->hive ? "true, hive_types_autocast = false" : "false");
        return;
    }
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        buf_printf(sql, "%sTRY_CAST(", field ? ",\n  " : "  ");
        print_name(definition, field_catalogue[field].name);
        buf_printf(sql, " AS %s) AS ", type_name(definition, field));
        print_column(definition, field);
    }
    buf_text(sql, "\nFROM (SELECT\n");
    print_duckdb_nulls(definition, true);
    buf_text(sql, "SELECT * FROM read_csv(");
    print_patterns(definition);
    buf_text(sql, ", delim = ' ', header = true, quote = '', escape = '', all_varchar = true, nullstr = '-', "
                  "union_by_name = true));\n");
}

/* ---- ClickHouse ---- */

static void print_clickhouse_structure(const struct definition *definition)
{
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        char column[COLUMN_NAME_MAX];
        const char *name =
            definition->is_text ? field_catalogue[field].name : schema_column_name(column, field);
        buf_printf(definition->sql, "%s`%s` %s", field ? ", " : "", name, type_name(definition, field));
    }
}

static void print_clickhouse(const struct definition *definition)
{
    struct buf *sql = definition->sql;
    bool text = definition->is_text;
    buf_text(sql, "CREATE OR REPLACE VIEW flow_logs AS\nSELECT\n");
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        buf_text(sql, field ? ",\n  " : "  ");
        if (text)
            buf_printf(sql, "`%s` AS ", field_catalogue[field].name);
        print_column(definition, field);
    }
    buf_printf(sql, "\nFROM %s('%s%s', '%s', '", definition->is_s3 ? "s3" : "file", definition->location,
               !definition->is_folder ? ""
               : text                 ? "/**/*.{log,log.gz,log.zst,txt,txt.gz}"
                                      : "/**/*.parquet",
               text ? "CustomSeparatedWithNames" : "Parquet");
    print_clickhouse_structure(definition);
    buf_text(sql, "')");
    if (text)
        buf_text(sql, "\nSETTINGS format_custom_field_delimiter = ' ', format_custom_escaping_rule = 'CSV', "
                      "format_csv_null_representation = '-', input_format_skip_unknown_fields = 1");
    buf_text(sql, ";\n");
}

int definition_print(const struct definition_options *options, struct buf *sql, struct fault *fault)
{
    static void (*const printers[])(const struct definition *) = {
        [SQL_DUCKDB] = print_duckdb, [SQL_ATHENA] = print_athena,         [SQL_TRINO] = print_trino,
        [SQL_SPARK] = print_spark,   [SQL_CLICKHOUSE] = print_clickhouse,
    };
    struct definition definition = {.options = options, .sql = sql};
    definition.dialect = dialect_of(options->engine);
    definition.quote = options->engine == SQL_ATHENA ? '`' : definition.dialect->quote;
    int r = settle_location(&definition, fault);
    if (r == 0)
        r = settle_files(&definition, fault);
    if (r < 0)
        return r;
    printers[options->engine](&definition);
    return sql->failed ? fault_set(fault, -ENOMEM, "out of memory") : 0;
}
