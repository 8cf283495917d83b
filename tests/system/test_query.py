# SPDX-License-Identifier: Apache-2.0
"""flowlog query and top: against plain DuckDB, against Python alone, over every source, and over hostile files."""

import gzip
import ipaddress
import json
import os
import pathlib
import pty
import random
import subprocess
import time

import duckdb
import pyarrow
import pyarrow.parquet
import pytest

import services

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))
SAMPLES = ROOT / "tests/golden/flowlogs"
HEADER = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
          "log-status")
NUMBERS = {"version", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "tcp-flags"}
BEGIN = 1_700_000_000 // 86400 * 86400  # midnight


def flowlog(*arguments, status=0, **options):
    options.setdefault("text", True)
    done = subprocess.run([BUILD / "flowlog", *map(str, arguments)], capture_output=True, timeout=120, check=False, **options)
    assert done.returncode == status, (done.returncode, done.stdout[-500:], done.stderr)
    return done


def rows(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask(sql, *sources, **options):
    """The rows, in JSON."""
    arguments = [argument for source in sources for argument in ("--from", source)]
    return rows(flowlog("query", sql, "-o", "json", *arguments, *options.pop("more", ()), **options))


def address(chance):
    if chance.random() < 0.3:
        return str(ipaddress.IPv6Address(0x20010DB8 << 96 | chance.randrange(1 << 20)))
    return f"10.{chance.randrange(4)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def records(count, seed, begin=BEGIN, seconds=86400):
    """Made up, in order of time: each a dictionary by field name; some windows without data."""
    chance = random.Random(seed)
    for number in range(count):
        start = begin + number * seconds // count
        values = {"version": 2, "account-id": "123456789012", "interface-id": f"eni-{chance.randrange(20):017x}", "start": start,
                  "end": start + chance.randrange(60), "log-status": "OK"}
        if number % 97 == 0:
            values["log-status"] = "NODATA"
        else:
            values |= {"srcaddr": address(chance), "dstaddr": address(chance), "srcport": chance.randrange(65536),
                       "dstport": chance.choice([22, 53, 443, 3389]), "protocol": chance.choice([6, 17]),
                       "packets": chance.randrange(1, 10**6), "bytes": chance.randrange(40, 10**12),
                       "action": chance.choice(["ACCEPT", "ACCEPT", "REJECT"])}
        yield values


def line(record, names=HEADER):
    return " ".join(str(record.get(name, "-")) for name in names.split())


def text(items, names=HEADER, header=True):
    return "".join(f"{one}\n" for one in [names] * header + [line(item, names) for item in items])


def parquet(path, items, names=HEADER):
    columns = {}
    for name in names.split():
        kind = pyarrow.int64() if name in ("packets", "bytes", "start", "end") else pyarrow.int32() if name in NUMBERS else pyarrow.string()
        missing = None if name in NUMBERS else "-"
        columns[name.replace("-", "_")] = pyarrow.array([item.get(name, missing) for item in items], kind)
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=1000)


FLOWS = list(records(6000, 1))

QUESTIONS = {
    "count": "SELECT count(*) AS n FROM flow_logs",
    "sums": "SELECT sum(bytes) AS b, sum(packets) AS p, min(start) AS s, max(\"end\") AS e FROM flow_logs",
    "talkers": "SELECT srcaddr, sum(bytes) AS b FROM flow_logs WHERE action IS NOT NULL AND action <> '-' "
               "GROUP BY srcaddr ORDER BY b DESC, srcaddr LIMIT 10",
    "ports": "SELECT dstport, action, count(*) AS n FROM flow_logs WHERE action = 'REJECT' GROUP BY ALL ORDER BY ALL",
    "minutes": "SELECT start // 60 AS minute, sum(bytes) AS b FROM flow_logs GROUP BY ALL ORDER BY ALL",
    "all": "SELECT version, account_id, interface_id, nullif(srcaddr, '-') AS a, nullif(dstaddr, '-') AS d, srcport, dstport, protocol, packets, "
           "bytes, start, \"end\", nullif(action, '-') AS w, log_status FROM flow_logs ORDER BY start, bytes, interface_id, a, d, srcport",
}


@pytest.fixture(scope="module")
def flows(tmp_path_factory):
    """The same records in every form, and mixed."""
    folder = tmp_path_factory.mktemp("flows")
    thirds = [FLOWS[i::3] for i in range(3)]
    other = "end start bytes packets protocol dstport srcport dstaddr srcaddr log-status action interface-id account-id version"
    (folder / "text").write_text(text(FLOWS))
    (folder / "headerless").write_text(text(FLOWS, header=False))
    (folder / "crlf").write_bytes(text(FLOWS).replace("\n", "\r\n").encode())
    (folder / "gz").write_bytes(gzip.compress(text(FLOWS).encode()))
    (folder / "members").write_bytes(b"".join(gzip.compress(text(third).encode()) for third in thirds))
    (folder / "zst").write_bytes(pyarrow.compress(text(FLOWS).encode(), "zstd", asbytes=True))
    (folder / "json").write_text("".join(json.dumps(flow) + "\n" for flow in FLOWS))
    parquet(folder / "parquet", FLOWS)
    (folder / "reordered").write_text(text(FLOWS, other))
    (folder / "headers").write_text(text(thirds[0]) + "\n# more\n" + text(thirds[1], other) + text(thirds[2]))
    mixed = folder / "mixed" / "deeper"
    mixed.mkdir(parents=True)
    (mixed / "a.log").write_text(text(thirds[0], other))
    (mixed / "b.gz").write_bytes(gzip.compress(text(thirds[1]).encode()))
    parquet(mixed.parent / "c.parquet", thirds[2], other)
    (mixed / ".hidden").write_text("not for readers")
    return folder


@pytest.fixture(scope="module")
def expected():
    """Plain DuckDB's answers, over columns that Python made."""
    connection = duckdb.connect()
    names = [name.replace("-", "_") for name in HEADER.split()]
    table = pyarrow.table({column: pyarrow.array([flow.get(name) for flow in FLOWS])
                           for name, column in zip(HEADER.split(), names)})
    connection.register("flow_logs", table)
    answers = {}
    for name, sql in QUESTIONS.items():
        result = connection.sql(sql)
        answers[name] = [dict(zip(result.columns, row)) for row in result.fetchall()]
    return answers


FORMS = ["text", "headerless", "crlf", "gz", "members", "zst", "json", "parquet", "reordered", "headers", "mixed"]


@pytest.mark.parametrize("form", FORMS)
def test_equals_plain_duckdb(flows, expected, form):
    for name in QUESTIONS if form in ("text", "parquet", "mixed") else ("sums", "all"):
        assert ask(QUESTIONS[name], flows / form) == expected[name]


def test_equals_python():
    """Every sample: counts and sums by the records that convert reads."""
    for sample in SAMPLES.iterdir():
        if sample.suffix in (".json", ".md"):
            continue
        read = [json.loads(one) for one in flowlog("convert", sample, "--format", "all", "-o", "json").stdout.splitlines()]
        total = ask('SELECT count(*) AS n, sum(bytes) AS b, sum(packets) AS p, max("end") AS e FROM flow_logs', sample)[0]
        assert total == {"n": len(read), "b": sum(one["bytes"] or 0 for one in read) if any(one["bytes"] is not None for one in read) else None,
                         "p": sum(one["packets"] or 0 for one in read) if any(one["packets"] is not None for one in read) else None,
                         "e": max((one["end"] for one in read if one["end"] is not None), default=None)}


def test_large_file_in_ranges(tmp_path):
    """Threads share it; a header line in its midst, bad lines and their numbers."""
    many = list(records(40000, 2))
    other = "bytes start end srcaddr"
    lines = text(many[:20000]).splitlines() + ["what is this"] + text(many[20000:], other).splitlines() + ["and this"]
    path = tmp_path / "large"
    path.write_text("\n".join(lines))
    done = flowlog("query", "SELECT count(*) AS n, sum(bytes) AS b, count(dstaddr) AS d FROM flow_logs", "--from", path, "-o", "json")
    assert rows(done) == [{"n": 40000, "b": sum(one.get("bytes", 0) for one in many), "d": sum("dstaddr" in one for one in many[:20000])}]
    assert f"{path}:20002: " in done.stderr and "2 bad lines in this file" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# Addresses, times, output

def test_in_cidr(flows):
    blocks = ["10.1.0.0/16", "10.2.3.4", "2001:db8::/32", "0.0.0.0/0", "::/0", "2001:db8::8:0/109"]
    for block in blocks:
        network = ipaddress.ip_network(block, strict=False)
        known = [flow["srcaddr"] for flow in FLOWS if "srcaddr" in flow]
        inside = sum(ipaddress.ip_address(one) in network for one in known)
        for form in ("text", "parquet"):
            got = ask(f"SELECT count(*) FILTER (WHERE in_cidr(srcaddr, '{block}')) AS n, count(in_cidr(srcaddr, '{block}')) AS known "
                      "FROM flow_logs", flows / form)
            assert got == [{"n": inside, "known": len(known)}]
    assert ask("SELECT in_cidr('10.0.0.1', '10.0.0.0/8') AS a, in_cidr('::1', '10.0.0.0/8') AS b, in_cidr(NULL, '::/0') AS c, "
               "in_cidr('-', '::/0') AS d, in_cidr('2001:0DB8::1', '2001:db8::/32') AS e", flows / "text") == [
        {"a": True, "b": False, "c": None, "d": None, "e": True}]
    assert "10.0.0.0/33" in flowlog("query", "SELECT in_cidr('10.0.0.1', '10.0.0.0/33')", "--from", flows / "text", status=2).stderr


def test_times(flows):
    since, until = BEGIN + 3600, BEGIN + 7200
    wanted = sum(flow["end"] >= since and flow["start"] <= until for flow in FLOWS)
    for form in FORMS:
        for bounds in [("--since", since, "--until", until),
                       ("--since", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since)), "--until",
                        time.strftime("%Y-%m-%dT%H:%M:%S+02:00", time.gmtime(until + 7200)))]:
            assert ask("SELECT count(*) AS n FROM flow_logs", flows / form, more=bounds) == [{"n": wanted}]
    local = flowlog("query", "SELECT to_timestamp(0) AS t, date_trunc('day', to_timestamp(1700000000)) AS d", "--from", flows / "text", "--local-time",
                    "-o", "json", env=os.environ | {"TZ": "Asia/Tokyo"})
    assert rows(local) == [{"t": "1970-01-01T09:00:00+09:00", "d": "2023-11-15T00:00:00+09:00"}]
    utc = flowlog("query", "SELECT to_timestamp(0) AS t, date_trunc('day', to_timestamp(1700000000)) AS d", "--from", flows / "text", "-o", "json",
                  env=os.environ | {"TZ": "Asia/Tokyo"})
    assert rows(utc) == [{"t": "1970-01-01T00:00:00Z", "d": "2023-11-14T00:00:00Z"}]
    assert "--since" in flowlog("query", "SELECT 1", "--since", "yesterday", "--from", flows / "text", status=2).stderr


def test_values_of_every_type(flows):
    sql = ("SELECT 1::TINYINT AS a, -170141183460469231731687303715884105727 AS b, 1.50::DECIMAL(5,2) AS c, -0.05::DECIMAL(4,2) AS d, 0.1::DOUBLE AS e, "
           "1e300 AS f, true AS g, DATE '2026-01-31' AS h, TIMESTAMP '2026-01-31 01:02:03.5' AS i, [1, 2] AS j, {'k': 'v'} AS k, NULL AS l, "
           "'a \"quote\" ä' AS m, INTERVAL 90 MINUTE AS n, 18446744073709551615::UBIGINT AS o, 0.1::FLOAT AS p, 'infinity'::DOUBLE AS q")
    done = flowlog("query", sql + "; ", "--from", flows / "text", "-o", "json")
    assert rows(done) == [{"a": 1, "b": -170141183460469231731687303715884105727, "c": 1.5, "d": -0.05, "e": 0.1, "f": 1e300, "g": True, "h": "2026-01-31",
                           "i": "2026-01-31T01:02:03.500000", "j": [1, 2], "k": {"k": "v"}, "l": None, "m": 'a "quote" ä', "n": "01:30:00",
                           "o": 18446744073709551615, "p": 0.1, "q": None}]
    assert '"c":1.50,"d":-0.05' in done.stdout


def test_output_forms(flows):
    sql = "SELECT 'a b' AS x, 7 AS number, NULL AS \"none\" UNION ALL SELECT 'c,\"d', 10, 'z' ORDER BY number"
    query = ["query", sql, "--from", flows / "text"]
    assert flowlog(*query).stdout == "a%20b 7 -\nc,\"d 10 z\n"
    assert flowlog(*query, "-o", "text", "--header").stdout.splitlines()[0] == "x number none"
    assert flowlog(*query, "-o", "csv").stdout == 'x,number,none\na b,7,\n"c,""d",10,z\n'
    assert flowlog(*query, "-o", "table").stdout == 'x     number  none\na b        7  -\nc,"d      10  z\n'
    assert flowlog(*query, "-n", "1").stdout == "a%20b 7 -\n"
    wide = flowlog("query", "SELECT * FROM flow_logs LIMIT 2500", "--from", flows / "text", "-o", "table").stdout.splitlines()
    assert len(wide) == 2501 and len(wide[0].split()) == len(wide[-1].split()) > 70


def test_terminal(flows):
    """A table, and how far it is, where a person looks."""
    master, slave = pty.openpty()
    done = subprocess.run([BUILD / "flowlog", "query", "SELECT 1 AS one", "--from", flows / "text"], stdout=slave, stderr=subprocess.PIPE, timeout=60,
                          check=True)
    os.close(slave)
    assert os.read(master, 1000).decode().split() == ["one", "1"] and done.stderr == b""
    os.close(master)


# Exit statuses

@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nothing FROM flow_logs", "SELECT 1 FROM nowhere", "", "SELECT 1; SELECT 2",
                                 "SELECT CAST('x' AS INTEGER)", "CREATE TABLE t(a INTEGER)", "SET threads = 1", "INSTALL httpfs", "LOAD httpfs",
                                 "ATTACH 'x.db'"])
def test_wrong_sql(flows, sql):
    done = flowlog("query", sql, "--from", flows / "text", status=2)
    assert done.stdout == "" and len(done.stderr.splitlines()) == 1


def test_statuses(flows, tmp_path):
    assert flowlog("query", "SELECT 1 FROM flow_logs WHERE bytes < 0", "--from", flows / "text", status=1).stdout == ""
    assert flowlog("query", "SELECT 1 FROM flow_logs WHERE bytes < 0", "--from", flows / "text", "-o", "csv", status=1).stdout == ""
    missing = flowlog("query", "SELECT count(*) FROM flow_logs", "--from", tmp_path / "missing", status=4)
    assert missing.stdout == "" and str(tmp_path / "missing") in missing.stderr and len(missing.stderr.splitlines()) == 1
    both = flowlog("query", "SELECT count(*) AS n FROM flow_logs", "-o", "json", "--from", tmp_path / "missing", "--from", flows / "text", status=4)
    assert rows(both) == [{"n": 6000}]
    assert "no file" in flowlog("query", "SELECT 1", "--from", tmp_path / "*.log", status=4).stderr
    assert "--where" in flowlog("query", "SELECT 1", "--from", flows / "text", "--where", "bytes >", status=2).stderr
    flowlog("query", status=2)
    flowlog("query", "SELECT 1 AS one", "two", "--from", flows / "text", status=2)
    flowlog("query", "SELECT 1 AS one", "--from", flows / "text", "-o", "xml", status=2)
    flowlog("query", "SELECT 1 AS one", "--from", flows / "text", "--input-format", "${nix}", status=2)
    flowlog("query", "SELECT 1 AS one", "--from", "s3://x", status=2)
    assert ask("SELECT count(*) AS n FROM flow_logs", tmp_path) == [{"n": 0}]


# Sources

def test_sources(flows, tmp_path):
    everything = [{"n": 6000}]
    sql = "SELECT count(*) AS n FROM flow_logs"
    assert ask(sql, "-", input=text(FLOWS)) == everything
    assert ask(sql, "-", input=(flows / "parquet").read_bytes(), text=False) == everything
    assert ask(sql, "-", input=(flows / "gz").read_bytes(), text=False) == everything
    assert ask("SELECT count(*) AS n FROM flow_logs a JOIN (SELECT DISTINCT start FROM flow_logs) b USING (start)", "-", input=text(FLOWS)) == everything
    assert ask(sql, str(flows / "t*t")) == everything
    assert ask(sql, str(flows / "{text,gz}")) == [{"n": 12000}]
    odd = tmp_path / "s3:x" / "[odd]*'name?.parquet"
    odd.parent.mkdir()
    odd.write_bytes((flows / "parquet").read_bytes())
    assert ask(sql, odd) == everything
    assert ask("SELECT count(*) AS n, sum(dstport) AS p FROM flow_logs", "-", input="1.2.3.4 80\n- -\n",
               more=["--input-format", "${srcaddr} ${dstport}"]) == [{"n": 2, "p": 80}]
    assert ask(sql, flows / "text", more=["--where", "action = 'REJECT' -- which"]) == [{"n": sum(flow.get("action") == "REJECT" for flow in FLOWS)}]


def test_store_of_a_daemon(flows, tmp_path):
    folder = tmp_path / "state" / "store" / "AWSLogs"
    folder.mkdir(parents=True)
    (folder / "a.parquet").write_bytes((flows / "parquet").read_bytes())
    assert rows(flowlog("query", "SELECT count(*) AS n FROM flow_logs", "--state", tmp_path / "state", "-o", "json")) == [{"n": 6000}]


@pytest.fixture(scope="module")
def bucket(moto, flows):
    """Records of two days in a bucket, a log group with the same, and where they are."""
    s3 = services.client("s3", moto.endpoint)
    s3.create_bucket(Bucket="query-source", CreateBucketConfiguration={"LocationConstraint": services.REGION})
    for day in range(2):
        some = list(records(1000, day, BEGIN + day * 86400))
        date = time.strftime("%Y/%m/%d", time.gmtime(BEGIN + day * 86400))
        prefix = f"logs/AWSLogs/123456789012/vpcflowlogs/eu-central-1/{date}/"
        s3.put_object(Bucket="query-source", Key=prefix + "first half & more.log.gz", Body=gzip.compress(text(some[:500]).encode()))
        path = flows / f"day{day}"
        parquet(path, some[500:])
        s3.upload_file(str(path), "query-source", prefix + "second.log.parquet")
    s3.put_object(Bucket="query-source", Key="logs/", Body=b"")
    logs = services.client("logs", moto.endpoint)
    logs.create_log_group(logGroupName="/query/source")
    recent = list(records(12000, 3, int(time.time()) - 20000, 10000))
    for stream in range(2):
        logs.create_log_stream(logGroupName="/query/source", logStreamName=f"eni-{stream}-all")
        logs.put_log_events(logGroupName="/query/source", logStreamName=f"eni-{stream}-all",
                            logEvents=[{"timestamp": one["start"] * 1000, "message": line(one)} for one in recent[stream::2]])
    environment = services.environment(**services.credentials(), AWS_ENDPOINT_URL=moto.endpoint, AWS_REGION=services.REGION)
    return environment, recent


def test_s3(bucket):
    environment, _ = bucket
    two = [*records(1000, 0, BEGIN), *records(1000, 1, BEGIN + 86400)]
    sql = "SELECT count(*) AS n, sum(bytes) AS b FROM flow_logs"

    def total(some):
        return [{"n": len(some), "b": sum(one.get("bytes", 0) for one in some)}]
    assert ask(sql, "s3://query-source/logs", env=environment) == total(two)
    assert ask(sql, "s3://query-source", env=environment) == total(two)
    since = BEGIN + 86400 + 3600
    assert ask(sql, "s3://query-source/logs/", env=environment, more=["--since", since]) == total([one for one in two if one["end"] >= since])
    plain = {key: value for key, value in environment.items() if key not in ("AWS_ENDPOINT_URL", "AWS_REGION")}
    assert ask(sql, "s3://query-source/logs/", env=plain, more=["--endpoint", environment["AWS_ENDPOINT_URL"], "--region", "eu-central-1"]) == total(two)
    assert "s3://query-source/nothing" in flowlog("query", sql, "--from", "s3://query-source/nothing", env=environment, status=4).stderr
    assert "NoSuchBucket" in flowlog("query", sql, "--from", "s3://query-nowhere/x", env=environment, status=4).stderr
    unreachable = environment | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{services.free_port()}"}
    assert flowlog("query", sql, "--from", "s3://query-source/x", env=unreachable, status=3).stdout == ""


def test_cloudwatch(bucket):
    environment, recent = bucket
    sql = "SELECT count(*) AS n, sum(bytes) AS b FROM flow_logs"
    assert ask(sql, "cloudwatch:/query/source", env=environment) == [{"n": 12000, "b": sum(one.get("bytes", 0) for one in recent)}]
    since, until = recent[6000]["start"], recent[9000]["start"]
    some = [one for one in recent if one["end"] >= since and one["start"] <= until]
    assert ask(sql, "cloudwatch:/query/source", env=environment, more=["--since", since, "--until", until]) == [
        {"n": len(some), "b": sum(one.get("bytes", 0) for one in some)}]
    assert "ResourceNotFound" in flowlog("query", sql, "--from", "cloudwatch:/nix", env=environment, status=4).stderr
    flowlog("query", sql, "--from", "cloudwatch:", env=environment, status=2)


@pytest.mark.parametrize("layout", ["%Y/%m/%d", "%Y/%m/%d/%H", "year=%Y/month=%m/day=%d", "year=%Y/month=%m/day=%d/hour=%H", "flat"])
def test_only_files_of_the_time_are_opened(tmp_path, layout):
    """All others are damaged, and nobody notices."""
    name = "123456789012_vpcflowlogs_eu-central-1_fl-0123456789abcdef0_%Y%m%dT%H%MZ_0123abcd.log.gz"
    begin = BEGIN + 12 * 3600
    wanted = []
    for slot in range(begin - 3 * 86400, begin + 3 * 86400, 900):
        moment = time.gmtime(slot)
        folder = tmp_path / ("" if layout == "flat" else time.strftime(layout, moment))
        folder.mkdir(parents=True, exist_ok=True)
        near = begin - 300 <= slot <= begin + 600 + 900
        some = list(records(20, slot, slot, 240)) if near else []
        wanted += [one for one in some if one["end"] >= begin and one["start"] <= begin + 600]
        (folder / time.strftime(name, moment)).write_bytes(gzip.compress(text(some).encode()) if near else b"\x1f\x8b damaged")
    done = flowlog("query", "SELECT count(*) AS n, sum(bytes) AS b FROM flow_logs", "--from", tmp_path, "-o", "json",
                   "--since", begin, "--until", begin + 600)
    assert rows(done) == [{"n": len(wanted), "b": sum(one.get("bytes", 0) for one in wanted)}] and done.stderr == ""


# Hostile files

def test_hostile_files(flows, tmp_path):
    good = tmp_path / "good.log"
    good.write_text(text(FLOWS))
    packed = gzip.compress(text(FLOWS).encode())
    whole = (flows / "parquet").read_bytes()
    inside = bytearray(whole)
    inside[4:60000] = bytes(60000 - 4)
    hostile = {
        "cut.gz": packed[:len(packed) // 2], "noise.gz": b"\x1f\x8b\x08\x00" + os.urandom(5000),
        "cut.zst": pyarrow.compress(text(FLOWS).encode(), "zstd", asbytes=True)[:3000],
        "cut.parquet": whole[:len(whole) // 2], "empty.parquet": b"PAR1", "inside.parquet": bytes(inside), "noise.bin": bytes(range(256)) * 400,
        "noise.parquet": b"PAR1" + os.urandom(3000) + b"PAR1",
    }
    for name, content in hostile.items():
        (tmp_path / name).write_bytes(content)
    types = pyarrow.table({"srcaddr": [1, 2], "bytes": ["x", "y"]})
    pyarrow.parquet.write_table(types, tmp_path / "types.parquet")
    done = flowlog("query", "SELECT count(*) FILTER (WHERE account_id = '123456789012') >= 6000 AS all_there, count(DISTINCT srcaddr) > 9 AS a, sum(bytes) > 0 AS b FROM flow_logs", "--from", tmp_path,
                   "-o", "json", status=4)
    assert rows(done) == [{"all_there": True, "a": True, "b": True}]
    told = done.stderr.splitlines()
    for name in [*hostile, "types.parquet"]:
        assert sum(str(tmp_path / name) in one for one in told) >= 1, (name, told)
    assert str(good) not in done.stderr


def test_a_line_of_a_gigabyte(tmp_path):
    path = tmp_path / "long"
    with open(path, "wb") as file:
        file.write((line(FLOWS[1]) + "\n").encode())
        file.seek(1 << 30)  # a hole of zero bytes
        file.write(("\n" + line(FLOWS[2]) + "\n").encode())
    done = flowlog("query", "SELECT sum(bytes) AS b FROM flow_logs", "--from", path, "-o", "json")
    assert rows(done) == [{"b": FLOWS[1]["bytes"] + FLOWS[2]["bytes"]}]
    assert f"{path}:2: longer than" in done.stderr


# top

@pytest.mark.parametrize("measure", ["bytes", "packets", "flows"])
@pytest.mark.parametrize("by", ["srcaddr", "dstport,action", "interface-id"])
def test_top(flows, by, measure):
    sums = {}
    for flow in FLOWS:
        key = tuple(flow.get(name) for name in by.split(","))
        if measure == "flows":
            sums[key] = sums.get(key, 0) + 1
        elif measure in flow:
            sums[key] = sums.get(key, 0) + flow[measure]
    for form in ("text", "mixed"):
        got = rows(flowlog("top", "--by", by, "--measure", measure, "-n", "7", "--from", flows / form, "-o", "json", "--where",
                           "log_status = 'OK'"))
        best = sorted((value for key, value in sums.items() if None not in key or by == "interface-id"), reverse=True)[:7]
        if by != "interface-id":
            assert [row[measure] for row in got] == best
        assert all(set(row) == {*by.split(","), measure} for row in got)
        assert [row[measure] for row in got] == sorted((row[measure] for row in got), reverse=True)
        if by != "interface-id" or measure != "flows":
            assert all(sums[tuple(row[name] for name in by.split(","))] == row[measure] for row in got)


def test_top_options(flows):
    assert len(flowlog("top", "--by", "srcaddr", "--from", flows / "text").stdout.splitlines()) == 10
    assert "nearest is 'srcaddr'" in flowlog("top", "--by", "srcadr", "--from", flows / "text", status=2).stderr
    assert "--by" in flowlog("top", "--from", flows / "text", status=2).stderr
    assert flowlog("top", "--by", "srcaddr", "--from", flows / "text", "--where", "bytes < 0", status=1).stdout == ""
    assert flowlog("top", "--by", "srcaddr", "--from", flows / "text", "--where", "byte < 0", status=2).stdout == ""
    day = rows(flowlog("top", "--by", "log_status", "--measure", "flows", "--from", flows / "gz", "-o", "json", "--since", BEGIN, "--until", BEGIN + 3600))
    assert sum(row["flows"] for row in day) == sum(flow["start"] <= BEGIN + 3600 for flow in FLOWS)
