# SPDX-License-Identifier: Apache-2.0
"""Completion for bash offers what the programs really take."""

import os
import pathlib
import shlex
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
BUILD = pathlib.Path(os.environ.get("FLOWLOG_BUILD", ROOT / "build"))
SCRIPT = ROOT / "packaging/flowlog.bash"


def complete(*words):
    """What bash would offer for the last of the words; "" for one not begun."""
    program = str(BUILD / words[0])
    previous = words[-2] if len(words) > 2 else program
    script = f"""
        compopt() {{ :; }}
        source {shlex.quote(str(SCRIPT))}
        COMP_WORDS=({shlex.join((program, *words[1:]))})
        COMP_CWORD={len(words) - 1}
        _flowlog {shlex.join((program, words[-1], previous))}
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], text=True, capture_output=True, check=True)
    return set(done.stdout.split())


def test_commands():
    assert {"fields", "convert"} <= complete("flowlog", "")
    assert complete("flowlog", "fiel") == {"fields"}


def test_options_of_a_command():
    assert complete("flowlog", "fields", "--ver") == {"--version"}
    assert "--help" in complete("flowlog", "convert", "-")


def test_choices_of_an_option():
    assert {"table", "json"} <= complete("flowlog", "fields", "--as", "")
    assert complete("flowlog", "fields", "-o", "js") == {"json"}


@pytest.mark.parametrize("option", ["--config", "--state", "--print"])
def test_options_of_the_daemon(option):
    assert complete("flowlogd", option[:-1]) == {option}


def test_nothing_to_offer_leaves_it_to_file_names():
    assert complete("flowlog", "convert", "") == set()
