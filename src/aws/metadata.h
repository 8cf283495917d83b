/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who this host is by what its own surroundings tell: EC2's instance metadata (IMDSv2), and the task metadata
 * of an ECS container (version 4). Texts are "" where nobody told.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/macro.h"

#define METADATA_TEXT 64
#define METADATA_ARN 256

struct metadata_interface {
    char mac[24]; /* "0a:1b:…" in lower case */
    char interface_id[METADATA_TEXT];
    char subnet_id[METADATA_TEXT];
    char vpc_id[METADATA_TEXT];
};

struct metadata_instance {
    char account_id[METADATA_TEXT];
    char region[METADATA_TEXT];
    char az_id[METADATA_TEXT];
    char instance_id[METADATA_TEXT];
    struct metadata_interface *interfaces; /* owned */
    size_t interface_count;
};

struct metadata_task {
    char cluster_arn[METADATA_ARN];
    char cluster_name[METADATA_ARN];
    char container_id[METADATA_ARN];
    char second_container_id[METADATA_ARN];
    char service_name[METADATA_ARN];
    char definition_arn[METADATA_ARN];
    char task_arn[METADATA_ARN];
    char task_id[METADATA_ARN];
};

/*
 * Whether there is any use in asking: an endpoint is named (AWS_EC2_METADATA_SERVICE_ENDPOINT), or the
 * machine says that it is of Amazon EC2; and nobody has set AWS_EC2_METADATA_DISABLED.
 */
bool metadata_is_likely(void);

/* Each request gets a second at most. Negative when nobody answers as IMDSv2 does; *ret is empty then. */
int metadata_read_instance(struct metadata_instance *ret, struct fault *fault) MUST_USE;
void metadata_instance_done(struct metadata_instance *instance);

/* -ENOENT outside of a container of ECS (no ECS_CONTAINER_METADATA_URI_V4). */
int metadata_read_task(struct metadata_task *ret, struct fault *fault) MUST_USE;

/* From the task's document. -EBADMSG. */
int metadata_parse_task(struct metadata_task *ret, const char *text, size_t len,
                        struct fault *fault) MUST_USE;
