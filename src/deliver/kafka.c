/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "deliver/driver.h"
#include "deliver/marks.h"
#include "record/json.h"
#include "record/parse.h"

/*
 * Every line of a batch is one message. The producer is idempotent and never gives a message up by itself
 * (message.timeout.ms 0): it repeats what a broker did not acknowledge under the same sequence number, and
 * the broker leaves out what it has already. So send() that ran out of patience leaves its messages with the
 * producer, and the next send() of the same batch waits on. Only a producer that ends with messages on their
 * way (the daemon ends, the spool gave the batch up, a fatal error) leaves open whether they arrived; and so
 * does an answer that the library cannot read, after which it calls its messages failed.
 *
 * A message's timestamp is the time of sending, not of the record: brokers delete by it, and what waited in
 * the spool for longer than the topic's retention would be gone before anybody has read it.
 */

#define PATIENCE_NS (10 * NS_PER_S) /* without any answer */
#define PARTING_NS NS_PER_S         /* the daemon ends: for answers that are on their way */
#define POLL_MS 50
#define PAYLOAD_MAX (1UL << 20) /* one record; the longest are a few KiB */
#define CREDENTIALS_MAX 4096

struct kafka {
    rd_kafka_conf_t *conf;
    rd_kafka_t *producer; /* made with the first batch; again after a fatal error */
    char *topic;
    bool json;
    bool fatal;   /* the producer is of no use any more */
    bool alone;   /* lines are sent one at a time */
    bool failing; /* in this send() something failed that may work later */
    bool barred;  /* in this send() a broker did not let us in */
    struct marks marks;
    struct buf payload;
    uint64_t answered_ns;      /* monotonic; when the last answer came */
    uint64_t cancelled_ns;     /* monotonic; when the end of the daemon was seen, or 0 */
    rd_kafka_resp_err_t error; /* the last since something was delivered */
    struct fault fault;        /* about it */
    struct fault refusal;      /* about the last line that was refused for good */
};

static enum error_word error_word(rd_kafka_resp_err_t error)
{
    switch (error) {
    case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED:
        return ERROR_RATE_LIMITED;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
        return ERROR_ACCESS;
    default:
        return ERROR_UNKNOWN;
    }
}

/* Answers about a record set that are due to one of its records: no later attempt will fare better. */
static bool is_refusal(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_INVALID_MSG ||
           error == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE || error == RD_KAFKA_RESP_ERR_INVALID_RECORD ||
           error == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
}

static void note_error(struct kafka *kafka, rd_kafka_resp_err_t error, const char *reason)
{
    kafka->error = error;
    (void)fault_set(&kafka->fault, 0, "kafka topic %s: %s", kafka->topic, reason);
}

static void refuse(struct kafka *kafka, size_t line, rd_kafka_resp_err_t error, const char *reason)
{
    bool large = error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    marks_refuse(&kafka->marks, line, large ? REFUSAL_TOO_LARGE : REFUSAL_INVALID);
    (void)fault_set(&kafka->refusal, 0, "kafka topic %s: record %zu of the batch: %s", kafka->topic, line,
                    reason);
}

static void mark_answer(struct kafka *kafka, size_t line, rd_kafka_resp_err_t error)
{
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        marks_set(&kafka->marks, line, LINE_DELIVERED);
        kafka->error = error;
    } else if (!is_refusal(error)) {
        marks_set(&kafka->marks, line, LINE_DUE);
        kafka->failing = true;
        note_error(kafka, error, rd_kafka_err2str(error));
    } else if (kafka->alone) {
        refuse(kafka, line, error, rd_kafka_err2str(error));
    } else {
        marks_set(&kafka->marks, line, LINE_ALONE);
    }
}

static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka *kafka = opaque;
    kafka->answered_ns = clock_monotonic_ns();
    mark_answer(kafka, (size_t)(uintptr_t)message->_private, message->err);
}

static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
    struct kafka *kafka = opaque;
    kafka->barred = kafka->barred || error_word(error) == ERROR_ACCESS;
    if (error == RD_KAFKA_RESP_ERR__FATAL) {
        char text[512];
        kafka->fatal = true;
        note_error(kafka, rd_kafka_fatal_error(producer, text, sizeof text), text);
    } else if (error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || kafka->error == 0) {
        note_error(kafka, error, reason); /* "all brokers are down" says less than what came before it */
    }
}

/* What the library has to tell reaches us by on_error; its log would go to standard error. */
static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
}

static int set_option(struct kafka *kafka, const char *name, const char *value, struct fault *fault)
{
    char text[512];
    if (rd_kafka_conf_set(kafka->conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return 0;
    return fault_set(fault, -EINVAL, "kafka topic %s: %s", kafka->topic, text);
}

/* Two lines: user name, password. Neither reaches a fault. */
static int set_credentials(struct kafka *kafka, const char *path, struct fault *fault)
{
    AUTO_BUF struct buf text = BUF_INIT(CREDENTIALS_MAX);
    int r = file_read(path, &text, fault);
    if (r < 0)
        return r;
    char *place = NULL;
    char *user = strtok_r((char *)(uintptr_t)buf_string(&text), "\r\n", &place);
    char *password = user ? strtok_r(NULL, "\r\n", &place) : NULL;
    if (!password)
        return fault_set(fault, -EINVAL, "%s: found no two lines, user name and password", path);
    r = set_option(kafka, "sasl.username", user, fault);
    if (r == 0)
        r = set_option(kafka, "sasl.password", password, fault);
    explicit_bzero(text.data, text.len);
    return r;
}

static int set_security(struct kafka *kafka, const struct destination_settings *settings, struct fault *fault)
{
    static const char *const protocols[] = {
        [KAFKA_PLAINTEXT] = "plaintext",
        [KAFKA_SSL] = "ssl",
        [KAFKA_SASL_PLAINTEXT] = "sasl_plaintext",
        [KAFKA_SASL_SSL] = "sasl_ssl",
    };
    static const char *const mechanisms[] = {
        [KAFKA_PLAIN] = "PLAIN",
        [KAFKA_SCRAM_SHA_256] = "SCRAM-SHA-256",
        [KAFKA_SCRAM_SHA_512] = "SCRAM-SHA-512",
    };
    enum kafka_security protocol = settings->kafka.security;
    int r = set_option(kafka, "security.protocol", protocols[protocol], fault);
    if (r == 0 && settings->aws.ca_bundle && settings->aws.ca_bundle[0])
        r = set_option(kafka, "ssl.ca.location", settings->aws.ca_bundle, fault);
    if (r < 0 || protocol == KAFKA_PLAINTEXT || protocol == KAFKA_SSL)
        return r;
    r = set_option(kafka, "sasl.mechanism", mechanisms[settings->kafka.mechanism], fault);
    return r < 0 ? r : set_credentials(kafka, settings->kafka.credentials_file, fault);
}

static int set_options(struct kafka *kafka, const struct destination_settings *settings, struct fault *fault)
{
    static const struct {
        const char *name, *value;
    } options[] = {
        {"client.id", "flowlog"},
        {"enable.idempotence", "true"}, /* acks=all, order kept over repetitions */
        {"message.timeout.ms", "0"},    /* never; see above */
        {"partitioner", "murmur2"},     /* as the Java clients: keys meet those of other producers */
        {"compression.type", "lz4"},
        {"linger.ms", "5"},
        {"topic.metadata.propagation.max.ms", "5000"}, /* then a topic does not exist */
        {"queue.buffering.max.messages", "100000"},
        {"queue.buffering.max.kbytes", "65536"},
        {"reconnect.backoff.max.ms", "5000"},
        {"socket.keepalive.enable", "true"},
    };
    int r = set_option(kafka, "bootstrap.servers", settings->kafka.brokers, fault);
    for (size_t i = 0; i < ARRAY_SIZE(options) && r == 0; i++)
        r = set_option(kafka, options[i].name, options[i].value, fault);
    rd_kafka_conf_set_opaque(kafka->conf, kafka);
    rd_kafka_conf_set_dr_msg_cb(kafka->conf, on_report);
    rd_kafka_conf_set_error_cb(kafka->conf, on_error);
    rd_kafka_conf_set_log_cb(kafka->conf, on_log);
    return r < 0 ? r : set_security(kafka, settings, fault);
}

/* What is on its way then may arrive or not. */
static void end_producer(struct kafka *kafka)
{
    if (!kafka->producer)
        return;
    (void)rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_destroy(TAKE(kafka->producer));
    kafka->fatal = false;
    for (size_t line = 0; (line = marks_next(&kafka->marks, line, LINE_SENT)) < kafka->marks.count;)
        marks_set(&kafka->marks, line, LINE_DUE);
}

static void kafka_close(void *state)
{
    struct kafka *kafka = state;
    if (!kafka)
        return;
    end_producer(kafka);
    if (kafka->conf)
        rd_kafka_conf_destroy(kafka->conf);
    marks_done(&kafka->marks);
    buf_done(&kafka->payload);
    free(kafka->topic);
    free(kafka);
}

static int kafka_open(void **ret, const struct destination_settings *settings, struct fault *fault)
{
    struct kafka *kafka = calloc(1, sizeof *kafka);
    if (!kafka)
        return fault_set(fault, -ENOMEM, "out of memory");
    kafka->conf = rd_kafka_conf_new();
    kafka->topic = strdup(settings->target);
    kafka->json = settings->file_format == FILE_FORMAT_JSON;
    kafka->payload = BUF_INIT(PAYLOAD_MAX);
    int r = kafka->topic ? set_options(kafka, settings, fault) : fault_set(fault, -ENOMEM, "out of memory");
    if (r < 0) {
        kafka_close(kafka);
        return r;
    }
    *ret = kafka;
    return 0;
}

static int begin_producer(struct kafka *kafka, struct fault *fault)
{
    char text[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(kafka->conf);
    kafka->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (kafka->producer)
        return 0;
    rd_kafka_conf_destroy(conf);
    return fault_set(fault, -EINVAL, "kafka topic %s: %s", kafka->topic, text);
}

/* The producer and the marks are those for this batch. */
static int prepare(struct kafka *kafka, const struct batch *batch, struct fault *fault)
{
    bool same = marks_are_of(&kafka->marks, batch);
    if (kafka->fatal || (!same && kafka->marks.with[LINE_SENT] > 0))
        end_producer(kafka);
    if (!same) {
        kafka->refusal.text[0] = '\0';
        if (marks_begin(&kafka->marks, batch) < 0)
            return fault_set(fault, -ENOMEM, "out of memory");
    }
    return kafka->producer ? 0 : begin_producer(kafka, fault);
}

static int make_payload(struct kafka *kafka, const struct batch *batch, const struct batch_line *line,
                        struct fault *fault)
{
    buf_clear(&kafka->payload);
    if (!kafka->json) {
        buf_append(&kafka->payload, line->text, line->len);
    } else {
        struct record record = {0};
        int r = record_parse_text(&record, &batch->head.format, line->text, line->len, fault);
        if (r < 0)
            return r;
        record_write_json(&kafka->payload, &batch->head.format, &record);
        if (kafka->payload.len > 0)
            kafka->payload.len--; /* its newline */
    }
    return kafka->payload.failed ? fault_set(fault, -E2BIG, "larger than a message may be") : 0;
}

/* False when the producer takes no more for now. */
static bool produce(struct kafka *kafka, const struct batch *batch, size_t index)
{
    const struct batch_line *line = &batch->lines[index];
    const char *key = batch->head.interfaces[line->interface].identity.interface_id;
    struct fault fault;
    if (make_payload(kafka, batch, line, &fault) < 0) {
        refuse(kafka, index, RD_KAFKA_RESP_ERR_INVALID_RECORD, fault.text);
        return true;
    }
    rd_kafka_resp_err_t error = rd_kafka_producev(
        kafka->producer, RD_KAFKA_V_TOPIC(kafka->topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY(key, strlen(key)), RD_KAFKA_V_VALUE(kafka->payload.data, kafka->payload.len),
        RD_KAFKA_V_OPAQUE((void *)(uintptr_t)index), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return false;
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR && !is_refusal(error)) {
        kafka->failing = true;
        note_error(kafka, error, rd_kafka_err2str(error));
        return false;
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        marks_set(&kafka->marks, index, LINE_SENT);
    else
        refuse(kafka, index, error, rd_kafka_err2str(error));
    return true;
}

/* Whether waiting on for answers makes sense. */
static bool is_patient(struct kafka *kafka, const atomic_bool *cancelled)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (kafka->cancelled_ns == 0 && atomic_load(cancelled))
        kafka->cancelled_ns = now_ns;
    return !kafka->fatal && !kafka->barred && now_ns - kafka->answered_ns < PATIENCE_NS &&
           (kafka->cancelled_ns == 0 || now_ns - kafka->cancelled_ns < PARTING_NS);
}

/* Hands over every line that is due, in order, and collects the answers. */
static void send_due(struct kafka *kafka, const struct batch *batch, const atomic_bool *cancelled)
{
    size_t next = 0;
    kafka->alone = false;
    while (is_patient(kafka, cancelled)) {
        while (!kafka->failing && (next = marks_next(&kafka->marks, next, LINE_DUE)) < batch->line_count &&
               produce(kafka, batch, next))
            next++;
        if (kafka->marks.with[LINE_SENT] == 0 && (kafka->failing || next == batch->line_count))
            return;
        (void)rd_kafka_poll(kafka->producer, POLL_MS);
    }
}

static void send_alone(struct kafka *kafka, const struct batch *batch, const atomic_bool *cancelled)
{
    size_t line = 0;
    kafka->alone = true;
    while ((line = marks_next(&kafka->marks, line, LINE_ALONE)) < batch->line_count && !kafka->failing &&
           produce(kafka, batch, line)) {
        while (kafka->marks.with[LINE_SENT] > 0 && is_patient(kafka, cancelled))
            (void)rd_kafka_flush(kafka->producer, POLL_MS);
        if (kafka->marks.with[LINE_SENT] > 0)
            return;
    }
}

static void tell_outcome(struct kafka *kafka, const struct batch *batch, struct outcome *ret)
{
    if (marks_left(&kafka->marks) == 0) {
        marks_tell_outcome(&kafka->marks, batch, &kafka->refusal, ret);
        return;
    }
    if (!kafka->error)
        note_error(kafka, RD_KAFKA_RESP_ERR__TIMED_OUT, "no broker answers");
    ret->word = error_word(kafka->error);
    ret->fault = kafka->fault;
}

static void kafka_send(void *state, const struct batch *batch, uint64_t *progress,
                       const atomic_bool *cancelled, struct outcome *ret)
{
    struct kafka *kafka = state;
    ret->kind = OUTCOME_RETRY;
    ret->word = ERROR_UNKNOWN;
    if (prepare(kafka, batch, &ret->fault) < 0)
        return;
    kafka->failing = kafka->barred = false;
    kafka->answered_ns = clock_monotonic_ns();
    send_due(kafka, batch, cancelled);
    if (kafka->marks.with[LINE_SENT] == 0)
        send_alone(kafka, batch, cancelled);
    *progress = kafka->marks.with[LINE_DELIVERED];
    tell_outcome(kafka, batch, ret);
}

const struct delivery_driver deliver_kafka_driver = {
    .backoff_max_s = 30,
    .open = kafka_open,
    .close = kafka_close,
    .send = kafka_send,
};
