/* SPDX-License-Identifier: Apache-2.0 */
#include "base/zstd_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

struct zstd_reader {
    ZSTD_DCtx *context;
    size_t expected; /* what the library wants next: 0 between frames */
    int error;
};

int zstd_reader_new(struct zstd_reader **ret)
{
    struct zstd_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return -ENOMEM;
    reader->context = ZSTD_createDCtx();
    if (!reader->context) {
        free(reader);
        return -ENOMEM;
    }
    *ret = reader;
    return 0;
}

int zstd_reader_inflate(struct zstd_reader *reader, const uint8_t **in, size_t *in_len, void *to, size_t cap,
                        size_t *ret_len)
{
    ZSTD_inBuffer input = {.src = *in, .size = *in_len};
    ZSTD_outBuffer output = {.dst = to, .size = cap};
    /* Behind a frame the library is only asked again where another one begins. */
    while (reader->error == 0 && output.pos < output.size &&
           (reader->expected > 0 || input.pos < input.size)) {
        size_t in_before = input.pos;
        size_t out_before = output.pos;
        size_t r = ZSTD_decompressStream(reader->context, &output, &input);
        if (ZSTD_isError(r))
            reader->error = -EBADMSG;
        else
            reader->expected = r;
        if (input.pos == in_before && output.pos == out_before)
            break;
    }
    *in += input.pos;
    *in_len -= input.pos;
    *ret_len = output.pos;
    return reader->error;
}

bool zstd_reader_is_complete(const struct zstd_reader *reader)
{
    return reader->expected == 0;
}

void zstd_reader_free(struct zstd_reader *reader)
{
    if (!reader)
        return;
    (void)ZSTD_freeDCtx(reader->context);
    free(reader);
}
