/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/metrics.h"
#include "base/cleanup.h"

/* The last error in AWS's word and in full, whatever a server put into it. */
static void test_errors_are_told_in_full(void **state)
{
    (void)state;
    AUTO_BUF struct buf buf = BUF_INIT(1 << 20);
    struct metrics_flow_log flow_logs[] = {{.id = "fl-1", .name = "good"},
                                           {.id = "fl-2",
                                            .name = "bad",
                                            .access_error = true,
                                            .error = "said \"no\" to a\\b,\ntwice: \xc3\xa9\xff"}};
    const struct metrics metrics = {.flow_logs = flow_logs, .flow_log_count = 2};
    metrics_print(&metrics, &buf);
    const char *text = buf_string(&buf);
    assert_non_null(strstr(
        text, "\nflowlog_delivery_error{error=\"Access error\",flow_log_id=\"fl-2\",name=\"bad\"} 1\n"));
    assert_non_null(strstr(
        text, "\nflowlog_delivery_error{error=\"Access error\",flow_log_id=\"fl-1\",name=\"good\"} 0\n"));
    const char *told = strstr(text, "\nflowlog_delivery_error_text{");
    assert_non_null(told);
    static const char expected[] = "\nflowlog_delivery_error_text{flow_log_id=\"fl-2\",name=\"bad\","
                                   "text=\"said \\\"no\\\" to a\\\\b,\\ntwice: \xc3\xa9\xef\xbf\xbd\"} 1\n";
    assert_memory_equal(told, expected, sizeof expected - 1);
    assert_null(
        strstr(told + sizeof expected - 1, "flowlog_delivery_error_text")); /* of the good one nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_errors_are_told_in_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
