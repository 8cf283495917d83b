/* SPDX-License-Identifier: Apache-2.0 */

/* A document of AWS resources: refused with a reason, or every interface in it can be asked about packets. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/parse.h"
#include "policy/connections.h"
#include "policy/policy.h"
#include "policy/reason.h"

#include "harness.h"

static void count_line(void *context, const char *line)
{
    require(line[0] != '\0' && !strchr(line, '\n'));
    ++*(size_t *)context;
}

static void ask(const struct policy *policy, const struct policy_interface *interface,
                struct tracker *tracker, const struct policy_packet *packet)
{
    AUTO_BUF struct buf words = BUF_INIT(1 << 16);
    struct decision decision;
    policy_track(policy, interface, packet, 2, 1, tracker, &decision);
    require(decision.verdict != VERDICT_UNKNOWN || decision.doubt);
    require(decision.verdict == VERDICT_ACCEPT || decision.decider != DECIDER_CONNECTION);
    reason_print(&words, interface, packet, &decision);
    require(words.len > 0 || words.failed);
    reason_print_reject_rule(&words, interface, packet, &decision);
}

/* Both directions and families, with and without ports. */
static void ask_all(const struct policy *policy, const struct policy_interface *interface)
{
    static const uint8_t protocols[] = {PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMP, PROTOCOL_ICMPV6, 47};
    static const uint8_t ipv4[16] = {[10] = 0xff, 0xff, 10, 10, 1, 44};
    static const uint8_t ipv6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 9};
    struct tracker tracker = {.table = {.max_count = 100}};
    for (unsigned i = 0; i < sizeof protocols * 8; i++) {
        const uint8_t *address = i & 1 ? ipv6 : ipv4;
        const struct policy_packet packet = {.source = address,
                                             .destination = address,
                                             .source_port = 40000,
                                             .destination_port = 22,
                                             .icmp = 0x0800,
                                             .family = i & 1 ? 6 : 4,
                                             .protocol = protocols[i / 8],
                                             .egress = i & 2,
                                             .partial = i & 4};
        ask(policy, interface, &tracker, &packet);
    }
    connections_done(&tracker.table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy *policy = NULL;
    struct fault fault = {0};
    size_t told = 0;
    if (policy_load_text(&policy, "vpc.json", (const char *)data, size, count_line, &told, &fault) < 0) {
        require(fault.text[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < policy->interfaces.count; i++) {
        require(policy_prepare(policy, &policy->interfaces.items[i], &fault) == 0);
        ask_all(policy, &policy->interfaces.items[i]);
    }
    policy_free(policy);
    return 0;
}
