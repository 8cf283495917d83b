/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/narrow.h"

#include <inttypes.h>

const char narrow_objection[] =
    "SELECT 1 FROM flow_logs WHERE flow_direction IS NULL AND action IS NOT NULL LIMIT 1";

/* The packet's own addresses where they are recorded, as reading_addresses() takes them. */
#define SOURCE "coalesce(nullif(pkt_srcaddr, '-'), srcaddr)"
#define DESTINATION "coalesce(nullif(pkt_dstaddr, '-'), dstaddr)"

static void print_is_in(struct buf *sql, const char *column, const struct party *party)
{
    char text[ADDRESS_TEXT_MAX];
    buf_char(sql, '(');
    for (size_t i = 0; i < party->blocks.count; i++) {
        const struct address_block *block = &party->blocks.items[i];
        bool is_one = block->prefix == (block->base.family == 4 ? 32 : 128);
        size_t len = address_format(text, block->base.bytes, block->base.family);
        buf_text(sql, i ? " OR " : "");
        buf_printf(sql, is_one ? "%s = '" : "in_cidr(%s, '", column);
        buf_append(sql, text, len);
        if (is_one)
            buf_char(sql, '\'');
        else
            buf_printf(sql, "/%u')", block->prefix);
    }
    buf_char(sql, ')');
}

static void print_between(struct buf *sql, const struct party *from, const struct party *to)
{
    buf_char(sql, '(');
    print_is_in(sql, SOURCE, from);
    buf_text(sql, " AND ");
    print_is_in(sql, DESTINATION, to);
    buf_char(sql, ')');
}

bool narrow_print(struct buf *sql, const struct question *question)
{
    const struct party *source = &question->source;
    const struct party *destination = &question->destination;
    if (source->is_id || destination->is_id)
        return false;
    buf_text(sql, "SELECT * FROM flow_logs WHERE log_status IN ('NODATA', 'SKIPDATA') OR ");
    print_between(sql, source, destination);
    buf_text(sql, " OR ");
    print_between(sql, destination, source);
    buf_text(
        sql,
        " UNION ALL BY NAME SELECT interface_id, own AS srcaddr, own AS dstaddr, 0::INTEGER AS protocol, "
        "'egress' AS flow_direction, min(\"start\") AS \"start\", max(\"end\") AS \"end\", CASE "
        "WHEN min(action) = 'ACCEPT' THEN 'OK' END AS log_status "
        "FROM (SELECT interface_id, action, \"start\", \"end\", CASE WHEN flow_direction = 'egress' "
        "THEN " SOURCE " ELSE " DESTINATION " END AS own FROM flow_logs WHERE action IS NOT NULL) WHERE ");
    print_is_in(sql, "own", source);
    buf_text(sql, " OR ");
    print_is_in(sql, "own", destination);
    buf_text(sql, " GROUP BY interface_id, own");
    return true;
}
