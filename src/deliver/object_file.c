/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/object_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/gzip.h"
#include "record/json.h"
#include "record/parse.h"

#define OBJECT_FULL 74000000UL   /* AWS closes at 75 MB (delivery.md 2.4); the compressor still holds some */
#define PIECE_LEN (256UL * 1024) /* equal pieces make equal bytes */
#define PIECE_MAX (64UL << 20)   /* one record of the longest values is far below */

struct object_writer {
    const struct form *form;
    struct format format;
    struct buf plain;
    struct buf packed;
    struct gzip_writer *gzip;
    uint64_t bytes;
    int fd;
    char path[PATH_MAX];
};

/* A file format: one gzip member of lines. */
struct form {
    const char *extension;
    const char *content_type;
    void (*begin)(struct object_writer *writer); /* NULL: nothing comes before the first record */
    int (*add)(struct object_writer *writer, const struct batch_line *line, struct fault *fault);
};

static void begin_text(struct object_writer *writer)
{
    format_print_header(&writer->format, &writer->plain);
    buf_char(&writer->plain, '\n');
}

static int add_text(struct object_writer *writer, const struct batch_line *line, struct fault *fault)
{
    buf_append(&writer->plain, line->text, line->len);
    buf_char(&writer->plain, '\n');
    return 0;
}

static int add_json(struct object_writer *writer, const struct batch_line *line, struct fault *fault)
{
    struct record record;
    int r = record_parse_text(&record, &writer->format, line->text, line->len, fault);
    if (r == 0)
        record_write_json(&writer->plain, &writer->format, &record);
    return r;
}

static const struct form forms[] = {
    [FILE_FORMAT_PLAIN_TEXT] = {"log.gz", "application/gzip", begin_text, add_text},
    [FILE_FORMAT_JSON] = {"json.gz", "application/gzip", NULL, add_json},
};

const char *object_writer_extension(enum file_format file_format)
{
    return forms[file_format].extension;
}

const char *object_writer_content_type(enum file_format file_format)
{
    return forms[file_format].content_type;
}

void object_writer_abandon(struct object_writer *writer)
{
    if (!writer)
        return;
    if (writer->fd >= 0) {
        (void)unlink(writer->path);
        close(writer->fd);
    }
    gzip_writer_free(writer->gzip);
    buf_done(&writer->plain);
    buf_done(&writer->packed);
    free(writer);
}

static int write_fault(const struct object_writer *writer, int error, struct fault *fault)
{
    return fault_set(fault, error, "%s: cannot write: %s", writer->path, strerror(-error));
}

int object_writer_open(struct object_writer **ret, const char *path, enum file_format file_format,
                       const struct format *format, struct fault *fault)
{
    struct object_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return fault_set(fault, -ENOMEM, "out of memory");
    writer->form = &forms[file_format];
    writer->format = *format;
    writer->plain = BUF_INIT(PIECE_MAX);
    writer->packed = BUF_INIT(PIECE_MAX);
    (void)snprintf(writer->path, sizeof writer->path, "%s", path);
    writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    int r = writer->fd < 0 ? -errno : gzip_writer_new(&writer->gzip);
    if (r < 0) {
        (void)write_fault(writer, r, fault);
        object_writer_abandon(writer);
        return r;
    }
    if (writer->form->begin)
        writer->form->begin(writer);
    *ret = writer;
    return 0;
}

static int pack_plain(struct object_writer *writer, bool last, struct fault *fault)
{
    int r = writer->plain.failed ? -ENOMEM : 0;
    if (r == 0)
        r = gzip_writer_add(writer->gzip, writer->plain.data, writer->plain.len, last, &writer->packed);
    if (r == 0)
        r = file_write_all(writer->fd, writer->packed.data, writer->packed.len);
    writer->bytes += writer->packed.len;
    buf_clear(&writer->plain);
    buf_clear(&writer->packed);
    return r < 0 ? write_fault(writer, r, fault) : 0;
}

int object_writer_add(struct object_writer *writer, const struct batch_line *line, struct fault *fault)
{
    int r = writer->form->add(writer, line, fault);
    if (r < 0 || (writer->plain.len < PIECE_LEN && !writer->plain.failed))
        return r;
    return pack_plain(writer, false, fault);
}

bool object_writer_is_full(const struct object_writer *writer)
{
    return writer->bytes >= OBJECT_FULL;
}

int object_writer_close(struct object_writer *writer, uint64_t *ret_bytes, struct fault *fault)
{
    int r = pack_plain(writer, true, fault);
    if (r == 0 && fsync(writer->fd) < 0)
        r = write_fault(writer, -errno, fault);
    if (r == 0) {
        *ret_bytes = writer->bytes;
        close(TAKE_FD(writer->fd));
    }
    object_writer_abandon(writer);
    return r;
}
