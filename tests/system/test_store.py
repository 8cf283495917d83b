# SPDX-License-Identifier: Apache-2.0
"""A store whose files are merged and removed while it is read: each record is there once at any moment."""

import shutil
import time

import pytest

from storing import HOUR, KILLED, STRIDE, answered, files, flowlog, kill_steps, once, repeating, seen, write_log
from test_import import bring

NAME = "123456789012_vpcflowlogs_eu-central-1_fl-1_20231114T23{:02}Z_{:08x}.log.parquet"


@pytest.fixture
def logs(tmp_path):
    """Parquet files of five minutes each, as a daemon or AWS puts them."""
    folder = tmp_path / "logs" / "AWSLogs/123456789012/vpcflowlogs/eu-central-1/2023/11/14"
    for n in range(4):
        text = write_log(tmp_path / "text.log", range(n * 10, (n + 1) * 10), n * 300)
        folder.mkdir(parents=True, exist_ok=True)
        flowlog("convert", text, "--out", folder / NAME.format(n * 5, n))
    return tmp_path / "logs"


def test_a_folder_of_aws_becomes_a_store(logs):
    done = flowlog("compact", "--store", logs)
    assert done.stdout == "merged: 4 files into 1, 40 records; removed: 0 files, 0 bytes\n"
    [merged] = files(logs)
    assert merged.name.startswith("123456789012_vpcflowlogs_eu-central-1_fl-1_20231114T2300Z_")
    assert answered(logs) == seen(logs) == once(range(40))
    assert answered(logs / "AWSLogs/123456789012") == once(range(40))
    found = flowlog("query", "--from", logs, "--since", str(HOUR + 900), "-o", "csv", "SELECT count(*) FROM flow_logs")
    assert found.stdout.splitlines()[1] == "10"  # the hour's name is that of its first five minutes
    assert flowlog("compact", "--store", logs).stdout.startswith("merged: 0 files")


def test_retention(logs):
    assert flowlog("compact", "--store", logs, "--retain", "30d").stdout.endswith("removed: 0 files, 0 bytes\n")
    done = flowlog("compact", "--store", logs, "--max-size", "0G", "--retain", "0d")
    assert "removed: 0" in done.stdout
    assert flowlog("compact", "--store", logs, "--max-size", "1K").stdout.endswith(" bytes\n")
    assert not files(logs) and not (logs / "AWSLogs").exists()


@pytest.mark.parametrize("arguments, status, words", [
    (["--retain", "30"], 2, "--retain: found '30', allowed: "),
    (["--max-size", "-1G"], 2, "--max-size"),
    (["x"], 2, "no operand is due"),
    (["--store", "/nowhere"], 4, "/nowhere"),
])
def test_usage(arguments, status, words):
    assert words in flowlog("compact", *arguments, status=status).stderr


def test_killed_at_each_step(logs, tmp_path, kill_at):
    """Between any two steps flowlog finds each record once; the next round goes on, and leaves no more than it should."""
    def attempt(n):
        store = tmp_path / f"store{n}"
        shutil.copytree(logs, store)
        done = flowlog("compact", "--store", store, status=None, env=kill_at(n))
        if done.returncode != KILLED:
            assert done.returncode == 0, done.stderr
            return False
        assert answered(store) == once(range(40)), n
        flowlog("compact", "--store", store)
        assert seen(store) == once(range(40)) and len(files(store)) == 1, n
        assert not list((store / ".flowlog" / "made").iterdir())
        return True

    assert kill_steps(attempt) > 40 // STRIDE


def test_asked_while_files_come_merge_and_go(tmp_path):
    store, text = tmp_path / "store", tmp_path / "text.log"
    write_log(text, range(10))
    bring(store, text)
    complete = [10]  # records below this number are in the store

    def ask():
        least = complete[0]
        found = answered(store)
        twice = [number for number, count in found.items() if count != 1]
        assert not twice and all(number in found for number in range(least)), (twice, least, len(found))

    with repeating(ask), repeating(lambda: flowlog("compact", "--store", store, "--wait", "2")):
        for n in range(1, 7):
            write_log(text, range(n * 10, (n + 1) * 10), n * 60)
            bring(store, text, "--no-compact")
            complete[0] = (n + 1) * 10
    flowlog("compact", "--store", store)
    assert answered(store) == seen(store) == once(range(70)) and len(files(store)) == 1

    # Now all of it goes, bit by bit, and nobody trips over a file that is no longer there.
    for n in range(4):
        write_log(text, range(1000 + n, 1001 + n), 7200 * (n + 1))
        bring(store, text, "--no-compact")
    with repeating(lambda: answered(store)):
        while files(store):
            size = sum(path.stat().st_size for path in files(store))
            flowlog("compact", "--store", store, "--max-size", f"{max(size // 1024 - 1, 1)}K", "--wait", "2")
            if size < 2048:
                break
            time.sleep(0)
