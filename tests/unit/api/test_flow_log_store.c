/* SPDX-License-Identifier: Apache-2.0 */

/* What is committed is there after the next start, also after a kill; what is damaged is set aside, whatever
 * it is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/flow_log_store.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "flow/journal.h"

static char folder[64];
static char path[PATH_MAX];
static char journal_path[PATH_MAX];

static int make_folder(void **state)
{
    (void)snprintf(folder, sizeof folder, "/dev/shm/flow-log-store-XXXXXX"); /* commits wait for a disk */
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/" FLOW_LOG_STORE_FILE, folder);
    (void)snprintf(journal_path, sizeof journal_path, "%s/" FLOW_LOG_STORE_JOURNAL, folder);
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

static void commit(struct flow_log_store *store, json_t *draft)
{
    assert_int_equal(flow_log_store_commit(store, draft, NULL), 0);
}

static void add(struct flow_log_store *store, const char *id)
{
    json_t *draft = flow_log_store_draft();
    json_t *flow_log = make_flow_log(id);
    flow_log_draft_add(draft, flow_log);
    json_decref(flow_log);
    commit(store, draft);
}

static json_t *make_answered(const char *request)
{
    return json_pack("{s:s, s:{}}", "request", request, "answer");
}

#define FILLINGS 6

/* The steps that fill() makes one after the other, a commit each. */
static void fill_step(struct flow_log_store *store, unsigned step)
{
    static const char *const ids[] = {"fl-1", "fl-2", "fl-3"};
    json_t *draft;
    switch (step) {
    case 0:
    case 1:
    case 2:
        add(store, ids[step]);
        return;
    case 3:
        draft = flow_log_store_draft();
        flow_log_draft_set_tags(draft, "fl-2", json_pack("{s:s}", "k", "v"));
        break;
    case 4:
        draft = flow_log_store_draft();
        flow_log_draft_remove(draft, "fl-1");
        break;
    default:
        draft = flow_log_store_draft();
        flow_log_draft_note_answer(draft, "token", make_answered("r"));
    }
    commit(store, draft);
}

static void check_step(const struct flow_log_store *store, unsigned steps)
{
    assert_int_equal(json_array_size(flow_log_store_list(store)), steps < 3 ? steps : steps < 5 ? 3 : 2);
    assert_int_equal(flow_log_store_find(store, "fl-1") != NULL, steps >= 1 && steps < 5);
    assert_int_equal(flow_log_store_find(store, "fl-3") != NULL, steps >= 3);
    const char *tag = json_string_value(json_object_get(flow_log_store_tags(store, "fl-2"), "k"));
    assert_int_equal(tag && strcmp(tag, "v") == 0, steps >= 4);
    assert_int_equal(flow_log_store_answered(store, "token") != NULL, steps >= 6);
    assert_null(flow_log_store_answered(store, "other"));
}

static void fill(struct flow_log_store *store)
{
    for (unsigned i = 0; i < FILLINGS; i++)
        fill_step(store, i);
}

static struct flow_log_store *open_store(int expected, struct fault *fault)
{
    struct flow_log_store *store = NULL;
    assert_int_equal(flow_log_store_open(&store, folder, fault), expected);
    return store;
}

/* As it is on disk at this moment, which is what a killed process leaves. */
struct files {
    struct buf document, journal;
};

static void take_files(struct files *files)
{
    *files = (struct files){BUF_INIT(1 << 24), BUF_INIT(1 << 24)};
    if (access(path, F_OK) == 0)
        assert_int_equal(file_read(path, &files->document, NULL), 0);
    assert_int_equal(file_read(journal_path, &files->journal, NULL), 0);
}

static void put_files(const struct files *files, size_t journal_len)
{
    (void)unlink(path);
    if (files->document.len)
        assert_int_equal(file_replace(path, files->document.data, files->document.len, NULL), 0);
    assert_int_equal(file_replace(journal_path, files->journal.data, journal_len, NULL), 0);
}

static void files_done(struct files *files)
{
    buf_done(&files->document);
    buf_done(&files->journal);
}

static void test_what_is_committed_stays(void **state)
{
    struct files files CLEANUP(files_done) = {0};
    struct flow_log_store *store = open_store(0, NULL);
    fill(store);
    check_step(store, FILLINGS);
    json_decref(flow_log_store_draft()); /* a draft that is dropped changes nothing */
    take_files(&files);
    flow_log_store_close(store);
    store = open_store(0, NULL);
    check_step(store, FILLINGS);
    flow_log_store_close(store);
    put_files(&files, files.journal.len);
    store = open_store(0, NULL); /* killed */
    check_step(store, FILLINGS);
    flow_log_store_close(store);
}

/* The document was written, and then came the end, before the journal was emptied. */
static void test_overtaken_journal_changes_nothing(void **state)
{
    struct files files CLEANUP(files_done) = {0};
    struct flow_log_store *store = open_store(0, NULL);
    fill(store);
    take_files(&files);
    flow_log_store_close(store);
    assert_int_equal(file_replace(journal_path, files.journal.data, files.journal.len, NULL), 0);
    store = open_store(0, NULL);
    check_step(store, FILLINGS);
    add(store, "fl-4");
    assert_int_equal(json_array_size(flow_log_store_list(store)), 3);
    flow_log_store_close(store);
    store = open_store(0, NULL);
    assert_int_equal(json_array_size(flow_log_store_list(store)), 3);
    flow_log_store_close(store);
}

/* A store of the version before, which had no journal. */
static void test_version_before(void **state)
{
    json_t *document =
        json_pack("{s:i, s:[o], s:{}, s:{s:{s:s, s:i, s:{}}}}", "version", 1, "flow-logs",
                  make_flow_log("fl-0"), "tags", "tokens", "token", "request", "r", "time", 1, "answer");
    assert_int_equal(json_dump_file(document, path, 0), 0);
    json_decref(document);
    struct flow_log_store *store = open_store(0, NULL);
    assert_non_null(flow_log_store_find(store, "fl-0"));
    assert_non_null(flow_log_store_answered(store, "token"));
    add(store, "fl-4");
    flow_log_store_close(store);
    store = open_store(0, NULL);
    assert_int_equal(json_array_size(flow_log_store_list(store)), 2);
    flow_log_store_close(store);
}

static void limit_files(rlim_t size)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* There is room for a part of the change. */
static void test_failed_commit_changes_nothing(void **state)
{
    struct flow_log_store *store = open_store(0, NULL);
    struct fault fault = {0};
    struct stat before;
    struct stat after;
    fill(store);
    assert_int_equal(stat(journal_path, &before), 0);
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    limit_files((rlim_t)before.st_size + 20);
    json_t *draft = flow_log_store_draft();
    flow_log_draft_remove(draft, "fl-3");
    int r = flow_log_store_commit(store, draft, &fault);
    limit_files(RLIM_INFINITY);
    assert_true(r < 0);
    assert_non_null(strstr(fault.text, FLOW_LOG_STORE_JOURNAL));
    check_step(store, FILLINGS);
    assert_int_equal(stat(journal_path, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
    add(store, "fl-4");
    flow_log_store_close(store);
    store = open_store(0, NULL);
    assert_int_equal(json_array_size(flow_log_store_list(store)), 3);
    flow_log_store_close(store);
}

/* Cut at each length: what is there is a state that once was, the last whole one, and a cut is told. */
static void test_torn_journal(void **state)
{
    struct files files CLEANUP(files_done) = {0};
    size_t ends[FILLINGS + 1];
    struct stat found;
    struct flow_log_store *store = open_store(0, NULL);
    for (unsigned i = 0; i <= FILLINGS; i++) {
        ends[i] = stat(journal_path, &found) == 0 ? (size_t)found.st_size : JOURNAL_START;
        if (i < FILLINGS)
            fill_step(store, i);
    }
    take_files(&files);
    flow_log_store_close(store);
    for (size_t len = 0; len <= files.journal.len; len++) {
        struct fault fault = {0};
        unsigned steps = 0;
        while (steps < FILLINGS && ends[steps + 1] <= len)
            steps++;
        put_files(&files, len);
        store = open_store(len <= ends[0] || len == ends[steps] ? 0 : -EBADMSG, &fault);
        check_step(store, steps);
        assert_int_equal(strstr(fault.text, FLOW_LOG_STORE_JOURNAL) != NULL, fault.text[0] != 0);
        flow_log_store_close(store);
        store = open_store(0, NULL);
        check_step(store, steps);
        flow_log_store_close(store);
    }
}

/* Tokens of many requests take no more room than those of the last, on disk and in what is read again. */
static void test_old_tokens_are_forgotten(void **state)
{
    struct flow_log_store *store = open_store(0, NULL);
    struct stat document;
    struct stat journal;
    char token[32];
    for (unsigned i = 0; i < FLOW_LOG_STORE_TOKENS + 2000; i++) {
        json_t *draft = flow_log_store_draft();
        (void)snprintf(token, sizeof token, "token %u", i);
        char request[200] = {[0 ... 198] = 'r'};
        flow_log_draft_note_answer(draft, token, make_answered(request));
        commit(store, draft);
        assert_int_equal(stat(journal_path, &journal), 0);
        assert_true(journal.st_size < 600 * 1024);
    }
    for (unsigned round = 0; round < 2; round++) {
        assert_null(flow_log_store_answered(store, "token 1999"));
        assert_non_null(flow_log_store_answered(store, "token 2000"));
        assert_non_null(flow_log_store_answered(store, token));
        flow_log_store_close(store);
        assert_int_equal(stat(path, &document), 0);
        assert_true(document.st_size < 400 * FLOW_LOG_STORE_TOKENS);
        store = open_store(0, NULL);
    }
    flow_log_store_close(store);
}

/* Cut at many lengths: never a crash, never half a store. */
static void test_damage_is_set_aside(void **state)
{
    AUTO_BUF struct buf whole = BUF_INIT(1 << 20);
    struct flow_log_store *store = open_store(0, NULL);
    fill(store);
    flow_log_store_close(store);
    assert_int_equal(file_read(path, &whole, NULL), 0);
    for (size_t len = 0; len + 1 < whole.len; len += 7) {
        struct fault fault = {0};
        assert_int_equal(file_replace(path, whole.data, len, NULL), 0);
        store = open_store(-EBADMSG, &fault);
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
        cmocka_unit_test_setup_teardown(test_overtaken_journal_changes_nothing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_version_before, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_torn_journal, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_old_tokens_are_forgotten, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_failed_commit_changes_nothing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_damage_is_set_aside, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
