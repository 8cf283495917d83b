/* SPDX-License-Identifier: Apache-2.0 */
#include "answer/narrow.h"

#include "base/macro.h"

const char narrow_objection[] = "SELECT 1 FROM flow_logs WHERE nullif(flow_direction, '-') IS NULL AND "
                                "nullif(action, '-') IS NOT NULL LIMIT 1";

const char narrow_lack[] = "SELECT 1 FROM flow_logs WHERE flow_direction = '-' UNION ALL "
                           "SELECT 1 FROM flow_logs WHERE pkt_srcaddr = '-' UNION ALL "
                           "SELECT 1 FROM flow_logs WHERE pkt_dstaddr = '-' LIMIT 1";

const uint8_t narrow_fields[] = {FIELD_FLOW_DIRECTION, FIELD_PKT_SRCADDR, FIELD_PKT_DSTADDR};
const size_t narrow_field_count = ARRAY_SIZE(narrow_fields);

/*
 * The packet's own address where it is recorded, as reading_addresses() takes it. A condition on one column
 * leaves out row groups, one on this expression does not: hence a query for each way.
 */
struct way {
    const char *column;
    const char *condition; /* what it is an address under, behind the rest */
};
enum { WAYS = 2 };
static const struct way sources[WAYS] = {{"pkt_srcaddr", ""},
                                         {"srcaddr", " AND (pkt_srcaddr IS NULL OR pkt_srcaddr = '-')"}};
static const struct way destinations[WAYS] = {{"pkt_dstaddr", ""},
                                              {"dstaddr", " AND (pkt_dstaddr IS NULL OR pkt_dstaddr = '-')"}};

static unsigned ways_of(enum narrow_records records)
{
    return records == NARROW_ALL_WHOLE ? 1 : WAYS;
}

static void print_is_in(struct buf *sql, const struct way *way, const struct party *party)
{
    char text[ADDRESS_TEXT_MAX];
    buf_char(sql, '(');
    for (size_t i = 0; i < party->blocks.count; i++) {
        const struct address_block *block = &party->blocks.items[i];
        bool is_one = block->prefix == (block->base.family == 4 ? 32 : 128);
        size_t len = address_format(text, block->base.bytes, block->base.family);
        buf_text(sql, i ? " OR " : "");
        buf_printf(sql, is_one ? "%s = '" : "in_cidr(%s, '", way->column);
        buf_append(sql, text, len);
        if (is_one)
            buf_char(sql, '\'');
        else
            buf_printf(sql, "/%u')", block->prefix);
    }
    buf_char(sql, ')');
}

/* What is read of a record; each column more is read of every row group that has one. */
#define COLUMNS                                                                                              \
    "interface_id, srcaddr, dstaddr, srcport, dstport, protocol, packets, bytes, \"start\", \"end\", "       \
    "action, "                                                                                               \
    "log_status, tcp_flags, pkt_srcaddr, pkt_dstaddr, flow_direction, x_lost_packets"

/* Where there is something before, with a UNION between. */
static void begin_query(struct buf *sql)
{
    buf_text(sql, sql->len ? " UNION ALL " : "");
    buf_text(sql, "SELECT " COLUMNS " FROM flow_logs WHERE ");
}

static void print_between(struct buf *sql, const struct way *source, const struct way *destination,
                          const struct party *from, const struct party *to)
{
    print_is_in(sql, source, from);
    buf_text(sql, " AND ");
    print_is_in(sql, destination, to);
}

/* Forth, and back where that is not forth as well. */
static void print_traffic(struct buf *sql, const struct question *question, unsigned ways)
{
    const struct party *client = &question->source;
    const struct party *server = &question->destination;
    for (unsigned i = 0; i < ways * ways; i++) {
        const struct way *source = &sources[i / ways];
        const struct way *destination = &destinations[i % ways];
        for (int back = 0; back < 2; back++) {
            begin_query(sql);
            print_between(sql, source, destination, back ? server : client, back ? client : server);
            buf_text(sql, source->condition);
            buf_text(sql, destination->condition);
            if (!back)
                continue;
            buf_text(sql, " AND NOT coalesce(");
            print_between(sql, source, destination, client, server);
            buf_text(sql, ", false)");
        }
    }
}

/* Also, for each interface that an end is the own address of, that it is; and whose own addresses they are of
 * which records were lost, as they may be those of others. */
static void print_others(struct buf *sql, const struct question *question)
{
    static const struct way own = {"own", ""};
    begin_query(sql);
    buf_text(
        sql,
        "log_status IN ('NODATA', 'SKIPDATA') "
        "UNION ALL BY NAME SELECT interface_id, own AS srcaddr, own AS dstaddr, 0::INTEGER AS protocol, "
        "'egress' AS flow_direction, min(\"start\") AS \"start\", max(\"end\") AS \"end\", CASE "
        "WHEN min(action) = 'ACCEPT' THEN 'OK' END AS log_status "
        "FROM (SELECT interface_id, action, \"start\", \"end\", CASE WHEN flow_direction = 'egress' "
        "THEN coalesce(nullif(pkt_srcaddr, '-'), srcaddr) ELSE coalesce(nullif(pkt_dstaddr, '-'), dstaddr) "
        "END AS own FROM flow_logs WHERE action IN ('ACCEPT', 'REJECT')) WHERE ");
    print_is_in(sql, &own, &question->source);
    buf_text(sql, " OR ");
    print_is_in(sql, &own, &question->destination);
    buf_text(sql, " OR interface_id IN (SELECT interface_id FROM flow_logs WHERE log_status = 'SKIPDATA')"
                  " GROUP BY interface_id, own");
}

bool narrow_can(const struct question *question)
{
    return !question->source.is_id && !question->destination.is_id;
}

void narrow_print(struct buf *sql, const struct question *question, enum narrow_records records)
{
    print_traffic(sql, question, ways_of(records));
    print_others(sql, question);
}
