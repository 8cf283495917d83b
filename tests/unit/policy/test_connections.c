/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/connections.h"
#include "policy/policy.h"

enum { CONNECTIONS = 5000 };

/* One interface whose group admits TCP 22 from everywhere and nothing out. */
static const char documents[] =
    "{\"Subnets\":[{\"SubnetId\":\"s\",\"VpcId\":\"v\",\"CidrBlock\":\"10.0.0.0/24\"}],"
    "\"NetworkAcls\":[{\"NetworkAclId\":\"a\",\"VpcId\":\"v\",\"Associations\":[{\"SubnetId\":\"s\"}],"
    "\"Entries\":["
    "{\"RuleNumber\":1,\"Egress\":true,\"Protocol\":\"-1\",\"RuleAction\":\"allow\",\"CidrBlock\":\"0.0.0.0/"
    "0\"},"
    "{\"RuleNumber\":1,\"Egress\":false,\"Protocol\":\"-1\",\"RuleAction\":\"allow\",\"CidrBlock\":\"0.0.0.0/"
    "0\"}]}],"
    "\"SecurityGroups\":[{\"GroupId\":\"g\",\"IpPermissions\":[{\"IpProtocol\":\"tcp\",\"FromPort\":22,"
    "\"ToPort\":22,"
    "\"IpRanges\":[{\"CidrIp\":\"0.0.0.0/0\"}]}],\"IpPermissionsEgress\":[]}],"
    "\"NetworkInterfaces\":[{\"NetworkInterfaceId\":\"eni\",\"VpcId\":\"v\",\"SubnetId\":\"s\","
    "\"PrivateIpAddress\":\"10.0.0.9\",\"Groups\":[{\"GroupId\":\"g\"}]}]}";

static const uint8_t own[16] = {[10] = 0xff, 0xff, 10, 0, 0, 9};
static const uint8_t client[16] = {[10] = 0xff, 0xff, 9, 9, 9, 9};

static void no_mistakes(void *context, const char *line)
{
    (void)context;
    fail_msg("%s", line);
}

static enum decider track(const struct policy *policy, struct tracker *tracker, bool egress,
                          uint16_t client_port)
{
    const struct policy_packet packet = {.source = egress ? own : client,
                                         .destination = egress ? client : own,
                                         .source_port = egress ? 22 : client_port,
                                         .destination_port = egress ? client_port : 22,
                                         .family = 4,
                                         .protocol = 6,
                                         .egress = egress};
    struct decision decision;
    policy_track(policy, &policy->interfaces.items[0], &packet, egress ? 18 : 2, 1000, tracker, &decision);
    return decision.verdict == VERDICT_ACCEPT ? decision.decider : DECIDER_NONE;
}

static void test_many_connections(void **state)
{
    (void)state;
    struct policy *policy;
    struct fault fault;
    assert_int_equal(policy_load_text(&policy, "x", documents, strlen(documents), no_mistakes, NULL, &fault),
                     0);
    assert_int_equal(policy_prepare(policy, policy_interface(policy, "eni"), &fault), 0);
    struct tracker tracker = {.table = {.max_count = CONNECTIONS - 3}};
    for (uint16_t port = 1; port <= CONNECTIONS; port++)
        assert_int_equal(track(policy, &tracker, false, port), DECIDER_SECURITY_GROUP);
    assert_int_equal(tracker.not_tracked, 3);
    for (uint16_t port = 1; port <= CONNECTIONS; port++)
        assert_int_equal(track(policy, &tracker, true, port),
                         port <= CONNECTIONS - 3 ? DECIDER_CONNECTION : DECIDER_NONE);
    connections_done(&tracker.table);
    policy_free(policy);
}

/* More than a chunk of them: numbers come in order, and each key leads to its own place, which stays. */
static void test_places(void **state)
{
    (void)state;
    enum { PLACES = 3 * CONNECTIONS_CHUNK + 7 };
    struct connections table = {.max_count = PLACES};
    struct connection_key key = {.family = 4, .protocol = 6};
    for (uint32_t number = 0; number < PLACES; number++) {
        key.interface = number;
        assert_null(connections_find(&table, &key));
        assert_int_equal(connections_add(&table, &key), number);
        connections_at(&table, number)->last_s = number;
    }
    const struct connection *first = connections_at(&table, 0);
    key.interface = PLACES;
    assert_int_equal(connections_add(&table, &key), CONNECTION_NONE);
    assert_null(connections_find(&table, &key));
    for (uint32_t number = 0; number < PLACES; number++) {
        key.interface = number;
        assert_int_equal(connections_add(&table, &key), number);
        assert_ptr_equal(connections_find(&table, &key), connections_at(&table, number));
        assert_int_equal(connections_at(&table, number)->last_s, number);
    }
    assert_ptr_equal(first, connections_at(&table, 0));
    connections_done(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_connections),
                                       cmocka_unit_test(test_places)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
