/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Where the members of a tracked connection are in the running kernel. CO-RE cannot tell: connection tracking
 * is mostly a module, whose type information libbpf looks up in a way that takes all of root's rights, and
 * which may be loaded long after the programs are. The files of type information are everybody's to read.
 */

#include "base/macro.h"
#include "bpf/wire.h"

#define CONNTRACK_TYPES "/sys/kernel/btf" /* a file of types for the kernel, and one per module */

/* -ENOENT while the kernel has no connection tracking, or does not say what it looks like. */
int conntrack_layout_read(const char *folder, struct conntrack_layout *ret) MUST_USE;
