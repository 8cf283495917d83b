/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What is known of the network beside what the kernel tells: AWS's documents. */

#include "base/fault.h"
#include "base/macro.h"
#include "policy/policy.h"
#include "topology/identity.h"

struct world {
    struct policy *policy; /* of topology.documents; NULL: none */
};

/* Reads what the topology names. Also afresh, for a reload: after an error everything is as it was. */
int world_load(struct world *world, const struct topology *topology, struct fault *fault) MUST_USE;
void world_close(struct world *world);
