/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/manifest.h"

static void test_it_reads_back_as_it_was(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(65536);
    struct manifest manifest = {0};
    struct manifest again;
    struct change merge = {.made = strdup(".flowlog/made/1.data"), .key = strdup("a/\"b\".log.parquet")};
    struct change removal = {0};
    assert_int_equal(change_add(&merge, "a/1"), 0);
    assert_int_equal(change_add(&merge, "a/2"), 0);
    assert_int_equal(change_add(&removal, "b/3"), 0);
    assert_int_equal(manifest_add(&manifest, &merge), 0);
    assert_int_equal(manifest_add(&manifest, &removal), 0);
    assert_int_equal(manifest_print(&manifest, &text), 0);
    assert_int_equal(manifest_parse(&again, text.data, text.len, NULL), 0);
    assert_int_equal(again.count, 2);
    assert_string_equal(again.changes[0].key, "a/\"b\".log.parquet");
    assert_int_equal(again.changes[0].replaced_count, 2);
    assert_string_equal(again.changes[0].replaced[1], "a/2");
    assert_null(again.changes[1].made);
    assert_string_equal(again.changes[1].replaced[0], "b/3");
    manifest_done(&manifest);
    manifest_done(&again);
}

static void test_what_is_none_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"flowlog-store\": 2, \"changes\": []}",
        "{\"flowlog-store\": 1}",
        "{\"flowlog-store\": 1, \"changes\": [1]}",
        "{\"flowlog-store\": 1, \"changes\": [{\"replaced\": 1}]}",
        "{\"flowlog-store\": 1, \"changes\": [{\"replaced\": [\"/etc/passwd\"]}]}",
        "{\"flowlog-store\": 1, \"changes\": [{\"replaced\": [\"../x\"]}]}",
        "{\"flowlog-store\": 1, \"changes\": [{\"replaced\": [\"a/..\"]}]}",
        "{\"flowlog-store\": 1, \"changes\": [{\"made\": \"a\", \"replaced\": []}]}",
        "{\"flowlog-store\": 1, \"changes\": [{\"made\": \"../a\", \"key\": \"b\", \"replaced\": []}]}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct manifest manifest;
        struct fault fault = {0};
        assert_int_equal(manifest_parse(&manifest, texts[i], strlen(texts[i]), &fault), -EBADMSG);
        assert_non_null(strstr(fault.text, "manifest"));
    }
}

static void test_a_path_that_is_no_text_is_refused(void **state)
{
    AUTO_BUF struct buf text = BUF_INIT(65536);
    struct manifest manifest = {0};
    struct change change = {0};
    assert_int_equal(change_add(&change, "a/\xff"), 0);
    assert_int_equal(manifest_add(&manifest, &change), 0);
    assert_int_equal(manifest_print(&manifest, &text), -EILSEQ);
    manifest_done(&manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_reads_back_as_it_was),
        cmocka_unit_test(test_what_is_none_is_refused),
        cmocka_unit_test(test_a_path_that_is_no_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
