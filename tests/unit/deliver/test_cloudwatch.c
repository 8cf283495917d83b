/* SPDX-License-Identifier: Apache-2.0 */
/* Against a server that takes nothing that the service's limits forbid (delivery.md 1.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/deliveries.h"
#include "deliver/driver.h"
#include "stream_scene.h"

#define START 1700000000ULL

/* What the service holds, and how it is to behave. */
struct logs {
    bool group_exists;
    bool stream_exists[3];
    json_t *events[3]; /* messages in the order of their coming */
    unsigned calls, creations;
    bool down;        /* every PutLogEvents fails */
    unsigned fail_at; /* the number of the PutLogEvents call that fails once, from 1 */
    struct fake_answer failure;
    const char *rejected; /* rejectedLogEventsInfo of every answer; NULL: none */
    const char *poison;   /* calls with a message that begins so are refused; NULL: none */
};

static int stream_of(const json_t *body)
{
    int interface = -1;
    char end = 0;
    const char *name = json_string_value(json_object_get(body, "logStreamName"));
    assert_string_equal(json_string_value(json_object_get(body, "logGroupName")), "/flow/logs");
    assert_int_equal(sscanf(name, "eni-%d-rejec%c", &interface, &end), 2);
    return interface;
}

/* Every limit of one call. */
static bool keeps_limits(const json_t *events)
{
    size_t i, bytes = 0;
    json_int_t first = 0, before = 0;
    const json_t *event;
    json_array_foreach(events, i, event)
    {
        json_int_t timestamp = json_integer_value(json_object_get(event, "timestamp"));
        size_t len = json_string_length(json_object_get(event, "message"));
        first = i ? first : timestamp;
        if (len == 0 || timestamp < before || timestamp - first > 24 * 3600 * 1000LL)
            return false;
        before = timestamp;
        bytes += len + 26;
    }
    return json_array_size(events) >= 1 && json_array_size(events) <= 10000 && bytes <= 1048576;
}

static bool is_poisoned(const struct logs *logs, const json_t *events)
{
    size_t i;
    const json_t *event;
    json_array_foreach(events, i, event)
    {
        const char *message = json_string_value(json_object_get(event, "message"));
        if (logs->poison && strncmp(message, logs->poison, strlen(logs->poison)) == 0)
            return true;
    }
    return false;
}

static struct fake_answer put_events(struct logs *logs, const json_t *body)
{
    int stream = stream_of(body);
    const json_t *events = json_object_get(body, "logEvents");
    const json_t *event;
    size_t i;
    struct fake_answer answer = {.status = 200};
    if (++logs->calls == logs->fail_at)
        return logs->failure;
    if (logs->down)
        return fake_error(500, "ServiceUnavailableException");
    if (!logs->stream_exists[stream])
        return fake_error(400, "ResourceNotFoundException");
    if (!keeps_limits(events) || is_poisoned(logs, events))
        return fake_error(400, "InvalidParameterException");
    json_array_foreach(events, i, event)(void)
        json_array_append(logs->events[stream], json_object_get(event, "message"));
    if (logs->rejected)
        assert_true(asprintf(&answer.body, "{\"nextSequenceToken\":\"1\",\"rejectedLogEventsInfo\":%s}",
                             logs->rejected) > 0);
    else
        answer.body = strdup("{\"nextSequenceToken\":\"1\"}");
    return answer;
}

static struct fake_answer answer_logs(void *context, const char *action, const json_t *body)
{
    struct logs *logs = context;
    if (strcmp(action, "PutLogEvents") == 0)
        return put_events(logs, body);
    logs->creations++;
    if (strcmp(action, "CreateLogGroup") == 0) {
        logs->group_exists = true;
        return (struct fake_answer){.status = 200};
    }
    assert_string_equal(action, "CreateLogStream");
    if (!logs->group_exists)
        return fake_error(400, "ResourceNotFoundException");
    bool *exists = &logs->stream_exists[stream_of(body)];
    if (*exists)
        return fake_error(400, "ResourceAlreadyExistsException");
    *exists = true;
    return (struct fake_answer){.status = 200};
}

struct scene {
    struct stream_scene base;
    struct logs logs;
};

static int set_up(void **state)
{
    static const struct destination_settings settings = {
        .target = "/flow/logs",
        .stream_suffix = "reject",
        .aws = {.service = "logs", .region = "eu-central-1"},
    };
    struct scene *scene = calloc(1, sizeof *scene);
    for (int i = 0; i < 3; i++)
        scene->logs.events[i] = json_array();
    stream_scene_begin(&scene->base, &deliver_cloudwatch_driver, answer_logs, &scene->logs);
    stream_scene_open(&scene->base, &settings);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    stream_scene_end(&scene->base);
    for (int i = 0; i < 3; i++)
        json_decref(scene->logs.events[i]);
    free(scene);
    return 0;
}

/* Every line is in its interface's stream once, those of one start in the order of the batch. */
static void assert_all_delivered(const struct scene *scene)
{
    size_t all = 0;
    for (uint32_t stream = 0; stream < 3; stream++)
        all += json_array_size(scene->logs.events[stream]);
    assert_int_equal(all, scene->base.made.batch.line_count);
    for (size_t i = 0; i < scene->base.made.batch.line_count; i++) {
        const struct batch_line *line = &scene->base.made.batch.lines[i];
        const json_t *events = scene->logs.events[line->interface];
        const json_t *message;
        size_t at, found = 0;
        if (i % 997 && line->len < 1000)
            continue; /* a sample of the short ones; the count above is of all */
        json_array_foreach(events, at, message) found +=
            json_string_length(message) == line->len &&
            memcmp(json_string_value(message), line->text, line->len) == 0;
        assert_int_equal(found, 1);
    }
}

static void test_keeps_every_limit(void **state)
{
    struct scene *scene = *state;
    for (unsigned i = 0; i < 25013; i++) /* more than 10,000 of one stream, starts out of order */
        stream_batch_add_long(&scene->base.made, i % 2, START + i * 7919 % 600, 90);
    for (unsigned i = 0; i < 11; i++) /* more than a call's bytes; some beyond its span */
        stream_batch_add_long(&scene->base.made, 2, START + (10 - i) * 20000, 250000);
    stream_batch_add_long(&scene->base.made, 2, START, 1048576 - 26); /* a call by itself */
    struct outcome outcome = stream_scene_send(&scene->base);
    assert_string_equal(outcome.fault.text, "");
    assert_int_equal(outcome.kind, OUTCOME_DELIVERED);
    assert_int_equal(outcome.word, ERROR_NONE);
    assert_int_equal(outcome.rejected.records, 0);
    assert_int_equal(scene->base.progress, 25025);
    assert_int_equal(scene->logs.creations, 5); /* stream, group, stream again; two more streams */
    assert_all_delivered(scene);
}

static void test_refuses_what_no_call_can_hold(void **state)
{
    struct scene *scene = *state;
    stream_batch_add_long(&scene->base.made, 0, START, 1048576 - 25);
    stream_batch_add(&scene->base.made, 0, START, "small");
    struct outcome outcome = stream_scene_send(&scene->base);
    assert_int_equal(outcome.kind, OUTCOME_DELIVERED);
    assert_int_equal(outcome.rejected.records, 1);
    assert_int_equal(outcome.rejected.packets, 7);
    assert_non_null(strstr(outcome.fault.text, "larger than the service takes"));
    assert_int_equal(json_array_size(scene->logs.events[0]), 1);
}

static void test_accounts_for_rejected_events(void **state)
{
    struct scene *scene = *state;
    for (unsigned i = 0; i < 20; i++)
        stream_batch_add_long(&scene->base.made, 0, START + i, 90);
    scene->logs.rejected =
        "{\"expiredLogEventEndIndex\":2,\"tooOldLogEventEndIndex\":5,\"tooNewLogEventStartIndex\":17}";
    struct outcome outcome = stream_scene_send(&scene->base);
    assert_int_equal(outcome.kind, OUTCOME_DELIVERED);
    assert_int_equal(outcome.rejected.records, 8);
    assert_int_equal(outcome.rejected.packets, 8 * 7);
    assert_int_equal(outcome.refused[REFUSAL_EXPIRED], 2);
    assert_int_equal(outcome.refused[REFUSAL_TOO_OLD], 3);
    assert_int_equal(outcome.refused[REFUSAL_TOO_NEW], 3);
    assert_int_equal(scene->base.progress, 12);
    assert_non_null(strstr(outcome.fault.text, "3 events newer"));
    assert_int_equal(outcome.refused_of_count, 3);
    assert_int_equal(outcome.refused_of[0].sum.packets, 8 * 7);
    assert_int_equal(outcome.refused_of[1].sum.packets, 0);
}

/* A call is refused as a whole; what is not the cause of it arrives all the same. */
static void test_finds_what_a_call_is_refused_for(void **state)
{
    struct scene *scene = *state;
    for (unsigned i = 0; i < 12007; i++)
        stream_batch_add(&scene->base.made, i % 2, START + i / 60,
                         i == 0 || i == 5000 || i == 12006 ? "poison" : "a line");
    scene->logs.poison = "poison";
    struct outcome outcome = stream_scene_send(&scene->base);
    assert_int_equal(outcome.kind, OUTCOME_DELIVERED);
    assert_int_equal(outcome.word, ERROR_UNKNOWN);
    assert_non_null(strstr(outcome.fault.text, "InvalidParameterException"));
    assert_int_equal(outcome.rejected.records, 3);
    assert_int_equal(outcome.rejected.packets, 3 * 7);
    assert_int_equal(outcome.refused[REFUSAL_INVALID], 3);
    assert_int_equal(scene->base.progress, 12004);
    assert_int_equal(json_array_size(scene->logs.events[0]) + json_array_size(scene->logs.events[1]), 12004);
    assert_true(scene->logs.calls < 120); /* by halves, not line by line */
}

/* Whatever is wrong then, it is no line: nothing is lost, and nobody is asked thousands of times. */
static void test_keeps_what_is_refused_altogether(void **state)
{
    struct scene *scene = *state;
    for (unsigned i = 0; i < 3001; i++)
        stream_batch_add_long(&scene->base.made, 0, START, 60);
    scene->logs.poison = "";
    struct outcome outcome = stream_scene_send(&scene->base);
    assert_int_equal(outcome.kind, OUTCOME_RETRY);
    assert_int_equal(outcome.word, ERROR_UNKNOWN);
    assert_int_equal(outcome.rejected.records, 0);
    assert_true(scene->logs.calls < 40);
    scene->logs.poison = NULL;
    outcome = stream_scene_send(&scene->base);
    assert_int_equal(outcome.kind, OUTCOME_DELIVERED);
    assert_int_equal(outcome.rejected.records, 0);
    assert_all_delivered(scene);
}

#define FORMAT "${start} ${end} ${packets} ${log-status} ${x-lost-packets}"

static struct delivery *open_delivery(const struct scene *scene, uint64_t *ret_taken)
{
    struct delivery *delivery = NULL;
    struct delivery_counts counts;
    struct fault fault = {0};
    const struct delivery_settings settings = {
        .destination = {.kind = DESTINATION_CLOUDWATCH,
                        .target = "/flow/logs",
                        .stream_suffix = "reject",
                        .account = "123456789012",
                        .region = "eu-central-1",
                        .flow_log_id = "fl-0123456789abcdef0",
                        .aws = {.service = "logs",
                                .region = "eu-central-1",
                                .endpoint = fake_service_endpoint(scene->base.service)}},
        .spool_folder = spool_root,
        .spool_max_bytes = 1 << 30,
        .spool_max_age_s = 1ULL << 40,
        .publish_interval_s = 60};
    if (delivery_open(&delivery, &settings, &fault) < 0)
        fail_msg("%s", fault.text);
    delivery_counts(delivery, &counts);
    *ret_taken = counts.taken.records;
    return delivery;
}

static struct delivery_counts deliver(struct delivery *delivery, uint64_t sequence)
{
    struct delivery_counts counts;
    struct record records[5];
    struct batch_head head = head_at(sequence, FORMAT);
    for (unsigned i = 0; i < 5; i++) {
        records[i] = record_at(WINDOW + 59, 10 + i);
        record_set_number(&records[i], FIELD_START, WINDOW + i);
    }
    commit_batch(delivery, &head, records, 5);
    assert_true(wait_for_outcome(delivery, 0));
    delivery_counts(delivery, &counts);
    return counts;
}

/*
 * What is refused of a batch is told by the next, once, with a time that the service takes, also when there
 * was a restart in between.
 */
static void test_refused_events_are_told_by_the_next_batch(void **state)
{
    struct scene *scene = *state;
    uint64_t taken, told_at = 0;
    assert_int_equal(make_roots(NULL), 0);
    uint64_t begun_s = clock_wall_ns() / NS_PER_S;
    struct delivery *delivery = open_delivery(scene, &taken);
    scene->logs.rejected = "{\"tooOldLogEventEndIndex\":2}";
    struct delivery_counts counts = deliver(delivery, 1);
    assert_int_equal(counts.taken.records, 5);
    assert_int_equal(counts.delivered.records, 3);
    assert_int_equal(counts.rejected.records, 2);
    assert_int_equal(counts.rejected.packets, 10 + 11);
    assert_int_equal(counts.refused[REFUSAL_TOO_OLD], 2);
    scene->logs.rejected = NULL;
    close_delivery(delivery);

    delivery = open_delivery(scene, &taken);
    assert_int_equal(taken, 0);
    counts = deliver(delivery, 2);
    assert_int_equal(counts.delivered.records, 6);
    assert_int_equal(counts.delivered.lost, 10 + 11);
    counts = deliver(delivery, 3);
    assert_int_equal(counts.delivered.records, 6 + 5);
    assert_int_equal(counts.taken.records, 6 + 5);
    close_delivery(delivery);

    const json_t *events = scene->logs.events[1];
    size_t i, told = 0;
    const json_t *message;
    json_array_foreach(events, i, message)
    {
        uint64_t start, end, lost;
        if (sscanf(json_string_value(message), "%lu %lu - SKIPDATA %lu", &start, &end, &lost) != 3)
            continue;
        assert_int_equal(lost, 10 + 11);
        told++;
        told_at = start;
    }
    assert_int_equal(told, 1);
    assert_true(told_at + 600 > begun_s && told_at <= clock_wall_ns() / NS_PER_S);
    assert_int_equal(remove_roots(NULL), 0);
}

/* Its file fails with EIO from its beginning on. */
static void test_batch_that_cannot_be_read_holds_nothing_up(void **state)
{
    struct scene *scene = *state;
    uint64_t taken;
    char path[PATH_MAX + 64];
    const struct record record = record_at(WINDOW + 59, 11);
    const struct batch_head head = head_at(1, FORMAT), next = head_at(2, FORMAT);
    assert_int_equal(make_roots(NULL), 0);
    struct delivery *delivery = open_delivery(scene, &taken);
    scene->logs.down = true;
    commit_batch(delivery, &head, &record, 1);
    assert_false(wait_for_outcome(delivery, 0));
    (void)snprintf(path, sizeof path, "%s/0000000000000001.batch", spool_root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/proc/self/mem", path), 0);
    scene->logs.down = false;
    assert_true(wait_for_outcome(delivery, UINT64_MAX));
    commit_batch(delivery, &next, &record, 1);
    assert_true(wait_for_outcome(delivery, UINT64_MAX));
    struct delivery_counts counts;
    delivery_counts(delivery, &counts);
    assert_int_equal(counts.given_up.records, 1);
    assert_int_equal(counts.given_up.packets, 11);
    assert_int_equal(counts.delivered.records, 1);
    close_delivery(delivery);
    assert_int_equal(remove_roots(NULL), 0);
}

static void test_retry_sends_only_the_rest(void **state)
{
    struct scene *scene = *state;
    for (unsigned i = 0; i < 30011; i++)
        stream_batch_add_long(&scene->base.made, 0, START, 60);
    scene->logs.fail_at = 4; /* the first finds no stream; two calls get through */
    scene->logs.failure = fake_error(400, "ThrottlingException");
    struct outcome outcome = stream_scene_send(&scene->base);
    assert_int_equal(outcome.kind, OUTCOME_RETRY);
    assert_int_equal(outcome.word, ERROR_RATE_LIMITED);
    assert_int_equal(scene->base.progress, 20000);
    outcome = stream_scene_send(&scene->base);
    assert_int_equal(outcome.kind, OUTCOME_DELIVERED);
    assert_int_equal(scene->base.progress, 30011);
    assert_all_delivered(scene);
}

static struct outcome outcome_of_failure(struct scene *scene, struct fake_answer failure)
{
    scene->logs.fail_at = scene->logs.calls + 1;
    scene->logs.failure = failure;
    return stream_scene_send(&scene->base);
}

static void test_tells_failures_apart(void **state)
{
    struct scene *scene = *state;
    stream_batch_add(&scene->base.made, 0, START, "a line");
    struct outcome outcome = outcome_of_failure(scene, fake_error(400, "AccessDeniedException"));
    assert_int_equal(outcome.kind, OUTCOME_RETRY);
    assert_int_equal(outcome.word, ERROR_ACCESS);
    outcome = outcome_of_failure(scene, fake_error(500, "ServiceUnavailableException"));
    assert_int_equal(outcome.kind, OUTCOME_RETRY);
    assert_int_equal(outcome.word, ERROR_UNKNOWN);
    outcome = outcome_of_failure(scene, fake_error(400, "InvalidParameterException"));
    assert_int_equal(outcome.kind, OUTCOME_RETRY); /* nothing was taken: it need not be the line */
    assert_int_equal(outcome.word, ERROR_UNKNOWN);
    assert_non_null(strstr(outcome.fault.text, "InvalidParameterException"));
    assert_int_equal(outcome.refused[REFUSAL_INVALID], 0);
    /* Not the service's own word, so no reason to lose records. */
    outcome = outcome_of_failure(scene, (struct fake_answer){.status = 400, .body = strdup("no")});
    assert_int_equal(outcome.kind, OUTCOME_RETRY);
    outcome =
        outcome_of_failure(scene, (struct fake_answer){.status = 200, .body = strdup("<html>hello</html>")});
    assert_int_equal(outcome.kind, OUTCOME_RETRY);
    assert_non_null(strstr(outcome.fault.text, "not the service's"));
    static const char *const bodies[] = {NULL, "{}", "{\"nextSequenceToken\":\"\"}",
                                         "{\"nextSequenceToken\":7}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        char *body = bodies[i] ? strdup(bodies[i]) : NULL;
        outcome = outcome_of_failure(scene, (struct fake_answer){.status = 200, .body = body});
        assert_int_equal(outcome.kind, OUTCOME_RETRY);
        assert_non_null(strstr(outcome.fault.text, "not the service's"));
    }
    assert_int_equal(json_array_size(scene->logs.events[0]), 0);
    outcome = stream_scene_send(&scene->base);
    assert_int_equal(outcome.kind, OUTCOME_DELIVERED);
    assert_int_equal(json_array_size(scene->logs.events[0]), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keeps_every_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_what_no_call_can_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_accounts_for_rejected_events, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused_events_are_told_by_the_next_batch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_batch_that_cannot_be_read_holds_nothing_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_retry_sends_only_the_rest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finds_what_a_call_is_refused_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keeps_what_is_refused_altogether, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tells_failures_apart, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
