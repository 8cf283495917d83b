/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flow/journal.h"

struct seen {
    unsigned count;
    char text[256];
    uint64_t end;
};

static char folder[] = "/tmp/flowlog-journal-XXXXXX";
static char path[64];

static int see(void *context, uint32_t type, const void *payload, uint32_t len, uint64_t end)
{
    struct seen *seen = context;
    size_t used = strlen(seen->text);
    (void)snprintf(seen->text + used, sizeof seen->text - used, "%u=%.*s;", type, (int)len,
                   (const char *)payload);
    seen->count++;
    seen->end = end;
    return 0;
}

static struct seen read_all(void)
{
    struct seen seen = {0};
    struct fault fault = {0};
    assert_int_equal(journal_read(path, see, &seen, &fault), 0);
    return seen;
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof path, "%s/journal", folder);
    (void)unlink(path);
    return 0;
}

static struct journal *open_at(uint64_t keep)
{
    struct journal *journal = NULL;
    struct fault fault = {0};
    assert_int_equal(journal_open(&journal, path, keep, &fault), 0);
    return journal;
}

static void test_reads_back_in_order(void **state)
{
    (void)state;
    assert_int_equal(read_all().count, 0); /* no file is an empty journal */
    struct journal *journal = open_at(0);
    assert_int_equal(journal_append(journal, 1, "one", 3), 0);
    assert_int_equal(journal_append(journal, 2, "", 0), 0);
    journal_close(journal);
    assert_string_equal(read_all().text, "1=one;2=;");
    journal = open_at(read_all().end);
    assert_int_equal(journal_append(journal, 3, "three", 5), 0);
    journal_close(journal);
    assert_string_equal(read_all().text, "1=one;2=;3=three;");
}

/* A kill can stop a write at any byte: every cut yields the whole records before it. */
static void test_torn_tail(void **state)
{
    (void)state;
    struct journal *journal = open_at(0);
    assert_int_equal(journal_append(journal, 1, "one", 3), 0);
    assert_int_equal(journal_append(journal, 2, "second", 6), 0);
    journal_close(journal);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    for (off_t size = status.st_size - 1; size >= 0; size--) {
        assert_int_equal(truncate(path, size), 0);
        assert_int_equal(read_all().count, size >= 8 + 16 + 3 ? 1 : 0);
    }
}

static void test_damage_ends_the_reading(void **state)
{
    (void)state;
    struct journal *journal = open_at(0);
    assert_int_equal(journal_append(journal, 1, "one", 3), 0);
    assert_int_equal(journal_append(journal, 2, "second", 6), 0);
    journal_close(journal);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, -1, SEEK_END), 0);
    assert_int_equal(fputc('X', file), 'X');
    assert_int_equal(fclose(file), 0);
    assert_string_equal(read_all().text, "1=one;");
}

static int fill(struct journal *fresh, void *context)
{
    return context ? -EIO : journal_append(fresh, 9, "kept", 4);
}

static void test_rewrite_whole_or_not_at_all(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct journal *journal = open_at(0);
    assert_int_equal(journal_append(journal, 1, "one", 3), 0);
    assert_int_equal(journal_rewrite(journal, fill, path, &fault), -EIO);
    assert_string_equal(read_all().text, "1=one;");
    assert_int_equal(journal_rewrite(journal, fill, NULL, &fault), 0);
    assert_int_equal(journal_append(journal, 2, "after", 5), 0);
    journal_close(journal);
    assert_string_equal(read_all().text, "9=kept;2=after;");
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_reads_back_in_order, setup),
        cmocka_unit_test_setup(test_torn_tail, setup),
        cmocka_unit_test_setup(test_damage_ends_the_reading, setup),
        cmocka_unit_test_setup(test_rewrite_whole_or_not_at_all, setup),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    (void)rmdir(folder);
    return failed;
}
