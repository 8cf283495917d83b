/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/mount.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "deliver/deliveries.h"
#include "parquet/files.h"

#define HEADER                                                                                               \
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end "      \
    "action log-status\n"

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

static void assert_holds(const char *below_root, const char *text)
{
    char path[2 * PATH_MAX];
    (void)snprintf(path, sizeof path, "%s%s", root, below_root);
    assert_string_equal(read_object(path), text);
}

static struct destination_settings settings_for_files(void)
{
    return (struct destination_settings){.kind = DESTINATION_FILE,
                                         .folder = root,
                                         .account = "123456789012",
                                         .region = "eu-west-1",
                                         .flow_log_id = "fl-0123456789abcdef0",
                                         .origin = 7};
}

/* Each with a spool of its own, which knows nothing of those before it. */
static struct delivery *open_with(const struct destination_settings *destination)
{
    static unsigned spools;
    char spool_folder[PATH_MAX + 16];
    struct delivery *delivery = NULL;
    struct fault fault = {0};
    (void)snprintf(spool_folder, sizeof spool_folder, "%s/%u", spool_root, spools++);
    const struct delivery_settings settings = {.destination = *destination,
                                               .spool_folder = spool_folder,
                                               .spool_max_bytes = 1 << 30,
                                               .spool_max_age_s = 1ULL << 40,
                                               .publish_interval_s = 60};
    assert_int_equal(delivery_open(&delivery, &settings, &fault), 0);
    return delivery;
}

static struct delivery *open_default(void)
{
    struct destination_settings settings = settings_for_files();
    return open_with(&settings);
}

static bool deliver(struct delivery *delivery, uint64_t sequence, const struct record *records, size_t count)
{
    struct delivery_counts counts;
    struct batch_head head = head_at(sequence, "default");
    delivery_counts(delivery, &counts);
    commit_batch(delivery, &head, records, count);
    return wait_for_outcome(delivery, counts.failures);
}

static bool deliver_one(struct delivery *delivery, uint64_t sequence, uint64_t packets)
{
    struct record record = record_at(WINDOW + 59, packets);
    return deliver(delivery, sequence, &record, 1);
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
        {false, false, FILE_FORMAT_PARQUET, ".log.parquet",
         "/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2019/06/05/" NAME ".log.parquet"},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(make_roots(NULL), 0);
        struct destination_settings settings = settings_for_files();
        settings.hive = rows[i].hive;
        settings.hourly = rows[i].hourly;
        settings.file_format = rows[i].file_format;
        struct delivery *delivery = open_with(&settings);
        assert_true(deliver_one(delivery, 1, 5));
        close_delivery(delivery);
        look();
        assert_int_equal(found.files, 1);
        assert_string_equal(mask_hash(found.paths[0], rows[i].extension), rows[i].path);
        assert_int_equal(remove_roots(NULL), 0);
    }
}

static void test_window_of_two_slots(void **state)
{
    (void)state;
    struct delivery *delivery = open_default();
    const struct record records[] = {record_at(WINDOW, 1), record_at(WINDOW + 300, 2),
                                     record_at(WINDOW + 299, 3), record_at(WINDOW + 599, 4)};
    assert_true(deliver(delivery, 1, records, 4));
    look();
    assert_int_equal(found.files, 2);
    assert_non_null(strstr(found.paths[0], "_20190605T0830Z_"));
    assert_non_null(strstr(found.paths[1], "_20190605T0835Z_"));
    assert_holds(found.paths[0], HEADER "2 123456789012 - - - - - - 1 - 1559723400 1559723400 - OK\n"
                                        "2 123456789012 - - - - - - 3 - 1559723400 1559723699 - OK\n");
    assert_holds(found.paths[1], HEADER "2 123456789012 - - - - - - 2 - 1559723400 1559723700 - OK\n"
                                        "2 123456789012 - - - - - - 4 - 1559723400 1559723999 - OK\n");
    struct delivery_counts counts;
    delivery_counts(delivery, &counts);
    assert_int_equal(counts.taken.records, 4);
    assert_int_equal(counts.delivered.records, 4);
    assert_int_equal(counts.delivered.packets, 1 + 2 + 3 + 4);
    assert_int_equal(counts.deliveries, 2);
    assert_int_equal(counts.failures, 0);
    assert_int_equal(counts.items, 0);
    assert_string_equal(counts.last_object + strlen(root), found.paths[1]);
    close_delivery(delivery);
}

/* As a gap of hours makes them; more than are written at once. */
static void test_many_slots(void **state)
{
    (void)state;
    char expected[256];
    struct delivery *delivery = open_default();
    struct record records[20];
    for (unsigned i = 0; i < 20; i++)
        records[i] = record_at(WINDOW + i * 7 % 5 * 300, i);
    assert_true(deliver(delivery, 1, records, 20));
    look();
    assert_int_equal(found.files, 5);
    for (unsigned slot = 0; slot < 5; slot++) {
        AUTO_BUF struct buf text = BUF_INIT(4096);
        buf_text(&text, HEADER);
        for (unsigned i = 0; i < 20; i++) {
            (void)snprintf(expected, sizeof expected, "2 123456789012 - - - - - - %u - %u %u - OK\n", i,
                           WINDOW, WINDOW + slot * 300);
            buf_text(&text, i * 7 % 5 == slot ? expected : "");
        }
        assert_holds(found.paths[slot], buf_string(&text));
    }
    struct delivery_counts counts;
    delivery_counts(delivery, &counts);
    assert_int_equal(counts.delivered.records, 20);
    assert_int_equal(counts.delivered.packets, 190);
    close_delivery(delivery);
}

static void test_json_lines(void **state)
{
    (void)state;
    struct destination_settings settings = settings_for_files();
    settings.file_format = FILE_FORMAT_JSON;
    struct delivery *delivery = open_with(&settings);
    struct record record = record_at(WINDOW + 59, 5);
    struct batch_head head = head_at(1, "${packets} ${srcaddr} ${log-status}");
    commit_batch(delivery, &head, &record, 1);
    assert_true(wait_for_outcome(delivery, 0));
    close_delivery(delivery);
    look();
    assert_int_equal(found.files, 1);
    assert_holds(found.paths[0], "{\"packets\":5,\"srcaddr\":null,\"log-status\":\"OK\"}\n");
}

static void no_bad_line(void *userdata, const char *path, uint64_t line, const char *reason)
{
    fail_msg("%s:%lu: %s", path, (unsigned long)line, reason);
}

static void test_parquet(void **state)
{
    (void)state;
    const struct input_options options = {.bad_line = no_bad_line};
    struct destination_settings settings = settings_for_files();
    settings.file_format = FILE_FORMAT_PARQUET;
    settings.codec = PARQUET_ZSTD;
    struct delivery *delivery = open_with(&settings);
    const struct record records[] = {record_at(WINDOW, 1), record_at(WINDOW + 1, 2),
                                     record_at(WINDOW + 300, 4)};
    assert_true(deliver(delivery, 1, records, 3));
    close_delivery(delivery);
    look();
    assert_int_equal(found.files, 2);
    assert_non_null(strstr(found.paths[0], "_20190605T0830Z_"));
    assert_non_null(strstr(found.paths[0], ".log.parquet"));
    uint64_t packets = 0;
    for (unsigned i = 0; i < found.files; i++) {
        char path[2 * PATH_MAX];
        struct input *input;
        const struct record *record;
        (void)snprintf(path, sizeof path, "%s%s", root, found.paths[i]);
        assert_int_equal(files_open_input(&input, path, &options, NULL), 0);
        while (input_next(input, &record, NULL) > 0) {
            packets += record->values[FIELD_PACKETS].number;
            assert_int_equal(record->values[FIELD_VERSION].number, 2);
            assert_memory_equal(record->values[FIELD_ACCOUNT_ID].text, "123456789012", 12);
            assert_int_equal(record->values[FIELD_SRCADDR].kind, VALUE_ABSENT);
        }
        input_free(input);
    }
    assert_int_equal(packets, 1 + 2 + 4);
}

static void test_empty_batch_makes_no_object(void **state)
{
    (void)state;
    struct delivery *delivery = open_default();
    assert_true(deliver(delivery, 1, NULL, 0));
    look();
    assert_int_equal(found.files, 0);
    struct delivery_counts counts;
    delivery_counts(delivery, &counts);
    assert_int_equal(counts.deliveries, 0);
    assert_string_equal(counts.last_object, "");
    close_delivery(delivery);
}

static void test_same_batch_again_changes_nothing(void **state)
{
    (void)state;
    struct stat before;
    struct stat after;
    char path[2 * PATH_MAX];
    for (unsigned run = 0; run < 2; run++) {
        struct delivery *delivery = open_default();
        assert_true(deliver_one(delivery, 1, 5));
        struct delivery_counts counts;
        delivery_counts(delivery, &counts);
        assert_int_equal(counts.repeated, run);
        assert_int_equal(counts.delivered.records, 1);
        close_delivery(delivery);
        look();
        assert_int_equal(found.files, 1);
        (void)snprintf(path, sizeof path, "%s%s", root, found.paths[0]);
        assert_int_equal(stat(path, run ? &after : &before), 0);
    }
    assert_int_equal(before.st_ino, after.st_ino);
}

static void deliver_anew(uint64_t sequence, uint64_t packets)
{
    struct delivery *delivery = open_default();
    assert_true(deliver_one(delivery, sequence, packets));
    close_delivery(delivery);
}

static void test_other_content_gets_another_name(void **state)
{
    (void)state;
    static const char *const first = HEADER "2 123456789012 - - - - - - 5 - 1559723400 1559723459 - OK\n";
    deliver_anew(1, 5);
    look();
    char first_path[PATH_MAX];
    memcpy(first_path, found.paths[0], sizeof first_path);
    deliver_anew(1, 6); /* name taken by other bytes of one length */
    deliver_anew(1, 6); /* and again: found under its second name */
    look();
    assert_int_equal(found.files, 2);
    assert_holds(first_path, first);
    deliver_anew(2, 5); /* another batch, equal records */
    look();
    assert_int_equal(found.files, 3);
    assert_int_equal(found.temporary, 0);
}

static void test_origins_do_not_meet(void **state)
{
    (void)state;
    for (uint64_t origin = 1; origin <= 2; origin++) {
        struct destination_settings settings = settings_for_files();
        settings.origin = origin;
        struct delivery *delivery = open_with(&settings);
        assert_true(deliver_one(delivery, 1, 5));
        close_delivery(delivery);
    }
    look();
    assert_int_equal(found.files, 2);
}

static void assert_failed(struct delivery *delivery, const char *why)
{
    struct delivery_counts counts;
    delivery_counts(delivery, &counts);
    assert_int_equal(counts.delivered.records, 0);
    assert_int_equal(counts.deliveries, 0);
    assert_true(counts.failures > 0);
    assert_int_equal(counts.waiting.records, counts.taken.records);
    assert_non_null(strstr(counts.error, root));
    assert_non_null(strstr(counts.error, why));
}

static void assert_mended(struct delivery *delivery)
{
    struct delivery_counts counts;
    delivery_flush(delivery);
    do
        delivery_counts(delivery, &counts);
    while (!wait_for_outcome(delivery, counts.failures));
    delivery_counts(delivery, &counts);
    assert_int_equal(counts.delivered.records, counts.taken.records);
    assert_string_equal(counts.error, "");
    assert_string_equal(counts.word, "");
}

static void test_folder_that_cannot_be_made_then_mended(void **state)
{
    (void)state;
    char obstacle[PATH_MAX + 16];
    (void)snprintf(obstacle, sizeof obstacle, "%s/AWSLogs", root);
    assert_int_equal(file_replace(obstacle, "", 0, NULL), 0);
    struct delivery *delivery = open_default();
    assert_false(deliver_one(delivery, 1, 5));
    assert_failed(delivery, "Not a directory");
    struct delivery_counts counts;
    delivery_counts(delivery, &counts);
    assert_string_equal(counts.word, "Access error");
    assert_int_equal(unlink(obstacle), 0);
    assert_mended(delivery);
    look();
    assert_int_equal(found.files, 1);
    close_delivery(delivery);
}

static void test_full_disk(void **state)
{
    (void)state;
    if (mount("tmpfs", root, "tmpfs", 0, "size=256k") < 0)
        skip(); /* needs root */
    struct delivery *delivery = open_default();
    uint64_t noise = 1;
    struct record *records = calloc(60000, sizeof *records);
    for (unsigned i = 0; i < 60000; i++) {
        noise = noise * 6364136223846793005ULL + 1442695040888963407ULL;
        records[i] = record_at(WINDOW + 300, noise >> 8);
    }
    assert_false(deliver(delivery, 1, records, 60000));
    free(records);
    assert_failed(delivery, "No space left on device");
    look();
    assert_int_equal(found.files, 0); /* nothing half-written stays */
    assert_int_equal(mount("tmpfs", root, "tmpfs", MS_REMOUNT, "size=64m"), 0);
    assert_mended(delivery);
    look();
    assert_int_equal(found.files, 1);
    close_delivery(delivery);
    assert_int_equal(umount(root), 0);
}

int main(void)
{
#define IN_ROOT(test) cmocka_unit_test_setup_teardown(test, make_roots, remove_roots)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        IN_ROOT(test_window_of_two_slots),
        IN_ROOT(test_many_slots),
        IN_ROOT(test_json_lines),
        IN_ROOT(test_parquet),
        IN_ROOT(test_empty_batch_makes_no_object),
        IN_ROOT(test_same_batch_again_changes_nothing),
        IN_ROOT(test_other_content_gets_another_name),
        IN_ROOT(test_origins_do_not_meet),
        IN_ROOT(test_folder_that_cannot_be_made_then_mended),
        IN_ROOT(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
