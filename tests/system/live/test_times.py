# SPDX-License-Identifier: Apache-2.0
"""`start` and `end` are the first and the last packet of the flow, to the second, also where one flow was let in and
refused by turns: no refused packet is in the times of what was accepted."""

import collections
import itertools
import time

import pytest

from . import traffic
from .daemon import ACCEPT, INGRESS, REJECT, interface

pytestmark = pytest.mark.usefixtures("needs_daemon")
SOURCE, TARGET, PORT, OTHER_PORT = "10.77.1.2", "10.77.1.1", 4343, 4444
REFUSE = "table inet t {\nchain c { type filter hook input priority 0; udp dport 4343 drop\n}\n}"


class Firewall:
    def __init__(self, namespace):
        self.namespace, self.refusing = namespace, False

    def set(self, verdict):
        if self.refusing != (verdict == REJECT):
            self.refusing = not self.refusing
            self.namespace.nft(REFUSE if self.refusing else "delete table inet t")


def wait_for_second():
    """The beginning of a second, but behind the ticks that the kernel's coarse clock may lag, and not the last one of a
    minute. The second."""
    time.sleep(1.05 - time.time() % 1)
    return int(time.time()) if int(time.time()) % 60 < 58 else wait_for_second()


class Play:
    """Acts of a second each: (verdict, packets) in turn. What was sent by window and verdict, and between which seconds
    its first and its last part: one second each, if the machine was not too busy for that."""

    def __init__(self, host, send):
        self.host, self.send, self.firewall = host, send, Firewall(host.host)
        self.first, self.last, self.packets = {}, {}, collections.Counter()

    def act(self, *parts):
        begin = wait_for_second()
        for verdict, packets in parts:
            self.firewall.set(verdict)
            self.send(packets)
            traffic.settle(self.host.host, quiet=0.02)
            end = int(time.time())
            assert end // 60 == begin // 60, "too slow: an act took longer than its minute"
            self.first.setdefault((begin // 60, verdict), (begin, end))
            self.last[begin // 60, verdict] = (begin, end)
            self.packets[begin // 60, verdict] += packets

    def check(self, daemon):
        assert daemon.status()[0]["capture"]["times-unsure"] == 0
        daemon.stop()
        first, last, packets = {}, {}, collections.Counter()
        for record in daemon.records():
            if record["dstport"] == str(PORT):
                start, end = int(record["start"]), int(record["end"])
                place = start // 60, record["action"]
                first[place] = min(start, first.get(place, start))
                last[place] = max(end, last.get(place, end))
                packets[place] += int(record["packets"])
        assert packets == self.packets
        for place in packets:
            assert self.first[place][0] <= first[place] <= self.first[place][1], place
            assert self.last[place][0] <= last[place] <= self.last[place][1], place


def datagrams(host):
    return lambda packets: traffic.udp(host.client, SOURCE, TARGET, PORT, packets, 101)


@pytest.mark.parametrize("batches", [False, True], ids=["one-by-one", "in-batches"])
def test_refused_before_between_and_after(host, start, batches):
    """In batches, the receiving side counts several packets before the firewall sees the first of them."""
    if batches:
        for namespace in (host.host, host.client):
            traffic.receive_offload(namespace, "eth0")
    daemon = start(host.host, [interface("eth0")])
    with traffic.UdpSink(host.host, TARGET, PORT):
        play = Play(host, datagrams(host))
        play.act((REJECT, 97))
        play.act((REJECT, 3), (ACCEPT, 5))
        play.act((ACCEPT, 61), (REJECT, 13), (ACCEPT, 2), (REJECT, 17))
        play.act((REJECT, 101))
        play.act((REJECT, 7))
        play.check(daemon)


def test_several_controls(host, start, foreign):
    """One is in the flow's entry, the others have their own."""
    daemon = start(host.host, [interface("eth0")])
    with traffic.UdpSink(host.host, TARGET, PORT):
        play = Play(host, datagrams(host))
        play.act((ACCEPT, 5))
        play.act((REJECT, 3))
        play.firewall.set(ACCEPT)
        foreign.attach_tcx("foreign_tc", host.host, "eth0", INGRESS)
        play.firewall.refusing = True  # by the other control now
        play.act((REJECT, 11))
        play.act((REJECT, 7))
        play.check(daemon)
    assert {record["x-reject-source"] for record in daemon.records() if record["action"] == REJECT} == {"netfilter", "tc"}


def test_across_drains(host, start, flood):
    """The maps are flipped many times while packets are on their way from the count to the firewall."""
    daemon = start(host.host, [interface("eth0")], capture={"map-entries": 1024})
    port = itertools.count(20000)

    def send(packets):
        """In front of each part of the packets, flows that fill the slots and half of the map."""
        while packets:
            part = min(packets, 4001)
            flood(host.client, SOURCE, TARGET, 701, 22, count=701, port=next(port))
            assert flood(host.client, SOURCE, TARGET, 1, 22, count=part, port=PORT) == part
            packets -= part

    with traffic.UdpSink(host.host, TARGET, PORT, buffer=1 << 26):
        play = Play(host, send)
        play.act((ACCEPT, 1009))
        for _ in range(4):
            play.act((REJECT, 12011))
        drains = daemon.status()[0]["capture"]["drains"]
        play.check(daemon)
    assert drains > 10
