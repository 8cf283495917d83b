# SPDX-License-Identifier: Apache-2.0
"""flowlog query --insights: AWS's published queries for flow logs, and expressions, beside values worked out by hand.

What the language gives over many records is tested in live/test_logs.py, beside a computation."""

import json
import os
import pathlib
import subprocess

import pytest

BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", pathlib.Path(__file__).parents[2] / "build"))
RECORDS = """\
2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK
2 123456789010 eni-1235b8ca123456789 172.31.9.69 172.31.9.12 49761 3389 6 20 4249 1418530010 1418530070 REJECT OK
2 123456789010 eni-1235b8ca123456789 10.0.2.5 172.31.9.12 53 8080 17 1 400 1418530310 1418530370 REJECT OK
2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA
2 123456789010 eni-11111111aaaaaaaaa - - - - - - - 1431280876 1431280934 - SKIPDATA
2 123456789010 eni-1235b8ca123456789 2001:db8::1 2001:db8::2 34892 22 6 54 8855 1477913708 1477913820 ACCEPT OK
"""


def ask(query, *options):
    result = subprocess.run([BUILD / "flowlog", "query", "--from", "-", "-o", "json", "--insights", *options, query],
                            input=RECORDS, capture_output=True, text=True, timeout=60)
    assert result.returncode in (0, 1), result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


PUBLISHED = [
    ("stats sum(packets) as packetsTransferred by srcAddr, dstAddr\n    | sort packetsTransferred  desc\n    | limit 15",
     5, {"srcAddr": "2001:db8::1", "dstAddr": "2001:db8::2", "packetsTransferred": 54}),
    ('filter isIpv4InSubnet(srcAddr, "172.31.0.0/16")\n    | stats sum(bytes) as bytesTransferred by dstAddr\n'
     "    | sort bytesTransferred desc\n    | limit 15", 2, None),
    ("filter protocol=17 | stats count(*) by srcAddr", 1, {"srcAddr": "10.0.2.5", "count(*)": 1}),
    ('filter logStatus="SKIPDATA"\n    | stats count(*) by bin(1h) as t\n    | sort t', 1,
     {"t": "2015-05-10 18:00:00.000", "count(*)": 1}),
    ("fields @timestamp, srcAddr, dstAddr, srcPort, dstPort, protocol, bytes\n| filter logStream = 'vpc-flow-logs' and "
     "interfaceId = 'eni-0123456789abcdef0'\n| sort @timestamp desc\n| dedup srcAddr, dstAddr, srcPort, dstPort, protocol\n"
     "| limit 20", 0, None),
    ("stats avg(bytes) by dstAddr", 4, None),
    ("stats avg(bytes), max(bytes) by dstAddr", 4, None),
    ("parse @message /(?<NetworkInterface>eni-.*?) / | display NetworkInterface, @message", 6,
     {"NetworkInterface": "eni-1235b8ca123456789", "@message": RECORDS.splitlines()[5]}),
    ("filter (dstAddr like '172.31.9.12' and srcAddr like '10.0.')\n| stats sum(bytes) as bytesTransferred by srcAddr, "
     "dstAddr\n| sort bytesTransferred desc\n| limit 10", 1,
     {"srcAddr": "10.0.2.5", "dstAddr": "172.31.9.12", "bytesTransferred": 400}),
    ("filter (srcAddr like '172.31.9.69' and dstAddr not like '10.0.')\n| stats sum(bytes) as bytesTransferred by srcAddr, "
     "dstAddr\n| sort bytesTransferred desc\n| limit 10", 1, None),
]


@pytest.mark.parametrize("query, count, first", PUBLISHED)
def test_published_queries(query, count, first):
    rows = ask(query)
    assert len(rows) == count and (first is None or rows[0] == first), rows


@pytest.mark.parametrize("expression, value", [
    ("bytes / packets", 400), ("bytes % 7", 1), ("2 ^ 10 - 4 * 5", 1004), ("-bytes", -400), ("bytes / 0", None),
    ("abs(0 - 3)", 3), ("floor(2.7) + ceil(2.1)", 5), ("greatest(1, dstPort, 7)", 8080), ("sqrt(bytes)", 20),
    ("strlen(srcAddr)", 8), ("substr(srcAddr, 3, 3)", "0.2"), ('concat(srcAddr, ":", srcPort)', "10.0.2.5:53"),
    ('replace(srcAddr, ".", "-")', "10-0-2-5"), ("toupper(action)", "REJECT"), ('strcontains(action, "JEC")', 1),
    ("isempty(srcAddr)", 0), ("ispresent(instanceId)", 0), ('coalesce(instanceId, "none")', "none"),
    ("isValidIpV4(srcAddr)", 1), ("isValidIpV6(srcAddr)", 0), ('isIpInSubnet(srcAddr, "10.0.0.0/8")', 1),
    ("toMillis(@timestamp)", 1418530310000), ("datefloor(@timestamp, 1h)", "2014-12-14 04:00:00.000"),
    ("dateceil(@timestamp, 1d)", "2014-12-15 00:00:00.000"), ("fromMillis(1000)", "1970-01-01 00:00:01.000"),
    ("bin(5m)", "2014-12-14 04:10:00.000"), ("bin(300s)", "2014-12-14 04:11:00.000"), ("`dst-port`", 8080),
    ("srcPort in [53, 54] and not action = 'ACCEPT'", 1), ('dstPort = "8080"', 1), ("action =~ /(?i)^rej/", 1),
])
def test_expressions(expression, value):
    assert ask(f"filter protocol = 17 | fields {expression} as x") == [{"x": value}]


def test_commands():
    assert ask("stats sum(bytes) as b by bin(5m) as t, srcAddr | stats max(b) as peak by t | sort peak desc | limit 1") == \
        [{"t": "2016-10-31 11:35:00.000", "peak": 8855}]
    assert ask('parse @message "* * * * * * * * * * * * * *" as v, a, e, s, d, sp, dp, p, pk, b, st, en, act, status'
               ' | filter act = "REJECT" and dp > 3400 | fields dp, b | sort b') == [{"dp": "8080", "b": "400"}]
    assert [row["dstPort"] for row in ask("fields dstPort | filter ispresent(dstPort) | dedup dstPort | limit 2")] == [22, 8080]
    assert len(ask("dedup dstPort")) == 5  # rows that lack the value are all kept
    assert ask("fields srcAddr # the rest is a comment | limit 1\n| sort bytes desc | limit 1") == [{"srcAddr": "2001:db8::1"}]


def test_mistakes():
    for query, text in (("fields srcadr", "position 8: there is no field srcadr; the nearest is srcAddr"),
                        ("", "position 1: a command is missing"), ("filter x", "position 8")):
        result = subprocess.run([BUILD / "flowlog", "query", "--from", "-", "--insights", query], input=RECORDS,
                                capture_output=True, text=True, timeout=60)
        assert result.returncode == 2 and text in result.stderr and result.stderr.count("\n") == 1, result.stderr
