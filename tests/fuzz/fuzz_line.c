/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A record line: the first line of the input is its header or format string, the second the line. Both
 * parsers have to agree, and what a good line prints has to parse and print the same again.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "record/json.h"
#include "record/parse.h"
#include "record/text.h"

#include "harness.h"

static bool has_repeats(const struct format *format)
{
    for (unsigned i = 0; i < format->count; i++)
        if (memchr(format->fields, format->fields[i], i))
            return true;
    return false;
}

/* The usual line is what is printed of it; but for the version, which is the format's. */
static void check_usual(const struct format *format, const char *line, size_t len, const char *printed)
{
    struct record record = {0};
    if (!record_parse_usual(&record, format, line, len) || has_repeats(format))
        return;
    const struct value *version = &record.values[FIELD_VERSION];
    if (format_has(format, FIELD_VERSION) &&
        (version->kind != VALUE_NUMBER || version->number != format->version))
        return;
    require(strlen(printed) == len + 1 && memcmp(printed, line, len) == 0 && printed[len] == '\n');
}

/* Without its line end; false for a line that does not parse. */
static bool print_parsed(const struct format *format, const char *line, size_t len, struct buf *text)
{
    struct record quick = {0};
    struct record plain = {0};
    struct fault quick_fault = {0};
    struct fault plain_fault = {0};
    AUTO_BUF struct buf plain_text = BUF_INIT(1 << 24);
    int r = record_parse_text(&quick, format, line, len, &quick_fault);
    require(record_parse_plainly(&plain, format, line, len, &plain_fault) == r);
    require(strcmp(quick_fault.text, plain_fault.text) == 0);
    if (r < 0)
        return false;
    record_write_text(text, format, &quick);
    record_write_text(&plain_text, format, &plain);
    require(strcmp(buf_string(text), buf_string(&plain_text)) == 0);
    check_usual(format, line, len, buf_string(text));
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *newline = memchr(text, '\n', size);
    size_t header_len = newline ? (size_t)(newline - text) : size;
    struct format format;
    AUTO_FREE char *header = strndup(text, header_len);
    if (!header ||
        (format_parse_header(&format, text, header_len, NULL) < 0 && format_parse(&format, header, NULL) < 0))
        format_set_default(&format);
    AUTO_BUF struct buf once = BUF_INIT(1 << 24);
    AUTO_BUF struct buf twice = BUF_INIT(1 << 24);
    if (!newline || !print_parsed(&format, newline + 1, size - header_len - 1, &once))
        return 0;
    require(once.len > 0 && once.data[once.len - 1] == '\n');
    require(print_parsed(&format, once.data, once.len - 1, &twice));
    require(strcmp(buf_string(&once), buf_string(&twice)) == 0);
    return 0;
}
