# SPDX-License-Identifier: Apache-2.0
"""flowlog timeline: flows of a host or pair beside the lines of logs."""

import gzip
import json

from vpc import ENI, line, run

OWN, CLIENT = "172.31.16.139", "203.0.113.12"
START = 1769860800  # 2026-01-31T12:00:00Z


def timeline(*arguments, records, status=0, stderr=""):
    done = run("timeline", *arguments, "--from", "-", "-o", "json", text=records)
    assert done.returncode == status, done.stderr
    assert stderr in done.stderr if stderr else done.stderr == ""
    return [json.loads(one) for one in done.stdout.splitlines()]


def test_flows_and_lines_in_the_order_of_time(tmp_path):
    log, web, packed = tmp_path / "app.log", tmp_path / "web.log", tmp_path / "json.gz"
    log.write_text("2026-01-31T12:00:05Z ERROR cannot connect\n  Traceback:\n    at main\n2026-01-31T12:00:11Z retry\n")
    web.write_text(f'{CLIENT} - - [31/Jan/2026:13:00:02 +0100] "GET / HTTP/1.1" 200 7\n')
    packed.write_bytes(gzip.compress(b'{"ts":1769860803.5,"level":"info"}\n'))
    records = (line(CLIENT, OWN, 40000, 22, start=START + 10, end=START + 12, action="REJECT")
               + line(CLIENT, OWN, 40001, 80, start=START) + line("9.9.9.9", OWN, 1, 80, start=START + 1))
    rows = timeline("--host", CLIENT, "--peer", OWN, "--with", log, "--with", web, "--with", packed, records=records)
    assert [(row["time"], row["kind"]) for row in rows] == [
        ("2026-01-31T12:00:00Z", "flow"), ("2026-01-31T12:00:02Z", "line"), ("2026-01-31T12:00:03.500Z", "line"),
        ("2026-01-31T12:00:05Z", "line"), ("2026-01-31T12:00:10Z", "flow"), ("2026-01-31T12:00:11Z", "line")]
    assert rows[3]["text"] == "2026-01-31T12:00:05Z ERROR cannot connect\n  Traceback:\n    at main"
    assert (rows[3]["file"], rows[3]["line"], rows[5]["line"]) == (str(log), 1, 4)
    assert (rows[4]["srcaddr"], rows[4]["dstport"], rows[4]["action"], rows[4]["end"]) == (CLIENT, 22, "REJECT", START + 12)


def test_text_for_people(tmp_path):
    log = tmp_path / "app.log"
    log.write_bytes(b"2026-01-31T12:00:05Z bad \x1b[31m\xff byte\n  more\n")
    done = run("timeline", "--host", ENI, "--with", log, "--from", "-", text=line(CLIENT, OWN, 40000, 22, start=START))
    assert done.stdout == (
        f"2026-01-31T12:00:00Z  ACCEPT tcp {CLIENT}:40000 -> {OWN}:22, 20 packets, 4249 bytes until 2026-01-31T12:00:09Z "
        f"({ENI})\n2026-01-31T12:00:05Z  {log}:1: 2026-01-31T12:00:05Z bad �[31m� byte\n    |   more\n")


def test_what_is_not_shown_is_told(tmp_path):
    log = tmp_path / "app.log"
    log.write_text("starting\nstill starting\n2026-01-31T10:00:00Z early\n2026-01-31T12:00:05Z in time\n")
    records = line(CLIENT, OWN, 40000, 22, start=START)
    done = run("timeline", "--host", CLIENT, "--with", log, "--from", "-", text=records)
    assert done.returncode == 0 and "in time" in done.stdout and "early" not in done.stdout
    assert done.stderr.splitlines() == [
        f"{log}:1: 2 lines to line 2 without a time that is understood, and none before: not shown",
        f"{log}: 1 lines of other times: not shown"]
    rows = timeline("--host", CLIENT, "--with", log, "--since", "2026-01-31T09:00:00Z", records=records, stderr="2 lines")
    assert [row["kind"] for row in rows] == ["line", "flow", "line"]


def test_the_year_of_syslog_is_the_nearest(tmp_path):
    log = tmp_path / "syslog"
    log.write_text("Dec 31 23:59:59 host app: old year\nJan  1 00:00:01 host app: new year\n")
    rows = timeline("--host", CLIENT, "--with", log, records=line(CLIENT, OWN, 40000, 22, start=1767225600))
    assert [row["time"] for row in rows] == ["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"]


def test_lost_records_of_the_host_are_in_it():
    skip = f"2 123456789010 {ENI} - - - - - - - {START} {START + 60} - SKIPDATA\n"
    rows = timeline("--host", ENI, records=line(CLIENT, OWN, 1, 22, start=START) + skip, stderr="1 SKIPDATA record")
    assert [row["log-status"] for row in rows] == ["OK", "SKIPDATA"]


def test_nothing_found_and_wrong_use(tmp_path):
    assert timeline("--host", "1.2.3.4", records=line(CLIENT, OWN, 1, 22), status=1) == []
    assert run("timeline", "--from", "-", text="").returncode == 2
    assert run("timeline", "--host", "what?", "--from", "-", text="").returncode == 2
    missing = run("timeline", "--host", CLIENT, "--with", tmp_path / "no.log", "--from", "-", text=line(CLIENT, OWN, 1, 22))
    assert missing.returncode == 4 and "no.log" in missing.stderr
