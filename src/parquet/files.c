/* SPDX-License-Identifier: Apache-2.0 */
#include "parquet/files.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "parquet/reader.h"
#include "parquet/writer.h"

int files_open_input(struct input **ret, const char *path, const struct input_options *options,
                     struct fault *fault)
{
    bool is_stdin = strcmp(path, "-") == 0;
    AUTO_CLOSE int fd = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && parquet_is_file(fd))
        return parquet_input_open(ret, TAKE_FD(fd), path, options, fault);
    return input_open(ret, path, options, fault); /* tells also what is wrong with the path */
}

static int open_zstd(void **ret, int fd, const char *name, const struct format *format, struct fault *fault)
{
    return parquet_writer_open((struct parquet_writer **)ret, fd, name, format, PARQUET_ZSTD, fault);
}

static int open_gzip(void **ret, int fd, const char *name, const struct format *format, struct fault *fault)
{
    return parquet_writer_open((struct parquet_writer **)ret, fd, name, format, PARQUET_GZIP, fault);
}

static int write_record(void *state, const struct record *record, struct fault *fault)
{
    return parquet_writer_add(state, record, fault);
}

static int close_writer(void *state, struct fault *fault)
{
    return parquet_writer_close(state, fault);
}

static void abandon_writer(void *state)
{
    parquet_writer_abandon(state);
}

int files_open_output(struct output **ret, const char *path, enum output_form form,
                      const struct format *format, bool header, struct fault *fault)
{
    static const struct output_writer zstd = {open_zstd, write_record, close_writer, abandon_writer};
    static const struct output_writer gzip = {open_gzip, write_record, close_writer, abandon_writer};
    if (form == OUTPUT_PARQUET || form == OUTPUT_PARQUET_GZ)
        return output_open_with(ret, path, form == OUTPUT_PARQUET ? &zstd : &gzip, format, fault);
    return output_open(ret, path, form, format, header, fault);
}
