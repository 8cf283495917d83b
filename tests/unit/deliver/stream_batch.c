/* SPDX-License-Identifier: Apache-2.0 */
#include "stream_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void stream_batch_init(struct stream_batch *made, uint64_t sequence)
{
    *made = (struct stream_batch){0};
    for (int i = 0; i < 3; i++)
        (void)snprintf(made->interfaces[i].identity.interface_id,
                       sizeof made->interfaces[i].identity.interface_id, "eni-%d", i);
    made->batch.head = (struct batch_head){
        .sequence = sequence, .interval = 60, .interfaces = made->interfaces, .interface_count = 3};
    format_set_default(&made->batch.head.format);
}

static void add(struct stream_batch *made, uint32_t interface, uint64_t start, char *text, size_t len)
{
    struct batch *batch = &made->batch;
    if (batch->line_count == made->cap) {
        made->cap = made->cap ? made->cap * 2 : 64;
        struct batch_line *lines = reallocarray(batch->lines, made->cap, sizeof *lines);
        if (!lines)
            abort();
        batch->lines = lines;
    }
    if (!text)
        abort();
    batch->lines[batch->line_count++] = (struct batch_line){.text = text,
                                                            .len = (uint32_t)len,
                                                            .interface = interface,
                                                            .start = start,
                                                            .end = start + 59,
                                                            .packets = 7};
}

void stream_batch_add(struct stream_batch *made, uint32_t interface, uint64_t start, const char *text)
{
    add(made, interface, start, strdup(text), strlen(text));
}

void stream_batch_add_long(struct stream_batch *made, uint32_t interface, uint64_t start, size_t len)
{
    char *text = malloc(len + 32);
    if (!text)
        abort();
    int used = snprintf(text, 32, "%zu ", made->batch.line_count);
    memset(text + used, 'x', len - (size_t)used);
    add(made, interface, start, text, len);
}

void stream_batch_done(struct stream_batch *made)
{
    for (size_t i = 0; i < made->batch.line_count; i++)
        free((char *)(uintptr_t)made->batch.lines[i].text);
    free(made->batch.lines);
}
