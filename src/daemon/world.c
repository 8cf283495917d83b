/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "aws/uri.h"
#include "base/log.h"
#include "policy/decide.h"

/* What a configuration has that says neither. */
#define NO_ACCOUNT "000000000000"
#define NO_REGION "local"

static void tell_mistake(void *context, const char *line)
{
    log_warning("topology", "%s", line);
}

/* Metadata. */

static int take_instance(struct world *world, const struct topology *topology, struct fault *fault)
{
    bool must = topology->metadata == METADATA_ON;
    if (topology->metadata == METADATA_OFF || (!must && !metadata_is_likely()))
        return 0;
    struct fault said = {0};
    int r = metadata_read_instance(&world->instance, &said);
    world->has_instance = r == 0;
    if (r < 0 && must)
        return fault_set(fault, r, "topology.metadata: %s", said.text);
    if (r < 0)
        log_warning("topology", "%s; going on without", said.text);
    else
        log_info("topology", "this is instance %s in %s", world->instance.instance_id, world->instance.az_id);
    return 0;
}

static void take_task(struct world *world, const struct topology *topology)
{
    struct fault said = {0};
    int r = topology->metadata == METADATA_OFF ? -ENOENT : metadata_read_task(&world->task, &said);
    world->has_task = r == 0;
    if (r < 0 && r != -ENOENT)
        log_warning("topology", "%s; going on without", said.text);
}

static int replace(char **text, const char *open, const char *with)
{
    if (strcmp(*text, open) != 0 || !with[0])
        return 0;
    char *copy = strdup(with);
    if (!copy)
        return -ENOMEM;
    free(*text);
    *text = copy;
    return 0;
}

int world_fill(const struct world *world, struct topology *topology)
{
    int r = replace(&topology->account, NO_ACCOUNT, world->instance.account_id);
    return r < 0 ? r : replace(&topology->region, NO_REGION, world->instance.region);
}

int world_open(struct world *world, struct topology *topology, struct fault *fault)
{
    int r = take_instance(world, topology, fault);
    if (r < 0)
        return r;
    take_task(world, topology);
    if (world_fill(world, topology) < 0)
        return fault_set(fault, -ENOMEM, "out of memory");
    return world_load(world, topology, fault);
}

/* Files. */

static int read_ranges(const char *path, struct aws_ranges **ret, struct stat *seen, struct fault *fault)
{
    size_t bad = 0;
    if (!path[0])
        return 0;
    if (stat(path, seen) < 0)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    int r = aws_ranges_read(ret, path, &bad, fault);
    if (r == 0 && bad)
        log_warning("topology", "%s: %zu entries are no address ranges: passed over", path, bad);
    return r;
}

int world_load(struct world *world, const struct topology *topology, struct fault *fault)
{
    struct policy *policy = NULL;
    struct aws_ranges *ranges = NULL;
    struct stat seen = {0};
    int r = read_ranges(topology->ip_ranges, &ranges, &seen, fault);
    if (r < 0) {
        fault_prefix(fault, "topology.ip-ranges");
        return r;
    }
    if (topology->documents[0])
        r = policy_load(&policy, topology->documents, tell_mistake, NULL, fault);
    if (r < 0) {
        fault_prefix(fault, "topology.documents");
        aws_ranges_free(ranges);
        return r;
    }
    policy_free(world->policy);
    aws_ranges_free(world->ranges);
    world->policy = policy;
    world->ranges = ranges;
    world->ranges_seen = seen;
    world->topology = topology;
    return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

void world_refresh(struct world *world)
{
    struct stat now;
    struct aws_ranges *ranges = NULL;
    struct fault fault = {0};
    const char *path = world->topology->ip_ranges;
    if (!path[0] || stat(path, &now) < 0 || is_same_file(&now, &world->ranges_seen))
        return;
    world->ranges_seen = now; /* what cannot be read is told once */
    if (read_ranges(path, &ranges, &now, &fault) < 0) {
        log_error("topology", "%s; the ranges before stay", fault.text);
        return;
    }
    aws_ranges_free(world->ranges);
    world->ranges = ranges;
    log_info("topology", "%s was read again", path);
}

void world_close(struct world *world)
{
    policy_free(world->policy);
    aws_ranges_free(world->ranges);
    metadata_instance_done(&world->instance);
    free(world->hops);
    free(world->targets);
    routes_done(&world->routes);
    *world = (struct world){0};
}

/* Who a link is. */

static void print_mac(const struct link *link, char ret[static 24])
{
    ret[0] = '\0';
    if (link->mac_len == 6)
        (void)snprintf(ret, 24, "%02x:%02x:%02x:%02x:%02x:%02x", link->mac[0], link->mac[1], link->mac[2],
                       link->mac[3], link->mac[4], link->mac[5]);
}

static const char *text_of(const struct policy_item *item, const char *name)
{
    const char *text = json_string_value(json_object_get(item->json, name));
    return text ? text : "";
}

static struct policy_interface *find_by_mac(struct policy *policy, const char *mac)
{
    for (size_t i = 0; *mac && i < policy->interfaces.count; i++)
        if (strcasecmp(text_of(&policy->interfaces.items[i].item, "MacAddress"), mac) == 0)
            return &policy->interfaces.items[i];
    return NULL;
}

/* By a guest's address; not when two VPCs have it. */
static struct policy_interface *find_by_address(struct policy *policy, const struct address *address)
{
    struct policy_interface *found = NULL;
    for (size_t i = 0; i < policy->interfaces.count; i++) {
        struct policy_interface *one = &policy->interfaces.items[i];
        for (size_t k = 0; k < one->addresses.count; k++)
            if (address_equal(&one->addresses.items[k], address)) {
                if (found)
                    return NULL;
                found = one;
                break;
            }
    }
    return found;
}

static struct policy_interface *find_described(const struct world *world, const struct topology_rule *rule,
                                               const struct link *link)
{
    char mac[24];
    if (!world->policy)
        return NULL;
    if (strcmp(rule->interface_id, "derived") != 0)
        return policy_interface(world->policy, rule->interface_id);
    print_mac(link, mac);
    struct policy_interface *found = find_by_mac(world->policy, mac);
    if (!found && rule->role == INTERFACE_PORT && rule->address_count)
        found = find_by_address(world->policy, &rule->addresses[0]);
    return found;
}

static const struct metadata_interface *find_metadata(const struct world *world, const struct link *link)
{
    char mac[24];
    print_mac(link, mac);
    for (size_t i = 0; *mac && i < world->instance.interface_count; i++)
        if (strcmp(world->instance.interfaces[i].mac, mac) == 0)
            return &world->instance.interfaces[i];
    return NULL;
}

static const char *given(const char *text)
{
    return text && text[0] ? text : NULL;
}

void world_tell(void *context, const struct topology_rule *rule, const struct link *link,
                struct identity_told *ret)
{
    const struct world *world = context;
    const struct policy_interface *described = find_described(world, rule, link);
    if (rule->role == INTERFACE_NIC && world->has_instance) {
        const struct metadata_interface *own = find_metadata(world, link);
        ret->instance_id = given(world->instance.instance_id);
        ret->az_id = given(world->instance.az_id);
        ret->interface_id = own ? given(own->interface_id) : NULL;
        ret->subnet_id = own ? given(own->subnet_id) : NULL;
        ret->vpc_id = own ? given(own->vpc_id) : NULL;
    }
    if (!described)
        return;
    const char *az_id = described->az_id    ? described->az_id
                        : described->subnet ? described->subnet->az_id
                                            : NULL;
    ret->interface_id = described->item.id;
    ret->account_id = given(described->account_id);
    ret->instance_id = described->instance_id ? described->instance_id : "";
    ret->subnet_id = given(described->subnet_id) ? described->subnet_id : ret->subnet_id;
    ret->vpc_id = given(described->vpc_id) ? described->vpc_id : ret->vpc_id;
    ret->az_id = given(az_id) ? az_id : ret->az_id;
}

/* What records say of an interface. */

/* Types that records have a word for (record.md 4, field 49), by the document's. */
static const char *type_word(const char *type)
{
    static const char *const words[][2] = {{"natGateway", "nat_gateway"},
                                           {"nat_gateway", "nat_gateway"},
                                           {"network_load_balancer", "network_load_balancer"},
                                           {"transit_gateway", "transit_gateway"},
                                           {"vpc_endpoint", "vpc_endpoint"}};
    for (size_t i = 0; type && i < ARRAY_SIZE(words); i++)
        if (strcmp(words[i][0], type) == 0)
            return words[i][1];
    return NULL;
}

/* An Outpost by its ARN, a zone by its name: "us-west-2-lax-1a", "us-east-1-wl1-bos-wlz-1" against
 * "us-west-2a". */
static void set_sublocation(struct interface_facts *facts, const struct policy_subnet *subnet)
{
    const char *outpost = text_of(&subnet->item, "OutpostArn");
    const char *zone = text_of(&subnet->item, "AvailabilityZone");
    const char *slash = strrchr(outpost, '/');
    unsigned dashes = 0;
    for (const char *c = zone; *c; c++)
        dashes += *c == '-';
    const char *type = slash                   ? "outpost"
                       : strstr(zone, "-wl1-") ? "wavelength"
                       : dashes > 3            ? "localzone"
                                               : "";
    if (*type)
        (void)snprintf(facts->sublocation_id, sizeof facts->sublocation_id, "%.63s",
                       slash           ? slash + 1
                       : subnet->az_id ? subnet->az_id
                                       : zone);
    (void)snprintf(facts->sublocation_type, sizeof facts->sublocation_type, "%s", type);
}

static void add_tags(struct interface_facts *facts, enum interface_tag_of of, const json_t *tags)
{
    size_t i;
    const json_t *tag;
    json_array_foreach(tags, i, tag)
    {
        AUTO_BUF struct buf value = BUF_INIT(8192);
        const char *key = json_string_value(json_object_get(tag, "Key"));
        const char *text = json_string_value(json_object_get(tag, "Value"));
        if (!key || !text)
            continue;
        uri_encode(&value, text, strlen(text), false);
        if (interface_facts_add_tag(facts, of, key, buf_string(&value)) < 0)
            log_error("topology", "no memory for a tag");
    }
}

typedef bool element_test(const json_t *element, const char *id);

static bool is_instance(const json_t *element, const char *id)
{
    const char *name = json_string_value(json_object_get(element, "InstanceId"));
    return name && strcmp(name, id) == 0;
}

static bool has_instance(const json_t *element, const char *id)
{
    size_t i;
    const json_t *instance;
    json_array_foreach(json_object_get(element, "Instances"), i, instance)
    {
        if (is_instance(instance, id))
            return true;
    }
    return false;
}

static const json_t *find_in(const json_t *list, element_test *test, const char *id)
{
    size_t i;
    const json_t *element;
    json_array_foreach(list, i, element)
    {
        if (test(element, id))
            return element;
    }
    return NULL;
}

/* Tags of the instance and of its Auto Scaling group, from `describe-instances` and
 * `describe-auto-scaling-groups`. */
static void add_instance_tags(const struct world *world, struct interface_facts *facts, const char *id)
{
    size_t i;
    const json_t *document;
    json_array_foreach(world->policy->documents, i, document)
    {
        const json_t *data = json_object_get(document, "data");
        const json_t *from = data ? data : document;
        const json_t *reservation = find_in(json_object_get(from, "Reservations"), has_instance, id);
        const json_t *instance = find_in(json_object_get(reservation, "Instances"), is_instance, id);
        const json_t *group = find_in(json_object_get(from, "AutoScalingGroups"), has_instance, id);
        add_tags(facts, TAG_OF_INSTANCE, json_object_get(instance, "Tags"));
        add_tags(facts, TAG_OF_ASG, json_object_get(group, "Tags"));
    }
}

static void add_described(struct world *world, struct interface_facts *facts,
                          struct policy_interface *described)
{
    struct fault fault = {0};
    facts->type = type_word(described->type);
    if (described->subnet)
        set_sublocation(facts, described->subnet);
    add_tags(facts, TAG_OF_INTERFACE, json_object_get(described->item.json, "TagSet"));
    if (given(described->instance_id))
        add_instance_tags(world, facts, described->instance_id);
    if (policy_prepare(world->policy, described, &fault) == 0)
        facts->described = described;
}

static void add_task(const struct metadata_task *task, struct interface_facts *facts)
{
    const struct {
        enum field_id field;
        const char *text;
    } texts[] = {{FIELD_ECS_CLUSTER_ARN, task->cluster_arn},
                 {FIELD_ECS_CLUSTER_NAME, task->cluster_name},
                 {FIELD_ECS_CONTAINER_ID, task->container_id},
                 {FIELD_ECS_SECOND_CONTAINER_ID, task->second_container_id},
                 {FIELD_ECS_SERVICE_NAME, task->service_name},
                 {FIELD_ECS_TASK_DEFINITION_ARN, task->definition_arn},
                 {FIELD_ECS_TASK_ARN, task->task_arn},
                 {FIELD_ECS_TASK_ID, task->task_id}};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        facts->ecs[texts[i].field - FIELD_ECS_CLUSTER_ARN] = texts[i].text;
}

void world_describe(struct world *world, struct interface *interface)
{
    struct policy_interface *described =
        world->policy ? policy_interface(world->policy, interface->identity.interface_id) : NULL;
    bool has_task = world->has_task && interface->role == INTERFACE_NIC;
    interface_facts_free(TAKE(interface->facts));
    if (!described && !has_task)
        return;
    struct interface_facts *facts = calloc(1, sizeof *facts);
    if (!facts) {
        log_error("topology", "no memory for what is known of %s", interface->identity.interface_id);
        return;
    }
    if (described)
        add_described(world, facts, described);
    if (has_task)
        add_task(&world->task, facts);
    interface->facts = facts;
}

/* What records say of the other end. */

/* An address, and the interface that has it; texts are borrowed. */
struct hop {
    uint8_t address[16];
    const char *vpc_id;
    const char *interface_id;
    const char *subnet_id;
    const char *az_id;
    const char *type;
    const char *account_id;
    const struct policy_interface *described; /* NULL: no document does */
    uint32_t ifindex;                         /* 0: not of this host */
    bool enslaved;                            /* what passes it does not go by the host's routes */
    uint8_t order; /* of equal ones the first counts: what is recorded here before what is described */
};

static int compare_places(const struct hop *a, const struct hop *b)
{
    int order = memcmp(a->address, b->address, sizeof a->address);
    return order ? order : strcmp(a->vpc_id, b->vpc_id);
}

static int compare_hops(const void *left, const void *right)
{
    const struct hop *a = left;
    const struct hop *b = right;
    int order = compare_places(a, b);
    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static void add_hop(struct world *world, const struct address *address, struct hop hop)
{
    memcpy(hop.address, address->bytes, sizeof hop.address);
    world->hops[world->hop_count++] = hop;
}

static void add_registered(struct world *world, const struct registered *entry)
{
    const struct interface *interface = &entry->interface;
    const struct interface_identity *identity = &interface->identity;
    const struct hop hop = {.vpc_id = identity->vpc_id,
                            .interface_id = identity->interface_id,
                            .subnet_id = identity->subnet_id,
                            .az_id = identity->az_id,
                            .account_id = identity->account_id,
                            .ifindex = entry->ifindex,
                            .enslaved = entry->master != 0,
                            .described = interface->facts ? interface->facts->described : NULL,
                            .type = interface->facts ? interface->facts->type : NULL};
    for (unsigned i = 0; entry->used && !entry->gone && identity->vpc_id[0] && i < interface->address_count;
         i++)
        add_hop(world, &interface->addresses[i], hop);
}

static void add_policy_interface(struct world *world, const struct policy_interface *interface)
{
    const char *az_id = interface->az_id    ? interface->az_id
                        : interface->subnet ? interface->subnet->az_id
                                            : NULL;
    const struct hop hop = {.vpc_id = interface->vpc_id,
                            .interface_id = interface->item.id,
                            .subnet_id = interface->subnet_id ? interface->subnet_id : "",
                            .az_id = az_id ? az_id : "",
                            .account_id = interface->account_id ? interface->account_id : "",
                            .described = interface,
                            .type = type_word(interface->type),
                            .order = 1};
    for (size_t i = 0; interface->vpc_id && i < interface->addresses.count; i++)
        add_hop(world, &interface->addresses.items[i], hop);
}

static size_t count_addresses(const struct world *world, const struct registry *registry)
{
    size_t count = 0;
    for (uint32_t i = 0; i < registry->count; i++)
        count += registry_at(registry, (uint16_t)i)->interface.address_count;
    for (size_t i = 0; world->policy && i < world->policy->interfaces.count; i++)
        count += world->policy->interfaces.items[i].addresses.count;
    return count;
}

/* What a route names, and the interface that stands for it. */
struct target {
    const char *id;
    const struct hop *hop;
};

enum { TARGETS_OF_HOP = 3 };

/* A gateway has an interface of a type that none but AWS makes, whose description ends with the gateway's id.
 */
static const char *gateway_of(const struct policy_interface *described)
{
    static const char *const rows[][2] = {{"nat_gateway", "Interface for NAT Gateway "},
                                          {"natGateway", "Interface for NAT Gateway "},
                                          {"gateway_load_balancer_endpoint", "VPC Endpoint Interface "}};
    const char *description = text_of(&described->item, "Description");
    for (size_t i = 0; described->type && i < ARRAY_SIZE(rows); i++)
        if (strcmp(described->type, rows[i][0]) == 0 &&
            strncmp(description, rows[i][1], strlen(rows[i][1])) == 0)
            return description + strlen(rows[i][1]);
    return NULL;
}

static void add_target(struct world *world, const char *id, const struct hop *hop)
{
    if (given(id))
        world->targets[world->target_count++] = (struct target){id, hop};
}

static int compare_targets(const void *left, const void *right)
{
    return strcmp(((const struct target *)left)->id, ((const struct target *)right)->id);
}

static int prepare_targets(struct world *world)
{
    free(world->targets);
    world->target_count = 0;
    world->targets = calloc(world->hop_count * TARGETS_OF_HOP + 1, sizeof *world->targets);
    if (!world->targets)
        return -ENOMEM;
    for (size_t i = 0; i < world->hop_count; i++) {
        const struct hop *hop = &world->hops[i];
        add_target(world, hop->interface_id, hop);
        if (hop->described) {
            add_target(world, hop->described->instance_id, hop);
            add_target(world, gateway_of(hop->described), hop);
        }
    }
    qsort(world->targets, world->target_count, sizeof *world->targets, compare_targets);
    return 0;
}

static int compare_to_hop(const void *address, const void *hop)
{
    return memcmp(address, ((const struct hop *)hop)->address, sizeof((const struct hop *)hop)->address);
}

/* Of any VPC. */
static bool is_hop(const struct world *world, const struct address *address)
{
    return bsearch(address->bytes, world->hops, world->hop_count, sizeof *world->hops, compare_to_hop);
}

/* Of no use are routes of which none leads through an interface that is known. */
static void prepare_routes(struct world *world)
{
    bool several = false;
    bool useful = false;
    routes_done(&world->routes);
    for (size_t i = 1; i < world->hop_count && !several; i++)
        several = strcmp(world->hops[0].interface_id, world->hops[i].interface_id) != 0;
    if (!several || routes_read(&world->routes) < 0)
        return;
    for (size_t i = 0; i < world->routes.count && !useful; i++)
        useful = world->routes.items[i].gateway.family && is_hop(world, &world->routes.items[i].gateway);
    if (!useful)
        routes_done(&world->routes);
}

int world_prepare(struct world *world, const struct registry *registry)
{
    free(world->hops);
    world->hop_count = 0;
    world->hops = calloc(count_addresses(world, registry) + 1, sizeof *world->hops);
    if (!world->hops)
        return -ENOMEM;
    for (uint32_t i = 0; i < registry->count; i++)
        add_registered(world, registry_at(registry, (uint16_t)i));
    for (size_t i = 0; world->policy && i < world->policy->interfaces.count; i++)
        add_policy_interface(world, &world->policy->interfaces.items[i]);
    qsort(world->hops, world->hop_count, sizeof *world->hops, compare_hops);
    int r = prepare_targets(world);
    prepare_routes(world);
    return r;
}

/* The first of the equal ones. */
static const struct hop *find_hop(const struct world *world, const uint8_t *address, const char *vpc_id)
{
    struct hop wanted = {.vpc_id = vpc_id};
    size_t low = 0;
    size_t high = world->hop_count;
    memcpy(wanted.address, address, sizeof wanted.address);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_places(&world->hops[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < world->hop_count && compare_places(&world->hops[low], &wanted) == 0 ? &world->hops[low]
                                                                                     : NULL;
}

/* NULL also when several interfaces stand for it. */
static const struct hop *find_target(const struct world *world, const char *id)
{
    const struct target wanted = {.id = id};
    const struct target *found =
        bsearch(&wanted, world->targets, world->target_count, sizeof wanted, compare_targets);
    if (!found)
        return NULL;
    const struct target *end = world->targets + world->target_count;
    const struct hop *hop = found->hop;
    while (found > world->targets && strcmp(found[-1].id, id) == 0)
        found--;
    for (; found < end && strcmp(found->id, id) == 0; found++)
        if (strcmp(found->hop->interface_id, hop->interface_id) != 0)
            return NULL;
    return hop;
}

enum traffic_path {
    PATH_UNKNOWN,
    PATH_VPC,
    PATH_PRIVATE_GATEWAY = 3,
    PATH_PEERING_SAME_REGION,
    PATH_PEERING_OTHER_REGION,
    PATH_ZONE,
    PATH_ENDPOINT,
    PATH_INTERNET
};

static bool is_peering(const json_t *element, const char *id)
{
    const char *name = json_string_value(json_object_get(element, "VpcPeeringConnectionId"));
    return name && strcmp(name, id) == 0;
}

/* By the regions of both ends, from `describe-vpc-peering-connections`; unknown when documents contradict
 * each other. */
static enum traffic_path path_of_peering(const struct world *world, const char *id)
{
    enum traffic_path path = PATH_UNKNOWN;
    size_t i;
    const json_t *document;
    json_array_foreach(world->policy->documents, i, document)
    {
        const json_t *data = json_object_get(document, "data");
        const json_t *list = json_object_get(data ? data : document, "VpcPeeringConnections");
        const json_t *peering = find_in(list, is_peering, id);
        const json_t *here = json_object_get(json_object_get(peering, "RequesterVpcInfo"), "Region");
        const json_t *there = json_object_get(json_object_get(peering, "AccepterVpcInfo"), "Region");
        if (!json_is_string(here) || !json_is_string(there))
            continue;
        enum traffic_path told =
            json_equal(here, there) ? PATH_PEERING_SAME_REGION : PATH_PEERING_OTHER_REGION;
        if (path && path != told)
            return PATH_UNKNOWN;
        path = told;
    }
    return path;
}

/* record.md 5.9, api.md 4.7. */
static enum traffic_path path_of_route(const struct world *world, const struct policy_route *route)
{
    static const struct {
        const char *prefix; /* of the target */
        enum traffic_path path;
    } targets[] = {
        {"local", PATH_VPC}, {"nat-", PATH_VPC},  {"eni-", PATH_VPC},      {"i-", PATH_VPC},
        {"lgw-", PATH_VPC},  {"vpce-", PATH_VPC}, {"igw-", PATH_INTERNET}, {"vgw-", PATH_PRIVATE_GATEWAY},
        {"cagw-", PATH_ZONE}};
    if (!route->target || route->blackhole)
        return PATH_UNKNOWN;
    if (route->list && strncmp(route->target, "vpce-", 5) == 0)
        return PATH_ENDPOINT;
    if (strncmp(route->target, "pcx-", 4) == 0)
        return path_of_peering(world, route->target);
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
        if (strncmp(route->target, targets[i].prefix, strlen(targets[i].prefix)) == 0)
            return targets[i].path;
    return PATH_UNKNOWN;
}

static bool is_in_vpc(const struct world *world, const struct address *address, const char *vpc_id)
{
    const struct topology_subnet *subnet = topology_subnet_of(world->topology, address);
    return subnet && vpc_id[0] && strcmp(subnet->vpc_id, vpc_id) == 0;
}

/* Of another account's interface only the zone is told (record.md 5.15). */
static void set_hop(struct record *record, const struct interface *interface, const struct hop *hop)
{
    const char *own = interface->identity.account_id;
    record_set_string(record, FIELD_NEXT_HOP_AZ_ID, hop ? hop->az_id : "");
    if (hop && own[0] && hop->account_id[0] && strcmp(own, hop->account_id) != 0)
        hop = NULL;
    record_set_string(record, FIELD_NEXT_HOP_INTERFACE_ID, hop ? hop->interface_id : "");
    record_set_string(record, FIELD_NEXT_HOP_SUBNET_ID, hop ? hop->subnet_id : "");
    record_set_string(record, FIELD_NEXT_HOP_VPC_ID, hop ? hop->vpc_id : "");
    record_set_string(record, FIELD_NEXT_HOP_INTERFACE_TYPE, hop && hop->type ? hop->type : "");
}

/* Where this host sends what goes there, when that is an interface in the same VPC. */
static const struct hop *find_gateway(const struct world *world, const struct interface *interface,
                                      const struct address *remote)
{
    const struct hop *own = world->routes.count ? find_target(world, interface->identity.interface_id) : NULL;
    const struct route *route = own && !own->enslaved ? routes_find(&world->routes, remote) : NULL;
    if (!route || !route->gateway.family ||
        (interface->role == INTERFACE_NIC && route->ifindex != own->ifindex))
        return NULL;
    const struct hop *through = find_hop(world, route->gateway.bytes, interface->identity.vpc_id);
    return through && strcmp(through->interface_id, own->interface_id) != 0 ? through : NULL;
}

static void complete_egress(const struct world *world, const struct interface *interface,
                            const struct flow *flow, struct record *record)
{
    struct address remote = {.family = flow->bits & FLOW_BIT_IPV6 ? 6 : 4};
    memcpy(remote.bytes, flow->destination, sizeof remote.bytes);
    const struct policy_interface *described = interface->facts ? interface->facts->described : NULL;
    const struct policy_route *route =
        described ? policy_route_to(described, remote.bytes, remote.family) : NULL;
    const struct hop *through = route ? NULL : find_gateway(world, interface, &remote);
    const struct hop *hop = through ? through : find_hop(world, remote.bytes, interface->identity.vpc_id);
    enum traffic_path path = PATH_UNKNOWN;
    if (route) {
        path = path_of_route(world, route);
        if (!route->target || strcmp(route->target, "local") != 0) /* on the way there is something else */
            hop = route->target && !route->blackhole ? find_target(world, route->target) : NULL;
    } else if (hop || is_in_vpc(world, &remote, interface->identity.vpc_id)) {
        path = PATH_VPC;
    }
    set_hop(record, interface, hop);
    if (path)
        record_set_number(record, FIELD_TRAFFIC_PATH, path);
    else
        record_clear(record, FIELD_TRAFFIC_PATH);
}

static void set_service(const struct world *world, struct record *record, enum field_id field,
                        const uint8_t *address)
{
    const char *service = world->ranges ? aws_ranges_find(world->ranges, address) : NULL;
    record_set_string(record, field, service ? service : "");
}

/* Not told of traffic that comes from some services (record.md 5.15). */
static const struct hop *find_sender(const struct world *world, const uint8_t *address, const char *vpc_id)
{
    const struct hop *hop = find_hop(world, address, vpc_id);
    bool hidden =
        hop && hop->type &&
        (strcmp(hop->type, "transit_gateway") == 0 || strcmp(hop->type, "network_load_balancer") == 0);
    return hidden ? NULL : hop;
}

void world_complete(void *context, const struct interface *interface, const struct flow *flow,
                    struct record *record)
{
    const struct world *world = context;
    set_service(world, record, FIELD_PKT_SRC_AWS_SERVICE, flow->source);
    set_service(world, record, FIELD_PKT_DST_AWS_SERVICE, flow->destination);
    if (flow->bits & FLOW_BIT_EGRESS) {
        complete_egress(world, interface, flow, record);
        return;
    }
    record_clear(record, FIELD_TRAFFIC_PATH);
    set_hop(record, interface, find_sender(world, flow->source, interface->identity.vpc_id));
}
