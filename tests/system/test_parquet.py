# SPDX-License-Identifier: Apache-2.0
"""Parquet files against three readers that are not ours: pyarrow, ClickHouse (chdb), a newer DuckDB."""

import json
import os
import pathlib
import random
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))
SAMPLE = next((ROOT / "tests/golden/flowlogs").glob("*.parquet"))


def flowlog(*arguments, status=0, **options):
    options.setdefault("text", True)
    done = subprocess.run([BUILD / "flowlog", *arguments], capture_output=True, timeout=120, check=False, **options)
    assert done.returncode == status, done.stderr
    return done


def catalogue():
    return [json.loads(line) for line in flowlog("fields", "-o", "json").stdout.splitlines()]


FIELDS = {field["name"]: field["type"] for field in catalogue()}


def names_of_all():
    return flowlog("convert", "-", "--format", "all", "--header", input="").stdout.split()


def address(chance):
    if chance.random() < 0.4:
        return f"2001:db8:{chance.randrange(1, 9)}::{chance.randrange(1, 65536):x}"
    return f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"


def made_up_value(name, chance):
    limits = {"srcport": 65535, "dstport": 65535, "protocol": 255}
    if name == "version":
        return "11"
    if name.endswith("addr"):
        return address(chance)
    if name == "action":
        return chance.choice(["ACCEPT", "REJECT"])
    if name == "log-status":
        return "OK"
    if FIELDS[name] == "STRING":
        return chance.choice([f"{name}-{chance.randrange(50)}", "short", "ü%C3%BC-" + "x" * chance.randrange(30)])
    return str(chance.randrange(limits.get(name, 2**31 - 1 if FIELDS[name] == "INT_32" else 2**63 - 1) + 1))


def made_up_record(names, number, chance):
    """Flows with some values missing, and a few windows without records; numbers up to what the type holds."""
    status = chance.choice(["NODATA", "SKIPDATA"]) if number % 20 == 0 else "OK"
    values = {}
    for name in names:
        missing = name not in ("version", "start", "end") and (status != "OK" or chance.random() < 0.1)
        values[name] = "-" if missing else made_up_value(name, chance)
    values |= {"interface-id": f"eni-{number % 7:017x}", "log-status": status,
               "start": str(1700000000 + number), "end": str(1700000000 + number)}
    return [values[name] for name in names]


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """Names, rows of text, and the Parquet file of them: all fields, 3000 records."""
    folder = tmp_path_factory.mktemp("parquet")
    names, chance = names_of_all(), random.Random(7)
    rows = [made_up_record(names, number, chance) for number in range(3000)]
    (folder / "in.log").write_text("\n".join(" ".join(row) for row in [names, *rows]) + "\n", encoding="utf-8")
    done = flowlog("convert", folder / "in.log", "--format", "all", "--out", folder / "out.parquet")
    assert done.stderr == "bad lines: 0; records: 3000\n"
    return names, rows, folder / "out.parquet"


def columns_of(names):
    return [name.replace("-", "_") for name in names]


def in_order(rows):
    return sorted(rows, key=lambda row: tuple((value is not None, value) for value in row))


def assert_same(found, names, rows):
    expected = [tuple(text if FIELDS[name] == "STRING" else None if text == "-" else int(text)
                      for name, text in zip(names, row)) for row in rows]
    assert in_order(found) == in_order(expected)


def test_pyarrow(everything):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is in build-venv (scripts/venv)")
    names, rows, path = everything
    file = parquet.ParquetFile(path)
    kinds = {"INT_32": ("INT32", "INT_32"), "INT_64": ("INT64", "INT_64"), "STRING": ("BYTE_ARRAY", "UTF8")}
    schema = [(column.name, column.physical_type, column.converted_type, column.max_definition_level)
              for column in file.schema]
    assert schema == [(column, *kinds[FIELDS[name]], 1) for name, column in zip(names, columns_of(names))]
    group = file.metadata.row_group(0)
    assert {group.column(i).compression for i in range(group.num_columns)} == {"ZSTD"}
    assert_same(list(zip(*file.read().to_pydict().values())), names, rows)


def test_duckdb(everything):
    duckdb = pytest.importorskip("duckdb", reason="duckdb is in build-venv (scripts/venv)")
    names, rows, path = everything
    relation = duckdb.read_parquet(str(path))
    kinds = {"INT_32": "INTEGER", "INT_64": "BIGINT", "STRING": "VARCHAR"}
    assert [(name, str(kind)) for name, kind in zip(relation.columns, relation.types)] == \
        [(column, kinds[FIELDS[name]]) for name, column in zip(names, columns_of(names))]
    assert_same(relation.fetchall(), names, rows)


def test_clickhouse(everything):
    chdb = pytest.importorskip("chdb", reason="chdb is in build-venv (scripts/venv)")
    names, rows, path = everything

    def ask(sql):
        answer = str(chdb.query(f"{sql} FROM file('{path}', Parquet) SETTINGS output_format_json_quote_64bit_integers=0",
                                "JSONCompactEachRow"))
        return [tuple(json.loads(line)) for line in answer.splitlines()]

    kinds = {"INT_32": "Nullable(Int32)", "INT_64": "Nullable(Int64)", "STRING": "Nullable(String)"}
    described = str(chdb.query(f"DESCRIBE file('{path}', Parquet)", "JSONCompactEachRow"))
    assert [tuple(json.loads(line)[:2]) for line in described.splitlines()] == \
        [(column, kinds[FIELDS[name]]) for name, column in zip(names, columns_of(names))]
    assert_same(ask("SELECT *"), names, rows)


def test_and_back(everything):
    names, rows, path = everything
    done = flowlog("convert", path, "--format", "all")
    assert sorted(done.stdout.splitlines()) == sorted(" ".join(row) for row in rows)


def test_gzip_codec_by_name(everything, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is in build-venv (scripts/venv)")
    flowlog("convert", everything[2], "--out", tmp_path / "a.gz.parquet")
    group = parquet.ParquetFile(tmp_path / "a.gz.parquet").metadata.row_group(0)
    assert {group.column(i).compression for i in range(group.num_columns)} == {"GZIP"}


def test_row_groups_are_in_time_order(tmp_path):
    """And rows of one interface and pair of addresses stand together inside."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is in build-venv (scripts/venv)")
    chance = random.Random(11)
    lines = (f"2 - eni-{chance.randrange(9)} 10.0.0.{chance.randrange(9)} 10.0.1.1 1 2 6 1 40 {n} {n} ACCEPT OK\n"
             for n in range(1, 300001))
    (tmp_path / "in.log").write_text("".join(lines))
    flowlog("convert", tmp_path / "in.log", "--out", tmp_path / "a.parquet")
    file = parquet.ParquetFile(tmp_path / "a.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [122880, 122880, 54240]
    before = 0
    for i in range(file.num_row_groups):
        table = file.read_row_group(i, columns=["interface_id", "srcaddr", "start"]).to_pydict()
        assert min(table["start"]) == before + 1
        before = max(table["start"])
        pairs = list(zip(table["interface_id"], table["srcaddr"]))
        assert sum(a != b for a, b in zip(pairs, pairs[1:])) == 9 * 9 - 1
    assert before == 300000


@pytest.mark.parametrize("name", ["a.parquet", "a.gz.parquet"])
def test_each_encoding(tmp_path, name):
    """Texts and numbers that repeat, that do not, that are far apart, missing in part or always; bounds and filters."""
    duckdb = pytest.importorskip("duckdb", reason="duckdb is in build-venv (scripts/venv)")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is in build-venv (scripts/venv)")
    names = ["start", "end", "instance-id", "subnet-id", "srcaddr", "packets", "bytes", "srcport", "dstport", "vpc-id"]
    chance, rows = random.Random(5), []
    for n in range(20000):
        rows.append([str(1700000000 + n // 100), str(1700000000 + n // 50), f"i-{n:017x}", "subnet-1",
                     f"10.0.{n % 3000 // 250}.{n % 250}", str(chance.randrange(2**63)), str(n % 7 * 10**15),
                     str(n % 4096) if chance.random() < 0.7 else "-", "-", "-" if n % 3 else "vpc-" + "x" * 90])
    (tmp_path / "in.log").write_text("\n".join(" ".join(row) for row in [names, *rows]) + "\n")
    path = tmp_path / name
    flowlog("convert", tmp_path / "in.log", "--format", " ".join(f"${{{name}}}" for name in names), "--out", path)
    assert_same(list(zip(*parquet.read_table(path).to_pydict().values())), names, rows)
    assert_same(duckdb.read_parquet(str(path)).fetchall(), names, rows)
    group = parquet.ParquetFile(path).metadata.row_group(0)
    encodings = {names[i]: "RLE_DICTIONARY" in group.column(i).encodings for i in range(len(names))}
    assert encodings == {name: name not in ("instance-id", "packets", "dstport") for name in names}
    bounds = [group.column(i).statistics for i in range(len(names))]
    assert [(b.min, b.max, b.null_count) for b in bounds[:5]] == [
        (1700000000, 1700000199, 0), (1700000000, 1700000399, 0), (f"i-{0:017x}", f"i-{19999:017x}", 0),
        ("subnet-1", "subnet-1", 0), ("10.0.0.0", "10.0.9.99", 0)]
    assert [b.null_count for b in bounds[7:9]] == [sum(row[7] == "-" for row in rows), 20000]
    assert not bounds[8].has_min_max and not bounds[9].has_min_max

    def excluded(address):
        return duckdb.sql(f"SELECT bloom_filter_excludes FROM parquet_bloom_probe('{path}', 'srcaddr', '{address}')"
                          ).fetchall()[0][0]

    there = {row[4] for row in rows}
    assert not any(excluded(address) for address in chance.sample(sorted(there), 200))
    assert sum(excluded(f"192.168.1.{i}") for i in range(200)) > 180


def test_empty(tmp_path):
    flowlog("convert", "-", "--out", tmp_path / "a.parquet", input="")
    assert flowlog("convert", tmp_path / "a.parquet").stdout == ""


def test_sample_of_aws():
    """Its columns are in an order of their own, and the values those that other readers see."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is in build-venv (scripts/venv)")
    rows = parquet.read_table(SAMPLE).to_pylist()
    found = [json.loads(line) for line in flowlog("convert", SAMPLE, "-o", "json").stdout.splitlines()]
    assert len(found) == len(rows) == 7
    for one, row in zip(found, rows):
        version = one.pop("version", None)
        assert version is None or version >= 2
        row.pop("version", None)
        assert one == {name.replace("_", "-"): None if value == "-" else value for name, value in row.items()}


def test_replay(tmp_path):
    capture = ROOT / "tests/golden/pcap/zeek-http-get.pcap"
    flowlog("replay", capture, "--out", tmp_path / "a.log")
    flowlog("replay", capture, "--out", tmp_path / "a.parquet")
    there = sorted((tmp_path / "a.log").read_text().splitlines())
    assert there and sorted(flowlog("convert", tmp_path / "a.parquet").stdout.splitlines()) == there


# What is wrong

def test_standard_input_and_output():
    with open(SAMPLE, "rb") as file:
        assert flowlog("convert", "-", stdin=file).stdout.count("\n") == 7
    done = flowlog("convert", "-", input=SAMPLE.read_bytes(), text=False, status=4)
    assert b"cannot be read from a pipe" in done.stderr
    assert "name a file" in flowlog("convert", SAMPLE, "--as", "parquet", status=2).stderr
    assert "cannot write" in flowlog("convert", SAMPLE, "--as", "parquet", "--out", "/dev/full", status=4).stderr


def test_bad_rows_are_kept(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is in build-venv (scripts/venv)")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is in build-venv (scripts/venv)")
    table = pyarrow.table({"srcport": pyarrow.array([1, 70000, -3, None], pyarrow.int64()),
                           "srcaddr": ["10.0.0.1", "10.0.0.2", "10.0.0.3", "a b"]})
    parquet.write_table(table, tmp_path / "in.parquet")
    done = flowlog("convert", tmp_path / "in.parquet", "--format", "${srcport} ${srcaddr}", "--strict",
                   "--rejects", tmp_path / "bad", status=1)
    assert done.stdout == "1 10.0.0.1\n"
    assert [line.split(":")[1] for line in done.stderr.splitlines()[:-1]] == ["2", "3", "4"]
    assert done.stderr.splitlines()[-1] == "bad lines: 3; records: 1"
    assert (tmp_path / "bad").read_text() == "70000 10.0.0.2\n-3 10.0.0.3\n- a b\n"


def damaged(everything):
    """Cut, overwritten and made-up files; each with the two marks by which it is taken for Parquet or without."""
    chance = random.Random(3)
    whole = everything[2].read_bytes()
    sample = SAMPLE.read_bytes()
    for source in (whole, sample):
        for part in (0.0, 0.1, 0.5, 0.9, 0.999):
            yield source[:max(4, int(len(source) * part))]
        for _ in range(6):
            there = chance.randrange(4, len(source) - 9)
            yield source[:there] + chance.randbytes(8) + source[there + 8:]
        for _ in range(6):  # the index, which says where everything is
            there = len(source) - chance.randrange(12, 900)
            yield source[:there] + chance.randbytes(4) + source[there + 4:]
    yield b"PAR1" + chance.randbytes(4000) + b"PAR1"
    yield b"PAR1" + bytes(4000) + (2**31 - 1).to_bytes(4, "little") + b"PAR1"
    yield b"PAR1"


def test_damage_is_one_error(everything, tmp_path):
    """What can be read still is, and files beside it are not disturbed."""
    refused = 0
    for number, content in enumerate(damaged(everything)):
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(content)
        done = subprocess.run([BUILD / "flowlog", "convert", path, SAMPLE, "--out", tmp_path / "out.log"],
                              capture_output=True, timeout=60, check=False)
        assert done.returncode in (0, 4), (number, done.stderr)
        lines = [line for line in done.stderr.decode(errors="replace").splitlines()
                 if line.startswith("flowlog convert:") and "left out" not in line]
        assert len(lines) == (done.returncode == 4) and all(str(path) in line for line in lines), done.stderr
        assert len((tmp_path / "out.log").read_text().splitlines()) >= 7
        refused += done.returncode == 4
    assert refused > 12


def test_without_the_library(tmp_path):
    """Only what reads Parquet needs it."""
    hidden = ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs none {ROOT}/build-deps/duckdb && exec \"$@\"", "sh"]
    done = subprocess.run([*hidden, BUILD / "flowlog", "convert", SAMPLE], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 4 and done.stderr.count("\n") == 1 and "libduckdb.so" in done.stderr
    done = subprocess.run([*hidden, BUILD / "flowlog", "convert", "-"], capture_output=True, text=True, input="\n",
                          timeout=60, check=False)
    assert done.returncode == 0
