# SPDX-License-Identifier: Apache-2.0
"""A store and what its records are, as flowlog answers and as an engine sees the files that knows of no manifest."""

import collections
import concurrent.futures
import contextlib
import gzip
import json
import os
import pathlib
import subprocess
import threading

import pyarrow.dataset

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))
HEADER = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
HOUR = 1700002800  # 2023-11-14T23:00:00Z
KILLED = -9
STRIDE = int(os.environ.get("FLOWLOG_KILL_STRIDE", "6"))  # 1: killed at each step, which takes minutes


def flowlog(*arguments, status=0, **options):
    done = subprocess.run([BUILD / "flowlog", *arguments], capture_output=True, text=True, timeout=120, **options)
    assert status is None or done.returncode == status, (arguments, done.returncode, done.stdout, done.stderr)
    return done


def line(number, second=0):
    """A record that nothing but its number of bytes tells from others."""
    return f"2 123456789012 eni-1 192.0.2.1 198.51.100.7 1024 443 6 1 {number} {HOUR + second} {HOUR + second + 5} ACCEPT OK"


def write_log(path, numbers, second=0, header=True):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ([HEADER] if header else []) + [line(number, second) for number in numbers]
    text = "".join(text + "\n" for text in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def answered(store, **options):
    """How often flowlog finds each number."""
    done = flowlog("query", "--from", store, "-o", "json", "SELECT bytes, count(*) AS n FROM flow_logs GROUP BY bytes",
                   status=None, **options)
    assert done.returncode in (0, 1) and not done.stderr, done
    return collections.Counter({row["bytes"]: row["n"] for row in map(json.loads, done.stdout.splitlines())})


def files(store):
    return sorted(path for path in pathlib.Path(store).rglob("*.parquet"))


def seen(store):
    """The same of an engine that reads the folder."""
    if not files(store):
        return collections.Counter()
    table = pyarrow.dataset.dataset(store, format="parquet", partitioning="hive").to_table(columns=["bytes"])
    return collections.Counter(table.column("bytes").to_pylist())


def kill_steps(attempt):
    """attempt(n) for steps of a run, until one is not killed any more; two at a time. How many were."""
    count = 0
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for first in range(1, 1000, 2 * STRIDE):
            killed = list(pool.map(attempt, [first, first + STRIDE]))
            count += sum(killed)
            if not all(killed):
                assert not killed[1]
                return count
    raise AssertionError("it never comes to an end")


def once(numbers):
    return collections.Counter(dict.fromkeys(numbers, 1))


@contextlib.contextmanager
def repeating(action):
    """The action, again and again in a thread, until the end; its error is the test's."""
    stop = threading.Event()

    def run():
        while not stop.is_set():
            action()

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        try:
            yield
        finally:
            stop.set()
        running.result()
