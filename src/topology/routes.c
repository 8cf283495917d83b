/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/routes.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "topology/netlink.h"

#define ROUTES_MAX 4096
#define DUMP_ATTEMPTS 4 /* a dump that changes interrupt is void */

struct reading {
    struct routes routes;
    size_t capacity;
};

/* The kernel's own: local, main, default. */
static bool is_usual_rule(const struct fib_rule_hdr *rule)
{
    return rule->action == FR_ACT_TO_TBL && !rule->src_len && !rule->dst_len && !rule->tos &&
           (rule->table == RT_TABLE_LOCAL || rule->table == RT_TABLE_MAIN || rule->table == RT_TABLE_DEFAULT);
}

static int read_rule(const struct nlmsghdr *message, void *context)
{
    const struct fib_rule_hdr *rule = mnl_nlmsg_get_payload(message);
    const struct nlattr *attribute;
    bool usual = mnl_nlmsg_get_payload_len(message) >= sizeof *rule && is_usual_rule(rule);
    mnl_attr_for_each(attribute, message, sizeof *rule)
    {
        uint16_t type = mnl_attr_get_type(attribute);
        usual &= type != FRA_IIFNAME && type != FRA_OIFNAME && type != FRA_FWMARK;
    }
    if (usual)
        return MNL_CB_OK;
    errno = ENOTUNIQ;
    return MNL_CB_ERROR;
}

static bool read_bytes(const struct nlattr *attribute, uint8_t family, uint8_t ret[static 16])
{
    size_t len = family == 6 ? 16 : 4;
    if (mnl_attr_get_payload_len(attribute) != len)
        return false;
    memset(ret, 0, 16);
    if (family == 4)
        ret[10] = ret[11] = 0xff;
    memcpy(ret + 16 - len, mnl_attr_get_payload(attribute), len);
    return true;
}

static void read_attribute(const struct nlattr *attribute, struct route *route, uint32_t *table)
{
    uint8_t family = route->destination.base.family;
    switch (mnl_attr_get_type(attribute)) {
    case RTA_DST:
        (void)read_bytes(attribute, family, route->destination.base.bytes);
        break;
    case RTA_GATEWAY:
        if (read_bytes(attribute, family, route->gateway.bytes))
            route->gateway.family = family;
        break;
    case RTA_OIF:
        route->ifindex = mnl_attr_get_u32(attribute);
        break;
    case RTA_PRIORITY:
        route->metric = mnl_attr_get_u32(attribute);
        break;
    case RTA_TABLE:
        *table = mnl_attr_get_u32(attribute);
        break;
    default: /* several paths have no gateway of their own */
        break;
    }
}

static struct route *add_route(struct reading *reading)
{
    struct routes *routes = &reading->routes;
    if (routes->count == reading->capacity) {
        size_t capacity = reading->capacity ? reading->capacity * 2 : 64;
        struct route *items =
            routes->count < ROUTES_MAX ? realloc(routes->items, capacity * sizeof *items) : NULL;
        if (!items) {
            errno = routes->count < ROUTES_MAX ? ENOMEM : E2BIG;
            return NULL;
        }
        routes->items = items;
        reading->capacity = capacity;
    }
    return &routes->items[routes->count++];
}

static int read_route(const struct nlmsghdr *message, void *context)
{
    const struct rtmsg *info = mnl_nlmsg_get_payload(message);
    if (mnl_nlmsg_get_payload_len(message) < sizeof *info ||
        (info->rtm_family != AF_INET && info->rtm_family != AF_INET6) || info->rtm_flags & RTM_F_CLONED)
        return MNL_CB_OK;
    struct route route = {.destination = {.prefix = info->rtm_dst_len}};
    route.destination.base.family = info->rtm_family == AF_INET6 ? 6 : 4;
    if (info->rtm_family == AF_INET)
        route.destination.base.bytes[10] = route.destination.base.bytes[11] = 0xff;
    uint32_t table = info->rtm_table;
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof *info)
    {
        read_attribute(attribute, &route, &table);
    }
    if (table != RT_TABLE_MAIN)
        return MNL_CB_OK;
    struct route *added = add_route(context);
    if (!added)
        return MNL_CB_ERROR;
    *added = route;
    return MNL_CB_OK;
}

static int compare_routes(const void *left, const void *right)
{
    const struct route *a = left;
    const struct route *b = right;
    if (a->destination.prefix != b->destination.prefix)
        return a->destination.prefix > b->destination.prefix ? -1 : 1;
    return (a->metric > b->metric) - (a->metric < b->metric);
}

static int read_once(struct reading *reading)
{
    AUTO_NETLINK struct mnl_socket *socket = NULL;
    int r = netlink_open(&socket);
    if (r == 0)
        r = netlink_dump(socket, RTM_GETRULE, sizeof(struct fib_rule_hdr), read_rule, NULL);
    if (r == 0)
        r = netlink_dump(socket, RTM_GETROUTE, sizeof(struct rtmsg), read_route, reading);
    return r;
}

int routes_read(struct routes *ret)
{
    struct reading reading = {0};
    int r = -EINTR;
    for (int i = 0; i < DUMP_ATTEMPTS && r == -EINTR; i++) {
        reading.routes.count = 0;
        r = read_once(&reading);
    }
    if (r < 0) {
        routes_done(&reading.routes);
        return r;
    }
    if (reading.routes.count)
        qsort(reading.routes.items, reading.routes.count, sizeof *reading.routes.items, compare_routes);
    *ret = reading.routes;
    return 0;
}

void routes_done(struct routes *routes)
{
    free(routes->items);
    *routes = (struct routes){0};
}

const struct route *routes_find(const struct routes *routes, const struct address *destination)
{
    for (size_t i = 0; i < routes->count; i++)
        if (address_block_contains(&routes->items[i].destination, destination))
            return &routes->items[i];
    return NULL;
}
