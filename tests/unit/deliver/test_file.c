/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/destination.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/gzip.h"

#define HEADER                                                                                               \
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "      \
    "action log-status\n"

enum { WINDOW = 1559723400 }; /* 2019-06-05 08:30 UTC: a window of 600 s begins */

static char root[PATH_MAX];

static int setup_root(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/flowlog-test-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    return remove(path);
}

static int remove_root(void **state)
{
    (void)state;
    return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* What lies below the root: how many files, how many of them temporary, and their paths in order. */
static struct {
    unsigned files;
    unsigned temporary;
    char paths[8][PATH_MAX];
} found;

static int note_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    if (kind != FTW_F)
        return 0;
    assert_true(found.files < sizeof found.paths / sizeof *found.paths);
    found.temporary += path[walk->base] == '.';
    (void)snprintf(found.paths[found.files++], PATH_MAX, "%s", path + strlen(root));
    return 0;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void look(void)
{
    memset(&found, 0, sizeof found);
    assert_int_equal(nftw(root, note_entry, 16, FTW_PHYS), 0);
    qsort(found.paths, found.files, sizeof *found.paths, compare_paths);
}

static void read_object(const char *below_root, struct buf *packed)
{
    char path[2 * PATH_MAX];
    (void)snprintf(path, sizeof path, "%s%s", root, below_root);
    assert_int_equal(file_read(path, packed, NULL), 0);
}

static void assert_holds(const char *below_root, const char *text)
{
    char plain[65536];
    size_t len = 0;
    AUTO_BUF struct buf packed = BUF_INIT(1 << 20);
    read_object(below_root, &packed);
    struct gzip_reader *reader;
    assert_int_equal(gzip_reader_new(&reader), 0);
    const uint8_t *in = (const uint8_t *)packed.data;
    size_t in_len = packed.len;
    assert_int_equal(gzip_reader_inflate(reader, &in, &in_len, plain, sizeof plain - 1, &len), 0);
    assert_true(gzip_reader_is_complete(reader));
    gzip_reader_free(reader);
    plain[len] = '\0';
    assert_string_equal(plain, text);
}

static struct destination_settings settings_for(const struct format *format)
{
    return (struct destination_settings){.kind = DESTINATION_FILE,
                                         .folder = root,
                                         .account = "123456789012",
                                         .region = "eu-west-1",
                                         .flow_log_id = "fl-0123456789abcdef0",
                                         .origin = 7,
                                         .format = format};
}

static struct destination *open_with(const struct destination_settings *settings)
{
    struct destination *destination = NULL;
    struct fault fault = {0};
    assert_int_equal(destination_open(&destination, settings, &fault), 0);
    return destination;
}

static struct destination *open_default(void)
{
    struct format format;
    format_set_default(&format);
    struct destination_settings settings = settings_for(&format);
    return open_with(&settings);
}

static struct record record_at(uint64_t end, uint64_t packets)
{
    struct record record = {0};
    record_set_string(&record, FIELD_ACCOUNT_ID, "123456789012");
    record_set_number(&record, FIELD_PACKETS, packets);
    record_set_number(&record, FIELD_START, WINDOW);
    record_set_number(&record, FIELD_END, end);
    record_set_string(&record, FIELD_LOG_STATUS, "OK");
    return record;
}

static int deliver(struct destination *destination, uint64_t sequence, const struct record *records,
                   unsigned count, struct fault *fault)
{
    assert_int_equal(destination_begin(destination, WINDOW, sequence, fault), 0);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(destination_add(destination, &records[i], fault), 0);
    return destination_commit(destination, fault);
}

static int deliver_one(struct destination *destination, uint64_t sequence, uint64_t packets,
                       struct fault *fault)
{
    struct record record = record_at(WINDOW + 59, packets);
    return deliver(destination, sequence, &record, 1, fault);
}

/* The path with its eight hash digits, if they are such, made 'h'. */
static const char *mask_hash(char *path, const char *extension)
{
    char *hash = path + strlen(path) - strlen(extension) - 8;
    if (strspn(hash, "0123456789abcdef") == 8)
        memset(hash, 'h', 8);
    return path;
}

static void test_layouts(void **state)
{
    (void)state;
#define NAME "123456789012_vpcflowlogs_eu-west-1_fl-0123456789abcdef0_20190605T0830Z_hhhhhhhh"
#define HIVE "/AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=eu-west-1"
    static const struct {
        bool hive;
        bool hourly;
        enum file_format file_format;
        const char *extension;
        const char *path;
    } rows[] = {
        {false, false, FILE_FORMAT_PLAIN_TEXT, ".log.gz",
         "/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2019/06/05/" NAME ".log.gz"},
        {false, true, FILE_FORMAT_PLAIN_TEXT, ".log.gz",
         "/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2019/06/05/08/" NAME ".log.gz"},
        {true, false, FILE_FORMAT_PLAIN_TEXT, ".log.gz", HIVE "/year=2019/month=06/day=05/" NAME ".log.gz"},
        {true, true, FILE_FORMAT_JSON, ".json.gz",
         HIVE "/year=2019/month=06/day=05/hour=08/" NAME ".json.gz"},
    };
    struct format format;
    format_set_default(&format);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(setup_root(NULL), 0);
        struct destination_settings settings = settings_for(&format);
        settings.hive = rows[i].hive;
        settings.hourly = rows[i].hourly;
        settings.file_format = rows[i].file_format;
        struct destination *destination = open_with(&settings);
        assert_int_equal(deliver_one(destination, 1, 5, NULL), 0);
        destination_close(destination);
        look();
        assert_int_equal(found.files, 1);
        assert_string_equal(mask_hash(found.paths[0], rows[i].extension), rows[i].path);
        assert_int_equal(remove_root(NULL), 0);
    }
}

static void test_window_of_two_slots(void **state)
{
    (void)state;
    struct destination *destination = open_default();
    const struct record records[] = {record_at(WINDOW, 1), record_at(WINDOW + 300, 2),
                                     record_at(WINDOW + 299, 3), record_at(WINDOW + 599, 4)};
    assert_int_equal(deliver(destination, 1, records, 4, NULL), 0);
    look();
    assert_int_equal(found.files, 2);
    assert_non_null(strstr(found.paths[0], "_20190605T0830Z_"));
    assert_non_null(strstr(found.paths[1], "_20190605T0835Z_"));
    assert_holds(found.paths[0], HEADER "2 123456789012 - - - - - - 1 - 1559723400 1559723400 - OK\n"
                                        "2 123456789012 - - - - - - 3 - 1559723400 1559723699 - OK\n");
    assert_holds(found.paths[1], HEADER "2 123456789012 - - - - - - 2 - 1559723400 1559723700 - OK\n"
                                        "2 123456789012 - - - - - - 4 - 1559723400 1559723999 - OK\n");
    struct delivery_counts counts;
    destination_counts(destination, &counts);
    assert_int_equal(counts.batches, 1);
    assert_int_equal(counts.records, 4);
    assert_int_equal(counts.objects, 2);
    assert_int_equal(counts.failures, 0);
    assert_string_equal(counts.last_object + strlen(root), found.paths[1]);
    destination_close(destination);
}

static void test_json_lines(void **state)
{
    (void)state;
    struct format format;
    struct fault fault = {0};
    assert_int_equal(format_parse(&format, "${packets} ${srcaddr} ${log-status}", &fault), 0);
    struct destination_settings settings = settings_for(&format);
    settings.file_format = FILE_FORMAT_JSON;
    struct destination *destination = open_with(&settings);
    assert_int_equal(deliver_one(destination, 1, 5, NULL), 0);
    destination_close(destination);
    look();
    assert_int_equal(found.files, 1);
    assert_holds(found.paths[0], "{\"packets\":5,\"srcaddr\":null,\"log-status\":\"OK\"}\n");
}

static void test_empty_batch_makes_no_object(void **state)
{
    (void)state;
    struct destination *destination = open_default();
    assert_int_equal(deliver(destination, 1, NULL, 0, NULL), 0);
    look();
    assert_int_equal(found.files, 0);
    struct delivery_counts counts;
    destination_counts(destination, &counts);
    assert_int_equal(counts.batches, 1);
    assert_string_equal(counts.last_object, "");
    destination_close(destination);
}

static void test_abandoned_batch_leaves_nothing(void **state)
{
    (void)state;
    struct destination *destination = open_default();
    struct record record = record_at(WINDOW, 1);
    assert_int_equal(destination_begin(destination, WINDOW, 1, NULL), 0);
    assert_int_equal(destination_add(destination, &record, NULL), 0);
    destination_abandon(destination);
    look();
    assert_int_equal(found.files, 0);
    assert_int_equal(deliver_one(destination, 2, 9, NULL), 0);
    look();
    assert_int_equal(found.files, 1);
    assert_holds(found.paths[0], HEADER "2 123456789012 - - - - - - 9 - 1559723400 1559723459 - OK\n");
    destination_close(destination);
}

static void test_same_batch_again_changes_nothing(void **state)
{
    (void)state;
    struct stat before;
    struct stat after;
    char path[2 * PATH_MAX];
    for (unsigned run = 0; run < 2; run++) {
        struct destination *destination = open_default();
        assert_int_equal(deliver_one(destination, 1, 5, NULL), 0);
        struct delivery_counts counts;
        destination_counts(destination, &counts);
        assert_int_equal(counts.objects, run == 0);
        assert_int_equal(counts.records, 1);
        destination_close(destination);
        look();
        assert_int_equal(found.files, 1);
        (void)snprintf(path, sizeof path, "%s%s", root, found.paths[0]);
        assert_int_equal(stat(path, run ? &after : &before), 0);
    }
    assert_int_equal(before.st_ino, after.st_ino);
}

static void test_other_content_gets_another_name(void **state)
{
    (void)state;
    static const char *const first = HEADER "2 123456789012 - - - - - - 5 - 1559723400 1559723459 - OK\n";
    struct destination *destination = open_default();
    assert_int_equal(deliver_one(destination, 1, 5, NULL), 0);
    look();
    char first_path[PATH_MAX];
    memcpy(first_path, found.paths[0], sizeof first_path);
    assert_int_equal(deliver_one(destination, 1, 6, NULL), 0); /* name taken by other bytes of one length */
    assert_int_equal(deliver_one(destination, 1, 6, NULL), 0); /* and again: found under its second name */
    look();
    assert_int_equal(found.files, 2);
    assert_holds(first_path, first);
    assert_int_equal(deliver_one(destination, 2, 5, NULL), 0); /* another batch, equal records */
    look();
    assert_int_equal(found.files, 3);
    assert_int_equal(found.temporary, 0);
    destination_close(destination);
}

static void test_origins_do_not_meet(void **state)
{
    (void)state;
    struct format format;
    format_set_default(&format);
    for (uint64_t origin = 1; origin <= 2; origin++) {
        struct destination_settings settings = settings_for(&format);
        settings.origin = origin;
        struct destination *destination = open_with(&settings);
        assert_int_equal(deliver_one(destination, 1, 5, NULL), 0);
        destination_close(destination);
    }
    look();
    assert_int_equal(found.files, 2);
}

static void assert_failed(const struct destination *destination, const struct fault *fault)
{
    struct delivery_counts counts;
    destination_counts(destination, &counts);
    assert_int_equal(counts.batches, 0);
    assert_int_equal(counts.records, 0);
    assert_int_equal(counts.objects, 0);
    assert_int_equal(counts.failures, 1);
    assert_non_null(strstr(fault->text, root));
    look();
    assert_int_equal(found.files, 0);
}

static void test_unwritable_folder_then_mended(void **state)
{
    (void)state;
    struct fault fault = {0};
    bool is_root = geteuid() == 0;
    struct destination *destination = open_default();
    assert_int_equal(chmod(root, 0555), 0);
    if (is_root)
        assert_int_equal(seteuid(65534), 0); /* root may write anywhere */
    int r = deliver_one(destination, 1, 5, &fault);
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(root, 0755), 0);
    assert_int_equal(r, -EACCES);
    assert_non_null(strstr(fault.text, "Permission denied"));
    assert_failed(destination, &fault);
    assert_int_equal(deliver_one(destination, 1, 5, &fault), 0);
    look();
    assert_int_equal(found.files, 1);
    destination_close(destination);
}

static void test_full_disk(void **state)
{
    (void)state;
    if (mount("tmpfs", root, "tmpfs", 0, "size=256k") < 0)
        skip(); /* needs root */
    struct fault fault = {0};
    struct destination *destination = open_default();
    assert_int_equal(destination_begin(destination, WINDOW, 1, &fault), 0);
    struct record small = record_at(WINDOW, 1); /* this slot's object would fit by itself */
    assert_int_equal(destination_add(destination, &small, &fault), 0);
    uint64_t noise = 1;
    for (unsigned i = 0; i < 60000; i++) {
        noise = noise * 6364136223846793005ULL + 1442695040888963407ULL;
        struct record record = record_at(WINDOW + 300, noise);
        assert_int_equal(destination_add(destination, &record, &fault), 0);
    }
    int r = destination_commit(destination, &fault);
    assert_failed(destination, &fault);
    assert_int_equal(r, -ENOSPC);
    assert_non_null(strstr(fault.text, "No space left on device"));
    assert_int_equal(deliver_one(destination, 2, 5, &fault), 0); /* what fits is still delivered */
    look();
    assert_int_equal(found.files, 1);
    destination_close(destination);
    assert_int_equal(umount(root), 0);
}

int main(void)
{
#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, setup_root, remove_root)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        IN_ROOT(test_window_of_two_slots),
        IN_ROOT(test_json_lines),
        IN_ROOT(test_empty_batch_makes_no_object),
        IN_ROOT(test_abandoned_batch_leaves_nothing),
        IN_ROOT(test_same_batch_again_changes_nothing),
        IN_ROOT(test_other_content_gets_another_name),
        IN_ROOT(test_origins_do_not_meet),
        IN_ROOT(test_unwritable_folder_then_mended),
        IN_ROOT(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
