/* SPDX-License-Identifier: Apache-2.0 */
#include "record/csv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_header_and_record(void **state)
{
    (void)state;
    static const uint8_t ipv4[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1};
    struct format format;
    assert_int_equal(format_parse(&format, "${version} ${srcaddr} ${bytes} ${action} ${instance-tag}", NULL),
                     0);
    struct record record = {0};
    record_set_address(&record, FIELD_SRCADDR, ipv4, 4);
    record_set_number(&record, FIELD_BYTES, 40);
    record_set_string(&record, FIELD_INSTANCE_TAG, "a,\"b\"");
    AUTO_BUF struct buf text = BUF_INIT(4096);
    record_write_csv_header(&text, &format);
    record_write_csv(&text, &format, &record);
    assert_string_equal(buf_string(&text), "version,srcaddr,bytes,action,instance-tag\n"
                                           "11,10.0.0.1,40,,\"a,\"\"b\"\"\"\n");
}

static void test_cells(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT(4096);
    csv_write_cell(&text, "plain text", 10);
    csv_write_cell(&text, "two\nlines", 9);
    csv_write_cell(&text, "", 0);
    assert_string_equal(buf_string(&text), "plain text\"two\nlines\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_header_and_record),
                                       cmocka_unit_test(test_cells)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
