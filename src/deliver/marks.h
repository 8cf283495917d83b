/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What has become of each line of the batch that a stream destination is at, so that a retry in the same
 * process sends only the rest. Lives in the driver, from one send() to the next.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"
#include "deliver/batch.h"
#include "deliver/driver.h"

enum line_mark {
    LINE_DUE,       /* to be sent */
    LINE_SENT,      /* on its way, no answer yet */
    LINE_ALONE,     /* was refused among others: to be sent by itself, which tells whether it is the cause */
    LINE_DELIVERED, /* confirmed */
    LINE_REFUSED,   /* the destination will never take it */
    LINE_MARKS,
};

struct marks {
    uint64_t sequence; /* of the batch; meaningless while `lines` is NULL */
    uint8_t *lines;    /* enum line_mark, owned */
    size_t count;
    size_t with[LINE_MARKS];    /* lines that bear each mark */
    uint64_t refused[REFUSALS]; /* those of LINE_REFUSED by reason */
    size_t most;                /* lines that the next call may hold */
    bool taken;                 /* a call of this attempt was */
    unsigned vain;              /* attempts at this batch of which nothing was taken */
};

/* Whether the marks are those of this batch. */
bool marks_are_of(const struct marks *marks, const struct batch *batch);

/* All lines of the batch become due; -ENOMEM. */
int marks_begin(struct marks *marks, const struct batch *batch) MUST_USE;

void marks_set(struct marks *marks, size_t line, enum line_mark mark);
void marks_refuse(struct marks *marks, size_t line, enum refusal why);

/* The first line from `from` on that bears the mark; `count` when there is none. */
size_t marks_next(const struct marks *marks, size_t from, enum line_mark mark);

/*
 * For services that refuse a call as a whole, perhaps for one line of it. Every attempt begins with
 * marks_begin_attempt(); of each call it tells what came of it.
 */
void marks_begin_attempt(struct marks *marks);
void marks_call_taken(struct marks *marks);

/*
 * The lines stay due, and the next calls hold half as many, until the line that is the cause stands alone.
 * False when one after the other was refused by itself and no call was taken: it is not about lines.
 */
bool marks_call_refused(struct marks *marks, const size_t *lines, size_t count) MUST_USE;

/*
 * At the attempt's end: the lines that were refused by themselves are refused for good if any of the batch
 * was taken. False when nothing was: they are due again, until it has been tried often enough to say that all
 * of the batch is refused.
 */
bool marks_end_attempt(struct marks *marks) MUST_USE;

/* Lines without a final answer. */
size_t marks_left(const struct marks *marks);

/*
 * The outcome once no line is left: delivered, perhaps without what was refused; rejected when the
 * destination took nothing of it. `refusal` says why. Without memory it is a retry, of the telling alone.
 */
void marks_tell_outcome(const struct marks *marks, const struct batch *batch, const struct fault *refusal,
                        struct outcome *ret);

void marks_done(struct marks *marks);
