/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/links.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "topology/link_message.h"
#include "topology/link_table.h"
#include "topology/netlink.h"

#define RECEIVE_BUFFER (1024 * 1024) /* some 500 link messages; beyond it we dump afresh */
#define DUMP_ATTEMPTS 16             /* a dump that changes interrupt is void (NLM_F_DUMP_INTR) */

struct links {
    struct mnl_socket *follow; /* subscribed, non-blocking */
    struct link_table table;
    link_listener *listener;
    void *context;
    uint64_t overflows;
};

static int table_take_message(const struct nlmsghdr *message, struct link_table *table)
{
    struct link link;
    if (message->nlmsg_type == RTM_NEWLINK)
        return link_read(message, &link) && !link_table_add(table, &link) ? -ENOMEM : 0;
    struct address_message address;
    if (message->nlmsg_type != RTM_NEWADDR || !address_read(message, &address) ||
        address.flags & IFA_F_DADFAILED)
        return 0;
    struct link *owner = link_table_find(table, address.ifindex);
    int r = owner ? link_put_address(owner, &address.address) : 0;
    return r < 0 ? r : 0;
}

static int dump_callback(const struct nlmsghdr *message, void *context)
{
    int r = table_take_message(message, context);
    if (r == 0)
        return MNL_CB_OK;
    errno = -r;
    return MNL_CB_ERROR;
}

static int dump_once(struct link_table *ret)
{
    CLEANUP(link_table_done) struct link_table table = {0};
    AUTO_NETLINK struct mnl_socket *socket = NULL;
    int r = netlink_open(&socket);
    if (r == 0)
        r = netlink_dump(socket, RTM_GETLINK, sizeof(struct ifinfomsg), dump_callback, &table);
    if (r == 0)
        r = netlink_dump(socket, RTM_GETADDR, sizeof(struct ifaddrmsg), dump_callback, &table);
    if (r < 0)
        return r;
    *ret = table;
    table = (struct link_table){0};
    return 0;
}

static int dump_all(struct link_table *ret)
{
    int r = -EINTR;
    for (int i = 0; i < DUMP_ATTEMPTS && r == -EINTR; i++)
        r = dump_once(ret);
    return r;
}

static void tell_difference(struct links *links, const struct link *before, const struct link *now)
{
    if (!link_same(before, now))
        links->listener(links->context, LINK_CHANGED, now);
    if (!link_same_addresses(before, now))
        links->listener(links->context, LINK_ADDRESSES_CHANGED, now);
}

/* Puts a fresh dump in the place of what we knew, and tells what differs. */
static int resync(struct links *links)
{
    CLEANUP(link_table_done) struct link_table before = {0};
    struct link_table fresh;
    int r = dump_all(&fresh);
    if (r < 0)
        return r;
    before = links->table;
    links->table = fresh;
    for (size_t i = 0; i < before.count; i++)
        if (!link_table_find(&fresh, before.links[i]->ifindex))
            links->listener(links->context, LINK_REMOVED, before.links[i]);
    for (size_t i = 0; i < fresh.count; i++) {
        const struct link *old = link_table_find(&before, fresh.links[i]->ifindex);
        if (old)
            tell_difference(links, old, fresh.links[i]);
        else
            links->listener(links->context, LINK_ADDED, fresh.links[i]);
    }
    return 0;
}

static int follow_new_link(struct links *links, const struct link *link)
{
    struct link *known = link_table_find(&links->table, link->ifindex);
    if (known) {
        struct link before = *known;
        *known = *link;
        known->addresses = before.addresses;
        known->address_count = before.address_count;
        if (!link_same(&before, known))
            links->listener(links->context, LINK_CHANGED, known);
        return 0;
    }
    known = link_table_add(&links->table, link);
    if (!known)
        return -ENOMEM;
    links->listener(links->context, LINK_ADDED, known);
    return 0;
}

/* A veth whose peer moves to another namespace is not told of it, and the peer's number there means nothing
 * here. */
static void forget_lower(struct links *links, uint32_t ifindex)
{
    for (size_t i = 0; i < links->table.count; i++) {
        struct link *link = links->table.links[i];
        if (link->lower != ifindex)
            continue;
        link->lower = 0;
        links->listener(links->context, LINK_CHANGED, link);
    }
}

static void follow_gone_link(struct links *links, uint32_t ifindex)
{
    CLEANUP(link_cleanup) struct link *gone = link_table_remove(&links->table, ifindex);
    if (!gone)
        return;
    links->listener(links->context, LINK_REMOVED, gone);
    forget_lower(links, ifindex);
}

static int follow_address(struct links *links, const struct nlmsghdr *message)
{
    struct address_message address;
    if (!address_read(message, &address))
        return 0;
    struct link *link = link_table_find(&links->table, address.ifindex);
    if (!link)
        return 0;
    bool gone = message->nlmsg_type == RTM_DELADDR || address.flags & IFA_F_DADFAILED;
    int r =
        gone ? link_drop_address(link, &address.address.address) : link_put_address(link, &address.address);
    if (r > 0)
        links->listener(links->context, LINK_ADDRESSES_CHANGED, link);
    return r < 0 ? r : 0;
}

static int follow_message(struct links *links, const struct nlmsghdr *message)
{
    struct link link;
    switch (message->nlmsg_type) {
    case RTM_NEWLINK:
        return link_read(message, &link) ? follow_new_link(links, &link) : 0;
    case RTM_DELLINK:
        if (link_read(message, &link))
            follow_gone_link(links, link.ifindex);
        return 0;
    case RTM_NEWADDR:
    case RTM_DELADDR:
        return follow_address(links, message);
    default:
        return 0;
    }
}

static int follow_callback(const struct nlmsghdr *message, void *context)
{
    int r = follow_message(context, message);
    if (r == 0)
        return MNL_CB_OK;
    errno = -r;
    return MNL_CB_ERROR;
}

static int follow_open(struct mnl_socket **ret)
{
    AUTO_NETLINK
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (!socket || mnl_socket_bind(socket, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
                                   MNL_SOCKET_AUTOPID) < 0)
        return -errno;
    /* Beyond the system's limit only with CAP_NET_ADMIN; without it, overflows are more frequent, no more. */
    int size = RECEIVE_BUFFER;
    int fd = mnl_socket_get_fd(socket);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    *ret = TAKE(socket);
    return 0;
}

int links_open(struct links **ret, link_listener *listener, void *context, struct fault *fault)
{
    struct links *links = calloc(1, sizeof *links);
    if (!links)
        return fault_set(fault, -ENOMEM, "out of memory");
    links->listener = listener;
    links->context = context;
    /* Subscribed before the dump: what changes in between is told twice, which is harmless, not never. */
    int r = follow_open(&links->follow);
    if (r == 0)
        r = resync(links);
    if (r < 0) {
        links_close(links);
        return fault_set(fault, r, "rtnetlink: cannot list the interfaces: %s", strerror(-r));
    }
    *ret = links;
    return 0;
}

void links_close(struct links *links)
{
    if (!links)
        return;
    cleanup_netlink(&links->follow);
    link_table_done(&links->table);
    free(links);
}

int links_fd(const struct links *links)
{
    return mnl_socket_get_fd(links->follow);
}

uint64_t links_overflows(const struct links *links)
{
    return links->overflows;
}

int links_process(struct links *links, struct fault *fault)
{
    char messages[NETLINK_MESSAGE_MAX];
    for (;;) {
        ssize_t len = mnl_socket_recvfrom(links->follow, messages, sizeof messages);
        int r = 0;
        if (len >= 0)
            r = mnl_cb_run(messages, (size_t)len, 0, 0, follow_callback, links) < 0 ? -errno : 0;
        else if (errno == EAGAIN)
            return 0;
        else if (errno == ENOBUFS || errno == ENOSPC) { /* the queue, or one message, was too long */
            links->overflows++;
            r = resync(links);
        } else if (errno != EINTR)
            r = -errno;
        if (r < 0)
            return fault_set(fault, r, "rtnetlink: cannot follow the interfaces: %s", strerror(-r));
    }
}

const struct link *links_find(const struct links *links, uint32_t ifindex)
{
    return link_table_find(&links->table, ifindex);
}

const struct link *links_next(const struct links *links, size_t *position)
{
    return *position < links->table.count ? links->table.links[(*position)++] : NULL;
}

static int counters_callback(const struct nlmsghdr *message, void *context)
{
    const struct nlattr *attribute;
    mnl_attr_for_each(attribute, message, sizeof(struct if_stats_msg))
    {
        if (mnl_attr_get_type(attribute) == IFLA_STATS_LINK_64)
            counters_read(attribute, context);
    }
    return MNL_CB_STOP;
}

int links_counters(uint32_t ifindex, struct link_counters *ret)
{
    char request[64] = {0};
    struct nlmsghdr *message = mnl_nlmsg_put_header(request);
    message->nlmsg_type = RTM_GETSTATS;
    message->nlmsg_flags = NLM_F_REQUEST;
    message->nlmsg_seq = 1;
    struct if_stats_msg *filter = mnl_nlmsg_put_extra_header(message, sizeof *filter);
    filter->ifindex = ifindex;
    filter->filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64);
    AUTO_NETLINK struct mnl_socket *socket = NULL;
    int r = netlink_open(&socket);
    return r < 0 ? r : netlink_ask(socket, message, counters_callback, ret);
}
