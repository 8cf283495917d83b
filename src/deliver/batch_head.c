/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

static json_t *print_json(const struct batch_head *head)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:s, s:o}", "flow-log", head->flow_log_id, "window",
                     (json_int_t)head->window, "interval", (json_int_t)head->interval, "sequence",
                     (json_int_t)head->sequence, "tells", (json_int_t)head->tells, "format",
                     head->format_text, "interfaces", account_print(head->interfaces, head->interface_count));
}

int batch_head_print(const struct batch_head *head, size_t room, struct buf *buf)
{
    return document_print(DOCUMENT_BATCH, print_json(head), room, buf);
}

/* The longest number an account can hold takes the place of each. */
size_t batch_head_room(const struct batch_head *head, size_t len)
{
    return len + (size_t)head->interface_count * 3 * sizeof "9223372036854775807";
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

int batch_head_parse(struct batch_head *ret, const json_t *document, struct fault *fault)
{
    struct batch_head head = {0};
    int r = parse_document(&head, document, fault);
    if (r < 0)
        batch_head_done(&head);
    else
        *ret = head;
    return r;
}
