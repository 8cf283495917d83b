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
#include "record/parse.h"

/*
 * poll() says when a pipe takes PIPE_BUF bytes, and writes of that size then never wait: so a reader that
 * does not read holds up nothing for longer than this. What a batch that failed had got through already is
 * left out when it comes again.
 */
#define FLUSH_AT (64 * 1024)
#define BUFFER_MAX (16 * 1024 * 1024) /* far above one record */
#define PATIENCE_MS 1000
#define POLL_MS 100

struct stdout_state {
    struct buf buf; /* produced, not written yet */
    bool json;
    uint64_t sequence; /* of the batch that `progress` is about */
    uint64_t skip;     /* bytes of it that an earlier attempt wrote, not produced again yet */
    bool cut;          /* the last byte written ends no line */
    bool newline_due;  /* the batch before was given up within a line */
    bool header_due;   /* text begins with one, once */
};

static int stdout_open(void **ret, const struct destination_settings *settings, struct fault *fault)
{
    struct stdout_state *out = calloc(1, sizeof *out);
    if (!out)
        return fault_set(fault, -ENOMEM, "out of memory");
    out->buf = BUF_INIT(BUFFER_MAX);
    out->json = settings->file_format == FILE_FORMAT_JSON;
    out->header_due = !out->json;
    *ret = out;
    return 0;
}

static void stdout_close(void *state)
{
    struct stdout_state *out = state;
    buf_done(&out->buf);
    free(out);
}

static int wait_writable(const atomic_bool *cancelled)
{
    struct pollfd wait = {.fd = STDOUT_FILENO, .events = POLLOUT};
    for (unsigned waited = 0; waited < PATIENCE_MS; waited += POLL_MS) {
        int ready = poll(&wait, 1, POLL_MS);
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (ready > 0 && wait.revents & POLLNVAL)
            return -EBADF;
        if (ready > 0)
            return wait.revents & POLLERR ? -EPIPE : 0;
        if (atomic_load(cancelled))
            return -ECANCELED;
    }
    return -EAGAIN;
}

static int write_piece(struct stdout_state *out, const char *data, size_t len, const atomic_bool *cancelled)
{
    int r = wait_writable(cancelled);
    if (r < 0)
        return r;
    ssize_t put = write(STDOUT_FILENO, data, len < PIPE_BUF ? len : PIPE_BUF);
    if (put < 0)
        return errno == EINTR ? 0 : -errno;
    if (put > 0)
        out->cut = data[put - 1] != '\n';
    return (int)put;
}

static int flush(struct stdout_state *out, uint64_t *progress, const atomic_bool *cancelled)
{
    if (out->buf.failed)
        return -ENOMEM;
    while (out->newline_due) {
        int put = write_piece(out, "\n", 1, cancelled);
        if (put < 0)
            return put;
        out->newline_due = put == 0;
    }
    size_t at = out->skip < out->buf.len ? (size_t)out->skip : out->buf.len;
    out->skip -= at;
    while (at < out->buf.len) {
        int put = write_piece(out, out->buf.data + at, out->buf.len - at, cancelled);
        if (put < 0)
            return put;
        at += (size_t)put;
        *progress += (uint64_t)put;
    }
    buf_clear(&out->buf);
    return 0;
}

static int produce(struct stdout_state *out, const struct batch *batch, const struct batch_line *line,
                   struct fault *fault)
{
    struct record record;
    if (!out->json) {
        buf_append(&out->buf, line->text, line->len);
        buf_char(&out->buf, '\n');
        return 0;
    }
    int r = record_parse_text(&record, &batch->head.format, line->text, line->len, fault);
    if (r == 0)
        record_write_json(&out->buf, &batch->head.format, &record);
    return r;
}

static void begin(struct stdout_state *out, const struct batch *batch, uint64_t progress)
{
    buf_clear(&out->buf);
    if (out->sequence != batch->head.sequence)
        out->newline_due = out->cut;
    out->sequence = batch->head.sequence;
    out->skip = progress;
    if (out->header_due) {
        format_print_header(&batch->head.format, &out->buf);
        buf_char(&out->buf, '\n');
    }
}

static void fail(struct outcome *ret, int error)
{
    ret->kind = OUTCOME_RETRY;
    ret->word = ERROR_UNKNOWN;
    if (error == -EAGAIN)
        (void)fault_set(&ret->fault, error, "standard output: whoever reads it has stopped reading");
    else
        (void)fault_set(&ret->fault, error, "standard output: cannot write: %s", strerror(-error));
}

static void stdout_send(void *state, const struct batch *batch, uint64_t *progress,
                        const atomic_bool *cancelled, struct outcome *ret)
{
    struct stdout_state *out = state;
    int r = 0;
    begin(out, batch, *progress);
    for (size_t i = 0; r == 0 && i < batch->line_count; i++) {
        if (produce(out, batch, &batch->lines[i], &ret->fault) < 0) {
            ret->kind = OUTCOME_REJECTED;
            return;
        }
        if (out->buf.len >= FLUSH_AT || out->buf.failed)
            r = flush(out, progress, cancelled);
    }
    if (r == 0)
        r = flush(out, progress, cancelled);
    if (r < 0)
        fail(ret, r);
    else
        out->header_due = false;
}

const struct delivery_driver deliver_stdout_driver = {
    .backoff_max_s = 5,
    .open = stdout_open,
    .close = stdout_close,
    .send = stdout_send,
};
