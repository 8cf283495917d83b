/* SPDX-License-Identifier: Apache-2.0 */
#include "nftrace/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/clock.h"

#define BATCH_MAX (512UL * 1024)
#define RECEIVE_BUFFER (1024 * 1024)
#define MESSAGE_MAX 32768
#define ANSWER_PATIENCE_S 5
#define TRIES 3 /* a device may go between being listed and being hooked */

struct nftrace {
    struct mnl_socket *owner; /* the table lives as long as this */
    struct mnl_socket *events;
    struct follow follow;
    char table[64];
    uint64_t forgotten;
    uint64_t overflows;
};

static void cleanup_socket(struct mnl_socket **socket)
{
    if (*socket)
        (void)mnl_socket_close(*socket);
}

static int open_socket(struct mnl_socket **ret, int flags)
{
    CLEANUP(cleanup_socket)
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | flags);
    /* Answers come at once; the limit only keeps a surprise from hanging the caller. */
    struct timeval patience = {.tv_sec = ANSWER_PATIENCE_S};
    if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
        setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        return -errno;
    *ret = TAKE(socket);
    return 0;
}

/* Before the first packet can be marked. */
static int open_events(struct nftrace *trace, struct fault *fault)
{
    int group = NFNLGRP_NFTRACE;
    int size = RECEIVE_BUFFER;
    int r = open_socket(&trace->events, SOCK_NONBLOCK);
    if (r < 0)
        return fault_set(fault, r, "cannot open a netlink socket for traces: %s", strerror(-r));
    if (mnl_socket_setsockopt(trace->events, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
        return fault_set(fault, -errno, "cannot listen to traces of nftables: %s%s", strerror(errno),
                         errno == EPERM ? "; run it as root" : "");
    int fd = mnl_socket_get_fd(trace->events);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    return 0;
}

/* Errors that mnl_cb_run finds in an answer come as errno; each acknowledgement is one message. */
static int receive_acknowledgements(struct mnl_socket *socket, uint32_t count)
{
    char answer[MESSAGE_MAX];
    unsigned port = mnl_socket_get_portid(socket);
    while (count) {
        ssize_t len = mnl_socket_recvfrom(socket, answer, sizeof answer);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return -errno;
        int left = (int)len;
        const struct nlmsghdr *message = (const struct nlmsghdr *)answer;
        for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
            if (message->nlmsg_type != NLMSG_ERROR || !mnl_nlmsg_portid_ok(message, port))
                continue;
            const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
            if (error->error < 0)
                return error->error;
            count--;
        }
    }
    return 0;
}

static int make_table(struct nftrace *trace, const struct nftrace_options *options)
{
    AUTO_FREE char *batch = malloc(BATCH_MAX);
    uint32_t messages;
    const struct mark_options mark = {
        .table = trace->table,
        .tuples = options->tuples,
        .tuple_count = options->tuple_count,
        .devices = options->devices,
        .device_count = options->device_count,
    };
    int len = batch ? mark_write(&mark, batch, BATCH_MAX, 1, &messages) : -ENOMEM;
    if (len < 0)
        return len;
    int r = open_socket(&trace->owner, 0);
    if (r < 0)
        return r;
    if (mnl_socket_sendto(trace->owner, batch, (size_t)len) < 0)
        return -errno;
    return receive_acknowledgements(trace->owner, messages);
}

static int make_table_patiently(struct nftrace *trace, const struct nftrace_options *options,
                                struct fault *fault)
{
    int r = -ENOENT;
    struct nftrace_options some = *options;
    for (int i = 0; i < TRIES && (r == -ENOENT || r == -ENODEV); i++) {
        cleanup_socket(&trace->owner);
        trace->owner = NULL;
        r = make_table(trace, &some);
        some.device_count = i + 2 < TRIES ? some.device_count : 0;
    }
    if (r < 0)
        return fault_set(fault, r, "cannot make the table %s that marks packets: %s%s", trace->table,
                         strerror(-r), r == -EPERM ? "; run it as root" : "");
    return 0;
}

int nftrace_open(struct nftrace **ret, const struct nftrace_options *options, struct fault *fault)
{
    static unsigned number;
    struct nftrace *trace = calloc(1, sizeof *trace);
    if (!trace)
        return fault_set(fault, -ENOMEM, "out of memory for a trace");
    (void)snprintf(trace->table, sizeof trace->table, "flowlog_trace_%d_%u", (int)getpid(), number++);
    follow_init(&trace->follow, trace->table, options->listener, options->context);
    int r = open_events(trace, fault);
    if (r == 0)
        r = make_table_patiently(trace, options, fault);
    if (r < 0) {
        nftrace_close(trace);
        return r;
    }
    *ret = trace;
    return 0;
}

void nftrace_close(struct nftrace *trace)
{
    if (!trace)
        return;
    cleanup_socket(&trace->owner);
    cleanup_socket(&trace->events);
    follow_done(&trace->follow);
    free(trace);
}

int nftrace_fd(const struct nftrace *trace)
{
    return mnl_socket_get_fd(trace->events);
}

const char *nftrace_table(const struct nftrace *trace)
{
    return trace->table;
}

struct nftrace_counts nftrace_counts(const struct nftrace *trace)
{
    return (struct nftrace_counts){.packets = trace->follow.begun,
                                   .unknown = trace->follow.not_followed + trace->forgotten,
                                   .overflows = trace->overflows};
}

static void take_messages(struct nftrace *trace, const char *messages, size_t size, uint64_t now_ns)
{
    int left = (int)size;
    struct nftrace_event event;
    const struct nlmsghdr *message = (const struct nlmsghdr *)messages;
    for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left))
        if (nftrace_event_read(message, &event))
            follow_event(&trace->follow, &event, now_ns);
}

int nftrace_process(struct nftrace *trace, struct fault *fault)
{
    _Alignas(struct nlmsghdr) char messages[MESSAGE_MAX];
    uint64_t now_ns = clock_monotonic_ns();
    for (;;) {
        ssize_t len = mnl_socket_recvfrom(trace->events, messages, sizeof messages);
        if (len >= 0) {
            take_messages(trace, messages, (size_t)len, now_ns);
        } else if (errno == ENOBUFS) {
            trace->overflows++;
            trace->forgotten += follow_forget(&trace->follow);
        } else if (errno != EINTR) {
            break;
        }
    }
    if (errno != EAGAIN)
        return fault_set(fault, -errno, "cannot read traces of nftables: %s", strerror(errno));
    if (now_ns > NFTRACE_SILENCE_NS)
        follow_settle(&trace->follow, now_ns - NFTRACE_SILENCE_NS);
    return 0;
}

static int find_generation(const struct nlattr *attribute, void *context)
{
    if (mnl_attr_get_type(attribute) == NFTA_GEN_ID && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
        *(uint32_t *)context = ntohl(mnl_attr_get_u32(attribute));
    return MNL_CB_OK;
}

int nftrace_generation(uint32_t *ret)
{
    CLEANUP(cleanup_socket) struct mnl_socket *socket = NULL;
    _Alignas(struct nlmsghdr) char messages[MESSAGE_MAX];
    struct nlmsghdr *message = mnl_nlmsg_put_header(messages);
    message->nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETGEN;
    message->nlmsg_flags = NLM_F_REQUEST;
    struct nfgenmsg *head = mnl_nlmsg_put_extra_header(message, sizeof *head);
    *head = (struct nfgenmsg){.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0};
    int r = open_socket(&socket, 0);
    if (r < 0)
        return r;
    if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
        return -errno;
    ssize_t len = mnl_socket_recvfrom(socket, messages, sizeof messages);
    if (len < 0)
        return -errno;
    if (!mnl_nlmsg_ok(message, (int)len) || message->nlmsg_type == NLMSG_ERROR ||
        mnl_attr_parse(message, sizeof *head, find_generation, ret) < 0)
        return -EBADMSG;
    return 0;
}
