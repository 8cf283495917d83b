/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "aws/client.h"
#include "aws/listing.h"
#include "aws/uri.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "store/partition.h"
#include "store/source_list.h"

#define SCHEME "s3://"
#define THREADS 8              /* that fetch beside each other */
#define PART_SIZE (16UL << 20) /* of an object, in memory at a time */
#define OBJECTS_STEP 1024
#define TRIES 5
#define NAME_MAX_LEN 2048 /* bucket and key */
#define PATH_MAX_LEN 4096 /* a key of 1 KiB, each byte as three */

/* The objects of one s3://BUCKET/PREFIX. */
struct fetch {
    struct sources *sources;
    char bucket[64];
    const char *prefix;
    struct listing_object *objects;
    int *fds; /* of what is fetched, by object; -1: failed */
    size_t count;
    bool pruned; /* something was left out by its name */
    bool unreachable;
    atomic_size_t next;
    atomic_size_t done;
    atomic_uint_fast64_t bytes;
    pthread_mutex_t mutex; /* of what is told */
};

static int no_memory(struct fault *fault)
{
    return fault_set(fault, -ENOMEM, "out of memory");
}

static int open_client(const struct fetch *fetch, struct aws_client **ret, struct fault *fault)
{
    const struct aws_settings settings = {
        .service = "s3",
        .region = fetch->sources->options->region,
        .endpoint = fetch->sources->options->endpoint,
        .bucket = fetch->bucket,
    };
    return aws_client_new(ret, &settings, fault);
}

static bool is_transient(const struct aws_error *error)
{
    return error->class == AWS_ERROR_NETWORK || error->class == AWS_ERROR_THROTTLED ||
           error->class == AWS_ERROR_SERVER;
}

/* A tenth of a second, then twice as long each time. */
static void wait_before(unsigned attempt)
{
    uint64_t ns = 100 * NS_PER_MS << attempt;
    const struct timespec pause = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    (void)nanosleep(&pause, NULL);
}

static void note_error(struct fetch *fetch, const struct aws_error *error)
{
    fetch->unreachable |= error->class == AWS_ERROR_NETWORK || error->class == AWS_ERROR_CREDENTIALS;
}

static int add_object(struct fetch *fetch, struct listing_object *object)
{
    if (fetch->count % OBJECTS_STEP == 0) {
        struct listing_object *larger =
            reallocarray(fetch->objects, fetch->count + OBJECTS_STEP, sizeof *larger);
        if (!larger)
            return -ENOMEM;
        fetch->objects = larger;
    }
    fetch->objects[fetch->count++] = *object;
    *object = (struct listing_object){0};
    return 0;
}

static bool is_wanted(struct fetch *fetch, const char *key)
{
    const struct sources_options *options = fetch->sources->options;
    bool wanted = partition_may_hold(key, options->since_s, options->until_s);
    fetch->pruned |= !wanted;
    return wanted;
}

static void identify(const struct fetch *fetch, const struct listing_object *object,
                     struct source_identity *ret)
{
    *ret = (struct source_identity){0};
    source_identity_mix(ret, fetch->bucket, strlen(fetch->bucket));
    source_identity_mix(ret, object->key, strlen(object->key));
    source_identity_mix(ret, object->etag ? object->etag : "", object->etag ? strlen(object->etag) : 0);
    source_identity_mix(ret, &object->size, sizeof object->size);
}

static bool is_known(struct fetch *fetch, const struct listing_object *object)
{
    const struct sources_options *options = fetch->sources->options;
    struct source_identity identity;
    identify(fetch, object, &identity);
    bool known = options->is_known && options->is_known(options->userdata, &identity);
    fetch->pruned |= known;
    return known;
}

/* An empty object holds no record; some tools make one that stands for a folder. */
static int take_page(struct fetch *fetch, struct listing *page, struct fault *fault)
{
    for (size_t i = 0; i < page->object_count; i++)
        if (page->objects[i].size > 0 && is_wanted(fetch, page->objects[i].key) &&
            !is_known(fetch, &page->objects[i]) && add_object(fetch, &page->objects[i]) < 0)
            return no_memory(fault);
    return 0;
}

static int fetch_page(struct fetch *fetch, struct aws_client *client, const char *prefix, bool folders,
                      const char *next, struct listing *ret, struct fault *fault)
{
    struct aws_error error = {0};
    int r = 0;
    for (unsigned attempt = 0; attempt < TRIES; attempt++) {
        if (attempt > 0)
            wait_before(attempt - 1);
        r = listing_fetch(ret, client, prefix, folders, next, &error, fault);
        if (r == 0 || !is_transient(&error))
            break;
    }
    if (r < 0)
        note_error(fetch, &error);
    return r;
}

/* All that begins with the prefix; folder by folder where folders may be left out by their names. */
static int list(struct fetch *fetch, struct aws_client *client, const char *prefix, unsigned depth,
                struct fault *fault)
{
    const struct sources_options *options = fetch->sources->options;
    bool folders = (options->since_s > 0 || options->until_s < INT64_MAX) && depth < 32;
    AUTO_FREE char *next = NULL;
    do {
        AUTO_LISTING struct listing page = {0};
        int r = fetch_page(fetch, client, prefix, folders, next, &page, fault);
        if (r == 0)
            r = take_page(fetch, &page, fault);
        for (size_t i = 0; i < page.prefix_count && r == 0; i++)
            if (is_wanted(fetch, page.prefixes[i]))
                r = list(fetch, client, page.prefixes[i], depth + 1, fault);
        if (r < 0)
            return r;
        free(next);
        next = TAKE(page.next);
    } while (next);
    return 0;
}

/* Bytes of the object from `offset` on, written to the file. */
static int fetch_part(struct aws_client *client, const char *path, const struct listing_object *object,
                      uint64_t offset, int fd, struct aws_error *error, struct fault *fault)
{
    char range[64];
    uint64_t last = offset + PART_SIZE < object->size ? offset + PART_SIZE : object->size;
    AUTO_HTTP_ANSWER struct http_answer answer = HTTP_ANSWER_INIT(PART_SIZE);
    (void)snprintf(range, sizeof range, "bytes=%llu-%llu", (unsigned long long)offset,
                   (unsigned long long)last - 1);
    const struct http_header headers[] = {{"range", range}, {"if-match", object->etag}};
    const struct aws_call call = {
        .method = "GET", .path = path, .headers = headers, .header_count = object->etag ? 2 : 1};
    int r = aws_client_call(client, &call, &answer, error, fault);
    if (r < 0)
        return r;
    if (answer.body.len != last - offset)
        return fault_set(fault, -EBADMSG, "%zu bytes came of %llu", answer.body.len,
                         (unsigned long long)(last - offset));
    for (size_t at = 0; at < answer.body.len;) {
        ssize_t put = pwrite(fd, answer.body.data + at, answer.body.len - at, (off_t)(offset + at));
        if (put < 0 && errno != EINTR)
            return fault_set(fault, -errno, "cannot be kept in a temporary file: %s", strerror(errno));
        at += put > 0 ? (size_t)put : 0;
    }
    return 0;
}

static int fetch_object(struct fetch *fetch, struct aws_client *client, const struct listing_object *object,
                        struct fault *fault)
{
    AUTO_BUF struct buf path = BUF_INIT(PATH_MAX_LEN);
    AUTO_CLOSE int fd = sources_temporary(fault);
    if (fd < 0)
        return fd;
    buf_char(&path, '/');
    uri_encode(&path, object->key, strlen(object->key), true);
    for (uint64_t offset = 0; offset < object->size; offset += PART_SIZE) {
        struct aws_error error = {0};
        int r = -EIO;
        for (unsigned attempt = 0; r < 0 && attempt < TRIES; attempt++) {
            if (attempt > 0)
                wait_before(attempt - 1);
            r = fetch_part(client, buf_string(&path), object, offset, fd, &error, fault);
            if (r < 0 && !is_transient(&error))
                break;
        }
        if (r < 0)
            return r;
        atomic_fetch_add(&fetch->bytes, PART_SIZE);
    }
    return TAKE_FD(fd);
}

static void tell_object(struct fetch *fetch, const struct listing_object *object, struct fault *fault)
{
    fault_prefix(fault, SCHEME "%s/%s", fetch->bucket, object->key);
    (void)pthread_mutex_lock(&fetch->mutex);
    sources_tell(fetch->sources, fault);
    (void)pthread_mutex_unlock(&fetch->mutex);
}

static void *fetch_objects(void *context)
{
    struct fetch *fetch = context;
    AUTO_AWS_CLIENT struct aws_client *client = NULL;
    struct fault fault;
    int opened = open_client(fetch, &client, &fault);
    for (;;) {
        size_t i = atomic_fetch_add(&fetch->next, 1);
        if (i >= fetch->count)
            return NULL;
        struct fault said = fault;
        fetch->fds[i] = opened < 0 ? opened : fetch_object(fetch, client, &fetch->objects[i], &said);
        if (fetch->fds[i] < 0)
            tell_object(fetch, &fetch->objects[i], &said);
        atomic_fetch_add(&fetch->done, 1);
    }
}

/* Fetches all; this thread tells how far it is. */
static void fetch_all(struct fetch *fetch)
{
    pthread_t threads[THREADS];
    size_t started = 0;
    const struct sources_options *options = fetch->sources->options;
    const struct timespec moment = {.tv_nsec = 20 * NS_PER_MS};
    while (started < THREADS && started < fetch->count &&
           pthread_create(&threads[started], NULL, fetch_objects, fetch) == 0)
        started++;
    if (started == 0)
        (void)fetch_objects(fetch);
    while (options->fetched && atomic_load(&fetch->done) < fetch->count) {
        options->fetched(options->userdata, atomic_load(&fetch->bytes), atomic_load(&fetch->done));
        (void)nanosleep(&moment, NULL);
    }
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
}

static int call_last(struct fetch *fetch, const struct listing_object *object, struct fault *fault)
{
    struct source_identity *called = malloc(sizeof *called);
    if (!called)
        return no_memory(fault);
    identify(fetch, object, called);
    sources_call_last(fetch->sources, called, 1, false);
    return 0;
}

static int add_fetched(struct fetch *fetch, struct fault *fault)
{
    char name[NAME_MAX_LEN];
    struct fault said;
    int r = 0;
    for (size_t i = 0; i < fetch->count; i++) {
        int fd = fetch->fds[i];
        fetch->fds[i] = -1;
        if (fd < 0)
            continue;
        (void)snprintf(name, sizeof name, SCHEME "%s/%s", fetch->bucket, fetch->objects[i].key);
        if (r < 0)
            (void)close(fd);
        else if (sources_add(fetch->sources, name, fd, &said) < 0)
            r = fault_set(fault, -ENOMEM, "%s", said.text);
        else
            r = call_last(fetch, &fetch->objects[i], fault);
    }
    return r;
}

static void fetch_done(struct fetch *fetch)
{
    for (size_t i = 0; i < fetch->count; i++) {
        free(fetch->objects[i].key);
        free(fetch->objects[i].etag);
    }
    free(fetch->objects);
    free(fetch->fds);
    (void)pthread_mutex_destroy(&fetch->mutex);
}

static int read_url(struct fetch *fetch, const char *url, struct fault *fault)
{
    const char *bucket = url + strlen(SCHEME);
    size_t len = strcspn(bucket, "/");
    (void)snprintf(fetch->bucket, sizeof fetch->bucket, "%.*s", (int)(len < 64 ? len : 64), bucket);
    fetch->prefix = bucket[len] ? bucket + len + 1 : "";
    if (len >= sizeof fetch->bucket || !endpoint_is_bucket_name(fetch->bucket))
        return fault_set(fault, -EINVAL, "%s: s3://BUCKET/PREFIX is due", url);
    return 0;
}

/* What cannot be had of all is told; the other sources are read. */
static int tell_all(struct fetch *fetch, const char *url, struct fault *said)
{
    fault_prefix(said, "%s", url);
    sources_tell(fetch->sources, said);
    fetch->sources->unreachable |= fetch->unreachable;
    return 0;
}

int sources_add_s3(struct sources *sources, const char *url, struct fault *fault)
{
    CLEANUP(fetch_done) struct fetch fetch = {.sources = sources};
    AUTO_AWS_CLIENT struct aws_client *client = NULL;
    struct fault said;
    (void)pthread_mutex_init(&fetch.mutex, NULL);
    int r = read_url(&fetch, url, fault);
    if (r < 0)
        return r;
    r = open_client(&fetch, &client, &said);
    if (r == 0)
        r = list(&fetch, client, fetch.prefix, 0, &said);
    if (r == 0 && fetch.count == 0 && !fetch.pruned)
        r = fault_set(&said, -ENOENT, "no object's name begins so");
    if (r < 0)
        return tell_all(&fetch, url, &said);
    fetch.fds = calloc(fetch.count + 1, sizeof *fetch.fds);
    if (!fetch.fds)
        return no_memory(fault);
    fetch_all(&fetch);
    return add_fetched(&fetch, fault);
}
