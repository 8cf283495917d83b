/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "deliver/deliveries.h"
#include "deliver/object.h"
#include "deliver/spool_files.h"

#define FORMAT "${packets} ${bytes} ${end} ${log-status}"
#define RECORDS 130000 /* more than a row group of Parquet holds */
#define FULL 500000

static struct spool *spool;

/* A batch of one slot, the records numbered from 1 by their packets, with bytes that hardly compress. */
static int set_up(void **state)
{
    static const struct report report = {0};
    char path[PATH_MAX];
    struct batch_writer *writer = NULL;
    struct batch_sum sum;
    uint64_t bytes, noise = 88172645463325252ULL;
    const struct batch_head head = head_at(1, FORMAT);
    if (make_roots(state) < 0 || spool_open(&spool, spool_root, &report, NULL) < 0)
        return -1;
    spool_batch_path(spool, 1, path);
    assert_int_equal(batch_writer_open(&writer, path, &head, NULL), 0);
    for (unsigned i = 1; i <= RECORDS; i++) {
        struct record record = record_at(WINDOW + 59, i);
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        record_set_number(&record, FIELD_BYTES, noise >> 1);
        assert_int_equal(batch_writer_add(writer, 0, &record, i, 0, NULL), 0);
    }
    return batch_writer_commit(writer, &sum, &bytes, NULL);
}

static int tear_down(void **state)
{
    spool_close(spool);
    return remove_roots(state);
}

/* How often the records that a text object holds were seen, by their packets. */
static void take_lines(const char *path, unsigned seen[static RECORDS + 1])
{
    char *rest = NULL;
    assert_string_equal(strtok_r(read_object(path), "\n", &rest), "packets bytes end log-status");
    for (const char *line; (line = strtok_r(NULL, "\n", &rest));) {
        unsigned long packets = strtoul(line, NULL, 10);
        assert_in_range(packets, 1, RECORDS);
        seen[packets]++;
    }
}

/* Names alike but for their hash. */
static void assert_siblings(const struct spool_item *a, const struct spool_item *b)
{
    size_t len = (size_t)(strrchr(a->key, '_') + 1 - a->key);
    assert_memory_equal(a->key, b->key, len);
    assert_string_not_equal(a->key + len, b->key + len);
    assert_memory_not_equal(a->sha256, b->sha256, sizeof a->sha256);
}

static size_t pack(enum file_format file_format, struct spool_item **ret)
{
    const uint64_t sequence = 1;
    size_t count = 0, used = 0;
    struct fault fault = {0};
    const struct object_settings settings = {
        .layout = {.account = "123456789012", .region = "eu-west-1", .flow_log_id = "fl-0123456789abcdef0"},
        .file_format = file_format,
        .codec = PARQUET_ZSTD,
        .full_bytes = FULL};
    if (object_pack(spool, &settings, &sequence, 1, ret, &count, &used, &fault) < 0)
        fail_msg("%s", fault.text);
    assert_int_equal(used, 1);
    return count;
}

static void free_objects(struct spool_item *objects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        spool_item_done(&objects[i]);
    free(objects);
}

/* All but the last are as large as is asked for, and together they hold the batch. */
static void check_objects(const struct spool_item *objects, size_t count)
{
    struct batch_sum sum = {0};
    assert_true(count >= 2);
    for (size_t i = 0; i < count; i++) {
        batch_sum_add(&sum, &objects[i].sum);
        assert_int_equal(objects[i].part, i);
        assert_true(i == count - 1 || objects[i].bytes >= FULL);
        if (i > 0)
            assert_siblings(&objects[i - 1], &objects[i]);
    }
    assert_int_equal(sum.records, RECORDS);
    assert_int_equal(sum.packets, RECORDS * (RECORDS + 1ULL) / 2);
}

static void test_full_objects_are_followed_by_others(void **state)
{
    (void)state;
    struct spool_item *objects = NULL, *again = NULL;
    unsigned *seen = calloc(RECORDS + 1, sizeof *seen);
    size_t count = pack(FILE_FORMAT_PLAIN_TEXT, &objects);
    assert_non_null(seen);
    check_objects(objects, count);
    for (size_t i = 0; i < count; i++) {
        char path[PATH_MAX];
        spool_item_path(spool, &objects[i], path);
        assert_true(objects[i].bytes < 2 * FULL);
        take_lines(path, seen);
    }
    for (unsigned i = 1; i <= RECORDS; i++)
        assert_int_equal(seen[i], 1);
    assert_int_equal(pack(FILE_FORMAT_PLAIN_TEXT, &again), count); /* as after a crash: the same objects */
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(again[i].key, objects[i].key);
        assert_memory_equal(again[i].sha256, objects[i].sha256, sizeof again[i].sha256);
    }
    free_objects(objects, count);
    free_objects(again, count);
    free(seen);
}

static void test_full_objects_of_columns(void **state)
{
    (void)state;
    struct spool_item *objects = NULL;
    size_t count = pack(FILE_FORMAT_PARQUET, &objects);
    check_objects(objects, count);
    free_objects(objects, count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full_objects_are_followed_by_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_objects_of_columns, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
