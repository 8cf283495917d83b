/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "aws/uri.h"
#include "aws/xml.h"
#include "base/cleanup.h"
#include "deliver/s3.h"

#define ANSWER_MAX (1UL << 20)
#define ID_MAX 4096
#define QUERY_MAX 16384
#define LIST_MAX (4UL << 20)
#define PART_ATTEMPTS 3
#define PAUSE_MS 1000
#define ABANDONED_MAX 16 /* taken back after one object; more would be another's */

/* "uploadId=…" behind what comes before. */
static void print_upload_query(struct buf *query, const char *before, const struct buf *id)
{
    buf_printf(query, "%suploadId=", before);
    uri_encode(query, id->data, id->len, false);
}

static int abort_upload(struct s3_put *put, const struct buf *id)
{
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    AUTO_BUF struct buf query = BUF_INIT(QUERY_MAX);
    struct fault fault;
    const struct aws_error why = put->error; /* stays the reason that is told */
    print_upload_query(&query, "", id);
    int r = s3_request(put, "DELETE", buf_string(&query), NULL, NULL, NULL, &answer, &fault);
    put->error = why;
    return r;
}

/*
 * A process that was killed leaves parts behind that cost money and that nobody sees, and so does an upload
 * whose id was lost with the answer. The object comes again under the same key, so uploads of just this key
 * are ours, and when one has ended no other is under way. Without the right to list them they stay: the
 * bucket's lifecycle rules are for those.
 */
static void abort_abandoned(struct s3_put *put)
{
    const struct s3 *s3 = put->s3;
    AUTO_BUF struct buf key = BUF_INIT(2048);
    AUTO_BUF struct buf query = BUF_INIT(QUERY_MAX);
    buf_printf(&key, "%s%s", s3->prefix, put->object->key);
    buf_text(&query, "max-uploads=1&prefix=");
    uri_encode(&query, key.data, key.len, false);
    buf_text(&query, "&uploads=");
    for (unsigned i = 0; i < ABANDONED_MAX; i++) {
        AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
        AUTO_BUF struct buf found = BUF_INIT(2048);
        AUTO_BUF struct buf id = BUF_INIT(ID_MAX);
        struct fault fault;
        struct s3_put bucket = {.s3 = s3, .cancelled = put->cancelled, .path = BUF_INIT(8)};
        buf_char(&bucket.path, '/');
        int r = s3_request(&bucket, "GET", buf_string(&query), NULL, NULL, NULL, &answer, &fault);
        buf_done(&bucket.path);
        if (r < 0 || xml_find_text(answer.body.data, answer.body.len, "Key", &found) < 0 ||
            xml_find_text(answer.body.data, answer.body.len, "UploadId", &id) < 0)
            return;
        if (strcmp(buf_string(&found), buf_string(&key)) != 0 || abort_upload(put, &id) < 0)
            return;
    }
}

static int begin_upload(struct s3_put *put, struct buf *id, struct fault *fault)
{
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    const struct http_body nothing = {.data = ""};
    struct s3_headers headers = {0};
    s3_headers_describe(&headers, put);
    s3_headers_add(&headers, "x-amz-checksum-algorithm", put->s3->checksum ? "SHA256" : NULL);
    int r = s3_request(put, "POST", "uploads=", &headers, &nothing, NULL, &answer, fault);
    if (r < 0)
        return r;
    if (xml_find_text(answer.body.data, answer.body.len, "UploadId", id) < 0 || !id->len)
        return fault_set(fault, -EPROTO, "HTTP %u without an upload's id is no answer of S3", answer.status);
    return 0;
}

static bool is_worth_repeating(enum aws_error_class class)
{
    return class == AWS_ERROR_NETWORK || class == AWS_ERROR_SERVER || class == AWS_ERROR_THROTTLED;
}

/* False when the daemon is stopping. */
static bool pause_before(unsigned attempt, const atomic_bool *cancelled)
{
    const struct timespec piece = {.tv_nsec = 100 * NS_PER_MS};
    for (unsigned waited_ms = 0; attempt && waited_ms < attempt * PAUSE_MS; waited_ms += 100) {
        if (atomic_load(cancelled))
            return false;
        (void)nanosleep(&piece, NULL);
    }
    return true;
}

static int send_part(struct s3_put *put, const char *query, const struct http_body *body,
                     const uint8_t digest[32], char etag[S3_ETAG_MAX], struct fault *fault)
{
    struct s3_headers headers = {0};
    char hash[SIGV4_HEX_LEN + 1];
    char checksum[S3_CHECKSUM_LEN + 1];
    int r = -EIO;
    sigv4_format_digest(digest, hash);
    s3_print_checksum(digest, checksum);
    s3_headers_add(&headers, "x-amz-checksum-sha256", put->s3->checksum ? checksum : NULL);
    for (unsigned attempt = 0; attempt < PART_ATTEMPTS && pause_before(attempt, put->cancelled); attempt++) {
        AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
        r = s3_request(put, "PUT", query, &headers, body, hash, &answer, fault);
        if (r == 0)
            return s3_check_confirmation(&answer, checksum, etag, fault);
        if (!is_worth_repeating(put->error.class))
            return r;
    }
    return r;
}

/* `list` is what completes the upload: each part with its ETag, which is text of another and so escaped. */
static void list_part(struct buf *list, uint64_t number, const char *etag, const char *checksum)
{
    buf_printf(list, "<Part><PartNumber>%" PRIu64 "</PartNumber><ETag>", number);
    for (; *etag; etag++) {
        if (*etag == '"')
            buf_text(list, "&quot;");
        else if (*etag != '<' && *etag != '>' && *etag != '&')
            buf_char(list, *etag);
    }
    buf_text(list, "</ETag>");
    if (checksum)
        buf_printf(list, "<ChecksumSHA256>%s</ChecksumSHA256>", checksum);
    buf_text(list, "</Part>");
}

static int send_parts(struct s3_put *put, const struct buf *id, struct buf *list, struct fault *fault)
{
    uint64_t size = put->object->size;
    for (uint64_t offset = 0, number = 1; offset < size; offset += S3_PART_SIZE, number++) {
        AUTO_BUF struct buf query = BUF_INIT(QUERY_MAX);
        const struct http_body body = {.is_file = true,
                                       .fd = put->fd,
                                       .offset = offset,
                                       .len = size - offset < S3_PART_SIZE ? size - offset : S3_PART_SIZE};
        uint8_t digest[32];
        char checksum[S3_CHECKSUM_LEN + 1];
        char etag[S3_ETAG_MAX] = "";
        buf_printf(&query, "partNumber=%" PRIu64, number);
        print_upload_query(&query, "&", id);
        int r = sigv4_digest_file(put->fd, offset, body.len, digest);
        if (r < 0)
            return fault_set(fault, r, "%s: cannot read: %s", put->object->path, strerror(-r));
        r = send_part(put, buf_string(&query), &body, digest, etag, fault);
        if (r < 0)
            return r;
        s3_print_checksum(digest, checksum);
        list_part(list, number, etag, put->s3->checksum ? checksum : NULL);
    }
    return 0;
}

/* S3 says 200 before it knows, and may tell of an error in the body. */
static int complete_upload(struct s3_put *put, const struct buf *id, struct buf *list, struct fault *fault)
{
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    AUTO_BUF struct buf query = BUF_INIT(QUERY_MAX);
    AUTO_BUF struct buf etag = BUF_INIT(S3_ETAG_MAX);
    AUTO_BUF struct buf document = BUF_INIT(LIST_MAX);
    buf_text(&document, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    buf_append(&document, list->data, list->len);
    buf_text(&document, "</CompleteMultipartUpload>");
    if (document.failed || list->failed)
        return fault_set(fault, -ENOMEM, "out of memory");
    const struct http_body body = {.data = document.data, .len = document.len};
    struct s3_headers headers = {0};
    s3_headers_add(&headers, "content-type", "application/xml");
    print_upload_query(&query, "", id);
    int r = s3_request(put, "POST", buf_string(&query), &headers, &body, NULL, &answer, fault);
    if (r < 0)
        return r;
    if (xml_find_text(answer.body.data, answer.body.len, "ETag", &etag) == 0 && etag.len)
        return 0;
    aws_error_read(500, NULL, answer.body.data, answer.body.len, &put->error);
    put->error.status = answer.status;
    return aws_error_fault(&put->error, -EPROTO, "the upload was not completed", fault);
}

int s3_put_parts(struct s3_put *put, struct fault *fault)
{
    AUTO_BUF struct buf id = BUF_INIT(ID_MAX);
    AUTO_BUF struct buf list = BUF_INIT(LIST_MAX);
    int r = begin_upload(put, &id, fault);
    if (r == 0) {
        r = send_parts(put, &id, &list, fault);
        if (r == 0)
            r = complete_upload(put, &id, &list, fault);
        if (r < 0)
            (void)abort_upload(put, &id);
    }
    if (r == 0 || put->error.class != AWS_ERROR_NETWORK) /* else the next attempt does it */
        abort_abandoned(put);
    return r;
}
