/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/document.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/num.h"

#define LENGTH_DIGITS 10
#define CHECKSUM_DIGITS 16

int document_print(const char *kind, json_t *json, size_t room, struct buf *buf)
{
    AUTO_FREE char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (!text)
        return -ENOMEM;
    size_t len = strlen(text);
    if (room == 0)
        room = len + 1;
    size_t start = buf->len + DOCUMENT_FIRST_LINE_LEN;
    char *to = buf_reserve(buf, DOCUMENT_FIRST_LINE_LEN + room);
    if (!to || len >= room)
        return -ENOMEM;
    buf->len = start;
    buf_append(buf, text, len);
    char *body = to + DOCUMENT_FIRST_LINE_LEN;
    memset(body + len, ' ', room - len - 1);
    body[room - 1] = '\n';
    char first[64];
    (void)snprintf(first, sizeof first, "%s %010zu %016" PRIx64 "\n", kind, room,
                   hash_bytes(body, room, room));
    memcpy(to, first, DOCUMENT_FIRST_LINE_LEN);
    buf->len = start + room;
    return 0;
}

int document_parse_first_line(const char *kind, const char line[static DOCUMENT_FIRST_LINE_LEN],
                              size_t *ret_len, uint64_t *ret_checksum)
{
    const char *len_at = line + strlen(kind) + 1;
    const char *checksum_at = len_at + LENGTH_DIGITS + 1;
    uint64_t len;
    if (memcmp(line, kind, strlen(kind)) != 0 || len_at[-1] != ' ' || checksum_at[-1] != ' ' ||
        line[DOCUMENT_FIRST_LINE_LEN - 1] != '\n' ||
        !num_parse_u64(len_at, LENGTH_DIGITS, DOCUMENT_MAX, &len) ||
        !num_parse_hex(checksum_at, CHECKSUM_DIGITS, ret_checksum))
        return -EBADMSG;
    *ret_len = (size_t)len;
    return 0;
}

json_t *document_parse(const char *text, size_t len, uint64_t checksum)
{
    if (hash_bytes(text, len, len) != checksum)
        return NULL;
    return json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
}

int document_read(json_t **ret, const char *path, const char *kind, struct fault *fault)
{
    size_t len = 0;
    uint64_t checksum = 0;
    AUTO_BUF struct buf text = BUF_INIT(DOCUMENT_FIRST_LINE_LEN + DOCUMENT_MAX);
    int r = file_read(path, &text, fault);
    if (r < 0)
        return r;
    json_t *json = NULL;
    if (text.len >= DOCUMENT_FIRST_LINE_LEN &&
        document_parse_first_line(kind, text.data, &len, &checksum) == 0 &&
        len == text.len - DOCUMENT_FIRST_LINE_LEN)
        json = document_parse(text.data + DOCUMENT_FIRST_LINE_LEN, len, checksum);
    if (!json)
        return fault_set(fault, -EBADMSG, "%s: damaged", path);
    *ret = json;
    return 0;
}

int document_write(const char *path, const char *kind, json_t *json, struct fault *fault)
{
    AUTO_BUF struct buf text = BUF_INIT(DOCUMENT_FIRST_LINE_LEN + DOCUMENT_MAX);
    if (document_print(kind, json, 0, &text) < 0)
        return fault_set(fault, -ENOMEM, "%s: out of memory", path);
    return file_replace(path, text.data, text.len, fault);
}
