# SPDX-License-Identifier: Apache-2.0
"""Named queries: each finds what is planted, nothing in quiet traffic, and says what Python says, on every engine."""

import csv
import functools
import io
import json
import os
import pathlib
import subprocess
import urllib.parse

import chdb.session
import duckdb
import pyarrow
import pyarrow.parquet
import pytest

import questions
import scripted

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))
NAMES = list(questions.QUESTIONS)
ALL_ROWS = "limit=100000"


def flowlog(*arguments):
    return subprocess.run([BUILD / "flowlog", *arguments], capture_output=True, timeout=120, check=False, text=True)


@functools.cache
def sql_of(engine, name, *parameters):
    done = flowlog("query", name, *parameters, "--print-sql", "--engine", engine)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.rstrip().removesuffix(";")


def rows_of(done):
    assert done.returncode == 0 and not done.stderr, (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def write_parquet(path, records, names):
    def type_of(name):
        if name in questions.INTEGERS:
            return pyarrow.int32()
        return pyarrow.int64() if name in questions.LONGS else pyarrow.string()

    schema = pyarrow.schema([(name, type_of(name)) for name in names])
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([{n: r[n] for n in names} for r in records], schema), path)


def write_text(path, records, header=True):
    lines = [" ".join(questions.DEFAULT).replace("_", "-")] if header else []
    lines += [" ".join("-" if r[name] is None else str(r[name]) for name in questions.DEFAULT) for r in records]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders of files: planted and ordinary traffic, in all fields as Parquet and in the default format as text."""
    folder = tmp_path_factory.mktemp("named")
    for make in (questions.planted, questions.ordinary, questions.silent):
        (folder / make.__name__).mkdir()
        write_parquet(folder / make.__name__ / "all.parquet", make(), questions.ALL)
    for name in ("default", "bare"):
        (folder / name).mkdir()
        write_text(folder / name / "default.log", questions.without_optional_fields(questions.planted()), name == "default")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_finds_what_is_planted(data, name):
    question = questions.QUESTIONS[name]
    done = flowlog("query", name, *question.parameters, ALL_ROWS, "--from", data / "planted", "-o", "json")
    found = rows_of(done)
    assert any(question.planted.items() <= row.items() for row in found), found
    assert questions.comparable(found) == questions.comparable(question.answer(questions.planted()))


@pytest.mark.parametrize("name", NAMES)
def test_finds_nothing_in_quiet_traffic(data, name):
    question = questions.QUESTIONS[name]
    parameters = question.parameters if question.quiet_parameters is None else question.quiet_parameters
    done = flowlog("query", name, *parameters, "--from", data / question.quiet.__name__)
    assert (done.returncode, done.stdout) == (1, ""), done.stdout


class Duckdb:
    """Anybody's DuckDB."""

    name = "duckdb"

    def __init__(self):
        self.connection = duckdb.connect()

    def run(self, sql):
        self.connection.execute(sql)

    def rows(self, sql):
        answer = self.connection.execute(sql)
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


class ClickHouse:
    """ClickHouse within this process."""

    name = "clickhouse"

    def __init__(self):
        self.session = chdb.session.Session()

    def run(self, sql):
        self.session.query(sql)

    def rows(self, sql):
        text = str(self.session.query(sql, "JSONEachRow"))
        return [json.loads(line) for line in text.splitlines()]

    def answer(self, request):
        """What its HTTP interface gives for a request."""
        _, path, headers, body = request
        options = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
        assert headers["x-clickhouse-user"] == "default" and options["wait_end_of_query"] == "1"
        try:
            return 200, str(self.session.query(body.decode(), options["default_format"]))
        except Exception as error:  # the class that is raised is not chdb.ChdbError
            return 400, f"{error}\n"


@pytest.fixture(scope="module")
def clickhouse():
    return ClickHouse()


@pytest.fixture(scope="module", params=["duckdb", "clickhouse"])
def engine(request):
    return Duckdb() if request.param == "duckdb" else request.getfixturevalue("clickhouse")


def define(engine, *arguments):
    done = flowlog("schema", "--engine", engine.name, *arguments)
    assert done.returncode == 0 and not done.stderr, done.stderr
    for statement in done.stdout.split(";\n"):
        if statement.strip():
            engine.run(statement)


@pytest.mark.parametrize("form", ["planted", "default"])
def test_same_rows_on_engines(data, engine, form):
    define(engine, "--location", data / form)
    records = questions.planted()
    if form == "default":
        records = questions.without_optional_fields(records)
    for name, question in questions.QUESTIONS.items():
        found = engine.rows(sql_of(engine.name, name, *question.parameters, ALL_ROWS))
        assert questions.comparable(found) == questions.comparable(question.answer(records)), name


@pytest.fixture(scope="module")
def clickhouse_place(data, clickhouse):
    """ClickHouse's HTTP interface, before the engine within this process, with the planted records."""
    define(clickhouse, "--location", data / "planted")
    with scripted.server(lambda *_: clickhouse.answer(server.seen[-1])) as server:
        yield f"clickhouse://127.0.0.1:{server.server_port}/default"


@pytest.mark.parametrize("name", ["top-interfaces", "port-scans", "beaconing", "unanswered"])
def test_asks_clickhouse(clickhouse_place, name):
    question = questions.QUESTIONS[name]
    done = flowlog("query", name, *question.parameters, ALL_ROWS, "--engine", clickhouse_place, "-o", "json")
    assert questions.comparable(rows_of(done)) == questions.comparable(question.answer(questions.planted()))


def test_clickhouse_rows_in_every_form(clickhouse_place):
    sql = ("SELECT dstport, count() AS flows, CAST(NULL AS Nullable(Int64)) AS nothing, toInt64(9007199254740993) AS big, "
           "1.1 AS part, 'a, \"b\"' AS text FROM flow_logs WHERE dstport = 445 GROUP BY 1")
    found = rows_of(flowlog("query", sql, "--engine", clickhouse_place, "-o", "json"))
    assert found == [{"dstport": 445, "flows": 25, "nothing": None, "big": 9007199254740993, "part": 1.1, "text": 'a, "b"'}]
    cells = list(csv.reader(io.StringIO(flowlog("query", sql, "--engine", clickhouse_place, "-o", "csv").stdout)))
    assert cells == [["dstport", "flows", "nothing", "big", "part", "text"],
                     ["445", "25", "", "9007199254740993", "1.1", 'a, "b"']]
    table = flowlog("query", sql, "--engine", clickhouse_place, "-o", "table").stdout.splitlines()
    assert table[0].split() == cells[0] and table[1].split()[:3] == ["445", "25", "-"]


@pytest.mark.parametrize(("sql", "status"), [
    ("SELECT 1 FROM flow_logs WHERE dstport = 70000", 1),
    ("SELEC 1", 2),
    ("SELECT no_such_column FROM flow_logs", 2),
    ("SELECT 1 FROM no_such_table", 2),
    ("SELECT throwIf(1)", 4),
    ("SELECT 1 FORMAT TSV", 4),
])
def test_clickhouse_refusals(clickhouse_place, sql, status):
    done = flowlog("query", sql, "--engine", clickhouse_place)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert len(done.stderr.splitlines()) == (status != 1), done.stderr


def test_time_and_condition_reach_the_engine(data, clickhouse_place):
    """Options of time and --where select the same records here and there."""
    options = "protocols", "--since", str(questions.NEWEST - 7200), "--until", str(questions.NEWEST - 600), "--where", "dstport = 443"
    here = rows_of(flowlog("query", *options, "--from", data / "planted", "-o", "json"))
    assert here == rows_of(flowlog("query", *options, "--engine", clickhouse_place, "-o", "json"))
    expected = [r for r in questions.planted() if r["dstport"] == 443 and r["end"] >= questions.NEWEST - 7200
                and r["start"] <= questions.NEWEST - 600]
    assert sum(row["flows"] for row in here) == len(expected) > 0
    by_value = "protocols", f"since={questions.NEWEST - 7200}", f"until={questions.NEWEST - 600}", "--where", "dstport = 443"
    assert here == rows_of(flowlog("query", *by_value, "--from", data / "planted", "-o", "json"))


def test_text_without_a_header_line_on_engines(data, engine):
    define(engine, "--location", data / "bare")
    records = questions.without_optional_fields(questions.planted())
    for name in ("top-talkers", "unanswered"):
        found = engine.rows(sql_of(engine.name, name, ALL_ROWS))
        assert questions.comparable(found) == questions.comparable(questions.QUESTIONS[name].answer(records)), name
