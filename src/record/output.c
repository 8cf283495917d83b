/* SPDX-License-Identifier: Apache-2.0 */
#include "record/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/gzip.h"
#include "base/macro.h"
#include "record/csv.h"
#include "record/json.h"
#include "record/text.h"

#define FLUSH_AT (256 * 1024)
#define BUFFER_MAX (64 * 1024 * 1024) /* one record of the longest values is far below */

struct output {
    struct buf plain;
    struct buf packed;
    struct gzip_writer *gzip; /* NULL where the form is not compressed */
    void (*write_record)(struct buf *buf, const struct format *format, const struct record *record);
    const struct output_writer *writer; /* NULL: text, written here */
    void *writer_state;
    struct format format;
    int fd;
    bool is_stdout;
    bool takes_lines; /* of its own format, as they are */
    bool has_version;
    char path[PATH_MAX];  /* final name; "-" for standard output */
    char aside[PATH_MAX]; /* written first, then renamed; "" when written straight into path */
};

typedef void header_writer(struct buf *buf, const struct format *format);
typedef void record_writer(struct buf *buf, const struct format *format, const struct record *record);

static void write_text_header(struct buf *buf, const struct format *format)
{
    format_print_header(format, buf);
    buf_char(buf, '\n');
}

static const struct {
    const char *extension;
    record_writer *write_record;
    header_writer *write_header; /* NULL where there is none */
    bool header_always;
    bool gzip;
} forms[] = {
    [OUTPUT_TEXT] = {".log", record_write_text, write_text_header, false, false},
    [OUTPUT_TEXT_GZ] = {".gz", record_write_text, write_text_header, false, true},
    [OUTPUT_JSON] = {".json", record_write_json, NULL, false, false},
    [OUTPUT_JSON_GZ] = {".json.gz", record_write_json, NULL, false, true},
    [OUTPUT_CSV] = {".csv", record_write_csv, record_write_csv_header, true, false},
    [OUTPUT_CSV_GZ] = {".csv.gz", record_write_csv, record_write_csv_header, true, true},
    [OUTPUT_PARQUET] = {".parquet", NULL, NULL, false, false},
    [OUTPUT_PARQUET_GZ] = {".gz.parquet", NULL, NULL, false, true},
};

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text);
    size_t end_len = strlen(end);
    return text_len >= end_len && strcmp(text + text_len - end_len, end) == 0;
}

enum output_form output_form_of(const char *path)
{
    size_t longest = 0;
    enum output_form found = OUTPUT_TEXT;
    for (size_t i = 0; path && i < ARRAY_SIZE(forms); i++) {
        if (strlen(forms[i].extension) <= longest || !ends_with(path, forms[i].extension))
            continue;
        longest = strlen(forms[i].extension);
        found = (enum output_form)i;
    }
    return found;
}

bool output_form_is_gzip(enum output_form form)
{
    return forms[form].gzip;
}

static void output_free(struct output *output)
{
    if (output->fd >= 0 && !output->is_stdout)
        (void)close(output->fd);
    gzip_writer_free(output->gzip);
    buf_done(&output->plain);
    buf_done(&output->packed);
    free(output);
}

void output_abandon(struct output *output)
{
    if (!output)
        return;
    if (output->writer_state)
        output->writer->abandon(output->writer_state);
    if (output->aside[0])
        (void)unlink(output->aside);
    output_free(output);
}

static void output_cleanup(struct output **output)
{
    output_abandon(*output);
}

/* Follows a link to the file itself, so that the rename replaces the file and the link stays. */
static int resolve_path(struct output *output, const char *path, struct fault *fault)
{
    struct stat found;
    AUTO_FREE char *real = realpath(path, NULL);
    bool exists = real && stat(real, &found) == 0;
    const char *name = exists ? real : path;
    const char *beside = exists && !S_ISREG(found.st_mode) ? "" : ".tmp";
    if (strlen(name) + sizeof ".tmp" > sizeof output->aside)
        return fault_set(fault, -ENAMETOOLONG, "%s: path too long", path);
    (void)snprintf(output->path, sizeof output->path, "%s", name);
    if (beside[0])
        (void)snprintf(output->aside, sizeof output->aside, "%s%s", name, beside);
    return 0;
}

static int open_file(struct output *output, const char *path, struct fault *fault)
{
    int r = resolve_path(output, path, fault);
    if (r < 0)
        return r;
    const char *name = output->aside[0] ? output->aside : output->path;
    output->fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (output->fd < 0) {
        int error = -errno;
        output->aside[0] = '\0';
        return fault_set(fault, error, "%s: cannot create: %s", output->path, strerror(-error));
    }
    return 0;
}

/* Of a field that is there twice, a line may have two values and the record one. */
static bool takes_lines(const struct output *output)
{
    const struct format *format = &output->format;
    for (unsigned i = 0; i < format->count; i++)
        if (memchr(format->fields, format->fields[i], i))
            return false;
    return output->write_record == record_write_text;
}

int output_open(struct output **ret, const char *path, enum output_form form, const struct format *format,
                bool header, struct fault *fault)
{
    if (!forms[form].write_record || (path && ends_with(path, ".zst")))
        return fault_set(fault, -ENOTSUP,
                         "%s: this form cannot be written; use .log, .log.gz, .json, .csv or .parquet",
                         path ? path : "standard output");
    CLEANUP(output_cleanup) struct output *output = calloc(1, sizeof *output);
    if (!output)
        return fault_set(fault, -ENOMEM, "out of memory");
    *output = (struct output){.plain = BUF_INIT(BUFFER_MAX), .packed = BUF_INIT(BUFFER_MAX), .fd = -1};
    output->write_record = forms[form].write_record;
    output->format = *format;
    output->takes_lines = takes_lines(output);
    output->has_version = format_has(format, FIELD_VERSION);
    output->is_stdout = !path || strcmp(path, "-") == 0;
    if (forms[form].gzip && gzip_writer_new(&output->gzip) < 0)
        return fault_set(fault, -ENOMEM, "out of memory");
    int r = 0;
    if (output->is_stdout) {
        output->fd = STDOUT_FILENO;
        (void)snprintf(output->path, sizeof output->path, "standard output");
    } else {
        r = open_file(output, path, fault);
    }
    if (r < 0)
        return r;
    if (forms[form].write_header && (header || forms[form].header_always))
        forms[form].write_header(&output->plain, format);
    *ret = TAKE(output);
    return 0;
}

int output_open_with(struct output **ret, const char *path, const struct output_writer *writer,
                     const struct format *format, struct fault *fault)
{
    if (!path || strcmp(path, "-") == 0)
        return fault_set(fault, -EINVAL, "standard output cannot take this form: name a file");
    CLEANUP(output_cleanup) struct output *output = calloc(1, sizeof *output);
    if (!output)
        return fault_set(fault, -ENOMEM, "out of memory");
    output->writer = writer;
    output->fd = -1;
    int r = open_file(output, path, fault);
    if (r == 0)
        r = writer->open(&output->writer_state, output->fd, output->path, format, fault);
    if (r < 0)
        return r;
    *ret = TAKE(output);
    return 0;
}

static int flush_plain(struct output *output, bool last, struct fault *fault)
{
    struct buf *ready = &output->plain;
    int r = output->plain.failed ? -ENOMEM : 0;
    if (r == 0 && output->gzip) {
        r = gzip_writer_add(output->gzip, output->plain.data, output->plain.len, last, &output->packed);
        ready = &output->packed;
    }
    if (r == 0)
        r = file_write_all(output->fd, ready->data, ready->len);
    buf_clear(&output->plain);
    buf_clear(&output->packed);
    if (r < 0)
        return fault_set(fault, r, "%s: cannot write: %s", output->path, strerror(-r));
    return 0;
}

static int flush_when_full(struct output *output, struct fault *fault)
{
    return output->plain.len < FLUSH_AT ? 0 : flush_plain(output, false, fault);
}

int output_write(struct output *output, const struct record *record, struct fault *fault)
{
    if (output->writer)
        return output->writer->write(output->writer_state, record, fault);
    output->write_record(&output->plain, &output->format, record);
    return flush_when_full(output, fault);
}

/* The version is that of the format, whatever the line has. */
static bool is_same_format(const struct output *output, const struct format *from,
                           const struct record *record)
{
    const struct format *format = &output->format;
    const struct value *version = &record->values[FIELD_VERSION];
    return from->count == format->count && memcmp(from->fields, format->fields, format->count) == 0 &&
           (!output->has_version || (version->kind == VALUE_NUMBER && version->number == format->version));
}

int output_write_line(struct output *output, const struct record *record, const struct format *from,
                      const char *line, size_t len, struct fault *fault)
{
    if (!output->takes_lines || !is_same_format(output, from, record))
        return output_write(output, record, fault);
    char *to = buf_reserve(&output->plain, len + 1);
    if (to) {
        memcpy(to, line, len);
        to[len] = '\n';
        output->plain.len += len + 1;
    }
    return flush_when_full(output, fault);
}

void output_set_format(struct output *output, const struct format *format)
{
    output->format = *format;
}

int output_flush(struct output *output, struct fault *fault)
{
    return output->writer ? 0 : flush_plain(output, false, fault);
}

static int put_in_place(struct output *output, struct fault *fault)
{
    int r = fsync(output->fd) < 0 ? -errno : 0;
    if (r == 0 && rename(output->aside, output->path) < 0)
        r = -errno;
    if (r < 0)
        return fault_set(fault, r, "%s: cannot write: %s", output->path, strerror(-r));
    output->aside[0] = '\0';
    file_sync_folder_of(output->path);
    return 0;
}

int output_close(struct output *output, struct fault *fault)
{
    CLEANUP(output_cleanup) struct output *owned = output;
    int r = owned->writer ? owned->writer->close(TAKE(owned->writer_state), fault)
                          : flush_plain(owned, true, fault);
    return r < 0 || !owned->aside[0] ? r : put_in_place(owned, fault);
}
