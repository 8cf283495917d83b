/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/sigv4.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <nettle/hmac.h>
#include <nettle/sha2.h>

#include "aws/uri.h"

#define CANONICAL_MAX (256 * 1024)
#define QUERY_PAIRS_MAX 1024
#define DATE_LEN 8
#define TERMINATOR "aws4_request"

void sigv4_format_digest(const uint8_t digest[32], char ret[SIGV4_HEX_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_DIGEST_SIZE; i++) {
        ret[2 * i] = digits[digest[i] >> 4];
        ret[2 * i + 1] = digits[digest[i] & 15];
    }
    ret[SIGV4_HEX_LEN] = '\0';
}

void sigv4_hash(const void *data, size_t len, char ret[SIGV4_HEX_LEN + 1])
{
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&sha);
    sha256_update(&sha, len, data);
    sha256_digest(&sha, sizeof digest, digest);
    sigv4_format_digest(digest, ret);
}

int sigv4_digest_file(int fd, uint64_t offset, uint64_t len, uint8_t ret[32])
{
    struct sha256_ctx sha;
    uint8_t piece[64 * 1024];
    sha256_init(&sha);
    while (len) {
        ssize_t got = pread(fd, piece, len < sizeof piece ? (size_t)len : sizeof piece, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        sha256_update(&sha, (size_t)got, piece);
        offset += (uint64_t)got;
        len -= (uint64_t)got;
    }
    sha256_digest(&sha, SHA256_DIGEST_SIZE, ret);
    return 0;
}

void sigv4_format_time(uint64_t time_ns, char ret[SIGV4_TIME_LEN + 1])
{
    time_t seconds = (time_t)(time_ns / NS_PER_S);
    struct tm utc;
    if (!gmtime_r(&seconds, &utc) || strftime(ret, SIGV4_TIME_LEN + 1, "%Y%m%dT%H%M%SZ", &utc) == 0)
        memcpy(ret, "19700101T000000Z", SIGV4_TIME_LEN + 1); /* a clock beyond the year 9999 */
}

/* Paths. RFC 3986, 5.2.4, and runs of slashes become one; S3's keys may hold all of that and stay. */

static void drop_last_segment(struct buf *buf, size_t start)
{
    while (buf->len > start && buf->data[--buf->len] != '/') {
    }
}

/* `start` is where the path begins in the buffer. */
static void normalise_path(struct buf *buf, const char *path)
{
    size_t start = buf->len;
    const char *segment = path;
    bool trailing = true;
    while (!buf->failed && *(segment += strspn(segment, "/"))) {
        size_t len = strcspn(segment, "/");
        trailing = segment[len] == '/';
        if (len == 2 && memcmp(segment, "..", 2) == 0) {
            drop_last_segment(buf, start);
        } else if (len != 1 || segment[0] != '.') {
            buf_char(buf, '/');
            uri_encode(buf, segment, len, false);
        }
        segment += len;
    }
    if (trailing || buf->len == start)
        buf_char(buf, '/');
}

static void print_path(struct buf *buf, const struct sigv4_request *request)
{
    if (request->is_s3)
        buf_text(buf, request->path[0] ? request->path : "/");
    else
        normalise_path(buf, request->path);
}

/* Queries */

struct pair {
    struct buf name; /* both encoded */
    struct buf value;
};

static int compare_bufs(const struct buf *a, const struct buf *b)
{
    size_t shorter = a->len < b->len ? a->len : b->len;
    int order = shorter ? memcmp(a->data, b->data, shorter) : 0;
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a;
    const struct pair *right = b;
    int order = compare_bufs(&left->name, &right->name);
    return order ? order : compare_bufs(&left->value, &right->value);
}

/* However the sender encoded it, what is hashed is encoded in one way. */
static void encode_again(struct buf *buf, const char *text, size_t len)
{
    AUTO_BUF struct buf plain = BUF_INIT(CANONICAL_MAX);
    uri_decode(&plain, text, len);
    *buf = BUF_INIT(CANONICAL_MAX);
    uri_encode(buf, plain.data, plain.len, false);
    buf->failed |= plain.failed;
}

static size_t count_pairs(const char *query)
{
    size_t count = query[0] ? 1 : 0;
    for (; *query; query++)
        count += *query == '&';
    return count;
}

static void split_pair(struct pair *pair, const char *text, size_t len)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals ? (size_t)(equals - text) : len;
    encode_again(&pair->name, text, name_len);
    encode_again(&pair->value, text + name_len + (equals != NULL), equals ? len - name_len - 1 : 0);
}

static void print_query(struct buf *buf, const char *query)
{
    size_t count = count_pairs(query);
    AUTO_FREE struct pair *pairs = count && count <= QUERY_PAIRS_MAX ? calloc(count, sizeof *pairs) : NULL;
    if (!pairs) {
        buf->failed |= count > 0;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t len = strcspn(query, "&");
        split_pair(&pairs[i], query, len);
        query += len + (query[len] == '&');
    }
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_char(buf, '&');
        buf_append(buf, pairs[i].name.data, pairs[i].name.len);
        buf_char(buf, '=');
        buf_append(buf, pairs[i].value.data, pairs[i].value.len);
        buf->failed |= pairs[i].name.failed || pairs[i].value.failed;
        buf_done(&pairs[i].name);
        buf_done(&pairs[i].value);
    }
}

/* Headers */

static int compare_headers(const void *a, const void *b)
{
    const struct http_header *const *left = a;
    const struct http_header *const *right = b;
    int order = strcasecmp((*left)->name, (*right)->name);
    return order ? order : (*left > *right) - (*left < *right); /* equal names keep their order */
}

/* How many, in the order of their names; 0 when there are too many. */
static size_t sort_headers(const struct sigv4_request *request,
                           const struct http_header *sorted[SIGV4_HEADERS_MAX])
{
    if (request->header_count > SIGV4_HEADERS_MAX)
        return 0;
    for (size_t i = 0; i < request->header_count; i++)
        sorted[i] = &request->headers[i];
    qsort(sorted, request->header_count, sizeof sorted[0], compare_headers);
    return request->header_count;
}

static void print_name(struct buf *buf, const char *name)
{
    for (; *name; name++)
        buf_char(buf, (char)tolower((unsigned char)*name));
}

/* Without spaces around it, and one for each run of them. */
static void print_value(struct buf *buf, const char *value)
{
    const char *space = " \t\r\n";
    value += strspn(value, space);
    while (*value) {
        size_t len = strcspn(value, space);
        buf_append(buf, value, len);
        value += len;
        size_t gap = strspn(value, space);
        value += gap;
        if (gap && *value)
            buf_char(buf, ' ');
    }
}

static bool is_same_name(const struct http_header *const *headers, size_t index)
{
    return index > 0 && strcasecmp(headers[index]->name, headers[index - 1]->name) == 0;
}

static void print_headers(struct buf *buf, const struct sigv4_request *request)
{
    const struct http_header *sorted[SIGV4_HEADERS_MAX];
    size_t count = sort_headers(request, sorted);
    for (size_t i = 0; i < count; i++) {
        if (is_same_name(sorted, i)) {
            buf_char(buf, ',');
        } else {
            if (i)
                buf_char(buf, '\n');
            print_name(buf, sorted[i]->name);
            buf_char(buf, ':');
        }
        print_value(buf, sorted[i]->value);
    }
    buf_char(buf, '\n');
}

void sigv4_print_signed_headers(struct buf *buf, const struct sigv4_request *request)
{
    const struct http_header *sorted[SIGV4_HEADERS_MAX];
    size_t count = sort_headers(request, sorted);
    for (size_t i = 0; i < count; i++) {
        if (is_same_name(sorted, i))
            continue;
        if (i)
            buf_char(buf, ';');
        print_name(buf, sorted[i]->name);
    }
}

/* Signatures, step by step as the reference of SigV4 names them. */

void sigv4_print_canonical(struct buf *buf, const struct sigv4_request *request)
{
    buf_text(buf, request->method);
    buf_char(buf, '\n');
    print_path(buf, request);
    buf_char(buf, '\n');
    print_query(buf, request->query);
    buf_char(buf, '\n');
    print_headers(buf, request);
    buf_char(buf, '\n');
    sigv4_print_signed_headers(buf, request);
    buf_char(buf, '\n');
    buf_text(buf, request->payload_hash);
}

static void print_credential_scope(struct buf *buf, const struct sigv4_scope *scope)
{
    buf_append(buf, scope->time, DATE_LEN);
    buf_printf(buf, "/%s/%s/" TERMINATOR, scope->region, scope->service);
}

static void keyed_hash(const uint8_t *key, size_t key_len, const void *data, size_t len,
                       uint8_t ret[SHA256_DIGEST_SIZE])
{
    struct hmac_sha256_ctx hmac;
    hmac_sha256_set_key(&hmac, key_len, key);
    hmac_sha256_update(&hmac, len, data);
    hmac_sha256_digest(&hmac, SHA256_DIGEST_SIZE, ret);
    explicit_bzero(&hmac, sizeof hmac);
}

static int derive_signing_key(const struct sigv4_scope *scope, const char *secret_key,
                              uint8_t ret[SHA256_DIGEST_SIZE])
{
    AUTO_SECRET_BUF struct buf seed = BUF_INIT(CANONICAL_MAX);
    buf_printf(&seed, "AWS4%s", secret_key);
    if (seed.failed)
        return -ENOMEM;
    keyed_hash((const uint8_t *)seed.data, seed.len, scope->time, DATE_LEN, ret);
    keyed_hash(ret, SHA256_DIGEST_SIZE, scope->region, strlen(scope->region), ret);
    keyed_hash(ret, SHA256_DIGEST_SIZE, scope->service, strlen(scope->service), ret);
    keyed_hash(ret, SHA256_DIGEST_SIZE, TERMINATOR, strlen(TERMINATOR), ret);
    return 0;
}

int sigv4_sign(const struct sigv4_request *request, const struct sigv4_scope *scope, const char *secret_key,
               char ret[SIGV4_HEX_LEN + 1])
{
    AUTO_BUF struct buf canonical = BUF_INIT(CANONICAL_MAX);
    AUTO_BUF struct buf to_sign = BUF_INIT(4096);
    char hash[SIGV4_HEX_LEN + 1];
    uint8_t key[SHA256_DIGEST_SIZE];
    sigv4_print_canonical(&canonical, request);
    if (canonical.failed || request->header_count > SIGV4_HEADERS_MAX)
        return -E2BIG;
    sigv4_hash(canonical.data, canonical.len, hash);
    buf_printf(&to_sign, SIGV4_ALGORITHM "\n%s\n", scope->time);
    print_credential_scope(&to_sign, scope);
    buf_printf(&to_sign, "\n%s", hash);
    if (to_sign.failed)
        return -E2BIG;
    int r = derive_signing_key(scope, secret_key, key);
    if (r < 0)
        return r;
    keyed_hash(key, sizeof key, to_sign.data, to_sign.len, key);
    sigv4_format_digest(key, ret);
    explicit_bzero(key, sizeof key);
    return 0;
}

void sigv4_print_authorization(struct buf *buf, const struct sigv4_request *request,
                               const struct sigv4_scope *scope, const char *access_key, const char *signature)
{
    buf_printf(buf, SIGV4_ALGORITHM " Credential=%s/", access_key);
    print_credential_scope(buf, scope);
    buf_text(buf, ", SignedHeaders=");
    sigv4_print_signed_headers(buf, request);
    buf_printf(buf, ", Signature=%s", signature);
}
