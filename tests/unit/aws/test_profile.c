/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char config[] = "# a comment\n"
                             "region = before-any-section\n"
                             "[default]\r\n"
                             "region = eu-west-1\r\n"
                             "s3 =\n"
                             "    region = nested\n"
                             "[profile work]\n"
                             "region=eu-central-1\n"
                             "Role_ARN = arn:aws:iam::1:role/a=b\n"
                             "; region = commented\n"
                             "region = eu-north-1\n"
                             "empty =\n"
                             "[ profile \"two words\" ]\n"
                             "region = mx-central-1\n"
                             "[work]\n"
                             "region = not-a-profile-here\n"
                             "[profile default2\n"
                             "region = bracket-missing\n"
                             "no equals sign\n"
                             "[profile last]\n"
                             "region = us-east-2";

static void assert_value(enum profile_file_kind kind, const char *profile, const char *key,
                         const char *expected)
{
    AUTO_BUF struct buf value = BUF_INIT(4096);
    bool found = profile_find(config, strlen(config), kind, profile, key, &value);
    assert_int_equal(found, expected != NULL);
    if (expected)
        assert_string_equal(buf_string(&value), expected);
}

static void test_config_file(void **state)
{
    (void)state;
    assert_value(PROFILE_FILE_CONFIG, "default", "region", "eu-west-1");
    assert_value(PROFILE_FILE_CONFIG, "work", "region", "eu-north-1"); /* the last one */
    assert_value(PROFILE_FILE_CONFIG, "work", "role_arn", "arn:aws:iam::1:role/a=b");
    assert_value(PROFILE_FILE_CONFIG, "work", "empty", "");
    assert_value(PROFILE_FILE_CONFIG, "work", "absent", NULL);
    assert_value(PROFILE_FILE_CONFIG, "two words", "region", "mx-central-1");
    assert_value(PROFILE_FILE_CONFIG, "last", "region", "us-east-2");
    assert_value(PROFILE_FILE_CONFIG, "default2", "region", NULL);
    assert_value(PROFILE_FILE_CONFIG, "", "region", NULL);
}

static void test_credentials_file(void **state)
{
    (void)state;
    assert_value(PROFILE_FILE_CREDENTIALS, "work", "region", "not-a-profile-here");
    assert_value(PROFILE_FILE_CREDENTIALS, "profile work", "region", "eu-north-1");
    assert_value(PROFILE_FILE_CREDENTIALS, "two words", "region", NULL);
}

static void test_presence(void **state)
{
    (void)state;
    assert_true(profile_find(config, strlen(config), PROFILE_FILE_CONFIG, "last", NULL, NULL));
    assert_false(profile_find(config, strlen(config), PROFILE_FILE_CONFIG, "las", NULL, NULL));
    assert_false(profile_find("", 0, PROFILE_FILE_CONFIG, "default", NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_file),
        cmocka_unit_test(test_credentials_file),
        cmocka_unit_test(test_presence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
