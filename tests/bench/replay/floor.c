/* SPDX-License-Identifier: Apache-2.0 */

/*
 * floor FILE: the least that replaying a capture can cost. Reads a pcap file of Ethernet frames in this
 * machine's byte order, knows IPv4 without options, IPv6 without extension headers, TCP and UDP, trusts every
 * length, and counts packets and bytes per flow in one table that is large enough from the start, 16 packets
 * at a time so that cache misses overlap. No windows, no checks, no records: prints the totals.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BATCH = 16, BUFFER = 256 * 1024 };

#define SLOTS (1U << 21)

struct slot {
    uint64_t key[5]; /* addresses, ports, protocol */
    uint64_t packets;
    uint64_t bytes;
    uint64_t flags;
};

struct sighting {
    uint64_t key[5];
    uint64_t hash;
    uint32_t bytes;
    uint32_t flags;
};

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash(const uint64_t key[5])
{
    return fold(fold(key[0] ^ 0xa0761d6478bd642fULL, key[1] ^ 0xe7037ed1a0b428dbULL) ^ key[4],
                fold(key[2] ^ 0x8ebc6af09c88c6e3ULL, key[3] ^ 0x589965cc75374cc3ULL) ^ 0x1d8e4e27c47d124fULL);
}

static void parse(const uint8_t *frame, struct sighting *ret)
{
    int ipv6 = frame[12] == 0x86;
    const uint8_t *ip = frame + 14;
    const uint8_t *transport = ip + (ipv6 ? 40 : 20);
    uint8_t protocol = ipv6 ? ip[6] : ip[9];
    memset(ret, 0, sizeof *ret);
    if (ipv6) {
        memcpy(ret->key, ip + 8, 32);
        ret->bytes = 40U + (uint32_t)(ip[4] << 8 | ip[5]);
    } else {
        memcpy(ret->key, ip + 12, 4);
        memcpy(ret->key + 2, ip + 16, 4);
        ret->bytes = (uint32_t)(ip[2] << 8 | ip[3]);
    }
    uint32_t ports;
    memcpy(&ports, transport, sizeof ports);
    ret->key[4] = (uint64_t)ports << 16 | (uint64_t)protocol << 8 | (uint64_t)ipv6;
    if (protocol == 6)
        ret->flags = transport[13] & 23;
    ret->hash = hash(ret->key);
}

static void count(struct slot *slots, const struct sighting *sighting)
{
    size_t at = sighting->hash & (SLOTS - 1);
    while (slots[at].packets && memcmp(slots[at].key, sighting->key, sizeof sighting->key) != 0)
        at = (at + 1) & (SLOTS - 1);
    memcpy(slots[at].key, sighting->key, sizeof sighting->key);
    slots[at].packets++;
    slots[at].bytes += sighting->bytes;
    slots[at].flags |= sighting->flags;
}

static void flush(struct slot *slots, const struct sighting *batch, int size)
{
    for (int i = 0; i < size; i++)
        count(slots, &batch[i]);
}

/* Whole records of the buffer; returns how many bytes they are. */
static size_t walk(const uint8_t *buffer, size_t len, struct slot *slots)
{
    struct sighting batch[BATCH];
    int size = 0;
    size_t at = 0;
    while (len - at >= 16) {
        uint32_t captured;
        memcpy(&captured, buffer + at + 8, sizeof captured);
        if (captured > len - at - 16)
            break;
        parse(buffer + at + 16, &batch[size]);
        __builtin_prefetch(&slots[batch[size].hash & (SLOTS - 1)], 1);
        at += 16 + captured;
        if (++size == BATCH) {
            flush(slots, batch, size);
            size = 0;
        }
    }
    flush(slots, batch, size);
    return at;
}

static void print_totals(const struct slot *slots)
{
    uint64_t flows = 0;
    uint64_t packets = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        flows += slots[i].packets > 0;
        packets += slots[i].packets;
        bytes += slots[i].bytes;
    }
    printf("%" PRIu64 " flows %" PRIu64 " packets %" PRIu64 " bytes\n", flows, packets, bytes);
}

int main(int argc, char **argv)
{
    int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    struct slot *slots =
        mmap(NULL, SLOTS * sizeof *slots, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint8_t *buffer = malloc(BUFFER);
    if (fd < 0 || slots == MAP_FAILED || !buffer || lseek(fd, 24, SEEK_SET) != 24) {
        fprintf(stderr, "usage: floor FILE\n");
        return 2;
    }
    madvise(slots, SLOTS * sizeof *slots, MADV_HUGEPAGE);
    size_t len = 0;
    ssize_t got;
    while ((got = read(fd, buffer + len, BUFFER - len)) > 0) {
        len += (size_t)got;
        size_t used = walk(buffer, len, slots);
        len -= used;
        memmove(buffer, buffer + used, len);
    }
    print_totals(slots);
    return got < 0;
}
