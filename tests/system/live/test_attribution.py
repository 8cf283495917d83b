# SPDX-License-Identifier: Apache-2.0
"""`attribution: nftrace`: records name the rule that drops their flow, once a packet of it was traced, where it is
certain; nothing of the trace is left. The wall clock of these daemons is set so that a minute ends soon."""

import re
import time

import pytest

from . import lab, traffic
from .daemon import REJECT, clock_at, interface, interposed
from .test_http import read_metrics

pytestmark = pytest.mark.usefixtures("needs_daemon")
PLAIN, MIXED, TRANSLATED, REACHED, OWN = 5000, 5001, 5002, 5003, 5004

RULES = """
table inet filter {
    chain deep {
        udp dport 5000 drop comment "plain"
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        udp dport 5000 jump deep
        udp dport 5001 numgen inc mod 2 0 drop comment "one"
        udp dport 5001 drop comment "other"
        udp dport 6002 drop comment "translated"
    }
    chain input {
        type filter hook input priority filter; policy drop;
        udp dport != 5003 accept
        meta l4proto != udp accept
    }
    chain output {
        type filter hook output priority filter; policy accept;
        udp dport 5004 drop comment "own"
    }
}
table ip nat {
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        udp dport 5002 dnat to 10.77.2.2:6002
    }
}
"""


def _handle(namespace, comment):
    listed = namespace.run("nft", "-a", "list", "ruleset")
    return re.search(rf'comment "{comment}" # handle (\d+)$', listed, re.MULTILINE)[1]


def _send(scene):
    """Each tuple of the scene, so often that a few of its packets are traced."""
    ends = scene.FOUR
    for port in (PLAIN, MIXED, TRANSLATED):
        traffic.udp(scene.client, ends.a, ends.b, port, 6, 11)
    traffic.udp(scene.client, ends.a, "10.77.1.1", REACHED, 6, 11)
    traffic.udp(scene.router, "10.77.1.1", ends.a, OWN, 6, 11)
    traffic.udp(scene.client, scene.SIX.a, scene.SIX.b, PLAIN, 6, 11)


def _is_tracing(namespace):
    return "flowlog_trace_" in namespace.run("nft", "list", "tables")


def _until_known(scene, daemon):
    """The minute of the first packets ends, a round begins, and packets come that it traces."""
    _send(scene)
    lab.wait_for(lambda: _is_tracing(scene.router), 20, "a round")
    assert daemon.status()[0]["attribution"]["tracing"] == 7
    _send(scene)
    lab.wait_for(lambda: daemon.status()[0]["attribution"]["packets"] >= 30, what="traced packets")
    lab.wait_for(lambda: not _is_tracing(scene.router), what="the end of the round")


@pytest.fixture
def daemon(router, start, library):
    router.router.nft(RULES)
    made = start(router.router, [interface("c0"), interface("s0", "port")], begin=False, keys={"attribution": "nftrace"})
    made.wrapper = interposed(library, clock=clock_at(53))
    return made.start()


def _rules(daemon):
    """What records say by device, family, port and minute: the first one and those after."""
    said = {}
    records = [record for record in daemon.records() if record["action"] == REJECT]
    first = min(int(record["start"]) // 60 for record in records)
    for record in records:
        assert record["x-reject-source"] == "netfilter"
        key = (daemon.devices[record["interface-id"]], record["type"], int(record["dstport"]))
        later = int(record["start"]) // 60 > first
        said.setdefault((*key, later), set()).add(record["x-reject-rule"])
    return said


def test_records_name_the_rule(router, daemon):
    _until_known(router, daemon)
    [status] = daemon.status()
    assert status["attribution"]["rounds"] == 1 and status["attribution"]["failures"] == 0
    assert "attribution: by nftrace, rounds 1, packets 3" in daemon.status_command().stdout
    _, samples = read_metrics(router.router)
    assert samples[("flowlog_attribution_rounds_total",)] == 1
    assert samples[("flowlog_attribution_dropped_packets_total",)] == samples[("flowlog_attribution_packets_total",)]
    daemon.stop()
    assert not _is_tracing(router.router)
    plain = f"inet%20filter%2Fdeep%20handle%20{_handle(router.router, 'plain')}"
    translated = f"inet%20filter%2Fforward%20handle%20{_handle(router.router, 'translated')}"
    own = f"inet%20filter%2Foutput%20handle%20{_handle(router.router, 'own')}"
    assert _rules(daemon) == {
        **{(device, kind, PLAIN, later): {plain if later else "-"} for device in ("c0", "s0") for kind in ("IPv4", "IPv6")
           for later in (False, True)},
        ("c0", "IPv4", MIXED, False): {"-"},
        ("c0", "IPv4", MIXED, True): {"-"},
        ("s0", "IPv4", MIXED, False): {"-"},
        ("s0", "IPv4", MIXED, True): {"-"},
        ("c0", "IPv4", TRANSLATED, False): {"-"},
        ("c0", "IPv4", TRANSLATED, True): {translated},
        ("s0", "IPv4", 6002, False): {"-"},
        ("s0", "IPv4", 6002, True): {translated},
        ("c0", "IPv4", REACHED, False): {"-"},
        ("c0", "IPv4", REACHED, True): {"inet%20filter%2Finput%20policy"},
        ("c0", "IPv4", OWN, False): {"-"},
        ("c0", "IPv4", OWN, True): {own},
    }


def _scan(scene, first):
    """Twelve probes each, no two alike: of one port from changing ports; of many ports, which the policy of the input drops."""
    for i in range(first, first + 12):
        traffic.udp(scene.client, scene.FOUR.a, scene.FOUR.b, PLAIN, 1, 11, source_port=40000 + i)
        traffic.udp(scene.client, scene.FOUR.a, "10.77.1.1", 7000 + i, 1, 11, source_port=41000 + i)
        time.sleep(0.15)


def test_scans_whose_flows_do_not_come_again(router, daemon):
    """Packets are traced by what the scan's flows have in common, and each names the rule that itself met; others stay open."""
    router.router.nft("insert rule inet filter input udp dport 7000-7100 drop comment \"scan\"")
    router.router.nft("insert rule inet filter forward udp dport 5000 udp sport 40040-40041 drop comment \"apart\"")
    _scan(router, 0)
    lab.wait_for(lambda: _is_tracing(router.router), 20, "a round")
    assert daemon.status()[0]["attribution"]["tracing"] == 16 + 2
    _scan(router, 30)
    lab.wait_for(lambda: daemon.status()[0]["attribution"]["dropped"] >= 24, what="traced packets")
    daemon.stop()
    named = {name: f"inet%20filter%2F{chain}%20handle%20{_handle(router.router, name)}"
             for name, chain in (("plain", "deep"), ("scan", "input"), ("apart", "forward"))}
    said = {}
    for record in daemon.records():
        if record["action"] == REJECT and record["type"] == "IPv4":
            said.setdefault((int(record["srcport"]), daemon.devices[record["interface-id"]]), set()).add(record["x-reject-rule"])
    for i in range(12):
        assert said[40000 + i, "c0"] == said[40000 + i, "s0"] == said[41000 + i, "c0"] == {"-"}
    for i in range(30, 42):
        rule = named["apart" if i in (40, 41) else "plain"]
        assert said[40000 + i, "c0"] == said[40000 + i, "s0"] == {rule}, i
        assert said[41000 + i, "c0"] == {named["scan"]}, i


def test_a_changed_ruleset_makes_it_void(router, daemon):
    """What was found no longer holds when anybody has changed any rule since."""
    _until_known(router, daemon)
    assert daemon.status()[0]["attribution"]["known"] > 0
    router.router.nft("table ip other {\nchain c { type filter hook forward priority 10; }\n}")
    lab.wait_for(lambda: daemon.status()[0]["attribution"]["known"] == 0, what="nothing known")
    assert daemon.status()[0]["attribution"]["changes"] == 1
    daemon.stop()
    assert set.union(*_rules(daemon).values()) == {"-"}


def test_killed_while_it_traces(router, daemon):
    """The kernel removes the table."""
    _send(router)
    lab.wait_for(lambda: _is_tracing(router.router), 20, "a round")
    daemon.kill()
    lab.wait_for(lambda: not _is_tracing(router.router), what="the table gone")
