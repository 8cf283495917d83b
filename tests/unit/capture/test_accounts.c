/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <string.h>
#include <unistd.h>

#include "capture/accounts.h"

enum { SLOTS = 8, WINDOW = 29900000 };

struct seen {
    unsigned count;
    struct account_key keys[SLOTS];
    uint64_t packets[SLOTS];
};

static void see(void *context, const struct account_key *key, const struct account *account)
{
    struct seen *seen = context;
    seen->keys[seen->count] = *key;
    seen->packets[seen->count++] = account->side[FLOW_EGRESS].packets;
}

static struct account_slot slot(uint32_t ifindex, uint32_t window, uint64_t packets)
{
    struct account_slot made = {.holder = (uint64_t)window << 32 | ifindex};
    made.account.side[FLOW_EGRESS].packets = packets;
    return made;
}

static void expect(const struct seen *seen, unsigned index, uint32_t ifindex, uint32_t window,
                   uint64_t packets)
{
    assert_int_equal(seen->keys[index].ifindex, ifindex);
    assert_int_equal(seen->keys[index].window, window);
    assert_int_equal(seen->packets[index], packets);
}

/* Of two CPUs and three interfaces; `taken` slots are free again, those of later windows are as they were. */
static void test_slots(void **state)
{
    (void)state;
    struct account_slot slots[SLOTS] = {
        slot(3, WINDOW + 1, 5), slot(3, WINDOW, 7), {0}, slot(2, WINDOW, 11),
        slot(3, WINDOW, 13),    slot(70000, 5, 17), {0}, slot(2, WINDOW + 1, 1)};
    struct seen seen = {0};
    struct live_accounts visit = {.before = WINDOW + 1, .account = see, .context = &seen};
    assert_int_equal(accounts_visit(slots, SLOTS, -1, &visit), 0);
    assert_int_equal(seen.count, 3);
    expect(&seen, 0, 70000, 5, 17);
    expect(&seen, 1, 2, WINDOW, 11);
    expect(&seen, 2, 3, WINDOW, 20);
    seen.count = 0;
    visit.take = true;
    assert_int_equal(accounts_visit(slots, SLOTS, -1, &visit), 0);
    assert_int_equal(seen.count, 3);
    seen.count = 0;
    visit.before = UINT32_MAX;
    assert_int_equal(accounts_visit(slots, SLOTS, -1, &visit), 0);
    assert_int_equal(seen.count, 2);
    expect(&seen, 0, 2, WINDOW + 1, 1);
    expect(&seen, 1, 3, WINDOW + 1, 5);
    static const struct account empty;
    assert_memory_equal(&slots[1].account, &empty, sizeof empty);
    assert_int_equal(slots[1].holder, 0);
}

static void test_forgotten(void **state)
{
    (void)state;
    struct account_slot slots[] = {slot(3, WINDOW, 7), slot(2, WINDOW, 11), slot(3, WINDOW + 1, 13),
                                   slot(3, WINDOW, 17)};
    struct seen seen = {0};
    const struct live_accounts visit = {.before = UINT32_MAX, .account = see, .context = &seen};
    accounts_forget(slots, 4, -1, &(struct account_key){.ifindex = 3, .window = WINDOW});
    assert_int_equal(accounts_visit(slots, 4, -1, &visit), 0);
    assert_int_equal(seen.count, 2);
    expect(&seen, 0, 2, WINDOW, 11);
    expect(&seen, 1, 3, WINDOW + 1, 13);
    static const struct account empty;
    assert_memory_equal(&slots[3].account, &empty, sizeof empty);
}

/* What had no slot on one CPU had one on another: one account all the same. */
static void test_slots_and_hash(void **state)
{
    (void)state;
    int cpus = libbpf_num_possible_cpus();
    int fd = bpf_map_create(BPF_MAP_TYPE_PERCPU_HASH, "t", sizeof(struct account_key), sizeof(struct account),
                            8, NULL);
    if (fd < 0)
        skip(); /* maps need rights */
    struct account values[256];
    assert_in_range(cpus, 1, 256);
    memset(values, 0, sizeof values);
    values[0].side[FLOW_EGRESS].packets = 100;
    values[cpus - 1].side[FLOW_EGRESS].packets += 1000;
    struct account_key key = {.ifindex = 3, .window = WINDOW};
    assert_int_equal(bpf_map_update_elem(fd, &key, values, BPF_ANY), 0);
    struct account_slot slots[1] = {slot(3, WINDOW, 7)};
    struct seen seen = {0};
    struct live_accounts visit = {.before = UINT32_MAX, .take = true, .account = see, .context = &seen};
    assert_int_equal(accounts_visit(slots, 1, fd, &visit), 0);
    assert_int_equal(seen.count, 1);
    expect(&seen, 0, 3, WINDOW, 1107);
    assert_int_equal(bpf_map_update_elem(fd, &key, values, BPF_ANY), 0);
    accounts_forget(slots, 1, fd, &key);
    assert_int_equal(slots[0].holder, 0);
    assert_true(bpf_map_get_next_key(fd, NULL, &key) < 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slots), cmocka_unit_test(test_forgotten),
                                       cmocka_unit_test(test_slots_and_hash)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
