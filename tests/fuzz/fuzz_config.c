/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A configuration: it is right, and then what is printed of it is the same configuration again, or every
 * mistake is one line with the file's name.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"

#include "harness.h"

#define NAME "flowlog.yaml"
#define STATE "/var/lib/flowlog"

/* Each line begins with the file's name; returns how many there are. */
static unsigned check_lines(const struct buf *buf)
{
    unsigned lines = 0;
    size_t at = 0;
    while (at < buf->len) {
        const char *end = memchr(buf->data + at, '\n', buf->len - at);
        require(end && strncmp(buf->data + at, NAME ":", sizeof NAME) == 0);
        at = (size_t)(end - buf->data) + 1;
        lines++;
    }
    return lines;
}

static void check_printed(const struct config *config)
{
    AUTO_BUF struct buf first = BUF_INIT(1 << 26);
    AUTO_BUF struct buf second = BUF_INIT(1 << 26);
    AUTO_CONFIG struct config again = {0};
    struct config_report report;
    config_print(config, &first);
    require(config_parse(&again, first.data, first.len, NAME, STATE, &report) == 0);
    config_print(&again, &second);
    require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
    config_report_done(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    struct config_report report;
    int r = config_parse(&config, (const char *)data, size, NAME, STATE, &report);
    unsigned lines = check_lines(&report.mistakes);
    require(lines == report.mistake_count && (lines == 0) == (r == 0));
    if (r == 0)
        check_printed(&config);
    config_done(&config);
    config_report_done(&report);
    return 0;
}
