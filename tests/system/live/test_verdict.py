# SPDX-License-Identifier: Apache-2.0
"""Controls other than nftables: tc, tcx, XDP, cgroup BPF, reverse path filter, IPsec policy. Each scene is proven
by the foreign program's own count and by the kernel's reason for the discard."""

import pytest

from . import bpf, traffic, witness
from .daemon import ACCEPT, EGRESS, INGRESS, REJECT, Flow, check, interface
from .traffic import UDP

DROPPED, PASSED = bpf.DROP_PORT, 4444
DROPPED_PACKETS, PASSED_PACKETS = 13, 11
PAYLOAD = 101


def _send(namespace, source, destination):
    traffic.udp(namespace, source, destination, DROPPED, DROPPED_PACKETS, PAYLOAD)
    traffic.udp(namespace, source, destination, PASSED, PASSED_PACKETS, PAYLOAD)


def _expected(device, direction, ends, source, destination):
    return {
        Flow(device, direction, source, destination, 40000, DROPPED, UDP, REJECT):
            (DROPPED_PACKETS, ends.udp_bytes(DROPPED_PACKETS, PAYLOAD)),
        Flow(device, direction, source, destination, 40000, PASSED, UDP, ACCEPT):
            (PASSED_PACKETS, ends.udp_bytes(PASSED_PACKETS, PAYLOAD)),
    }


def _check_sources(records, source):
    for record in records:
        assert record["x-reject-source"] == (source if record["action"] == REJECT else "-")


class Scene:
    """Traffic of both families towards the host (ingress) or from it (egress), with sinks for what passes."""

    DROPPED = 2 * DROPPED_PACKETS

    def __init__(self, host, direction):
        self.direction = direction
        inward = direction == INGRESS
        self.sender, self.receiver = (host.client, host.host) if inward else (host.host, host.client)
        self.ways = [(ends, *((ends.a, ends.b) if inward else (ends.b, ends.a))) for ends in (host.FOUR, host.SIX)]

    def play(self):
        for _, source, destination in self.ways:
            with traffic.UdpSink(self.receiver, destination, PASSED):
                _send(self.sender, source, destination)
                traffic.settle(self.receiver, self.sender)

    def expected(self):
        flows = {}
        for ends, source, destination in self.ways:
            flows |= _expected("eth0", self.direction, ends, source, destination)
        return flows


@pytest.mark.parametrize("direction", [INGRESS, EGRESS])
def test_tc_classifier(host, start, verdict_object, discard_witness, direction):
    """A classic clsact program behind ours."""
    host.host.tc("qdisc", "add", "dev", "eth0", "clsact")
    host.host.tc("filter", "add", "dev", "eth0", direction, "bpf", "da", "object-file", str(verdict_object), "section", "tc")
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    scene = Scene(host, direction)
    scene.play()
    assert discards.counts()[f"TC_{direction.upper()}"] == Scene.DROPPED
    _check_sources(check(daemon, scene.expected(), host.client), "tc")
    assert "foreign_tc" in host.host.tc("filter", "show", "dev", "eth0", direction)


@pytest.mark.parametrize("order", ["before-us", "after-us"])
@pytest.mark.parametrize("direction", [INGRESS, EGRESS])
def test_tcx_program(host, start, foreign, discard_witness, direction, order):
    """A foreign tcx program, attached to the chain before the daemon starts or while it runs."""
    if order == "before-us":
        foreign.attach_tcx("foreign_tc", host.host, "eth0", direction)
    daemon = start(host.host, [interface("eth0")])
    if order == "after-us":
        foreign.attach_tcx("foreign_tc", host.host, "eth0", direction)
    discards = witness.Discards(discard_witness, host.host)
    scene = Scene(host, direction)
    scene.play()
    assert foreign.array_value("verdicts", "QQ")[1] == Scene.DROPPED
    assert discards.counts()[f"TC_{direction.upper()}"] == Scene.DROPPED
    _check_sources(check(daemon, scene.expected(), host.client), "tc")


@pytest.mark.parametrize("direction, attach", [(INGRESS, "clsact"), (EGRESS, "tcx"), (EGRESS, "clsact")])
def test_tcx_program_in_front_of_us(host, start, foreign, direction, attach):
    """Packets that it drops never come to the hook, though their buffers often lie where that of a packet lay which did:
    these are let in, and freed at once, as nobody routes them on."""
    ends, beyond, rounds, dropped = host.FOUR, "198.51.100.1", 7, 61
    sender, receiver = (host.client, host.host) if direction == INGRESS else (host.host, host.client)
    source, target = (ends.a, ends.b) if direction == INGRESS else (ends.b, ends.a)
    sender.ip("route", "add", beyond, "via", target)
    receiver.sysctl("ipv4/conf/all/forwarding", 0)
    foreign.attach_tcx("foreign_tc", host.host, "eth0", direction)
    daemon = start(host.host, [interface("eth0")], capture={"attach": attach})
    for _ in range(rounds):
        traffic.udp(sender, source, beyond, PASSED, 1, PAYLOAD)
        traffic.udp(sender, source, beyond, DROPPED, dropped, PAYLOAD)
    assert foreign.array_value("verdicts", "QQ")[1] == dropped * rounds
    traffic.settle(host.host, host.client)
    assert sum(row[direction]["added"] for row in daemon.status()[0]["ledger"]) == dropped * rounds
    flow = Flow("eth0", direction, source, beyond, 40000, PASSED, UDP, ACCEPT)
    _check_sources(check(daemon, {
        flow: (rounds, ends.udp_bytes(rounds, PAYLOAD)),
        flow._replace(destination_port=DROPPED, action=REJECT): (dropped * rounds, ends.udp_bytes(dropped * rounds, PAYLOAD)),
    }, host.client), "tc")


def test_generic_xdp(host, start, foreign, discard_witness):
    """Before our ingress program: added, not moved. Kernel 6.18 gives these discards no reason of their own."""
    foreign.attach_xdp("foreign_xdp", host.host, "eth0")
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    scene = Scene(host, INGRESS)
    scene.play()
    assert foreign.array_value("verdicts", "QQ")[1] == Scene.DROPPED
    discarded = discards.counts()
    assert discarded.get("XDP", 0) + discarded.get("NOT_SPECIFIED", 0) == Scene.DROPPED
    _check_sources(check(daemon, scene.expected(), host.client), "xdp")


def test_cgroup_egress(host, start, foreign, cgroup, discard_witness):
    foreign.attach_cgroup("foreign_egress", cgroup.path, bpf.CGROUP_EGRESS)
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    scene = Scene(host, EGRESS)
    with cgroup:
        scene.play()
    assert foreign.array_value("verdicts", "QQ")[1] == Scene.DROPPED
    assert discards.counts()["BPF_CGROUP_EGRESS"] == Scene.DROPPED
    _check_sources(check(daemon, scene.expected(), host.client), "cgroup")


def test_cgroup_ingress(host, start, foreign, cgroup, discard_witness):
    """The kernel's reason is a socket filter's, but no socket here has one: it was the cgroup."""
    foreign.attach_cgroup("foreign_ingress", cgroup.path, bpf.CGROUP_INGRESS)
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    scene = Scene(host, INGRESS)
    with cgroup, traffic.UdpSink(host.host, host.FOUR.b, DROPPED), traffic.UdpSink(host.host, host.SIX.b, DROPPED):
        scene.play()
    assert foreign.array_value("verdicts", "QQ")[1] == Scene.DROPPED
    assert discards.counts() == {"SOCKET_FILTER": Scene.DROPPED}
    _check_sources(check(daemon, scene.expected(), host.client), "cgroup")


@pytest.mark.parametrize("role", ["nic", "port"])
def test_reverse_path_filter(router, start, discard_witness, role):
    """A forged source that the router would reach through another interface."""
    router.router.sysctl("ipv4/conf/c0/rp_filter", 1)
    forged = "10.77.2.77"
    ends = router.FOUR
    router.client.ip("address", "add", f"{forged}/32", "dev", "lo")
    daemon = start(router.router, [interface("c0", role), interface("s0", role)])
    discards = witness.Discards(discard_witness, router.router)
    traffic.udp(router.client, forged, ends.b, DROPPED, DROPPED_PACKETS, PAYLOAD)
    traffic.settle(router.router)
    assert discards.counts()["IP_RPFILTER"] == DROPPED_PACKETS
    direction = INGRESS if role == "nic" else EGRESS
    records = check(daemon, {
        Flow("c0", direction, forged, ends.b, 40000, DROPPED, UDP, REJECT):
            (DROPPED_PACKETS, ends.udp_bytes(DROPPED_PACKETS, PAYLOAD)),
    }, router.client, router.server)
    _check_sources(records, "rpfilter")


def test_reverse_path_of_ipv6(router, start, discard_witness):
    """The kernel's own filter is for IPv4 alone; for IPv6 it is a rule, and so a drop of netfilter's."""
    router.router.nft("table ip6 t { counter dropped {}\n"
                      "chain c { type filter hook prerouting priority 0; "
                      "meta l4proto udp fib saddr . iif oif missing counter name dropped drop\n}\n}")
    forged, ends = "fd77:2::77", router.SIX
    router.client.ip("address", "add", f"{forged}/128", "dev", "lo")
    daemon = start(router.router, [interface("c0"), interface("s0")])
    discards = witness.Discards(discard_witness, router.router)
    traffic.udp(router.client, forged, ends.b, DROPPED, DROPPED_PACKETS, PAYLOAD)
    with traffic.UdpSink(router.server, ends.b, PASSED):
        traffic.udp(router.client, ends.a, ends.b, PASSED, PASSED_PACKETS, PAYLOAD)
        traffic.settle(router.router, router.server)
    assert router.router.counter("dropped", family="ip6")[0] == DROPPED_PACKETS
    assert discards.counts()["NETFILTER_DROP"] == DROPPED_PACKETS
    passed = Flow("c0", INGRESS, ends.a, ends.b, 40000, PASSED, UDP, ACCEPT)
    passed_size = (PASSED_PACKETS, ends.udp_bytes(PASSED_PACKETS, PAYLOAD))
    records = check(daemon, {
        Flow("c0", INGRESS, forged, ends.b, 40000, DROPPED, UDP, REJECT):
            (DROPPED_PACKETS, ends.udp_bytes(DROPPED_PACKETS, PAYLOAD)),
        passed: passed_size,
        passed._replace(device="s0", direction=EGRESS): passed_size,
    }, router.client, router.server)
    _check_sources(records, "netfilter")


def test_ipsec_policy_on_input(host, start, discard_witness):
    for ends in (host.FOUR, host.SIX):
        host.host.ip("xfrm", "policy", "add", "src", ends.a, "dst", ends.b, "proto", "udp", "dport", str(DROPPED),
                     "dir", "in", "action", "block")
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    scene = Scene(host, INGRESS)
    with traffic.UdpSink(host.host, host.FOUR.b, DROPPED), traffic.UdpSink(host.host, host.SIX.b, DROPPED):
        scene.play()
    assert discards.counts() == {"XFRM_POLICY": Scene.DROPPED}
    _check_sources(check(daemon, scene.expected(), host.client), "xfrm")


@pytest.mark.parametrize("version", [4, 6])
def test_ipsec_policy_on_forward(router, start, discard_witness, version):
    """Kernel 6.18 discards forwarded IPv6 for a policy without saying why: where it does so tells."""
    ends = router.ends(version)
    router.router.ip("xfrm", "policy", "add", "src", ends.a, "dst", ends.b, "proto", "udp", "dport", str(DROPPED),
                     "dir", "fwd", "action", "block")
    daemon = start(router.router, [interface("c0"), interface("s0")])
    discards = witness.Discards(discard_witness, router.router)
    with traffic.UdpSink(router.server, ends.b, PASSED):
        _send(router.client, ends.a, ends.b)
        traffic.settle(router.router)
    told = discards.counts()
    expected = _expected("c0", INGRESS, ends, ends.a, ends.b) | _expected("s0", EGRESS, ends, ends.a, ends.b)
    reasons = ("XFRM_POLICY",) if version == 4 else ("XFRM_POLICY", "NOT_SPECIFIED")
    assert sum(told.get(reason, 0) for reason in reasons) == DROPPED_PACKETS
    _check_sources(check(daemon, expected, router.client, router.server), "xfrm")


def test_controls_take_turns(host, start, foreign):
    """One flow within one drain: let in, refused by a firewall, by XDP in front of the hook, and by tc behind it."""
    ends, parts = host.FOUR, {"-": 5, "netfilter": 13, "xdp": 7, "tc": 11}
    daemon = start(host.host, [interface("eth0")])

    def send(control):
        traffic.udp(host.client, ends.a, ends.b, DROPPED, parts[control], PAYLOAD)
        traffic.settle(host.host, host.client)

    with traffic.UdpSink(host.host, ends.b, DROPPED):
        send("-")
        host.host.nft(f"table inet t {{\nchain c {{ type filter hook input priority 0; udp dport {DROPPED} drop\n}}\n}}")
        send("netfilter")
        host.host.nft("delete table inet t")
        foreign.attach_xdp("foreign_xdp", host.host, "eth0")
        send("xdp")
        host.host.ip("link", "set", "dev", "eth0", "xdpgeneric", "off")
        foreign.attach_tcx("foreign_tc", host.host, "eth0", INGRESS)
        send("tc")
    flow = Flow("eth0", INGRESS, ends.a, ends.b, 40000, DROPPED, UDP, REJECT)
    refused = sum(parts.values()) - parts["-"]
    expected = {flow: (refused, ends.udp_bytes(refused, PAYLOAD)),
                flow._replace(action=ACCEPT): (parts["-"], ends.udp_bytes(parts["-"], PAYLOAD))}
    seen = dict.fromkeys(parts, 0)
    for record in check(daemon, expected, host.client):
        if record["dstport"] == str(DROPPED):
            seen[record["x-reject-source"]] += int(record["packets"])
    assert seen == parts
