/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "answer/history.h"

enum { RECORDS = 10000, CONVERSATIONS = 37 };

/* Record `index` of a history of interleaved conversations, each seen from both sides. */
static void make(struct history_record *ret, unsigned index)
{
    unsigned conversation = index * 7 % CONVERSATIONS;
    bool egress = index / CONVERSATIONS % 2;
    uint16_t client = (uint16_t)(40000 + conversation);
    *ret = (struct history_record){
        .source = {.family = 4, .bytes = {[15] = egress ? 1 : 2}},
        .destination = {.family = 4, .bytes = {[15] = egress ? 2 : 1}},
        .packet = {.source_port = egress ? 22 : client,
                   .destination_port = egress ? client : 22,
                   .family = 4,
                   .protocol = 6,
                   .egress = egress},
        .start_s = 1000 + index,
    };
    ret->packet.source = ret->source.bytes;
    ret->packet.destination = ret->destination.bytes;
}

static void require_found(struct history *history, unsigned index)
{
    struct history_record record;
    struct connection_key key;
    make(&record, index);
    connection_key(&key, &record.packet, record.interface);
    const struct connection *found = history_find(history, &record);
    assert_non_null(found);
    assert_true(connection_key_equal(&found->key, &key));
    assert_ptr_equal(found, connections_find(&history->table, &key));
}

static void note_all(struct history *history)
{
    struct history_record record;
    for (unsigned i = 0; i < RECORDS; i++) {
        make(&record, i);
        history_note(history, &record);
    }
    assert_int_equal(history->table.count, CONVERSATIONS);
    assert_int_equal(history->not_noted, 0);
}

static void test_found_in_order(void **state)
{
    (void)state;
    struct history history = {.table = {.max_count = HISTORY_MAX_DEFAULT}};
    note_all(&history);
    for (unsigned i = 0; i < RECORDS; i++)
        require_found(&history, i);
    history_done(&history);
}

/* As from a file that changed between the passes: records are missing, come otherwise, or come in addition.
 */
static void test_found_in_any_order(void **state)
{
    (void)state;
    struct history history = {.table = {.max_count = HISTORY_MAX_DEFAULT}};
    note_all(&history);
    for (unsigned i = RECORDS - 1; i > RECORDS / 2; i--)
        require_found(&history, i);
    for (unsigned i = 0; i < RECORDS; i++)
        require_found(&history, i);
    history_done(&history);
}

static void test_no_place(void **state)
{
    (void)state;
    struct history history = {.table = {.max_count = 1}};
    struct history_record record;
    for (unsigned i = 0; i < 3; i++) {
        make(&record, i);
        history_note(&history, &record);
    }
    assert_int_equal(history.not_noted, 2);
    require_found(&history, 0);
    make(&record, 1);
    assert_null(history_find(&history, &record));
    history_done(&history);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_in_order),
        cmocka_unit_test(test_found_in_any_order),
        cmocka_unit_test(test_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
