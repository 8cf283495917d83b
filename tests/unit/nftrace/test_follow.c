/* SPDX-License-Identifier: Apache-2.0 */
#include "nftrace/follow.h"

#include <linux/netfilter.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* The ends that were told, newest last. */
struct told {
    struct nftrace_end ends[8];
    char passed[8][256];
    size_t count;
};

static void take_end(void *context, const struct nftrace_end *end)
{
    struct told *told = context;
    assert_in_range(told->count, 0, 7);
    told->ends[told->count] = *end;
    assert_in_range(strlen(end->passed), 0, sizeof told->passed[0] - 1);
    memcpy(told->passed[told->count], end->passed, strlen(end->passed) + 1);
    told->count++;
}

struct scene {
    struct follow follow;
    struct told told;
    uint64_t now_ns;
};

static void begin(struct scene *scene)
{
    *scene = (struct scene){.now_ns = 1000};
    follow_init(&scene->follow, "ours", take_end, &scene->told);
}

static const struct nftrace_packet a_packet = {
    .source = {.bytes = {[15] = 1}, .family = 6},
    .destination = {.bytes = {[15] = 2}, .family = 6},
    .source_port = 4000,
    .destination_port = 22,
    .protocol = 6,
};

static void own(struct scene *scene, uint32_t id, const char *chain, uint32_t arrived_on)
{
    const struct nftrace_event event = {.table = "ours",
                                        .chain = chain,
                                        .id = id,
                                        .handle = 3,
                                        .family = NFPROTO_INET,
                                        .arrived_on = arrived_on,
                                        .has_packet = true,
                                        .packet = a_packet};
    follow_event(&scene->follow, &event, scene->now_ns++);
}

static void foreign(struct scene *scene, uint32_t id, enum nftrace_verdict verdict, uint64_t handle)
{
    const struct nftrace_event event = {.table = "filter",
                                        .chain = "input",
                                        .id = id,
                                        .handle = handle,
                                        .policy = handle == 0,
                                        .family = NFPROTO_IPV4,
                                        .verdict = (uint8_t)verdict};
    follow_event(&scene->follow, &event, scene->now_ns++);
}

static void test_a_drop_names_its_rule_at_once(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    own(&scene, 7, "ingress0", 2);
    own(&scene, 7, "ingress0", 5); /* a VLAN on it */
    own(&scene, 7, "prerouting", 5);
    foreign(&scene, 7, NFTRACE_ACCEPT, 0);
    foreign(&scene, 7, NFTRACE_GOES_ON, 8);
    foreign(&scene, 7, NFTRACE_DROP, 9);
    assert_int_equal(scene.told.count, 1);
    const struct nftrace_end *end = &scene.told.ends[0];
    assert_int_equal(end->fate, NFTRACE_DROPPED);
    assert_int_equal(end->handle, 9);
    assert_string_equal(nftrace_family_name(end->family), "ip");
    assert_int_equal(end->arrival_count, 2);
    assert_int_equal(end->arrivals[0], 2);
    assert_int_equal(end->arrivals[1], 5);
    assert_string_equal(scene.told.passed[0], "ip filter/input policy");
    assert_int_equal(end->marked.destination_port, 22);
    follow_done(&scene.follow);
}

static void test_silence_is_passing(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    own(&scene, 7, "output", 0);
    foreign(&scene, 7, NFTRACE_ACCEPT, 4);
    follow_settle(&scene.follow, scene.now_ns - 1);
    assert_int_equal(scene.told.count, 0); /* not silent for long enough */
    follow_settle(&scene.follow, scene.now_ns);
    assert_int_equal(scene.told.count, 1);
    assert_int_equal(scene.told.ends[0].fate, NFTRACE_PASSED);
    assert_null(scene.told.ends[0].table);
    assert_int_equal(scene.told.ends[0].arrival_count, 0);
    assert_string_equal(scene.told.passed[0], "ip filter/input handle 4");
    follow_done(&scene.follow);
}

/* A program that holds a packet may still let it go on. */
static void test_a_queue_hides_the_end(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    own(&scene, 7, "output", 0);
    own(&scene, 8, "output", 0);
    foreign(&scene, 7, NFTRACE_TAKE, 4);
    foreign(&scene, 8, NFTRACE_TAKE, 4);
    foreign(&scene, 8, NFTRACE_ACCEPT, 5);
    follow_settle(&scene.follow, scene.now_ns);
    assert_int_equal(scene.told.count, 2);
    assert_int_equal(scene.told.ends[0].fate, NFTRACE_AWAY);
    assert_int_equal(scene.told.ends[1].fate, NFTRACE_PASSED);
    follow_done(&scene.follow);
}

/* A number that comes to the same chain again is another packet: its drop is not the first one's. */
static void test_numbers_are_used_again(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    own(&scene, 7, "prerouting", 2);
    foreign(&scene, 7, NFTRACE_ACCEPT, 4);
    own(&scene, 7, "prerouting", 2);
    foreign(&scene, 7, NFTRACE_DROP, 5);
    assert_int_equal(scene.told.count, 2);
    assert_int_equal(scene.told.ends[0].fate, NFTRACE_PASSED);
    assert_int_equal(scene.told.ends[1].fate, NFTRACE_DROPPED);
    assert_string_equal(scene.told.passed[1], "");
    assert_int_equal(scene.follow.begun, 2);
    follow_done(&scene.follow);
}

static void test_packets_of_others_are_not_followed(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    foreign(&scene, 7, NFTRACE_DROP, 5);
    follow_settle(&scene.follow, UINT64_MAX);
    assert_int_equal(scene.told.count, 0);
    follow_done(&scene.follow);
}

static void test_too_many_are_counted(void **state)
{
    (void)state;
    struct scene scene;
    begin(&scene);
    for (uint32_t id = 0; id < FOLLOW_PACKETS + 3; id++)
        own(&scene, id, "output", 0);
    assert_int_equal(scene.follow.begun, FOLLOW_PACKETS);
    assert_int_equal(scene.follow.not_followed, 3);
    assert_int_equal(follow_forget(&scene.follow), FOLLOW_PACKETS);
    foreign(&scene, 1, NFTRACE_DROP, 5);
    assert_int_equal(scene.told.count, 0);
    follow_done(&scene.follow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_drop_names_its_rule_at_once),
        cmocka_unit_test(test_silence_is_passing),
        cmocka_unit_test(test_a_queue_hides_the_end),
        cmocka_unit_test(test_numbers_are_used_again),
        cmocka_unit_test(test_packets_of_others_are_not_followed),
        cmocka_unit_test(test_too_many_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
