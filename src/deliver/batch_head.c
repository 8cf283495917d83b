/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "deliver/account.h"
#include "deliver/batch_format.h"

void batch_sum_add(struct batch_sum *sum, const struct batch_sum *more)
{
    sum->records += more->records;
    sum->packets += more->packets;
    sum->lost += more->lost;
}

struct batch_sum batch_head_sum(const struct batch_head *head)
{
    struct batch_sum sum = {0};
    for (uint32_t i = 0; i < head->interface_count; i++)
        batch_sum_add(&sum, &head->interfaces[i].sum);
    return sum;
}

void batch_head_done(struct batch_head *head)
{
    free(head->flow_log_id);
    free(head->format_text);
    free(head->interfaces);
    *head = (struct batch_head){0};
}

static char *print_json(const struct batch_head *head)
{
    json_t *document =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:o}", "flow-log", head->flow_log_id, "window",
                  (json_int_t)head->window, "interval", (json_int_t)head->interval, "sequence",
                  (json_int_t)head->sequence, "tells", (json_int_t)head->tells, "format", head->format_text,
                  "interfaces", account_print(head->interfaces, head->interface_count));
    char *text = json_dumps(document, JSON_COMPACT);
    json_decref(document);
    return text;
}

/* The longest number an account can hold takes the place of each. */
static size_t room_for(const struct batch_head *head, size_t len)
{
    return len + (size_t)head->interface_count * 3 * sizeof "9223372036854775807";
}

int batch_head_print(const struct batch_head *head, size_t room, struct buf *buf)
{
    AUTO_FREE char *text = print_json(head);
    if (!text)
        return -ENOMEM;
    size_t len = strlen(text);
    if (room == 0)
        room = room_for(head, len) + 1;
    size_t start = buf->len + BATCH_FIRST_LINE_LEN;
    char *to = buf_reserve(buf, BATCH_FIRST_LINE_LEN + room);
    if (!to || len >= room)
        return -ENOMEM;
    buf->len = start;
    buf_append(buf, text, len);
    memset(buf->data + buf->len, ' ', room - len - 1);
    buf->len += room - len - 1;
    buf_char(buf, '\n');
    char first[64];
    (void)snprintf(first, sizeof first, "flowlog-batch 1 %010zu %016" PRIx64 "\n", room,
                   hash_bytes(buf->data + start, room, room));
    memcpy(buf->data + start - BATCH_FIRST_LINE_LEN, first, BATCH_FIRST_LINE_LEN);
    return 0;
}

static int parse_texts(struct batch_head *head, const json_t *document, struct fault *fault)
{
    const char *id = json_string_value(json_object_get(document, "flow-log"));
    const char *format = json_string_value(json_object_get(document, "format"));
    if (!id || !format)
        return -EBADMSG;
    head->flow_log_id = strdup(id);
    head->format_text = strdup(format);
    if (!head->flow_log_id || !head->format_text)
        return -ENOMEM;
    return format_parse(&head->format, format, fault) < 0 ? -EBADMSG : 0;
}

static int parse_document(struct batch_head *head, const json_t *document, struct fault *fault)
{
    uint64_t interval;
    if (!account_parse_number(document, "window", &head->window) ||
        !account_parse_number(document, "interval", &interval) || interval > UINT32_MAX ||
        !account_parse_number(document, "sequence", &head->sequence) ||
        !account_parse_number(document, "tells", &head->tells))
        return -EBADMSG;
    head->interval = (uint32_t)interval;
    int r = parse_texts(head, document, fault);
    return r < 0 ? r
                 : account_parse(json_object_get(document, "interfaces"), &head->interfaces,
                                 &head->interface_count);
}

int batch_head_parse(struct batch_head *ret, const char *text, size_t len, struct fault *fault)
{
    struct batch_head head = {0};
    json_t *document = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    int r = document ? parse_document(&head, document, fault) : -EBADMSG;
    json_decref(document);
    if (r < 0)
        batch_head_done(&head);
    else
        *ret = head;
    return r;
}
