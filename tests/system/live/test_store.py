# SPDX-License-Identifier: Apache-2.0
"""The daemon's own store: searchable seconds after a window has closed, and written without DuckDB."""

import json
import subprocess
import time

import pytest

from . import lab, traffic
from .daemon import BUILD, clock_at, interposed

pytestmark = pytest.mark.usefixtures("needs_daemon")
SOURCE, TARGET, PORT = "10.77.1.2", "10.77.1.1", 4445
LIBRARY = next((BUILD.parent / "build-deps" / "duckdb").glob("libduckdb.so"))


class Default:
    """A daemon that has nothing but a state folder, and perhaps settings of the store."""

    def __init__(self, namespace, folder, wrapper, config=None):
        self.state, self.log_path = folder / "state", folder / "log"
        options = []
        if config:
            (folder / "flowlog.yaml").write_text(json.dumps(config))
            options = ["--config", str(folder / "flowlog.yaml")]
        with open(self.log_path, "ab") as log:
            self.process = namespace.start(*wrapper, str(BUILD / "flowlogd"), *options, "--state", str(self.state),
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        lab.wait_for(lambda: self.ask("status").returncode == 0, 15, "a daemon that captures")

    def ask(self, *arguments):
        return subprocess.run([BUILD / "flowlog", *arguments, "--state", self.state], capture_output=True, text=True,
                              timeout=60)

    def packets(self):
        """Of the test's flow, by what the store says."""
        done = self.ask("query", "-o", "json", f"SELECT sum(packets) AS n FROM flow_logs WHERE dstport = {PORT}")
        assert done.returncode in (0, 1) and not done.stderr, done
        return json.loads(done.stdout)["n"] or 0 if done.stdout else 0

    def diagnose(self, port, *options):
        done = self.ask("diagnose", "--src", SOURCE, "--dst", TARGET, "--port", str(port), "--protocol", "udp", "-o", "json", *options)
        assert not done.stderr, done
        return json.loads(done.stdout)

    def store(self):
        return json.loads(self.ask("status", "-o", "json").stdout)["store"][0]

    def stop(self):
        self.process.terminate()
        assert self.process.wait(30) == 0, self.log_path.read_text()


@pytest.fixture
def sink(host):
    with traffic.UdpSink(host.host, TARGET, PORT):
        yield


def test_searchable_within_seconds(host, sink, library, tmp_path):
    """With no configuration but that hours are merged at once; a minute ends a few seconds from now."""
    daemon = Default(host.host, tmp_path, interposed(library, clock=clock_at(48)),
                     {"store": {"compact-after": "0s"}})
    try:
        tail = subprocess.Popen([BUILD / "flowlog", "tail", "--follow", "-n", "0", "--where", f"dstport = {PORT}",
                                 "--state", daemon.state], stdout=subprocess.PIPE, text=True)
        traffic.udp(host.client, SOURCE, TARGET, PORT, 31, 100)
        said = daemon.diagnose(PORT)
        assert said["outcome"] == "unknown" and any("not in the records yet" in one["text"] for one in said["evidence"]), said
        assert sum(one["not-yet-recorded"] for one in said["completeness"]["ledger"]) >= 31
        closed = time.monotonic() + 12  # when the window has closed at the latest
        lab.wait_for(lambda: daemon.packets() == 31, 12 + 10, "the packets in the store")
        assert time.monotonic() < closed + 10
        [path] = (daemon.state / "store").rglob("*.parquet")
        assert "/aws-account-id=000000000000/aws-service=vpcflowlogs/aws-region=local/year=" in str(path)
        assert tail.stdout.readline().split()[6] == str(PORT)
        tail.terminate()
        assert tail.wait(10) == 0
        assert daemon.diagnose(PORT)["outcome"] == "no-response"
        [closing] = [row["window"] + 60 for row in json.loads(daemon.ask("status", "-o", "json").stdout)["ledger"]
                     if row["device"] == "eth0" and row.get("log-status") == "OK"]
        assert daemon.diagnose(PORT + 1, "--until", str(closing - 1))["outcome"] == "absent"
        assert daemon.store()["files"] >= 0 and daemon.store()["error"] == ""
    finally:
        daemon.stop()
    assert daemon.packets() == 31


def test_without_duckdb(host, sink, tmp_path):
    """Records come into the store as ever; only merging and asking need the library."""
    hide = ["unshare", "--mount", "sh", "-c", f'mount --bind /dev/null "{LIBRARY}" && exec "$@"', "hide"]
    daemon = Default(host.host, tmp_path, hide)
    traffic.udp(host.client, SOURCE, TARGET, PORT, 29, 100)
    traffic.settle(host.host)
    daemon.stop()
    assert list((daemon.state / "store").rglob("*.parquet")), daemon.log_path.read_text()
    assert daemon.packets() == 29
    done = subprocess.run([*hide, BUILD / "flowlog", "tail", "--from", daemon.state / "store"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 4 and len(done.stderr.splitlines()) == 1 and "DuckDB's library" in done.stderr
