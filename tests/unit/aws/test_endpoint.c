/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/endpoint.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *scheme; /* NULL: refused */
        const char *host;
        const char *path;
    } cases[] = {
        {"http://127.0.0.1:5000", "http", "127.0.0.1:5000", ""},
        {"http://127.0.0.1:80/", "http", "127.0.0.1", ""},
        {"https://s3.example:443/a/b//", "https", "s3.example", "/a/b"},
        {"https://s3.example:80", "https", "s3.example:80", ""},
        {"http://[fd00::1]:9000", "http", "[fd00::1]:9000", ""},
        {"http://[fd00::1]", "http", "[fd00::1]", ""},
        {"s3.example", NULL, NULL, NULL},
        {"ftp://s3.example", NULL, NULL, NULL},
        {"http://", NULL, NULL, NULL},
        {"http://a:0", NULL, NULL, NULL},
        {"http://a:65536", NULL, NULL, NULL},
        {"http://a:", NULL, NULL, NULL},
        {"http://user@a", NULL, NULL, NULL},
        {"http://a b", NULL, NULL, NULL},
        {"http://a/?x=1", NULL, NULL, NULL},
        {"http://[::1", NULL, NULL, NULL},
        {"http://[x]", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct endpoint endpoint;
        struct fault fault = {0};
        int r = endpoint_parse_url(&endpoint, cases[i].url, &fault);
        if (!cases[i].scheme) {
            assert_int_equal(r, -EINVAL);
            assert_non_null(strstr(fault.text, cases[i].url));
            continue;
        }
        assert_int_equal(r, 0);
        assert_string_equal(endpoint.scheme, cases[i].scheme);
        assert_string_equal(endpoint.host, cases[i].host);
        assert_string_equal(endpoint.path, cases[i].path);
        assert_true(endpoint.custom);
    }
}

static void test_buckets(void **state)
{
    (void)state;
    static const struct {
        const char *url; /* NULL: AWS */
        const char *bucket;
        enum endpoint_addressing addressing;
        const char *host; /* NULL: refused */
        const char *path;
    } cases[] = {
        {NULL, "logs", ENDPOINT_ADDRESSING_AUTO, "logs.s3.eu-west-1.amazonaws.com", ""},
        {NULL, "logs", ENDPOINT_ADDRESSING_PATH, "s3.eu-west-1.amazonaws.com", "/logs"},
        {NULL, "logs.example", ENDPOINT_ADDRESSING_AUTO, "s3.eu-west-1.amazonaws.com", "/logs.example"},
        {NULL, "logs.example", ENDPOINT_ADDRESSING_VIRTUAL, NULL, NULL},
        {NULL, "Logs", ENDPOINT_ADDRESSING_VIRTUAL, NULL, NULL},
        {"http://a:9000", "logs", ENDPOINT_ADDRESSING_AUTO, "a:9000", "/logs"},
        {"http://a:9000/x", "logs", ENDPOINT_ADDRESSING_AUTO, "a:9000", "/x/logs"},
        {"http://a:9000", "logs.b", ENDPOINT_ADDRESSING_VIRTUAL, "logs.b.a:9000", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct endpoint endpoint;
        int r = cases[i].url ? endpoint_parse_url(&endpoint, cases[i].url, NULL)
                             : endpoint_resolve(&endpoint, "s3", "eu-west-1", false, false, NULL);
        assert_int_equal(r, 0);
        r = endpoint_add_bucket(&endpoint, cases[i].bucket, cases[i].addressing, NULL);
        assert_int_equal(r, cases[i].host ? 0 : -EINVAL);
        if (r == 0) {
            assert_string_equal(endpoint.host, cases[i].host);
            assert_string_equal(endpoint.path, cases[i].path);
        }
    }
}

static void test_regions(void **state)
{
    (void)state;
    static const char *const no_regions[] = {"",
                                             "local",
                                             "eu",
                                             "eu-central",
                                             "eu-central-",
                                             "eu-central-1x",
                                             "EU-central-1",
                                             "xx-central-1",
                                             "us-gov",
                                             "eu-central-100"};
    for (size_t i = 0; i < ARRAY_SIZE(no_regions); i++)
        assert_false(endpoint_is_region(no_regions[i]));
    assert_true(endpoint_is_region("eu-central-1"));
    assert_string_equal(endpoint_partition("us-gov-east-1"), "aws-us-gov");
    assert_string_equal(endpoint_partition("us-iso-west-1"), "aws-iso");
    assert_string_equal(endpoint_partition("cn-northwest-1"), "aws-cn");
    assert_string_equal(endpoint_partition("local"), "aws");
    struct endpoint endpoint;
    struct fault fault = {0};
    assert_int_equal(endpoint_resolve(&endpoint, "s3", "local", false, false, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "'local' is no region"));
    assert_int_equal(endpoint_resolve(&endpoint, "s3", "", false, false, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "no region is given"));
}

static void test_bucket_names(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",     "ab",   "-abc",
        "abc-", "a..b", "Abc",
        "a_bc", "a/bc", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_false(endpoint_is_bucket_name(wrong[i]));
    assert_true(endpoint_is_bucket_name("abc"));
    assert_true(endpoint_is_bucket_name("1.flow-logs.9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_regions),
        cmocka_unit_test(test_bucket_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
