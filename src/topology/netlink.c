/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/netlink.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/cleanup.h"

#define ANSWER_PATIENCE_S 5

void cleanup_netlink(struct mnl_socket **socket)
{
    if (*socket)
        (void)mnl_socket_close(*socket);
}

int netlink_open(struct mnl_socket **ret)
{
    AUTO_NETLINK struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    struct timeval patience = {.tv_sec = ANSWER_PATIENCE_S};
    if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ||
        setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        return -errno;
    *ret = TAKE(socket);
    return 0;
}

int netlink_ask(struct mnl_socket *socket, const struct nlmsghdr *message, mnl_cb_t callback, void *context)
{
    uint32_t sequence = message->nlmsg_seq;
    if (mnl_socket_sendto(socket, message, message->nlmsg_len) < 0)
        return -errno;
    char answer[NETLINK_MESSAGE_MAX];
    for (;;) {
        ssize_t len = mnl_socket_recvfrom(socket, answer, sizeof answer);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return -errno;
        int r = mnl_cb_run(answer, (size_t)len, sequence, mnl_socket_get_portid(socket), callback, context);
        if (r <= MNL_CB_STOP)
            return r < 0 ? -errno : 0;
    }
}

int netlink_dump(struct mnl_socket *socket, uint16_t type, size_t header_size, mnl_cb_t callback,
                 void *context)
{
    char request[64] = {0};
    struct nlmsghdr *message = mnl_nlmsg_put_header(request);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = type; /* differs from that of any other dump on the socket */
    (void)mnl_nlmsg_put_extra_header(message, header_size);
    return netlink_ask(socket, message, callback, context);
}
