/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define XML "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static void test_classes(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *header;
        const char *body;
        enum aws_error_class class;
        const char *code;
        const char *message;
    } cases[] = {
        {200, NULL, "<Error><Code>AccessDenied</Code></Error>", AWS_ERROR_NONE, "", ""},
        {403, NULL, XML "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
         AWS_ERROR_ACCESS, "AccessDenied", "Access Denied"},
        {400, NULL, XML "<Error><Code>ExpiredToken</Code><Message>a &amp; b</Message></Error>",
         AWS_ERROR_EXPIRED, "ExpiredToken", "a & b"},
        {403, NULL, "<Error><Code>RequestTimeTooSkewed</Code></Error>", AWS_ERROR_SKEWED,
         "RequestTimeTooSkewed", ""},
        {503, NULL, "<Error><Code>SlowDown</Code></Error>", AWS_ERROR_THROTTLED, "SlowDown", ""},
        {404, NULL, "<Error><Code>NoSuchBucket</Code></Error>", AWS_ERROR_MISSING, "NoSuchBucket", ""},
        {301, NULL, "<Error><Code>PermanentRedirect</Code></Error>", AWS_ERROR_REDIRECTED,
         "PermanentRedirect", ""},
        {400, NULL, "<Error><Code>KeyTooLongError</Code></Error>", AWS_ERROR_REQUEST, "KeyTooLongError", ""},
        {400, NULL,
         "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>"
         "<Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>",
         AWS_ERROR_ACCESS, "InvalidClientTokenId", "no"},
        {400, NULL, "{\"__type\":\"com.amazonaws.logs#ThrottlingException\",\"message\":\"Rate exceeded\"}",
         AWS_ERROR_THROTTLED, "ThrottlingException", "Rate exceeded"},
        {400, "ResourceNotFoundException:http://x/", "{\"Message\":\"two\\nlines\"}", AWS_ERROR_MISSING,
         "ResourceNotFoundException", "two lines"},
        {400, NULL, "{\"__type\":\"ResourceAlreadyExistsException\"}", AWS_ERROR_EXISTS,
         "ResourceAlreadyExistsException", ""},
        {400, NULL, "{\"__type\":\"InvalidParameterException\"}", AWS_ERROR_REQUEST,
         "InvalidParameterException", ""},
        {400, NULL,
         "{\"__type\":\"InvalidSignatureException\",\"message\":\"Signature expired: 1 is now earlier than "
         "2\"}",
         AWS_ERROR_SKEWED, "InvalidSignatureException", "Signature expired: 1 is now earlier than 2"},
        {403, NULL, "{\"__type\":\"InvalidSignatureException\",\"message\":\"no match\"}", AWS_ERROR_ACCESS,
         "InvalidSignatureException", "no match"},
        {500, NULL, "{\"__type\":\"ServiceUnavailableException\"}", AWS_ERROR_SERVER,
         "ServiceUnavailableException", ""},
        {429, NULL, "", AWS_ERROR_THROTTLED, "", ""},
        {407, NULL, "proxy says no", AWS_ERROR_ACCESS, "", ""},
        {502, NULL, "<html><body>Bad Gateway", AWS_ERROR_SERVER, "", ""},
        {405, NULL, "{\"__type\":7}", AWS_ERROR_REQUEST, "", ""},
        {403, NULL, "{broken", AWS_ERROR_ACCESS, "", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct aws_error error;
        aws_error_read(cases[i].status, cases[i].header, cases[i].body, strlen(cases[i].body), &error);
        assert_int_equal(error.class, cases[i].class);
        assert_string_equal(error.code, cases[i].code);
        assert_string_equal(error.message, cases[i].message);
        assert_int_equal(error.status, cases[i].status);
    }
}

static void test_fault_says_all(void **state)
{
    (void)state;
    struct fault fault;
    const struct aws_error refused = {.status = 403, .code = "AccessDenied", .message = "Access Denied"};
    assert_int_equal(aws_error_fault(&refused, -EIO, "s3.example", &fault), -EIO);
    assert_string_equal(fault.text, "s3.example: HTTP 403 AccessDenied: Access Denied");
    const struct aws_error bare = {.status = 502};
    (void)aws_error_fault(&bare, -EIO, "s3.example", &fault);
    assert_string_equal(fault.text, "s3.example: HTTP 502");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_fault_says_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
