/* SPDX-License-Identifier: Apache-2.0 */
#include "aws/listing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aws/uri.h"
#include "aws/xml.h"
#include "base/num.h"

#define ANSWER_MAX (8UL << 20) /* a thousand keys of at most 1 KiB, each byte as three */
#define TEXT_MAX 65536
#define ROWS_STEP 1024
#define TOTAL_MS 60000

void listing_done(struct listing *listing)
{
    for (size_t i = 0; i < listing->object_count; i++) {
        free(listing->objects[i].key);
        free(listing->objects[i].etag);
    }
    for (size_t i = 0; i < listing->prefix_count; i++)
        free(listing->prefixes[i]);
    free(listing->objects);
    free(listing->prefixes);
    free(listing->next);
    *listing = (struct listing){0};
}

struct reading {
    struct listing *listing;
    struct buf text; /* of the element that is open */
    struct listing_object object;
    bool in_object, in_prefixes;
    bool seen; /* the answer's outer element */
    bool failed;
};

/* What the element holds, percent-encoding undone; NULL without memory. */
static char *take_text(struct reading *reading)
{
    AUTO_BUF struct buf decoded = BUF_INIT(TEXT_MAX);
    uri_decode(&decoded, reading->text.data ? reading->text.data : "", reading->text.len);
    char *text = decoded.failed || reading->text.failed ? NULL : strdup(buf_string(&decoded));
    reading->failed |= !text;
    return text;
}

/* Room for one more row of `size` bytes. */
static void *grow(void *rows, size_t count, size_t size)
{
    return count % ROWS_STEP ? rows : reallocarray(rows, count + ROWS_STEP, size);
}

static void add_object(struct reading *reading)
{
    struct listing *listing = reading->listing;
    struct listing_object *objects = grow(listing->objects, listing->object_count, sizeof *objects);
    if (objects)
        listing->objects = objects; /* also when nothing is added: the old rows are gone */
    if (!objects || !reading->object.key) {
        reading->failed = true;
        free(reading->object.key);
        free(reading->object.etag);
    } else {
        objects[listing->object_count++] = reading->object;
    }
    reading->object = (struct listing_object){0};
}

static void add_prefix(struct reading *reading)
{
    struct listing *listing = reading->listing;
    char *text = take_text(reading);
    char **prefixes = grow(listing->prefixes, listing->prefix_count, sizeof *prefixes);
    if (prefixes)
        listing->prefixes = prefixes;
    if (!prefixes || !text) {
        reading->failed = true;
        free(text);
        return;
    }
    prefixes[listing->prefix_count++] = text;
}

static void on_start(void *opaque, const char *name)
{
    struct reading *reading = opaque;
    buf_clear(&reading->text);
    reading->seen |= strcmp(name, "ListBucketResult") == 0;
    reading->in_object |= strcmp(name, "Contents") == 0;
    reading->in_prefixes |= strcmp(name, "CommonPrefixes") == 0;
}

static void on_text(void *opaque, const char *text, size_t len)
{
    buf_append(&((struct reading *)opaque)->text, text, len);
}

static void replace(char **to, char *with)
{
    free(*to);
    *to = with;
}

/* An element within <Contents>. */
static void take_member(struct reading *reading, const char *name)
{
    if (strcmp(name, "Key") == 0)
        replace(&reading->object.key, take_text(reading));
    else if (strcmp(name, "ETag") == 0)
        replace(&reading->object.etag, strdup(buf_string(&reading->text)));
    else if (strcmp(name, "Size") == 0 &&
             !num_parse_u64(buf_string(&reading->text), reading->text.len, INT64_MAX, &reading->object.size))
        reading->failed = true;
}

static void on_end(void *opaque, const char *name)
{
    struct reading *reading = opaque;
    if (strcmp(name, "Contents") == 0) {
        add_object(reading);
        reading->in_object = false;
    } else if (strcmp(name, "CommonPrefixes") == 0) {
        reading->in_prefixes = false;
    } else if (reading->in_object) {
        take_member(reading, name);
    } else if (reading->in_prefixes && strcmp(name, "Prefix") == 0) {
        add_prefix(reading);
    } else if (strcmp(name, "NextContinuationToken") == 0) {
        replace(&reading->listing->next, strdup(buf_string(&reading->text)));
    }
    buf_clear(&reading->text);
}

int listing_read(struct listing *ret, const char *document, size_t len, struct fault *fault)
{
    static const struct xml_visitor visitor = {on_start, on_text, on_end};
    AUTO_LISTING struct listing listing = {0};
    struct reading reading = {.listing = &listing, .text = BUF_INIT(TEXT_MAX)};
    int r = xml_read(document, len, &visitor, &reading);
    buf_done(&reading.text);
    free(reading.object.key);
    free(reading.object.etag);
    if (r == -ENOMEM)
        return fault_set(fault, r, "out of memory");
    if (r < 0 || !reading.seen || reading.failed)
        return fault_set(fault, -EBADMSG, "the answer is no list of objects");
    *ret = listing;
    listing = (struct listing){0};
    return 0;
}

static void add_parameter(struct buf *query, const char *name, const char *value)
{
    buf_printf(query, "&%s=", name);
    uri_encode(query, value, strlen(value), false);
}

int listing_fetch(struct listing *ret, struct aws_client *client, const char *prefix, bool folders,
                  const char *next, struct aws_error *error, struct fault *fault)
{
    AUTO_BUF struct buf query = BUF_INIT(TEXT_MAX);
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(ANSWER_MAX);
    buf_text(&query, "list-type=2&encoding-type=url");
    add_parameter(&query, "prefix", prefix);
    if (folders)
        add_parameter(&query, "delimiter", "/");
    if (next)
        add_parameter(&query, "continuation-token", next);
    const struct aws_call call = {
        .method = "GET", .path = "/", .query = buf_string(&query), .total_ms = TOTAL_MS};
    if (query.failed)
        return fault_set(fault, -ENAMETOOLONG, "too long");
    int r = aws_client_call(client, &call, &answer, error, fault);
    return r < 0 ? r : listing_read(ret, answer.body.data ? answer.body.data : "", answer.body.len, fault);
}
