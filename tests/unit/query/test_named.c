/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/macro.h"
#include "query/named.h"

#define SQL_ROOM (256 * 1024)

static int render(const char *name, enum sql_engine engine, const char *value, struct buf *sql)
{
    struct fault fault = {0};
    const struct named_options options = {
        .engine = engine, .values = &value, .value_count = value != NULL, .now_s = 1700000000};
    buf_clear(sql);
    int r = named_render(named_find(name), &options, sql, &fault);
    assert_true(r == 0 || (fault.text[0] && !strchr(fault.text, '\n')));
    return r;
}

static void assert_renders(const char *name, const char *value, const char *literal)
{
    AUTO_BUF struct buf sql = BUF_INIT(SQL_ROOM);
    assert_int_equal(render(name, SQL_TRINO, value, &sql), 0);
    if (!strstr(buf_string(&sql), literal))
        fail_msg("%s %s: no %s in\n%s", name, value, literal, buf_string(&sql));
}

static void values_become_literals(void **state)
{
    assert_renders("port-scans", "min-ports=30", ">= 30");
    assert_renders("port-scans", "window=2h", "% 7200");
    assert_renders("port-scans", "window=90", "% 90");
    assert_renders("ssh-rdp", "ports=22", "IN (22)");
    assert_renders("ssh-rdp", "ports=22,65535", "IN (22, 65535)");
    assert_renders("unanswered", "protocol=icmpv6", "protocol = 58");
    assert_renders("unanswered", "protocol=255", "protocol = 255");
    assert_renders("traffic-from", "address=10.0.0.1", "srcaddr = '10.0.0.1'");
    assert_renders("traffic-from", "address=2001:0DB8:0::1", "srcaddr = '2001:db8::1'");
    assert_renders("interface-timeline", "interface=eni-0a", "interface_id = 'eni-0a'");
    assert_renders("delivery-lag", "now=17", "17 - last_end");
    assert_renders("delivery-lag", "min-lag=1d", ">= 86400");
    assert_renders("top-pairs", "limit=7", "LIMIT 7");
    assert_renders("admin-port-traffic", "ports=22", "LIMIT 10");
    assert_renders("top-pairs", "since=12", "\"end\" >= 12");
    assert_renders("top-pairs", "until=12", "start <= 12");
}

static void values_of_other_types_are_refused(void **state)
{
    static const struct {
        const char *name;
        const char *value;
    } rows[] = {
        {"port-scans", "min-ports="},
        {"port-scans", "min-ports=-1"},
        {"port-scans", "min-ports=1 OR 1=1"},
        {"port-scans", "min-ports=1;DROP TABLE flow_logs"},
        {"port-scans", "window=0"},
        {"port-scans", "window=1y"},
        {"port-scans", "window=m"},
        {"port-scans", "windows=1m"},
        {"port-scans", "min-ports"},
        {"port-scans", "=3"},
        {"ssh-rdp", "ports=22,"},
        {"ssh-rdp", "ports=65536"},
        {"ssh-rdp", "ports=22) OR (1=1"},
        {"beaconing", "max-jitter=101"},
        {"unanswered", "protocol=256"},
        {"unanswered", "protocol=tcp'"},
        {"traffic-from", NULL},
        {"traffic-from", "address="},
        {"traffic-from", "address=10.0.0.1' OR '1'='1"},
        {"traffic-from", "address=10.0.0"},
        {"interface-timeline", "interface='"},
        {"interface-timeline", "interface=a b"},
        {"interface-timeline", "interface=$1"},
        {"exfiltration", "internal=10.0.0.0/33"},
        {"exfiltration", "internal=10.0.0.0/8;"},
        {"exfiltration", "internal=private,"},
        {"top-pairs", "since=yesterday"},
        {"top-pairs", "limit=99999999999999999999"},
    };
    AUTO_BUF struct buf sql = BUF_INIT(SQL_ROOM);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (render(rows[i].name, SQL_SPARK, rows[i].value, &sql) != -EINVAL)
            fail_msg("%s %s is taken:\n%s", rows[i].name, rows[i].value, buf_string(&sql));
}

static void blocks_become_conditions(void **state)
{
    assert_renders("exfiltration", "internal=10.0.0.0/8", "srcaddr LIKE '10.%.%'");
    assert_renders("exfiltration", "internal=192.168.0.0/16", "srcaddr LIKE '192.168.%.%'");
    assert_renders("exfiltration", "internal=192.0.2.0/24", "srcaddr LIKE '192.0.2.%'");
    assert_renders("exfiltration", "internal=192.0.2.7", "srcaddr = '192.0.2.7'");
    assert_renders("exfiltration", "internal=172.16.0.0/12",
                   "(srcaddr LIKE '172.%.%' AND TRY_CAST(split_part(srcaddr, '.', 2) AS INTEGER) BETWEEN 16 "
                   "AND 31)");
    assert_renders(
        "exfiltration", "internal=192.0.2.64/26",
        "(srcaddr LIKE '192.0.2.%' AND TRY_CAST(split_part(srcaddr, '.', 4) AS INTEGER) BETWEEN 64 "
        "AND 127)");
    assert_renders("exfiltration", "internal=0.0.0.0/0", "srcaddr LIKE '%.%'");
    assert_renders("exfiltration", "internal=2001:db8::/33",
                   "BETWEEN '20010db8000000000000000000000000' AND '20010db87fffffffffffffffffffffff'");
    assert_renders("exfiltration", "internal=::/0",
                   "BETWEEN '00000000000000000000000000000000' AND 'ffffffffffffffffffffffffffffffff'");
    assert_renders("exfiltration", "internal=private,192.0.2.0/24", "OR srcaddr LIKE '192.0.2.%'");
    AUTO_BUF struct buf sql = BUF_INIT(SQL_ROOM);
    assert_int_equal(render("exfiltration", SQL_OWN, "internal=10.0.0.0/8", &sql), 0);
    assert_non_null(strstr(buf_string(&sql), "in_cidr(srcaddr, '10.0.0.0/8')"));
}

/* Whatever the engine: every hook is known, each default is of its type. */
static void every_query_renders(void **state)
{
    AUTO_BUF struct buf sql = BUF_INIT(SQL_ROOM);
    for (const struct named_query *query = named_queries; query->name; query++) {
        const char *value = NULL;
        for (const struct named_parameter *row = query->parameters; row->name; row++)
            if (!row->initial)
                value = row->type == NAMED_ADDRESS ? "address=10.0.0.1" : "interface=eni-0a";
        for (enum sql_engine engine = 0; engine <= SQL_OWN; engine++) {
            assert_int_equal(render(query->name, engine, value, &sql), 0);
            assert_null(strpbrk(buf_string(&sql), "{}"));
        }
        for (const struct named_parameter *row = query->parameters; row->name; row++) {
            if (!row->initial || !*row->initial || value)
                continue;
            AUTO_BUF struct buf given = BUF_INIT(1024);
            buf_printf(&given, "%s=%s", row->name, row->initial);
            assert_int_equal(render(query->name, SQL_DUCKDB, buf_string(&given), &sql), 0);
        }
    }
}

static void names_are_found(void **state)
{
    assert_string_equal(named_find("VpcFlowLogsTopTalkers")->name, "top-talkers");
    assert_null(named_find("top"));
    assert_null(named_find(""));
    assert_string_equal(named_nearest("host-scan"), "host-scans");
    for (const struct named_query *query = named_queries; query->name; query++)
        assert_ptr_equal(named_find(query->name), query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_literals),   cmocka_unit_test(values_of_other_types_are_refused),
        cmocka_unit_test(blocks_become_conditions), cmocka_unit_test(every_query_renders),
        cmocka_unit_test(names_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
