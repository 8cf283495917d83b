/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/object.h"

#include <string.h>

#include "aws/client.h"
#include "aws/uri.h"

#define PATH_MAX_BYTES 4096
#define ANSWER_MAX 65536

int aws_object_open(struct aws_client **ret, const struct aws_settings *settings, struct fault *fault)
{
    return aws_client_new(ret, settings, fault);
}

void aws_object_close(struct aws_client *client)
{
    aws_client_free(client);
}

int aws_object_put(struct aws_client *client, const struct aws_object *object, unsigned total_ms,
                   const atomic_bool *cancelled, struct buf *ret_url, struct aws_error *error,
                   struct fault *fault)
{
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_BYTES);
    const struct http_header type = {"content-type", object->content_type};
    const struct http_body body = {.data = object->data, .len = object->len};
    *error = (struct aws_error){0};
    buf_char(&path, '/');
    uri_encode(&path, object->key, strlen(object->key), true);
    const struct aws_call call = {.method = "PUT",
                                  .path = buf_string(&path),
                                  .headers = &type,
                                  .header_count = 1,
                                  .body = &body,
                                  .total_ms = total_ms,
                                  .cancelled = cancelled};
    int r = aws_client_call(client, &call, &answer, error, fault);
    if (r == 0)
        aws_client_print_url(client, call.path, ret_url);
    return r;
}
