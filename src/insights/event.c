/* SPDX-License-Identifier: Apache-2.0 */
#include "insights/event.h"

#include "parquet/schema.h"
#include "record/format.h"

void event_put_message(struct buf *to)
{
    struct format format;
    format_set_default(&format);
    buf_text(to, "concat_ws(' ', '2'"); /* the version, whatever that of the store is */
    for (size_t i = 1; i < format.count; i++) {
        char name[COLUMN_NAME_MAX];
        buf_printf(to, ", coalesce(CAST(\"%s\" AS VARCHAR), '-')",
                   schema_column_name(name, format.fields[i]));
    }
    buf_char(to, ')');
}

void event_put_pointer(struct buf *to)
{
    buf_text(to, "to_base64(encode(concat_ws('/', \"start\", interface_id, md5(");
    event_put_message(to);
    buf_text(to, "))))");
}
