/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What `--from` names, as one list of files: files, folders with all below them, globs, "-" (standard input),
 * s3://BUCKET/PREFIX, cloudwatch:LOG-GROUP. What is not a regular file of this host is kept in temporary
 * files without a name, so that everything can be opened any number of times. Hidden files below a folder
 * are left out (names that begin with '.' or '_').
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

enum source_form {
    SOURCE_RECORDS, /* what record/input.h reads: text, JSON; also compressed */
    SOURCE_PARQUET,
};

/* A hash of all bytes of an input, or of what a service calls it by. */
struct source_identity {
    uint64_t high;
    uint64_t low;
};

struct source_file {
    char *name;    /* for messages: the path, "-", "s3://…", "cloudwatch:…" */
    char *path;    /* what to open */
    uint64_t size; /* bytes */
    int fd;        /* of a temporary file, which `path` names; else -1 */
    enum source_form form;
    struct source_identity *called; /* what its service calls it by, or each event in it; owned */
    size_t called_count;
    bool is_events; /* of a log group: what is the same of them is `called` so, not the bytes */
};

struct sources_options {
    const char *const *from; /* NULL or none: the store */
    size_t from_count;
    const char *store; /* folder of the data set that is read where nothing else is named; NULL: no records */
    uint64_t since_s, until_s; /* what holds no records of it by its name is not opened; 0, UINT64_MAX: all */
    const char *endpoint;      /* of S3 and CloudWatch Logs; NULL: as the SDKs find it */
    const char *region;        /* likewise */
    void *userdata;
    /* What could not be read, as one line; the rest goes on. */
    void (*tell)(void *userdata, const char *line);
    /* Whether an object of S3 (by bucket, key, etag and size) or an event of a log group (by group, stream,
     * id and time) is not wanted; not fetched then, or left out. From the calling thread; may be NULL. */
    bool (*is_known)(void *userdata, const struct source_identity *identity);
    /* Bytes and files fetched from elsewhere so far, from the calling thread; may be NULL. */
    void (*fetched)(void *userdata, uint64_t bytes, uint64_t files);
};

struct sources;

/*
 * Text of the options is borrowed for the call. Succeeds when some of what is named cannot be read: that is
 * told. Fails for what is misspelt (-EINVAL), and without memory.
 */
int sources_open(struct sources **ret, const struct sources_options *options, struct fault *fault) MUST_USE;
void sources_close(struct sources *sources);

size_t sources_count(const struct sources *sources);
const struct source_file *sources_at(const struct sources *sources, size_t index);

/* Whether a service did not answer, or credentials for it are missing. */
bool sources_unreachable(const struct sources *sources);

/* How often something was told. */
uint64_t sources_faults(const struct sources *sources);
