/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is known of the network beside what the kernel tells: AWS's documents, AWS's address ranges, the
 * metadata of the instance and the task. What nobody knows stays open.
 */

#include <sys/stat.h>

#include "aws/metadata.h"
#include "base/fault.h"
#include "base/macro.h"
#include "daemon/registry.h"
#include "flow/emit.h"
#include "policy/policy.h"
#include "topology/aws_ranges.h"
#include "topology/identity.h"
#include "topology/routes.h"

struct hop;
struct target;

struct world {
    struct policy *policy; /* of topology.documents; NULL: none */
    struct aws_ranges *ranges;
    const struct topology *topology; /* borrowed */
    struct stat ranges_seen;         /* the file as it was read */
    bool has_instance;
    bool has_task;
    struct metadata_instance instance;
    struct metadata_task task;
    struct hop *hops; /* by address and VPC, of the last world_prepare() */
    size_t hop_count;
    struct target *targets; /* of routes, by id; of the last world_prepare() */
    size_t target_count;
    struct routes routes; /* those of this host, where one leads through a known interface; likewise */
};

/* Once, before the topology is used: asks the metadata services and fills in what the configuration leaves
 * open. */
int world_open(struct world *world, struct topology *topology, struct fault *fault) MUST_USE;

/* The same for a configuration that was read again, without asking anew. -ENOMEM. */
int world_fill(const struct world *world, struct topology *topology) MUST_USE;

/* Reads the files that the topology names, also afresh: after an error everything is as it was. */
int world_load(struct world *world, const struct topology *topology, struct fault *fault) MUST_USE;
void world_close(struct world *world);

/* To be called every few seconds: takes over address ranges that have changed. */
void world_refresh(struct world *world);

/* identity_source.tell; the context is the world. */
void world_tell(void *context, const struct topology_rule *rule, const struct link *link,
                struct identity_told *ret);

/* What records of the interface say beside its identity; after each change of either. */
void world_describe(struct world *world, struct interface *interface);

/* Before the records of a window: where addresses are that flows may come from or go to. -ENOMEM. */
int world_prepare(struct world *world, const struct registry *registry) MUST_USE;

/* An emit_completer, the context is the world; call world_prepare() before, while the registry stays as it
 * is. */
void world_complete(void *context, const struct interface *interface, const struct flow *flow,
                    struct record *record);
