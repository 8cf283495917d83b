/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Delivers batches of made-up records as flowlogd would: its configuration, spool and worker, without the
 * capture.
 *
 *   deliver_probe CONFIG STATE BATCHES RECORDS PAUSE_MS WAIT_S
 *
 * BATCHES batches of RECORDS records each go to the first flow log of the configuration, PAUSE_MS apart. Each
 * record bears a number of its own, from 0 on, as its bytes, and the window's as its start; interfaces eni-0
 * to eni-4 take turns. Ends when all is delivered, or after WAIT_S seconds. Prints the counts as a JSON
 * object; the exit status is 1 when something is left in the spool. A start with BATCHES 0 delivers what an
 * earlier one left.
 */

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/num.h"
#include "daemon/config.h"
#include "deliver/delivery.h"

#define INTERFACES 5
#define STOP_NS (5 * NS_PER_S)
#define INTERVAL 60

struct probe {
    struct config config;
    const struct flow_log *flow_log;
    struct delivery *delivery;
    struct batch_interface interfaces[INTERFACES];
    uint64_t records; /* of a batch */
    uint64_t number;  /* of the next record */
    uint64_t window;  /* of the first batch */
};

static void fail(const char *what)
{
    fprintf(stderr, "deliver_probe: %s\n", what);
    exit(2);
}

static void pause_ms(uint64_t ms)
{
    (void)nanosleep(&(struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * 1000000)},
                    NULL);
}

static void say(void *context, enum log_level level, const char *text)
{
    fprintf(stderr, "%s\n", text);
}

static void open_delivery(struct probe *probe, const char *path, const char *state)
{
    struct config_report report;
    struct fault fault = {0};
    char folder[PATH_MAX];
    if (config_load(&probe->config, path, state, &report) < 0)
        fail(buf_string(&report.mistakes));
    config_report_done(&report);
    probe->flow_log = &probe->config.flow_logs[0];
    (void)snprintf(folder, sizeof folder, "%.*s/spool/%s", PATH_MAX - 64, state, probe->flow_log->id);
    const struct delivery_settings settings = {
        .destination = flow_log_destination(&probe->config, probe->flow_log, 1),
        .spool_folder = folder,
        .spool_max_bytes = probe->config.spool.max_size,
        .spool_max_age_s = probe->config.spool.max_age,
        .publish_interval_s = (uint32_t)probe->flow_log->publish_interval,
        .report = {.say = say},
    };
    if (delivery_open(&probe->delivery, &settings, &fault) < 0)
        fail(fault.text);
    probe->window = (clock_wall_ns() / NS_PER_S / INTERVAL - 1) * INTERVAL;
    for (int i = 0; i < INTERFACES; i++) {
        struct interface_identity *identity = &probe->interfaces[i].identity;
        (void)snprintf(identity->interface_id, sizeof identity->interface_id, "eni-%d", i);
        (void)snprintf(identity->account_id, sizeof identity->account_id, "%s",
                       probe->config.topology.account);
        probe->interfaces[i].sum.records = probe->interfaces[i].sum.packets = probe->records / INTERFACES;
    }
}

static void make_record(const struct probe *probe, uint32_t interface, struct record *record)
{
    static const uint8_t address[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1};
    const struct interface_identity *identity = &probe->interfaces[interface].identity;
    *record = (struct record){0};
    record_set_string(record, FIELD_ACCOUNT_ID, identity->account_id);
    record_set_string(record, FIELD_INTERFACE_ID, identity->interface_id);
    record_set_address(record, FIELD_SRCADDR, address, 4);
    record_set_address(record, FIELD_DSTADDR, address, 4);
    record_set_number(record, FIELD_SRCPORT, 40000 + probe->number % 10000);
    record_set_number(record, FIELD_DSTPORT, 443);
    record_set_number(record, FIELD_PROTOCOL, 6);
    record_set_number(record, FIELD_PACKETS, 1);
    record_set_number(record, FIELD_BYTES, probe->number);
    record_set_number(record, FIELD_START, probe->window);
    record_set_number(record, FIELD_END, probe->window + INTERVAL - 1);
    record_set_string(record, FIELD_ACTION, "ACCEPT");
    record_set_string(record, FIELD_LOG_STATUS, "OK");
}

static void add_batch(struct probe *probe, uint64_t sequence)
{
    struct fault fault = {0};
    struct batch_writer *writer = NULL;
    const struct batch_head head = {
        .flow_log_id = (char *)(uintptr_t)probe->flow_log->id,
        .window = probe->window,
        .interval = INTERVAL,
        .sequence = sequence,
        .format_text = probe->flow_log->format_text,
        .interfaces = probe->interfaces,
        .interface_count = INTERFACES,
    };
    if (delivery_begin(probe->delivery, &head, &writer, &fault) < 0)
        fail(fault.text);
    for (uint64_t i = 0; i < probe->records; i++, probe->number++) {
        struct record record;
        uint32_t interface = (uint32_t)(i % INTERFACES);
        make_record(probe, interface, &record);
        if (batch_writer_add(writer, interface, &record, 1, 0, &fault) < 0)
            fail(fault.text);
    }
    if (delivery_commit(probe->delivery, writer, &fault) < 0)
        fail(fault.text);
}

static json_t *print_sum(const struct batch_sum *sum)
{
    return json_integer((json_int_t)sum->records);
}

static int print_counts(struct probe *probe)
{
    struct delivery_counts counts;
    delivery_counts(probe->delivery, &counts);
    json_t *object =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:s, s:s}", "taken", print_sum(&counts.taken),
                  "delivered", print_sum(&counts.delivered), "waiting", print_sum(&counts.waiting),
                  "given-up", print_sum(&counts.given_up), "rejected", print_sum(&counts.rejected),
                  "too-large", (json_int_t)counts.refused[REFUSAL_TOO_LARGE], "failures",
                  (json_int_t)counts.failures, "word", counts.word, "error", counts.error);
    if (!object || json_dumpf(object, stdout, 0) < 0)
        fail("cannot print the counts");
    json_decref(object);
    return counts.waiting.records ? 1 : 0;
}

static uint64_t number_of(const char *text)
{
    uint64_t number;
    if (!num_parse_u64(text, strlen(text), UINT32_MAX, &number))
        fail("usage: deliver_probe CONFIG STATE BATCHES RECORDS PAUSE_MS WAIT_S");
    return number;
}

int main(int argc, char **argv)
{
    struct probe probe = {0};
    if (argc != 7)
        fail("usage: deliver_probe CONFIG STATE BATCHES RECORDS PAUSE_MS WAIT_S");
    uint64_t batches = number_of(argv[3]), pause = number_of(argv[5]), wait_s = number_of(argv[6]);
    probe.records = number_of(argv[4]);
    open_delivery(&probe, argv[1], argv[2]);
    uint64_t first = delivery_accepted(probe.delivery) + 1;
    for (uint64_t i = 0; i < batches; i++, probe.window += INTERVAL) {
        add_batch(&probe, first + i);
        pause_ms(pause);
    }
    delivery_flush(probe.delivery);
    uint64_t deadline_ns = clock_monotonic_ns() + wait_s * NS_PER_S;
    while (!delivery_is_done(probe.delivery) && clock_monotonic_ns() < deadline_ns)
        pause_ms(20);
    int status = print_counts(&probe);
    if (delivery_close(probe.delivery, clock_monotonic_ns() + STOP_NS) < 0)
        fail("the destination does not let go");
    config_done(&probe.config);
    return status;
}
