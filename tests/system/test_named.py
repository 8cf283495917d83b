# SPDX-License-Identifier: Apache-2.0
"""Named queries: each finds what is planted, nothing in quiet traffic, and says what Python says, on every engine."""

import json
import os
import pathlib
import subprocess

import chdb.session
import duckdb
import pyarrow
import pyarrow.parquet
import pytest

import questions

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))
NAMES = list(questions.QUESTIONS)
ALL_ROWS = "limit=100000"


def flowlog(*arguments):
    return subprocess.run([BUILD / "flowlog", *arguments], capture_output=True, timeout=120, check=False, text=True)


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


def write_text(path, records):
    lines = [" ".join(questions.DEFAULT).replace("_", "-")]
    lines += [" ".join("-" if r[name] is None else str(r[name]) for name in questions.DEFAULT) for r in records]
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Folders of files: planted and ordinary traffic, in all fields as Parquet and in the default format as text."""
    folder = tmp_path_factory.mktemp("named")
    for make in (questions.planted, questions.ordinary, questions.silent):
        (folder / make.__name__).mkdir()
        write_parquet(folder / make.__name__ / "all.parquet", make(), questions.ALL)
    (folder / "default").mkdir()
    write_text(folder / "default" / "default.log", questions.without_optional_fields(questions.planted()))
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


@pytest.fixture(scope="module", params=[Duckdb, ClickHouse])
def engine(request):
    return request.param()


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
