# SPDX-License-Identifier: Apache-2.0
"""Known traffic of every kind, counted to the packet and the byte, and once more by the kernel and by a packet
socket on the far end of the wire."""

import gzip
import json
import subprocess

import pytest

from . import lab, traffic, witness
from .daemon import ACCEPT, BUILD, EGRESS, INGRESS, Absent, Flow, check, interface
from .traffic import ICMP, ICMPV6, TCP, UDP


def from_wire(counts, device="eth0"):
    """What the client's wire saw, as the host's interface would record it."""
    return {
        Flow(device, INGRESS if outgoing else EGRESS, *seen, ACCEPT): size
        for (outgoing, seen), size in counts.items()
        if not seen.destination.startswith("ff") and not seen.source.startswith(("fe80", "::"))
    }


@pytest.mark.parametrize("version", [4, 6])
def test_udp_and_ping(host, start, version):
    ends = host.ends(version)
    daemon = start(host.host, [interface("eth0")])
    before = host.host.statistic("eth0", "rx_packets")
    with traffic.UdpSink(host.host, ends.b, 5353), traffic.UdpSink(host.host, ends.b, 5354):
        traffic.udp(host.client, ends.a, ends.b, 5353, 127, 1)
        traffic.udp(host.client, ends.a, ends.b, 5354, 31, 1400)
        traffic.ping(host.client, ends.b, 17, payload=1000)
        traffic.settle(host.host)
    assert host.host.statistic("eth0", "rx_packets") - before == 127 + 31 + 17
    icmp, echo = ICMP if version == 4 else ICMPV6, (17, 17 * (ends.header + 1008))
    check(daemon, {
        Flow("eth0", INGRESS, ends.a, ends.b, 40000, 5353, UDP, ACCEPT): (127, ends.udp_bytes(127, 1)),
        Flow("eth0", INGRESS, ends.a, ends.b, 40000, 5354, UDP, ACCEPT): (31, ends.udp_bytes(31, 1400)),
        Flow("eth0", INGRESS, ends.a, ends.b, 0, 0, icmp, ACCEPT): echo,
        Flow("eth0", EGRESS, ends.b, ends.a, 0, 0, icmp, ACCEPT): echo,
    }, host.client)


@pytest.mark.parametrize("version", [4, 6])
def test_many_ports(host, start, flood, version):
    """More flows than a table's first size, each with the same known number of packets."""
    ends = host.ends(version)
    host.host.nft("table inet t { chain c { type filter hook prerouting priority -300; udp dport 20000-20001 notrack\n}\n"
                  "chain d { type filter hook output priority 0; meta l4proto { icmp, ipv6-icmp } drop\n}\n}")
    daemon = start(host.host, [interface("eth0")])
    flows, rounds = 20011, 3
    with traffic.UdpSink(host.host, ends.b, 20000), traffic.UdpSink(host.host, ends.b, 20001):
        sent = flood(host.client, ends.a, ends.b, flows, 22, count=flows * rounds, rate=200000)
        traffic.settle(host.host)
    assert sent == flows * rounds
    expected = {}
    for number in range(flows):
        flow = Flow("eth0", INGRESS, ends.a, ends.b, 16384 + number % 16384, 20000 + number // 16384, UDP, ACCEPT)
        expected[flow] = (rounds, ends.udp_bytes(rounds, 22))
    check(daemon, expected, host.client)


@pytest.mark.parametrize("version", [4, 6])
def test_tcp_connection(host, start, version):
    """Opened and closed: 3 for the client's side, 19 for the server's."""
    ends = host.ends(version)
    daemon = start(host.host, [interface("eth0")])
    wire = witness.Wire(host.client, "eth0")
    with traffic.TcpServer(host.host, ends.b, 8080, answer=50_021):
        client = traffic.tcp_connect(host.client, ends.a, ends.b, 8080, source_port=50000)
        assert traffic.tcp_exchange(client, bytes(70_001)) == 50_021
        traffic.settle(host.host)
    counts = from_wire(wire.close())
    assert len(counts) == 2
    records = check(daemon, counts, host.client)
    flags = {}
    for record in records:
        flags[record["flow-direction"]] = flags.get(record["flow-direction"], 0) | int(record["tcp-flags"])
    if records:
        assert flags == {INGRESS: 3, EGRESS: 19}


@pytest.mark.parametrize("reverse", [False, True], ids=["to-host", "from-host"])
@pytest.mark.parametrize("version", [4, 6])
def test_iperf_with_offload(host, start, version, reverse):
    """Super-frames count as the packets they would be on the wire; the sender's own segment count agrees."""
    ends = host.ends(version)
    daemon = start(host.host, [interface("eth0")])
    wire = witness.Wire(host.client, "eth0")
    server = host.host.start("iperf3", "-s", "-1", "-p", "5201", "-B", ends.b, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        lab.wait_for(lambda: ":5201 " in host.host.run("ss", "-Hltn"), what="iperf3 server")
        sender = host.host if reverse else host.client
        frames, segments = sender.statistic("eth0", "tx_packets"), sender.segments_sent()
        options = ["-R"] if reverse else []
        host.client.run("iperf3", "-c", ends.b, "-p", "5201", "-n", "80M", *options, timeout=60)
        server.wait(10)
    finally:
        server.kill()
        server.wait()
    traffic.settle(host.host)
    frames, segments = sender.statistic("eth0", "tx_packets") - frames, sender.segments_sent() - segments
    counts = from_wire(wire.close())
    assert segments > 10 * frames, "there were no super-frames"
    out = EGRESS if reverse else INGRESS
    assert sum(size[0] for flow, size in counts.items() if flow.direction == out) == segments
    check(daemon, counts, host.client)


@pytest.mark.parametrize("version", [4, 6])
def test_udp_segmentation_offload(host, start, version):
    """One send of many datagrams (UDP_SEGMENT) is as many packets."""
    ends = host.ends(version)
    daemon = start(host.host, [interface("eth0")])
    wire = witness.Wire(host.client, "eth0")
    with traffic.UdpSink(host.host, ends.b, 4444):
        traffic.udp_segmented(host.client, ends.a, ends.b, 4444, sends=7, payload=10_000, segment=1000)
        traffic.udp_segmented(host.client, ends.a, ends.b, 4444, sends=3, payload=10_001, segment=1000)
        traffic.settle(host.host)
    flow = Flow("eth0", INGRESS, ends.a, ends.b, 40000, 4444, UDP, ACCEPT)
    expected = {flow: (103, 103 * (ends.header + 8) + 7 * 10_000 + 3 * 10_001)}
    assert from_wire(wire.close()) == expected
    check(daemon, expected, host.client)


def test_forwarded_traffic_on_both_interfaces(router, start):
    """The same connection on both sides of a router, as ports: the server's side mirrors the client's."""
    ends = router.FOUR
    daemon = start(router.router, [interface("c0", "port"), interface("s0", "port")])
    wire = witness.Wire(router.client, "eth0")
    with traffic.TcpServer(router.server, ends.b, 8080, answer=300_007):
        client = traffic.tcp_connect(router.client, ends.a, ends.b, 8080, source_port=50000)
        traffic.tcp_exchange(client, bytes(400_009))
        traffic.settle(router.router)
    counts = wire.close()
    there = counts[True, witness.Tuple(ends.a, ends.b, 50000, 8080, TCP)]
    back = counts[False, witness.Tuple(ends.b, ends.a, 8080, 50000, TCP)]
    check(daemon, {
        Flow("c0", EGRESS, ends.a, ends.b, 50000, 8080, TCP, ACCEPT): there,
        Flow("s0", INGRESS, ends.a, ends.b, 50000, 8080, TCP, ACCEPT): there,
        Flow("s0", EGRESS, ends.b, ends.a, 8080, 50000, TCP, ACCEPT): back,
        Flow("c0", INGRESS, ends.b, ends.a, 8080, 50000, TCP, ACCEPT): back,
    }, router.client, router.server)


def test_json_destination(host, start, tmp_path):
    ends = host.FOUR
    folder = tmp_path / "json"
    flow_log = {"name": "json", "resource": "all", "traffic-type": "ALL", "interval": 60, "format": "all",
                "destination": f"file://{folder}", "file-format": "json"}
    daemon = start(host.host, [interface("eth0")], flow_logs=[flow_log])
    with traffic.UdpSink(host.host, ends.b, 4444):
        traffic.udp(host.client, ends.a, ends.b, 4444, 23, 100)
        traffic.settle(host.host)
    if isinstance(daemon, Absent):
        return
    daemon.stop()
    objects = [path for path in folder.rglob("*") if path.is_file()]
    assert objects
    records = []
    for path in objects:
        text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        records += [json.loads(line) for line in text.splitlines()]
    found = [record for record in records if record.get("dstport") == 4444]
    assert sum(record["packets"] for record in found) == 23
    assert sum(record["bytes"] for record in found) == 23 * 128
    assert {(record["pkt-srcaddr"], record["protocol"], record["action"]) for record in found} == {(ends.a, 17, "ACCEPT")}


def test_parquet_beside_text(host, start, tmp_path):
    """The same records in every form, read back by flowlog itself."""
    ends = host.ends(6)
    forms = [("text", {"file-format": "plain-text"}), ("zstd", {"file-format": "parquet", "hive": True, "hourly": True}),
             ("gzip", {"file-format": "parquet", "codec": "gzip"})]
    logs = [{"name": name, "resource": "all", "traffic-type": "ALL", "interval": 60, "format": "all",
             "destination": f"file://{tmp_path}/{name}"} | form for name, form in forms]
    daemon = start(host.host, [interface("eth0")], flow_logs=logs)
    with traffic.UdpSink(host.host, ends.b, 4444):
        traffic.udp(host.client, ends.a, ends.b, 4444, 11, 100)
        traffic.settle(host.host)
    if isinstance(daemon, Absent):
        return
    daemon.stop()
    seen = {}
    for name, _ in forms:
        paths = sorted((tmp_path / name).rglob("*.log.gz" if name == "text" else "*.log.parquet"))
        done = subprocess.run([BUILD / "flowlog", "convert", "--format", "all", *paths], capture_output=True, text=True,
                              timeout=60, check=True)
        seen[name] = sorted(done.stdout.splitlines())
    assert seen["text"] == seen["zstd"] == seen["gzip"]
    assert sum(" 4444 17 11 " in line for line in seen["text"]) == 1


def test_traffic_types(host, start, tmp_path):
    """Flow logs of ACCEPT, of REJECT and of both, side by side."""
    ends = host.FOUR
    host.host.nft("table inet t { counter dropped {}\n"
                  "chain c { type filter hook input priority 0; udp dport 4343 counter name dropped drop\n}\n}")
    logs = [
        {"name": kind, "resource": "all", "traffic-type": kind, "interval": 60, "format": "all",
         "destination": f"file://{tmp_path}/{kind}", "file-format": "plain-text"}
        for kind in ("ALL", "ACCEPT", "REJECT")
    ]
    daemon = start(host.host, [interface("eth0")], flow_logs=logs)
    with traffic.UdpSink(host.host, ends.b, 4444):
        traffic.udp(host.client, ends.a, ends.b, 4343, 13, 100)
        traffic.udp(host.client, ends.a, ends.b, 4444, 11, 100)
        traffic.settle(host.host)
    assert host.host.counter("dropped")[0] == 13
    if isinstance(daemon, Absent):
        return
    daemon.stop()
    seen = {}
    for kind in ("ALL", "ACCEPT", "REJECT"):
        daemon.destination = tmp_path / kind
        seen[kind] = {(flow.destination_port, flow.action): size[0] for flow, size in daemon.totals().items()}
    rejected, accepted = {(4343, "REJECT"): 13}, {(4444, "ACCEPT"): 11}
    assert seen == {"ALL": rejected | accepted, "ACCEPT": accepted, "REJECT": rejected}
