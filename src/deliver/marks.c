/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/marks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALONE_MAX 10 /* lines refused by themselves, until it is clear that no line is the cause */
#define VAIN_MAX 20  /* attempts of which no call was taken, most of an hour; then the batch is the cause */

_Static_assert(LINE_DUE == 0, "marks_begin relies on calloc");

bool marks_are_of(const struct marks *marks, const struct batch *batch)
{
    return marks->lines && marks->sequence == batch->head.sequence && marks->count == batch->line_count;
}

int marks_begin(struct marks *marks, const struct batch *batch)
{
    marks_done(marks);
    uint8_t *lines = calloc(batch->line_count ? batch->line_count : 1, 1);
    if (!lines)
        return -ENOMEM;
    *marks = (struct marks){.sequence = batch->head.sequence, .lines = lines, .count = batch->line_count};
    marks->with[LINE_DUE] = batch->line_count;
    return 0;
}

void marks_set(struct marks *marks, size_t line, enum line_mark mark)
{
    marks->with[marks->lines[line]]--;
    marks->lines[line] = (uint8_t)mark;
    marks->with[mark]++;
}

void marks_refuse(struct marks *marks, size_t line, enum refusal why)
{
    marks_set(marks, line, LINE_REFUSED);
    marks->refused[why]++;
}

size_t marks_next(const struct marks *marks, size_t from, enum line_mark mark)
{
    if (from >= marks->count)
        return marks->count;
    const uint8_t *found = memchr(marks->lines + from, mark, marks->count - from);
    return found ? (size_t)(found - marks->lines) : marks->count;
}

void marks_begin_attempt(struct marks *marks)
{
    marks->most = marks->count;
    marks->taken = false;
}

void marks_call_taken(struct marks *marks)
{
    marks->taken = true;
    marks->most = marks->most < marks->count / 2 ? 2 * marks->most : marks->count;
}

bool marks_call_refused(struct marks *marks, const size_t *lines, size_t count)
{
    if (count > 1) {
        marks->most = count / 2;
        return true;
    }
    marks_set(marks, lines[0], LINE_ALONE);
    return marks->taken || marks->with[LINE_ALONE] < ALONE_MAX;
}

bool marks_end_attempt(struct marks *marks)
{
    bool vain = !marks->taken && marks->with[LINE_DELIVERED] == 0 && marks->with[LINE_ALONE] > 0;
    bool again = vain && ++marks->vain < VAIN_MAX;
    for (size_t i = 0; (i = marks_next(marks, i, LINE_ALONE)) < marks->count; i++)
        if (again)
            marks_set(marks, i, LINE_DUE);
        else
            marks_refuse(marks, i, REFUSAL_INVALID);
    for (size_t i = 0; vain && !again && (i = marks_next(marks, i, LINE_DUE)) < marks->count; i++)
        marks_refuse(marks, i, REFUSAL_INVALID);
    return !again;
}

size_t marks_left(const struct marks *marks)
{
    return marks->count - marks->with[LINE_DELIVERED] - marks->with[LINE_REFUSED];
}

/* The whole, and by interface. */
static struct batch_sum sum_refused(const struct marks *marks, const struct batch *batch,
                                    struct batch_interface *interfaces)
{
    struct batch_sum whole = {0};
    for (size_t i = 0; (i = marks_next(marks, i, LINE_REFUSED)) < marks->count; i++) {
        const struct batch_line *line = &batch->lines[i];
        const struct batch_sum sum = {.records = 1, .packets = line->packets, .lost = line->lost};
        batch_sum_add(&whole, &sum);
        interfaces[line->interface].identity = batch->head.interfaces[line->interface].identity;
        interfaces[line->interface].sum.packets += line->packets;
    }
    return whole;
}

void marks_tell_outcome(const struct marks *marks, const struct batch *batch, const struct fault *refusal,
                        struct outcome *ret)
{
    size_t refused = marks->with[LINE_REFUSED];
    struct batch_interface *interfaces =
        refused ? calloc(batch->head.interface_count + 1U, sizeof *interfaces) : NULL;
    if (refused && !interfaces) {
        ret->kind = OUTCOME_RETRY;
        (void)fault_set(&ret->fault, -ENOMEM, "out of memory");
        return;
    }
    bool nothing = refused > 0 && refused == marks->count;
    ret->kind = nothing ? OUTCOME_REJECTED : OUTCOME_DELIVERED;
    ret->word = refused ? ERROR_UNKNOWN : ERROR_NONE;
    if (interfaces)
        ret->rejected = sum_refused(marks, batch, interfaces);
    ret->refused_of = interfaces;
    ret->refused_of_count = interfaces ? batch->head.interface_count : 0;
    ret->fault = *refusal;
    memcpy(ret->refused, marks->refused, sizeof ret->refused);
}

void marks_done(struct marks *marks)
{
    free(marks->lines);
    *marks = (struct marks){0};
}
