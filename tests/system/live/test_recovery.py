# SPDX-License-Identifier: Apache-2.0
"""The moments between two steps: killed between noting and removing, no memory in the middle of a drain, killed while
ten minutes are under way. The wall clock of these daemons is set so that a minute ends soon."""

import signal

import pytest

from . import lab, traffic
from .daemon import ACCEPT, EGRESS, INGRESS, REJECT, Flow, check, clock_at, interface, interposed, ledger_discards, read_records, totals
from .traffic import ICMP, UDP

pytestmark = pytest.mark.usefixtures("needs_daemon")
SOURCE, TARGET = "10.77.1.2", "10.77.1.1"


@pytest.fixture
def prepared(host, start, library):
    """prepared(interfaces, …, clock=…): a configured daemon, to be started under the library."""

    def prepare(*arguments, **options):
        daemon = start(host.host, *arguments, **options)
        daemon.stop()
        return daemon

    with traffic.UdpSink(host.host, TARGET, 20000):
        yield prepare


def _flow(port, action=ACCEPT):
    return Flow("eth0", INGRESS, SOURCE, TARGET, 40000, port, UDP, action)


@pytest.mark.parametrize("note", [6, 7], ids=["account", "discard"])
def test_killed_between_noting_and_removing(host, prepared, library, note):
    """What the journal has and the kernel has not forgotten yet counts once."""
    host.host.nft("table inet q {\nchain c { type filter hook output priority 0; meta l4proto icmp drop\n}\n}")
    daemon = prepared([interface("eth0")])
    clock = clock_at(48)
    daemon.wrapper = interposed(library, clock=clock, die_after=note)
    daemon.start()
    traffic.udp(host.client, SOURCE, TARGET, 4999, 7, 100)  # nobody listens
    traffic.udp(host.client, SOURCE, TARGET, 20000, 5, 100)
    daemon.process.wait(60)
    assert daemon.process.returncode == -9
    daemon.wrapper = interposed(library, clock=clock)
    daemon.start()

    def closed():
        return any(row["closes"] is not None for row in daemon.status()[0]["ledger"])

    lab.wait_for(closed, 20, "a closed window")
    [status] = daemon.status()
    rows = [row for row in status["ledger"] if row["closes"] is not None]
    assert all(row["closes"] and row["difference"] == 0 for row in rows), rows
    assert 0 <= status["now"] - status["interfaces"][0]["last-packet"] < 300
    assert sum(row["ingress"]["seen"] - row["ingress"]["not-ip"] for row in rows) == 12
    assert ledger_discards(daemon)["NO_SOCKET"] == 7
    refused = Flow("eth0", EGRESS, TARGET, SOURCE, 0, 0, ICMP, REJECT)
    check(daemon, {_flow(4999): (7, 7 * 128), _flow(20000): (5, 5 * 128), refused: (7, 7 * 156)})


@pytest.mark.parametrize("note", [6, 8], ids=["account", "close"])
def test_end_cut_short_in_a_minute_that_goes_on(host, prepared, library, note):
    """What the end had taken of the minute counts once, and what comes afterwards as well: the ledger closes."""
    daemon = prepared([interface("eth0")])
    daemon.wrapper = interposed(library, die_after=note)
    daemon.start()
    traffic.udp(host.client, SOURCE, TARGET, 20000, 7, 100)
    traffic.settle(host.host)
    daemon.signal(signal.SIGTERM)
    daemon.process.wait(15)
    assert daemon.process.returncode == -9
    daemon.wrapper = []
    daemon.start()
    traffic.udp(host.client, SOURCE, TARGET, 20000, 5, 100)
    check(daemon, {_flow(20000): (12, 12 * 128)})


def test_no_memory_in_the_middle_of_a_drain(host, prepared, library, flood):
    """The drain goes on where it stopped: nothing is taken twice, nothing is left behind."""
    host.host.nft("table inet q {\nchain d { type filter hook prerouting priority -300; udp dport 20000 notrack\n}\n}")
    daemon = prepared([interface("eth0")])
    daemon.wrapper = interposed(library, batch_fails=3)  # the first is of an empty map, the second takes 8192 flows
    daemon.start()
    flows = 12_007
    assert flood(host.client, SOURCE, TARGET, flows, 22, count=2 * flows, rate=100_000) == 2 * flows
    check(daemon, {
        Flow("eth0", INGRESS, SOURCE, TARGET, 16384 + number, 20000, UDP, ACCEPT): (2, 100) for number in range(flows)
    })
    assert "Cannot allocate memory" in daemon.log()
    assert daemon.records("SKIPDATA") == []


def test_killed_while_ten_minutes_are_under_way(host, prepared, library, flood):
    """Their journal is written anew after each minute all the same, and what it holds comes back."""
    daemon = prepared([interface("eth0")])
    logs = [daemon.flow_log(), daemon.flow_log(name="long", interval=600, destination=f"file://{daemon.directory}/long")]
    daemon.configure([interface("eth0")], flow_logs=logs)
    clock = clock_at(348, 600)
    daemon.wrapper = interposed(library, clock=clock)
    daemon.start()
    journal = daemon.state / "journal"
    first = journal.stat()
    flows = 3001
    assert flood(host.client, SOURCE, TARGET, flows, 22, count=flows, rate=100_000) == flows
    traffic.udp(host.client, SOURCE, TARGET, 20000, 7, 100)
    lab.wait_for(lambda: journal.stat().st_ino != first.st_ino, 30, what="a journal written anew")
    assert journal.stat().st_size < 1.2 * 64 * flows + 16384
    daemon.kill()
    traffic.udp(host.client, SOURCE, TARGET, 20000, 11, 100)
    daemon.start()
    traffic.udp(host.client, SOURCE, TARGET, 20000, 13, 100)
    expected = {_flow(20000): (31, 31 * 128)} | {
        Flow("eth0", INGRESS, SOURCE, TARGET, 16384 + number, 20000, UDP, ACCEPT): (1, 50) for number in range(flows)
    }
    check(daemon, expected)
    records = read_records(daemon.directory / "long")
    assert totals(records, daemon.devices) == expected
    [long] = [one for one in records if one["srcport"] == "40000"]
    assert {record["log-status"] for record in records} == {"OK"}
    assert int(long["end"]) > int(long["start"])
