/* SPDX-License-Identifier: Apache-2.0 */
#include "flow/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"

static const char magic[JOURNAL_START] = "flowlogJ";

struct header {
    uint32_t type;
    uint32_t len;
    uint64_t checksum;
};

struct journal {
    int fd;
    uint64_t size;
    char path[PATH_MAX];
};

static uint64_t checksum_of(uint32_t type, const void *payload, uint32_t len)
{
    return hash_bytes(payload, len, (uint64_t)type << 32 | len);
}

static int read_records(FILE *file, journal_visitor *visit, void *context)
{
    AUTO_FREE char *payload = NULL;
    struct header header;
    uint64_t end = sizeof magic;
    while (fread(&header, sizeof header, 1, file) == 1) {
        if (header.len > JOURNAL_PAYLOAD_MAX)
            return 0;
        free(payload);
        payload = malloc(header.len + 1U);
        if (!payload)
            return -ENOMEM;
        if (fread(payload, 1, header.len, file) != header.len ||
            checksum_of(header.type, payload, header.len) != header.checksum)
            return 0;
        end += sizeof header + header.len;
        int r = visit(context, header.type, payload, header.len, end);
        if (r < 0)
            return r;
    }
    return 0;
}

int journal_read(const char *path, journal_visitor *visit, void *context, struct fault *fault)
{
    AUTO_FCLOSE FILE *file = fopen(path, "rbe");
    if (!file)
        return errno == ENOENT ? 0 : fault_set(fault, -errno, "%s: cannot open: %s", path, strerror(errno));
    char start[sizeof magic];
    if (fread(start, sizeof start, 1, file) != 1 || memcmp(start, magic, sizeof magic) != 0)
        return 0;
    int r = read_records(file, visit, context);
    return r < 0 ? fault_set(fault, r, "%s: cannot take up: %s", path, strerror(-r)) : 0;
}

static int prepare_file(struct journal *journal, uint64_t keep)
{
    if (ftruncate(journal->fd, (off_t)keep) < 0)
        return -errno;
    if (keep == 0) {
        int r = file_write_all(journal->fd, magic, sizeof magic);
        if (r < 0)
            return r;
        keep = sizeof magic;
    }
    journal->size = keep;
    return lseek(journal->fd, (off_t)keep, SEEK_SET) < 0 ? -errno : 0;
}

int journal_open(struct journal **ret, const char *path, uint64_t keep, struct fault *fault)
{
    struct journal *journal = calloc(1, sizeof *journal);
    if (!journal)
        return fault_set(fault, -ENOMEM, "out of memory");
    (void)snprintf(journal->path, sizeof journal->path, "%s", path);
    journal->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    int r = journal->fd < 0 ? -errno : prepare_file(journal, keep);
    if (r < 0) {
        journal_close(journal);
        return fault_set(fault, r, "%s: cannot open: %s", path, strerror(-r));
    }
    *ret = journal;
    return 0;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    if (journal->fd >= 0)
        close(journal->fd);
    free(journal);
}

/* What stands behind the last whole record goes; returns `r`, or why that failed. */
static int cut_off(struct journal *journal, int r)
{
    if (ftruncate(journal->fd, (off_t)journal->size) < 0 ||
        lseek(journal->fd, (off_t)journal->size, SEEK_SET) < 0)
        return -errno;
    return r;
}

static int append(struct journal *journal, uint32_t type, const void *payload, uint32_t len, bool sync)
{
    struct header header = {.type = type, .len = len, .checksum = checksum_of(type, payload, len)};
    struct iovec parts[] = {{&header, sizeof header}, {(void *)(uintptr_t)payload, len}};
    ssize_t put = writev(journal->fd, parts, 2);
    if (put != (ssize_t)(sizeof header + len))
        return cut_off(journal, put < 0 ? -errno : -ENOSPC);
    if (sync && fdatasync(journal->fd) < 0)
        return cut_off(journal, -errno);
    journal->size += (uint64_t)put;
    return 0;
}

int journal_append(struct journal *journal, uint32_t type, const void *payload, uint32_t len)
{
    return append(journal, type, payload, len, false);
}

int journal_append_synced(struct journal *journal, uint32_t type, const void *payload, uint32_t len)
{
    return append(journal, type, payload, len, true);
}

int journal_rewrite(struct journal *journal, journal_filler *fill, void *context, struct fault *fault)
{
    char aside[PATH_MAX];
    if ((size_t)snprintf(aside, sizeof aside, "%s.new", journal->path) >= sizeof aside)
        return fault_set(fault, -ENAMETOOLONG, "%s: path too long", journal->path);
    struct journal *fresh = NULL;
    int r = journal_open(&fresh, aside, 0, fault);
    if (r < 0)
        return r;
    r = fill(fresh, context);
    if (r == 0 && rename(aside, journal->path) < 0)
        r = -errno;
    if (r < 0) {
        journal_close(fresh);
        (void)unlink(aside);
        return fault_set(fault, r, "%s: cannot rewrite: %s", journal->path, strerror(-r));
    }
    int old = journal->fd;
    /* The analyser cannot know that fault_set() returns its error. NOLINTNEXTLINE */
    journal->fd = fresh->fd;
    journal->size = fresh->size;
    fresh->fd = old;
    journal_close(fresh);
    return 0;
}
