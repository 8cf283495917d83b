# SPDX-License-Identifier: Apache-2.0
"""`flowlog diagnose --trace`: the rule that drops a packet is named, whatever kind of rule it is and at whichever hook,
and nothing is left of the trace, however it ends."""

import json
import os
import re
import signal
import subprocess
import time

import pytest

from . import bpf, lab, traffic
from .daemon import BUILD

RULES = """
table inet filter {
    set bad { type inet_service; elements = { 4001, 4002 }; }
    map verdicts { type inet_service : verdict; elements = { 4003 : drop, 4004 : jump deep }; }
    chain deeper {
        udp dport 4004 counter drop comment "case chain"
    }
    chain deep {
        udp dport 4000-4100 goto deeper
    }
    chain forward {
        type filter hook forward priority filter; policy accept;
        udp dport 4000 drop comment "case drop"
        udp dport @bad drop comment "case set"
        udp dport vmap @verdicts comment "case map"
        udp dport vmap { 4005 : drop, 4006 : accept } comment "case vmap"
        udp dport { 4007, 4107, 4207, 4307, 4407, 4507, 4607, 4707, 4807, 4907, 5007, 5107, 5207 } reject comment "case reject"
        udp sport 4008 drop comment "case response"
        udp dport 4018 drop comment "case translated"
        tcp dport 4010 reject with tcp reset comment "case reset"
    }
    chain input {
        type filter hook input priority filter; policy accept;
        udp dport 4011 drop comment "case input"
    }
    chain output {
        type filter hook output priority filter; policy accept;
        udp dport 4012 drop comment "case output"
    }
    chain late {
        type filter hook postrouting priority 200; policy accept;
        udp dport 4013 drop comment "case postrouting"
    }
    chain early {
        type filter hook prerouting priority raw; policy accept;
        udp dport 4014 drop comment "case raw"
    }
    chain translate {
        type nat hook prerouting priority dstnat; policy accept;
        udp dport 4017 redirect to :4019 comment "not a drop"
    }
    chain redirected {
        type filter hook input priority 5; policy accept;
        udp dport 4019 drop comment "case redirect"
    }
}
table netdev edge {
    chain arriving {
        type filter hook ingress device "c0" priority 0; policy accept;
        udp dport 4015 drop comment "case ingress"
    }
    chain leaving {
        type filter hook egress device "s0" priority 0; policy accept;
        udp dport 4016 drop comment "case egress"
    }
}
"""

# What is sent to or through the router: to its end, a far end, or by the router itself.
THROUGH, TO, BY, BACK = "through", "to", "by", "back"
CASES = [
    ("drop", 4000, THROUGH, "drop"),
    ("set", 4001, THROUGH, "drop"),
    ("map", 4003, THROUGH, "drop"),
    ("chain", 4004, THROUGH, "drop"),
    ("vmap", 4005, THROUGH, "drop"),
    ("reject", 5007, THROUGH, "reject"),
    ("response", 4008, BACK, "drop"),
    ("input", 4011, TO, "drop"),
    ("output", 4012, BY, "drop"),
    ("postrouting", 4013, THROUGH, "drop"),
    ("raw", 4014, THROUGH, "drop"),
    ("ingress", 4015, THROUGH, "drop"),
    ("egress", 4016, THROUGH, "drop"),
    ("redirect", 4017, TO, "drop"),
]


class Trace:
    """A trace that is under way: its table stands."""

    def __init__(self, namespace, source, destination, port, *options, protocol="udp", timeout=5):
        command = [BUILD / "flowlog", "diagnose", "--trace", "--src", source, "--dst", destination]
        command += ["--port", str(port)] if port else []
        command += ["--protocol", protocol, "--timeout", str(timeout), *options]
        self.process = namespace.start(*map(str, command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.notice = self.process.stderr.readline()
        found = re.search(r"table 'inet (\w+)'", self.notice)
        assert found, self.notice
        self.table = found[1]

    def finish(self, status=0):
        said, errors = self.process.communicate(timeout=20)
        assert self.process.returncode == status, (said, errors)
        return said


def trace(namespace, source, destination, port, send, *options, status=0, **more):
    """The answer as JSON of a trace during which `send` sends."""
    run = Trace(namespace, source, destination, port, "-o", "json", *options, **more)
    send()
    return json.loads(run.finish(status))


def tables(namespace):
    return namespace.run("nft", "list", "tables").split("\n")


def handle_of(namespace, comment):
    """By nft's own listing."""
    listed = namespace.run("nft", "-a", "list", "ruleset")
    found = re.search(rf'^.*"?{comment}"?.* # handle (\d+)$', listed, re.MULTILINE)
    assert found, listed
    return int(found[1])


def sender(scene, ends, way, port):
    """Who is asked about (source, destination), and what sends such a packet."""
    near = ends.a.rsplit("2", 1)[0] + "1"
    if way == TO:
        return ends.a, near, lambda: traffic.udp(scene.client, ends.a, near, port, 1, 11)
    if way == BY:
        return near, ends.a, lambda: traffic.udp(scene.router, near, ends.a, port, 1, 11)
    if way == BACK:
        return ends.a, ends.b, lambda: traffic.udp(scene.server, ends.b, ends.a, 40000, 1, 11, source_port=port)
    return ends.a, ends.b, lambda: traffic.udp(scene.client, ends.a, ends.b, port, 1, 11)


def test_each_kind_of_rule(router):
    """All in one ruleset, in both families."""
    router.router.nft(RULES)
    before = tables(router.router)
    for ends in (router.FOUR, router.SIX):
        for name, port, way, verdict in CASES:
            source, destination, send = sender(router, ends, way, port)
            answer = trace(router.router, source, destination, port, send)
            assert answer["verdict"] == verdict, (name, answer)
            assert answer["handle"] == handle_of(router.router, f"case {name}"), (name, answer)
            assert f'comment "case {name}"' in answer["rule"], (name, answer)
            assert answer["direction"] == ("response" if way == BACK else "request"), (name, answer)
            packet = answer["packet"]
            assert (packet["dstport"], packet["protocol"]) == (40000 if way == BACK else port, 17), (name, answer)
            assert {packet["srcaddr"], packet["dstaddr"]} == {source, destination}, (name, answer)
            table = ("netdev", "edge") if name in ("ingress", "egress") else ("inet", "filter")
            assert (answer["family"], answer["table"]) == table, (name, answer)
            if way != BY:
                assert answer["in"] == ("s0" if way == BACK else "c0"), (name, answer)
    assert tables(router.router) == before


def test_a_reset_and_a_translated_packet(router):
    """What is asked about is the packet as it came; the rule saw it as it had become."""
    ends = router.FOUR
    router.router.nft(RULES)
    router.router.nft(
        "table ip nat {\nchain pre { type nat hook prerouting priority dstnat; udp dport 4020 dnat to 10.77.2.2:4018; }\n}"
    )
    answer = trace(
        router.router, ends.a, "10.77.9.9", 4020, lambda: traffic.udp(router.client, ends.a, "10.77.9.9", 4020, 1, 11)
    )
    assert answer["handle"] == handle_of(router.router, "case translated")
    assert answer["packet"]["dstaddr"] == "10.77.9.9" and answer["packet_at_verdict"]["dstaddr"] == ends.b
    assert answer["packet_at_verdict"]["dstport"] == 4018 and answer["out"] == "s0"

    def connect():
        with pytest.raises(OSError):
            traffic.tcp_connect(router.client, ends.a, ends.b, 4010).close()

    answer = trace(router.router, ends.a, ends.b, 4010, connect, protocol="tcp")
    assert (answer["verdict"], answer["handle"]) == ("reject", handle_of(router.router, "case reset"))


def test_protocols_without_ports(router):
    """Whole addresses and a protocol are one element of a set."""
    router.router.nft("table inet t {\nchain f { type filter hook forward priority 0; icmp type echo-request drop; icmpv6 type echo-request drop; }\n}")
    for ends, protocol, word in ((router.FOUR, "icmp", "icmp"), (router.SIX, "icmpv6", "icmpv6")):
        run = Trace(router.router, ends.a, ends.b, None, "-o", "json", protocol=protocol)
        assert "limit rate 40/second" in router.router.run("nft", "list", "table", "inet", run.table)
        traffic.ping(router.client, ends.b, 1, wait=0.1)
        answer = json.loads(run.finish())
        assert answer["rule"] == f"{word} type echo-request drop" and answer["direction"] == "request", answer


def test_rules_of_iptables(router):
    for family, command, ends in (("ip", "iptables-nft", router.FOUR), ("ip6", "ip6tables-nft", router.SIX)):
        for port, target in ((4030, "DROP"), (4031, "REJECT"), (4032, "deny")):
            if target == "deny":
                router.router.run(command, "-N", target)
                router.router.run(command, "-A", target, "-j", "DROP")
            router.router.run(command, "-A", "FORWARD", "-p", "udp", "--dport", str(port), "-j", target)
            answer = trace(
                router.router, ends.a, ends.b, port, lambda: traffic.udp(router.client, ends.a, ends.b, port, 1, 11)
            )
            chain, words = ("deny", "drop") if target == "deny" else ("FORWARD", f"udp dport {port}")
            assert (answer["family"], answer["table"], answer["chain"]) == (family, "filter", chain), answer
            assert answer["verdict"] == ("reject" if target == "REJECT" else "drop"), answer
            listed = router.router.run("nft", "-a", "list", "chain", family, "filter", chain)
            assert re.search(rf"{words}.* # handle {answer['handle']}$", listed, re.MULTILINE), (answer, listed)
            assert words in answer["rule"]
        router.router.run(command, "-P", "FORWARD", "DROP")
        answer = trace(
            router.router, ends.a, ends.b, 4033, lambda: traffic.udp(router.client, ends.a, ends.b, 4033, 1, 11)
        )
        assert (answer["chain"], answer["handle"], answer["rule"]) == ("FORWARD", None, "policy drop"), answer


def test_the_policy_of_the_second_of_two_tables(router):
    """The first accepts, which lets it go on to the next table's chain."""
    ends = router.FOUR
    router.router.nft(
        "table ip first {\nchain f { type filter hook forward priority -5; udp dport 4040 accept; }\n}\n"
        "table ip second {\nchain g { type filter hook forward priority 5; policy drop; tcp dport 1 accept; }\n}"
    )
    run = Trace(router.router, ends.a, ends.b, 4040)
    traffic.udp(router.client, ends.a, ends.b, 4040, 1, 11)
    said = run.finish()
    assert said.splitlines()[0] == "dropped by ip second/g: policy drop"
    assert f"udp {ends.a} port 40000 to {ends.b} port 4040, which came in on c0 and was to go out on s0" in said
    assert f"ip first/f handle {handle_of(router.router, 'udp dport 4040 accept')}" in said


def test_what_the_trace_cannot_see(router, verdict_object):
    """A drop in front of netfilter, a packet handed to a program, and one that is let through: never a guess."""
    router.router.run("iptables-nft", "-A", "FORWARD", "-p", "udp", "--dport", "4009", "-j", "NFQUEUE", "--queue-num", "7")
    ends = router.FOUR
    router.router.nft(RULES)
    sent = lambda port: lambda: traffic.udp(router.client, ends.a, ends.b, port, 1, 11)  # noqa: E731
    answer = trace(router.router, ends.a, ends.b, 4009, sent(4009), "--packets", "1", status=1)
    assert answer["verdict"] is None and answer["rule"] is None, answer
    assert f"ip filter/FORWARD handle {handle_of(router.router, 'udp dport 4009')}" in answer["passed"]
    answer = trace(router.router, ends.a, ends.b, 4050, sent(4050), "--packets", "1", status=1)
    assert answer["verdict"] == "accept" and answer["rule"] is None and answer["packets"] == 1, answer
    router.router.tc("qdisc", "add", "dev", "c0", "clsact")
    program = ("bpf", "da", "object-file", str(verdict_object), "section", "tc")
    router.router.tc("filter", "add", "dev", "c0", "ingress", *program)
    started = time.monotonic()
    run = Trace(router.router, ends.a, ends.b, bpf.DROP_PORT, timeout=1)
    sent(bpf.DROP_PORT)()
    said = run.finish(status=1)
    assert said.startswith("no packet\n") and "XDP and tc" in said
    assert 1 <= time.monotonic() - started < 5


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left(router, number):
    """The kernel takes the table away with the process; meanwhile others list and flush their rules as ever."""
    ends = router.FOUR
    router.router.nft(RULES)
    before = router.router.run("nft", "list", "ruleset")
    run = Trace(router.router, ends.a, ends.b, 4060, timeout=60)
    assert any(run.table in line for line in tables(router.router))
    during = router.router.run("nft", "list", "ruleset")
    assert "udp dport 4060 limit rate 20/second meta nftrace set 1" in during and "flags owner" in during
    run.process.send_signal(number)
    run.process.communicate(timeout=10)
    assert run.process.returncode == -number
    lab.wait_for(lambda: not any(run.table in line for line in tables(router.router)), what="the table gone")
    assert router.router.run("nft", "list", "ruleset") == before


def test_flushing_the_rules_meanwhile(router):
    ends = router.FOUR
    router.router.nft(RULES)
    run = Trace(router.router, ends.a, ends.b, 4061, "-o", "json")
    router.router.nft("flush ruleset\ntable ip t {\nchain f { type filter hook forward priority 0; udp dport 4061 drop; }\n}")
    traffic.udp(router.client, ends.a, ends.b, 4061, 1, 11)
    answer = json.loads(run.finish())
    assert (answer["table"], answer["rule"]) == ("t", "udp dport 4061 drop"), answer


def test_a_flood_is_hardly_marked(router):
    """Whatever comes, a few packets each second are traced, and all of them arrive."""
    ends, count = router.FOUR, 20011
    router.router.nft("table inet t {\ncounter passed {}\nchain f { type filter hook forward priority 0; udp dport 4070 counter name passed; }\n}")
    run = Trace(router.router, ends.a, ends.b, 4070, "-o", "json", "--packets", "10000", timeout=1)
    traffic.udp(router.client, ends.a, ends.b, 4070, count, 11)
    answer = json.loads(run.finish(status=1))
    assert 1 <= answer["packets"] + answer["packets_unknown"] <= 60, answer
    assert router.router.counter("passed")[0] == count


def test_what_it_refuses(router):
    def refused(*options, status=2, wrapper=()):
        command = [*wrapper, str(BUILD / "flowlog"), "diagnose", "--trace", *options]
        with router.router.entered():
            result = subprocess.run(command, capture_output=True, text=True, timeout=10)
        assert result.returncode == status, result
        assert len(result.stderr.splitlines()) == 1 and not result.stdout, result
        return result.stderr

    ends = router.FOUR
    both = ["--src", ends.a, "--dst", ends.b]
    assert "do not go with it" in refused(*both, "--from", "x.log")
    assert "eni-1" in refused("--src", "eni-1", "--dst", ends.b)
    assert "families" in refused("--src", ends.a, "--dst", "fd00::1")
    assert "no ports" in refused(*both, "--port", "22", "--protocol", "icmp")
    assert "timeout" in refused(*both, "--timeout", "0")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all")
    if os.access(BUILD, os.X_OK) and subprocess.run([*nobody, BUILD / "flowlog", "--version"], check=False).returncode == 0:
        assert "run it as root" in refused(*both, status=4, wrapper=nobody)
