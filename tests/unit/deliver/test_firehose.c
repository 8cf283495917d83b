/* SPDX-License-Identifier: Apache-2.0 */
/* Against a server that takes nothing that the service's limits forbid (delivery.md 3.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <nettle/base64.h>

#include "base/clock.h"
#include "deliver/driver.h"
#include "stream_scene.h"

#define START 1700000000ULL
#define RECORDS_MAX 100000

/* What the service holds, and how it is to behave. */
struct stream {
    char *records[RECORDS_MAX];
    size_t count;
    unsigned calls;
    unsigned fail_every; /* of the records that come, from the first on; 0: none fails */
    const char *failure; /* the code of those */
    unsigned seen;
    unsigned fail_at; /* the number of the call that fails as a whole, from 1 */
    struct fake_answer call_failure;
    const char *poison; /* calls with a record that begins so are refused; NULL: none */
};

/* NUL-terminated; the length in *ret_len. */
static char *decode(const json_t *record, size_t *ret_len)
{
    const json_t *data = json_object_get(record, "Data");
    struct base64_decode_ctx context;
    char *plain = malloc(BASE64_DECODE_LENGTH(json_string_length(data)) + 1);
    base64_decode_init(&context);
    if (!plain ||
        !base64_decode_update(&context, ret_len, (uint8_t *)plain, json_string_length(data),
                              json_string_value(data)) ||
        !base64_decode_final(&context))
        abort();
    plain[*ret_len] = '\0';
    return plain;
}

static json_t *take(struct stream *stream, char *plain)
{
    if (stream->fail_every && stream->seen++ % stream->fail_every == 0) {
        free(plain);
        return json_pack("{s:s, s:s}", "ErrorCode", stream->failure, "ErrorMessage", "Slow down.");
    }
    assert_true(stream->count < RECORDS_MAX);
    stream->records[stream->count++] = plain;
    return json_pack("{s:s}", "RecordId", "49");
}

static bool is_poisoned(const struct stream *stream, const json_t *records)
{
    size_t i, len;
    const json_t *record;
    bool found = false;
    json_array_foreach(records, i, record)
    {
        char *plain = decode(record, &len);
        found = found || (stream->poison && strncmp(plain, stream->poison, strlen(stream->poison)) == 0);
        free(plain);
    }
    return found;
}

static struct fake_answer answer_stream(void *context, const char *action, const json_t *body)
{
    struct stream *stream = context;
    const json_t *records = json_object_get(body, "Records"), *record;
    size_t i, bytes = 0;
    json_t *responses = json_array();
    assert_string_equal(action, "PutRecordBatch");
    assert_string_equal(json_string_value(json_object_get(body, "DeliveryStreamName")), "flow-stream");
    bool within = json_array_size(records) >= 1 && json_array_size(records) <= 500;
    if (++stream->calls == stream->fail_at) {
        json_decref(responses);
        return stream->call_failure;
    }
    if (is_poisoned(stream, records)) {
        json_decref(responses);
        return fake_error(400, "InvalidArgumentException");
    }
    json_array_foreach(records, i, record)
    {
        size_t len;
        char *plain = decode(record, &len);
        within = within && len >= 1 && len <= 1024000;
        bytes += len;
        (void)json_array_append_new(responses, take(stream, plain));
    }
    within = within && bytes <= 4 << 20;
    struct fake_answer answer = {.status = 200};
    json_t *whole =
        json_pack("{s:i, s:b, s:o}", "FailedPutCount", 0, "Encrypted", 0, "RequestResponses", responses);
    answer.body = json_dumps(whole, 0);
    json_decref(whole);
    assert_true(within);
    return answer;
}

struct scene {
    struct stream_scene base;
    struct stream stream;
};

static void open_driver(struct scene *scene, enum framing framing)
{
    const struct destination_settings settings = {
        .target = "flow-stream",
        .framing = framing,
        .aws = {.service = "firehose", .region = "eu-central-1"},
    };
    stream_scene_open(&scene->base, &settings);
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    stream_scene_begin(&scene->base, &deliver_firehose_driver, answer_stream, &scene->stream);
    open_driver(scene, FRAMING_RAW_LINE);
    *state = scene;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    stream_scene_end(&scene->base);
    for (size_t i = 0; i < scene->stream.count; i++)
        free(scene->stream.records[i]);
    free(scene);
    return 0;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every line once, in any order. */
static void assert_all_delivered(struct scene *scene)
{
    const struct batch *batch = &scene->base.made.batch;
    assert_int_equal(scene->stream.count, batch->line_count);
    char **expected = calloc(batch->line_count, sizeof *expected);
    assert_non_null(expected);
    for (size_t i = 0; i < batch->line_count; i++)
        expected[i] = strndup(batch->lines[i].text, batch->lines[i].len);
    qsort(expected, batch->line_count, sizeof *expected, compare_texts);
    qsort(scene->stream.records, scene->stream.count, sizeof(char *), compare_texts);
    for (size_t i = 0; i < batch->line_count; i++) {
        assert_string_equal(scene->stream.records[i], expected[i]);
        free(expected[i]);
    }
    free(expected);
}

static void test_keeps_every_limit(void **state)
{
    struct scene *scene = *state;
    for (unsigned i = 0; i < 3001; i++)
        stream_batch_add_long(&scene->base.made, i % 3, START, 100);
    for (unsigned i = 0; i < 9; i++)
        stream_batch_add_long(&scene->base.made, 0, START, 1024000); /* four go into a call */
    struct outcome outcome = stream_scene_send(&scene->base);
    assert_string_equal(outcome.fault.text, "");
    assert_int_equal(outcome.kind, OUTCOME_DELIVERED);
    assert_int_equal(scene->base.progress, 3010);
    assert_all_delivered(scene);
}

static void test_refuses_what_no_call_can_hold(void **state)
{
    struct scene *scene = *state;
    stream_batch_add_long(&scene->base.made, 0, START, 1024001);
    stream_batch_add(&scene->base.made, 0, START, "small");
    struct outcome outcome = stream_scene_send(&scene->base);
    assert_int_equal(outcome.kind, OUTCOME_DELIVERED);
    assert_int_equal(outcome.rejected.records, 1);
    assert_int_equal(outcome.rejected.packets, 7);
    assert_int_equal(scene->stream.count, 1);
}

static void test_sends_only_the_failed_again(void **state)
{
    struct scene *scene = *state;
    unsigned attempts = 0;
    for (unsigned i = 0; i < 2003; i++)
        stream_batch_add_long(&scene->base.made, 0, START, 100);
    scene->stream.fail_every = 7;
    scene->stream.failure = "ServiceUnavailableException";
    struct outcome outcome;
    while ((outcome = stream_scene_send(&scene->base)).kind == OUTCOME_RETRY) {
        assert_int_equal(outcome.word, ERROR_RATE_LIMITED);
        assert_true(outcome.not_before_ns > clock_wall_ns() - NS_PER_S);
        assert_true(++attempts < 100);
    }
    assert_int_equal(outcome.kind, OUTCOME_DELIVERED);
    assert_true(attempts > 1);
    assert_all_delivered(scene);
}

static struct outcome outcome_of_failure(struct scene *scene, struct fake_answer failure)
{
    scene->stream.fail_at = scene->stream.calls + 1;
    scene->stream.call_failure = failure;
    return stream_scene_send(&scene->base);
}

static struct outcome outcome_of_answer(struct scene *scene, const char *body)
{
    return outcome_of_failure(scene, (struct fake_answer){.status = 200, .body = strdup(body)});
}

static void test_believes_no_wrong_answer(void **state)
{
    static const char *const bodies[] = {
        "<html>hello</html>",
        "",
        "[]",
        "{}",
        "{\"FailedPutCount\":0}",
        "{\"FailedPutCount\":0,\"RequestResponses\":[]}",
        "{\"FailedPutCount\":0,\"RequestResponses\":[{\"RecordId\":\"1\"},{\"RecordId\":\"2\"}]}",
        "{\"FailedPutCount\":0,\"RequestResponses\":[{}]}",
        "{\"FailedPutCount\":0,\"RequestResponses\":[7]}",
    };
    struct scene *scene = *state;
    stream_batch_add(&scene->base.made, 0, START, "a line");
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        struct outcome outcome = outcome_of_answer(scene, bodies[i]);
        assert_int_equal(outcome.kind, OUTCOME_RETRY);
        assert_int_equal(outcome.word, ERROR_UNKNOWN);
        assert_string_not_equal(outcome.fault.text, "");
    }
    assert_int_equal(stream_scene_send(&scene->base).kind, OUTCOME_DELIVERED);
    assert_all_delivered(scene);
}

static void test_tells_failures_apart(void **state)
{
    struct scene *scene = *state;
    stream_batch_add(&scene->base.made, 0, START, "a line");
    struct outcome outcome = outcome_of_failure(scene, fake_error(400, "ResourceNotFoundException"));
    assert_int_equal(outcome.kind, OUTCOME_RETRY);
    assert_int_equal(outcome.word, ERROR_ACCESS);
    outcome = outcome_of_failure(scene, fake_error(400, "ThrottlingException"));
    assert_int_equal(outcome.word, ERROR_RATE_LIMITED);
    outcome = outcome_of_failure(scene, fake_error(503, "ServiceUnavailableException"));
    assert_int_equal(outcome.kind, OUTCOME_RETRY);
    outcome = outcome_of_failure(scene, fake_error(400, "InvalidArgumentException"));
    assert_int_equal(outcome.kind, OUTCOME_RETRY); /* nothing was taken: it need not be the record */
    assert_int_equal(outcome.word, ERROR_UNKNOWN);
    assert_int_equal(outcome.refused[REFUSAL_INVALID], 0);
    outcome = outcome_of_failure(scene, (struct fake_answer){.status = 400, .body = strdup("no")});
    assert_int_equal(outcome.kind, OUTCOME_RETRY);
    assert_int_equal(scene->stream.count, 0);
}

/* It may be the stream and not the records, so it is tried again; but not for ever. */
static void test_sets_aside_what_is_refused_altogether(void **state)
{
    struct scene *scene = *state;
    struct outcome outcome = {.kind = OUTCOME_RETRY};
    unsigned attempts = 0;
    for (unsigned i = 0; i < 30; i++)
        stream_batch_add(&scene->base.made, 0, START, "poison");
    scene->stream.poison = "poison";
    for (; attempts < 100 && outcome.kind == OUTCOME_RETRY; attempts++)
        outcome = stream_scene_send(&scene->base);
    assert_in_range(attempts, 10, 50);
    assert_int_equal(outcome.kind, OUTCOME_REJECTED);
    assert_int_equal(outcome.refused[REFUSAL_INVALID], 30);
    assert_non_null(strstr(outcome.fault.text, "InvalidArgumentException"));
}

/* A call is refused as a whole; what is not the cause of it arrives all the same. */
static void test_finds_what_a_call_is_refused_for(void **state)
{
    struct scene *scene = *state;
    for (unsigned i = 0; i < 1201; i++)
        stream_batch_add(&scene->base.made, 0, START, i == 0 || i == 700 || i == 1200 ? "poison" : "a line");
    scene->stream.poison = "poison";
    struct outcome outcome = stream_scene_send(&scene->base);
    assert_int_equal(outcome.kind, OUTCOME_DELIVERED);
    assert_int_equal(outcome.word, ERROR_UNKNOWN);
    assert_non_null(strstr(outcome.fault.text, "InvalidArgumentException"));
    assert_int_equal(outcome.rejected.records, 3);
    assert_int_equal(outcome.refused[REFUSAL_INVALID], 3);
    assert_int_equal(scene->stream.count, 1198);
    assert_true(scene->stream.calls < 100); /* by halves, not record by record */
}

/* Whatever is wrong then, it is no record: nothing is lost, and nobody is asked hundreds of times. */
static void test_keeps_what_is_refused_altogether(void **state)
{
    struct scene *scene = *state;
    for (unsigned i = 0; i < 1003; i++)
        stream_batch_add_long(&scene->base.made, 0, START, 100);
    scene->stream.poison = "";
    struct outcome outcome = stream_scene_send(&scene->base);
    assert_int_equal(outcome.kind, OUTCOME_RETRY);
    assert_int_equal(outcome.rejected.records, 0);
    assert_true(scene->stream.calls < 40);
    scene->stream.poison = NULL;
    assert_int_equal(stream_scene_send(&scene->base).kind, OUTCOME_DELIVERED);
    assert_all_delivered(scene);
}

static void test_frames_as_asked(void **state)
{
    struct scene *scene = *state;
    stream_batch_add(&scene->base.made, 0, START, "2 \"a\\b\" -");
    assert_int_equal(stream_scene_send(&scene->base).kind, OUTCOME_DELIVERED);
    open_driver(scene, FRAMING_NEWLINE);
    assert_int_equal(stream_scene_send(&scene->base).kind, OUTCOME_DELIVERED);
    open_driver(scene, FRAMING_JSON_MESSAGE);
    assert_int_equal(stream_scene_send(&scene->base).kind, OUTCOME_DELIVERED);
    assert_int_equal(scene->stream.count, 3);
    assert_string_equal(scene->stream.records[0], "2 \"a\\b\" -");
    assert_string_equal(scene->stream.records[1], "2 \"a\\b\" -\n");
    assert_string_equal(scene->stream.records[2], "{\"message\":\"2 \\\"a\\\\b\\\" -\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_keeps_every_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refuses_what_no_call_can_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sends_only_the_failed_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_believes_no_wrong_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tells_failures_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_sets_aside_what_is_refused_altogether, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_finds_what_a_call_is_refused_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keeps_what_is_refused_altogether, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_frames_as_asked, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
