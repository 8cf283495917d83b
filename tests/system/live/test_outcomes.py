# SPDX-License-Identifier: Apache-2.0
"""What `flowlog diagnose` says of real traffic, from the records of a real daemon: a router's nftables plays a stateful and
a stateless control, client and server have firewalls, listeners and routes of their own, and each outcome comes about."""

import json
import pathlib
import subprocess

import pytest

from . import lab, traffic
from .daemon import BUILD, interface, interface_id
from .traffic import UDP

pytestmark = pytest.mark.usefixtures("needs_daemon")

# The router's controls. "sg" knows connections; "acl" looks at each packet alone.
CONTROLS = """
table inet sg {
    chain forward {
        type filter hook forward priority filter; policy accept;
        ct state established,related accept
        tcp dport 5101 drop
        tcp dport 5107 reject with tcp reset
    }
}
table inet acl {
    chain forward {
        type filter hook forward priority -10; policy accept;
        tcp sport 5102 drop
        udp sport 5103 drop
        icmp type echo-reply drop
        icmpv6 type echo-reply drop
    }
}
"""
OWN_FIREWALL = "table inet own {\nchain input { type filter hook input priority 0; tcp dport 5104 drop; }\n}"
ELSEWHERE = "10.77.4.2"  # the server's address that the client reaches past the router


def diagnose(records, source, destination, *options, status=0):
    """The answer as JSON, of all files below the folder."""
    files = sorted(pathlib.Path(records).rglob("*.log.gz"))
    command = [BUILD / "flowlog", "diagnose", "--src", source, "--dst", destination, "-o", "json", *options]
    done = subprocess.run([*map(str, command), "--from", *map(str, files)], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, (done.args, done.stdout, done.stderr)
    return json.loads(done.stdout)


def _connect(scene, ends, port, destination=None):
    """What a client would see: the exchange, a refusal, or nothing for a moment."""
    try:
        traffic.tcp_exchange(traffic.tcp_connect(scene.client, ends.a, destination or ends.b, port, timeout=0.3), b"hello")
        return "answered"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "silence"


def _make_way_past_the_router(net, scene):
    net.link(scene.client, "eth1", scene.server, "eth1")
    lab.add_address(scene.client, "eth1", "10.77.3.1/24")
    lab.add_address(scene.server, "eth1", "10.77.3.2/24")
    lab.add_address(scene.server, "lo", f"{ELSEWHERE}/32")
    lab.know_neighbour(scene.client, "eth1", scene.server, "eth1", "10.77.3.2")
    scene.client.ip("route", "add", ELSEWHERE, "via", "10.77.3.2")


def _guests(scene):
    """The two ends, recorded by the router as a hypervisor records its guests."""
    return [
        interface("c0", "port", addresses=[scene.FOUR.a, scene.SIX.a]),
        interface("s0", "port", addresses=[scene.FOUR.b, scene.SIX.b, ELSEWHERE]),
    ]


@pytest.fixture
def records(net, router, start):
    """All the traffic, once, and the folder of what was recorded of it."""
    router.router.nft(CONTROLS)
    router.server.nft(OWN_FIREWALL)
    _make_way_past_the_router(net, router)
    daemon = start(router.router, _guests(router))
    for ends in (router.FOUR, router.SIX):
        listening = [traffic.TcpServer(router.server, ends.b, port, answer=11) for port in (22, 5101, 5102, 5104)]
        said = {port: _connect(router, ends, port) for port in (22, 5101, 5102, 5104, 5106, 5107)}
        assert said == {22: "answered", 5101: "silence", 5102: "silence", 5104: "silence", 5106: "refused", 5107: "refused"}
        with traffic.UdpSink(router.server, ends.b, 5103):
            traffic.udp(router.client, ends.a, ends.b, 5103, 3, 11)
        traffic.udp(router.server, ends.b, ends.a, 40000, 2, 11, source_port=5103)
        traffic.ping(router.client, ends.b, 3, wait=0.2)
        for server in listening:
            server.__exit__()
    with traffic.TcpServer(router.server, ELSEWHERE, 5105, answer=11):
        assert _connect(router, router.FOUR, 5105, ELSEWHERE) == "answered"
    traffic.settle(router.router, router.client, router.server)
    daemon.stop()
    return daemon.destination


C, S = interface_id("c0"), interface_id("s0")
# Port or protocol; the outcome; which interfaces its rejects stand on.
OUTCOMES = [
    (22, "accepted", set()),
    (5101, "rejected-request", {C, S}),
    (5102, "rejected-response", {C, S}),
    (5104, "no-response", set()),
    (5106, "refused", set()),
    (5107, "rejected-request", {C, S}),
    (4999, "absent", set()),
]


def _rejected_on(answer):
    return {one["interface-id"] for item in answer["evidence"] for one in item["records"] if one["action"] == "REJECT"}


def test_each_outcome(router, records):
    for ends in (router.FOUR, router.SIX):
        for port, outcome, rejected in OUTCOMES:
            answer = diagnose(records, ends.a, ends.b, "--port", str(port), status=int(outcome == "absent"))
            assert answer["outcome"] == outcome, (port, answer)
            assert answer["completeness"]["complete"], (port, answer)
            assert _rejected_on(answer) == rejected, (port, answer)
            diagnose(records, ends.a, ends.b, "--port", str(port), "--expect", outcome)
        answer = diagnose(records, ends.a, ends.b, "--port", "5103", "--protocol", "udp")
        assert answer["outcome"] == "rejected-response"
        sums = {}
        for item in answer["evidence"][:-1]:
            for one in item["records"]:
                key = one["interface-id"], one["srcaddr"], one["action"]
                sums[key] = sums.get(key, 0) + one["packets"]
        assert sums == {(C, ends.a, "ACCEPT"): 3, (S, ends.a, "ACCEPT"): 3, (C, ends.b, "REJECT"): 2, (S, ends.b, "REJECT"): 2}
        ping = diagnose(records, ends.a, ends.b, "--protocol", "icmp" if ends is router.FOUR else "icmpv6")
        assert ping["outcome"] == "rejected-response" and _rejected_on(ping) == {C, S}, ping
    answer = diagnose(records, router.FOUR.a, ELSEWHERE, "--port", "5105")
    assert answer["outcome"] == "one-way", answer
    assert {one["srcaddr"] for item in answer["evidence"] for one in item["records"]} == {ELSEWHERE}
    # Interfaces stand for their addresses.
    assert diagnose(records, C, S, "--port", "5101")["outcome"] == "rejected-request"
    assert diagnose(records, C, S, "--port", "5104")["outcome"] == "no-response"


def test_gaps_make_absent_unknown(router, start, flood):
    """The kernel's map overflows: what is not recorded may have been there, and the answer says how much is missing."""
    ends = router.FOUR
    with traffic.UdpSink(router.server, ends.b, 20000):
        daemon = start(router.router, _guests(router), capture={"map-entries": 1024})
        packets = flood(router.client, ends.a, ends.b, 15_013, 22, count=60_013)
        traffic.settle(router.router, router.server)
        command = [BUILD / "flowlog", "diagnose", "--src", C, "--dst", S, "--state", daemon.state, "-o", "json"]
        said = json.loads(subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout)
        counted = {one["interface-id"]: one["lost-packets"] for one in said["completeness"]["ledger"]}
        daemon.stop()
    recorded = sum(int(record["packets"]) for record in daemon.records() if int(record["protocol"]) == UDP)
    answer = diagnose(daemon.destination, ends.a, ends.b, "--port", "4999", status=1)
    assert answer["outcome"] == "unknown" and not answer["completeness"]["complete"]
    lost = {one["interface-id"]: one["lost-packets"] for one in answer["completeness"]["interfaces"]}
    assert set(lost) == {C, S} and all(lost.values())
    assert counted == lost  # by the ledger, before any record told of it
    assert recorded + sum(lost.values()) == 2 * packets
    diagnose(daemon.destination, ends.a, ends.b, "--port", "4999", "--expect", "unknown")
    # Of somebody else's traffic there is nothing at all: no interface of either end was recorded.
    answer = diagnose(daemon.destination, "192.0.2.1", "192.0.2.2", status=1)
    assert answer["outcome"] == "unknown" and "no record" in answer["completeness"]["why"]
