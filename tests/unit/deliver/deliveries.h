/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Batches of a few records, folders for them, and deliveries to wait for. Included behind cmocka.h. */

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/gzip.h"
#include "deliver/delivery.h"

enum { WINDOW = 1559723400 }; /* 2019-06-05 08:30 UTC: a window of 600 s begins */

static char root[PATH_MAX];       /* of the destination */
static char spool_root[PATH_MAX]; /* of the spool */

static inline int make_roots(void **state)
{
    (void)snprintf(root, sizeof root, "/tmp/flowlog-test-XXXXXX");
    (void)snprintf(spool_root, sizeof spool_root, "/tmp/flowlog-spool-XXXXXX");
    return mkdtemp(root) && mkdtemp(spool_root) ? 0 : -1;
}

static inline int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    return remove(path);
}

static inline int remove_roots(void **state)
{
    return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS) |
           nftw(spool_root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline struct record record_at(uint64_t end, uint64_t packets)
{
    struct record record = {0};
    record_set_string(&record, FIELD_ACCOUNT_ID, "123456789012");
    record_set_number(&record, FIELD_PACKETS, packets);
    record_set_number(&record, FIELD_START, WINDOW);
    record_set_number(&record, FIELD_END, end);
    record_set_string(&record, FIELD_LOG_STATUS, "OK");
    return record;
}

static inline struct batch_head head_at(uint64_t sequence, const char *format)
{
    static struct batch_interface interface = {
        .identity = {.interface_id = "eni-1", .account_id = "123456789012"}};
    return (struct batch_head){.flow_log_id = (char *)"fl-0123456789abcdef0",
                               .window = WINDOW,
                               .interval = 600,
                               .sequence = sequence,
                               .format_text = (char *)(uintptr_t)format,
                               .interfaces = &interface,
                               .interface_count = 1};
}

/* Into the spool. */
static inline void commit_batch(struct delivery *delivery, const struct batch_head *head,
                                const struct record *records, size_t count)
{
    struct batch_writer *writer = NULL;
    struct fault fault = {0};
    assert_int_equal(delivery_begin(delivery, head, &writer, &fault), 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(
            batch_writer_add(writer, 0, &records[i], records[i].values[FIELD_PACKETS].number, 0, &fault), 0);
    assert_int_equal(delivery_commit(delivery, writer, &fault), 0);
}

/* A whole object of lines, in static memory until the next call. */
static inline char *read_object(const char *path)
{
    static char plain[8 << 20];
    AUTO_BUF struct buf packed = BUF_INIT(sizeof plain);
    struct gzip_reader *reader = NULL;
    size_t len = 0, got;
    assert_int_equal(file_read(path, &packed, NULL), 0);
    assert_int_equal(gzip_reader_new(&reader), 0);
    const uint8_t *in = (const uint8_t *)packed.data;
    size_t in_len = packed.len;
    do {
        assert_int_equal(gzip_reader_inflate(reader, &in, &in_len, plain + len, sizeof plain - 1 - len, &got),
                         0);
        len += got;
    } while (got > 0);
    assert_true(gzip_reader_is_complete(reader));
    gzip_reader_free(reader);
    plain[len] = '\0';
    return plain;
}

#define WAIT_NS (20 * NS_PER_S)

/* Until everything is delivered, or an attempt more has failed than before. */
static inline bool wait_for_outcome(struct delivery *delivery, uint64_t failures_before)
{
    uint64_t deadline = clock_monotonic_ns() + WAIT_NS;
    while (clock_monotonic_ns() < deadline) {
        struct delivery_counts counts;
        delivery_counts(delivery, &counts);
        if (delivery_is_done(delivery))
            return true;
        if (counts.failures > failures_before)
            return false;
        (void)nanosleep(&(struct timespec){.tv_nsec = 2 * NS_PER_MS}, NULL);
    }
    fail_msg("nothing happened");
    return false;
}

static inline void close_delivery(struct delivery *delivery)
{
    assert_int_equal(delivery_close(delivery, clock_monotonic_ns() + WAIT_NS), 0);
}
