# SPDX-License-Identifier: Apache-2.0
"""Exact windows, the ledger, full maps: what is lost is known to be lost, to the packet."""

import collections
import socket
import threading
import time

import pytest

from . import lab, traffic
from .daemon import ACCEPT, INGRESS, Flow, check, clock_at, interface, interposed, read_records
from .traffic import UDP

pytestmark = pytest.mark.usefixtures("needs_daemon")
SOURCE, TARGET = "10.77.1.2", "10.77.1.1"
NO_ANSWERS = """table inet q {
chain c { type filter hook output priority 0; meta l4proto { icmp, ipv6-icmp } drop
}
chain d { type filter hook prerouting priority -300; udp dport 20000-20999 notrack
}
}"""


@pytest.fixture
def sink(host):
    host.host.nft(NO_ANSWERS)
    with traffic.UdpSink(host.host, TARGET, 4444), traffic.UdpSink(host.host, TARGET, 20000):
        yield


def _sum(records, name):
    return sum(int(record[name]) for record in records)


@pytest.mark.parametrize("rejected", [False, True], ids=["accepted", "rejected"])
def test_full_map(host, start, sink, flood, rejected):
    """More flows than the map holds between two drains: SKIPDATA says how many packets have no record."""
    if rejected:
        host.host.nft("table inet t { counter dropped {}\n"
                      "chain c { type filter hook input priority 0; udp dport 20000 counter name dropped drop\n}\n}")
    daemon = start(host.host, [interface("eth0")], capture={"map-entries": 1024})
    packets = 60_013
    flows = 15_013
    assert flood(host.client, SOURCE, TARGET, flows, 22, count=packets) == packets
    traffic.settle(host.host)
    daemon.stop()
    skipped, records = daemon.records("SKIPDATA"), daemon.records()
    records = [record for record in records if record["dstport"] == "20000"]
    assert skipped, "fifteen flows for every place, and nothing was lost?"
    lost = _sum(skipped, "x-lost-packets")
    assert lost > 0
    assert _sum(records, "packets") + lost == packets
    assert _sum(records, "bytes") == _sum(records, "packets") * 50
    if rejected:
        assert {record["action"] for record in records} == {"REJECT"}
    for record in skipped:
        assert int(record["start"]) % 60 == 0
        assert int(record["end"]) == int(record["start"]) + 59
        assert record["x-drop-reason"] == "FLOW_MAP_FULL"
        for name in ("srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "action"):
            assert record[name] == "-"


def test_early_drains_lose_nothing(host, start, sink, flood):
    """Many times more flows in a minute than the map holds, at a rate that drains can follow."""
    daemon = start(host.host, [interface("eth0")], capture={"map-entries": 8192})
    flows, rounds = 16_001, 4
    assert flood(host.client, SOURCE, TARGET, flows, 22, count=flows * rounds, rate=40_000) == flows * rounds
    expected = {
        Flow("eth0", INGRESS, SOURCE, TARGET, 16384 + number, 20000, UDP, ACCEPT): (rounds, rounds * 50)
        for number in range(flows)
    }
    check(daemon, expected, host.client)
    assert daemon.records("SKIPDATA") == []


def test_user_space_bound(host, start, sink, flood):
    """The bound of the daemon's own table: records come in parts rather than be lost."""
    daemon = start(host.host, [interface("eth0")], capture={"max-flows": 4096})
    flows, rounds = 16_001, 3
    assert flood(host.client, SOURCE, TARGET, flows, 22, count=flows * rounds, rate=200_000) == flows * rounds
    expected = {
        Flow("eth0", INGRESS, SOURCE, TARGET, 16384 + number, 20000, UDP, ACCEPT): (rounds, rounds * 50)
        for number in range(flows)
    }
    check(daemon, expected, host.client)


def _wait_for_second(second):
    """Sleeps until the wall clock's minute has reached that second, at most a minute."""
    time.sleep((second - time.time()) % 60)


class Clocked:
    """One datagram every few milliseconds, each with the time it was sent."""

    def __init__(self, namespace):
        with namespace.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((SOURCE, 40000))
        self.times = []

    def run_until(self, end):
        while time.time() < end:
            before = time.time()
            self._socket.sendto(bytes(100), (TARGET, 4444))
            self.times.append((before, time.time()))
            time.sleep(0.004)
        self._socket.close()


@pytest.fixture
def crossed(host, net, start, sink, tmp_path):
    """A daemon that has seen a minute end: steady traffic across the boundary, an idle port, frames of every fate."""
    net.link(net.namespace("idle"), "eth0", host.host, "idle0")
    logs = [
        {"name": str(interval), "resource": "all", "traffic-type": "ALL", "interval": interval, "format": "all",
         "destination": f"file://{tmp_path}/{interval}", "file-format": "plain-text"}
        for interval in (60, 600)
    ]
    host.host.nft("table inet t { counter dropped {}\n"
                  "chain c { type filter hook input priority 0; udp dport 4343 counter name dropped drop\n}\n}")
    if time.time() % 60 > 50:
        _wait_for_second(1)  # time to start before the boundary
    daemon = start(host.host, [interface("eth0"), interface("idle0")], flow_logs=logs)
    with traffic.Frames(host.client, "eth0") as frames:
        frames.send(bytes(6) + bytes(6) + b"\x88\xcc" + bytes(40), 13)
        frames.send(bytes(6) + bytes(6) + b"\x08\x00" + b"\x44" + bytes(40), 7)
    traffic.udp(host.client, SOURCE, TARGET, 4343, 11, 100, source_port=40001)
    traffic.udp(host.client, SOURCE, TARGET, 4999, 5, 100, source_port=40002)  # nobody listens
    _wait_for_second(57)
    boundary = (int(time.time()) // 60 + 1) * 60
    clocked = Clocked(host.client)
    clocked.run_until(boundary + 2.5)
    return daemon, boundary, clocked.times, tmp_path


def test_a_minute_ends(host, crossed):
    """One test for all that needs a real boundary, since it has to wait for one."""
    daemon, boundary, times, folder = crossed

    def recorded():
        return [one for one in read_records(folder / "60") if one["dstport"] == "4444"]

    lab.wait_for(recorded, timeout=15, what="the records of the minute that ended")
    ledger = _ledger_of(daemon, boundary - 60)
    daemon.stop()

    records = read_records(folder / "60")
    _check_windows(recorded(), boundary, times)
    _check_nodata(records, daemon, boundary)
    _check_long_interval(folder, len(times), boundary)
    _check_ledger(ledger, times, boundary)


def _check_windows(records, boundary, times):
    """Each packet is in the window of its own time; only those sent within a clock tick of the boundary may be in
    either (the kernel's coarse clock is at most one tick behind)."""
    assert _sum(records, "packets") == len(times)
    by_window = collections.Counter()
    for record in records:
        start, end = int(record["start"]), int(record["end"])
        assert start // 60 == end // 60
        by_window[start // 60 * 60] += int(record["packets"])
    assert set(by_window) == {boundary - 60, boundary}
    surely_before = sum(after < boundary for _, after in times)
    surely_after = sum(before >= boundary + 0.012 for before, _ in times)
    assert surely_before <= by_window[boundary - 60] <= len(times) - surely_after
    first, second = sorted(records, key=lambda record: int(record["start"]))[:2]
    assert int(first["start"]) in (int(times[0][0]), int(times[0][0] - 0.012))
    assert int(first["end"]) == boundary - 1
    assert int(second["start"]) == boundary
    assert int(second["end"]) in (int(times[-1][1]), int(times[-1][1] - 0.012))


def _check_nodata(records, daemon, boundary):
    """The idle interface says so, once a window, with the window's first and last second."""
    idle = [one for one in records if daemon.devices[one["interface-id"]] == "idle0" and one["log-status"] == "NODATA"]
    spans = [(int(one["start"]), int(one["end"])) for one in idle]
    assert (boundary - 60, boundary - 1) in spans
    assert len(spans) == len(set(spans))
    busy = [one for one in records if daemon.devices[one["interface-id"]] == "eth0" and one["log-status"] == "NODATA"]
    assert boundary - 60 not in {int(one["start"]) for one in busy}


def _check_long_interval(folder, packets, boundary):
    records = [one for one in read_records(folder / "600") if one["dstport"] == "4444"]
    assert _sum(records, "packets") == packets
    assert len(records) == (2 if boundary % 600 == 0 else 1)
    for record in records:
        assert int(record["start"]) // 600 == int(record["end"]) // 600


def _ledger_of(daemon, window):
    def entry():
        [status] = daemon.status()
        found = [one for one in status["ledger"] if one["window"] == window and one["device"] == "eth0"]
        return found and found[0]

    return lab.wait_for(entry, timeout=15, what="the ledger of the minute that ended")


def _check_ledger(ledger, times, boundary):
    """seen = recorded + excluded + not IP + malformed + lost, and equal to the kernel's interface counters."""
    inward = ledger["ingress"]
    in_window = sum(after < boundary for _, after in times)
    assert ledger["closes"] is True
    assert ledger["log-status"] == "OK"
    assert (inward["not-ip"], inward["malformed"]) == (13, 7)
    assert inward["discarded"] >= 5
    assert inward["lost-full"] == inward["lost-busy"] == 0
    assert 0 <= inward["recorded"] - (in_window + 11 + 5) <= 8
    accounted = sum(inward[name] for name in ("recorded", "excluded", "not-ip", "malformed"))
    assert inward["seen"] == accounted
    assert ledger["difference"] == 0


def test_counters_agree_however_traffic_runs(host, start, library, flood):
    """An interface that sends while it is being hooked: what passes before is no difference to the kernel's counters."""
    daemon = start(host.host, [interface("eth0")], begin=False)
    daemon.wrapper = interposed(library, clock=clock_at(48))
    sender = threading.Thread(target=lambda: flood(host.host, TARGET, SOURCE, 101, 22, rate=3000, seconds=15))
    with traffic.UdpSink(host.client, SOURCE, 20000):
        sender.start()
        daemon.start()

        def closed():
            return [row for row in daemon.status()[0]["ledger"] if row["closes"] is not None]

        rows = lab.wait_for(closed, timeout=20, what="the ledger of the minute that ended")
        sender.join()
    assert sum(row["egress"]["seen"] for row in rows) > 3000
    assert [row["difference"] for row in rows] == [0] * len(rows)
    daemon.stop()


def test_excluded_traffic(host, start, sink, library):
    """What AWS does not record is left out where the configuration says so, and the ledger has its count."""
    lab.add_address(host.host, "eth0", "169.254.169.123/32")
    host.client.ip("route", "add", "169.254.169.123", "dev", "eth0")
    daemon = start(host.host, [interface("eth0")], capture={"exclude": ["dhcp", "time-sync"]}, begin=False)
    daemon.wrapper = interposed(library, clock=clock_at(50))
    daemon.start()
    with traffic.UdpSink(host.host, TARGET, 67):
        traffic.udp(host.client, SOURCE, TARGET, 67, 5, 10)
    traffic.udp(host.client, SOURCE, "169.254.169.123", 4444, 7, 10)
    traffic.udp(host.client, SOURCE, TARGET, 4444, 11, 10)

    def closed():
        rows = [row for row in daemon.status()[0]["ledger"] if row["closes"] is not None]
        return sum(row["ingress"]["seen"] for row in rows) >= 23 and rows

    rows = lab.wait_for(closed, timeout=20, what="the ledger of the minute that ended")
    assert sum(row["ingress"]["excluded"] for row in rows) == 12
    assert all(row["closes"] for row in rows)
    check(daemon, {Flow("eth0", INGRESS, SOURCE, TARGET, 40000, 4444, UDP, ACCEPT): (11, 11 * 38)}, host.client)
