/* SPDX-License-Identifier: Apache-2.0 */
#include "topology/links.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "base/cleanup.h"

/*
 * Against the kernel: each test in a network namespace of its own, changed by ip(8). Skipped, saying so,
 * where none may be made.
 */

#define EXIT_SKIPPED 77
#define HISTORY_MAX 8192

/* What was told: "+eth0" added, "~eth0" changed, "@eth0" addresses, "-eth0" removed. */
struct history {
    char text[HISTORY_MAX];
};

static void listen_to(void *context, enum link_event event, const struct link *link)
{
    static const char signs[] = {
        [LINK_ADDED] = '+', [LINK_CHANGED] = '~', [LINK_ADDRESSES_CHANGED] = '@', [LINK_REMOVED] = '-'};
    struct history *history = context;
    size_t len = strlen(history->text);
    (void)snprintf(history->text + len, sizeof history->text - len, "%c%s ", signs[event], link->name);
}

static bool was_told(const struct history *history, const char *what)
{
    char wanted[64];
    (void)snprintf(wanted, sizeof wanted, "%s ", what);
    return strstr(history->text, wanted);
}

struct scene {
    struct history history;
    struct links *links;
};

static void run(const char *command)
{
    if (system(command) != 0)
        fail_msg("%s", command);
}

static void scene_open(struct scene *scene)
{
    struct fault fault = {0};
    scene->history.text[0] = '\0';
    scene->links = NULL;
    if (links_open(&scene->links, listen_to, &scene->history, &fault) < 0)
        fail_msg("%s", fault.text);
}

/* All messages are queued when ip(8) has ended. */
static void scene_process(struct scene *scene)
{
    scene->history.text[0] = '\0';
    assert_int_equal(links_process(scene->links, NULL), 0);
}

/* The kernel tells of IPv6 addresses from a work queue, a little later. */
static void scene_process_until(struct scene *scene, uint32_t ifindex, unsigned addresses)
{
    struct pollfd wait = {.fd = links_fd(scene->links), .events = POLLIN};
    scene_process(scene);
    for (int i = 0; i < 100 && links_find(scene->links, ifindex)->address_count < addresses; i++) {
        (void)poll(&wait, 1, 100);
        assert_int_equal(links_process(scene->links, NULL), 0);
    }
}

static const struct link *scene_link(const struct scene *scene, const char *name)
{
    size_t position = 0;
    const struct link *link;
    while ((link = links_next(scene->links, &position)))
        if (strcmp(link->name, name) == 0)
            return link;
    fail_msg("no link %s", name);
    return NULL;
}

static void assert_address(const struct link *link, unsigned index, const char *text)
{
    struct address address;
    assert_true(address_parse(text, strlen(text), &address));
    assert_true(index < link->address_count);
    assert_true(address_equal(&link->addresses[index].address, &address));
}

static int enter_namespace(void **state)
{
    if (unshare(CLONE_NEWNET) == 0)
        return 0;
    (void)fprintf(stderr, "skipped: no network namespace can be made: %s\n", strerror(errno));
    exit(EXIT_SKIPPED);
}

static void test_dump_tells_every_link(void **state)
{
    run("ip link add d0 address 02:00:00:00:00:07 type bridge && ip addr add 10.0.0.1/24 dev d0 && ip link "
        "set d0 up");
    struct scene scene;
    scene_open(&scene);
    assert_true(was_told(&scene.history, "+lo"));
    assert_true(was_told(&scene.history, "+d0"));
    assert_false(strpbrk(scene.history.text, "~@-"));
    const struct link *lo = scene_link(&scene, "lo");
    assert_true(lo->flags & IFF_LOOPBACK);
    assert_int_equal(lo->type, ARPHRD_LOOPBACK);
    const struct link *d0 = scene_link(&scene, "d0");
    assert_ptr_equal(links_find(scene.links, d0->ifindex), d0);
    assert_null(links_find(scene.links, 4711));
    assert_int_equal(d0->type, ARPHRD_ETHER);
    assert_string_equal(d0->kind, "bridge");
    assert_true(d0->flags & IFF_UP);
    assert_int_equal(d0->mac_len, 6);
    assert_memory_equal(d0->mac, "\2\0\0\0\0\7", 6);
    assert_int_equal(d0->lower, 0);
    assert_int_equal(d0->master, 0);
    assert_address(d0, 0, "10.0.0.1");
    assert_int_equal(d0->addresses[0].prefix, 24);
    links_close(scene.links);
}

static void test_links_come_change_and_go(void **state)
{
    struct scene scene;
    scene_open(&scene);
    run("ip link add d0 type bridge");
    scene_process(&scene);
    assert_string_equal(scene.history.text, "+d0 ");
    uint32_t ifindex = scene_link(&scene, "d0")->ifindex;
    run("ip link set d0 name e0");
    scene_process(&scene);
    assert_string_equal(scene.history.text, "~e0 ");
    run("ip link set e0 up");
    scene_process(&scene);
    assert_true(was_told(&scene.history, "~e0"));
    assert_true(scene_link(&scene, "e0")->flags & IFF_UP);
    run("ip link del e0");
    scene_process(&scene);
    assert_true(was_told(&scene.history, "-e0"));
    assert_null(links_find(scene.links, ifindex));
    links_close(scene.links);
}

static void test_nothing_is_told_twice(void **state)
{
    run("ip link add d0 type bridge && ip addr add 10.0.0.1/24 dev d0");
    struct scene scene;
    scene_open(&scene);
    run("ip addr replace 10.0.0.1/24 dev d0 && ip link set d0 down");
    scene_process(&scene);
    assert_string_equal(scene.history.text, "");
    struct pollfd wait = {.fd = links_fd(scene.links), .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 0), 0);
    links_close(scene.links);
}

static void test_stacked_links(void **state)
{
    run("ip link add d0 type bridge && ip link add link d0 name m0 type macvlan && ip link add b0 type "
        "bridge && "
        "ip link add v0 type veth peer name v1 && ip link set v0 master b0");
    struct scene scene;
    scene_open(&scene);
    const struct link *upper = scene_link(&scene, "m0");
    assert_string_equal(upper->kind, "macvlan");
    assert_int_equal(upper->lower, scene_link(&scene, "d0")->ifindex);
    const struct link *port = scene_link(&scene, "v0");
    assert_string_equal(port->kind, "veth");
    assert_int_equal(port->lower, scene_link(&scene, "v1")->ifindex);
    assert_int_equal(port->master, scene_link(&scene, "b0")->ifindex);
    /* The bridge tells its port's end with a DELLINK of its own: the port itself stays. */
    run("ip link set v0 nomaster");
    scene_process(&scene);
    assert_true(was_told(&scene.history, "~v0"));
    assert_false(was_told(&scene.history, "-v0"));
    assert_int_equal(scene_link(&scene, "v0")->master, 0);
    links_close(scene.links);
}

static void test_a_link_moved_elsewhere_is_gone(void **state)
{
    int gate[2];
    int ready[2];
    assert_int_equal(pipe(gate), 0);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) { /* a namespace to move to, while the pipe is open */
        char byte = (char)unshare(CLONE_NEWNET);
        (void)close(gate[1]);
        (void)!write(ready[1], &byte, 1);
        (void)!read(gate[0], &byte, 1);
        _exit(0);
    }
    char unshared = 1;
    assert_int_equal(read(ready[0], &unshared, 1), 1);
    assert_int_equal(unshared, 0);
    run("ip link add v0 type veth peer name v1");
    struct scene scene;
    scene_open(&scene);
    char command[64];
    (void)snprintf(command, sizeof command, "ip link set v1 netns %d", (int)child);
    run(command);
    scene_process(&scene);
    assert_true(was_told(&scene.history, "-v1"));
    /* Its number there may be that of another link here. */
    assert_int_equal(scene_link(&scene, "v0")->lower, 0);
    links_close(scene.links);
    for (int i = 0; i < 2; i++) {
        (void)close(gate[i]);
        (void)close(ready[i]);
    }
}

static void test_order_of_addresses(void **state)
{
    run("ip link add d0 type bridge && ip link set d0 addrgenmode none && ip link set d0 up");
    struct scene scene;
    scene_open(&scene);
    run("ip -6 addr add fe80::9/64 dev d0 nodad && ip addr add 10.0.0.1/24 dev d0 && sleep .02 && "
        "ip addr add 10.0.0.2/24 dev d0 && ip addr add 10.1.0.1/24 dev d0 && sleep .02 && "
        "ip -6 addr add 2001:db8::1/64 dev d0 nodad");
    scene_process_until(&scene, scene_link(&scene, "d0")->ifindex, 5);
    assert_true(was_told(&scene.history, "@d0"));
    static const char *const expected[] = {"10.0.0.1", "10.1.0.1", "2001:db8::1", "10.0.0.2", "fe80::9"};
    const struct link *d0 = scene_link(&scene, "d0");
    assert_int_equal(d0->address_count, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_address(d0, i, expected[i]);
    assert_true(d0->addresses[3].secondary);
    assert_int_equal(d0->addresses[4].scope, RT_SCOPE_LINK);

    struct scene dumped; /* the same order when it starts later */
    scene_open(&dumped);
    for (unsigned i = 0; i < 5; i++)
        assert_address(scene_link(&dumped, "d0"), i, expected[i]);
    links_close(dumped.links);

    run("ip addr del 10.1.0.1/24 dev d0");
    scene_process(&scene);
    assert_string_equal(scene.history.text, "@d0 ");
    assert_address(scene_link(&scene, "d0"), 1, "2001:db8::1");
    links_close(scene.links);
}

static void test_own_address_of_a_point_to_point_link(void **state)
{
    run("ip link add d0 type bridge && ip addr add 10.9.0.1 peer 10.9.0.2/32 dev d0");
    struct scene scene;
    scene_open(&scene);
    assert_address(scene_link(&scene, "d0"), 0, "10.9.0.1");
    links_close(scene.links);
}

static void test_overflow_is_made_good(void **state)
{
    run("ip link add d0 type bridge && ip link add d1 type bridge && ip addr add 10.0.0.1/24 dev d0");
    struct scene scene;
    scene_open(&scene);
    int small = 2048;
    assert_int_equal(setsockopt(links_fd(scene.links), SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    run("for i in $(seq 200); do echo \"addr add 10.2.0.$i/32 dev d0\"; done | ip -batch - && "
        "ip link del d1 && ip link add d2 type bridge && ip link set d0 name e0");
    scene_process(&scene);
    assert_true(links_overflows(scene.links) > 0);
    assert_true(was_told(&scene.history, "-d1"));
    assert_true(was_told(&scene.history, "+d2"));
    assert_true(was_told(&scene.history, "~e0"));
    assert_true(was_told(&scene.history, "@e0") || was_told(&scene.history, "@d0"));
    assert_int_equal(scene_link(&scene, "e0")->address_count, 201);
    links_close(scene.links);
}

static void test_counters(void **state)
{
    run("ip link add d0 type veth peer name d1 && "
        "for d in d0 d1; do echo 1 >/proc/sys/net/ipv6/conf/$d/disable_ipv6; ip link set $d up; done && "
        "ip addr add 10.0.0.1/24 dev d0 && ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev d0");
    uint32_t ifindex = if_nametoindex("d0");
    struct link_counters before;
    struct link_counters after;
    assert_int_equal(links_counters(ifindex, &before), 0);
    AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    assert_int_equal(inet_pton(AF_INET, "10.0.0.2", &to.sin_addr), 1);
    for (int i = 0; i < 7; i++)
        assert_int_equal(sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof to), 1);
    assert_int_equal(links_counters(ifindex, &after), 0);
    assert_int_equal(after.tx_packets - before.tx_packets, 7);
    assert_int_equal(after.tx_bytes - before.tx_bytes, 7 * (14 + 20 + 8 + 1));
    assert_int_equal(after.rx_packets, before.rx_packets);
    assert_int_equal(links_counters(4711, &after), -ENODEV);
}

#define IN_NAMESPACE(test) cmocka_unit_test_setup(test, enter_namespace)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_NAMESPACE(test_dump_tells_every_link),
        IN_NAMESPACE(test_links_come_change_and_go),
        IN_NAMESPACE(test_nothing_is_told_twice),
        IN_NAMESPACE(test_stacked_links),
        IN_NAMESPACE(test_a_link_moved_elsewhere_is_gone),
        IN_NAMESPACE(test_order_of_addresses),
        IN_NAMESPACE(test_own_address_of_a_point_to_point_link),
        IN_NAMESPACE(test_overflow_is_made_good),
        IN_NAMESPACE(test_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
