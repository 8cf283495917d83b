/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon's control socket, STATE/control.sock: a client sends one line of JSON, {"command":"status"}, and
 * gets one line of JSON back. It never blocks: clients that are slow, silent or send rubbish are answered
 * with an error member or dropped after CONTROL_PATIENCE_S, and at most CONTROL_CLIENTS_MAX are served at a
 * time.
 *
 * Besides status there are
 * - {"command":"ec2","parameters":{NAME:VALUE,…}}: an action of the EC2 API, whose answer comes in AWS's
 * member names, or as code and error
 * - create-access-key with rights; list-access-keys; revoke-access-key with id
 *
 * Members of the status document (numbers are numbers, times are seconds since the epoch, unknown is null or
 * absent):
 *
 * - version, pid, started, now, state-folder
 * - capturing: true once every interface known at the start is attached, or has been waited for long enough;
 *   `flowlog status` exits 3 before
 * - capture: attach, netns (inode), map-entries, flows (in the kernel now), drains, unaccounted, moves-lost,
 *   pin-path, netlink-overflows
 * - interfaces[]: ifindex, device, interface-id, role, subnet-id, vpc-id, addresses[], attached, error (why
 * it is not attached; also that its turn has not come yet)
 * - windows[], open ones: start, interval (s), closes-in (s), flows, packets, bytes
 * - ledger[], newest last: window, interval, device, interface-id, ingress and egress (the members of struct
 *   ledger_side in flow/ledger.h, with hyphens), closes (seen is all accounted for; null while the window is
 *   open), reasons[] (reason, direction, packets), difference (hooks less the interface's own counters),
 *   log-status
 * - flow-logs[]: id, name, resource, traffic-type, interval, destination, file-format, records, objects,
 *   waiting (windows not delivered yet), windows-given-up, last-object, last-delivery, deliver-logs-status,
 *   error
 */

#include <jansson.h>

#include "base/fault.h"
#include "base/macro.h"

#define CONTROL_SOCKET "control.sock"
#define CONTROL_REQUEST_MAX 65536
#define CONTROL_CLIENTS_MAX 32
#define CONTROL_PATIENCE_S 5

/* Answers a request. A new reference, or NULL with a fault that becomes the answer's error. */
typedef json_t *control_handler(void *context, const char *command, const json_t *request,
                                struct fault *fault);

struct control;

/* Listens in the state folder, mode 0660. -EADDRINUSE when another daemon answers there; a stale socket goes.
 */
int control_open(struct control **ret, const char *state, control_handler *handler, void *context,
                 struct fault *fault) MUST_USE;
void control_close(struct control *control); /* removes the socket */

/* One descriptor for everything (an epoll of its own): readable when control_process has work. */
int control_fd(const struct control *control);
void control_process(struct control *control);
