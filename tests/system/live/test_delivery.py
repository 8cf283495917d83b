# SPDX-License-Identifier: Apache-2.0
"""Late is fine, lost is not: spools across ends of every kind, dead destinations, a full disk."""

import contextlib
import hashlib
import pathlib
import random
import signal
import subprocess
import time

import pytest

from . import lab, traffic
from .daemon import ACCEPT, INGRESS, KILLS, Flow, interface, read_records, totals
from .test_http import read_metrics

SOURCE, TARGET, PORT, UDP = "10.77.1.2", "10.77.1.1", 4444, 17


@pytest.fixture
def sink(host):
    """Nothing is answered."""
    with traffic.UdpSink(host.host, TARGET, PORT):
        yield


def send(host, count):
    traffic.udp(host.client, SOURCE, TARGET, PORT, count, 100)
    traffic.settle(host.host)


def flow_log_status(daemon, name):
    return next(log for log in daemon.status()[0]["flow-logs"] if log["name"] == name)


def assert_account_closes(log):
    for kind in ("records", "packets"):
        counts = log[kind]
        assert counts["taken"] == sum(counts[end] for end in ("delivered", "waiting", "given-up", "rejected")), log


def packets_in(directory, devices):
    """Packets of the test's flow in the records below a folder."""
    flow = Flow("eth0", INGRESS, SOURCE, TARGET, None, PORT, UDP, ACCEPT)
    return sum(
        counts[0]
        for seen, counts in totals(read_records(directory), devices).items()
        if seen._replace(source_port=None) == flow
    )


@contextlib.contextmanager
def obstructed(folder):
    """A file stands where the destination needs a folder."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_bytes(b"")
    yield
    folder.unlink()


def test_dead_destination_beside_a_living_one(host, start, sink, tmp_path):
    late = tmp_path / "late"
    daemon = start(host.host, [interface("eth0")], begin=False)
    daemon.configure([interface("eth0")], flow_logs=[daemon.flow_log(), daemon.flow_log("late", destination=f"file://{late}")])
    with obstructed(late):
        daemon.start()
        send(host, 127)
        daemon.stop()  # in time, and the living destination has everything
        assert packets_in(daemon.destination, daemon.devices) == 127
        daemon.start()
        lab.wait_for(lambda: flow_log_status(daemon, "late")["deliver-logs-status"] == "FAILED", what="a failed attempt")
        log = flow_log_status(daemon, "late")
        assert log["deliver-logs-error-message"] == "Access error" and str(late) in log["error"]
        (told,) = [dict(labels) for name, *labels in read_metrics(host.host)[1] if name == "flowlog_delivery_error_text"]
        assert told == {"flow_log_id": log["id"], "name": "late", "text": log["error"]}
        assert log["records"]["waiting"] > 0 and log["spool-bytes"] > 0 and log["lag"] >= 0
        assert_account_closes(log)
        assert flow_log_status(daemon, "all")["deliver-logs-status"] == "SUCCESS"
    lab.wait_for(lambda: flow_log_status(daemon, "late")["records"]["waiting"] == 0, timeout=20, what="the delivery")
    log = flow_log_status(daemon, "late")
    assert log["deliver-logs-status"] == "SUCCESS" and not log["error"]
    assert_account_closes(log)
    assert packets_in(late, daemon.devices) == 127
    daemon.stop()


def objects_below(*folders):
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in pathlib.Path(folder).rglob("*.gz")
    }


def test_killed_at_any_moment_of_its_end(host, start, sink, tmp_path):
    """SIGTERM closes windows, writes batches, packs and delivers; SIGKILL soon after meets any of that."""
    chance = random.Random(20261125)
    late = tmp_path / "late"
    daemon = start(host.host, [interface("eth0")], begin=False)
    daemon.configure([interface("eth0")], flow_logs=[daemon.flow_log(), daemon.flow_log("late", destination=f"file://{late}")])
    sent, objects = 0, {}
    with obstructed(late):
        daemon.start()
        for _ in range(KILLS):
            count = chance.choice((7, 11, 13, 127))
            send(host, count)
            sent += count
            if chance.random() < 0.8:
                daemon.signal(signal.SIGTERM)
            time.sleep(chance.uniform(0.0, chance.choice((0.05, 0.6))))
            daemon.kill()
            seen = objects_below(daemon.destination)
            assert {path: seen.get(path) for path in objects} == objects  # none differs from its twin, none is gone
            objects = seen
            daemon.start()
    daemon.stop()
    seen = objects_below(daemon.destination)
    assert {path: seen.get(path) for path in objects} == objects
    assert packets_in(daemon.destination, daemon.devices) == sent
    daemon.start()
    lab.wait_for(lambda: flow_log_status(daemon, "late")["records"]["waiting"] == 0, timeout=20, what="the delivery")
    daemon.stop()
    assert packets_in(late, daemon.devices) == sent
    assert daemon.records("SKIPDATA") == []


def test_full_disk_of_the_spool(host, start, sink):
    """The window stays in memory and journal, one line says so, and the next start delivers it."""
    daemon = start(host.host, [interface("eth0")], begin=False)
    spool = daemon.state / "spool"
    spool.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", spool], check=True)
    try:
        daemon.start()
        with contextlib.suppress(OSError), open(spool / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(b"x" * 4096)
        send(host, 131)
        daemon.stop()
        assert packets_in(daemon.destination, daemon.devices) == 0
        assert daemon.log().count("No space left on device; the window is kept and tried again") == 1
        (spool / "filler").unlink()
        daemon.start()
        daemon.stop()
        assert packets_in(daemon.destination, daemon.devices) == 131
    finally:
        daemon.close()
        subprocess.run(["umount", spool], check=True)
