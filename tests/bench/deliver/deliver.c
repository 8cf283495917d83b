/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of one closed window through the spool to a file:// destination: deliver FOLDER RECORDS
 * text|json|parquet. Prints seconds until the batch is safe, seconds until it is delivered, and, as the
 * floor, seconds of compressing the same lines in memory and nothing else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/gzip.h"
#include "deliver/delivery.h"
#include "record/text.h"

#define WINDOW 1559723400ULL
#define ALL_FIELDS                                                                                           \
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} "      \
    "${packets} ${bytes} ${start} ${end} ${action} ${log-status}"

static struct record record;
static uint8_t source[16] = {[10] = 0xff, 0xff, 10, 0, 0, 1};
static uint8_t target[16] = {[10] = 0xff, 0xff, 10, 0, 0, 2};

/* The flow of that number: addresses and ports that are new each time, as a busy window has them. */
static const struct record *record_of(uint64_t number)
{
    uint64_t mixed = number * 0x9e3779b97f4a7c15ULL;
    memcpy(source + 13, &mixed, 3);
    target[15] = (uint8_t)(mixed >> 24);
    record_set_string(&record, FIELD_ACCOUNT_ID, "123456789012");
    record_set_string(&record, FIELD_INTERFACE_ID, "eni-0123456789abcdef0");
    record_set_address(&record, FIELD_SRCADDR, source, 4);
    record_set_address(&record, FIELD_DSTADDR, target, 4);
    record_set_number(&record, FIELD_SRCPORT, 1024 + (mixed >> 32) % 60000);
    record_set_number(&record, FIELD_DSTPORT, 443);
    record_set_number(&record, FIELD_PROTOCOL, 6);
    record_set_number(&record, FIELD_PACKETS, 1 + (mixed >> 48) % 100);
    record_set_number(&record, FIELD_BYTES, 40 * (1 + (mixed >> 48) % 100));
    record_set_number(&record, FIELD_START, WINDOW + number % 30);
    record_set_number(&record, FIELD_END, WINDOW + 30 + number % 30);
    record_set_string(&record, FIELD_ACTION, "ACCEPT");
    record_set_string(&record, FIELD_LOG_STATUS, "OK");
    return &record;
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

static double floor_seconds(uint64_t records)
{
    struct format format;
    struct gzip_writer *gzip;
    struct buf plain = BUF_INIT(1UL << 20);
    struct buf packed = BUF_INIT(1UL << 31);
    if (format_parse(&format, ALL_FIELDS, NULL) < 0 || gzip_writer_new(&gzip) < 0)
        exit(1);
    uint64_t start = clock_monotonic_ns();
    for (uint64_t i = 0; i < records; i++) {
        record_write_text(&plain, &format, record_of(i));
        if (plain.len < 262144 && i + 1 < records)
            continue;
        if (gzip_writer_add(gzip, plain.data, plain.len, i + 1 == records, &packed) < 0)
            exit(1);
        buf_clear(&plain);
    }
    double took = seconds_since(start);
    gzip_writer_free(gzip);
    buf_done(&plain);
    buf_done(&packed);
    return took;
}

static struct delivery *open_delivery(const char *folder, const char *form)
{
    char spool[4096];
    struct delivery *delivery;
    struct fault fault = {0};
    (void)snprintf(spool, sizeof spool, "%s/spool", folder);
    enum file_format file_format = FILE_FORMAT_PLAIN_TEXT;
    if (strcmp(form, "json") == 0)
        file_format = FILE_FORMAT_JSON;
    if (strcmp(form, "parquet") == 0)
        file_format = FILE_FORMAT_PARQUET;
    const struct delivery_settings settings = {.destination = {.kind = DESTINATION_FILE,
                                                               .file_format = file_format,
                                                               .folder = folder,
                                                               .account = "123456789012",
                                                               .region = "local",
                                                               .flow_log_id = "fl-0123456789abcdef0"},
                                               .spool_folder = spool,
                                               .spool_max_bytes = UINT64_MAX,
                                               .spool_max_age_s = 1ULL << 40,
                                               .publish_interval_s = 60};
    if (delivery_open(&delivery, &settings, &fault) < 0) {
        (void)fprintf(stderr, "%s\n", fault.text);
        exit(1);
    }
    return delivery;
}

static void commit(struct delivery *delivery, uint64_t records)
{
    struct batch_interface interface = {.identity = {.interface_id = "eni-0123456789abcdef0"}};
    const struct batch_head head = {.flow_log_id = (char *)(uintptr_t) "fl-0123456789abcdef0",
                                    .window = WINDOW,
                                    .interval = 60,
                                    .sequence = 1,
                                    .format_text = (char *)(uintptr_t)ALL_FIELDS,
                                    .interfaces = &interface,
                                    .interface_count = 1};
    struct batch_writer *writer;
    struct fault fault = {0};
    int r = delivery_begin(delivery, &head, &writer, &fault);
    for (uint64_t i = 0; r == 0 && i < records; i++)
        r = batch_writer_add(writer, 0, record_of(i), 1, 0, &fault);
    if (r == 0)
        r = delivery_commit(delivery, writer, &fault);
    if (r < 0) {
        (void)fprintf(stderr, "%s\n", fault.text);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    uint64_t records = strtoull(argv[2], NULL, 10);
    struct delivery_counts counts;
    double floor = floor_seconds(records);
    struct delivery *delivery = open_delivery(argv[1], argv[3]);
    uint64_t start = clock_monotonic_ns();
    commit(delivery, records);
    double safe = seconds_since(start);
    while (!delivery_is_done(delivery))
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    double delivered = seconds_since(start);
    delivery_counts(delivery, &counts);
    (void)delivery_close(delivery, clock_monotonic_ns() + 10 * NS_PER_S);
    (void)printf("%.3f %.3f %.3f\n", safe, delivered, floor);
    return counts.delivered.records == records ? 0 : 1;
}
