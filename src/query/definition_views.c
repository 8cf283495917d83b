/* SPDX-License-Identifier: Apache-2.0 */
#include "query/definition_parts.h"

/* Views of DuckDB and ClickHouse over files. */

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
        for (size_t i = 0, printed = 0; i < ARRAY_SIZE(definition_endings); i++)
            if (definition->endings[i])
                buf_printf(sql, "%s'%s/**/*%s'", printed++ ? ", " : "", definition->location,
                           definition_endings[i]);
    buf_char(sql, ']');
}

/* A row that is never there has all the columns, so that each exists whatever the files hold. */
static void print_duckdb_nulls(const struct definition *definition, bool as_text)
{
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        buf_printf(definition->sql, "%sNULL::%s AS ", field ? ",\n  " : "  ",
                   as_text ? "VARCHAR" : definition_type(definition, field));
        char name[COLUMN_NAME_MAX];
        definition_print_name(definition, definition_text_column(definition, name, field));
    }
    buf_text(definition->sql, "\nWHERE false\nUNION ALL BY NAME\n");
}

void definition_print_duckdb(const struct definition *definition)
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
        char name[COLUMN_NAME_MAX];
        buf_printf(sql, "%sTRY_CAST(", field ? ",\n  " : "  ");
        definition_print_name(definition, definition_text_column(definition, name, field));
        buf_printf(sql, " AS %s) AS ", definition_type(definition, field));
        definition_print_column(definition, field);
    }
    buf_text(sql, "\nFROM (SELECT\n");
    print_duckdb_nulls(definition, true);
    buf_text(sql, "SELECT * FROM read_csv(");
    print_patterns(definition);
    buf_text(sql, ", delim = ' ', quote = '', escape = '', all_varchar = true, nullstr = '-', ");
    if (definition->has_header) {
        buf_text(sql, "header = true, union_by_name = true));\n");
        return;
    }
    buf_text(sql, "header = false, names = [");
    const struct format *format = definition->options->format;
    for (unsigned i = 0; i < format->count; i++) {
        char name[DEFINITION_COLUMN_MAX];
        buf_printf(sql, "%s'%s'", i ? ", " : "", definition_format_column(name, format, i));
    }
    buf_text(sql, "]));\n");
}

/* ---- ClickHouse ---- */

/* What the files have: every field by its name, or those of a format by their place. */
static void print_clickhouse_structure(const struct definition *definition)
{
    const struct format *format = definition->options->format;
    bool by_place = definition->is_text && !definition->has_header;
    for (unsigned i = 0; i < (by_place ? format->count : FIELD_COUNT); i++) {
        char name[DEFINITION_COLUMN_MAX];
        enum field_id field = by_place ? format->fields[i] : i;
        if (by_place)
            (void)definition_format_column(name, format, i);
        else
            (void)definition_text_column(definition, name, field);
        buf_printf(definition->sql, "%s`%s` %s", i ? ", " : "", name, definition_type(definition, field));
    }
}

void definition_print_clickhouse(const struct definition *definition)
{
    struct buf *sql = definition->sql;
    bool text = definition->is_text;
    bool names = text && definition->has_header;
    buf_text(sql, "CREATE OR REPLACE VIEW flow_logs AS\nSELECT\n");
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        char name[COLUMN_NAME_MAX];
        buf_text(sql, field ? ",\n  " : "  ");
        if (text && !names && !format_has(definition->options->format, field))
            buf_printf(sql, "CAST(NULL AS %s) AS ", definition_type(definition, field));
        else if (names)
            buf_printf(sql, "`%s` AS ", definition_text_column(definition, name, field));
        definition_print_column(definition, field);
    }
    buf_printf(sql, "\nFROM %s('%s%s', '%s%s', '", definition->is_s3 ? "s3" : "file", definition->location,
               !definition->is_folder ? ""
               : text                 ? "/**/*.{log,log.gz,log.zst,txt,txt.gz}"
                                      : "/**/*.parquet",
               text ? "CustomSeparated" : "Parquet", names ? "WithNames" : "");
    print_clickhouse_structure(definition);
    buf_text(sql, "')");
    if (text)
        buf_text(sql, "\nSETTINGS format_custom_field_delimiter = ' ', format_custom_escaping_rule = 'CSV', "
                      "format_csv_null_representation = '-', input_format_skip_unknown_fields = 1");
    buf_text(sql, ";\n");
}
