/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/hash.h"
#include "deliver/driver.h"
#include "record/json.h"
#include "record/text.h"

#define BATCH_MAX (1UL << 30)

struct stdout_state {
    struct format format;
    bool json;
    bool header_due;
    struct buf batch;
    uint64_t window;
    uint64_t sequence;
    /* Of a commit that failed half-way (a full disk behind a redirection): its repetition goes on there. */
    struct {
        uint64_t window;
        uint64_t sequence;
        size_t len;
        uint64_t hash;
    } written;
};

static int stdout_open(void **ret, const struct destination_settings *settings, struct fault *fault)
{
    struct stdout_state *state = calloc(1, sizeof *state);
    if (!state)
        return fault_set(fault, -ENOMEM, "out of memory");
    state->format = *settings->format;
    state->json = settings->file_format == FILE_FORMAT_JSON;
    state->header_due = !state->json;
    state->batch = BUF_INIT(BATCH_MAX);
    *ret = state;
    return 0;
}

static void stdout_close(void *opaque)
{
    struct stdout_state *state = opaque;
    buf_done(&state->batch);
    free(state);
}

static void stdout_abandon(void *opaque)
{
    struct stdout_state *state = opaque;
    buf_done(&state->batch); /* an idle hour need not keep a busy minute's memory */
}

static int stdout_begin(void *opaque, uint64_t window, uint64_t sequence, struct fault *fault)
{
    struct stdout_state *state = opaque;
    state->window = window;
    state->sequence = sequence;
    if (state->header_due) {
        format_print_header(&state->format, &state->batch);
        buf_char(&state->batch, '\n');
    }
    return 0;
}

static int stdout_add(void *opaque, const struct record *record, struct fault *fault)
{
    struct stdout_state *state = opaque;
    if (state->json)
        record_write_json(&state->batch, &state->format, record);
    else
        record_write_text(&state->batch, &state->format, record);
    if (state->batch.failed)
        return fault_set(fault, -ENOMEM, "standard output: no memory for more than %zu bytes of one window",
                         state->batch.len);
    return 0;
}

/* How much of the batch is out already, from a failed attempt at the same bytes. */
static size_t find_written(const struct stdout_state *state)
{
    if (state->written.window != state->window || state->written.sequence != state->sequence ||
        state->written.len > state->batch.len)
        return 0;
    uint64_t hash = hash_bytes(state->batch.data, state->written.len, 0);
    return hash == state->written.hash ? state->written.len : 0;
}

static int write_batch(struct stdout_state *state)
{
    size_t at = find_written(state);
    int r = 0;
    while (r == 0 && at < state->batch.len) {
        ssize_t put = write(STDOUT_FILENO, state->batch.data + at, state->batch.len - at);
        if (put >= 0)
            at += (size_t)put;
        else if (errno != EINTR)
            r = -errno;
    }
    state->written.window = state->window;
    state->written.sequence = state->sequence;
    state->written.len = at;
    state->written.hash = at ? hash_bytes(state->batch.data, at, 0) : 0;
    return r;
}

static int stdout_commit(void *opaque, uint64_t *objects, struct fault *fault)
{
    struct stdout_state *state = opaque;
    int r = write_batch(state);
    stdout_abandon(state);
    if (r < 0)
        return fault_set(fault, r, "standard output: cannot write: %s", strerror(-r));
    state->header_due = false;
    *objects = 0;
    return 0;
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
