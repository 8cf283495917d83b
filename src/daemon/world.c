/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/world.h"

#include "base/log.h"

static void tell(void *context, const char *line)
{
    log_warning("topology", "%s", line);
}

int world_load(struct world *world, const struct topology *topology, struct fault *fault)
{
    struct policy *policy = NULL;
    int r = 0;
    if (topology->documents[0])
        r = policy_load(&policy, topology->documents, tell, NULL, fault);
    if (r < 0) {
        fault_prefix(fault, "topology.documents");
        return r;
    }
    policy_free(world->policy);
    world->policy = policy;
    return 0;
}

void world_close(struct world *world)
{
    policy_free(world->policy);
    world->policy = NULL;
}
