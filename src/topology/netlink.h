/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Questions to rtnetlink, and their answers. */

#include <libmnl/libmnl.h>
#include <stdint.h>

#include "base/macro.h"

#define NETLINK_MESSAGE_MAX 32768 /* a dump part: the kernel fills up to 32 KiB, whatever the page size */

void cleanup_netlink(struct mnl_socket **socket);
#define AUTO_NETLINK CLEANUP(cleanup_netlink)

/* Kernel answers come at once; a limit of some seconds only keeps a surprise from hanging the daemon. */
int netlink_open(struct mnl_socket **ret) MUST_USE;

/*
 * One question, its answer given to `callback`, which returns MNL_CB_OK or MNL_CB_ERROR with errno; -EINTR
 * when a dump was void.
 */
int netlink_ask(struct mnl_socket *socket, const struct nlmsghdr *message, mnl_cb_t callback,
                void *context) MUST_USE;

/* Asks for all of a kind (RTM_GET…) with a header of that size behind the message's; zero, its family is any.
 */
int netlink_dump(struct mnl_socket *socket, uint16_t type, size_t header_size, mnl_cb_t callback,
                 void *context) MUST_USE;
