/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/key_set.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define KEYS "\"AccessKeyId\":\"AKIA1\",\"SecretAccessKey\":\"se/cret+1=\""

static void test_json(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int result;
        const char *token;
        uint64_t expires_s;
    } cases[] = {
        {"{" KEYS ",\"Token\":\"tok\",\"Expiration\":\"2026-11-25T13:00:00Z\"}", 0, "tok", 1795611600},
        {"{\"Code\":\"Success\"," KEYS "}", 0, "", 0},
        {"{" KEYS ",\"Expiration\":\"2026-11-25T13:00:00.123Z\"}", 0, "", 1795611600},
        {"{" KEYS ",\"Expiration\":\"tomorrow\"}", -EBADMSG, NULL, 0},
        {"{" KEYS ",\"Token\":\"with space\"}", -EBADMSG, NULL, 0},
        {"{" KEYS ",\"Token\":\"with\\r\\nheader: x\"}", -EBADMSG, NULL, 0},
        {"{\"AccessKeyId\":\"AKIA1\"}", -EBADMSG, NULL, 0},
        {"{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"no\"}", -EACCES, NULL, 0},
        {"["
         "]",
         -EBADMSG, NULL, 0},
        {"", -EBADMSG, NULL, 0},
        {"<html>", -EBADMSG, NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_KEY_SET struct key_set set = {0};
        struct fault fault = {0};
        assert_int_equal(key_set_read_json(&set, cases[i].text, strlen(cases[i].text), &fault),
                         cases[i].result);
        if (cases[i].result < 0) {
            assert_null(set.access_key);
            assert_true(fault.text[0]);
            assert_null(strstr(fault.text, "se/cret"));
            continue;
        }
        assert_string_equal(set.access_key, "AKIA1");
        assert_string_equal(set.secret_key, "se/cret+1=");
        assert_string_equal(set.session_token, cases[i].token);
        assert_true(set.expires_ns == cases[i].expires_s * NS_PER_S);
    }
}

static void test_sts(void **state)
{
    (void)state;
    static const char answer[] =
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>"
        "<AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/flowlog</Arn></AssumedRoleUser><Credentials>"
        "<AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s3</SecretAccessKey><SessionToken>t&#43;1</"
        "SessionToken>"
        "<Expiration>2026-11-25T13:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
    AUTO_KEY_SET struct key_set set = {0};
    struct fault fault;
    assert_int_equal(key_set_read_sts(&set, answer, strlen(answer), &fault), 0);
    assert_string_equal(set.access_key, "ASIA1");
    assert_string_equal(set.secret_key, "s3");
    assert_string_equal(set.session_token, "t+1");
    assert_true(set.expires_ns == 1795611600 * NS_PER_S);
    assert_int_equal(key_set_read_sts(&set, "<a/>", 4, &fault), -EBADMSG);
    assert_string_equal(set.access_key, "ASIA1"); /* untouched */
    assert_non_null(strstr(fault.text, "AccessKeyId"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_sts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
