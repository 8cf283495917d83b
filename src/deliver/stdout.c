/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "deliver/driver.h"
#include "record/json.h"
#include "record/text.h"

/*
 * A reader that does not read must not stop the daemon: poll() says when a pipe takes PIPE_BUF bytes, and
 * writes of that size then never wait. What a failed batch had got through already is left out when it comes
 * again.
 */
#define FLUSH_AT (64 * 1024)
#define BUFFER_MAX (16 * 1024 * 1024) /* far above one record */
#define PATIENCE_MS 1000

struct stdout_destination {
    struct buf buf; /* produced, not written yet */
    struct format format;
    void (*write_record)(struct buf *buf, const struct format *format, const struct record *record);
    uint64_t window;
    uint64_t sequence;
    uint64_t skip;    /* bytes of this batch that an earlier attempt wrote, not produced again yet */
    uint64_t written; /* bytes of this batch that the reader has */
    bool cut;         /* the last byte written ends no line */
    bool newline_due; /* the batch before was given up within a line */
    bool header_due;  /* text begins with one, once */
};

static int stdout_open(void **ret, const struct destination_settings *settings, struct fault *fault)
{
    struct stdout_destination *out = calloc(1, sizeof *out);
    if (!out)
        return fault_set(fault, -ENOMEM, "out of memory");
    out->buf = BUF_INIT(BUFFER_MAX);
    out->format = *settings->format;
    out->header_due = settings->file_format == FILE_FORMAT_PLAIN_TEXT;
    out->write_record = settings->file_format == FILE_FORMAT_JSON ? record_write_json : record_write_text;
    *ret = out;
    return 0;
}

static void stdout_close(void *state)
{
    struct stdout_destination *out = state;
    buf_done(&out->buf);
    free(out);
}

static void stdout_abandon(void *state)
{
    struct stdout_destination *out = state;
    buf_clear(&out->buf);
}

static int stdout_begin(void *state, uint64_t window, uint64_t sequence, struct fault *fault)
{
    struct stdout_destination *out = state;
    buf_clear(&out->buf);
    if (out->window != window || out->sequence != sequence) {
        out->newline_due = out->cut;
        out->written = 0;
    }
    out->skip = out->written;
    out->window = window;
    out->sequence = sequence;
    if (out->header_due) {
        format_print_header(&out->format, &out->buf);
        buf_char(&out->buf, '\n');
    }
    return 0;
}

static int wait_writable(void)
{
    struct pollfd wait = {.fd = STDOUT_FILENO, .events = POLLOUT};
    int ready = poll(&wait, 1, PATIENCE_MS);
    if (ready < 0)
        return errno == EINTR ? 0 : -errno;
    if (ready == 0)
        return -EAGAIN;
    if (wait.revents & POLLNVAL)
        return -EBADF;
    return wait.revents & POLLERR ? -EPIPE : 1;
}

static int write_piece(struct stdout_destination *out, const char *data, size_t len)
{
    int r = wait_writable();
    if (r <= 0)
        return r;
    ssize_t put = write(STDOUT_FILENO, data, len < PIPE_BUF ? len : PIPE_BUF);
    if (put < 0)
        return errno == EINTR ? 0 : -errno;
    out->written += (uint64_t)put;
    out->cut = data[put - 1] != '\n';
    return (int)put;
}

static int stdout_fault(int error, struct fault *fault)
{
    if (error == -EAGAIN)
        return fault_set(fault, error, "standard output: whoever reads it has stopped reading");
    return fault_set(fault, error, "standard output: cannot write: %s", strerror(-error));
}

static int end_cut_line(struct stdout_destination *out, struct fault *fault)
{
    while (out->newline_due) {
        int put = write_piece(out, "\n", 1);
        if (put < 0)
            return stdout_fault(put, fault);
        out->newline_due = put == 0;
        out->written = 0;
    }
    return 0;
}

static int flush(struct stdout_destination *out, struct fault *fault)
{
    if (out->buf.failed)
        return fault_set(fault, -ENOMEM, "out of memory");
    int r = end_cut_line(out, fault);
    if (r < 0)
        return r;
    size_t at = out->skip < out->buf.len ? (size_t)out->skip : out->buf.len;
    out->skip -= at;
    while (at < out->buf.len) {
        int put = write_piece(out, out->buf.data + at, out->buf.len - at);
        if (put < 0)
            return stdout_fault(put, fault);
        at += (size_t)put;
    }
    buf_clear(&out->buf);
    return 0;
}

static int stdout_add(void *state, const struct record *record, struct fault *fault)
{
    struct stdout_destination *out = state;
    out->write_record(&out->buf, &out->format, record);
    return out->buf.len < FLUSH_AT && !out->buf.failed ? 0 : flush(out, fault);
}

static int stdout_commit(void *state, uint64_t *objects, struct fault *fault)
{
    struct stdout_destination *out = state;
    *objects = 0;
    int r = flush(out, fault);
    if (r == 0)
        out->header_due = false;
    return r;
}

static const char *stdout_last_object(const void *state)
{
    return "";
}

const struct destination_driver deliver_stdout_driver = {
    .open = stdout_open,
    .close = stdout_close,
    .begin = stdout_begin,
    .add = stdout_add,
    .commit = stdout_commit,
    .abandon = stdout_abandon,
    .last_object = stdout_last_object,
};
