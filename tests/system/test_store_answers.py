# SPDX-License-Identifier: Apache-2.0
"""Questions over a store: flowlog's answers, plain DuckDB's on the same files, and those of a loop in Python.

FLOWLOG_STORE=FOLDER asks a store that is there, such as one of ten million records (tests/bench/query/store.c)."""

import collections
import json
import os
import pathlib
import random

import duckdb
import pyarrow.parquet
import pytest

from storing import HOUR, flowlog

FIELDS = ("srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "start", "end", "action", "tcp_flags")
HEADER = ("version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status "
          "tcp-flags flow-direction")
RECORDS = 20_000


def make_lines():
    """Two hours; a fifth is IPv6, a source tries 40 ports of a host."""
    chance = random.Random(9)
    yield HEADER
    for number in range(RECORDS):
        ipv6 = number % 5 == 0
        source = f"2001:db8::{chance.randrange(1, 300):x}" if ipv6 else f"10.0.{chance.randrange(4)}.{chance.randrange(200)}"
        target = f"fd00::{chance.randrange(1, 90):x}" if ipv6 else f"172.16.0.{chance.randrange(250)}"
        scan = number % 500 == 7
        start = HOUR + number * 7200 // RECORDS
        ends = f"203.0.113.9 172.16.0.1 50000 {1 + number // 500}" if scan else \
            f"{source} {target} {chance.randrange(1024, 65535)} {chance.choice((22, 53, 80, 443, 8080))}"
        packets = 1 if scan else chance.randrange(1, 60)
        verdict = "REJECT" if scan or chance.random() < .1 else "ACCEPT"
        yield (f"5 123456789012 eni-{number % 9} {ends} {chance.choice((6, 6, 17)) if not scan else 6} {packets} "
               f"{packets * chance.randrange(40, 1500)} {start} {start + chance.randrange(60)} {verdict} OK "
               f"{chance.choice((2, 3, 18, 19)) if not scan else 2} ingress")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    given = os.environ.get("FLOWLOG_STORE")
    if given:
        return pathlib.Path(given)
    folder = tmp_path_factory.mktemp("answers")
    (folder / "text.log").write_text("\n".join(make_lines()) + "\n", encoding="ascii")
    flowlog("import", "--store", folder / "store", folder / "text.log")
    return folder / "store"


def best(sums, count=10):
    """The largest, and of equal ones the first by name."""
    return sorted(sums.items(), key=lambda item: (-item[1], item[0]))[:count]


class Computed:
    """One pass over all rows, with nothing but dictionaries and sets."""

    def __init__(self, store):
        files = sorted((store / "AWSLogs").rglob("*.parquet"))
        first = min(row for row in pyarrow.parquet.read_table(files[0], columns=["start"]).column("start").to_pylist())
        self.since = first + 600
        self.until = self.since + 300
        self.records, self.period, self.of_address = 0, [0, 0, 0], []
        self.sent, self.received, self.flows = collections.Counter(), collections.Counter(), collections.Counter()
        self.rejects, self.pairs, self.tried = collections.Counter(), set(), collections.defaultdict(collections.Counter)
        self.address = None
        for path in files:
            for batch in pyarrow.parquet.ParquetFile(path).iter_batches(65536, columns=list(FIELDS)):
                columns = batch.to_pydict()
                for row in zip(*(columns[name] for name in FIELDS), strict=True):
                    self.add(*row)

    def add(self, source, target, sport, port, protocol, packets, size, start, end, action, flags):
        self.records += 1
        self.sent[source] += size
        self.received[target] += size
        self.pairs.add((source, target))
        if action == "REJECT":
            self.rejects[port] += 1
        if end >= self.since and start <= self.until:
            self.period[0] += 1
            self.period[1] += size
            self.period[2] += packets
            self.address = self.address or source
            if source == self.address:
                self.of_address.append((start, target, port, size))
        opens = flags % 4 >= 2 and flags % 32 < 16 if protocol == 6 else port < 32768 and not (sport < 1024 <= port)
        if protocol in (6, 17) and opens and (action == "REJECT" or packets <= 3):
            self.tried[source, target, start // 3600][port] += 1

    def talkers(self):
        both = self.sent + self.received
        return [(address, self.sent[address], self.received[address], size) for address, size in best(both)]

    def scans(self):
        found = [(source, target, len(ports), ports.total()) for (source, target, _), ports in self.tried.items() if len(ports) >= 20]
        return sorted(found, key=lambda row: (-row[2], *row))

    def fan_out(self):
        return best(collections.Counter(source for source, _ in self.pairs))


@pytest.fixture(scope="module")
def computed(store):
    return Computed(store)


def rows(store, *arguments):
    """As tuples of values, in their order."""
    done = flowlog("query", "--from", store, "-o", "json", *arguments, status=None)
    assert done.returncode in (0, 1), done
    return [tuple(json.loads(line).values()) for line in done.stdout.splitlines()]


def plain(store, sql):
    with duckdb.connect() as connection:
        connection.execute(f"CREATE VIEW flow_logs AS FROM read_parquet('{store}/AWSLogs/**/*.parquet')")
        return [tuple(row) for row in connection.execute(sql).fetchall()]


def test_sql(store, computed):
    period = f"\"end\" >= {computed.since} AND start <= {computed.until}"
    for sql, expected in {
        "SELECT count(*) FROM flow_logs": [(computed.records,)],
        f"SELECT count(*), sum(bytes), sum(packets) FROM flow_logs WHERE {period}": [tuple(computed.period)],
        f"SELECT start, dstaddr, dstport, bytes FROM flow_logs WHERE srcaddr = '{computed.address}' AND {period} ORDER BY ALL":
            sorted(computed.of_address),
        "SELECT srcaddr, sum(bytes) FROM flow_logs GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10": best(computed.sent),
        "SELECT dstport, count(*) FROM flow_logs WHERE action = 'REJECT' GROUP BY 1 ORDER BY 2 DESC, 1": best(computed.rejects, None),
        "SELECT srcaddr, count(DISTINCT dstaddr) FROM flow_logs GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10": computed.fan_out(),
    }.items():
        assert expected and rows(store, sql) == expected, sql
        assert plain(store, sql) == expected, sql


def test_named(store, computed):
    limit = "limit=100000"
    assert [row[:4] for row in rows(store, "top-talkers", "limit=10")] == computed.talkers()
    found = [(row[0], row[1], row[3], row[4]) for row in rows(store, "port-scans", limit)]
    assert sorted(found, key=lambda row: (-row[2], *row)) == computed.scans() != []
    for name in ("top-talkers", "rejected-by-port", "port-scans", "host-scans"):
        sql = flowlog("query", "--from", store, "--print-sql", name, limit).stdout
        assert rows(store, name, limit) == plain(store, sql), name
