/* SPDX-License-Identifier: Apache-2.0 */

/*
 * traffic FLOWS PACKETS > FILE: a pcap file of one interface, 10.0.0.5 and 2001:db8::5. Four of five packets
 * are IPv4, nine of ten TCP; each belongs to one of FLOWS flows, chosen at random, and all lie within one
 * minute. Frames are cut to their headers and a little more, as captures for this purpose are; the same
 * arguments give the same file.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ETHERNET = 14, IPV4 = 20, IPV6 = 40, TCP = 20, UDP = 8, PAYLOAD = 6, FRAME_MAX = 128 };

static const uint32_t first_second = 1700000040; /* a whole minute */

struct frame {
    uint8_t bytes[FRAME_MAX];
    uint32_t captured;
    uint32_t length;
};

/* splitmix64: every number of flow and packet gives its own bits. */
static uint64_t mix(uint64_t number)
{
    number += 0x9e3779b97f4a7c15ULL;
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9ULL;
    number = (number ^ (number >> 27)) * 0x94d049bb133111ebULL;
    return number ^ (number >> 31);
}

static void put_u16(uint8_t *at, unsigned number)
{
    at[0] = (uint8_t)(number >> 8);
    at[1] = (uint8_t)number;
}

static void put_ipv4(uint8_t *ip, uint64_t flow, int sent, unsigned protocol, unsigned ip_len)
{
    static const uint8_t own[4] = {10, 0, 0, 5};
    uint32_t peer = (uint32_t)(flow >> 16) | 0x20000000;
    ip[0] = 0x45;
    put_u16(ip + 2, ip_len);
    ip[8] = 64;
    ip[9] = (uint8_t)protocol;
    memcpy(ip + (sent ? 12 : 16), own, sizeof own);
    memcpy(ip + (sent ? 16 : 12), &peer, sizeof peer);
}

static void put_ipv6(uint8_t *ip, uint64_t flow, int sent, unsigned protocol, unsigned ip_len)
{
    static const uint8_t own[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 5};
    uint8_t peer[16] = {0x20, 0x01, 0x0d, 0xb8, 1};
    memcpy(peer + 8, &flow, sizeof flow);
    ip[0] = 0x60;
    put_u16(ip + 4, ip_len - IPV6);
    ip[6] = (uint8_t)protocol;
    ip[7] = 64;
    memcpy(ip + (sent ? 8 : 24), own, sizeof own);
    memcpy(ip + (sent ? 24 : 8), peer, sizeof peer);
}

static void make_frame(struct frame *frame, uint64_t flow_number, uint64_t packet_bits)
{
    uint64_t flow = mix(flow_number);
    int ipv6 = flow_number % 5 == 4;
    int sent = (int)(flow >> 60 & 1);
    unsigned protocol = flow % 10 == 9 ? 17 : 6;
    unsigned ip_header = ipv6 ? IPV6 : IPV4;
    unsigned header = ip_header + (protocol == 6 ? TCP : UDP);
    unsigned ip_len = header + (unsigned)(packet_bits % 1400);
    memset(frame, 0, sizeof *frame);
    put_u16(frame->bytes + 12, ipv6 ? 0x86dd : 0x0800);
    if (ipv6)
        put_ipv6(frame->bytes + ETHERNET, flow, sent, protocol, ip_len);
    else
        put_ipv4(frame->bytes + ETHERNET, flow, sent, protocol, ip_len);
    uint8_t *transport = frame->bytes + ETHERNET + ip_header;
    put_u16(transport + (sent ? 2 : 0), 1024 + (unsigned)(flow >> 48 & 0x7fff));
    put_u16(transport + (sent ? 0 : 2), 443);
    if (protocol == 17) {
        put_u16(transport + 4, ip_len - ip_header);
    } else {
        transport[12] = 5 << 4;
        transport[13] = packet_bits >> 32 & 15 ? 16 : 2; /* ACK, now and then SYN */
    }
    frame->captured = ETHERNET + header + PAYLOAD;
    frame->length = ETHERNET + ip_len > frame->captured ? ETHERNET + ip_len : frame->captured;
}

static uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || end == text || *end || value == 0) {
        fprintf(stderr, "traffic: '%s' is no number above 0\n", text);
        exit(2);
    }
    return value;
}

int main(int argc, char **argv)
{
    static const uint32_t file_header[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, FRAME_MAX, 1};
    if (argc != 3) {
        fprintf(stderr, "usage: traffic FLOWS PACKETS > FILE\n");
        return 2;
    }
    uint64_t flows = number(argv[1]);
    uint64_t packets = number(argv[2]);
    fwrite(file_header, sizeof file_header, 1, stdout);
    for (uint64_t i = 0; i < packets; i++) {
        struct frame frame;
        uint64_t bits = mix(~i);
        make_frame(&frame, bits % flows, mix(bits));
        uint64_t microsecond = i * 59000000 / packets;
        uint32_t record[4] = {first_second + (uint32_t)(microsecond / 1000000),
                              (uint32_t)(microsecond % 1000000), frame.captured, frame.length};
        fwrite(record, sizeof record, 1, stdout);
        fwrite(frame.bytes, frame.captured, 1, stdout);
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
