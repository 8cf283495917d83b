# SPDX-License-Identifier: Apache-2.0
"""Whole runs of flowlog against stored answers.

A case is a folder convert/NAME: `command` holds the arguments of flowlog (paths as seen from the folder), `stdout`,
`stderr` and `status` what has to come out. After a wanted change FLOWLOG_GOLDEN_REWRITE=1 writes what came out
instead; read the difference before it is committed.
"""

import os
import pathlib
import shlex
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", HERE.parents[1] / "build"))
REWRITE = os.environ.get("FLOWLOG_GOLDEN_REWRITE") == "1"


def flowlog(arguments, folder):
    return subprocess.run([BUILD / "flowlog", *arguments], cwd=folder, capture_output=True, timeout=60, check=False)


def cases():
    return sorted(path.parent for path in HERE.glob("convert/*/command"))


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_case(case):
    done = flowlog(shlex.split((case / "command").read_text()), case)
    found = {"stdout": done.stdout, "stderr": done.stderr, "status": b"%d\n" % done.returncode}
    for name, content in found.items():
        if REWRITE:
            (case / name).write_bytes(content)
        assert content == (case / name).read_bytes(), name


def formats(header):
    return " ".join("${%s}" % name for name in header.split())


@pytest.mark.parametrize("path", sorted(HERE.glob("aws/*.log")), ids=lambda path: path.stem)
def test_published_records_come_back(path):
    """In their own format, byte for byte: fields, order, `-`, and the version by rule."""
    text = path.read_text()
    done = flowlog(["convert", path, "--header", "--format", formats(text.splitlines()[0])], HERE)
    assert done.returncode == 0
    assert done.stdout.decode() == text


@pytest.mark.parametrize("path", sorted(HERE.glob("aws/*.log")), ids=lambda path: path.stem)
@pytest.mark.parametrize("name", ["x.json", "x.json.gz", "x.log.gz", "x.log", "x.parquet", "x.gz.parquet"])
def test_published_records_survive_every_form(path, name, tmp_path):
    text = path.read_text()
    own = formats(text.splitlines()[0])
    there = flowlog(["convert", path, "--format", own, "--header", "--out", tmp_path / name], HERE)
    back = flowlog(["convert", tmp_path / name, "--format", own, "--header"], HERE)
    assert (there.returncode, back.returncode) == (0, 0)
    # Within a row group Parquet has rows of one interface and pair of addresses together.
    ordered = sorted if name.endswith(".parquet") else list
    assert ordered(back.stdout.decode().splitlines()) == ordered(text.splitlines())


def test_there_are_cases():
    assert len(cases()) >= 10
    assert len(list(HERE.glob("aws/*.log"))) >= 13
