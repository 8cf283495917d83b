# SPDX-License-Identifier: Apache-2.0
"""flowlog fields, and what the program says about itself."""

import csv
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))

# Transit gateway fields that VPC records have as well (record.md 6).
SHARED = {"version", "account-id", "srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end",
          "log-status", "type", "tcp-flags", "region", "flow-direction", "pkt-src-aws-service", "pkt-dst-aws-service"}


def flowlog(*arguments, **options):
    return subprocess.run([BUILD / "flowlog", *arguments], text=True, capture_output=True, timeout=60, check=False,
                          **options)


def fields(*arguments):
    done = flowlog("fields", "-o", "json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def is_own(field):
    return field["name"].startswith("x-")


def test_catalogue():
    rows = fields()
    names = {row["name"] for row in rows}
    gateway = {row["name"] for row in rows if "transit-gateway" in row["records"]}
    vpc = {row["name"] for row in rows if "vpc" in row["records"].split(", ")}
    assert len(names) == len(rows)
    assert (len(vpc), len(gateway)) == (54, 36)
    assert vpc & gateway == SHARED
    assert {"x-reject-source", "x-reject-rule", "x-drop-reason", "x-lost-packets"} == {name for name in names if name[0:2] == "x-"}
    for row in rows:
        assert {"name", "version", "type", "meaning"} <= row.keys()
        assert isinstance(row["version"], int) and 2 <= row["version"] <= 11
        assert row["type"] in ("INT_32", "INT_64", "STRING")
        assert len(row["meaning"]) > 3 and len(row["absent-when"]) > 3


@pytest.mark.parametrize("version,count", [(2, 14), (3, 21), (4, 25), (5, 29), (7, 39), (8, 40), (9, 41), (10, 42), (11, 54)])
def test_versions_are_cumulative(version, count):
    rows = [row for row in fields("--version", str(version)) if not is_own(row)]
    assert len(rows) == count
    assert max(row["version"] for row in rows) == version


def test_version_6_is_the_transit_gateways():
    rows = fields("--version", "6")
    assert len([row for row in rows if "transit-gateway" in row["records"]]) == 36
    assert len(rows) == 29 + 18


@pytest.mark.parametrize("name,version,kind", [("srcport", 2, "INT_32"), ("bytes", 2, "INT_64"), ("account-id", 2, "STRING"),
                                               ("traffic-path", 5, "INT_32"), ("encryption-status", 10, "INT_32"),
                                               ("packets-lost-no-route", 6, "INT_64"), ("next-hop-az-id", 11, "STRING")])
def test_rows(name, version, kind):
    row, = [row for row in fields() if row["name"] == name]
    assert (row["version"], row["type"]) == (version, kind)


def test_other_forms_hold_the_same():
    names = [row["name"] for row in fields()]
    table = flowlog("fields").stdout.splitlines()
    assert [line.split()[0] for line in table[1:]] == names
    assert flowlog("fields", "-o", "text").stdout.split() == names
    rows = list(csv.DictReader(flowlog("fields", "-o", "csv").stdout.splitlines()))
    assert [row["name"] for row in rows] == names
    assert [row["meaning"] for row in rows] == [row["meaning"] for row in fields()]


@pytest.mark.parametrize("arguments", [["--version", "1"], ["--version", "12"], ["--version", "x"], ["--version"], ["operand"],
                                       ["-o", "xml"], ["--nonsense"], ["-z"], ["--version=2=3"], ["--help=yes"]])
def test_wrong_usage(arguments):
    done = flowlog("fields", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and "flowlog fields: " in done.stderr


def test_nearest_option_and_command():
    assert "'--version'" in flowlog("fields", "--versoin", "5").stderr
    done = flowlog("feilds")
    assert done.returncode == 2 and "'fields'" in done.stderr


def test_no_command():
    done = flowlog()
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1


def test_version_and_overview():
    assert flowlog("--version").stdout.startswith("flowlog 0.")
    for arguments in (["help"], ["--help"]):
        overview = flowlog(*arguments)
        assert overview.returncode == 0
        assert "convert" in overview.stdout and "fields" in overview.stdout


def commands():
    overview = flowlog("help").stdout
    listed = overview[overview.index("Commands:\n"):].split("\n\n")[0].splitlines()[1:]
    return [line.split()[0] for line in listed]


def test_every_command_has_help_with_an_example():
    assert {"fields", "convert"} <= set(commands())
    for command in commands():
        for arguments in ([command, "--help"], ["help", command]):
            done = flowlog(*arguments)
            assert (done.returncode, done.stderr) == (0, "")
            assert f"\n  flowlog {command}" in done.stdout[done.stdout.index("Example:"):]
            assert all(len(line) <= 110 for line in done.stdout.splitlines())


def test_standard_output_that_is_full():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([BUILD / "flowlog", "fields"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 4
    assert "standard output" in done.stderr


def test_manual_page_has_every_field():
    page = flowlog("manual", "flowlog-fields.7").stdout.replace("\\-", "-")
    rows = [json.loads(line) for line in flowlog("fields", "-o", "json").stdout.splitlines()]
    assert len(rows) > 70
    for row in rows:
        assert f'\n.BR {row["name"]} " (version {row["version"]}, {row["type"]})"\n' in page
        assert row["meaning"] in page
