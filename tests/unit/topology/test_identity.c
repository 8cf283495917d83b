/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/identity.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MACHINE "0123456789abcdef0123456789abcdef"

static struct address address_of(const char *text)
{
    struct address address;
    assert_true(address_parse(text, strlen(text), &address));
    return address;
}

static struct link_address link_address_of(const char *text, uint8_t prefix, uint8_t scope)
{
    return (struct link_address){.address = address_of(text), .prefix = prefix, .scope = scope};
}

static struct topology_rule rule_of(const char *device, enum interface_role role)
{
    return (struct topology_rule){.device = (char *)device,
                                  .role = role,
                                  .interface_id = (char *)"derived",
                                  .subnet_id = (char *)"by-address",
                                  .vpc_id = (char *)"by-address",
                                  .instance_id = (char *)"derived"};
}

static struct topology_subnet subnet_of(const char *id, const char *vpc, const char *cidr)
{
    struct topology_subnet subnet = {.subnet_id = (char *)id, .vpc_id = (char *)vpc, .az_id = (char *)"az-1"};
    assert_true(address_block_parse(cidr, strlen(cidr), &subnet.cidr));
    return subnet;
}

/* One network: eth0 with two addresses, no subnets, one rule. */
struct scene {
    struct link_address addresses[4];
    struct link link;
    struct topology_rule rule;
    struct topology topology;
    struct identity_source source;
    struct interface interface;
};

static void scene_init(struct scene *scene)
{
    *scene = (struct scene){0};
    scene->addresses[0] = link_address_of("10.77.1.5", 24, RT_SCOPE_UNIVERSE);
    scene->addresses[1] = link_address_of("fe80::1", 64, RT_SCOPE_LINK);
    scene->link = (struct link){.ifindex = 2,
                                .name = "eth0",
                                .mac = {2, 0, 0, 0, 0, 1},
                                .mac_len = 6,
                                .addresses = scene->addresses,
                                .address_count = 2};
    scene->rule = rule_of("*", INTERFACE_NIC);
    scene->topology = (struct topology){.account = (char *)"123456789012", .region = (char *)"local"};
    scene->source = (struct identity_source){.topology = &scene->topology, .machine_id = MACHINE};
}

static const struct interface_identity *assign(struct scene *scene)
{
    interface_done(&scene->interface);
    assert_int_equal(identity_assign(&scene->interface, &scene->source, &scene->rule, &scene->link, NULL), 0);
    return &scene->interface.identity;
}

static void assert_id(const char *id, const char *prefix)
{
    size_t len = strlen(prefix);
    assert_memory_equal(id, prefix, len);
    assert_int_equal(strlen(id), len + 17);
    assert_int_equal(strspn(id + len, "0123456789abcdef"), 17);
}

static void test_first_matching_rule_counts(void **state)
{
    struct topology_rule rules[] = {rule_of("eth1", INTERFACE_NIC), rule_of("tap*", INTERFACE_PORT),
                                    rule_of("t[ab]p?", INTERFACE_NIC)};
    struct topology topology = {.rules = rules, .rule_count = 3};
    static const struct {
        const char *device;
        int rule;
    } cases[] = {{"eth1", 0}, {"tap0", 1}, {"tbp0", 2}, {"eth0", -1}, {"eth10", -1}, {"tcp0", -1}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct link link = {0};
        (void)snprintf(link.name, sizeof link.name, "%s", cases[i].device);
        const struct topology_rule *expected = cases[i].rule < 0 ? NULL : &rules[cases[i].rule];
        assert_ptr_equal(topology_rule_for(&topology, &link), expected);
    }
}

static void test_loopback_only_by_name(void **state)
{
    struct topology_rule rules[] = {rule_of("*", INTERFACE_NIC), rule_of("lo", INTERFACE_NIC)};
    struct topology topology = {.rules = rules, .rule_count = 1};
    struct link link = {.name = "lo", .flags = IFF_LOOPBACK};
    assert_null(topology_rule_for(&topology, &link));
    topology.rule_count = 2;
    assert_ptr_equal(topology_rule_for(&topology, &link), &rules[1]);
}

static void test_most_specific_subnet(void **state)
{
    struct topology_subnet subnets[] = {
        subnet_of("subnet-8", "vpc-1", "10.0.0.0/8"), subnet_of("subnet-24", "vpc-1", "10.77.1.0/24"),
        subnet_of("subnet-16", "vpc-1", "10.77.0.0/16"), subnet_of("subnet-v6", "vpc-1", "2001:db8::/32")};
    struct topology topology = {.subnets = subnets, .subnet_count = 4};
    static const struct {
        const char *address;
        const char *subnet;
    } cases[] = {{"10.77.1.5", "subnet-24"}, {"10.77.2.5", "subnet-16"},     {"10.1.0.1", "subnet-8"},
                 {"192.0.2.1", NULL},        {"2001:db8:1::1", "subnet-v6"}, {"2001:db9::1", NULL}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct address address = address_of(cases[i].address);
        const struct topology_subnet *found = topology_subnet_of(&topology, &address);
        if (cases[i].subnet)
            assert_string_equal(found->subnet_id, cases[i].subnet);
        else
            assert_null(found);
    }
}

static void test_everything_is_derived(void **state)
{
    struct scene scene;
    scene_init(&scene);
    const struct interface_identity *identity = assign(&scene);
    assert_string_equal(identity->account_id, "123456789012");
    assert_string_equal(identity->region, "local");
    assert_id(identity->interface_id, "eni-");
    assert_id(identity->subnet_id, "subnet-");
    assert_id(identity->vpc_id, "vpc-");
    assert_id(identity->instance_id, "i-");
    assert_string_equal(identity->az_id, "");
    assert_int_equal(scene.interface.address_count, 2);
    struct address first = address_of("10.77.1.5");
    assert_true(address_equal(interface_primary(&scene.interface, 4), &first));
    /* Frozen: records of earlier versions carry it. */
    assert_string_equal(identity->interface_id, "eni-05a8ec03a5e7e596a");
    interface_done(&scene.interface);
}

static void test_derived_ids_rest_on_what_stays(void **state)
{
    struct scene scene;
    scene_init(&scene);
    struct interface_identity before = *assign(&scene);
    scene.link.ifindex = 99;
    assert_string_equal(assign(&scene)->interface_id, before.interface_id);
    scene.addresses[0] = link_address_of("192.0.2.9", 25, RT_SCOPE_UNIVERSE);
    const struct interface_identity *moved = assign(&scene);
    assert_string_equal(moved->interface_id, before.interface_id);
    assert_string_equal(moved->vpc_id, before.vpc_id);
    assert_string_not_equal(moved->subnet_id, before.subnet_id);
    scene.link.mac[5] = 2;
    assert_string_not_equal(assign(&scene)->interface_id, before.interface_id);
    scene.link.mac[5] = 1;
    (void)snprintf(scene.link.name, sizeof scene.link.name, "eth0.7");
    assert_string_not_equal(assign(&scene)->interface_id, before.interface_id);
    interface_done(&scene.interface);
}

static void test_same_prefix_is_the_same_subnet(void **state)
{
    struct scene scene;
    scene_init(&scene);
    struct interface_identity before = *assign(&scene);
    scene.addresses[0] = link_address_of("10.77.1.200", 24, RT_SCOPE_UNIVERSE);
    assert_string_equal(assign(&scene)->subnet_id, before.subnet_id);
    scene.addresses[0] = link_address_of("10.77.1.5", 25, RT_SCOPE_UNIVERSE);
    assert_string_not_equal(assign(&scene)->subnet_id, before.subnet_id);
    interface_done(&scene.interface);
}

static void test_what_is_assigned_stays_while_addresses_change(void **state)
{
    struct scene scene;
    scene_init(&scene);
    struct interface_identity before = *assign(&scene);
    scene.addresses[0] = link_address_of("192.0.2.9", 25, RT_SCOPE_UNIVERSE);
    scene.link.address_count = 1;
    assert_int_equal(identity_update(&scene.interface, &scene.source, &scene.rule, &scene.link), 0);
    assert_memory_equal(&scene.interface.identity, &before, sizeof before);
    assert_int_equal(scene.interface.address_count, 1);
    struct address now = address_of("192.0.2.9");
    assert_true(address_equal(interface_primary(&scene.interface, 4), &now));
    interface_done(&scene.interface);
}

static void test_place_waits_for_a_global_address(void **state)
{
    struct scene scene;
    scene_init(&scene);
    struct topology_subnet subnet = subnet_of("subnet-0a", "vpc-0a", "10.77.1.0/24");
    scene.topology.subnets = &subnet;
    scene.topology.subnet_count = 1;
    struct link_address global = scene.addresses[0];
    scene.addresses[0] = scene.addresses[1];
    scene.link.address_count = 1;
    const struct interface_identity *identity = assign(&scene);
    assert_id(identity->interface_id, "eni-");
    assert_string_equal(identity->subnet_id, "");
    assert_string_equal(identity->vpc_id, "");
    scene.addresses[0] = global;
    assert_int_equal(identity_update(&scene.interface, &scene.source, &scene.rule, &scene.link), 0);
    assert_string_equal(identity->subnet_id, "subnet-0a");
    assert_string_equal(identity->vpc_id, "vpc-0a");
    assert_string_equal(identity->az_id, "az-1");
    interface_done(&scene.interface);
}

static void test_explicit_ids(void **state)
{
    struct scene scene;
    scene_init(&scene);
    struct topology_subnet subnet = subnet_of("subnet-0a", "vpc-0a", "192.0.2.0/24");
    scene.topology.subnets = &subnet;
    scene.topology.subnet_count = 1;
    scene.rule.interface_id = (char *)"eni-0a";
    scene.rule.subnet_id = (char *)"subnet-0a";
    scene.rule.instance_id = (char *)"i-0a";
    const struct interface_identity *identity = assign(&scene);
    assert_string_equal(identity->interface_id, "eni-0a");
    assert_string_equal(identity->subnet_id, "subnet-0a");
    assert_string_equal(identity->vpc_id, "vpc-0a");
    assert_string_equal(identity->az_id, "az-1");
    assert_string_equal(identity->instance_id, "i-0a");
    scene.rule.vpc_id = (char *)"vpc-9";
    assert_string_equal(assign(&scene)->vpc_id, "vpc-9");
    interface_done(&scene.interface);
}

static void test_port_has_the_addresses_of_its_rule(void **state)
{
    struct scene scene;
    scene_init(&scene);
    struct topology_subnet subnets[] = {subnet_of("subnet-host", "vpc-1", "10.77.1.0/24"),
                                        subnet_of("subnet-guest", "vpc-1", "10.99.0.0/16")};
    struct address guest = address_of("10.99.0.7");
    scene.topology.subnets = subnets;
    scene.topology.subnet_count = 2;
    scene.rule = rule_of("*", INTERFACE_PORT);
    scene.rule.addresses = &guest;
    scene.rule.address_count = 1;
    const struct interface_identity *identity = assign(&scene);
    assert_int_equal(scene.interface.role, INTERFACE_PORT);
    assert_int_equal(scene.interface.address_count, 1);
    assert_true(interface_owns(&scene.interface, guest.bytes, 4));
    assert_string_equal(identity->subnet_id, "subnet-guest");
    assert_string_equal(identity->instance_id, "");
    interface_done(&scene.interface);
}

static bool is_taken(void *context, const char *interface_id)
{
    return strcmp(context, interface_id) == 0;
}

static void test_no_two_interfaces_share_an_id(void **state)
{
    struct scene scene;
    scene_init(&scene);
    struct interface_identity before = *assign(&scene);
    scene.source.taken = is_taken;
    scene.source.context = before.interface_id;
    const struct interface_identity *twin = assign(&scene);
    assert_id(twin->interface_id, "eni-");
    assert_string_not_equal(twin->interface_id, before.interface_id);

    struct fault fault = {0};
    struct interface second;
    scene.rule.interface_id = before.interface_id;
    assert_int_equal(identity_assign(&second, &scene.source, &scene.rule, &scene.link, &fault), -EEXIST);
    assert_string_equal(second.identity.interface_id, twin->interface_id);
    assert_int_equal(second.address_count, 2);
    assert_non_null(strstr(fault.text, before.interface_id));
    interface_done(&second);
    interface_done(&scene.interface);
}

static void test_without_machine_id(void **state)
{
    struct scene scene;
    scene_init(&scene);
    scene.source.machine_id = "";
    const struct interface_identity *identity = assign(&scene);
    assert_id(identity->interface_id, "eni-");
    assert_string_equal(identity->instance_id, "");
    interface_done(&scene.interface);
}

static void test_machine_id_is_one_or_nothing(void **state)
{
    char id[MACHINE_ID_MAX];
    identity_machine(id);
    assert_true(id[0] == '\0' || (strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_matching_rule_counts),
        cmocka_unit_test(test_loopback_only_by_name),
        cmocka_unit_test(test_most_specific_subnet),
        cmocka_unit_test(test_everything_is_derived),
        cmocka_unit_test(test_derived_ids_rest_on_what_stays),
        cmocka_unit_test(test_same_prefix_is_the_same_subnet),
        cmocka_unit_test(test_what_is_assigned_stays_while_addresses_change),
        cmocka_unit_test(test_place_waits_for_a_global_address),
        cmocka_unit_test(test_explicit_ids),
        cmocka_unit_test(test_port_has_the_addresses_of_its_rule),
        cmocka_unit_test(test_no_two_interfaces_share_an_id),
        cmocka_unit_test(test_without_machine_id),
        cmocka_unit_test(test_machine_id_is_one_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
