# SPDX-License-Identifier: Apache-2.0
"""The local store through the CloudWatch Logs API: boto3 and the aws command, beside a computation of our own."""

import collections
import json
import pathlib
import random
import re
import subprocess
import sys
import time

import pytest

from .daemon import BUILD, interface
from .ec2 import URL, Service
from .lab import wait_for

GROUP = "/flowlog/store"
NAMES = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
BEGIN, RECORDS, INTERFACES = 1_760_000_040, 4_003, ["eni-0a", "eni-0b", "eni-0c"]


def make_lines():
    """Records of ten minutes, many in each second; a few NODATA and SKIPDATA among them."""
    chance = random.Random(5)
    for number in range(RECORDS):
        start = BEGIN + chance.randrange(600)
        head = f"2 123456789012 {chance.choice(INTERFACES)}"
        tail = f"{start} {start + chance.randrange(60)}"
        if number % 997 == 0:
            yield f"{head} - - - - - - - {tail} - {'NODATA' if number % 2 else 'SKIPDATA'}"
            continue
        source = f"10.0.{chance.randrange(3)}.{chance.randrange(1, 40)}"
        port = chance.choice([22, 80, 443, 3389, 8080])
        yield (f"{head} {source} 172.31.0.{chance.randrange(1, 9)} {40000 + number % 20000} {port} 6 "
               f"{chance.randrange(1, 99)} {chance.randrange(40, 90000)} {tail} "
               f"{'REJECT' if chance.random() < .2 else 'ACCEPT'} OK")


Event = collections.namedtuple("Event", "time stream message")


def event(line):
    fields = line.split()
    return Event(int(fields[10]) * 1000, f"{fields[2]}-all", line)


class Logs(Service):
    name, read_timeout = "logs", 50

    def refuses(self, call, code, text="", **parameters):
        with self.refused(code, text) as answer:
            getattr(self, call)(**parameters)
        return answer

    def pages(self, name, member, **parameters):
        """All there is, page by page."""
        found = []
        while True:
            answer = getattr(self, name)(**parameters)
            found += answer[member]
            if not answer.get("nextToken"):
                return found
            parameters["nextToken"] = answer["nextToken"]

    def ask(self, query, begin=BEGIN, end=BEGIN + 600, **parameters):
        """The rows of a query of Insights, as dictionaries, and its statistics."""
        key = self.start_query(logGroupName=GROUP, startTime=begin, endTime=end, queryString=query, **parameters)["queryId"]
        deadline = time.monotonic() + 40
        while True:
            answer = self.get_query_results(queryId=key)
            if answer["status"] not in ("Scheduled", "Running"):
                assert answer["status"] == "Complete", answer
                rows = [{cell["field"]: cell["value"] for cell in row} for row in answer["results"]]
                return rows, answer["statistics"]
            assert time.monotonic() < deadline, answer
            time.sleep(.05)


@pytest.fixture
def lines(tmp_path):
    """Put into a folder as a store: Parquet beside text."""
    made = list(make_lines())
    store = tmp_path / "store"
    store.mkdir()
    (tmp_path / "half.log").write_text(f"{NAMES}\n" + "\n".join(made[:RECORDS // 2]) + "\n", encoding="ascii")
    (store / "other.log").write_text(f"{NAMES}\n" + "\n".join(made[RECORDS // 2:]) + "\n", encoding="ascii")
    subprocess.run([BUILD / "flowlog", "convert", tmp_path / "half.log", "--out", store / "half.parquet"], check=True,
                   capture_output=True)
    return made


@pytest.fixture
def logs(host, start, lines, tmp_path):
    start(host.host, [interface("eth0")], store=tmp_path / "store")
    return Logs(host.host)


def test_groups_and_streams(logs, lines):
    group, = logs.describe_log_groups()["logGroups"]
    assert group["logGroupName"] == GROUP and group["storedBytes"] > 100_000
    assert group["arn"] == f"arn:aws:logs:eu-central-1:123456789012:log-group:{GROUP}:*" == group["logGroupArn"] + ":*"
    assert logs.describe_log_groups(logGroupNamePrefix="/other")["logGroups"] == []
    assert logs.describe_log_groups(logGroupNamePattern="store")["logGroups"]
    streams = logs.pages("describe_log_streams", "logStreams", logGroupName=GROUP, limit=1)
    assert [stream["logStreamName"] for stream in streams] == [f"{name}-all" for name in INTERFACES]
    for stream in streams:
        times = [event(line).time for line in lines if event(line).stream == stream["logStreamName"]]
        assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"]) == (min(times), max(times))
    newest = logs.pages("describe_log_streams", "logStreams", logGroupIdentifier=group["arn"], orderBy="LastEventTime",
                        descending=True, limit=2)
    times = [stream["lastEventTimestamp"] for stream in newest]
    assert len(newest) == len(INTERFACES) and times == sorted(times, reverse=True)
    logs.refuses("describe_log_streams", "ResourceNotFoundException", "does not exist", logGroupName="/none")
    logs.refuses("describe_log_streams", "InvalidParameterException", "exactly one", logGroupName=GROUP,
                 logGroupIdentifier=GROUP)
    logs.refuses("describe_log_streams", "InvalidParameterException", "LastEventTime", logGroupName=GROUP,
                 orderBy="LastEventTime", logStreamNamePrefix="eni")
    logs.refuses("put_log_events", "UnknownOperationException", "PutLogEvents", logGroupName=GROUP, logStreamName="a",
                 logEvents=[{"timestamp": 1, "message": "m"}])


def test_events_of_a_stream(logs, lines):
    stream = "eni-0b-all"
    expected = sorted((e.time, e.message) for e in map(event, lines) if e.stream == stream)
    one = {"logGroupName": GROUP, "logStreamName": stream}

    def walk(direction, limit, **parameters):
        pages = []
        token = {}
        while True:
            answer = logs.get_log_events(**one, **parameters, **token, limit=limit)
            following = answer["nextForwardToken" if direction else "nextBackwardToken"]
            if token.get("nextToken") == following:
                assert not answer["events"]  # the end says itself again
                return pages
            pages.append([(e["timestamp"], e["message"]) for e in answer["events"]])
            token = {"nextToken": following}

    assert sum(walk(True, 451, startFromHead=True), []) == expected
    assert sum(reversed(walk(False, 449)), []) == expected
    begin, end = (BEGIN + 100) * 1000, (BEGIN + 200) * 1000
    some = [e for e in expected if begin <= e[0] < end]
    assert sum(walk(True, 97, startFromHead=True, startTime=begin, endTime=end), []) == some
    assert sum(reversed(walk(False, 89, startTime=begin, endTime=end)), []) == some
    # Back from where a page began lies what is before it.
    page = logs.get_log_events(**one, startFromHead=True, limit=500)
    again = logs.get_log_events(**one, nextToken=page["nextForwardToken"], limit=400)
    back = logs.get_log_events(**one, nextToken=again["nextBackwardToken"], limit=10000)
    assert back["events"] == page["events"]
    logs.refuses("get_log_events", "ResourceNotFoundException", "log stream", logGroupName=GROUP, logStreamName="no")
    logs.refuses("get_log_events", "InvalidParameterException", "nextToken", **one, nextToken="x/1/2")


AWS_PATTERN = "[version, accountid, interfaceid, {}, dstaddr, srcport, {}, protocol, packets, {}, start, end, {}, logstatus]"
PATTERNS = [
    ("", lambda f, m: True),
    ("REJECT", lambda f, m: "REJECT" in m),
    ("REJECT -3389", lambda f, m: "REJECT" in m and "3389" not in m),
    ("?NODATA ?SKIPDATA", lambda f, m: "NODATA" in m or "SKIPDATA" in m),
    ('"REJECT OK"', lambda f, m: "REJECT OK" in m),
    (r"%10\.0\.2\.[0-9]+ %", lambda f, m: re.search(r"10\.0\.2\.[0-9]+ ", m)),
    (AWS_PATTERN.format("srcaddr", "dstport", "bytes", "action"), lambda f, m: True),
    (AWS_PATTERN.format("srcaddr = 10.0.2.*", "dstport", "bytes", "action"), lambda f, m: f[3].startswith("10.0.2.")),
    (AWS_PATTERN.format("srcaddr", "dstport = 80 || dstport = 8080", "bytes >= 4000", "action = REJECT"),
     lambda f, m: f[6] in ("80", "8080") and f[9] != "-" and int(f[9]) >= 4000 and f[12] == "REJECT"),
    ("[..., action != ACCEPT, status]", lambda f, m: f[12] != "ACCEPT"),
]


def test_filter(logs, lines):
    events = sorted(map(event, lines))
    for pattern, matches in PATTERNS:
        expected = [e for e in events if matches(e.message.split(), e.message)]
        found = logs.pages("filter_log_events", "events", logGroupName=GROUP, filterPattern=pattern, limit=1801 if not pattern else 10000)
        assert [(e["timestamp"], e["logStreamName"], e["message"]) for e in found] == expected, pattern
        assert len({e["eventId"] for e in found}) == len(found)
    inside = {"startTime": (BEGIN + 60) * 1000, "endTime": (BEGIN + 119) * 1000}  # both inclusive
    expected = [e for e in events if inside["startTime"] <= e.time <= inside["endTime"] and e.stream != "eni-0a-all"]
    names = {"logStreamNames": ["eni-0b-all", "eni-0c-all"]}
    found = logs.pages("filter_log_events", "events", logGroupName=GROUP, **inside, **names, limit=97)
    assert [Event(e["timestamp"], e["logStreamName"], e["message"]) for e in found] == expected
    found = logs.pages("filter_log_events", "events", logGroupName=GROUP, **inside, **names, limit=97, startFromHead=False)
    assert [Event(e["timestamp"], e["logStreamName"], e["message"]) for e in found] == expected[::-1]
    logs.refuses("filter_log_events", "InvalidParameterException", "closing ]", logGroupName=GROUP, filterPattern="[a")
    logs.refuses("filter_log_events", "InvalidParameterException", "exclude each other", logGroupName=GROUP,
                 logStreamNamePrefix="e", **names)


SETTINGS = ["env", "AWS_ACCESS_KEY_ID=a", "AWS_SECRET_ACCESS_KEY=b", "AWS_DEFAULT_REGION=eu-central-1",
            "AWS_EC2_METADATA_DISABLED=true", "PYTHONUNBUFFERED=1"]


def test_aws_command(logs, host, lines):
    """filter-log-events as people type it, and page by page as the command itself asks."""
    def aws(*words):
        command = str(pathlib.Path(sys.executable).parent / "aws")
        return host.host.run(*SETTINGS, command, "--endpoint-url", URL, "--output", "json", "logs", *words, timeout=60)

    found = json.loads(aws("filter-log-events", "--log-group-name", GROUP, "--filter-pattern", "REJECT", "--page-size", "699"))
    assert len(found["events"]) == sum("REJECT" in line for line in lines)
    found = json.loads(aws("filter-log-events", "--log-group-name", GROUP, "--filter-pattern", "NODATA"))
    assert [e["message"] for e in found["events"]] == [e.message for e in sorted(map(event, lines)) if "NODATA" in e.message]


def test_aws_tail(logs, host, lines, tmp_path):
    """`aws logs tail --follow` (Debian's command, which has it): what is there, then what comes in meanwhile."""
    output = tmp_path / "tail"
    rejected = [e.message for e in sorted(map(event, lines)) if "REJECT" in e.message]
    late = BEGIN + 1000
    added = [f"2 123456789012 eni-0a 10.9.9.{n} 172.31.0.1 {40000 + n} 22 6 1 40 {late + n} {late + n} REJECT OK"
             for n in range(7)]
    with open(output, "wb") as file:
        tail = host.host.start(*SETTINGS, "/usr/bin/aws", "--endpoint-url", URL, "logs", "tail", GROUP, "--since",
                               "2025-10-01T00:00:00Z", "--format", "short", "--filter-pattern", "REJECT", "--follow",
                               stdout=file, stderr=subprocess.STDOUT)

    def seen():
        return [line.split(" ", 1)[1] for line in output.read_text("ascii").splitlines()]

    try:
        wait_for(lambda: len(seen()) >= len(rejected), timeout=60, what="the records that are there")
        assert seen() == rejected
        (tmp_path / "new").write_text(f"{NAMES}\n" + "\n".join(added) + "\n", encoding="ascii")
        (tmp_path / "new").rename(tmp_path / "store" / "new.log")
        wait_for(lambda: len(seen()) >= len(rejected) + len(added), timeout=60, what="the records that came in")
        assert seen() == rejected + added
    finally:
        tail.terminate()
        tail.wait(20)


def table(lines):
    for line in lines:
        fields = line.split()
        yield {name: None if value == "-" else int(value) if value.isdigit() else value
               for name, value in zip(NAMES.split(), fields)}


def test_insights(logs, lines):
    records = list(table(lines))
    sums = collections.Counter()
    for record in records:
        if record["srcaddr"] and record["srcaddr"].startswith("10.0.1."):
            sums[record["dstaddr"]] += record["bytes"]
    rows, statistics = logs.ask("""filter isIpv4InSubnet(srcAddr, "10.0.1.0/24")
        | stats sum(bytes) as bytesTransferred by dstAddr
        | sort bytesTransferred desc
        | limit 3""")
    assert rows == [{"dstAddr": name, "bytesTransferred": str(total)} for name, total in sums.most_common(3)]
    matched = sum(bool(r["srcaddr"]) and r["srcaddr"].startswith("10.0.1.") for r in records)
    assert (statistics["recordsMatched"], statistics["recordsScanned"]) == (matched, RECORDS)
    rows, _ = logs.ask('filter logStatus="SKIPDATA" | stats count(*) by bin(5m) as t | sort t')
    assert sum(int(row["count(*)"]) for row in rows) == sum(r["log-status"] == "SKIPDATA" for r in records)
    rows, _ = logs.ask('parse @message "* * * * * * * * *" as v, a, e, s, d, sp, dp, p, rest | filter dp in [22, 3389] '
                       "and rest like /REJECT/ | stats count(*) as n, count_distinct(s) as sources by dp | sort dp desc")
    for row, port in zip(rows, (3389, 22), strict=True):
        rejected = [r for r in records if r["dstport"] == port and r["action"] == "REJECT"]
        assert row == {"dp": str(port), "n": str(len(rejected)), "sources": str(len({r["srcaddr"] for r in rejected}))}
    rows, _ = logs.ask("fields srcAddr, dstPort | filter ispresent(dstPort) | sort @timestamp desc | dedup dstPort")
    assert sorted(row["dstPort"] for row in rows) == sorted(map(str, {r["dstport"] for r in records if r["dstport"]}))
    raw, _ = logs.ask("limit 2")
    record = logs.get_log_record(logRecordPointer=raw[0]["@ptr"])["logRecord"]
    assert record["@message"] == raw[0]["@message"] and record["interfaceId"] == raw[0]["@message"].split()[2]
    assert logs.ask("stats count(*) as n", BEGIN + 60, BEGIN + 119)[0] == \
        [{"n": str(sum(BEGIN + 60 <= r["start"] <= BEGIN + 119 for r in records))}]
    answer = logs.refuses("start_query", "MalformedQueryException", "srcAddr", logGroupName=GROUP, startTime=0, endTime=1,
                          queryString="fields srcadr")
    assert answer["queryCompileError"]["location"] == {"startCharOffset": 7, "endCharOffset": 13}
    logs.refuses("get_query_results", "ResourceNotFoundException", queryId="none")
    logs.refuses("start_query", "InvalidParameterException", "exactly one", startTime=0, endTime=1, queryString="limit 1")
    queries = logs.describe_queries(status="Complete")["queries"]
    assert len(queries) == 6 and queries[0]["queryString"] == "stats count(*) as n"
