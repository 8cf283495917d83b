/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/destination.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* Standard output goes to a file meanwhile. */
struct redirection {
    FILE *file;
    int real;
};

static void redirect(struct redirection *to)
{
    assert_int_equal(fflush(stdout), 0);
    to->file = tmpfile();
    assert_non_null(to->file);
    to->real = dup(STDOUT_FILENO);
    assert_true(to->real >= 0);
    assert_true(dup2(fileno(to->file), STDOUT_FILENO) >= 0);
}

/* Returns what was written. */
static const char *restore(struct redirection *from)
{
    static char text[4096];
    assert_true(dup2(from->real, STDOUT_FILENO) >= 0);
    assert_int_equal(close(from->real), 0);
    rewind(from->file);
    text[fread(text, 1, sizeof text - 1, from->file)] = '\0';
    assert_int_equal(fclose(from->file), 0);
    return text;
}

static struct destination *open_stdout(enum file_format file_format)
{
    struct format format;
    struct fault fault = {0};
    struct destination *destination = NULL;
    assert_int_equal(format_parse(&format, "${packets} ${log-status}", &fault), 0);
    const struct destination_settings settings = {
        .kind = DESTINATION_STDOUT, .file_format = file_format, .format = &format};
    assert_int_equal(destination_open(&destination, &settings, &fault), 0);
    return destination;
}

static int deliver(struct destination *destination, uint64_t window, uint64_t first, uint64_t count,
                   struct fault *fault)
{
    int r = destination_begin(destination, window, 1, fault);
    for (uint64_t packets = first; r == 0 && packets < first + count; packets++) {
        struct record record = {0};
        record_set_number(&record, FIELD_PACKETS, packets);
        record_set_string(&record, FIELD_LOG_STATUS, "OK");
        r = destination_add(destination, &record, fault);
    }
    return r == 0 ? destination_commit(destination, fault) : r;
}

static void test_text_with_one_header(void **state)
{
    (void)state;
    struct redirection redirection;
    struct destination *destination = open_stdout(FILE_FORMAT_PLAIN_TEXT);
    redirect(&redirection);
    int first = deliver(destination, 60, 1, 2, NULL);
    int second = deliver(destination, 120, 3, 1, NULL);
    const char *text = restore(&redirection);
    assert_int_equal(first, 0);
    assert_int_equal(second, 0);
    assert_string_equal(text, "packets log-status\n1 OK\n2 OK\n3 OK\n");
    struct delivery_counts counts;
    destination_counts(destination, &counts);
    assert_int_equal(counts.batches, 2);
    assert_int_equal(counts.records, 3);
    assert_int_equal(counts.objects, 0);
    assert_string_equal(counts.last_object, "");
    destination_close(destination);
}

static void test_json_lines(void **state)
{
    (void)state;
    struct redirection redirection;
    struct destination *destination = open_stdout(FILE_FORMAT_JSON);
    redirect(&redirection);
    int r = deliver(destination, 60, 1, 1, NULL);
    const char *text = restore(&redirection);
    assert_int_equal(r, 0);
    assert_string_equal(text, "{\"packets\":1,\"log-status\":\"OK\"}\n");
    destination_close(destination);
}

static void test_failed_commit_goes_on_where_it_stopped(void **state)
{
    (void)state;
    struct redirection redirection;
    struct fault fault = {0};
    struct rlimit limit;
    struct destination *destination = open_stdout(FILE_FORMAT_PLAIN_TEXT);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit little = {.rlim_cur = 22, .rlim_max = limit.rlim_max}; /* inside the first record */
    (void)signal(SIGXFSZ, SIG_IGN);
    redirect(&redirection);
    (void)setrlimit(RLIMIT_FSIZE, &little);
    int first = deliver(destination, 60, 1, 2, &fault);
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    int second = deliver(destination, 60, 1, 2, NULL);
    const char *text = restore(&redirection);
    assert_int_equal(first, -EFBIG);
    assert_int_equal(second, 0);
    assert_string_equal(fault.text, "standard output: cannot write: File too large");
    assert_string_equal(text, "packets log-status\n1 OK\n2 OK\n");
    struct delivery_counts counts;
    destination_counts(destination, &counts);
    assert_int_equal(counts.failures, 1);
    assert_int_equal(counts.records, 2);
    destination_close(destination);
}

/* Enough that it fills a pipe. */
#define STALLED_RECORDS 40000

static void test_reader_that_stopped_holds_nobody_up(void **state)
{
    (void)state;
    int pipe_ends[2];
    struct fault fault = {0};
    struct destination *destination = open_stdout(FILE_FORMAT_PLAIN_TEXT);
    assert_int_equal(fflush(stdout), 0);
    assert_int_equal(pipe(pipe_ends), 0);
    AUTO_CLOSE int real = dup(STDOUT_FILENO);
    assert_true(dup2(pipe_ends[1], STDOUT_FILENO) >= 0);
    assert_int_equal(close(pipe_ends[1]), 0);
    uint64_t before = clock_monotonic_ns();
    int stalled = deliver(destination, 60, 0, STALLED_RECORDS, &fault);
    uint64_t took = clock_monotonic_ns() - before;

    pid_t reader = fork(); /* begins to read only now, and checks that every line comes once, in order */
    if (reader == 0) {
        (void)close(STDOUT_FILENO);
        FILE *from = fdopen(pipe_ends[0], "r");
        char line[64];
        char wanted[64];
        bool right = fgets(line, sizeof line, from) && strcmp(line, "packets log-status\n") == 0;
        unsigned count = 0;
        for (; right && fgets(line, sizeof line, from); count++) {
            (void)snprintf(wanted, sizeof wanted, "%u OK\n", count);
            right = strcmp(line, wanted) == 0;
        }
        _exit(right && count == STALLED_RECORDS ? 0 : 1);
    }
    assert_int_equal(close(pipe_ends[0]), 0);
    int again = deliver(destination, 60, 0, STALLED_RECORDS, NULL);
    assert_true(dup2(real, STDOUT_FILENO) >= 0);
    int status = -1;
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_int_equal(stalled, -EAGAIN);
    assert_true(took < 10 * NS_PER_S);
    assert_non_null(strstr(fault.text, "stopped reading"));
    assert_int_equal(again, 0);
    assert_int_equal(status, 0);
    destination_close(destination);
}

static void test_line_cut_by_a_lost_batch_is_ended(void **state)
{
    (void)state;
    struct redirection redirection;
    struct rlimit limit;
    struct destination *destination = open_stdout(FILE_FORMAT_PLAIN_TEXT);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit little = {.rlim_cur = 22, .rlim_max = limit.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    redirect(&redirection);
    (void)setrlimit(RLIMIT_FSIZE, &little);
    int first = deliver(destination, 60, 1, 2, NULL);
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    int second = deliver(destination, 120, 3, 1, NULL); /* window 60 was given up */
    const char *text = restore(&redirection);
    assert_int_equal(first, -EFBIG);
    assert_int_equal(second, 0);
    assert_string_equal(text, "packets log-status\n1 O\npackets log-status\n3 OK\n");
    destination_close(destination);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_with_one_header),
        cmocka_unit_test(test_json_lines),
        cmocka_unit_test(test_failed_commit_goes_on_where_it_stopped),
        cmocka_unit_test(test_reader_that_stopped_holds_nobody_up),
        cmocka_unit_test(test_line_cut_by_a_lost_batch_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
