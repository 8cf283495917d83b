/* SPDX-License-Identifier: Apache-2.0 */

/*
 * flood SOURCE DESTINATION FLOWS PAYLOAD {count=N | seconds=S} [rate=PPS] [port=FIRST]: IPv4 or IPv6 UDP,
 * round robin over FLOWS pairs of ports (16,384 source ports, then the next destination port), in batches
 * through sendmmsg(2). Prints how many packets the kernel took and in how many seconds.
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

enum { BATCH = 64, PORTS_EACH = 16384, FIRST_SOURCE_PORT = 16384, RAW_HEADER = 8 };

struct flood {
    int family;
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } source, destination;
    socklen_t address_len;
    uint64_t flows, count, rate;
    double seconds;
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

static void set_addresses(struct flood *flood, const char *source, const char *destination)
{
    flood->family = strchr(source, ':') ? AF_INET6 : AF_INET;
    flood->source.any.sa_family = flood->destination.any.sa_family = (sa_family_t)flood->family;
    void *from = &flood->source.four.sin_addr, *to = &flood->destination.four.sin_addr;
    flood->address_len = sizeof(struct sockaddr_in);
    if (flood->family == AF_INET6) {
        from = &flood->source.six.sin6_addr;
        to = &flood->destination.six.sin6_addr;
        flood->address_len = sizeof(struct sockaddr_in6);
    }
    if (inet_pton(flood->family, source, from) != 1 || inet_pton(flood->family, destination, to) != 1) {
        fprintf(stderr, "flood: not an address\n");
        exit(2);
    }
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
            flood->seconds = (double)number(value);
        else if (!strcmp(options[i], "rate"))
            flood->rate = number(value);
        else if (!strcmp(options[i], "port"))
            flood->first_port = (unsigned)number(value);
    }
}

/* A raw socket, so that one descriptor serves every source port; the UDP header is ours. */
static int open_socket(const struct flood *flood)
{
    int fd = socket(flood->family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
    if (fd < 0)
        fail("socket");
    if (bind(fd, &flood->source.any, flood->address_len) < 0)
        fail("bind");
    int room = 8 << 20;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room,
                     sizeof room); /* a smaller one only slows us down */
    int offset = 6;                /* of the checksum: the kernel fills it in, as IPv6 demands */
    if (flood->family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_CHECKSUM, &offset, sizeof offset) < 0)
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

static uint64_t send_all(const struct flood *flood, int fd)
{
    size_t len = RAW_HEADER + flood->payload;
    unsigned char *packets = calloc(BATCH, len);
    struct mmsghdr messages[BATCH] = {0};
    struct iovec parts[BATCH];
    if (!packets)
        fail("memory");
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){.iov_base = packets + (size_t)i * len, .iov_len = len};
        messages[i].msg_hdr = (struct msghdr){.msg_name = (void *)&flood->destination,
                                              .msg_namelen = flood->address_len,
                                              .msg_iov = &parts[i],
                                              .msg_iovlen = 1};
    }
    double begin = now();
    uint64_t sent = 0;
    while (flood->count ? sent < flood->count : now() - begin < flood->seconds) {
        unsigned batch = BATCH;
        if (flood->count && flood->count - sent < BATCH)
            batch = (unsigned)(flood->count - sent);
        for (unsigned i = 0; i < batch; i++)
            fill_header(flood, (sent + i) % flood->flows, packets + (size_t)i * len);
        int taken = sendmmsg(fd, messages, batch, 0);
        if (taken < 0 && errno != ENOBUFS && errno != EINTR)
            fail("sendmmsg");
        sent += taken > 0 ? (uint64_t)taken : 0;
        wait_for_rate(flood, sent, begin);
    }
    printf("%" PRIu64 " %.6f\n", sent, now() - begin);
    free(packets);
    return sent;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(
            stderr,
            "usage: flood SOURCE DESTINATION FLOWS PAYLOAD {count=N|seconds=S} [rate=PPS] [port=FIRST]\n");
        return 2;
    }
    struct flood flood = {.flows = number(argv[3]), .payload = number(argv[4]), .first_port = 20000};
    set_addresses(&flood, argv[1], argv[2]);
    set_options(&flood, argc - 5, argv + 5);
    if (!flood.flows || (!flood.count && flood.seconds <= 0)) {
        fprintf(stderr, "flood: FLOWS and one of count= and seconds= must be positive\n");
        return 2;
    }
    int fd = open_socket(&flood);
    send_all(&flood, fd);
    close(fd);
    return 0;
}
