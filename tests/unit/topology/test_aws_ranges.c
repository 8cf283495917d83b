/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/aws_ranges.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/buf.h"

static void ranges_cleanup(struct aws_ranges **ranges)
{
    aws_ranges_free(*ranges);
}
#define AUTO_RANGES CLEANUP(ranges_cleanup)

static struct aws_ranges *parse(const char *text, size_t bad)
{
    struct aws_ranges *ranges = NULL;
    size_t found = 0;
    assert_int_equal(aws_ranges_parse(&ranges, "f.json", text, strlen(text), &found, NULL), 0);
    assert_int_equal(found, bad);
    return ranges;
}

static void assert_service(const struct aws_ranges *ranges, const char *text, const char *expected)
{
    struct address address;
    assert_true(address_parse(text, strlen(text), &address));
    const char *service = aws_ranges_find(ranges, address.bytes);
    assert_string_equal(service ? service : "-", expected);
}

static void test_the_service_of_an_address(void **state)
{
    struct aws_ranges *ranges AUTO_RANGES =
        parse("{\"syncToken\": \"1\", \"prefixes\": ["
              "{\"ip_prefix\": \"52.95.128.0/21\", \"service\": \"S3\"},"
              "{\"ip_prefix\": \"52.95.128.0/21\", \"service\": \"AMAZON\"},"
              "{\"ip_prefix\": \"52.95.129.0/24\", \"service\": \"AMAZON\"},"
              "{\"ip_prefix\": \"52.95.130.0/24\", \"service\": \"EC2\"},"
              "{\"ip_prefix\": \"52.95.131.0/24\", \"service\": \"CLOUDFRONT\"},"
              "{\"ip_prefix\": \"3.0.0.0/8\", \"service\": \"AMAZON\"},"
              "{\"ip_prefix\": \"3.5.0.0/16\", \"service\": \"EC2\"},"
              "{\"ip_prefix\": \"255.255.255.255/32\", \"service\": \"EBS\"},"
              "{\"ip_prefix\": \"3.5.0.0/33\", \"service\": \"EC2\"},"
              "{\"ip_prefix\": \"1.0.0.0/8\", \"service\": \"NO NAME\"}, 7],"
              "\"ipv6_prefixes\": [{\"ipv6_prefix\": \"2600:1f00::/24\", \"service\": \"AMAZON\"},"
              "{\"ipv6_prefix\": \"2600:1fa0::/32\", \"service\": \"S3\"},"
              "{\"ipv6_prefix\": \"ff00::/8\", \"service\": \"DYNAMODB\"}]}",
              3);
    assert_service(ranges, "52.95.127.255", "-");
    assert_service(ranges, "52.95.128.0", "S3");
    assert_service(ranges, "52.95.129.7", "S3"); /* a name of its own goes before AMAZON's longer prefix */
    assert_service(ranges, "52.95.130.7", "S3");
    assert_service(ranges, "52.95.131.7", "CLOUDFRONT");
    assert_service(ranges, "52.95.135.255", "S3");
    assert_service(ranges, "52.95.136.0", "-");
    assert_service(ranges, "3.4.255.255", "AMAZON");
    assert_service(ranges, "3.5.0.0", "EC2");
    assert_service(ranges, "3.6.0.0", "AMAZON");
    assert_service(ranges, "0.0.0.0", "-");
    assert_service(ranges, "255.255.255.255", "EBS");
    assert_service(ranges, "10.0.0.1", "-");
    assert_service(ranges, "2600:1f00::1", "AMAZON");
    assert_service(ranges, "2600:1fa0:ffff::", "S3");
    assert_service(ranges, "::", "-");
    assert_service(ranges, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "DYNAMODB");
}

static void test_what_is_no_such_document(void **state)
{
    static const char *const texts[] = {"", "{", "[]", "{}", "{\"prefixes\": {}}"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct aws_ranges *ranges;
        struct fault fault = {0};
        size_t bad;
        assert_int_equal(aws_ranges_parse(&ranges, "f.json", texts[i], strlen(texts[i]), &bad, &fault),
                         -EBADMSG);
        assert_non_null(strstr(fault.text, "f.json"));
    }
    struct aws_ranges *empty AUTO_RANGES = parse("{\"prefixes\": []}", 0);
    assert_service(empty, "3.5.0.0", "-");
    struct aws_ranges *all AUTO_RANGES = parse(
        "{\"prefixes\": [], \"ipv6_prefixes\": [{\"ipv6_prefix\": \"::/0\", \"service\": \"AMAZON\"}]}", 0);
    assert_service(all, "::", "AMAZON");
    assert_service(all, "ffff::", "AMAZON");
}

struct entry {
    uint32_t low;
    unsigned prefix;
    unsigned service;
};

static const char *const services[] = {"AMAZON", "EC2", "S3", "EBS", "CLOUD9"};

static unsigned rank_of(unsigned service)
{
    return service < 2 ? service : 2;
}

/* Every entry is looked at. */
static const char *slow_find(const struct entry *entries, size_t count, uint32_t address)
{
    const struct entry *best = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct entry *one = &entries[i];
        uint32_t mask = one->prefix ? ~0U << (32 - one->prefix) : 0;
        if ((address & mask) != one->low)
            continue;
        if (!best || rank_of(one->service) > rank_of(best->service) ||
            (rank_of(one->service) == rank_of(best->service) && one->prefix > best->prefix))
            best = one;
    }
    return best ? services[best->service] : "-";
}

/* Few addresses, so that prefixes lie within each other; of equal ones the service is the same. */
static void test_as_a_slow_search_finds(void **state)
{
    enum { ENTRIES = 40, ROUNDS = 60 };
    srandom(7);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct entry entries[ENTRIES];
        AUTO_BUF struct buf text = BUF_INIT(65536);
        buf_text(&text, "{\"prefixes\": [");
        for (size_t i = 0; i < ENTRIES; i++) {
            unsigned prefix = 20 + (unsigned)random() % 13;
            uint32_t low = (0x0a000000U | ((uint32_t)random() & 0xfff)) & ~0U << (32 - prefix);
            entries[i] = (struct entry){low, prefix, (low ^ prefix) % 5};
            buf_printf(&text, "%s{\"ip_prefix\": \"%u.%u.%u.%u/%u\", \"service\": \"%s\"}", i ? "," : "",
                       low >> 24, low >> 16 & 255, low >> 8 & 255, low & 255, prefix,
                       services[entries[i].service]);
        }
        buf_text(&text, "]}");
        struct aws_ranges *ranges AUTO_RANGES = parse(buf_string(&text), 0);
        for (uint32_t address = 0x0a000000U - 2; address < 0x0a001002U; address++) {
            uint8_t bytes[16] = {[10] = 255,
                                 [11] = 255,
                                 [12] = (uint8_t)(address >> 24),
                                 [13] = (uint8_t)(address >> 16),
                                 [14] = (uint8_t)(address >> 8),
                                 [15] = (uint8_t)address};
            const char *service = aws_ranges_find(ranges, bytes);
            assert_string_equal(service ? service : "-", slow_find(entries, ENTRIES, address));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_service_of_an_address),
        cmocka_unit_test(test_what_is_no_such_document),
        cmocka_unit_test(test_as_a_slow_search_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
