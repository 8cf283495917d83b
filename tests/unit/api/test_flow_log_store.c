/* SPDX-License-Identifier: Apache-2.0 */

/* What is committed is there after the next start; what is no store is set aside, whatever it is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/flow_log_store.h"
#include "base/file.h"

static char folder[64];
static char path[PATH_MAX];

static int make_folder(void **state)
{
    (void)snprintf(folder, sizeof folder, "/tmp/flow-log-store-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/" FLOW_LOG_STORE_FILE, folder);
    return 0;
}

static int remove_folder(void **state)
{
    DIR *listing AUTO_CLOSEDIR = opendir(folder);
    const struct dirent *entry;
    while ((entry = readdir(listing)))
        if (entry->d_name[0] != '.')
            assert_int_equal(unlinkat(dirfd(listing), entry->d_name, 0), 0);
    return rmdir(folder);
}

static json_t *make_flow_log(const char *id)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "flowLogId", id, "resourceId", "vpc-1",
                     "trafficType", "ALL", "logDestinationType", "s3", "logDestination", "arn", "logFormat",
                     "${srcaddr}", "creationTime", "now", "maxAggregationInterval", 60);
}

static void fill(struct flow_log_store *store)
{
    json_t *draft = flow_log_store_draft(store);
    for (const char *const *id = (const char *const[]){"fl-1", "fl-2", "fl-3", NULL}; *id; id++) {
        json_t *flow_log = make_flow_log(*id);
        flow_log_draft_add(draft, flow_log);
        json_decref(flow_log);
    }
    flow_log_draft_set_tags(draft, "fl-2", json_pack("{s:s}", "k", "v"));
    flow_log_draft_remove(draft, "fl-1");
    flow_log_draft_note_answer(draft, "token", json_pack("{s:s, s:i}", "request", "r", "time", 1));
    assert_int_equal(flow_log_store_commit(store, draft, NULL), 0);
}

static void check_filled(const struct flow_log_store *store)
{
    assert_int_equal(json_array_size(flow_log_store_list(store)), 2);
    assert_null(flow_log_store_find(store, "fl-1"));
    assert_non_null(flow_log_store_find(store, "fl-3"));
    assert_string_equal(json_string_value(json_object_get(flow_log_store_tags(store, "fl-2"), "k")), "v");
    assert_non_null(flow_log_store_answered(store, "token"));
    assert_null(flow_log_store_answered(store, "other"));
}

static void test_what_is_committed_stays(void **state)
{
    struct flow_log_store *store = NULL;
    assert_int_equal(flow_log_store_open(&store, folder, NULL), 0);
    fill(store);
    check_filled(store);
    json_decref(flow_log_store_draft(store)); /* a draft that is dropped changes nothing */
    flow_log_store_close(store);
    assert_int_equal(flow_log_store_open(&store, folder, NULL), 0);
    check_filled(store);
    flow_log_store_close(store);
}

static void test_failed_commit_changes_nothing(void **state)
{
    struct flow_log_store *store = NULL;
    struct fault fault = {0};
    assert_int_equal(flow_log_store_open(&store, folder, NULL), 0);
    fill(store);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0); /* no file can be put in its place */
    json_t *draft = flow_log_store_draft(store);
    flow_log_draft_remove(draft, "fl-3");
    assert_true(flow_log_store_commit(store, draft, &fault) < 0);
    assert_true(fault.text[0]);
    check_filled(store);
    flow_log_store_close(store);
    assert_int_equal(rmdir(path), 0);
}

/* Cut at many lengths: never a crash, never half a store. */
static void test_damage_is_set_aside(void **state)
{
    struct flow_log_store *store = NULL;
    AUTO_BUF struct buf whole = BUF_INIT(1 << 20);
    assert_int_equal(flow_log_store_open(&store, folder, NULL), 0);
    fill(store);
    flow_log_store_close(store);
    assert_int_equal(file_read(path, &whole, NULL), 0);
    for (size_t len = 0; len + 1 < whole.len; len += 7) {
        struct fault fault = {0};
        assert_int_equal(file_replace(path, whole.data, len, NULL), 0);
        assert_int_equal(flow_log_store_open(&store, folder, &fault), -EBADMSG);
        assert_non_null(strstr(fault.text, FLOW_LOG_STORE_FILE));
        assert_int_equal(json_array_size(flow_log_store_list(store)), 0);
        assert_int_equal(access(path, F_OK), -1);
        flow_log_store_close(store);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_committed_stays, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_failed_commit_changes_nothing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_damage_is_set_aside, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
