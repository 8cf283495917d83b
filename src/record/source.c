/* SPDX-License-Identifier: Apache-2.0 */
#include "record/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/gzip.h"
#include "base/zstd_reader.h"

#define RAW_SIZE (256 * 1024)
#define MAGIC_LEN 4

struct source {
    const char *path; /* borrowed */
    int fd;
    bool at_end;              /* of the file; bytes may still be held */
    struct gzip_reader *gzip; /* at most one of both */
    struct zstd_reader *zstd;
    uint64_t position;
    uint64_t size;
    const uint8_t *held; /* read from the file, not taken yet */
    size_t held_len;
    uint8_t raw[RAW_SIZE];
};

static const uint8_t parquet_magic[MAGIC_LEN] = {'P', 'A', 'R', '1'};

void source_free(struct source *source)
{
    if (!source)
        return;
    if (source->fd > STDIN_FILENO)
        (void)close(source->fd);
    gzip_reader_free(source->gzip);
    zstd_reader_free(source->zstd);
    free(source);
}

static void source_cleanup(struct source **source)
{
    source_free(*source);
}

static ssize_t read_file(struct source *source, void *to, size_t cap, struct fault *fault)
{
    for (;;) {
        ssize_t got = read(source->fd, to, cap);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_set(fault, -errno, "%s: cannot read: %s", source->path, strerror(errno));
        source->at_end = got == 0;
        source->position += (uint64_t)got;
        return got;
    }
}

/* A pipe may hand over its first bytes one by one; the form shows after MAGIC_LEN of them. */
static int read_magic(struct source *source, struct fault *fault)
{
    source->held = source->raw;
    while (source->held_len < MAGIC_LEN && !source->at_end) {
        ssize_t got = read_file(source, source->raw + source->held_len, RAW_SIZE - source->held_len, fault);
        if (got < 0)
            return (int)got;
        source->held_len += (size_t)got;
    }
    if (source->held_len >= MAGIC_LEN && memcmp(source->raw, parquet_magic, MAGIC_LEN) == 0)
        return fault_set(
            fault, -ENOTSUP,
            "%s: Parquet, which has its index at the end and cannot be read from a pipe: save it to a file",
            source->path);
    int r = 0;
    if (gzip_is_magic(source->held, source->held_len))
        r = gzip_reader_new(&source->gzip);
    else if (zstd_is_magic(source->held, source->held_len))
        r = zstd_reader_new(&source->zstd);
    return r < 0 ? fault_set(fault, r, "%s: out of memory", source->path) : 0;
}

int source_open(struct source **ret, const char *path, struct fault *fault)
{
    CLEANUP(source_cleanup) struct source *source = malloc(sizeof *source);
    if (!source)
        return fault_set(fault, -ENOMEM, "%s: out of memory", path);
    memset(source, 0, offsetof(struct source, raw));
    source->path = path;
    source->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0)
        return fault_set(fault, -errno, "%s: cannot open: %s", path, strerror(errno));
    struct stat status;
    if (fstat(source->fd, &status) == 0 && S_ISREG(status.st_mode))
        source->size = (uint64_t)status.st_size;
    int r = read_magic(source, fault);
    if (r < 0)
        return r;
    *ret = TAKE(source);
    return 0;
}

static ssize_t read_plain(struct source *source, void *to, size_t cap, struct fault *fault)
{
    if (source->held_len == 0)
        return source->at_end ? 0 : read_file(source, to, cap, fault);
    size_t len = source->held_len < cap ? source->held_len : cap;
    memcpy(to, source->held, len);
    source->held += len;
    source->held_len -= len;
    return (ssize_t)len;
}

static int inflate(struct source *source, void *to, size_t cap, size_t *ret_len)
{
    return source->gzip
               ? gzip_reader_inflate(source->gzip, &source->held, &source->held_len, to, cap, ret_len)
               : zstd_reader_inflate(source->zstd, &source->held, &source->held_len, to, cap, ret_len);
}

static bool is_complete(const struct source *source)
{
    return source->gzip ? gzip_reader_is_complete(source->gzip) : zstd_reader_is_complete(source->zstd);
}

static ssize_t read_compressed(struct source *source, void *to, size_t cap, struct fault *fault)
{
    const char *form = source->gzip ? "gzip" : "zstd";
    for (;;) {
        size_t len;
        int r = inflate(source, to, cap, &len);
        if (len > 0) /* a fault shows again at the next call */
            return (ssize_t)len;
        if (r < 0)
            return fault_set(fault, r, "%s: the %s data are damaged before byte %llu", source->path, form,
                             (unsigned long long)source->position);
        if (source->at_end && is_complete(source))
            return 0;
        if (source->at_end)
            return fault_set(fault, -EBADMSG, "%s: the %s stream is cut off at byte %llu", source->path, form,
                             (unsigned long long)source->position);
        ssize_t got = read_file(source, source->raw, RAW_SIZE, fault);
        if (got < 0)
            return got;
        source->held = source->raw;
        source->held_len = (size_t)got;
    }
}

ssize_t source_read(struct source *source, void *to, size_t cap, struct fault *fault)
{
    return source->gzip || source->zstd ? read_compressed(source, to, cap, fault)
                                        : read_plain(source, to, cap, fault);
}

uint64_t source_position(const struct source *source)
{
    return source->position;
}

uint64_t source_size(const struct source *source)
{
    return source->size;
}
