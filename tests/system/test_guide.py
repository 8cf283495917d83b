# SPDX-License-Identifier: Apache-2.0
"""The guide and README.md tell the truth: their commands are run, and print what is shown."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

from vpc import FLOWLOG, ROOT

GUIDE = ROOT / "docs" / "reading-flow-logs.md"
README = ROOT / "README.md"
# What a command of README.md needs that is not here: other people's clusters, root, an archive.
_NOT_HERE = ("s3://", "cloudwatch:", "trino://", "sudo", "/backup/")


def shown(path):
    """Each command with what stands below it, up to the next or the end of the block."""
    found = []
    for block in re.findall(r"^```\n(.*?)^```$", path.read_text(), re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def answered():
    """README.md's commands whose output is shown."""
    return [(command, output) for command, output in shown(README)
            if output and command.startswith("flowlog ") and not command.count("'") % 2 and not command.count('"') % 2
            and not any(what in command for what in _NOT_HERE)]


def run(command, folder):
    environment = {**os.environ, "PATH": f"{pathlib.Path(FLOWLOG).parent.resolve()}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, timeout=60, check=False,
                          encoding="utf-8")
    return done.stdout + done.stderr


@pytest.mark.parametrize("command, output", shown(GUIDE), ids=range(len(shown(GUIDE))))
def test_what_the_guide_shows(command, output):
    assert command.startswith("flowlog ")
    assert run(command, ROOT) == output


@pytest.mark.parametrize("command, output", answered(), ids=range(len(answered())))
def test_what_the_readme_shows(tmp_path, command, output):
    """But for breaks of lines, and for what README.md leaves out with an ellipsis."""
    folder = shutil.copytree(ROOT / "tests" / "golden" / "guide", tmp_path / "guide")
    shutil.copy(ROOT / "tests" / "golden" / "pcap" / "zeek-http-get.pcap", folder / "http-get.pcap")
    pieces = " ".join(output.split()).split("…")
    assert re.fullmatch(".+?".join(map(re.escape, pieces)), " ".join(run(command, folder).split())), command


def test_the_readme_shows_each_kind_of_answer():
    commands = " ".join(command for command, _ in answered())
    assert all(f"flowlog {name} " in commands for name in ("diagnose", "explain", "findings", "replay", "timeline", "whatif"))


def test_the_guide_shows_each_kind_of_answer():
    commands = " ".join(command for command, _ in shown(GUIDE))
    assert all(f"flowlog {name} " in commands for name in ("convert", "diagnose", "explain", "findings", "query", "whatif", "timeline"))
