/* SPDX-License-Identifier: Apache-2.0 */
#include "base/gzip.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

#define DEFLATE_ROOM 65536
#define PIECE_MAX (1U << 30) /* ISA-L counts in 32 bits */

struct gzip_writer {
    struct isal_zstream stream;
    uint8_t level_buffer[ISAL_DEF_LVL1_DEFAULT];
};

int gzip_writer_new(struct gzip_writer **ret)
{
    struct gzip_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return -ENOMEM;
    isal_deflate_init(&writer->stream);
    writer->stream.level = 1;
    writer->stream.level_buf = writer->level_buffer;
    writer->stream.level_buf_size = sizeof writer->level_buffer;
    writer->stream.gzip_flag = IGZIP_GZIP;
    *ret = writer;
    return 0;
}

void gzip_writer_free(struct gzip_writer *writer)
{
    free(writer);
}

static int deflate_piece(struct isal_zstream *stream, struct buf *to)
{
    do {
        char *room = buf_reserve(to, DEFLATE_ROOM);
        if (!room)
            return -ENOMEM;
        stream->next_out = (uint8_t *)room;
        stream->avail_out = DEFLATE_ROOM;
        if (isal_deflate(stream) != COMP_OK)
            return -EINVAL;
        to->len += DEFLATE_ROOM - stream->avail_out;
    } while (stream->avail_in > 0 || stream->avail_out == 0);
    return 0;
}

int gzip_writer_add(struct gzip_writer *writer, const void *data, size_t len, bool last, struct buf *to)
{
    struct isal_zstream *stream = &writer->stream;
    const uint8_t *at = data;
    int r;
    do {
        uint32_t piece = len < PIECE_MAX ? (uint32_t)len : PIECE_MAX;
        stream->next_in = (uint8_t *)at; /* read only, whatever ISA-L's type says */
        stream->avail_in = piece;
        len -= piece;
        at += piece;
        stream->end_of_stream = last && len == 0;
        r = deflate_piece(stream, to);
    } while (r == 0 && len > 0);
    return r;
}

struct gzip_reader {
    bool in_member;
    bool had_member;
    struct inflate_state state;
};

int gzip_reader_new(struct gzip_reader **ret)
{
    struct gzip_reader *reader = malloc(sizeof *reader);
    if (!reader)
        return -ENOMEM;
    reader->in_member = false;
    reader->had_member = false;
    isal_inflate_init(&reader->state);
    *ret = reader;
    return 0;
}

void gzip_reader_free(struct gzip_reader *reader)
{
    free(reader);
}

bool gzip_reader_is_complete(const struct gzip_reader *reader)
{
    return !reader->in_member;
}

/* Zero bytes behind a member fill a block of a tape or a disk. */
static void skip_padding(const struct gzip_reader *reader, const uint8_t **in, size_t *in_len)
{
    while (reader->had_member && *in_len > 0 && **in == 0) {
        (*in)++;
        (*in_len)--;
    }
}

static int inflate_member(struct gzip_reader *reader, const uint8_t **in, size_t *in_len)
{
    struct inflate_state *state = &reader->state;
    uint32_t piece = *in_len < PIECE_MAX ? (uint32_t)*in_len : PIECE_MAX;
    state->next_in = (uint8_t *)*in;
    state->avail_in = piece;
    int r = isal_inflate(state);
    *in += piece - state->avail_in;
    *in_len -= piece - state->avail_in;
    if (r != ISAL_DECOMP_OK && r != ISAL_END_INPUT && r != ISAL_OUT_OVERFLOW)
        return -EBADMSG;
    return 0;
}

int gzip_reader_inflate(struct gzip_reader *reader, const uint8_t **in, size_t *in_len, void *to, size_t cap,
                        size_t *ret_len)
{
    struct inflate_state *state = &reader->state;
    uint32_t room = cap < PIECE_MAX ? (uint32_t)cap : PIECE_MAX;
    state->next_out = to;
    state->avail_out = room;
    int r = 0;
    while (r == 0 && state->avail_out > 0) {
        if (!reader->in_member) {
            skip_padding(reader, in, in_len);
            if (*in_len == 0)
                break;
            isal_inflate_reset(state);
            state->crc_flag = ISAL_GZIP;
            reader->in_member = true;
        }
        size_t input_before = *in_len;
        uint32_t room_before = state->avail_out;
        r = inflate_member(reader, in, in_len);
        if (state->block_state == ISAL_BLOCK_FINISH) {
            reader->in_member = false;
            reader->had_member = true;
        } else if (*in_len == input_before && state->avail_out == room_before) {
            break;
        }
    }
    *ret_len = room - state->avail_out;
    return r;
}
