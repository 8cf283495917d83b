/* SPDX-License-Identifier: Apache-2.0 */
#include "record/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* record.md 3 and 6: VPC fields up to a version, and those of the transit gateway. */
static void test_counts_are_those_of_aws(void **state)
{
    (void)state;
    static const struct {
        unsigned version, fields;
    } cumulative[] = {{2, 14}, {3, 21}, {4, 25}, {5, 29},  {6, 29},
                      {7, 39}, {8, 40}, {9, 41}, {10, 42}, {11, 54}};
    for (unsigned i = 0; i < sizeof cumulative / sizeof *cumulative; i++) {
        unsigned fields = 0;
        for (int id = 0; id < FIELD_COUNT; id++)
            if ((field_catalogue[id].scope & FIELD_SCOPE_VPC) &&
                field_catalogue[id].version <= cumulative[i].version)
                fields++;
        assert_int_equal(fields, cumulative[i].fields);
    }
    unsigned gateway = 0;
    for (int id = 0; id < FIELD_COUNT; id++)
        gateway += (field_catalogue[id].scope & FIELD_SCOPE_TRANSIT_GATEWAY) != 0;
    assert_int_equal(gateway, 36);
}

static void test_every_row_is_whole(void **state)
{
    (void)state;
    for (int id = 0; id < FIELD_COUNT; id++) {
        const struct field *field = &field_catalogue[id];
        assert_non_null(field->name);
        assert_int_equal(strlen(field->name), field->name_len);
        assert_int_equal(strspn(field->name, "abcdefghijklmnopqrstuvwxyz0123456789-"), field->name_len);
        assert_in_range(field->version, 2, 11);
        assert_true(field->scope != 0);
        assert_true(strlen(field->meaning) > 3);
        assert_true(strlen(field->absent_when) > 3);
        assert_int_equal(field->max != 0, field->type != FIELD_STRING);
        assert_int_equal(field_is_own((enum field_id)id), strncmp(field->name, "x-", 2) == 0);
        assert_int_equal(field_find(field->name, field->name_len), id); /* so names are unique too */
    }
}

static void test_find_is_exact(void **state)
{
    (void)state;
    assert_int_equal(field_find("end", 3), FIELD_END);
    assert_int_equal(field_find("End", 3), -1);
    assert_int_equal(field_find("en", 2), -1);
    assert_int_equal(field_find("", 0), -1);
    assert_int_equal(field_find("pkt_srcaddr", 11), -1);
}

static void test_nearest_name(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"srcadr", "srcaddr"},         {"SRCADDR", "srcaddr"}, {"log_status", "log-status"},
        {"pkt-dstadr", "pkt-dstaddr"}, {"byte", "bytes"},      {"reject-source", "x-reject-source"},
        {"vpcid", "vpc-id"},
    };
    for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_string_equal(field_nearest(pairs[i][0], strlen(pairs[i][0])), pairs[i][1]);
    char endless[5000];
    memset(endless, 'a', sizeof endless);
    assert_non_null(field_nearest(endless, sizeof endless));
    assert_non_null(field_nearest("", 0));
}

static void test_type_names(void **state)
{
    (void)state;
    assert_string_equal(field_type_name(field_catalogue[FIELD_SRCPORT].type), "INT_32");
    assert_string_equal(field_type_name(field_catalogue[FIELD_BYTES].type), "INT_64");
    assert_string_equal(field_type_name(field_catalogue[FIELD_ACCOUNT_ID].type), "STRING");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_are_those_of_aws),
        cmocka_unit_test(test_every_row_is_whole),
        cmocka_unit_test(test_find_is_exact),
        cmocka_unit_test(test_nearest_name),
        cmocka_unit_test(test_type_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
