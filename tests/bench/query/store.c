/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a store as the daemon leaves it once its hours are merged, from made-up records that are the same
 * each time: store FOLDER HOURS RECORDS, the latter of an hour. Hours are independent of each other, so that
 * the first ones of a large store are a smaller one.
 *
 * 2000 hosts, each with an interface, talk with 100,000 others, a few of them most of the time; a fifth is
 * IPv6. A connection is its request and its answer, or a request that was rejected. Each hour has a port
 * scan, a host scan and a series of log-ins (plan_scans()).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/macro.h"
#include "base/num.h"
#include "deliver/layout.h"
#include "parquet/writer.h"
#include "store/upkeep.h"

#define BEGIN 1700006400ULL /* 2023-11-15T00:00:00Z */
#define HOUR 3600
#define WINDOW 60
#define HOSTS 2000
#define PEERS 100000
#define WORKERS 2
#define FORMAT                                                                                               \
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} "      \
    "${packets} ${bytes} ${start} ${end} ${action} ${log-status} ${vpc-id} ${subnet-id} ${instance-id} "     \
    "${tcp-flags} ${type} ${pkt-srcaddr} ${pkt-dstaddr} ${region} ${az-id} ${flow-direction}"

struct maker {
    uint64_t random;
    uint64_t window_s;
    uint64_t left; /* records of the window */
    struct parquet_writer *writer;
    struct record record;
};

/* An end of a connection. */
struct end {
    uint8_t address[16];
    uint8_t family;
    uint16_t port;
};

struct connection {
    struct end client;
    struct end server;
    unsigned host; /* whose interface sees it */
    bool outbound;
    bool rejected;
    uint8_t protocol;
    uint64_t packets;
    uint64_t bytes;
};

static void stop(const struct fault *fault)
{
    (void)fprintf(stderr, "store: %s\n", fault->text);
    exit(1);
}

static uint64_t next_random(struct maker *maker)
{
    maker->random ^= maker->random << 13;
    maker->random ^= maker->random >> 7;
    maker->random ^= maker->random << 17;
    return maker->random;
}

/* Below `limit`, small numbers more often than large ones. */
static uint64_t skewed(struct maker *maker, uint64_t limit)
{
    double part = (double)(next_random(maker) >> 11) / (double)(1ULL << 53);
    return (uint64_t)(part * part * part * (double)limit);
}

static struct end make_end(uint32_t number, bool own, bool ipv6, uint64_t port)
{
    struct end end = {.family = ipv6 ? 6 : 4, .port = (uint16_t)port};
    uint32_t spread = own ? number : number * 2654435761U;
    if (ipv6) {
        memcpy(end.address, own ? "\xfd\x77\0\1" : "\x2a\x05\xd0\x18", 4);
        end.address[7] = (uint8_t)(number % 8);
    } else {
        end.address[10] = end.address[11] = 0xff;
    }
    end.address[12] = own ? 10 : (uint8_t)(64 + (spread >> 24) % 32);
    end.address[13] = own ? (uint8_t)(number % 8) : (uint8_t)(spread >> 16);
    end.address[14] = (uint8_t)(spread >> 8);
    end.address[15] = (uint8_t)spread;
    return end;
}

static void set_ends(struct record *record, const struct end *from, const struct end *to)
{
    record_set_address(record, FIELD_SRCADDR, from->address, from->family);
    record_set_address(record, FIELD_DSTADDR, to->address, to->family);
    record_set_address(record, FIELD_PKT_SRCADDR, from->address, from->family);
    record_set_address(record, FIELD_PKT_DSTADDR, to->address, to->family);
    record_set_number(record, FIELD_SRCPORT, from->port);
    record_set_number(record, FIELD_DSTPORT, to->port);
    record_set_string(record, FIELD_TYPE, from->family == 6 ? "IPv6" : "IPv4");
}

static void add(struct maker *maker, bool egress, uint64_t packets, uint64_t bytes, uint64_t flags)
{
    struct fault fault;
    struct record *record = &maker->record;
    uint64_t start_s = maker->window_s + next_random(maker) % WINDOW;
    record_set_number(record, FIELD_PACKETS, packets);
    record_set_number(record, FIELD_BYTES, bytes);
    record_set_number(record, FIELD_START, start_s);
    record_set_number(record, FIELD_END, start_s + skewed(maker, WINDOW - start_s % WINDOW));
    record_set_number(record, FIELD_TCP_FLAGS, flags);
    record_set_string(record, FIELD_FLOW_DIRECTION, egress ? "egress" : "ingress");
    if (maker->left == 0)
        return;
    maker->left--;
    if (parquet_writer_add(maker->writer, record, &fault) < 0)
        stop(&fault);
}

static void add_connection(struct maker *maker, const struct connection *connection)
{
    struct record *record = &maker->record;
    char interface[24];
    char instance[24];
    char subnet[24];
    bool tcp = connection->protocol == 6;
    uint64_t spread = (connection->host + 1) * 0x9e3779b97f4a7c15ULL;
    (void)snprintf(interface, sizeof interface, "eni-0%016" PRIx64, spread);
    (void)snprintf(instance, sizeof instance, "i-0%016" PRIx64, spread);
    (void)snprintf(subnet, sizeof subnet, "subnet-0000000%u", connection->host % 8);
    record_set_string(record, FIELD_INTERFACE_ID, interface);
    record_set_string(record, FIELD_INSTANCE_ID, instance);
    record_set_string(record, FIELD_SUBNET_ID, subnet);
    record_set_string(record, FIELD_VPC_ID, connection->host % 2 ? "vpc-0000000b" : "vpc-0000000a");
    record_set_string(record, FIELD_AZ_ID, connection->host % 3 ? "euc1-az2" : "euc1-az1");
    record_set_number(record, FIELD_PROTOCOL, connection->protocol);
    record_set_string(record, FIELD_ACTION, connection->rejected ? "REJECT" : "ACCEPT");
    set_ends(record, &connection->client, &connection->server);
    add(maker, connection->outbound, connection->packets, connection->bytes,
        !tcp                   ? 0
        : connection->rejected ? 2
                               : 3);
    if (connection->rejected)
        return;
    set_ends(record, &connection->server, &connection->client);
    add(maker, !connection->outbound, connection->packets, connection->packets * (60 + skewed(maker, 1400)),
        tcp ? 19 : 0);
}

static void add_usual(struct maker *maker)
{
    static const uint16_t ports[] = {443, 80, 53, 22, 5432, 8080, 3306, 9092};
    uint32_t peer = (uint32_t)skewed(maker, PEERS);
    unsigned host = (unsigned)(next_random(maker) % HOSTS);
    bool ipv6 = peer % 5 == 0;
    uint64_t port = ports[skewed(maker, ARRAY_SIZE(ports))];
    uint64_t client_port = 32768 + next_random(maker) % 28232;
    uint64_t packets = 1 + skewed(maker, 60) * skewed(maker, 40);
    bool inside = next_random(maker) % 8 == 0;
    struct connection connection = {
        .host = host,
        .outbound = next_random(maker) % 3 > 0,
        .rejected = next_random(maker) % 16 == 0,
        .protocol = port == 53 ? 17 : 6,
    };
    struct end far = make_end(inside ? peer % HOSTS : peer, inside, ipv6, 0);
    struct end near = make_end(host, true, ipv6, 0);
    connection.client = connection.outbound ? near : far;
    connection.server = connection.outbound ? far : near;
    connection.client.port = (uint16_t)client_port;
    connection.server.port = (uint16_t)(connection.rejected ? next_random(maker) % 10000 : port);
    connection.packets = connection.rejected ? 1 : packets;
    connection.bytes = connection.packets * (connection.rejected ? 60 : 60 + skewed(maker, 1400));
    add_connection(maker, &connection);
}

/* 600 ports of one host, one port of 1500 hosts, 60 log-ins; each within a minute, from somebody else each
 * hour. */
static void add_scans(struct maker *maker, uint64_t hour, unsigned minute)
{
    static const struct {
        unsigned minute;
        unsigned count;
        uint8_t network[3];
        uint16_t port; /* 0: they differ, and the host stays the same */
        bool rejected;
    } plan[] = {{10, 600, {203, 0, 113}, 0, true},
                {20, 1500, {198, 51, 100}, 445, true},
                {30, 60, {192, 0, 2}, 22, false}};
    for (size_t i = 0; i < ARRAY_SIZE(plan); i++)
        for (unsigned n = 0; plan[i].minute == minute && n < plan[i].count; n++) {
            bool one_host = plan[i].count != 1500;
            unsigned host = (unsigned)(one_host ? hour * 7 % HOSTS : n);
            struct connection connection = {
                .client = {.family = 4, .port = (uint16_t)(40000 + n)},
                .server = make_end(host, true, false, plan[i].port ? plan[i].port : n + 1),
                .host = host,
                .rejected = plan[i].rejected,
                .protocol = 6,
                .packets = plan[i].rejected ? 1 : 12,
                .bytes = plan[i].rejected ? 60 : 1800,
            };
            memset(connection.client.address + 10, 0xff, 2);
            memcpy(connection.client.address + 12, plan[i].network, 3);
            connection.client.address[15] = (uint8_t)(1 + hour % 250);
            add_connection(maker, &connection);
        }
}

/* Opens the hour's file in its place. */
static int open_hour(const char *folder, uint64_t hour, char path[static PATH_MAX])
{
    struct fault fault;
    const struct layout layout = {.account = "123456789012",
                                  .region = "eu-central-1",
                                  .flow_log_id = "fl-00000000000000001",
                                  .extension = "log.parquet",
                                  .hive = true,
                                  .hourly = true};
    char key[LAYOUT_KEY_MAX];
    char name[LAYOUT_KEY_MAX];
    uint64_t slot = BEGIN + hour * HOUR;
    if (layout_print_key(&layout, slot, 0, 0, key) < 0 ||
        layout_print_hour_name(&layout, slot, hour, name) < 0)
        exit(1);
    *strrchr(key, '/') = '\0';
    (void)snprintf(path, PATH_MAX, "%s/%s", folder, key);
    if (file_make_folders(path, 0755, &fault) < 0)
        stop(&fault);
    (void)snprintf(path, PATH_MAX, "%s/%s/%s", folder, key, name);
    return open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

static void make_hour(const char *folder, const struct format *format, uint64_t hour, uint64_t records)
{
    struct fault fault;
    char path[PATH_MAX];
    struct maker maker = {.random = (hour + 1) * 0x9e3779b97f4a7c15ULL};
    AUTO_CLOSE int fd = open_hour(folder, hour, path);
    if (parquet_writer_open(&maker.writer, fd, path, format, PARQUET_ZSTD, &fault) < 0)
        stop(&fault);
    record_set_number(&maker.record, FIELD_VERSION, 5);
    record_set_string(&maker.record, FIELD_ACCOUNT_ID, "123456789012");
    record_set_string(&maker.record, FIELD_REGION, "eu-central-1");
    record_set_string(&maker.record, FIELD_LOG_STATUS, "OK");
    for (unsigned minute = 0; minute < HOUR / WINDOW; minute++) {
        maker.window_s = BEGIN + hour * HOUR + minute * WINDOW;
        maker.left = records * (minute + 1) / (HOUR / WINDOW) - records * minute / (HOUR / WINDOW);
        add_scans(&maker, hour, minute);
        while (maker.left > 0)
            add_usual(&maker);
    }
    if (parquet_writer_close(maker.writer, &fault) < 0)
        stop(&fault);
}

int main(int argc, char **argv)
{
    struct fault fault;
    struct format format;
    uint64_t hours;
    uint64_t records;
    if (argc != 4 || !num_parse_u64(argv[2], strlen(argv[2]), 10000, &hours) ||
        !num_parse_u64(argv[3], strlen(argv[3]), 1000000000, &records))
        return 2;
    if (format_parse(&format, FORMAT, &fault) < 0 || file_make_folders(argv[1], 0755, &fault) < 0 ||
        upkeep_make_store(argv[1], &fault) < 0)
        stop(&fault);
    for (unsigned worker = 0; worker < WORKERS; worker++)
        if (fork() == 0) {
            for (uint64_t hour = worker; hour < hours; hour += WORKERS)
                make_hour(argv[1], &format, hour, records);
            return 0;
        }
    int status;
    int failed = 0;
    while (wait(&status) > 0)
        failed |= status;
    return failed != 0;
}
