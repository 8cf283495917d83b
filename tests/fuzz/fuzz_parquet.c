/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A Parquet file: refused with a message, or every row a record that text can hold, or a bad line. DuckDB
 * reads the file; what is tried is what we make of its columns, and that its errors come out as errors.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "parquet/reader.h"
#include "record/text.h"

#include "harness.h"

#define MAGIC "PAR1"
#define MAGIC_LEN (sizeof MAGIC - 1)

static void see_bad_line(void *userdata, const char *path, uint64_t line, const char *reason)
{
    uint64_t *bad_lines = userdata;
    (*bad_lines)++;
    require(reason[0] != '\0' && !strchr(reason, '\n'));
}

static void see_bad_text(void *userdata, const char *text, size_t len)
{
    require(len > 0 && text[len - 1] == '\n');
}

static void check_record(const struct format *format, const struct record *record)
{
    AUTO_BUF struct buf text = BUF_INIT(1 << 28);
    unsigned spaces = 0;
    record_write_text(&text, format, record);
    require(!text.failed && text.len > 0 && text.data[text.len - 1] == '\n');
    for (size_t i = 0; i < text.len; i++)
        spaces += text.data[i] == ' ';
    require(spaces == format->count - 1U);
}

static void read_all(int fd)
{
    uint64_t bad_lines = 0;
    uint64_t records = 0;
    const struct input_options options = {
        .bad_line = see_bad_line, .bad_text = see_bad_text, .userdata = &bad_lines};
    struct input *input;
    const struct record *record;
    struct fault fault = {0};
    int r = parquet_input_open(&input, fd, "fuzz", &options, &fault);
    if (r < 0) {
        require(strncmp(fault.text, "fuzz: ", 6) == 0);
        return;
    }
    while ((r = input_next(input, &record, &fault)) > 0) {
        records++;
        check_record(input_format(input), record);
    }
    require(r == 0 || strncmp(fault.text, "fuzz: ", 6) == 0);
    require(input_counts(input).records == records && input_counts(input).bad_lines == bad_lines);
    input_free(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Without both marks DuckDB looks at nothing else; with them a database is opened, which takes a while.
     */
    if (size < 3 * MAGIC_LEN || memcmp(data, MAGIC, MAGIC_LEN) != 0 ||
        memcmp(data + size - MAGIC_LEN, MAGIC, MAGIC_LEN) != 0)
        return 0;
    AUTO_CLOSE int fd = memfd_create("fuzz", MFD_CLOEXEC);
    require(fd >= 0 && file_write_all(fd, data, size) == 0 && parquet_is_file(fd));
    read_all(TAKE_FD(fd));
    return 0;
}
