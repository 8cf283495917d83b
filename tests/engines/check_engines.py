# SPDX-License-Identifier: Apache-2.0
"""Named queries and table definitions on Spark and on a Trino server: the same rows as Python's. See run."""

import contextlib
import glob
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).parents[2]
ENGINES = ROOT / "build-engines"
sys.path[:0] = [str(ROOT / "tests/system"), str(ENGINES / "python")]

import pyspark.sql
import questions
import services
import test_named

data = test_named.data  # a fixture
ACCOUNT, REGION = "123456789012", "eu-central-1"


class Spark:
    name = "spark"
    layouts = ("flat", "hive", "hive-hourly")

    def __init__(self, folder):
        settings = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.sql.shuffle.partitions": "1",
                    "spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1",
                    "spark.sql.warehouse.dir": str(folder / "warehouse"),
                    "spark.driver.extraJavaOptions": f"-Dderby.system.home={folder}"}
        builder = pyspark.sql.SparkSession.builder.master("local[2]").enableHiveSupport()
        for name, value in settings.items():
            builder = builder.config(name, value)
        self.session = builder.getOrCreate()
        self.session.sparkContext.setLogLevel("ERROR")

    def run(self, sql):
        self.session.sql(sql)

    def rows(self, sql):
        return [row.asDict() for row in self.session.sql(sql).collect()]

    def close(self):
        self.session.stop()


class Trino:
    """A Trino server with its Hive connector over files, asked by flowlog itself."""

    name = "trino"
    layouts = ("flat", "hive", "hive-hourly", "projected", "projected-hourly")

    def __init__(self, folder):
        port = services.free_port()
        (folder / "catalog").mkdir()
        (folder / "catalog/flows.properties").write_text(
            f"connector.name=hive\nhive.metastore=file\nhive.metastore.catalog.dir=local://{folder}/metastore\n"
            "fs.native-local.enabled=true\nlocal.location=/\nhive.recursive-directories=true\n"
            "hive.ignore-absent-partitions=true\nhive.non-managed-table-writes-enabled=true\n")
        (folder / "config.properties").write_text(
            f"coordinator=true\nnode-scheduler.include-coordinator=true\nhttp-server.http.port={port}\n"
            f"discovery.uri=http://127.0.0.1:{port}\nnode.internal-address=127.0.0.1\nnode.environment=test\nnode.id=one\n"
            f"catalog.config-dir={folder}/catalog\nplugin.dir={ENGINES}/trino/plugin\n")
        home = os.environ.get("TRINO_JAVA_HOME") or max(glob.glob("/usr/lib/jvm/*2[4-9]*"), default=None)
        assert home, "Trino needs Java 24 or later: name its folder in TRINO_JAVA_HOME"
        command = [f"{home}/bin/java", "-Xmx2G", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                   "-Djdk.attach.allowAttachSelf=true", "--add-modules=jdk.incubator.vector",
                   "--enable-native-access=ALL-UNNAMED", f"-Dconfig={folder}/config.properties", f"-Dnode.data-dir={folder}/data",
                   "-cp", f"{ENGINES}/trino/lib/*", "io.trino.server.TrinoServer"]
        with open(folder / "server.log", "wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.place = f"trino://tester@127.0.0.1:{port}/flows/default"
        deadline = time.monotonic() + 180
        while self.ask("SELECT count(*) FROM system.runtime.nodes").returncode != 0:
            assert self.process.poll() is None and time.monotonic() < deadline, (folder / "server.log").read_text()[-3000:]
            time.sleep(1)
        self.run("CREATE SCHEMA flows.default")

    def ask(self, *arguments):
        return test_named.flowlog("query", *arguments, "--engine", self.place, "-o", "json")

    def run(self, sql):
        done = self.ask(sql)
        assert done.returncode in (0, 1), done.stderr
        return done

    def rows(self, sql):
        return [json.loads(line) for line in self.run(sql).stdout.splitlines()]

    def close(self):
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture(scope="module", params=[Spark, Trino])
def engine(request, tmp_path_factory):
    made = request.param(tmp_path_factory.mktemp(request.param.name))
    yield made
    made.close()


def define(engine, *arguments):
    for kind, name in (("VIEW", "flow_logs"), ("TABLE", "flow_logs"), ("TABLE", "flow_logs_files")):
        with contextlib.suppress(Exception):  # where one is of the other kind
            engine.run(f"DROP {kind} IF EXISTS {name}")
    test_named.define(engine, *arguments)


@pytest.mark.parametrize("form", ["planted", "default"])
def test_same_rows(data, engine, form):
    """Parquet with all columns, and text of the default format."""
    define(engine, "--location", data / form)
    records = questions.planted()
    if form == "default":
        records = questions.without_optional_fields(records)
    for name, question in questions.QUESTIONS.items():
        found = engine.rows(test_named.sql_of(engine.name, name, *question.parameters, test_named.ALL_ROWS))
        assert questions.comparable(found) == questions.comparable(question.answer(records)), name


def lay_out(folder, layout):
    """The planted records as AWS lays them out in a bucket; returns how many end on the second day."""
    days = {}
    for r in questions.planted():
        year, month, day, hour = time.strftime("%Y %m %d %H", time.gmtime(r["end"])).split()
        if layout.startswith("hive"):
            place = (f"AWSLogs/aws-account-id={ACCOUNT}/aws-service=vpcflowlogs/aws-region={REGION}/year={year}/"
                     f"month={month}/day={day}") + (f"/hour={hour}" if "hourly" in layout else "")
        else:
            place = f"AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/{year}/{month}/{day}" + (f"/{hour}" if "hourly" in layout else "")
        days.setdefault(place, []).append(r)
    for place, records in days.items():
        (folder / place).mkdir(parents=True)
        test_named.write_parquet(folder / place / "a.log.parquet", records, questions.ALL)
    return sum(time.strftime("%d", time.gmtime(r["end"])) == "15" for r in questions.planted())


def options_of(layout):
    hourly = ["--hourly"] if "hourly" in layout else []
    if layout.startswith("hive"):
        return ["--hive", *hourly]
    return ["--accounts", ACCOUNT, "--regions", f"{REGION},eu-west-1", *hourly] if "projected" in layout else []


def test_layouts(engine, tmp_path):
    """Folders of AWS, with and without Hive's names, as partitions where the engine makes them."""
    for layout in engine.layouts:
        second_day = lay_out(tmp_path / layout, layout)
        define(engine, "--location", tmp_path / layout, *options_of(layout))
        # A projection without a day is 8 years of days, and of hours a list of 70000.
        partition = "log_day >= '2023/11/01' AND log_day < '2023/12/01'" if "projected" in layout else "1 = 1"
        assert engine.rows(f"SELECT count(*) AS n, sum(bytes) AS b FROM flow_logs WHERE {partition}") == [
            {"n": len(questions.planted()), "b": sum(r["bytes"] or 0 for r in questions.planted())}], layout
        day = {"hive": "day = '15'", "proj": "log_day = '2023/11/15'"}.get(layout[:4])
        if day:
            assert engine.rows(f"SELECT count(*) AS n FROM flow_logs WHERE {day}") == [{"n": second_day}], layout


def test_athena_tables_on_hive(engine, tmp_path):
    """What Athena is given is Hive's language, which Spark takes as well."""
    if engine.name != "spark":
        pytest.skip("only Spark takes Hive's statements")
    lay_out(tmp_path / "hive", "hive")
    done = test_named.flowlog("schema", "--engine", "athena", "--hive", "--location", "s3://bucket/prefix")
    create, repair = done.stdout.replace("s3://bucket/prefix", f"file://{tmp_path}/hive").split(";\n")[:2]
    define(engine, "--location", tmp_path / "hive", "--hive")
    engine.run("DROP TABLE flow_logs")
    engine.run("SET spark.sql.legacy.createHiveTableByDefault=true")
    engine.run(create)
    engine.run(repair)
    assert engine.rows("SELECT count(*) AS n FROM flow_logs WHERE day IN ('14', '15', '16')") == [
        {"n": len(questions.planted())}]


def test_flowlog_asks(data, engine):
    """The happy path of --engine: every named query through flowlog's own client, in each form."""
    if engine.name != "trino":
        pytest.skip("Spark has no such protocol")
    define(engine, "--location", data / "planted")
    for name, question in questions.QUESTIONS.items():
        found = test_named.rows_of(engine.ask(name, *question.parameters, test_named.ALL_ROWS))
        assert questions.comparable(found) == questions.comparable(question.answer(questions.planted())), name
    sql = "SELECT 9007199254740993 AS big, 1.1e0 AS part, DECIMAL '1.50' AS exact, CAST(NULL AS varchar) AS nothing, 'a,b' AS text"
    assert test_named.rows_of(engine.ask(sql)) == [
        {"big": 9007199254740993, "part": 1.1, "exact": 1.5, "nothing": None, "text": "a,b"}]
    assert test_named.flowlog("query", sql, "--engine", engine.place, "-o", "csv").stdout == (
        'big,part,exact,nothing,text\n9007199254740993,1.1,1.50,,"a,b"\n')
    for wrong in ("SELEC 1", "SELECT no_such FROM flow_logs", "SELECT 1 FROM no_such"):
        done = engine.ask(wrong)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert engine.ask("SELECT 1 / (SELECT count(*) FROM flow_logs WHERE dstport = 70000)").returncode == 2
    assert engine.ask("SELECT 1 FROM flow_logs WHERE dstport = 70000").returncode == 1
