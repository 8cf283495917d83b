# SPDX-License-Identifier: Apache-2.0
"""Capture files for tests: written in every form, read, and counted, all independently of the product."""

import collections
import socket
import struct

ETHERNET, NULL, RAW, LOOP, COOKED, RAW_IPV4, RAW_IPV6, COOKED_V2 = 1, 0, 101, 108, 113, 228, 229, 276
NS = 10**9

# time_ns since the epoch; data as captured; length as it was on the wire.
Frame = collections.namedtuple("Frame", "time_ns data length link", defaults=(ETHERNET,))
Key = collections.namedtuple("Key", "source destination source_port destination_port protocol")
Total = collections.namedtuple("Total", "packets bytes flags first last")


def frame(time, data, length=None, link=ETHERNET):
    """`time` in seconds, as an int, or a float of few digits."""
    data = bytes(data)
    return Frame(round(time * 1000) * (NS // 1000), data, len(data) if length is None else length, link)


# Writing


def pcap(frames, order="<", nano=False, link=ETHERNET, snap_len=262144):
    unit = 1 if nano else 1000
    out = struct.pack(order + "IHHiIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, snap_len, link)
    for one in frames:
        second, fraction = divmod(one.time_ns, NS)
        out += struct.pack(order + "IIII", second, fraction // unit, len(one.data), one.length) + one.data
    return out


def block(order, kind, body):
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def option(order, code, value):
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def section(order="<"):
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(order="<", link=ETHERNET, resolution=None, offset=None, snap_len=0):
    options = option(order, 2, b"eth0")
    if resolution is not None:
        options += option(order, 9, bytes([resolution]))
    if offset is not None:
        options += option(order, 14, struct.pack(order + "q", offset))
    return block(order, 1, struct.pack(order + "HHI", link, 0, snap_len) + options + option(order, 0, b""))


def ticks_per_second(resolution):
    return 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution


def enhanced(one, order="<", number=0, resolution=6, offset=0):
    ticks = (one.time_ns - offset * NS) * ticks_per_second(resolution) // NS
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(one.data), one.length)
    return block(order, 6, head + one.data + bytes(-len(one.data) % 4) + option(order, 2, bytes(4)) + bytes(4))


def obsolete(one, order="<", number=0):
    ticks = one.time_ns // 1000
    head = struct.pack(order + "HHIIII", number, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(one.data), one.length)
    return block(order, 2, head + one.data)


def simple(one, order="<"):
    return block(order, 3, struct.pack(order + "I", one.length) + one.data)


def pcapng(frames, order="<", link=ETHERNET):
    return section(order) + interface(order, link) + b"".join(enhanced(one, order) for one in frames)


# Reading and counting, for the golden captures: plain pcap of any byte order and resolution.


def read_pcap(path):
    data = path.read_bytes()
    order, nano = {
        b"\xd4\xc3\xb2\xa1": ("<", False),
        b"\xa1\xb2\xc3\xd4": (">", False),
        b"\x4d\x3c\xb2\xa1": ("<", True),
        b"\xa1\xb2\x3c\x4d": (">", True),
    }[data[:4]]
    link = struct.unpack_from(order + "I", data, 20)[0]
    frames = []
    at = 24
    while at < len(data):
        second, fraction, captured, length = struct.unpack_from(order + "IIII", data, at)
        at += 16
        frames.append(Frame(second * NS + fraction * (1 if nano else 1000), data[at : at + captured], length, link))
        at += captured
    return frames


def network_layer(one):
    """Offset of the network layer, and its ethertype."""
    offset = {ETHERNET: 12, COOKED: 14}[one.link]
    while len(one.data) >= offset + 2:
        ethertype = struct.unpack_from("!H", one.data, offset)[0]
        if ethertype not in (0x8100, 0x88A8, 0x9100):
            return offset + 2, ethertype
        offset += 4
    return offset, 0


def transport(data, offset, end, protocol):
    """Ports and record flags; what is not there is 0."""
    ports = (0, 0)
    flags = 0
    if protocol in (6, 17, 132) and len(data) >= offset + 4 and end >= offset + 4:
        ports = struct.unpack_from("!HH", data, offset)
    if protocol == 6 and len(data) >= offset + 14 and end >= offset + 14:
        seen = data[offset + 13]
        flags = seen & 7 | (16 if seen & 18 == 18 else 0)
    return (*ports, flags)


def parse_ipv4(data, rest):
    if len(data) < 20 or data[0] >> 4 != 4:
        return None
    header = (data[0] & 15) * 4
    total = struct.unpack_from("!H", data, 2)[0] or rest
    if header < 20 or total < header or len(data) < header:
        return None
    later = struct.unpack_from("!H", data, 6)[0] & 0x1FFF
    source_port, destination_port, flags = (0, 0, 0) if later else transport(data, header, total, data[9])
    source, destination = (socket.inet_ntop(socket.AF_INET, data[at : at + 4]) for at in (12, 16))
    return Key(source, destination, source_port, destination_port, data[9]), total, flags


def parse_ipv6(data, rest):
    if len(data) < 40 or data[0] >> 4 != 6:
        return None
    payload = struct.unpack_from("!H", data, 4)[0]
    total = 40 + payload if payload else rest
    protocol, offset, later = data[6], 40, False
    while protocol in (0, 43, 44, 60) and not later and len(data) >= offset + 8:
        if protocol == 44:
            later = struct.unpack_from("!H", data, offset + 2)[0] >> 3 > 0
            size = 8
        else:
            size = (data[offset + 1] + 1) * 8
        protocol = data[offset]
        offset += size
    source_port, destination_port, flags = (0, 0, 0) if later else transport(data, offset, total, protocol)
    source, destination = (socket.inet_ntop(socket.AF_INET6, data[at : at + 16]) for at in (8, 24))
    return Key(source, destination, source_port, destination_port, protocol), total, flags


def count(frames, interval=60):
    """(window, Key) to Total, of every IP packet."""
    totals = {}
    for one in frames:
        offset, ethertype = network_layer(one)
        parse = {0x0800: parse_ipv4, 0x86DD: parse_ipv6}.get(ethertype)
        parsed = parse and parse(one.data[offset:], one.length - offset)
        if not parsed:
            continue
        key, size, flags = parsed
        second = one.time_ns // NS
        place = (second // interval * interval, key)
        old = totals.get(place, Total(0, 0, 0, second, second))
        totals[place] = Total(old.packets + 1, old.bytes + size, old.flags | flags, min(old.first, second),
                              max(old.last, second))
    return totals
