# SPDX-License-Identifier: Apache-2.0
"""flowlog replay: captures of every form, against an independent count of their packets."""

import csv
import gzip
import ipaddress
import json
import os
import pathlib
import random
import struct
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP
from scapy.layers.inet6 import (IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting,
                                ICMPv6EchoRequest)
from scapy.layers.l2 import ARP, GRE, Dot1Q, Ether
from scapy.layers.sctp import SCTP
from scapy.packet import Raw

import captures
from captures import NS, frame

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))
GOLDEN = ROOT / "tests" / "golden" / "pcap"
T0 = 1700000040  # a whole minute, and a whole ten minutes less 40 s

A, B, C = "10.1.0.5", "10.1.0.9", "198.51.100.7"
A6, B6 = "2001:db8::5", "2001:db8::9"


def run(*arguments, **options):
    # The clang build reports what it finds on stderr, so an empty stderr says that too.
    return subprocess.run([BUILD / "flowlog", "replay", *arguments], capture_output=True, timeout=60, check=False,
                          **options)


def replay(source, *arguments, expect=0):
    """Records as dictionaries of text. `source`: bytes of a capture (by standard input), or a path."""
    is_path = isinstance(source, pathlib.Path)
    done = run(source if is_path else "-", "--format", "all", "--header", *arguments,
               input=None if is_path else source)
    assert done.returncode == expect, done.stderr
    if expect == 0:
        assert done.stderr == b""
    lines = done.stdout.decode("ascii").splitlines()
    names = lines[0].split(" ")
    return [dict(zip(names, line.split(" "), strict=True)) for line in lines[1:]]


def key_of(record):
    return captures.Key(record["pkt-srcaddr"], record["pkt-dstaddr"], int(record["srcport"]), int(record["dstport"]),
                        int(record["protocol"]))


def total_of(record):
    return captures.Total(*(int(record[name]) for name in ("packets", "bytes", "tcp-flags", "start", "end")))


def totals(records, interval=60):
    """As captures.count, and each key must be there once."""
    found = {}
    for record in records:
        if record["log-status"] == "NODATA":
            continue
        place = (int(record["start"]) // interval * interval, key_of(record))
        assert place not in found
        found[place] = total_of(record)
    return found


def ethernet(payload, **fields):
    return Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", **fields) / payload


def tcp(source, destination, flags="A", sport=40000, dport=443, size=0):
    ip = IPv6 if ":" in source else IP
    return ip(src=source, dst=destination) / TCP(sport=sport, dport=dport, flags=flags) / Raw(b"x" * size)


def conversation(start=T0):
    """An opened and closed connection, and a rejected one, seen by A."""
    packets = [
        (0.0, tcp(A, B, "S")),
        (0.1, tcp(B, A, "SA", 443, 40000)),
        (0.2, tcp(A, B, "A")),
        (1.5, tcp(A, B, "PA", size=100)),
        (2.5, tcp(B, A, "PA", 443, 40000, size=1000)),
        (3.0, tcp(A, B, "FA")),
        (3.999, tcp(B, A, "FA", 443, 40000)),
        (5.0, tcp(A6, B6, "SEC")),
        (5.1, tcp(B6, A6, "RA", 443, 40000)),
    ]
    return [frame(start + time, ethernet(packet)) for time, packet in packets]


# Golden captures


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.pcap")))
def test_golden_capture_equals_independent_count(name):
    expected = captures.count(captures.read_pcap(GOLDEN / name))
    assert expected
    assert totals(replay(GOLDEN / name)) == expected


@pytest.mark.parametrize("log", sorted(path.name for path in GOLDEN.glob("*.expected-conn.log")))
def test_golden_capture_equals_zeek(log):
    lines = (GOLDEN / log).read_text(encoding="utf-8").splitlines()
    names = next(line for line in lines if line.startswith("#fields")).split("\t")[1:]
    connections = list(csv.DictReader((line for line in lines if not line.startswith("#")), names, delimiter="\t"))
    assert connections
    found = {}
    for record in replay(GOLDEN / log.replace(".expected-conn.log", ".pcap")):
        key, total = key_of(record), total_of(record)
        packets, size = found.get(key, (0, 0))
        found[key] = (packets + total.packets, size + total.bytes)
    ports_known = {"tcp", "udp"}
    for connection in connections:
        for own, other, side in (("orig", "resp", "orig"), ("resp", "orig", "resp")):
            matching = [
                counts for key, counts in found.items()
                if (key.source, key.destination) == (connection[f"id.{own}_h"], connection[f"id.{other}_h"])
                and key.protocol == int(connection["ip_proto"])
                and (connection["proto"] not in ports_known or (key.source_port, key.destination_port) ==
                     (int(connection[f"id.{own}_p"]), int(connection[f"id.{other}_p"])))
            ]
            expected = (int(connection[f"{side}_pkts"]), int(connection[f"{side}_ip_bytes"]))
            assert (sum(c[0] for c in matching), sum(c[1] for c in matching)) == expected


# Forms of files

FORMS = {
    "micro little": lambda frames: captures.pcap(frames),
    "micro big": lambda frames: captures.pcap(frames, ">"),
    "nano little": lambda frames: captures.pcap(frames, nano=True),
    "nano big": lambda frames: captures.pcap(frames, ">", nano=True),
    "checksum length in the link type": lambda frames: captures.pcap(frames, link=captures.ETHERNET | 0x14000000),
    "gzip": lambda frames: gzip.compress(captures.pcap(frames)),
    "gzip of two members": lambda frames: gzip.compress(captures.pcap(frames)[:100]) +
                           gzip.compress(captures.pcap(frames)[100:]),
    "pcapng little": lambda frames: captures.pcapng(frames),
    "pcapng big": lambda frames: captures.pcapng(frames, ">"),
    "pcapng gzip": lambda frames: gzip.compress(captures.pcapng(frames)),
    "pcapng nanoseconds": lambda frames: captures.section() + captures.interface(resolution=9) +
                          b"".join(captures.enhanced(one, resolution=9) for one in frames),
    "pcapng milliseconds": lambda frames: captures.section() + captures.interface(resolution=3) +
                           b"".join(captures.enhanced(one, resolution=3) for one in frames),
    "pcapng powers of two": lambda frames: captures.section() + captures.interface(resolution=0x80 | 20) +
                            b"".join(captures.enhanced(one, resolution=0x80 | 20) for one in frames),
    "pcapng time offset": lambda frames: captures.section(">") + captures.interface(">", offset=T0 - 1000) +
                          b"".join(captures.enhanced(one, ">", offset=T0 - 1000) for one in frames),
    "pcapng negative time offset": lambda frames: captures.section() + captures.interface(offset=-500) +
                                   b"".join(captures.enhanced(one, offset=-500) for one in frames),
    "pcapng obsolete blocks": lambda frames: captures.section() + captures.interface() +
                              b"".join(captures.obsolete(one) for one in frames),
    "pcapng sections of both orders": lambda frames: captures.pcapng(frames[:4], ">") + captures.pcapng(frames[4:]),
    "pcapng other blocks between": lambda frames: captures.section() + captures.block("<", 4, bytes(8)) +
                                   captures.interface() + b"".join(
                                       captures.block("<", 0x40000BAD, bytes(3_000_000)) + captures.enhanced(one)
                                       for one in frames),
    "pcapng interfaces taking turns": lambda frames: captures.section() + captures.interface() +
                                      captures.interface(resolution=9) + b"".join(
                                          captures.enhanced(one, number=i % 2, resolution=(6, 9)[i % 2])
                                          for i, one in enumerate(frames)),
}


@pytest.mark.parametrize("form", FORMS)
def test_form_of_file(form):
    frames = conversation()
    assert totals(replay(FORMS[form](frames), "--address", A)) == captures.count(frames)


def test_file_by_name_equals_standard_input(tmp_path):
    data = captures.pcap(conversation())
    (tmp_path / "a.pcap").write_bytes(data)
    assert replay(tmp_path / "a.pcap") == replay(data)


def test_simple_packets_have_the_time_of_the_packet_before():
    frames = conversation()
    data = captures.section() + captures.interface() + captures.enhanced(frames[0]) + captures.simple(frames[3])
    (record,) = replay(data, "--address", A)
    assert total_of(record) == captures.Total(2, 40 + 140, 2, T0, T0)


def test_snap_length_of_simple_packets():
    one = frame(T0, ethernet(tcp(A, B, "S", size=1000)))
    cut = one._replace(data=one.data[:54])
    data = captures.section() + captures.interface(snap_len=54) + captures.simple(cut)
    (record,) = replay(data, "--address", A)
    assert (record["packets"], record["bytes"], record["tcp-flags"]) == ("1", "1040", "2")


IPV4_LINKS = {
    captures.NULL: struct.pack("<I", 2),
    captures.LOOP: struct.pack(">I", 2),
    12: b"",
    14: b"",
    captures.RAW: b"",
    captures.RAW_IPV4: b"",
    captures.COOKED: struct.pack("!HHH8sH", 0, 1, 6, bytes(8), 0x0800),
    captures.COOKED_V2: struct.pack("!HHIHBB8s", 0x0800, 0, 2, 1, 0, 6, bytes(8)),
}
IPV6_LINKS = {
    captures.NULL: struct.pack(">I", 30),
    captures.LOOP: struct.pack(">I", 24),
    12: b"",
    captures.RAW: b"",
    captures.RAW_IPV6: b"",
    captures.COOKED: struct.pack("!HHH8sH", 4, 1, 6, bytes(8), 0x86DD),
    captures.COOKED_V2: struct.pack("!HHIHBB8s", 0x86DD, 0, 2, 1, 4, 6, bytes(8)),
}


@pytest.mark.parametrize("link", IPV4_LINKS)
def test_link_type_ipv4(link):
    data = captures.pcap([frame(T0, IPV4_LINKS[link] + bytes(tcp(A, B, "S")))], link=link)
    (record,) = replay(data, "--address", A)
    assert key_of(record) == (A, B, 40000, 443, 6)
    assert total_of(record) == (1, 40, 2, T0, T0)


@pytest.mark.parametrize("link", IPV6_LINKS)
def test_link_type_ipv6(link):
    data = captures.pcap([frame(T0, IPV6_LINKS[link] + bytes(tcp(A6, B6, "S")))], link=link)
    (record,) = replay(data, "--address", A6)
    assert key_of(record) == (A6, B6, 40000, 443, 6)
    assert total_of(record) == (1, 60, 2, T0, T0)


def test_vlan_behind_a_cooked_header():
    head = struct.pack("!HHH8sH", 0, 1, 6, bytes(8), 0x8100) + struct.pack("!HH", 7, 0x0800)
    data = captures.pcap([frame(T0, head + bytes(tcp(A, B)))], link=captures.COOKED)
    assert [key_of(record) for record in replay(data)] == [(A, B, 40000, 443, 6)]


def test_offloaded_packet_behind_a_cooked_header_counts_what_follows_it():
    packet = bytearray(bytes(tcp(A, B, size=2000)))
    packet[2:4] = bytes(2)
    data = captures.pcap([frame(T0, IPV4_LINKS[captures.COOKED_V2] + bytes(packet), 70000)], link=captures.COOKED_V2)
    assert replay(data)[0]["bytes"] == str(70000 - 20)


def test_unknown_link_type_is_named():
    done = run("-", input=captures.pcap(conversation(), link=127))
    assert done.returncode == 4
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1
    assert b"link type 127 (IEEE 802.11 with radiotap header)" in done.stderr


def test_unknown_link_type_of_one_interface_leaves_the_others():
    frames = conversation()
    data = captures.section() + captures.interface() + captures.interface(link=147) + b"".join(
        captures.enhanced(one, number=i % 2) for i, one in enumerate(frames))
    done = run("-", "--stats", "--address", A, input=data)
    assert done.returncode == 4
    assert b"link type 147" in done.stderr and b"4 packets left out" in done.stderr
    assert b"packets recorded: 5\n" in done.stderr
    assert sum(int(line.split()[8]) for line in done.stdout.splitlines()) == 5


def test_unused_interface_of_unknown_link_type_is_no_error():
    frames = conversation()
    data = captures.section() + captures.interface(link=147) + captures.interface() + b"".join(
        captures.enhanced(one, number=1) for one in frames)
    assert totals(replay(data)) == captures.count(frames)


# Packets


def changed(packet, at, value):
    data = bytearray(bytes(packet))
    data[at : at + len(value)] = value
    return bytes(data)


def ipv6_extensions(*headers):
    packet = IPv6(src=A6, dst=B6)
    for header in headers:
        packet = packet / header
    return packet


UDP6 = UDP(sport=5353, dport=53) / Raw(b"x" * 20)
IP_AT, TCP_AT = 14, 34

# Name: frame data, its length on the wire or None, and the flow expected: source, destination, ports, protocol, bytes, flags.
PACKETS = {
    "vlan": (ethernet(Dot1Q(vlan=7) / tcp(A, B, "S")), None, (A, B, 40000, 443, 6, 40, 2)),
    "vlan in vlan": (ethernet(Dot1Q(vlan=7) / Dot1Q(vlan=8) / tcp(A, B), type=0x88A8), None,
                     (A, B, 40000, 443, 6, 40, 0)),
    "options": (ethernet(IP(src=A, dst=B, options=[IPOption_NOP()] * 8) / TCP(sport=1, dport=2, flags="SA")), None,
                (A, B, 1, 2, 6, 48, 18)),
    "padding is not counted": (bytes(ethernet(tcp(A, B))) + bytes(6), None, (A, B, 40000, 443, 6, 40, 0)),
    "first fragment": (ethernet(IP(src=A, dst=B, flags="MF") / UDP(sport=1, dport=2) / Raw(b"x" * 32)), None,
                       (A, B, 1, 2, 17, 60, 0)),
    "later fragment": (ethernet(IP(src=A, dst=B, frag=5, proto=6) / Raw(bytes(range(40)))), None,
                       (A, B, 0, 0, 6, 60, 0)),
    "tiny first fragment": (ethernet(IP(src=A, dst=B, flags="MF", proto=6) / Raw(bytes(tcp(A, B, "S"))[20:28])), None,
                            (A, B, 40000, 443, 6, 28, 0)),
    "fragment of two bytes": (bytes(ethernet(IP(src=A, dst=B, flags="MF", proto=17) / Raw(b"\1\2"))) + bytes(24), None,
                              (A, B, 0, 0, 17, 22, 0)),
    "cut behind the ports": (bytes(ethernet(tcp(A, B, "S", size=500)))[:40], 554, (A, B, 40000, 443, 6, 540, 0)),
    "cut inside the ports": (bytes(ethernet(tcp(A, B, "S", size=500)))[:37], 554, (A, B, 0, 0, 6, 540, 0)),
    "cut behind the flags": (bytes(ethernet(tcp(A, B, "S", size=500)))[:48], 554, (A, B, 40000, 443, 6, 540, 2)),
    "offloaded": (changed(ethernet(tcp(A, B, "PA", size=3000)), IP_AT + 2, bytes(2)), 60054,
                  (A, B, 40000, 443, 6, 60040, 0)),
    "offloaded behind a vlan tag": (changed(ethernet(Dot1Q(vlan=1) / tcp(A, B)), IP_AT + 4 + 2, bytes(2)), 60058,
                                    (A, B, 40000, 443, 6, 60040, 0)),
    "offloaded ipv6": (changed(ethernet(tcp(A6, B6, "PA", size=2000)), IP_AT + 4, bytes(2)), 70014,
                       (A6, B6, 40000, 443, 6, 70000, 0)),
    "flags that do not count": (ethernet(tcp(A, B, "PAUEC")), None, (A, B, 40000, 443, 6, 40, 0)),
    "fin and ack": (ethernet(tcp(A, B, "FA")), None, (A, B, 40000, 443, 6, 40, 1)),
    "reset and ack": (ethernet(tcp(A, B, "RA")), None, (A, B, 40000, 443, 6, 40, 4)),
    "syn and fin": (ethernet(tcp(A, B, "SF")), None, (A, B, 40000, 443, 6, 40, 3)),
    "icmp": (ethernet(IP(src=A, dst=B) / ICMP(type=8, id=7) / Raw(b"x" * 56)), None, (A, B, 0, 0, 1, 84, 0)),
    "sctp": (ethernet(IP(src=A, dst=B) / SCTP(sport=5000, dport=6000)), None, (A, B, 5000, 6000, 132, 32, 0)),
    "gre": (ethernet(IP(src=A, dst=B) / GRE() / tcp(B, A, "S")), None, (A, B, 0, 0, 47, 64, 0)),
    "ip in ip": (ethernet(IP(src=A, dst=B) / tcp(B, C, "S")), None, (A, B, 0, 0, 4, 60, 0)),
    "esp": (ethernet(IP(src=A, dst=B, proto=50) / Raw(b"\1\2\3\4\5\6\7\0" * 4)), None, (A, B, 0, 0, 50, 52, 0)),
    "vxlan": (ethernet(IP(src=A, dst=B) / UDP(sport=9, dport=4789) / Raw(b"\x08" + bytes(7) + bytes(ethernet(tcp(B, A))))),
              None, (A, B, 9, 4789, 17, 90, 0)),
    "icmpv6": (ethernet(IPv6(src=A6, dst=B6) / ICMPv6EchoRequest(data=b"x" * 32)), None, (A6, B6, 0, 0, 58, 80, 0)),
    "hop by hop": (ethernet(ipv6_extensions(IPv6ExtHdrHopByHop(), UDP6)), None, (A6, B6, 5353, 53, 17, 76, 0)),
    "every extension header": (
        ethernet(ipv6_extensions(IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(addresses=["2001:db8::1"]),
                                 IPv6ExtHdrFragment(m=1), IPv6ExtHdrDestOpt(), UDP6)), None,
        (A6, B6, 5353, 53, 17, 124, 0)),
    "later fragment of ipv6": (ethernet(ipv6_extensions(IPv6ExtHdrFragment(offset=100, nh=6), Raw(bytes(range(30))))), None,
                               (A6, B6, 0, 0, 6, 78, 0)),
    "no next header": (ethernet(IPv6(src=A6, dst=B6, nh=59) / Raw(b"x")), None, (A6, B6, 0, 0, 59, 41, 0)),
    "ipv4-mapped addresses in ipv6": (ethernet(tcp("::ffff:192.0.2.1", "::1", "S")), None,
                                      ("::ffff:192.0.2.1", "::1", 40000, 443, 6, 60, 2)),
}


@pytest.mark.parametrize("name", PACKETS)
def test_packet(name):
    data, length, (source, destination, sport, dport, protocol, size, flags) = PACKETS[name]
    frames = [frame(T0 + 7, data, length)]
    records = replay(captures.pcap(frames))
    expected = {(T0, captures.Key(source, destination, sport, dport, protocol)):
                captures.Total(1, size, flags, T0 + 7, T0 + 7)}
    assert totals(records) == expected
    assert captures.count(frames) == expected  # the independent count knows the rules as well
    assert records[0]["type"] == ("IPv6" if ":" in source else "IPv4")


MALFORMED = {
    "header cut": bytes(ethernet(tcp(A, B)))[:33],
    "header of ipv6 cut": bytes(ethernet(tcp(A6, B6)))[:53],
    "wrong version": changed(ethernet(tcp(A, B)), IP_AT, b"\x65"),
    "wrong version of ipv6": changed(ethernet(tcp(A6, B6)), IP_AT, b"\x45"),
    "header length too small": changed(ethernet(tcp(A, B)), IP_AT, b"\x44"),
    "total length too small": changed(ethernet(tcp(A, B)), IP_AT + 2, b"\x00\x13"),
    "options cut": bytes(ethernet(IP(src=A, dst=B, options=[IPOption_NOP()] * 8) / TCP()))[:40],
    "nothing behind the ethertype": bytes(ethernet(tcp(A, B)))[:14],
}
NOT_IP = {
    "arp": ethernet(ARP(psrc=A, pdst=B)),
    "ethernet header cut": bytes(ethernet(tcp(A, B)))[:13],
    "empty": b"",
    "vlan tag cut": bytes(ethernet(Dot1Q(vlan=1) / tcp(A, B)))[:17],
    "IEEE 802.3": ethernet(Raw(b"\x42" * 40), type=40),
}


@pytest.mark.parametrize("name", MALFORMED | NOT_IP)
def test_frame_without_record(name):
    good = conversation()
    data = captures.pcap([good[0], frame(T0, (MALFORMED | NOT_IP)[name], 60), *good[1:]])
    done = run("-", "--stats", "--address", A, "--format", "all", "--header", input=data)
    assert done.returncode == 0
    assert f"packets recorded: {len(good)}\n".encode() in done.stderr
    assert b"frames that are no IP: %d\n" % (name in NOT_IP) in done.stderr
    assert b"cut or inconsistent IP header: %d\n" % (name in MALFORMED) in done.stderr
    assert totals(replay(data, "--address", A)) == captures.count(good)


# Directions and addresses


def ends(source, destination, *arguments):
    """(srcaddr, dstaddr, flow-direction) of one packet."""
    (record,) = replay(captures.pcap([frame(T0, ethernet(tcp(source, destination)))]), *arguments)
    assert (record["pkt-srcaddr"], record["pkt-dstaddr"]) == (source, destination)
    assert record["action"] == "ACCEPT"
    return record["srcaddr"], record["dstaddr"], record["flow-direction"]


@pytest.mark.parametrize("source, destination, own, expected", [
    (A, C, A, (A, C, "egress")),
    (C, A, A, (C, A, "ingress")),
    (C, "10.1.0.6", f"{A},10.1.0.6", (C, A, "ingress")),  # to a secondary address
    ("10.1.0.6", C, f"{A},10.1.0.6", (A, C, "egress")),  # from a secondary address
    (C, B, A, (C, A, "ingress")),  # to somebody else: a middlebox
    (C, "224.0.0.251", A, (C, A, "ingress")),
    (C, "255.255.255.255", A, (C, A, "ingress")),
    (A, "224.0.0.251", A, (A, "224.0.0.251", "egress")),
    (A, "10.1.0.6", f"{A},10.1.0.6", (A, "10.1.0.6", "egress")),  # to itself: sent first
    (A6, B6, f"{A},{A6}", (A6, B6, "egress")),
    (B6, "2001:db8::6", f"{A},{A6},2001:db8::6", (B6, A6, "ingress")),
    ("2001:db8::6", B6, f"2001:db8::6,{A6}", ("2001:db8::6", B6, "egress")),
    (B6, "ff02::fb", f"{A6}", (B6, A6, "ingress")),
    (B6, A6, A, (B6, A6, "ingress")),  # no own address of the family: nothing is replaced
    (A6, B6, A, (A6, B6, "ingress")),
    (C, B, A6, (C, B, "ingress")),
])
def test_own_end_shows_the_primary_address(source, destination, own, expected):
    assert ends(source, destination, "--address", own) == expected


def test_busiest_address_is_the_own_one():
    packets = [tcp(A, B), tcp(B, A), tcp(C, A), tcp(C, A), tcp(A, C), tcp(B, C)]
    records = replay(captures.pcap([frame(T0, ethernet(packet)) for packet in packets]))
    assert {record["pkt-srcaddr"]: record["flow-direction"] for record in records} == {
        A: "egress", B: "ingress", C: "ingress"}
    to_c = next(record for record in records if (record["pkt-srcaddr"], record["pkt-dstaddr"]) == (B, C))
    assert to_c["dstaddr"] == A


def test_busiest_address_counts_packets_of_a_flow_not_flows():
    packets = [tcp(A, B)] * 5 + [tcp(C, f"10.9.9.{i}") for i in range(4)]
    records = replay(captures.pcap([frame(T0, ethernet(packet)) for packet in packets]))
    assert {record["pkt-srcaddr"] for record in records if record["flow-direction"] == "egress"} == {A}


def test_broadcast_and_multicast_are_never_the_own_address():
    packets = [tcp(source, "255.255.255.255") for source in (A, B, C)] + [tcp(source, "224.0.0.1") for source in (A, B, C)]
    records = replay(captures.pcap([frame(T0, ethernet(packet)) for packet in packets + [tcp(B, C)]]))
    assert {record["pkt-srcaddr"] for record in records if record["flow-direction"] == "egress"} == {B}


def test_interface_id_is_derived_from_the_address_and_stable():
    data = captures.pcap(conversation())
    (one,) = {record["interface-id"] for record in replay(data, "--address", A)}
    assert len(one) == 21 and one.startswith("eni-0") and int(one[4:], 16)
    assert {record["interface-id"] for record in replay(data)} == {one}
    assert one not in {record["interface-id"] for record in replay(data, "--address", B)}


def test_ids_given():
    ids = {"interface-id": "eni-0123456789abcdef0", "account-id": "123456789012", "vpc-id": "vpc-0a",
           "subnet-id": "subnet-0a", "instance-id": "i-0a", "region": "eu-central-1", "az-id": "euc1-az2"}
    options = [part for name, value in ids.items() for part in (f"--{name}", value)]
    for record in replay(captures.pcap(conversation()), *options):
        assert {name: record[name] for name in ids} == ids


def test_fields_nobody_knows():
    record = replay(captures.pcap(conversation()), "--address", A)[0]
    known = {"version", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "start",
             "end", "action", "log-status", "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr", "flow-direction"}
    assert {name for name, value in record.items() if value != "-"} == known
    assert record["version"] == "11"


# Windows


def test_window_boundaries():
    packets = [T0 - 0.001, T0, T0 + 59.999, T0 + 60]
    frames = [frame(time, ethernet(tcp(A, B))) for time in packets]
    assert [total_of(record)[0:1] + total_of(record)[3:] for record in replay(captures.pcap(frames), "--address", A)] == [
        (1, T0 - 1, T0 - 1), (2, T0, T0 + 59), (1, T0 + 60, T0 + 60)]


def test_interval_of_ten_minutes():
    base = T0 - T0 % 600
    frames = [frame(base + second, ethernet(tcp(A, B))) for second in (0, 61, 599, 600, 1800)]
    records = replay(captures.pcap(frames), "--interval", "600", "--address", A)
    assert [(record["packets"], record["start"], record["end"], record["log-status"]) for record in records] == [
        ("3", str(base), str(base + 599), "OK"), ("1", str(base + 600), str(base + 600), "OK"),
        ("-", str(base + 1200), str(base + 1799), "NODATA"), ("1", str(base + 1800), str(base + 1800), "OK")]


def test_nodata_in_every_field():
    frames = [frame(T0, ethernet(tcp(A, B))), frame(T0 + 180, ethernet(tcp(A, B)))]
    options = ["--address", A, "--account-id", "1", "--vpc-id", "v", "--subnet-id", "s", "--instance-id", "i"]
    records = replay(captures.pcap(frames), *options)
    assert [record["log-status"] for record in records] == ["OK", "NODATA", "NODATA", "OK"]
    known = {name: value for name, value in records[1].items() if value != "-"}
    assert known == {"version": "11", "account-id": "1", "interface-id": records[0]["interface-id"], "vpc-id": "v",
                     "subnet-id": "s", "instance-id": "i", "start": str(T0 + 60), "end": str(T0 + 119),
                     "log-status": "NODATA"}
    assert [record["log-status"] for record in replay(captures.pcap(frames), "--no-nodata")] == ["OK", "OK"]


def test_default_format_of_nodata():
    frames = [frame(T0, ethernet(tcp(A, B))), frame(T0 + 120, ethernet(tcp(A, B)))]
    done = run("-", "--interface-id", "eni-0a", "--account-id", "123456789012", input=captures.pcap(frames))
    assert done.stdout.decode().splitlines() == [
        f"2 123456789012 eni-0a {A} {B} 40000 443 6 1 40 {T0} {T0} ACCEPT OK",
        f"2 123456789012 eni-0a - - - - - - - {T0 + 60} {T0 + 119} - NODATA",
        f"2 123456789012 eni-0a {A} {B} 40000 443 6 1 40 {T0 + 120} {T0 + 120} ACCEPT OK",
    ]


def many_frames():
    """500 packets of 100 flows over 20 minutes with holes, in the order of time."""
    chance = random.Random(4711)
    times = sorted(T0 + chance.choice([0, 0, 300, 900]) + chance.randrange(200000) / 1000 for _ in range(500))
    return [frame(time, ethernet(tcp(*chance.sample([A, B, C], 2), chance.choice(["S", "A", "FA"]),
                                     1000 + chance.randrange(10), size=chance.randrange(100)))) for time in times]


@pytest.mark.parametrize("interval", [60, 600])
def test_shuffled_packets_give_the_same_records(interval):
    frames = many_frames()
    in_order = replay(captures.pcap(frames), "--interval", str(interval))
    assert totals(in_order, interval) == captures.count(frames, interval)
    random.Random(1).shuffle(frames)
    shuffled = replay(captures.pcap(frames), "--interval", str(interval))
    assert sorted(map(tuple, map(dict.items, shuffled))) == sorted(map(tuple, map(dict.items, in_order)))
    assert any(record["log-status"] == "NODATA" for record in in_order) == (interval == 60)


def test_files_are_one_data_set(tmp_path):
    frames = many_frames()
    whole = replay(captures.pcap(frames))
    for i in range(3):
        (tmp_path / f"{i}.pcap").write_bytes((captures.pcap if i else captures.pcapng)(frames[i::3]))
    parts = replay(tmp_path / "2.pcap", tmp_path / "0.pcap", tmp_path / "1.pcap")
    assert sorted(map(tuple, map(dict.items, parts))) == sorted(map(tuple, map(dict.items, whole)))


def big_frames():
    """2,000 flows in each of four minutes, all of A's, then late packets of the first minute."""
    packet = bytes(ethernet(tcp(A, C)))
    flows = [changed(packet, TCP_AT, struct.pack("!H", 1 + i)) for i in range(2000)]
    frames = [frame(T0 + minute * 60 + i % 60, flow) for minute in range(4) for i, flow in enumerate(flows)]
    return frames + [frame(T0 + 59, flow) for flow in flows[:5]]


def sums(records):
    found = {}
    for record in records:
        packets, size = found.get(key_of(record), (0, 0))
        found[key_of(record)] = (packets + int(record["packets"]), size + int(record["bytes"]))
    return found


def by_key(counted):
    found = {}
    for (_, key), total in counted.items():
        packets, size = found.get(key, (0, 0))
        found[key] = (packets + total.packets, size + total.bytes)
    return found


def test_bound_on_flows_closes_the_oldest_and_keeps_sums(tmp_path):
    frames = big_frames()
    path = tmp_path / "big.pcap"
    path.write_bytes(captures.pcap(frames))
    records = replay(path, "--max-flows", "5000")
    assert sums(records) == by_key(captures.count(frames))
    assert {record["flow-direction"] for record in records} == {"egress"}  # the busiest address, by a look ahead
    late = [record for record in records if key_of(record) == key_of(records[0]) and int(record["start"]) < T0 + 60]
    assert len(late) == 2
    whole = replay(path)
    assert len(whole) == 8000 and totals(whole) == captures.count(frames)


def test_bound_on_flows_of_a_stream_tells_what_it_took_for_the_own_address():
    data = captures.pcap(big_frames())
    done = run("-", "--max-flows", "5000", input=data)
    assert done.returncode == 0
    assert done.stderr.count(b"\n") == 1 and f"took {A}".encode() in done.stderr
    assert run("-", "--max-flows", "5000", "--address", A, input=data).stderr == b""


def test_no_window_between_written_early_is_called_nodata(tmp_path):
    frames = [one for one in big_frames() if not 60 <= one.time_ns // NS - T0 < 120]
    records = replay(captures.pcap(frames), "--max-flows", "2500", "--address", A)
    assert [record["start"] for record in records if record["log-status"] == "NODATA"] == [str(T0 + 60)]


def test_years_without_packets_are_told_instead_of_listed():
    frames = [frame(0, ethernet(tcp(A, B))), frame(T0, ethernet(tcp(A, B)))]
    done = run("-", input=captures.pcap(frames))
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 2
    assert done.stderr.count(b"\n") == 1 and b"too long for NODATA" in done.stderr


# Output


def test_traffic_type():
    data = captures.pcap(conversation())
    assert replay(data, "--traffic-type", "ACCEPT") == replay(data)
    assert replay(data, "--traffic-type", "REJECT") == []


def test_output_by_extension(tmp_path):
    data = captures.pcap(conversation())
    text = run("-", "--header", input=data).stdout
    for name in ("a.log", "a.log.gz", "a.json"):
        done = run("-", "--header", "--out", tmp_path / name, input=data)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert (tmp_path / "a.log").read_bytes() == text
    assert gzip.decompress((tmp_path / "a.log.gz").read_bytes()) == text
    names, *lines = (line.split(" ") for line in text.decode().splitlines())
    objects = [json.loads(line) for line in (tmp_path / "a.json").read_text().splitlines()]
    assert [[str(value) if value is not None else "-" for value in one.values()] for one in objects] == lines
    assert [list(one) for one in objects] == [names] * len(lines)


def test_custom_format():
    done = run("-", "--format", "${dstport} ${flow-direction} ${version} ${dstport}", "--address", A,
               input=captures.pcap(conversation()[:1]))
    assert done.stdout == b"443 egress 5 443\n"


@pytest.mark.parametrize("arguments, words", [
    (["--format", "${srcadr}"], "srcaddr"),
    (["--interval", "61"], "60"),
    (["--address", "10.0.0"], "10.0.0"),
    (["--address", "10.0.0.1,"], "address"),
    (["--interface-id", "a b"], "interface-id"),
    (["--account-id", "1" * 40], "account-id"),
    (["--traffic-type", "NONE"], "ALL"),
    (["--max-flows", "10"], "1000"),
])
def test_wrong_option(arguments, words):
    done = run("-", *arguments, input=captures.pcap(conversation()))
    assert done.returncode == 2
    assert done.stdout == b"" and done.stderr.count(b"\n") == 1 and words in done.stderr.decode()


def test_no_file():
    done = run()
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1


# Damage


def test_missing_file_leaves_the_others(tmp_path):
    (tmp_path / "a.pcap").write_bytes(captures.pcap(conversation()))
    done = run(tmp_path / "none.pcap", tmp_path / "a.pcap")
    assert done.returncode == 4
    assert done.stderr.count(b"\n") == 1 and b"none.pcap: cannot open" in done.stderr
    assert done.stdout.count(b"\n") == 4


def test_nothing_readable_leaves_no_output(tmp_path):
    (tmp_path / "old.log").write_text("old\n")
    done = run(tmp_path / "none.pcap", "--out", tmp_path / "old.log")
    assert done.returncode == 4
    assert (tmp_path / "old.log").read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["old.log"]


@pytest.mark.parametrize("data", [b"", b"\xd4", b"\xd4\xc3\xb2\xa1", b"hello, this is no capture at all", bytes(100),
                                  gzip.compress(b"no capture either", mtime=0), b"\x1f\x8b\x08"])
def test_no_capture(data):
    done = run("-", input=data)
    assert done.returncode == 4
    assert done.stdout == b"" and done.stderr.count(b"\n") == 1 and b"standard input" in done.stderr


@pytest.mark.parametrize("form", ["micro little", "pcapng big", "gzip"])
def test_cut_file(form):
    """Cut at many places: what is there in full counts, and the damage is one line with its offset."""
    frames = conversation()
    data = FORMS[form](frames)
    step = 3 if form != "gzip" else 7
    ok = 0
    last = 0
    for size in range(25, len(data), step):
        done = run("-", "--no-nodata", "--address", A, input=data[:size])
        packets = sum(int(line.split()[8]) for line in done.stdout.splitlines())
        assert packets >= last
        last = packets
        if done.returncode == 0:
            ok += 1
            assert done.stderr == b""
            continue
        assert done.returncode == 4
        assert done.stderr.count(b"\n") == 1
        assert b"offset" in done.stderr or b"standard input: " in done.stderr
    assert last >= len(frames) - 1
    assert ok <= len(frames) + 2  # the places where a packet or block ends


@pytest.mark.parametrize("at, value, words", [
    (24 + 8, struct.pack("<I", 0xFFFFFFF0), "offset 24"),
    (24 + 8, struct.pack("<I", 1 << 21), "offset 24"),
])
def test_length_that_cannot_be(at, value, words):
    data = bytearray(captures.pcap(conversation()))
    data[at : at + 4] = value
    done = run("-", input=bytes(data))
    assert done.returncode == 4 and done.stdout == b""
    assert done.stderr.count(b"\n") == 1 and words in done.stderr.decode()


BAD_BLOCKS = {
    "lengths that differ": captures.block("<", 6, bytes(60))[:-4] + struct.pack("<I", 76),
    "length too small": struct.pack("<III", 6, 8, 8),
    "length not of four": struct.pack("<II", 6, 34) + bytes(30),
    "interface not described": captures.enhanced(frame(T0, bytes(60)), number=9),
    "packet longer than its block": captures.block("<", 6, struct.pack("<IIIII", 0, 0, 0, 500, 500) + bytes(60)),
    "block too short for a packet": captures.block("<", 6, bytes(16)),
    "interface too short": captures.block("<", 1, bytes(4)),
    "section without byte order": captures.block("<", 0x0A0D0D0A, bytes(16)),
    "section of another version": captures.block("<", 0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)),
    "endless block": struct.pack("<II", 6, 0xFFFFFFFC) + bytes(40),
}


@pytest.mark.parametrize("name", BAD_BLOCKS)
def test_damaged_pcapng(name):
    frames = conversation()
    good = captures.pcapng(frames)
    done = run("-", "--address", A, input=good + BAD_BLOCKS[name] + good)
    assert done.returncode == 4
    assert done.stderr.count(b"\n") == 1 and f"offset {len(good)}".encode() in done.stderr
    assert sum(int(line.split()[8]) for line in done.stdout.splitlines()) == len(frames)


def test_times_out_of_this_world():
    """Windows of the year 1970 and of 9999, and a fraction of a second above one, are times like any other."""
    data = captures.section() + captures.interface(resolution=0) + b"".join(
        captures.block("<", 6, struct.pack("<IIIII", 0, high, 5, 54, 54) + bytes(ethernet(tcp(A, B))) + bytes(2))
        for high in (0, 0xFFFFFFFF))
    done = run("-", "--address", A, input=data)
    assert done.returncode == 0
    starts = [int(line.split()[10]) for line in done.stdout.splitlines()]
    assert starts == [5, 253402300799]
    one = conversation()[0]
    odd = captures.pcap([]) + struct.pack("<IIII", T0, 1_500_000, len(one.data), one.length) + one.data
    assert replay(odd)[0]["start"] == str(T0 + 1)


def test_random_bytes_behind_a_good_header():
    chance = random.Random(99)
    for form in (captures.pcap([]), captures.section() + captures.interface()):
        for _ in range(60):
            done = run("-", input=form + chance.randbytes(chance.randrange(400)))
            assert done.returncode in (0, 4), done.stderr


def test_sums_of_all_records_are_the_statistics(tmp_path):
    frames = many_frames()
    done = run("-", "--stats", "--format", "all", "--out", tmp_path / "a.json", input=captures.pcap(frames))
    stats = dict(line.split(": ") for line in done.stderr.decode().splitlines())
    records = [json.loads(line) for line in (tmp_path / "a.json").read_text().splitlines()]
    flows = [record for record in records if record["log-status"] == "OK"]
    assert int(stats["packets recorded"]) == sum(record["packets"] for record in flows) == len(frames)
    assert int(stats["bytes recorded"]) == sum(record["bytes"] for record in flows)
    assert (int(stats["records"]), int(stats["NODATA records"])) == (len(flows), len(records) - len(flows))


def test_help_has_an_example():
    done = run("--help")
    assert done.returncode == 0 and b"flowlog replay" in done.stdout and done.stderr == b""


def test_addresses_print_as_everywhere():
    packet = tcp("2001:db8:0:0:1:0:0:1", "64:ff9b::192.0.2.33")
    (record,) = replay(captures.pcap([frame(T0, ethernet(packet))]))
    for name, address in (("pkt-srcaddr", packet.src), ("pkt-dstaddr", packet.dst)):
        assert record[name] == str(ipaddress.ip_address(address))
