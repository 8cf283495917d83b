/* SPDX-License-Identifier: Apache-2.0 */

/* A gzip stream, in pieces: the first byte says how large. The same bytes come out whatever the pieces. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/gzip.h"

#include "harness.h"

#define PLAIN_MAX (1 << 20) /* enough of a bomb */

struct result {
    int error;
    bool complete;
};

static struct result unpack(const uint8_t *data, size_t size, size_t piece, struct buf *plain)
{
    struct gzip_reader *reader = NULL;
    struct result result = {0};
    require(gzip_reader_new(&reader) == 0);
    const uint8_t *at = data;
    size_t given = 0; /* of `size`, in all */
    size_t left = 0;  /* of what was given, not taken */
    for (;;) {
        if (left == 0 && given < size) {
            left = size - given < piece ? size - given : piece;
            given += left;
        }
        size_t room = PLAIN_MAX - plain->len < piece * 3 ? PLAIN_MAX - plain->len : piece * 3;
        char *to = room ? buf_reserve(plain, room) : NULL;
        size_t made;
        size_t before = left;
        if (!to)
            break;
        result.error = gzip_reader_inflate(reader, &at, &left, to, room, &made);
        plain->len += made;
        if (result.error < 0 || (made == 0 && left == before && given == size))
            break;
    }
    result.complete = gzip_reader_is_complete(reader);
    gzip_reader_free(reader);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    AUTO_BUF struct buf in_pieces = BUF_INIT(PLAIN_MAX);
    AUTO_BUF struct buf at_once = BUF_INIT(PLAIN_MAX);
    struct result pieces = unpack(data + 1, size - 1, (size_t)data[0] + 1, &in_pieces);
    struct result once = unpack(data + 1, size - 1, 1 << 16, &at_once);
    require((pieces.error < 0) == (once.error < 0));
    if (pieces.error < 0 || in_pieces.len == PLAIN_MAX)
        return 0; /* where exactly damage shows may differ */
    require(pieces.complete == once.complete);
    require(in_pieces.len == at_once.len &&
            memcmp(buf_string(&in_pieces), buf_string(&at_once), at_once.len) == 0);
    return 0;
}
