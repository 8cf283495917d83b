/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/skipdata.h"

#include <errno.h>

#include "flow/emit.h"

int skipdata_add(struct batch_writer *writer, uint32_t interface, uint64_t start, uint64_t end,
                 uint64_t packets, enum lost_cause cause, struct fault *fault)
{
    const struct batch_head *head = batch_writer_head(writer);
    const struct interface of = {.identity = head->interfaces[interface].identity};
    struct emit emit;
    emit_init(&emit, &of, &head->format, NULL);
    return batch_writer_add(writer, interface,
                            emit_skipdata(&emit, start, (uint32_t)(end - start), packets, cause), 0, packets,
                            fault);
}

static int copy_intact(struct batch_reader *reader, struct batch_writer *writer, struct fault *fault)
{
    struct batch_line line;
    int r;
    while ((r = batch_reader_next(reader, &line, NULL)) != 0) {
        if (r > 0)
            r = batch_writer_copy(writer, &line, fault);
        if (r < 0 && r != -EBADMSG)
            return r;
    }
    return 0;
}

static int tell_missing(struct batch_reader *reader, struct batch_writer *writer,
                        struct batch_sum *ret_missing, struct fault *fault)
{
    const struct batch_head *whole = batch_reader_head(reader);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < whole->interface_count; i++) {
        const struct batch_sum *was = &whole->interfaces[i].sum;
        const struct batch_sum *is = &batch_writer_head(writer)->interfaces[i].sum;
        const struct batch_sum missing = {.records = was->records - is->records,
                                          .packets = was->packets - is->packets,
                                          .lost = was->lost - is->lost};
        batch_sum_add(ret_missing, &missing);
        if (missing.packets + missing.lost)
            r = skipdata_add(writer, i, whole->window, whole->window + whole->interval,
                             missing.packets + missing.lost, LOST_DAMAGED, fault);
    }
    return r;
}

int skipdata_salvage(const char *path, struct batch_sum *ret, uint64_t *ret_bytes,
                     struct batch_sum *ret_missing, struct fault *fault)
{
    struct batch_reader *reader = NULL;
    struct batch_writer *writer = NULL;
    struct batch_sum missing = {0};
    int r = batch_reader_open(&reader, path, fault);
    if (r < 0)
        return r;
    r = batch_writer_open(&writer, path, batch_reader_head(reader), fault);
    if (r == 0)
        r = copy_intact(reader, writer, fault);
    if (r == 0)
        r = tell_missing(reader, writer, &missing, fault);
    batch_reader_close(reader);
    if (r < 0) {
        batch_writer_abandon(writer);
        return r;
    }
    r = batch_writer_commit(writer, ret, ret_bytes, fault);
    if (r == 0)
        *ret_missing = missing;
    return r;
}
