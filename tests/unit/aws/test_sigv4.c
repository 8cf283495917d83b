/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/sigv4.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "aws/uri.h"

/* Signatures worked out with botocore 1.44.8; tests/system/test_aws_signature.py compares many more. */

#define EMPTY_HASH "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static const struct http_header headers[] = {
    {"X-Amz-Meta-B", "  two   spaces "},
    {"x-amz-acl", "private"},
    {"Host", "host.example"},
    {"x-amz-content-sha256", EMPTY_HASH},
};

static const struct sigv4_request s3_request = {
    .method = "PUT",
    .path = "/bucket//a%20b/../%2B%3D%C3%BC/",
    .query = "uploads&b=2&a=%2F&a=%2B1",
    .headers = headers,
    .header_count = ARRAY_SIZE(headers),
    .payload_hash = EMPTY_HASH,
    .is_s3 = true,
};

static const struct sigv4_request logs_request = {
    .method = "PUT",
    .path = "/a//./b%20c/../d/",
    .query = "x=",
    .headers = headers,
    .header_count = ARRAY_SIZE(headers),
    .payload_hash = EMPTY_HASH,
};

#define HEADERS_TEXT                                                                                         \
    "host:host.example\nx-amz-acl:private\nx-amz-content-sha256:" EMPTY_HASH                                 \
    "\nx-amz-meta-b:two spaces\n\nhost;x-amz-acl;x-amz-content-sha256;x-amz-meta-b\n" EMPTY_HASH

static void assert_signature(const struct sigv4_request *request, const char *service, const char *canonical,
                             const char *expected)
{
    AUTO_BUF struct buf text = BUF_INIT(4096);
    char signature[SIGV4_HEX_LEN + 1];
    const struct sigv4_scope scope = {"20261125T125000Z", "eu-central-1", service};
    sigv4_print_canonical(&text, request);
    assert_string_equal(buf_string(&text), canonical);
    assert_int_equal(sigv4_sign(request, &scope, "flowlog/test+secret=of/forty+characters0", signature), 0);
    assert_string_equal(signature, expected);
    buf_clear(&text);
    sigv4_print_authorization(&text, request, &scope, "AKIA1", signature);
    assert_non_null(strstr(buf_string(&text), "Credential=AKIA1/20261125/eu-central-1/"));
    assert_non_null(strstr(buf_string(&text), expected));
}

static void test_s3_paths_stay(void **state)
{
    (void)state;
    assert_signature(&s3_request, "s3",
                     "PUT\n/bucket//a%20b/../%2B%3D%C3%BC/\na=%2B1&a=%2F&b=2&uploads=\n" HEADERS_TEXT,
                     "112f58f57e5ea5446b06cda809bd2b3a19b23806b3111872d840ab25826c69f0");
}

static void test_other_paths_are_normalised(void **state)
{
    (void)state;
    assert_signature(&logs_request, "logs", "PUT\n/a/d/\nx=\n" HEADERS_TEXT,
                     "8fe9acb749db56ef6d846618d9ab320706df47518e222f9ec547a5bdba779ccd");
}

/* Each part of a request that somebody changes on the way changes the signature. */
static void test_every_part_is_signed(void **state)
{
    (void)state;
    static const struct http_header other_headers[] = {{"host", "other.example"}, {"x-amz-acl", "private"}};
    struct sigv4_request changed[6];
    char signature[SIGV4_HEX_LEN + 1];
    char other[SIGV4_HEX_LEN + 1];
    const struct sigv4_scope scope = {"20261125T125000Z", "eu-central-1", "s3"};
    for (size_t i = 0; i < ARRAY_SIZE(changed); i++)
        changed[i] = s3_request;
    changed[0].method = "GET";
    changed[1].path = "/bucket/a%20b/../%2B%3D%C3%BC/";
    changed[2].query = "uploads&b=2&a=%2F&a=%2B2";
    changed[3].headers = other_headers;
    changed[3].header_count = ARRAY_SIZE(other_headers);
    changed[4].payload_hash = SIGV4_UNSIGNED_PAYLOAD;
    changed[5].header_count--;
    assert_int_equal(sigv4_sign(&s3_request, &scope, "secret", signature), 0);
    for (size_t i = 0; i < ARRAY_SIZE(changed); i++) {
        assert_int_equal(sigv4_sign(&changed[i], &scope, "secret", other), 0);
        assert_string_not_equal(signature, other);
    }
    assert_int_equal(sigv4_sign(&s3_request, &scope, "secret2", other), 0);
    assert_string_not_equal(signature, other);
}

static void test_bounds(void **state)
{
    (void)state;
    static struct http_header many[SIGV4_HEADERS_MAX + 1];
    static char long_query[300 * 1024];
    char signature[SIGV4_HEX_LEN + 1];
    const struct sigv4_scope scope = {"20261125T125000Z", "eu-central-1", "s3"};
    struct sigv4_request request = s3_request;
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = (struct http_header){"x-amz-meta-a", "1"};
    request.headers = many;
    request.header_count = ARRAY_SIZE(many);
    assert_int_equal(sigv4_sign(&request, &scope, "secret", signature), -E2BIG);
    request = s3_request;
    memset(long_query, 'a', sizeof long_query - 1);
    request.query = long_query;
    assert_int_equal(sigv4_sign(&request, &scope, "secret", signature), -E2BIG);
    memset(long_query, '&', sizeof long_query - 1);
    assert_int_equal(sigv4_sign(&request, &scope, "secret", signature), -E2BIG);
}

static void test_encoding(void **state)
{
    (void)state;
    static const char text[] = "a/b c+=~\xc3\xbc%";
    AUTO_BUF struct buf encoded = BUF_INIT(256);
    AUTO_BUF struct buf back = BUF_INIT(256);
    uri_encode(&encoded, text, strlen(text), true);
    assert_string_equal(buf_string(&encoded), "a/b%20c%2B%3D~%C3%BC%25");
    uri_decode(&back, encoded.data, encoded.len);
    assert_string_equal(buf_string(&back), text);
    buf_clear(&back);
    uri_decode(&back, "%2f%2F%zz%2", 11);
    assert_string_equal(buf_string(&back), "//%zz%2");
    buf_clear(&encoded);
    uri_encode(&encoded, "a/b", 3, false);
    assert_string_equal(buf_string(&encoded), "a%2Fb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_s3_paths_stay),
        cmocka_unit_test(test_other_paths_are_normalised),
        cmocka_unit_test(test_every_part_is_signed),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
