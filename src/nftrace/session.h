/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A trace: packets of given tuples are marked by a table of our own, and what becomes of each is told, with
 * the rule of nftables (or iptables over it) that dropped it. Of this network namespace alone. Needs
 * CAP_NET_ADMIN. The table is there from nftrace_open to nftrace_close, or until the process ends, however it
 * does. It changes no packet but for the kernel's own mark that asks for a trace.
 */

#include "base/fault.h"
#include "nftrace/follow.h"
#include "nftrace/mark.h"

#define NFTRACE_SILENCE_NS (300 * NS_PER_MS) /* after which a packet that was not dropped has passed */

struct nftrace;

struct nftrace_options {
    const struct nftrace_tuple *tuples;
    size_t tuple_count;
    const char *const *devices; /* whose ingress hook is covered; others begin at prerouting */
    size_t device_count;
    nftrace_listener *listener;
    void *context;
};

/* Everything in the options is borrowed for the call, but for `context`. */
int nftrace_open(struct nftrace **ret, const struct nftrace_options *options, struct fault *fault) MUST_USE;
void nftrace_close(struct nftrace *trace); /* packets under way are forgotten */

/* Readable when there are events. */
int nftrace_fd(const struct nftrace *trace);

/* Takes what events there are, without waiting, and calls the listener. Also to be called without any, so
 * that silent packets end. */
int nftrace_process(struct nftrace *trace, struct fault *fault) MUST_USE;

/* "flowlog_trace_1234": the table's name. */
const char *nftrace_table(const struct nftrace *trace);

struct nftrace_counts {
    uint64_t packets;   /* followed */
    uint64_t unknown;   /* marked, but what became of them was not learnt: too many, or events were lost */
    uint64_t overflows; /* times that the kernel had more events than we took */
};

struct nftrace_counts nftrace_counts(const struct nftrace *trace);

/* The number of the ruleset's generation, which each change of any table raises. */
int nftrace_generation(uint32_t *ret) MUST_USE;
