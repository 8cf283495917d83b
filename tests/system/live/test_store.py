# SPDX-License-Identifier: Apache-2.0
"""The daemon's own store: searchable seconds after a window has closed, and written without DuckDB."""

import collections
import json
import signal
import subprocess
import time

import pytest

import storing

from . import lab, traffic
from .daemon import BUILD, clock_at, interposed
from .test_logs import GROUP, Logs

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


class Answers:
    """Which of the records are found how often, by the command and by both ways of the logs API."""

    def __init__(self, namespace, store):
        self.store, self.logs = store, Logs(namespace)
        self.complete, self.least, self.asked = 0, 0, 0
        self.period = {"startTime": storing.HOUR * 1000, "endTime": (storing.HOUR + 2 * 3600) * 1000}

    def by_command(self):
        done = storing.flowlog("query", "--from", self.store, "-o", "json",
                               "SELECT bytes, count(*) AS n FROM flow_logs WHERE interface_id = 'eni-1' GROUP BY bytes")
        return collections.Counter({row["bytes"]: row["n"] for row in map(json.loads, done.stdout.splitlines())})

    def page(self, **parameters):
        return self.logs.filter_log_events(logGroupName=GROUP, filterPattern="eni-1", **self.period, **parameters)

    def by_events(self):
        """Some per page, so that files change between the pages of one answer."""
        pages = self.logs.pages("filter_log_events", "events", logGroupName=GROUP, limit=50, filterPattern="eni-1", **self.period)
        return collections.Counter(int(event["message"].split()[9]) for event in pages)

    def by_query(self):
        rows, _ = self.logs.ask("filter interfaceId = 'eni-1' | stats count(*) as n by bytes | limit 10000",
                                begin=storing.HOUR, end=storing.HOUR + 2 * 3600)
        return collections.Counter({int(row["bytes"]): int(row["n"]) for row in rows})

    def check(self):
        """None twice, and none missing that had come before and is not to go."""
        for find in (self.by_command, self.by_events, self.by_query):
            expected = set(range(self.least, self.complete))
            found = find()
            assert set(found.values()) <= {1}, (find, found.most_common(5))
            missing = {number for number in expected - set(found) if number >= self.least}
            assert not missing, (find, sorted(missing))
        self.asked += 1


def hours(store):
    """How many files each of the two hours has."""
    return [len(list(store.rglob(f"hour={hour}/*.parquet"))) for hour in ("23", "00")]


def test_merged_and_trimmed_while_asked(host, tmp_path):
    """The daemon merges two hours into whose first one files still come, and then lets it go, under questions."""
    store, text = tmp_path / "store", tmp_path / "text.log"

    def bring(first, count, second):
        storing.write_log(text, range(first, first + count), second)
        storing.flowlog("import", "--store", store, "--no-compact", text)

    for n in range(8):
        bring(100 + n * 10, 10, 3600 + n * 300)
    settings = {"path": str(store), "compact-after": "0s"}
    daemon = Default(host.host, tmp_path, [], {"store": settings})
    answers = Answers(host.host, store)
    answers.least, answers.complete = 100, 180
    try:
        with storing.repeating(answers.check):
            for n in range(10):
                bring(n * 10, 10, n * 300)
            answers.least = 0
            lab.wait_for(lambda: hours(store) == [1, 1], 30, "both hours merged")
            lab.wait_for(lambda: daemon.store()["merged-files"] >= 18, 15, "the count of what was merged")
            answers.least = 100  # from here on the first hour may go
            page = answers.page(limit=50)
            size = sum(path.stat().st_size for path in storing.files(store))
            settings["max-size"] = f"{(size - 1) // 1024}K"
            (tmp_path / "flowlog.yaml").write_text(json.dumps({"store": settings}))
            daemon.process.send_signal(signal.SIGHUP)
            lab.wait_for(lambda: hours(store) == [0, 1], 30, "the older hour gone")
        assert answers.asked >= 3
        rest = answers.page(nextToken=page["nextToken"])  # the page before ended within the hour that is gone
        assert [int(event["message"].split()[9]) for event in rest["events"]] == list(range(100, 180))
        assert answers.by_command() == answers.by_events() == answers.by_query() == storing.once(range(100, 180))
    finally:
        daemon.stop()
