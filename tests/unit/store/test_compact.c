/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "parquet/files.h"
#include "parquet/writer.h"
#include "store/compact.h"

#define HOUR 1700002800ULL /* 2023-11-14T23:00:00Z */
#define FOLDER "AWSLogs/year=2023/month=11/day=14/hour=23"
#define RECORDS 3 /* of a file */

static char store[64];

static int make_folder(void **state)
{
    (void)snprintf(store, sizeof store, "/tmp/flowlog-store-XXXXXX");
    return mkdtemp(store) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", store);
    return system(command); /* NOLINT(cert-env33-c): a folder of this test's own */
}

static void print_path(char ret[static PATH_MAX], unsigned minute)
{
    (void)snprintf(ret, PATH_MAX, "%s/" FOLDER "/1_vpcflowlogs_r_fl-1_20231114T23%02uZ_%08x.log.parquet",
                   store, minute / 5 * 5, minute);
}

/* A file of one minute, whose records have numbers of their own. */
static void write_file(unsigned minute, const char *format_text)
{
    char path[PATH_MAX];
    struct format format;
    struct parquet_writer *writer;
    struct fault fault = {0};
    print_path(path, minute);
    *strrchr(path, '/') = '\0';
    assert_int_equal(file_make_folders(path, 0755, NULL), 0);
    print_path(path, minute);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
    assert_true(fd >= 0);
    assert_int_equal(format_parse(&format, format_text, NULL), 0);
    assert_int_equal(parquet_writer_open(&writer, fd, path, &format, PARQUET_ZSTD, &fault), 0);
    for (unsigned i = 0; i < RECORDS; i++) {
        struct record record = {0};
        record_set_string(&record, FIELD_SRCADDR, "192.0.2.1");
        record_set_number(&record, FIELD_BYTES, 1ULL << (minute * RECORDS + i) % 60);
        record_set_number(&record, FIELD_START, HOUR + minute * 60);
        record_set_number(&record, FIELD_END, HOUR + minute * 60 + 59);
        assert_int_equal(parquet_writer_add(writer, &record, &fault), 0);
    }
    assert_int_equal(parquet_writer_close(writer, &fault), 0);
    close(fd);
}

static void ignore_line(void *userdata, const char *path, uint64_t line, const char *reason)
{
    fail_msg("%s:%llu: %s", path, (unsigned long long)line, reason);
}

/* All records of what is listed, and the sum of their bytes: each of them is another power of two. */
static uint64_t sum_dataset(const struct dataset *dataset, uint64_t *ret_records)
{
    const struct input_options options = {.bad_line = ignore_line};
    uint64_t sum = 0;
    *ret_records = 0;
    for (size_t i = 0; i < dataset->count; i++) {
        char path[PATH_MAX];
        struct input *input;
        const struct record *record;
        struct fault fault = {0};
        (void)snprintf(path, sizeof path, "%s/%s", dataset->folder, dataset->files[i].path);
        if (files_open_input(&input, path, &options, &fault) < 0)
            fail_msg("%s", fault.text);
        while (input_next(input, &record, &fault) > 0) {
            sum += record->values[FIELD_BYTES].number;
            (*ret_records)++;
        }
        input_free(input);
    }
    return sum;
}

static void check_store(unsigned minutes, size_t files)
{
    struct fault fault = {0};
    struct dataset dataset;
    uint64_t records;
    if (dataset_open(&dataset, store, &fault) < 0)
        fail_msg("%s", fault.text);
    uint64_t sum = sum_dataset(&dataset, &records);
    assert_int_equal(records, minutes * RECORDS);
    assert_int_equal(sum, (1ULL << minutes * RECORDS) - 1);
    if (files)
        assert_int_equal(dataset.count, files);
    dataset_close(&dataset);
}

static void say(void *context, enum log_level level, const char *text)
{
    (void)snprintf(context, 256, "%.255s", text);
}

static struct compact_counts compact(const struct compact_settings *wanted)
{
    char said[256] = "";
    struct compact_settings settings = *wanted;
    struct compact_counts counts = {0};
    struct fault fault = {0};
    AUTO_UPKEEP struct upkeep upkeep = {.lock = -1};
    settings.now_s = settings.now_s ? settings.now_s : clock_wall_ns() / NS_PER_S;
    settings.report = (struct report){.say = say, .context = said};
    if (upkeep_open(&upkeep, store, false, &fault) < 0 ||
        compact_store(&upkeep, &settings, &counts, &fault) < 0)
        fail_msg("%s", fault.text);
    if (said[0])
        print_message("%s\n", said);
    return counts;
}

static void write_files(unsigned minutes)
{
    for (unsigned i = 0; i < minutes; i++)
        write_file(i, "all");
}

static void test_the_files_of_an_hour_become_one(void **state)
{
    struct fault fault = {0};
    struct dataset dataset;
    write_files(12);
    check_store(12, 12);
    struct compact_counts counts = compact(&(struct compact_settings){0});
    assert_int_equal(counts.merged, 12);
    assert_int_equal(counts.made, 1);
    assert_int_equal(counts.records, 12 * RECORDS);
    check_store(12, 1);
    assert_int_equal(dataset_open(&dataset, store, &fault), 0);
    assert_true(dataset.files[0].named);
    assert_int_equal(dataset.files[0].begin_s, HOUR);
    assert_int_equal(dataset.files[0].end_s, HOUR + 3600);
    assert_int_equal(dataset.files[0].links, 1);
    assert_non_null(strstr(dataset.files[0].path, FOLDER "/1_vpcflowlogs_r_fl-1_20231114T2300Z_"));
    dataset_close(&dataset);
    counts = compact(&(struct compact_settings){0});
    assert_int_equal(counts.merged, 0);
    check_store(12, 1);
}

static void test_what_comes_late_is_merged_later(void **state)
{
    write_files(5);
    (void)compact(&(struct compact_settings){0});
    write_file(5, "default"); /* with fewer columns */
    check_store(6, 2);
    struct compact_counts counts = compact(&(struct compact_settings){0});
    assert_int_equal(counts.merged, 2);
    check_store(6, 1);
}

static void test_an_hour_is_left_until_it_is_due(void **state)
{
    write_files(3);
    struct compact_counts counts = compact(&(struct compact_settings){.now_s = HOUR + 3599});
    assert_int_equal(counts.merged, 0);
    counts = compact(&(struct compact_settings){.delay_s = 600}); /* they came just now */
    assert_int_equal(counts.merged, 0);
    check_store(3, 3);
}

static void test_readers_keep_what_they_have(void **state)
{
    struct fault fault = {0};
    struct dataset before;
    struct dataset meanwhile;
    uint64_t records;
    write_files(6);
    assert_int_equal(upkeep_make_store(store, &fault), 0);
    assert_int_equal(dataset_open(&before, store, &fault), 0);
    struct compact_counts counts = compact(&(struct compact_settings){0});
    assert_true(counts.waiting);
    assert_int_equal(counts.made, 1);

    /* Who comes now reads the new file, which has no name yet. */
    assert_int_equal(dataset_open(&meanwhile, store, &fault), 0);
    assert_int_equal(meanwhile.count, 1);
    assert_non_null(meanwhile.files[0].change);
    assert_int_equal(meanwhile.files[0].change->replaced_count, 6);
    (void)sum_dataset(&before, &records);
    assert_int_equal(records, 6 * RECORDS);
    dataset_close(&before);

    /* The names change under him, and he can go on. */
    (void)compact(&(struct compact_settings){0});
    assert_int_equal(sum_dataset(&meanwhile, &records), (1ULL << 6 * RECORDS) - 1);
    check_store(6, 1);
    dataset_close(&meanwhile);
    (void)compact(&(struct compact_settings){0});
    check_store(6, 1);
}

static void test_a_file_with_a_second_name_is_left(void **state)
{
    char path[PATH_MAX];
    char other[PATH_MAX];
    write_files(4);
    print_path(path, 1);
    (void)snprintf(other, sizeof other, "%s/.spooled", store);
    assert_int_equal(link(path, other), 0);
    struct compact_counts counts = compact(&(struct compact_settings){.retain_s = 10 * 365 * 86400ULL});
    assert_int_equal(counts.merged, 3);
    check_store(4, 2);
    assert_int_equal(unlink(other), 0);
}

static void test_a_damaged_file_does_not_stop_the_others(void **state)
{
    char path[PATH_MAX];
    write_files(2);
    print_path(path, 1);
    assert_int_equal(truncate(path, 100), 0);
    struct compact_counts counts = compact(&(struct compact_settings){0});
    assert_int_equal(counts.failed, 1);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
    check_store(1, 1);
}

static void test_old_files_go(void **state)
{
    char path[PATH_MAX];
    write_files(4);
    print_path(path, 0);
    const struct timespec old[] = {{.tv_sec = HOUR}, {.tv_sec = HOUR}};
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    struct compact_counts counts = compact(&(struct compact_settings){.retain_s = 86400});
    assert_int_equal(counts.removed, 1); /* the others came just now */
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(counts.merged, 3);
    counts =
        compact(&(struct compact_settings){.now_s = clock_wall_ns() / NS_PER_S + 86402, .retain_s = 86400});
    assert_int_equal(counts.removed, 1);
    (void)snprintf(path, sizeof path, "%s/AWSLogs", store);
    assert_int_equal(access(path, F_OK), -1); /* nor do empty folders stay */
}

static void test_the_oldest_go_beyond_a_size(void **state)
{
    char path[PATH_MAX];
    struct stat status;
    write_files(10);
    print_path(path, 9);
    assert_int_equal(stat(path, &status), 0);
    struct compact_counts counts = compact(&(struct compact_settings){
        .now_s = HOUR, .max_bytes = 3 * (uint64_t)status.st_size + (uint64_t)status.st_size / 2});
    assert_int_equal(counts.removed, 7);
    for (unsigned i = 0; i < 10; i++) {
        print_path(path, i);
        assert_int_equal(access(path, F_OK), i < 7 ? -1 : 0);
    }
}

static void test_one_process_at_a_time(void **state)
{
    struct fault fault = {0};
    AUTO_UPKEEP struct upkeep one = {.lock = -1};
    AUTO_UPKEEP struct upkeep other = {.lock = -1};
    assert_int_equal(upkeep_open(&one, store, false, &fault), 0);
    assert_int_equal(upkeep_open(&other, store, false, &fault), -EBUSY);
    assert_non_null(strstr(fault.text, "another process"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_the_files_of_an_hour_become_one),
        TEST(test_what_comes_late_is_merged_later),
        TEST(test_an_hour_is_left_until_it_is_due),
        TEST(test_readers_keep_what_they_have),
        TEST(test_a_file_with_a_second_name_is_left),
        TEST(test_a_damaged_file_does_not_stop_the_others),
        TEST(test_old_files_go),
        TEST(test_the_oldest_go_beyond_a_size),
        TEST(test_one_process_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
