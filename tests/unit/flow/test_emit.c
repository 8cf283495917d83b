/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/emit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "record/text.h"

#define WINDOW 1700000040U

static const struct interface_identity identity = {.account_id = "123456789012",
                                                   .interface_id = "eni-0a",
                                                   .vpc_id = "vpc-0a",
                                                   .subnet_id = "subnet-0a",
                                                   .instance_id = "i-0a",
                                                   .region = "eu-central-1",
                                                   .az_id = "euc1-az2"};

static struct address address(const char *text)
{
    struct address parsed = {0};
    assert_true(address_parse(text, strlen(text), &parsed));
    return parsed;
}

static struct flow flow(const char *source, const char *destination, uint8_t bits)
{
    struct flow made = {.source_port = 40000,
                        .destination_port = 443,
                        .protocol = 6,
                        .bits = bits,
                        .tcp_flags = TCP_SYN | TCP_FIN,
                        .first_s = 1,
                        .last_s = 59,
                        .packets = 7,
                        .bytes = 512};
    struct address from = address(source);
    struct address to = address(destination);
    memcpy(made.source, from.bytes, sizeof made.source);
    memcpy(made.destination, to.bytes, sizeof made.destination);
    made.bits |= from.family == 6 ? FLOW_BIT_IPV6 : 0;
    return made;
}

/* An interface with the addresses 10.0.0.5, 10.0.0.6, 2001:db8::5 and 2001:db8::6. */
static void make_interface(struct interface *ret)
{
    static const char *const texts[] = {"10.0.0.5", "10.0.0.6", "2001:db8::5", "2001:db8::6"};
    *ret = (struct interface){.identity = identity};
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct address own = address(texts[i]);
        assert_int_equal(interface_add_address(ret, &own), 0);
    }
}

static void expect_line(const struct record *record, const char *format_text, const char *expected)
{
    struct format format;
    AUTO_BUF struct buf line = BUF_INIT(4096);
    assert_int_equal(format_parse(&format, format_text, NULL), 0);
    record_write_text(&line, &format, record);
    assert_string_equal(buf_string(&line), expected);
}

static const char *reason_name(uint16_t reason)
{
    return reason == 9 ? "NETFILTER_DROP" : NULL;
}

static void start(struct emit *emit, struct interface *interface)
{
    struct format format;
    assert_int_equal(format_parse(&format, "all", NULL), 0);
    make_interface(interface);
    emit_init(emit, interface, &format, reason_name);
}

static void test_addresses_of_both_directions(void **state)
{
    static const struct {
        const char *source, *destination;
        uint8_t bits;
        const char *expected;
    } rows[] = {
        {"192.0.2.1", "10.0.0.5", 0, "192.0.2.1 10.0.0.5 192.0.2.1 10.0.0.5 IPv4 ingress\n"},
        {"192.0.2.1", "10.0.0.6", 0, "192.0.2.1 10.0.0.5 192.0.2.1 10.0.0.6 IPv4 ingress\n"},
        {"192.0.2.1", "224.0.0.1", 0, "192.0.2.1 10.0.0.5 192.0.2.1 224.0.0.1 IPv4 ingress\n"},
        {"10.0.0.6", "192.0.2.1", FLOW_BIT_EGRESS, "10.0.0.5 192.0.2.1 10.0.0.6 192.0.2.1 IPv4 egress\n"},
        {"2001:db8::6", "2001:db8::9", FLOW_BIT_EGRESS,
         "2001:db8::5 2001:db8::9 2001:db8::6 2001:db8::9 IPv6 egress\n"},
        {"2001:db8::9", "ff02::1", 0, "2001:db8::9 2001:db8::5 2001:db8::9 ff02::1 IPv6 ingress\n"},
    };
    (void)state;
    struct emit emit;
    CLEANUP(interface_done) struct interface interface;
    start(&emit, &interface);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct flow one = flow(rows[i].source, rows[i].destination, rows[i].bits);
        expect_line(emit_flow(&emit, &one, WINDOW),
                    "${srcaddr} ${dstaddr} ${pkt-srcaddr} ${pkt-dstaddr} ${type} ${flow-direction}",
                    rows[i].expected);
    }
}

static void test_nothing_is_replaced_without_an_own_address_of_the_family(void **state)
{
    (void)state;
    struct emit emit;
    struct format format;
    CLEANUP(interface_done) struct interface interface = {.identity = identity};
    struct address own = address("10.0.0.5");
    assert_int_equal(interface_add_address(&interface, &own), 0);
    assert_int_equal(format_parse(&format, "default", NULL), 0);
    emit_init(&emit, &interface, &format, NULL);
    struct flow ingress = flow("2001:db8::9", "2001:db8::5", 0);
    struct flow egress = flow("2001:db8::5", "2001:db8::9", FLOW_BIT_EGRESS);
    expect_line(emit_flow(&emit, &ingress, WINDOW), "${srcaddr} ${dstaddr}", "2001:db8::9 2001:db8::5\n");
    expect_line(emit_flow(&emit, &egress, WINDOW), "${srcaddr} ${dstaddr}", "2001:db8::5 2001:db8::9\n");
}

static void test_a_whole_line(void **state)
{
    (void)state;
    struct emit emit;
    CLEANUP(interface_done) struct interface interface;
    start(&emit, &interface);
    struct flow one = flow("192.0.2.1", "10.0.0.5", 0);
    expect_line(
        emit_flow(&emit, &one, WINDOW), "default",
        "2 123456789012 eni-0a 192.0.2.1 10.0.0.5 40000 443 6 7 512 1700000041 1700000099 ACCEPT OK\n");
    expect_line(emit_flow(&emit, &one, WINDOW),
                "${vpc-id} ${subnet-id} ${instance-id} ${tcp-flags} ${region} ${az-id} ${traffic-path}",
                "vpc-0a subnet-0a i-0a 3 eu-central-1 euc1-az2 -\n");
    assert_int_equal(emit_flow(&emit, &one, WINDOW)->values[FIELD_VERSION].number, 11);
}

static void test_rejects(void **state)
{
    static const struct {
        uint8_t reject;
        uint16_t reason;
        const char *expected;
    } rows[] = {
        {REJECT_NETFILTER, 9, "REJECT netfilter NETFILTER_DROP -\n"},
        {REJECT_TC, 1234, "REJECT tc - -\n"}, /* a reason without a name */
        {REJECT_XDP, 0, "REJECT xdp - -\n"},
        {REJECT_CGROUP, 0, "REJECT cgroup - -\n"},
        {REJECT_RPFILTER, 0, "REJECT rpfilter - -\n"},
        {REJECT_XFRM, 0, "REJECT xfrm - -\n"},
        {REJECT_LSM, 0, "REJECT lsm - -\n"},
        {REJECT_SECURITY_GROUP, 0, "REJECT security-group - -\n"},
        {REJECT_NETWORK_ACL, 0, "REJECT network-acl - -\n"},
        {REJECT_NONE, 9, "ACCEPT - NETFILTER_DROP -\n"}, /* discarded, and no security decision */
        {REJECT_NONE, 0, "ACCEPT - - -\n"},
    };
    (void)state;
    struct emit emit;
    CLEANUP(interface_done) struct interface interface;
    start(&emit, &interface);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct flow one = flow("192.0.2.1", "10.0.0.5", 0);
        one.reject = rows[i].reject;
        one.drop_reason = rows[i].reason;
        expect_line(emit_flow(&emit, &one, WINDOW),
                    "${action} ${x-reject-source} ${x-drop-reason} ${reject-reason}", rows[i].expected);
    }
    assert_null(reject_source_name(REJECT_NONE));
    assert_null(reject_source_name(REJECT_SOURCES));
}

/* Each kind of line leaves nothing behind for the next one. */
static void test_lines_without_flows(void **state)
{
    static const char every[] =
        "${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} ${bytes} ${action} "
        "${tcp-flags} ${type} ${pkt-srcaddr} ${pkt-dstaddr} ${flow-direction} "
        "${x-reject-source} ${x-drop-reason} ${x-lost-packets} ${log-status}";
    static const char own[] = "${account-id} ${interface-id} ${vpc-id} ${instance-id} ${start} ${end}";
    (void)state;
    struct emit emit;
    CLEANUP(interface_done) struct interface interface;
    start(&emit, &interface);
    struct flow one = flow("192.0.2.1", "10.0.0.5", 0);
    one.reject = REJECT_NETFILTER;
    one.drop_reason = 9;
    (void)emit_flow(&emit, &one, WINDOW);
    expect_line(emit_nodata(&emit, WINDOW, 60), every, "- - - - - - - - - - - - - - - - NODATA\n");
    expect_line(emit_nodata(&emit, WINDOW, 60), own,
                "123456789012 eni-0a vpc-0a i-0a 1700000040 1700000099\n");
    (void)emit_flow(&emit, &one, WINDOW);
    expect_line(emit_skipdata(&emit, WINDOW, 600, 17, LOST_MAP_BUSY), every,
                "- - - - - - - - - - - - - - FLOW_MAP_BUSY 17 SKIPDATA\n");
    expect_line(emit_skipdata(&emit, WINDOW, 600, 17, LOST_NO_MEMORY), own,
                "123456789012 eni-0a vpc-0a i-0a 1700000040 1700000639\n");
    expect_line(emit_nodata(&emit, WINDOW, 60), "${x-drop-reason} ${x-lost-packets} ${log-status}",
                "- - NODATA\n");
    (void)emit_skipdata(&emit, WINDOW, 60, 17, LOST_MAP_FULL);
    expect_line(emit_flow(&emit, &one, WINDOW), "${x-lost-packets} ${log-status} ${packets}", "- OK 7\n");
}

static void test_what_nobody_knows_is_absent(void **state)
{
    (void)state;
    struct emit emit;
    struct format format;
    struct interface nameless = {0};
    assert_int_equal(format_parse(&format, "default", NULL), 0);
    emit_init(&emit, &nameless, &format, NULL);
    struct flow one = flow("192.0.2.1", "10.0.0.5", 0);
    one.drop_reason = 9; /* and nobody to name it */
    expect_line(emit_flow(&emit, &one, WINDOW),
                "${account-id} ${interface-id} ${vpc-id} ${region} ${x-drop-reason}", "- - - - -\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_of_both_directions),
        cmocka_unit_test(test_nothing_is_replaced_without_an_own_address_of_the_family),
        cmocka_unit_test(test_a_whole_line),
        cmocka_unit_test(test_rejects),
        cmocka_unit_test(test_lines_without_flows),
        cmocka_unit_test(test_what_nobody_knows_is_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
