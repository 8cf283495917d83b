/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes made-up records in time order through flowlog's Parquet writer, then lets DuckDB's own COPY write
 * the same rows in time order, both with one thread: write FOLDER RECORDS gzip|zstd FORMAT
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "base/num.h"
#include "parquet/session.h"
#include "parquet/writer.h"

#define INTERFACES 64
#define PEERS 50000
#define WINDOW_RECORDS 40000
#define WINDOW 60

static uint64_t random_state = 88172645463325252ULL;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Below `limit`, small numbers more often than large ones. */
static uint64_t skewed(uint64_t limit)
{
    double part = (double)(next_random() >> 11) / (double)(1ULL << 53);
    return (uint64_t)(part * part * part * (double)limit);
}

struct traffic {
    struct record record;
    uint8_t own[16];
    uint8_t peer[16];
    char interface_id[24];
};

/* A fifth of the peers, and all that talk with them, are IPv6. */
static void make_address(uint8_t to[static 16], uint64_t number, bool ipv6, bool own)
{
    uint64_t spread = number * 0x9e3779b97f4a7c15ULL;
    memset(to, 0, 16);
    if (ipv6) {
        memcpy(to, own ? "\xfd\x77\0\1" : "\x2a\x05\xd0\x18", 4);
        memcpy(to + 8, &spread, 8);
        return;
    }
    to[10] = to[11] = 0xff;
    memcpy(to + 12, &spread, 4);
    if (own)
        to[12] = 10;
}

static void make_record(struct traffic *traffic, uint64_t number)
{
    static const uint64_t ports[] = {443, 80, 53, 22, 5432, 8080, 3306, 9092};
    struct record *record = &traffic->record;
    uint64_t interface = next_random() % INTERFACES;
    uint64_t peer = skewed(PEERS);
    bool ipv6 = peer % 5 == 0;
    bool ingress = next_random() & 1;
    uint64_t service = ports[skewed(ARRAY_SIZE(ports))];
    uint64_t client = 32768 + next_random() % 28232;
    uint64_t packets = 1 + skewed(60) * skewed(40);
    uint64_t start = 1700000000 / WINDOW * WINDOW + number / WINDOW_RECORDS * WINDOW + next_random() % WINDOW;
    bool rejected = next_random() % 20 == 0;
    make_address(traffic->own, interface, ipv6, true);
    make_address(traffic->peer, peer, ipv6, false);
    (void)snprintf(traffic->interface_id, sizeof traffic->interface_id, "eni-0%016" PRIx64,
                   interface * 0x9e3779b97f4a7c15ULL);
    record_set_string(record, FIELD_ACCOUNT_ID, "123456789012");
    record_set_string(record, FIELD_INTERFACE_ID, traffic->interface_id);
    record_set_address(record, FIELD_SRCADDR, ingress ? traffic->peer : traffic->own, ipv6 ? 6 : 4);
    record_set_address(record, FIELD_DSTADDR, ingress ? traffic->own : traffic->peer, ipv6 ? 6 : 4);
    record_set_number(record, FIELD_SRCPORT, ingress ? service : client);
    record_set_number(record, FIELD_DSTPORT, ingress ? client : service);
    record_set_number(record, FIELD_PROTOCOL, service == 53 ? 17 : 6);
    record_set_number(record, FIELD_PACKETS, rejected ? 1 : packets);
    record_set_number(record, FIELD_BYTES, rejected ? 60 : packets * (60 + skewed(1400)));
    record_set_number(record, FIELD_START, start);
    record_set_number(record, FIELD_END, start + skewed(WINDOW - start % WINDOW));
    record_set_string(record, FIELD_ACTION, rejected ? "REJECT" : "ACCEPT");
    record_set_string(record, FIELD_LOG_STATUS, "OK");
}

static double cpu_seconds(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static long peak_mib(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

static void tell(const char *who, const char *path, uint64_t records, double cpu, uint64_t wall_ns)
{
    struct stat status;
    if (stat(path, &status) < 0)
        exit(1);
    printf("%-8s %6.2f M records/s per core, %6.2f M/s by the clock, %5.2f bytes per record, peak %ld MiB\n",
           who, (double)records / cpu / 1e6, (double)records / ((double)wall_ns / 1e9) / 1e6,
           (double)status.st_size / (double)records, peak_mib());
}

static void stop(const struct fault *fault)
{
    (void)fprintf(stderr, "write: %s\n", fault->text);
    exit(1);
}

/* What making the records costs, to be taken off. */
static double make_only(uint64_t records)
{
    struct traffic traffic = {0};
    double begun = cpu_seconds();
    for (uint64_t i = 0; i < records; i++)
        make_record(&traffic, i);
    return cpu_seconds() - begun;
}

static void write_records(const char *path, uint64_t records, const struct format *format,
                          enum parquet_codec codec)
{
    struct fault fault;
    struct parquet_writer *writer;
    struct traffic traffic = {0};
    double making = make_only(records);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    double cpu = cpu_seconds();
    uint64_t begun_ns = clock_monotonic_ns();
    int r = parquet_writer_open(&writer, fd, path, format, codec, &fault);
    for (uint64_t i = 0; i < records && r == 0; i++) {
        make_record(&traffic, i);
        r = parquet_writer_add(writer, &traffic.record, &fault);
    }
    if (r < 0 || parquet_writer_close(writer, &fault) < 0)
        stop(&fault);
    tell("flowlog", path, records, cpu_seconds() - cpu - making, clock_monotonic_ns() - begun_ns);
    (void)close(fd);
}

static void copy_rows(const char *from, const char *to, uint64_t records, const char *codec)
{
    struct fault fault;
    struct session session;
    char load[512];
    char copy[512];
    const struct session_options options = {.threads = 1, .memory_bytes = 8ULL << 30};
    (void)snprintf(load, sizeof load, "CREATE TABLE t AS FROM read_parquet('%s') ORDER BY start", from);
    (void)snprintf(copy, sizeof copy, "COPY t TO '%s' (FORMAT parquet, CODEC '%s')", to, codec);
    if (session_open(&session, &options, &fault) < 0 || session_run(&session, load, &fault) < 0)
        stop(&fault);
    double cpu = cpu_seconds();
    uint64_t begun_ns = clock_monotonic_ns();
    if (session_run(&session, copy, &fault) < 0)
        stop(&fault);
    tell("DuckDB", to, records, cpu_seconds() - cpu, clock_monotonic_ns() - begun_ns);
    session_close(&session);
}

int main(int argc, char **argv)
{
    struct fault fault;
    struct format format;
    uint64_t records;
    char ours[256];
    char theirs[256];
    if (argc != 5 || !num_parse_u64(argv[2], strlen(argv[2]), 1000000000, &records) || records == 0)
        return 2;
    if (format_parse(&format, argv[4], &fault) < 0)
        stop(&fault);
    (void)snprintf(ours, sizeof ours, "%s/flowlog.parquet", argv[1]);
    (void)snprintf(theirs, sizeof theirs, "%s/duckdb.parquet", argv[1]);
    write_records(ours, records, &format, strcmp(argv[3], "zstd") == 0 ? PARQUET_ZSTD : PARQUET_GZIP);
    copy_rows(ours, theirs, records, argv[3]);
    return 0;
}
