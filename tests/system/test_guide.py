# SPDX-License-Identifier: Apache-2.0
"""The guide tells the truth: each of its commands is run, and prints what the guide shows."""

import os
import pathlib
import re
import subprocess

import pytest

from vpc import FLOWLOG, ROOT

GUIDE = ROOT / "docs" / "reading-flow-logs.md"


def shown():
    """Each command with what stands below it, up to the next or the end of the block."""
    found = []
    for block in re.findall(r"^```\n(.*?)^```$", GUIDE.read_text(), re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


@pytest.mark.parametrize("command, output", shown(), ids=range(len(shown())))
def test_what_the_guide_shows(command, output):
    assert command.startswith("flowlog ")
    environment = {**os.environ, "PATH": f"{pathlib.Path(FLOWLOG).parent.resolve()}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, env=environment, capture_output=True, timeout=60, check=False,
                          encoding="utf-8")
    assert done.stdout + done.stderr == output


def test_the_guide_shows_each_kind_of_answer():
    commands = " ".join(command for command, _ in shown())
    assert all(f"flowlog {name} " in commands for name in ("convert", "diagnose", "explain", "findings", "whatif", "timeline"))
