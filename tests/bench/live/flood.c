/* SPDX-License-Identifier: Apache-2.0 */

/*
 * flood SOURCE DESTINATION FLOWS PAYLOAD {count=N | seconds=S} [rate=PPS] [port=FIRST]: IPv4 or IPv6 UDP,
 * round robin over FLOWS pairs of ports (16,384 source ports, then the next destination port), in batches
 * through sendmmsg(2). Prints how many packets the kernel took and in how many seconds.
 *
 * flood … seconds=S beside=SOURCE,DESTINATION: the same by two ways in turn, as fast as each can, in slices
 * so short that a change of the machine's mood meets both. Prints the packets that each way took, the packets
 * per second of the second one, and the first one's rate against it: median and quartiles.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, PORTS_EACH = 16384, FIRST_SOURCE_PORT = 16384, RAW_HEADER = 8, RATIOS_MAX = 4096 };
#define SLICE_SECONDS 0.01

struct way {
    int family;
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } source, destination;
    socklen_t address_len;
    int fd;
    uint64_t sent;
    struct mmsghdr messages[BATCH];
};

struct flood {
    struct way ways[2];
    unsigned way_count;
    uint64_t flows, count, rate;
    double seconds;
    unsigned char *packets; /* BATCH of them */
    struct iovec parts[BATCH];
    size_t payload;
    unsigned first_port;
};

static void fail(const char *what)
{
    fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || end == text || *end) {
        fprintf(stderr, "flood: '%s' is no number\n", text);
        exit(2);
    }
    return value;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void add_way(struct flood *flood, const char *source, const char *destination)
{
    struct way *way = &flood->ways[flood->way_count++];
    way->family = strchr(source, ':') ? AF_INET6 : AF_INET;
    way->source.any.sa_family = way->destination.any.sa_family = (sa_family_t)way->family;
    void *from = &way->source.four.sin_addr, *to = &way->destination.four.sin_addr;
    way->address_len = sizeof(struct sockaddr_in);
    if (way->family == AF_INET6) {
        from = &way->source.six.sin6_addr;
        to = &way->destination.six.sin6_addr;
        way->address_len = sizeof(struct sockaddr_in6);
    }
    if (inet_pton(way->family, source, from) != 1 || inet_pton(way->family, destination, to) != 1) {
        fprintf(stderr, "flood: not an address\n");
        exit(2);
    }
}

static void add_second_way(struct flood *flood, char *value)
{
    char *comma = strchr(value, ',');
    if (!comma || flood->way_count == 2) {
        fprintf(stderr, "flood: beside=SOURCE,DESTINATION, once\n");
        exit(2);
    }
    *comma = 0;
    add_way(flood, value, comma + 1);
}

static void set_options(struct flood *flood, int count, char **options)
{
    for (int i = 0; i < count; i++) {
        char *value = strchr(options[i], '=');
        if (!value) {
            fprintf(stderr, "flood: '%s' is not NAME=VALUE\n", options[i]);
            exit(2);
        }
        *value++ = 0;
        if (!strcmp(options[i], "count"))
            flood->count = number(value);
        else if (!strcmp(options[i], "seconds"))
            flood->seconds = strtod(value, NULL);
        else if (!strcmp(options[i], "rate"))
            flood->rate = number(value);
        else if (!strcmp(options[i], "port"))
            flood->first_port = (unsigned)number(value);
        else if (!strcmp(options[i], "beside"))
            add_second_way(flood, value);
    }
}

/* A raw socket, so that one descriptor serves every source port; the UDP header is ours. */
static int open_socket(const struct way *way)
{
    int fd = socket(way->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
    if (fd < 0)
        fail("socket");
    if (bind(fd, &way->source.any, way->address_len) < 0)
        fail("bind");
    int room = 8 << 20;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room,
                     sizeof room); /* a smaller one only slows us down */
    int offset = 6;                /* of the checksum: the kernel fills it in, as IPv6 demands */
    if (way->family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, sizeof offset) < 0)
        fail("IPV6_CHECKSUM");
    return fd;
}

static void fill_header(const struct flood *flood, uint64_t flow, unsigned char *packet)
{
    unsigned source = FIRST_SOURCE_PORT + (unsigned)(flow % PORTS_EACH);
    unsigned destination = flood->first_port + (unsigned)(flow / PORTS_EACH);
    size_t len = RAW_HEADER + flood->payload;
    unsigned char header[RAW_HEADER] = {
        (unsigned char)(source >> 8), (unsigned char)source,     (unsigned char)(destination >> 8),
        (unsigned char)destination,   (unsigned char)(len >> 8), (unsigned char)len,
    };
    memcpy(packet, header, sizeof header);
}

static void wait_for_rate(const struct flood *flood, uint64_t sent, double begin)
{
    if (!flood->rate)
        return;
    double due = begin + (double)sent / (double)flood->rate, left = due - now();
    if (left <= 0.001)
        return;
    struct timespec pause = {.tv_nsec = (long)(left * 1e9) % 1000000000L, .tv_sec = (time_t)left};
    nanosleep(&pause, NULL);
}

static void prepare(struct flood *flood)
{
    size_t len = RAW_HEADER + flood->payload;
    flood->packets = calloc(BATCH, len);
    if (!flood->packets)
        fail("memory");
    for (size_t i = 0; i < BATCH; i++)
        flood->parts[i] = (struct iovec){.iov_base = flood->packets + i * len, .iov_len = len};
    for (struct way *way = flood->ways; way < flood->ways + flood->way_count; way++) {
        way->fd = open_socket(way);
        for (size_t i = 0; i < BATCH; i++)
            way->messages[i].msg_hdr = (struct msghdr){.msg_name = &way->destination,
                                                       .msg_namelen = way->address_len,
                                                       .msg_iov = &flood->parts[i],
                                                       .msg_iovlen = 1};
    }
}

static void send_batch(const struct flood *flood, struct way *way)
{
    unsigned batch = BATCH;
    if (flood->count && flood->count - way->sent < BATCH)
        batch = (unsigned)(flood->count - way->sent);
    for (unsigned i = 0; i < batch; i++)
        fill_header(flood, (way->sent + i) % flood->flows, flood->parts[i].iov_base);
    int taken = sendmmsg(way->fd, way->messages, batch, 0);
    if (taken < 0 && errno != ENOBUFS && errno != EINTR)
        fail("sendmmsg");
    way->sent += taken > 0 ? (uint64_t)taken : 0;
}

static void send_all(struct flood *flood)
{
    struct way *way = &flood->ways[0];
    double begin = now();
    while (flood->count ? way->sent < flood->count : now() - begin < flood->seconds) {
        send_batch(flood, way);
        wait_for_rate(flood, way->sent, begin);
    }
    printf("%" PRIu64 " %.6f\n", way->sent, now() - begin);
}

/* Packets per second. */
static double send_slice(const struct flood *flood, struct way *way)
{
    uint64_t before = way->sent;
    double begin = now();
    double elapsed;
    do {
        send_batch(flood, way);
        elapsed = now() - begin;
    } while (elapsed < SLICE_SECONDS);
    return (double)(way->sent - before) / elapsed;
}

static int compare_numbers(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void alternate(struct flood *flood)
{
    static const unsigned turns[] = {0, 1, 1, 0};
    static double ratios[RATIOS_MAX];
    static double rates[RATIOS_MAX];
    size_t count = 0;
    double begin = now();
    while (count < RATIOS_MAX && now() - begin < flood->seconds) {
        double sums[2] = {0};
        for (size_t i = 0; i < sizeof turns / sizeof *turns; i++)
            sums[turns[i]] += send_slice(flood, &flood->ways[turns[i]]);
        rates[count] = sums[1] / 2;
        ratios[count++] = sums[0] / sums[1];
    }
    qsort(ratios, count, sizeof *ratios, compare_numbers);
    qsort(rates, count, sizeof *rates, compare_numbers);
    printf("%" PRIu64 " %" PRIu64 " %.0f %.4f %.4f %.4f\n", flood->ways[0].sent, flood->ways[1].sent,
           rates[count / 2], ratios[count / 2], ratios[count / 4], ratios[3 * count / 4]);
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr,
                "usage: flood SOURCE DESTINATION FLOWS PAYLOAD {count=N|seconds=S} [rate=PPS] [port=FIRST] "
                "[beside=SOURCE,DESTINATION]\n");
        return 2;
    }
    static struct flood flood;
    flood.flows = number(argv[3]);
    flood.payload = number(argv[4]);
    flood.first_port = 20000;
    add_way(&flood, argv[1], argv[2]);
    set_options(&flood, argc - 5, argv + 5);
    int two = flood.way_count == 2;
    if (!flood.flows || (!flood.count && flood.seconds <= 0) || (two && flood.count)) {
        fprintf(stderr,
                "flood: FLOWS and one of count= and seconds= must be positive; beside= goes with seconds=\n");
        return 2;
    }
    prepare(&flood);
    if (two)
        alternate(&flood);
    else
        send_all(&flood);
    free(flood.packets);
    return 0;
}
