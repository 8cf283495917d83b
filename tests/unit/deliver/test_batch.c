/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "deliver/batch.h"

enum { WINDOW = 1559723400 };

static char folder[] = "/tmp/flowlog-batch-XXXXXX";
static char path[64];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "%s/1.batch", folder);
    (void)unlink(path);
    return 0;
}

static struct batch_interface interfaces[2];

static struct batch_head head_of_two(void)
{
    (void)snprintf(interfaces[0].identity.interface_id, 32, "eni-a");
    (void)snprintf(interfaces[0].identity.account_id, 16, "123456789012");
    (void)snprintf(interfaces[1].identity.interface_id, 32, "eni-b");
    return (struct batch_head){.flow_log_id = (char *)"fl-1",
                               .window = WINDOW,
                               .interval = 60,
                               .sequence = 77,
                               .tells = 5,
                               .format_text = (char *)"${packets} ${log-status}",
                               .interfaces = interfaces,
                               .interface_count = 2};
}

static void add(struct batch_writer *writer, uint32_t interface, uint64_t packets, uint64_t lost)
{
    struct record record = {0};
    record_set_number(&record, FIELD_PACKETS, packets);
    record_set_number(&record, FIELD_START, WINDOW + packets % 60);
    record_set_number(&record, FIELD_END, WINDOW + 59);
    record_set_string(&record, FIELD_LOG_STATUS, lost ? "SKIPDATA" : "OK");
    assert_int_equal(batch_writer_add(writer, interface, &record, packets, lost, NULL), 0);
}

static struct batch_sum write_batch(unsigned records)
{
    struct batch_writer *writer;
    struct batch_sum sum;
    struct fault fault = {0};
    uint64_t bytes;
    struct stat found;
    struct batch_head head = head_of_two();
    (void)unlink(path);
    assert_int_equal(batch_writer_open(&writer, path, &head, &fault), 0);
    for (unsigned i = 0; i < records; i++)
        add(writer, i % 2, i, 0);
    add(writer, 1, 0, 9);
    assert_int_not_equal(access(path, F_OK), 0); /* not there before it is whole */
    assert_int_equal(batch_writer_commit(writer, &sum, &bytes, &fault), 0);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(found.st_size, bytes);
    return sum;
}

static void test_what_is_written_is_read(void **state)
{
    (void)state;
    struct batch_sum sum = write_batch(4);
    assert_int_equal(sum.records, 5);
    assert_int_equal(sum.packets, 0 + 1 + 2 + 3);
    assert_int_equal(sum.lost, 9);
    struct batch batch;
    struct fault fault = {0};
    assert_int_equal(batch_load(&batch, path, &fault), 0);
    assert_string_equal(batch.head.flow_log_id, "fl-1");
    assert_int_equal(batch.head.window, WINDOW);
    assert_int_equal(batch.head.interval, 60);
    assert_int_equal(batch.head.sequence, 77);
    assert_int_equal(batch.head.tells, 5);
    assert_int_equal(batch.head.format.count, 2);
    assert_string_equal(batch.head.interfaces[0].identity.account_id, "123456789012");
    assert_string_equal(batch.head.interfaces[1].identity.interface_id, "eni-b");
    assert_int_equal(batch.head.interfaces[1].sum.packets, 1 + 3);
    assert_int_equal(batch.head.interfaces[1].sum.lost, 9);
    assert_int_equal(batch.line_count, 5);
    assert_int_equal(batch.lines[3].interface, 1);
    assert_int_equal(batch.lines[3].start, WINDOW + 3);
    assert_int_equal(batch.lines[3].end, WINDOW + 59);
    assert_int_equal(batch.lines[3].packets, 3);
    assert_memory_equal(batch.lines[3].text, "3 OK\n", 5);
    assert_int_equal(batch.lines[3].len, 4);
    assert_int_equal(batch.lines[4].lost, 9);
    assert_memory_equal(batch.lines[4].text, "0 SKIPDATA\n", 11);
    batch_done(&batch);
}

static void test_abandoned_leaves_nothing(void **state)
{
    (void)state;
    struct batch_writer *writer;
    struct batch_head head = head_of_two();
    assert_int_equal(batch_writer_open(&writer, path, &head, NULL), 0);
    add(writer, 0, 1, 0);
    batch_writer_abandon(writer);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
}

/* Reads on behind damage; how many lines came, and how often damage was met. */
static void read_past_damage(struct batch_sum *sum, unsigned *damages, struct fault *fault)
{
    struct batch_reader *reader;
    struct batch_line line;
    int r;
    *sum = (struct batch_sum){0};
    *damages = 0;
    assert_int_equal(batch_reader_open(&reader, path, fault), 0);
    while ((r = batch_reader_next(reader, &line, fault)) != 0) {
        assert_true(r > 0 || r == -EBADMSG);
        if (r < 0)
            (*damages)++;
        else
            batch_sum_add(sum, &(struct batch_sum){.records = 1, .packets = line.packets, .lost = line.lost});
    }
    batch_reader_close(reader);
}

static void test_cut_anywhere_tells_what_is_missing(void **state)
{
    (void)state;
    struct batch_sum whole = write_batch(20000);
    struct stat found;
    struct batch_sum left;
    unsigned damages;
    struct fault fault = {0};
    assert_int_equal(stat(path, &found), 0);
    struct batch_head head;
    assert_int_equal(batch_head_read(&head, path, &fault), 0);
    struct batch_sum told = batch_head_sum(&head);
    assert_memory_equal(&told, &whole, sizeof told);
    batch_head_done(&head);
    uint64_t most = 0;
    for (off_t size = 4096; size < found.st_size; size += found.st_size / 7) {
        write_batch(20000);
        assert_int_equal(truncate(path, size), 0);
        read_past_damage(&left, &damages, &fault);
        assert_in_range(damages, 1, 2); /* the block that is cut, and the end */
        assert_non_null(strstr(fault.text, "1.batch"));
        assert_true(left.records < whole.records && left.records >= most);
        most = left.records;
        struct batch batch;
        assert_int_equal(batch_load(&batch, path, &fault), -EBADMSG);
    }
    assert_true(most > whole.records / 2);
}

static void flip(off_t offset)
{
    char byte;
    AUTO_CLOSE int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
}

static void test_damaged_block_loses_itself_alone(void **state)
{
    (void)state;
    struct batch_sum whole = write_batch(20000);
    struct batch_sum left;
    unsigned damages;
    struct fault fault = {0};
    flip(150000);
    read_past_damage(&left, &damages, &fault);
    assert_int_equal(damages, 1);
    assert_true(left.records < whole.records);
    assert_true(left.records > whole.records / 2);
    assert_int_equal(left.lost, 9); /* the line behind the damage */
}

static void test_damaged_head_is_refused(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct batch_head head;
    for (off_t offset = 0; offset < 200; offset += 13) {
        write_batch(3);
        flip(offset);
        assert_int_equal(batch_head_read(&head, path, &fault), -EBADMSG);
    }
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(batch_head_read(&head, path, &fault), -EBADMSG);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(batch_head_read(&head, path, &fault), -ENOENT);
}

static void test_copy_keeps_lines(void **state)
{
    (void)state;
    (void)write_batch(10);
    struct batch before;
    struct batch after;
    struct batch_writer *writer;
    struct batch_sum sum;
    uint64_t bytes;
    assert_int_equal(batch_load(&before, path, NULL), 0);
    assert_int_equal(batch_writer_open(&writer, path, &before.head, NULL), 0);
    for (size_t i = 0; i < before.line_count; i++)
        assert_int_equal(batch_writer_copy(writer, &before.lines[i], NULL), 0);
    assert_int_equal(batch_writer_commit(writer, &sum, &bytes, NULL), 0);
    assert_int_equal(batch_load(&after, path, NULL), 0);
    assert_int_equal(after.map_len, before.map_len);
    assert_memory_equal(after.map, before.map, after.map_len);
    batch_done(&before);
    batch_done(&after);
}

static int make_folder(void **state)
{
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_what_is_written_is_read, setup),
        cmocka_unit_test_setup(test_abandoned_leaves_nothing, setup),
        cmocka_unit_test_setup(test_cut_anywhere_tells_what_is_missing, setup),
        cmocka_unit_test_setup(test_damaged_block_loses_itself_alone, setup),
        cmocka_unit_test_setup(test_damaged_head_is_refused, setup),
        cmocka_unit_test_setup(test_copy_keeps_lines, setup),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
