/* SPDX-License-Identifier: Apache-2.0 */
#include "base/gzip.h"

#include <errno.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

#define DEFLATE_ROOM 65536
#define PIECE_MAX (1U << 30) /* ISA-L counts in 32 bits */

struct gzip_writer {
    struct isal_zstream stream;
    uint8_t level_buffer[];
};

static int make_writer(struct gzip_writer **ret, uint32_t level, uint32_t level_bytes)
{
    struct gzip_writer *writer = calloc(1, sizeof *writer + level_bytes);
    if (!writer)
        return -ENOMEM;
    isal_deflate_init(&writer->stream);
    writer->stream.level = level;
    writer->stream.level_buf = writer->level_buffer;
    writer->stream.level_buf_size = level_bytes;
    writer->stream.gzip_flag = IGZIP_GZIP;
    *ret = writer;
    return 0;
}

int gzip_writer_new(struct gzip_writer **ret)
{
    return make_writer(ret, 1, ISAL_DEF_LVL1_DEFAULT);
}

int gzip_writer_new_small(struct gzip_writer **ret)
{
    return make_writer(ret, 3, ISAL_DEF_LVL3_DEFAULT);
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
        at = piece ? at + piece : at; /* no data may be a null pointer */
        stream->end_of_stream = last && len == 0;
        r = deflate_piece(stream, to);
    } while (r == 0 && len > 0);
    return r;
}

/*
 * Parts of a member, RFC 1952 section 2.3. The header is read here, since ISA-L 2.30 takes a good header with
 * a checksum for damaged when it comes in pieces.
 */
enum part { PART_FIXED, PART_EXTRA_LEN, PART_EXTRA, PART_NAME, PART_COMMENT, PART_CHECKSUM, PART_BODY };

#define FIXED_LEN 10
#define FLAG_CHECKSUM 2
#define FLAG_EXTRA 4
#define FLAG_NAME 8
#define FLAG_COMMENT 16
#define FLAGS_RESERVED 0xe0

struct gzip_reader {
    enum part part;
    unsigned at; /* bytes of the part that were taken */
    unsigned extra_len;
    uint8_t flags;
    bool had_member;
    int error; /* for good: ISA-L reads wherever it likes when it is called again after damage */
    struct inflate_state state;
};

int gzip_reader_new(struct gzip_reader **ret)
{
    /* All of it cleared: a damaged stream may copy what its window never held. */
    struct gzip_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return -ENOMEM;
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
    return reader->part == PART_FIXED && reader->at == 0;
}

/* Zero bytes behind a member fill a block of a tape or a disk. */
static void skip_padding(const struct gzip_reader *reader, const uint8_t **in, size_t *in_len)
{
    while (reader->had_member && *in_len > 0 && **in == 0) {
        (*in)++;
        (*in_len)--;
    }
}

static void begin_part(struct gzip_reader *reader, enum part part)
{
    static const uint8_t flags[] = {
        [PART_EXTRA_LEN] = FLAG_EXTRA, [PART_EXTRA] = FLAG_EXTRA,       [PART_NAME] = FLAG_NAME,
        [PART_COMMENT] = FLAG_COMMENT, [PART_CHECKSUM] = FLAG_CHECKSUM,
    };
    while (part > PART_FIXED && part < PART_BODY && !(reader->flags & flags[part]))
        part++;
    reader->part = part;
    reader->at = 0;
    if (part != PART_BODY)
        return;
    isal_inflate_reset(&reader->state);
    reader->state.crc_flag = ISAL_GZIP_NO_HDR_VER;
}

/* 0x1f 0x8b, method 8 (deflate), flags; time, extra flags and system do not matter. */
static bool take_fixed_byte(struct gzip_reader *reader, uint8_t byte)
{
    static const uint8_t magic[] = {0x1f, 0x8b, 8};
    if (reader->at < sizeof magic)
        return byte == magic[reader->at];
    if (reader->at == sizeof magic)
        reader->flags = byte;
    return (reader->flags & FLAGS_RESERVED) == 0;
}

/* Whether the part has ended with this byte. */
static bool is_last_byte(struct gzip_reader *reader, uint8_t byte)
{
    switch (reader->part) {
    case PART_FIXED:
        return reader->at == FIXED_LEN - 1;
    case PART_EXTRA_LEN:
        reader->extra_len = reader->at == 0 ? byte : reader->extra_len | (unsigned)byte << 8;
        return reader->at == 1;
    case PART_EXTRA:
        return reader->at + 1 >= reader->extra_len;
    case PART_NAME:
    case PART_COMMENT:
        return byte == 0;
    case PART_CHECKSUM:
        return reader->at == 1;
    case PART_BODY:
        break;
    }
    return false;
}

static int take_header(struct gzip_reader *reader, const uint8_t **in, size_t *in_len)
{
    while (*in_len > 0 && reader->part != PART_BODY) {
        uint8_t byte = **in;
        if (reader->part == PART_FIXED && !take_fixed_byte(reader, byte))
            return -EBADMSG;
        (*in)++;
        (*in_len)--;
        bool last = is_last_byte(reader, byte);
        reader->at++;
        bool empty_extra = last && reader->part == PART_EXTRA_LEN && reader->extra_len == 0;
        if (last)
            begin_part(reader, reader->part + (empty_extra ? 2 : 1));
    }
    return 0;
}

/* The deflated body and its trailer; a member's end begins the next one. */
static int take_body(struct gzip_reader *reader, const uint8_t **in, size_t *in_len)
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
    if (state->block_state == ISAL_BLOCK_FINISH) {
        begin_part(reader, PART_FIXED);
        reader->had_member = true;
    }
    return 0;
}

int gzip_reader_inflate(struct gzip_reader *reader, const uint8_t **in, size_t *in_len, void *to, size_t cap,
                        size_t *ret_len)
{
    struct inflate_state *state = &reader->state;
    uint32_t room = cap < PIECE_MAX ? (uint32_t)cap : PIECE_MAX;
    state->next_out = to;
    state->avail_out = room;
    bool moved = true;
    while (reader->error == 0 && moved && state->avail_out > 0) {
        size_t input_before = *in_len;
        uint32_t room_before = state->avail_out;
        enum part part_before = reader->part;
        if (gzip_reader_is_complete(reader))
            skip_padding(reader, in, in_len);
        if (reader->part == PART_BODY)
            reader->error = take_body(reader, in, in_len);
        else
            reader->error = take_header(reader, in, in_len);
        moved = *in_len != input_before || state->avail_out != room_before || reader->part != part_before;
    }
    if (!moved && *in_len > 0)
        reader->error = -EBADMSG; /* some damage makes ISA-L stand still */
    *ret_len = room - state->avail_out;
    return reader->error;
}
