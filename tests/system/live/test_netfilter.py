# SPDX-License-Identifier: Apache-2.0
"""nftables on every hook: what it discards is REJECT, to the packet and the byte, on each interface that the
packet touched or was routed to; the ACCEPT side is smaller by exactly that much."""

import dataclasses
import os

import pytest
import scapy.all as scapy

from . import lab, traffic, witness
from .daemon import ACCEPT, EGRESS, INGRESS, REJECT, Flow, check, interface
from .traffic import ICMP, ICMPV6, TCP, UDP

DROPPED, PASSED, MIXED = 4343, 4444, 4545
DROPPED_PACKETS, PASSED_PACKETS, MIXED_PACKETS = 13, 11, 17
PAYLOAD = 101

RULES = """
udp dport 4343 counter name dropped drop
udp dport 4545 numgen inc mod 3 0 counter name thinned drop
"""


@dataclasses.dataclass
class Hook:
    """A chain and who sees its discards: devices with the direction that they record as a nic."""

    name: str
    lab: str
    chain: str
    rejecting: list
    accepting: list
    family: str = "inet"


def _forwarded(name, chain, rejecting, family="inet"):
    return Hook(name, "router", chain, rejecting, [("c0", INGRESS), ("s0", EGRESS)], family)


BOTH = [("c0", INGRESS), ("s0", EGRESS)]
HOOKS = [
    Hook("input", "in", "hook input priority 0", [("eth0", INGRESS)], [("eth0", INGRESS)]),
    Hook("raw-prerouting", "in", "hook prerouting priority -300", [("eth0", INGRESS)], [("eth0", INGRESS)]),
    Hook("netdev-ingress", "in", "hook ingress device eth0 priority 0", [("eth0", INGRESS)], [("eth0", INGRESS)], "netdev"),
    Hook("output", "out", "hook output priority 0", [("eth0", EGRESS)], [("eth0", EGRESS)]),
    Hook("raw-output", "out", "hook output priority -300", [("eth0", EGRESS)], [("eth0", EGRESS)]),
    Hook("postrouting", "out", "hook postrouting priority 0", [("eth0", EGRESS)], [("eth0", EGRESS)]),
    Hook("netdev-egress", "out", "hook egress device eth0 priority 0", [("eth0", EGRESS)], [("eth0", EGRESS)], "netdev"),
    _forwarded("forward", "hook forward priority 0", BOTH),
    _forwarded("forwarded-raw-prerouting", "hook prerouting priority -300", BOTH[:1]),
    _forwarded("forwarded-postrouting", "hook postrouting priority 0", BOTH),
    _forwarded("forwarded-netdev-ingress", "hook ingress device c0 priority 0", BOTH[:1], "netdev"),
    _forwarded("forwarded-netdev-egress", "hook egress device s0 priority 0", BOTH, "netdev"),
]


def _as_role(direction, role):
    """A port's tc ingress is its guest's egress."""
    if role == "nic":
        return direction
    return EGRESS if direction == INGRESS else INGRESS


def _play(request, hook):
    """A hook's scene and its namespaces: the one under test, the sender, the receiver; whether `b` is the sender."""
    scene = request.getfixturevalue("router" if hook.lab == "router" else "host")
    if hook.lab == "router":
        return scene, scene.router, scene.client, scene.server, False
    if hook.lab == "in":
        return scene, scene.host, scene.client, scene.host, False
    return scene, scene.host, scene.host, scene.client, True


@pytest.mark.parametrize("role", ["nic", "port"])
@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.name)
def test_drop(request, start, hook, role):
    """Both families in one run."""
    scene, box, sender, receiver, turned = _play(request, hook)
    box.nft(
        f"table {hook.family} t {{ counter dropped {{}}\ncounter thinned {{}}\n"
        f"chain c {{ type filter {hook.chain};\n{RULES} }}\n}}"
    )
    daemon = start(box, [interface(device, role) for device in sorted({device for device, _ in hook.accepting})])
    expected, sinks = {}, []
    for ends in (scene.FOUR, scene.SIX):
        source, destination = (ends.b, ends.a) if turned else (ends.a, ends.b)
        sinks += [traffic.UdpSink(receiver, destination, port) for port in (PASSED, MIXED)]
        before = box.counter("thinned", family=hook.family)[0]
        for port, count in ((DROPPED, DROPPED_PACKETS), (PASSED, PASSED_PACKETS), (MIXED, MIXED_PACKETS)):
            traffic.udp(sender, source, destination, port, count, PAYLOAD)
        traffic.settle(box, sender, receiver)
        thinned = box.counter("thinned", family=hook.family)[0] - before
        assert thinned in (5, 6)  # every third of seventeen; the count goes on from family to family
        counts = [
            (hook.rejecting, DROPPED, REJECT, DROPPED_PACKETS),
            (hook.accepting, PASSED, ACCEPT, PASSED_PACKETS),
            (hook.rejecting, MIXED, REJECT, thinned),
            (hook.accepting, MIXED, ACCEPT, MIXED_PACKETS - thinned),
        ]
        for places, port, action, packets in counts:
            for device, direction in places:
                flow = Flow(device, _as_role(direction, role), source, destination, 40000, port, UDP, action)
                expected[flow] = (packets, ends.udp_bytes(packets, PAYLOAD))
    records = check(daemon, expected, sender, receiver)
    assert box.counter("dropped", family=hook.family)[0] == 2 * DROPPED_PACKETS
    for sink in sinks:
        sink.socket.close()
    for record in records:
        assert record["x-reject-source"] == ("netfilter" if record["action"] == REJECT else "-")


def _table(*chains, family="inet"):
    return f"table {family} t {{ counter dropped {{}}\ncounter other {{}}\n" + "\n".join(chains).replace(" }", "\n}") + "\n}"


@pytest.mark.parametrize("version", [4, 6])
def test_reject_with_reset(host, start, version):
    """The refused SYN is REJECT; the reset that tells the client so is a flow of its own, accepted."""
    ends = host.ends(version)
    host.host.nft(_table("chain c { type filter hook input priority 0; "
                         "tcp dport 3389 counter name dropped reject with tcp reset }"))
    daemon = start(host.host, [interface("eth0")])
    attempts = 7
    for number in range(attempts):
        with pytest.raises(ConnectionRefusedError):
            traffic.tcp_connect(host.client, ends.a, ends.b, 3389, source_port=50000 + number)
    packets, size = host.host.counter("dropped")
    assert packets == attempts
    expected = {}
    for number in range(attempts):
        port = 50000 + number
        expected[Flow("eth0", INGRESS, ends.a, ends.b, port, 3389, TCP, REJECT)] = (1, size // attempts)
        expected[Flow("eth0", EGRESS, ends.b, ends.a, 3389, port, TCP, ACCEPT)] = (1, ends.header + 20)
    records = check(daemon, expected, host.client)
    assert {(r["flow-direction"], r["tcp-flags"]) for r in records if r["protocol"] == "6"} <= {
        (INGRESS, "2"), (EGRESS, "4")
    }


@pytest.mark.parametrize("version", [4, 6])
def test_reject_with_icmp(host, start, version):
    ends = host.ends(version)
    host.host.nft(_table("chain c { type filter hook input priority 0; "
                         "udp dport 4343 counter name dropped reject }"))
    daemon = start(host.host, [interface("eth0")])
    traffic.udp(host.client, ends.a, ends.b, DROPPED, DROPPED_PACKETS, PAYLOAD)
    traffic.settle(host.host)
    assert host.host.counter("dropped") == (DROPPED_PACKETS, ends.udp_bytes(DROPPED_PACKETS, PAYLOAD))
    answer = ends.header + 8 + ends.header + 8 + PAYLOAD  # the error quotes the whole packet
    protocol = ICMP if version == 4 else ICMPV6
    check(daemon, {
        Flow("eth0", INGRESS, ends.a, ends.b, 40000, DROPPED, UDP, REJECT):
            (DROPPED_PACKETS, ends.udp_bytes(DROPPED_PACKETS, PAYLOAD)),
        Flow("eth0", EGRESS, ends.b, ends.a, 0, 0, protocol, ACCEPT): (DROPPED_PACKETS, DROPPED_PACKETS * answer),
    }, host.client)


@pytest.mark.parametrize("version", [4, 6])
def test_forward_reject_with_reset(router, start, version):
    """The router's own reset leaves towards the client and was never on the server's side."""
    ends = router.ends(version)
    router.router.nft(_table("chain c { type filter hook forward priority 0; "
                             "tcp dport 3389 counter name dropped reject with tcp reset }"))
    daemon = start(router.router, [interface("c0", "port"), interface("s0", "port")])
    with pytest.raises(ConnectionRefusedError):
        traffic.tcp_connect(router.client, ends.a, ends.b, 3389, source_port=50000)
    packets, size = router.router.counter("dropped")
    assert packets == 1
    check(daemon, {
        Flow("c0", EGRESS, ends.a, ends.b, 50000, 3389, TCP, REJECT): (1, size),
        Flow("s0", INGRESS, ends.a, ends.b, 50000, 3389, TCP, REJECT): (1, size),
        Flow("c0", INGRESS, ends.b, ends.a, 3389, 50000, TCP, ACCEPT): (1, ends.header + 20),
    }, router.client, router.server)


@pytest.mark.parametrize("version", [4, 6])
def test_bridge_filter(bridge, start, version):
    ends = bridge.ends(version)
    bridge.host.nft(_table("chain c { type filter hook forward priority 0; "
                           "udp dport 4343 counter name dropped drop }", family="bridge"))
    daemon = start(bridge.host, [interface("a0", "port"), interface("b0", "port")])
    with traffic.UdpSink(bridge.b, ends.b, PASSED):
        traffic.udp(bridge.a, ends.a, ends.b, DROPPED, DROPPED_PACKETS, PAYLOAD)
        traffic.udp(bridge.a, ends.a, ends.b, PASSED, PASSED_PACKETS, PAYLOAD)
        dropped = ends.udp_bytes(DROPPED_PACKETS, PAYLOAD)
        passed = ends.udp_bytes(PASSED_PACKETS, PAYLOAD)
        check(daemon, {
            Flow("a0", EGRESS, ends.a, ends.b, 40000, DROPPED, UDP, REJECT): (DROPPED_PACKETS, dropped),
            Flow("b0", INGRESS, ends.a, ends.b, 40000, DROPPED, UDP, REJECT): (DROPPED_PACKETS, dropped),
            Flow("a0", EGRESS, ends.a, ends.b, 40000, PASSED, UDP, ACCEPT): (PASSED_PACKETS, passed),
            Flow("b0", INGRESS, ends.a, ends.b, 40000, PASSED, UDP, ACCEPT): (PASSED_PACKETS, passed),
        }, bridge.a, bridge.b)
    assert bridge.host.counter("dropped", family="bridge")[0] == DROPPED_PACKETS


@pytest.mark.parametrize("version", [4, 6])
def test_dropped_above_a_bridge(bridge, start, version):
    """What the host refuses above the bridge was refused to the guest whose port it came in by."""
    ends = bridge.ends(version)
    lab.add_address(bridge.host, "br0", "10.77.3.1/24", "fd77:3::1/64")
    target = ends.a.rpartition("2")[0] + "1"
    lab.know_neighbour(bridge.a, "eth0", bridge.host, "br0", target)
    lab.know_neighbour(bridge.host, "br0", bridge.a, "eth0", ends.a)
    bridge.host.nft(_table("chain c { type filter hook input priority 0; udp dport 4343 counter name dropped drop }"))
    daemon = start(bridge.host, [interface("a0", "port"), interface("b0", "port"), interface("br0")])
    with traffic.UdpSink(bridge.host, target, PASSED):
        traffic.udp(bridge.a, ends.a, target, DROPPED, DROPPED_PACKETS, PAYLOAD)
        traffic.udp(bridge.a, ends.a, target, PASSED, PASSED_PACKETS, PAYLOAD)
        dropped = ends.udp_bytes(DROPPED_PACKETS, PAYLOAD)
        passed = ends.udp_bytes(PASSED_PACKETS, PAYLOAD)
        check(daemon, {
            Flow("a0", EGRESS, ends.a, target, 40000, DROPPED, UDP, REJECT): (DROPPED_PACKETS, dropped),
            Flow("br0", INGRESS, ends.a, target, 40000, DROPPED, UDP, REJECT): (DROPPED_PACKETS, dropped),
            Flow("a0", EGRESS, ends.a, target, 40000, PASSED, UDP, ACCEPT): (PASSED_PACKETS, passed),
            Flow("br0", INGRESS, ends.a, target, 40000, PASSED, UDP, ACCEPT): (PASSED_PACKETS, passed),
        }, bridge.a, bridge.b)
    assert bridge.host.counter("dropped")[0] == DROPPED_PACKETS


VIRTUAL = {4: "10.77.1.100", 6: "fd77:1::100"}


@pytest.mark.parametrize("role", ["nic", "port"])
@pytest.mark.parametrize("version", [4, 6])
def test_dnat_then_drop(router, start, version, role):
    """The arriving interface shows the tuple as it arrived, the outgoing one as it would have left."""
    ends, virtual = router.ends(version), VIRTUAL[version]
    family = "ip" if version == 4 else "ip6"
    target = f"{ends.b}:4343" if version == 4 else f"[{ends.b}]:4343"
    through = target.replace("4343", "4444")
    router.router.nft(_table(
        f"chain n {{ type nat hook prerouting priority -100; {family} daddr {virtual} udp dport 53 dnat to {target}; "
        f"{family} daddr {virtual} udp dport 54 dnat to {through}; }}",
        "chain c { type filter hook forward priority 0; udp dport 4343 counter name dropped drop }",
        family=family,
    ))
    daemon = start(router.router, [interface("c0", role), interface("s0", role)])
    inward, outward = _as_role(INGRESS, role), _as_role(EGRESS, role)
    with traffic.UdpSink(router.server, ends.b, PASSED):
        router.client.ip("neighbour", "replace", virtual, "lladdr", router.router.mac("c0"), "dev", "eth0")
        traffic.udp(router.client, ends.a, virtual, 53, DROPPED_PACKETS, PAYLOAD)
        traffic.udp(router.client, ends.a, virtual, 54, PASSED_PACKETS, PAYLOAD, source_port=40001)
        dropped = (DROPPED_PACKETS, ends.udp_bytes(DROPPED_PACKETS, PAYLOAD))
        passed = (PASSED_PACKETS, ends.udp_bytes(PASSED_PACKETS, PAYLOAD))
        check(daemon, {
            Flow("c0", inward, ends.a, virtual, 40000, 53, UDP, REJECT): dropped,
            Flow("s0", outward, ends.a, ends.b, 40000, DROPPED, UDP, REJECT): dropped,
            Flow("c0", inward, ends.a, virtual, 40001, 54, UDP, ACCEPT): passed,
            Flow("s0", outward, ends.a, ends.b, 40001, PASSED, UDP, ACCEPT): passed,
        }, router.client, router.server)
    assert router.router.counter("dropped", family=family) == dropped


def test_dropped_answer_of_dnat(router, start):
    """The answer arrives from the real server and would have left from the address that the client asked."""
    ends, virtual = router.FOUR, VIRTUAL[4]
    router.router.nft(_table(
        f"chain n {{ type nat hook prerouting priority -100; ip daddr {virtual} dnat to {ends.b}; }}",
        "chain c { type filter hook postrouting priority 200; udp sport 4444 counter name dropped drop }",
        family="ip",
    ))
    daemon = start(router.router, [interface("c0"), interface("s0")])
    router.client.ip("neighbour", "replace", virtual, "lladdr", router.router.mac("c0"), "dev", "eth0")
    with traffic.UdpSink(router.server, ends.b, PASSED) as sink:
        traffic.udp(router.client, ends.a, virtual, PASSED, 3, PAYLOAD)
        for _ in range(3):
            sink.socket.settimeout(2)
            sink.socket.sendto(bytes(PAYLOAD), sink.socket.recvfrom(2048)[1])
    size = (3, ends.udp_bytes(3, PAYLOAD))
    check(daemon, {
        Flow("c0", INGRESS, ends.a, virtual, 40000, PASSED, UDP, ACCEPT): size,
        Flow("s0", EGRESS, ends.a, ends.b, 40000, PASSED, UDP, ACCEPT): size,
        Flow("s0", INGRESS, ends.b, ends.a, PASSED, 40000, UDP, REJECT): size,
        Flow("c0", EGRESS, virtual, ends.a, PASSED, 40000, UDP, REJECT): size,
    }, router.client, router.server)
    assert router.router.counter("dropped", family="ip")[0] == 3


def test_masquerade_then_drop(router, start):
    """Discarded after source translation: arriving as it came, outgoing as it would have left."""
    ends = router.FOUR
    router.router.nft(_table(
        "chain n { type nat hook postrouting priority 100; oifname s0 masquerade; }",
        "chain c { type filter hook postrouting priority 200; udp dport 4343 counter name dropped drop }",
        family="ip",
    ))
    daemon = start(router.router, [interface("c0"), interface("s0")])
    traffic.udp(router.client, ends.a, ends.b, DROPPED, DROPPED_PACKETS, PAYLOAD)
    dropped = (DROPPED_PACKETS, ends.udp_bytes(DROPPED_PACKETS, PAYLOAD))
    check(daemon, {
        Flow("c0", INGRESS, ends.a, ends.b, 40000, DROPPED, UDP, REJECT): dropped,
        Flow("s0", EGRESS, "10.77.2.1", ends.b, 40000, DROPPED, UDP, REJECT): dropped,
    }, router.client, router.server)
    assert router.router.counter("dropped", family="ip") == dropped


@pytest.mark.parametrize("version", [4, 6])
def test_late_packet_of_a_closed_connection(host, start, version):
    """Conntrack calls it invalid and the firewall drops it: REJECT, while the connection itself was ACCEPT."""
    ends = host.ends(version)
    host.host.sysctl("netfilter/nf_conntrack_tcp_loose", 0)
    host.host.sysctl("netfilter/nf_conntrack_tcp_timeout_time_wait", 0)  # closed is forgotten
    host.host.nft(_table("chain c { type filter hook input priority 0; ct state invalid counter name dropped drop; "
                         "ct state established,new counter name other accept }"))
    ip = (scapy.IP if version == 4 else scapy.IPv6)(src=ends.a, dst=ends.b)
    late = ip / scapy.TCP(sport=50000, dport=8080, flags="A", seq=0x70000000, ack=0x60000000) / bytes(53)
    frame = bytes(scapy.Ether(src=host.client.mac("eth0"), dst=host.host.mac("eth0")) / late)
    size = (5, 5 * (ends.header + 20 + 53))
    daemon = start(host.host, [interface("eth0")])
    wire = witness.Wire(host.client, "eth0")
    with traffic.TcpServer(host.host, ends.b, 8080):
        traffic.tcp_exchange(traffic.tcp_connect(host.client, ends.a, ends.b, 8080, source_port=50000), bytes(97))
        traffic.settle(host.host)
        there, back = connection_counts(wire, ends, 50000, 8080)
        with traffic.Frames(host.client, "eth0") as frames:
            frames.send(frame, 5)
    records = check(daemon, {
        Flow("eth0", INGRESS, ends.a, ends.b, 50000, 8080, TCP, ACCEPT): there,
        Flow("eth0", INGRESS, ends.a, ends.b, 50000, 8080, TCP, REJECT): size,
        Flow("eth0", EGRESS, ends.b, ends.a, 8080, 50000, TCP, ACCEPT): back,
    }, host.client)
    assert host.host.counter("dropped") == size
    assert host.host.counter("other") == there
    flags = {(record["flow-direction"], record["action"]): record["tcp-flags"] for record in records}
    if records:
        assert flags == {(INGRESS, ACCEPT): "3", (INGRESS, REJECT): "0", (EGRESS, ACCEPT): "19"}


def connection_counts(wire, ends, client_port, server_port):
    """Both directions of one connection as the client's wire saw them."""
    counts = wire.close()
    there = witness.Tuple(ends.a, ends.b, client_port, server_port, TCP)
    back = witness.Tuple(ends.b, ends.a, server_port, client_port, TCP)
    return counts[True, there], counts[False, back]


@pytest.mark.parametrize("version", [4, 6])
def test_answer_dropped_by_a_stateless_rule(host, start, version):
    ends = host.ends(version)
    kind = "icmp type" if version == 4 else "icmpv6 type"
    host.host.nft(_table(f"chain c {{ type filter hook output priority 0; {kind} echo-reply counter name dropped drop }}"))
    daemon = start(host.host, [interface("eth0")])
    traffic.ping(host.client, ends.b, 7, payload=89, wait=0.1)
    protocol = ICMP if version == 4 else ICMPV6
    size = (7, 7 * (ends.header + 8 + 89))
    check(daemon, {
        Flow("eth0", INGRESS, ends.a, ends.b, 0, 0, protocol, ACCEPT): size,
        Flow("eth0", EGRESS, ends.b, ends.a, 0, 0, protocol, REJECT): size,
    }, host.client)
    assert host.host.counter("dropped") == size


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_put_together_then_dropped(host, start, version):
    """Conntrack reassembles before the rule: every fragment that arrived is REJECT, ports on the first only."""
    ends = host.ends(version)
    host.host.nft(_table("chain c { type filter hook input priority 0; ct state new udp dport 4343 "
                         "counter name dropped drop }"))
    daemon = start(host.host, [interface("eth0")])
    wire = witness.Wire(host.client, "eth0")
    traffic.udp(host.client, ends.a, ends.b, DROPPED, 5, 4001)
    traffic.settle(host.host)
    counts = wire.close()
    first = counts[True, witness.Tuple(ends.a, ends.b, 40000, DROPPED, UDP)]
    later = counts[True, witness.Tuple(ends.a, ends.b, 0, 0, UDP)]
    assert (first[0], later[0]) == (5, 10)
    check(daemon, {
        Flow("eth0", INGRESS, ends.a, ends.b, 40000, DROPPED, UDP, REJECT): first,
        Flow("eth0", INGRESS, ends.a, ends.b, 0, 0, UDP, REJECT): later,
    }, host.client)
    assert host.host.counter("dropped")[0] == 5


def test_counted_by_one_processor_refused_by_another(host, start):
    """The halves of datagrams arrive on two processors, and are put together and refused on the second."""
    ends, datagrams, before, after = host.FOUR, 13, 5, 3
    host.host.nft(_table("chain c { type filter hook input priority 0; ct state new udp dport 4343 "
                         "counter name dropped drop }"))
    daemon = start(host.host, [interface("eth0")])
    home = os.sched_getaffinity(0)
    halves = scapy.fragment(scapy.IP(src=ends.a, dst=ends.b) / scapy.UDP(sport=40000, dport=DROPPED) / bytes(1009), fragsize=800)
    link = scapy.Ether(src=host.client.mac("eth0"), dst=host.host.mac("eth0"))
    try:
        with traffic.Frames(host.client, "eth0") as frames:
            for number in range(datagrams):
                for half, processor in zip(halves, (min(home), max(home))):
                    half.id = number
                    os.sched_setaffinity(0, {processor})
                    frames.send(bytes(link / half), 1)
        # A flow of its own with packets of both, let in and refused by turns.
        for processor, count in ((min(home), before), (max(home), after)):
            os.sched_setaffinity(0, {processor})
            traffic.udp(host.client, ends.a, ends.b, DROPPED, count, PAYLOAD, source_port=40001)
    finally:
        os.sched_setaffinity(0, home)
    traffic.settle(host.host)
    assert daemon.status()[0]["capture"]["times-unsure"] == 0
    check(daemon, {
        Flow("eth0", INGRESS, ends.a, ends.b, 40000, DROPPED, UDP, REJECT): (datagrams, datagrams * (20 + 800)),
        Flow("eth0", INGRESS, ends.a, ends.b, 0, 0, UDP, REJECT): (datagrams, datagrams * (20 + 1009 + 8 - 800)),
        Flow("eth0", INGRESS, ends.a, ends.b, 40001, DROPPED, UDP, REJECT):
            (before + after, ends.udp_bytes(before + after, PAYLOAD)),
    }, host.client)
    assert host.host.counter("dropped")[0] == datagrams + before + after


@pytest.mark.parametrize("version", [4, 6])
def test_offloaded_segments_dropped_on_output(host, start, version):
    """A super-frame that the firewall discards is as many packets as it would have been on the wire."""
    ends = host.ends(version)
    daemon = start(host.host, [interface("eth0")])
    wire = witness.Wire(host.client, "eth0")
    with traffic.TcpServer(host.client, ends.a, 8080):
        client = traffic.tcp_connect(host.host, ends.b, ends.a, 8080, source_port=50000)
        client.sendall(bytes(200_003))
        traffic.settle(host.host)
        host.host.nft(_table("chain c { type filter hook output priority 0; tcp dport 8080 counter name dropped drop }"))
        segments = host.host.segments_sent()
        client.send(bytes(60_001))
        lab.wait_for(lambda: host.host.counter("dropped")[0] >= 3, what="retransmissions")
        traffic.reset(client)  # the rule drops it as well
        traffic.settle(host.host)
        segments = host.host.segments_sent() - segments
        frames, length = host.host.counter("dropped")
    traffic.settle(host.host)
    counts = wire.close()
    header = ends.header + 32  # with timestamps, as all but the reset's
    assert segments > frames
    dropped = (segments, length + (segments - frames) * header)
    there = counts[False, witness.Tuple(ends.b, ends.a, 50000, 8080, TCP)]
    back = counts[True, witness.Tuple(ends.a, ends.b, 8080, 50000, TCP)]
    check(daemon, {
        Flow("eth0", EGRESS, ends.b, ends.a, 50000, 8080, TCP, ACCEPT): there,
        Flow("eth0", EGRESS, ends.b, ends.a, 50000, 8080, TCP, REJECT): dropped,
        Flow("eth0", INGRESS, ends.a, ends.b, 8080, 50000, TCP, ACCEPT): back,
    }, host.client)


@pytest.mark.parametrize("version", [4, 6])
def test_offloaded_segments_dropped_on_input(host, start, version):
    ends = host.ends(version)
    daemon = start(host.host, [interface("eth0")])
    wire = witness.Wire(host.client, "eth0")
    with traffic.TcpServer(host.host, ends.b, 8080):
        client = traffic.tcp_connect(host.client, ends.a, ends.b, 8080, source_port=50000)
        client.sendall(bytes(200_003))
        traffic.settle(host.host)
        host.host.nft(_table("chain c { type filter hook input priority 0; tcp dport 8080 counter name dropped drop }"))
        before = wire.counts[True, witness.Tuple(ends.a, ends.b, 50000, 8080, TCP)].copy()
        client.send(bytes(60_001))
        lab.wait_for(lambda: host.host.counter("dropped")[0] >= 3, what="retransmissions")
        traffic.reset(client)
        traffic.settle(host.host)
        frames, _ = host.host.counter("dropped")
    traffic.settle(host.host)
    counts = wire.close()
    after = counts[True, witness.Tuple(ends.a, ends.b, 50000, 8080, TCP)]
    dropped = (after[0] - before[0], after[1] - before[1])
    assert dropped[0] > frames
    check(daemon, {
        Flow("eth0", INGRESS, ends.a, ends.b, 50000, 8080, TCP, ACCEPT): tuple(before),
        Flow("eth0", INGRESS, ends.a, ends.b, 50000, 8080, TCP, REJECT): dropped,
        Flow("eth0", EGRESS, ends.b, ends.a, 8080, 50000, TCP, ACCEPT):
            counts[False, witness.Tuple(ends.b, ends.a, 8080, 50000, TCP)],
    }, host.client)
