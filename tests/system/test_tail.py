# SPDX-License-Identifier: Apache-2.0
"""flowlog tail: the newest records, and every one that comes, once, whatever becomes of the files."""

import json
import signal
import subprocess
import time

import pytest

from storing import BUILD, HOUR, flowlog, line, write_log
from test_import import bring

PATIENCE = 20


def numbers(text):
    return [int(row.split()[9]) for row in text.splitlines()]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Forty hours of ten records each, the newest of which came first."""
    tmp_path = tmp_path_factory.mktemp("tail")
    for hour in (39, *range(39)):
        bring(tmp_path / "store", write_log(tmp_path / "text.log", range(hour * 10, hour * 10 + 10), hour * 3600))
        if hour == 1:
            break
    log = tmp_path / "rest.log"
    log.write_text("".join(line(hour * 10 + n, hour * 3600) + "\n" for hour in range(2, 39) for n in range(10)))
    bring(tmp_path / "store", log)
    return tmp_path / "store"


def test_the_newest_come_last(store):
    assert sorted(numbers(flowlog("tail", "--from", store, "-o", "text").stdout)) == list(range(390, 400))
    assert sorted(numbers(flowlog("tail", "--from", store, "-n", "25").stdout)[5:]) == list(range(380, 400))
    assert numbers(flowlog("tail", "--from", store, "--where", "bytes < 12 AND bytes % 2 = 1").stdout) == sorted(
        range(1, 12, 2))
    flowlog("tail", "--from", store, "--where", "bytes < 0", status=1)
    rows = [json.loads(row) for row in flowlog("tail", "--from", store, "-n", "1", "-o", "json", "--format",
                                               "${end} ${interface-id}").stdout.splitlines()]
    assert rows == [{"end": HOUR + 39 * 3600 + 5, "interface-id": "eni-1"}]


def test_other_sources(tmp_path):
    log = write_log(tmp_path / "a.log.gz", range(30))
    assert len(numbers(flowlog("tail", "--from", log).stdout)) == 10
    done = flowlog("tail", "--from", "-", "-n", "2", input="\n".join(line(n, n) for n in (5, 9, 7)))
    assert numbers(done.stdout) == [7, 9]


@pytest.mark.parametrize("arguments, status, words", [
    (["x"], 2, "no operand is due"),
    (["--follow", "--from", "-"], 2, "--follow"),
    (["--format", "${nonsense}"], 2, "--format"),
    (["--where", "nonsense("], 2, ""),
    (["--from", "/nowhere"], 4, "/nowhere"),
])
def test_usage(store, arguments, status, words):
    if "--from" not in arguments:
        arguments = [*arguments, "--from", store]
    done = flowlog("tail", *arguments, status=status)
    assert words in done.stderr and len(done.stderr.splitlines()) == 1


def test_follow(tmp_path):
    """Records of imports, while files are merged and the oldest go; half of them are asked for."""
    store, text, out = tmp_path / "store", tmp_path / "text.log", tmp_path / "out"
    bring(store, write_log(text, range(10)))
    with open(out, "wb") as file:
        process = subprocess.Popen([BUILD / "flowlog", "tail", "--follow", "--from", store, "-n", "4", "--where",
                                    "bytes % 2 = 0"], stdout=file, stderr=subprocess.PIPE)
    try:
        def until(count):
            deadline = time.monotonic() + PATIENCE
            while len(numbers(out.read_text())) < count:
                assert time.monotonic() < deadline and process.poll() is None, out.read_text()
                time.sleep(0.05)

        until(4)
        begun = time.monotonic()
        for n in range(1, 8):
            bring(store, write_log(text, range(n * 10, n * 10 + 10), n * 60), "--no-compact")
            if n == 1:
                until(9)
                assert time.monotonic() - begun < 10  # seconds, also on a slow machine under sanitizers
            if n % 2:
                flowlog("compact", "--store", store, "--wait", "1")
        flowlog("compact", "--store", store, "--wait", "20")
        until(4 + 35)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0 and not errors, errors
    seen = numbers(out.read_text())
    assert len({*seen[:4]} & {0, 2, 4, 6, 8}) == 4 and sorted(seen[4:]) == list(range(10, 80, 2))
