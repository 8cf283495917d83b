/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Netlink messages as the kernel sends them of traced packets, whose headers come from the network: each is
 * read or passed over, and what is told of a packet's end is whole.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "nftrace/follow.h"

#include "harness.h"

#define ROOM 65536

static void take_end(void *context, const struct nftrace_end *end)
{
    size_t *ends = context;
    require(end->arrival_count <= NFTRACE_ARRIVALS_MAX && end->passed);
    require((end->fate == NFTRACE_DROPPED) == (end->table && end->chain));
    require(end->marked.source.family == end->marked.destination.family);
    (*ends)++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(struct nlmsghdr) uint8_t room[ROOM];
    static struct follow follow;
    size_t ends = 0;
    uint64_t now_ns = 1;
    if (size > sizeof room)
        return 0;
    memcpy(room, data, size);
    const struct nlmsghdr *message = (const struct nlmsghdr *)room;
    int left = (int)size;
    struct nftrace_event event;
    bool named = false;
    char table[NFTRACE_NAME_MAX];
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
        if (!nftrace_event_read(message, &event))
            continue;
        require(event.table && event.chain && event.verdict <= NFTRACE_TAKE);
        if (!named) { /* the first that is told of is ours */
            size_t len = strnlen(event.table, sizeof table - 1);
            memcpy(table, event.table, len);
            table[len] = '\0';
            follow_init(&follow, table, take_end, &ends);
            named = true;
        }
        follow_event(&follow, &event, now_ns++);
    }
    if (named) {
        follow_settle(&follow, UINT64_MAX);
        require(ends == follow.begun);
        follow_done(&follow);
    }
    return 0;
}
