# SPDX-License-Identifier: Apache-2.0
"""One daemon in one namespace: started, watched, ended, and its records read back from a file:// destination."""

import collections
import gzip
import hashlib
import ipaddress
import json
import os
import pathlib
import signal
import subprocess
import time

from . import lab, traffic

BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", pathlib.Path(__file__).parents[3] / "build"))
READY_SECONDS = 10  # contract: capturing within 10 s of the start
KILLS = int(os.environ.get("FLOWLOG_KILLS", "15"))  # how often a test kills the daemon, about
STOP_SECONDS = 15  # contract: ended within 15 s of SIGTERM
ACCEPT, REJECT = "ACCEPT", "REJECT"
INGRESS, EGRESS = "ingress", "egress"

Flow = collections.namedtuple(
    "Flow", "device direction source destination source_port destination_port protocol action"
)


def interface_id(device):
    """The explicit id that the configuration gives a device, so that records can be read back as devices."""
    return "eni-" + hashlib.sha256(device.encode()).hexdigest()[:17]


def interface(device, role="nic", **options):
    """A `topology.interfaces` entry with an explicit id."""
    entry = {"device": device, "role": role, "interface-id": interface_id(device)}
    return entry | {key.replace("_", "-"): value for key, value in options.items()}


def is_background(record):
    """What a kernel sends of its own accord: multicast reports and neighbour discovery of link-local addresses."""
    addresses = [ipaddress.ip_address(record[name]) for name in ("pkt-srcaddr", "pkt-dstaddr")]
    return any(address.is_multicast or address.is_link_local or address.is_unspecified for address in addresses)


def read_records(directory):
    """Every record below a destination folder, as dictionaries of the text fields."""
    records = []
    for path in sorted(pathlib.Path(directory).rglob("*.log.gz")):
        with gzip.open(path, "rt", encoding="ascii") as file:
            names = file.readline().split()
            records += [dict(zip(names, line.split(), strict=True)) for line in file]
    return records


def totals(records, devices):
    """Packets and bytes per flow, summed over windows; `devices` names the devices by interface id."""
    sums = collections.defaultdict(lambda: [0, 0])
    for record in records:
        if record["log-status"] != "OK" or is_background(record):
            continue
        flow = Flow(
            devices.get(record["interface-id"], record["interface-id"]),
            record["flow-direction"],
            record["pkt-srcaddr"],
            record["pkt-dstaddr"],
            int(record["srcport"]),
            int(record["dstport"]),
            int(record["protocol"]),
            record["action"],
        )
        sums[flow][0] += int(record["packets"])
        sums[flow][1] += int(record["bytes"])
    return {flow: tuple(counts) for flow, counts in sums.items()}


def interposed(library, **settings):
    """The command that a daemon is started through under interpose.c, with its settings."""
    return ["env", f"LD_PRELOAD={library}", *(f"INTERPOSE_{name.upper()}={value}" for name, value in settings.items())]


def clock_at(second, window=60):
    """The offset that makes it that second of a window now."""
    return int((second - time.time()) % window)


class Absent:
    """Stands for the daemon when only the scenes are checked: the traffic is sent and judged, no record read."""

    def __init__(self, namespace):
        self.namespace = namespace


def check(daemon, expected, *namespaces):
    """The scene has come to rest; the daemon's totals are exactly the expected ones, nothing besides. The records."""
    traffic.settle(daemon.namespace, *namespaces)
    if isinstance(daemon, Absent):
        return []
    seen = daemon.finish()
    wrong = {
        flow: f"{seen.get(flow)}, expected {expected.get(flow)}"
        for flow in {*seen, *expected}
        if seen.get(flow) != expected.get(flow)
    }
    listed = "\n".join(f"{tuple(flow)}: {what}" for flow, what in sorted(wrong.items())[:40])
    assert not wrong, f"{len(wrong)} flows differ:\n{listed}\n{daemon.log()}"
    return daemon.records()


def ledger_discards(daemon):
    """Packets accepted and then discarded, by the kernel's reason, over all interfaces and windows of the ledger."""
    sums = collections.Counter()
    for row in daemon.status()[0]["ledger"]:
        for reason in row["reasons"]:
            sums[reason["reason"]] += reason["packets"]
    return sums


class Daemon:
    """flowlogd in a namespace. With `flow_logs` None one flow log of everything goes to `records`."""

    def __init__(self, namespace, directory, interfaces, flow_logs=None, capture=None, topology=None,
                 store=None, keys=None):
        self.namespace, self.directory = namespace, pathlib.Path(directory)
        self.state, self.destination = self.directory / "state", self.directory / "out"
        self.log_path = self.directory / "flowlogd.log"
        self.config_path = self.directory / "flowlog.yaml"
        self.devices = {}
        self.process = None
        self.wrapper = []  # a command that the daemon is started through
        self.configure(interfaces, flow_logs, capture, topology, store, keys)

    def flow_log(self, name="all", **options):
        entry = {"name": name, "resource": "all", "traffic-type": "ALL", "interval": 60, "format": "all"}
        entry |= {"destination": f"file://{self.destination}", "file-format": "plain-text"}
        return entry | {key.replace("_", "-"): value for key, value in options.items()}

    def configure(self, interfaces, flow_logs=None, capture=None, topology=None, store=None, keys=None):
        """Writes the configuration; a running daemon reads it on SIGHUP."""
        self.devices |= {entry["interface-id"]: entry["device"] for entry in interfaces if "interface-id" in entry}
        config = {"account": "123456789012", "region": "eu-central-1"}
        config["topology"] = {"interfaces": interfaces} | (topology or {})
        config |= keys or {}
        if store:
            config["store"] = {"path": str(store)}
        if capture:
            config["capture"] = capture
        config["flow-logs"] = [self.flow_log()] if flow_logs is None else flow_logs
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_path.write_text("".join(_yaml(config)), encoding="ascii")

    def start(self):
        command = [*self.wrapper, str(BUILD / "flowlogd"), "--config", str(self.config_path)]
        with open(self.log_path, "ab") as log:
            self.process = self.namespace.start(
                *command, "--state", str(self.state), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_capturing():
            assert self.process.poll() is None, f"flowlogd ended: {self.log()}"
            assert time.monotonic() < deadline, f"flowlogd not ready in {READY_SECONDS} s: {self.log()}"
            time.sleep(0.02)
        return self

    def is_capturing(self):
        return self.status_command().returncode == 0

    def status_command(self, *options):
        return subprocess.run(
            [BUILD / "flowlog", "status", "--state", self.state, *options], capture_output=True, text=True, timeout=10
        )

    def status(self):
        """`flowlog status -o json`, one object per line."""
        result = self.status_command("-o", "json")
        assert result.returncode == 0, result.stderr
        return [json.loads(line) for line in result.stdout.splitlines()]

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """SIGTERM; the daemon ends in time, with status 0, and owns up to nothing lost."""
        self.signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"flowlogd still runs {STOP_SECONDS} s after SIGTERM: {self.log()}") from None
        assert status == 0, f"flowlogd ended with {status}: {self.log()}"
        assert "ledger: " not in self.log(), f"the ledger does not close: {self.log()}"
        return self

    def kill(self):
        self.process.kill()
        self.process.wait(10)

    def close(self):
        """Ends what a failed test left running, politely first, so that nothing pinned stays behind."""
        if self.process is None:
            return
        if self.process.returncode == -signal.SIGKILL:
            self.start()  # only a daemon can take down what a killed one left pinned
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()

    def records(self, status="OK"):
        """Records read back, of one log status or of all (None)."""
        return [record for record in read_records(self.destination) if status in (None, record["log-status"])]

    def totals(self):
        return totals(self.records(), self.devices)

    def finish(self):
        """Ends the daemon; what it recorded."""
        lab.wait_for(self.is_capturing, what="a daemon that captures")
        return self.stop().totals()


def _yaml(value, indent=0):
    """Block style for mappings and lists of them, JSON (which YAML includes) for what lies inside."""
    for key, item in value.items():
        pad = " " * indent
        if isinstance(item, dict):
            yield f"{pad}{key}:\n"
            yield from _yaml(item, indent + 2)
        elif isinstance(item, list) and item and isinstance(item[0], dict):
            yield f"{pad}{key}:\n"
            yield from (f"{pad}  - {json.dumps(element)}\n" for element in item)
        else:
            yield f"{pad}{key}: {json.dumps(item)}\n"
