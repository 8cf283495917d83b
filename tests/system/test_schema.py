# SPDX-License-Identifier: Apache-2.0
"""flowlog schema: statements and nothing else, of every field, over whatever files lie there (contract.md 35)."""

import gzip
import json
import os
import pathlib
import re
import subprocess

import duckdb
import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))
ENGINES = ["duckdb", "athena", "trino", "spark", "clickhouse"]
HEADER = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
LINES = ["2 123456789010 eni-1 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK",
         "2 123456789010 eni-1 - - - - - - - 1431280876 1431280934 - NODATA"]


def flowlog(*arguments):
    return subprocess.run([BUILD / "flowlog", *arguments], capture_output=True, timeout=120, check=False, text=True)


def schema(engine, *arguments):
    done = flowlog("schema", "--engine", engine, *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def refused(*arguments, words=(), status=2):
    done = flowlog("schema", *arguments)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (status, "", 1), done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    return True


def rows(location, sql, *arguments):
    with duckdb.connect() as connection:
        connection.execute(schema("duckdb", "--location", location, *arguments))
        return connection.execute(sql).fetchall()


def catalogue():
    return [json.loads(line) for line in flowlog("fields", "-o", "json").stdout.splitlines()]


TYPES = {"duckdb": ("INTEGER", "BIGINT", "VARCHAR"), "athena": ("int", "bigint", "string"),
         "trino": ("integer", "bigint", "varchar"), "spark": ("INT", "BIGINT", "STRING"),
         "clickhouse": ("Nullable(Int32)", "Nullable(Int64)", "Nullable(String)")}


@pytest.mark.parametrize("engine", ENGINES)
def test_every_field_with_its_type(engine):
    text = schema(engine, "--location", "s3://bucket/prefix")
    for field in catalogue():
        name = field["name"].replace("-", "_")
        of_type = TYPES[engine][("INT_32", "INT_64", "STRING").index(field["type"])]
        form = f'NULL::{of_type} AS "{name}"' if engine == "duckdb" else f"[`\"]{name}[`\"] {re.escape(of_type)}"
        assert re.search(form if engine != "duckdb" else re.escape(form), text), (name, of_type)
    assert re.search(r"\bCREATE\b.*\bflow_logs\b", text) and text.endswith(";\n") and "--" not in text


@pytest.fixture
def files(tmp_path):
    """Folders of text, of compressed text below AWS's folders, of Parquet, and of both."""
    text = "\n".join([HEADER, *LINES]) + "\n"
    for folder in ("text", "deep/AWSLogs/1/vpcflowlogs/r/2014/12/14", "parquet", "both"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "text/a.log").write_text(text)
    (tmp_path / "text/b.log.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "deep/AWSLogs/1/vpcflowlogs/r/2014/12/14/a.log.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("parquet/a.parquet", "both/a.parquet"):
        done = flowlog("convert", "--out", tmp_path / name, tmp_path / "text/a.log")
        assert done.returncode == 0, done.stderr
    (tmp_path / "both/a.log").write_text(text)
    (tmp_path / "parquet/.half.parquet").mkdir()
    (tmp_path / "custom.log").write_text("dstport x-unknown pkt-srcaddr\n22 ? 10.0.0.1\n- - -\n")
    return tmp_path


SUMS = "SELECT count(*), sum(bytes), sum(\"end\"), count(srcport), count(vpc_id), max(typeof(bytes)) FROM flow_logs"


@pytest.mark.parametrize(("place", "files_there"), [
    ("text", 2), ("text/", 2), ("text/*.log", 1), ("text/a.log", 1), ("deep", 1), ("parquet", 1), ("parquet/*.parquet", 1),
    ("parquet/a.parquet", 1)])
def test_duckdb_runs_as_it_stands(files, place, files_there):
    assert rows(f"{files}/{place}", SUMS) == [(2 * files_there, 4249 * files_there, (1418530070 + 1431280934) * files_there,
                                              files_there, 0, "BIGINT")]


def test_formats_of_text_may_differ(files):
    (files / "text/c.log").write_text((files / "custom.log").read_text())
    assert rows(files / "text", "SELECT count(*), sum(dstport), max(pkt_srcaddr) FROM flow_logs") == [(6, 66, "10.0.0.1")]


def test_text_without_a_header_line(files):
    """Columns by their place, of --format-string; a folder that has both kinds is told."""
    (files / "bare").mkdir()
    (files / "bare/a.log").write_text("\n".join(LINES) + "\n")
    (files / "bare/b.log.gz").write_bytes(gzip.compress(("\n".join(LINES) + "\n").encode()))
    assert rows(files / "bare", SUMS) == [(4, 8498, 2 * (1418530070 + 1431280934), 2, 0, "BIGINT")]
    assert rows(files / "bare/*.log", SUMS)[0][0] == 2
    (files / "few").mkdir()
    (files / "few/a.log").write_text("22 10.0.0.1 7 8\n- - - -\n")
    fields = "--format-string", "${dstport} ${pkt-srcaddr} ${end} ${end}"
    assert rows(files / "few", "SELECT dstport, pkt_srcaddr, \"end\", srcaddr FROM flow_logs ORDER BY 1", *fields) == [
        (22, "10.0.0.1", 7, None), (None, None, None, None)]
    for engine, words in (("trino", "skip_header"), ("spark", "header 'true'"), ("clickhouse", "WithNames")):
        assert words in schema(engine, "--location", files / "text")
        assert words not in schema(engine, "--location", files / "bare")
    (files / "bare/c.log").write_text(HEADER + "\n")
    assert refused("--location", files / "bare", words=["header line"])
    (files / "bare/c.log.gz").write_bytes(b"\x1f\x8b\x08 cut")
    assert refused("--location", files / "bare", words=["c.log.gz"], status=4)


def test_both_forms_have_to_be_told_apart(files):
    assert refused("--location", files / "both", words=["--file-format"])
    for form in ("parquet", "plain-text"):
        assert rows(files / "both", "SELECT count(*) FROM flow_logs", "--file-format", form) == [(2,)]


def columns(text, table):
    """Names and types of a CREATE TABLE, in order."""
    body = re.search(rf"CREATE (?:EXTERNAL )?TABLE IF NOT EXISTS [`\"]?{table}[`\"]? \((.*?)\n\)", text, re.DOTALL).group(1)
    return re.findall(r'^  [`"]([^`"]+)[`"] (\w+)', body, re.MULTILINE)


@pytest.mark.parametrize("engine", ["athena", "trino", "spark"])
def test_text_has_the_columns_of_its_format(engine):
    arguments = "--location", "s3://b/p", "--file-format", "plain-text"
    small, big, word = TYPES[engine]
    text = schema(engine, *arguments, "--format-string", "${pkt-srcaddr} ${end} ${dstport} ${end}")
    assert columns(text, "flow_logs_files") == [("pkt_srcaddr", word), ("end", big), ("dstport", small), ("end_again_1", big)]
    assert re.search(r'VIEW flow_logs AS\b.*[`"]pkt_srcaddr[`"].*FROM flow_logs_files;', text, re.DOTALL)
    assert re.search(r'CAST\(NULL AS \w+\) AS [`"]srcaddr[`"]', text)
    assert len(columns(schema(engine, *arguments), "flow_logs_files")) == 14


@pytest.mark.parametrize("engine", ["athena", "trino", "spark"])
@pytest.mark.parametrize("form", ["parquet", "plain-text"])
def test_partitions(engine, form):
    place = "--location", "s3://b/p", "--file-format", form
    hourly = schema(engine, *place, "--hive", "--hourly")
    for name in ("aws-account-id", "aws-service", "aws-region", "year", "month", "day", "hour"):
        assert re.search(f"[`'\"]{name}[`'\"]", hourly)
    assert not re.search("[`'\"]hour[`'\"]", schema(engine, *place, "--hive"))
    assert "p/AWSLogs" in hourly and "AWSLogs/AWSLogs" not in schema(engine, "--location", "s3://b/p/AWSLogs/", "--hive")
    assert re.search("MSCK REPAIR TABLE|sync_partition_metadata", hourly)
    flat = schema(engine, *place)
    assert "projection" not in flat and "aws-region" not in flat


@pytest.mark.parametrize("engine", ["athena", "trino"])
def test_projection(engine):
    text = schema(engine, "--location", "s3://b/p", "--accounts", "1,2", "--regions", "eu-central-1", "--hourly")
    template = "s3://b/p/AWSLogs/${log_account}/vpcflowlogs/${log_region}/${log_day}/${log_hour}"
    assert template in text and ("'1,2'" in text or "'1', '2'" in text)


def test_mistakes(tmp_path):
    assert refused("--engine", "oracle", words=["--engine"])
    assert refused("--format-string", "${nonsense}", words=["--format-string"])
    assert refused("--engine", "athena", "--location", tmp_path, words=["s3://"])
    assert refused("--engine", "trino", "--location", "/a/*.parquet", words=["pattern"])
    assert refused("--location", "a'b", words=["quotes"])
    assert refused("--location", "", words=["--location"])
    assert refused("--location", "gs://bucket", words=["s3://"])
    assert refused("--accounts", "1;2", words=["commas"])
    assert refused("more", words=["no operand"])
    assert "flowlog schema --engine" in flowlog("schema", "--help").stdout
