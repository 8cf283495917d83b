/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/schema.h"

#include <errno.h>

int schema_from_format(struct schema *ret, const struct format *format, struct fault *fault)
{
    struct schema schema = {.version = format->version};
    bool seen[FIELD_COUNT + 1] = {[FIELD_UNKNOWN] = true};
    for (unsigned i = 0; i < format->count; i++) {
        if (seen[format->fields[i]])
            continue;
        seen[format->fields[i]] = true;
        schema.fields[schema.count++] = format->fields[i];
    }
    if (schema.count == 0)
        return fault_set(fault, -EINVAL, "a Parquet file needs at least one column");
    *ret = schema;
    return 0;
}

const char *schema_column_name(char to[static COLUMN_NAME_MAX], enum field_id field)
{
    const struct field *row = &field_catalogue[field];
    for (size_t i = 0; i < row->name_len; i++)
        to[i] = row->name[i] == '-' ? '_' : row->name[i];
    to[row->name_len] = '\0';
    return to;
}

size_t schema_value_bytes(unsigned field)
{
    static const size_t sizes[] = {
        [FIELD_INT32] = sizeof(int32_t), [FIELD_INT64] = sizeof(int64_t), [FIELD_STRING] = sizeof(uint32_t)};
    return sizes[field_catalogue[field].type];
}

size_t schema_row_bytes(const struct schema *schema)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < schema->count; i++)
        bytes += schema_value_bytes(schema->fields[i]);
    return bytes;
}
