/* SPDX-License-Identifier: Apache-2.0 */

/* One frame: the first byte is its kind of link, the next four its length on the wire, the rest what was
 * captured. */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture/link.h"

#include "harness.h"

enum { HEAD = 5, IPV4_MIN = 20, IPV6_MIN = 40 };

static bool has_ports(uint8_t protocol)
{
    return protocol == PROTOCOL_TCP || protocol == PROTOCOL_UDP || protocol == PROTOCOL_SCTP;
}

/* What holds for every packet, whatever its bytes. */
static void check(const struct packet *packet)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    require(packet->family == 4 || packet->family == 6);
    require(packet->bytes >= (packet->family == 4 ? IPV4_MIN : IPV6_MIN));
    require(has_ports(packet->protocol) || (packet->source_port == 0 && packet->destination_port == 0));
    require(packet->protocol == PROTOCOL_TCP || packet->tcp_flags == 0);
    require((packet->tcp_flags & ~23) == 0);
    require(!(packet->tcp_flags & 16) || (packet->tcp_flags & 2)); /* ACK counts beside SYN alone */
    if (packet->family == 4)
        require(memcmp(packet->source, mapped, 12) == 0 && memcmp(packet->destination, mapped, 12) == 0);
}

static enum parse_result parse(enum link_kind kind, const uint8_t *data, size_t captured, uint32_t length,
                               struct packet *ret)
{
    struct packet_view view = {.data = data, .end = data + captured};
    return link_parse(kind, &view, length, ret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < HEAD)
        return 0;
    uint32_t length;
    memcpy(&length, data + 1, sizeof length);
    size_t captured = size - HEAD;
    if (length < captured)
        length = (uint32_t)captured;
    for (unsigned kind = LINK_UNSUPPORTED; kind <= LINK_COOKED_V2; kind++) {
        struct packet packet;
        struct packet again;
        if (data[0] != 0 && data[0] != kind)
            continue;
        if (parse((enum link_kind)kind, data + HEAD, captured, length, &packet) != PARSE_IP)
            continue;
        check(&packet);
        require(parse((enum link_kind)kind, data + HEAD, captured, length, &again) == PARSE_IP);
        require(memcmp(&packet, &again, sizeof packet) == 0); /* nothing is left unset */
    }
    return 0;
}
