# SPDX-License-Identifier: Apache-2.0
"""Drives build/tests/probe/deliver_probe: made-up records through flowlogd's spool, worker and drivers."""

import json
import os
import pathlib
import subprocess

import services

BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", pathlib.Path(__file__).parents[2] / "build"))
PROBE = BUILD / "tests" / "probe" / "deliver_probe"
ACCOUNT = "123456789012"
PART = 16 << 20  # larger objects go into S3 in parts of that many bytes


class Delivery:
    """A configuration with one flow log, and a state folder that outlives the probe's processes."""

    def __init__(self, folder, destination, spool=None, **options):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config, self.state = self.folder / "flowlog.yaml", self.folder / "state"
        entry = {"name": "probe", "interval": 60, "destination": destination}
        entry |= {key.replace("_", "-"): value for key, value in options.items()}
        whole = {"account": ACCOUNT, "region": services.REGION, "flow-logs": [entry]}
        if spool:
            whole["spool"] = spool
        self.config.write_text(json.dumps(whole))  # JSON is YAML

    def start(self, batches, records, pause_ms=0, wait_s=60):
        """A process that makes so many batches; the counts that it prints are on its standard output."""
        command = [PROBE, self.config, self.state, *map(str, (batches, records, pause_ms, wait_s))]
        environment = services.environment(**services.credentials())
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments, **options):
        return finish(self.start(*arguments, **options))


def finish(process, timeout=120):
    """The counts; with them what the process said on standard error, as "log"."""
    out, log = process.communicate(timeout=timeout)
    assert process.returncode in (0, 1), log
    counts = json.loads(out)
    parts = sum(counts[name] for name in ("delivered", "waiting", "given-up", "rejected"))
    assert counts["taken"] == parts, counts
    return counts | {"log": log}


def start_put(endpoint, bucket, path, key="AWSLogs/k.log.gz", keys=None, **options):
    """A process that puts a file into S3 as the worker does; its outcome is on its standard output."""
    delivery = Delivery(f"{path}.put", f"s3://{bucket}", endpoint=endpoint, **options)
    command = [BUILD / "tests" / "probe" / "s3_probe", delivery.config, delivery.state, key, path]
    environment = services.environment(**(keys or services.credentials()))
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)


def put(*arguments, **options):
    process = start_put(*arguments, **options)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(out)


def number(line):
    """What tells a record of the probe from all others: its bytes."""
    return int(line.split(" ")[9])


def interface(line):
    return line.split(" ")[2]
