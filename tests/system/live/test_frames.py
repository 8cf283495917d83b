# SPDX-License-Identifier: Apache-2.0
"""Every shape of frame, put on the wire as bytes, in both directions. Each case has a forged source of its own, to
which the host has no route, so nothing answers and a record can be told by its source alone."""

import dataclasses
import itertools
import struct

import pytest
import scapy.all as scapy
from scapy.contrib.mpls import MPLS

from . import lab, traffic
from .conftest import SCENES_ONLY
from .daemon import EGRESS, INGRESS, Daemon, interface

HOST4, HOST6 = "10.77.1.1", "fd77:1::1"
DATA = bytes(range(61))


@dataclasses.dataclass
class Case:
    """Layers above Ethernet for a source address, and what one such packet is in a record."""

    name: str
    packet: object  # function of the source address
    protocol: int = 17
    ports: tuple = (0, 0)
    flags: int = 0
    bytes: int = 0  # of one packet
    version: int = 4
    ethertype: int = 0  # of the first tag or header; 0: by version
    repeat: int = 7


def _ip(source, **fields):
    return scapy.IP(src=source, dst=HOST4, **fields)


def _ip6(source, **fields):
    return scapy.IPv6(src=source, dst=HOST6, **fields)


def _udp():
    return scapy.UDP(sport=40000, dport=4343) / DATA


def _tcp(flags):
    return scapy.TCP(sport=40000, dport=4343, flags=flags) / DATA


def _tag(kind, number=7):
    """The two bytes behind an EtherType and the next EtherType."""
    return scapy.Raw(struct.pack("!HH", number, kind))


UDP_SIZE, TCP_SIZE = 8 + len(DATA), 20 + len(DATA)
PORTS = (40000, 4343)

FOUR = [
    Case("udp", lambda s: _ip(s) / _udp(), ports=PORTS, bytes=20 + UDP_SIZE, repeat=13),
    Case("options", lambda s: _ip(s, options=scapy.IPOption(b"\x94\x04\x00\x00")) / _udp(), ports=PORTS,
         bytes=24 + UDP_SIZE),
    Case("longest-options", lambda s: _ip(s, options=[scapy.IPOption(b"\x01")] * 40) / _udp(), ports=PORTS,
         bytes=60 + UDP_SIZE, repeat=11),
    Case("first-fragment", lambda s: _ip(s, flags="MF", id=1) / scapy.UDP(sport=40000, dport=4343) / bytes(64),
         ports=PORTS, bytes=92, repeat=3),
    Case("later-fragment", lambda s: _ip(s, frag=9, proto=17, id=1) / DATA, bytes=20 + len(DATA), repeat=5),
    Case("middle-fragment", lambda s: _ip(s, flags="MF", frag=9, proto=17, id=1) / bytes(64), bytes=84, repeat=5),
    Case("fragment-of-ports-alone", lambda s: _ip(s, flags="MF", proto=6, id=1) / bytes(_tcp("S"))[:8], protocol=6,
         ports=PORTS, bytes=28),
    Case("tcp-syn", lambda s: _ip(s) / _tcp("S"), protocol=6, ports=PORTS, flags=2, bytes=20 + TCP_SIZE),
    Case("tcp-syn-ack", lambda s: _ip(s) / _tcp("SA"), protocol=6, ports=PORTS, flags=18, bytes=20 + TCP_SIZE),
    Case("tcp-fin-ack", lambda s: _ip(s) / _tcp("FA"), protocol=6, ports=PORTS, flags=1, bytes=20 + TCP_SIZE),
    Case("tcp-reset-ack", lambda s: _ip(s) / _tcp("RA"), protocol=6, ports=PORTS, flags=4, bytes=20 + TCP_SIZE),
    Case("tcp-push-ack", lambda s: _ip(s) / _tcp("PA"), protocol=6, ports=PORTS, bytes=20 + TCP_SIZE),
    Case("tcp-syn-ece-cwr", lambda s: _ip(s) / _tcp("SEC"), protocol=6, ports=PORTS, flags=2, bytes=20 + TCP_SIZE),
    Case("tcp-none", lambda s: _ip(s) / _tcp(0), protocol=6, ports=PORTS, bytes=20 + TCP_SIZE),
    Case("tcp-fin-push-urgent", lambda s: _ip(s) / _tcp("FPU"), protocol=6, ports=PORTS, flags=1, bytes=20 + TCP_SIZE),
    Case("sctp", lambda s: _ip(s, proto=132) / struct.pack("!HHII", 40000, 4343, 1, 0), protocol=132, ports=PORTS, bytes=32),
    Case("udp-lite", lambda s: _ip(s, proto=136) / bytes(_udp()), protocol=136, bytes=20 + UDP_SIZE),
    Case("icmp", lambda s: _ip(s) / scapy.ICMP(type=0) / DATA, protocol=1, bytes=28 + len(DATA)),
    Case("gre", lambda s: _ip(s, proto=47) / b"\x00\x00\x08\x00" / bytes(_ip(s) / _udp()), protocol=47,
         bytes=44 + UDP_SIZE),
    Case("ip-in-ip", lambda s: _ip(s, proto=4) / bytes(_ip(s) / _udp()), protocol=4, bytes=40 + UDP_SIZE),
    Case("esp", lambda s: _ip(s, proto=50) / DATA, protocol=50, bytes=20 + len(DATA)),
    Case("ah", lambda s: _ip(s, proto=51) / DATA, protocol=51, bytes=20 + len(DATA)),
    Case("unknown-protocol", lambda s: _ip(s, proto=253) / DATA, protocol=253, bytes=20 + len(DATA)),
    Case("no-payload", lambda s: _ip(s, proto=17), bytes=20),
    Case("padded", lambda s: _ip(s, proto=17, len=29) / bytes(scapy.UDP(sport=40000, dport=4343) / b"x") / bytes(17),
         ports=PORTS, bytes=29),
    Case("length-left-out", lambda s: _ip(s, len=0) / _udp(), ports=PORTS, bytes=20 + UDP_SIZE),
    Case("vlan", lambda s: _tag(0x0800) / _ip(s) / _udp(), ports=PORTS, bytes=20 + UDP_SIZE, ethertype=0x8100),
    Case("priority-tag", lambda s: _tag(0x0800, 0) / _ip(s) / _udp(), ports=PORTS, bytes=20 + UDP_SIZE, ethertype=0x8100),
    Case("qinq", lambda s: _tag(0x8100) / _tag(0x0800, 8) / _ip(s) / _udp(), ports=PORTS, bytes=20 + UDP_SIZE,
         ethertype=0x88A8),
    Case("old-qinq", lambda s: _tag(0x8100) / _tag(0x0800, 8) / _ip(s) / _udp(), ports=PORTS, bytes=20 + UDP_SIZE,
         ethertype=0x9100),
    Case("vlan-fragment", lambda s: _tag(0x0800) / _ip(s, frag=9, proto=17) / DATA, bytes=20 + len(DATA),
         ethertype=0x8100),
]

SIX = [
    Case("udp", lambda s: _ip6(s) / _udp(), ports=PORTS, bytes=40 + UDP_SIZE, repeat=13),
    Case("tcp-syn", lambda s: _ip6(s) / _tcp("S"), protocol=6, ports=PORTS, flags=2, bytes=40 + TCP_SIZE),
    Case("hop-by-hop", lambda s: _ip6(s) / scapy.IPv6ExtHdrHopByHop() / _udp(), ports=PORTS, bytes=48 + UDP_SIZE),
    Case("destination", lambda s: _ip6(s) / scapy.IPv6ExtHdrDestOpt() / _udp(), ports=PORTS, bytes=48 + UDP_SIZE),
    Case("long-destination", lambda s: _ip6(s) / scapy.IPv6ExtHdrDestOpt(options=[scapy.PadN(optdata=bytes(200))]) / _udp(),
         ports=PORTS, bytes=40 + 208 + UDP_SIZE),
    Case("routing", lambda s: _ip6(s) / scapy.IPv6ExtHdrRouting(addresses=["fd77:9::1"]) / _udp(), ports=PORTS,
         bytes=64 + UDP_SIZE),
    Case("first-fragment", lambda s: _ip6(s) / scapy.IPv6ExtHdrFragment(m=1, nh=17) / bytes(scapy.UDP(sport=40000, dport=4343, len=9999)) / bytes(64),
         ports=PORTS, bytes=40 + 8 + 72, repeat=3),
    Case("later-fragment", lambda s: _ip6(s) / scapy.IPv6ExtHdrFragment(offset=9, nh=17) / DATA, bytes=48 + len(DATA),
         repeat=5),
    Case("atomic-fragment", lambda s: _ip6(s) / scapy.IPv6ExtHdrFragment() / _udp(), ports=PORTS, bytes=48 + UDP_SIZE),
    Case("chain", lambda s: _ip6(s) / scapy.IPv6ExtHdrHopByHop() / scapy.IPv6ExtHdrDestOpt()
         / scapy.IPv6ExtHdrRouting(addresses=["fd77:9::1"]) / scapy.IPv6ExtHdrFragment() / scapy.IPv6ExtHdrDestOpt() / _tcp("SA"),
         protocol=6, ports=PORTS, flags=18, bytes=40 + 8 + 8 + 24 + 8 + 8 + TCP_SIZE),
    Case("length-left-out", lambda s: _ip6(s, plen=0) / _udp(), ports=PORTS, bytes=40 + UDP_SIZE),
    Case("no-next-header", lambda s: _ip6(s, nh=59) / DATA, protocol=59, bytes=40 + len(DATA)),
    Case("icmpv6", lambda s: _ip6(s) / scapy.ICMPv6EchoReply(data=DATA), protocol=58, bytes=48 + len(DATA)),
    Case("icmpv6-behind-hop-by-hop", lambda s: _ip6(s) / scapy.IPv6ExtHdrHopByHop() / scapy.ICMPv6EchoReply(data=DATA),
         protocol=58, bytes=56 + len(DATA)),
    Case("sctp", lambda s: _ip6(s, nh=132) / struct.pack("!HHII", 40000, 4343, 1, 0), protocol=132, ports=PORTS, bytes=52),
    Case("esp", lambda s: _ip6(s, nh=50) / DATA, protocol=50, bytes=40 + len(DATA)),
    Case("ah", lambda s: _ip6(s, nh=51) / DATA, protocol=51, bytes=40 + len(DATA)),
    Case("unknown-protocol", lambda s: _ip6(s, nh=253) / DATA, protocol=253, bytes=40 + len(DATA)),
    Case("ipv6-in-ipv6", lambda s: _ip6(s) / _ip6(s) / _udp(), protocol=41, bytes=80 + UDP_SIZE),
    Case("vlan", lambda s: _tag(0x86DD) / _ip6(s) / _udp(), ports=PORTS, bytes=40 + UDP_SIZE, ethertype=0x8100),
    Case("qinq", lambda s: _tag(0x8100) / _tag(0x86DD, 8) / _ip6(s) / _udp(), ports=PORTS, bytes=40 + UDP_SIZE,
         ethertype=0x88A8),
]

ARP = scapy.ARP(op=2, psrc="10.77.1.77", pdst="10.77.1.78", hwsrc="02:00:00:00:00:77")
NOT_IP = [
    ("arp", 0x0806, bytes(ARP), 3),
    ("lldp", 0x88CC, bytes(40), 5),
    ("spanning-tree", 38, b"\x42\x42\x03" + bytes(35), 7),
    ("ip-in-snap", 8 + 28, b"\xaa\xaa\x03\x00\x00\x00\x08\x00" + bytes(28), 3),
    ("mpls", 0x8847, bytes(MPLS(label=16, s=1) / _ip("10.88.0.1") / _udp()), 5),
    ("pppoe-session", 0x8864, b"\x11\x00\x00\x01\x00\x1e\x00\x21" + bytes(28), 2),
    ("vlan-arp", 0x8100, b"\x00\x07\x08\x06" + bytes(ARP), 3),
    ("unknown", 0x1234, bytes(50), 2),
]
_SOUND4 = bytes(_ip("10.88.0.2") / _udp())
_SOUND6 = bytes(_ip6("fd88::ffff") / _udp())
MALFORMED = [
    ("header-length-4", 0x0800, b"\x44" + _SOUND4[1:], 3),
    ("total-below-header", 0x0800, _SOUND4[:2] + b"\x00\x13" + _SOUND4[4:], 5),
    ("version-5", 0x0800, b"\x55" + _SOUND4[1:], 2),
    ("cut-ipv4-header", 0x0800, _SOUND4[:13], 3),
    ("cut-options", 0x0800, b"\x4f" + _SOUND4[1:30], 3),
    ("version-4-as-ipv6", 0x86DD, b"\x40" + _SOUND6[1:], 2),
    ("cut-ipv6-header", 0x86DD, _SOUND6[:39], 5),
]


def _numbered():
    """Each case with its forged source address."""
    for number, case in enumerate(FOUR):
        yield dataclasses.replace(case, name=f"ipv4-{case.name}", ethertype=case.ethertype or 0x0800), f"10.88.1.{number + 1}"
    for number, case in enumerate(SIX):
        yield (dataclasses.replace(case, name=f"ipv6-{case.name}", version=6, ethertype=case.ethertype or 0x86DD),
               f"fd88::{number + 1:x}")


CASES = list(_numbered())


def _frame(sender, receiver, ethertype, payload):
    macs = receiver.mac("eth0").replace(":", "") + sender.mac("eth0").replace(":", "")
    return bytes.fromhex(macs) + struct.pack("!H", ethertype) + bytes(payload)


@pytest.fixture(scope="module")
def recorded(machine, tmp_path_factory):
    """All frames, towards the host and from it, in one run; the records by direction and source address."""
    made = lab.Lab()
    try:
        scene = lab.HostLab(made)
        traffic.settle(scene.client, scene.host)
        yield _play(scene, tmp_path_factory.mktemp("frames"))
    finally:
        made.close()


def _play(scene, directory):
    daemon = None if SCENES_ONLY else Daemon(scene.host, directory, [interface("eth0")])
    try:
        if daemon:
            daemon.start()
        for sender, receiver, counter in ((scene.client, scene.host, "rx_packets"), (scene.host, scene.client, "tx_packets")):
            before = scene.host.statistic("eth0", counter)
            sent = _send_all(sender, receiver)
            traffic.settle(scene.host, scene.client)
            assert scene.host.statistic("eth0", counter) - before == sent
        if not daemon:
            return None
        daemon.stop()
        by_source = {}
        for record in daemon.records():
            by_source.setdefault((record["flow-direction"], record["pkt-srcaddr"]), []).append(record)
        return by_source
    finally:
        if daemon:
            daemon.close()


def _send_all(sender, receiver):
    sent = 0
    with traffic.Frames(sender, "eth0") as frames:
        for case, source in CASES:
            frames.send(_frame(sender, receiver, case.ethertype, case.packet(source)), case.repeat)
            sent += case.repeat
        for _, ethertype, payload, repeat in itertools.chain(NOT_IP, MALFORMED):
            frames.send(_frame(sender, receiver, ethertype, payload), repeat)
            sent += repeat
    return sent


@pytest.mark.parametrize("direction", [INGRESS, EGRESS])
@pytest.mark.parametrize("case, source", CASES, ids=[case.name for case, _ in CASES])
def test_frame(recorded, case, source, direction):
    assert len(bytes(case.packet(source))) >= case.bytes
    if recorded is None:
        return
    records = recorded.get((direction, source), [])
    sums = [sum(int(record[name]) for record in records) for name in ("packets", "bytes")]
    assert sums == [case.repeat, case.repeat * case.bytes]
    for record in records:
        assert (int(record["srcport"]), int(record["dstport"])) == case.ports
        assert (int(record["protocol"]), int(record["tcp-flags"])) == (case.protocol, case.flags)
        assert record["type"] == f"IPv{case.version}"
        assert record["pkt-dstaddr"] == (HOST4 if case.version == 4 else HOST6)
        assert record["action"] == "ACCEPT"


def test_nothing_else_is_recorded(recorded):
    """Neither non-IP nor malformed frames make a record."""
    if recorded is None:
        return
    known = {source for _, source in CASES}
    strangers = {source for _, source in recorded} - known
    assert not {source for source in strangers if source.startswith(("10.", "fd"))}
