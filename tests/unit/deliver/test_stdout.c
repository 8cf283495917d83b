/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "deliver/driver.h"

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

/* The driver's own state, and what a worker keeps for it. */
static void *open_stdout(enum file_format file_format)
{
    void *ret = NULL;
    struct fault fault = {0};
    const struct destination_settings settings = {.kind = DESTINATION_STDOUT, .file_format = file_format};
    assert_int_equal(deliver_stdout_driver.open(&ret, &settings, &fault), 0);
    return ret;
}

static void close_stdout(void *out)
{
    deliver_stdout_driver.close(out);
}

static uint64_t progress;
static uint64_t progress_of;
static struct outcome outcome;

#define TEXT_MAX 16

/* A batch of `count` records, numbered from `first`. */
static enum outcome_kind deliver(void *out, uint64_t sequence, uint64_t first, uint64_t count)
{
    static const atomic_bool cancelled = false;
    struct batch batch = {.head.sequence = sequence, .line_count = count};
    AUTO_FREE char *texts = calloc(count, TEXT_MAX);
    batch.lines = calloc(count, sizeof *batch.lines);
    assert_int_equal(format_parse(&batch.head.format, "${packets} ${log-status}", NULL), 0);
    for (uint64_t i = 0; i < count; i++) {
        char *text = texts + i * TEXT_MAX;
        int len = snprintf(text, TEXT_MAX, "%llu OK", (unsigned long long)(first + i));
        batch.lines[i] = (struct batch_line){.text = text, .len = (uint32_t)len};
    }
    if (progress_of != sequence)
        progress = 0;
    progress_of = sequence;
    outcome = (struct outcome){0};
    deliver_stdout_driver.send(out, &batch, &progress, &cancelled, &outcome);
    free(batch.lines);
    return outcome.kind;
}

static int forget_progress(void **state)
{
    (void)state;
    progress_of = 0;
    return 0;
}

static void test_text_with_one_header(void **state)
{
    (void)state;
    struct redirection redirection;
    void *out = open_stdout(FILE_FORMAT_PLAIN_TEXT);
    redirect(&redirection);
    enum outcome_kind first = deliver(out, 60, 1, 2);
    enum outcome_kind second = deliver(out, 120, 3, 1);
    const char *text = restore(&redirection);
    assert_int_equal(first, OUTCOME_DELIVERED);
    assert_int_equal(second, OUTCOME_DELIVERED);
    assert_string_equal(text, "packets log-status\n1 OK\n2 OK\n3 OK\n");
    close_stdout(out);
}

static void test_json_lines(void **state)
{
    (void)state;
    struct redirection redirection;
    void *out = open_stdout(FILE_FORMAT_JSON);
    redirect(&redirection);
    enum outcome_kind r = deliver(out, 60, 1, 1);
    const char *text = restore(&redirection);
    assert_int_equal(r, OUTCOME_DELIVERED);
    assert_string_equal(text, "{\"packets\":1,\"log-status\":\"OK\"}\n");
    close_stdout(out);
}

static void test_failed_commit_goes_on_where_it_stopped(void **state)
{
    (void)state;
    struct redirection redirection;
    struct rlimit limit;
    void *out = open_stdout(FILE_FORMAT_PLAIN_TEXT);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit little = {.rlim_cur = 22, .rlim_max = limit.rlim_max}; /* inside the first record */
    (void)signal(SIGXFSZ, SIG_IGN);
    redirect(&redirection);
    (void)setrlimit(RLIMIT_FSIZE, &little);
    enum outcome_kind first = deliver(out, 60, 1, 2);
    struct fault fault = outcome.fault;
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    enum outcome_kind second = deliver(out, 60, 1, 2);
    const char *text = restore(&redirection);
    assert_int_equal(first, OUTCOME_RETRY);
    assert_int_equal(second, OUTCOME_DELIVERED);
    assert_string_equal(fault.text, "standard output: cannot write: File too large");
    assert_string_equal(text, "packets log-status\n1 OK\n2 OK\n");
    close_stdout(out);
}

/* Enough that it fills a pipe. */
#define STALLED_RECORDS 40000

static void test_reader_that_stopped_holds_nobody_up(void **state)
{
    (void)state;
    int pipe_ends[2];
    void *out = open_stdout(FILE_FORMAT_PLAIN_TEXT);
    assert_int_equal(fflush(stdout), 0);
    assert_int_equal(pipe(pipe_ends), 0);
    AUTO_CLOSE int real = dup(STDOUT_FILENO);
    assert_true(dup2(pipe_ends[1], STDOUT_FILENO) >= 0);
    assert_int_equal(close(pipe_ends[1]), 0);
    uint64_t before = clock_monotonic_ns();
    enum outcome_kind stalled = deliver(out, 60, 0, STALLED_RECORDS);
    uint64_t took = clock_monotonic_ns() - before;
    struct fault fault = outcome.fault;

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
    enum outcome_kind again = deliver(out, 60, 0, STALLED_RECORDS);
    assert_true(dup2(real, STDOUT_FILENO) >= 0);
    int status = -1;
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_int_equal(stalled, OUTCOME_RETRY);
    assert_true(took < 10 * NS_PER_S);
    assert_non_null(strstr(fault.text, "stopped reading"));
    assert_int_equal(again, OUTCOME_DELIVERED);
    assert_int_equal(status, 0);
    close_stdout(out);
}

static void test_line_cut_by_a_lost_batch_is_ended(void **state)
{
    (void)state;
    struct redirection redirection;
    struct rlimit limit;
    void *out = open_stdout(FILE_FORMAT_PLAIN_TEXT);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit little = {.rlim_cur = 22, .rlim_max = limit.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    redirect(&redirection);
    (void)setrlimit(RLIMIT_FSIZE, &little);
    enum outcome_kind first = deliver(out, 60, 1, 2);
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    enum outcome_kind second = deliver(out, 120, 3, 1); /* window 60 was given up */
    const char *text = restore(&redirection);
    assert_int_equal(first, OUTCOME_RETRY);
    assert_int_equal(second, OUTCOME_DELIVERED);
    assert_string_equal(text, "packets log-status\n1 O\npackets log-status\n3 OK\n");
    close_stdout(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_text_with_one_header, forget_progress),
        cmocka_unit_test_setup(test_json_lines, forget_progress),
        cmocka_unit_test_setup(test_failed_commit_goes_on_where_it_stopped, forget_progress),
        cmocka_unit_test_setup(test_reader_that_stopped_holds_nobody_up, forget_progress),
        cmocka_unit_test_setup(test_line_cut_by_a_lost_batch_is_ended, forget_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
