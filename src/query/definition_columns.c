/* SPDX-License-Identifier: Apache-2.0 */
#include "query/definition_parts.h"

const char *definition_type(const struct definition *definition, enum field_id field)
{
    static const struct {
        const char *of[FIELD_STRING + 1]; /* by enum field_type */
    } names[] = {
        [SQL_DUCKDB] = {{"INTEGER", "BIGINT", "VARCHAR"}},
        [SQL_ATHENA] = {{"int", "bigint", "string"}},
        [SQL_TRINO] = {{"integer", "bigint", "varchar"}},
        [SQL_SPARK] = {{"INT", "BIGINT", "STRING"}},
        [SQL_CLICKHOUSE] = {{"Nullable(Int32)", "Nullable(Int64)", "Nullable(String)"}},
    };
    return names[definition->options->engine].of[field_catalogue[field].type];
}

void definition_print_name(const struct definition *definition, const char *name)
{
    buf_printf(definition->sql, "%c%s%c", definition->quote, name, definition->quote);
}

void definition_print_column(const struct definition *definition, enum field_id field)
{
    char name[COLUMN_NAME_MAX];
    definition_print_name(definition, schema_column_name(name, field));
}

const char *definition_format_column(char to[static DEFINITION_COLUMN_MAX], const struct format *format,
                                     unsigned place)
{
    unsigned before = 0;
    for (unsigned earlier = 0; earlier < place; earlier++)
        before += format->fields[earlier] == format->fields[place];
    char name[COLUMN_NAME_MAX];
    (void)snprintf(to, DEFINITION_COLUMN_MAX, before ? "%s_again_%u" : "%s",
                   schema_column_name(name, format->fields[place]), before);
    return to;
}

const char *definition_text_column(const struct definition *definition, char to[static COLUMN_NAME_MAX],
                                   enum field_id field)
{
    if (!definition->is_text || !definition->has_header)
        return schema_column_name(to, field);
    (void)snprintf(to, COLUMN_NAME_MAX, "%s", field_catalogue[field].name);
    return to;
}
