/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of src/store that find inputs share: the list they add to. */

#include "store/dataset.h"
#include "store/sources.h"

struct sources {
    struct dataset *datasets; /* of the stores among them, open as long as the list is */
    size_t dataset_count;
    const struct sources_options *options; /* borrowed while they are opened */
    struct source_file *files;
    size_t count;
    size_t cap;
    uint64_t faults;
    bool unreachable; /* a service did not answer, or there are no credentials for it */
};

/* Reports through `tell`; counts. */
void sources_tell(struct sources *sources, const struct fault *fault);

/* Adds what `name` stands for; `fd` of a temporary file becomes the list's, also on failure, -1: `name` is
 * the path. Looks at the first bytes. -errno with a fault where it cannot be read. */
int sources_add(struct sources *sources, const char *name, int fd, struct fault *fault) MUST_USE;

/* Of the file that was added last: what its service calls it by; taken over, also where there is none. */
void sources_call_last(struct sources *sources, struct source_identity *called, size_t count, bool is_events);

/* Of a text and what was mixed before; zeros to begin with. */
void source_identity_mix(struct source_identity *identity, const void *data, size_t len);

/* An open file without a name, or a negative errno. */
int sources_temporary(struct fault *fault) MUST_USE;

/* All below s3://BUCKET/PREFIX, and all events of a log group; what cannot be had is told. */
int sources_add_s3(struct sources *sources, const char *url, struct fault *fault) MUST_USE;
int sources_add_log_group(struct sources *sources, const char *group, struct fault *fault) MUST_USE;
