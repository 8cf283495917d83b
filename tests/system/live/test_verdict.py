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
    """Traffic towards the host (ingress) or from it (egress), with a sink for what passes."""

    def __init__(self, host, version, direction):
        ends = host.ends(version)
        self.ends, self.direction = ends, direction
        inward = direction == INGRESS
        self.sender, self.receiver = (host.client, host.host) if inward else (host.host, host.client)
        self.source, self.destination = (ends.a, ends.b) if inward else (ends.b, ends.a)

    def play(self):
        with traffic.UdpSink(self.receiver, self.destination, PASSED):
            _send(self.sender, self.source, self.destination)
            traffic.settle(self.receiver, self.sender)

    def expected(self):
        return _expected("eth0", self.direction, self.ends, self.source, self.destination)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("direction", [INGRESS, EGRESS])
def test_tc_classifier(host, start, verdict_object, discard_witness, direction, version):
    """A classic clsact program behind ours."""
    host.host.tc("qdisc", "add", "dev", "eth0", "clsact")
    host.host.tc("filter", "add", "dev", "eth0", direction, "bpf", "da", "object-file", str(verdict_object), "section", "tc")
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    scene = Scene(host, version, direction)
    scene.play()
    assert discards.counts()[f"TC_{direction.upper()}"] == DROPPED_PACKETS
    _check_sources(check(daemon, scene.expected(), host.client), "tc")
    assert "foreign_tc" in host.host.tc("filter", "show", "dev", "eth0", direction)


@pytest.mark.parametrize("order", ["before-us", "after-us"])
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("direction", [INGRESS, EGRESS])
def test_tcx_program(host, start, foreign, discard_witness, direction, version, order):
    """A foreign tcx program, attached to the chain before the daemon starts or while it runs."""
    if order == "before-us":
        foreign.attach_tcx("foreign_tc", host.host, "eth0", direction)
    daemon = start(host.host, [interface("eth0")])
    if order == "after-us":
        foreign.attach_tcx("foreign_tc", host.host, "eth0", direction)
    discards = witness.Discards(discard_witness, host.host)
    scene = Scene(host, version, direction)
    scene.play()
    assert foreign.array_value("verdicts", "QQ")[1] == DROPPED_PACKETS
    assert discards.counts()[f"TC_{direction.upper()}"] == DROPPED_PACKETS
    _check_sources(check(daemon, scene.expected(), host.client), "tc")


@pytest.mark.parametrize("version", [4, 6])
def test_generic_xdp(host, start, foreign, discard_witness, version):
    """Before our ingress program: added, not moved. Kernel 6.18 gives these discards no reason of their own."""
    foreign.attach_xdp("foreign_xdp", host.host, "eth0")
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    scene = Scene(host, version, INGRESS)
    scene.play()
    assert foreign.array_value("verdicts", "QQ")[1] == DROPPED_PACKETS
    discarded = discards.counts()
    assert discarded.get("XDP", 0) + discarded.get("NOT_SPECIFIED", 0) == DROPPED_PACKETS
    _check_sources(check(daemon, scene.expected(), host.client), "xdp")


@pytest.mark.parametrize("version", [4, 6])
def test_cgroup_egress(host, start, foreign, cgroup, discard_witness, version):
    foreign.attach_cgroup("foreign_egress", cgroup.path, bpf.CGROUP_EGRESS)
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    scene = Scene(host, version, EGRESS)
    with cgroup:
        scene.play()
    assert foreign.array_value("verdicts", "QQ")[1] == DROPPED_PACKETS
    assert discards.counts()["BPF_CGROUP_EGRESS"] == DROPPED_PACKETS
    _check_sources(check(daemon, scene.expected(), host.client), "cgroup")


@pytest.mark.parametrize("version", [4, 6])
def test_cgroup_ingress(host, start, foreign, cgroup, discard_witness, version):
    """The kernel's reason is a socket filter's, but no socket here has one: it was the cgroup."""
    foreign.attach_cgroup("foreign_ingress", cgroup.path, bpf.CGROUP_INGRESS)
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    scene = Scene(host, version, INGRESS)
    with cgroup, traffic.UdpSink(host.host, scene.destination, DROPPED):
        scene.play()
    assert foreign.array_value("verdicts", "QQ")[1] == DROPPED_PACKETS
    assert discards.counts() == {"SOCKET_FILTER": DROPPED_PACKETS}
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


@pytest.mark.parametrize("version", [4, 6])
def test_ipsec_policy_on_input(host, start, discard_witness, version):
    ends = host.ends(version)
    host.host.ip("xfrm", "policy", "add", "src", ends.a, "dst", ends.b, "proto", "udp", "dport", str(DROPPED),
                 "dir", "in", "action", "block")
    daemon = start(host.host, [interface("eth0")])
    discards = witness.Discards(discard_witness, host.host)
    scene = Scene(host, version, INGRESS)
    with traffic.UdpSink(host.host, ends.b, DROPPED):
        scene.play()
    assert discards.counts() == {"XFRM_POLICY": DROPPED_PACKETS}
    _check_sources(check(daemon, scene.expected(), host.client), "xfrm")


def test_ipsec_policy_on_forward(router, start, discard_witness):
    """IPv4 only: the kernel discards forwarded IPv6 for a policy without saying so (kernel 6.18, ip6_forward)."""
    ends = router.FOUR
    router.router.ip("xfrm", "policy", "add", "src", ends.a, "dst", ends.b, "proto", "udp", "dport", str(DROPPED),
                     "dir", "fwd", "action", "block")
    daemon = start(router.router, [interface("c0"), interface("s0")])
    discards = witness.Discards(discard_witness, router.router)
    with traffic.UdpSink(router.server, ends.b, PASSED):
        _send(router.client, ends.a, ends.b)
        traffic.settle(router.router)
    assert discards.counts()["XFRM_POLICY"] == DROPPED_PACKETS
    expected = _expected("c0", INGRESS, ends, ends.a, ends.b) | _expected("s0", EGRESS, ends, ends.a, ends.b)
    _check_sources(check(daemon, expected, router.client, router.server), "xfrm")
