/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A journal as a killed process or a failing disk may have left it: what is read of it is whole records from
 * its start, and opened behind them it takes another record and is read to the end again.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "flow/journal.h"

#include "harness.h"

enum { ADDED = 4711 };

struct seen {
    uint64_t records;
    uint64_t end;
    uint64_t sum; /* of all types and payload bytes, so that each is looked at */
    uint32_t last_type;
};

static int see(void *context, uint32_t type, const void *payload, uint32_t len, uint64_t end)
{
    struct seen *seen = context;
    require(len <= JOURNAL_PAYLOAD_MAX && end > seen->end);
    for (uint32_t i = 0; i < len; i++)
        seen->sum += ((const uint8_t *)payload)[i];
    seen->sum += type;
    seen->records++;
    seen->end = end;
    seen->last_type = type;
    return 0;
}

static void append(const char *path, uint64_t keep)
{
    struct journal *journal;
    struct fault fault = {0};
    require(journal_open(&journal, path, keep, &fault) == 0);
    require(journal_append(journal, ADDED, "more", 4) == 0);
    journal_close(journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_CLOSE int fd = memfd_create("fuzz", MFD_CLOEXEC);
    char path[64];
    struct seen before = {0};
    struct seen after = {0};
    struct fault fault = {0};
    require(fd >= 0 && file_write_all(fd, data, size) == 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    require(journal_read(path, see, &before, &fault) == 0 && before.end <= size);
    append(path, before.end);
    require(journal_read(path, see, &after, &fault) == 0);
    require(after.records == before.records + 1 && after.last_type == ADDED);
    require(after.sum == before.sum + ADDED + 'm' + 'o' + 'r' + 'e');
    return 0;
}
