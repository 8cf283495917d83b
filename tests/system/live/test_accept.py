# SPDX-License-Identifier: Apache-2.0
"""Discards that are no security decision: the flow stays ACCEPT with every packet in it, and says why the kernel
discarded some, as does the ledger."""

import pytest
import scapy.all as scapy

from . import traffic, witness
from .daemon import ACCEPT, EGRESS, INGRESS, Absent, Flow, check, interface, ledger_discards
from .traffic import ICMP, ICMPV6, TCP, UDP

PACKETS, PAYLOAD = 13, 101


def _check_discards(daemon, discards, reason, packets):
    """The kernel's own count by reason, and the ledger's."""
    traffic.settle(daemon.namespace)
    assert discards.counts().get(reason) == packets
    if not isinstance(daemon, Absent):
        assert ledger_discards(daemon).get(reason) == packets


def _check_reason(records, port, reason):
    for record in records:
        assert record["x-reject-source"] == "-"
        assert record["x-drop-reason"] == (reason if record["dstport"] == str(port) else "-")


@pytest.mark.parametrize("version", [4, 6])
def test_udp_without_listener(host, start, discard_witness, version):
    ends = host.ends(version)
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    traffic.udp(host.client, ends.a, ends.b, 4343, PACKETS, PAYLOAD)
    _check_discards(daemon, discards, "NO_SOCKET", PACKETS)
    answer = ends.header + 8 + ends.header + 8 + PAYLOAD
    protocol = ICMP if version == 4 else ICMPV6
    records = check(daemon, {
        Flow("eth0", INGRESS, ends.a, ends.b, 40000, 4343, UDP, ACCEPT): (PACKETS, ends.udp_bytes(PACKETS, PAYLOAD)),
        Flow("eth0", EGRESS, ends.b, ends.a, 0, 0, protocol, ACCEPT): (PACKETS, PACKETS * answer),
    }, host.client)
    _check_reason(records, 4343, "NO_SOCKET")


@pytest.mark.parametrize("version", [4, 6])
def test_tcp_without_listener(host, start, discard_witness, version):
    ends = host.ends(version)
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    wire = witness.Wire(host.client, "eth0")
    expected = {}
    for number in range(7):
        with pytest.raises(ConnectionRefusedError):
            traffic.tcp_connect(host.client, ends.a, ends.b, 3389, source_port=50000 + number)
        size = ends.header + 40  # SYN with the kernel's usual twenty bytes of options
        expected[Flow("eth0", INGRESS, ends.a, ends.b, 50000 + number, 3389, TCP, ACCEPT)] = (1, size)
        expected[Flow("eth0", EGRESS, ends.b, ends.a, 3389, 50000 + number, TCP, ACCEPT)] = (1, ends.header + 20)
    _check_discards(daemon, discards, "NO_SOCKET", 7)
    counts = wire.close()
    for flow, size in expected.items():
        seen = witness.Tuple(flow.source, flow.destination, flow.source_port, flow.destination_port, TCP)
        assert counts[flow.direction == INGRESS, seen] == size
    records = check(daemon, expected, host.client)
    _check_reason(records, 3389, "NO_SOCKET")
    assert {(record["flow-direction"], record["tcp-flags"]) for record in records} <= {(INGRESS, "2"), (EGRESS, "4")}


@pytest.mark.parametrize("version", [4, 6])
def test_full_socket_buffer(host, start, discard_witness, version):
    ends = host.ends(version)
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    packets = 97
    with traffic.UdpSink(host.host, ends.b, 4343, buffer=1):
        traffic.udp(host.client, ends.a, ends.b, 4343, packets, 1009)
        traffic.settle(host.host)
        lost = host.host.snmp("Udp" if version == 4 else "Udp6", "RcvbufErrors")
        assert 0 < lost < packets
        _check_discards(daemon, discards, "SOCKET_RCVBUFF", lost)
        records = check(daemon, {
            Flow("eth0", INGRESS, ends.a, ends.b, 40000, 4343, UDP, ACCEPT): (packets, ends.udp_bytes(packets, 1009)),
        }, host.client)
        _check_reason(records, 4343, "SOCKET_RCVBUFF")


@pytest.mark.parametrize("version", [4, 6])
def test_socket_filter(host, start, discard_witness, version):
    """A filter that the receiving program put on its own socket is its own affair."""
    ends = host.ends(version)
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    with traffic.UdpSink(host.host, ends.b, 4343) as sink:
        witness.attach_filter(sink.socket, 0)
        traffic.udp(host.client, ends.a, ends.b, 4343, PACKETS, PAYLOAD)
        _check_discards(daemon, discards, "SOCKET_FILTER", PACKETS)
        records = check(daemon, {
            Flow("eth0", INGRESS, ends.a, ends.b, 40000, 4343, UDP, ACCEPT):
                (PACKETS, ends.udp_bytes(PACKETS, PAYLOAD)),
        }, host.client)
        _check_reason(records, 4343, "SOCKET_FILTER")


@pytest.mark.parametrize("version", [4, 6])
def test_no_route(router, start, discard_witness, version):
    """The router has nowhere to send it, says so, and that is no verdict."""
    ends = router.ends(version)
    target = "10.99.9.9" if version == 4 else "fd99::9"
    router.router.ip("route", "add", "unreachable", target)
    daemon = start(router.router, [interface("c0"), interface("s0")])
    discards = witness.Discards(discard_witness, router.router)
    wire = witness.Wire(router.client, "eth0")
    traffic.udp(router.client, ends.a, target, 4343, PACKETS, PAYLOAD)
    traffic.settle(router.router)
    counts = wire.close()
    protocol, gateway = (ICMP, "10.77.1.1") if version == 4 else (ICMPV6, "fd77:1::1")
    error = ends.header + 8 + ends.header + 8 + PAYLOAD
    answers, size = counts[False, witness.Tuple(gateway, ends.a, 0, 0, protocol)]  # fewer: the kernel holds back
    assert size == answers * error
    reason = "NOT_SPECIFIED" if version == 4 else "IP_INNOROUTES"
    _check_discards(daemon, discards, reason, PACKETS)
    records = check(daemon, {
        Flow("c0", INGRESS, ends.a, target, 40000, 4343, UDP, ACCEPT): (PACKETS, ends.udp_bytes(PACKETS, PAYLOAD)),
        Flow("c0", EGRESS, gateway, ends.a, 0, 0, protocol, ACCEPT): (answers, size),
    }, router.client, router.server)
    _check_reason(records, 4343, reason)


@pytest.mark.parametrize("version", [4, 6])
def test_queue_overflow(host, start, discard_witness, version):
    """Counted on the way into the queue; what the queue cannot hold is a loss of the network, not a verdict."""
    ends = host.ends(version)
    daemon = start(host.host, [interface("eth0")])
    host.host.tc("qdisc", "add", "dev", "eth0", "root", "tbf", "rate", "8mbit", "burst", "2000", "limit", "6000")
    discards = witness.Discards(discard_witness, host.host)
    packets, before = 97, host.host.statistic("eth0", "tx_packets")
    with traffic.UdpSink(host.client, ends.a, 4343):
        traffic.udp(host.host, ends.b, ends.a, 4343, packets, 1009)
        traffic.settle(host.host, quiet=0.2)
        sent = host.host.statistic("eth0", "tx_packets") - before
        assert sent < packets
        _check_discards(daemon, discards, "QDISC_DROP", packets - sent)
        records = check(daemon, {
            Flow("eth0", EGRESS, ends.b, ends.a, 40000, 4343, UDP, ACCEPT): (packets, ends.udp_bytes(packets, 1009)),
        }, host.client)
        _check_reason(records, 4343, "QDISC_DROP")


def test_checksum_error(host, start):
    """A damaged datagram was let through; that the host could not use it is another matter. It is discarded when the
    program reads, from a queue in which the kernel no longer keeps the interface."""
    ends = host.FOUR
    packet = scapy.IP(src=ends.a, dst=ends.b) / scapy.UDP(sport=40000, dport=4343, chksum=0x1234) / bytes(PAYLOAD)
    frame = bytes(scapy.Ether(src=host.client.mac("eth0"), dst=host.host.mac("eth0")) / packet)
    daemon = start(host.host, [interface("eth0")])
    with traffic.UdpSink(host.host, ends.b, 4343) as sink, traffic.Frames(host.client, "eth0") as frames:
        frames.send(frame, PACKETS)
        traffic.settle(host.host)
        sink.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            sink.socket.recv(2048)
        assert host.host.snmp("Udp", "InCsumErrors") == PACKETS
        check(daemon, {
            Flow("eth0", INGRESS, ends.a, ends.b, 40000, 4343, UDP, ACCEPT):
                (PACKETS, ends.udp_bytes(PACKETS, PAYLOAD)),
        }, host.client)
