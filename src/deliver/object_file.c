/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/object_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/gzip.h"
#include "parquet/writer.h"
#include "record/json.h"
#include "record/parse.h"

#define PIECE_LEN (256UL * 1024) /* equal pieces make equal bytes */
#define PIECE_MAX (64UL << 20)   /* one record of the longest values is far below */

struct object_writer {
    const struct form *form;
    struct format format;
    struct buf plain; /* of the forms of lines */
    struct buf packed;
    struct gzip_writer *gzip;
    uint64_t packed_bytes;
    enum parquet_codec codec;
    struct parquet_writer *parquet;
    int fd;
    char path[PATH_MAX];
};

/* A file format. */
struct form {
    const char *extension;
    const char *content_type;
    int (*begin)(struct object_writer *writer, struct fault *fault);
    int (*add)(struct object_writer *writer, const struct batch_line *line, struct fault *fault);
    int (*end)(struct object_writer *writer, struct fault *fault); /* all of it is in the file then */
    uint64_t (*bytes)(const struct object_writer *writer); /* the same at this place for equal lines */
};

static int write_fault(const struct object_writer *writer, int error, struct fault *fault)
{
    return fault_set(fault, error, "%s: cannot write: %s", writer->path, strerror(-error));
}

/* Forms of lines: one gzip member. */

static int begin_lines(struct object_writer *writer, struct fault *fault)
{
    int r = gzip_writer_new(&writer->gzip);
    return r < 0 ? write_fault(writer, r, fault) : 0;
}

static int begin_text(struct object_writer *writer, struct fault *fault)
{
    format_print_header(&writer->format, &writer->plain);
    buf_char(&writer->plain, '\n');
    return begin_lines(writer, fault);
}

static int pack_plain(struct object_writer *writer, bool last, struct fault *fault)
{
    int r = writer->plain.failed ? -ENOMEM : 0;
    if (r == 0)
        r = gzip_writer_add(writer->gzip, writer->plain.data, writer->plain.len, last, &writer->packed);
    if (r == 0)
        r = file_write_all(writer->fd, writer->packed.data, writer->packed.len);
    writer->packed_bytes += writer->packed.len;
    buf_clear(&writer->plain);
    buf_clear(&writer->packed);
    return r < 0 ? write_fault(writer, r, fault) : 0;
}

static int pack_pieces(struct object_writer *writer, struct fault *fault)
{
    return writer->plain.len < PIECE_LEN && !writer->plain.failed ? 0 : pack_plain(writer, false, fault);
}

static int add_text(struct object_writer *writer, const struct batch_line *line, struct fault *fault)
{
    buf_append(&writer->plain, line->text, line->len);
    buf_char(&writer->plain, '\n');
    return pack_pieces(writer, fault);
}

static int add_json(struct object_writer *writer, const struct batch_line *line, struct fault *fault)
{
    struct record record;
    int r = record_parse_text(&record, &writer->format, line->text, line->len, fault);
    if (r < 0)
        return r;
    record_write_json(&writer->plain, &writer->format, &record);
    return pack_pieces(writer, fault);
}

static int end_lines(struct object_writer *writer, struct fault *fault)
{
    return pack_plain(writer, true, fault);
}

static uint64_t bytes_of_lines(const struct object_writer *writer)
{
    return writer->packed_bytes;
}

/* Parquet. */

static int begin_parquet(struct object_writer *writer, struct fault *fault)
{
    return parquet_writer_open(&writer->parquet, writer->fd, writer->path, &writer->format, writer->codec,
                               fault);
}

static int add_parquet(struct object_writer *writer, const struct batch_line *line, struct fault *fault)
{
    struct record record;
    int r = record_parse_text(&record, &writer->format, line->text, line->len, fault);
    return r < 0 ? r : parquet_writer_add(writer->parquet, &record, fault);
}

static int end_parquet(struct object_writer *writer, struct fault *fault)
{
    return parquet_writer_close(TAKE(writer->parquet), fault);
}

static uint64_t bytes_of_parquet(const struct object_writer *writer)
{
    return parquet_writer_bytes(writer->parquet);
}

static const struct form forms[] = {
    [FILE_FORMAT_PLAIN_TEXT] = {"log.gz", "application/gzip", begin_text, add_text, end_lines,
                                bytes_of_lines},
    [FILE_FORMAT_JSON] = {"json.gz", "application/gzip", begin_lines, add_json, end_lines, bytes_of_lines},
    [FILE_FORMAT_PARQUET] = {"log.parquet", "application/vnd.apache.parquet", begin_parquet, add_parquet,
                             end_parquet, bytes_of_parquet},
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
    parquet_writer_abandon(writer->parquet);
    if (writer->fd >= 0) {
        (void)unlink(writer->path);
        close(writer->fd);
    }
    gzip_writer_free(writer->gzip);
    buf_done(&writer->plain);
    buf_done(&writer->packed);
    free(writer);
}

int object_writer_open(struct object_writer **ret, const char *path, enum file_format file_format,
                       enum parquet_codec codec, const struct format *format, struct fault *fault)
{
    struct object_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return fault_set(fault, -ENOMEM, "out of memory");
    writer->form = &forms[file_format];
    writer->format = *format;
    writer->codec = codec;
    writer->plain = BUF_INIT(PIECE_MAX);
    writer->packed = BUF_INIT(PIECE_MAX);
    (void)snprintf(writer->path, sizeof writer->path, "%s", path);
    writer->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    int r = writer->fd < 0 ? write_fault(writer, -errno, fault) : writer->form->begin(writer, fault);
    if (r < 0) {
        object_writer_abandon(writer);
        return r;
    }
    *ret = writer;
    return 0;
}

int object_writer_add(struct object_writer *writer, const struct batch_line *line, struct fault *fault)
{
    return writer->form->add(writer, line, fault);
}

uint64_t object_writer_bytes(const struct object_writer *writer)
{
    return writer->form->bytes(writer);
}

int object_writer_close(struct object_writer *writer, uint64_t *ret_bytes, struct fault *fault)
{
    struct stat status = {0};
    int r = writer->form->end(writer, fault);
    if (r == 0 && (fsync(writer->fd) < 0 || fstat(writer->fd, &status) < 0))
        r = write_fault(writer, -errno, fault);
    if (r == 0) {
        *ret_bytes = (uint64_t)status.st_size;
        close(TAKE_FD(writer->fd));
    }
    object_writer_abandon(writer);
    return r;
}
