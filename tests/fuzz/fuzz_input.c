/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A whole file of any form: text, JSON lines, CloudWatch and Firehose documents, gzip. Every record is one
 * line of its format's fields; every other line is reported once and kept.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "record/csv.h"
#include "record/input.h"
#include "record/json.h"
#include "record/text.h"

#include "harness.h"

struct seen {
    uint64_t bad_lines;
    uint64_t kept_bytes;
};

static void see_bad_line(void *userdata, const char *path, uint64_t line, const char *reason)
{
    struct seen *seen = userdata;
    seen->bad_lines++;
    require(line > 0 && reason[0] != '\0' && !strchr(reason, '\n'));
}

static void see_bad_text(void *userdata, const char *text, size_t len)
{
    struct seen *seen = userdata;
    seen->kept_bytes += len;
}

static size_t count_bytes(const struct buf *buf, char byte)
{
    size_t count = 0;
    for (size_t i = 0; i < buf->len; i++)
        count += buf->data[i] == byte;
    return count;
}

static void check_record(const struct format *format, const struct record *record)
{
    AUTO_BUF struct buf text = BUF_INIT(1 << 28);
    AUTO_BUF struct buf json = BUF_INIT(1 << 28);
    AUTO_BUF struct buf csv = BUF_INIT(1 << 28);
    record_write_text(&text, format, record);
    require(count_bytes(&text, '\n') == 1 && count_bytes(&text, ' ') == format->count - 1U);
    record_write_json(&json, format, record);
    json_t *object = json_loadb(json.data, json.len, 0, NULL);
    require(object != NULL);
    json_decref(object);
    record_write_csv(&csv, format, record);
    require(count_bytes(&csv, '\n') == 1);
}

static void read_all(const char *path)
{
    struct seen seen = {0};
    const struct input_options options = {
        .userdata = &seen, .bad_line = see_bad_line, .bad_text = see_bad_text};
    struct input *input;
    const struct record *record;
    struct fault fault = {0};
    if (input_open(&input, path, &options, &fault) < 0)
        return;
    int r;
    while ((r = input_next(input, &record, &fault)) > 0)
        check_record(input_format(input), record);
    struct input_counts counts = input_counts(input);
    require(r == 0 || fault.text[0] != '\0');
    require(counts.bad_lines == seen.bad_lines && seen.kept_bytes >= seen.bad_lines);
    input_free(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_CLOSE int fd = memfd_create("fuzz", MFD_CLOEXEC);
    char path[64];
    require(fd >= 0 && file_write_all(fd, data, size) == 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_all(path);
    return 0;
}
